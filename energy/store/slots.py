"""The row of each quarter hour: who works on it, how it came out, what of it is written.

A slot is claimed under a fence that grows with every claim; each later write of the cycle first
locks the row and compares the fence, so that one who was overtaken can write nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, select

from energy.store.errors import FenceError, StoreError
from energy.store.schema import fence_counter, slot
from energy.timegrid import iso_of


@dataclass(frozen=True)
class Claim:
    """The right to work on a slot until somebody claims it with a higher fence."""

    slot: int
    fence: int


@dataclass(frozen=True)
class SlotOutcome:
    """How a slot came out: `outcome` is ok, fallback or missed, `tier` T0 to T4."""

    outcome: str
    tier: str
    reason: str
    gap_frac: float | None = None
    rounds: int = 0


@dataclass(frozen=True)
class SlotRow:
    """One quarter hour as the store knows it; times in seconds since 1970 UTC or None."""

    start: int
    state: str
    outcome: str | None
    tier: str | None
    reason: str | None
    gap_frac: float | None
    rounds: int | None
    owner: str
    fence: int
    claimed_utc: int
    published_utc: int | None
    sealed_utc: int | None
    settled_utc: int | None
    seconds: dict[str, float] | None


def claim_slot(connection: Connection, start: int, owner: str, now_s: int) -> Claim:
    """The claim of a slot under the next fence; one that is already running is taken over.

    Raises StoreError where the slot is published: it is never decided twice.
    """
    # Locked, so that nobody publishes it between this look and what follows.
    row = connection.execute(select(slot).where(slot.c.start == start).with_for_update()).first()
    found = None if row is None else _slot_row(row)
    if found is not None and found.state != "running":
        raise StoreError(f"slot {iso_of(start)}: state {found.state}, allowed none or running")
    fence = next_fence(connection)
    claimed = {"owner": owner, "fence": fence, "claimed_utc": now_s}
    if found is None:
        connection.execute(slot.insert().values(start=start, state="running", **claimed))
    else:
        connection.execute(slot.update().where(slot.c.start == start).values(**claimed))
    return Claim(start, fence)


def require_fence(connection: Connection, claim: Claim) -> None:
    """Lock the slot's row until the transaction ends; FenceError if somebody else claimed it."""
    query = select(slot.c.fence).where(slot.c.start == claim.slot).with_for_update()
    found = connection.scalar(query)
    if found != claim.fence:
        raise FenceError(f"slot {iso_of(claim.slot)}: fence {claim.fence} was overtaken by {found}")


def publish_slot(connection: Connection, claim: Claim, how: SlotOutcome, now_s: int) -> None:
    """Give the slot its final row; checks the fence first."""
    require_fence(connection, claim)
    values = {
        "state": "published",
        "outcome": how.outcome,
        "tier": how.tier,
        "reason": how.reason,
        "gap_frac": how.gap_frac,
        "rounds": how.rounds,
        "published_utc": now_s,
    }
    connection.execute(slot.update().where(slot.c.start == claim.slot).values(**values))


def mark_sealed(connection: Connection, start: int, now_s: int) -> None:
    """The tick that this slot names is under its checkpoint."""
    connection.execute(slot.update().where(slot.c.start == start).values(sealed_utc=now_s))


def mark_settled(connection: Connection, start: int, now_s: int) -> None:
    """The slot's own readings are settled."""
    done = slot.update().where(slot.c.start == start)
    connection.execute(done.values(state="settled", settled_utc=now_s))


def record_seconds(connection: Connection, start: int, seconds: Mapping[str, float]) -> None:
    """Keep how long each step of the slot took."""
    rounded = {step: round(spent, 4) for step, spent in seconds.items()}
    connection.execute(slot.update().where(slot.c.start == start).values(seconds=rounded))


def find_slot(connection: Connection, start: int) -> SlotRow | None:
    """The row of a slot, or None."""
    row = connection.execute(select(slot).where(slot.c.start == start)).first()
    return None if row is None else _slot_row(row)


def last_claimed(connection: Connection) -> int | None:
    """The newest slot that anybody has worked on; its book and all before are closed."""
    found: int | None = connection.scalar(_LAST_CLAIMED)
    return found


_LAST_CLAIMED = select(func.max(slot.c.start))


def last_published(connection: Connection) -> int | None:
    """The newest slot with a final row."""
    found: int | None = connection.scalar(
        select(func.max(slot.c.start)).where(slot.c.state != "running")
    )
    return found


def running_slots(connection: Connection) -> list[int]:
    """Slots claimed but not final, oldest first: what a crash has left to be done again."""
    query = select(slot.c.start).where(slot.c.state == "running").order_by(slot.c.start)
    return list(connection.scalars(query))


def unsealed_ticks(connection: Connection) -> list[int]:
    """Published slots whose tick is not under a checkpoint yet, oldest first."""
    query = select(slot.c.start).where(slot.c.state != "running", slot.c.sealed_utc.is_(None))
    return list(connection.scalars(query.order_by(slot.c.start)))


def unsettled_slots(connection: Connection, before: int) -> list[int]:
    """Published slots that start before `before` and are not settled, oldest first."""
    query = select(slot.c.start).where(slot.c.state == "published", slot.c.start < before)
    return list(connection.scalars(query.order_by(slot.c.start)))


def list_slots(connection: Connection, *, before: int | None, limit: int) -> list[SlotRow]:
    """Up to `limit` slots that start before `before`, newest first."""
    query = select(slot).order_by(slot.c.start.desc()).limit(limit)
    if before is not None:
        query = query.where(slot.c.start < before)
    return [_slot_row(row) for row in connection.execute(query)]


def slots_between(connection: Connection, first: int, end: int) -> list[SlotRow]:
    """Slots with `first` <= start < `end`, oldest first."""
    query = select(slot).where(slot.c.start >= first, slot.c.start < end).order_by(slot.c.start)
    return [_slot_row(row) for row in connection.execute(query)]


def count_tiers(connection: Connection) -> dict[str, int]:
    """How many final slots came about by each tier."""
    query = select(slot.c.tier, func.count()).where(slot.c.tier.is_not(None)).group_by(slot.c.tier)
    return {tier: count for tier, count in connection.execute(query.order_by(slot.c.tier))}


def next_fence(connection: Connection) -> int:
    """A fence above all that were ever given."""
    grown = fence_counter.update().values(last=fence_counter.c.last + 1)
    if connection.execute(grown).rowcount == 0:
        connection.execute(fence_counter.insert().values(id=1, last=1))
    return int(connection.execute(select(fence_counter.c.last)).scalar_one())


def last_fence(connection: Connection) -> int:
    """The highest fence that was given, 0 before the first."""
    return int(connection.scalar(select(fence_counter.c.last)) or 0)


def raise_fence(connection: Connection, least: int) -> None:
    """Let every later fence be above `least`."""
    next_fence(connection)
    low = fence_counter.c.last < least
    connection.execute(fence_counter.update().where(low).values(last=least))


def _slot_row(row: Row[tuple[object, ...]]) -> SlotRow:
    return SlotRow(**row._mapping)
