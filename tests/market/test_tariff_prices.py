"""What energy costs: bands by hour and day, steps by the month's use, demand, and bad data."""

import copy
import tomllib
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import data
from energy.tariffs import (
    listed_temporary_holidays,
    load_tariff,
    peak_counts,
    prices_krw_per_kwh,
    slot_calendar,
    slot_calendars,
    tariff_names,
)
from energy.timegrid import DayType, local_calendar, parse_instant, slots_from
from market.errors import MarketError
from market.tariff import (
    Band,
    DemandRule,
    SeasonalTable,
    SlotCalendar,
    TariffDay,
    band_of,
    billing_demand_kw,
    charge_ukrw,
    charges_ukrw,
    demand_counts,
    price_mkrw_per_kwh,
)
from market.tariff_data import build_tariff

DAY = date(2026, 7, 15)
HOME = load_tariff("residential-lv", DAY)
DISTRICT = load_tariff("general-b-hv-a-2", DAY)
JULY = SlotCalendar(7, 12, TariffDay.WEEKDAY)
OCTOBER = SlotCalendar(10, 12, TariffDay.WEEKDAY)


def test_every_tariff_of_the_data_can_be_built() -> None:
    for name in tariff_names():
        assert load_tariff(name, DAY, or_first=True).adders_mkrw_per_kwh == 14_000


@pytest.mark.parametrize(
    ("month", "bands"),
    [
        (7, "OOOOOOOOMMMMMMMPPPPPPMOO"),
        (10, "OOOOOOOOMMMMMMMPPPPPPMOO"),
        (1, "OOOOOOOOMPPPMMMMPPPMMMOO"),
    ],
)
def test_the_hours_are_those_of_june_2026(month: int, bands: str) -> None:
    table = DISTRICT.table
    assert isinstance(table, SeasonalTable)
    letter = {Band.OFF: "O", Band.MID: "M", Band.ON: "P"}
    found = [band_of(table, SlotCalendar(month, h, TariffDay.WEEKDAY)) for h in range(24)]
    assert "".join(letter[band] for band in found) == bands


def test_saturday_bills_on_as_mid_and_a_holiday_everything_as_off() -> None:
    table = DISTRICT.table
    assert isinstance(table, SeasonalTable)
    assert band_of(table, SlotCalendar(7, 16, TariffDay.SATURDAY)) == Band.MID
    assert band_of(table, SlotCalendar(7, 9, TariffDay.SATURDAY)) == Band.MID
    assert band_of(table, SlotCalendar(7, 3, TariffDay.SATURDAY)) == Band.OFF
    assert band_of(table, SlotCalendar(7, 16, TariffDay.HOLIDAY)) == Band.OFF


def test_a_slot_is_priced_by_its_local_hour() -> None:
    # 15:00 in Sejong begins the dear hours of summer: 222.3 + 9 + 5 won.
    slot = parse_instant("2026-07-15T15:00", "Asia/Seoul")
    assert price_mkrw_per_kwh(DISTRICT, slot_calendar(slot, "Asia/Seoul")) == 236_300
    assert price_mkrw_per_kwh(DISTRICT, slot_calendar(slot - 900, "Asia/Seoul")) == 154_200


def test_liberation_day_is_a_holiday_and_its_eve_is_not() -> None:
    first = parse_instant("2026-08-14T12:00", "Asia/Seoul")
    days = [one.day for one in slot_calendars(slots_from(first, 97), "Asia/Seoul")]
    assert (days[0], days[96]) == (TariffDay.WEEKDAY, TariffDay.HOLIDAY)


