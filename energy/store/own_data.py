"""What the store keeps of one account beside the books: readings, sign-ins, who has looked."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from energy.store.audit import Entry, entry_of_row
from energy.store.people_tables import audit_row, person, service_token, session
from energy.store.readings import load_readings
from energy.store.schema import late_reading, reading

OF_METER = ("import_wh", "export_wh", "import_register_wh", "export_register_wh", "quality")


def records_about(
    connection: Connection,
    account: bytes,
    *,
    by_others: bool,
    before: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Records of the audit log about an account's data, newest first: of what others did alone, or
    all that name the account.
    """
    columns, name = audit_row.c, f"account 0x{account.hex()}"
    about = columns.whose == name
    mine = about & (columns.account != name) if by_others else or_(about, columns.account == name)
    query = select(audit_row).where(mine).order_by(columns.no.desc()).limit(limit)
    if before is not None:
        query = query.where(columns.no < before)
    return [entry_of_row(row) for row in connection.execute(query)]


def slots_read(connection: Connection) -> list[int]:
    """All slots of which readings are kept, oldest first."""
    return list(connection.scalars(select(reading.c.slot).order_by(reading.c.slot)))


def readings_of_meter(
    connection: Connection, place: int, slots: list[int]
) -> Iterator[dict[str, int]]:
    """What one meter has said of slots, as it came with their batches."""
    for slot in slots:
        columns = load_readings(connection, slot)
        if columns is not None and place < len(columns["import_wh"]):
            yield {"slot": slot, **{name: int(columns[name][place]) for name in OF_METER}}


def late_readings_of_meter(connection: Connection, place: int) -> list[dict[str, int]]:
    """Readings of one meter that came late or mended an earlier one."""
    columns = late_reading.c
    query = select(late_reading).where(columns.meter == place)
    rows = connection.execute(query.order_by(columns.slot, columns.revision))
    return [_plain(row) for row in rows]


def sign_ins_of(connection: Connection, account: bytes) -> list[dict[str, Any]]:
    """The sessions of an account and its people that are kept, and its devices' tokens by name."""
    of = session.c
    sessions = select(of.person, of.begun_s, of.seen_s, of.ends_s, of.origin)
    sessions = sessions.where(_sessions_of(account))
    found = [{"kind": "session", **_plain(row)} for row in connection.execute(sessions)]
    to = service_token.c
    tokens = select(to.name, to.created_s, to.ends_s, to.disabled_s).where(to.account == account)
    return found + [{"kind": "token", **_plain(row)} for row in connection.execute(tokens)]


def shut_out(connection: Connection, account: bytes, now_s: int) -> tuple[int, int]:
    """End all sessions of an account and its people and disable its devices' tokens; how many of
    each.
    """
    sessions = connection.execute(delete(session).where(_sessions_of(account))).rowcount
    mine = (service_token.c.account == account) & service_token.c.disabled_s.is_(None)
    tokens = connection.execute(update(service_token).where(mine).values(disabled_s=now_s)).rowcount
    return sessions, tokens


def _sessions_of(account: bytes) -> ColumnElement[bool]:
    people = select(person.c.name).where(person.c.account == account)
    return (session.c.account == account) | session.c.person.in_(people)


def _plain(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of a table
    """The values by plain names; a driver's own names are no keys of JSON."""
    return {str(name): value for name, value in row._mapping.items()}
