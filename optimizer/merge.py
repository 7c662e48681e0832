"""Many alike stores as a few: a smaller problem that costs no more than the whole one.

Batteries of equal efficiencies and prices, and fleets, are grouped by the shape of what they can
do; a group's bounds are the sums of its members' corridors. Every plan of the members is, summed
up, a plan of the groups, so the small problem's optimum is a LOWER BOUND of the whole one's. For
members of one shape it is the optimum itself; otherwise `optimizer.split` finds what it is worth.

Areas are told apart only by the cuts that name them: areas with the same coefficients in every cut
are one class of areas, and stores of different classes are never grouped.
"""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.corridor import Corridor, battery_corridor, fleet_corridor
from optimizer.problem import (
    DT_H,
    Batteries,
    Cut,
    Fleets,
    FloatArray,
    IntArray,
    PlanProblem,
    Scenarios,
    ShedRank,
)
from optimizer.unit_groups import merge_units

ALIKE = 0.01  # distance of shapes, as a share of capacity, below which stores count as one shape
ROUNDS = 8
EACH = 1_000_000


@dataclass(frozen=True)
class Fineness:
    """How many groups there may be at most of stores with the same laws; from EACH on, one each."""

    batteries_max: int
    fleets_max: int


@dataclass(frozen=True, eq=False)
class Merging:
    """A small problem and where each asset of the whole one went: (A,), (B,), (G,), (F,).

    The corridors are those of the whole problem's stores.
    """

    whole: PlanProblem
    small: PlanProblem
    area_class: IntArray
    battery_class: IntArray
    fleet_class: IntArray
    unit_class: IntArray
    battery_corridor: Corridor
    fleet_corridor: Corridor


@dataclass(frozen=True, eq=False)
class _Grouping:
    """The group of each store (N,), and a store of the same laws for each group (K,).

    The groups of one law are filled up with a few empty ones to a round count, so that the
    structure of the small problem seldom changes.
    """

    group: IntArray
    example: IntArray


def merge(problem: PlanProblem, fineness: Fineness) -> Merging:
    """The problem with stores grouped so far, per law and class of areas, and units likewise."""
    area_class = _area_classes(problem)
    batteries = battery_corridor(problem.batteries, problem.slots)
    fleets = fleet_corridor(problem.fleets)
    of_battery = _group_batteries(problem.batteries, area_class, fineness.batteries_max)
    of_fleet = _group_fleets(problem.fleets, fleets, area_class, fineness.fleets_max)
    places = np.array([unit.area for unit in problem.units], dtype=np.int64)
    units = merge_units(problem, _classes_of(places, area_class))
    small = replace(
        problem,
        area_ids=tuple(f"class {row}" for row in range(area_class.max(initial=-1) + 1)),
        load_kw=sums_by(problem.load_kw.T, area_class).T,
        pv_kw=sums_by(problem.pv_kw.T, area_class).T,
        shed_ranks=_merged_ranks(problem, area_class),
        batteries=_merged_batteries(problem.batteries, of_battery, area_class),
        fleets=_merged_fleets(problem.fleets, fleets, of_fleet, area_class),
        units=units.units,
        heat=problem.heat
        and replace(
            problem.heat, heat_pump_area=_class_of(problem.heat.heat_pump_area, area_class)
        ),
        cuts=tuple(_merged_cut(cut, area_class) for cut in problem.cuts),
        scenarios=problem.scenarios and _merged_scenarios(problem.scenarios, area_class),
    )
    return Merging(
        problem, small, area_class, of_battery.group, of_fleet.group, units.group, batteries, fleets
    )


def sums_by(rows: FloatArray, group: IntArray, count: int | None = None) -> FloatArray:
    """Sums of rows (N, ...) by group, (K, ...)."""
    sums = np.zeros((group.max(initial=-1) + 1 if count is None else count, *rows.shape[1:]))
    np.add.at(sums, group, rows)
    return sums


def _area_classes(problem: PlanProblem) -> IntArray:
    """One class per distinct column of cut coefficients, in the order of first areas."""
    table = np.array([cut.coefficient for cut in problem.cuts], dtype=np.float64)
    return _numbered(table.reshape(-1, problem.areas).T)


