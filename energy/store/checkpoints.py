"""The signed heads of the log, who cosigned them, its leaves, and the state of the next tick."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select

from energy.store.book_tables import book_state, checkpoint, cosignature, entry
from energy.store.packing import Arrays, pack_arrays, unpack_arrays


@dataclass(frozen=True)
class CosignRow:
    """A witness's signature under a checkpoint, and when it was given."""

    checkpoint: bytes
    signer: bytes
    time: int
    signature: bytes


@dataclass(frozen=True)
class CheckpointRow:
    """A signed head of the log."""

    tick: int
    digest: bytes
    size: int
    root: bytes
    accounts_root: bytes
    previous: bytes
    signer: bytes
    signature: bytes
    note: str


def save_cosignature(connection: Connection, row: CosignRow) -> None:
    """Keep a witness's signature; one that is known already is left as it is."""
    known = select(cosignature.c.signer).where(
        cosignature.c.checkpoint == row.checkpoint, cosignature.c.signer == row.signer
    )
    if connection.scalar(known) is None:
        connection.execute(insert(cosignature).values(**vars(row)))


def load_cosignatures(connection: Connection, of: bytes) -> list[CosignRow]:
    """Witnesses' signatures under a checkpoint, in order of their addresses."""
    query = select(cosignature).where(cosignature.c.checkpoint == of)
    rows = connection.execute(query.order_by(cosignature.c.signer))
    return [CosignRow(**row._mapping) for row in rows]


def last_cosigned(connection: Connection, witnesses: Collection[bytes], quorum: int) -> int | None:
    """The newest tick whose checkpoint has so many of these signatures, or None."""
    columns = cosignature.c
    query = select(checkpoint.c.tick).join(cosignature, columns.checkpoint == checkpoint.c.digest)
    query = query.where(columns.signer.in_(witnesses)).group_by(checkpoint.c.tick)
    query = query.having(func.count() >= quorum).order_by(checkpoint.c.tick.desc()).limit(1)
    found: int | None = connection.scalar(query)
    return found


def save_checkpoint(connection: Connection, row: CheckpointRow) -> None:
    """Write the signed head of a tick."""
    connection.execute(insert(checkpoint).values(**vars(row)))


def find_checkpoint(connection: Connection, tick: int) -> CheckpointRow | None:
    """The signed head of a tick, or None."""
    row = connection.execute(select(checkpoint).where(checkpoint.c.tick == tick)).first()
    return None if row is None else CheckpointRow(**row._mapping)


def checkpoint_of_size(connection: Connection, size: int) -> CheckpointRow | None:
    """The signed head of this size, or None."""
    row = connection.execute(select(checkpoint).where(checkpoint.c.size == size)).first()
    return None if row is None else CheckpointRow(**row._mapping)


def load_checkpoints(connection: Connection) -> list[CheckpointRow]:
    """All signed heads, oldest first."""
    rows = connection.execute(select(checkpoint).order_by(checkpoint.c.tick))
    return [CheckpointRow(**row._mapping) for row in rows]


def list_checkpoints(
    connection: Connection, *, before: int | None, limit: int
) -> list[CheckpointRow]:
    """Signed heads of ticks before one, the newest first."""
    query = select(checkpoint).order_by(checkpoint.c.tick.desc()).limit(limit)
    if before is not None:
        query = query.where(checkpoint.c.tick < before)
    return [CheckpointRow(**row._mapping) for row in connection.execute(query)]


def cosigners_between(connection: Connection, first: int, last: int) -> dict[bytes, list[bytes]]:
    """Who has cosigned the heads of ticks from `first` to `last`, by the digest of the head."""
    query = select(cosignature.c.checkpoint, cosignature.c.signer)
    query = query.join(checkpoint, cosignature.c.checkpoint == checkpoint.c.digest)
    query = query.where(checkpoint.c.tick.between(first, last)).order_by(cosignature.c.signer)
    found: dict[bytes, list[bytes]] = {}
    for of, signer in connection.execute(query):
        found.setdefault(of, []).append(signer)
    return found


class LeafRow(NamedTuple):
    """What the leaf of an entry is made from."""

    tick: int
    type: str
    digest: bytes
    salt: bytes
    signatures: bytes


def load_leaves(connection: Connection, *, after: int) -> list[LeafRow]:
    """The leaves' parts of all entries in ticks above `after`, in order of their commitment."""
    columns = [entry.c[name] for name in LeafRow._fields]
    query = select(*columns).where(entry.c.tick > after).order_by(entry.c.tick, entry.c.position)
    return [LeafRow(*row) for row in connection.execute(query)]


def last_checkpoint(connection: Connection) -> CheckpointRow | None:
    """The newest signed head, or None before the first."""
    query = select(checkpoint).order_by(checkpoint.c.tick.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else CheckpointRow(**row._mapping)


def checkpoint_ticks(connection: Connection) -> list[int]:
    """The ticks that are under a checkpoint, oldest first."""
    return list(connection.scalars(select(checkpoint.c.tick).order_by(checkpoint.c.tick)))


def save_book_state(connection: Connection, tick: int, columns: Arrays) -> None:
    """Keep what the next tick needs; the tick before is forgotten."""
    connection.execute(book_state.delete())
    connection.execute(insert(book_state).values(id=1, tick=tick, body=pack_arrays(columns)))


def load_book_state(connection: Connection) -> tuple[int, dict[str, Any]] | None:
    """Tick and columns of the kept state, or None before the first tick."""
    row = connection.execute(select(book_state.c.tick, book_state.c.body)).first()
    return None if row is None else (row.tick, unpack_arrays(row.body))
