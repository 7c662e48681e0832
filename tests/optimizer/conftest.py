"""Small planning problems: one area and nothing in it, until a test puts something there."""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optimizer import (
    Batteries,
    Connection,
    Cut,
    Fleets,
    Heat,
    Plan,
    Planner,
    PlannerSettings,
    PlanProblem,
    UnitGroup,
)


def _row(number: float, slots: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(number, dtype=np.float64), (slots,)).copy()


@dataclass(frozen=True)
class Toys:
    """Builders whose defaults are idle: no load, no solar power, no assets, ample connection."""

    def problem(self, slots: int, areas: int = 1, **changes: Any) -> PlanProblem:
        load = np.zeros((slots, areas))
        plain = PlanProblem(
            first_slot=0,
            area_ids=tuple(f"area {row}" for row in range(areas)),
            load_kw=load,
            pv_kw=load.copy(),
            loss_kw=np.zeros(slots),
            batteries=self.batteries(0),
            fleets=self.fleets(0, slots),
            units=(),
            heat=None,
            connection=self.connection(slots),
            shed_krw_per_kwh=5000.0,
            curtail_krw_per_kwh=0.0,
        )
        for name in ("load_kw", "pv_kw"):
            if name in changes:
                series = np.asarray(changes[name], dtype=np.float64)
                rows = series[:, None] if series.ndim == 1 else series
                changes[name] = np.broadcast_to(rows, (slots, areas)).copy()
        return replace(plain, **changes)

    def connection(self, slots: int, **changes: Any) -> Connection:
        numbers = {
            "p_import_kw_max": 1000.0,
            "p_export_kw_max": 1000.0,
            "price_buy_krw_per_kwh": 100.0,
            "price_sell_krw_per_kwh": 0.0,
        }
        series = {name: _row(changes.pop(name, number), slots) for name, number in numbers.items()}
        plain = Connection(
            **series,
            demand_charge_krw_per_kw=0.0,
            p_peak_incurred_kw=0.0,
            peak_counts=np.ones(slots, dtype=np.bool_),
        )
        return replace(plain, **changes)

    def batteries(self, count: int = 1, **changes: Any) -> Batteries:
        numbers = {
            "e_kwh_min": 0.0,
            "e_kwh_max": 10.0,
            "e_start_kwh": 0.0,
            "p_charge_kw_max": 100.0,
            "p_discharge_kw_max": 100.0,
            "eta_charge": 1.0,
            "eta_discharge": 1.0,
            "wear_krw_per_kwh": 0.0,
            "end_value_krw_per_kwh": 0.0,
        }
        columns = {name: _row(changes.pop(name, number), count) for name, number in numbers.items()}
        return Batteries(
            id=tuple(f"battery {row}" for row in range(count)),
            area=np.asarray(changes.pop("area", np.zeros(count)), dtype=np.int64),
            **columns,
            **changes,
        )

    def fleets(self, count: int, slots: int, **changes: Any) -> Fleets:
        series = {
            name: np.broadcast_to(
                np.asarray(changes.pop(name, 0.0), dtype=np.float64), (count, slots)
            ).copy()
            for name in ("e_min_kwh", "e_max_kwh", "p_charge_kw_max", "p_discharge_kw_max")
        }
        numbers = {"eta": 1.0, "wear_krw_per_kwh": 0.0, "end_value_krw_per_kwh": 0.0}
        return Fleets(
            id=tuple(f"fleet {row}" for row in range(count)),
            area=np.asarray(changes.pop("area", np.zeros(count)), dtype=np.int64),
            **series,
            **(numbers | changes),
        )

    def unit(self, slots: int, **changes: Any) -> UnitGroup:
        """One unit of 40..100 kW that burns two of fuel for one of power, at 50 won a kWh."""
        plain = UnitGroup(
            id="unit",
            area=0,
            available=np.ones(slots, dtype=np.int64),
            p_kw_min=40.0,
            p_kw_max=100.0,
            fuel=((40.0, 80.0), (100.0, 200.0)),
            heat=((40.0, 40.0), (100.0, 100.0)),
            ramp_kw_per_slot=100.0,
            min_up_slots=1,
            min_down_slots=1,
            start_cost_krw=0.0,
            wear_krw_per_h=0.0,
            fuel_krw_per_kwh=50.0,
            on_now=0,
            p_now_kw=0.0,
            recent_starts=(),
            recent_stops=(),
            fuel_kwh_start=np.inf,
            fuel_kwh_max=np.inf,
            fuel_inflow_kw=np.zeros(slots),
        )
        return replace(plain, **changes)

    def heat(self, slots: int, **changes: Any) -> Heat:
        """A boiler at 100 won per kWh of heat; no store and no heat pump."""
        demand, cop = (
            _row(changes.pop("demand_kw", 0.0), slots),
            _row(changes.pop("cop", 3.0), slots),
        )
        plain = Heat(
            demand_kw=demand,
            e_start_kwh=0.0,
            e_kwh_max=0.0,
            p_store_kw_max=0.0,
            loss_frac_per_slot=0.0,
            boiler_kw_max=1000.0,
            boiler_eta=0.8,
            fuel_krw_per_kwh=80.0,
            heat_pump_kw_max=0.0,
            heat_pump_area=0,
            cop=cop,
            end_value_krw_per_kwh=0.0,
        )
        return replace(plain, **changes)

    def cut(self, slot: int, coefficient: list[float], limit_kw: float) -> Cut:
        return Cut("cable 1", slot, np.array(coefficient), limit_kw)

    def random(self, seed: int, slots: int = 8, areas: int = 3) -> PlanProblem:
        """A problem with everything in it, drawn from a seed; feasible, never trivial."""
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 4))
        capacity = rng.uniform(5, 50, count)
        due, rate = rng.uniform(2, 20, 2), rng.uniform(20, 60, 2)
        lower = np.zeros((2, slots))
        lower[:, slots // 2 :] = np.minimum(due, rate * 0.9 * 0.25 * (slots // 2))[:, None]
        return self.problem(
            slots,
            areas,
            load_kw=rng.uniform(5, 60, (slots, areas)),
            pv_kw=rng.uniform(0, 60, (slots, areas)),
            loss_kw=rng.uniform(0, 2, slots),
            batteries=self.batteries(
                count,
                area=rng.integers(-1, areas, count),
                e_kwh_min=0.1 * capacity,
                e_kwh_max=capacity,
                e_start_kwh=rng.uniform(0.1, 1, count) * capacity,
                p_charge_kw_max=capacity,
                p_discharge_kw_max=capacity,
                eta_charge=0.95,
                eta_discharge=0.9,
                wear_krw_per_kwh=rng.uniform(1, 20),
                end_value_krw_per_kwh=rng.uniform(0, 120),
            ),
            fleets=self.fleets(
                2,
                slots,
                area=rng.integers(0, areas, 2),
                e_min_kwh=lower,
                e_max_kwh=due[:, None] + 10.0,
                p_charge_kw_max=rate[:, None],
                p_discharge_kw_max=np.array([[0.0], [10.0]]),
                eta=0.9,
                wear_krw_per_kwh=25.0,
                end_value_krw_per_kwh=rng.uniform(0, 100),
            ),
            units=(
                self.unit(
                    slots,
                    available=np.full(slots, 2),
                    fuel=((40.0, 90.0), (70.0, 150.0), (100.0, 220.0)),
                    min_up_slots=3,
                    min_down_slots=2,
                    start_cost_krw=rng.uniform(0, 1000),
                    fuel_krw_per_kwh=rng.uniform(30, 80),
                    on_now=int(rng.integers(0, 3)),
                    recent_starts=(0, 1),
                ),
            ),
            heat=self.heat(
                slots,
                demand_kw=rng.uniform(20, 150, slots),
                cop=rng.uniform(2, 4, slots),
                e_start_kwh=20.0,
                e_kwh_max=60.0,
                p_store_kw_max=80.0,
                loss_frac_per_slot=0.001,
                heat_pump_kw_max=20.0,
                end_value_krw_per_kwh=30.0,
            ),
            connection=self.connection(
                slots,
                price_buy_krw_per_kwh=rng.uniform(80, 240, slots),
                price_sell_krw_per_kwh=rng.uniform(20, 80, slots),
                demand_charge_krw_per_kw=rng.uniform(0, 200),
                p_peak_incurred_kw=rng.uniform(0, 100),
                peak_counts=rng.random(slots) < 0.6,
                peak_margin_kw=rng.uniform(0, 5, slots),
            ),
        )


@pytest.fixture(scope="session")
def toys() -> Toys:
    return Toys()


@pytest.fixture(scope="session")
def planner() -> Planner:
    """Plans in the test's own process, to the last won."""
    return Planner(PlannerSettings(gap_frac=1e-9, in_process=True))


@pytest.fixture(scope="session")
def solved(planner: Planner) -> Any:
    """The proven optimum of a problem, with its check passed."""

    def solve(problem: PlanProblem) -> Plan:
        plan = planner.plan(problem)
        assert (plan.tier, plan.certificate.broken) == ("T0", ()), plan.certificate
        return plan

    return solve


def load_reference(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "reference" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def slow_commitment() -> ModuleType:
    return load_reference("slow_commitment")


@pytest.fixture(scope="session")
def pypsa_dispatch() -> ModuleType:
    return load_reference("pypsa_dispatch")


@pytest.fixture(scope="session")
def slow_dispatch() -> ModuleType:
    return load_reference("slow_dispatch")
