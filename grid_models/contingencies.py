"""N-1 with switching: an element fails, ties pick up whom it fed, an AC flow says how it goes.

A lost part is first offered whole to each tie that reaches it. Where that overloads somebody, two
ties share it: the part is cut open at the cable where both sides fare best. What no tie reaches
stays dark and is named. Feeder heads may carry their emergency load meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from grid_models.district import BoolArray, FloatArray, GridError, IntArray, Network
from grid_models.limits import Violation, check_flow
from grid_models.part import part_of, without_transformer
from grid_models.power_flow import PowerFlow
from grid_models.topology import closed_ends, components, supplied_buses

# (B) 14 MW in an emergency where 10 MW are normal: lifeinfo5.com, in data/README.md.
EMERGENCY_FRAC = 1.4


@dataclass(frozen=True)
class Contingency:
    """What an outage does and how it is switched around.

    `dark_areas` lost supply at first, `unsupplied_areas` have none in the end; `closed` and
    `opened` are lines by name; `violations` are those after switching, against emergency limits.
    """

    element: str
    dark_areas: tuple[str, ...]
    closed: tuple[str, ...]
    opened: tuple[str, ...]
    unsupplied_areas: tuple[str, ...]
    unsupplied_buses: int
    p_unsupplied_kw: float
    highest_loading_frac: float
    highest_element: str
    v_min_pu: float
    violations: tuple[Violation, ...]

    @property
    def secure(self) -> bool:
        """Whether everybody has supply again and every limit is kept."""
        return not self.unsupplied_buses and not self.violations


def check_contingencies(
    network: Network,
    p_kw: FloatArray,
    q_kvar: FloatArray,
    elements: Sequence[str] | None = None,
) -> list[Contingency]:
    """How the network lives through each outage while every bus draws (N,) kW and kvar.

    `elements` are lines and transformers by name; without them every feeder head and every
    transformer of the substation.
    """
    raised = _emergency_ratings(network)
    loads = _Loads(p_kw, q_kvar)
    names = feeder_heads(network) + substation_transformers(network)
    return [_live_through(raised, loads, name) for name in (elements or names)]


def feeder_heads(network: Network) -> tuple[str, ...]:
    """The closed lines that leave a busbar of the substation."""
    lines = network.lines
    bars = _busbars(network)
    at_bar = np.isin(lines.from_bus, bars) ^ np.isin(lines.to_bus, bars)
    return tuple(lines.id[row] for row in np.flatnonzero(at_bar & lines.closed))


def substation_transformers(network: Network) -> tuple[str, ...]:
    """The transformers that feed no area of their own."""
    return tuple(
        name
        for name, area in zip(network.transformers.id, network.transformers.area, strict=True)
        if area < 0
    )


@dataclass(frozen=True, eq=False)
class _Loads:
    """What every bus draws."""

    p_kw: FloatArray
    q_kvar: FloatArray


@dataclass(frozen=True)
class _Tie:
    """An open line and the bus where it would enter a dark part."""

    line: int
    bus: int


@dataclass(frozen=True, eq=False)
class _Trial:
    """A way of switching and how it goes; lower `badness` is better."""

    network: Network
    supplied: BoolArray
    violations: tuple[Violation, ...]
    highest_frac: float
    highest_element: str
    v_min_pu: float

    @property
    def badness(self) -> tuple[float, float, float]:
        """Buses in the dark, then what exceeds limits, then the highest loading."""
        excess = sum(each.excess for each in self.violations)
        return float((~self.supplied).sum()), excess, self.highest_frac


def _busbars(network: Network) -> IntArray:
    """Low sides of the substation's transformers; the slack bus where there are none."""
    table = network.transformers
    bars = np.unique(table.lv_bus[table.area < 0])
    return bars if len(bars) else np.array([network.slack_bus])


def _emergency_ratings(network: Network) -> Network:
    """The network with what feeder heads may carry in an emergency."""
    heads = set(feeder_heads(network))
    factor = np.array([EMERGENCY_FRAC if name in heads else 1.0 for name in network.lines.id])
    return replace(network, lines=replace(network.lines, i_a_max=network.lines.i_a_max * factor))


def _live_through(network: Network, loads: _Loads, element: str) -> Contingency:
    """One outage: the ties that mend it best, one dark part after the other."""
    out, failed_line = _without(network, element)
    first = trial = _try(out, loads, (), ())
    given_up: set[int] = set()
    while (part := _next_dark_part(trial, given_up)) is not None:
        given_up.add(int(part[0]))
        ties = [tie for tie in _ties_of(trial, part) if tie.line != failed_line]
        options = [_try(trial.network, loads, (tie.line,), ()) for tie in ties]
        if all(option.violations for option in options):
            options += _shared(trial, loads, ties)
        best = min(options, key=lambda option: option.badness, default=trial)
        trial = min(trial, best, key=lambda option: option.badness)
    dark = ~trial.supplied
    closed = out.lines.closed
    now_closed = trial.network.lines.closed
    return Contingency(
        element=element,
        dark_areas=_areas_of(network, ~first.supplied),
        closed=_named(network, now_closed & ~closed),
        opened=_named(network, closed & ~now_closed),
        unsupplied_areas=_areas_of(network, dark),
        unsupplied_buses=int(dark.sum()),
        p_unsupplied_kw=float(np.maximum(loads.p_kw[dark], 0).sum()),
        highest_loading_frac=trial.highest_frac,
        highest_element=trial.highest_element,
        v_min_pu=trial.v_min_pu,
        violations=trial.violations,
    )


