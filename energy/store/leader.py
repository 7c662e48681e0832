"""Who runs the loop: one process leads, under a term that grows with every change of hands.

The lease is counted by the database's own clock. Every write of the loop runs behind
`require_term`, so that a leader that slept through its lease can write nothing when it wakes.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from energy.store.engine import NAME_BYTES
from energy.store.errors import FenceError, StoreVersionError
from energy.store.lives import has_ended, own_life
from energy.store.schema import SCHEMA_VERSION, leader, lease, meta

LEASE_S = 30
"""How long a leader may be silent before another takes over."""


@dataclass(frozen=True)
class Anchor:
    """What the demonstration's clock says at a real instant, and how it goes on from there.

    `at_s` in real seconds since 1970 UTC; the district's time is `district_s` there, moves by
    `rate` a real second and stops at `cap_s`.
    """

    at_s: float
    district_s: float
    rate: float
    cap_s: float

    def district_time_s(self, real_s: float) -> float:
        """The district's time at a real instant."""
        return min(self.district_s + max(real_s - self.at_s, 0.0) * self.rate, self.cap_s)


def take_lead(
    connection: Connection, owner: str, lease_s: float = LEASE_S, *, alone: bool = False
) -> int | None:
    """The new term of `owner`, or None while the lease of another one runs.

    The lease counts for nothing where its holder has surely ended, or where `alone` says that no
    other process can be at work on this store. Raises StoreVersionError where the tables are no
    longer this program's.
    """
    _require_own_tables(connection)
    now_s, life = _database_s(connection), own_life()
    if not alone:
        if _runs(connection, now_s):
            return None
        _end_units_of_last_leader(connection, owner)
    last = connection.scalar(select(leader.c.term).with_for_update())
    if last is None:
        connection.execute(leader.insert().values(id=1, term=1, owner=owner))
        connection.execute(lease.insert().values(id=1, until_s=now_s + lease_s, life=life))
        return 1
    if not alone and _runs(connection, now_s):
        return None
    connection.execute(leader.update().values(term=last + 1, owner=owner))
    connection.execute(lease.update().values(until_s=now_s + lease_s, life=life))
    return int(last) + 1


def _runs(connection: Connection, now_s: float) -> bool:
    """Whether a lease runs whose holder may live."""
    row = connection.execute(select(lease.c.until_s, lease.c.life)).first()
    return row is not None and row.until_s > now_s and not has_ended(row.life)


def _end_units_of_last_leader(connection: Connection, owner: str) -> None:
    """End the open units of one whose lease is over, for their locks would keep the next waiting.

    A frozen process that the database is still answering is not silent, so no time-out ends it.
    Where the last leader was `owner` itself, they are this process's own writes and go on.
    """
    if connection.dialect.name != "postgresql":
        return
    connection.execute(
        text(
            "SELECT pg_terminate_backend(session.pid) FROM pg_stat_activity AS session, leader "
            "WHERE session.application_name = left(leader.owner, :name_bytes) "
            "AND leader.owner <> :owner "
            "AND session.datname = current_database() AND session.xact_start IS NOT NULL "
            "AND session.pid <> pg_backend_pid()"
        ),
        {"owner": owner, "name_bytes": NAME_BYTES},
    )


def renew_lead(connection: Connection, term: int, lease_s: float = LEASE_S) -> None:
    """Lead on; raises FenceError where another one has taken over."""
    require_term(connection, term)
    connection.execute(lease.update().values(until_s=_database_s(connection) + lease_s))


def resign_lead(connection: Connection, term: int) -> None:
    """Let the next one take over at once; raises FenceError where one has."""
    require_term(connection, term)
    connection.execute(lease.update().values(until_s=0.0))


def require_term(connection: Connection, term: int) -> None:
    """Hold the term until the transaction ends; raises FenceError where it is over.

    Raises StoreVersionError where the tables were changed to another version meanwhile.
    """
    _require_own_tables(connection)
    row = connection.execute(select(leader).with_for_update(read=True)).first()
    if row is None or row.term != term:
        found = "none" if row is None else f"term {row.term} of {row.owner}"
        raise FenceError(f"leader: term {term} is over, found {found}")


def _require_own_tables(connection: Connection) -> None:
    query = select(meta.c.value).where(meta.c.key == "schema_version")
    found = connection.scalar(query)
    if found != str(SCHEMA_VERSION):
        raise StoreVersionError(
            f"store: its tables have been changed to version {found} meanwhile, allowed "
            f"{SCHEMA_VERSION}; stop this program and start the one that the tables are for"
        )


def write_anchor(connection: Connection, term: int, anchor: Anchor) -> None:
    """Tell the other processes how the demonstration's clock goes."""
    require_term(connection, term)
    connection.execute(
        lease.update().values(
            clock_at_s=anchor.at_s,
            clock_district_s=anchor.district_s,
            clock_rate=anchor.rate,
            clock_cap_s=anchor.cap_s,
        )
    )


def read_anchor(connection: Connection) -> Anchor | None:
    """How the demonstration's clock goes, None before any leader has said so."""
    row = connection.execute(select(lease)).first()
    if row is None or row.clock_at_s is None:
        return None
    return Anchor(row.clock_at_s, row.clock_district_s, row.clock_rate, row.clock_cap_s)


def somebody_leads(connection: Connection) -> bool:
    """Whether a lease is running."""
    until_s = connection.scalar(select(lease.c.until_s))
    return until_s is not None and until_s > _database_s(connection)


def _database_s(connection: Connection) -> float:
    """Seconds since 1970 UTC by the database's clock, within a transaction too."""
    if connection.dialect.name == "postgresql":
        asked = "SELECT extract(epoch FROM clock_timestamp())"
    else:
        asked = "SELECT (julianday('now') - 2440587.5) * 86400.0"
    return float(connection.execute(text(asked)).scalar_one())
