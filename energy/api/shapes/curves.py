"""The curves of an auction, and open data of what groups drew and fed in."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.words import (
    Count,
    Digest,
    Frac,
    Id,
    Krw,
    Kwh,
    Name,
    Number,
    Shape,
    Side,
    Text,
    TimeZone,
    Utc,
)


class Curve(Shape):
    """A side in merit order: the price of each step and the energy up to its end."""

    prices: Count
    price_krw_per_kwh: list[Krw]
    until_kwh: list[Kwh]


class OrderedKwh(Shape):
    """What participants have ordered, kWh."""

    demand: Kwh
    supply: Kwh


class Margin(Shape):
    """The price group that had to share."""

    side: Side
    price_krw_per_kwh: Krw
    open_kwh: Kwh
    filled_kwh: Kwh


class PlaceCurves(Shape):
    """A zone, or the district where `zone` is null; few accounts are hidden.

    What a hidden one has bought and sold, and its margin, operators and auditors alone are told.
    """

    zone: Name | None
    bought_kwh: Kwh | None
    sold_kwh: Kwh | None
    price_krw_per_kwh: Krw | None
    low_krw_per_kwh: Krw | None
    high_krw_per_kwh: Krw | None
    interval: Literal["valid", "zones"] | None
    flags: list[Literal["scarce", "glut", "forced"]]
    margin: Margin | None
    accounts: Count | None
    ordered_kwh: OrderedKwh | None
    hidden: bool
    demand: Curve | None
    supply: Curve | None


class ClearingBudget(Shape):
    """What buyers pay and where it goes; `open_krw` is left over and must be 0."""

    paid_krw: Krw
    received_krw: Krw
    fees_krw: Krw
    rent_krw: Krw
    open_krw: Krw


class ClearingCertificate(Shape):
    """What proves a clearing."""

    entry: Id
    book_root: Digest
    fills_root: Digest
    rules_version: Number
    network_version: Count


class Curves(Shape):
    """The curves of an auction, and where they met; no budget where it tells of few accounts."""

    slot_utc: Utc
    orders: Count
    operator_rows: Count
    round: Number
    volume_kwh: Kwh
    welfare_krw: Krw
    budget: ClearingBudget | None
    certificate: ClearingCertificate
    district: PlaceCurves
    zones: list[PlaceCurves]
    reason: Text | None


class VoidCurves(Shape):
    """A slot whose orders were void: no curves, and why."""

    slot_utc: Utc
    orders: Count
    reason: Text | None
    district: None
    zones: Annotated[list[PlaceCurves], Field(max_length=0)]


class OpenEnergyRow(Shape):
    """A group's energy in a time; null where no quarter hour of it may be told."""

    start_utc: Utc
    zone: Name
    use: Literal["homes", "businesses"]
    quarter_hours: Count
    import_wh: Count | None
    import_quarter_hours: Count
    export_wh: Count | None
    export_quarter_hours: Count


class OpenEnergy(Shape):
    """What groups of customers drew and fed in; the rules that protect them."""

    start_utc: Utc
    end_utc: Utc
    step: Literal["quarter_hour", "hour", "day", "month"]
    time_zone: TimeZone
    members_min: Count
    share_max_frac: Frac
    rows: list[OpenEnergyRow]
