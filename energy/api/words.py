"""The forms of what stands in addresses, for the API's document; the routes read them themselves.

A route answers a wrong word in one sentence of its own, so these forms describe and do not check.
That a word stands there once is looked at for all of them.
"""

from collections import Counter
from typing import Annotated

from fastapi import Query, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema

from energy.api.problems import ProblemError
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


async def require_once(request: Request) -> None:
    """Raise ProblemError where a parameter of the route stands in the address several times.

    The last would win in silence, and what stands between here and the sender may take the first.
    """
    route = request.scope.get("route")
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if not isinstance(route, APIRoute) or counts.total() == len(counts):
        return
    for known in get_flat_params(route.dependant):
        if counts[known.alias] > 1:
            found = f"{counts[known.alias]} times"
            raise ProblemError(
                422, "MALFORMED", f"{known.alias}: found {found}, allowed once",
                known.alias, found, "once",
            )  # fmt: skip
