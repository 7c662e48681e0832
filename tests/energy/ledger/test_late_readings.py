"""Readings that come late: settled by estimate first, then corrected; nothing is ever edited."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from energy.plant import Plant, Readings, faults
from energy.steps import lost_readings
from energy.steps.book_rows import BatchReader, entry_of, load_reading_batch
from energy.steps.corrections import in_force
from energy.steps.proving import audit_books, verify_store
from energy.steps.settled_meters import settled_meters
from energy.steps.slot_settlement import trades_of_slot
from energy.store.books import (
    ended_by,
    load_entries,
    load_settlements,
    load_signed_readings,
    load_trades,
    load_transfers,
)
from energy.store.readings import LateRow, late_readings_of_slot
from energy.units import SLOT_S
from market.transfers import Code, LedgerId

FIRST = 1_784_084_400
Begin = Callable[..., Any]


def without(*meters: int, slot: int = FIRST) -> Callable[[Readings], Readings]:
    """Lets the readings of some meters be missing in one slot."""

    def edit(readings: Readings) -> Readings:
        if readings.slot != slot:
            return readings
        there = np.ones(len(readings.quality), dtype=np.int64)
        there[list(meters)] = 0
        names = ("import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh")
        return replace(readings, **{name: getattr(readings, name) * there for name in names})

    return edit


def true_row(here: Any, meter: int, tick: int, slot: int = FIRST, **changes: int) -> LateRow:
    """The true reading of a meter, as it comes at the gate of a later tick."""
    truth = next(one for one in here.readings if one.slot == slot)
    row = LateRow(
        slot=slot,
        meter=meter,
        revision=0,
        tick=tick,
        import_wh=int(truth.import_wh[meter]),
        export_wh=int(truth.export_wh[meter]),
        import_register_wh=int(truth.import_register_wh[meter]),
        export_register_wh=int(truth.export_register_wh[meter]),
        quality=1,
    )
    return replace(row, **changes)


def settled_wh(connection: Any, books: Any, slot: int, account: bytes) -> tuple[int, int]:
    """Import and export that an account's slot is settled at."""
    return settled_meters(connection, books, slot).wh(books.book.number[account])


def moved_in(here: Any, slot: int = FIRST) -> Counter[tuple[int, int, bytes, bytes]]:
    """What a slot has moved in all, line by line, reversals taken off."""

    def read(connection: Any) -> Counter[tuple[int, int, bytes, bytes]]:
        nos = [one.no for one in load_settlements(connection, slot) if one.version]
        rows = [row for no in nos for row in load_transfers(connection, no)]
        reader = BatchReader(connection, here.books)
        left = in_force(rows, ended_by(connection, nos), reader)
        found: Counter[tuple[int, int, bytes, bytes]] = Counter()
        for _, one in left.values():
            found[one.ledger, one.code, one.debit, one.credit] += one.amount
        return found

    return here.store.read(read)


def versions(here: Any, slot: int = FIRST) -> list[int]:
    return [one.version for one in here.store.read(lambda c: load_settlements(c, slot))]


def chosen(here: Any, slot: int = FIRST) -> tuple[int, int, int]:
    """A household that only buys, a member that has bought in the slot, one that has sold."""
    trades = here.store.read(lambda c: load_trades(c, slot))
    accounts = [here.books.book.accounts[no] for no in trades["account"].tolist()]
    place = {account: row for row, account in enumerate(here.books.customers)}
    bought = next(
        place[one]
        for one, wh in zip(accounts, trades["bought_wh"], strict=True)
        if wh and one in place
    )
    sold = next(
        place[one]
        for one, wh in zip(accounts, trades["sold_wh"], strict=True)
        if wh and one in place
    )
    quiet = next(n for n in range(len(here.books.customers)) if n not in here.crowd.meter)
    return quiet, bought, sold


