"""The way from a problem to a proven plan, within one process.

Merge alike stores; solve the relaxation (its cost is a bound); make the choices whole, hold them
and solve again; deal the groups' energy out to their members; compare the plan's cost with the
bound. Where the dealing leaves the gap open, finer groups follow; where the choices do, branch and
cut decides them. The best plan and the best bound of all attempts count. With scenarios, what must
be decided before they are known is decided for all of them instead, by the coarse problem.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic

import numpy as np

from optimizer.commitments import Leaning
from optimizer.found import Found, Outcome, Shadow
from optimizer.hedge import Hedging
from optimizer.highs import LivingProgram, Solution
from optimizer.merge import EACH, Fineness, merge
from optimizer.messages import Effort
from optimizer.nearness import SetPoints, fits, nearness, set_points_of
from optimizer.plan import Plan
from optimizer.problem import PlanProblem
from optimizer.stacking import Stack, stack_form
from optimizer.standard_form import StandardForm, compile_form, structure_of
from optimizer.trial import Choices, Held, Trial

LEVELS = (Fineness(12, 12), Fineness(12, EACH), Fineness(EACH, EACH))
"""Fineness of the attempts, coarse to fine; the last merges no stores."""

PROGRAMS_KEPT = 6
LEANINGS = (Leaning(), Leaning(missing=4.0), Leaning(idle=4.0))
DECIDING = 0.5  # share of the gap that choices may use up; the dealing has the rest
EXACT = 0.95  # share of the gap to which branch and cut goes where the dealing loses nothing
BRANCH_TIME = 0.5  # share of the time left that branch and cut may take


class Engine:
    """Plans problems one after the other with living programs, one per structure."""

    def __init__(self, effort: Effort) -> None:
        self.effort = effort
        self._programs: OrderedDict[str, LivingProgram] = OrderedDict()
        self._stacks: dict[str, tuple[Stack, LivingProgram]] = {}

    def plan(
        self,
        problem: PlanProblem,
        until_s: float,
        tell: Callable[[Found], None] | None = None,
        last: SetPoints | None = None,
    ) -> Found:
        """The best plan until `until_s` on the monotonic clock; `tell` hears of each better one.

        Within its allowance the plan stays near the `last` set-points.
        """
        search = _Search(self, problem, until_s, tell)
        search.run()
        if last is not None:
            search.stay_near(last)
        return search.found()

    def program(self, problem: PlanProblem, *, elastic: bool) -> LivingProgram:
        """The living program of a problem's structure; compiled where it is new."""
        key = structure_of(problem, elastic=elastic)
        if key not in self._programs:
            form = compile_form(problem, elastic=elastic)
            self._programs[key] = LivingProgram(form, self.effort.threads)
        self._programs.move_to_end(key)
        while len(self._programs) > PROGRAMS_KEPT:
            self._programs.popitem(last=False)
        return self._programs[key]

    def stacked(self, form: StandardForm, count: int) -> tuple[Stack, LivingProgram]:
        """The living program of scenarios of a form; only the last structure's is kept."""
        key = f"{form.fingerprint} x {count}"
        if key not in self._stacks:
            stack = stack_form(form, count)
            self._stacks = {key: (stack, LivingProgram(stack.form, self.effort.threads))}
        return self._stacks[key]


