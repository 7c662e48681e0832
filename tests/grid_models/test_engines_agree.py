"""Three engines, one network: our flow, pandapower's Newton and power-grid-model agree."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grid_models import BatchFlow, Network, PowerFlow, StreetPlan, base_case, build_street_plan
from grid_models.from_pandapower import network_of_net
from grid_models.network import build_net, newton_voltages, quiet
from grid_models.topology import supplied_buses

# The brief asks for 1e-6; what stands between the engines is their stopping rules.
V_PU_TOLERANCE = 1e-8
LOADING_TOLERANCE = 1e-7

Case = tuple[Network, np.ndarray, np.ndarray]


def cigre(name: str) -> Case:
    """A CIGRE benchmark network of pandapower with its own loads."""
    with quiet():
        import pandapower.networks as networks

        net: Any = getattr(networks, name)()
    translated = network_of_net(net, name)
    buses = len(translated.network.buses.id)
    p_kw, q_kvar = np.zeros(buses), np.zeros(buses)
    place = translated.place[net.load.bus.to_numpy()]
    np.add.at(p_kw, place, net.load.p_mw.to_numpy() * 1000)
    np.add.at(q_kvar, place, net.load.q_mvar.to_numpy() * 1000)
    return translated.network, p_kw, q_kvar


def sejong() -> Case:
    network = build_street_plan(StreetPlan(fraction=0.05))
    return (network, *base_case(network))


CASES: dict[str, Callable[[], Case]] = {
    "sejong-5-1@0.05": sejong,
    "CIGRE LV": lambda: cigre("create_cigre_network_lv"),
    "CIGRE MV": lambda: cigre("create_cigre_network_mv"),
}


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]()


def test_pandapower_finds_the_same_voltages(case: Case) -> None:
    network, p_kw, q_kvar = case
    flow = PowerFlow(network).run(p_kw, q_kvar)
    net = build_net(network, supplied_buses(network))
    v = newton_voltages(net, p_kw, q_kvar)
    assert flow.converged and v is not None
    assert np.abs(np.abs(v) - flow.v_pu).max() < V_PU_TOLERANCE
    assert np.abs(np.angle(v) - flow.angle_rad).max() < V_PU_TOLERANCE


def test_pandapower_finds_the_same_loadings_losses_and_import(case: Case) -> None:
    network, p_kw, q_kvar = case
    flow = PowerFlow(network).run(p_kw, q_kvar)
    net = build_net(network, supplied_buses(network))
    newton_voltages(net, p_kw, q_kvar)
    lines = net.res_line.loading_percent.to_numpy() / 100
    assert np.abs(lines - flow.line_loading_frac).max(initial=0) < LOADING_TOLERANCE
    assert net.res_ext_grid.p_mw[0] * 1000 == pytest.approx(flow.p_slack_kw, abs=0.01)
    loss_kw = 1000 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    assert loss_kw == pytest.approx(flow.p_loss_kw, abs=0.01)


def test_power_grid_model_finds_the_same(case: Case) -> None:
    network, p_kw, q_kvar = case
    power_flow = PowerFlow(network)
    factors = np.array([[1.0], [0.3], [-0.4]])
    batch = BatchFlow(network).run(factors * p_kw, factors * q_kvar)
    assert batch.converged.all()
    for row, factor in enumerate(factors[:, 0]):
        flow = power_flow.run(factor * p_kw, factor * q_kvar)
        assert np.abs(batch.v_pu[row] - flow.v_pu).max() < V_PU_TOLERANCE
        difference = np.abs(batch.transformer_loading_frac[row] - flow.transformer_loading_frac)
        assert difference.max(initial=0) < LOADING_TOLERANCE
        difference = np.abs(batch.line_loading_frac[row] - flow.line_loading_frac)
        assert difference.max(initial=0) < LOADING_TOLERANCE
        assert batch.p_slack_kw[row] == pytest.approx(flow.p_slack_kw, abs=0.01)
        assert batch.p_loss_kw[row] == pytest.approx(flow.p_loss_kw, abs=0.01)


def test_where_the_fixed_point_drifts_newton_decides(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    power_flow = PowerFlow(district)
    near = next(
        factor
        for factor in np.arange(2.0, 30.0, 0.5)
        if power_flow._fixed_point(factor * p_kw, factor * q_kvar) is None
    )
    flow = power_flow.run(near * p_kw, near * q_kvar)
    net = build_net(district, supplied_buses(district))
    v = newton_voltages(net, near * p_kw, near * q_kvar)
    assert flow.converged == (v is not None)


@pytest.mark.parametrize("name", ["create_cigre_network_lv", "create_cigre_network_mv"])
def test_translation_moves_no_voltage_of_a_published_network(name: str) -> None:
    with quiet():
        import pandapower as pp
        import pandapower.networks as networks

        net = getattr(networks, name)()
        pp.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
    network, p_kw, q_kvar = cigre(name)
    flow = PowerFlow(network).run(p_kw, q_kvar)
    place = network_of_net(net, name).place
    assert np.abs(flow.v_pu[place[net.bus.index]] - net.res_bus.vm_pu).max() < 1e-6
    assert net.res_ext_grid.p_mw[0] * 1000 == pytest.approx(flow.p_slack_kw, abs=0.1)


def test_a_batch_names_the_scenarios_that_have_no_flow(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    p_all, q_all = np.tile(p_kw, (4, 1)), np.tile(q_kvar, (4, 1))
    p_all[1, 5] = np.nan
    p_all[2] *= 60
    result = BatchFlow(district).run(p_all, q_all)
    assert result.converged.tolist() == [True, False, False, True]
    assert np.isnan(result.v_pu[1]).all() and np.isnan(result.p_slack_kw[2])


def test_an_envelope_is_the_extremes_of_its_scenarios(two_streets: Network) -> None:
    rng = np.random.default_rng(3)
    p_kw = rng.uniform(-80, 120, (40, 9))
    q_kvar = np.zeros_like(p_kw)
    batch = BatchFlow(two_streets)
    whole = batch.run(p_kw, q_kvar)
    found = batch.envelope([(p_kw[:25], q_kvar[:25]), (p_kw[25:], q_kvar[25:])])
    assert found.scenarios == 40 and not len(found.failed)
    assert np.allclose(found.line_loading_frac, whole.line_loading_frac.max(axis=0))
    assert found.transformer_worst.tolist() == whole.transformer_loading_frac.argmax(0).tolist()
    assert found.v_min_worst.tolist() == whole.v_pu.argmin(axis=0).tolist()
    low = (whole.v_pu < two_streets.buses.v_min_pu - 2.5e-5).sum(axis=0)
    high = (whole.v_pu > two_streets.buses.v_max_pu + 2.5e-5).sum(axis=0)
    assert found.v_outside.tolist() == (low + high).tolist()


def test_the_batch_keeps_the_tap_of_each_transformer(two_streets: Network) -> None:
    table = two_streets.transformers
    raised = replace(two_streets, transformers=replace(table, tap_pos=np.array([-2, 1])))
    p_kw = np.full(9, 5.0)
    flow = PowerFlow(raised).run(p_kw, np.zeros(9))
    batch = BatchFlow(raised).run(p_kw[np.newaxis], np.zeros((1, 9)))
    assert np.abs(batch.v_pu[0] - flow.v_pu).max() < V_PU_TOLERANCE
