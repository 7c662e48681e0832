"""From what the meters say to what is entered in the books: which readings are believed, what
stands in for the others, and the entries that the gateway and the operator sign.

A meter's counter (register) is the better witness: it goes on counting when a reading is lost,
and a value that does not fit it is not believed. What a counter cannot tell is estimated from the
same quarter hour of the weeks before, and named as an estimate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY
from market.estimates import mean_wh

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[Any]]

MISSING, MEASURED, ESTIMATED, CORRECTED = 0, 1, 2, 3

PLATE_KW_MIN = 25.0
PLATE_TO_MEAN = 100.0
"""No connection carries more than 25 kW or this many times its mean; more is a faulty value."""

PROFILE_DAYS = 28


@dataclass(frozen=True, eq=False)
class Registers:
    """The last trusted counters of the customers' meters, (M,) each; `slot` 0 where none is."""

    import_wh: IntArray
    export_wh: IntArray
    slot: IntArray


@dataclass(frozen=True, eq=False)
class Months:
    """What each customer has drawn at tariff in a local month so far, Wh, (M,).

    `now_wh` in the month that begins at `start`, `last_wh` in the one before.
    """

    start: int
    now_wh: IntArray
    last_wh: IntArray

    def of(self, start: int) -> IntArray:
        """The sums of the month that begins at `start`; a new month begins with nought."""
        if start > self.start:
            return np.zeros_like(self.now_wh)
        return self.now_wh if start == self.start else self.last_wh

    def plus(self, start: int, grown_wh: IntArray) -> "Months":
        """The sums after the month that begins at `start` has grown."""
        if start > self.start:
            return Months(start, grown_wh, self.now_wh)
        if start == self.start:
            return replace(self, now_wh=self.now_wh + grown_wh)
        return replace(self, last_wh=self.last_wh + grown_wh)


@dataclass(frozen=True, eq=False)
class Believed:
    """The customers' readings of a slot as far as they are believed, (M,).

    `quality` is 1 measured, 2 told by the counter instead, 0 not known. `frozen` marks meters
    whose counter has jumped by more than this slot's reading: what is over, `over_import_wh` and
    `over_export_wh`, belongs to the slot before.
    """

    import_wh: IntArray
    export_wh: IntArray
    quality: IntArray
    registers: Registers
    frozen: BoolArray
    over_import_wh: IntArray
    over_export_wh: IntArray


def no_registers(meters: int) -> Registers:
    """Nothing known of any counter."""
    nought = np.zeros(meters, dtype=np.int64)
    return Registers(nought, nought, nought)


def plate_wh(district: District) -> IntArray:
    """Most that each customer's connection can carry in a slot, Wh, (M,)."""
    meters = district.meters
    mean_kw = meters.annual_kwh / (365 * 24)
    largest_kw = np.maximum(PLATE_KW_MIN, np.maximum(PLATE_TO_MEAN * mean_kw, 2 * meters.pv_kwp))
    return np.ceil(largest_kw * 1000 * DT_H).astype(np.int64)


def believe(slot: int, columns: Columns, last: Registers, most_wh: IntArray) -> Believed:
    """What of a slot's readings is believed; `last` are the counters before it."""
    came = columns["quality"] == MEASURED
    import_wh, export_wh = columns["import_wh"], columns["export_wh"]
    known, before = last.slot > 0, last.slot == slot - SLOT_S
    slots = np.where(known, (slot - last.slot) // SLOT_S, 1)
    counted_in = np.where(known, columns["import_register_wh"] - last.import_wh, import_wh)
    counted_out = np.where(known, columns["export_register_wh"] - last.export_wh, export_wh)
    fits = came & _within(counted_in, slots * most_wh) & _within(counted_out, slots * most_wh)
    good = fits & _within(import_wh, np.minimum(most_wh, counted_in))
    good &= _within(export_wh, np.minimum(most_wh, counted_out))
    told = fits & ~good & before
    quality = np.where(good, MEASURED, np.where(told, ESTIMATED, MISSING))
    over_in, over_out = counted_in - import_wh, counted_out - export_wh
    return Believed(
        import_wh=np.where(good, import_wh, np.where(told, counted_in, 0)),
        export_wh=np.where(good, export_wh, np.where(told, counted_out, 0)),
        quality=quality,
        registers=Registers(
            np.where(fits, columns["import_register_wh"], last.import_wh),
            np.where(fits, columns["export_register_wh"], last.export_wh),
            np.where(fits, slot, last.slot),
        ),
        frozen=good & before & ((over_in > 0) | (over_out > 0)),
        over_import_wh=over_in,
        over_export_wh=over_out,
    )


def _within(wh: IntArray, most_wh: IntArray) -> BoolArray:
    found: BoolArray = (wh >= 0) & (wh <= most_wh)
    return found


@dataclass(frozen=True, eq=False)
class Usual:
    """What is known of the customers' meters beforehand, Wh in a slot, (M,): mean and most."""

    mean_wh: IntArray
    most_wh: IntArray


def usual_of(district: District) -> Usual:
    """Mean and greatest import of each customer in a slot."""
    mean_kw = district.meters.annual_kwh / (365 * 24)
    return Usual(np.rint(mean_kw * 1000 * DT_H).astype(np.int64), plate_wh(district))


def fill_missing(
    slot: int, believed: Believed, past: Callable[[int], Columns | None], usual: Usual
) -> Believed:
    """The readings with an estimate wherever nothing is known.

    `past` gives the batch of an earlier slot: the estimate is the mean of the same quarter hour
    of the last four weeks; of a meter that has none, what it draws on the mean of a year.
    """
    missing = np.flatnonzero(believed.quality == MISSING)
    if len(missing) == 0:
        return believed
    days = [past(slot - day * SLOTS_PER_DAY * SLOT_S) for day in range(1, PROFILE_DAYS + 1)]
    batches = [day for day in days if day is not None]
    came = [_credible(batch, usual.most_wh)[missing] for batch in batches]
    import_wh, export_wh = believed.import_wh.copy(), believed.export_wh.copy()
    import_wh[missing] = usual.mean_wh[missing]
    export_wh[missing] = 0
    if batches:
        there = np.array(came)
        some = there.any(axis=0)
        for name, column in (("import_wh", import_wh), ("export_wh", export_wh)):
            history = np.array([batch[name][missing] for batch in batches])
            mean = mean_wh(np.where(there, history, -1))
            column[missing[some]] = mean[some]
    quality = believed.quality.copy()
    quality[missing] = ESTIMATED
    return replace(believed, import_wh=import_wh, export_wh=export_wh, quality=quality)


def _credible(columns: Columns, most_wh: IntArray) -> BoolArray:
    """Which readings of a batch came and lie within what a connection can carry."""
    came: BoolArray = columns["quality"] == MEASURED
    import_ok, export_ok = (_within(columns[n], most_wh) for n in ("import_wh", "export_wh"))
    return came & import_ok & export_ok
