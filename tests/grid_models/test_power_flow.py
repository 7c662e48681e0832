"""AC power flow: hand-solvable cable, Kirchhoff on every run, every failure named."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid_models import GridError, Network, PowerFlow, base_case
from grid_models.balance import Balance

OHM = 0.02 + 0.008j  # of the cable in `one_cable`


def test_one_cable_drops_what_the_quadratic_equation_says(one_cable: Network) -> None:
    # A load of P at unity power factor: |U|^2 solves u^2 - (U0^2 - 2 R P) u + (|Z| P)^2 = 0.
    p_w, u0_v = 40_000.0, 400.0
    b = u0_v**2 - 2 * OHM.real * p_w
    u_v = sqrt((b + sqrt(b**2 - 4 * abs(OHM) ** 2 * p_w**2)) / 2)
    flow = PowerFlow(one_cable).run(np.array([0.0, 40.0]), np.zeros(2))
    i_a = p_w / sqrt(3) / u_v
    assert flow.v_pu[1] == pytest.approx(u_v / 400, abs=1e-9)
    assert flow.line_loading_frac[0] == pytest.approx(i_a / 200, abs=1e-9)
    assert flow.p_loss_kw == pytest.approx(3 * i_a**2 * OHM.real / 1000, rel=1e-7)
    assert flow.p_slack_kw == pytest.approx(40 + flow.p_loss_kw, rel=1e-9)


def test_generation_lifts_the_voltage_and_flows_back(one_cable: Network) -> None:
    flow = PowerFlow(one_cable).run(np.array([0.0, -40.0]), np.zeros(2))
    assert flow.v_pu[1] > 1.0
    assert flow.p_slack_kw < 0


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.floats(-60, 60), min_size=9, max_size=9),
    st.lists(st.floats(-20, 20), min_size=9, max_size=9),
)
def test_every_converged_flow_balances_at_every_bus(
    two_streets: Network, p: list[float], q: list[float]
) -> None:
    p_kw, q_kvar = np.array(p), np.array(q)
    flow = PowerFlow(two_streets).run(p_kw, q_kvar)
    assert flow.converged, flow.reason
    v = flow.v_pu * np.exp(1j * flow.angle_rad)
    open_kva = Balance(two_streets).leaving_kva(v) + p_kw + 1j * q_kvar
    assert open_kva[0] == pytest.approx(flow.p_slack_kw + 1j * flow.q_slack_kvar, abs=1e-6)
    assert np.abs(open_kva[1:]).max() < 0.01
    assert flow.p_slack_kw == pytest.approx(p_kw.sum() + flow.p_loss_kw, abs=0.05)
    assert flow.p_loss_kw > 0


@pytest.mark.parametrize("moved_pu", [1e-5, 1e-5j])
def test_no_flow_passes_whose_voltages_do_not_balance(
    two_streets: Network, monkeypatch: pytest.MonkeyPatch, moved_pu: complex
) -> None:
    power_flow = PowerFlow(two_streets)
    solved = power_flow._fixed_point

    def disturbed(p_kw: np.ndarray, q_kvar: np.ndarray) -> np.ndarray:
        v = solved(p_kw, q_kvar)
        assert v is not None
        v[4] += moved_pu
        return v

    monkeypatch.setattr(power_flow, "_fixed_point", disturbed)
    flow = power_flow.run(np.full(9, 10.0), np.zeros(9))
    assert not flow.converged and flow.reason.endswith("remain open")
    assert np.isnan(flow.v_pu).all() and np.isnan(flow.p_slack_kw)


def test_a_flow_does_not_depend_on_what_was_run_before(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    fresh = PowerFlow(district).run(p_kw, q_kvar)
    used = PowerFlow(district)
    used.run(-0.5 * p_kw, q_kvar)
    used.run(np.full_like(p_kw, np.nan), q_kvar)
    again = used.run(p_kw, q_kvar)
    assert np.abs(again.v_pu - fresh.v_pu).max() < 1e-9
    assert again.p_slack_kw == pytest.approx(fresh.p_slack_kw, abs=1e-4)


def test_a_missing_number_is_named_and_gives_no_numbers(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    p_kw[17] = np.nan
    flow = PowerFlow(district).run(p_kw, q_kvar)
    assert not flow.converged
    assert district.buses.id[17] in flow.reason
    assert np.isnan(flow.v_pu).all() and np.isnan(flow.transformer_loading_frac).all()
    assert np.isnan(flow.p_slack_kw) and np.isnan(flow.p_loss_kw)


def test_too_much_load_is_a_result_without_voltages_and_not_an_exception(
    one_cable: Network,
) -> None:
    # The cable cannot carry more than U0^2 / (2 (|Z| + R)) = 1928 kW whatever the voltage.
    power_flow = PowerFlow(one_cable)
    assert power_flow.run(np.array([0.0, 1900.0]), np.zeros(2)).converged
    flow = power_flow.run(np.array([0.0, 1960.0]), np.zeros(2))
    assert not flow.converged
    assert flow.reason == "no voltages balance these injections"


def test_ten_times_the_load_of_a_district_is_labelled_or_solved(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    power_flow = PowerFlow(district)
    flow = power_flow.run(30 * p_kw, 30 * q_kvar)
    assert not flow.converged and flow.reason
    assert power_flow.run(p_kw, q_kvar).converged


def test_a_bus_that_lost_its_line_is_named(two_streets: Network) -> None:
    lines = two_streets.lines
    cut = replace(two_streets, lines=replace(lines, closed=lines.closed & (lines.to_bus != 4)))
    flow = PowerFlow(cut).run(np.zeros(9), np.zeros(9))
    assert not flow.converged
    assert flow.reason == "1 buses without supply, the first is far1"


def test_a_cable_without_impedance_is_refused_in_one_sentence(two_streets: Network) -> None:
    lines = two_streets.lines
    zero = replace(
        two_streets,
        lines=replace(lines, r_ohm_per_km=0 * lines.length_km, x_ohm_per_km=0 * lines.length_km),
    )
    with pytest.raises(
        GridError, match=r"line F1: x_ohm_per_km is 0\.0, allowed is an impedance above 0"
    ):
        PowerFlow(zero)


def test_arrays_of_a_wrong_length_are_refused(two_streets: Network) -> None:
    with pytest.raises(GridError, match=r"shapes \(4,\) and \(9,\), allowed is \(9,\)"):
        PowerFlow(two_streets).run(np.zeros(4), np.zeros(9))


def test_a_tap_moves_the_low_side_by_its_step(two_streets: Network) -> None:
    table = two_streets.transformers
    raised = replace(two_streets, transformers=replace(table, tap_pos=np.array([-2, 0])))
    idle = np.zeros(9)
    flow = PowerFlow(raised).run(idle, idle)
    # Two steps of 2.5 % fewer turns: 1 / 0.95 of the voltage, but for the idle current's drop.
    assert flow.v_pu[2] == pytest.approx(1 / 0.95, abs=1e-3)
    assert flow.v_pu[6] == pytest.approx(1.0, abs=1e-3)


def test_power_flow_alone_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, grid_models; print({'pandapower', 'power_grid_model'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
