"""Prices behind a plan, read from the duals of the program that it came from."""

import numpy as np

from optimizer.found import Shadow
from optimizer.highs import Solution
from optimizer.merge import Merging
from optimizer.problem import DT_H, FloatArray, PlanProblem
from optimizer.standard_form import Layout

AT_LIMIT_KW = 1e-3


def shadow_of(merging: Merging, layout: Layout, found: Solution) -> Shadow:
    """Shadow prices of a solution of the merged problem; members have their group's."""
    problem = merging.small
    rows, columns = layout.rows, layout.columns
    slots = problem.slots

    def dual(law: str) -> FloatArray:
        return found.row_duals[rows[law]] if law in rows else np.zeros((slots, 0))

    def saving(block: str, law: str, limit_kw: FloatArray) -> FloatArray:
        # A limit is a bound and the size of a direction at once; either may carry its price. What
        # is far from it is held by the other direction, and more of this one would be of no use.
        price = np.maximum(-found.reduced_costs[columns[block]] - dual(law), 0.0) / DT_H
        return np.where(found.values[columns[block]] >= limit_kw - AT_LIMIT_KW, price, 0.0)

    def stored(law: str, ends: FloatArray) -> FloatArray:
        # Energy at a slot's end is worth what the next slot's balance would pay for it.
        return np.concatenate([-dual(law)[1:], ends[None, :]])

    none = np.zeros(slots)
    return Shadow(
        power_krw_per_kwh=dual("district_balance") / DT_H,
        heat_krw_per_kwh=dual("heat_balance") / DT_H if problem.heat else none,
        battery_krw_per_kwh=(
            stored("battery_energy", problem.batteries.end_value_krw_per_kwh)
            + _reserve_price(problem, dual("battery_reserve_energy"), 1.0)
        )[:, merging.battery_class],
        reserve_krw_per_kwh=_reserve_price(problem, dual("battery_reserve_power"), DT_H)[
            :, merging.battery_class
        ],
        fleet_krw_per_kwh=stored(
            "fleet_energy",
            np.full(len(problem.fleets.id), problem.fleets.end_value_krw_per_kwh),
        )[:, merging.fleet_class],
        limits_krw_per_kwh={
            "import limit": saving(
                "p_import", "import_while_importing", problem.connection.p_import_kw_max
            ),
            "export limit": saving(
                "p_export", "export_while_not", problem.connection.p_export_kw_max
            ),
            "peak": np.maximum(dual("peak"), 0.0) / DT_H,
            **({"reserve": np.maximum(dual("reserve"), 0.0) / DT_H} if problem.reserve else {}),
            **{
                event.id: np.maximum(-dual("dr")[:, row], 0.0) / DT_H
                for row, event in enumerate(problem.dr_events)
            },
        },
        cuts_krw_per_kwh={
            cut.id: max(-float(dual("cut")[row]), 0.0) / DT_H
            for row, cut in enumerate(problem.cuts)
        },
    )


def _reserve_price(problem: PlanProblem, dual: FloatArray, per: float) -> FloatArray:
    """What a battery's part in the reserve is worth, (H, B); nothing without a reserve."""
    if problem.reserve is None:
        return np.zeros((problem.slots, len(problem.batteries.id)))
    return np.maximum(-dual, 0.0) / per
