"""Set-points, measurements, views, alarms, events, readings: what goes in comes out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.store import alarms, events, measured, readings, setpoints, slots, views
from energy.store.alarms import Alarm, Seen
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.packing import pack_arrays, unpack_arrays
from energy.store.readings import LateRow
from energy.store.types import UInt64

SLOT = 1_784_106_000


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=9),
        st.tuples(
            st.sampled_from(["<i8", "<f8", "<f4", "|i1", "|b1", ">i8"]),
            st.lists(st.integers(0, 4), max_size=3),
        ),
        max_size=4,
    )
)
def test_packed_columns_come_back_with_their_shapes_and_types(
    columns: dict[str, tuple[str, list[int]]],
) -> None:
    arrays = {
        name: np.arange(math.prod(shape)).reshape(shape).astype(dtype)
        for name, (dtype, shape) in columns.items()
    }
    blob = pack_arrays(arrays)
    assert blob == pack_arrays(dict(reversed(arrays.items())))
    found = unpack_arrays(blob)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("damage", [b"", b"no zlib", pack_arrays({"a": np.arange(9)})[:-6]])
def test_damaged_columns_are_named(damage: bytes) -> None:
    with pytest.raises(StoreError, match="packed columns"):
        unpack_arrays(damage)


@given(st.integers(0, 2**64 - 1))
def test_unsigned_numbers_survive_a_signed_column(number: int) -> None:
    kind, dialect = UInt64(), None
    stored = kind.process_bind_param(number, dialect)  # type: ignore[arg-type]
    assert stored is not None and -(2**63) <= stored < 2**63
    assert kind.process_result_value(stored, dialect) == number  # type: ignore[arg-type]


def test_setpoints_are_kept_with_fence_and_expiry(store: Store) -> None:
    claim = store.write(lambda c: slots.claim_slot(c, SLOT, "one", 5))
    store.write(lambda c: setpoints.save_setpoints(c, claim, SLOT + 900, b"body"))
    found = store.read(lambda c: setpoints.load_setpoints(c, SLOT))
    assert found == setpoints.StoredSetPoints(SLOT, claim.fence, SLOT + 900, b"body")
    assert store.read(lambda c: setpoints.load_setpoints(c, SLOT + 900)) is None
    store.write(lambda c: setpoints.prune_setpoints(c, SLOT + 900))
    assert store.read(lambda c: setpoints.load_setpoints(c, SLOT)) is None


def test_measured_slots_come_back_by_slot_and_in_order(store: Store) -> None:
    for n in (2, 0, 1):
        arrays = {"p_load_kw": np.array([1.5, np.nan, n])}
        store.write(lambda c, n=n, a=arrays: measured.save_measured(c, SLOT + n * 900, a, {"n": n}))
    store.write(
        lambda c: measured.save_measured(c, SLOT, {"p_load_kw": np.array([7.0])}, {"n": "again"})
    )
    found = store.read(lambda c: measured.load_measured(c, SLOT, SLOT + 1800))
    assert list(found) == [SLOT, SLOT + 900]
    np.testing.assert_array_equal(found[SLOT]["p_load_kw"], [7.0])
    np.testing.assert_array_equal(found[SLOT + 900]["p_load_kw"], [1.5, np.nan, 1.0])
    summaries = store.read(lambda c: measured.load_summaries(c, SLOT, SLOT + 2700))
    assert [one["n"] for one in summaries.values()] == ["again", 1, 2]
    assert store.read(measured.last_measured) == SLOT + 1800


def test_only_the_newest_states_of_the_plant_are_kept(store: Store) -> None:
    for n in range(5):
        store.write(lambda c, n=n: measured.save_plant_state(c, SLOT + n * 900, bytes([n]), keep=3))
    assert store.read(lambda c: measured.load_plant_state(c, SLOT + 900)) is None
    assert store.read(lambda c: measured.load_plant_state(c, SLOT + 1800)) == b"\x02"
    assert store.read(measured.last_plant_state) == (SLOT + 3600, b"\x04")


def test_views_hold_any_document_and_a_gap_is_null(store: Store) -> None:
    body = {"kw": np.array([1.0, np.nan]), "money": "9007199254742293.001", "name": "세종"}
    store.write(lambda c: views.put_view(c, "plan", SLOT, {"first": 1}))
    store.write(lambda c: views.put_view(c, "plan", SLOT, body))
    store.write(lambda c: views.put_view(c, "measured", SLOT, {"other": True}))
    read = {"kw": [1.0, None], "money": "9007199254742293.001", "name": "세종"}
    assert store.read(lambda c: views.find_view(c, "plan", SLOT)) == read
    assert store.read(lambda c: views.views_between(c, "plan", SLOT, SLOT + 1)) == {SLOT: read}
    assert store.read(lambda c: views.last_view_slot(c, "plan")) == SLOT
    assert store.read(lambda c: views.last_view_slot(c, "ledger")) is None
    store.write(lambda c: views.prune_views(c, "plan", SLOT + 1))
    assert store.read(lambda c: views.find_view(c, "plan", SLOT)) is None


def test_an_alarm_is_one_row_until_its_condition_ends(store: Store) -> None:
    def found(what: str, severity: str = "alarm", cause: str = "grid/F3") -> Alarm:
        return Alarm(cause, severity, what, "line F3-07", "Limit feeder 3.")

    def raise_(alarm: Alarm, now_s: int) -> int:
        return store.write(lambda c: alarms.raise_alarm(c, alarm, now_s))

    late = raise_(found("Meters are late", "warning", "meters"), 5)
    first = raise_(found("104 %"), 6)
    assert raise_(found("106 %"), 7) == first
    opened = store.read(alarms.open_alarms)
    assert [(one.id, one.alarm.what, one.since_utc, one.count) for one in opened] == [
        (first, "106 %", 6, 2),
        (late, "Meters are late", 5, 1),
    ]
    store.write(lambda c: alarms.acknowledge_alarm(c, first, Seen("person kim", 8, "on my way")))
    assert store.read(alarms.open_alarms)[0].seen == Seen("person kim", 8, "on my way")
    store.write(lambda c: alarms.end_other_alarms(c, "grid/", frozenset(), 9))
    assert [one.id for one in store.read(alarms.open_alarms)] == [late]
    assert raise_(found("104 %"), 10) > first


def test_an_unknown_alarm_cannot_be_acknowledged(store: Store) -> None:
    with pytest.raises(StoreError, match="alarm 7: not found"):
        store.write(lambda c: alarms.acknowledge_alarm(c, 7, Seen("person kim", 8)))


def test_numbers_of_events_grow_and_old_events_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT", 3)
    numbers = [
        store.write(lambda c, n=n: events.add_event(c, "cycle", SLOT, {"n": n})) for n in range(5)
    ]
    assert numbers == sorted(set(numbers))
    kept = store.read(lambda c: events.events_after(c, 0))
    assert [event.body["n"] for event in kept] == [2, 3, 4]
    assert store.read(events.event_range) == (numbers[2], numbers[4])
    after = store.read(lambda c: events.events_after(c, numbers[3]))
    assert [event.id for event in after] == [numbers[4]]


def test_a_batch_of_readings_is_written_once(store: Store) -> None:
    columns = {"import_wh": np.array([500, 0]), "export_wh": np.array([0, 250])}
    store.write(lambda c: readings.save_readings(c, SLOT, columns))
    found = store.read(lambda c: readings.load_readings(c, SLOT))
    assert found is not None
    np.testing.assert_array_equal(found["export_wh"], [0, 250])
    assert store.read(lambda c: readings.load_readings(c, SLOT + 900)) is None
    with pytest.raises(Exception, match=r"(?i)unique"):
        store.write(lambda c: readings.save_readings(c, SLOT, columns))


def test_late_readings_are_found_by_their_slot_and_by_the_tick_they_came_at(store: Store) -> None:
    late = [
        LateRow(SLOT, 7, revision, tick, 10 * revision, 0, 100, 0, 1)
        for revision, tick in ((1, SLOT + 1800), (2, SLOT + 2700))
    ]
    store.write(lambda c: readings.save_late_readings(c, late))
    assert store.read(lambda c: readings.late_readings_of_slot(c, SLOT)) == late
    assert store.read(lambda c: readings.late_readings_of_tick(c, SLOT + 2700)) == late[1:]


def test_a_late_reading_that_comes_again_is_kept_once_as_it_came_first(store: Store) -> None:
    first = LateRow(SLOT, 3, 0, SLOT + 1800, 250, 0, 10_250, 0, 1)
    other = replace(first, import_wh=999)
    store.write(lambda c: readings.save_late_readings(c, [first, first, other]))
    again = replace(first, tick=SLOT + 2700)
    new = replace(again, revision=1, quality=3)
    store.write(lambda c: readings.save_late_readings(c, [again, new]))
    assert store.read(lambda c: readings.late_readings_of_slot(c, SLOT)) == [first, new]
    assert store.read(lambda c: readings.late_readings_of_tick(c, SLOT + 2700)) == [new]


def test_only_the_newest_month_sums_are_kept(store: Store) -> None:
    for n in range(4):
        sums = {"import_wh": np.array([n])}
        store.write(lambda c, n=n, s=sums: readings.save_meter_month(c, SLOT + n * 900, s, keep=2))
    assert store.read(lambda c: readings.load_meter_month(c, SLOT)) is None
    found = store.read(lambda c: readings.load_meter_month(c, SLOT + 2700))
    assert found is not None and found["import_wh"].tolist() == [3]
