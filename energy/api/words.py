"""The forms of what stands in addresses, for the API's document; the routes read them themselves.

A route answers a wrong word in one sentence of its own, so these forms describe and do not check.
"""

from typing import Annotated

from fastapi import Query
from pydantic import WithJsonSchema

from energy.units import SLOT_S

_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
)
_QUARTER_HOUR = rf"^20[2-9]\d-{_DAY}T(?:[01]\d|2[0-3]):(?:00|15|30|45):00Z$"

_LAST_SLOT = 4_102_444_800 - SLOT_S

NAMED = Query(
    None,
    description="0x and 64 hex digits; for operators and auditors",
    json_schema_extra={"pattern": "^0x[0-9a-f]{64}$"},
)
"""Whose data are meant, where that is not the caller."""
BeforeRow = Annotated[
    int | None, Query(ge=0, le=2**63 - 1, description="the number of the last row of a page")
]
"""Rows before this one; a larger number than any database's would be a slip."""
SlotText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _QUARTER_HOUR,
            "description": "start of a quarter hour, UTC",
            "examples": ["2026-07-15T09:00:00Z"],
        }
    ),
]
SlotName = Annotated[
    str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _QUARTER_HOUR},
                {"type": "integer", "minimum": 0, "maximum": _LAST_SLOT, "multipleOf": SLOT_S},
            ],
            "description": "start of a quarter hour, UTC, or its seconds since 1970",
            "examples": ["2026-07-15T09:00:00Z"],
        }
    ),
]
"""A slot in an address; in a body it is `SlotText`."""
IdText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^0x[0-9a-f]{64}$",
            "description": "the 32 bytes of an id",
            "examples": ["0x" + "3f" * 32],
        }
    ),
]
MonthText = Annotated[
    str,
    WithJsonSchema(
        {"type": "string", "pattern": r"^20[2-9]\d-(?:0[1-9]|1[0-2])$", "examples": ["2026-07"]}
    ),
]
ReportText = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?:latest|20[2-9]\d-(?:0[1-9]|1[0-2]))$",
            "description": "a local month, or `latest`",
            "examples": ["2026-07", "latest"],
        }
    ),
]