@pytest.mark.parametrize(
    ("day", "found", "load"),
    [
        ("2015-08-14", TariffDay.WEEKDAY, DayType.HOLIDAY),  # named as temporary, not listed
        ("2020-08-17", TariffDay.WEEKDAY, DayType.HOLIDAY),
        ("2023-10-02", TariffDay.WEEKDAY, DayType.HOLIDAY),
        ("2024-10-01", TariffDay.WEEKDAY, DayType.HOLIDAY),  # listed, named after its occasion
        ("2025-01-27", TariffDay.WEEKDAY, DayType.HOLIDAY),
        ("2024-04-10", TariffDay.HOLIDAY, DayType.HOLIDAY),  # elections are holidays by decree
        ("2025-06-03", TariffDay.HOLIDAY, DayType.HOLIDAY),
        ("2025-03-03", TariffDay.HOLIDAY, DayType.HOLIDAY),  # so are substitute days
    ],
)
def test_a_temporary_holiday_is_none_for_tariffs_but_for_loads(
    day: str, found: TariffDay, load: DayType
) -> None:
    noon = parse_instant(f"{day}T12:00", "Asia/Seoul")
    assert slot_calendar(noon, "Asia/Seoul").day == found
    assert local_calendar(slots_from(noon, 1), "Asia/Seoul").day_type == (load,)


def test_a_temporary_holiday_is_billed_by_its_hours_and_its_demand_counts() -> None:
    noon = parse_instant("2025-01-27T11:45", "Asia/Seoul")
    calendars = slot_calendars(slots_from(noon, 1), "Asia/Seoul")
    # The dear hours of winter, 197.9 + 9 + 5 won; as a holiday it would be billed at 87.3 won.
    tariff = load_tariff("general-b-hv-a-2", date(2025, 1, 27), or_first=True)
    assert prices_krw_per_kwh(tariff, calendars).tolist() == [pytest.approx(211.9)]
    assert peak_counts(tariff, calendars).all()


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        (None, "temporary_holiday: found None, allowed a list of tables, each with `on`"),
        ([{"on": "2024-10-01"}], "temporary_holiday 1: on: found '2024-10-01', allowed a date"),
        ([{"day": DAY}], "temporary_holiday 1: on: found None, allowed a date such as"),
    ],
)
def test_temporary_holidays_that_are_no_dates_are_refused(listed: Any, sentence: str) -> None:
    with pytest.raises(MarketError, match=sentence):
        listed_temporary_holidays({"temporary_holiday": listed})


def test_the_next_wh_costs_what_its_step_says() -> None:
    won = {0: 120_000, 199_999: 120_000, 200_000: 214_600, 399_999: 214_600, 400_000: 307_300}
    for month_wh, price in won.items():
        assert price_mkrw_per_kwh(HOME, OCTOBER, month_wh) == price + 14_000
    assert price_mkrw_per_kwh(HOME, JULY, 299_999) == 134_000
    assert price_mkrw_per_kwh(HOME, JULY, 300_000) == 228_600
    assert price_mkrw_per_kwh(HOME, JULY, 1_000_000) == 750_200
    assert price_mkrw_per_kwh(HOME, OCTOBER, 1_000_000) == 321_300


def test_a_slot_across_a_step_pays_both_prices() -> None:
    # 199.900 to 200.300 kWh in October: 100 Wh at 120 won, 300 Wh at 214.6, 400 Wh at 14.
    charge = charge_ukrw(HOME, OCTOBER, from_wh=199_900, to_wh=200_300)
    assert charge == 100 * 120_000 + 300 * 214_600 + 400 * 14_000


@given(
    st.integers(0, 1_400_000), st.integers(0, 50_000), st.integers(0, 50_000), st.integers(1, 12)
)
@settings(settings.get_profile("market"), deadline=None)
def test_charges_add_up_whatever_the_slots(start: int, one: int, two: int, month: int) -> None:
    for tariff in (HOME, DISTRICT):
        calendar = SlotCalendar(month, 16, TariffDay.WEEKDAY)
        whole = charge_ukrw(tariff, calendar, from_wh=start, to_wh=start + one + two)
        first = charge_ukrw(tariff, calendar, from_wh=start, to_wh=start + one)
        second = charge_ukrw(tariff, calendar, from_wh=start + one, to_wh=start + one + two)
        assert first + second == whole
        back = charge_ukrw(tariff, calendar, from_wh=start + one, to_wh=start)
        assert back == -first


