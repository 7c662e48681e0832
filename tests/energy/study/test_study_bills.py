"""Bills of a studied year, held against arithmetic on paper."""

import numpy as np
import pytest

from energy.district import District, load_district
from energy.study.bills import billed_demand_kw, connection_bill, customers_year, month_sums
from energy.timegrid import parse_instant, slots_from
from market.month_sums import COLUMNS, SIDES, SMP_ALL, SMP_REST, SUMMED_CODES
from market.transfers import Code

JULY = parse_instant("2026-07-01", "Asia/Seoul")
AUGUST = parse_instant("2026-08-01", "Asia/Seoul")


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1@0.01")


def test_a_month_of_constant_import_costs_what_the_table_says(district: District) -> None:
    slots = slots_from(JULY, 31 * 96)
    bill = connection_bill(district, slots, np.full(len(slots), 100.0), {(2026, 7): 100.0})
    # July 2026: 22 weekdays, 4 Saturdays, 4 Sundays and Constitution Day (Friday 17).
    # A weekday: 10 h off (22-08), 8 h mid (08-15, 21-22), 6 h on (15-21); on Saturdays on is mid.
    off = 100 * (22 * 10 + 4 * 10 + 5 * 24)
    mid, on = 100 * (22 * 8 + 4 * 14), 100 * 22 * 6
    assert off + mid + on == bill.kwh == 74_400
    energy = off * 87.3 + mid * 140.2 + on * 222.3
    assert bill.energy_krw == pytest.approx(energy, abs=1)
    # The peak of 100 kW lies below the floor of 30 % of 400 kW.
    assert bill.basic_krw == 120 * 8320
    whole = bill.basic_krw + bill.energy_krw + 74_400 * (9 + 5)
    assert bill.subtotal_krw == whole
    assert bill.total_krw == (whole + round(0.1 * whole) + int(0.027 * whole) // 10 * 10) // 10 * 10


def test_a_summer_peak_is_billed_in_spring_for_the_year_repeats_itself(district: District) -> None:
    peaks = {(2026, month): 150.0 for month in range(1, 13)} | {(2026, 7): 250.2, (2026, 4): 300.0}
    kw = {
        month: billed_demand_kw(district, JULY, peaks, (2026, month)) for month in (3, 4, 5, 7, 12)
    }
    # April's own peak counts in April alone; July's, whole kW, in every month.
    assert kw == {3: 251, 4: 300, 5: 251, 7: 251, 12: 251}


def test_homes_without_trades_pay_what_kepco_alone_asks(district: District) -> None:
    sums = _sums(district)
    home = district.meters.use.index("apartment")
    sums[home, _at("in_wh")] = 350_000
    found = customers_year(district, {AUGUST: sums})
    nothing = customers_year(district, {AUGUST: _sums(district)})
    # 350 kWh in August under the low-voltage tariff, as the comprehensive contract has it.
    empty_home = (910 + 91 + 20) // 10 * 10
    assert found.total_krw - nothing.total_krw == 59_980 - empty_home
    assert found.total_krw == found.alone_krw
    assert found.worse_off == 0
    assert found.prosumers == 0


def test_a_prosumers_feed_in_stands_beside_smp_with_certificates(district: District) -> None:
    sums = _sums(district)
    home = district.meters.use.index("apartment")
    sums[home, _at("out_wh")] = 100_000
    sums[home, _at("got_ukrw")] = 100_000 * 112_700
    sums[home, SMP_REST] = sums[home, SMP_ALL] = 100_000 * 112_700
    found = customers_year(district, {AUGUST: sums})
    assert found.prosumers == 1
    assert found.sold_krw == pytest.approx(11_270)
    # 100 kWh on a building's roof are 0.15 certificates of 71,000 won.
    assert found.smp_rec_krw == pytest.approx(11_270 + 10_650)


def test_a_parts_columns_are_read_back_by_customer() -> None:
    columns = {
        "month": [JULY, JULY, AUGUST],
        "no": [5, 9, 7],
        "column": [0, 3, 1],
        "sum": [1, 2, 3],
    }
    found = month_sums(columns, [5, 7])
    assert found[JULY][0, 0] == 1
    assert found[JULY].sum() == 1
    assert found[AUGUST][1, 1] == 3


def _sums(district: District) -> np.ndarray:
    return np.zeros((len(district.meters.account), COLUMNS), dtype=np.int64)


def _at(side: str) -> int:
    """The column of what went at tariff and feed-in."""
    return SUMMED_CODES.index(Code.REMAINDER) * len(SIDES) + SIDES.index(side)
