"""The words that answers are made of: instants, money, ids and figures, each with its unit.

Shapes describe and do not check while serving: routes answer with documents that are ready, and
the tests hold every answer that they see to them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import WithJsonSchema


class Shape(BaseModel):
    """An object of an answer: exactly these members."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


def _text(pattern: str, example: str, **more: Any) -> WithJsonSchema:  # noqa: ANN401 - JSON
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example], **more})


def _hex(size: int) -> WithJsonSchema:
    return _text(f"^0x[0-9a-f]{{{2 * size}}}$", "0x" + "3f" * size)


Utc = Annotated[
    str,
    _text(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
        "2026-07-15T09:00:00Z",
        format="date-time",
    ),
]
"""An instant in UTC, whole seconds."""
Date = Annotated[str, _text(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-07-15", format="date")]
"""A local day."""
Month = Annotated[str, _text(r"^20[0-9]{2}-(?:0[1-9]|1[0-2])$", "2026-07")]
Krw = Annotated[str, _text(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$", "142.5")]
"""Won, or won per kWh, as a decimal text; no reader loses a digit of it."""
KwhText = Annotated[str, _text(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$", "301.25")]
PctText = Annotated[str, _text(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$", "99.5")]
WholeText = Annotated[str, _text(r"^-?(?:0|[1-9][0-9]*)$", "1200")]
"""A whole number as a decimal text: exactly what was signed, whatever its size."""
Id = Annotated[str, _hex(32)]
"""The 32 bytes of an account, an order, an event or an entry."""
Address = Annotated[str, _hex(20)]
Signature = Annotated[str, _text("^0x(?:[0-9a-f]{2}){64,65}$", "0x" + "1a" * 64 + "1b")]
Digest = Annotated[str, _text("^[0-9a-f]{64}$", "9f" * 32)]
"""The root of a tree or a hash, without 0x."""
Text = Annotated[str, Field(examples=["proven within 0.1 %"])]
"""A sentence for people."""
Name = Annotated[str, StringConstraints(min_length=1), Field(examples=["F3"])]
"""What something is called in the district."""
Names = dict[str, Annotated[str, Field(examples=["Sejong 5-1"])]]
"""A name by language, `en` and `ko`."""
TimeZone = Annotated[str, Field(examples=["Asia/Seoul"])]
Address4Or6 = Annotated[str, Field(examples=["127.0.0.1"])]
Cursor = Annotated[str, Field(examples=["17"])]
"""Names the page that comes next."""

Kw = Annotated[float, Field(examples=[1188.2])]
KwPositive = Annotated[float, Field(ge=0, examples=[802.8])]
Kwh = Annotated[float, Field(examples=[26.009])]
KrwNumber = Annotated[float, Field(examples=[101.3])]
"""Won per kWh where a model made it and nobody is paid by it."""
KrwSum = Annotated[float, Field(examples=[-15001.8])]
"""Won where a model made it and nobody is paid by it."""
Frac = Annotated[float, Field(examples=[0.713])]
"""A part of one; it may be more where a limit is exceeded."""
Share = Annotated[float, Field(ge=0, le=1, examples=[0.713])]
Pu = Annotated[float, Field(examples=[1.021])]
Seconds = Annotated[float, Field(ge=0, examples=[2.84])]
Tonnes = Annotated[float, Field(examples=[61.24])]
Wh = Annotated[int, Field(examples=[400])]
WhPositive = Annotated[int, Field(ge=0, examples=[400])]
Ppm = Annotated[int, Field(ge=0, examples=[300_000])]
Pct = Annotated[int, Field(ge=0, le=100, examples=[80])]
Count = Annotated[int, Field(ge=0, examples=[15])]
Number = Annotated[int, Field(ge=1, examples=[7])]
"""The number of a row, from 1."""
EpochS = Annotated[int, Field(examples=[1_784_106_000])]
"""Seconds since 1970 UTC."""
EpochUs = Annotated[int, Field(examples=[1_784_106_000_000_000])]
"""Microseconds since 1970 UTC."""
StepS = Annotated[Literal[900], Field(description="seconds from one value of a series to the next")]
Tier = Annotated[
    Literal["T0", "T1", "T2", "T3", "T4"],
    Field(description="optimum, best by the deadline, last plan shifted, rules, hold"),
]
ForecastTier = Annotated[
    Literal["F0", "F1", "F2", "F3", "F4"],
    Field(description="how a forecast came about: F0 by the model, the higher the plainer"),
]
Side = Literal["bid", "offer"]
SignedBy = Annotated[
    Literal["kept_key", "own_key"],
    Field(description="by the company with the key that it keeps for the account, or by its owner"),
]


class Axis(Shape):
    """Where a series begins."""

    start_utc: Utc
    step_s: StepS
