"""How fast the planner is, beside HiGHS alone and the packages one would take instead, in one run.

    python benchmarks/planner.py [--quick] [--json]

The reference case is one day of 144 areas with a battery and a car fleet each and eight fuel cells;
every solver agrees on 33.683 million won to the gap of 0.1 %. "ours" is the way of the product:
merge, relax, round, deal out, prove; its gap is proven against the whole problem's bound, and every
plan passes its check and keeps each area within the limit that the peers' models have. HiGHS alone
gets the whole program as a finished matrix; linopy, PyPSA and plain Pyomo get the arrays, as a user
would write it, after a small case that loads what they load late. Ratios hold from machine to
machine; seconds do not. The district case has everything in it: heat, V2G, demand charge, minimum
runs. Exit code 1 where an aim is missed; `--quick` runs everything small and judges nothing.
"""

# ruff: noqa: E402
import argparse
import json
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import monotonic

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import highspy
import numpy as np
from planner_cases import DistrictSize, district_problem, reference_problem
from planner_peers import AREA_LIMIT_KW, PEERS, Answer

from optimizer import PlanProblem, check_plan
from optimizer.engine import Engine
from optimizer.found import Found
from optimizer.merge import EACH, Fineness, merge
from optimizer.messages import Effort
from optimizer.refresh import numbers_of
from optimizer.standard_form import Numbers, StandardForm, compile_form

GAP = 1e-3
NOISE = 0.03
AREAS = 144
SIZES = (36, 72, 144, 288, 576)
OURS_COLD, OURS_NEXT = "reference case: ours, cold", "reference case: ours, next slot"
MILP = "HiGHS alone: MILP, cold"
GROWTH = "seconds grow with areas to the power"


@dataclass(frozen=True)
class Terms:
    """Slots after the first, runs from cold, and whether areas have no limit of their own."""

    slots: int
    cold_runs: int
    areas_free: bool = False


@dataclass(frozen=True)
class Row:
    """One measured figure and what belongs to it: the median and the worst of its runs."""

    what: str
    seconds: float
    worst_seconds: float
    note: str


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds of one run, and its result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def planned(engine: Engine, problem: PlanProblem, *, areas_free: bool = False) -> Found:
    """A plan that passes its check and keeps the areas' limit; a word where it is not proven."""
    found = engine.plan(problem, monotonic() + 600)
    assert found.plan is not None, found.outcome
    assert check_plan(problem, found.plan) == []
    highest_kw = float(np.abs(found.plan.area_net_kw).max())
    assert areas_free or highest_kw <= AREA_LIMIT_KW, highest_kw
    if found.gap_frac > GAP:
        print(f"gap {found.gap_frac:.2e} is wider than {GAP:g}: {found.way}", file=sys.stderr)
    return found


def ours(name: str, problem_at: Callable[[int], PlanProblem], terms: Terms) -> Iterator[Row]:
    """Cold: model, compile, solve and prove. Next slot: the slots after it, with new noise."""
    first, laps, gaps = problem_at(0), [], []
    for _ in range(terms.cold_runs):
        engine = Engine(Effort(gap_frac=GAP))
        lap, found = timed(lambda by=engine: planned(by, first, areas_free=terms.areas_free))
        laps.append(lap)
    assert isinstance(found, Found) and found.plan is not None
    cost = found.plan.cost_krw.total
    note = f"{cost / 1e6:.3f} M won, gap {found.gap_frac:.1e}, {found.way}"
    yield Row(f"{name}: ours, cold", statistics.median(laps), max(laps), note)
    laps = []
    for slot in range(1, terms.slots + 1):
        problem = problem_at(slot)
        lap, found = timed(lambda at=problem: planned(engine, at, areas_free=terms.areas_free))
        assert isinstance(found, Found)
        laps.append(lap)
        gaps.append(found.gap_frac)
    note = f"{terms.slots} slots with {NOISE:.0%} noise, worst gap {max(gaps):.1e}"
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


def highs_alone(problem_at: Callable[[int], PlanProblem], cold_runs: int) -> Iterator[Row]:
    """The same program, whole, solved by HiGHS: mixed-integer and relaxed, cold and next slot."""
    whole = merge(problem_at(0), Fineness(EACH, EACH)).small
    seconds, form = timed(lambda: compile_form(whole))
    assert isinstance(form, StandardForm)
    size = f"{form.matrix.shape[1]:,} columns, {form.matrix.shape[0]:,} rows"
    yield Row("model and compile the whole program", seconds, seconds, size)
    for name, integers in (("MILP, cold", True), ("LP, cold", False)):
        laps = []
        for _ in range(cold_runs):
            highs = solver(form, form.numbers, whole=integers)
            laps.append(timed(highs.run)[0])
        cost = highs.getInfo().objective_function_value
        note = f"{cost / 1e6:.3f} M won"
        yield Row(f"HiGHS alone: {name}", statistics.median(laps), max(laps), note)
    later = merge(problem_at(1), Fineness(EACH, EACH)).small
    numbers = numbers_of(later, form)
    columns = np.arange(form.matrix.shape[1], dtype=np.int32)
    rows = np.arange(form.matrix.shape[0], dtype=np.int32)
    highs.changeColsCost(len(columns), columns, numbers.cost)
    highs.changeColsBounds(len(columns), columns, numbers.lower, numbers.upper)
    highs.changeRowsBounds(len(rows), rows, numbers.row_lower, numbers.row_upper)
    seconds, _ = timed(highs.run)
    yield Row("HiGHS alone: LP, next slot, from the basis", seconds, seconds, "")


