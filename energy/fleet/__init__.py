"""Many districts in one installation: a service for each, started, watched and started again."""

from energy.fleet.keeper import Keeper
from energy.fleet.overview import run_fleet
from energy.fleet.plan import Fleet, FleetError, Member, load_fleet

__all__ = ["Fleet", "FleetError", "Keeper", "Member", "load_fleet", "run_fleet"]
