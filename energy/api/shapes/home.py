"""My home: today and this month, automatic trading, my car, bills, and my data."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from energy.api.shapes.market import PriceStep
from energy.api.shapes.words import (
    Address4Or6,
    Count,
    Cursor,
    Id,
    Krw,
    Kw,
    Kwh,
    KwhText,
    KwPositive,
    Month,
    Name,
    Names,
    Number,
    Pct,
    PctText,
    Shape,
    Side,
    SignedBy,
    StepS,
    Text,
    TimeZone,
    Utc,
    Wh,
    WholeText,
    WhPositive,
)
from market.dr import EventState
from market.instructions import Why


class HomeMeter(Shape):
    """What is fixed of a home, and the most that it may bid for and offer in a slot."""

    use: Name
    tariff: Name
    has_solar: bool
    zone: Count
    zone_name: Name
    bid_wh_max: WhPositive | None
    offer_wh_max: WhPositive | None


class MarginalPrice(Shape):
    """What one more kWh costs at tariff, and the steps of the month."""

    slot_utc: Utc
    krw_per_kwh: Krw
    month_kwh: Kwh
    steps: list[PriceStep]


class HomeDay(Shape):
    """The settled quarter hours of the newest day, and their sums."""

    start_utc: Utc
    end_utc: Utc
    step_s: StepS
    import_wh: list[WhPositive | None]
    export_wh: list[WhPositive | None]
    bought_wh: list[Wh | None]
    sold_wh: list[Wh | None]
    price_krw_per_kwh: list[Krw | None]
    import_kwh: Kwh
    export_kwh: Kwh
    deviation_krw: Krw


class TradedSoFar(Shape):
    """What trades have brought over tariff and feed-in; losses below 0."""

    from_utc: Utc
    to_utc: Utc
    bought_kwh: Kwh
    sold_kwh: Kwh
    trade_krw: Krw
    saved_krw: Krw


class Counted(Shape):
    """Settled quarter hours that are added up, of how many."""

    done: Count
    all: Count


class HomeSums(Shape):
    """Sums of today and of the month; null while they are added up."""

    day: TradedSoFar | None
    month: TradedSoFar | None
    counted: Counted


class Home(Shape):
    """My home, today and this month."""

    account: Id
    meter: HomeMeter | None
    has_forecast: bool
    now_utc: Utc
    time_zone: TimeZone
    marginal: MarginalPrice | None
    day: HomeDay | None
    sums: HomeSums | None


class Instruction(Shape):
    """What was signed for automatic trading; a side that it does not trade has no limit."""

    id: Id
    state: Literal["WAITS", "RUNS", "HALTED", "STOPPED", "ENDED"]
    sell_from_krw_per_kwh: Krw | None
    buy_up_to_krw_per_kwh: Krw | None
    day_cap_wh: WhPositive
    day_cap_krw: Krw
    first_slot_utc: Utc
    end_utc: Utc
    last_end_utc: Utc
    signed_utc: Utc
    signed_by: SignedBy


class TradedToday(Shape):
    """What automatic trading came to today, and what its caps leave."""

    day_utc: Utc
    traded_wh: WhPositive
    paid_krw: Krw
    left_wh: WhPositive
    left_krw: Krw


class LastAutomatic(Shape):
    """What became of the last slot: the order, or why there was none."""

    slot_utc: Utc
    why: Why
    side: Side | None
    energy_wh: WhPositive


class Instructions(Shape):
    """My automatic trading, the newest instruction first."""

    next_slot_utc: Utc
    items: list[Instruction]
    today: TradedToday | None
    last: LastAutomatic | None


class OwnEventResult(Shape):
    """What I reduced in an event, and what I get and owe."""

    reduced_kwh: Kwh
    reward_krw: Krw
    penalty_krw: Krw


class OwnEvent(Shape):
    """A DR event with my own baseline, answer and result."""

    id: Id
    title: Names
    state: EventState
    first_slot_utc: Utc
    end_utc: Utc
    slots: Count
    answer_by_utc: Utc
    reward_krw_per_kwh: Krw
    penalty_krw_per_kwh: Krw
    baseline_wh: list[Wh] | None
    wh_per_slot_max: WhPositive | None
    is_open: bool
    answer_wh_per_slot: Wh | None
    answer_signed_by: SignedBy | None
    result: OwnEventResult | None


class OwnEvents(Shape):
    """DR events, newest first."""

    items: list[OwnEvent]


class BilledMonths(Shape):
    """The months of which there is a signed bill, newest first."""

    items: list[Month]


class BillLine(Shape):
    """A line of a bill; what I pay is above 0."""

    part: Literal["utility", "market"]
    kind: Name
    text: Text
    quantity: KwhText | None = None
    unit: Literal["kWh", "month or kW", "% kept"] | None = None
    month: Month | None = None
    price_krw: Krw | None = None
    amount_krw: Krw


class BillComparison(Shape):
    """What the same energy costs at KEPCO alone, and what was saved."""

    kepco_alone_krw: Krw
    net_metering: bool
    carried_kwh: KwhText
    saved_krw: Krw
    smp_rec_krw: Krw
    sold_krw: Krw
    sold_better_krw: Krw


class BillAuctions(Shape):
    """What the auctions brought over tariff and feed-in alone, and what was given back."""

    without_krw: Krw
    gain_krw: Krw
    guarantee_krw: Krw
    gain_after_krw: Krw
    kept_pct: PctText
    least_kept_pct: PctText
    most_krw: Krw
    outside: str | None


class BillPoints(Shape):
    """Points that came with a bill, and those that paid a part of it."""

    issued: Krw
    paid: Krw


class BillPlace(Shape):
    """Where a bill stands in the books."""

    bill: Id
    lines_root: Id
    tick_utc: Utc
    checkpoint_size: WholeText
    checkpoint_root: Id


class BillMonth(Shape):
    """A billed month with every line explained."""

    month: Month
    from_utc: Utc
    to_utc: Utc
    tariff: Name
    tariff_document: Id
    register_start_kwh: KwhText
    register_end_kwh: KwhText
    billed_kwh: KwhText
    received_kwh: KwhText
    given_kwh: KwhText
    lines: list[BillLine]
    utility_krw: Krw
    market_krw: Krw
    adjustments_krw: Krw
    total_krw: Krw
    comparison: BillComparison
    auctions: BillAuctions | None
    points: BillPoints
    proof: BillPlace


class BillSums(Shape):
    """Sums over the months of a statement."""

    billed_kwh: KwhText
    received_kwh: KwhText
    given_kwh: KwhText
    total_krw: Krw
    kepco_alone_krw: Krw
    saved_krw: Krw
    smp_rec_krw: Krw
    sold_krw: Krw


class Statement(Shape):
    """My bills with every line explained."""

    statement: Literal["microgrid-statement/1"]
    market: Name
    account: Id
    months: list[BillMonth]
    sums: BillSums


class ChargingPoint(Shape):
    """The charging point of a home."""

    number: Number
    kind: Literal["standard"]


class CarState(Shape):
    """How my car stands and what is promised."""

    stay: WholeText
    as_of_utc: Utc
    arrived_utc: Utc
    departure_utc: Utc
    content_pct: Pct
    content_kwh: Kwh
    capacity_kwh: Kwh
    target_pct: Pct
    can_discharge: bool
    floor_pct: Pct | None
    power_kw_max: KwPositive
    power_kw: Kw | None
    kept: bool


class WishState(Shape):
    """What I want of my car for this stay."""

    from_utc: Utc
    asked_utc: Utc
    departure_utc: Utc
    target_pct: Pct
    floor_pct: Pct | None
    charge_now: bool


class HomeCar(Shape):
    """My car at its charging point; null where there is none."""

    account: Id
    time_zone: TimeZone
    first_slot_utc: Utc
    latest_departure_utc: Utc
    point: ChargingPoint | None
    car: CarState | None
    wish: WishState | None


class WishOutcome(Shape):
    """What a wish would do: whether it can be kept, and what can."""

    kept: bool
    reach_pct: Pct
    earliest_departure_utc: Utc
    drawn_kwh: Kwh
    full_utc: Utc | None
    extra_krw: Krw


class CarSet(HomeCar):
    """My car with the wish that was taken."""

    outcome: WishOutcome


class Look(Shape):
    """Who has looked at my data, when, from where and what for."""

    no: Count
    at_utc: Utc
    who: Name
    origin: Address4Or6
    task: Text


class Remains(Shape):
    """What an erasure leaves, until which year, and by which laws."""

    code: Literal["books", "log", "meter", "backups"]
    until_year: Annotated[int, Field(examples=[2036])] | None
    laws: list[str]


class Looks(Shape):
    """Who has looked at my data, newest first, and what an erasure would leave."""

    items: list[Look]
    next: Cursor | None
    confirm: Annotated[str, Field(examples=["0x3f3f3f3f"])]
    remains: list[Remains]


class Erased(Shape):
    """What was destroyed."""

    identity: bool
    wishes: Count
    sessions: Count
    tokens: Count
    instructions: Count


class Erasure(Shape):
    """What was destroyed, and what remains."""

    erased: Erased
    remains: list[Remains]


class OwnData(Shape):
    """Everything that is kept about me: by section its rows, whose members are the store's own."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, list[dict[str, Any]]]

    account: Id
    at_utc: Utc