def peers(problem: PlanProblem) -> Iterator[Row]:
    """The packages that one would take instead, from the arrays to the same optimum."""
    small, bound_krw = (
        reference(0, areas=2),
        planned(Engine(Effort(gap_frac=GAP)), problem).bound_krw,
    )
    for name, solve in PEERS.items():
        with warnings.catch_warnings():
            # What they say of their own coming versions is not for the reader of figures.
            warnings.simplefilter("ignore")
            solve(small, GAP)
            answer: Answer = solve(problem, GAP)
        above_frac = answer.cost_krw / bound_krw - 1
        assert -1e-6 <= above_frac <= 2 * GAP, f"{name} is {above_frac:.2%} above the bound"
        note = f"{answer.cost_krw / 1e6:.3f} M won, build {answer.build_seconds:.2f} s"
        yield Row(f"{name}: total", answer.seconds, answer.seconds, f"{answer.package}, {note}")


def growth(sizes: Sequence[int]) -> Iterator[Row]:
    """Cold and next-slot seconds as the number of areas grows, and the exponent of each."""
    cold: list[float] = []
    later: list[float] = []
    for areas in sizes:
        engine = Engine(Effort(gap_frac=GAP))
        work = [partial(planned, engine, reference(slot, areas)) for slot in range(6)]
        first, *laps = [timed(each)[0] for each in work]
        cold.append(first)
        later.append(statistics.median(laps))
        note = f"cold {first:.2f} s"
        yield Row(f"{areas} areas: next slot", later[-1], max(laps), note)
    for name, seconds in (("cold", cold), ("next slot", later)):
        exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        yield Row(f"{GROWTH}, {name}", exponent, exponent, f"{sizes[0]} to {sizes[-1]} areas")


def reference(slot: int, areas: int = AREAS) -> PlanProblem:
    """The reference case, moved on by slots with new noise."""
    return reference_problem(areas, first_slot=slot, noise=NOISE if slot else 0.0)


def district(slot: int) -> PlanProblem:
    """The district case of an evening, moved on by slots with new noise."""
    return district_problem(DistrictSize(), first_slot=72 + slot, noise=NOISE if slot else 0.0)


def rows_of(*, quick: bool) -> Iterator[Row]:
    """All figures; the quick ones are of small cases."""
    areas, sizes = (24, (24, 36, 48)) if quick else (AREAS, SIZES)
    case, terms = partial(reference, areas=areas), Terms(3, 1) if quick else Terms(16, 3)
    yield from ours("reference case", case, terms)
    yield from highs_alone(case, terms.cold_runs)
    yield from peers(case(0))
    yield from growth(sizes)
    if not quick:
        yield from ours("district case", district, Terms(16, 1, areas_free=True))


def verdict(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """The aims in words with what was reached, and whether each is met."""
    figure = {row.what: row.seconds for row in rows}
    shares = (
        ("ours cold, of HiGHS's own cold MILP", figure[OURS_COLD] / figure[MILP], 2.0),
        ("ours next slot, of HiGHS's own cold MILP", figure[OURS_NEXT] / figure[MILP], 0.4),
        ("ours next slot, of PyPSA's total", figure[OURS_NEXT] / figure["PyPSA: total"], 1 / 7),
        ("exponent of growth, cold", figure[f"{GROWTH}, cold"], 1.3),
        ("exponent of growth, next slot", figure[f"{GROWTH}, next slot"], 1.3),
    )
    return [
        (f"{what}: {found:.3f}, aim at most {aim:.3f}", found <= aim) for what, found, aim in shares
    ]


def shown(row: Row) -> str:
    """A row for people; an exponent has no seconds."""
    if row.what.startswith(GROWTH):
        return f"{row.what:44s} {row.seconds:8.3f}    {row.note}"
    return f"{row.what:44s} {row.seconds:8.3f} s  worst {row.worst_seconds:7.3f} s  {row.note}"


def main() -> int:
    """Measure, print and judge; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small cases, not judged")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    arguments = parser.parse_args()
    rows = []
    for row in rows_of(quick=arguments.quick):
        rows.append(row)
        if not arguments.json:
            print(shown(row), flush=True)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print(f"{platform.processor() or platform.machine()}, HiGHS {highspy.Highs().version()}")
    if arguments.quick:
        return 0
    judged = verdict(rows)
    for sentence, met in judged:
        print(f"{'met    ' if met else 'NOT MET'}  {sentence}", file=sys.stderr)
    return 0 if all(met for _, met in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
