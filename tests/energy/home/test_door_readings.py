"""A household's meter that is read by a device over HTTP: what it brings is settled, and its late
and corrected readings go the way of all others; what it may not bring is refused as a whole.
"""

import json
import weakref
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from energy.api.readings import READINGS_MAX, SLOTS_MAX
from energy.steps.credentials import hash_secret, new_secret
from energy.steps.giving_meters import AHEAD_SLOTS, give_meters, take_meters_back
from energy.steps.settled_meters import settled_meters
from energy.store.alarms import open_alarms
from energy.store.measured import last_measured
from energy.store.meter_feeds import KnownSlot, load_feeds, put_in, waiting_until
from energy.store.people import ServiceToken, add_token
from energy.store.readings import load_readings
from energy.store.slots import find_slot
from energy.store.views import find_view
from energy.timegrid import iso_of
from energy.units import SLOT_S

AUGUST = 1_785_510_000  # 00:00 in Sejong
KEYS = count()


@dataclass
class Meter:
    """The resident's meter with the token of the device that reads it, and what it counts."""

    here: Any
    token: str
    first: int
    import_wh: int = 5_000_000
    export_wh: int = 70_000

    @property
    def place(self) -> int:
        return int(self.here.microgrid.district.meters.account.index(self.here.account))

    def row(self, slot: int, import_wh: int, export_wh: int = 0, **changes: Any) -> dict[str, Any]:
        """A reading, its counters after all that was brought before."""
        return {
            "account": f"0x{self.here.account.hex()}", "slot_utc": iso_of(slot),
            "import_wh": import_wh, "export_wh": export_wh,
            "import_register_wh": self.import_wh, "export_register_wh": self.export_wh, **changes,
        }  # fmt: skip

    def count(self, slot: int, import_wh: int, export_wh: int = 0) -> dict[str, Any]:
        """The meter goes on and says so."""
        self.import_wh += import_wh
        self.export_wh += export_wh
        return self.row(slot, import_wh, export_wh)

    def bring(self, *rows: dict[str, Any], key: str | None = None, token: str = "") -> Any:
        """What the device hears of a batch."""
        more = {
            "Authorization": f"Bearer {token or self.token}",
            "Idempotency-Key": key or f"batch-{next(KEYS):06}",
        }
        return self.here.ask("/v1/readings", json.dumps({"readings": rows}).encode(), more=more)

    def settled(self, slot: int) -> tuple[int, int]:
        """What the books have for the resident's meter."""
        books = self.here.microgrid.books
        found: tuple[int, int] = self.here.microgrid.store.read(
            lambda c: settled_meters(c, books, slot).wh(books.book.number[self.here.account])
        )
        return found

    def signed(self, slot: int) -> list[dict[str, Any]]:
        """The readings of the slot that stand signed in the resident's own file, oldest first."""
        cookies = self.here.sign_in(self.here.resident)
        rows = self.here.ask("/v1/me/export", cookies=cookies).document["signed_readings"]
        return [one for one in rows if one["slot"] == slot]


class Batch(dict[str, Any]):
    """A slot's batch of which can be told whether it is held."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def waiting_at(here: Any, slot: int = 2**40) -> Any:
    """The readings that wait for a gate."""
    return here.microgrid.store.read(
        lambda c: waiting_until(c, slot, rows_max=READINGS_MAX, slots_max=SLOTS_MAX)
    )


def device(here: Any, name: str, account: bytes) -> str:
    """The token of a device that may bring readings."""
    secret = new_secret()
    scopes = ["readings:write"]
    made = ServiceToken(name, hash_secret(secret), "device", scopes, account, 0, 2**40)
    here.microgrid.store.write(lambda c: add_token(c, made))
    return secret


@pytest.fixture(scope="module")
def meter(neighbourhood: Any) -> Meter:
    """The resident's meter in the first slot in which its device reads it: that slot is over."""
    here = neighbourhood
    here.run(2)
    token = device(here, "meter-117", here.account)
    first = here.microgrid.store.write(lambda c: give_meters(c, "meter-117", [here.account], 0))
    while here.slot < first + 2 * SLOT_S:
        here.run()
    return Meter(here, token, first)


