"""Old rows go in small units and nothing else does: no kind before its time, never the books."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from energy.config import build_settings
from energy.steps.upkeep import thin_store
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.measured import load_measured, save_measured
from energy.store.readings import load_readings, save_readings
from energy.store.retention import KINDS, SLOTS_AT_ONCE, kept_from, thin_out
from energy.store.schema import METADATA, reading, suspended
from energy.store.views import find_view, put_view, views_between

FIRST = 1_784_106_000
SLOTS = 3 * SLOTS_AT_ONCE
BODY = {"import_wh": np.arange(500)}
THINNED = {"reading", "measured", "view", "clearing", "forecast_issue", "weather_issue"}


def at(number: int) -> int:
    return FIRST + 900 * number


def fill(connection: Connection) -> None:
    for slot in map(at, range(SLOTS)):
        save_readings(connection, slot, BODY)
        save_measured(connection, slot, BODY, {"peak_kw": 1.0})
        put_view(connection, "measured", slot, {"slot": slot})


def left(connection: Connection) -> int:
    return int(connection.scalar(select(func.count()).select_from(reading)) or 0)


def test_old_rows_go_in_small_units_and_the_others_stay(store: Store) -> None:
    store.write(fill)
    end = at(SLOTS_AT_ONCE + 5)
    assert store.read(lambda c: kept_from(c, "readings")) is None
    gone = [store.write(lambda c: thin_out(c, {"readings": end})) for _ in range(3)]
    assert gone == [SLOTS_AT_ONCE, 5, 0]
    assert store.read(left) == SLOTS - SLOTS_AT_ONCE - 5
    assert store.read(lambda c: load_readings(c, end - 900)) is None
    assert store.read(lambda c: load_readings(c, end)) is not None
    assert at(SLOTS_AT_ONCE + 4) < (store.read(lambda c: kept_from(c, "readings")) or 0) <= end
    # Other kinds are thinned out by their own times.
    assert len(store.read(lambda c: load_measured(c, FIRST, at(SLOTS)))) == SLOTS
    assert len(store.read(lambda c: views_between(c, "measured", FIRST, at(SLOTS)))) == SLOTS


def test_afterwards_the_database_still_refuses_to_delete_readings(store: Store) -> None:
    store.write(fill)
    store.write(lambda c: thin_out(c, {"readings": at(3), "documents": at(3)}))
    assert store.read(lambda c: find_view(c, "measured", at(2))) is None
    with pytest.raises((DBAPIError, StoreError), match="reading is append-only"):
        store.write(lambda c: c.execute(reading.delete()))


def test_a_unit_that_fails_has_deleted_nothing_and_the_triggers_stand(store: Store) -> None:
    store.write(fill)

    def unit(connection: Connection) -> None:
        thin_out(connection, {"readings": at(3)})
        raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError, match="the power fails"):
        store.write(unit)
    assert store.read(left) == SLOTS and store.read(lambda c: kept_from(c, "readings")) is None
    with pytest.raises((DBAPIError, StoreError), match="reading is append-only"):
        store.write(lambda c: c.execute(reading.delete()))


def test_a_file_that_is_thinned_out_stops_growing(sqlite_store: Store) -> None:
    """The pages of rows that went are used for the rows that come."""
    noise = np.random.default_rng(1)

    def pages(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    grown = []
    for number in range(300):
        body = {"import_wh": noise.integers(0, 2**62, 2_000)}
        sqlite_store.write(lambda c, n=number, b=body: save_readings(c, at(n), b))
        sqlite_store.write(lambda c, n=number: thin_out(c, {"readings": at(n - 50)}))
        grown.append(sqlite_store.read(pages))
    assert grown[299] <= grown[60] + 10


def test_the_guards_are_lifted_a_few_times_a_day_and_not_in_every_slot(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, day_s, lifted = build_settings(keep_readings_days=40), 96 * 900, [0]
    begun = FIRST // day_s * day_s

    def fill_a_day(connection: Connection) -> None:
        for slot in range(begun, begun + day_s, 900):
            save_readings(connection, slot, BODY)

    def counted(connection: Connection, tables: Any) -> Any:
        lifted[0] += 1
        return suspended(connection, tables)

    store.write(fill_a_day)
    monkeypatch.setattr("energy.store.retention.suspended", counted)
    on_its_last_day = begun + 40 * day_s
    for slot in range(on_its_last_day, on_its_last_day + day_s, 8 * 900):
        assert thin_store(store, settings, slot) == 0
    assert lifted == [0] and store.read(left) == 96
    gone = [thin_store(store, settings, on_its_last_day + day_s + 900 * n) for n in range(3)]
    assert gone == [96, 0, 0] and lifted == [3]  # in units of 32


def test_nothing_of_the_books_is_of_a_kind_that_is_thinned_out() -> None:
    tables = {column.table.name for columns in KINDS.values() for column in columns}
    assert tables == THINNED < set(METADATA.tables)
