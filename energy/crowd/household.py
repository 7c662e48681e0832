"""What a member expects of its own home for a slot: a rule of thumb, and wrong as people are.

Nobody here sees the plant or the operator's forecasts. A home knows its yearly use and the panels
on its roof, looks at the clock and at the weather forecast, and errs.
"""

from dataclasses import dataclass

import numpy as np

from energy.crowd.members import Crowd, FloatArray
from energy.timegrid import local_calendar, utc_of

# Hourly use over the day's mean. 13 to 15 h and 17 to 24 h: KEPCO's coefficients of August 2015
# (news.sbs.co.kr N1003727397, labels taken as hour-ending); the other hours are an assumption.
HOME_SHAPE = (
    *(0.95, 0.85, 0.78, 0.74, 0.72, 0.74, 0.80, 0.86, 0.90, 0.92, 0.94, 0.97),
    *(1.00, 1.016, 1.017, 1.02, 1.05, 1.091, 1.177, 1.275, 1.330, 1.321, 1.255, 1.126),
)
BUSINESS_SHAPE = (*(0.55,) * 8, *(1.5,) * 11, *(0.9,) * 2, *(0.55,) * 3)
BUSINESS_USES = ("office", "retail", "school", "public", "data_centre")
# Monthly use over the year's mean: August from 363 kWh of 287 (data/README.md), others assumed.
MONTH_SHAPE = (1.05, 1.0, 0.93, 0.88, 0.86, 0.93, 1.13, 1.26, 1.04, 0.89, 0.95, 1.08)
# Power of a panel per kW/m2 on its plane after dirt, wires and inverter; in summer the air is hazy
# and panels are hot, in winter neither. Assumptions, within a tenth of energy.forecast's clear sky.
PERFORMANCE = 0.86
PERFORMANCE_WINTER_GAIN = 0.15
SKY_FRAC = 0.14
USUAL_SUN_FRAC = 0.6
# Nobody expects to draw more than the connection of a home carries, or many times the usual.
HOME_KW_MAX = 5.0
TIMES_MEAN_MAX = 8.0
USE_ERROR_SIGMA = 0.25
SUN_ERROR_SIGMA = 0.15
# By how much a home's quarter hours scatter around what is expected of them: switches and absences,
# clouds (assumptions).
USE_SPREAD_FRAC = 0.6
SUN_SPREAD_FRAC = 0.3


@dataclass(frozen=True, eq=False)
class Guess:
    """What each member expects of its panels and of its use in a slot, mean kW, (N,) each."""

    pv_kw: FloatArray
    use_kw: FloatArray

    @property
    def net_kw(self) -> FloatArray:
        """What is to spare; negative is need."""
        return self.pv_kw - self.use_kw

    @property
    def spread_kw(self) -> FloatArray:
        """Standard deviation of what a quarter hour brings, as everyone knows it of its meter."""
        return np.hypot(USE_SPREAD_FRAC * self.use_kw, SUN_SPREAD_FRAC * self.pv_kw)


