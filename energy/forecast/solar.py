"""Solar power under a clear sky, by physics alone: sun, sky, plane, cell, inverter.

Everything is computed at the middle of the slot. The simulated plant uses the same functions for
its panels and puts its own clouds over them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from pvlib import atmosphere, clearsky, inverter, irradiance, pvsystem, solarposition, temperature

from energy.forecast.inputs import FloatArray, IntArray
from energy.units import SLOT_S, SLOTS_PER_DAY

DAY_S = SLOT_S * SLOTS_PER_DAY
ALBEDO = 0.2
GAMMA_PER_K = -0.0037
"""Power lost per kelvin of cell temperature; PVWatts' value for standard silicon is -0.0047, for
premium silicon -0.0035; today's modules lie close to the latter."""
SYSTEM_LOSS_FRAC = 0.11
"""Soiling, mismatch, wiring, ageing: PVWatts' 14 % without its shading, which is 3 %."""
ETA_INVERTER = 0.96
WIND_M_PER_S = 1.5


@dataclass(frozen=True, eq=False)
class Sky:
    """Sun and clear sky at slot mid-points, all (T,): degrees, and W/m2 on the horizontal or beam.

    elevation_deg is the apparent one, refraction included; everything is 0 below the horizon.
    """

    elevation_deg: FloatArray
    zenith_deg: FloatArray
    azimuth_deg: FloatArray
    ghi_w_per_m2: FloatArray
    dni_w_per_m2: FloatArray
    dhi_w_per_m2: FloatArray
    dni_extra_w_per_m2: FloatArray


def clear_sky_kw_per_kwp(
    slots: IntArray,
    tilt_deg: FloatArray,
    azimuth_deg: FloatArray,
    latitude_deg: float,
    longitude_deg: float,
    altitude_m: float,
    temperature_c: FloatArray,
    inverter_frac: float = 1.0,
    wind_m_per_s: float | FloatArray = WIND_M_PER_S,
) -> FloatArray:
    """AC power per installed kWp under a cloudless sky, (T, K), kW/kWp in [0, inverter_frac].

    slots (T,) may be in any order; tilt_deg, azimuth_deg (K,) of the surface classes (180 = south);
    temperature_c (T,) of the air, no NaN; inverter_frac the inverter's AC limit per kWp. Exactly 0
    where the sun is below the horizon at mid-slot.
    """
    sky = sky_at(slots, latitude_deg, longitude_deg, altitude_m)
    up = sky.elevation_deg > 0
    poa = np.zeros((len(slots), len(tilt_deg)))
    poa[up] = _plane_w_per_m2(_rows(sky, up), tilt_deg, azimuth_deg)
    air_c = np.asarray(temperature_c, dtype=np.float64)[:, None]
    wind = np.broadcast_to(wind_m_per_s, (len(slots),))[:, None]
    cell_c = temperature.faiman(poa, air_c, wind)
    dc = pvsystem.pvwatts_dc(poa, cell_c, 1.0, GAMMA_PER_K) * (1 - SYSTEM_LOSS_FRAC)
    ac = inverter.pvwatts(np.maximum(dc, 0.0), inverter_frac / ETA_INVERTER, ETA_INVERTER)
    return np.where(poa > 0, np.clip(ac, 0.0, inverter_frac), 0.0)


def sky_at(slots: IntArray, latitude_deg: float, longitude_deg: float, altitude_m: float) -> Sky:
    """Sun position and Ineichen clear sky of the slots' mid-points; computed once per UTC day."""
    day, inside = np.divmod(np.asarray(slots, dtype=np.int64), DAY_S)
    days, at = np.unique(day, return_inverse=True)
    if not len(days):
        return Sky(*np.zeros((len(Sky.__dataclass_fields__), 0)))
    table = np.stack([_sky_of_day(int(d), latitude_deg, longitude_deg, altitude_m) for d in days])
    return Sky(*table[at, :, inside // SLOT_S].T)


def cloudless_frac(cloud_frac: FloatArray) -> FloatArray:
    """Share of the clear sky's global irradiance that a cloud cover lets through, 0.25..1.

    Source: Kasten and Czeplak (1980), hourly means at Hamburg: 1 - 0.75 n^3.4, n in 0..1.
    """
    return 1 - 0.75 * np.clip(cloud_frac, 0.0, 1.0) ** 3.4


@lru_cache(maxsize=512)
def _sky_of_day(
    day: int, latitude_deg: float, longitude_deg: float, altitude_m: float
) -> npt.NDArray[np.float64]:
    """The seven columns of `Sky` for one UTC day since 1970, (7, 96)."""
    middle = pd.to_datetime(
        day * DAY_S + SLOT_S // 2 + SLOT_S * np.arange(SLOTS_PER_DAY), unit="s", utc=True
    )
    sun = solarposition.get_solarposition(middle, latitude_deg, longitude_deg, altitude_m)
    zenith = sun["apparent_zenith"].to_numpy()
    up = zenith < 90.0
    pressure_pa = atmosphere.alt2pres(altitude_m)
    airmass = atmosphere.get_absolute_airmass(
        atmosphere.get_relative_airmass(np.where(up, zenith, 0.0)), pressure_pa
    )
    turbidity = _turbidity(latitude_deg, longitude_deg)[middle[48].month - 1]
    extra = irradiance.get_extra_radiation(middle.dayofyear.to_numpy())
    clear = clearsky.ineichen(np.where(up, zenith, 0.0), airmass, turbidity, altitude_m, extra)
    columns = (
        90.0 - zenith,
        zenith,
        sun["azimuth"].to_numpy(),
        np.where(up, clear["ghi"], 0.0),
        np.where(up, clear["dni"], 0.0),
        np.where(up, clear["dhi"], 0.0),
        np.asarray(extra),
    )
    return np.stack(columns)


@lru_cache(maxsize=16)
def _turbidity(latitude_deg: float, longitude_deg: float) -> tuple[float, ...]:
    """Linke turbidity of the place by month, from the climatology that pvlib carries (SoDa)."""
    months = pd.DatetimeIndex([f"2025-{month:02d}-15" for month in range(1, 13)], tz="UTC")
    table = clearsky.lookup_linke_turbidity(
        months, latitude_deg, longitude_deg, interp_turbidity=False
    )
    return tuple(float(value) for value in table)


def _rows(sky: Sky, which: npt.NDArray[np.bool_]) -> Sky:
    return Sky(*(getattr(sky, name)[which] for name in Sky.__dataclass_fields__))


def _plane_w_per_m2(sky: Sky, tilt_deg: FloatArray, azimuth_deg: FloatArray) -> FloatArray:
    """Irradiance on the tilted planes (T, K): beam, Hay-Davies sky and reflected ground."""
    tilt, azimuth = np.asarray(tilt_deg)[None, :], np.asarray(azimuth_deg)[None, :]
    zenith, sun_azimuth = sky.zenith_deg[:, None], sky.azimuth_deg[:, None]
    projection = irradiance.aoi_projection(tilt, azimuth, zenith, sun_azimuth)
    diffuse = irradiance.haydavies(
        tilt,
        azimuth,
        sky.dhi_w_per_m2[:, None],
        sky.dni_w_per_m2[:, None],
        sky.dni_extra_w_per_m2[:, None],
        zenith,
        sun_azimuth,
    )
    ground = irradiance.get_ground_diffuse(tilt, sky.ghi_w_per_m2[:, None], ALBEDO)
    beam = sky.dni_w_per_m2[:, None] * np.maximum(projection, 0.0)
    return np.asarray(np.maximum(beam + diffuse + ground, 0.0))
