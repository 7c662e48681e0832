"""A year of a household with PV, car and trades, recomputed by an independent slow reference."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from energy.tariffs import load_feed_in, load_tariff
from market.bill import MonthUse, build_bill
from market.contracts import (
    ContractAccounts,
    ContractKind,
    ContractTerms,
    MeterWh,
    SupplyContract,
    TradeWh,
    contract_transfers,
    split_readings,
)
from market.dr import (
    BaselineMethod,
    DrEvent,
    History,
    HistoryDay,
    build_baseline,
    dr_transfers,
    verify_event,
)
from market.errors import MarketError
from market.feed_in import rec_income_ukrw
from market.settlement import (
    MeterReadings,
    SettlementInput,
    SettlementTerms,
    Trade,
    reserve_slot,
    settle_slot,
    system_accounts,
)
from market.statement import (
    AccountMonth,
    LineKind,
    MarketLine,
    NetMetering,
    Statement,
    build_net_bill,
    build_statement,
    lines_of,
)
from market.tariff import SlotCalendar, TariffDay, price_mkrw_per_kwh
from market.transfers import Code, LedgerId, Transfer, TransferKind

HOME, PLANT, OTHER = b"h" * 32, b"w" * 32, b"o" * 32
SYSTEM = system_accounts("statement-test")
MONTHS = [(2025 + n // 12, n % 12 + 1) for n in range(6, 18)]  # July 2025 to June 2026
DAYS = 3  # of every month, with the use of ten
PRICE, FEED_IN, STRIKE = 141_300, 101_700, 132_100
CONNECTION = load_tariff("general-b-hv-a-2", date(2026, 6, 1))


@dataclass(frozen=True)
class Quarter:
    """One quarter hour: Wh of the meter and of what was cleared, the plant's output, SMP."""

    slot: int
    month: int
    hour: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    plant_wh: int
    smp: int


def quarters(year: int, month: int, rng: np.random.Generator) -> Iterator[Quarter]:
    """A month's quarter hours: PV at midday, a car at night, orders that miss by a little."""
    for n in range(DAYS * 96):
        hour = n % 96 // 4
        sun = max(0.0, np.sin((hour - 6) / 12 * np.pi)) * (1.4 - 0.06 * abs(month - 6))
        load = rng.integers(300, 1_900) + (rng.random() < 0.5) * (hour < 5) * 5_000
        net = int(load) - int(sun * rng.integers(1_000, 7_000))
        drawn, given = max(net, 0) + int(rng.integers(0, 9)), max(-net, 0)
        forecast = int(net * rng.uniform(0.7, 1.3))
        yield Quarter(
            slot=1_700_000_100 + (year * 12 + month) * 2_678_400 + n * 900,
            month=month,
            hour=hour,
            import_wh=drawn,
            export_wh=given,
            bought_wh=max(forecast, 0) // 2,
            sold_wh=max(-forecast, 0),
            plant_wh=int(rng.integers(0, 2_000)),
            smp=int(rng.integers(40_000, 180_000)),
        )


def contract() -> SupplyContract:
    return SupplyContract(
        b"k" * 32, ContractKind.PPA_AS_PRODUCED, PLANT, HOME, 400, 250_000, STRIKE
    )


def settle(one: Quarter) -> tuple[list[Transfer], int, int, int]:
    """The slot's transfers, and the household's rest: import, export, feed-in."""
    terms = ContractTerms(FEED_IN, {})
    meters = [MeterWh(HOME, one.import_wh, one.export_wh), MeterWh(PLANT, 0, one.plant_wh)]
    cleared = [TradeWh(HOME, one.bought_wh, one.sold_wh)]
    split = split_readings(meters, [contract()], cleared, terms)
    accounts = ContractAccounts(SYSTEM.spc, SYSTEM.grid, SYSTEM.kepco)
    found = contract_transfers(split.deliveries, terms, accounts, one.slot, 1)
    left = one.import_wh - split.readings[0].contract_import_wh
    trades = [Trade(HOME, one.bought_wh, one.sold_wh, PRICE)]
    trades.append(Trade(SYSTEM.spc, one.sold_wh, one.bought_wh, PRICE))
    pendings = {
        bytes([n + 1]) * 32: t for n, t in enumerate(reserve_slot(one.slot, trades, SYSTEM))
    }
    calendar = SlotCalendar(one.month, one.hour, TariffDay.WEEKDAY)
    settled = settle_slot(
        SettlementInput(
            slot=one.slot, version=1, system=SYSTEM, trades=trades, pendings=pendings,
            readings=MeterReadings(
                account=(HOME,), tariff=np.zeros(1, dtype=np.int64),
                import_wh=np.array([left]), export_wh=np.array([one.export_wh]),
                quality=np.ones(1, dtype=np.int64), month_import_wh=np.zeros(1, dtype=np.int64),
            ),
            boundary=None,
            terms=SettlementTerms(
                calendar, (load_tariff("residential-lv", date(2026, 1, 1)),), CONNECTION,
                FEED_IN, FEED_IN,
            ),
        )
    )  # fmt: skip
    rest = split.readings[0]
    assert int(settled.rest_import_wh[0]) == rest.rest_import_wh
    assert int(settled.rest_export_wh[0]) == rest.rest_export_wh
    return [*found, *settled.transfers], *(
        int(column[0])
        for column in (settled.rest_import_wh, settled.rest_export_wh, settled.feed_in_ukrw)
    )


