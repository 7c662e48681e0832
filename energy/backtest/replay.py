"""Issue times replayed in order through the code that operates: fit by night, forecast by the hour.

Truth and references are made here and never shown to the forecaster.
"""

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
    """N issues: quantiles (N, Q, H), truth, persistence (N, H), climatology (N, Q, H), in kW.

    issue (N,) slots; H steps of `step_slots`; truth NaN where a reading is missing or set aside.
    `norm_kw`: mean load or the capacity; `range_kw`: P99 - P1 of the truth.
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
    model: NodeModel | None = None
    fitted_at, fit_s, predict_s, rows, tiers = 0, [], [], [], dict[str, int]()
    tracker = Tracker(uncalibrated(), plan.every_h / 24)
    whole = record
    for done, issue in enumerate(issues.tolist()):
        if weather_at is not None:
            record = replace(whole, weather=weather_at(issue))
        if model is None or issue - fitted_at >= plan.refit_days * SLOTS_PER_DAY * SLOT_S:
            begun = perf_counter()
            model, fitted_at = fit_node(spec, record, issue), issue
            fit_s.append(perf_counter() - begun)
        slots = issue + SLOT_S * np.arange(HORIZON, dtype=np.int64)
        begun = perf_counter()
        known = known_readings(spec, record, issue)
        tracker.learn(issue, known.slot, known.p_kw)
        found = forecast_node(spec, model, record, issue, slots, tracker.calibration)
        tracker.issued(Issue(issue, found.p_kw))
        predict_s.append(perf_counter() - begun)
        tiers[found.tier] = tiers.get(found.tier, 0) + 1
        rows.append((found.p_kw, *_truth_and_references(clean, axis, record.slot, issue, spec)))
        progress(done + 1, len(issues))
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    steps = [_by_step(column, spec.step_slots) for column in columns]
    truth = steps[1]
    low, high = np.nanquantile(clean, [0.01, 0.99])
    norm = (
        spec.capacity_kw or float(high) if spec.kind == "pv" else float(np.abs(np.nanmean(truth)))
    )
    return Replay(
        name=name,
        issue=issues,
        step_slots=spec.step_slots,
        quantiles=steps[0],
        truth=truth,
        persistence=steps[3],
        climatology=steps[2],
        norm_kw=norm,
        range_kw=float(high - low),
        time_zone=spec.site.time_zone,
        tiers=tiers,
        fit_s=np.array(fit_s),
        predict_s=np.array(predict_s),
        findings=_named(flags.impossible, flags.spike, flags.frozen),
    )


def _issues(record: NodeRecord, plan: ReplayPlan, spec: NodeSpec) -> IntArray:
    """Slots on whole steps of `every_h` from the first local midnight after the warm-up."""
    begin = int(record.slot[0]) + plan.warm_up_days * SLOTS_PER_DAY * SLOT_S
    first = local_day_start(begin + SLOTS_PER_DAY * SLOT_S, spec.site.time_zone)
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