@given(st.integers(0, 1_400_000), st.integers(0, 300), st.integers(1, 12))
@settings(settings.get_profile("market"), deadline=None)
def test_a_charge_is_the_sum_over_single_wh(start: int, e_wh: int, month: int) -> None:
    calendar = SlotCalendar(month, 0, TariffDay.WEEKDAY)
    slow = sum(price_mkrw_per_kwh(HOME, calendar, wh) for wh in range(start, start + e_wh))
    assert charge_ukrw(HOME, calendar, from_wh=start, to_wh=start + e_wh) == slow
    heights = np.array([start, 0], dtype=np.int64)
    many = charges_ukrw(HOME, calendar, from_wh=heights, to_wh=heights + e_wh)
    assert many[0] == slow


def test_only_dear_hours_raise_the_billed_demand() -> None:
    assert demand_counts(DISTRICT, SlotCalendar(7, 16, TariffDay.WEEKDAY))
    assert demand_counts(DISTRICT, SlotCalendar(4, 9, TariffDay.WEEKDAY))
    assert not demand_counts(DISTRICT, SlotCalendar(7, 3, TariffDay.WEEKDAY))
    assert not demand_counts(DISTRICT, SlotCalendar(7, 16, TariffDay.HOLIDAY))
    assert not demand_counts(HOME, JULY)
    assert not demand_counts(load_tariff("general-a1-lv", DAY), JULY)


def test_the_billed_demand_remembers_a_year_of_peak_months_and_has_a_floor() -> None:
    table = DISTRICT.table
    assert isinstance(table, SeasonalTable)
    seen = {(2025, 5): 999, (2025, 6): 900, (2025, 8): 700, (2026, 4): 800, (2026, 5): 400}
    may = {"metered_kw": seen, "month": (2026, 5), "contract_kw": 1_000}
    assert billing_demand_kw(table.demand, **may) == 700
    assert billing_demand_kw(table.demand, **{**may, "contract_kw": 4_001}) == 1_201
    assert billing_demand_kw(table.demand, **{**may, "month": (2026, 4)}) == 800
    contract = DemandRule(basic_krw_per_kw=6_160, on_contract=True)
    assert billing_demand_kw(contract, **may) == 1_000


def test_levies_are_those_of_the_day() -> None:
    funds = {date(2024, 6, 30): 37_000, date(2024, 7, 1): 32_000, date(2025, 7, 1): 27_000}
    for day, ppm in funds.items():
        assert load_tariff("residential-lv", day).fund_ppm == ppm


def test_a_day_before_the_first_table_is_refused_unless_the_first_is_asked_for() -> None:
    with pytest.raises(MarketError, match="nothing for 2016-06-01, allowed 2026-06-01 or later"):
        load_tariff("general-b-hv-a-2", date(2016, 6, 1))
    old = load_tariff("general-b-hv-a-2", date(2016, 6, 1), or_first=True)
    assert (old.version, old.table) == (20260601, DISTRICT.table)


def read(name: str) -> dict[str, Any]:
    return tomllib.loads(data.path("tariffs", name).read_text())


TERMS, ROWS = read("terms.toml"), read("residential.toml") | read("seasonal.toml")


