"""Anchors of checkpoints: tries, what became final, and which the log tells of."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from energy.store.anchor_tables import anchor_entry, anchor_try, anchored
from energy.store.book_tables import checkpoint


@dataclass(frozen=True)
class AnchorTry:
    """A signed transaction for a checkpoint; fees in wei per unit of gas."""

    no: int
    transaction: bytes
    checkpoint: bytes
    chain_id: int
    nonce: int
    most_wei: int
    tip_wei: int
    raw: bytes
    sent_utc: int


@dataclass(frozen=True)
class AnchoredRow:
    """A transaction that is final, with its proof; nodes are hex."""

    checkpoint: bytes
    transaction: bytes
    block: int
    header: bytes
    place: int
    nodes: list[str]
    found_utc: int


def save_try(connection: Connection, row: AnchorTry) -> None:
    """Keep a transaction before it is sent."""
    connection.execute(insert(anchor_try).values(**vars(row)))


def next_try(connection: Connection) -> int:
    """The number of the next try."""
    last: int | None = connection.scalar(select(func.max(anchor_try.c.no)))
    return 0 if last is None else last + 1


def last_tries(connection: Connection) -> list[AnchorTry]:
    """All tries for the checkpoint that was tried last, oldest first."""
    last = select(anchor_try.c.checkpoint).order_by(anchor_try.c.no.desc()).limit(1)
    query = select(anchor_try).where(anchor_try.c.checkpoint == last.scalar_subquery())
    rows = connection.execute(query.order_by(anchor_try.c.no))
    return [AnchorTry(**row._mapping) for row in rows]


def find_try(connection: Connection, transaction: bytes) -> AnchorTry:
    """The try with this hash, which is there."""
    query = select(anchor_try).where(anchor_try.c.transaction == transaction)
    return AnchorTry(**connection.execute(query).one()._mapping)


def tick_of(connection: Connection, of: bytes) -> int:
    """The tick of a checkpoint that is there."""
    return int(
        connection.execute(select(checkpoint.c.tick).where(checkpoint.c.digest == of)).scalar_one()
    )


def save_anchored(connection: Connection, row: AnchoredRow) -> None:
    """Keep a final transaction with its proof."""
    connection.execute(insert(anchored).values(**vars(row)))


def find_anchored(connection: Connection, of: bytes) -> AnchoredRow | None:
    """The final transaction of a checkpoint, or None."""
    row = connection.execute(select(anchored).where(anchored.c.checkpoint == of)).first()
    return None if row is None else AnchoredRow(**row._mapping)


def unentered_anchors(connection: Connection) -> list[AnchorTry]:
    """Final transactions that the log does not tell of yet, oldest first."""
    query = (
        select(anchor_try)
        .join(anchored, anchored.c.transaction == anchor_try.c.transaction)
        .outerjoin(anchor_entry, anchor_entry.c.checkpoint == anchored.c.checkpoint)
        .where(anchor_entry.c.entry.is_(None))
    )
    return [
        AnchorTry(**row._mapping) for row in connection.execute(query.order_by(anchor_try.c.no))
    ]


def save_anchor_entries(
    connection: Connection, tick: int, rows: Sequence[tuple[bytes, bytes]]
) -> None:
    """Keep which entries, by checkpoint, a tick of the log has."""
    for of, entry in rows:
        connection.execute(insert(anchor_entry).values(checkpoint=of, entry=entry, tick=tick))


def last_anchor_entry(connection: Connection, tick: int) -> tuple[bytes, bytes] | None:
    """Checkpoint and entry of the newest anchor that the log tells of by a tick, or None."""
    query = select(anchor_entry.c.checkpoint, anchor_entry.c.entry).where(
        anchor_entry.c.tick <= tick
    )
    row = connection.execute(query.order_by(anchor_entry.c.tick.desc()).limit(1)).first()
    return None if row is None else (row.checkpoint, row.entry)
