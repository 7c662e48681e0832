"""Numbers that cannot be, in a forecast or a problem: the slot gets its row, the next is whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import energy.cycle
from energy.cycle import CycleResult, run_quarter_hour
from energy.forecast import DistrictForecast, forecast_district, sanity
from energy.steps.context import Microgrid
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.store.alarms import Alarm, open_alarms
from energy.store.setpoints import load_setpoints
from energy.store.slots import find_slot
from energy.store.views import find_view
from energy.units import SLOT_S
from optimizer import PlanProblem

ARRAYS = {
    "load": ("load_kw", "load_district_kw"),
    "pv": ("pv_kw", "pv_district_kw"),
    "heat": ("heat_kw",),
    "units": ("units_available",),
    "temperature_c": ("temperature_c",),
    "cloud_frac": ("cloud_frac",),
}
EV_ARRAYS = ("e_min_kwh", "e_max_kwh", "p_charge_kw_max", "p_discharge_kw_max")
IMPOSSIBLE = {"temperature_c": -300.0}


def run(microgrid: Microgrid, number: int) -> CycleResult:
    """The slot of that number after the first, at its gate."""
    slot = microgrid.installation.first_slot + number * SLOT_S
    return run_quarter_hour(microgrid, slot, lambda: slot - 300.0)


def spoilt(of: Any, array: str, number: float) -> Any:
    """The same with one number of an array replaced."""
    values = getattr(of, array).copy()
    values.flat[values.size // 2] = number
    return replace(of, **{array: values})


def load_tier(microgrid: Microgrid, slot: int) -> str:
    """The tier of the load's forecast that a slot's plan tells."""
    view = microgrid.store.read(lambda connection: find_view(connection, "plan", slot))
    assert view is not None
    return str(view["forecast"]["tier"]["load"])


def tier_alarms(microgrid: Microgrid) -> list[Alarm]:
    """The open alarms of slots whose plan is a poor one."""
    found = [one.alarm for one in microgrid.store.read(open_alarms)]
    return [one for one in found if one.cause == "slot/tier"]


def once(change: Callable[[DistrictForecast], DistrictForecast]) -> Callable[..., DistrictForecast]:
    """The district's forecaster, whose first answer is changed."""
    left = [change]

    def forecast(*given: Any) -> DistrictForecast:
        found = forecast_district(*given)
        return left.pop()(found) if left else found

    return forecast


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, -1.0, 1e30])
@pytest.mark.parametrize(
    ("quantity", "array"), [(name, one) for name, names in ARRAYS.items() for one in names]
)
def test_a_quantity_that_cannot_be_gives_way_to_the_class_default(
    bench: Any, monkeypatch: pytest.MonkeyPatch, quantity: str, array: str, number: float
) -> None:
    number = IMPOSSIBLE.get(quantity, number) if number == -1.0 else number
    right = forecast_slot(bench.microgrid, bench.measured)
    monkeypatch.setattr(sanity, "forecast_district", once(lambda each: spoilt(each, array, number)))
    found = forecast_slot(bench.microgrid, bench.measured)
    assert found.tier[quantity] == "F4" and f"{number:g} in {array}" in found.reason[quantity]
    for name in ARRAYS[quantity]:
        assert np.isfinite(getattr(found, name)).all()
    others = [name for key in ARRAYS.keys() - {quantity} for name in ARRAYS[key]]
    for name in others:
        np.testing.assert_array_equal(getattr(found, name), getattr(right, name))


@pytest.mark.parametrize("array", EV_ARRAYS)
def test_an_envelope_of_cars_that_cannot_be_is_made_from_the_connected_ones(
    bench: Any, monkeypatch: pytest.MonkeyPatch, array: str
) -> None:
    def spoil(each: DistrictForecast) -> DistrictForecast:
        return replace(each, ev=spoilt(each.ev, array, np.nan))

    change = once(spoil)
    monkeypatch.setattr(sanity, "forecast_district", change)
    found = forecast_slot(bench.microgrid, bench.measured)
    assert found.tier["ev"] == "F4" and f"nan in {array}" in found.reason["ev"]
    assert all(np.isfinite(getattr(found.ev, name)).all() for name in EV_ARRAYS)
    assert (found.ev.e_min_kwh <= found.ev.e_max_kwh + 1e-6).all()


def test_a_nan_in_the_forecast_costs_no_slot_its_plan(
    fresh_microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = once(lambda each: spoilt(each, "load_kw", np.nan))
    monkeypatch.setattr(sanity, "forecast_district", change)
    first, second = run(fresh_microgrid, 0), run(fresh_microgrid, 1)
    for each in (first, second):
        assert each.plan is not None and each.plan.tier in ("T0", "T1")
    tiers = [load_tier(fresh_microgrid, each.slot) for each in (first, second)]
    assert tiers == ["F4", "F0"]


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e30])
def test_a_problem_that_cannot_be_read_ends_in_a_row_on_hold_and_the_next_slot_is_planned(
    fresh_microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    spoil = [True]

    def build(*given: Any) -> PlanProblem:
        problem = build_problem(*given)
        if spoil and spoil.pop():
            price = spoilt(problem.connection, "price_buy_krw_per_kwh", number)
            return replace(problem, connection=price)
        return problem

    monkeypatch.setattr(energy.cycle, "build_problem", build)
    first = run(fresh_microgrid, 0)
    store = fresh_microgrid.store
    row = store.read(lambda connection: find_slot(connection, first.slot))
    assert row is not None and (row.tier, row.outcome) == ("T4", "fallback")
    assert "price_buy_krw_per_kwh" in str(row.reason) and f"{number:g}" in str(row.reason)
    assert first.plan is None and first.cleared.clearing is None
    assert store.read(lambda connection: load_setpoints(connection, first.slot)) is None
    (alarm,) = tier_alarms(fresh_microgrid)
    assert alarm.severity == "alarm" and "price_buy_krw_per_kwh" in alarm.what
    assert first.settled.tick == first.slot
    second = run(fresh_microgrid, 1)
    assert second.plan is not None and second.plan.tier in ("T0", "T1")
    assert tier_alarms(fresh_microgrid) == []
