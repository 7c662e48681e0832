"""How fast the planner is, beside HiGHS alone on the same program, in one run.

    python benchmarks/planner.py [--quick] [--json]

The reference case is one day of 144 areas with a battery and a car fleet each and eight fuel cells;
every solver agrees on 33.683 million won to the gap of 0.1 %. "ours" is the way of the product:
merge, relax, round, deal out, prove; its gap is proven against the whole problem's bound. HiGHS
alone gets the whole program as a finished matrix. Ratios hold from machine to machine; seconds do
not. The district case has everything in it: heat, V2G, demand charge, minimum runs.
"""

# ruff: noqa: E402
import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import highspy
import numpy as np
from planner_cases import DistrictSize, district_problem, reference_problem

from optimizer import PlanProblem, check_plan
from optimizer.engine import Engine
from optimizer.found import Found
from optimizer.merge import EACH, Fineness, merge
from optimizer.messages import Effort
from optimizer.refresh import numbers_of
from optimizer.standard_form import Numbers, StandardForm, compile_form

GAP = 1e-3
NOISE = 0.03


@dataclass(frozen=True)
class Row:
    """One measured figure and what belongs to it."""

    what: str
    seconds: float
    worst_seconds: float
    note: str


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds of one run, and its result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def planned(engine: Engine, problem: PlanProblem) -> Found:
    """A plan that is proven and passes its check, or a word on why not."""
    found = engine.plan(problem, monotonic() + 600)
    assert found.plan is not None, found.outcome
    assert check_plan(problem, found.plan) == []
    if found.gap_frac > GAP:
        print(f"gap {found.gap_frac:.2e} is wider than {GAP:g}: {found.way}", file=sys.stderr)
    return found


def ours(name: str, problem_at: Callable[[int], PlanProblem], slots: int) -> Iterator[Row]:
    """Cold: model, compile, solve and prove. Warm: the slots after it, with new noise."""
    engine = Engine(Effort(gap_frac=GAP))
    first = problem_at(0)
    seconds, found = timed(lambda: planned(engine, first))
    assert isinstance(found, Found) and found.plan is not None
    cost = found.plan.cost_krw.total
    note = f"{cost / 1e6:.3f} M won, gap {found.gap_frac:.1e}, {found.way}"
    yield Row(f"{name}: ours, cold", seconds, seconds, note)
    laps, gaps = [], []
    for slot in range(1, slots + 1):
        problem = problem_at(slot)
        lap, found = timed(lambda at=problem: planned(engine, at))
        assert isinstance(found, Found)
        laps.append(lap)
        gaps.append(found.gap_frac)
    note = f"{slots} slots with {NOISE:.0%} noise, worst gap {max(gaps):.1e}"
    yield Row(f"{name}: ours, next slot", statistics.median(laps), max(laps), note)


def solver(form: StandardForm, numbers: Numbers, *, whole: bool) -> highspy.Highs:
    """HiGHS with a program, with or without its whole numbers, as it comes out of the box."""
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = form.matrix.shape
    lp.col_cost_, lp.offset_ = numbers.cost, numbers.cost_offset
    lp.col_lower_, lp.col_upper_ = numbers.lower, numbers.upper
    lp.row_lower_, lp.row_upper_ = numbers.row_lower, numbers.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = form.matrix.indptr, form.matrix.indices
    lp.a_matrix_.value_ = form.matrix.data
    if whole:
        kinds = highspy.HighsVarType
        lp.integrality_ = [
            kinds.kInteger if each else kinds.kContinuous for each in form.layout.whole
        ]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("mip_rel_gap", GAP)
    highs.passModel(lp)
    return highs


def highs_alone(problem_at: Callable[[int], PlanProblem]) -> Iterator[Row]:
    """The same program, whole, solved by HiGHS: mixed-integer and relaxed, cold and next slot."""
    whole = merge(problem_at(0), Fineness(EACH, EACH)).small
    seconds, form = timed(lambda: compile_form(whole))
    assert isinstance(form, StandardForm)
    size = f"{form.matrix.shape[1]:,} columns, {form.matrix.shape[0]:,} rows"
    yield Row("model and compile the whole program", seconds, seconds, size)
    for name, integers in (("MILP, cold", True), ("LP, cold", False)):
        highs = solver(form, form.numbers, whole=integers)
        seconds, _ = timed(highs.run)
        cost = highs.getInfo().objective_function_value
        yield Row(f"HiGHS alone: {name}", seconds, seconds, f"{cost / 1e6:.3f} M won")
    later = merge(problem_at(1), Fineness(EACH, EACH)).small
    numbers = numbers_of(later, form)
    columns = np.arange(form.matrix.shape[1], dtype=np.int32)
    rows = np.arange(form.matrix.shape[0], dtype=np.int32)
    highs.changeColsCost(len(columns), columns, numbers.cost)
    highs.changeColsBounds(len(columns), columns, numbers.lower, numbers.upper)
    highs.changeRowsBounds(len(rows), rows, numbers.row_lower, numbers.row_upper)
    seconds, _ = timed(highs.run)
    yield Row("HiGHS alone: LP, next slot, from the basis", seconds, seconds, "")


def growth(sizes: tuple[int, ...]) -> Iterator[Row]:
    """Cold and next-slot seconds as the number of areas grows."""
    for areas in sizes:
        engine = Engine(Effort(gap_frac=GAP))
        work = [partial(planned, engine, reference(slot, areas)) for slot in range(4)]
        cold, *laps = [timed(each)[0] for each in work]
        note = f"cold {cold:.2f} s"
        yield Row(f"{areas} areas: next slot", statistics.median(laps), max(laps), note)


def reference(slot: int, areas: int = 144) -> PlanProblem:
    """The reference case, moved on by slots with new noise."""
    return reference_problem(areas, first_slot=slot, noise=NOISE if slot else 0.0)


def district(slot: int) -> PlanProblem:
    """The district case of an evening, moved on by slots with new noise."""
    return district_problem(DistrictSize(), first_slot=72 + slot, noise=NOISE if slot else 0.0)


def rows_of(*, quick: bool) -> Iterator[Row]:
    """All figures, the quick ones only where asked."""
    slots = 3 if quick else 16
    yield from ours("reference case", reference, slots)
    yield from highs_alone(reference)
    if not quick:
        yield from ours("district case", district, slots)
        yield from growth((36, 72, 144, 288, 576))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a few slots, no growth")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    arguments = parser.parse_args()
    rows = []
    for row in rows_of(quick=arguments.quick):
        rows.append(row)
        if not arguments.json:
            print(
                f"{row.what:44s} {row.seconds:8.3f} s  worst {row.worst_seconds:7.3f} s  {row.note}"
            )
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    by_name = {row.what: row.seconds for row in rows}
    alone = by_name["HiGHS alone: MILP, cold"]
    for name in ("reference case: ours, cold", "reference case: ours, next slot"):
        print(f"{name}: {by_name[name] / alone:.3f} of HiGHS alone, MILP, cold")
    print(f"{platform.processor() or platform.machine()}, HiGHS {highspy.Highs().version()}")


if __name__ == "__main__":
    main()
