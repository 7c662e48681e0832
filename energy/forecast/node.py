"""One metered series forecast on its own: cleaned, fitted nightly, forecast at any issue.

What a back-test replays is this, and nothing else: `fit_node` on the record up to a night,
`forecast_node` on the record up to an issue. Rows of the issue and later are never read.

A price is a series too: of any sign, won (or another money) in place of kW, and its jumps are real.

Tiers: F0 regression with weather, or of its own past alone for a series that never had weather. F3
history only: the regression without weather where weather was fitted and is missing now, slot
quantiles of the last 28 days where there is no fit or the meter is silent for two days. F4 the
series' own spread or the capacity, under a week of readings.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from energy.forecast.calibration import Calibration, stretched
from energy.forecast.inputs import QUANTILES, BoolArray, FloatArray, IntArray, Site
from energy.forecast.lookback import slot_quantiles
from energy.forecast.planes import clear_sky_of_planes, fit_planes
from energy.forecast.results import Tier
from energy.forecast.series import Past, SeriesModel, axis_of, fit_series, forecast_series
from energy.forecast.solar import cloudless_frac, sky_at
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

Kind = Literal["load", "pv", "price"]
FIT_DAYS = 120
FIT_DAYS_MIN = 35
"""A regression needs a week before its first rows and four weeks of rows."""
TIER_DAYS_MIN = 7
COMPLETE_FRAC_MIN = 0.5
TRADED_FRAC_MIN = 0.15
"""A market without trade at night still tells the price of the hours that have trade."""
SILENT_SLOTS_MAX = 2 * SLOTS_PER_DAY
FROZEN_SLOTS = 6 * SLOTS_PER_HOUR
FROZEN_STEPS = 12
SPIKE_MULTIPLE = 6.0
LIT_FRAC_MIN = 0.05
"""Slots under this share of the clear sky's highest power teach nothing about the index."""
K_MAX = 1.5
LIVE_SLOTS = 4 * SLOTS_PER_HOUR
HISTORY_SHARE = 0.4
"""Without any weather, solar beyond four hours is foreseen best by both models averaged."""
WEATHER = (
    "temperature_c", "radiation_w_per_m2", "cloud_frac", "wind_m_per_s", "humidity_frac",
)  # fmt: skip
COLD_C, HOT_C = 15.0, 20.0
BRIDGED_SLOTS = 3 * SLOTS_PER_HOUR


@dataclass(frozen=True)
class NodeSpec:
    """What the series is: kind, place and calendar, and its physical limit in kW if known.

    step_slots: quarter hours that one reading of the meter covers; phase_slots: by how many it
    begins after a whole such step of UTC. Of a price `capacity_kw` is the cap and `floor` the
    lowest that it can be, in its own unit.
    """

    kind: Kind
    site: Site
    capacity_kw: float | None = None
    step_slots: int = 1
    floor: float | None = None
    phase_slots: int = 0

    @property
    def complete_frac_min(self) -> float:
        """Share of a record's slots that must be known."""
        return TRADED_FRAC_MIN if self.kind == "price" else COMPLETE_FRAC_MIN


@dataclass(frozen=True, eq=False)
class NodeRecord:
    """Readings in kW (T,) on contiguous slots (T,), and weather columns by name, each (T,) or more.

    Weather may reach beyond the record: its first T entries are the past, the next the horizon.
    """

    slot: IntArray
    p_kw: FloatArray
    weather: dict[str, FloatArray]


@dataclass(frozen=True, eq=False)
class NodeModel:
    """A nightly fit. `with_weather`, `alone`: None where the record was too short.

    names: the weather columns that were fitted; kwp (K,) of the plane classes for solar; peak_kw:
    their highest clear-sky power.
    """

    with_weather: SeriesModel | None
    alone: SeriesModel | None
    names: tuple[str, ...]
    kwp: FloatArray
    peak_kw: float


@dataclass(frozen=True, eq=False)
class NodeForecast:
    """Quantiles in kW (Q, H), rising, never NaN, within [low_kw, high_kw]; tier and its reason."""

    p_kw: FloatArray
    low_kw: float
    high_kw: float
    tier: Tier
    reason: str


