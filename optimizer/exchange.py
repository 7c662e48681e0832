"""How much the district can import or export at all: tighter limits make tighter bounds.

Where selling is dearer than buying, a relaxation imports and exports at once, up to these limits.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.curves import commitment
from optimizer.problem import FloatArray, PlanProblem


@dataclass(frozen=True, eq=False)
class Exchange:
    """Most that can be imported and exported in each slot, (H,), within the connection's limits."""

    p_import_kw_max: FloatArray
    p_export_kw_max: FloatArray

    @property
    def import_size_kw(self) -> FloatArray:
        """The import limit as a factor of whole numbers: never 0."""
        return np.maximum(self.p_import_kw_max, 1.0)

    @property
    def export_size_kw(self) -> FloatArray:
        """The export limit as a factor of whole numbers: never 0."""
        return np.maximum(self.p_export_kw_max, 1.0)


def exchange_limits(problem: PlanProblem) -> Exchange:
    """The connection's limits, or what is drawn or made at most where that is less.

    Nobody sheds load in order to export it.
    """
    fixed = problem.load_kw.sum(axis=1) + problem.loss_kw
    stores = problem.batteries
    made = problem.pv_kw.sum(axis=1)
    made = made + stores.by_slot(stores.p_discharge_kw_max, problem.slots).sum(axis=1)
    made = made + problem.fleets.p_discharge_kw_max.sum(axis=0)
    for unit in problem.units:
        made = made + unit.p_kw_max * commitment(unit).most
    drawn = fixed + stores.by_slot(stores.p_charge_kw_max, problem.slots).sum(axis=1)
    drawn = drawn + problem.fleets.p_charge_kw_max.sum(axis=0)
    if problem.heat:
        drawn = drawn + problem.heat.pump_kw_max
    connection = problem.connection
    return Exchange(
        p_import_kw_max=np.minimum(connection.p_import_kw_max, drawn),
        p_export_kw_max=np.minimum(connection.p_export_kw_max, np.maximum(made - fixed, 0.0)),
    )
