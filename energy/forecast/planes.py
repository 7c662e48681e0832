"""Which planes stand behind a solar meter: fitted to the brightest of each quarter of the day."""

import numpy as np
from scipy.optimize import nnls

from energy.forecast.inputs import FloatArray, IntArray, Site
from energy.forecast.solar import clear_sky_kw_per_kwp
from energy.units import SLOTS_PER_DAY

TILTS_DEG = (10.0, 30.0, 60.0)
AZIMUTHS_DEG = tuple(45.0 * k for k in range(8))
BLOCK_DAYS = 14
BRIGHT = 0.9
AIR_C = 15.0


def fit_planes(slot: IntArray, pv_kw: FloatArray, site: Site) -> FloatArray:
    """Installed kWp (K,) of the plane classes that best explain the brightest quarters of (T,).

    Every two weeks' P90 of each UTC quarter is taken for a clear sky; so shading and a wrong place
    are learnt as planes. All 0 where the record has no light.
    """
    block = BLOCK_DAYS * SLOTS_PER_DAY
    blocks = max(len(slot) // block, 1)
    per_kwp = clear_sky_of_planes(slot, site)
    shapes, bright = [], []
    # Blocks end with the record: its newest days always count.
    for k in range(blocks):
        rows = slice(max(0, len(slot) - (k + 1) * block), len(slot) - k * block)
        days = len(slot[rows]) // SLOTS_PER_DAY
        if not days:
            break
        own = pv_kw[rows][-days * SLOTS_PER_DAY :].reshape(days, SLOTS_PER_DAY)
        seen = np.isfinite(own).any(axis=0)
        filled = np.where(seen, own, 0.0)
        bright.append(np.nanquantile(filled, BRIGHT, axis=0)[seen])
        shape = per_kwp[rows][-days * SLOTS_PER_DAY :].reshape(days, SLOTS_PER_DAY, -1)
        shapes.append(shape.mean(axis=0)[seen])
    if not bright:
        return np.zeros(per_kwp.shape[1])
    kwp, _ = nnls(np.concatenate(shapes), np.concatenate(bright))
    return np.asarray(kwp)


def clear_sky_of_planes(slot: IntArray, site: Site) -> FloatArray:
    """Clear-sky power per kWp of each plane class, (T, K)."""
    tilt = np.repeat(TILTS_DEG, len(AZIMUTHS_DEG))
    azimuth = np.tile(AZIMUTHS_DEG, len(TILTS_DEG))
    air_c = np.full(len(slot), AIR_C)
    place = (site.latitude_deg, site.longitude_deg, site.altitude_m)
    return clear_sky_kw_per_kwp(slot, tilt, azimuth, *place, air_c)