class _Search:
    """One problem's search: what is known of it so far."""

    def __init__(
        self,
        engine: Engine,
        problem: PlanProblem,
        until_s: float,
        tell: Callable[[Found], None] | None,
    ) -> None:
        self._engine, self._problem = engine, problem
        self._until_s, self._tell = until_s, tell
        self._outcome = Outcome.FAILED
        self._plan: Plan | None = None
        self._shadow: Shadow | None = None
        self._bound_krw, self._lost_krw, self._expected_krw = -np.inf, 0.0, np.nan
        self._choices: Choices | None = None
        self._best: tuple[Trial, Held] | None = None
        self._way: list[str] = []
        self._structure = ""
        self._elastic = self._burns = False

    def found(self) -> Found:
        """What the search has."""
        return Found(
            self._outcome,
            self._plan,
            self._shadow,
            self._bound_krw,
            way=", ".join(self._way),
            structure=self._structure,
            elastic=self._elastic,
            expected_krw=self._expected_krw,
        )

    @property
    def _closed(self) -> bool:
        return self.found().gap_frac <= self._engine.effort.gap_frac

    def run(self) -> None:
        """A plan of the coarse problem; then whatever keeps the gap open is refined."""
        trial, held = self._begin()
        coarse = trial
        finer = iter(LEVELS[1:])
        while held is not None and not self._closed and not self._loses_little(trial, held):
            fineness = next(finer, None)
            if fineness is None:
                break
            trial, held = self._round(fineness)
        if held is not None and not self._closed and trial.has_choices:
            self._branch(trial, held)
        for fineness in finer:
            if held is not None and not self._closed:
                trial, held = self._round(fineness)
        if held is not None and not self._closed and self._burns and not self._elastic:
            self._decide_ways(held)
        if self._problem.scenarios and self._best is not None and not self._elastic:
            fine, held = self._best
            self._hedge(coarse, fine, held.choices)

    def stay_near(self, last: SetPoints) -> None:
        """The plan as near to the last set-points as its allowance buys, the choices kept.

        What is spent may not open the gap again.
        """
        if self._best is None or self._plan is None or self._outcome is not Outcome.OPTIMAL:
            return
        trial, held = self._best
        stake, effort = trial.stake_krw(held.solution), self._engine.effort
        left = effort.gap_frac * stake - (self.found().judged_krw - self._bound_krw)
        allowed = min(effort.stability_frac * stake, left if self._closed else np.inf)
        if self._elastic or allowed <= 0 or not fits(trial.merging, last):
            return
        near = nearness(trial.merging, last, set_points_of(self._plan), allowed)
        merging = replace(trial.merging, small=replace(trial.merging.small, near=near))
        nearer = Trial(merging, self._engine.program(merging.small, elastic=False))
        held = nearer.hold(held.choices, self._until_s)
        if not held.solution.found:
            return
        marginal = self._plan.marginal_krw_per_kwh
        plan = replace(nearer.plan(held, self._until_s), marginal_krw_per_kwh=marginal)
        if plan.cost_krw.total <= self._plan.cost_krw.total + allowed:
            self._plan = plan
            self._way.append("nearest to the last plan")

    def _hedge(self, coarse: Trial, fine: Trial, choices: Choices) -> None:
        """First slot, starts and stops best in the mean; the rest for the expected course.

        The coarse problem decides, its dealing tells every store's first slot, the fine one plans
        on from there. What that loses is taken to be the same in the mean and in the expected
        course.
        """
        small, effort = coarse.merging.small, self._engine.effort
        assert small.scenarios is not None, "only problems with scenarios are hedged"
        form, count = coarse.program.form, len(small.scenarios.probability)
        hedging = Hedging(small, form, self._engine.stacked(form, count))
        held = coarse.hold(choices, self._until_s)
        gap = DECIDING * effort.gap_frac * coarse.stake_krw(held.solution)
        hedge = hedging.best(choices.unit_on, LEANINGS, gap, self._until_s)
        if hedge is None:
            # The bound so far is none of the mean cost.
            self._outcome, self._bound_krw = Outcome.TIME, -np.inf
            self._way.append("no time for scenarios")
            return
        held = coarse.hold_first(
            Choices(hedge.unit_on, choices.importing, hedge.first), self._until_s
        )
        mean_krw = held.cost_krw
        if fine is not coarse and held.solution.found:
            first = fine.first_of(coarse.plan(held, self._until_s), hedge.first)
            held = fine.hold_first(replace(held.choices, first=first), self._until_s)
        self._outcome = held.solution.outcome
        if not held.solution.found:
            self._bound_krw = -np.inf
            return
        shadow, plan = fine.shadow(held), fine.plan(held, self._until_s)
        lost_krw = max(plan.cost_krw.total - mean_krw, 0.0)
        self._bound_krw, self._expected_krw = hedge.bound_krw, hedge.expected_krw + lost_krw
        self._way.append(f"{count} scenarios")
        self._keep(plan, shadow, (fine, held))

    def _begin(self) -> tuple[Trial, Held | None]:
        """The coarse problem with rounded choices; once more elastic where limits contradict."""
        trial, held = self._round(LEVELS[0])
        if held is None and self._outcome is Outcome.INFEASIBLE:
            self._elastic, self._bound_krw, self._choices = True, -np.inf, None
            self._way = ["limits contradict"]
            trial, held = self._round(LEVELS[0])
        return trial, held

    def _loses_little(self, trial: Trial, held: Held) -> bool:
        """Whether dealing out costs less than its part of the gap."""
        allowed = (1 - DECIDING) * self._engine.effort.gap_frac * trial.stake_krw(held.solution)
        return self._lost_krw <= allowed

    def _round(self, fineness: Fineness) -> tuple[Trial, Held | None]:
        """A problem's bound, and a plan with the choices so far or rounded ones."""
        merging = merge(self._problem, fineness)
        trial = Trial(merging, self._engine.program(merging.small, elastic=self._elastic))
        relaxed = trial.relax(self._until_s)
        self._outcome = relaxed.outcome
        if not self._elastic and trial.contradicts(relaxed):
            self._outcome = Outcome.INFEASIBLE
            return trial, None
        if not relaxed.found:
            return trial, None
        self._bound_krw = max(self._bound_krw, relaxed.cost_krw)
        self._burns = trial.burns_power(relaxed)
        held = self._best_of(trial, self._candidates(trial, relaxed))
        self._way.append(f"{trial.label}: rounding" if trial.has_choices else trial.label)
        if not held.solution.found:
            held = self._first_feasible(trial, relaxed, held)
        return trial, self._take(trial, held)

    def _candidates(self, trial: Trial, relaxed: Solution) -> Iterator[Choices]:
        """Choices worth trying: those so far, then roundings of the relaxation."""
        if self._choices is not None:
            yield self._choices
        for leaning in LEANINGS if trial.has_choices else LEANINGS[:1]:
            yield trial.rounded(relaxed, leaning)

    def _best_of(self, trial: Trial, candidates: Iterator[Choices]) -> Held:
        """The best of some choices, or the first that are near enough to the bound."""
        best = last = trial.hold(next(candidates), self._until_s)
        while self._open(trial, best):
            choices = next(candidates, None)
            if choices is None:
                break
            last = trial.hold(choices, self._until_s)
            best = last if last.cost_krw < best.cost_krw else best
        return best if best is last else trial.hold(best.choices, self._until_s)

    def _first_feasible(self, trial: Trial, relaxed: Solution, held: Held) -> Held:
        """Choices by branch and cut where no rounding fits."""
        self._way.append("branch and cut")
        gap = DECIDING * self._engine.effort.gap_frac * trial.stake_krw(relaxed)
        whole = trial.branch(held, gap, self._until_s)
        if not whole.found:
            return Held(held.choices, whole)
        self._bound_krw = max(self._bound_krw, whole.bound_krw)
        return trial.hold(trial.read(whole), self._until_s)

    def _branch(self, trial: Trial, held: Held) -> None:
        """Better choices and a better bound by branch and cut, to what is left of the gap."""
        now = monotonic()
        left = min(self._engine.effort.branch_s_max, BRANCH_TIME * max(self._until_s - now, 0.0))
        gap = EXACT * self._engine.effort.gap_frac * trial.stake_krw(held.solution) - self._lost_krw
        whole = trial.branch(held, gap, now + left)
        self._way.append("branch and cut")
        self._bound_krw = max(self._bound_krw, whole.bound_krw)
        if whole.found and whole.cost_krw < held.cost_krw:
            self._take(trial, trial.hold(trial.read(whole), self._until_s))

    def _decide_ways(self, held: Held) -> None:
        """Every store's direction by branch and cut, where a relaxation burns power in stores."""
        merging = merge(replace(self._problem, one_way=True), LEVELS[-1])
        trial = Trial(merging, self._engine.program(merging.small, elastic=False))
        relaxed = trial.relax(self._until_s)
        if not relaxed.found:
            return
        now, effort = monotonic(), self._engine.effort
        left = min(effort.branch_s_max, BRANCH_TIME * max(self._until_s - now, 0.0))
        gap = EXACT * effort.gap_frac * trial.stake_krw(relaxed)
        whole = trial.branch(Held(held.choices, relaxed), gap, now + left)
        self._way.append("directions of stores by branch and cut")
        self._bound_krw = max(self._bound_krw, whole.bound_krw)
        if whole.found:
            self._take(trial, trial.hold(trial.read(whole), self._until_s))

    def _open(self, trial: Trial, held: Held) -> bool:
        """Whether choices leave more of the gap open than is theirs."""
        if not held.solution.found:
            return True
        allowed = DECIDING * self._engine.effort.gap_frac * trial.stake_krw(held.solution)
        return held.cost_krw - self._bound_krw > allowed

    def _take(self, trial: Trial, held: Held) -> Held | None:
        """Keep the choices, and the plan where it is better than what there was."""
        self._outcome = held.solution.outcome
        if not held.solution.found:
            return None
        self._choices = held.choices
        shadow, plan = trial.shadow(held), trial.plan(held, self._until_s)
        self._lost_krw = plan.cost_krw.total - held.cost_krw
        if self._plan is None or plan.cost_krw.total < self._plan.cost_krw.total:
            self._keep(plan, shadow, (trial, held))
        return held

    def _keep(self, plan: Plan, shadow: Shadow, best: tuple[Trial, Held]) -> None:
        self._plan, self._shadow, self._best = plan, shadow, best
        self._structure = best[0].program.form.fingerprint
        if self._tell is not None:
            self._tell(self._said())

    def _said(self) -> Found:
        """What is told of the search so far: before scenarios are decided, nothing is proven."""
        found = self.found()
        unproven = self._problem.scenarios is not None and np.isnan(self._expected_krw)
        return replace(found, bound_krw=-np.inf) if unproven else found
