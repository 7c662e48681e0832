"""Pyomo as the planner needs it: without the statistics that it would take in beside.

Pyomo imports `scipy.stats`, `scipy.integrate` and `scipy.spatial` as soon as it touches scipy. The
planner uses none of them, and they are half of the time in which a solving process starts, be it at
the daemon's start or after one that was killed at its deadline.
"""

import sys
from types import ModuleType

UNUSED = ("scipy.integrate", "scipy.spatial", "scipy.stats")


def _let_pyomo_find_scipy() -> None:
    """Resolve Pyomo's deferred scipy while stand-ins are where it would look for the unused parts.

    They are gone afterwards, so that who needs such a part imports the real one.
    """
    stand_ins = {name: ModuleType(name) for name in UNUSED if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        from pyomo.common.dependencies import scipy as deferred

        _ = deferred.sparse  # the first use of any part resolves it
    finally:
        for name in stand_ins:
            del sys.modules[name]


_let_pyomo_find_scipy()

import pyomo.environ as pyo  # noqa: E402 - only now does it leave those parts alone
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler  # noqa: E402

__all__ = ["LinearStandardFormCompiler", "pyo"]
