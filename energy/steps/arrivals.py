"""How cars arrive, learned anew on every local day from the stays of the days before."""

from energy.forecast import ArrivalModel, ChargerGroups, fit_arrivals
from energy.plant import Plant
from energy.timegrid import local_day_start
from energy.units import SLOT_S, SLOTS_PER_DAY


class Arrivals:
    """The model of a day is that of all slots in it, whenever the loop was started."""

    def __init__(self, plant: Plant, chargers: ChargerGroups, days: int) -> None:
        self._plant, self._chargers, self._days = plant, chargers, days
        self._fitted: tuple[int, ArrivalModel] | None = None

    def at(self, slot: int) -> ArrivalModel:
        """The model of a slot's local day, from the stays that began in the `days` days before."""
        zone = self._plant.district.time_zone
        end = local_day_start(slot, zone)
        if self._fitted is None or self._fitted[0] != end:
            stays = self._plant.past_stays(end, self._days)
            begin = end - self._days * SLOTS_PER_DAY * SLOT_S
            self._fitted = end, fit_arrivals(stays, self._chargers, begin, end, zone)
        return self._fitted[1]
