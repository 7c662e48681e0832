"""Joint paths from quantiles: each slot keeps its distribution, the past says what goes together.

Schaake shuffle (Clark et al. 2004): n past days, the same for all series, are ranked slot by slot;
path k reads the forecast's quantile function at its day's rank. Without a past, ranks come from a
Gaussian copula whose correlation fades over the hours.
"""

import numpy as np

from energy.forecast.features import sum_of_known, without_gaps
from energy.forecast.inputs import QUANTILES, FloatArray, ForecastError, History
from energy.forecast.results import DistrictForecast
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

MEMORY_H = 6.0
"""Hours in which the copula's correlation falls to 1/e where no past is given; assumed."""
SERIES = ("load_kw", "pv_kw", "heat_kw")


def scenarios(
    forecast: DistrictForecast, n: int, seed: int, history: History | None = None
) -> dict[str, FloatArray]:
    """Joint paths of the district's load, solar and heat by name, each (n, H) in kW, >= 0.

    history: the record whose days before the issue give the ranks; at least n of them, else the
    copula. The same arguments give the same bytes.
    """
    quantiles = np.stack([forecast.load_district_kw, forecast.pv_district_kw, forecast.heat_kw])
    past = None if history is None else past_paths(history, forecast)
    paths = joint_paths(quantiles, past, n, seed)
    return {name: paths[:, row] for row, name in enumerate(SERIES)}


def joint_paths(quantiles: FloatArray, past: FloatArray | None, n: int, seed: int) -> FloatArray:
    """Paths (n, S, H) of series with quantiles (S, Q, H); past (P, S, H) or None.

    At each slot the n values are the forecast's quantile function at (k - 1/2) / n, k = 1..n, in
    the order of the past's ranks. Never below 0 where the quantiles are not.
    """
    if n < 1:
        raise ForecastError(f"scenarios: {n} paths, allowed: 1 and more")
    rng = np.random.default_rng(seed)
    series, _, slots = quantiles.shape
    if past is not None and len(past) >= n:
        chosen = past[np.sort(rng.permutation(len(past))[:n])]
    else:
        chosen = _copula(rng, n, series, slots)
    # Equal values (solar at night) rank by an order drawn once for the whole path.
    tie = rng.permutation(n)
    ranks = np.empty((n, series, slots), dtype=np.int64)
    place = np.lexsort((np.broadcast_to(tie[:, None, None], chosen.shape), chosen), axis=0)
    np.put_along_axis(ranks, place, np.arange(n)[:, None, None] * np.ones_like(ranks), axis=0)
    levels = quantile_function(quantiles, (np.arange(n) + 0.5) / n)
    return np.take_along_axis(levels, ranks, axis=0)


def quantile_function(quantiles: FloatArray, probability: FloatArray) -> FloatArray:
    """Values (P, S, H) at probabilities (P,): linear between quantiles, their last slope beyond.

    The tails end at 0 where no quantile is negative.
    """
    right = np.clip(np.searchsorted(QUANTILES, probability), 1, len(QUANTILES) - 1)
    low, high = QUANTILES[right - 1], QUANTILES[right]
    share = ((probability - low) / (high - low))[:, None, None]
    by_level = quantiles.transpose(1, 0, 2)
    found = by_level[right - 1] + share * (by_level[right] - by_level[right - 1])
    floor = np.where(quantiles.min(axis=(1, 2)) >= 0, 0.0, -np.inf)
    return np.asarray(np.maximum(found, floor[:, None]))


def past_paths(history: History, forecast: DistrictForecast) -> FloatArray:
    """Whole past paths (P, S, H) that begin at the forecast's time of day and end by its issue."""
    end = int(np.searchsorted(history.slot, forecast.issue_slot))
    horizon = len(forecast.slots)
    series = np.stack(
        [
            without_gaps(sum_of_known(history.load_kw[:end]), 0.0),
            without_gaps(sum_of_known(history.pv_kw[:end]), 0.0),
            without_gaps(history.heat_kw[:end], 0.0),
        ]
    )
    if not end:
        return np.zeros((0, len(SERIES), horizon))
    ahead = (forecast.first_slot - int(history.slot[0])) // SLOT_S
    first = np.arange(ahead % SLOTS_PER_DAY, end - horizon + 1, SLOTS_PER_DAY)
    if not len(first):
        return np.zeros((0, len(SERIES), horizon))
    return np.stack([series[:, at : at + horizon] for at in first])


def _copula(rng: np.random.Generator, n: int, series: int, slots: int) -> FloatArray:
    """Autoregressive normal paths (n, S, H), the series independent of each other."""
    keep = np.exp(-1 / (MEMORY_H * SLOTS_PER_HOUR))
    steps = rng.standard_normal((n, series, slots))
    steps[:, :, 1:] *= np.sqrt(1 - keep**2)
    for at in range(1, slots):
        steps[:, :, at] += keep * steps[:, :, at - 1]
    return steps