@dataclass(frozen=True, eq=False)
class Flags:
    """Readings set aside, each (T,) bool: impossible by sign or size, spikes, standing still."""

    impossible: BoolArray
    spike: BoolArray
    frozen: BoolArray

    @property
    def any(self) -> BoolArray:
        """All of them."""
        return np.asarray(self.impossible | self.spike | self.frozen)


def fit_node(spec: NodeSpec, record: NodeRecord, issue_slot: int) -> NodeModel:
    """The model from the last 120 days that were known at `issue_slot`."""
    known = _known(spec, record, issue_slot, FIT_DAYS)
    if spec.kind == "pv":
        kwp = fit_planes(known.slot, known.p_kw, spec.site)
        clear = clear_sky_of_planes(known.slot, spec.site) @ kwp
        peak_kw = float(clear.max()) if len(clear) else 0.0
    else:
        kwp, peak_kw = np.zeros(0), 0.0
    model = NodeModel(None, None, (), kwp, peak_kw)
    if not _is_enough(spec, known, FIT_DAYS_MIN):
        return model
    past = _past(spec, model, known, ())
    alone = fit_series(past)
    names = _usable(known, len(known.slot))
    if not names:
        return replace(model, alone=alone)
    fitted = fit_series(_past(spec, model, known, names))
    return replace(model, alone=alone, with_weather=fitted, names=names)


def forecast_node(
    spec: NodeSpec,
    model: NodeModel,
    record: NodeRecord,
    issue_slot: int,
    slots: IntArray,
    calibration: Calibration | None = None,
) -> NodeForecast:
    """The forecast issued at `issue_slot` for contiguous slots (H,), from what was known then.

    `calibration` is what the series' earlier issues have taught by then.
    """
    known = _known(spec, record, issue_slot, FIT_DAYS)
    low, high = _limits(spec, model, known)
    found, tier, reason = _quantiles(spec, model, known, slots)
    if calibration is not None:
        found = stretched(calibration, found)
    if spec.kind == "pv":
        sky = sky_at(slots, *_place(spec))
        found = np.where(sky.elevation_deg > 0, found, 0.0)
    return NodeForecast(np.sort(np.clip(found, low, high), axis=0), low, high, tier, reason)


def known_readings(spec: NodeSpec, record: NodeRecord, issue_slot: int) -> NodeRecord:
    """What was known at `issue_slot` of the last 120 days, unbelievable readings as NaN."""
    return _known(spec, record, issue_slot, FIT_DAYS)


def flag_readings(spec: NodeSpec, p_kw: FloatArray) -> Flags:
    """What of the readings (T,) cannot be believed, from the readings alone.

    A spike is further from the median than six times the middle 98 %. Standing still means the
    same non-zero value for six hours and twelve readings at least. Of a price nothing is set aside
    but what is no number: it may jump, and it may stand at a limit all day.
    """
    if spec.kind == "price":
        never = np.zeros(len(p_kw), dtype=np.bool_)
        return Flags(np.isinf(p_kw), never, never)
    with np.errstate(invalid="ignore"):
        impossible = np.isinf(p_kw)
        if spec.kind == "pv":
            impossible |= p_kw < -1e-3 * _typical(p_kw)
        if spec.capacity_kw is not None:
            impossible |= np.abs(p_kw) > 1.2 * spec.capacity_kw
        sound = np.where(impossible, np.nan, p_kw)
        middle, width = _middle(sound)
        spike = np.abs(sound - middle) > SPIKE_MULTIPLE * width
    length = max(FROZEN_SLOTS, FROZEN_STEPS * spec.step_slots)
    return Flags(impossible, spike, _standing(np.where(spike, np.nan, sound), length))


def _typical(p_kw: FloatArray) -> float:
    known = np.abs(p_kw[np.isfinite(p_kw)])
    return float(known.max()) if len(known) else 0.0


