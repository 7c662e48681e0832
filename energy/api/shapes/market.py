"""The market: prices and rules for bidders, auctions, and what they came to."""

from typing import Literal

from pydantic import Field

from energy.api.shapes.words import (
    Axis,
    Count,
    ForecastTier,
    Id,
    Krw,
    KrwNumber,
    Kwh,
    Name,
    Number,
    Seconds,
    Shape,
    Share,
    StepS,
    Text,
    TimeZone,
    Utc,
    WholeText,
)


class ZoneResult(Shape):
    """What an auction came to in a zone; without trade there is no price.

    Where few have ordered, its energies are null to those who do not see single households.
    """

    zone: Name
    price_krw_per_kwh: Krw | None
    sell_price_krw_per_kwh: Krw | None
    volume_kwh: Kwh | None
    bought_kwh: Kwh | None
    sold_kwh: Kwh | None
    outcome: Literal["empty", "no_trade", "between", "bid_margin", "offer_margin"]
    forced: bool
    reason: Text


class WayResult(Shape):
    """A way between places: what flowed, what could (null: no limit), fee and rent."""

    from_: Name = Field(alias="from")
    to: Name
    flow_kwh: Kwh
    capacity_kwh: Kwh | None
    fee_krw_per_kwh: Krw
    fees_krw: Krw
    rent_krw: Krw


class NarrowestWay(Shape):
    """The narrowest way that a transfer leads over."""

    from_: Name = Field(alias="from")
    to: Name
    capacity_kwh: Kwh


class ZoneTransfer(Shape):
    """From a zone to a zone: the least fee (null: no way), and the narrowest way."""

    from_: Name = Field(alias="from")
    to: Name
    fee_krw_per_kwh: Krw | None
    limiting: NarrowestWay | None


class WayCut(Shape):
    """A way that the grid check has narrowed."""

    from_: Name = Field(alias="from")
    to: Name
    from_kwh: Kwh | None
    to_kwh: Kwh
    reason: Text


class Round(Shape):
    """One clearing of the book: what it came to, what it broke, and the cut that followed."""

    round: Number
    volume_kwh: Kwh
    welfare_krw: Krw
    broken: list[Text]
    cut: WayCut | None
    no_trade: list[Name]


class LabelResult(Shape):
    """What labelled energy cost on top, and how much was sold; null where few have ordered."""

    label: Literal["green", "local"]
    zone: Name | None
    price_krw_per_kwh: Krw | None
    volume_kwh: Kwh | None
    hidden: bool | None = None


class SpcQuote(Shape):
    """What the company stood ready to sell and buy, and the plan's value of energy."""

    value_krw_per_kwh: Krw
    sells_kwh_max: Kwh
    buys_kwh_max: Kwh


class MarketResult(Shape):
    """What an auction came to; in `hidden_zones` few accounts have ordered.

    To those who do not see single households there are no ways of these zones and no fees and rent
    in sum; no mean price either where the prices of these zones part.
    """

    slot_utc: Utc
    price_krw_per_kwh: Krw | None
    volume_kwh: Kwh
    orders: Count
    welfare_krw: Krw
    reason: Text
    spc: SpcQuote | None
    zones: list[ZoneResult]
    hidden_zones: list[Name] | None = None
    network_version: Count | None
    fees_krw: Krw | None
    rent_krw: Krw | None
    links: list[WayResult]
    rounds: list[Round]
    transfers: list[ZoneTransfer]
    labels: list[LabelResult]


class PriceHistory(Axis):
    """Price and volume of the auctions of a day; null where there was none."""

    price_krw_per_kwh: list[KrwNumber | None]
    volume_kwh: list[Kwh | None]


class MarketDay(MarketResult):
    """The last auction, and those of the day before it."""

    history: PriceHistory


class Auction(MarketResult):
    """An auction as it was published, and the clearing of its last round."""

    clearing: MarketResult | None


class AuctionOfBooks(Shape):
    """An auction of which the clearing alone is kept."""

    clearing: MarketResult


class PriceStep(Shape):
    """What one more kWh costs up to a use of the month; the last step has no end."""

    up_to_kwh: Kwh | None
    krw_per_kwh: Krw


class DistrictName(Shape):
    """Whose market it is."""

    id: Name
    time_zone: TimeZone


class MarketName(Shape):
    """Which market it is."""

    id: Name
    chain_id: Count


class SigningDomain(Shape):
    """The EIP-712 domain that every message is signed for."""

    name: Name
    version: WholeText
    chainId: WholeText
    salt: Id


class MarketClock(Shape):
    """The district's time."""

    now_utc: Utc
    slot_seconds_real: Seconds


