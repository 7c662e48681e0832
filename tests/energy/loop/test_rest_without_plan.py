"""What is held at rest in a slot that cannot be planned anew: it rests, others go on as told."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energy.steps.replanning
from energy.config import build_settings
from energy.cycle import run_quarter_hour
from energy.plant import SetPoints
from energy.steps.context import Microgrid, demo_beginning, open_installation, start_microgrid
from energy.steps.replanning import answer_replans, replan_slot, tell_anew
from energy.store.alarms import open_alarms
from energy.store.holds import add_hold
from energy.store.replans import add_replan, taken_now, unanswered_replans
from energy.store.setpoints import load_setpoints
from energy.store.steering import Act
from energy.units import SLOT_S

ACT = Act("person kim", "smell of smoke", 0)
CHANGED = {"fence", "told_s", "battery_charge_kw", "battery_discharge_kw", "batteries_off"}


@pytest.fixture
def microgrid(tmp_path: Path) -> Iterator[Microgrid]:
    """A loop whose first slot has its set-points."""
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{tmp_path}/loop.db",
        demo_start="2026-07-15T19:00+09:00", bots=False, horizon_slots=8, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as opened:
        found, slot = start_microgrid(opened), opened.first_slot
        try:
            run_quarter_hour(found, slot, lambda: float(slot - 300))
            yield found
        finally:
            found.close()


def told_in(microgrid: Microgrid, slot: int) -> SetPoints | None:
    found = microgrid.store.read(lambda connection: load_setpoints(connection, slot))
    return None if found is None else SetPoints.from_bytes(found.body)


def fail(*_: Any) -> Any:
    raise IndexError("no sun")


def test_what_is_held_rests_in_a_slot_that_cannot_be_planned_anew(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, store = microgrid.installation.first_slot, microgrid.store
    before, battery = told_in(microgrid, slot), microgrid.district.batteries.id[0]
    assert before is not None and before.batteries_off is None
    window = (slot, slot + 8 * SLOT_S)
    store.write(lambda connection: add_hold(connection, battery, window, ACT))
    store.write(lambda connection: add_replan(connection, slot, ACT, taken_now()))
    monkeypatch.setattr(energy.steps.replanning, "forecast_slot", fail)
    assert answer_replans(microgrid, lambda: float(slot + 60)) == 1
    assert store.read(unanswered_replans) == []
    after = told_in(microgrid, slot)
    assert after is not None and after.fence > before.fence
    assert after.batteries_off is not None and after.batteries_off[0]
    assert after.battery_charge_kw[0] == after.battery_discharge_kw[0] == 0
    for name in {field.name for field in fields(SetPoints)} - CHANGED:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), name)
    (alarm,) = [one.alarm for one in store.read(open_alarms) if one.alarm.where == "plan"]
    assert alarm.cause == "slot/tier" and "go on as told before" in alarm.what


def test_what_is_planned_anew_after_its_slot_leaves_what_devices_were_told_in_it(
    microgrid: Microgrid,
) -> None:
    slot, store = microgrid.installation.first_slot, microgrid.store
    before = told_in(microgrid, slot)
    store.write(lambda connection: add_replan(connection, slot, ACT, taken_now()))
    (order,) = store.read(unanswered_replans)
    found = replan_slot(microgrid, slot)
    (answer,) = tell_anew(microgrid, found, [order], slot + SLOT_S)
    after = told_in(microgrid, slot)
    assert before is not None and after is not None and after.fence == before.fence
    assert answer.reason.startswith("the slot was over before") and found.told is not None


def test_where_nothing_was_told_that_could_hold_on_somebody_hears_of_it(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, store = microgrid.installation.first_slot, microgrid.store
    monkeypatch.setattr(energy.steps.replanning, "forecast_slot", fail)
    store.write(lambda connection: add_replan(connection, slot, ACT, taken_now()))
    assert answer_replans(microgrid, lambda: float(slot + 60)) == 1
    assert told_in(microgrid, slot) is None
    window = (slot, slot + 8 * SLOT_S)
    store.write(lambda connection: add_hold(connection, "heat-pump", window, ACT))
    store.write(lambda connection: add_replan(connection, slot, ACT, taken_now()))
    assert answer_replans(microgrid, lambda: float(slot + 60)) == 1
    assert told_in(microgrid, slot) is None
    alarms = {one.alarm.cause: one.alarm.what for one in store.read(open_alarms)}
    assert alarms["slot/rest"].startswith("heat-pump: to rest in ")
