"""Issue times replayed in order through the code that operates: fit by night, forecast by the hour.

Truth and references are made here and never shown to the forecaster.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from energy.backtest.read_series import SeriesError
from energy.forecast.axis import Axis, build_axis
from energy.forecast.calibration import Issue, Tracker, uncalibrated
from energy.forecast.inputs import BoolArray, FloatArray, IntArray
from energy.forecast.lookback import slot_quantiles
from energy.forecast.node import (
    NodeModel,
    NodeRecord,
    NodeSpec,
    fit_node,
    flag_readings,
    forecast_node,
    known_readings,
)
from energy.timegrid import local_day_start
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

HORIZON = 2 * SLOTS_PER_DAY
Progress = Callable[[int, int], None]
WeatherColumns = Callable[[int], dict[str, FloatArray]]


@dataclass(frozen=True)
class ReplayPlan:
    """When is forecast: after `warm_up_days` of record, every `every_h`, refitted so often.

    Seven hours let the issues pass through all hours of the day.
    """

    warm_up_days: int = 42
    every_h: int = 7
    refit_days: int = 7


@dataclass(frozen=True, eq=False)
class Replay:
    """N issues: quantiles (N, Q, H), truth, persistence (N, H), climatology (N, Q, H), in `unit`.

    issue (N,) slots; H steps of `step_slots`; truth NaN where a reading is missing or set aside.
    `norm_kw`: mean load, the capacity or the mean size of a price; `range_kw`: P99 - P1 of the
    truth.
    """

    name: str
    issue: IntArray
    step_slots: int
    quantiles: FloatArray
    truth: FloatArray
    persistence: FloatArray
    climatology: FloatArray
    norm_kw: float
    range_kw: float
    time_zone: str
    tiers: dict[str, int]
    fit_s: FloatArray
    predict_s: FloatArray
    findings: tuple[str, ...] = field(default=())
    unit: str = "kW"


def replay_node(
    name: str,
    spec: NodeSpec,
    record: NodeRecord,
    plan: ReplayPlan,
    progress: Progress,
    weather_at: WeatherColumns | None = None,
) -> Replay:
    """Every issue of the plan, forecast for 48 h from what was known at it.

    `weather_at` gives the weather columns as they were known at an issue; without it those of the
    record are taken as known.
    """
    issues = _issues(record, plan, spec)
    flags = flag_readings(spec, record.p_kw)
    clean = np.where(flags.any, np.nan, record.p_kw)
    axis = build_axis(record.slot, spec.site.time_zone)
    forecaster = _Forecaster(spec, record, plan, weather_at)
    rows = []
    for done, issue in enumerate(issues.tolist()):
        p_kw = forecaster.issue(issue)
        rows.append((p_kw, *_truth_and_references(clean, axis, record.slot, issue, spec)))
        progress(done + 1, len(issues))
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    steps = [_by_step(column, spec.step_slots) for column in columns]
    truth = steps[1]
    low, high = np.nanquantile(clean, [0.01, 0.99])
    return Replay(
        name=name,
        issue=issues,
        step_slots=spec.step_slots,
        quantiles=steps[0],
        truth=truth,
        persistence=steps[3],
        climatology=steps[2],
        norm_kw=_norm(spec, truth, float(high)),
        range_kw=float(high - low),
        time_zone=spec.site.time_zone,
        tiers=dict(forecaster.tiers),
        fit_s=np.array(forecaster.fit_s),
        predict_s=np.array(forecaster.predict_s),
        findings=_named(flags.impossible, flags.spike, flags.frozen),
    )


class _Forecaster:
    """What lasts between two issues: the fit, the calibration, and the time that both took."""

    def __init__(
        self,
        spec: NodeSpec,
        record: NodeRecord,
        plan: ReplayPlan,
        weather_at: WeatherColumns | None,
    ) -> None:
        self._spec, self._record, self._weather_at = spec, record, weather_at
        self._refit_s = plan.refit_days * SLOTS_PER_DAY * SLOT_S
        self._fit: tuple[int, NodeModel] | None = None
        self._tracker = Tracker(uncalibrated(), plan.every_h / 24)
        self.fit_s: list[float] = []
        self.predict_s: list[float] = []
        self.tiers = Counter[str]()

    def issue(self, issue: int) -> FloatArray:
        """The quantiles (Q, H) that go out at `issue`, in kW."""
        spec, record = self._spec, self._record
        if self._weather_at is not None:
            record = replace(record, weather=self._weather_at(issue))
        model = self._model(record, issue)
        slots = issue + SLOT_S * np.arange(HORIZON, dtype=np.int64)
        begun = perf_counter()
        known = known_readings(spec, record, issue)
        self._tracker.learn(issue, known.slot, known.p_kw)
        found = forecast_node(spec, model, record, issue, slots, self._tracker.calibration)
        self._tracker.issued(Issue(issue, found.p_kw))
        self.predict_s.append(perf_counter() - begun)
        self.tiers[found.tier] += 1
        return found.p_kw

    def _model(self, record: NodeRecord, issue: int) -> NodeModel:
        """The last fit, or a new one where it is due."""
        if self._fit is None or issue - self._fit[0] >= self._refit_s:
            begun = perf_counter()
            self._fit = issue, fit_node(self._spec, record, issue)
            self.fit_s.append(perf_counter() - begun)
        return self._fit[1]


def _issues(record: NodeRecord, plan: ReplayPlan, spec: NodeSpec) -> IntArray:
    """Slots at steps of `every_h` from the first local midnight after the warm-up, on a reading."""
    begin = int(record.slot[0]) + plan.warm_up_days * SLOTS_PER_DAY * SLOT_S
    first = local_day_start(begin + SLOTS_PER_DAY * SLOT_S, spec.site.time_zone)
    first += (spec.phase_slots - first // SLOT_S) % spec.step_slots * SLOT_S
    last = int(record.slot[-1]) - (HORIZON - 1) * SLOT_S
    step = plan.every_h * SLOTS_PER_HOUR * SLOT_S
    issues = np.arange(first, last + 1, step, dtype=np.int64)
    at = (issues - int(record.slot[0])) // SLOT_S
    issues = issues[[bool(np.isfinite(record.p_kw[a : a + HORIZON]).any()) for a in at.tolist()]]
    if not len(issues):
        days = len(record.slot) / SLOTS_PER_DAY
        raise SeriesError(
            f"record of {days:.1f} days: no issue fits, allowed: {plan.warm_up_days + 3} and more"
        )
    return issues


def _truth_and_references(
    clean: FloatArray, axis: Axis, slot: IntArray, issue: int, spec: NodeSpec
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Truth (H,), slot climatology (Q, H) and persistence (H,) of an issue."""
    at = int(issue - slot[0]) // SLOT_S
    target = np.arange(at, at + HORIZON)
    if spec.kind == "pv":
        axis = Axis(axis.slot, axis.day, np.zeros_like(axis.kind), axis.quarter, axis.at)
    table, newest = slot_quantiles(clean[:, None], axis, at, target)
    return clean[target], table[:, :, 0], newest[:, 0]


def _norm(spec: NodeSpec, truth: FloatArray, high: float) -> float:
    """What errors are told in shares of."""
    if spec.kind == "pv":
        return spec.capacity_kw or high
    if spec.kind == "price":
        return float(np.nanmean(np.abs(truth)))
    return float(np.abs(np.nanmean(truth)))


def _by_step(values: FloatArray, step_slots: int) -> FloatArray:
    """Means over the quarters of each step of the meter, on the last axis."""
    shape = (*values.shape[:-1], values.shape[-1] // step_slots, step_slots)
    return np.asarray(values.reshape(shape).mean(axis=-1))


def _named(*flags: BoolArray) -> tuple[str, ...]:
    words = ("impossible", "spikes", "standing still for hours")
    return tuple(
        f"{int(flag.sum())} quarter hours set aside as {word}"
        for flag, word in zip(flags, words, strict=True)
        if flag.any()
    )
