"""What meters show of a slot by the readings that it was settled with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.steps.books import Registry
from energy.store.books import load_settlements, load_signed_columns

IntArray = npt.NDArray[np.int64]
UNKNOWN = 0


@dataclass(frozen=True, eq=False)
class SettledMeters:
    """Import and export, Wh, and quality of every account of the books, (A,), by its number.

    The quality is 0 where no reading was settled.
    """

    import_wh: IntArray
    export_wh: IntArray
    quality: IntArray

    def wh(self, number: int) -> tuple[int, int]:
        """Import and export of the account of a number."""
        return int(self.import_wh[number]), int(self.export_wh[number])


def settled_meters(
    connection: Connection, books: Registry, slot: int, *, first: bool = False
) -> SettledMeters:
    """The newest reading of each account that was settled, or those of the `first` settlement."""
    versions = [one for one in load_settlements(connection, slot) if one.version]
    found = SettledMeters(*np.zeros((3, len(books.book.accounts)), dtype=np.int64))
    for version in versions[:1] if first else versions:
        columns = load_signed_columns(connection, version.tick)
        if columns is not None:
            here = columns["slot"] == slot
            number = columns["account"][here]
            for name in ("import_wh", "export_wh", "quality"):
                getattr(found, name)[number] = columns[name][here]
    return found


def is_read_at_first(connection: Connection, books: Registry, slot: int, account: bytes) -> bool:
    """Whether a reading of an account was signed when a slot was settled for the first time."""
    found = settled_meters(connection, books, slot, first=True)
    return bool(found.quality[books.book.number[account]] != UNKNOWN)