def test_a_meter_changes_hands_behind_what_the_loop_may_be_measuring(meter: Meter) -> None:
    store, account = meter.here.microgrid.store, meter.here.account
    feeds = store.read(load_feeds)
    assert feeds.device_at(account, meter.first) == "meter-117"
    assert feeds.device_at(account, meter.first - SLOT_S) is None
    again = store.write(lambda c: give_meters(c, "meter-117", [account], 0))
    assert again == store.read(last_measured) + AHEAD_SLOTS * SLOT_S


def test_what_the_device_brings_is_settled_and_what_the_plant_shows_is_not(meter: Meter) -> None:
    here, slot = meter.here, meter.first
    heard = meter.bring(meter.count(slot, 137, 0))
    assert (heard.status, heard.document) == (200, {"readings": 1, "changed": 1})
    assert meter.settled(slot) == (0, 0)
    here.run()
    assert meter.settled(slot) == (137, 0)
    (entry,) = meter.signed(slot)
    assert (entry["import_wh"], entry["import_register_wh"]) == (137, meter.import_wh)
    assert entry["quality"] == 1
    home = here.ask("/v1/me/home", cookies=here.sign_in(here.resident)).document
    assert 137 in home["day"]["import_wh"]
    ledger = here.microgrid.store.read(lambda c: find_view(c, "ledger", here.slot - SLOT_S))
    assert ledger is not None and ledger["debits_equal_credits"]
    assert float(ledger["unexplained_wh"]) == float(ledger["unexplained_krw"]) == 0
    assert waiting_at(here, slot) == []


def test_what_has_not_come_is_estimated_and_settled_anew_when_it_comes(meter: Meter) -> None:
    here, slot = meter.here, meter.here.slot - 2 * SLOT_S
    here.run()
    columns = here.microgrid.store.read(lambda c: load_readings(c, slot))
    assert columns["quality"][meter.place] == 0, "the plant's reading is not taken for it"
    assert [one["quality"] for one in meter.signed(slot)] == [2]
    heard = meter.bring(meter.count(slot, 88, 3), meter.count(slot + SLOT_S, 91, 0))
    assert heard.document == {"readings": 2, "changed": 2}
    here.run()
    assert (meter.settled(slot), meter.settled(slot + SLOT_S)) == ((88, 3), (91, 0))
    assert [one["quality"] for one in meter.signed(slot)] == [2, 1]


def test_another_value_of_a_settled_quarter_hour_is_a_correction(meter: Meter) -> None:
    here, slot = meter.here, meter.first
    other = meter.row(slot, 150, import_register_wh=5_000_150, export_register_wh=70_000)
    assert meter.bring(other).document == {"readings": 1, "changed": 1}
    assert meter.bring(other).document == {"readings": 1, "changed": 0}, "it waits already"
    here.run()
    assert meter.settled(slot) == (150, 0)
    assert [(one["quality"], one["revision"]) for one in meter.signed(slot)] == [(1, 0), (3, 1)]
    size = here.microgrid.books.head.transfers
    assert meter.bring(other).document == {"readings": 1, "changed": 0}, "it stands already"
    assert waiting_at(here, slot) == []
    assert size > 0


def test_the_last_reading_before_the_gate_counts(meter: Meter) -> None:
    here, slot = meter.here, meter.here.slot - 2 * SLOT_S
    meter.bring(meter.count(slot, 6_040))
    meter.bring(meter.count(slot, 4) | {"import_wh": 6_044})
    here.run()
    assert meter.settled(slot) == (6_044, 0)
    assert [one["revision"] for one in meter.signed(slot)] == [0]