def damaged(path: str, value: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows and terms with one value changed, or removed where the value is None."""
    both: Any = {"rows": copy.deepcopy(ROWS), "terms": copy.deepcopy(TERMS)}
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    spot = both
    for part in way:
        spot = spot[part]
    if value is None:
        del spot[last]
    else:
        spot[last] = value
    return both["rows"], both["terms"]


LV, B2 = "rows/residential-lv/table/0", "rows/general-b-hv-a-2/table/0"
DAMAGES = [
    (f"{LV}/basic_krw", [910, 1600], "basic_krw: found [910, 1600], allowed a list of 3"),
    (f"{LV}/energy_mkrw_per_kwh", [120.0, 1, 2], "energy_mkrw_per_kwh: found [120.0, 1, 2]"),
    (f"{LV}/energy_mkrw_per_kwh", [-1, 1, 2], "whole numbers 0 to 1000000000"),
    (f"{LV}/limits_kwh", [400, 200], "limits_kwh: found [400, 200], allowed rising limits"),
    (f"{LV}/high_months", [0], "high_months: found [0], allowed months 1 to 12"),
    (f"{LV}/from", "2023-05-16", "from: found '2023-05-16', allowed a date"),
    (f"{LV}/discount", 1, "unknown key 'discount'"),
    (f"{LV}/basic_krw", None, "basic_krw: found nothing, allowed a value"),
    ("rows/residential-lv/title", "", "title: found '', allowed a text"),
    ("rows/residential-lv/table", [], "table: found [], allowed a list of tables"),
    ("rows/residential-lv", 5, "tariff residential-lv: found 5, allowed a table of keys"),
    (f"{B2}/summer", [1, 2], "summer: found [1, 2], allowed a list of 1 or 3"),
    (f"{B2}/basis", "peak", "basis: found 'peak', allowed contract or metered"),
    (f"{B2}/hours", "seoul", "seoul: found nothing, allowed a list of tables"),
    ("terms/seasons/winter", [11, 12, 1], "a month is in none or two"),
    ("terms/hours/mainland/0/summer", {"mid": [[8, 25]], "on": []}, "mid: found [[8, 25]]"),
    ("terms/hours/mainland/0/summer", {"mid": [[8, 12]], "on": [[11, 13]]}, "hour 11 in one band"),
    ("terms/vat", None, "vat: found nothing, allowed a list of tables"),
    ("terms/fund/0/ppm", "37000", "ppm: found '37000', allowed a whole number"),
]


@pytest.mark.parametrize(("path", "value", "sentence"), DAMAGES)
def test_damaged_data_get_one_sentence(path: str, value: object, sentence: str) -> None:
    rows, terms = damaged(path, value)
    with pytest.raises(MarketError) as error:
        for name in ("residential-lv", "general-b-hv-a-2"):
            build_tariff(name, rows, terms, date(2024, 1, 1), or_first=True)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_tariff_is_answered_with_the_known_ones() -> None:
    with pytest.raises(MarketError, match="'nope' is unknown, allowed: education-a-hv-a-1, "):
        load_tariff("nope", DAY)


def test_the_weekend_reduction_halves_the_energy_price_of_industry_and_nothing_else() -> None:
    tariff = load_tariff("industrial-b-hv-a-2", date(2026, 5, 1))
    prices = {
        (day, hour): price_mkrw_per_kwh(tariff, SlotCalendar(5, hour, TariffDay(day)))
        for day in ("weekday", "saturday", "holiday")
        for hour in (10, 11, 13, 14)
    }
    # Saturday bills mid, holidays off; climate and fuel (14 won) stay whole.
    assert [prices["weekday", h] for h in (10, 11, 13, 14)] == [147_400] * 4
    assert [prices["saturday", h] for h in (10, 11, 13, 14)] == [147_400, 80_700, 80_700, 147_400]
    assert [prices["holiday", h] for h in (10, 11, 13, 14)] == [130_000, 72_000, 72_000, 130_000]
    summer = SlotCalendar(7, 12, TariffDay.HOLIDAY)
    assert price_mkrw_per_kwh(tariff, summer) == 130_000


def test_a_bad_weekend_reduction_gets_one_sentence() -> None:
    rows = tomllib.loads((data.path("tariffs") / "seasonal.toml").read_text())
    terms = tomllib.loads((data.path("tariffs") / "terms.toml").read_text())
    for key, value, sentence in (
        ("seasons", ["autumn"], "weekend: seasons: found ['autumn'], allowed some of summer"),
        ("hours", [14, 11], "weekend: hours: found [14, 11], allowed [first, end) of 0 to 24"),
        ("ppm", 1_000_001, "weekend: ppm: found 1000001, allowed 0 to 1000000"),
        ("until", "2030", "weekend: until: found '2030', allowed a date such as"),
    ):
        bad = copy.deepcopy(rows)
        bad["industrial-b-hv-a-1"]["table"][0]["weekend"][key] = value
        with pytest.raises(MarketError) as error:
            build_tariff("industrial-b-hv-a-1", bad, terms, DAY)
        assert sentence in str(error.value)
