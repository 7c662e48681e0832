"""The sealed book of a slot: orders as columns, in order of their tags, under one Merkle root."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from market.errors import MarketError
from market.merkle import leaf_hash, root_of
from market.orders import Side

IntArray = npt.NDArray[np.int64]
TagArray = npt.NDArray[np.uint8]

_BOOK_ROW = struct.Struct(">B32sIBqQ")


class BookRow(NamedTuple):
    """One order as the auction sees it; `tag` is its salted leaf hash, 32 bytes.

    Orders of one `node` can meet; one node stands for the whole district.
    """

    tag: bytes
    zone: int
    side: int
    price_mkrw_per_kwh: int
    e_wh: int
    node: int = 0


@dataclass(frozen=True, eq=False)
class Book:
    """The sealed book of a slot as columns, rows in strictly rising order of tag.

    `tag` is uint8 (N, 32), all other columns int64 (N,). `tie_prefix` sets the tie keys of one
    kind of auction apart from those of another.
    """

    slot: int
    tag: TagArray
    zone: IntArray
    node: IntArray
    side: IntArray
    price_mkrw_per_kwh: IntArray
    e_wh: IntArray
    tie_prefix: bytes = b"tie/1"

    def __post_init__(self) -> None:
        count = len(self.tag)
        columns = (self.zone, self.node, self.side, self.price_mkrw_per_kwh, self.e_wh)
        if any(len(column) != count for column in columns) or self.tag.shape[1:] != (32,):
            raise MarketError(f"book of slot {self.slot}: columns differ in length")
        self._require((self.side == Side.BID) | (self.side == Side.OFFER), "side", "1 or 2")
        self._require(self.e_wh >= 1, "e_wh", "1 or more")
        self._require(_rising(self.tag), "tag", "each tag once, in rising order")

    def _require(self, good: npt.NDArray[np.bool_], field: str, allowed: str) -> None:
        if not good.all():
            row = int(np.argmin(good))
            found = getattr(self, field)[row]
            shown = found.tobytes().hex() if field == "tag" else int(found)
            raise MarketError(
                f"book of slot {self.slot}: row {row}: {field} {shown}, allowed {allowed}"
            )

    def __len__(self) -> int:
        return len(self.tag)

    def tags(self) -> list[bytes]:
        """The tags as bytes, in order."""
        raw = self.tag.tobytes()
        return [raw[n : n + 32] for n in range(0, len(raw), 32)]

    def tie_key(self, tag: bytes) -> bytes:
        """What decides between equal remainders: the lower key gets the Wh."""
        place = self.slot.to_bytes(8, "big") + self.root + tag
        return hashlib.sha256(self.tie_prefix + place).digest()

    @cached_property
    def root(self) -> bytes:
        """RFC 6962 root over the book rows (tag, node, side, price, e_wh), in order of tag."""
        columns = (self.node, self.side, self.price_mkrw_per_kwh, self.e_wh)
        return root_of(
            [
                leaf_hash(_BOOK_ROW.pack(1, *row))
                for row in zip(self.tags(), *(column.tolist() for column in columns), strict=True)
            ]
        )


def book_of(slot: int, rows: Iterable[BookRow], tie_prefix: bytes = b"tie/1") -> Book:
    """The book of these rows, whatever their order; raises MarketError for a bad or double row."""
    ordered = sorted(rows)
    tags = b"".join(row.tag for row in ordered)
    if len(tags) != 32 * len(ordered):
        raise MarketError(f"book of slot {slot}: a tag has not 32 bytes")
    numbers = np.array([row[1:] for row in ordered], dtype=np.int64).reshape(-1, 5)
    zone, side, price, e_wh, node = (np.ascontiguousarray(column) for column in numbers.T)
    return Book(
        slot=slot,
        tag=np.frombuffer(tags, dtype=np.uint8).reshape(-1, 32),
        zone=zone,
        node=node,
        side=side,
        price_mkrw_per_kwh=price,
        e_wh=e_wh,
        tie_prefix=tie_prefix,
    )


def _rising(tag: TagArray) -> npt.NDArray[np.bool_]:
    """Whether each tag is greater than the one before it."""
    words = np.ascontiguousarray(tag).view(">u8").astype(np.uint64)
    good = np.ones(len(tag), dtype=np.bool_)
    equal = np.ones(max(len(tag) - 1, 0), dtype=np.bool_)
    rising = np.zeros_like(equal)
    for before, after in zip(words[:-1].T, words[1:].T, strict=True):
        rising |= equal & (after > before)
        equal &= after == before
    good[1:] = rising
    return good
