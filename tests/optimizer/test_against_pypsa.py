"""The planner's cost equals that of an independent PyPSA model, physics by physics.

A toy unit burns 2 kWh of fuel for one of power and one of heat.
"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optimizer import Planner, PlanProblem, ShedRank

SLOTS = 24
GAP = 1e-6  # both are solved to 1e-9 of the cost; feasibility tolerances of 1e-7 add up


def prices() -> np.ndarray:
    """A day's prices squeezed into the horizon: cheap, dear, cheap, dearest, cheap."""
    return np.repeat([90.0, 180.0, 120.0, 240.0, 90.0], [8, 4, 4, 5, 3])


def load() -> np.ndarray:
    return 60 + 40 * np.sin(np.arange(SLOTS) / SLOTS * 4 * np.pi) ** 2


def sun() -> np.ndarray:
    return np.clip(250 * np.sin((np.arange(SLOTS) / SLOTS - 0.25) * 2 * np.pi), 0, None)


def battery_arbitrage(toys: Any) -> PlanProblem:
    """Losses, wear, a reserve, a target and a worth at the end."""
    return toys.problem(
        SLOTS,
        load_kw=load(),
        batteries=toys.batteries(
            2,
            e_kwh_min=[5.0, 0.0],
            e_kwh_max=[50.0, 80.0],
            e_start_kwh=[20.0, 40.0],
            p_charge_kw_max=[25.0, 20.0],
            p_discharge_kw_max=[25.0, 30.0],
            eta_charge=0.95,
            eta_discharge=[0.95, 0.9],
            wear_krw_per_kwh=12.0,
            end_value_krw_per_kwh=[100.0, 0.0],
            e_end_kwh_min=np.array([5.0, 40.0]),
        ),
        connection=toys.connection(SLOTS, price_buy_krw_per_kwh=prices()),
    )


def units(toys: Any) -> PlanProblem:
    """Minimum times, one just started, start costs, wear by the hour, and ramps."""
    piped = toys.unit(
        SLOTS,
        available=np.full(SLOTS, 2),
        min_up_slots=5,
        min_down_slots=4,
        start_cost_krw=900.0,
        wear_krw_per_h=200.0,
        fuel_krw_per_kwh=70.0,
        on_now=1,
        p_now_kw=60.0,
        recent_starts=(0, 1),
        count=2,
    )
    slow = toys.unit(
        SLOTS, id="slow", ramp_kw_per_slot=15.0, start_cost_krw=300.0, fuel_krw_per_kwh=65.0,
        min_up_slots=3, recent_stops=(1,), min_down_slots=3,
    )  # fmt: skip
    return toys.problem(
        SLOTS,
        load_kw=3 * load(),
        units=(piped, slow),
        connection=toys.connection(SLOTS, price_buy_krw_per_kwh=prices()),
    )


def heat(toys: Any) -> PlanProblem:
    """A unit's heat, boiler, heat pump of changing yield, and a store that loses."""
    unit = toys.unit(SLOTS, start_cost_krw=500.0, fuel_krw_per_kwh=80.0, min_up_slots=2)
    return toys.problem(
        SLOTS,
        load_kw=load(),
        units=(unit,),
        heat=toys.heat(
            SLOTS,
            demand_kw=90 + 50 * np.cos(np.arange(SLOTS) / 4),
            cop=2.5 + np.sin(np.arange(SLOTS) / 6),
            e_start_kwh=30.0,
            e_kwh_max=80.0,
            p_store_kw_max=60.0,
            loss_frac_per_slot=0.004,
            boiler_kw_max=300.0,
            heat_pump_kw_max=25.0,
            end_value_krw_per_kwh=40.0,
        ),
        connection=toys.connection(SLOTS, price_buy_krw_per_kwh=prices()),
    )


def cars(toys: Any) -> PlanProblem:
    """Fleets that come and go: one that only charges, one that gives back and leaves full."""
    at = np.arange(SLOTS)
    here = np.stack([(at >= 2) & (at < 18), at < 21])
    due = np.stack([np.where(at >= 17, 40.0, 0.0), np.where(at >= 20, 25.0, -15.0)])
    return toys.problem(
        SLOTS,
        load_kw=load(),
        fleets=toys.fleets(
            2,
            SLOTS,
            e_min_kwh=due,
            e_max_kwh=[[45.0], [25.0]],
            p_charge_kw_max=here * np.array([[22.0], [30.0]]),
            p_discharge_kw_max=here * np.array([[0.0], [20.0]]),
            eta=0.92,
            wear_krw_per_kwh=25.0,
            end_value_krw_per_kwh=95.0,
        ),
        connection=toys.connection(SLOTS, price_buy_krw_per_kwh=prices()),
    )


