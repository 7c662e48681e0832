"""Readings late, missing, estimated, wrong and corrected, in any order: the books end the same.

Several slots of one month, in which each kWh is dearer the later it comes. The timely books know
the true readings at once; the others hear of them in whatever order a hypothesis draws, with slots
settled for the first time in between. All that was ever posted stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.ledger import BatchResult, Posted, post_batch
from market.settlement import (
    ESTIMATED,
    NO_TARIFF,
    BoundaryReading,
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
)
from market.signing import Domain
from market.tariff import SlotCalendar, TariffDay
from market.transfers import LedgerId, Transfer, TransferKind, transfer_digests

DOMAIN = Domain("sejong-5-1/sim/late-news")
SYSTEM = system_accounts(DOMAIN.market_id)
FIRST = 1_784_084_400
METERS = 4
DAY = date(2026, 10, 15)
TERMS = SettlementTerms(
    calendar=SlotCalendar(10, 12, TariffDay.WEEKDAY),
    tariffs=(load_tariff("residential-lv", DAY), load_tariff("general-a1-lv", DAY)),
    connection=load_tariff("general-b-hv-a-2", DAY),
    feed_in_mkrw_per_kwh=110_000,
    export_mkrw_per_kwh=105_000,
)
TARIFF = np.array([0, 0, 1, NO_TARIFF])
# Just below the steps of a month, so that a slot may reach over one.
MONTH_WH = np.array([199_700, 399_800, 0, 0])
NOTHING = np.zeros(METERS, dtype=np.int64)
MEASURED, CORRECTED = 1, 3

Cell = tuple[int, int]  # slot, meter
Wh = tuple[int, int, int]  # import, export, quality
News = list[tuple[int, int, Wh]]


def account(number: int) -> bytes:
    return bytes([number + 1]) * 32


@dataclass
class Books:
    """A ledger, all that was ever posted to it, and what each meter's month has come to."""

    balances: Mapping[tuple[int, bytes], int] = field(default_factory=dict)
    pendings: Mapping[bytes, Transfer] = field(default_factory=dict)
    history: dict[bytes, Transfer] = field(default_factory=dict)
    undone: dict[bytes, bytes] = field(default_factory=dict)
    month_wh: np.ndarray = field(default_factory=MONTH_WH.copy)
    rest_wh: dict[int, np.ndarray] = field(default_factory=dict)
    charge: dict[int, np.ndarray] = field(default_factory=dict)
    version: dict[int, int] = field(default_factory=dict)

    def post(self, transfers: list[Transfer]) -> None:
        ids = transfer_digests(DOMAIN, transfers)
        answer = post_batch(
            self.balances,
            self.pendings,
            transfers,
            Posted(ids, originals=dict(self.history), reversed_ids=set(self.undone)),
        )
        assert isinstance(answer, BatchResult), answer
        self.balances, self.pendings = answer.balances, answer.open_pendings
        for id_, one in zip(ids, transfers, strict=True):
            assert id_ not in self.history, "nothing is written twice"
            self.history[id_] = one
            if one.kind == TransferKind.REVERSE:
                assert one.pending not in self.undone, "nothing is undone twice"
                self.undone[one.pending] = id_

    def in_force(self, slot: int) -> dict[bytes, Transfer]:
        """What has moved something for a slot and was not undone."""
        moving = (TransferKind.PLAIN, TransferKind.POST)
        return {
            id_: one
            for id_, one in self.history.items()
            if one.slot == slot and one.kind in moving and id_ not in self.undone
        }

    def count(self, slot: int, settled: SlotSettlement) -> None:
        """Remember what a settlement came to."""
        self.post(settled.transfers)
        self.month_wh = self.month_wh + settled.rest_import_wh - self.rest_wh.get(slot, NOTHING)
        self.rest_wh[slot], self.charge[slot] = settled.rest_import_wh, settled.charge_ukrw

    def moved(self) -> dict[tuple[int, bytes], int]:
        return {key: amount for key, amount in self.balances.items() if amount}


@dataclass(frozen=True)
class Case:
    """Slots with their trades and true readings, and the news in the order in which they come.

    `begin` is what the first settlement of each slot knows. A piece of news without readings is the
    first settlement of its slot.
    """

    trades: tuple[tuple[Trade, ...], ...]
    boundary: tuple[BoundaryReading, ...]
    truth: dict[Cell, Wh]
    begin: dict[Cell, Wh]
    news: list[tuple[int, int, Wh] | int]


def readings_of(cells: Mapping[Cell, Wh], slot: int, month_wh: np.ndarray) -> MeterReadings:
    columns = np.array([cells[slot, meter] for meter in range(METERS)], dtype=np.int64)
    return MeterReadings(
        account=tuple(account(number) for number in range(METERS)),
        tariff=TARIFF,
        import_wh=columns[:, 0].copy(),
        export_wh=columns[:, 1].copy(),
        quality=columns[:, 2].copy(),
        month_import_wh=month_wh,
    )


def inputs_of(case: Case, books: Books, cells: Mapping[Cell, Wh], slot: int) -> SettlementInput:
    readings = raise_estimates(readings_of(cells, slot, books.month_wh), case.trades[slot])
    return SettlementInput(
        slot=FIRST + slot * 900,
        version=books.version.get(slot, 0) + 1,
        system=SYSTEM,
        trades=case.trades[slot],
        pendings=books.pendings,
        readings=readings,
        boundary=case.boundary[slot],
        terms=TERMS,
    )


