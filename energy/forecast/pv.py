"""Solar power: clear-sky physics times an index k that the clouds decide.

k = P / P_clear is learnt district-wide (one weather for all roofs) from the last 28 days, as a
curve over cloud cover, once per lead bucket. The record holds observed clouds, a forecast has an
error: the curve of a bucket is fitted to clouds blurred by that bucket's error, so both its slope
and its band are those of the forecast. What was measured in the last hour pulls the next hours and
fades as it did in the record.
"""

from dataclasses import dataclass, replace

import numpy as np

from energy.forecast.features import (
    NORMAL_Z,
    Weather,
    column_quantiles,
    sum_of_known,
    without_gaps,
)
from energy.forecast.inputs import (
    MEDIAN,
    FloatArray,
    History,
    IntArray,
    PvClasses,
    Site,
)
from energy.forecast.results import Quantiles, Tier
from energy.forecast.solar import clear_sky_kw_per_kwp, cloudless_frac, sky_at
from energy.units import SLOT_S, SLOTS_PER_HOUR

K_MAX = 1.5
K_ROW_FRAC_MIN = 0.02
"""Rows under this share of the capacity teach nothing about k."""
ROWS_FITTED_MIN = 7 * 30
"""About seven days of rows with light."""
BUCKET_END_H = (1.0, 4.0, 12.0, 24.0, np.inf)
CLOUD_ERROR_FRAC = (0.08, 0.12, 0.16, 0.19, 0.23)
"""Assumed standard error of the forecast cloud cover per bucket, until issues are archived."""
CLOUD_EDGES = (0.3, 0.7)
LOW_SUN_DEG = 20.0
BLUR_Z: FloatArray = np.array([-1.4, -0.53, 0.0, 0.53, 1.4])
K_SPREAD_DEFAULT = 0.25
PRIOR_ROWS = 20.0
TEMPERATURE_DEFAULT_C = 15.0


@dataclass(frozen=True, eq=False)
class _Record:
    """Rows with light: k of the district (n,), its weight, cloud, sun, and the area ratios."""

    k: FloatArray
    weight: FloatArray
    cloud_frac: FloatArray
    low_sun: IntArray


@dataclass(frozen=True, eq=False)
class _Curve:
    """k over cloud cover for one lead bucket: coefficients (4,), residual quantiles (Q, 6)."""

    coefficients: FloatArray
    residual: FloatArray


def forecast_pv(
    known: History, weather: Weather, classes: PvClasses, site: Site, slots: IntArray
) -> Quantiles:
    """Solar power of each area and, modelled on the sum, of the district; kW, (Q, H, A), (Q, H).

    known: record that ends at the issue. Within [0, AC capacity]; exactly 0, of no width, where
    the sun is down. Tier F0 with cloud forecast and a week of light, F3 without the forecast, F4
    without the record.
    """
    past_c = without_gaps(weather.past_temperature_c, TEMPERATURE_DEFAULT_C)
    coming_c = weather.temperature_c
    if coming_c is None:
        coming_c = np.full(len(slots), past_c.mean() if len(past_c) else TEMPERATURE_DEFAULT_C)
    past_kw = clear_sky_kw(known.slot, classes, site, past_c)
    coming_kw = clear_sky_kw(slots, classes, site, coming_c)
    capacity_kw = classes.kwp.sum(axis=1) * classes.inverter_frac
    blind = weather.cloud_frac is None
    known = replace(known, pv_kw=_possible(known.pv_kw, classes.kwp.sum(axis=1)))
    record, k_rows = _record(known, weather, past_kw, capacity_kw.sum(), site, blind)
    tier, reason = _tier(len(record.k), blind, weather.reason)
    lead_h = _lead_h(known, slots)
    curves = _curves(record, blind)
    coming_sky = sky_at(slots, site.latitude_deg, site.longitude_deg, site.altitude_m)
    cloud = np.full(len(slots), 0.5) if weather.cloud_frac is None else weather.cloud_frac
    low_sun = (coming_sky.elevation_deg < LOW_SUN_DEG).astype(np.int64)
    middle, band = _k_of_slots(curves, cloud, low_sun, lead_h)
    pull, width = _live(k_rows, known, weather, curves[0], lead_h, blind)
    middle, band = middle + pull, band * width
    level, spread = _areas_against_district(known.pv_kw, past_kw, k_rows)
    district = _to_kw(middle, band, coming_kw.sum(axis=1), capacity_kw.sum())
    k_area = middle[None, :, None] * level + band[:, :, None] * spread
    area = np.clip(k_area, 0.0, K_MAX) * coming_kw
    area = np.minimum(np.sort(area, axis=0), capacity_kw)
    return Quantiles(area, district, tier, reason)


