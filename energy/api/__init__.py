"""The door for programs: HTTP under `/v1`, events, health and figures."""

from energy.api.app import create_app
from energy.api.context import ApiContext, DistrictClock
from energy.api.problems import ProblemError

__all__ = ["ApiContext", "DistrictClock", "ProblemError", "create_app"]
