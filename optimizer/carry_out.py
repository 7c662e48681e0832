"""Wishes carried out slot by slot, as far as corridors, minimum times, connection and wires allow.

Nothing looks ahead except the corridors, which hold what can still be kept later; only units that
would have to give less than their least are stopped in a second pass.
"""

import numpy as np

from optimizer.assemble import Decisions, assemble
from optimizer.curves import group_draw
from optimizer.plan import Plan
from optimizer.problem import FloatArray, IntArray, PlanProblem
from optimizer.run_units import counts_near, fewer_counts
from optimizer.split import paths
from optimizer.yielding import Wishes, Yielding


def unpriced_import_kw(problem: PlanProblem, peak_kw: float) -> FloatArray:
    """Import that adds nothing to a peak and breaks no commitment, (H,)."""
    connection = problem.connection
    limit = connection.p_import_kw_max
    room = peak_kw - connection.counted_kw(np.zeros(problem.slots))
    free = np.where(connection.counts, np.clip(room, 0.0, limit), limit)
    for event in problem.dr_events:
        free = np.clip(event.limit_kw, 0.0, free)
    return free


def carried_out(problem: PlanProblem, wishes: Wishes) -> Plan:
    """The plan nearest to the wishes that keeps promises and limits, where they can be kept."""
    done = _settled(problem, wishes)
    table, fleets = problem.batteries, problem.fleets
    eta = np.full(len(fleets.id), fleets.eta)
    units = done.units.on, done.units.p_kw
    return assemble(
        problem,
        Decisions(
            curtail_kw=done.curtail_kw,
            shed_kw=done.shed_kw,
            batteries=paths(
                done.batteries.e_kwh,
                done.batteries.corridor.start_kwh,
                (table.eta_charge, table.eta_discharge),
            ),
            fleets=paths(done.fleets.e_kwh, done.fleets.corridor.start_kwh, (eta, eta)),
            unit_on=done.units.on,
            unit_p_kw=done.units.p_kw,
            heat_pump_kw=done.heat_pump_kw,
            into_store_kw=_into_store(problem, wishes, units, done.heat_pump_kw),
            marginal_krw_per_kwh=wishes.marginal_krw_per_kwh,
        ),
    )


def _settled(problem: PlanProblem, wishes: Wishes) -> Yielding:
    """All slots settled with the wished units; once more with fewer where these make too much."""
    done = Yielding(problem, wishes, counts_near(problem.units, wishes.unit_on)).run()
    fewer = fewer_counts(problem.units, done.units, done.too_much) if done.too_much else None
    return done if fewer is None else Yielding(problem, wishes, fewer).run()


def _into_store(
    problem: PlanProblem,
    wishes: Wishes,
    units: tuple[IntArray, FloatArray],
    heat_pump_kw: FloatArray,
) -> FloatArray:
    """Heat put into the store as wished, less where it would leave the demand uncovered, (H,)."""
    heat = problem.heat
    if heat is None:
        return np.zeros(problem.slots)
    on, power = units
    made = heat.cop * heat_pump_kw + sum(
        (
            group_draw(unit.heat, on[:, row], power[:, row])
            for row, unit in enumerate(problem.units)
        ),
        start=np.zeros(problem.slots),
    )
    spare = made + heat.boiler_kw_max - heat.demand_kw
    into = np.minimum(wishes.into_store_kw, spare)
    return np.clip(into, -heat.p_store_kw_max, heat.p_store_kw_max)
