"""First derivatives against finite differences of the AC solution, and what they promise."""

import numpy as np
import pytest

from grid_models import BusShare, GridError, Network, PowerFlow, base_case, build_sensitivities
from grid_models.sensitivities import Tangent, busbar_share

STEP = 0.5  # kW or kvar to each side; curvature then shows in the seventh digit


def moved(network: Network, area: int, step: float, *, reactive: bool) -> dict[str, np.ndarray]:
    """Central differences of everything when one area draws more at its busbar."""
    power_flow = PowerFlow(network)
    p_kw, q_kvar = base_case(network)
    flows = []
    for sign in (1, -1):
        changed = (q_kvar if reactive else p_kw).copy()
        changed[network.areas.bus[area]] += sign * step
        flows.append(power_flow.run(*((p_kw, changed) if reactive else (changed, q_kvar))))
    up, down = flows
    return {
        "line_loading": (up.line_loading_frac - down.line_loading_frac) / (2 * step),
        "transformer_loading": (up.transformer_loading_frac - down.transformer_loading_frac)
        / (2 * step),
        "v_pu": (up.v_pu - down.v_pu) / (2 * step),
        "loss": np.array((up.p_loss_kw - down.p_loss_kw) / (2 * step)),
    }


@pytest.mark.parametrize("reactive", [False, True])
def test_derivatives_are_the_differences_of_the_ac_solution(
    district: Network, *, reactive: bool
) -> None:
    flow = PowerFlow(district).run(*base_case(district))
    found = build_sensitivities(district, flow)
    unit = "kvar" if reactive else "kw"
    for area in range(len(district.areas.id)):
        numeric = moved(district, area, STEP, reactive=reactive)
        for name, difference in numeric.items():
            derivative = getattr(found, f"{name}_per_{unit}")[..., area]
            scale = np.abs(difference).max()
            assert np.abs(derivative - difference).max() < 1e-4 * scale, (name, area)


def test_ten_per_cent_more_of_an_area_is_foretold_within_one_per_cent(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    power_flow = PowerFlow(district)
    flow = power_flow.run(p_kw, q_kvar)
    found = build_sensitivities(district, flow)
    area_kw = np.bincount(
        district.buses.area[district.buses.area >= 0], p_kw[district.buses.area >= 0]
    )
    for area, drawn_kw in enumerate(area_kw):
        step_kw = 0.1 * drawn_kw
        changed = p_kw.copy()
        changed[district.areas.bus[area]] += step_kw
        after = power_flow.run(changed, q_kvar)
        told = flow.transformer_loading_frac + step_kw * found.transformer_loading_per_kw[:, area]
        assert np.abs(told / after.transformer_loading_frac - 1).max() < 0.01
        told_v = flow.v_pu + step_kw * found.v_pu_per_kw[:, area]
        assert np.abs(told_v - after.v_pu).max() < 0.01 * np.abs(after.v_pu - 1).max()


def test_single_rows_by_the_transpose_are_those_of_the_whole(district: Network) -> None:
    flow = PowerFlow(district).run(*base_case(district))
    whole, tangent = build_sensitivities(district, flow), Tangent(district, flow)
    lines, some = len(district.lines.id), np.array([1, 4])
    assert np.abs(tangent.loadings_per_kw(some) - whole.line_loading_per_kw[some]).max() < 1e-12
    units = tangent.loadings_per_kw(lines + some)
    assert np.abs(units - whole.transformer_loading_per_kw[some]).max() < 1e-12
    assert np.abs(tangent.voltages_per_kw(some) - whole.v_pu_per_kw[some]).max() < 1e-14
    assert tangent.voltages_per_kw(some[:0]).shape == (0, len(district.areas.id))


def test_an_area_loads_its_own_transformer_by_its_rating(two_streets: Network) -> None:
    p_kw = np.zeros(9)
    p_kw[[2, 6]] = 100.0
    flow = PowerFlow(two_streets).run(p_kw, np.zeros(9))
    found = build_sensitivities(two_streets, flow)
    # 200 kVA at about one per unit: one kW is half a per cent, losses and voltage aside.
    assert found.transformer_loading_per_kw[0, 0] == pytest.approx(1 / 200, rel=0.03)
    assert abs(found.transformer_loading_per_kw[0, 1]) < 1e-7
    assert found.v_pu_per_kw[4, 0] < 0
    assert found.loss_per_kw[0] > 0


def test_a_spread_over_buses_is_the_sum_of_its_parts(two_streets: Network) -> None:
    share = busbar_share(two_streets)
    spread = type(share)(np.array([3, 4, 6]), np.array([0, 0, 1]), np.array([0.25, 0.75, 1.0]))
    p_kw = np.full(9, 10.0)
    flow = PowerFlow(two_streets).run(p_kw, np.zeros(9))
    parts = [
        build_sensitivities(
            two_streets, flow, type(share)(np.array([bus, 6]), spread.area[1:], one)
        )
        for bus, one in ((3, np.ones(2)), (4, np.ones(2)))
    ]
    whole = build_sensitivities(two_streets, flow, spread)
    mixed = 0.25 * parts[0].v_pu_per_kw + 0.75 * parts[1].v_pu_per_kw
    assert np.abs(whole.v_pu_per_kw - mixed).max() < 1e-12


def test_an_area_without_a_row_in_the_spread_draws_at_its_busbar(two_streets: Network) -> None:
    only_first = BusShare(np.array([3]), np.array([0]), np.ones(1))
    flow = PowerFlow(two_streets).run(np.full(9, 10.0), np.zeros(9))
    found = build_sensitivities(two_streets, flow, only_first)
    busbars = build_sensitivities(two_streets, flow)
    assert np.allclose(
        found.transformer_loading_per_kw[:, 1], busbars.transformer_loading_per_kw[:, 1]
    )
    assert found.transformer_loading_per_kw[1, 1] > 0.004


def test_without_a_flow_there_is_no_derivative(two_streets: Network) -> None:
    flow = PowerFlow(two_streets).run(np.full(9, np.nan), np.zeros(9))
    with pytest.raises(GridError, match="no sensitivities without a flow, bus source"):
        build_sensitivities(two_streets, flow)
