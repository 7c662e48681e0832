"""How many units of a group will be able to run: a renewal process of up and down."""

from collections.abc import Sequence

import numpy as np

from energy.forecast.inputs import FloatArray, ForecastError, UnitRecord


def forecast_unit_availability(units: Sequence[UnitRecord], lead_h: FloatArray) -> FloatArray:
    """Expected number of units able to run, (F, H), at hours `lead_h` (H,) after the observation.

    A unit fails after mtbf_h and is mended after mttr_h in the mean, both exponential, so what is
    known of it now fades with rate 1 / mtbf + 1 / mttr towards mtbf / (mtbf + mttr).
    """
    rows = [_expected(unit, lead_h) for unit in units]
    return np.stack(rows) if rows else np.zeros((0, len(lead_h)))


def _expected(unit: UnitRecord, lead_h: FloatArray) -> FloatArray:
    if not 0 <= unit.up <= unit.count:
        raise ForecastError(f"units able to run: {unit.up} found, allowed: 0..{unit.count}")
    if not (unit.mtbf_h > 0 and unit.mttr_h > 0):
        raise ForecastError(f"unit mtbf {unit.mtbf_h} h, mttr {unit.mttr_h} h: allowed: above 0")
    share = unit.mtbf_h / (unit.mtbf_h + unit.mttr_h)
    fading = np.exp(-(1 / unit.mtbf_h + 1 / unit.mttr_h) * np.maximum(lead_h, 0.0))
    return unit.count * share + (unit.up - unit.count * share) * fading
