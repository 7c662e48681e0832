"""The district's truth, slot by slot: a pure function of state, slot and set-points.

Every draw comes from (seed, stream, slot or day), so that a slot can be run again bit for bit, and
so that weather, people and faults are the same whatever the loop decides.
"""

from energy.district import District
from energy.forecast import CarSessions, History, WeatherForecast
from energy.plant.interface import PlantState, PlantStep, SetPoints


class Plant:
    """One simulated district; built once, then asked for any slot in any order."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.seed = seed

    def begin(self, first_slot: int) -> PlantState:
        """The state at the START of `first_slot`: stores half full, cars connected, units on."""
        raise NotImplementedError

    def archive(self, first_slot: int, days: int) -> History:
        """The record of the `days` days before `first_slot`, (T, A), as areas' meters showed it.

        The same truth as that of later slots, with the same share of faults.
        """
        raise NotImplementedError

    def past_stays(self, first_slot: int, days: int) -> CarSessions:
        """Stays that began in the `days` days before `first_slot`, as `fit_arrivals` wants them."""
        raise NotImplementedError

    def step(self, state: PlantState, slot: int, setpoints: SetPoints | None) -> PlantStep:
        """One slot; `state` stands at its start.

        Set-points count from their own slot until they expire; expired, missing or of a lower fence
        than the last seen they leave each device to its default: batteries idle, cars charge at
        once, units hold what they do, boilers give the heat.
        """
        raise NotImplementedError

    def weather_forecast(self, now_slot: int) -> WeatherForecast:
        """The newest weather issue that is out at the start of `now_slot`; one comes every 3 h."""
        raise NotImplementedError
