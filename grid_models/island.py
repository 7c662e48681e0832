"""The district without the utility: who must be shed, in rank order, so that the rest lives.

The transformers of the substation are open, its busbars joined. Sources share active and reactive
need in proportion to their range, as droop makes them; one of them holds the voltage and takes
what the flow leaves over. Loads are shed rank by rank, the last one in part, until need and reserve
fit and the wires keep their limits; with too little load solar is curtailed. What cannot be mended
is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid_models.district import BoolArray, FloatArray, GridError, Network
from grid_models.limits import Violation, check_flow
from grid_models.part import Part, part_of
from grid_models.power_flow import FlowResult, PowerFlow
from grid_models.topology import closed_ends, components

ROUNDS_MAX = 100
CLOSE_KW = 0.05
SHED_STEP_FRAC = 0.1


@dataclass(frozen=True, eq=False)
class ShedBlock:
    """Loads that are shed together: what they draw at every bus, (N,) kW and kvar."""

    name: str
    p_kw: FloatArray
    q_kvar: FloatArray


@dataclass(frozen=True, eq=False)
class IslandCase:
    """What there is in the moment of the island, by bus of the whole network, (N,).

    `v_forming_pu` are the voltages that may be tried, the usual one first. `p_source_kw_min` and
    `_max` are what dispatchable sources may give (a battery's minimum is minus its charging power),
    `p_solar_kw` what the sun gives. `blocks` are all loads, those first that are shed first;
    `reserve_frac` of the sources' highest power is kept free.
    """

    forming_bus: int
    v_forming_pu: Sequence[float]
    p_source_kw_min: FloatArray
    p_source_kw_max: FloatArray
    p_solar_kw: FloatArray
    blocks: Sequence[ShedBlock]
    reserve_frac: float


@dataclass(frozen=True, eq=False)
class Island:
    """How the island lives: `shed_frac` of each block, solar left unused, what sources give.

    `blocked_by` says in one sentence each why it cannot live; empty when it can. `reserve_kw` is
    what the sources could still give.
    """

    v_forming_pu: float
    shed_frac: tuple[float, ...]
    p_shed_kw: float
    p_served_kw: float
    p_curtailed_kw: float
    p_source_kw: float
    reserve_kw: float
    p_loss_kw: float
    v_min_pu: float
    v_max_pu: float
    dark_areas: tuple[str, ...]
    violations: tuple[Violation, ...]
    blocked_by: tuple[str, ...]

    @property
    def lives(self) -> bool:
        """Whether the island stands with what is served."""
        return not self.blocked_by


def island(network: Network, case: IslandCase) -> Island:
    """The island of a case, at the voltage of the source that serves most.

    Raises GridError where the voltage source stands nowhere or a number is missing.
    """
    _require_numbers(network, case)
    best: Island | None = None
    for v_pu in case.v_forming_pu:
        search = _Search(islanded_part(network, case.forming_bus, v_pu), case)
        found = search.island(network, search.settle(), v_pu)
        if best is None or (found.lives, found.p_served_kw) > (best.lives, best.p_served_kw):
            best = found
        if best.lives and best.p_shed_kw <= CLOSE_KW:
            break
    if best is None:
        raise GridError("island: no voltage of the source is given, allowed is at least one")
    return best


def _require_numbers(network: Network, case: IslandCase) -> None:
    """Refuse a case with a missing number: sums over the island would spread it everywhere."""
    columns = {
        "sources at least": case.p_source_kw_min,
        "sources at most": case.p_source_kw_max,
        "solar": case.p_solar_kw,
        **{block.name: block.p_kw + 1j * block.q_kvar for block in case.blocks},
    }
    for name, column in columns.items():
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            bus = network.buses.id[bad[0]]
            raise GridError(f"island: {name} at bus {bus} is {column[bad[0]]}, allowed is a number")


def islanded_part(network: Network, forming_bus: int, v_forming_pu: float) -> Part:
    """The network behind the open substation, held at `forming_bus`; busbars joined."""
    if not 0 <= forming_bus < len(network.buses.id):
        allowed = f"0..{len(network.buses.id) - 1}"
        raise GridError(f"island: forming bus is {forming_bus}, allowed is {allowed}")
    lines, table = network.lines, network.transformers
    bars = np.unique(table.lv_bus[table.area < 0])
    couplers = np.isin(lines.from_bus, bars) & np.isin(lines.to_bus, bars)
    joined = replace(network, lines=replace(lines, closed=lines.closed | couplers))
    near, far = closed_ends(joined)
    inside = np.ones(len(near), dtype=np.bool_)
    inside[len(near) - len(table.id) :] = table.area >= 0
    label = components(len(network.buses.id), near[inside], far[inside])
    kept: BoolArray = label == label[forming_bus]
    held = replace(joined, slack_bus=forming_bus, slack_v_pu=v_forming_pu)
    return part_of(held, kept)


@dataclass(frozen=True, eq=False)
class _Step:
    """One way of shedding and curtailing, and its flow."""

    kept_frac: FloatArray
    solar_frac: float
    p_source_kw: float
    flow: FlowResult
    violations: tuple[Violation, ...]


class _Search:
    """Sheds until the island stands."""

    def __init__(self, part: Part, case: IslandCase) -> None:
        self.part, self.case = part, case
        self.flow = PowerFlow(part.network)
        bus = part.bus
        self.low, self.high = case.p_source_kw_min[bus], case.p_source_kw_max[bus]
        self.solar = case.p_solar_kw[bus]
        self.p = np.array([block.p_kw[bus] for block in case.blocks]).reshape(-1, len(bus))
        self.q = np.array([block.q_kvar[bus] for block in case.blocks]).reshape(-1, len(bus))
        self.most_kw = float(self.high.sum()) * (1 - case.reserve_frac)
        self.least_kw = float(self.low.sum())

    def settle(self) -> _Step:
        """The first way of shedding that stands, or the last one tried."""
        kept, loss_kw = np.ones(len(self.p)), 0.0
        step = None
        for _ in range(ROUNDS_MAX):
            kept = self._fitting(kept, loss_kw)
            step = self._flow(kept, loss_kw)
            if not step.flow.converged or step.violations:
                if not kept.any():
                    return step
                kept = self._less(kept)
            elif abs(step.flow.p_loss_kw - loss_kw) < CLOSE_KW:
                return step
            loss_kw = step.flow.p_loss_kw if step.flow.converged else loss_kw
        assert step is not None, "at least one round is made"
        return step

    def _fitting(self, kept: FloatArray, loss_kw: float) -> FloatArray:
        """Blocks shed from the first on until the sources can give what is left."""
        fitting = kept.copy()
        block_kw = self.p.sum(axis=1)
        excess_kw = float(fitting @ block_kw) + loss_kw - float(self.solar.sum()) - self.most_kw
        for block, whole_kw in enumerate(block_kw):
            if excess_kw <= 0:
                break
            cut_kw = min(excess_kw, fitting[block] * whole_kw)
            if whole_kw > 0:
                fitting[block] -= cut_kw / whole_kw
                excess_kw -= cut_kw
        return fitting

    def _less(self, kept: FloatArray) -> FloatArray:
        """A little more shed, of the first block that still has load."""
        less = kept.copy()
        first = int(np.argmax(less > 0))
        less[first] = max(less[first] - SHED_STEP_FRAC, 0.0)
        return less

    def _flow(self, kept: FloatArray, loss_kw: float) -> _Step:
        """Sources and sun dispatched for what is kept, and the flow of it."""
        load_kw, sun_kw = float(kept @ self.p.sum(axis=1)), float(self.solar.sum())
        need_kw = load_kw + loss_kw - sun_kw
        surplus_kw = max(self.least_kw - need_kw, 0.0)
        solar_frac = 1 - min(surplus_kw / sun_kw, 1.0) if sun_kw > 0 else 1.0
        need_kw += (1 - solar_frac) * sun_kw
        width_kw = float((self.high - self.low).sum())
        reach = (need_kw - self.least_kw) / width_kw if width_kw > 0 else 0.0
        given = self.low + min(max(reach, 0.0), 1.0) * (self.high - self.low)
        p_kw = kept @ self.p - solar_frac * self.solar - given
        flow = self._with_shared_reactive(p_kw, kept @ self.q)
        # What the flow asks of the voltage source comes on top of its share.
        source_kw = float(given.sum()) + (flow.p_slack_kw if flow.converged else 0.0)
        broken = tuple(check_flow(self.part.network, flow)) if flow.converged else ()
        return _Step(kept, solar_frac, source_kw, flow, broken)

    def _with_shared_reactive(self, p_kw: FloatArray, q_kvar: FloatArray) -> FlowResult:
        """The flow with reactive power dealt out over the sources; else one would carry it all.

        The first share is what loads need; what cables give and transformers take shows in it.
        """
        share = self.high / max(float(self.high.sum()), 1e-9)
        flow = self.flow.run(p_kw, q_kvar - float(q_kvar.sum()) * share)
        if not flow.converged:
            return flow
        whole_kvar = float(q_kvar.sum()) + flow.q_slack_kvar
        return self.flow.run(p_kw, q_kvar - whole_kvar * share)

    def island(self, network: Network, step: _Step, v_forming_pu: float) -> Island:
        """The result, with what stands in its way."""
        block_kw = self.p.sum(axis=1)
        outside = np.ones(len(network.areas.id), dtype=np.bool_)
        outside[self.part.area] = False
        dark = tuple(network.areas.id[area] for area in np.flatnonzero(outside))
        blocked = [str(each) for each in step.violations[:3]]
        if not step.flow.converged:
            blocked.append(f"no power flow: {step.flow.reason}")
        elif step.p_source_kw > self.most_kw + 1.0:
            blocked.append(
                f"sources would have to give {step.p_source_kw:.0f} kW, "
                f"allowed with reserve are {self.most_kw:.0f} kW"
            )
        elif step.p_source_kw < self.least_kw - 1.0:
            blocked.append(
                f"sources cannot go below {self.least_kw:.0f} kW, only {step.p_source_kw:.0f} kW "
                "are needed"
            )
        served_kw = float(step.kept_frac @ block_kw)
        return Island(
            v_forming_pu=v_forming_pu,
            shed_frac=tuple(1 - float(kept) for kept in step.kept_frac),
            p_shed_kw=float(block_kw.sum()) - served_kw,
            p_served_kw=served_kw,
            p_curtailed_kw=(1 - step.solar_frac) * float(self.solar.sum()),
            p_source_kw=step.p_source_kw,
            reserve_kw=float(self.high.sum()) - step.p_source_kw,
            p_loss_kw=step.flow.p_loss_kw,
            v_min_pu=float(step.flow.v_pu.min()),
            v_max_pu=float(step.flow.v_pu.max()),
            dark_areas=dark,
            violations=step.violations,
            blocked_by=tuple(blocked),
        )
