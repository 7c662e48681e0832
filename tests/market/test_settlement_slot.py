"""A metered slot: each Wh booked once, pools at zero, exact to the micro-won, late news or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.book import BookRow, book_of
from market.clearing import clear_slot
from market.errors import MarketError
from market.ledger import BatchResult, Posted, post_batch
from market.network import MarketLink, MarketNetwork
from market.rules import MarketRules
from market.settlement import (
    NO_TARIFF,
    BoundaryReading,
    Carriage,
    MeterReadings,
    SettlementInput,
    SettlementTerms,
    SlotSettlement,
    Trade,
    raise_estimates,
    reserve_slot,
    resettle_slot,
    resume_readings,
    settle_slot,
    system_accounts,
    trades_of,
)
from market.signing import Domain
from market.tariff import SlotCalendar, TariffDay
from market.transfers import (
    Code,
    LedgerId,
    Transfer,
    TransferKind,
    sort_and_merge,
    transfer_digests,
)

SLOT = 1_784_084_400
DOMAIN = Domain("sejong-5-1/sim/test")
SYSTEM = system_accounts(DOMAIN.market_id)
DAY = date(2026, 7, 15)
KRW, ENERGY = LedgerId.KRW, LedgerId.ENERGY
TERMS = SettlementTerms(
    calendar=SlotCalendar(10, 12, TariffDay.WEEKDAY),
    tariffs=(load_tariff("residential-lv", DAY), load_tariff("general-a1-lv", DAY)),
    connection=load_tariff("general-b-hv-a-2", DAY),  # 109.8 + 14 won at noon in October
    feed_in_mkrw_per_kwh=110_000,
    export_mkrw_per_kwh=105_000,
)


def account(number: int) -> bytes:
    return bytes([number + 1]) * 32


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@dataclass
class Ledger:
    """A ledger that posts real batches and keeps what is in force."""

    balances: Mapping[tuple[int, bytes], int] = field(default_factory=dict)
    pendings: Mapping[bytes, Transfer] = field(default_factory=dict)
    in_force: dict[bytes, Transfer] = field(default_factory=dict)
    undone: set[bytes] = field(default_factory=set)

    def post(self, transfers: list[Transfer]) -> None:
        assert transfers == sort_and_merge(transfers), "a batch in its one order"
        ids = transfer_digests(DOMAIN, transfers)
        originals = dict(self.in_force)
        answer = post_batch(
            self.balances,
            self.pendings,
            transfers,
            Posted(ids, originals=originals, reversed_ids=self.undone),
        )
        assert isinstance(answer, BatchResult), answer
        self.balances, self.pendings = answer.balances, answer.open_pendings
        for id_, transfer in zip(ids, transfers, strict=True):
            if transfer.kind in (TransferKind.PLAIN, TransferKind.POST):
                self.in_force[id_] = transfer
            if transfer.kind == TransferKind.REVERSE:
                del self.in_force[transfer.pending]
                self.undone.add(transfer.pending)

    def balance(self, ledger: int, name: bytes) -> int:
        return self.balances.get((ledger, name), 0)


def settled(inputs: SettlementInput) -> tuple[Ledger, SlotSettlement]:
    """The ledger after versions 0 and 1."""
    ledger = Ledger()
    ledger.post(reserve_slot(SLOT, inputs.trades, SYSTEM, inputs.cause))
    result = settle_slot(replace(inputs, pendings=ledger.pendings))
    ledger.post(result.transfers)
    return ledger, result


def one_seller(delivered_wh: int) -> SettlementInput:
    """Account 0 sold 1,000 Wh at 150 won to account 1, which draws 1,500 Wh."""
    trades = (Trade(account(0), 0, 1_000, 150_000), Trade(account(1), 1_000, 0, 150_000))
    readings = MeterReadings(
        account=(account(0), account(1)),
        tariff=ints(0, 0),
        import_wh=ints(0, 1_500),
        export_wh=ints(delivered_wh, 0),
        quality=ints(1, 1),
        month_import_wh=ints(0, 199_900),
    )
    boundary = BoundaryReading(import_wh=1_520 - delivered_wh, export_wh=0)
    return SettlementInput(SLOT, 1, SYSTEM, trades, {}, readings, boundary, TERMS)


def test_the_guides_example_3_short_by_180_wh() -> None:
    """150 won, short at 190: 123 won posted, 27 released, 7.2 of deviation; 115.8 in all."""
    inputs = one_seller(820)
    dear = replace(TERMS, connection=replace(TERMS.connection, climate_mkrw_per_kwh=75_200))
    ledger, result = settled(replace(inputs, terms=dear))
    assert ledger.balance(KRW, account(0)) == 115_800_000
    posted = next(
        t for t in result.transfers if t.kind == TransferKind.POST and t.debit == SYSTEM.pool
    )
    assert posted.amount == 123_000_000
    deviation = next(t for t in result.transfers if t.code == Code.DEVIATION)
    assert (deviation.debit, deviation.credit, deviation.amount) == (
        account(0),
        SYSTEM.balancing,
        7_200_000,
    )


def test_a_delivered_trade_and_its_rest_by_hand() -> None:
    ledger, result = settled(one_seller(1_200))
    # Sold 1,000 at 150 won, the other 200 at the feed-in of 110.
    assert ledger.balance(KRW, account(0)) == 150_000_000 + 22_000_000
    # Bought 1,000 at 150; 500 at tariff: 100 up to 200 kWh, then 400 of the second step, 14 on all.
    rest = 100 * 120_000 + 400 * 214_600 + 500 * 14_000
    assert ledger.balance(KRW, account(1)) == -150_000_000 - rest
    assert result.charge_ukrw.tolist() == [0, rest]
    assert result.rest_import_wh.tolist() == [0, 500]
    assert result.rest_export_wh.tolist() == [200, 0]
    # The connection showed 320 Wh, the meters 300: 20 Wh are loss, bought at 123.8 won.
    assert ledger.balance(ENERGY, SYSTEM.loss) == 20
    assert ledger.balance(KRW, SYSTEM.kepco) == 320 * 123_800


def test_nothing_delivered_voids_the_reservation() -> None:
    ledger, result = settled(one_seller(0))
    voids = [t for t in result.transfers if t.kind == TransferKind.VOID]
    assert [(t.credit, t.amount) for t in voids] == [(account(0), 150_000_000)]
    # The connection is cheaper than the price: nothing is owed for the shortfall but the price.
    assert ledger.balance(KRW, account(0)) == 0
    assert not ledger.pendings


def test_a_buyer_who_takes_less_gives_the_rest_back_at_the_export_price() -> None:
    inputs = one_seller(1_000)
    less = replace(inputs.readings, import_wh=ints(0, 600))
    boundary = BoundaryReading(import_wh=0, export_wh=380)
    ledger, _ = settled(replace(inputs, readings=less, boundary=boundary))
    assert ledger.balance(KRW, account(1)) == -1_000 * 150_000 + 400 * 105_000


def test_at_a_negative_price_the_seller_pays_the_buyer() -> None:
    inputs = one_seller(1_000)
    trades = [trade._replace(price_mkrw_per_kwh=-20_000) for trade in inputs.trades]
    ledger, result = settled(replace(inputs, trades=trades))
    assert ledger.balance(KRW, account(0)) == -20_000_000
    assert all(t.amount > 0 for t in result.transfers)
    assert ledger.balance(KRW, SYSTEM.pool) == 0


def test_at_a_price_of_zero_nothing_is_reserved() -> None:
    inputs = one_seller(1_000)
    trades = [trade._replace(price_mkrw_per_kwh=0) for trade in inputs.trades]
    assert reserve_slot(SLOT, trades, SYSTEM) == []
    ledger, _ = settled(replace(inputs, trades=trades))
    assert ledger.balance(KRW, account(0)) == 0
    assert ledger.balance(ENERGY, account(1)) == 1_500


def test_the_spcs_own_trades_are_delivered_through_the_grid() -> None:
    inputs = one_seller(1_000)
    trades = (Trade(SYSTEM.spc, 0, 1_000, 150_000), inputs.trades[1])
    ledger, _ = settled(replace(inputs, trades=trades))
    assert ledger.balance(ENERGY, SYSTEM.spc) == 0
    assert ledger.balance(ENERGY, SYSTEM.pool) == ledger.balance(KRW, SYSTEM.pool) == 0


def test_an_asset_of_the_spc_moves_energy_and_no_money() -> None:
    inputs = one_seller(1_000)
    readings = replace(inputs.readings, tariff=ints(0, NO_TARIFF))
    ledger, result = settled(replace(inputs, trades=(), readings=readings))
    assert ledger.balance(ENERGY, account(1)) == 1_500
    assert ledger.balance(KRW, account(1)) == 0
    assert result.charge_ukrw.tolist() == [0, 0]


def test_a_slot_without_market_or_boundary_settles_at_tariff() -> None:
    inputs = replace(one_seller(1_000), trades=(), boundary=None)
    ledger, _ = settled(inputs)
    assert ledger.balance(KRW, account(0)) == 1_000 * 110_000
    assert ledger.balance(KRW, SYSTEM.kepco) == 0
    assert ledger.balance(ENERGY, SYSTEM.grid) == -500


def test_an_estimate_never_causes_a_deviation() -> None:
    inputs = one_seller(400)
    guessed = replace(inputs.readings, quality=ints(2, 1))
    with pytest.raises(MarketError, match="is below what it traded"):
        settled(replace(inputs, readings=guessed))
    raised = raise_estimates(guessed, inputs.trades)
    assert raised.export_wh.tolist() == [1_000, 0]
    _, result = settled(replace(inputs, readings=raised))
    assert not any(t.code == Code.DEVIATION for t in result.transfers)
    measured = raise_estimates(inputs.readings, inputs.trades)
    assert measured.export_wh.tolist() == [400, 0]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"trades": (Trade(account(9), 5, 0, 1),)}, "traded, found no reading of it"),
        ({"pendings": {}}, "found no pending that large"),
    ],
)
def test_a_trade_without_reading_or_reservation_is_named(damage: dict, sentence: str) -> None:
    with pytest.raises(MarketError, match=sentence):
        settle_slot(replace(one_seller(1_000), **damage))


def test_two_readings_of_one_account_are_refused() -> None:
    inputs = one_seller(1_000)
    twice = replace(inputs.readings, account=(account(0), account(0)))
    with pytest.raises(MarketError, match="two readings, allowed one"):
        settled(replace(inputs, readings=twice))


def test_trades_follow_from_the_fills() -> None:
    rows = [
        BookRow(b"a" * 32, 0, 1, 150_000, 300),
        BookRow(b"b" * 32, 0, 1, 160_000, 200),
        BookRow(b"c" * 32, 0, 2, 100_000, 500),
        BookRow(b"d" * 32, 0, 2, 900_000, 500),
    ]
    clearing = clear_slot(book_of(SLOT, rows), MarketRules())
    owner = {b"a" * 32: account(1), b"b" * 32: account(1), b"c" * 32: account(0)}
    assert trades_of(clearing, owner) == (
        Trade(account(0), 0, 500, 125_000),
        Trade(account(1), 500, 0, 125_000),
    )
    with pytest.raises(MarketError, match="was filled, found no account"):
        trades_of(clearing, {})


@st.composite
def slots(draw: st.DrawFn, count: int = 5) -> SettlementInput:
    """A slot of a few accounts and the SPC: trades that balance, readings of any kind."""
    price = draw(st.integers(-200_000, 300_000))
    wh = st.integers(0, 600)
    trades = {}
    for number in range(count):
        side = draw(st.sampled_from(["none", "buys", "sells"]))
        cleared = draw(st.integers(1, 500))
        if side != "none":
            bought, sold = (cleared, 0) if side == "buys" else (0, cleared)
            trades[account(number)] = Trade(account(number), bought, sold, price)
    gap = sum(t.bought_wh - t.sold_wh for t in trades.values())
    if gap:
        trades[SYSTEM.spc] = Trade(SYSTEM.spc, max(-gap, 0), max(gap, 0), price)
    columns = [[draw(wh) for _ in range(count)] for _ in range(2)]
    month = [draw(st.sampled_from([0, 199_700, 399_800, 1_000_000])) for _ in range(count)]
    readings = MeterReadings(
        account=tuple(account(number) for number in range(count)),
        tariff=ints(*(draw(st.sampled_from([0, 1])) for _ in range(count - 1)), NO_TARIFF),
        import_wh=ints(*columns[0]),
        export_wh=ints(*columns[1]),
        quality=ints(*([1] * count)),
        month_import_wh=ints(*month),
    )
    boundary = BoundaryReading(import_wh=draw(wh), export_wh=draw(wh))
    return SettlementInput(
        SLOT, 1, SYSTEM, tuple(trades.values()), {}, readings, boundary, TERMS, b"\x0c" * 32
    )


def require_closed(ledger: Ledger, inputs: SettlementInput) -> None:
    """What the books must show of any settled slot."""
    assert not ledger.pendings
    for name in (SYSTEM.pool, SYSTEM.balancing, SYSTEM.spc):
        assert ledger.balance(ENERGY, name) == 0
    assert ledger.balance(KRW, SYSTEM.pool) == 0
    readings, boundary = inputs.readings, inputs.boundary
    assert boundary is not None
    for row, name in enumerate(readings.account):
        net_wh = int(readings.import_wh[row] - readings.export_wh[row])
        assert ledger.balance(ENERGY, name) == net_wh, "the account moves by what its meter shows"
    assert ledger.balance(ENERGY, SYSTEM.grid) == boundary.export_wh - boundary.import_wh
    for unit in (KRW, ENERGY):
        total = sum(amount for (which, _), amount in ledger.balances.items() if which == unit)
        assert total == 0


@given(slots())
@settings(settings.get_profile("market"), deadline=None)
def test_every_wh_is_booked_once_and_the_budget_closes(inputs: SettlementInput) -> None:
    ledger, result = settled(inputs)
    require_closed(ledger, inputs)
    trades = {trade.account: trade for trade in inputs.trades}
    for row, name in enumerate(inputs.readings.account):
        trade = trades.get(name, Trade(name, 0, 0, 0))
        drawn = min(trade.bought_wh, int(inputs.readings.import_wh[row]))
        given_wh = min(trade.sold_wh, int(inputs.readings.export_wh[row]))
        assert drawn + result.rest_import_wh[row] == inputs.readings.import_wh[row]
        assert given_wh + result.rest_export_wh[row] == inputs.readings.export_wh[row]


@given(slots())
@settings(settings.get_profile("market"), deadline=None)
def test_it_equals_the_two_settlement_formula(
    slow_settlement: ModuleType, inputs: SettlementInput
) -> None:
    ledger, _ = settled(inputs)
    for name, amount in slow_settlement.balances_ukrw(inputs).items():
        assert ledger.balance(KRW, name) == amount


@given(slots())
@settings(settings.get_profile("market"), deadline=None)
def test_the_same_facts_give_the_same_bytes(inputs: SettlementInput) -> None:
    one, other = settled(inputs)[1], settled(replace(inputs, trades=inputs.trades[::-1]))[1]
    assert one.transfers == other.transfers


def corrected(
    inputs: SettlementInput, version: int, readings: MeterReadings, before: "Settled"
) -> SettlementInput:
    """The input of a correction, as the ledger itself tells what the slot had been settled with."""
    now = resume_readings(
        replace(readings, month_import_wh=before.month_wh),
        before.ledger.in_force,
        SYSTEM,
        TERMS.feed_in_mkrw_per_kwh,
    )
    assert now.settled_import_wh is not None and now.settled_charge_ukrw is not None
    assert now.settled_import_wh.tolist() == before.result.rest_import_wh.tolist()
    assert now.settled_charge_ukrw.tolist() == before.result.charge_ukrw.tolist()
    return replace(inputs, version=version, readings=now)


@dataclass
class Settled:
    """A slot as it stands: the ledger, the last result and the month's use."""

    ledger: Ledger
    result: SlotSettlement
    month_wh: np.ndarray


