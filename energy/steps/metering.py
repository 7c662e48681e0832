"""From what the meters say to what is entered in the books: which readings are believed, what
stands in for the others, and the entries that the gateway and the operator sign.

A meter's counter (register) is the better witness: it goes on counting when a reading is lost,
and a value that does not fit it is not believed. What a counter tells exactly in its place is no
estimate, so nobody is paid for what the counter says was not given. What a counter cannot tell is
estimated from the same quarter hour of the weeks before, and named as an estimate. A counter that
goes down, because the meter was exchanged or reset, is believed anew once it has borne out so many
readings in a row.
The operator's own meters are believed as the customers' are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.plant.metering import asset_ids
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
MONTH_DAYS_MAX = 32

AGREEING_SLOTS = 4
"""A counter that does not go on from the last one is believed anew after so many slots in a row in
which it has grown by what was read, in one of them at least by something.
"""

ASSET_KW_MIN = 1.0
BEYOND_PLATE = 1.1
"""A meter of the operator shows no more than this many times what stands on the plate."""


@dataclass(frozen=True, eq=False)
class Registers:
    """The last trusted counters of the customers' meters, (M,) each; `slot` 0 where none is."""

    import_wh: IntArray
    export_wh: IntArray
    slot: IntArray


@dataclass(frozen=True, eq=False)
class Months:
    """What each customer has drawn at tariff in a local month so far, Wh, (M,).

    `now_wh` in the month that begins at `start`, `last_wh` in the one before. Older months are not
    kept: what a slot of theirs is charged anew, as if it began its month, meets its bill with the
    next close.
    """

    start: int
    now_wh: IntArray
    last_wh: IntArray

    def of(self, start: int) -> IntArray:
        """The sums of the month that begins at `start`; a new month begins with nought."""
        if start > self.start or self._is_older(start):
            return np.zeros_like(self.now_wh)
        return self.now_wh if start == self.start else self.last_wh

    def plus(self, start: int, grown_wh: IntArray) -> "Months":
        """The sums after the month that begins at `start` has grown."""
        if start > self.start:
            return Months(start, grown_wh, self.now_wh)
        if start == self.start:
            return replace(self, now_wh=self.now_wh + grown_wh)
        if self._is_older(start):
            return self
        return replace(self, last_wh=self.last_wh + grown_wh)

    def _is_older(self, start: int) -> bool:
        """Whether a month lies before the last one: no month is longer than its days here."""
        return start < self.start - MONTH_DAYS_MAX * SLOTS_PER_DAY * SLOT_S


@dataclass(frozen=True, eq=False)
class Believed:
    """The customers' readings of a slot as far as they are believed, (M,).

    `quality` is 1 measured, 3 told by the counter instead, 0 not known. `frozen` marks meters
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


def asset_plate_wh(district: District) -> IntArray:
    """Most that each of the operator's meters can show in a slot, Wh, in the order of its ids."""
    chargers, heat = district.chargers, district.heat
    plates_kw = np.concatenate(
        [
            district.batteries.p_kw_max,
            chargers.count * chargers.p_kw,
            [unit.count * unit.p_kw_max for unit in district.units],
            [heat.heat_pump_kw_max] if heat else [],
            district.pv.spc_kwp.sum(axis=1),
        ]
    )
    assert len(plates_kw) == len(asset_ids(district)), "a plate for each meter of the operator"
    largest_kw = np.maximum(ASSET_KW_MIN, BEYOND_PLATE * plates_kw)
    return np.ceil(largest_kw * 1000 * DT_H).astype(np.int64)


def asset_columns(columns: Columns) -> Columns:
    """The operator's own meters as `believe` takes them; each comes with every slot."""
    names = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
    found = {name: columns[f"asset_{name}"] for name in names}
    return found | {"quality": np.full(len(found["import_wh"]), MEASURED, dtype=np.int64)}


def begun_anew(
    slot: int,
    columns: Columns,
    last: Registers,
    most_wh: IntArray,
    past: Callable[[int], Columns | None],
) -> tuple[Registers, IntArray]:
    """The counters to go on from, and the numbers of the meters whose counters have begun anew.

    `past` gives the batch of an earlier slot. A meter that shows nothing at all is not one of them.
    """
    agree = (columns["quality"] == MEASURED) & ~_counts_on(slot, columns, last, most_wh)
    moved, after, first = np.zeros_like(agree), columns, None
    for back in range(1, AGREEING_SLOTS + 1):
        before = past(slot - back * SLOT_S) if agree.any() else None
        if before is None:
            return last, np.zeros(0, dtype=np.int64)
        agree &= before["quality"] == MEASURED
        for way in ("import", "export"):
            grown = after[f"{way}_register_wh"] - before[f"{way}_register_wh"]
            agree &= (grown == after[f"{way}_wh"]) & _within(grown, most_wh)
            moved |= grown > 0
        first, after = first or before, before
    anew = agree & moved
    assert first is not None, "at least one slot must agree"
    counters = Registers(
        np.where(anew, first["import_register_wh"], last.import_wh),
        np.where(anew, first["export_register_wh"], last.export_wh),
        np.where(anew, slot - SLOT_S, last.slot),
    )
    return counters, np.flatnonzero(anew)


def believe(slot: int, columns: Columns, last: Registers, most_wh: IntArray) -> Believed:
    """What of a slot's readings is believed; `last` are the counters before it."""
    came = columns["quality"] == MEASURED
    import_wh, export_wh = columns["import_wh"], columns["export_wh"]
    before = last.slot == slot - SLOT_S
    counted_in, counted_out = _counted(columns, last)
    fits = came & _counts_on(slot, columns, last, most_wh)
    good = fits & _within(import_wh, np.minimum(most_wh, counted_in))
    good &= _within(export_wh, np.minimum(most_wh, counted_out))
    told = fits & ~good & before
    quality = np.where(good, MEASURED, np.where(told, CORRECTED, MISSING))
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


def _counted(columns: Columns, last: Registers) -> tuple[IntArray, IntArray]:
    """What the counters have gained since the last ones; the readings where none are known."""
    known = last.slot > 0
    return (
        np.where(known, columns["import_register_wh"] - last.import_wh, columns["import_wh"]),
        np.where(known, columns["export_register_wh"] - last.export_wh, columns["export_wh"]),
    )


def _counts_on(slot: int, columns: Columns, last: Registers, most_wh: IntArray) -> BoolArray:
    """Which counters have gained what the connection can carry since the last ones."""
    slots = np.where(last.slot > 0, (slot - last.slot) // SLOT_S, 1)
    counted_in, counted_out = _counted(columns, last)
    return _within(counted_in, slots * most_wh) & _within(counted_out, slots * most_wh)


def _within(wh: IntArray, most_wh: IntArray) -> BoolArray:
    found: BoolArray = (wh >= 0) & (wh <= most_wh)
    return found


@dataclass(frozen=True, eq=False)
class Usual:
    """What is known of meters beforehand, Wh in a slot: the customers' mean and most, (M,), and the
    most of the operator's own, (N,).
    """

    mean_wh: IntArray
    most_wh: IntArray
    asset_most_wh: IntArray


def usual_of(district: District) -> Usual:
    """Mean and greatest import of each customer in a slot, and the most of each asset."""
    mean_kw = district.meters.annual_kwh / (365 * 24)
    mean_wh = np.rint(mean_kw * 1000 * DT_H).astype(np.int64)
    return Usual(mean_wh, plate_wh(district), asset_plate_wh(district))


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