def _middle(p_kw: FloatArray) -> tuple[float, float]:
    """Median and spread of what is known; an unlimited spread where hardly anything is.

    One value shows no spread: a device that is at work for some hours a month draws nothing in the
    middle 98 %, and what it draws then is no spike. There the other readings are the measure.
    """
    known = p_kw[np.isfinite(p_kw)]
    if len(known) < SLOTS_PER_DAY:
        return 0.0, np.inf
    low, middle, high = np.quantile(known, [0.01, 0.5, 0.99])
    if high > low:
        return float(middle), float(high - low)
    others = known[known != middle]
    return float(middle), float(np.median(np.abs(others - middle))) if len(others) else np.inf


def _standing(p_kw: FloatArray, length: int) -> BoolArray:
    """Members of runs of one non-zero value that are at least `length` slots long."""
    if not len(p_kw):
        return np.zeros(0, dtype=np.bool_)
    change = np.flatnonzero(np.diff(p_kw) != 0) + 1
    first = np.concatenate([[0], change])
    count = np.diff(np.concatenate([first, [len(p_kw)]]))
    run = np.repeat(count, count)
    return np.asarray((run >= length) & np.isfinite(p_kw) & (p_kw != 0))


def _known(spec: NodeSpec, record: NodeRecord, issue_slot: int, days: int) -> NodeRecord:
    """The last days before the issue, what cannot be believed as NaN; weather keeps its horizon."""
    end = int(np.searchsorted(record.slot, issue_slot))
    first = max(0, end - days * SLOTS_PER_DAY)
    p_kw = record.p_kw[first:end]
    clean = np.where(flag_readings(spec, p_kw).any, np.nan, p_kw)
    if spec.kind == "pv":
        # Many meters say nothing at night; there the sun's absence is knowledge enough.
        sky = sky_at(record.slot[first:end], *_place(spec))
        clean = np.where(sky.elevation_deg > 0, np.maximum(clean, 0.0), 0.0)
    weather = {name: column[first:] for name, column in record.weather.items()}
    return NodeRecord(record.slot[first:end], clean, weather)


def _place(spec: NodeSpec) -> tuple[float, float, float]:
    return spec.site.latitude_deg, spec.site.longitude_deg, spec.site.altitude_m


def _is_enough(spec: NodeSpec, known: NodeRecord, days: int) -> bool:
    rows = len(known.slot)
    seen = np.isfinite(known.p_kw).sum()
    return rows >= days * SLOTS_PER_DAY and seen >= spec.complete_frac_min * days * SLOTS_PER_DAY


def _usable(known: NodeRecord, rows: int) -> tuple[str, ...]:
    """Weather columns that are known for four fifths of the first `rows` entries."""
    return tuple(
        name
        for name in WEATHER
        if name in known.weather and np.isfinite(known.weather[name][:rows]).mean() > 0.8
    )


def _quantiles(
    spec: NodeSpec, model: NodeModel, known: NodeRecord, slots: IntArray
) -> tuple[FloatArray, Tier, str]:
    """Quantiles (Q, H) before bounds, by the best tier that the record and the weather allow."""
    seen = np.flatnonzero(np.isfinite(known.p_kw))
    if len(seen) < TIER_DAYS_MIN * SLOTS_PER_DAY * spec.complete_frac_min:
        return _default(spec, known, slots), "F4", f"{len(seen)} slots known, a week is wanted"
    silent = int(slots[0] - known.slot[seen[-1]]) // SLOT_S - 1
    if model.alone is None:
        return _history_only(spec, known, slots), "F3", f"no fit: under {FIT_DAYS_MIN} days known"
    if silent > SILENT_SLOTS_MAX:
        reason = f"no reading for {silent / SLOTS_PER_DAY:.1f} days"
        return _history_only(spec, known, slots), "F3", reason
    if model.with_weather is None:
        return _regression(spec, model, model.alone, known, slots, ()), "F0", ""
    missing = [name for name in model.names if not _covers(known, name, slots)]
    if missing:
        reason = f"no {' and '.join(missing)} on the horizon"
        return _regression(spec, model, model.alone, known, slots, ()), "F3", reason
    return _regression(spec, model, model.with_weather, known, slots, model.names), "F0", ""


