"""The district's record: what the transformers' meters have shown, slot by slot.

The forecasters look back on it; it holds the last days only and knows nothing of the future. A
value that has not come, or was not believed, is NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.forecast import History
from energy.plant import Telemetry
from energy.units import SLOT_S

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass
class Record:
    """A rolling window of area readings, oldest first; `history` is its present content."""

    history: History

    def append(self, seen: Telemetry, known: BoolArray) -> None:
        """Add a slot, with NaN where an area's value is not `known`; a skipped slot is all NaN."""
        self.extend({seen.slot: stored_row(seen, known)})

    def extend(self, stored: Mapping[int, Mapping[str, FloatArray]]) -> None:
        """Add what `stored_row` kept, by slot, oldest first; slots it has already are passed."""
        for slot, row in stored.items():
            old = self.history
            ahead = (slot - int(old.slot[-1])) // SLOT_S
            if ahead <= 0:
                continue
            heat_kw, temperature_c, cloud_frac = row["weather"].tolist()
            self.history = History(
                slot=old.slot + ahead * SLOT_S,
                load_kw=_pushed(old.load_kw, row["load_kw"], ahead),
                pv_kw=_pushed(old.pv_kw, row["pv_kw"], ahead),
                heat_kw=_pushed(old.heat_kw, heat_kw, ahead),
                temperature_c=_pushed(old.temperature_c, temperature_c, ahead),
                cloud_frac=_pushed(old.cloud_frac, cloud_frac, ahead),
            )

    @property
    def last_slot(self) -> int:
        """Newest slot in the record."""
        return int(self.history.slot[-1])


def stored_row(seen: Telemetry, known: BoolArray) -> dict[str, FloatArray]:
    """What a store keeps of a slot: `extend` and the loop's memory read it back."""
    starts, stops = unit_changes(seen)
    return {
        "load_used_kw": seen.p_load_kw,
        "pv_used_kw": seen.p_pv_kw,
        "load_kw": np.where(known, seen.p_load_kw, np.nan),
        "pv_kw": np.where(known, seen.p_pv_kw, np.nan),
        "weather": np.array([seen.heat_kw, seen.temperature_c, seen.cloud_frac]),
        "unit_starts": starts.astype(np.float64),
        "unit_stops": stops.astype(np.float64),
    }


def unit_changes(seen: Telemetry) -> tuple[IntArray, IntArray]:
    """Units of each group that began to run in a slot, and that ceased: told to, or by a trip.

    One that has tripped rests as long as one that was told to stop.
    """
    return seen.unit_starts, seen.unit_stops + seen.unit_trips


def _pushed(rows: FloatArray, newest: FloatArray | float, count: int) -> FloatArray:
    """The window moved on by `count` rows, the last of them `newest`, the others NaN."""
    pushed = np.full_like(rows, np.nan)
    if count < len(rows):
        pushed[: len(rows) - count] = rows[count:]
    pushed[-1] = newest
    return pushed