def clear_sky_kw(
    slots: IntArray, classes: PvClasses, site: Site, temperature_c: FloatArray
) -> FloatArray:
    """Clear-sky AC power of each area, kW, (T, A)."""
    per_kwp = clear_sky_kw_per_kwp(
        slots,
        classes.tilt_deg,
        classes.azimuth_deg,
        site.latitude_deg,
        site.longitude_deg,
        site.altitude_m,
        temperature_c,
        classes.inverter_frac,
    )
    return per_kwp @ classes.kwp.T


def _possible(pv_kw: FloatArray, kwp: FloatArray) -> FloatArray:
    """Solar readings (T, A) with NaN where they exceed 1.2 kW per installed kWp."""
    with np.errstate(invalid="ignore"):
        return np.where(pv_kw <= 1.2 * kwp + 1e-6, pv_kw, np.nan)


def _record(
    known: History,
    weather: Weather,
    clear_kw: FloatArray,
    capacity_kw: float,
    site: Site,
    blind: bool,
) -> tuple[_Record, FloatArray]:
    """Rows with light, and k of every slot of the record (T,) with NaN elsewhere."""
    clear = clear_kw.sum(axis=1)
    lit = clear > max(K_ROW_FRAC_MIN * capacity_kw, 1e-9)
    k = np.full(len(clear), np.nan)
    k[lit] = np.clip(sum_of_known(known.pv_kw)[lit] / clear[lit], 0.0, K_MAX)
    cloud = np.full(len(clear), 0.5) if blind else weather.past_cloud_frac
    rows = np.isfinite(k) & np.isfinite(cloud)
    sky = sky_at(known.slot, site.latitude_deg, site.longitude_deg, site.altitude_m)
    low = sky.elevation_deg < LOW_SUN_DEG
    return _Record(k[rows], clear[rows], cloud[rows], low[rows].astype(np.int64)), k


def _tier(rows: int, blind: bool, weather_reason: str) -> tuple[Tier, str]:
    if rows < ROWS_FITTED_MIN // 7:
        return "F4", f"{rows} slots with light in the record, allowed: {ROWS_FITTED_MIN // 7} up"
    if blind:
        return "F3", weather_reason
    if rows < ROWS_FITTED_MIN:
        return "F3", f"{rows} slots with light in the record, wanted: {ROWS_FITTED_MIN}"
    return "F0", ""


def _columns(cloud_frac: FloatArray) -> FloatArray:
    """Regressors of k; the second is Kasten and Czeplak's attenuation, the default curve."""
    c = np.clip(cloud_frac, 0.0, 1.0)
    return np.stack([np.ones_like(c), cloudless_frac(c), c, c**2], axis=-1)


def _curves(record: _Record, blind: bool) -> list[_Curve]:
    """One curve per lead bucket; without a cloud forecast the buckets are alike."""
    errors = (0.0,) * len(CLOUD_ERROR_FRAC) if blind else CLOUD_ERROR_FRAC
    return [_curve(record, error) for error in errors]


def _curve(record: _Record, cloud_error_frac: float) -> _Curve:
    """Weighted ridge regression of k towards the default curve, and its residual quantiles."""
    cloud = np.clip(record.cloud_frac[None, :] + cloud_error_frac * BLUR_Z[:, None], 0.0, 1.0)
    columns = _columns(cloud).reshape(-1, 4)
    k = np.tile(record.k, len(BLUR_Z))
    scale = max(float(record.weight.mean()), 1e-9) if len(record.weight) else 1.0
    weight = np.tile(record.weight / scale, len(BLUR_Z))
    default = np.array([0.0, 1.0, 0.0, 0.0])
    gram = (columns * weight[:, None]).T @ columns + PRIOR_ROWS * np.eye(4)
    moved = np.linalg.solve(gram, columns.T @ (weight * (k - columns @ default)))
    coefficients = default + moved
    residual = k - columns @ coefficients
    bins = _bin_of(cloud.ravel(), np.tile(record.low_sun, len(BLUR_Z)))
    return _Curve(coefficients, _residual_quantiles(residual, bins))


def _bin_of(cloud_frac: FloatArray, low_sun: IntArray) -> IntArray:
    """Bin 0..5: three classes of cloud x sun low or high."""
    return np.digitize(cloud_frac, CLOUD_EDGES) * 2 + low_sun


def _residual_quantiles(residual: FloatArray, bins: IntArray) -> FloatArray:
    """Quantiles (Q, 6) per bin; a bin of few rows leans on the normal default."""
    pieces = [residual[bins == at] for at in range(2 * (len(CLOUD_EDGES) + 1))]
    found = np.stack([column_quantiles(piece[:, None])[:, 0] for piece in pieces], axis=1)
    count = np.array([len(piece) for piece in pieces]) / len(BLUR_Z)
    trust = count / (count + PRIOR_ROWS)
    return trust * found + (1 - trust) * K_SPREAD_DEFAULT * NORMAL_Z[:, None]


