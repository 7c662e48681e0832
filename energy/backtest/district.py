"""The district's own record replayed: the simulated plant, the operator's forecast, its truth."""

from dataclasses import replace
from time import perf_counter

import numpy as np

from energy.backtest.replay import HORIZON, Progress, Replay
from energy.district import District
from energy.forecast import History, Observed, no_cars, sane_forecast, warmed_bands
from energy.forecast.axis import build_axis
from energy.forecast.features import known_history
from energy.forecast.inputs import FloatArray
from energy.forecast.lookback import slot_quantiles
from energy.forecast.results import DistrictForecast
from energy.plant import Plant
from energy.steps.basis import build_basis
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

QUANTITIES = ("load", "pv", "heat")


def replay_district(
    district: District,
    seed: int,
    end_slot: int,
    days: int,
    every_h: int,
    history_days: int,
    progress: Progress,
) -> list[Replay]:
    """Load, solar and heat of the whole district on the `days` days before `end_slot`.

    Each issue calls what the loop calls, with the record, the weather issue and the calibration
    that the loop would have had. The figures are those of a simulated plant.
    """
    plant, basis = Plant(district, seed), build_basis(district)
    total = history_days + days + 2
    record = plant.archive(end_slot, total)
    first = history_days * SLOTS_PER_DAY
    step = every_h * SLOTS_PER_HOUR
    positions = range(first, (history_days + days) * SLOTS_PER_DAY, step)
    begin = until(record, first)
    bands = warmed_bands(basis, begin, plant.weather_forecast, step)
    forecasts, seconds = [], []
    for done, at in enumerate(positions):
        issue = int(record.slot[at])
        known = until(record, at)
        begun = perf_counter()
        bands.learn(issue, known)
        observed = Observed(
            issue, known, plant.weather_forecast(issue), no_cars(), calibration=bands.calibrations
        )
        forecasts.append(sane_forecast(basis, observed, issue, HORIZON))
        bands.issued(forecasts[-1])
        seconds.append(perf_counter() - begun)
        progress(done + 1, len(positions))
    truths = _truths(record, end_slot)
    capacity_kw = float(basis.pv.kwp.sum() * basis.pv.inverter_frac)
    zone = district.time_zone
    return [
        _replay(name, truths[name], record, list(positions), forecasts, seconds, zone, capacity_kw)
        for name in QUANTITIES
        if np.nansum(truths[name]) > 0
    ]


def until(record: History, end: int) -> History:
    """The first rows of a record."""
    names = ("slot", "load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac")
    return replace(record, **{name: getattr(record, name)[:end] for name in names})


def _truths(record: History, end_slot: int) -> dict[str, FloatArray]:
    """District sums (T,), without the readings that nobody would believe; NaN where one is not."""
    whole = replace(record)
    days = len(record.slot) // SLOTS_PER_DAY
    pieces = []
    # Believed as the forecasters would, month by month, so that both see the same faults.
    for day in range(0, days, 28):
        rows = slice(day * SLOTS_PER_DAY, min(day + 28, days) * SLOTS_PER_DAY)
        names = ("slot", "load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac")
        part = replace(whole, **{name: getattr(whole, name)[rows] for name in names})
        pieces.append(known_history(part, end_slot))
    return {
        "load": np.concatenate([part.load_kw.sum(axis=1) for part in pieces]),
        "pv": np.concatenate([part.pv_kw.sum(axis=1) for part in pieces]),
        "heat": np.concatenate([part.heat_kw for part in pieces]),
    }


def _replay(
    name: str,
    truth: FloatArray,
    record: History,
    positions: list[int],
    forecasts: list[DistrictForecast],
    seconds: list[float],
    time_zone: str,
    capacity_kw: float,
) -> Replay:
    axis = build_axis(record.slot, time_zone)
    if name == "pv":
        axis = replace(axis, kind=np.zeros_like(axis.kind))
    attribute = {"load": "load_district_kw", "pv": "pv_district_kw", "heat": "heat_kw"}[name]
    rows, tiers = [], dict[str, int]()
    for at, forecast in zip(positions, forecasts, strict=True):
        target = np.arange(at, at + HORIZON)
        table, newest = slot_quantiles(truth[:, None], axis, at, target)
        own = getattr(forecast, attribute)
        rows.append((own, truth[target], table[:, :, 0], newest[:, 0]))
        tier = forecast.tier[name]
        tiers[tier] = tiers.get(tier, 0) + 1
    own, actual, climate, newest = (np.stack(column) for column in zip(*rows, strict=True))
    low, high = np.nanquantile(truth, [0.01, 0.99])
    return Replay(
        name=f"{name} of the district (simulated plant)",
        issue=np.asarray(record.slot[positions]),
        step_slots=1,
        quantiles=own,
        truth=actual,
        persistence=newest,
        climatology=climate,
        norm_kw=capacity_kw if name == "pv" else float(np.nanmean(actual)),
        range_kw=float(high - low),
        time_zone=time_zone,
        tiers=tiers,
        fit_s=np.zeros(0),
        predict_s=np.array(seconds),
        findings=(f"{SLOT_S // 60} min slots; faults of the simulated meters set aside",),
    )
