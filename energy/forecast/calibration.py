"""Bands that keep their promise: what was issued is compared with what came, and stretched.

A fitted band is as wide as the days that taught it; the days to come are others. So for every lead
bucket and quantile a factor on the distance from the median follows the misses of the forecasts as
they were issued: after a day with more misses than the quantile allows the band grows, after one
with fewer it shrinks, in proportion. In the long run each quantile has its share, whatever the
series does (the argument of adaptive conformal inference: Gibbs and Candes 2021, arXiv 2106.00170).
"""

from dataclasses import dataclass

import numpy as np

from energy.forecast.inputs import MEDIAN, QUANTILES, FloatArray, IntArray
from energy.forecast.series import BUCKET_END
from energy.units import SLOT_S

GAIN_PER_DAY = 0.4
"""How far a day of nothing but misses moves the factor's logarithm."""
LOG_MAX = 1.2
"""A band never grows or shrinks by more than 3.3 times: beyond that the model is wrong."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """`log_stretch` (B, Q): logarithm of the factor on each quantile's distance from the median."""

    log_stretch: FloatArray

    def as_rows(self) -> list[list[float]]:
        """The numbers for a store, as `Calibration(np.array(rows))` takes them back."""
        return [[float(one) for one in row] for row in self.log_stretch]


@dataclass(frozen=True, eq=False)
class Issue:
    """A forecast as it went out: quantiles (Q, H) of the slots that begin with `first_slot`."""

    first_slot: int
    quantiles: FloatArray

    def known_at(self, bucket: int) -> int:
        """The slot from which on all readings of a lead bucket are there."""
        return self.first_slot + int(BUCKET_END[bucket]) * SLOT_S


def uncalibrated() -> Calibration:
    """Bands as they were fitted."""
    return Calibration(np.zeros((len(BUCKET_END), len(QUANTILES))))


def bucket_of(lead_slots: IntArray) -> IntArray:
    """The bucket of each lead, counted in slots from 0."""
    found = np.searchsorted(BUCKET_END, lead_slots, side="right")
    return np.asarray(np.minimum(found, len(BUCKET_END) - 1), dtype=np.int64)


def stretched(calibration: Calibration, quantiles: FloatArray) -> FloatArray:
    """The quantiles (Q, H, ...) with calibrated distances from the median, rising; lead 0 first.

    The median stays, and so does a band of no width.
    """
    lead = np.arange(quantiles.shape[1])
    factor = np.exp(calibration.log_stretch[bucket_of(lead)].T)
    factor = factor.reshape(*factor.shape, *(1,) * (quantiles.ndim - 2))
    middle = quantiles[MEDIAN]
    return np.sort(middle + factor * (quantiles - middle), axis=0)


def learnt(
    calibration: Calibration, issue: Issue, truth: FloatArray, bucket: int, days: float
) -> Calibration:
    """The calibration after the readings of one lead bucket of an issue have come.

    truth (H,) with NaN where not known; `days`: how much time lies between two issues that are
    learnt from, so that many a day teach no more than one. Slots whose band has no width say
    nothing.
    """
    low = int(BUCKET_END[bucket - 1]) if bucket else 0
    rows = slice(low, min(int(BUCKET_END[bucket]), len(truth)))
    said, came = issue.quantiles[:, rows], truth[rows]
    known = np.isfinite(came) & (said[-1] > said[0])
    if not known.any():
        return calibration
    said, came = said[:, known], came[known]
    below = (came < said).mean(axis=1) - QUANTILES
    above = (came > said).mean(axis=1) - (1 - QUANTILES)
    missed = np.where(QUANTILES < 0.5, below, above)
    missed[MEDIAN] = 0.0
    moved = calibration.log_stretch.copy()
    moved[bucket] = np.clip(moved[bucket] + GAIN_PER_DAY * days * missed, -LOG_MAX, LOG_MAX)
    return Calibration(moved)


class Tracker:
    """A calibration that learns from issues in the order in which their readings come."""

    def __init__(self, calibration: Calibration, days: float) -> None:
        self.calibration = calibration
        self._days = days
        self._open: list[list[Issue]] = [[] for _ in BUCKET_END]

    def issued(self, issue: Issue) -> None:
        """Remember a forecast that has gone out."""
        for waiting in self._open:
            waiting.append(issue)

    def resume(self, issue: Issue, learnt_slot: int) -> None:
        """Remember an earlier forecast whose readings until `learnt_slot` have taught already."""
        for bucket, waiting in enumerate(self._open):
            if issue.known_at(bucket) > learnt_slot:
                waiting.append(issue)

    def learn(self, now_slot: int, slots: IntArray, values: FloatArray) -> None:
        """Learn from every bucket of an issue that is over at `now_slot`.

        slots (T,) contiguous with readings (T,), NaN where not known; those of `now_slot` and
        later are never read.
        """
        for bucket, waiting in enumerate(self._open):
            while waiting and waiting[0].known_at(bucket) <= now_slot:
                issue = waiting.pop(0)
                truth = _readings(issue, now_slot, slots, values)
                self.calibration = learnt(self.calibration, issue, truth, bucket, self._days)


def _readings(issue: Issue, now_slot: int, slots: IntArray, values: FloatArray) -> FloatArray:
    """What is known of the issue's slots (H,), NaN where nothing is."""
    horizon = issue.quantiles.shape[1]
    at = (issue.first_slot - int(slots[0])) // SLOT_S + np.arange(horizon)
    end = min(len(slots), (now_slot - int(slots[0])) // SLOT_S)
    there = (at >= 0) & (at < end)
    found = np.full(horizon, np.nan)
    found[there] = values[at[there]]
    return found
