"""A hundredth of the district in May with the loop's machinery, to be planned on changed wires."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy.config import Settings
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.grid import CheckedPlan, plan_within_grid
from energy.steps.injections import planned_injections
from energy.steps.measure import Measured, measure
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.steps.steering import Steering, steering_from
from energy.store.steering import Act, SteeringLimit, WireLimit
from energy.timegrid import parse_instant
from energy.units import SLOT_S
from grid_models import BatchFlow, BatchResult, Network, PowerFlow, find_passage
from grid_models.network import build_net, newton_voltages
from grid_models.topology import supplied_buses
from optimizer import Plan, Planner, PlanProblem

START = parse_instant("2026-05-10T06:00", "Asia/Seoul")
TOLERANCE = 2.5e-5  # of a limit: below it no meter tells


def on_wires(
    microgrid: Microgrid, network: Network, rounds_max: int = 5, **changes: Any
) -> Microgrid:
    """A loop on other wires, its district changed in what else is named."""
    installation = microgrid.installation
    settings = installation.settings.model_copy(update={"grid_rounds_max": rounds_max})
    district = replace(installation.district, network=network, **changes)
    return replace(
        microgrid,
        installation=replace(installation, district=district, settings=settings),
        power_flow=PowerFlow(network),
    )


@dataclass(frozen=True)
class Bench:
    """The machinery, what was measured, and the problem that follows from it."""

    microgrid: Microgrid
    measured: Measured
    problem: PlanProblem

    @property
    def network(self) -> Network:
        """The wires as they are drawn."""
        return self.microgrid.district.network

    def on(self, network: Network, rounds_max: int = 5, **changes: Any) -> Microgrid:
        """The machinery on other wires, which may ask `rounds_max` times again."""
        return on_wires(self.microgrid, network, rounds_max, **changes)

    def plan(self, microgrid: Microgrid, problem: PlanProblem) -> CheckedPlan:
        """The plan of the loop's own step."""
        return plan_within_grid(microgrid, problem, lambda _step: None)

    def limited(self, element: str, p_kw_max: float, first: int, end: int) -> Steering:
        """An operator's limit on an element in the slots from number `first` to before `end`."""
        slot_of = [self.problem.first_slot + row * SLOT_S for row in (first, end)]
        limit = WireLimit(element, p_kw_max, *slot_of)
        one = SteeringLimit(1, limit, Act("person kim", "works", 0), limit.until_slot)
        return steering_from(self.microgrid.district, [one], self.problem)

    def through_kw(self, checked: CheckedPlan, element: str) -> np.ndarray:
        """What passes an element in each slot, summed from pandapower's Newton: loads, losses."""
        network = self.network
        passage = find_passage(network, element)
        net = build_net(network, supplied_buses(network))
        found = []
        for slot in checked.carried:
            assert newton_voltages(net, slot.drawn.p_kw, slot.drawn.q_kvar) is not None
            is_line = passage.branch < len(network.lines.id)
            table, side = (net.res_line, "p_from_mw") if is_line else (net.res_trafo, "p_hv_mw")
            found.append(1000 * float(table[side].iloc[passage.branch % len(network.lines.id)]))
        return np.array(found)

    def flows_apart(self, microgrid: Microgrid, checked: CheckedPlan) -> BatchResult:
        """The flows of all slots of a plan by power-grid-model, which knows nothing of ours."""
        district, problem, plan = microgrid.district, checked.problem, checked.plan
        drawn = [planned_injections(district, problem, plan, row) for row in range(plan.slots)]
        p_kw = np.array([each.p_kw for each in drawn])
        # What stands at the buses is what the plan says: nothing gets lost on the way to them.
        at_connection_kw = plan.p_import_kw - plan.p_export_kw - problem.loss_kw + plan.shed_kw
        assert p_kw.sum(axis=1) == pytest.approx(at_connection_kw, abs=1e-3)
        q_kvar = np.array([each.drawn.q_kvar for each in checked.carried])
        return BatchFlow(district.network).run(p_kw, q_kvar)

    def broken_rows(self, network: Network, flows: BatchResult) -> set[int]:
        """The slots in which a batch has no flow or breaks a limit."""
        buses = network.buses
        over = [
            flows.line_loading_frac > 1 + TOLERANCE,
            flows.transformer_loading_frac > 1 + TOLERANCE,
            flows.v_pu < buses.v_min_pu - TOLERANCE,
            flows.v_pu > buses.v_max_pu + TOLERANCE,
        ]
        broken = ~flows.converged | np.concatenate(over, axis=1).any(axis=1)
        return set(np.flatnonzero(broken).tolist())


@dataclass
class DeafPlanner:
    """A planner that answers in a way of its own; `asked` counts how often."""

    planner: Planner
    answer: Callable[[Planner, PlanProblem, Plan | None], Plan]
    asked: int = 0
    is_out_of_time: bool = False

    def plan(self, problem: PlanProblem, previous: Plan | None) -> Plan:
        """What it answers to everything."""
        self.asked += 1
        return self.answer(self.planner, problem, previous)

    def without_solver(self, problem: PlanProblem, previous: Plan | None, why: str) -> Plan:
        """The planner's own."""
        return self.planner.without_solver(problem, previous, why)


@contextmanager
def machinery(folder: Path) -> Iterator[Microgrid]:
    """The loop of a new store in a folder."""
    settings = Settings(district="sejong-5-1@0.01", database_url=f"sqlite:///{folder}/test.db")
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            yield microgrid
        finally:
            microgrid.close()


# By module: what a planner has solved before decides which of many equally good plans it finds.
@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with machinery(tmp_path_factory.mktemp("grid_loop")) as microgrid:
        state = microgrid.memory.plant_state
        measured = measure(microgrid.plant, microgrid.store, START, state=state, last_good=None)
        microgrid.memory.record.append(measured.telemetry, measured.known)
        forecast = forecast_slot(microgrid, measured)
        yield Bench(microgrid, measured, build_problem(microgrid, measured, forecast))


@pytest.fixture
def fresh_microgrid(tmp_path: Path) -> Iterator[Microgrid]:
    """A loop that has not planned its first slot yet."""
    with machinery(tmp_path) as microgrid:
        yield microgrid


@pytest.fixture(scope="session")
def deaf_planner() -> type[DeafPlanner]:
    """Planners that answer in ways of their own."""
    return DeafPlanner
