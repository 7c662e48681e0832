"""What operators have done with assets and written about them."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.words import Name, Number, Shape, Text, Utc

Reason = Annotated[str, Field(examples=["inverter is being replaced"])]
Who = Annotated[str, Field(examples=["person kim"])]


class AssetAct(Shape):
    """Who did something, why and when."""

    by: Who
    reason: Reason
    at_utc: Utc


class AssetRetirement(Shape):
    """An asset out of use from a slot on; `until_utc` null while its return is not ordered.

    One that ends where it begins has never held.
    """

    id: Number
    asset: Name
    state: Literal["planned", "running", "ended"]
    from_utc: Utc
    until_utc: Utc | None
    retired: AssetAct
    returned: AssetAct | None


class AssetNote(Shape):
    """What somebody has written about an asset."""

    id: Number
    text: Annotated[str, Field(examples=["serial number read, fan is loud"])]
    by: Who
    at_utc: Utc


class AssetRetirements(Shape):
    """The last retirements, newest first, and the first slot that an order may name."""

    items: list[AssetRetirement]
    first_slot_utc: Utc


class AssetHistory(Shape):
    """An asset, whether it may go out of use now and why not, and all that was done with it."""

    id: Name
    kind: Annotated[str, Field(examples=["battery_community"])]
    area: Name | None
    may_retire: bool
    why_not: Text | None
    retirements: list[AssetRetirement]
    notes: list[AssetNote]
