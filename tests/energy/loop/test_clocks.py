"""Whatever the machine's clock does, the district's time goes forward and no year is caught up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.daemon import DemoClock, RealClock
from energy.daemon.clocks import HOLD_S
from energy.store.engine import open_store
from energy.units import SLOT_S

HOUR_S = 3600.0
NOON_S = 1_784_084_400.0


class Machine:
    """A wall clock that can be set, and a count of seconds that cannot."""

    def __init__(self) -> None:
        self.set_by_s, self.counted_s = NOON_S, 0.0

    def clock(self) -> RealClock:
        return RealClock(lambda: self.set_by_s + self.counted_s, lambda: self.counted_s)


def test_time_runs_with_the_wall_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.counted_s += 900.0
    assert clock.now_s() == NOON_S + 900.0
    assert clock.trouble() is None


@pytest.mark.parametrize("step_h", [-2.0, 2.0, 10 * 8766.0])
def test_a_step_of_more_than_an_hour_is_not_believed_and_said_so(step_h: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.set_by_s += step_h * HOUR_S
    machine.counted_s += 60.0
    assert clock.now_s() == NOON_S + 60.0
    assert f"has stepped by {step_h:+,.1f} h" in str(clock.trouble())
    machine.set_by_s -= step_h * HOUR_S
    assert clock.trouble() is None
    assert clock.now_s() == NOON_S + 60.0


def test_a_minute_back_is_waited_for_and_a_minute_on_is_taken() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.set_by_s -= 60.0
    assert clock.now_s() == NOON_S
    machine.counted_s += 90.0
    assert clock.now_s() == NOON_S + 30.0
    machine.set_by_s += 60.0
    assert clock.now_s() == NOON_S + 90.0
    assert clock.trouble() is None


def test_a_suspended_machine_finds_the_hour_gone_and_is_not_in_trouble() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.counted_s += 5 * HOUR_S
    assert clock.now_s() == NOON_S + 5 * HOUR_S
    assert clock.trouble() is None


@given(st.lists(st.tuples(st.floats(-1e8, 1e8), st.floats(0.0, 1e5)), max_size=20))
def test_time_never_steps_back(moves: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    last_s = clock.now_s()
    for step_s, passed_s in moves:
        machine.set_by_s += step_s
        machine.counted_s += passed_s
        assert clock.now_s() >= last_s
        last_s = clock.now_s()


def test_the_demonstration_waits_at_the_gate_and_before_the_slot(tmp_path: Path) -> None:
    slot = int(NOON_S)
    with open_store(f"sqlite:///{tmp_path}/demo.db") as store:
        clock = DemoClock(store, slot, gate_lead_s=300, slot_seconds_real=0.01)
        clock.lead(store, 1, slot)
        assert clock.now_s() == slot - 300
        clock.begin(slot)
        while clock.now_s() < slot - HOLD_S:
            pass
        assert clock.now_s() == slot - HOLD_S
        clock.finish(slot)
        while clock.now_s() < slot + SLOT_S - 300:
            pass
        assert clock.now_s() == slot + SLOT_S - 300
        clock.begin(slot)  # a failed cycle is tried again
        assert clock.now_s() == slot + SLOT_S - 300
