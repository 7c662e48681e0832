"""The planner's cost equals that of a program written independently, unit by unit."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optimizer import DrEvent, Planner, PlanProblem, Reserve, ShedRank

# Both gaps are 1e-9 of some ten thousand won; feasibility tolerances add a little.
WON = 0.05


def with_pledges(problem: PlanProblem) -> PlanProblem:
    """A narrow connection with an event, two ranks and a reserve, all of which bind."""
    slots, areas = problem.slots, problem.areas
    return replace(
        problem,
        connection=replace(problem.connection, p_import_kw_max=np.full(slots, 80.0)),
        dr_events=(DrEvent("event", np.arange(slots) % 2 == 0, np.full(slots, 50.0), 40, 300, 99),),
        shed_ranks=(
            ShedRank("low", 350.0, np.linspace(0.1, 0.4, areas)),
            ShedRank("high", 900.0, np.full((slots, areas), 0.5)),
        ),
        reserve=Reserve(np.linspace(150, 450, slots), 0.5, 200.0),
    )


def variants(problem: PlanProblem) -> dict[str, PlanProblem]:
    unit, connection = problem.units[0], problem.connection
    twice = replace(connection, price_sell_krw_per_kwh=connection.price_buy_krw_per_kwh * 1.2)
    lots = np.full(problem.slots, 3)
    more = (replace(unit, available=lots, count=3), replace(unit, id="second", on_now=0))
    return {
        "as it is": problem,
        "selling dearer than buying": replace(problem, connection=twice),
        "two groups of the same units": replace(problem, units=more),
        "no heat": replace(problem, heat=None),
        "narrow connection": replace(
            problem,
            connection=replace(
                connection,
                p_import_kw_max=connection.p_import_kw_max * 0 + 60.0,
                p_export_kw_max=connection.p_export_kw_max * 0 + 10.0,
            ),
        ),
        "curtailment paid for": replace(problem, curtail_krw_per_kwh=30.0),
        "paid for drawing power": replace(
            problem,
            connection=replace(
                connection,
                price_buy_krw_per_kwh=connection.price_buy_krw_per_kwh - 180.0,
                price_sell_krw_per_kwh=connection.price_buy_krw_per_kwh - 200.0,
            ),
        ),
        "pledges": with_pledges(problem),
        "pledges without export": with_pledges(
            replace(
                problem,
                connection=replace(connection, p_export_kw_max=connection.p_export_kw_max * 0),
            )
        ),
    }


@pytest.mark.parametrize("seed", range(4))
def test_cost_is_that_of_the_plain_program(
    toys: Any, planner: Planner, slow_dispatch: ModuleType, seed: int
) -> None:
    for name, problem in variants(toys.random(seed, slots=6)).items():
        plan = planner.plan(problem)
        assert plan.tier == "T0", (name, plan.certificate)
        assert plan.cost_krw.total == pytest.approx(
            slow_dispatch.cheapest_cost(problem), abs=WON
        ), name
