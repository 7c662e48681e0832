"""The meter at the utility, the operator's own and counters that begin anew: what is believed of
them, and losses that cannot be.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.district import District
from energy.plant import Readings
from energy.steps.boundary import Passed, believe_boundary, beyond_band
from energy.steps.metering import (
    AGREEING_SLOTS,
    MEASURED,
    MISSING,
    asset_plate_wh,
    begun_anew,
    believe,
    no_registers,
)
from energy.steps.proving import audit_books
from energy.steps.upkeep import books_trouble
from energy.store.alarms import open_alarms
from energy.store.audit import list_records
from energy.store.books import load_settlements, load_signed_readings, load_transfers_coded
from energy.store.readings import LateRow
from energy.store.schema import alarm
from energy.units import SLOT_S
from market.transfers import Code

FIRST = 1_784_084_400
MOST = np.array([6_250])
Begin = Callable[..., Any]
PASSED = Passed(fed_in_wh=20_000, drawn_wh=100_000, estimated_wh=0, meters=10)


@pytest.mark.parametrize(
    ("import_wh", "beyond_wh"),
    [
        (82_000, 0),  # 2 % are lost
        (91_000, 0),  # 10 %
        (93_000, 560),  # 13 000 of 113 000 Wh: 12 440 can be
        (79_500, 0),  # the meters err by 1 %
        (70_000, -9_090),  # wires do not give
    ],
)
def test_a_loss_is_explained_within_what_wires_and_meters_can_have(
    import_wh: int, beyond_wh: int
) -> None:
    assert beyond_band(np.array([import_wh, 0]), PASSED) == beyond_wh
    guessed = replace(PASSED, estimated_wh=20_000)
    assert beyond_band(np.array([import_wh, 0]), guessed) == 0


@pytest.mark.parametrize(
    ("wh", "before", "doubt"),
    [
        ((82_000, 0), ((81_000, 0),) * 3, ""),
        ((0, 0), ((81_000, 0),) * 3, "nothing, while the other meters draw 80000 Wh"),
        ((-1, 0), ((81_000, 0),) * 3, "allowed 0 to"),
        ((10**9, 0), ((81_000, 0),) * 3, "allowed 0 to"),
        ((82_000, 0), ((82_000, 0),) * 3, "the same 82000 Wh in and 0 Wh out in 4 slots"),
        ((82_000, 0), ((82_000, 0),) * 2, ""),
    ],
)
def test_the_meter_at_the_utility_is_believed_while_it_moves_within_its_plate(
    small_district: District, wh: Any, before: Any, doubt: str
) -> None:
    earlier = [np.array(one) for one in before]
    found = believe_boundary(small_district, np.array(wh), earlier, PASSED)
    assert (doubt in found.doubt) if doubt else not found.doubt
    assert found.wh.tolist() == ([0, 0] if doubt else list(wh))


@pytest.mark.parametrize(
    ("wh", "drawn_wh", "is_believed"),
    [
        ((0, 290_000), 100_000, True),  # export by 800 kW of import
        ((0, 310_000), 100_000, False),
        ((310_000, 0), 300_000, True),  # the others draw as much
        ((460_000, 0), 300_000, False),
    ],
)
def test_a_connection_carries_its_larger_limit_either_way_and_what_the_other_meters_show(
    small_district: District, wh: Any, drawn_wh: int, is_believed: bool
) -> None:
    one_way = replace(small_district.connection, p_import_kw_max=800.0, p_export_kw_max=5.0)
    district = replace(small_district, connection=one_way)
    passed = replace(PASSED, drawn_wh=drawn_wh)
    found = believe_boundary(district, np.array(wh), (), passed)
    assert (not found.doubt) is is_believed, found.doubt


def test_an_open_connection_shows_nothing_and_is_believed(small_district: District) -> None:
    alone = Passed(fed_in_wh=100_000, drawn_wh=97_000, estimated_wh=0, meters=10)
    found = believe_boundary(small_district, np.zeros(2, dtype=np.int64), (), alone)
    assert (found.doubt, found.unexplained_wh) == ("", 0)


def counter_columns(slots: int, *, start: int, each_wh: int) -> dict[int, dict[str, Any]]:
    """Readings of one meter whose counter stands at `start` before the first slot."""
    return {
        FIRST + n * SLOT_S: {
            "quality": np.array([MEASURED]),
            "import_wh": np.array([each_wh]),
            "export_wh": np.array([0]),
            "import_register_wh": np.array([start + (n + 1) * each_wh]),
            "export_register_wh": np.array([0]),
        }
        for n in range(slots)
    }


def believed_slots(readings: dict[int, dict[str, Any]], last_wh: int) -> list[int]:
    """The quality of each slot in turn, the counter before them at `last_wh`."""
    known = replace(no_registers(1), import_wh=np.array([last_wh]), slot=np.array([FIRST - SLOT_S]))
    found = []
    for slot, columns in readings.items():
        known, _ = begun_anew(slot, columns, known, MOST, readings.get)
        one = believe(slot, columns, known, MOST)
        known = one.registers
        found.append(int(one.quality[0]))
    return found


def test_an_exchanged_meter_is_believed_after_four_slots_that_agree() -> None:
    found = believed_slots(counter_columns(10, start=0, each_wh=300), last_wh=5_000_000)
    assert found == [MISSING] * AGREEING_SLOTS + [MEASURED] * (10 - AGREEING_SLOTS)


def test_a_meter_that_shows_nothing_or_disagrees_is_not_believed_anew() -> None:
    dead = counter_columns(10, start=0, each_wh=0)
    assert believed_slots(dead, last_wh=5_000_000) == [MISSING] * 10
    wild = counter_columns(10, start=0, each_wh=300)
    for n, columns in enumerate(wild.values()):
        columns["import_register_wh"] = columns["import_register_wh"] + 1_000 * (n % 2)
    assert believed_slots(wild, last_wh=5_000_000) == [MISSING] * 10


def test_every_meter_of_the_operator_has_a_plate(small_district: District) -> None:
    assert asset_plate_wh(small_district).min() >= 250


def exchanged(meter: int) -> Callable[[Readings], Readings]:
    """One customer's counter has gone back to nought before the second slot."""

    def edit(readings: Readings) -> Readings:
        if readings.slot < FIRST + SLOT_S:
            return readings
        number = (readings.slot - FIRST) // SLOT_S
        shown = {name: getattr(readings, name).copy() for name in COLUMNS}
        for name in COLUMNS:
            shown[name][meter] = 0
        shown["import_wh"][meter], shown["import_register_wh"][meter] = 100, 100 * number
        return replace(readings, **shown)

    return edit