def _numbered(rows: FloatArray) -> IntArray:
    """Position of each row among the distinct ones, in order of appearance."""
    seen: dict[bytes, int] = {}
    keys = [row.tobytes() for row in np.ascontiguousarray(rows) + 0.0]
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)


def _class_of(area: int, area_class: IntArray) -> int:
    return int(area_class[area]) if area >= 0 else -1


def _classes_of(area: IntArray, area_class: IntArray) -> IntArray:
    return np.array([_class_of(int(each), area_class) for each in area], dtype=np.int64)


def _group_batteries(table: Batteries, area_class: IntArray, groups_max: int) -> _Grouping:
    scale = np.maximum(table.e_kwh_max, 1e-6)
    shape = (
        np.minimum(table.e_kwh_min, table.e_start_kwh),
        table.e_start_kwh,
        *_powers_kwh(table.p_charge_kw_max),
        *_powers_kwh(table.p_discharge_kw_max),
        _end(table),
    )
    law = (
        table.eta_charge,
        table.eta_discharge,
        table.wear_krw_per_kwh,
        table.end_value_krw_per_kwh,
        _classes_of(table.area, area_class),
    )
    shapes = np.stack(shape, axis=1) / scale[:, None]
    return _grouped(np.stack(law, axis=1), shapes, (scale, groups_max), least=1)


def _group_fleets(
    table: Fleets, corridor: Corridor, area_class: IntArray, groups_max: int
) -> _Grouping:
    scale = np.maximum(corridor.upper_kwh.max(axis=0, initial=0.0), 1e-6)
    curves = (corridor.lower_kwh, corridor.upper_kwh, corridor.up_kwh, corridor.down_kwh)
    slots = max(len(corridor.lower_kwh), 1)
    gives_back = table.p_discharge_kw_max.max(axis=1, initial=0.0) > 0
    law = np.stack([gives_back, _classes_of(table.area, area_class)], axis=1)
    shape = (np.concatenate(curves) / scale).T / np.sqrt(slots)
    # Cars come and go: as many groups as there may be, so that the structure stays. With cuts it
    # changes anyway.
    least = 1 if area_class.any() else groups_max
    return _grouped(law.astype(np.float64), shape, (scale, groups_max), least=least)


def _grouped(
    law: FloatArray, shape: FloatArray, sizing: tuple[FloatArray, int], *, least: int
) -> _Grouping:
    """Groups of stores with equal laws and near shapes, numbered by law, then by group.

    sizing: the stores' weights, and how many groups a law may have; `least` it is given where
    there are as many stores, some of them empty.
    """
    weight, groups_max = sizing
    group = np.zeros(len(law), dtype=np.int64)
    kinds = _numbered(law)
    example: list[int] = []
    for kind in range(int(kinds.max(initial=-1)) + 1):
        rows = np.flatnonzero(kinds == kind)
        if groups_max >= EACH:
            group[rows] = len(example) + np.arange(len(rows))
            example += rows.tolist()
            continue
        near = _near(shape[rows], weight[rows], groups_max)
        group[rows] = len(example) + near
        wanted = max(int(near.max()) + 1, min(least, groups_max, len(law)))
        example += [int(rows[0])] * _round_count(wanted)
    return _Grouping(group, np.array(example, dtype=np.int64))