def settle(case: Case, books: Books, cells: Mapping[Cell, Wh], slot: int) -> None:
    """The first settlement of a slot."""
    books.post(reserve_slot(FIRST + slot * 900, case.trades[slot], SYSTEM))
    inputs = inputs_of(case, books, cells, slot)
    mine = {id_: one for id_, one in books.pendings.items() if one.slot == inputs.slot}
    books.count(slot, settle_slot(replace(inputs, pendings=mine)))
    books.version[slot] = 1


def hear(case: Case, books: Books, cells: dict[Cell, Wh], news: tuple[int, int, Wh]) -> None:
    """A reading that comes after its slot was settled: the next version, if it changes anything."""
    slot, meter, wh = news
    cells[slot, meter] = wh
    inputs = inputs_of(case, books, cells, slot)
    in_force = books.in_force(inputs.slot)
    resumed = resume_readings(inputs.readings, in_force, SYSTEM, TERMS.feed_in_mkrw_per_kwh)
    inputs = replace(inputs, readings=resumed, pendings={})
    settled = resettle_slot(inputs, in_force)
    books.count(slot, settled)
    if settled.transfers:
        books.version[slot] = inputs.version


@st.composite
def cases(draw: st.DrawFn) -> Case:
    slots = draw(st.integers(1, 3))
    trades = tuple(draw(drawn_trades()) for _ in range(slots))
    wh = st.integers(0, 400)
    boundary = tuple(BoundaryReading(draw(wh), draw(wh)) for _ in range(slots))
    truth, begin, waiting = {}, {}, list[News]()
    for slot in range(slots):
        for meter in range(METERS):
            truth[slot, meter] = begin[slot, meter] = (draw(wh), draw(wh), MEASURED)
            fate = draw(st.sampled_from(["timely", "timely", "missing", "wrong"]))
            if fate == "timely":
                continue
            quality = ESTIMATED if fate == "missing" else MEASURED
            begin[slot, meter] = (draw(wh), draw(wh), quality)
            qualities = [ESTIMATED, MEASURED, CORRECTED]
            before = draw(st.lists(st.tuples(wh, wh, st.sampled_from(qualities)), max_size=2))
            last = (*truth[slot, meter][:2], CORRECTED)
            waiting.append([(slot, meter, one) for one in [*before, last]])
    return Case(trades, boundary, truth, begin, draw(any_order(slots, waiting)))


@st.composite
def drawn_trades(draw: st.DrawFn) -> tuple[Trade, ...]:
    """Trades at one price that balance, the SPC's among them; the last meter is the SPC's own."""
    price = draw(st.integers(-100_000, 250_000))
    found = []
    for number in range(METERS - 1):
        bought, sold = draw(st.sampled_from([(0, 0), (1, 0), (0, 1)]))
        cleared = draw(st.integers(1, 400))
        if bought or sold:
            found.append(Trade(account(number), bought * cleared, sold * cleared, price))
    gap = sum(one.bought_wh - one.sold_wh for one in found)
    if gap:
        found.append(Trade(SYSTEM.spc, max(-gap, 0), max(gap, 0), price))
    return tuple(found)


@st.composite
def any_order(draw: st.DrawFn, slots: int, waiting: list[News]) -> list[tuple[int, int, Wh] | int]:
    """News in any order, but of one meter and slot in its own, and after the slot's settlement."""
    queues: list[list[tuple[int, int, Wh] | int]] = [list(range(slots)), *map(list, waiting)]
    order: list[tuple[int, int, Wh] | int] = []
    begun: set[int] = set()
    while any(queues):
        ready = [
            queue for queue in queues
            if queue and (isinstance(queue[0], int) or queue[0][0] in begun)
        ]  # fmt: skip
        one = draw(st.sampled_from(ready)).pop(0)
        if isinstance(one, int):
            begun.add(one)
        order.append(one)
    return order


@given(cases())
@settings(settings.get_profile("market"), deadline=None)
def test_news_in_any_order_end_where_timely_readings_would_have(case: Case) -> None:
    timely, late, cells = Books(), Books(), dict(case.begin)
    for slot in range(len(case.trades)):
        settle(case, timely, case.truth, slot)
    for one in case.news:
        before = len(late.history)
        if isinstance(one, int):
            settle(case, late, cells, one)
        else:
            hear(case, late, cells, one)
        assert len(late.history) >= before
        require_whole(late)
    assert late.moved() == timely.moved()
    assert late.month_wh.tolist() == timely.month_wh.tolist()
    charges = [sum(books.charge.values()).tolist() for books in (late, timely)]
    assert charges[0] == charges[1]


def require_whole(books: Books) -> None:
    """What holds after each piece of news: closed pools, and a history that explains itself."""
    assert not books.pendings
    for name in (SYSTEM.pool, SYSTEM.balancing):
        assert books.balances.get((LedgerId.ENERGY, name), 0) == 0
    assert books.balances.get((LedgerId.KRW, SYSTEM.pool), 0) == 0
    for original, id_ in books.undone.items():
        was, undoing = books.history[original], books.history[id_]
        assert (undoing.debit, undoing.credit) == (was.credit, was.debit)
        assert (undoing.amount, undoing.code) == (was.amount, was.code)
        assert undoing.slot == was.slot and undoing.version > was.version
    again: dict[tuple[int, bytes], int] = {}
    for one in books.history.values():
        if one.kind in (TransferKind.PLAIN, TransferKind.POST, TransferKind.REVERSE):
            for account_, sign in ((one.debit, -1), (one.credit, 1)):
                key = (one.ledger, account_)
                again[key] = again.get(key, 0) + sign * one.amount
    assert {key: amount for key, amount in again.items() if amount} == books.moved()
