"""Merkle trees as in RFC 6962: roots, proofs, and a frontier that grows in O(log n).

Leaves come in as leaf hashes, `leaf_hash(data)`. Ranges are half-open. Three shapes of use:

- `Frontier`, the compact head of an append-only log: a few hashes that survive a restart;
- `Tree`, the same log with every perfect subtree kept, for proofs in O(log n);
- a set: leaf hashes in rising order without duplicates, so that absence can be proven.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from market.errors import MarketError

EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofError(MarketError):
    """A proof was asked for that does not exist, or one does not prove what it claims."""


def leaf_hash(leaf_data: bytes) -> bytes:
    """The hash of one leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + leaf_data).digest()


def entry_leaf(type_code: int, salt: bytes, digest: bytes, signatures: bytes) -> bytes:
    """The leaf hash of an entry: its digest and signatures under a salt of 32 bytes.

    `signatures` are 65 bytes each, none for a Transfer, which its Settlement covers.
    """
    if len(salt) != 32 or len(digest) != 32 or len(signatures) % 65:
        raise ProofError(
            f"leaf of type {type_code}: salt, digest and signatures have {len(salt)}, "
            f"{len(digest)} and {len(signatures)} bytes, allowed 32, 32 and 65 each"
        )
    return leaf_hash(b"\x01" + bytes([type_code]) + salt + digest + signatures)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, 32 bytes; of no leaves, the hash of nothing."""
    level = list(leaves)
    while len(level) > 1:
        level = _level_above(level)
    return level[0] if level else EMPTY_ROOT


def _level_above(level: list[bytes]) -> list[bytes]:
    # An odd node at the end is handed up unhashed; that equals the split at powers of two.
    sha256 = hashlib.sha256
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return [*above, level[-1]] if len(level) % 2 else above


@dataclass(frozen=True)
class Frontier:
    """The head of a log: its size and the roots of its perfect subtrees, greatest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ProofError(
                f"frontier of size {self.size}: {len(self.hashes)} hashes, "
                f"allowed {max(self.size, 0).bit_count()}"
            )

    def append(self, leaves: Iterable[bytes]) -> "Frontier":
        """The frontier after these leaf hashes."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            merged, below = leaf, size
            while below & 1:
                merged, below = node_hash(hashes.pop(), merged), below >> 1
            hashes.append(merged)
            size += 1
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        """The root of the log, 32 bytes."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def as_json(self) -> dict[str, object]:
        """Size and hashes as a decimal string and hex, for a row of the database."""
        return {"size": str(self.size), "hashes": [h.hex() for h in self.hashes]}

    @classmethod
    def from_json(cls, found: dict[str, object]) -> "Frontier":
        """The frontier that `as_json` wrote; raises ProofError if the count does not fit."""
        hashes = found["hashes"]
        assert isinstance(hashes, list)
        return cls(int(str(found["size"])), tuple(bytes.fromhex(text) for text in hashes))