def demand_charge(toys: Any) -> PlanProblem:
    """A peak beyond the one incurred, in the slots that count, with a margin."""
    return toys.problem(
        SLOTS,
        load_kw=2 * load(),
        batteries=toys.batteries(
            e_kwh_max=60.0, e_start_kwh=30.0, eta_discharge=0.9, end_value_krw_per_kwh=110.0,
            p_charge_kw_max=40.0, p_discharge_kw_max=40.0,
        ),
        connection=toys.connection(
            SLOTS,
            price_buy_krw_per_kwh=prices(),
            demand_charge_krw_per_kw=400.0,
            p_peak_incurred_kw=140.0,
            peak_counts=np.arange(SLOTS) % 7 != 0,
            peak_margin_kw=np.linspace(2, 12, SLOTS),
        ),
    )  # fmt: skip


def sunny_export(toys: Any) -> PlanProblem:
    """More sun than may be exported, curtailment that costs, prices that differ both ways."""
    return toys.problem(
        SLOTS,
        load_kw=load(),
        pv_kw=sun(),
        loss_kw=np.full(SLOTS, 2.0),
        batteries=toys.batteries(e_kwh_max=40.0, p_charge_kw_max=30.0, eta_charge=0.9),
        connection=toys.connection(
            SLOTS,
            p_export_kw_max=70.0,
            price_buy_krw_per_kwh=prices(),
            price_sell_krw_per_kwh=0.6 * prices(),
        ),
        curtail_krw_per_kwh=15.0,
    )


def island(toys: Any) -> PlanProblem:
    """Nothing from outside: sun, a battery, biogas from a tank, and load that goes by rank."""
    biogas = toys.unit(
        SLOTS,
        fuel_krw_per_kwh=5.0,
        start_cost_krw=400.0,
        min_up_slots=3,
        fuel_kwh_start=60.0,
        fuel_kwh_max=120.0,
        fuel_inflow_kw=70 + 20 * np.sin(np.arange(SLOTS)),
    )
    return toys.problem(
        SLOTS,
        load_kw=1.5 * load(),
        pv_kw=0.5 * sun(),
        batteries=toys.batteries(e_kwh_max=90.0, e_start_kwh=60.0, e_kwh_min=10.0),
        units=(biogas,),
        connection=toys.connection(SLOTS, p_import_kw_max=0.0, p_export_kw_max=0.0),
        shed_ranks=(
            ShedRank("homes", 4000.0, np.array([0.5])),
            ShedRank("signs", 150.0, np.array([0.15])),
            ShedRank("shops", 1200.0, np.array([0.35])),
        ),
    )


def cable(toys: Any) -> PlanProblem:
    """Two areas; the battery of one must hold its cable's limit all day."""
    return toys.problem(
        SLOTS,
        areas=2,
        load_kw=np.stack([load(), 1.2 * load()], axis=1),
        pv_kw=np.stack([sun(), np.zeros(SLOTS)], axis=1),
        batteries=toys.batteries(
            2, area=[0, 1], e_kwh_max=60.0, e_start_kwh=30.0, wear_krw_per_kwh=8.0
        ),
        connection=toys.connection(
            SLOTS, price_buy_krw_per_kwh=prices(), price_sell_krw_per_kwh=0.7 * prices()
        ),
        cuts=tuple(
            replace(toys.cut(at, [0.0, 1.0], 95.0), id=f"cable at {at}") for at in range(SLOTS)
        ),
    )


def all_together(toys: Any) -> PlanProblem:
    """Everything at once on one connection."""
    return replace(
        demand_charge(toys),
        pv_kw=sun()[:, None],
        fleets=cars(toys).fleets,
        units=units(toys).units,
        heat=heat(toys).heat,
    )


CASES: tuple[Callable[[Any], PlanProblem], ...] = (
    battery_arbitrage, units, heat, cars, demand_charge, sunny_export, island, cable, all_together,
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_cost_is_that_of_the_network(
    toys: Any, planner: Planner, pypsa_dispatch: ModuleType, case: Callable[[Any], PlanProblem]
) -> None:
    problem = case(toys)
    plan = planner.plan(problem)
    assert (plan.tier, plan.certificate.broken) == ("T0", ()), plan.certificate
    theirs = pypsa_dispatch.cheapest_cost(problem)
    assert plan.cost_krw.total == pytest.approx(theirs, rel=GAP)
