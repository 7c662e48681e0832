"""What the sun gives: the same clear-sky physics that the forecasters use, under the true sky.

Haze and clouds are common to the district; under broken clouds every area flickers on its own.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.district import District
from energy.forecast import clear_sky_kw_per_kwp, cloudless_frac
from energy.plant.draws import FloatArray, Stream, draw, smooth
from energy.plant.weather import DAY_S, WeatherSource
from energy.timegrid import slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY

HAZE_FRAC = 0.93
"""What haze lets through in the mean, so that a south roof yields some 1,300 kWh per kWp (D)."""
HAZE_SPREAD = 0.04
FLICKER = 0.16
"""Largest spread of one area's solar about the district's, at half cover."""
FLICKER_KNOT_S = 2 * SLOT_S
OUTSHINE_MAX = 1.1
"""Clouds beside the sun can add at most this much to a clear sky."""


@dataclass(frozen=True, eq=False)
class SolarPower:
    """One slot: kW of every meter's own solar (M,), the operator's by area (A,), all of it (A,)."""

    own_kw: FloatArray
    spc_kw: FloatArray
    area_kw: FloatArray


class SolarSource:
    """Solar power of a district without measurements."""

    def __init__(self, district: District, weather: WeatherSource, seed: int) -> None:
        self._district = district
        self._weather = weather
        self._seed = seed
        size = (district.areas, len(district.pv.class_id))
        self._own_kwp = np.zeros(size)
        meters = district.meters
        np.add.at(self._own_kwp, (meters.area, meters.pv_class), meters.pv_kwp)
        self._clear = lru_cache(maxsize=64)(self._clear_of_day)
        self._haze = lru_cache(maxsize=8)(self._haze_draw)
        self._flicker = lru_cache(maxsize=8)(self._flicker_draws)

    def at(self, slot: int) -> SolarPower:
        """The solar power of one slot; exactly 0 where the sun is down."""
        district, meters = self._district, self._district.meters
        per_kwp = self._per_kwp(slot)
        own = meters.pv_kwp * per_kwp[meters.area, meters.pv_class]
        spc: FloatArray = np.einsum("ak,ak->a", district.pv.spc_kwp, per_kwp)
        return SolarPower(own, spc, self._areas_kw(per_kwp))

    def areas_at(self, slot: int) -> FloatArray:
        """All solar of each area in one slot, (A,) kW."""
        return self._areas_kw(self._per_kwp(slot))

    def _areas_kw(self, per_kwp: FloatArray) -> FloatArray:
        kwp = self._own_kwp + self._district.pv.spc_kwp
        areas: FloatArray = np.einsum("ak,ak->a", kwp, per_kwp)
        return areas

    def _per_kwp(self, slot: int) -> FloatArray:
        """AC power per installed kWp of each area and surface class, (A, K)."""
        day, inside = divmod(slot, DAY_S)
        clear: FloatArray = self._clear(day)[inside // SLOT_S]
        if not clear.any():
            return np.zeros((self._district.areas, len(clear)))
        cloud = self._weather.at(slot).cloud_frac
        haze = np.clip(HAZE_FRAC + HAZE_SPREAD * smooth(slot / DAY_S, self._haze), 0.0, 1.0)
        wander = FLICKER * 4 * cloud * (1 - cloud) * smooth(slot / FLICKER_KNOT_S, self._flicker)
        k = np.clip(haze * cloudless_frac(cloud) * (1 + wander), 0.0, OUTSHINE_MAX)
        return np.minimum(k[:, None] * clear, self._district.pv.inverter_frac)

    def _clear_of_day(self, day: int) -> FloatArray:
        """AC power per kWp under a cloudless sky through a UTC day, (96, K)."""
        district, weather = self._district, self._weather.run(day * DAY_S, SLOTS_PER_DAY)
        return clear_sky_kw_per_kwp(
            slots_from(day * DAY_S, SLOTS_PER_DAY),
            district.pv.tilt_deg,
            district.pv.azimuth_deg,
            district.latitude_deg,
            district.longitude_deg,
            district.altitude_m,
            weather.temperature_c,
            district.pv.inverter_frac,
            weather.wind_m_per_s,
        )

    def _haze_draw(self, day: int) -> FloatArray:
        return draw(self._seed, Stream.HAZE, day).standard_normal(1)

    def _flicker_draws(self, knot: int) -> FloatArray:
        return draw(self._seed, Stream.SOLAR_KNOT, knot).standard_normal(self._district.areas)
