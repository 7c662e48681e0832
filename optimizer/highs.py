"""One living HiGHS per compiled program: numbers in, solution out; its words translated once."""

from dataclasses import dataclass, replace
from time import monotonic

import highspy
import numpy as np

from optimizer.found import Outcome
from optimizer.problem import FloatArray, IntArray
from optimizer.standard_form import Numbers, StandardForm

SEED = 1
NODES_MAX = 500
_STATUS = highspy.HighsModelStatus


_OUTCOMES = {
    _STATUS.kOptimal: Outcome.OPTIMAL,
    _STATUS.kTimeLimit: Outcome.TIME,
    _STATUS.kInfeasible: Outcome.INFEASIBLE,
    _STATUS.kUnbounded: Outcome.UNBOUNDED,
    _STATUS.kUnboundedOrInfeasible: Outcome.INFEASIBLE,
}


@dataclass(frozen=True, eq=False)
class Solution:
    """What a run found: values (N,), duals of rows (M,), reduced costs (N,); costs in won.

    bound_krw: no solution costs less. Without a feasible point the arrays are empty.
    """

    outcome: Outcome
    values: FloatArray
    row_duals: FloatArray
    reduced_costs: FloatArray
    cost_krw: float
    bound_krw: float

    @property
    def found(self) -> bool:
        """Whether there is a feasible point."""
        return len(self.values) > 0


class LivingProgram:
    """A program whose basis is kept from run to run; its whole numbers are relaxed."""

    def __init__(self, form: StandardForm, threads: int) -> None:
        self.form = form
        self.numbers = form.numbers
        self._threads = threads
        self._highs = _highs(form, form.numbers, threads)
        # The basis of the last run is a better start than what presolve would leave of it.
        self._highs.setOptionValue("presolve", "off")
        self._places = (
            np.arange(form.matrix.shape[1], dtype=np.int32),
            np.arange(form.matrix.shape[0], dtype=np.int32),
        )

    def write(self, numbers: Numbers) -> None:
        """Put a problem's numbers into the living solver, in bulk."""
        columns, rows = self._places
        highs = self._highs
        highs.changeColsCost(len(columns), columns, numbers.cost)
        highs.changeColsBounds(len(columns), columns, numbers.lower, numbers.upper)
        highs.changeRowsBounds(len(rows), rows, numbers.row_lower, numbers.row_upper)
        highs.changeObjectiveOffset(numbers.cost_offset)
        layout = self.form.layout
        changed = np.flatnonzero(numbers.loose != self.numbers.loose)
        for place in changed:
            row, column = int(layout.loose_rows[place]), int(layout.loose_columns[place])
            highs.changeCoeff(row, column, float(numbers.loose[place]))
        self.numbers = numbers

    def hold(self, columns: IntArray, values: FloatArray) -> None:
        """Fix columns at values until the next `write`."""
        places = columns.ravel().astype(np.int32)
        if not len(places):
            return
        fixed = np.ascontiguousarray(values, dtype=np.float64).ravel()
        self._highs.changeColsBounds(len(places), places, fixed, fixed)
        lower, upper = self.numbers.lower.copy(), self.numbers.upper.copy()
        lower[places], upper[places] = fixed, fixed
        self.numbers = replace(self.numbers, lower=lower, upper=upper)

    def run(self, deadline_s: float) -> Solution:
        """Solve the relaxation from the last basis; `deadline_s` on the monotonic clock."""
        return _run(self._highs, deadline_s)

    def run_whole(self, start: FloatArray, gap_krw: float, deadline_s: float) -> Solution:
        """Solve with whole numbers by branch and cut to a gap in won; `start` may be empty."""
        highs = _highs(self.form, self.numbers, self._threads)
        whole = self.form.layout.whole.copy()
        whole[both_ways(self.form, self.numbers)] = True
        kind = highspy.HighsVarType.kInteger
        places = np.flatnonzero(whole).astype(np.int32)
        highs.changeColsIntegrality(len(places), places, np.array([kind] * len(places)))
        highs.setOptionValue("mip_rel_gap", 0.0)
        highs.setOptionValue("mip_abs_gap", gap_krw)
        # Nodes, unlike seconds, are the same on every machine and day.
        highs.setOptionValue("mip_max_nodes", NODES_MAX)
        if len(start):
            point = highspy.HighsSolution()
            point.col_value = start.tolist()
            highs.setSolution(point)
        return _run(highs, deadline_s, whole=True)


def both_ways(form: StandardForm, numbers: Numbers) -> IntArray:
    """Columns of `importing` in slots where importing and exporting at once would pay."""
    columns = form.layout.columns
    pays = numbers.cost[columns["p_import"]] + numbers.cost[columns["p_export"]] < 0
    return columns["importing"][pays]


def _highs(form: StandardForm, numbers: Numbers, threads: int) -> highspy.Highs:
    lp = highspy.HighsLp()
    matrix = form.matrix.copy()
    matrix[form.layout.loose_rows, form.layout.loose_columns] = numbers.loose
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.offset_ = numbers.cost, numbers.cost_offset
    lp.col_lower_, lp.col_upper_ = numbers.lower, numbers.upper
    lp.row_lower_, lp.row_upper_ = numbers.row_lower, numbers.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", threads)
    highs.setOptionValue("random_seed", SEED)
    highs.passModel(lp)
    return highs


def _run(highs: highspy.Highs, deadline_s: float, *, whole: bool = False) -> Solution:
    left = deadline_s - monotonic()
    if left <= 0:
        return _nothing(Outcome.TIME)
    # The solver's clock goes on from run to run.
    highs.setOptionValue("time_limit", highs.getRunTime() + left)
    highs.run()
    outcome = _OUTCOMES.get(highs.getModelStatus(), Outcome.FAILED)
    info = highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if not feasible or (outcome is not Outcome.OPTIMAL and not whole):
        return _nothing(outcome)
    found = highs.getSolution()
    bound = info.mip_dual_bound if whole else info.objective_function_value
    return Solution(
        outcome,
        np.array(found.col_value),
        np.array(found.row_dual),
        np.array(found.col_dual),
        cost_krw=float(info.objective_function_value),
        bound_krw=float(bound),
    )


def _nothing(outcome: Outcome) -> Solution:
    none = np.zeros(0)
    return Solution(outcome, none, none, none, np.inf, -np.inf)
