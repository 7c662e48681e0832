"""The decisions that must be taken before it is known what comes, best in the mean of scenarios.

A merged problem's program is stacked: units' starts and stops and the first slot are shared, the
rest is free in each scenario. The relaxation's cost bounds the mean cost from below; whole starts
and stops, held, give a mean cost that can be had.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimizer.commitments import Leaning, whole_counts
from optimizer.highs import LivingProgram, Solution, both_ways
from optimizer.problem import FloatArray, PlanProblem
from optimizer.refresh import numbers_of
from optimizer.stacking import Stack, first_set_points, futures, stack_numbers
from optimizer.standard_form import StandardForm


@dataclass(frozen=True, eq=False)
class Hedge:
    """Running units (H, F) and the first slot's set-points, their mean cost, and its bound.

    first: by block of the program, values by group (and segment, for units).
    """

    unit_on: FloatArray
    first: dict[str, FloatArray]
    expected_krw: float
    bound_krw: float


class Hedging:
    """A merged problem in all its scenarios, written into the living program of its stack."""

    def __init__(
        self, problem: PlanProblem, form: StandardForm, living: tuple[Stack, LivingProgram]
    ) -> None:
        assert problem.scenarios is not None, "only problems with scenarios are hedged"
        self._problem, self._form = problem, form
        self._stack, self._program = living
        numbers = [numbers_of(each, form) for each in futures(problem)]
        self._numbers = stack_numbers(self._stack, numbers, problem.scenarios.probability)
        self._columns = self._stack.form.layout.columns
        self._directed = both_ways(self._stack.form, self._numbers)

    def best(
        self, known: FloatArray, leanings: tuple[Leaning, ...], gap_krw: float, until_s: float
    ) -> Hedge | None:
        """The best decisions found, to a gap in won; None where time does not suffice.

        known: running units (H, F) that are worth trying besides roundings.
        """
        self._program.write(self._numbers)
        relaxed = self._program.run(until_s)
        if not relaxed.found:
            return None
        best, bound_krw = relaxed, relaxed.cost_krw
        if self._problem.units or len(self._directed):
            best, bound_krw = self._decided(relaxed, known, leanings, (gap_krw, until_s))
        if not best.found:
            return None
        own = self._stack.column[0]
        told = first_set_points(self._form.layout)
        return Hedge(
            unit_on=np.rint(best.values[self._columns["unit_on"][0]]),
            first={
                name: np.where(places >= 0, best.values[own[places]], 0.0)
                for name, places in told.items()
            },
            expected_krw=best.cost_krw,
            bound_krw=bound_krw,
        )

    def _decided(
        self,
        relaxed: Solution,
        known: FloatArray,
        leanings: tuple[Leaning, ...],
        terms: tuple[float, float],
    ) -> tuple[Solution, float]:
        """The best solution with whole numbers, and the bound."""
        gap_krw, until_s = terms
        best: Solution | None = None
        for unit_on in self._candidates(relaxed, known, leanings):
            held = self._hold(unit_on, relaxed, until_s)
            if best is None or held.cost_krw < best.cost_krw:
                best = held
            if best.cost_krw - relaxed.cost_krw <= gap_krw:
                return best, relaxed.cost_krw
        assert best is not None, "there is always a candidate"
        self._program.write(self._numbers)
        whole = self._program.run_whole(best.values, gap_krw, until_s)
        bound_krw = max(relaxed.cost_krw, whole.bound_krw)
        return (whole if whole.cost_krw < best.cost_krw else best), bound_krw

    def _candidates(
        self, relaxed: Solution, known: FloatArray, leanings: tuple[Leaning, ...]
    ) -> Iterator[FloatArray]:
        wanted = relaxed.values[self._columns["unit_on"][0]]
        for leaning in leanings if self._problem.units else ():
            on = [
                whole_counts(unit, wanted[:, row], leaning)
                for row, unit in enumerate(self._problem.units)
            ]
            yield np.stack(on, axis=1).astype(np.float64)
        yield known

    def _hold(self, unit_on: FloatArray, relaxed: Solution, until_s: float) -> Solution:
        """The solution around running units, each scenario's flow in its relaxed direction."""
        self._program.write(self._numbers)
        self._program.hold(self._columns["unit_on"][0], unit_on)
        inward, outward = (relaxed.values[self._columns[n]] for n in ("p_import", "p_export"))
        pays = np.isin(self._columns["importing"], self._directed)
        self._program.hold(self._directed, (inward >= outward).astype(np.float64)[pays])
        return self._program.run(until_s)
