"""Scores by lead: pinball, CRPS, errors of the median, coverage, skill with its confidence."""

from dataclasses import asdict, dataclass

import numpy as np

from energy.backtest.replay import Replay
from energy.forecast.inputs import MEDIAN, BoolArray, FloatArray, IntArray
from energy.forecast.scoring import WIDTHS, pinball
from energy.units import SLOT_S, SLOTS_PER_DAY

BUCKETS_H = ((0, 1), (1, 4), (4, 12), (12, 24), (24, 48), (12, 36), (0, 48))
DRAWS = 1000


@dataclass(frozen=True)
class Score:
    """Figures of one lead bucket; errors in shares of the norm, skills in shares of the reference.

    crps: twice the mean pinball of the seven quantiles. Skill is 1 - CRPS / the reference's CRPS,
    persistence's being its absolute error, with the 95 % interval of a bootstrap over days.
    """

    leads_h: str
    values: int
    pinball: float
    crps: float
    rcrps: float
    nmae: float
    nrmse: float
    cover_50: float
    cover_80: float
    cover_90: float
    skill_persistence: float
    skill_persistence_low: float
    skill_persistence_high: float
    skill_climatology: float
    skill_climatology_low: float
    skill_climatology_high: float
    climatology_cover_80: float

    def as_json(self) -> dict[str, object]:
        """The figures for programs."""
        return asdict(self)


def score_table(replay: Replay) -> list[Score]:
    """A score per lead bucket, then day-ahead (12-36 h), then all leads."""
    lead_h = (np.arange(replay.truth.shape[1]) + 0.5) * replay.step_slots / 4
    found = []
    for low, high in BUCKETS_H:
        chosen = (lead_h >= low) & (lead_h < high)
        if chosen.any():
            found.append(_score(replay, f"{low}-{high}", chosen))
    return found


def _score(replay: Replay, name: str, chosen: BoolArray) -> Score:
    truth = replay.truth[:, chosen]
    own = replay.quantiles[:, :, chosen]
    climate = replay.climatology[:, :, chosen]
    point = replay.persistence[:, chosen]
    known = np.isfinite(truth) & np.isfinite(point) & np.isfinite(climate).all(axis=1)
    loss = 2 * pinball(own, truth).mean(axis=1)
    climate_loss = 2 * pinball(climate, truth).mean(axis=1)
    point_loss = np.abs(point - truth)
    error = (own[:, MEDIAN] - truth)[known]
    day = replay.issue // (SLOT_S * SLOTS_PER_DAY)
    crps = float(loss[known].mean())
    versus_point = _skill(loss, point_loss, known, day)
    versus_climate = _skill(loss, climate_loss, known, day)
    cover = {width: _cover(own, truth, known, *edge) for width, edge in WIDTHS.items()}
    return Score(
        leads_h=name,
        values=int(known.sum()),
        pinball=crps / 2 / replay.norm_kw,
        crps=crps / replay.norm_kw,
        rcrps=crps / replay.range_kw,
        nmae=float(np.abs(error).mean()) / replay.norm_kw,
        nrmse=float(np.sqrt((error**2).mean())) / replay.norm_kw,
        cover_50=cover[50],
        cover_80=cover[80],
        cover_90=cover[90],
        skill_persistence=versus_point[0],
        skill_persistence_low=versus_point[1],
        skill_persistence_high=versus_point[2],
        skill_climatology=versus_climate[0],
        skill_climatology_low=versus_climate[1],
        skill_climatology_high=versus_climate[2],
        climatology_cover_80=_cover(climate, truth, known, *WIDTHS[80]),
    )


def _cover(
    quantiles: FloatArray, truth: FloatArray, known: BoolArray, low: int, high: int
) -> float:
    """Share of the truth inside the band; a truth on a band of no width counts with the rest.

    Where the band's edges are equal and equal to the truth (solar at night) nothing is said, so
    those values do not count.
    """
    said = known & (quantiles[:, high] > quantiles[:, low])
    inside = (truth >= quantiles[:, low]) & (truth <= quantiles[:, high])
    return float(inside[said].mean()) if said.any() else 1.0


def _skill(
    loss: FloatArray, reference: FloatArray, known: BoolArray, day: IntArray
) -> tuple[float, float, float]:
    """1 - loss / reference, and its 95 % interval by drawing issue days with replacement."""
    days, row = np.unique(day, return_inverse=True)
    own, other = np.zeros(len(days)), np.zeros(len(days))
    np.add.at(own, row, np.where(known, loss, 0.0).sum(axis=1))
    np.add.at(other, row, np.where(known, reference, 0.0).sum(axis=1))
    picks = np.random.default_rng(7).integers(0, len(days), (DRAWS, len(days)))
    drawn = 1 - own[picks].sum(axis=1) / np.maximum(other[picks].sum(axis=1), 1e-12)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(1 - own.sum() / max(other.sum(), 1e-12)), float(low), float(high)