def test_late_readings_lead_to_the_same_balances_as_if_they_had_come_in_time(
    begin_books: Begin, tmp_path: Any
) -> None:
    whole = begin_books(f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(6)
    meters = chosen(whole)
    balances, lines = whole.books.head.balances, moved_in(whole)
    months = whole.books.head.months.now_wh
    here = begin_books(f"sqlite:///{tmp_path / 'b.db'}")
    here.edit = without(*meters)
    here.late = [true_row(here, meter, FIRST + (3 + n) * SLOT_S) for n, meter in enumerate(meters)]
    ticks = here.run(6)
    assert ticks[2].estimated == 3
    assert [one.corrected for one in ticks[3:]] == [(FIRST,)] * 3
    assert versions(here) == [0, 1, 2, 3, 4]
    assert moved_in(here) == lines
    kept = {key: amount for key, amount in here.books.head.balances.items() if amount}
    assert kept == {key: amount for key, amount in balances.items() if amount}
    assert np.array_equal(here.books.head.months.now_wh, months)
    found = audit_books(here.store, here.books)
    assert (found.finding, found.verified, found.debits_equal_credits) == ("", True, True)


def test_an_estimate_never_causes_a_deviation(begin_books: Begin) -> None:
    here = begin_books()
    here.edit = without(*range(len(here.books.customers)))
    ticks = here.run(3)
    assert ticks[2].estimated == len(here.books.customers)
    customers = set(here.books.customers)
    codes = {
        code for ledger, code, debit, _ in moved_in(here) if debit in customers and ledger == 1
    }
    assert 14 not in codes and 10 in codes
    assert verify_store(here.store, 0).ok


def test_history_is_kept_and_each_version_names_the_one_before(begin_books: Begin) -> None:
    here = begin_books()
    here.run(1)
    meter = chosen(here)[1]
    here.edit = without(meter)
    tick = FIRST + 4 * SLOT_S
    here.late = [true_row(here, meter, tick)]
    here.run(4, 1)
    entries = [entry_of(row) for row in here.store.read(lambda c: load_entries(c, tick))]
    (correction,) = [one for one in entries if one.type == "Correction"]
    assert (correction.message["slot"], correction.message["reason"]) == (FIRST, 1)
    assert (correction.message["from_version"], correction.message["to_version"]) == (1, 2)
    rows = here.store.read(lambda c: load_settlements(c, FIRST))
    settled = [one for one in entries if one.type == "Settlement" and one.message["slot"] == FIRST]
    assert settled[0].message["previous"] == rows[1].entry
    readings = here.store.read(lambda c: load_reading_batch(c, here.books, tick)).readings
    (late,) = [one for one in readings if one.slot == FIRST]
    assert (late.quality, late.revision, late.account) == (1, 1, here.books.customers[meter])
    first = here.store.read(lambda c: load_reading_batch(c, here.books, tick - 2 * SLOT_S)).readings
    (guess,) = [one for one in first if one.account == late.account]
    assert (guess.quality, guess.revision, guess.import_register_wh) == (2, 0, 0)


def test_corrected_twice_and_back_restores_every_balance(begin_books: Begin) -> None:
    here = begin_books()
    here.run(1)
    meter = chosen(here)[2]
    ticks = [FIRST + n * SLOT_S for n in (3, 4, 5)]
    wrong = true_row(here, meter, ticks[0], revision=1, quality=3)
    here.late = [
        replace(wrong, import_wh=0, export_wh=wrong.export_wh + 70),
        replace(wrong, tick=ticks[1], revision=2, import_wh=1_234, export_wh=0),
        replace(wrong, tick=ticks[2], revision=3),
    ]
    here.run(2, 1)
    lines = moved_in(here)
    seen = []
    for number in (3, 4, 5):
        here.run(1, number)
        seen.append(moved_in(here))
    assert seen[0] != lines and seen[1] not in (lines, seen[0])
    assert seen[2] == lines
    assert versions(here) == [0, 1, 2, 3, 4]
    report = verify_store(here.store, 0)
    assert report.ok and report.checks["reverse once"] > 6


def test_a_late_reading_that_changes_nothing_is_kept_without_a_new_version(
    begin_books: Begin,
) -> None:
    here = begin_books()
    meter = 7
    here.late = [true_row(here, meter, FIRST + 3 * SLOT_S, revision=1, quality=3)]
    ticks = here.run(4)
    assert ticks[3].corrected == () and versions(here) == [0, 1]
    readings = here.store.read(lambda c: load_reading_batch(c, here.books, FIRST + 3 * SLOT_S))
    assert [one.revision for one in readings.readings if one.slot == FIRST] == [1]
    assert verify_store(here.store, 0).ok


ODD_LATE = [
    ("of a slot before the books", {"slot": FIRST - SLOT_S}),
    ("negative", {"import_wh": -5}),
    ("more than the connection carries", {"import_wh": 10**7}),
]


@pytest.mark.parametrize("case", ODD_LATE, ids=lambda case: str(case[0]))
def test_an_impossible_late_reading_corrects_nothing(begin_books: Begin, case: Any) -> None:
    here = begin_books()
    here.late = [replace(true_row(here, 7, FIRST + 3 * SLOT_S), **case[1])]
    ticks = here.run(4)
    assert ticks[3].corrected == ()
    assert verify_store(here.store, 0).ok


def frozen_at(meter: int, slot: int) -> Callable[[Readings], Readings]:
    """Lets a meter stand still for one slot: nothing drawn, the counter as before."""

    def edit(readings: Readings) -> Readings:
        if readings.slot != slot:
            return readings
        found = {
            name: getattr(readings, name).copy()
            for name in ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
        }
        for way in ("import", "export"):
            found[f"{way}_register_wh"][meter] -= found[f"{way}_wh"][meter]
            found[f"{way}_wh"][meter] = 0
        return replace(readings, **found)

    return edit


def test_a_meter_that_stood_still_is_put_right_by_its_counter(
    begin_books: Begin, tmp_path: Any
) -> None:
    whole = begin_books(f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(6)
    lines = moved_in(whole, FIRST + SLOT_S)
    here = begin_books(f"sqlite:///{tmp_path / 'b.db'}")
    meter = next(
        n
        for n in range(len(here.books.customers))
        if n not in here.crowd.meter and here.readings[3].import_wh[n] > 50
    )
    here.edit = frozen_at(meter, FIRST + SLOT_S)
    ticks = here.run(6)
    assert [one.corrected for one in ticks] == [(), (), (), (), (FIRST + SLOT_S,), ()]
    assert moved_in(here, FIRST + SLOT_S) == lines
    rows = here.store.read(lambda c: late_readings_of_slot(c, FIRST + SLOT_S))
    assert [(row.meter, row.quality) for row in rows] == [(meter, 3)]
    assert verify_store(here.store, 0).ok


def short_at(
    meter: int, slot: int, export_wh: int, shown_wh: int
) -> Callable[[Readings], Readings]:
    """Lets a meter give less in a slot, and show `shown_wh` more than its counter has counted."""

    def edit(readings: Readings) -> Readings:
        if readings.slot < slot:
            return readings
        found = {
            name: getattr(readings, name).copy()
            for name in ("import_wh", "export_wh", "export_register_wh")
        }
        found["export_register_wh"][meter] -= export_wh
        if readings.slot == slot:
            found["export_wh"][meter] -= export_wh
            found["import_wh"][meter] += shown_wh
        return replace(readings, **found)

    return edit


def test_a_seller_that_shows_more_than_it_counted_is_paid_as_one_that_shows_the_truth(
    begin_books: Begin, tmp_path: Any
) -> None:
    slot, tick = FIRST + SLOT_S, FIRST + 3 * SLOT_S
    lines, shown = [], []
    for shown_wh in (0, 1):
        here = begin_books(f"sqlite:///{tmp_path / str(shown_wh)}.db")
        here.run(2)
        seller = chosen(here, slot)[2]
        here.edit = short_at(seller, slot, int(here.readings[3].export_wh[seller]), shown_wh)
        here.run(2, 2)
        account = here.books.customers[seller]
        batch = here.store.read(partial(load_reading_batch, books=here.books, tick=tick))
        (one,) = [one for one in batch.readings if one.account == account]
        shown.append((one.quality, one.export_wh, one.export_register_wh > 0))
        lines.append(moved_in(here, slot))
        paid = {
            code for ledger, code, _, to in lines[-1] if (ledger, to) == (LedgerId.KRW, account)
        }
        assert Code.TRADE not in paid, "it has given nothing"
        assert verify_store(here.store, 0).ok
    assert lines[0] == lines[1]
    assert shown == [(1, 0, True), (3, 0, True)]


def test_a_counter_that_is_read_early_and_then_in_time_makes_no_energy(
    begin_books: Begin, tmp_path: Any
) -> None:
    whole = begin_books(f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(6)
    slot = FIRST + SLOT_S
    here = begin_books(f"sqlite:///{tmp_path / 'b.db'}")
    meter = next(n for n in range(len(here.books.customers)) if here.readings[3].import_wh[n] > 50)

    def read_early(readings: Readings) -> Readings:
        if readings.slot != slot:
            return readings
        counters = readings.import_register_wh.copy()
        counters[meter] -= 20
        return replace(readings, import_register_wh=counters)

    here.edit = read_early
    ticks = here.run(6)
    assert slot in ticks[4].corrected
    account, truth = here.books.customers[meter], int(here.readings[3].import_wh[meter])
    assert here.store.read(lambda c: settled_wh(c, here.books, slot, account))[0] == truth
    assert moved_in(here, slot) == moved_in(whole, slot)
    assert verify_store(here.store, 0).ok


def test_what_a_meter_has_mended_itself_is_not_mended_by_its_counter(begin_books: Begin) -> None:
    here = begin_books()
    slot, meter = FIRST + SLOT_S, 7
    here.edit = frozen_at(meter, slot)
    here.late = [true_row(here, meter, FIRST + 4 * SLOT_S, slot, import_wh=61, revision=4)]
    here.run(6)
    account = here.books.customers[meter]
    assert here.store.read(lambda c: settled_wh(c, here.books, slot, account))[0] == 61
    rows = here.store.read(lambda c: late_readings_of_slot(c, slot))
    assert [row.revision for row in rows if row.meter == meter] == [4]


def test_each_slot_of_a_gap_is_read_once_however_many_meters_were_silent(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 6)
    here = begin_books()
    everybody = range(len(here.books.customers))
    edits = [without(*everybody, slot=FIRST + n * SLOT_S) for n in (1, 2)]
    here.edit = lambda readings: edits[1](edits[0](readings))
    here.run(7)
    asked: Counter[tuple[str, int]] = Counter()
    for name in ("load_readings", "late_readings_of_slot", "settled_meters"):
        load = getattr(lost_readings, name)

        def count(*args: Any, name: str = name, load: Any = load) -> Any:
            asked[name, next(one for one in args if isinstance(one, int))] += 1
            return load(*args)

        monkeypatch.setattr(lost_readings, name, count)
    (tick,) = here.run(1, 7)
    assert tick.corrected == (FIRST + SLOT_S,)
    assert set(asked.values()) == {1} and len(asked) <= 10


def test_a_reading_that_never_comes_is_replaced_by_what_the_counter_gained(
    begin_books: Begin, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 5)
    whole = begin_books(f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(8)
    lines = moved_in(whole, FIRST + SLOT_S)
    here = begin_books(f"sqlite:///{tmp_path / 'b.db'}")
    quiet, _, _ = chosen(whole)
    here.edit = without(quiet, slot=FIRST + SLOT_S)
    ticks = here.run(8)
    assert [one.corrected for one in ticks[2:]] == [(), (), (), (), (FIRST + SLOT_S,), ()]
    assert moved_in(here, FIRST + SLOT_S) == lines
    account = here.books.customers[quiet]
    truth = here.readings[3]
    found = here.store.read(lambda c: settled_wh(c, here.books, FIRST + SLOT_S, account))
    assert found == (int(truth.import_wh[quiet]), int(truth.export_wh[quiet]))
    assert audit_books(here.store, here.books).verified


def test_a_gap_of_two_slots_is_right_in_sum(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 6)
    here = begin_books()
    first, second = FIRST + SLOT_S, FIRST + 2 * SLOT_S
    meter = next(n for n in range(len(here.books.customers)) if n not in here.crowd.meter)
    edits = without(meter, slot=first), without(meter, slot=second)
    here.edit = lambda readings: edits[1](edits[0](readings))
    here.run(10)
    account = here.books.customers[meter]
    parts = [
        here.store.read(lambda c, s=slot: settled_wh(c, here.books, s, account))
        for slot in (first, second)
    ]
    truth = [here.readings[n] for n in (3, 4)]
    assert sum(part[0] for part in parts) == sum(int(one.import_wh[meter]) for one in truth)
    assert sum(part[1] for part in parts) == sum(int(one.export_wh[meter]) for one in truth)
    assert LedgerId.ENERGY == 2 and verify_store(here.store, 0).ok


@pytest.mark.parametrize("later", [0, 1])
def test_what_comes_late_of_the_next_slot_when_one_is_given_up_is_counted_as_read(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 6)
    here = begin_books()
    first, second = FIRST + SLOT_S, FIRST + 2 * SLOT_S
    given_up = first + 6 * SLOT_S
    meter = next(n for n in range(len(here.books.customers)) if n not in here.crowd.meter)
    edits = without(meter, slot=first), without(meter, slot=second)
    here.edit = lambda readings: edits[1](edits[0](readings))
    here.late = [true_row(here, meter, given_up + later * SLOT_S, second)]
    here.run(7)
    # A backlog: what comes at the next gate is there before this tick is settled.
    ticks = given_up, given_up + SLOT_S
    for tick in ticks:
        here.publish(tick)
    assert [slot for tick in ticks for slot in here.settle(tick).corrected] == [first, second]
    account = here.books.customers[meter]
    for slot, number in ((first, 3), (second, 4)):
        truth = here.readings[number]
        settled = here.store.read(lambda c, s=slot: settled_wh(c, here.books, s, account))
        assert settled == (int(truth.import_wh[meter]), int(truth.export_wh[meter]))


def absurd_at(meter: int, slot: int, import_wh: int) -> Callable[[Readings], Readings]:
    """Lets a meter show an absurd value in one slot, while its counter is right."""

    def edit(readings: Readings) -> Readings:
        if readings.slot != slot:
            return readings
        shown = readings.import_wh.copy()
        shown[meter] = import_wh
        return replace(readings, import_wh=shown)

    return edit


@pytest.mark.parametrize("absurd", [-400, 3_000_000])
def test_an_absurd_reading_beside_a_lost_one_makes_no_energy(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch, absurd: int
) -> None:
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 6)
    here = begin_books()
    first, second = FIRST + SLOT_S, FIRST + 2 * SLOT_S
    meter = next(n for n in range(len(here.books.customers)) if n not in here.crowd.meter)
    edits = without(meter, slot=first), absurd_at(meter, second, absurd)
    here.edit = lambda readings: edits[1](edits[0](readings))
    # What comes late of the lost slot first is absurd as well, and as if it had not come.
    here.late = [true_row(here, meter, FIRST + 5 * SLOT_S, first, import_wh=absurd, revision=1)]
    here.run(10)
    account = here.books.customers[meter]
    parts = [
        here.store.read(lambda c, s=slot: settled_wh(c, here.books, s, account))
        for slot in (first, second)
    ]
    truth = sum(int(here.readings[n].import_wh[meter]) for n in (3, 4))
    assert sum(part[0] for part in parts) == truth
    assert verify_store(here.store, 0).ok


def test_a_crash_while_correcting_is_made_good_by_doing_it_again(
    begin_books: Begin, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from energy.steps.proving import export_lines

    exports = []
    for name in ("a.db", "b.db"):
        url = f"sqlite:///{tmp_path / name}"
        here = begin_books(url)
        here.edit = without(7)
        here.late = [true_row(here, 7, FIRST + 3 * SLOT_S)]
        here.run(3)
        here.publish(FIRST + 3 * SLOT_S)
        if name == "b.db":
            with monkeypatch.context() as broken:
                broken.setattr("energy.steps.settling.put_view", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    here.settle(FIRST + 3 * SLOT_S)
            here = begin_books(url)
        assert here.settle(FIRST + 3 * SLOT_S).corrected == (FIRST,)
        exports.append(list(export_lines(here.store)))
    assert exports[0] == exports[1]


def test_whatever_meters_do_the_books_come_to_the_truth(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many faults, short delays: after them every settled Wh is what the meter has really seen.

    Where only the counter knows it stays an estimate, and no estimate is below what was traded.
    A meter that stands still just before another fault is right in sum only, which at ten times
    the usual faults is seen, but in less than one reading of a thousand.
    """
    shares = {fault: 10 * share for fault, share in faults.FAULT_SHARE.items()}
    monkeypatch.setattr(faults, "FAULT_SHARE", shares)
    monkeypatch.setattr(faults, "LATE_SLOTS_MAX", 8)
    monkeypatch.setattr(faults, "MENDED_AFTER_SLOTS", 1)
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 12)
    here = begin_books()
    plant, count, truth = Plant(here.district, 5), 34, {}
    state, here.readings = plant.begin(FIRST - 2 * SLOT_S), []
    for number in range(count):
        step = plant.step(state, FIRST + (number - 2) * SLOT_S, None)
        truth[state.slot] = (
            step.state_after.import_register_wh - state.import_register_wh,
            step.state_after.export_register_wh - state.export_register_wh,
        )
        state = step.state_after
        here.readings.append(step.readings)
        here.late += late_rows(step.readings, FIRST + number * SLOT_S)
    ticks = here.run(count)
    assert sum(one.estimated for one in ticks) > 100
    assert sum(len(one.corrected) for one in ticks) > 60
    compared = wrong = 0
    for slot in range(FIRST, FIRST + (count - 14) * SLOT_S, SLOT_S):
        found = settled_readings(here, slot)
        trades = here.store.read(lambda c, s=slot: trades_of_slot(c, here.books, s))
        least = {one.account: (one.bought_wh, one.sold_wh) for one in trades}
        for meter, account in enumerate(here.books.customers):
            *settled_now, quality = found[account]
            expected = [int(wh[meter]) for wh in truth[slot]]
            if quality == 2:
                floor = least.get(account, (0, 0))
                expected = [max(pair) for pair in zip(expected, floor, strict=True)]
            compared += 1
            wrong += settled_now != expected
    assert compared > 3_000 and wrong < compared / 1_000
    audit = audit_books(here.store, here.books)
    assert (audit.finding, audit.verified, audit.sold_at_most_metered) == ("", True, True)


def late_rows(readings: Readings, tick: int) -> list[LateRow]:
    late = readings.late
    names = ("slot", "meter", "revision", "import_wh", "export_wh", "import_register_wh",
             "export_register_wh")  # fmt: skip
    columns = zip(*(getattr(late, name).tolist() for name in names), strict=True)
    return [
        LateRow(slot, meter, revision, tick, *numbers, 3 if revision else 1)
        for slot, meter, revision, *numbers in columns
    ]


def settled_readings(here: Any, slot: int) -> dict[bytes, tuple[int, int, int]]:
    """Import, export and quality of each account by the newest reading that was settled."""
    accounts, found = here.books.book.accounts, {}
    for version in here.store.read(lambda c: load_settlements(c, slot)):
        if version.version:
            columns, _ = here.store.read(lambda c, t=version.tick: load_signed_readings(c, t))
            for row in np.flatnonzero(columns["slot"] == slot).tolist():
                names = ("import_wh", "export_wh", "quality")
                numbers = (int(columns[name][row]) for name in names)
                found[accounts[int(columns["account"][row])]] = tuple(numbers)
    return found
