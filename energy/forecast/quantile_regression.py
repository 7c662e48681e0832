"""Linear quantile regression: all probabilities at once, by majorising the pinball loss.

Hunter and Lange (2000): with the residual r_k of the last step, the pinball loss of r is at most

    r^2 / (4 (eps + |r_k|)) + (q - 1/2) r + a constant,

and touches it at r_k, so each step is one weighted least squares problem and never worsens the
(smoothed) loss.
"""

import numpy as np

from energy.forecast.inputs import QUANTILES, FloatArray

SMOOTH = 0.03
"""Residuals under this count as quadratic; the target has about unit deviation."""
STEPS = 12


def fit_quantiles(
    x: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    ridge: float,
    start: FloatArray | None = None,
    steps: int = STEPS,
) -> FloatArray:
    """Coefficients (F, Q) that minimise the weighted pinball loss of y (n,) over x (n, F).

    Column 0 of x is the constant. `start` (F, Q) is where to begin, least squares if None. With no
    rows all coefficients are 0.
    """
    columns = x.shape[1]
    if not len(y):
        return np.zeros((columns, len(QUANTILES)))
    w = weight / weight.sum()
    penalty = ridge * np.eye(columns)
    penalty[0, 0] = 1e-9
    if start is None:
        mean = np.linalg.solve((x.T * w) @ x + penalty, x.T @ (w * y))
        start = np.repeat(mean[:, None], len(QUANTILES), axis=1)
    tilt = x.T @ w
    return np.stack(
        [
            _fit_one(x, y, w, 2 * probability - 1, tilt, penalty, start[:, k], steps)
            for k, probability in enumerate(QUANTILES)
        ],
        axis=1,
    )


def _fit_one(
    x: FloatArray,
    y: FloatArray,
    w: FloatArray,
    slope: float,
    tilt: FloatArray,
    penalty: FloatArray,
    start: FloatArray,
    steps: int,
) -> FloatArray:
    coefficients = start
    for _ in range(steps):
        weight = w / (SMOOTH + np.abs(y - x @ coefficients))
        weighted = x.T * weight
        found = np.linalg.solve(weighted @ x + penalty, weighted @ y + slope * tilt)
        coefficients = np.asarray(found)
    return coefficients