def _regression(
    spec: NodeSpec,
    model: NodeModel,
    fitted: SeriesModel,
    known: NodeRecord,
    slots: IntArray,
    names: tuple[str, ...],
) -> FloatArray:
    past = _past(spec, model, known, names)
    ahead = int(slots[0] - known.slot[0]) // SLOT_S
    joined = known.slot[0] + SLOT_S * np.arange(ahead + len(slots), dtype=np.int64)
    columns = _columns(spec, known, names, joined)[ahead:]
    z = forecast_series(fitted, past, slots, columns)[:, :, 0]
    if spec.kind == "pv":
        # At dawn and dusk the index is noise over noise: there the last weeks say more.
        clear_kw = _clear_kw(spec, model, slots)
        dim = clear_kw <= LIT_FRAC_MIN * model.peak_kw
        bright = np.clip(z, 0.0, K_MAX) * clear_kw
        usual = _history_only(spec, known, slots)
        if not names:
            late = np.arange(len(slots)) >= LIVE_SLOTS
            share = np.where(late, HISTORY_SHARE, 0.0)
            bright = (1 - share) * bright + share * usual
        return np.where(dim, usual, bright)
    return z


def _past(spec: NodeSpec, model: NodeModel, known: NodeRecord, names: tuple[str, ...]) -> Past:
    """The record in the words of the series engine: kW for loads, the clear-sky index for solar."""
    columns = _columns(spec, known, names, known.slot)
    zone, step, phase = spec.site.time_zone, spec.step_slots, spec.phase_slots
    if spec.kind != "pv":
        weight, z = np.ones(len(known.slot)), known.p_kw[:, None]
        return Past(known.slot, z, weight, columns, zone, False, step, phase)
    clear_kw = _clear_kw(spec, model, known.slot)
    lit = clear_kw > LIT_FRAC_MIN * model.peak_kw
    k = np.where(lit, known.p_kw / np.where(lit, clear_kw, 1.0), np.nan)
    weight = np.where(lit, clear_kw / max(model.peak_kw, 1e-9), 0.0)
    z = np.clip(k, 0.0, K_MAX)[:, None]
    return Past(known.slot, z, weight, columns, zone, True, step, phase)


def _clear_kw(spec: NodeSpec, model: NodeModel, slots: IntArray) -> FloatArray:
    return np.asarray(clear_sky_of_planes(slots, spec.site) @ model.kwp)


def _columns(
    spec: NodeSpec, known: NodeRecord, names: tuple[str, ...], slots: IntArray
) -> FloatArray:
    """Weather regressors (N, D) on the slots that begin with the record's first."""
    found: list[FloatArray] = []
    for name in names:
        raw = known.weather[name][: len(slots)]
        column = np.concatenate([raw, np.full(len(slots) - len(raw), np.nan)])
        found += _regressors(spec, name, bridged(column), slots)
    return np.stack(found, axis=1) if found else np.zeros((len(slots), 0))


def _regressors(spec: NodeSpec, name: str, column: FloatArray, slots: IntArray) -> list[FloatArray]:
    """What a weather quantity does to power, each of about unit size."""
    if name == "temperature_c" and spec.kind != "pv":
        smooth = _day_mean(column)
        cold, hot = np.maximum(COLD_C - smooth, 0.0), np.maximum(smooth - HOT_C, 0.0)
        return [cold / 5, hot / 5, (column - smooth) / 5]
    if name == "temperature_c":
        return [column / 10]
    if name == "radiation_w_per_m2" and spec.kind == "pv":
        sky = sky_at(slots, *_place(spec))
        lit = sky.ghi_w_per_m2 > 20.0
        share = np.where(lit, column / np.where(lit, sky.ghi_w_per_m2, 1.0), np.nan)
        share = np.clip(share, 0.0, 1.3)
        return [share, share**2]
    if name == "radiation_w_per_m2":
        return [column / 200]
    if name == "cloud_frac":
        return [column, cloudless_frac(column)]
    if name == "wind_m_per_s":
        return [column / 5, (np.minimum(column, 13.0) / 8) ** 3 / 3]
    return [column]