COLUMNS = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")


def causes(here: Any) -> set[str]:
    return {one.alarm.cause for one in here.store.read(open_alarms)}


def see_all(here: Any) -> None:
    """Somebody has seen every alarm."""
    here.store.write(lambda c: c.execute(alarm.update().values(acknowledged_utc=FIRST)))


def test_a_counter_that_begins_anew_is_told_and_recorded_as_its_customer_s(
    begin_books: Begin,
) -> None:
    here = begin_books()
    meter = next(n for n in range(len(here.books.customers)) if n not in here.crowd.meter)
    here.edit = exchanged(meter)
    ticks = here.run(9)
    assert [one.estimated for one in ticks[3:]] == [1] * AGREEING_SLOTS + [0] * 2
    assert "books/counters" in causes(here)
    (record,) = [one.record for one in here.store.read(list_records)]
    assert record.whose == f"account 0x{here.books.customers[meter].hex()}"
    assert "believe the counter anew" in record.task
    assert audit_books(here.store, here.books).finding == ""
    see_all(here)
    here.run(1, begin=9)
    assert "books/counters" not in causes(here)


def without_boundary(readings: Readings) -> Readings:
    """The meter at the utility shows nothing in the second slot."""
    if readings.slot != FIRST + SLOT_S:
        return readings
    return replace(readings, boundary_import_wh=0, boundary_export_wh=0)


