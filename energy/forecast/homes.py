"""What a single home will need, from its own meter and its class.

A home is its class's day at the home's own height. Every past day is told in shares of the height
that each home was expected to have on that day, so that the shares also hold how a home's days
differ from one another; their quantiles over a class are the band, as wide for each home as its own
days have been. What all customers are expected to need adds up to the district's forecast, slot by
slot: that brings today's weather in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy.forecast.features import DAY_TYPES, NORMAL_Z
from energy.forecast.inputs import MEDIAN, QUANTILES, FloatArray, ForecastError, IntArray
from energy.forecast.load import DEFAULT_HOURS
from energy.forecast.results import Tier
from energy.units import SLOTS_PER_DAY

PSEUDO_DAYS = 14.0
"""So many days of its class stand beside a home's own days."""
LOOK_BACK_DAYS = 28
OWN_DAYS_MIN = 7
KIND_DAYS_MIN = 4
KNOWN_FRAC_MIN = 0.5
WIDE = 0.8
"""Of a class without any day: the band is log-normal with this deviation."""
MEMBERS_MIN = 30
WIDTH_BOUNDS = (0.4, 2.5)
HEIGHT_BOUNDS = (0.1, 10.0)
NEWS_BOUNDS = (0.5, 2.0)
P80 = 80.0


@dataclass(frozen=True, eq=False)
class HomeClasses:
    """All customers, M: the class of each (M,), 0..K-1, its usual mean kW by registry (M,)."""

    of: IntArray
    usual_kw: FloatArray
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class HomeDay:
    """What a local day has told of every customer and class; `kind` is its day type 0..2.

    mean_kw (M,) and off_p80 (M,), how far its shares lay from its class's median, are NaN of a home
    whose day is not half known. By class: shares as quantiles (K, 96, Q), their mean and mean
    square (K, 96), and the P80 of the distances (K,); roof_spread (1,), how far areas' sun lies
    from their part of the district's, as a deviation of the logarithm. NaN where nothing is known.
    """

    kind: int
    mean_kw: FloatArray
    off_p80: FloatArray
    shares: FloatArray
    mean_share: FloatArray
    square_share: FloatArray
    class_p80: FloatArray
    roof_spread: FloatArray


@dataclass(frozen=True, eq=False)
class HomeForecast:
    """Quantiles (Q, H) and expectation (H,) of a home's use, kW; its own days and their tier."""

    load_kw: FloatArray
    expected_kw: FloatArray
    tier: Tier
    reason: str


