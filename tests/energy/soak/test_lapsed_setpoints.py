"""The daemon stops or its line to the devices is cut, again and again: no device follows the past.

A set-point holds for its own quarter hour, which is its send period here. What is not renewed
lapses, devices go to their own defaults, and what was missed is never sent later.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import energy.plant.plant
from energy.plant import Plant, PlantState, SetPoints
from energy.plant.orders import Heard
from energy.store.setpoints import load_setpoints
from energy.timegrid import parse_instant
from energy.units import SLOT_S

START = parse_instant("2026-05-10T12:00", "Asia/Seoul")


def told_at(hands: Any, slot: int) -> SetPoints | None:
    """What the store says was sent for a slot."""
    found = hands.installation.store.read(lambda connection: load_setpoints(connection, slot))
    return None if found is None else SetPoints.from_bytes(found.body)


def require_default(plant: Plant, state: PlantState, slot: int, sent: SetPoints | None) -> None:
    """Whatever still arrives of the past, the devices do what they do without anybody."""
    seen = plant.step(state, slot, sent).telemetry
    alone = plant.step(state, slot, None).telemetry
    assert seen.setpoints != "applied", f"slot {slot} follows a lapsed set-point"
    for name in ("battery_charge_kw", "battery_discharge_kw", "unit_p_kw", "cars_charge_kw"):
        assert np.array_equal(getattr(seen, name), getattr(alone, name)), f"slot {slot}: {name}"


def require_nothing_sent(hands: Any, rows: list[Any]) -> int:
    """No set-points of a slot that was over when somebody was there again; how many such slots."""
    missed = [row.start for row in rows if row.outcome == "missed"]
    assert [slot for slot in missed if told_at(hands, slot) is not None] == []
    return len(missed)


@pytest.mark.soak
@pytest.mark.check(14)
def test_a_stopped_daemon_leaves_devices_at_their_defaults_and_replays_nothing(
    hands: Any, check: Any
) -> None:
    stops, rng = check.trials(50, 3), check.rng
    for _ in range(stops):
        hands.work_until(hands.installation.next_slot())
        away_s = rng.randrange(SLOT_S, 8 * SLOT_S)
        hands.wall_s, hands.count_s = hands.wall_s + away_s, hands.count_s + away_s
        hands.work_until(int(hands.wall_s) // SLOT_S * SLOT_S)
    rows = hands.rows()
    missed = require_nothing_sent(hands, rows)
    sent = [row.start for row in rows if told_at(hands, row.start) is not None]
    late = [row for row in rows if row.start in sent and row.published_utc >= row.start + SLOT_S]
    assert late == [] and missed >= stops
    check.state(f"{stops} stops: {missed} slots missed, 0 set-points sent for them")


@pytest.mark.soak
@pytest.mark.check(14)
def test_devices_behind_a_cut_line_are_at_their_defaults_within_a_send_period(
    hands: Any, check: Any
) -> None:
    hands.work_until(START + 3 * SLOT_S)
    sent = told_at(hands, START + 2 * SLOT_S)
    assert sent is not None and sent.expires_s == sent.slot + SLOT_S
    cuts = check.trials(50, 3)
    cut_line(hands, sent, cuts, check.rng)
    check.state(f"{cuts} cuts: all devices at default in the period after, 0 late ones followed")


def cut_line(hands: Any, sent: SetPoints, cuts: int, rng: Any) -> None:
    """The last message stays where it is, comes again, or an older one comes after a newer."""
    plant = Plant(hands.installation.district, hands.installation.settings.seed)
    for _ in range(cuts):
        slot = START + rng.randrange(96) * SLOT_S
        strong = replace(sent, slot=slot, battery_charge_kw=sent.battery_charge_kw + 5.0)
        strong = replace(strong, expires_s=slot + SLOT_S)
        first = plant.step(plant.begin(slot), slot, strong)
        assert first.telemetry.setpoints == "applied"
        later = plant.step(first.state_after, slot + SLOT_S, None).state_after
        require_default(plant, first.state_after, slot + SLOT_S, strong)
        require_default(plant, later, slot + 2 * SLOT_S, strong)
        older = replace(strong, slot=later.slot, expires_s=later.slot + SLOT_S, fence=0)
        require_default(plant, later, later.slot, older)


@pytest.mark.soak
@pytest.mark.check(14, canary=True)
def test_a_device_that_knows_no_expiry_is_found_out(
    hands: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.work_until(START + 3 * SLOT_S)
    sent = told_at(hands, START + 2 * SLOT_S)
    assert sent is not None

    def obeys(_district: Any, fence: int, _slot: int, told: SetPoints | None) -> Heard:
        return Heard("none", fence) if told is None else Heard("applied", told.fence, told, told)

    monkeypatch.setattr(energy.plant.plant, "hear", obeys)
    with pytest.raises(AssertionError, match="follows a lapsed set-point"):
        cut_line(hands, sent, 1, check.rng)