def _round_count(count: int) -> int:
    """The count or little more: a power of two up to 8, then an eighth of one at most beyond."""
    step = max(1, 1 << (count - 1).bit_length() >> 3)
    return max(-(-count // step) * step, 1 << (min(count, 8) - 1).bit_length())


def _near(shape: FloatArray, weight: FloatArray, groups_max: int) -> IntArray:
    """Groups of points: far and heavy points become centres, then the centres settle at means."""
    middle = shape[[int(weight.argmax())]]
    far = np.linalg.norm(shape - middle[0], axis=1)
    while len(middle) < groups_max and far.max() > ALIKE:
        middle = np.concatenate([middle, shape[[int((far**2 * weight).argmax())]]])
        far = np.minimum(far, np.linalg.norm(shape - middle[-1], axis=1))
    for _ in range(ROUNDS):
        nearest = _nearest(shape, middle)
        mass = np.maximum(sums_by(weight, nearest, len(middle)), 1e-12)[:, None]
        middle = sums_by(shape * weight[:, None], nearest, len(middle)) / mass
    return _numbered(_nearest(shape, middle)[:, None].astype(np.float64))


def _nearest(shape: FloatArray, middle: FloatArray) -> IntArray:
    """The nearest centre of each point; without the points' own squares, which decide nothing."""
    distance = (middle**2).sum(axis=1) - 2 * shape @ middle.T
    return np.asarray(distance.argmin(axis=1), dtype=np.int64)


def _powers_kwh(limit_kw: FloatArray) -> list[FloatArray]:
    """Energy that a power limit lets through in a slot, (B,); by slot also what it is on the mean.

    So batteries that are out of use for a while are told from those that are not.
    """
    if limit_kw.ndim == 1:
        return [limit_kw * DT_H]
    return [limit_kw.max(axis=0) * DT_H, limit_kw.mean(axis=0) * DT_H, limit_kw[0] * DT_H]


def _end(table: Batteries) -> FloatArray:
    """Least energy at the horizon's end."""
    return table.e_kwh_min if table.e_end_kwh_min is None else table.e_end_kwh_min


def _merged_batteries(table: Batteries, into: _Grouping, area_class: IntArray) -> Batteries:
    count = len(into.example)
    floor = np.minimum(table.e_kwh_min, table.e_start_kwh)
    ceiling = np.maximum(table.e_kwh_max, table.e_start_kwh)
    return Batteries(
        id=tuple(f"batteries {row}" for row in range(count)),
        area=_classes_of(table.area[into.example], area_class),
        e_kwh_min=sums_by(floor, into.group, count),
        e_kwh_max=sums_by(ceiling, into.group, count),
        e_start_kwh=sums_by(table.e_start_kwh, into.group, count),
        p_charge_kw_max=sums_by(table.p_charge_kw_max.T, into.group, count).T,
        p_discharge_kw_max=sums_by(table.p_discharge_kw_max.T, into.group, count).T,
        eta_charge=table.eta_charge[into.example],
        eta_discharge=table.eta_discharge[into.example],
        wear_krw_per_kwh=table.wear_krw_per_kwh[into.example],
        end_value_krw_per_kwh=table.end_value_krw_per_kwh[into.example],
        e_end_kwh_min=None
        if table.e_end_kwh_min is None
        else sums_by(table.e_end_kwh_min, into.group, count),
    )


def _merged_fleets(
    table: Fleets, corridor: Corridor, into: _Grouping, area_class: IntArray
) -> Fleets:
    count = len(into.example)
    return replace(
        table,
        id=tuple(f"fleets {row}" for row in range(count)),
        area=_classes_of(table.area[into.example], area_class),
        e_min_kwh=sums_by(corridor.lower_kwh.T, into.group, count),
        e_max_kwh=sums_by(corridor.upper_kwh.T, into.group, count),
        p_charge_kw_max=sums_by(table.p_charge_kw_max, into.group, count),
        p_discharge_kw_max=sums_by(table.p_discharge_kw_max, into.group, count),
    )


def _merged_scenarios(scenarios: Scenarios, area_class: IntArray) -> Scenarios:
    moved = np.moveaxis(scenarios.net_load_kw, 2, 0)
    return replace(scenarios, net_load_kw=np.moveaxis(sums_by(moved, area_class), 0, 2))


def _merged_ranks(problem: PlanProblem, area_class: IntArray) -> tuple[ShedRank, ...]:
    """Ranks with their share of each class's load, by slot (H, K)."""
    load = sums_by(problem.load_kw.T, area_class).T
    ranks = []
    for rank in problem.shed_ranks:
        part = sums_by((problem.load_kw * rank.share).T, area_class).T
        share = np.divide(part, load, out=np.zeros(load.shape), where=load > 0)
        ranks.append(replace(rank, share=share))
    return tuple(ranks)


def _merged_cut(cut: Cut, area_class: IntArray) -> Cut:
    first = np.unique(area_class, return_index=True)[1]
    return replace(cut, coefficient=cut.coefficient[first])
