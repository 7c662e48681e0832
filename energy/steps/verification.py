"""How well the issued forecasts came true: shares inside the bands and CRPS, by lead bucket.

From what the store keeps alone: forecasts as issued, and what was measured since.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.forecast import BANDS, QUANTILES
from energy.forecast.calibration import bucket_of
from energy.forecast.features import sum_of_known
from energy.forecast.inputs import MEDIAN
from energy.forecast.scoring import WIDTHS, pinball
from energy.forecast.series import BUCKET_END
from energy.steps.auctions import PRICE
from energy.store.alarms import Alarm, end_other_alarms, raise_alarm
from energy.store.forecasts import last_issue, load_issues
from energy.store.measured import load_measured
from energy.store.orders import prices_between
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

FloatArray = npt.NDArray[np.float64]

ISSUE_EVERY = SLOTS_PER_HOUR
"""One issue an hour is compared: those between differ by little and would count the same twice."""

QUANTITIES = (*BANDS, PRICE)
"""What is forecast as quantiles of the district: powers in kW, and the auctions' price in won."""

UNITS = dict.fromkeys(BANDS, "kw") | {PRICE: "krw_per_kwh"}
"""The unit of each quantity as names in documents end in it."""

DRIFT_DAYS = 7
DRIFT_TODO = (
    "Look at its meters and the weather feed; the bands are widening by themselves.",
    "Look at who has begun or ceased to trade; the bands are widening by themselves.",
)
DRIFT_FRAC = 0.15
"""A band of 80 % that holds this much less over the days before has drifted."""


@dataclass(frozen=True)
class Verified:
    """What a bucket of leads came to: slots compared, CRPS and bias of the median in `unit`, and
    the share of the truth inside each band of WIDTHS.
    """

    values: int
    crps: float
    bias: float
    inside: dict[int, float]
    unit: str

    def as_json(self) -> dict[str, Any]:
        """The figures for people."""
        return {
            "values": self.values,
            f"crps_{self.unit}": round(self.crps, 3),
            f"bias_{self.unit}": round(self.bias, 3),
            **{f"inside_{width}_frac": round(share, 4) for width, share in self.inside.items()},
        }


