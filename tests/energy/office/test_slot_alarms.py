"""Alarms of a slot: each line has one of its own, so that nobody has seen what they have not."""

from energy.steps.grid import SlotViolation
from energy.steps.slot_alarms import ELEMENTS_MAX, renew_slot_alarms, wires_alarms
from energy.store.alarms import Seen, acknowledge_alarm, open_alarms
from energy.store.engine import Store
from grid_models import Violation

NOW_S = 1_784_105_000


def broken(element: str, row: int = 0, found: float = 1.04) -> SlotViolation:
    return SlotViolation(row, Violation("line_loading", element, 0, found, 1.0))


def publish(store: Store, slots: list[SlotViolation], now_s: int) -> dict[str, bool]:
    """What is open after a slot with these limits broken, and whether somebody has seen it."""

    found = list(wires_alarms(slots))
    store.write(lambda connection: renew_slot_alarms(connection, found, now_s))
    return {one.alarm.cause: one.seen is not None for one in store.read(open_alarms)}


def test_who_has_seen_one_line_has_not_seen_another(sqlite_store: Store) -> None:
    store = sqlite_store
    assert publish(store, [broken("line A")], NOW_S) == {"slot/grid/line A": False}
    number = store.read(open_alarms)[0].id
    store.write(lambda connection: acknowledge_alarm(connection, number, Seen("person", NOW_S)))
    both = [broken("line B"), broken("line A")]
    assert publish(store, both, NOW_S + 900) == {
        "slot/grid/line A": True, "slot/grid/line B": False,
    }  # fmt: skip
    assert publish(store, [broken("line B")], NOW_S + 1_800) == {"slot/grid/line B": False}


def test_a_line_is_told_once_by_its_first_slot_and_a_district_in_trouble_by_a_few() -> None:
    (found,) = wires_alarms([broken("A", row=3), broken("A", row=0), broken("A", row=1)])
    assert found.severity == "alarm"
    (later,) = wires_alarms([broken("A", row=3)])
    assert later.severity == "warning"
    assert len(list(wires_alarms([broken(f"line {n}") for n in range(50)]))) == ELEMENTS_MAX