def test_where_one_cannot_be_taken_all_wait_and_the_slot_is_told_as_ever(
    meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, slot = meter.here, meter.here.slot - 2 * SLOT_S
    meter.bring(meter.count(slot, 71, 5))

    def fail(*_: Any) -> Any:
        raise IndexError("planted")

    with monkeypatch.context() as patch:
        patch.setattr("energy.steps.door_readings._late_rows", fail)
        here.run()
    told = here.microgrid.store.read(lambda c: find_slot(c, here.slot - SLOT_S))
    assert told is not None and told.tier == "T0"
    columns = here.microgrid.store.read(lambda c: load_readings(c, slot))
    assert columns["quality"][meter.place] == 0, "nor is the plant's reading taken for it"
    (alarm,) = [
        one.alarm.what
        for one in here.microgrid.store.read(open_alarms)
        if one.alarm.cause == "slot/meters"
    ]
    assert "no reading of a device could be taken, they wait: IndexError: planted" in alarm
    assert len(waiting_at(here, slot)) == 1
    here.run()
    assert meter.settled(slot) == (71, 5) and waiting_at(here, slot) == []
    assert [one["quality"] for one in meter.signed(slot)] == [2, 1]


def test_a_batch_again_has_no_second_effect_and_the_same_answer(meter: Meter) -> None:
    here, slot = meter.here, meter.here.slot - 2 * SLOT_S
    first, second = meter.count(slot, 61), meter.count(slot, 2) | {"import_wh": 63}
    heard = meter.bring(first, key="batch-lost-answer")
    assert meter.bring(second).document == {"readings": 1, "changed": 1}
    again = meter.bring(first, key="batch-lost-answer")
    assert (again.status, again.document) == (200, heard.document)
    here.run()
    assert meter.settled(slot) == (63, 0), "the repeat of an old batch puts nothing back"
    assert meter.bring(second, key="batch-lost-answer").document["code"] == "KEY_USED"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"account": "0x" + "ab" * 32}, "UNKNOWN_METER", "account"),
        ({"slot": 1}, "SLOT_NOT_OVER", "slot_utc"),
        ({"slot": 96 * 400}, "SLOT_NOT_OVER", "slot_utc"),
        ({"slot": -96 * 29}, "TOO_LATE", "slot_utc"),
        ({"slot": -96 * 20}, "UNKNOWN_METER", "account"),
        ({"slot_utc": "2026-07-31T09:07:00Z"}, "MALFORMED", "slot_utc"),
        ({"import_wh": 10**6, "import_register_wh": 10**7}, "ABSURD_READING", "import_wh"),
        ({"export_wh": 10**6, "export_register_wh": 10**7}, "ABSURD_READING", "export_wh"),
        ({"import_register_wh": 5}, "ABSURD_READING", "import_wh"),
        ({"import_wh": -1}, "MALFORMED", "import_wh"),
        ({"import_wh": 1.5}, "MALFORMED", "import_wh"),
        ({"import_wh": "12"}, "MALFORMED", "import_wh"),
        ({"quality": 1}, "MALFORMED", "quality"),
    ],
    ids=str,
)
def test_one_reading_that_cannot_be_refuses_the_whole_batch_and_is_named(
    meter: Meter, changes: dict[str, Any], code: str, field: str
) -> None:
    here = meter.here
    newest = here.slot - 2 * SLOT_S
    good, changes = meter.row(newest, 10), dict(changes)
    slot = newest + changes.pop("slot", -1) * SLOT_S
    heard = meter.bring(good, meter.row(slot, 10) | changes)
    assert (heard.status, heard.document["code"]) == (422, code)
    assert heard.document["field"] in (f"readings[1].{field}", field)
    assert waiting_at(here) == []


