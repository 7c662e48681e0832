"""What should every asset do: a mixed-integer plan over the coming slots, with a certificate."""

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
from optimizer.problem import Finding as Finding
from optimizer.problem import Fleets as Fleets
from optimizer.problem import Heat as Heat
from optimizer.problem import PlanProblem as PlanProblem
from optimizer.problem import UnitGroup as UnitGroup
from optimizer.validate import check_problem as check_problem
