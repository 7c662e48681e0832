"""What all checks of a clearing share: rows, findings, roots and tie keys; plain Python."""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from market.book import Book
from market.merkle import leaf_hash, root_of

BID, OFFER = 1, 2
EMPTY, NO_TRADE, BETWEEN, BID_MARGIN, OFFER_MARGIN = range(5)
SCARCE, GLUT, FORCED = 1, 2, 4
NODE_FIELDS = (
    "node", "outcome", "flags", "low_mkrw_per_kwh", "high_mkrw_per_kwh", "price_mkrw_per_kwh",
    "bought_wh", "sold_wh", "margin_mkrw_per_kwh", "margin_open_wh", "margin_filled_wh",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold: at which row of the book (None: as a whole), found, allowed."""

    rule: str
    row: int | None
    found: str
    allowed: str


class Row(NamedTuple):
    """One order with its fill."""

    place: int
    tag: bytes
    node: int
    side: int
    price: int
    e_wh: int
    fill_wh: int


def tie(prefix: bytes, slot: int, root: bytes, tag: bytes) -> bytes:
    """What decides between equal remainders; the lower one wins."""
    return hashlib.sha256(prefix + struct.pack(">Q", slot) + root + tag).digest()


def book_root(rows: list[Row]) -> bytes:
    """Root over `0x01, tag, node (4), side (1), price (8), e_wh (8)`, in order of tag."""
    return root_of(
        [
            leaf_hash(b"\x01" + row.tag + struct.pack(">IBqQ", row.node, row.side, *row[4:6]))
            for row in rows
        ]
    )


def fills_root(rows: list[Row]) -> bytes:
    """Root over `0x01, tag, fill (8), label fill (8)`, in order of tag."""
    return root_of(
        [leaf_hash(b"\x01" + row.tag + struct.pack(">QQ", row.fill_wh, 0)) for row in rows]
    )


def rows_of(book: Book, fill_wh: Sequence[int]) -> list[Row]:
    """The book with its fills, row by row."""
    columns = (book.node, book.side, book.price_mkrw_per_kwh, book.e_wh)
    numbers = zip(book.tags(), *(column.tolist() for column in columns), fill_wh, strict=True)
    return [Row(place, *row) for place, row in enumerate(numbers)]


def beyond(row: Row) -> Finding:
    """The finding of a fill below 0 or above what was ordered."""
    return Finding("fill within quantity", row.place, str(row.fill_wh), f"0..{row.e_wh}")


def differs(rule: str, found: object, allowed: object) -> Finding | None:
    """The finding where two figures differ, None where they do not."""
    return None if found == allowed else Finding(rule, None, str(found), str(allowed))


def differing(rule: str, found: object, allowed: object) -> Iterator[Finding]:
    """The finding where two figures differ, as none or one."""
    finding = differs(rule, found, allowed)
    if finding is not None:
        yield finding
