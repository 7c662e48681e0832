"""Bills that were published or derived, to the won, and the rounding around them."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.bill import MonthUse, PartUse, build_bill
from market.errors import MarketError
from market.tariff_data import build_tariff

# Mean bill of August 2024 as KEPCO published it (donga.com/20240909/130008509), then derived ones.
# tariff, month, kWh: basic, energy, climate, fuel, subtotal, VAT, fund, bill
VECTORS = """
residential-lv 2024-08 363  1600 49519 3267 1815  56201  5620 1790  63610
residential-lv 2025-10 250  1600 34730 2250 1250  39830  3983 1070  44880
residential-lv 2025-08 350  1600 46730 3150 1750  53230  5323 1430  59980
residential-lv 2025-10 500  7300 97650 4500 2500 111950 11195 3020 126160
residential-hv 2025-10 250  1260 29700 2250 1250  34460  3446  930  38830
residential-hv 2025-08 350  1260 40200 3150 1750  46360  4636 1250  52240
residential-hv 2025-10 500  6060 80030 4500 2500  93090  9309 2510 104900
"""
# The guide's example 3: a November with and without 120 kWh from the neighbours.
NOVEMBER = """
residential-lv 2025-11 252  1600 35159 2268 1260  40287  4029 1080  45390
residential-lv 2025-11 372  1600 60911 3348 1860  67719  6772 1820  76310
"""


@pytest.mark.parametrize("line", [*VECTORS.strip().splitlines(), *NOVEMBER.strip().splitlines()])
def test_the_bill_is_right_to_the_won(line: str) -> None:
    name, month, *numbers = line.split()
    kwh, basic, energy, climate, fuel, subtotal, vat, fund, total = map(int, numbers)
    first = date.fromisoformat(f"{month}-01")
    bill = build_bill(MonthUse(first.month, kwh), load_tariff(name, first))
    assert (bill.basic_krw, bill.energy_krw, bill.climate_krw) == (basic, energy, climate)
    assert (bill.fuel_krw, bill.subtotal_krw) == (fuel, subtotal)
    assert (bill.vat_krw, bill.fund_krw, bill.total_krw) == (vat, fund, total)


def test_a_power_factor_bill_of_2022_is_right_to_the_won() -> None:
    """Public transcription of 2022: 5 kW, 100 kWh, 71 % lagging, 91 % leading, 21 and 10 days."""
    rows = {
        "general-2022": {
            "title": "general (gap) I, low voltage, 2022",
            "table": [
                {
                    "from": date(2022, 7, 1), "summer": [105_600], "spring_autumn": [65_100],
                    "winter": [92_300], "basic_krw_per_kw": 6_160, "basis": "contract",
                    "hours": "flat",
                }
            ],
        }
    }  # fmt: skip
    from_2022 = {"from": date(2022, 7, 1)}
    nothing = {"mid": [], "on": []}
    terms = {
        "climate": [{**from_2022, "mkrw_per_kwh": 7_300}],
        "fuel": [{**from_2022, "mkrw_per_kwh": 5_000}],
        "vat": [{**from_2022, "ppm": 100_000}],
        "fund": [{**from_2022, "ppm": 37_000}],
        "power_factor": [
            {
                **from_2022, "lag_standard_pct": 90, "lag_best_pct": 95, "lag_worst_pct": 60,
                "lead_standard_pct": 95, "ppm_per_point": 2_000,
            }
        ],
        "demand": {"months": [7], "floor_ppm": 0},
        "seasons": {
            "summer": [6, 7, 8], "spring_autumn": [3, 4, 5, 9, 10], "winter": [11, 12, 1, 2]
        },
        "hours": {
            "flat": [
                {**from_2022, "summer": nothing, "spring_autumn": nothing, "winter": nothing}
            ]
        },
    }  # fmt: skip
    tariff = build_tariff("general-2022", rows, terms, date(2022, 9, 1))
    use = MonthUse(
        month=9,
        kwh=100,
        parts=(PartUse(8, 68), PartUse(9, 32)),
        power_kw=5,
        lag_pct=71,
        lead_pct=91,
    )
    bill = build_bill(use, tariff)
    assert (bill.basic_krw, bill.power_factor_krw, bill.energy_krw) == (30_800, 1_416, 9_264)
    assert (bill.climate_krw, bill.fuel_krw, bill.subtotal_krw) == (730, 500, 42_710)
    assert (bill.vat_krw, bill.fund_krw, bill.total_krw) == (4_271, 1_580, 48_560)


def test_a_good_power_factor_is_rebated_up_to_its_best() -> None:
    tariff = load_tariff("general-a1-lv", date(2026, 7, 1))
    bills = {
        lag: build_bill(MonthUse(7, 100, power_kw=5, lag_pct=lag), tariff).power_factor_krw
        for lag in (100, 97, 92, 91, 60, 40)
    }
    # 30,800 won, 0.2 % a point: five points back at best, 32 points more at worst.
    assert bills == {100: -308, 97: -308, 92: 0, 91: 61, 60: 1_971, 40: 1_971}


def test_one_kwh_more_reaches_the_next_step() -> None:
    tariff = load_tariff("residential-lv", date(2026, 10, 1))
    basics = {k: build_bill(MonthUse(10, k), tariff).basic_krw for k in (0, 200, 201, 400, 401)}
    assert basics == {0: 910, 200: 910, 201: 1_600, 400: 1_600, 401: 7_300}
    july = load_tariff("residential-lv", date(2026, 7, 1))
    assert build_bill(MonthUse(7, 300), july).basic_krw == 910
    assert build_bill(MonthUse(7, 1_200), july).lines[4].amount_ukrw == 200 * 736_200_000


def test_a_month_by_bands_adds_its_bands() -> None:
    tariff = load_tariff("general-b-hv-a-2", date(2026, 7, 1))
    bill = build_bill(MonthUse(7, 350, parts=(PartUse(7, 100, 100, 150),), power_kw=3), tariff)
    assert bill.energy_krw == 8_730 + 14_020 + 33_345
    assert bill.basic_krw == 3 * 8_320


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (MonthUse(7, 350, power_kw=3), "needs the kWh by band (off, mid, on), found 0 of 350"),
        (MonthUse(7, 350, parts=(PartUse(7, 1),), power_kw=3), "found 1 of 350 kWh"),
        (MonthUse(7, 350, parts=(PartUse(7, 350),)), "needs the billing demand in kW, found none"),
        (MonthUse(13, 350), "month 13 with 350 kWh, allowed month 1..12"),
        (MonthUse(7, -1), "month 7 with -1 kWh"),
    ],
)
def test_what_is_missing_for_a_bill_is_named(use: MonthUse, sentence: str) -> None:
    with pytest.raises(MarketError) as error:
        build_bill(use, load_tariff("general-b-hv-a-2", date(2026, 7, 1)))
    assert sentence in str(error.value)


@given(
    st.integers(0, 1_500), st.integers(1, 12), st.sampled_from(["residential-lv", "residential-hv"])
)
@settings(settings.get_profile("market"), deadline=None)
def test_lines_add_up_and_more_never_costs_less(kwh: int, month: int, name: str) -> None:
    tariff = load_tariff(name, date(2026, month, 1), or_first=True)
    bill, more = (build_bill(MonthUse(month, k), tariff) for k in (kwh, kwh + 1))
    assert more.total_krw >= bill.total_krw
    assert bill.total_krw % 10 == bill.fund_krw % 10 == 0
    energy = [line for line in bill.lines if line.component == "energy"]
    assert sum(line.quantity for line in energy) == kwh
    assert 0 <= sum(line.amount_ukrw for line in energy) - bill.energy_krw * 10**6 < 10**6
    exact = bill.subtotal_krw * 110 // 100 + bill.subtotal_krw * 27 // 1000
    assert exact - 20 < bill.total_krw <= exact + 1


def test_industry_pays_half_for_energy_at_weekend_noons_of_spring() -> None:
    """1,000 kWh off (200 of them reduced), 500 mid (100 reduced), 300 on; 10 kW."""
    tariff = load_tariff("industrial-b-hv-a-2", date(2026, 5, 1))
    part = PartUse(5, 1_000, 500, 300, reduced_off_kwh=200, reduced_mid_kwh=100)
    bill = build_bill(MonthUse(5, 1_800, parts=(part,), power_kw=10), tariff)
    full = 1_000 * 116.0 + 500 * 133.4 + 300 * 150.9
    assert bill.energy_krw == full - 200 * 58.0 - 100 * 66.7 == 209_700
    july = load_tariff("industrial-b-hv-a-2", date(2026, 7, 1))
    with pytest.raises(MarketError, match="at the weekend reduction, allowed up to 0 and 0"):
        build_bill(MonthUse(7, 1_800, parts=(PartUse(7, 1_000, 500, 300, 200),), power_kw=10), july)
    after = load_tariff("industrial-b-hv-a-2", date(2031, 5, 1))
    with pytest.raises(MarketError, match="at the weekend reduction, allowed up to 0 and 0"):
        build_bill(MonthUse(5, 1_800, parts=(part,), power_kw=10), after)


def test_a_home_on_jeju_pays_by_the_hour() -> None:
    """3 kW of contract; 120 kWh off, 80 mid, 50 on in October."""
    tariff = load_tariff("residential-jeju-tou", date(2026, 10, 1))
    bill = build_bill(MonthUse(10, 250, parts=(PartUse(10, 120, 80, 50),), power_kw=3), tariff)
    assert bill.basic_krw == 12_930
    assert bill.energy_krw == 120 * 125.8 + 80 * 153.8 + 50 * 172.4 == 36_020
    # 12,930 + 36,020 + 2,250 + 1,250 = 52,450; VAT 5,245; fund 1,410.
    assert (bill.subtotal_krw, bill.vat_krw, bill.fund_krw) == (52_450, 5_245, 1_410)
    assert bill.total_krw == 59_100


def test_lines_of_steps_say_what_each_won_is_for() -> None:
    bill = build_bill(MonthUse(10, 250), load_tariff("residential-lv", date(2025, 10, 1)))
    assert list(bill.lines) == [
        ("basic", "step 2 reached", 1, "month", 1_600_000, 1_600_000_000),
        ("energy", "step 1, above 0 kWh", 200, "kWh", 120_000, 24_000_000_000),
        ("energy", "step 2, above 200 kWh", 50, "kWh", 214_600, 10_730_000_000),
        ("climate", "climate and environment", 250, "kWh", 9_000, 2_250_000_000),
        ("fuel", "fuel cost adjustment", 250, "kWh", 5_000, 1_250_000_000),
    ]


def test_lines_of_bands_say_what_each_won_is_for() -> None:
    tariff = load_tariff("industrial-b-hv-a-2", date(2026, 5, 1))
    part = PartUse(5, 1_000, 500, 300, reduced_off_kwh=200, reduced_mid_kwh=100)
    use = MonthUse(5, 1_800, parts=(part,), power_kw=10, lag_pct=88, lead_pct=92)
    basic, points, *energy = build_bill(use, tariff).lines[:7]
    assert basic == ("basic", "basic", 10, "kW", 8_320_000, 83_200_000_000)
    # Four points lagging below 92 % and three leading below 95 %, each 0.2 % of 83,200 won.
    assert points == ("power_factor", "power factor", 7, "point", 166_400, 1_164_800_000)
    spring = "spring_autumn"
    assert energy == [
        ("energy", f"{spring}, off", 800, "kWh", 116_000, 92_800_000_000),
        ("energy", f"{spring}, off, weekend reduction", 200, "kWh", 58_000, 11_600_000_000),
        ("energy", f"{spring}, mid", 400, "kWh", 133_400, 53_360_000_000),
        ("energy", f"{spring}, mid, weekend reduction", 100, "kWh", 66_700, 6_670_000_000),
        ("energy", f"{spring}, on", 300, "kWh", 150_900, 45_270_000_000),
    ]


def test_a_flat_tariff_has_one_line_of_energy_for_each_part_of_the_month() -> None:
    tariff = load_tariff("general-a1-lv", date(2026, 7, 1))
    parts = (PartUse(8, 40, 20, 8), PartUse(9, 32))
    bill = build_bill(MonthUse(9, 100, parts=parts, power_kw=5), tariff)
    energy = [line for line in bill.lines if line.component == "energy"]
    told = [(line.text, line.quantity) for line in energy]
    assert told == [("summer", 68), ("spring_autumn", 32)]
