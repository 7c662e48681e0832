"""The daemon: says what time it is in the district, and runs each quarter hour that is due."""

from energy.daemon.clocks import DemoClock, DistrictClock, RealClock
from energy.daemon.leadership import Leadership
from energy.daemon.loop import Daemon

__all__ = ["Daemon", "DemoClock", "DistrictClock", "Leadership", "RealClock"]