def test_without_the_utility_s_meter_no_loss_is_booked_and_a_person_is_told(
    begin_books: Begin,
) -> None:
    here = begin_books()
    here.edit = without_boundary
    before = here.run(4)[-1]
    assert "books/boundary" in causes(here)
    columns, _ = here.store.read(lambda c: load_signed_readings(c, before.tick))
    meters = len(here.books.customers) + len(here.books.assets)
    assert len(columns["account"]) == meters, "nobody signs for what is not believed"
    assert before.unexplained_wh == 0
    here.run(1, begin=4)
    assert "books/boundary" not in causes(here)
    assert audit_books(here.store, here.books).finding == ""


def losses_of(here: Any, slot: int) -> list[int]:
    """What was booked as loss of a slot, reversals too, Wh."""

    def read(connection: Any) -> list[int]:
        nos = [one.no for one in load_settlements(connection, slot)]
        return [one.amount for one in load_transfers_coded(connection, nos, (Code.LOSS,))]

    found: list[int] = here.store.read(read)
    return found


def test_a_late_reading_books_no_loss_where_the_utility_s_meter_was_not_believed(
    begin_books: Begin,
) -> None:
    here = begin_books()
    here.edit = without_boundary
    slot, tick = FIRST + SLOT_S, FIRST + 4 * SLOT_S
    meter = next(n for n in range(len(here.books.customers)) if n not in here.crowd.meter)
    came = next(int(one.import_wh[meter]) for one in here.readings if one.slot == slot)
    here.late = [LateRow(slot, meter, 1, tick, came + 5_000, 0, 0, 0, 3)]
    before = losses_of(here, FIRST)
    assert here.run(5)[-1].corrected == (slot,)
    assert losses_of(here, slot) == [] and losses_of(here, FIRST) != before
    assert audit_books(here.store, here.books).finding == ""


def test_a_loss_that_cannot_be_is_unexplained_and_an_alarm_until_somebody_has_seen_it(
    begin_books: Begin,
) -> None:
    here = begin_books()

    def tapped(readings: Readings) -> Readings:
        if readings.slot != FIRST + SLOT_S:
            return readings
        more_wh = readings.boundary_import_wh // 2 + 50_000
        return replace(readings, boundary_import_wh=readings.boundary_import_wh + more_wh)

    here.edit = tapped
    found = here.run(4)[-1]
    assert found.unexplained_wh > 0
    assert f"left {found.unexplained_wh} Wh" in (here.store.read(books_trouble) or "")
    assert "books/loss" in causes(here)
    here.run(1, begin=4)
    assert here.store.read(books_trouble) is None and "books/loss" in causes(here)
    see_all(here)
    here.run(1, begin=5)
    assert "books/loss" not in causes(here)


def test_a_spike_of_an_own_meter_is_replaced_by_its_counter_and_told(begin_books: Begin) -> None:
    here = begin_books()

    def spike(readings: Readings) -> Readings:
        if readings.slot != FIRST + SLOT_S:
            return readings
        shown = readings.asset_import_wh.copy()
        shown[0] = 10**9
        return replace(readings, asset_import_wh=shown)

    here.edit = spike
    found = here.run(4)[-1]
    assert (found.estimated, found.unexplained_wh) == (0, 0), "the counter is exact"
    (told,) = [one.alarm for one in here.store.read(open_alarms)]
    assert told.cause == "books/assets" and "their counters or an estimate stand in: " in told.what
    here.run(1, begin=4)
    assert causes(here) == set()
    assert audit_books(here.store, here.books).finding == ""
