"""What a forecast is made from: the record so far, the newest weather issue, the cars plugged in.

Time runs along the first axis, areas along the second. A slot is its start in whole seconds since
1970 UTC, a multiple of 900. Powers are means over the slot in kW, never negative. **NaN means: not
known when the forecast is issued**, because the value has not come yet or was rejected.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

QUANTILES: FloatArray = np.array([0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95])
"""Probabilities of the Q = 7 quantiles, rising; first axis of every quantile array."""

P10, MEDIAN, P90 = 1, 3, 5
"""Positions of these quantiles in QUANTILES."""


class ForecastError(Exception):
    """Inputs of a forecast that cannot be read: says what, which, found, allowed."""


@dataclass(frozen=True, eq=False)
class History:
    """The district's record, oldest first; T contiguous slots, A areas.

    slot (T,) int64; load_kw (T, A) gross load of the buildings without car charging, batteries and
    the operator's units; pv_kw (T, A) solar generation; heat_kw (T,) heat demand of the network;
    temperature_c (T,) and cloud_frac (T,) 0..1 as observed. NaN where not known.

    Rows of the issue slot and later are never read, whatever stands in them.
    """

    slot: IntArray
    load_kw: FloatArray
    pv_kw: FloatArray
    heat_kw: FloatArray
    temperature_c: FloatArray
    cloud_frac: FloatArray


@dataclass(frozen=True, eq=False)
class WeatherForecast:
    """One issue of a weather forecast, quarter-hourly; T slots that should cover the horizon.

    issue_slot: slot in which it became available; slot (T,) int64 contiguous starts;
    temperature_c (T,); cloud_frac (T,) 0 clear .. 1 overcast; wind_m_per_s (T,).
    """

    issue_slot: int
    slot: IntArray
    temperature_c: FloatArray
    cloud_frac: FloatArray
    wind_m_per_s: FloatArray


@dataclass(frozen=True, eq=False)
class CarSessions:
    """Cars at charging points, C of them, as the chargers know them; all arrays (C,).

    car: int64, unique, the charger's name of the stay; group: position in the charger groups;
    arrival_slot: slot in which the stay began; departure_slot: the car leaves at the START of this
    slot, so the last slot to charge in is the one before; e_now_kwh: energy in the battery now (for
    a forecast: at the start of its first slot); e_due_kwh: energy in the battery that was promised
    for the departure, at most e_capacity_kwh; p_kw_max: charging power at the meter; v2g: may also
    discharge; e_v2g_min_kwh: never discharged below this energy in the battery.
    """

    car: IntArray
    group: IntArray
    arrival_slot: IntArray
    departure_slot: IntArray
    e_now_kwh: FloatArray
    e_due_kwh: FloatArray
    e_capacity_kwh: FloatArray
    p_kw_max: FloatArray
    v2g: BoolArray
    e_v2g_min_kwh: FloatArray

    def __len__(self) -> int:
        """Number of cars."""
        return len(self.car)

    def take(self, which: IntArray | BoolArray) -> "CarSessions":
        """The chosen rows, by position or mask, in that order."""
        return CarSessions(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def no_cars() -> CarSessions:
    """An empty table of cars."""
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return CarSessions(
        car=whole,
        group=whole,
        arrival_slot=whole,
        departure_slot=whole,
        e_now_kwh=real,
        e_due_kwh=real,
        e_capacity_kwh=real,
        p_kw_max=real,
        v2g=np.zeros(0, dtype=np.bool_),
        e_v2g_min_kwh=real,
    )


@dataclass(frozen=True, eq=False)
class PvClasses:
    """Solar of the district: K surface classes, A areas.

    tilt_deg (K,) 0 flat .. 90 upright; azimuth_deg (K,) 180 = south; kwp (A, K) installed;
    inverter_frac: AC limit per kWp.
    """

    tilt_deg: FloatArray
    azimuth_deg: FloatArray
    kwp: FloatArray
    inverter_frac: float


@dataclass(frozen=True, eq=False)
class ChargerGroups:
    """Charging points as groups, G of them; arrays (G,).

    kind: "standard", "quick" or "super_fast"; count of points; p_kw of one point at the meter;
    p_v2g_kw discharge of one point at the meter; cars_per_day: mean arrivals of the group; eta:
    energy into the battery per energy at the meter, and the other way when discharging.
    """

    kind: tuple[str, ...]
    count: IntArray
    p_kw: FloatArray
    p_v2g_kw: FloatArray
    cars_per_day: FloatArray
    eta: float


@dataclass(frozen=True)
class UnitRecord:
    """A group of identical units: `count` of them, `up` able to run now; mtbf and mttr in hours."""

    count: int
    up: int
    mtbf_h: float
    mttr_h: float


@dataclass(frozen=True)
class Site:
    """Where the district lies, in degrees and metres, and the zone of its wall clocks."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    time_zone: str
