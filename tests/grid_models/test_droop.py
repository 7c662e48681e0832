"""Inverters on their Q(U) curve: zero in the dead band, full at the edges, and it helps."""

import numpy as np
import pytest

from grid_models import Network, PowerFlow, QDroop, StreetPlan, build_street_plan, run_with_droop

MOST = np.tan(np.arccos(0.9))


@pytest.mark.parametrize(
    ("v_pu", "share"),
    [(0.9, -1), (0.93, -1), (0.95, -0.5), (1.0, 0), (1.03, 0), (1.05, 0.5), (1.1, 1)],
)
def test_the_curve_has_its_corners(v_pu: float, share: float) -> None:
    droop = QDroop(bus=np.array([0]), p_kw_rated=np.array([100.0]))
    assert droop.q_kvar(np.array([v_pu]))[0] == pytest.approx(100 * MOST * share)


def test_midday_sun_lifts_the_street_less_with_inverters_on_their_curve(
    two_streets: Network,
) -> None:
    power_flow, p_kw = PowerFlow(two_streets), np.zeros(9)
    p_kw[4] = -100.0
    without = power_flow.run(p_kw, np.zeros(9))
    held = run_with_droop(power_flow, p_kw, np.zeros(9), QDroop(np.array([4]), np.array([110.0])))
    assert held.settled and held.rounds <= 40
    assert held.q_kvar[0] > 10
    assert held.flow.v_pu[4] < without.v_pu[4] - 0.005
    curve = QDroop(np.array([4]), np.array([110.0])).q_kvar(held.flow.v_pu)
    assert held.q_kvar == pytest.approx(curve, abs=0.02)


def test_evening_charging_is_held_up_too(two_streets: Network) -> None:
    power_flow, p_kw = PowerFlow(two_streets), np.zeros(9)
    p_kw[8] = 80.0
    without = power_flow.run(p_kw, np.zeros(9))
    held = run_with_droop(power_flow, p_kw, np.zeros(9), QDroop(np.array([8]), np.array([60.0])))
    assert held.settled and held.q_kvar[0] < 0
    assert held.flow.v_pu[8] > without.v_pu[8]


def test_a_thousand_inverters_of_a_district_settle_together() -> None:
    network = build_street_plan(StreetPlan())
    buses = np.flatnonzero([kind == "lv" for kind in network.buses.kind])
    rated = np.full(len(buses), 20_000 / len(buses))
    p_kw = np.zeros(len(network.buses.id))
    p_kw[buses] = -0.9 * rated
    held = run_with_droop(PowerFlow(network), p_kw, 0 * p_kw, QDroop(buses, rated))
    assert held.settled and held.flow.converged


def test_a_flow_without_solution_stays_one(two_streets: Network) -> None:
    p_kw = np.full(9, np.nan)
    held = run_with_droop(
        PowerFlow(two_streets), p_kw, np.zeros(9), QDroop(np.array([4]), np.array([1.0]))
    )
    assert not held.settled and not held.flow.converged
