"""The bill against a slow reference in fractions, at the edges of its steps and seasons."""

from datetime import date
from fractions import Fraction
from types import ModuleType

from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.bill import MonthUse, build_bill
from market.statement import AccountMonth, LineKind, MarketLine, build_statement
from market.tariff import SlotCalendar, TariffDay, charge_ukrw

FUND = Fraction(27, 1000)
HOME = load_tariff("residential-lv", date(2026, 6, 1))
# Steps end at 200 and 400 kWh, in July and August at 300 and 450; the dearest begins above 1,000.
EDGES = (0, 200, 300, 400, 450, 1_000)
near_edges = st.builds(
    lambda edge, by: max(edge + by, 0), st.sampled_from(EDGES), st.sampled_from([-1, 0, 1])
)
kwh_of_a_month = st.one_of(near_edges, st.integers(0, 1_400))
SEASON_CHANGES = ((6, 7), (8, 9), (11, 12), (2, 3))


@given(kwh_of_a_month, st.integers(1, 12))
@example(300, 7)
@example(301, 6)
@example(1_001, 12)
@settings(settings.get_profile("market"), deadline=None)
def test_the_bill_is_that_of_fractions_cut_where_the_rule_cuts(
    slow_statement: ModuleType, kwh: int, month: int
) -> None:
    assert build_bill(MonthUse(month, kwh), HOME).total_krw == slow_statement.kepco(
        month, kwh, FUND
    )


@given(kwh_of_a_month, st.sampled_from(SEASON_CHANGES))
@settings(settings.get_profile("market"), deadline=None)
def test_a_season_changes_steps_and_nothing_else(kwh: int, months: tuple[int, int]) -> None:
    """Summer's wider steps never cost more; the dearest price is asked in summer and winter."""
    one, other = (build_bill(MonthUse(month, kwh), HOME) for month in months)
    assert (one.climate_krw, one.fuel_krw) == (other.climate_krw, other.fuel_krw)
    if months == (6, 7):
        assert other.energy_krw <= one.energy_krw or kwh > 1_000
    if months == (8, 9):
        assert one.energy_krw <= other.energy_krw or kwh > 1_000
    if kwh <= 1_000 and set(months) & {2, 11}:
        assert one.total_krw == other.total_krw


@given(
    st.integers(0, 900_000),
    st.lists(st.integers(0, 400_000), max_size=6),
    st.integers(1, 12),
)
@settings(settings.get_profile("market"), deadline=None)
def test_slots_charge_what_the_month_charges_however_it_is_cut(
    start_wh: int, parts: list[int], month: int
) -> None:
    """Blocks carried through the month: the charges of slots telescope, to the micro-won."""
    calendar = SlotCalendar(month, 12, TariffDay.WEEKDAY)
    height, charged = start_wh, 0
    for wh in parts:
        charged += charge_ukrw(HOME, calendar, from_wh=height, to_wh=height + wh)
        height += wh
    assert charged == charge_ukrw(HOME, calendar, from_wh=start_wh, to_wh=height)


@given(
    st.integers(0, 1_400_000),
    st.integers(0, 999),
    st.integers(1, 12),
    st.sampled_from(["residential-lv", "residential-hv"]),
)
@settings(settings.get_profile("market"), deadline=None)
def test_a_month_compared_with_itself_saves_nothing(
    wh: int, start_wh: int, month: int, name: str
) -> None:
    register = (start_wh, start_wh + wh)
    one = AccountMonth(
        year=2026,
        month=month,
        tariff=load_tariff(name, date(2026, month, 1), or_first=True),
        rest_register_wh=register,
        import_register_wh=register,
        export_register_wh=(0, 0),
        lines=(),
    )
    (found,) = build_statement([one]).months
    assert (found.saved_krw, found.market_krw, found.rounding_ukrw) == (0, 0, 0)
    assert found.total_krw == found.alone_krw and found.bill == found.alone


@given(
    st.lists(st.integers(-(10**12), 10**12), max_size=5), st.integers(0, 500), st.integers(1, 12)
)
@settings(settings.get_profile("market"), deadline=None)
def test_the_market_part_is_rounded_once_in_the_customers_favour(
    amounts: list[int], kwh: int, month: int
) -> None:
    one = AccountMonth(
        year=2026,
        month=month,
        tariff=HOME,
        rest_register_wh=(0, kwh * 1_000),
        import_register_wh=(0, kwh * 1_000),
        export_register_wh=(0, 0),
        lines=tuple(MarketLine(LineKind.TRADE, 0, amount) for amount in amounts),
    )
    (found,) = build_statement([one]).months
    assert found.market_krw * 1_000_000 + found.rounding_ukrw == sum(amounts)
    assert 0 <= found.rounding_ukrw < 1_000_000
    assert found.total_krw == build_bill(MonthUse(month, kwh), HOME).total_krw + found.market_krw
