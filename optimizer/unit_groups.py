"""Groups of identical units as one: fewer choices that come to the same thing.

Groups of one kind whose place makes no difference are counted together. The counts are dealt out
again unit by unit: the longest running stops first, the longest resting starts first, so that the
minimum times that hold for the counts hold for every unit.
"""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.curves import commitment, ramp_binds
from optimizer.problem import FloatArray, IntArray, PlanProblem, UnitGroup


@dataclass(frozen=True, eq=False)
class MergedUnits:
    """Merged groups, and the merged group of each group, (F,)."""

    units: tuple[UnitGroup, ...]
    group: IntArray


def merge_units(problem: PlanProblem, place: IntArray) -> MergedUnits:
    """Groups on piped fuel with the same laws and the same place (F,), counted together."""
    found: list[list[UnitGroup]] = []
    group = np.zeros(len(problem.units), dtype=np.int64)
    for row, unit in enumerate(problem.units):
        placed = replace(unit, area=int(place[row]))
        alike = [at for at, others in enumerate(found) if _merges(others, placed)]
        group[row] = alike[0] if alike else len(found)
        if alike:
            found[alike[0]].append(placed)
        else:
            found.append([placed])
    return MergedUnits(tuple(_together(units) for units in found), group)


def _merges(others: list[UnitGroup], unit: UnitGroup) -> bool:
    """Whether a group may be counted with others: same laws, and the sum rules out no plan."""
    if ramp_binds(unit) or np.isfinite(unit.fuel_kwh_start) or _laws(others[0]) != _laws(unit):
        return False
    together = [*others, unit]
    parts, whole = [commitment(each) for each in together], commitment(_together(together))
    return bool(
        np.all(whole.least <= sum(part.least for part in parts))
        and np.all(whole.most >= sum(part.most for part in parts))
        and np.all(whole.rested >= sum(part.rested for part in parts))
    )


def _laws(unit: UnitGroup) -> tuple[object, ...]:
    """Everything in which units must agree to be counted together."""
    return (
        unit.area,
        (unit.p_kw_min, unit.p_kw_max, unit.ramp_kw_per_slot),
        (unit.fuel, unit.heat),
        (unit.min_up_slots, unit.min_down_slots),
        (unit.start_cost_krw, unit.wear_krw_per_h, unit.fuel_krw_per_kwh),
        bool(np.isfinite(unit.fuel_kwh_start)),
    )


def _together(units: list[UnitGroup]) -> UnitGroup:
    if len(units) == 1:
        return units[0]
    return replace(
        units[0],
        id=" + ".join(unit.id for unit in units),
        count=sum(unit.size for unit in units),
        available=np.sum([unit.available for unit in units], axis=0),
        on_now=sum(unit.on_now for unit in units),
        p_now_kw=sum(unit.p_now_kw for unit in units),
        recent_starts=_summed([unit.recent_starts for unit in units]),
        recent_stops=_summed([unit.recent_stops for unit in units]),
    )


def _summed(recent: list[tuple[int, ...]]) -> tuple[int, ...]:
    longest = max(map(len, recent))
    return tuple(sum(each[at] for each in recent if at < len(each)) for at in range(longest))


def deal_counts(units: tuple[UnitGroup, ...], total: IntArray) -> IntArray:
    """Running units of each group (H, F) for the total (H,) of all groups."""
    if len(units) == 1:
        return total[:, None]
    running = _ages([(unit.recent_starts, unit.on_now) for unit in units])
    resting = _ages([(unit.recent_stops, unit.size - unit.on_now) for unit in units])
    on = np.zeros((len(total), len(units)), dtype=np.int64)
    for slot, wanted in enumerate(total.tolist()):
        able = [int(unit.available[slot]) for unit in units]
        for member in range(len(units)):
            while _count(running, member) > able[member]:
                _pass(running, resting, [member])
        while len(running) > wanted:
            _pass(running, resting, range(len(units)))
        while len(running) < wanted:
            free = [m for m in range(len(units)) if _count(running, m) < able[m]]
            if not _pass(resting, running, free):
                break
        on[slot] = [_count(running, member) for member in range(len(units))]
        running = [(age + 1, member) for age, member in running]
        resting = [(age + 1, member) for age, member in resting]
    return on


def _ages(groups: list[tuple[tuple[int, ...], int]]) -> list[tuple[float, int]]:
    """Age in slots and group of each unit, the oldest first; unknown ages are long ago."""
    found: list[tuple[float, int]] = []
    for member, (recent, count) in enumerate(groups):
        ages = [float(ago + 1) for ago, number in enumerate(recent) for _ in range(number)]
        ages = ages[:count]
        found += [(age, member) for age in [np.inf] * (count - len(ages)) + ages]
    return sorted(found, key=lambda unit: (-unit[0], unit[1]))


def _count(units: list[tuple[float, int]], member: int) -> int:
    return sum(each == member for _, each in units)


def _pass(
    source: list[tuple[float, int]], target: list[tuple[float, int]], members: list[int] | range
) -> bool:
    """Move the oldest unit of some groups from one list to the other, if there is one."""
    for row, (_, member) in enumerate(source):
        if member in members:
            source.pop(row)
            target.append((0.0, member))
            return True
    return False


def deal_power(units: tuple[UnitGroup, ...], on: IntArray, total_kw: FloatArray) -> FloatArray:
    """Power of each group (H, F) of the total, in proportion to its running units."""
    running = np.maximum(on.sum(axis=1, keepdims=True), 1)
    least, most = units[0].p_kw_min * on, units[0].p_kw_max * on
    power: FloatArray = np.clip(total_kw[:, None] * on / running, least, most)
    return power
