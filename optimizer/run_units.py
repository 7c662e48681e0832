"""Units led forward slot by slot: how many run, and what they may give after what they gave.

Counts keep the minimum times near the wished ones; power keeps to load, ramp and stored fuel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.commitments import Leaning, whole_counts
from optimizer.curves import commitment, group_draw, ramp_binds
from optimizer.problem import DT_H, BoolArray, FloatArray, IntArray, PlanProblem, UnitGroup

STOPPING = Leaning(idle=1000.0)
"""A slot in which a unit has to stop outweighs all those in which it then rests although wanted."""


@dataclass(frozen=True, eq=False)
class TooMuch:
    """Power in a slot that nowhere takes and that only a stop can end: `over` of a limit.

    A kW less of group f relieves the limit by relief[f], (F,); 0 where it does not.
    """

    slot: int
    over: float
    relief: FloatArray


def counts_near(
    units: Sequence[UnitGroup], wished: FloatArray, leaning: Leaning | None = None
) -> IntArray:
    """Counts within minimum times near the wished ones, (H, F)."""
    on = np.zeros(wished.shape, dtype=np.int64)
    for row, unit in enumerate(units):
        on[:, row] = whole_counts(unit, wished[:, row], leaning)
    return on


class LedUnits:
    """Running units that are led forward within load, ramp and stored fuel; counts are given."""

    def __init__(self, problem: PlanProblem, on: IntArray) -> None:
        self.on = on
        self.p_kw = np.zeros(on.shape)
        self._units = problem.units
        self._forced = [commitment(unit).forced for unit in problem.units]
        self._left = [min(unit.fuel_kwh_start, unit.fuel_kwh_max) for unit in problem.units]

    @property
    def piped(self) -> BoolArray:
        """The groups whose fuel never ends, (F,)."""
        return np.array([not np.isfinite(unit.fuel_kwh_start) for unit in self._units], dtype=bool)

    def range_kw(self, slot: int) -> tuple[FloatArray, FloatArray]:
        """Least and most power of the groups in a slot, (F,)."""
        ranges = [self._range_kw(row, unit, slot) for row, unit in enumerate(self._units)]
        both = np.array(ranges, dtype=np.float64).reshape(len(ranges), 2)
        return both[:, 0], both[:, 1]

    def go(self, slot: int, p_kw: FloatArray) -> None:
        """Give power for a slot."""
        self.p_kw[slot] = p_kw
        for row, unit in enumerate(self._units):
            if np.isfinite(self._left[row]):
                here = slice(slot, slot + 1)
                burnt = float(group_draw(unit.fuel, self.on[here, row], self.p_kw[here, row])[0])
                come = float(unit.fuel_inflow_kw[slot])
                left = self._left[row] + DT_H * (come - burnt)
                self._left[row] = min(left, unit.fuel_kwh_max)

    def may_stop(self, row: int, slot: int) -> bool:
        """Whether units of a group give so little before a slot that they can stop in it."""
        unit = self._units[row]
        before_kw, on_before = self._before(row, slot)
        return not ramp_binds(unit) or before_kw <= _step_kw(unit) * on_before

    def _before(self, row: int, slot: int) -> tuple[float, int]:
        """Power and number of running units in the slot before."""
        if slot == 0:
            return self._units[row].p_now_kw, self._units[row].on_now
        return float(self.p_kw[slot - 1, row]), int(self.on[slot - 1, row])

    def _range_kw(self, row: int, unit: UnitGroup, slot: int) -> tuple[float, float]:
        count = int(self.on[slot, row])
        lowest, highest = unit.p_kw_min * count, unit.p_kw_max * count
        least, most = lowest, highest
        if ramp_binds(unit):
            before, on_before = self._before(row, slot)
            started, stopped = max(count - on_before, 0), max(on_before - count, 0)
            going_on = unit.ramp_kw_per_slot * min(count, on_before)
            up = going_on + _step_kw(unit) * started - unit.p_kw_min * stopped
            down = going_on + _step_kw(unit) * stopped - unit.p_kw_min * started
            down += unit.p_kw_max * int(self._forced[row][slot])
            least = min(max(before - down, lowest), highest)
            most = min(max(before + up, lowest), highest)
        if np.isfinite(self._left[row]) and count:
            points = np.array(unit.fuel)
            fuel_kw = self._left[row] / DT_H + unit.fuel_inflow_kw[slot]
            fed = count * float(np.interp(fuel_kw / count, points[:, 1], points[:, 0]))
            most = max(min(most, fed), lowest)
        return min(least, most), most


def _step_kw(unit: UnitGroup) -> float:
    """Power at which a unit may start or stop at most."""
    return max(unit.p_kw_min, unit.ramp_kw_per_slot)


def fewer_counts(
    units: Sequence[UnitGroup], led: LedUnits, too_much: Sequence[TooMuch]
) -> IntArray | None:
    """Counts with as few stops as end what is too much; None where no stop can help.

    Of the units that may stop one that is just enough goes first, else the largest.
    """
    decided = [commitment(unit).least for unit in units]
    least_kw = np.array([unit.p_kw_min for unit in units])
    wished = led.on.copy()
    for each in too_much:
        stopped = led.on[each.slot] - wished[each.slot]
        over = each.over - float(each.relief @ (stopped * least_kw))
        while over > 0:
            gain = {
                row: float(each.relief[row] * least_kw[row])
                for row in range(len(units))
                if wished[each.slot, row] > decided[row][each.slot] and led.may_stop(row, each.slot)
            }
            gain = {row: relief for row, relief in gain.items() if relief > 0}
            if not gain:
                break
            enough = [row for row, relief in gain.items() if relief >= over]
            row = min(enough, key=gain.__getitem__) if enough else max(gain, key=gain.__getitem__)
            wished[each.slot, row] -= 1
            over -= gain[row]
    if np.array_equal(wished, led.on):
        return None
    return counts_near(units, wished.astype(np.float64), STOPPING)
