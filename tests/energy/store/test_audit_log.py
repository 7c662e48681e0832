"""The audit log tells of a record that was changed, taken out or put in, and of none besides."""

import threading

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from energy.store.audit import Record, append_record, count_records, first_broken, list_records
from energy.store.engine import Store
from energy.store.people_tables import audit_row
from energy.store.schema import suspended


def record(number: int, task: str = "read order") -> Record:
    return Record(1_800_000_000_000_000 + number, "person kim", "127.0.0.1", "account 0xab", task)


def fill(store: Store, count: int) -> None:
    def unit(connection: Connection) -> None:
        for number in range(count):
            append_record(connection, record(number))

    store.write(unit)


def test_records_come_back_as_written_newest_first(store: Store) -> None:
    fill(store, 5)
    entries = store.read(lambda c: list_records(c, before=4, limit=2))
    assert [entry.no for entry in entries] == [3, 2]
    assert entries[0].record == record(3)
    assert store.read(first_broken) is None and store.read(count_records) == 5


def test_the_database_itself_refuses_a_change(store: Store) -> None:
    fill(store, 2)
    for statement in (audit_row.update().values(task="nothing"), audit_row.delete()):
        with pytest.raises(DBAPIError, match="audit is append-only"):
            store.write(lambda c, one=statement: c.execute(one))  # type: ignore[misc]
    assert store.read(first_broken) is None


@pytest.mark.parametrize("column", ["at_us", "account", "origin", "whose", "task", "hash"])
@pytest.mark.check(24)
def test_one_altered_field_is_found_at_its_place(store: Store, column: str) -> None:
    fill(store, 30)
    odd = {"at_us": 7, "hash": bytes(32)}.get(column, "nothing")

    def alter(connection: Connection) -> None:
        with suspended(connection, [audit_row]):
            connection.execute(audit_row.update().where(audit_row.c.no == 17).values({column: odd}))

    store.write(alter)
    assert store.read(first_broken) == 17


def test_a_record_that_was_taken_out_is_missed(store: Store) -> None:
    fill(store, 30)

    def take_out(connection: Connection) -> None:
        with suspended(connection, [audit_row]):
            connection.execute(audit_row.delete().where(audit_row.c.no == 11))

    store.write(take_out)
    assert store.read(first_broken) == 11


def test_a_line_break_cannot_make_a_second_record(sqlite_store: Store) -> None:
    odd = record(0, "read order\n7  someone else\x1b[2J" + "x" * 500)
    sqlite_store.write(lambda c: append_record(c, odd))
    (entry,) = sqlite_store.read(list_records)
    assert entry.record.task.isprintable() and len(entry.record.task) <= 300
    assert sqlite_store.read(first_broken) is None


def test_many_who_write_at_once_make_one_chain(store: Store) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 5):
            store.write(lambda c, n=number: append_record(c, record(n)))  # type: ignore[misc]

    threads = [threading.Thread(target=write, args=(10 * one,)) for one in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert store.read(first_broken) is None
    assert store.read(count_records) == 20