class Tree:
    """An append-only log that keeps its perfect subtrees: some 64 bytes a leaf, fast proofs."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        self.append(leaves)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0])

    def leaf(self, index: int) -> bytes:
        """The leaf hash at this place."""
        return self._levels[0][index]

    def append(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes at the end; only perfect subtrees are stored, so nothing changes."""
        self._levels[0].extend(leaves)
        height = 0
        while len(self._levels[height]) >= 2:
            if len(self._levels) == height + 1:
                self._levels.append([])
            below, level = self._levels[height], self._levels[height + 1]
            for n in range(len(level), len(below) // 2):
                level.append(node_hash(below[2 * n], below[2 * n + 1]))
            height += 1

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves (all by default)."""
        size = self.size if size is None else size
        self._require_size(size)
        return self._range_root(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """The path from leaf `index` to the root of the first `size` leaves, leaf side first."""
        size = self.size if size is None else size
        self._require_size(size)
        if not 0 <= index < size:
            raise ProofError(f"inclusion: index {index}, allowed 0 to {size - 1}")
        path, low, high = [], 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range_root(middle, high))
                high = middle
            else:
                path.append(self._range_root(low, middle))
                low = middle
        return tuple(reversed(path))

    def consistency(self, old_size: int, size: int | None = None) -> tuple[bytes, ...]:
        """The proof that the first `old_size` leaves are a prefix of the first `size`.

        Raises ProofError for an old size of 0, which would prove nothing.
        """
        size = self.size if size is None else size
        self._require_size(size)
        if not 0 < old_size <= size:
            raise ProofError(f"consistency: old size {old_size}, allowed 1 to {size}")
        proof, low, high, whole = [], 0, size, True
        while old_size < high:
            middle = low + _split(high - low)
            if old_size <= middle:
                proof.append(self._range_root(middle, high))
                high = middle
            else:
                proof.append(self._range_root(low, middle))
                low, whole = middle, False
        # The old tree is known to the verifier, unless its last subtree lies inside the new one.
        last = [] if whole else [self._range_root(low, high)]
        return tuple(last + proof[::-1])

    def _range_root(self, low: int, high: int) -> bytes:
        width = high - low
        if width & (width - 1) == 0 and low % width == 0:
            return self._levels[width.bit_length() - 1][low // width]
        middle = low + _split(width)
        return node_hash(self._range_root(low, middle), self._range_root(middle, high))

    def _require_size(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ProofError(f"tree of {self.size} leaves: size {size}, allowed 0 to {self.size}")


def _split(width: int) -> int:
    """The largest power of two below the width."""
    return int(1 << ((width - 1).bit_length() - 1))


def root_from_inclusion(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to; raises ProofError if its length does not fit."""
    if not 0 <= index < size:
        raise ProofError(f"inclusion: index {index}, allowed 0 to {size - 1}")
    root, at, last, used = leaf, index, size - 1, 0
    while last:
        if at & 1 or at < last:
            if used == len(path):
                raise ProofError(f"inclusion: {len(path)} hashes, allowed more")
            root = node_hash(path[used], root) if at & 1 else node_hash(root, path[used])
            used += 1
        at, last = at >> 1, last >> 1
    if used != len(path):
        raise ProofError(f"inclusion: {len(path)} hashes, allowed {used}")
    return root


def require_inclusion(
    leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Raise ProofError unless the path leads from the leaf to the root."""
    found = root_from_inclusion(leaf, index=index, size=size, path=path)
    if found != root:
        raise ProofError(f"inclusion: path leads to {found.hex()}, allowed {root.hex()}")


def require_consistency(
    *, old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise ProofError unless the old tree is proven to be a prefix of the new one."""
    if not 0 < old_size <= size:
        raise ProofError(f"consistency: old size {old_size}, allowed 1 to {size}")
    if old_size == size:
        if proof or old_root != root:
            raise ProofError("consistency: equal sizes, allowed equal roots and no hashes")
        return
    old, new = _consistent_roots(old_size, old_root, size, proof)
    if old != old_root:
        raise ProofError(f"consistency: leads to old root {old.hex()}, allowed {old_root.hex()}")
    if new != root:
        raise ProofError(f"consistency: leads to root {new.hex()}, allowed {root.hex()}")


def _consistent_roots(
    old_size: int, old_root: bytes, size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Both roots that the proof leads to (RFC 9162, section 2.1.4.2)."""
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofError("consistency: no hashes, allowed at least one")
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError(f"consistency: {len(proof)} hashes, allowed fewer")
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError(f"consistency: {len(proof)} hashes, allowed more")
    return old, new


def sorted_set(leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """The leaf hashes of a set in rising order; raises ProofError for a duplicate."""
    rising = tuple(sorted(leaves))
    for left, right in pairwise(rising):
        if left == right:
            raise ProofError(f"set: leaf {left.hex()} twice, allowed once")
    return rising


@dataclass(frozen=True)
class Neighbour:
    """A leaf of a set beside the gap in which another leaf would stand, with its path."""

    leaf: bytes
    index: int
    path: tuple[bytes, ...]


def prove_absence(leaves: Sequence[bytes], missing: bytes) -> tuple[Neighbour, ...]:
    """The neighbours of a leaf that is not in the set: two, one at an edge, none if empty.

    Raises ProofError if the leaf is there.
    """
    tree, at = Tree(leaves), bisect_left(leaves, missing)
    if at < len(leaves) and leaves[at] == missing:
        raise ProofError(f"absence: leaf {missing.hex()} is in the set at {at}")
    beside = [n for n in (at - 1, at) if 0 <= n < len(leaves)]
    return tuple(Neighbour(leaves[n], n, tree.inclusion(n)) for n in beside)


def require_absence(
    missing: bytes, *, size: int, root: bytes, neighbours: Sequence[Neighbour]
) -> None:
    """Raise ProofError unless the neighbours prove that the leaf is not in the set."""
    if size == 0:
        if neighbours or root != EMPTY_ROOT:
            raise ProofError("absence: an empty set has the empty root and no neighbours")
        return
    for beside in neighbours:
        require_inclusion(beside.leaf, index=beside.index, size=size, path=beside.path, root=root)
    below = [n for n in neighbours if n.leaf < missing]
    above = [n for n in neighbours if n.leaf > missing]
    gap = (below[0].index + 1 if below else 0, above[0].index if above else size)
    if len(below) > 1 or len(above) > 1 or len(below) + len(above) != len(neighbours):
        raise ProofError("absence: allowed one neighbour below and one above")
    if gap[0] != gap[1]:
        raise ProofError(f"absence: neighbours leave a gap from {gap[0]} to {gap[1]}")
