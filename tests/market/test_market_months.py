"""Two months of a small market: every account's sum is what the definitions say, all sum to 0.

Two zones with a narrow, charged link; trades at two prices; meters that deviate; fees, rent and
balancing; then the statements, whose rounding has an account of its own. The ledger's balances are
compared with sums that are written from the two-settlement formula and know no transfer.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import ModuleType

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.book import BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing, clear_slot
from market.ledger import BatchResult, Posted, post_batch
from market.network import MarketLink, MarketNetwork, MarketZone
from market.rules import MarketRules
from market.settlement import (
    BoundaryReading,
    Carriage,
    MeterReadings,
    SettlementInput,
    SettlementTerms,
    reserve_slot,
    settle_slot,
    system_accounts,
    trades_of,
)
from market.signing import Domain
from market.statement import AccountMonth, build_statement, lines_of
from market.tariff import SlotCalendar, TariffDay, price_mkrw_per_kwh
from market.transfers import LedgerId, Transfer, TransferKind, transfer_digests

DOMAIN = Domain("sejong-5-1/sim/months")
SYSTEM = system_accounts(DOMAIN.market_id)
RULES = MarketRules(floor_mkrw_per_kwh=-1_000_000, tick_mkrw_per_kwh=1)
HOMES, KRW, ENERGY = 4, LedgerId.KRW, LedgerId.ENERGY
MONTHS = ((2026, 10), (2026, 11))
SLOTS = 2  # of each month
HOME = load_tariff("residential-lv", date(2026, 10, 1))
CONNECTION = load_tariff("general-b-hv-a-2", date(2026, 10, 1))
FEED_IN, EXPORT = 110_000, 105_000


def account(number: int) -> bytes:
    return bytes([number + 1]) * 32


@dataclass(frozen=True)
class Slot:
    """What a slot brings: a book of (home, side, milli-won, Wh), the link, and the meters."""

    month: int
    start: int
    orders: list[tuple[int, int, int, int]]
    room_wh: int
    fee: int
    meters: list[tuple[int, int]]
    boundary: tuple[int, int]

    @property
    def calendar(self) -> SlotCalendar:
        return SlotCalendar(MONTHS[self.month][1], 12, TariffDay.WEEKDAY)

    def clearing(self) -> Clearing:
        """Homes 0 and 1 live in zone 0, 2 and 3 in zone 1; the SPC offers in zone 0."""
        rows = [
            BookRow(self.tag(n), home // 2, side, price, e_wh, home // 2)
            for n, (home, side, price, e_wh) in enumerate(self.orders)
        ]
        rows.append(BookRow(self.tag(99), 0, 2, 140_000, 300, 0))
        links = tuple(MarketLink(*ends, self.room_wh, self.fee) for ends in ((0, 1), (1, 0)))
        network = MarketNetwork(links, (MarketZone(0, 0, 0), MarketZone(1, 1, 1)))
        book = book_of(self.start, rows)
        clearing = clear_slot(book, RULES, network)
        assert check_clearing(book, RULES, clearing, network) == []
        return clearing

    def tag(self, number: int) -> bytes:
        return hashlib.sha256(f"{self.start} {number}".encode()).digest()

    def owners(self) -> dict[bytes, bytes]:
        found = {self.tag(n): account(home) for n, (home, *_) in enumerate(self.orders)}
        return {**found, self.tag(99): SYSTEM.spc}


@st.composite
def drawn_slots(draw: st.DrawFn) -> list[Slot]:
    wh = st.integers(0, 400)
    found = []
    for month in range(len(MONTHS)):
        for n in range(SLOTS):
            orders = []
            for home in range(HOMES):
                side = draw(st.sampled_from([0, 1, 2]))
                if side:
                    price = draw(st.sampled_from([-20_000, 90_000, 120_000, 150_000, 200_001]))
                    orders.append((home, side, price, draw(st.integers(1, 400))))
            found.append(
                Slot(
                    month=month,
                    start=1_790_000_100 + (month * 3_000 + n) * 900,
                    orders=orders,
                    room_wh=draw(st.integers(0, 300)),
                    fee=draw(st.sampled_from([0, 7_001])),
                    meters=[(draw(wh), draw(wh)) for _ in range(HOMES)],
                    boundary=(draw(wh), draw(wh)),
                )
            )
    return found


@dataclass
class Kept:
    """The ledger, all transfers, and the registers that the statements read."""

    balances: Mapping[tuple[int, bytes], int]
    transfers: list[Transfer]
    rest_wh: np.ndarray
    import_wh: np.ndarray
    feed_in: defaultdict[int, np.ndarray]
    registers: list[tuple[np.ndarray, np.ndarray]]

    def post(self, transfers: list[Transfer], pendings: Mapping[bytes, Transfer]) -> None:
        ids = transfer_digests(DOMAIN, transfers)
        answer = post_batch(self.balances, pendings, transfers, Posted(ids))
        assert isinstance(answer, BatchResult), answer
        self.balances, self.open = answer.balances, answer.open_pendings
        self.transfers += transfers


def run_months(slots: list[Slot]) -> tuple[Kept, list[SettlementInput]]:
    """All slots cleared, reserved and settled, month after month."""
    nothing = np.zeros(HOMES, dtype=np.int64)
    kept = Kept({}, [], nothing, nothing, defaultdict(lambda: np.zeros((2, HOMES), np.int64)), [])
    inputs_seen, month_wh, month = [], nothing, -1
    for slot in slots:
        if slot.month != month:
            month, month_wh = slot.month, nothing + 199_900
            kept.registers.append((kept.rest_wh, kept.import_wh))
        clearing = slot.clearing()
        trades, carriage = trades_of(clearing, slot.owners()), Carriage(*clearing.carriage_ukrw())
        kept.post(reserve_slot(slot.start, trades, SYSTEM, carriage=carriage), {})
        columns = np.array(slot.meters, dtype=np.int64)
        inputs = SettlementInput(
            slot=slot.start,
            version=1,
            system=SYSTEM,
            trades=trades,
            pendings=kept.open,
            readings=MeterReadings(
                account=tuple(account(n) for n in range(HOMES)), tariff=nothing,
                import_wh=columns[:, 0], export_wh=columns[:, 1], quality=nothing + 1,
                month_import_wh=month_wh,
            ),
            boundary=BoundaryReading(*slot.boundary),
            terms=SettlementTerms(slot.calendar, (HOME,), CONNECTION, FEED_IN, EXPORT),
            carriage=carriage,
        )  # fmt: skip
        settled = settle_slot(inputs)
        kept.post(settled.transfers, kept.open)
        assert not kept.open
        month_wh = month_wh + settled.rest_import_wh
        kept.rest_wh = kept.rest_wh + settled.rest_import_wh
        kept.import_wh = kept.import_wh + columns[:, 0]
        kept.feed_in[month] += np.array([settled.rest_export_wh, settled.feed_in_ukrw])
        inputs_seen.append(inputs)
    kept.registers.append((kept.rest_wh, kept.import_wh))
    return kept, inputs_seen


def expected_sums(slow: ModuleType, seen: list[SettlementInput]) -> dict[bytes, int]:
    """What each account must have got, from the definitions alone."""
    found: defaultdict[bytes, int] = defaultdict(int)
    for inputs in seen:
        terms, readings = inputs.terms, inputs.readings
        homes = slow.balances_ukrw(inputs)
        for name, amount in homes.items():
            found[name] += amount
        buy = price_mkrw_per_kwh(terms.connection, terms.calendar)
        found[SYSTEM.netfee] += inputs.carriage.fee_ukrw
        found[SYSTEM.rent] += inputs.carriage.rent_ukrw
        drawn = dict(zip(readings.account, readings.import_wh.tolist(), strict=True))
        given_wh = dict(zip(readings.account, readings.export_wh.tolist(), strict=True))
        at_market = 0
        for name, bought, sold, price in inputs.trades:
            at_market += (sold - bought) * price
            if name == SYSTEM.spc:
                found[name] += (sold - bought) * price
                continue
            missing = max(sold - given_wh[name], 0)
            unused = max(bought - drawn[name], 0)
            found[SYSTEM.balancing] += missing * max(price, buy)
            found[SYSTEM.balancing] -= unused * min(price, terms.export_mkrw_per_kwh)
        assert at_market + sum(inputs.carriage) == 0
        boundary = inputs.boundary
        assert boundary is not None
        kepco = boundary.import_wh * buy - boundary.export_wh * terms.export_mkrw_per_kwh
        found[SYSTEM.kepco] += kepco
        # The rest of all readings is settled with the SPC, and so is the connection.
        rests = sum(homes.values()) - sum(
            _of_trades(inputs, trade, drawn, given_wh, buy)
            for trade in inputs.trades if trade.account != SYSTEM.spc
        )  # fmt: skip
        found[SYSTEM.spc] -= rests + kepco
    return dict(found)


def _of_trades(
    inputs: SettlementInput,
    trade: tuple[bytes, int, int, int],
    drawn: Mapping[bytes, int],
    given_wh: Mapping[bytes, int],
    buy: int,
) -> int:
    """What a trade with its deviation is worth to its account."""
    name, bought, sold, price = trade
    missing, unused = max(sold - given_wh[name], 0), max(bought - drawn[name], 0)
    amount = (sold - bought) * price - missing * max(price, buy)
    return amount + unused * min(price, inputs.terms.export_mkrw_per_kwh)


@given(drawn_slots())
@settings(settings.get_profile("market"), deadline=None)
def test_whole_months_sum_to_nothing_with_fees_rent_balancing_and_rounding(
    slow_settlement: ModuleType, slots: list[Slot]
) -> None:
    kept, seen = run_months(slots)
    expected = expected_sums(slow_settlement, seen)
    moved = {name: amount for (unit, name), amount in kept.balances.items() if unit == KRW}
    for name in moved.keys() | expected.keys():
        assert moved.get(name, 0) == expected.get(name, 0)
    assert sum(expected.values()) == 0
    assert moved.get(SYSTEM.pool, 0) == 0
    for unit, name in ((ENERGY, SYSTEM.pool), (ENERGY, SYSTEM.balancing)):
        assert kept.balances.get((unit, name), 0) == 0
    require_statements_close(kept, seen)


def require_statements_close(kept: Kept, seen: list[SettlementInput]) -> None:
    """Statements in whole won, and ROUNDING, add up to what the ledger moved but for tariffs."""
    rounding = paid = 0
    for number in range(HOMES):
        name = account(number)
        months = [_month_of(kept, seen, number, month) for month in range(len(MONTHS))]
        statement = build_statement(months)
        rounding += statement.rounding_ukrw
        paid += sum(month.market_krw for month in statement.months) * 1_000_000
        charges = sum(
            one.amount for one in kept.transfers
            if one.ledger == KRW and one.code == 30 and one.debit == name
        )  # fmt: skip
        exact = sum(line.amount_ukrw for month in statement.months for line in month.lines)
        assert exact == -kept.balances.get((KRW, name), 0) - charges
    market = sum(
        kept.balances.get((KRW, name), 0)
        for name in (SYSTEM.netfee, SYSTEM.rent, SYSTEM.balancing, SYSTEM.spc, SYSTEM.kepco)
    )
    tariffs = sum(
        one.amount for one in kept.transfers
        if one.ledger == KRW and one.code == 30 and one.credit == SYSTEM.spc
        and one.debit not in (SYSTEM.kepco,)
    )  # fmt: skip
    assert paid + rounding + tariffs == market


def _month_of(kept: Kept, seen: list[SettlementInput], number: int, month: int) -> AccountMonth:
    slots = {one.slot for one in seen[month * SLOTS : (month + 1) * SLOTS]}
    (rest, whole), (rest_end, whole_end) = kept.registers[month : month + 2]
    year, calendar_month = MONTHS[month]
    feed_in_wh, feed_in_ukrw = kept.feed_in[month][:, number].tolist()
    return AccountMonth(
        year=year,
        month=calendar_month,
        tariff=HOME,
        rest_register_wh=(int(rest[number]), int(rest_end[number])),
        import_register_wh=(int(whole[number]), int(whole_end[number])),
        export_register_wh=(0, 0),
        lines=tuple(lines_of(account(number), [t for t in kept.transfers if t.slot in slots])),
        feed_in_wh=feed_in_wh,
        feed_in_ukrw=feed_in_ukrw,
    )


def test_nothing_of_it_is_pending_in_the_end() -> None:
    slot = Slot(0, 1_790_000_100, [(0, 2, 100_000, 200), (2, 1, 200_001, 300)], 50, 7_001,
                [(0, 150), (0, 0), (310, 0), (5, 5)], (200, 0))  # fmt: skip
    kept, (inputs,) = run_months([slot])
    assert inputs.carriage.fee_ukrw > 0
    kinds = {one.kind for one in kept.transfers}
    assert {TransferKind.PENDING, TransferKind.POST} <= kinds
    assert replace(slot, fee=0).clearing().carriage_ukrw()[0] == 0
