"""Prices behind a plan, read from the duals of the program that it came from."""

import numpy as np

from optimizer.found import Shadow
from optimizer.highs import Solution
from optimizer.merge import Merging
from optimizer.problem import DT_H, FloatArray
from optimizer.standard_form import Layout


def shadow_of(merging: Merging, layout: Layout, found: Solution) -> Shadow:
    """Shadow prices of a solution of the merged problem; members have their group's."""
    problem = merging.small
    rows, columns = layout.rows, layout.columns
    slots = problem.slots

    def dual(law: str) -> FloatArray:
        return found.row_duals[rows[law]] if law in rows else np.zeros((slots, 0))

    def saving(block: str) -> FloatArray:
        # At its upper bound a column's reduced cost is what a kW more would add: never positive.
        return np.maximum(-found.reduced_costs[columns[block]], 0.0) / DT_H

    none = np.zeros(slots)
    return Shadow(
        power_krw_per_kwh=dual("district_balance") / DT_H,
        heat_krw_per_kwh=dual("heat_balance") / DT_H if problem.heat else none,
        battery_krw_per_kwh=-dual("battery_energy")[:, merging.battery_class],
        fleet_krw_per_kwh=-dual("fleet_energy")[:, merging.fleet_class],
        limits_krw_per_kwh={
            "import limit": saving("p_import"),
            "export limit": saving("p_export"),
            "peak": np.maximum(dual("peak"), 0.0) / DT_H,
        },
        cuts_krw_per_kwh={
            cut.id: max(-float(dual("cut")[row]), 0.0) / DT_H
            for row, cut in enumerate(problem.cuts)
        },
    )