@given(slots(), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_corrections_end_where_timely_readings_would_have(
    inputs: SettlementInput, data: st.DataObject
) -> None:
    """Any number of wrong readings first: the balances are those of the last readings alone."""
    wh = st.integers(0, 600)
    count = len(inputs.readings.account)
    wrong = [
        replace(
            inputs.readings,
            import_wh=ints(*(data.draw(wh) for _ in range(count))),
            export_wh=ints(*(data.draw(wh) for _ in range(count))),
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    ledger, result = settled(replace(inputs, readings=wrong[0]))
    state = Settled(ledger, result, inputs.readings.month_import_wh + result.rest_import_wh)
    for version, readings in enumerate([*wrong[1:], inputs.readings], 2):
        now = corrected(inputs, version, readings, state)
        result = resettle_slot(now, ledger.in_force)
        ledger.post(result.transfers)
        grown = result.rest_import_wh - state.result.rest_import_wh
        state = Settled(ledger, result, state.month_wh + grown)
        require_closed(ledger, now)
    timely, first = settled(inputs)
    assert {k: v for k, v in ledger.balances.items() if v} == {
        k: v for k, v in timely.balances.items() if v
    }
    assert state.result.charge_ukrw.tolist() == first.charge_ukrw.tolist()


@given(slots())
@settings(settings.get_profile("market"), deadline=None)
def test_a_correction_that_changes_nothing_posts_nothing(inputs: SettlementInput) -> None:
    ledger, result = settled(inputs)
    state = Settled(ledger, result, inputs.readings.month_import_wh + result.rest_import_wh)
    again = corrected(inputs, 2, inputs.readings, state)
    assert resettle_slot(again, ledger.in_force).transfers == []


def test_a_late_reading_touches_its_account_and_the_balancing_alone() -> None:
    inputs = one_seller(1_000)
    ledger, result = settled(inputs)
    late = replace(inputs.readings, export_wh=ints(820, 0))
    state = Settled(ledger, result, inputs.readings.month_import_wh + result.rest_import_wh)
    again = resettle_slot(corrected(inputs, 2, late, state), ledger.in_force)
    own = {SYSTEM.pool, SYSTEM.balancing, SYSTEM.grid, SYSTEM.loss, account(0)}
    assert all({t.debit, t.credit} <= own for t in again.transfers)
    assert all(t.version == 2 for t in again.transfers)


def test_fees_and_rent_of_a_congested_slot_stay_as_cleared_whoever_deviates() -> None:
    """Two zones: 900 Wh over a full link; one seller delivers nothing, the pool still closes."""
    rows = [
        BookRow(account(0), 0, 2, 60_000, 2_000, 0),
        BookRow(account(1), 0, 1, 130_000, 500, 0),
        BookRow(account(2), 1, 2, 140_000, 800, 1),
        BookRow(account(3), 1, 1, 180_000, 1_500, 1),
    ]
    book = book_of(SLOT, rows)
    links = (MarketLink(0, 1, 900, 8_000), MarketLink(1, 0, 900, 8_000))
    clearing = clear_slot(book, MarketRules(), MarketNetwork(links))
    carriage = Carriage(*clearing.carriage_ukrw())
    assert carriage == (7_200_000, 64_800_000)
    trades = trades_of(clearing, {tag: tag for tag in book.tags()})
    ledger = Ledger()
    ledger.post(reserve_slot(SLOT, trades, SYSTEM, carriage=carriage))
    inputs = SettlementInput(
        slot=SLOT, version=1, system=SYSTEM, trades=trades, pendings=ledger.pendings,
        readings=MeterReadings(
            account=tuple(account(n) for n in range(4)), tariff=ints(0, 0, 0, 0),
            import_wh=ints(0, 500, 0, 1_200), export_wh=ints(0, 0, 600, 0),
            quality=ints(1, 1, 1, 1), month_import_wh=ints(0, 0, 0, 0),
        ),
        boundary=None, terms=TERMS, carriage=carriage,
    )  # fmt: skip
    ledger.post(settle_slot(inputs).transfers)
    assert ledger.balance(KRW, SYSTEM.pool) == ledger.balance(ENERGY, SYSTEM.pool) == 0
    assert ledger.balance(KRW, SYSTEM.netfee) == 7_200_000
    assert ledger.balance(KRW, SYSTEM.rent) == 64_800_000
    assert not ledger.pendings


def test_who_trades_at_two_prices_has_a_trade_for_each() -> None:
    rows = [
        BookRow(account(0), 0, 2, 60_000, 100, 0),
        BookRow(account(1), 0, 1, 130_000, 100, 0),
        BookRow(account(2), 1, 2, 140_000, 100, 1),
        BookRow(account(3), 1, 1, 180_000, 100, 1),
    ]
    book = book_of(SLOT, rows)
    clearing = clear_slot(book, MarketRules())
    owner = {tag: account(9) if tag in (account(0), account(2)) else tag for tag in book.tags()}
    trades = [trade for trade in trades_of(clearing, owner) if trade.account == account(9)]
    assert [(trade.sold_wh, trade.price_mkrw_per_kwh) for trade in trades] == [
        (100, 95_000),
        (100, 160_000),
    ]
