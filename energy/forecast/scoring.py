"""What every score of a forecast rests on: the bands by their promise, and the pinball loss."""

import numpy as np

from energy.forecast.inputs import QUANTILES, FloatArray

WIDTHS = {50: (2, 4), 80: (1, 5), 90: (0, 6)}
"""Bands by what they promise in per cent, as positions of their edges in QUANTILES."""


def pinball(quantiles: FloatArray, truth: FloatArray) -> FloatArray:
    """Pinball loss (..., Q, H) of quantiles (..., Q, H) against truth (..., H), in kW."""
    error = truth[..., None, :] - quantiles
    level = QUANTILES[:, None]
    return np.maximum(level * error, (level - 1) * error)
