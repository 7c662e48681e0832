"""The district's bands, each kept to its promise by what came of the forecasts before.

The same in operation and in a replay: `learn` from the record as it is known at an issue, forecast
with the calibrations, and remember what went out.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from energy.forecast.calibration import Calibration, Issue, Tracker, uncalibrated
from energy.forecast.district import ForecastBasis, Observed, forecast_district
from energy.forecast.features import known_history, sum_of_known
from energy.forecast.inputs import FloatArray, History, IntArray, WeatherForecast, no_cars
from energy.forecast.results import DistrictForecast
from energy.units import SLOT_S, SLOTS_PER_DAY

BANDS = {"load": "load_district_kw", "pv": "pv_district_kw", "heat": "heat_kw"}
"""The quantities whose bands are calibrated, and where a forecast has their quantiles (Q, H)."""

TRUTH_SLOTS = 4 * SLOTS_PER_DAY
"""How far back readings are read that an issue is compared with."""

WARM_UP_DAYS, WARM_UP_EVERY_SLOTS = 14, 24


@dataclass
class Bands:
    """A tracker per quantity of BANDS."""

    trackers: dict[str, Tracker]

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """What has been learnt so far."""
        return {name: tracker.calibration for name, tracker in self.trackers.items()}

    def learn(self, now_slot: int, history: History) -> None:
        """Learn from what the record tells by `now_slot`; its later rows are never read."""
        slots, truth = district_truth(history, now_slot)
        for name, tracker in self.trackers.items():
            tracker.learn(now_slot, slots, truth[name])

    def issued(self, forecast: DistrictForecast) -> None:
        """Remember a forecast that has gone out."""
        for name, tracker in self.trackers.items():
            tracker.issued(Issue(forecast.first_slot, getattr(forecast, BANDS[name])))

    def paced(self, every_slots: int) -> "Bands":
        """What was taught so far, for an issue every so many slots from now on."""
        days = every_slots / SLOTS_PER_DAY
        return Bands({name: Tracker(one.calibration, days) for name, one in self.trackers.items()})


def new_bands(every_slots: int) -> Bands:
    """Bands as fitted, with an issue every so many slots."""
    days = every_slots / SLOTS_PER_DAY
    return Bands({name: Tracker(uncalibrated(), days) for name in BANDS})


def district_truth(history: History, now_slot: int) -> tuple[IntArray, dict[str, FloatArray]]:
    """Slots and district sums of the last days before `now_slot`, kW; NaN where not known."""
    end = int(np.searchsorted(history.slot, now_slot))
    rows = slice(max(0, end - TRUTH_SLOTS), end)
    recent = known_history(_rows_of(history, rows), now_slot)
    return recent.slot, {
        "load": sum_of_known(recent.load_kw),
        "pv": sum_of_known(recent.pv_kw),
        "heat": recent.heat_kw,
    }


def warmed_bands(
    basis: ForecastBasis,
    history: History,
    weather_at: Callable[[int], WeatherForecast | None],
    every_slots: int = 1,
) -> Bands:
    """Bands that the last two weeks of a record have taught, for issues every `every_slots` slots.

    The days are replayed with the weather that had been issued by then (`weather_at` an issue), on
    the district's sums, which is all that its bands depend on. A record of under four weeks
    teaches nothing yet.
    """
    bands = new_bands(WARM_UP_EVERY_SLOTS)
    whole, alone = _summed(history), _summed_basis(basis)
    first = len(whole.slot) - WARM_UP_DAYS * SLOTS_PER_DAY
    if first >= WARM_UP_DAYS * SLOTS_PER_DAY:
        for at in range(first, len(whole.slot), WARM_UP_EVERY_SLOTS):
            issue = int(whole.slot[at])
            bands.learn(issue, whole)
            observed = Observed(
                issue, _rows_of(whole, slice(0, at)), weather_at(issue), no_cars(),
                calibration=bands.calibrations,
            )  # fmt: skip
            bands.issued(forecast_district(alone, observed, issue, 2 * SLOTS_PER_DAY))
        bands.learn(int(whole.slot[-1]) + SLOT_S, whole)
    return bands.paced(every_slots)


def _rows_of(history: History, rows: slice) -> History:
    """The record in these rows."""
    return History(*(getattr(history, each.name)[rows] for each in fields(history)))


def _summed(history: History) -> History:
    """The record of the district as one area, unbelievable readings of its areas left out."""
    known = known_history(history, int(history.slot[-1]) + SLOT_S)
    return replace(
        known,
        load_kw=sum_of_known(known.load_kw)[:, None],
        pv_kw=sum_of_known(known.pv_kw)[:, None],
    )


def _summed_basis(basis: ForecastBasis) -> ForecastBasis:
    """The district as one area."""
    mean = None if basis.mean_load_kw is None else basis.mean_load_kw.sum(keepdims=True)
    return replace(
        basis, pv=replace(basis.pv, kwp=basis.pv.kwp.sum(axis=0, keepdims=True)), mean_load_kw=mean
    )