def dr_lines(month: int) -> list[Transfer]:
    """One event in August: 2,000 Wh committed in an hour, 1,300 of them reduced."""
    if month != 8:
        return []
    event = DrEvent(b"d" * 32, 1_800_000_000, 4, BaselineMethod.MAX_4_5, 301_700, 150_300, 0)
    baseline = build_baseline(
        History(tuple(HistoryDay(n, (1_000,) * 4) for n in range(1, 6))), event
    )
    hours = verify_event(event, baseline, (675,) * 4, 500)
    return dr_transfers(HOME, b"d" * 32, hours, 1, b"c" * 32)


@pytest.mark.parametrize("net_metering", [False, True])
def test_a_years_statement_is_that_of_the_slow_reference(
    slow_statement: ModuleType, net_metering: bool
) -> None:
    rng = np.random.default_rng(5)
    months, slow = [], []
    rest = imported = exported = 0
    for year, month in MONTHS:
        transfers, slots, start = list(dr_lines(month)), [], (rest, imported, exported)
        feed_wh = feed_ukrw = 0
        smp: list[tuple[int, int]] = []
        for one in quarters(year, month, rng):
            moved, rest_in, rest_out, feed = settle(one)
            transfers += moved
            rest, imported, exported = (
                rest + rest_in, imported + one.import_wh, exported + one.export_wh
            )  # fmt: skip
            feed_wh, feed_ukrw = feed_wh + rest_out, feed_ukrw + feed
            smp.append((one.export_wh, one.smp))
            slots.append(slow_slot(one))
        months.append(
            AccountMonth(
                year=year,
                month=month,
                tariff=load_tariff("residential-lv", date(year, month, 1)),
                rest_register_wh=(start[0], rest),
                import_register_wh=(start[1], imported),
                export_register_wh=(start[2], exported),
                lines=tuple(lines_of(HOME, transfers)),
                feed_in_wh=feed_wh,
                feed_in_ukrw=feed_ukrw,
                exported=tuple(smp),
                plant=load_feed_in("pv_building", 5, date(year, month, 1)),
                net_metering=net_metering,
            )
        )
        events = -(Fraction("1.3") * Fraction("301.7") - Fraction("0.7") * Fraction("150.3"))
        slow.append(
            {
                "month": month, "fund": Fraction(27, 1000), "slots": slots,
                "events": events if month == 8 else 0, "net_metering": net_metering,
            }
        )  # fmt: skip
    statement = build_statement(months)
    check_year(statement, slow_statement.year(slow))