class OpenSlots(Shape):
    """For which slots orders are taken, and how long before a slot its gate is."""

    first_slot_utc: Utc
    slots: Count
    gate_lead_s: Count


class BidderRules(Shape):
    """What an order must keep to; `version` is what it names."""

    version: Number
    price_floor_krw_per_kwh: Krw
    price_cap_krw_per_kwh: Krw
    price_tick_krw_per_kwh: Krw
    premium_max_krw_per_kwh: Krw
    network_fee_krw_per_kwh: Krw
    local_fee_krw_per_kwh: Krw


class BidderRulesFrom(BidderRules):
    """Rules that hold from a slot on."""

    from_slot_utc: Utc


class WaysOfMarket(Shape):
    """Zones, fees, and what each way was like when last cleared."""

    version: Count | None
    zones: list[Name]
    network_fee_krw_per_kwh: Krw
    local_fee_krw_per_kwh: Krw
    transfers: list[ZoneTransfer]
    links: list[WayResult]


class ExpectedPrice(Shape):
    """What the forecast says of an auction: the median, and the band of eight in ten."""

    slot_utc: Utc
    price_krw_per_kwh: Krw
    low_krw_per_kwh: Krw
    high_krw_per_kwh: Krw
    tier: ForecastTier


class LastPrice(Shape):
    """The price of a cleared slot, and of each of its zones."""

    slot_utc: Utc
    price_krw_per_kwh: Krw | None
    zones: dict[str, Krw | None]


class Prices(Shape):
    """What anybody may know of the market; bidders decide by it."""

    district: DistrictName
    market: MarketName
    domain: SigningDomain
    clock: MarketClock
    open: OpenSlots
    rules: BidderRules
    rules_to_come: list[BidderRulesFrom]
    feed_in_krw_per_kwh: Krw
    tariffs: dict[str, list[PriceStep]]
    network: WaysOfMarket
    sun_frac: Share | None
    expected: ExpectedPrice | None
    last: list[LastPrice]


class BoughtKwh(Shape):
    """Energy bought, by model; null where it would tell of one customer."""

    contracts: Kwh
    p2p: Kwh | None
    tariff: Kwh | None


class SoldKwh(Shape):
    """Energy sold, by model; null where it would tell of one customer."""

    contracts: Kwh
    p2p: Kwh | None
    feed_in: Kwh | None


class BoughtCourse(Shape):
    """Energy bought by slot and model, kWh."""

    contracts: list[Kwh | None]
    p2p: list[Kwh | None]
    tariff: list[Kwh | None]


class SoldCourse(Shape):
    """Energy sold by slot and model, kWh."""

    contracts: list[Kwh | None]
    p2p: list[Kwh | None]
    feed_in: list[Kwh | None]


class MarketTotals(Shape):
    """Sums of auctions, and of what is settled; null where a slot's part is not told."""

    from_utc: Utc
    to_utc: Utc
    auctions: Count
    traded: Count
    settled: Count
    volume_kwh: Kwh
    price_low_krw_per_kwh: Krw | None
    price_high_krw_per_kwh: Krw | None
    welfare_krw: Krw
    bought_kwh: BoughtKwh
    sold_kwh: SoldKwh
    avoided_krw: Krw
    forgone_krw: Krw
    outside_krw: Krw | None
    deviation_krw: Krw | None
    saved_p2p_krw: Krw | None
    saved_contracts_krw: Krw
    saved_krw: Krw | None


class MarketHistory(Shape):
    """Columns over slots; what is not known is null. `next` asks for the rest."""

    start_utc: Utc
    step_s: StepS
    slots: Count
    state: list[Literal["void", "no_trade", "cleared", "settled"] | None]
    price_krw_per_kwh: list[Krw | None]
    price_low_krw_per_kwh: list[Krw | None]
    price_high_krw_per_kwh: list[Krw | None]
    volume_kwh: list[Kwh | None]
    orders: list[Count | None]
    welfare_krw: list[Krw | None]
    tariff_krw_per_kwh: list[Krw | None]
    feed_in_krw_per_kwh: list[Krw | None]
    bought_kwh: BoughtCourse
    sold_kwh: SoldCourse
    avoided_krw: list[Krw | None]
    forgone_krw: list[Krw | None]
    outside_krw: list[Krw | None]
    deviation_krw: list[Krw | None]
    saved_p2p_krw: list[Krw | None]
    saved_contracts_krw: list[Krw | None]
    saved_krw: list[Krw | None]
    traders: list[Count | None]
    worse_off: list[Count | None]
    totals: MarketTotals
    today: MarketTotals
    next: str | None = Field(
        examples=["/v1/market/history?from=2026-07-15T09:00:00Z&to=2026-07-16T09:00:00Z"]
    )
