"""What an order would do: the newest plan's problem solved with it and without it, side by side.

Nothing is written, and the wires are asked only whether the district could stand alone.
"""

from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from energy.district import District
from energy.steps.injections import open_rows
from energy.steps.islanding import blocked_alone, plan_alone
from energy.store.views import Document, find_view, last_view_slot, prune_views, put_view
from energy.timegrid import iso_of
from energy.units import DT_H, SLOT_S
from optimizer import Plan, Planner, PlanProblem
from optimizer.document import parse_problem

PROBLEM = "problem"
"""The kind under which the store keeps the problem of the newest plan."""
DEADLINE_S = 15.0
"""Longest time for each of the two plans."""


@dataclass(frozen=True)
class Considered:
    """A plan that an order would lead to, or the one without it."""

    problem: PlanProblem
    plan: Plan


def keep_problem(connection: Connection, slot: int, document: Document) -> None:
    """Keep the problem of the newest plan as a document, and it alone."""
    put_view(connection, PROBLEM, slot, document)
    prune_views(connection, PROBLEM, slot)


def newest_problem(connection: Connection) -> PlanProblem | None:
    """The problem of the newest plan, None where there was no plan yet."""
    slot = last_view_slot(connection, PROBLEM)
    document = None if slot is None else find_view(connection, PROBLEM, slot)
    return None if document is None else parse_problem(orjson.dumps(document))


def preview(
    planner: Planner, district: District, problem: PlanProblem, changed: PlanProblem
) -> Document:
    """Cost, energy and self-supply of both plans, their difference, and who would not be served.

    `blocked` says why the district could not stand alone; empty where it can or need not.
    """
    without = _considered(planner, problem)
    ordered = without if changed is problem else _considered(planner, changed)
    one, other = _figures(without), _figures(ordered)
    more = ordered.plan.cost_krw.total - without.plan.cost_krw.total
    return {
        "slot_utc": iso_of(problem.first_slot),
        "until_utc": iso_of(problem.first_slot + problem.slots * SLOT_S),
        "without": one,
        "ordered": other,
        "more_krw": str(round(more)),
        "more_self_supply_frac": round(other["self_supply_frac"] - one["self_supply_frac"], 6),
        "open_slots": int(open_rows(ordered.problem).sum()),
        "shed": _shed(ordered),
        "blocked": list(blocked_alone(district, ordered.problem, ordered.plan)),
    }


def _considered(planner: Planner, problem: PlanProblem) -> Considered:
    found = plan_alone(planner, problem, None)
    return Considered(found.problem, found.plan)


def _figures(one: Considered) -> Document:
    """What a plan comes to over its horizon."""
    plan = one.plan

    def kwh(total_kw: float) -> float:
        return round(float(total_kw) * DT_H, 3)

    import_kwh, export_kwh = kwh(plan.p_import_kw.sum()), kwh(plan.p_export_kw.sum())
    made_kwh = kwh(plan.pv_used_kw.sum() + plan.unit_p_kw.sum())
    own_kwh = max(made_kwh - export_kwh, 0.0)
    used_kwh = own_kwh + import_kwh
    return {
        "tier": str(plan.tier),
        "cost_krw": str(round(plan.cost_krw.total)),
        "import_kwh": import_kwh,
        "export_kwh": export_kwh,
        "made_kwh": made_kwh,
        "curtailed_kwh": kwh(one.problem.pv_kw.sum() - plan.pv_used_kw.sum()),
        "shed_kwh": kwh(plan.shed_kw.sum()),
        "self_supply_frac": round(own_kwh / used_kwh, 6) if used_kwh > 0 else 0.0,
    }


def _shed(one: Considered) -> list[Document]:
    """What would not be served, rank by rank, the first one that gives way first."""
    by_rank = one.plan.shed_by_rank_kw.sum(axis=0) * DT_H
    return [
        {
            "rank": rank.id,
            "e_kwh": round(float(e_kwh), 3),
            "krw_per_kwh": float(rank.price_krw_per_kwh),
        }
        for rank, e_kwh in zip(one.problem.ranks, by_rank, strict=True)
        if e_kwh > 1e-3
    ]