def slow_slot(one: Quarter) -> dict[str, Any]:
    short = Fraction(
        price_mkrw_per_kwh(CONNECTION, SlotCalendar(one.month, one.hour, TariffDay.WEEKDAY)), 1000
    )
    return {
        "import": one.import_wh, "export": one.export_wh, "bought": one.bought_wh,
        "sold": one.sold_wh, "price": Fraction(PRICE, 1000), "short": short,
        "long": Fraction(FEED_IN, 1000), "feed_in": Fraction(FEED_IN, 1000),
        "smp": Fraction(one.smp, 1000), "ppa": min(one.plant_wh // 4, 400),
        "strike": Fraction(STRIKE, 1000),
    }  # fmt: skip


def check_year(statement: Statement, expected: list[dict[str, Any]]) -> None:
    assert len(statement.months) == 12
    for found, slow in zip(statement.months, expected, strict=True):
        assert found.bill.total_krw == slow["bill"]
        assert found.market_krw == slow["market"]
        assert found.rounding_ukrw == slow["rounding"] * 10**6
        assert (found.total_krw, found.alone_krw) == (slow["total"], slow["alone"])
        assert found.saved_krw == slow["alone"] - slow["total"]
        assert found.smp_rec_ukrw == slow["smp_rec"] * 10**6
        kinds = {line.kind for line in found.lines}
        assert {LineKind.TRADE, LineKind.DEVIATION, LineKind.PPA, LineKind.FEED_IN} <= kinds
    assert {line.kind for line in statement.months[1].lines} >= {LineKind.DR}
    assert statement.total_krw == sum(slow["total"] for slow in expected)
    assert statement.saved_krw == statement.alone_krw - statement.total_krw


def month_of(**more: Any) -> AccountMonth:
    known: dict[str, Any] = {
        "year": 2025, "month": 11, "tariff": load_tariff("residential-lv", date(2025, 11, 1)),
        "rest_register_wh": (0, 252_000), "import_register_wh": (0, 372_000),
        "export_register_wh": (0, 0),
        "lines": (MarketLine(LineKind.TRADE, 120_000, 17_820 * 10**6),),
    }  # fmt: skip
    return AccountMonth(**{**known, **more})


def test_a_november_with_and_without_neighbours() -> None:
    """372 kWh, 120 of them from neighbours for 17,820 won: 63,210 instead of 76,310."""
    (month,) = build_statement([month_of()]).months
    assert (month.bill.total_krw, month.market_krw, month.total_krw) == (45_390, 17_820, 63_210)
    assert (month.alone_krw, month.saved_krw, month.rounding_ukrw) == (76_310, 13_100, 0)


def test_a_month_without_market_saves_nothing() -> None:
    same = month_of(rest_register_wh=(0, 372_000), lines=())
    (month,) = build_statement([same]).months
    assert month.saved_krw == 0 and month.bill == month.alone


def test_parts_of_a_won_go_to_the_customer() -> None:
    for amount, won, rest in ((1_700_000, 1, 700_000), (-1_700_000, -2, 300_000)):
        lines = (MarketLine(LineKind.TRADE, 1, amount),)
        (month,) = build_statement([month_of(lines=lines)]).months
        assert (month.market_krw, month.rounding_ukrw) == (won, rest)


def test_fractions_of_a_kwh_wait_on_the_register() -> None:
    first = month_of(rest_register_wh=(0, 1_999), import_register_wh=(0, 1_999))
    second = month_of(
        year=2025, month=12, rest_register_wh=(1_999, 3_000), import_register_wh=(1_999, 3_000)
    )
    found = build_statement([first, second]).months
    assert [month.bill.kwh for month in found] == [1, 2]


def test_net_metering_carries_what_is_too_much_and_taxes_what_was_received() -> None:
    tariff = load_tariff("residential-lv", date(2025, 10, 1))
    found = build_net_bill(MonthUse(10, 350), tariff, NetMetering(300, 20))
    assert (found.bill.kwh, found.carried_kwh) == (30, 0)
    # 910 + 3,600 + 270 + 150 = 4,930; tax of 350 kWh: 1,600 + 56,190 + 3,150 + 1,750 = 62,690.
    assert (found.bill.subtotal_krw, found.bill.vat_krw) == (4_930, 6_269)
    assert (found.bill.fund_krw, found.bill.total_krw) == (130, 11_320)
    usual = build_net_bill(MonthUse(10, 350), tariff, NetMetering(300, 20, vat_on_received=False))
    assert usual.bill == build_bill(MonthUse(10, 30), tariff)
    assert build_net_bill(MonthUse(10, 100), tariff, NetMetering(300, 20)).carried_kwh == 220


def test_lines_count_what_moved_and_part_what_came_from_what_went() -> None:
    def transfer(
        kind: TransferKind, ledger: LedgerId, out: bool, amount: int, slot: int
    ) -> Transfer:
        ends = (HOME, OTHER) if out else (OTHER, HOME)
        return Transfer(int(ledger), int(kind), int(Code.TRADE), *ends, amount, slot, 1)

    krw, energy = LedgerId.KRW, LedgerId.ENERGY
    found = lines_of(
        HOME,
        [
            transfer(TransferKind.PENDING, krw, True, 999, 900),
            transfer(TransferKind.POST, krw, True, 500, 900),
            transfer(TransferKind.PLAIN, energy, False, 5, 900),
            transfer(TransferKind.POST, krw, False, 300, 1_800),
            transfer(TransferKind.PLAIN, energy, True, 3, 1_800),
            transfer(TransferKind.REVERSE, krw, False, 100, 900),
            transfer(TransferKind.REVERSE, energy, True, 1, 900),
        ],
    )
    assert found == [MarketLine(LineKind.TRADE, 4, 400), MarketLine(LineKind.TRADE, -3, -300)]


def test_certificates_count_by_kind_and_size_of_the_plant() -> None:
    day = date(2026, 6, 1)
    assert load_feed_in("pv_building", 3_000, day).weight_milli == 1_500
    assert load_feed_in("pv_building", 3_001, day).weight_milli == 1_000
    assert load_feed_in("fuel_cell", 440, day).weight_milli == 1_900
    feed_in = load_feed_in("pv_building", 5, day)
    assert (feed_in.smp_mkrw_per_kwh, feed_in.rec_krw_per_mwh) == (112_700, 71_000)
    assert rec_income_ukrw(1_000_000, feed_in) == 106_500 * 10**6  # a MWh: 1.5 x 71,000 won
    with pytest.raises(MarketError, match="plant 'wind' is unknown, allowed: fuel_cell, pv_"):
        load_feed_in("wind", 5, day)


def test_months_that_do_not_follow_get_one_sentence() -> None:
    with pytest.raises(MarketError, match="2025-11 follows 2025-11, allowed the next month"):
        build_statement([month_of(), month_of()])
    with pytest.raises(
        MarketError, match="rest_register_wh begins 2025-12 at 0 Wh, allowed 252000"
    ):
        build_statement([month_of(), month_of(month=12)])
    with pytest.raises(MarketError, match="register: from 5 to 4 Wh"):
        build_statement([month_of(rest_register_wh=(5, 4))])
    with pytest.raises(MarketError, match="net metering: found kWh by band"):
        use = replace(MonthUse(11, 0), parts=())
        build_net_bill(
            replace(use, parts=(None,)),
            month_of().tariff,
            NetMetering(0, 0),  # type: ignore[arg-type]
        )