def test_no_batch_of_a_slot_is_held_while_another_one_is_asked(
    meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, slots = meter.here, [meter.first + n * SLOT_S for n in range(3)]
    store, place = here.microgrid.store, meter.place
    stand = {
        slot: told
        for slot in slots
        if (told := store.read(lambda c, slot=slot: KnownSlot(c, slot).stands(place))) is not None
    }
    assert len(stand) == len(slots)
    held = weakref.WeakSet[Batch]()
    most_held = []

    def load(connection: Any, slot: int) -> Batch:
        batch = Batch(load_readings(connection, slot) or {})
        held.add(batch)
        most_held.append(len(held))
        return batch

    monkeypatch.setattr("energy.store.meter_feeds.load_readings", load)
    # Where a later reading counts the door asks for no batch, the loop does.
    rows = [meter.row(slot, told.import_wh) | told._asdict() for slot, told in stand.items()]
    assert meter.bring(*rows).document == {"readings": 3, "changed": 0}
    store.write(lambda c: put_in(c, [(slot, place, told) for slot, told in stand.items()]))
    here.run()
    assert waiting_at(here) == []
    assert len(most_held) >= len(slots) and max(most_held) == 1


def test_a_quarter_hour_stands_once_in_a_batch(meter: Meter) -> None:
    row = meter.row(meter.here.slot - 2 * SLOT_S, 10)
    heard = meter.bring(row, row)
    assert (heard.document["code"], heard.document["field"]) == (
        "MALFORMED",
        "readings[1].slot_utc",
    )


def test_a_device_that_cannot_make_up_its_mind_is_stopped(meter: Meter) -> None:
    slot = meter.here.slot - 2 * SLOT_S
    heard = [meter.bring(meter.row(slot, wh)) for wh in range(9)]
    assert [one.status for one in heard] == [200] * 8 + [409]
    assert heard[-1].document["code"] == "TOO_MANY_CORRECTIONS"


def test_a_device_speaks_for_no_other_meter_and_reads_nothing(meter: Meter) -> None:
    here, slot = meter.here, meter.here.slot - 2 * SLOT_S
    other = device(here, "meter-118", here.account)
    assert meter.bring(meter.row(slot, 10), token=other).document["code"] == "UNKNOWN_METER"
    neighbour = next(one for one in here.everybody.account if one != here.account)
    row = meter.row(slot, 10, account=f"0x{neighbour.hex()}")
    assert meter.bring(row).document["code"] == "UNKNOWN_METER"
    for path in ("/v1/me/export", "/v1/me/home", "/v1/me/statements", "/v1/me/orders"):
        heard = here.ask(path, more={"Authorization": f"Bearer {meter.token}"})
        assert heard.status == 403, path


def test_a_whole_quarter_hour_of_many_meters_fits_into_one_batch(meter: Meter) -> None:
    slot = meter.here.slot - 2 * SLOT_S
    everybody = [f"0x{one.hex()}" for one in meter.here.microgrid.district.meters.account]
    rows = [
        meter.row(slot - (n % SLOTS_MAX) * SLOT_S, 1, account=everybody[n // SLOTS_MAX])
        for n in range(READINGS_MAX)
    ]
    heard = meter.bring(*rows)
    assert heard.document["code"] == "UNKNOWN_METER", "it is read, though most came too early"
    heard = meter.bring(*rows, meter.row(slot, 1))
    assert (heard.status, heard.document["field"]) == (422, "readings")


def test_a_batch_of_more_quarter_hours_than_a_day_has_is_refused(meter: Meter) -> None:
    slot = meter.here.slot - 2 * SLOT_S
    heard = meter.bring(*(meter.row(slot - n * SLOT_S, 1) for n in range(SLOTS_MAX + 1)))
    assert (heard.status, heard.document["code"]) == (422, "MALFORMED")
    said = [heard.document[name] for name in ("field", "found", "allowed")]
    assert said == ["readings", "97", "readings of at most 96 different quarter hours"]


def test_the_plant_reads_a_meter_again_that_is_given_back(meter: Meter) -> None:
    here = meter.here
    back, _ = here.microgrid.store.write(lambda c: take_meters_back(c, "meter-117", [here.account]))
    while here.slot < back + 3 * SLOT_S:
        here.run()
    columns = here.microgrid.store.read(lambda c: load_readings(c, back))
    if columns["quality"][meter.place] == 1:
        told = (columns["import_wh"][meter.place], columns["export_wh"][meter.place])
        assert meter.settled(back) == told, "its other counter does not make it doubtful"
        assert meter.signed(back)[0]["quality"] == 1
    heard = meter.bring(meter.row(back, 10))
    assert heard.document["code"] == "UNKNOWN_METER"


@pytest.mark.slow
def test_the_bill_of_the_month_shows_what_the_device_has_brought(meter: Meter) -> None:
    here = meter.here
    cookies = here.sign_in(here.resident)
    while not here.ask("/v1/me/statements", cookies=cookies).document["items"]:
        assert here.slot < AUGUST + 4 * SLOT_S
        here.run()
    (month,) = here.ask("/v1/me/statements/2026-07", cookies=cookies).document["months"]
    first = here.microgrid.installation.first_slot
    sums = [meter.settled(slot) for slot in range(first - 2 * SLOT_S, AUGUST, SLOT_S)]
    brought = sum(one for one, _ in sums)
    assert brought > 10_000, "more than the plant has shown of this meter"
    assert int(month["received_kwh"]) == brought // 1000
    assert int(month["given_kwh"]) == sum(one for _, one in sums) // 1000