def _without(network: Network, element: str) -> tuple[Network, int]:
    """The network without an element, and the row of a failed line (-1 for a transformer)."""
    lines, table = network.lines, network.transformers
    if element in lines.id:
        row = lines.id.index(element)
        closed = lines.closed.copy()
        closed[row] = False
        return replace(network, lines=replace(lines, closed=closed)), row
    if element in table.id:
        return without_transformer(network, table.id.index(element)), -1
    raise GridError(f"outage of {element!r}: found no such line or transformer")


def _try(network: Network, loads: _Loads, close: Sequence[int], open_: Sequence[int]) -> _Trial:
    """The flow after closing and opening lines, of all that has supply then."""
    closed = network.lines.closed.copy()
    closed[list(close)] = True
    closed[list(open_)] = False
    switched = replace(network, lines=replace(network.lines, closed=closed))
    supplied = supplied_buses(switched)
    part = part_of(switched, supplied)
    flow = PowerFlow(part.network).run(loads.p_kw[part.bus], loads.q_kvar[part.bus])
    names = (*part.network.lines.id, *part.network.transformers.id)
    loading = np.concatenate([flow.line_loading_frac, flow.transformer_loading_frac])
    at = int(np.argmax(loading)) if flow.converged and len(loading) else -1
    return _Trial(
        network=switched,
        supplied=supplied,
        violations=tuple(check_flow(part.network, flow)),
        highest_frac=float(loading[at]) if at >= 0 else float("inf"),
        highest_element=names[at] if at >= 0 else "",
        v_min_pu=float(flow.v_pu.min()),
    )


def _next_dark_part(trial: _Trial, given_up: set[int]) -> IntArray | None:
    """The buses of a dark part that a tie reaches and that was not tried before."""
    network, dark = trial.network, ~trial.supplied
    label = components(len(dark), *closed_ends(network))
    for number in np.unique(label[dark]).tolist():
        part = np.flatnonzero(label == number)
        if int(part[0]) not in given_up and _ties_of(trial, part):
            return part
    return None


def _ties_of(trial: _Trial, part: IntArray) -> list[_Tie]:
    """The open lines between a dark part and what has supply."""
    lines = trial.network.lines
    inside = np.zeros(len(trial.supplied), dtype=np.bool_)
    inside[part] = True
    ties = []
    for near, far in ((lines.from_bus, lines.to_bus), (lines.to_bus, lines.from_bus)):
        rows = np.flatnonzero(~lines.closed & inside[near] & trial.supplied[far])
        ties += [_Tie(int(row), int(near[row])) for row in rows]
    return sorted(ties, key=lambda tie: tie.line)


def _shared(trial: _Trial, loads: _Loads, ties: Sequence[_Tie]) -> list[_Trial]:
    """The part shared by two ties, for every pair of them: the best place to cut it open."""
    return [
        found
        for one, other in combinations(ties, 2)
        if one.bus != other.bus
        for found in [_best_cut(trial, loads, one, other)]
    ]


def _best_cut(trial: _Trial, loads: _Loads, one: _Tie, other: _Tie) -> _Trial:
    """Walks from the middle of the way between two ties as long as the flow gets better."""
    way = _lines_between(trial.network, one.bus, other.bus)
    tried: dict[int, _Trial] = {}

    def at(place: int) -> _Trial:
        if place not in tried:
            cut = (way[place],)
            tried[place] = _try(trial.network, loads, (one.line, other.line), cut)
        return tried[place]

    place = len(way) // 2
    while True:
        beside = [near for near in (place - 1, place + 1) if 0 <= near < len(way)]
        better = min([place, *beside], key=lambda near: at(near).badness)
        if better == place:
            return at(place)
        place = better


def _lines_between(network: Network, start: int, end: int) -> list[int]:
    """The closed lines on the way between two buses of one part, in order."""
    lines, buses = network.lines, len(network.buses.id)
    rows = np.flatnonzero(lines.closed)
    ends = (lines.from_bus[rows], lines.to_bus[rows])
    graph = coo_array((rows + 1, ends), shape=(buses, buses)).tocsr()
    _, before = breadth_first_order(graph, start, directed=False)
    row_of = {
        frozenset((int(near), int(far))): int(row)
        for row, near, far in zip(rows, *ends, strict=True)
    }
    way, bus = [], end
    while bus != start:
        way.append(row_of[frozenset((bus, int(before[bus])))])
        bus = int(before[bus])
    return way[::-1]


def _areas_of(network: Network, buses: BoolArray) -> tuple[str, ...]:
    """Names of the areas whose busbar is among the buses."""
    hit = buses[network.areas.bus]
    return tuple(network.areas.id[area] for area in np.flatnonzero(hit))


def _named(network: Network, lines: BoolArray) -> tuple[str, ...]:
    return tuple(network.lines.id[row] for row in np.flatnonzero(lines))
