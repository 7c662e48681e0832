"""What should every asset do: a mixed-integer plan over the coming slots, with a certificate.

A battery buys at 100 won part of what is needed at 200 won a quarter of an hour later:

>>> import numpy as np
>>> one, two = np.ones(1), np.ones(2)
>>> problem = PlanProblem(
...     first_slot=1_784_084_400,
...     area_ids=("street",),
...     load_kw=np.array([[0.0], [30.0]]),
...     pv_kw=np.zeros((2, 1)),
...     loss_kw=np.zeros(2),
...     batteries=Batteries(
...         id=("battery",), area=np.array([0]), e_kwh_min=0 * one, e_kwh_max=10 * one,
...         e_start_kwh=0 * one, p_charge_kw_max=20 * one, p_discharge_kw_max=40 * one,
...         eta_charge=one, eta_discharge=one, wear_krw_per_kwh=5 * one,
...         end_value_krw_per_kwh=0 * one,
...     ),
...     fleets=no_fleets(slots=2),
...     units=(),
...     heat=None,
...     connection=Connection(
...         p_import_kw_max=50 * two, p_export_kw_max=0 * two,
...         price_buy_krw_per_kwh=np.array([100.0, 200.0]), price_sell_krw_per_kwh=0 * two,
...         demand_charge_krw_per_kw=0.0, p_peak_incurred_kw=0.0, peak_counts=two > 0,
...     ),
...     shed_krw_per_kwh=5000.0,
...     curtail_krw_per_kwh=0.0,
... )
>>> with Planner() as planner:
...     plan = planner.plan(problem)
>>> plan.tier, round(plan.cost_krw.total, 2), plan.p_import_kw.round(2).tolist()
(<Tier.OPTIMUM: 'T0'>, 1025.0, [20.0, 10.0])
>>> plan.reasons[1].text
'charging: 100 won now against 195 stored, after losses'
>>> check_plan(problem, plan)
[]

A kWh stored saves the 200 won less 5 for wear. The solver lives in a process of its own, which is
killed at the deadline; the plan is then the last one shifted, or rules.
"""

from optimizer.check import check_plan as check_plan
from optimizer.errors import OptimizerError as OptimizerError
from optimizer.fallback import rules_plan as rules_plan
from optimizer.fallback import shift_plan as shift_plan
from optimizer.plan import BindingLimit as BindingLimit
from optimizer.plan import Certificate as Certificate
from optimizer.plan import CostBreakdown as CostBreakdown
from optimizer.plan import Plan as Plan
from optimizer.plan import Reason as Reason
from optimizer.plan import Status as Status
from optimizer.plan import Tier as Tier
from optimizer.planner import Planner as Planner
from optimizer.planner import PlannerSettings as PlannerSettings
from optimizer.problem import Batteries as Batteries
from optimizer.problem import Connection as Connection
from optimizer.problem import Cut as Cut
from optimizer.problem import DrEvent as DrEvent
from optimizer.problem import Finding as Finding
from optimizer.problem import Fleets as Fleets
from optimizer.problem import Heat as Heat
from optimizer.problem import PlanProblem as PlanProblem
from optimizer.problem import Reserve as Reserve
from optimizer.problem import Scenarios as Scenarios
from optimizer.problem import ShedRank as ShedRank
from optimizer.problem import UnitGroup as UnitGroup
from optimizer.problem import no_fleets as no_fleets
from optimizer.validate import check_problem as check_problem
