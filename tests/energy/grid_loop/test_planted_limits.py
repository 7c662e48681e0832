"""Plans that would break a limit do not once the wires have a word; two other engines look on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan
from grid_models import Network
from grid_models.limits import TRANSFORMER_LOADING, V_MAX, V_MIN
from grid_models.network import build_net, newton_voltages
from grid_models.topology import supplied_buses
from optimizer import PlanProblem

NEWTON_PU = 2.5e-5  # by which our voltages may differ from Newton's: the limits' tolerance
PLANTS = ("fuel_cell", "biogas", "battery", "heat_pump")


@dataclass(frozen=True)
class Held:
    """A planted case planned without the wires' limits and with them."""

    microgrid: Microgrid
    free: CheckedPlan
    held: CheckedPlan

    @property
    def extra_krw(self) -> float:
        """What the wires cost."""
        return self.held.plan.cost_krw.total - self.free.plan.cost_krw.total


def small_transformer(network: Network) -> Network:
    """The second area's transformer too small for all its cars at once."""
    table, row = network.transformers, network.areas.transformer[1]
    s_kva, pfe_kw = table.s_kva.copy(), table.pfe_kw.copy()
    s_kva[row] = 72.0
    pfe_kw[row] *= s_kva[row] / table.s_kva[row]
    return replace(network, transformers=replace(table, s_kva=s_kva, pfe_kw=pfe_kw))


def long_cables(network: Network, factor: float) -> Network:
    """Every customer's low-voltage cables longer, those of the plants as they are."""
    lines, connections = network.lines, network.connections
    plants = [
        bus for bus, use in zip(connections.bus, connections.use, strict=True) if use in PLANTS
    ]
    longer = (network.buses.area[lines.to_bus] >= 0) & ~np.isin(lines.to_bus, plants)
    length_km = np.where(longer, factor * lines.length_km, lines.length_km)
    return replace(network, lines=replace(lines, length_km=length_km))


def cheap_between(problem: PlanProblem, first_h: float, last_h: float) -> PlanProblem:
    """Power at 60 won in some hours of the local day, at 180 in all others; no demand charge."""
    hour = (np.arange(problem.slots) / 4 + 6) % 24
    price = np.where((hour >= first_h) & (hour < last_h), 60.0, 180.0)
    connection = replace(
        problem.connection, price_buy_krw_per_kwh=price, demand_charge_krw_per_kw=0.0
    )
    return replace(problem, connection=connection)


def planned_twice(bench: Any, network: Network, problem: PlanProblem) -> Held:
    free = bench.plan(bench.on(network, rounds_max=0), problem)
    microgrid = bench.on(network)
    return Held(microgrid, free, bench.plan(microgrid, problem))


@pytest.fixture(scope="module")
def overload(bench: Any) -> Held:
    """Cars that all want the two cheap hours of the night."""
    problem = cheap_between(bench.problem, 2.0, 4.0)
    return planned_twice(bench, small_transformer(bench.network), problem)


@pytest.fixture(scope="module")
def midday(bench: Any) -> Held:
    """Four times the sun at the far ends of long cables."""
    problem = replace(bench.problem, pv_kw=4 * bench.problem.pv_kw)
    return planned_twice(bench, long_cables(bench.network, 20), problem)


@pytest.fixture(scope="module")
def evening(bench: Any) -> Held:
    """Cars and batteries that all want the one cheap hour of the evening."""
    problem = cheap_between(bench.problem, 19.0, 20.0)
    return planned_twice(bench, long_cables(bench.network, 22), problem)


CASES = {"overload": TRANSFORMER_LOADING, "midday": V_MAX, "evening": V_MIN}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[str, Held]:
    return CASES[request.param], request.getfixturevalue(request.param)


def test_without_limits_the_plan_breaks_what_was_planted(
    bench: Any, case: tuple[str, Held]
) -> None:
    kind, found = case
    assert {each.violation.kind for each in found.free.on_wires} == {kind}
    apart = bench.flows_apart(found.microgrid, found.free)
    told = {each.row for each in found.free.on_wires}
    assert bench.broken_rows(found.microgrid.district.network, apart) == told


def test_with_limits_no_engine_finds_a_violation(bench: Any, case: tuple[str, Held]) -> None:
    _, found = case
    assert found.held.tier in ("T0", "T1") and 1 <= found.held.rounds <= 5
    assert found.held.violations == () and "exceeded" not in found.held.reason
    apart = bench.flows_apart(found.microgrid, found.held)
    assert bench.broken_rows(found.microgrid.district.network, apart) == set()


def test_pandapowers_newton_sees_the_tightest_slot_as_we_do(case: tuple[str, Held]) -> None:
    _, found = case
    network, held = found.microgrid.district.network, found.held
    tightest = held.carried[held.ahead.worst_row]
    net = build_net(network, supplied_buses(network))
    v = newton_voltages(net, tightest.drawn.p_kw, tightest.drawn.q_kvar)
    assert v is not None
    assert np.abs(v) == pytest.approx(tightest.flow.v_pu, abs=NEWTON_PU)


def test_keeping_the_limits_costs_something_and_nothing_of_last_resort(
    case: tuple[str, Held],
) -> None:
    _, found = case
    assert found.extra_krw > 100.0
    assert found.held.plan.certificate.bound_krw > found.free.plan.cost_krw.total
    assert found.held.plan.cost_krw.last_resort == pytest.approx(0.0, abs=1.0)
    assert found.held.unserved == ()