def guess_slot(crowd: Crowd, slot: int, sun_frac: float | None) -> Guess:
    """What each member expects of a slot, each wrong in its own way."""
    rng = np.random.default_rng([crowd.district.seed, crowd.seed, 13, slot // 900])
    use_error = rng.lognormal(-0.5 * USE_ERROR_SIGMA**2, USE_ERROR_SIGMA, len(crowd))
    sun_error = rng.lognormal(-0.5 * SUN_ERROR_SIGMA**2, SUN_ERROR_SIGMA, len(crowd))
    seen = USUAL_SUN_FRAC if sun_frac is None else sun_frac
    pv_kw = clear_pv_kw(crowd, slot) * np.minimum(seen * crowd.sun_trust * sun_error, 1.0)
    mean_kw = crowd.district.meters.annual_kwh[crowd.meter] / 8760
    most_kw = np.maximum(HOME_KW_MAX, TIMES_MEAN_MAX * mean_kw)
    return Guess(pv_kw, np.minimum(usual_use_kw(crowd, slot) * use_error, most_kw))


def expected_net_kw(crowd: Crowd, slot: int, sun_frac: float | None) -> FloatArray:
    """Mean power that each member expects to spare in a slot, (N,); negative is need."""
    return guess_slot(crowd, slot, sun_frac).net_kw


def usual_use_kw(crowd: Crowd, slot: int) -> FloatArray:
    """Mean power that each member is used to draw at this time of the day and year, (N,)."""
    meters, rows = crowd.district.meters, crowd.meter
    wall = local_calendar(np.array([slot]), crowd.district.time_zone)
    hour, month = int(wall.hour[0]), int(wall.month[0])
    business = np.isin([meters.use[int(row)] for row in rows], BUSINESS_USES)
    home = HOME_SHAPE[hour] / np.mean(HOME_SHAPE) * MONTH_SHAPE[month - 1] / np.mean(MONTH_SHAPE)
    work = BUSINESS_SHAPE[hour] / np.mean(BUSINESS_SHAPE)
    mean_kw = meters.annual_kwh[rows] * meters.level[rows] / 8760
    return np.asarray(mean_kw * np.where(business, work, home), dtype=np.float64)


def usual_month_kwh(crowd: Crowd, slot: int) -> FloatArray:
    """What each member thinks it draws from the street in the local month of a slot, (N,)."""
    meters, rows = crowd.district.meters, crowd.meter
    wall = local_calendar(np.array([slot]), crowd.district.time_zone)
    season = MONTH_SHAPE[int(wall.month[0]) - 1] / np.mean(MONTH_SHAPE)
    kwh = meters.annual_kwh[rows] * meters.level[rows] / 12 * season
    # Who has panels draws from the street mostly by night.
    return np.asarray(kwh * np.where(meters.pv_kwp[rows] > 0, 0.65, 1.0), dtype=np.float64)


def clear_pv_kw(crowd: Crowd, slot: int) -> FloatArray:
    """Power of each member's panels under a clear sky in the middle of a slot, (N,)."""
    district, rows = crowd.district, crowd.meter
    pv, kwp = district.pv, district.meters.pv_kwp[rows]
    per_kwp = clear_kw_per_kwp(
        slot + 450,
        latitude_deg=district.latitude_deg,
        longitude_deg=district.longitude_deg,
        surfaces=np.stack([pv.tilt_deg, pv.azimuth_deg]),
    )
    winter = np.cos(2 * np.pi * (utc_of(slot).timetuple().tm_yday - 15) / 365)
    performance = PERFORMANCE * (
        1 + PERFORMANCE_WINTER_GAIN * np.sign(district.latitude_deg) * winter
    )
    per_kwp = np.minimum(performance * per_kwp, pv.inverter_frac)
    return kwp * np.where(kwp > 0, per_kwp[district.meters.pv_class[rows]], 0.0)


def clear_kw_per_kwp(
    instant_s: int, *, latitude_deg: float, longitude_deg: float, surfaces: FloatArray
) -> FloatArray:
    """Clear-sky irradiance in kW/m2 on surfaces (2, K) of tilt and azimuth (south is 180), (K,).

    Declination after Cooper (1969), direct beam after Meinel and Meinel (1976):
    1.353 * 0.7^(AM^0.678); a part of it, SKY_FRAC, comes once more from the whole sky.
    """
    when = utc_of(instant_s)
    day = when.timetuple().tm_yday
    latitude, (tilt, azimuth) = np.radians(latitude_deg), np.radians(surfaces)
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day) / 365)
    wobble = 2 * np.pi * (day - 81) / 364
    noon_h = 12 - (9.87 * np.sin(2 * wobble) - 7.53 * np.cos(wobble) - 1.5 * np.sin(wobble)) / 60
    turned = np.radians(15 * (when.hour + when.minute / 60 - noon_h) + longitude_deg)
    height = np.sin(latitude) * np.sin(declination)
    height += np.cos(latitude) * np.cos(declination) * np.cos(turned)
    if height <= 0.02:
        return np.zeros(surfaces.shape[1])
    east = -np.cos(declination) * np.sin(turned)
    north = np.sin(declination) * np.cos(latitude)
    north -= np.cos(declination) * np.sin(latitude) * np.cos(turned)
    facing = height * np.cos(tilt)
    facing = facing + np.sin(tilt) * (east * np.sin(azimuth) + north * np.cos(azimuth))
    direct = 1.353 * 0.7 ** ((1 / height) ** 0.678)
    whole_sky = SKY_FRAC * (1 + np.cos(tilt)) / 2
    return np.asarray(direct * (np.maximum(facing, 0.0) + whole_sky), dtype=np.float64)
