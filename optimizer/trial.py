"""One merged problem in its living program: relaxed, held at choices, or decided by branch and cut.

Choices are the whole numbers: how many units run, and the connection's direction in slots where
importing and exporting at once would pay.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.assemble import assemble
from optimizer.commitments import Leaning, whole_counts
from optimizer.dealing import deal
from optimizer.found import Outcome, Shadow
from optimizer.highs import LivingProgram, Solution, both_ways
from optimizer.merge import Merging, sums_by
from optimizer.plan import Plan
from optimizer.problem import FloatArray
from optimizer.refresh import numbers_of
from optimizer.shadow import shadow_of
from optimizer.stacking import first_set_points

WAYS = ("battery_way", "fleet_way")
IN_AND_OUT = ("charge", "discharge")
MISSING_KW = 1e-3  # power from nowhere, in a relaxation, that shows a contradiction


@dataclass(frozen=True, eq=False)
class Choices:
    """Running units by merged group (H, F), and import (1) or export (0), (H,).

    first: the first slot's set-points where they are decided already, by block of the program.
    ways: directions of stores, (H, N) by block, where they are whole numbers.
    """

    unit_on: FloatArray
    importing: FloatArray
    first: dict[str, FloatArray] | None = None
    ways: dict[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Held:
    """Choices, and the solution of everything else around them."""

    choices: Choices
    solution: Solution

    @property
    def cost_krw(self) -> float:
        """Cost of the solution, inf where there is none."""
        return self.solution.cost_krw


class Trial:
    """A merged problem, written into the living program of its structure."""

    def __init__(self, merging: Merging, program: LivingProgram) -> None:
        self.merging, self.program = merging, program
        self._numbers = numbers_of(merging.small, program.form)
        self._columns = program.form.layout.columns
        pays = np.isin(self._columns["importing"], both_ways(program.form, self._numbers))
        self._directed = self._columns["importing"][pays]
        program.write(self._numbers)

    @property
    def has_choices(self) -> bool:
        """Whether any whole number is to be decided."""
        return bool(self.merging.small.units) or len(self._directed) > 0

    @property
    def label(self) -> str:
        """How coarse the problem is, in words."""
        small = self.merging.small
        return f"{len(small.batteries.id)}+{len(small.fleets.id)} stores"

    def relax(self, until_s: float) -> Solution:
        """The relaxation's solution; its cost is a bound."""
        self.program.write(self._numbers)
        return self.program.run(until_s)

    def hold(self, choices: Choices, until_s: float) -> Held:
        """The solution around choices; the program is left held at them."""
        self._begin(choices)
        pays = np.isin(self._columns["importing"], self._directed)
        self.program.hold(self._directed, choices.importing[pays])
        return Held(choices, self.program.run(until_s))

    def hold_first(self, choices: Choices, until_s: float) -> Held:
        """The solution around a first slot, in the direction that the flow then takes."""
        self._begin(choices)
        free = self.program.run(until_s)
        if free.found:
            choices = replace(choices, importing=self._direction(free))
        return self.hold(choices, until_s)

    def first_of(self, plan: Plan, told: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """A first slot as this problem's groups have it: stores from a plan, the rest as told."""
        small, merging = self.merging.small, self.merging
        batteries = (merging.battery_class, len(small.batteries.id))
        fleets = (merging.fleet_class, len(small.fleets.id))
        return told | {
            "battery_charge": sums_by(plan.battery_charge_kw[0], *batteries),
            "battery_discharge": sums_by(plan.battery_discharge_kw[0], *batteries),
            "fleet_charge": sums_by(plan.fleet_charge_kw[0], *fleets),
            "fleet_discharge": sums_by(plan.fleet_discharge_kw[0], *fleets),
        }

    def _begin(self, choices: Choices) -> None:
        self.program.write(self._numbers)
        self.program.hold(self._columns["unit_on"], choices.unit_on)
        for name, way in choices.ways.items():
            self.program.hold(self._columns[name], way)
        for name, places in first_set_points(self.program.form.layout).items():
            if choices.first is not None:
                self.program.hold(places[places >= 0], choices.first[name][places >= 0])

    def branch(self, start: Held, gap_krw: float, until_s: float) -> Solution:
        """The solution by branch and cut from a start, to a gap in won."""
        self.program.write(self._numbers)
        return self.program.run_whole(start.solution.values, gap_krw, until_s)

    def rounded(self, relaxed: Solution, leaning: Leaning) -> Choices:
        """Choices near a relaxation: counts in minimum times, the direction of the net flow."""
        wanted = relaxed.values[self._columns["unit_on"]]
        on = [
            whole_counts(unit, wanted[:, row], leaning)
            for row, unit in enumerate(self.merging.small.units)
        ]
        counts = np.stack(on, axis=1).astype(np.float64) if on else wanted
        return Choices(counts, self._direction(relaxed))

    def _direction(self, solution: Solution) -> FloatArray:
        """Import (1) or export (0) by the net flow, (H,)."""
        inward, outward = (solution.values[self._columns[n]] for n in ("p_import", "p_export"))
        return (inward >= outward).astype(np.float64)

    def read(self, solution: Solution) -> Choices:
        """The choices of a solution with whole numbers."""
        on, importing = (solution.values[self._columns[n]] for n in ("unit_on", "importing"))
        ways = {n: np.rint(solution.values[self._columns[n]]) for n in WAYS if n in self._columns}
        return Choices(np.rint(on), np.rint(importing), ways=ways)

    def burns_power(self, solution: Solution) -> bool:
        """Whether any group of stores charges and discharges at once."""
        both = [
            np.minimum(*(solution.values[self._columns[f"{s}_{way}"]] for way in IN_AND_OUT))
            for s in ("battery", "fleet")
        ]
        return any(float(each.max(initial=0.0)) > MISSING_KW for each in both)

    def contradicts(self, relaxed: Solution) -> bool:
        """Whether even the relaxation needs power from nowhere, or has no point at all."""
        if not relaxed.found:
            return relaxed.outcome is Outcome.INFEASIBLE
        lost = sum(relaxed.values[self._columns[name]].sum() for name in ("p_missing", "p_surplus"))
        return float(lost) > MISSING_KW

    def stake_krw(self, solution: Solution) -> float:
        """The money that flows in a solution: its cost without what stores are worth at the end."""
        blocks = ("e_battery", "e_fleet", "e_heat")
        ends = [self._columns[name][-1].ravel() for name in blocks if name in self._columns]
        stored = sum(float(self._numbers.cost[end] @ solution.values[end]) for end in ends)
        return max(abs(solution.cost_krw - stored), 1.0)

    def plan(self, held: Held, until_s: float) -> Plan:
        """The plan of every single asset for a held solution; the program is left held at it."""
        decided = deal(self.merging, self.program, held.solution, until_s)
        return assemble(self.merging.whole, decided)

    def shadow(self, held: Held) -> Shadow:
        """Prices behind a held solution."""
        return shadow_of(self.merging, self.program.form.layout, held.solution)