def verify_issues(connection: Connection, end: int, days: int) -> dict[str, dict[str, Verified]]:
    """By quantity and lead bucket (`0-1` hours and so on, `all`), of the `days` before `end`.

    A bucket without a slot that was forecast and measured is left out.
    """
    first = end - days * SLOTS_PER_DAY * SLOT_S
    horizon = int(BUCKET_END[-1]) * SLOT_S
    issues = load_issues(connection, first - horizon, end)
    issues = [one for one in issues if one.first_slot // SLOT_S % ISSUE_EVERY == 0]
    truth = _truth(connection, first, end)
    found = {}
    for name in QUANTITIES:
        rows = [
            _compared(issue.quantiles[name], issue.first_slot, truth[name], first)
            for issue in issues
            if name in issue.quantiles
        ]
        found[name] = _by_bucket(rows, UNITS[name])
    return found


def watch_drift(connection: Connection, slot: int, first_slot: int, now_s: int) -> None:
    """Raise the alarm of bands that have drifted over the week before `slot`, or end it.

    The first week of an installation, which began with `first_slot`, is not judged.
    """
    if slot - first_slot < DRIFT_DAYS * SLOTS_PER_DAY * SLOT_S:
        return
    found = verify_issues(connection, slot, DRIFT_DAYS)
    low = {
        name: each["all"].inside[80]
        for name, each in found.items()
        if "all" in each and each["all"].inside[80] < 0.8 - DRIFT_FRAC
    }
    for name, share in low.items():
        alarm = Alarm(
            cause=f"forecast/{name}",
            severity="warning",
            what=f"The 80 % band of {name} held {share:.0%} of the last {DRIFT_DAYS} days",
            where="forecast",
            todo=DRIFT_TODO[name == PRICE],
        )
        raise_alarm(connection, alarm, now_s)
    causes = frozenset(f"forecast/{name}" for name in low)
    end_other_alarms(connection, "forecast/", causes, now_s)


@dataclass(frozen=True, eq=False)
class Course:
    """A day back and the horizon ahead of one quantity: quantiles (Q, T), measured (T,).

    Back, a slot's band is that of an issue made `COURSE_LEAD_SLOTS` before it; ahead, the newest.
    """

    first_slot: int
    now_index: int
    quantiles: FloatArray
    measured: FloatArray


COURSE_LEAD_SLOTS = 12 * SLOTS_PER_HOUR
COURSE_BACK_SLOTS = SLOTS_PER_DAY


def forecast_courses(connection: Connection) -> dict[str, Course]:
    """Each quantity's course about the newest forecast; empty before there is one."""
    newest = last_issue(connection)
    if newest is None:
        return {}
    first = newest.first_slot - COURSE_BACK_SLOTS * SLOT_S
    lead_s = COURSE_LEAD_SLOTS * SLOT_S
    issues = load_issues(connection, first - lead_s, newest.first_slot - lead_s)
    at_lead = {one.first_slot + lead_s: one for one in issues}
    truth = _truth(connection, first, newest.first_slot)
    found = {}
    for name in QUANTITIES:
        if name not in newest.quantiles:
            continue
        ahead = newest.quantiles[name]
        back = np.full((len(QUANTILES), COURSE_BACK_SLOTS), np.nan)
        for number in range(COURSE_BACK_SLOTS):
            issue = at_lead.get(first + number * SLOT_S)
            told = None if issue is None else issue.quantiles.get(name)
            if told is not None and told.shape[1] > COURSE_LEAD_SLOTS:
                back[:, number] = told[:, COURSE_LEAD_SLOTS]
        measured = np.concatenate([truth[name], np.full(ahead.shape[1], np.nan)])
        quantiles = np.concatenate([back, ahead], axis=1)
        found[name] = Course(first, COURSE_BACK_SLOTS, quantiles, measured)
    return found


def _truth(connection: Connection, first: int, end: int) -> dict[str, FloatArray]:
    """District sums in kW and the auctions' prices by slot from `first` on; NaN where not known."""
    slots = (end - first) // SLOT_S
    rows = load_measured(connection, first, end)
    areas = len(next(iter(rows.values()))["load_kw"]) if rows else 0
    load, pv = np.full((2, slots, areas), np.nan)
    heat = np.full(slots, np.nan)
    for slot, row in rows.items():
        at = (slot - first) // SLOT_S
        load[at], pv[at], heat[at] = row["load_kw"], row["pv_kw"], row["weather"][0]
    price = np.full(slots, np.nan)
    for slot, krw in prices_between(connection, first, end).items():
        price[(slot - first) // SLOT_S] = np.nan if krw is None else krw
    return {"load": sum_of_known(load), "pv": sum_of_known(pv), "heat": heat, PRICE: price}


def _compared(
    quantiles: FloatArray, first_slot: int, truth: FloatArray, first: int
) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Buckets (n,), quantiles (Q, n) and truth (n,) of the slots of an issue that are measured."""
    lead = np.arange(quantiles.shape[1])
    at = (first_slot - first) // SLOT_S + lead
    inside = (at >= 0) & (at < len(truth))
    known = inside.copy()
    known[inside] = np.isfinite(truth[at[inside]])
    return bucket_of(lead[known]), quantiles[:, known], truth[at[known]]


def _by_bucket(
    rows: list[tuple[npt.NDArray[np.int64], FloatArray, FloatArray]], unit: str
) -> dict[str, Verified]:
    if not rows:
        return {}
    bucket = np.concatenate([row[0] for row in rows])
    quantiles = np.concatenate([row[1] for row in rows], axis=1)
    truth = np.concatenate([row[2] for row in rows])
    starts = [0, *BUCKET_END.tolist()]
    names = [f"{low // SLOTS_PER_HOUR}-{high // SLOTS_PER_HOUR}" for low, high in pairwise(starts)]
    found = {
        name: _verified(quantiles[:, bucket == number], truth[bucket == number], unit)
        for number, name in enumerate(names)
        if (bucket == number).any()
    }
    return found | ({"all": _verified(quantiles, truth, unit)} if len(truth) else {})


def _verified(quantiles: FloatArray, truth: FloatArray, unit: str) -> Verified:
    # A band of no width that is right says nothing: the sun at night.
    said = quantiles[-1] > quantiles[0]
    inside = {}
    for width, (low, high) in WIDTHS.items():
        held = (truth >= quantiles[low]) & (truth <= quantiles[high])
        inside[width] = float(held[said].mean()) if said.any() else 1.0
    return Verified(
        values=len(truth),
        crps=float(2 * pinball(quantiles, truth).mean()),
        bias=float((quantiles[MEDIAN] - truth).mean()),
        inside=inside,
        unit=unit,
    )