def _k_of_slots(
    curves: list[_Curve], cloud_frac: FloatArray, low_sun: IntArray, lead_h: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """P50 of k (H,) and the distance of each quantile from it (Q, H)."""
    bucket = np.searchsorted(BUCKET_END_H, lead_h)
    coefficients = np.stack([curve.coefficients for curve in curves])[bucket]
    residual = np.stack([curve.residual for curve in curves])[bucket]
    own = np.take_along_axis(residual, _bin_of(cloud_frac, low_sun)[:, None, None], axis=2)[
        :, :, 0
    ].T
    middle = np.sum(_columns(cloud_frac) * coefficients, axis=1) + own[MEDIAN]
    return middle, own - own[MEDIAN]


def _live(
    k_rows: FloatArray,
    known: History,
    weather: Weather,
    curve: _Curve,
    lead_h: FloatArray,
    blind: bool,
) -> tuple[FloatArray, FloatArray]:
    """Pull of the last hour's k on the coming slots (H,), and the band's factor (H,) in 0..1.

    Both follow the autocorrelation of the record's own residuals, taken as rho0 exp(-lead / tau).
    """
    cloud = np.full(len(k_rows), 0.5) if blind else weather.past_cloud_frac
    residual = k_rows - _columns(cloud) @ curve.coefficients
    recent = residual[-SLOTS_PER_HOUR:]
    recent = recent[np.isfinite(recent)]
    if len(recent) < 2:
        return np.zeros(len(lead_h)), np.ones(len(lead_h))
    rho = np.array([_autocorrelation(residual, hours * SLOTS_PER_HOUR) for hours in (1, 2, 3)])
    if rho[0] <= 0.05:
        return np.zeros(len(lead_h)), np.ones(len(lead_h))
    ratio = np.clip(np.sqrt(max(rho[2], 1e-3) / rho[0]), 0.05, 0.95)
    tau_h = -1.0 / np.log(ratio)
    fading = np.minimum(rho[0] * np.exp(-(lead_h - 1.0) / tau_h), 0.97)
    return fading * recent.mean(), np.sqrt(1 - fading**2)


def _autocorrelation(residual: FloatArray, lag: int) -> float:
    if len(residual) <= lag:
        return 0.0
    early, late = residual[:-lag], residual[lag:]
    both = np.isfinite(early) & np.isfinite(late)
    scale = float(np.sum(early[both] ** 2))
    return float(np.sum(early[both] * late[both])) / scale if both.sum() > 20 and scale > 0 else 0.0


def _areas_against_district(
    pv_kw: FloatArray, clear_kw: FloatArray, k: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Level of each area's k against the district's (A,), and width of its band in multiples.

    The level is shrunk to 1 with the energy of three clear days, so that a new roof counts as
    usual; the width comes from the area's own wandering about the district's k.
    """
    rows = np.isfinite(k) & (clear_kw.sum(axis=1) > 0)
    areas = pv_kw.shape[1]
    if rows.sum() < PRIOR_ROWS:
        return np.ones(areas), np.full(areas, 1.1)
    own, clear, district = pv_kw[rows], clear_kw[rows], k[rows][:, None]
    seen = np.isfinite(own) & (clear > 1e-6)
    own = np.where(seen, own, 0.0)
    expected = np.where(seen, clear * district, 0.0)
    prior = 3 * clear_kw.sum(axis=0) / max(len(clear_kw) / 96, 1.0)
    level = np.clip((own.sum(axis=0) + prior) / (expected.sum(axis=0) + prior + 1e-9), 0.0, K_MAX)
    wander = np.where(seen, own - expected * level, 0.0)
    own_var = np.sum(wander**2, axis=0) / np.maximum(np.sum(np.where(seen, clear, 0) ** 2, 0), 1e-9)
    k_var = max(float(np.var(district)), 1e-4)
    return level, np.sqrt(1 + np.minimum(own_var / k_var, 4.0))


def _to_kw(
    middle: FloatArray, band: FloatArray, clear_kw: FloatArray, capacity_kw: float
) -> FloatArray:
    k = np.clip(middle + band, 0.0, K_MAX)
    return np.minimum(np.sort(k * clear_kw, axis=0), capacity_kw)


def _lead_h(known: History, slots: IntArray) -> FloatArray:
    """Hours from the end of the record to the middle of each slot."""
    end = int(known.slot[-1]) + SLOT_S if len(known.slot) else int(slots[0])
    return (slots + SLOT_S / 2 - end) / 3600