def digest_day(
    classes: HomeClasses,
    before: Sequence[HomeDay],
    use_kw: FloatArray,
    quarter: IntArray,
    kind: int,
    roof_spread: float = np.nan,
) -> HomeDay:
    """A local day of use (S, M), NaN where not known, in the quarters (S,) of its type `kind`.

    `before` are the days before it: what each home is measured by was expected from them alone.
    """
    if use_kw.shape != (len(quarter), len(classes.of)):
        allowed = f"({len(quarter)}, {len(classes.of)})"
        raise ForecastError(f"use of a day: shape {use_kw.shape}, allowed: {allowed}")
    known = np.isfinite(use_kw)
    half = known.sum(axis=0) >= KNOWN_FRAC_MIN * SLOTS_PER_DAY
    height = heights_kw(classes, before)
    with np.errstate(invalid="ignore"):
        share = np.where(half, use_kw / height, np.nan)
    count = len(classes.names)
    shares = np.full((count, SLOTS_PER_DAY, len(QUANTILES)), np.nan)
    mean_share, square_share = np.full((2, count, SLOTS_PER_DAY), np.nan)
    class_p80 = np.full(count, np.nan)
    off_p80 = np.full(len(classes.of), np.nan)
    for number in range(count):
        mine = np.flatnonzero((classes.of == number) & half)
        if not len(mine):
            continue
        rows = share[:, mine]
        seen = np.isfinite(rows).any(axis=1)
        at = quarter[seen]
        shares[number, at] = np.nanquantile(rows[seen], QUANTILES, axis=1).T
        weight = np.where(known[:, mine], height[mine], 0.0)[seen]
        total = np.where(known[:, mine], use_kw[:, mine], 0.0)[seen].sum(axis=1)
        mean_share[number, at] = total / weight.sum(axis=1)
        square_share[number, at] = np.nanmean(np.square(rows[seen]), axis=1)
        away = np.abs(rows - shares[number, quarter, MEDIAN][:, None])
        off_p80[mine] = np.nanpercentile(away, P80, axis=0)
        class_p80[number] = np.nanpercentile(away, P80)
    sums = np.where(known, use_kw, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    mean_kw = np.where(half, sums, np.nan)
    roofs = np.array([roof_spread])
    return HomeDay(kind, mean_kw, off_p80, shares, mean_share, square_share, class_p80, roofs)


def heights_kw(classes: HomeClasses, days: Sequence[HomeDay]) -> FloatArray:
    """What each home's mean is expected to be, kW (M,): its class's, moved by its own days."""
    recent = days[-LOOK_BACK_DAYS:]
    usual = np.maximum(classes.usual_kw, 1e-6)
    if not recent:
        return usual
    own = np.stack([day.mean_kw for day in recent])
    counts = np.isfinite(own).sum(axis=0)
    own_kw = np.nansum(own, axis=0) / np.maximum(counts, 1)
    base = usual * _class_ratio(classes, own_kw, counts)[classes.of]
    ratio = np.clip(own_kw / base, *HEIGHT_BOUNDS)
    return np.asarray(base * (counts * ratio + PSEUDO_DAYS) / (counts + PSEUDO_DAYS))


def _class_ratio(classes: HomeClasses, own_kw: FloatArray, counts: IntArray) -> FloatArray:
    """By how much each class draws more than its registry says, (K,)."""
    seen = counts > 0
    size = len(classes.names)
    drawn = np.bincount(classes.of[seen], own_kw[seen], size)
    usual = np.bincount(classes.of[seen], classes.usual_kw[seen], size)
    return np.where(usual > 0, drawn / np.maximum(usual, 1e-9), 1.0).clip(*HEIGHT_BOUNDS)


def forecast_home(
    classes: HomeClasses,
    days: Sequence[HomeDay],
    meter: int,
    cells: IntArray,
    district_kw: FloatArray | None,
) -> HomeForecast:
    """The use of a home in coming slots of calendar cells (H,), from the days before.

    `district_kw` (H,) is what all customers are expected to need together; without it each class
    does as it did. Tier F0 from a week of the home's own days on, F3 by its class alone, F4 by the
    registry in a district's first days.
    """
    recent = list(days[-LOOK_BACK_DAYS:])
    heights = heights_kw(classes, recent)
    shares, mean = _tables(classes, recent, cells)
    own_days = sum(bool(np.isfinite(day.mean_kw[meter])) for day in recent)
    mine, height = int(classes.of[meter]), float(heights[meter])
    middle = shares[mine][:, MEDIAN]
    width = _width(recent, meter, mine)
    news = _news(classes, heights, mean, district_kw)
    distance = width * (shares[mine] - middle[:, None])
    load = height * news[:, None] * np.maximum(middle[:, None] + distance, 0.0)
    reason, tier = _standing(own_days, len(recent))
    return HomeForecast(np.sort(load.T, axis=0), height * news * mean[mine], tier, reason)


def expected_of_homes(
    classes: HomeClasses, days: Sequence[HomeDay], cells: IntArray, district_kw: FloatArray
) -> FloatArray:
    """What every home (M, H) is expected to use in coming slots of calendar cells (H,), kW.

    The same as `forecast_home` expects of each; together they are the district's (H,).
    """
    recent = list(days[-LOOK_BACK_DAYS:])
    heights = heights_kw(classes, recent)
    _, mean = _tables(classes, recent, cells)
    news = _news(classes, heights, mean, district_kw)
    return np.asarray(heights[:, None] * news * mean[classes.of])


def _standing(own_days: int, days: int) -> tuple[str, Tier]:
    if not days:
        return "no day of the district's meters yet, class default", "F4"
    if own_days < OWN_DAYS_MIN:
        return f"{own_days} days of its own known, wanted: {OWN_DAYS_MIN}; by its class", "F3"
    return "", "F0"


def _width(days: Sequence[HomeDay], meter: int, number: int) -> float:
    """How wide the home's days lie about its class's median, in shares of what is usual there."""
    own = np.array([day.off_p80[meter] for day in days])
    usual = np.array([day.class_p80[number] for day in days])
    some = np.isfinite(own) & (usual > 0)
    known = own[some] / usual[some]
    found = (known.sum() + PSEUDO_DAYS) / (len(known) + PSEUDO_DAYS)
    return float(np.clip(found, *WIDTH_BOUNDS))


def _tables(
    classes: HomeClasses, days: Sequence[HomeDay], cells: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Shares (K, H, Q) and their mean (K, H) in calendar cells: of days of the type, or of all."""
    kind, quarter = np.divmod(cells, SLOTS_PER_DAY)
    shape = DEFAULT_HOURS[quarter // 4]
    wide = np.exp(WIDE * NORMAL_Z - WIDE**2 / 2)
    shares = np.broadcast_to(
        shape[None, :, None] * wide, (len(classes.names), len(cells), len(QUANTILES))
    ).copy()
    mean = np.broadcast_to(shape, shares.shape[:2]).copy()
    for number in range(len(DAY_TYPES)):
        alike = [day for day in days if day.kind == number]
        chosen = alike if len(alike) >= KIND_DAYS_MIN else list(days)
        here = np.flatnonzero(kind == number)
        if not chosen or not len(here):
            continue
        told, told_mean, square = (
            _mean_of_known([getattr(day, name) for day in chosen])[:, quarter[here]]
            for name in ("shares", "mean_share", "square_share")
        )
        few = np.bincount(classes.of, minlength=len(classes.names)) < MEMBERS_MIN
        told[few] = _log_normal(told_mean[few], square[few])
        shares[:, here] = np.where(np.isfinite(told), told, shares[:, here])
        mean[:, here] = np.where(np.isfinite(told_mean), told_mean, mean[:, here])
    return shares, mean


def _log_normal(mean: FloatArray, square: FloatArray) -> FloatArray:
    """Quantiles (K, H, Q) of shares with this mean and mean square: of a class whose few members
    have no quantiles of their own on a day.
    """
    spread = np.sqrt(np.log(np.maximum(square / np.maximum(mean, 1e-9) ** 2, 1.0)))[..., None]
    return np.asarray(mean[..., None] * np.exp(spread * NORMAL_Z - spread**2 / 2))


def _mean_of_known(tables: Sequence[FloatArray]) -> FloatArray:
    """Mean over days, gaps left out, NaN where no day tells."""
    stack = np.stack(tables)
    known = np.isfinite(stack)
    total = np.where(known, stack, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _news(
    classes: HomeClasses, heights: FloatArray, mean: FloatArray, district_kw: FloatArray | None
) -> FloatArray:
    """What today's weather makes of everybody's use, (H,): the homes add up to the district."""
    by_class = np.bincount(classes.of, heights, len(classes.names))
    usual = by_class @ mean
    if district_kw is None:
        return np.ones(len(usual))
    return np.clip(district_kw / np.maximum(usual, 1e-9), *NEWS_BOUNDS)
