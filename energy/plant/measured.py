"""A district whose loads and solar were measured: each slot is what its meters showed then.

Temperature and wind are simulated in the climate of the place, for no one wrote them down. Clouds
are read off the measured solar of the slot itself; by night the last that were seen stay. What the
weather service says of them fades from those to the mean of the last week, so no forecast holds
anything that was measured after its issue.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from energy.district import District, MeasuredProfiles
from energy.forecast import WeatherForecast, clear_sky_kw_per_kwp
from energy.plant.draws import FloatArray
from energy.plant.heat import HeatDemand
from energy.plant.interface import PlantError
from energy.plant.solar import SolarPower, SolarSource
from energy.plant.truth import Air, AreaOutside, Outside, air_of, area_load_kw
from energy.plant.weather import DAY_S, WeatherSource, site_of
from energy.plant.weather_issues import issue_weather, newest_issue_slot
from energy.timegrid import iso_of, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

LIGHT_FRAC = 0.15
"""Share of the installed power below which a clear sky says nothing about clouds."""
CLOUD_DEFAULT_FRAC = 0.6
CLOUD_LASTS_H = 8.0
RECENT_SLOTS, WEEK_SLOTS = 2 * SLOTS_PER_HOUR, 7 * SLOTS_PER_DAY


class MeasuredTruth:
    """A district with a measured year."""

    def __init__(self, district: District, measured: MeasuredProfiles, seed: int) -> None:
        self._district = district
        self._measured = measured
        self._seed = seed
        self._weather = WeatherSource(site_of(district), seed)
        self._solar = SolarSource(district, self._weather, seed)
        self._heat = HeatDemand(district, self._weather, seed)
        self._own_kw = np.asarray(measured.pv_kw, dtype=np.float64).sum(axis=1)
        self._clear = lru_cache(maxsize=64)(self._clear_of_day)

    def knows(self, slot: int) -> bool:
        """Whether a slot lies in the measured year."""
        return 0 <= (slot - self._measured.first_slot) // SLOT_S < len(self._own_kw)

    def at(self, slot: int) -> Outside:
        """What was measured in a slot; PlantError outside the measured year."""
        row = self._row(slot)
        own = np.maximum(self._measured.pv_kw[row].astype(np.float64), 0.0)
        spc = self._solar.at(slot).spc_kw
        area_kw = np.bincount(self._district.meters.area, own, self._district.areas) + spc
        return Outside(
            load_kw=np.maximum(self._measured.load_kw[row].astype(np.float64), 0.0),
            solar=SolarPower(own, spc, area_kw),
            heat_kw=self._heat.at(slot),
            air=self._air(slot),
        )

    def areas_at(self, slot: int) -> AreaOutside:
        """The same by area only."""
        outside = self.at(slot)
        load_kw = area_load_kw(self._district, outside.load_kw)
        return AreaOutside(load_kw, outside.solar.area_kw, outside.heat_kw, outside.air)

    def weather_forecast(self, now_slot: int) -> WeatherForecast:
        """Temperature of the newest issue, clouds from what had been seen when it came out."""
        issue = issue_weather(self._weather, self._seed, newest_issue_slot(now_slot))
        seen = self.clouds_before(issue.issue_slot, WEEK_SLOTS)
        lead_h = (issue.slot - issue.issue_slot) / (SLOT_S * SLOTS_PER_HOUR)
        start, mean = float(seen[-RECENT_SLOTS:].mean()), float(seen.mean())
        fading = np.exp(-lead_h / CLOUD_LASTS_H)
        return replace(issue, cloud_frac=mean + (start - mean) * fading)

    def clouds_before(self, end_slot: int, count: int) -> FloatArray:
        """Clouds of the `count` slots before `end_slot`; what the record does not reach is 0.6."""
        slots = slots_from(end_slot - count * SLOT_S, count)
        rows = (slots - self._measured.first_slot) // SLOT_S
        known = (rows >= 0) & (rows < len(self._own_kw))
        own = np.where(known, self._own_kw[np.clip(rows, 0, len(self._own_kw) - 1)], np.nan)
        days, inside = np.divmod(slots, DAY_S)
        clear = np.array(
            [self._clear(int(day))[at // SLOT_S] for day, at in zip(days, inside, strict=True)]
        )
        lit = known & (clear > LIGHT_FRAC * max(float(self._district.meters.pv_kwp.sum()), 1e-9))
        k = np.clip(own[lit] / clear[lit], 0.25, 1.0)
        cloud = np.full(count, np.nan)
        # Kasten and Czeplak turned round: the cover that lets this share of the sun through.
        cloud[lit] = ((1 - k) / 0.75) ** (1 / 3.4)
        return _last_known(cloud)

    def _row(self, slot: int) -> int:
        if not self.knows(slot):
            end = self._measured.first_slot + len(self._own_kw) * SLOT_S
            allowed = f"{iso_of(self._measured.first_slot)} to {iso_of(end - SLOT_S)}"
            raise PlantError(f"slot {iso_of(slot)}: nothing was measured, allowed: {allowed}")
        return (slot - self._measured.first_slot) // SLOT_S

    def _air(self, slot: int) -> Air:
        cloud = float(self.clouds_before(slot + SLOT_S, SLOTS_PER_DAY)[-1])
        return replace(air_of(self._weather, slot), cloud_frac=cloud)

    def _clear_of_day(self, day: int) -> FloatArray:
        """What the meters' own solar would give under a cloudless sky through a UTC day, (96,)."""
        district, meters = self._district, self._district.meters
        per_kwp = clear_sky_kw_per_kwp(
            slots_from(day * DAY_S, SLOTS_PER_DAY),
            district.pv.tilt_deg,
            district.pv.azimuth_deg,
            district.latitude_deg,
            district.longitude_deg,
            district.altitude_m,
            self._weather.run(day * DAY_S, SLOTS_PER_DAY).temperature_c,
            district.pv.inverter_frac,
        )
        kwp = np.bincount(meters.pv_class, meters.pv_kwp, len(district.pv.class_id))
        clear: FloatArray = per_kwp @ kwp
        return clear


def _last_known(values: FloatArray) -> FloatArray:
    """The values with each gap filled by what stood before it, the default before all."""
    place = np.where(np.isfinite(values), np.arange(len(values)), -1)
    place = np.maximum.accumulate(place)
    return np.where(place >= 0, values[place], CLOUD_DEFAULT_FRAC)
