"""Three engines, one network: our flow, pandapower's Newton and power-grid-model agree."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest

from grid_models import BatchFlow, Network, PowerFlow, StreetPlan, base_case, build_street_plan
from grid_models.from_pandapower import network_of_net
from grid_models.network import build_net, newton_voltages, quiet
from grid_models.topology import supplied_buses

# Found are at most 5e-12 pu and 2e-11 of a rating; 1e-6 would do for any use of the results.
V_PU_TOLERANCE = 1e-9
LOADING_TOLERANCE = 1e-9
SIMBENCH_CODES = ("1-LV-rural1--0-sw", "1-MV-comm--0-sw", "1-MVLV-rural-4.101-0-sw")

Case = tuple[Network, np.ndarray, np.ndarray]


@lru_cache
def published_net(name: str) -> Any:
    """A CIGRE network by its function in pandapower, or a SimBench grid by its code."""
    if name in SIMBENCH_CODES:
        simbench = pytest.importorskip("simbench", reason="the extra simbench is not installed")
        with quiet():
            return simbench.get_simbench_net(name)
    with quiet():
        import pandapower.networks as networks

        return getattr(networks, name)()


@lru_cache
def published(name: str) -> Case:
    """A published network with its own loads and generators."""
    net = published_net(name)
    translated = network_of_net(net, name)
    buses = len(translated.network.buses.id)
    p_kw, q_kvar = np.zeros(buses), np.zeros(buses)
    for kind, sign in (("load", 1000), ("sgen", -1000)):
        table = net[kind][net[kind].in_service]
        place = translated.place[table.bus.to_numpy()]
        np.add.at(p_kw, place, sign * (table.p_mw * table.scaling).to_numpy())
        np.add.at(q_kvar, place, sign * (table.q_mvar * table.scaling).to_numpy())
    return translated.network, p_kw, q_kvar


def sejong(fraction: float) -> Case:
    network = build_street_plan(StreetPlan(fraction=fraction))
    return (network, *base_case(network))


PUBLISHED = ("create_cigre_network_lv", "create_cigre_network_mv", *SIMBENCH_CODES)
CASES: dict[str, Callable[[], Case]] = {
    "sejong-5-1@0.05": lambda: sejong(0.05),
    "sejong-5-1": lambda: sejong(1.0),
    **{name: partial(published, name) for name in PUBLISHED},
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


@pytest.mark.parametrize("name", PUBLISHED)
def test_translation_moves_no_voltage_of_a_published_network(name: str) -> None:
    net = published_net(name)
    with quiet():
        import pandapower as pp

        pp.runpp(
            net, trafo_model="pi", calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False
        )
    network, p_kw, q_kvar = published(name)
    flow = PowerFlow(network).run(p_kw, q_kvar)
    alive = net.bus.index[net.bus.in_service]
    place = network_of_net(net, name).place[alive]
    assert np.abs(flow.v_pu[place] - net.res_bus.vm_pu[alive]).max() < V_PU_TOLERANCE
    assert net.res_ext_grid.p_mw.iloc[0] * 1000 == pytest.approx(flow.p_slack_kw, abs=0.01)


def test_no_batch_passes_whose_voltages_do_not_balance(
    two_streets: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = BatchFlow(two_streets)
    p_kw, q_kvar = np.full((3, 9), 10.0), np.zeros((3, 9))
    assert batch.run(p_kw, q_kvar).converged.all()
    solved = batch._solve

    def disturbed(given: np.ndarray, usable: np.ndarray) -> tuple[Any, np.ndarray]:
        found, good = solved(given, usable)
        found["node"]["u_pu"][1, 4] += 1e-5
        found["node"]["u_angle"][2, 8] += 1e-5
        return found, good

    monkeypatch.setattr(batch, "_solve", disturbed)
    result = batch.run(p_kw, q_kvar)
    assert result.converged.tolist() == [True, False, False]
    assert np.isnan(result.v_pu[1:]).all() and np.isfinite(result.v_pu[0]).all()


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
