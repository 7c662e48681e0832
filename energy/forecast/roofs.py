"""What a single roof will give: its part of the district's sun, as unsure as one place is.

A roof has no meter of its own, so what is known of one place is known of the areas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy.forecast.features import NORMAL_Z
from energy.forecast.homes import LOOK_BACK_DAYS, HomeDay
from energy.forecast.inputs import MEDIAN, FloatArray, IntArray, PvClasses, Site
from energy.forecast.pv import clear_sky_kw
from energy.forecast.solar import clear_sky_kw_per_kwp

AIR_C = 15.0
ROOF_SPREAD = 0.15
"""Of one place's sun about the district's, before any day has told it: an assumption."""
LIT_FRAC = 0.05
AWAY_MAX = 2.0
"""An area further from its part than seven times is a fault of its meter."""


@dataclass(frozen=True)
class Roof:
    """Solar behind one meter: its kWp and the surface class that it belongs to."""

    kwp: float
    pv_class: int


def forecast_roof(
    slots: IntArray,
    pv: PvClasses,
    site: Site,
    roof: Roof,
    district_kw: FloatArray,
    days: Sequence[HomeDay] = (),
) -> FloatArray:
    """Solar of one roof (Q, H), kW, from the district's quantiles (Q, H): one sky is over all.

    Its part is that of its plane under a clear sky; its band is the district's with the spread of
    one place added, taken as independent of it. Never above its inverter.
    """
    if roof.kwp <= 0:
        return np.zeros_like(district_kw)
    part = roof_parts(slots, pv, site, np.array([roof.kwp]), np.array([roof.pv_class]))
    whole = district_kw * part
    middle = whole[MEDIAN]
    known = [float(day.roof_spread[0]) for day in days[-LOOK_BACK_DAYS:]]
    told = [one for one in known if np.isfinite(one)]
    spread = float(np.mean(told)) if told else ROOF_SPREAD
    own = np.hypot(whole - middle, middle * spread * NORMAL_Z[:, None])
    found = middle + np.sign(NORMAL_Z)[:, None] * own
    return np.sort(np.clip(found, 0.0, roof.kwp * pv.inverter_frac), axis=0)


def spread_of_roofs(slots: IntArray, pv: PvClasses, site: Site, area_kw: FloatArray) -> float:
    """How far the areas' sun (S, A) lies from their parts of it, NaN where it is too dark to tell.

    The deviation of the logarithm over areas with roofs, in slots in which the district gives a
    twentieth of its peak power or more.
    """
    areas, classes = pv.kwp.shape
    parts = roof_parts(slots, pv, site, pv.kwp.ravel(), np.tile(np.arange(classes), areas))
    usual = parts.reshape(areas, classes, len(slots)).sum(axis=1).T
    total = area_kw.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        lit = total > LIT_FRAC * pv.kwp.sum()
        away = np.log(area_kw / (usual * total[:, None]))
    known = np.isfinite(away) & lit[:, None] & (np.abs(away) < AWAY_MAX)
    return float(np.sqrt(np.mean(away[known] ** 2))) if known.any() else np.nan


def roof_parts(
    slots: IntArray, pv: PvClasses, site: Site, kwp: FloatArray, pv_class: IntArray
) -> FloatArray:
    """Each roof's part of all the district's sun under a clear sky, (R, H)."""
    air_c = np.full(len(slots), AIR_C)
    place = (site.latitude_deg, site.longitude_deg, site.altitude_m)
    per_kwp = clear_sky_kw_per_kwp(
        slots, pv.tilt_deg, pv.azimuth_deg, *place, air_c, pv.inverter_frac
    )
    total = clear_sky_kw(slots, pv, site, air_c).sum(axis=1)
    even = 1.0 / max(float(pv.kwp.sum()), 1e-9)
    part = np.where(total[:, None] > 0, per_kwp / np.maximum(total, 1e-9)[:, None], even)
    return np.asarray(kwp[:, None] * part[:, pv_class].T)