def bridged(column: FloatArray) -> FloatArray:
    """Gaps of up to three hours bridged linearly, longer ones left."""
    known = np.isfinite(column)
    if not known.any() or known.all():
        return column
    places = np.arange(len(column))
    filled = np.interp(places, places[known], column[known])
    after = np.concatenate([places[known], [len(column) + BRIDGED_SLOTS * 9]])
    nearest = np.searchsorted(places[known], places, side="right")
    gap = after[np.minimum(nearest, len(after) - 1)] - after[np.maximum(nearest - 1, 0)]
    return np.where(known | ((gap <= BRIDGED_SLOTS) & (nearest > 0)), filled, np.nan)


def _day_mean(column: FloatArray) -> FloatArray:
    """Mean of the last 24 hours, gaps left out."""
    known = np.isfinite(column)
    total = np.cumsum(np.concatenate([[0.0], np.where(known, column, 0.0)]))
    count = np.cumsum(np.concatenate([[0.0], known]))
    first = np.maximum(np.arange(1, len(column) + 1) - SLOTS_PER_DAY, 0)
    found = count[1:] - count[first]
    return np.where(found > 0, (total[1:] - total[first]) / np.maximum(found, 1), np.nan)


def _covers(known: NodeRecord, name: str, slots: IntArray) -> bool:
    """Whether a weather column is known, short gaps bridged, on the whole horizon."""
    if name not in known.weather:
        return False
    ahead = int(slots[0] - known.slot[0]) // SLOT_S
    column = bridged(known.weather[name][: ahead + len(slots)])[ahead:]
    return len(column) == len(slots) and bool(np.isfinite(column).all())


def _history_only(spec: NodeSpec, known: NodeRecord, slots: IntArray) -> FloatArray:
    """Slot quantiles of the newest 28 days of the same type; where none is known, the default."""
    plain = Past(
        known.slot,
        known.p_kw[:, None],
        np.ones(len(known.slot)),
        np.zeros((len(known.slot), 0)),
        spec.site.time_zone,
        plain=spec.kind == "pv",
    )
    count = int(slots[-1] - known.slot[0]) // SLOT_S + 1
    joined = known.slot[0] + SLOT_S * np.arange(count, dtype=np.int64)
    target = np.arange(count - len(slots), count)
    found, _ = slot_quantiles(plain.z, axis_of(joined, plain), len(known.slot), target)
    return np.where(np.isfinite(found[:, :, 0]), found[:, :, 0], _default(spec, known, slots))


def _default(spec: NodeSpec, known: NodeRecord, slots: IntArray) -> FloatArray:
    """Wide quantiles (Q, H) of all readings known, or spread over the capacity; 0 with neither."""
    readings = known.p_kw[np.isfinite(known.p_kw)]
    if len(readings) >= SLOTS_PER_DAY:
        flat = np.quantile(readings, QUANTILES)
    else:
        flat = QUANTILES * (spec.capacity_kw or 0.0)
    return np.repeat(flat[:, None], len(slots), axis=1)


def _limits(spec: NodeSpec, model: NodeModel, known: NodeRecord) -> tuple[float, float]:
    """Physical bounds: never below 0 unless the meter is a net one, never above the capacity.

    Without a capacity: solar up to the highest reading or clear-sky power, loads up to twice the
    highest reading, net meters as far below 0 as twice the lowest. A price without floor or cap
    goes no further beyond its record than that is wide.
    """
    readings = known.p_kw[np.isfinite(known.p_kw)]
    top = float(readings.max()) if len(readings) else 0.0
    bottom = float(readings.min()) if len(readings) else 0.0
    if spec.kind == "price":
        room = top - bottom
        low = bottom - room if spec.floor is None else spec.floor
        return low, top + room if spec.capacity_kw is None else spec.capacity_kw
    if spec.kind == "pv":
        usual = max(top, 0.0)
        return 0.0, spec.capacity_kw if spec.capacity_kw is not None else usual
    high = spec.capacity_kw if spec.capacity_kw is not None else 2 * max(top, 0.0)
    low = -(spec.capacity_kw or -2 * bottom) if bottom < 0 else 0.0
    return low, high
