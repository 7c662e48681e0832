"""A limit that an operator sets on a feeder or a transformer holds in plan, wires and market."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from energy.cycle import run_quarter_hour
from energy.steps.context import Microgrid
from energy.steps.grid import plan_within_grid
from energy.steps.steering import OPERATOR_LIMIT
from energy.store.alarms import open_alarms
from energy.store.slots import find_slot
from energy.store.steering import Act, SteeringLimit, WireLimit, add_limit, cancel_limit
from energy.timegrid import iso_of
from energy.units import SLOT_S
from grid_models import GridError, find_passage

FROM, UNTIL = 4, 20  # rows of the horizon


@pytest.mark.parametrize(("element", "part"), [("F1", 0.0), ("T002", 0.5)])
def test_no_planned_slot_passes_more_than_the_operator_allows(
    bench: Any, element: str, part: float
) -> None:
    free = bench.plan(bench.microgrid, bench.problem)
    free_kw = np.abs(bench.through_kw(free, element)[FROM:UNTIL])
    most_kw = part * float(free_kw.max())
    steering = bench.limited(element, most_kw, FROM, UNTIL)
    held = plan_within_grid(bench.microgrid, bench.problem, lambda _: None, steering)
    assert held.tier in ("T0", "T1") and held.violations == () and held.rounds >= 1
    kept_kw = np.abs(bench.through_kw(held, element)[FROM:UNTIL])
    assert (kept_kw <= most_kw + steering.held[0].tolerance_kw).all()
    assert free_kw.max() > most_kw + 2.0
    assert held.plan.cost_krw.total > free.plan.cost_krw.total


def test_what_stands_in_the_store_binds_the_loop_and_its_market(
    fresh_microgrid: Microgrid,
) -> None:
    slot = fresh_microgrid.installation.first_slot
    limit = WireLimit("F1-01", 0.0, slot, slot + 4 * SLOT_S)
    act = Act("person kim", "cable work", slot)
    fresh_microgrid.store.write(lambda connection: add_limit(connection, limit, act))
    found = run_quarter_hour(fresh_microgrid, slot, lambda: float(slot - 300))
    assert found.plan is not None and found.plan.violations == ()
    (held,) = found.plan.steering.held
    assert held.p_kw_max[:4].tolist() == [0.0] * 4 and np.isinf(held.p_kw_max[4:]).all()
    assert abs(found.plan.plan.p_import_kw[0] - found.plan.plan.p_export_kw[0]) < 5.0
    room = found.plan.room
    assert room is not None
    for one in (*room.headroom.draw, *room.headroom.feed):
        assert (one.step_kw, one.kind, one.element) == (0.0, OPERATOR_LIMIT, "F1-01")
    assert found.cleared.quote is not None and found.cleared.quote.import_wh == 0
    assert all(link.capacity_wh == 0 for link in found.cleared.network.links[:4])


def test_a_limit_on_what_is_there_no_more_is_told_and_stops_no_slot(
    fresh_microgrid: Microgrid,
) -> None:
    """As after a switch or with another network: such a limit was good when it was set."""
    store, slot = fresh_microgrid.store, fresh_microgrid.installation.first_slot
    act = Act("person kim", "cable work", slot)

    def enter(connection: Connection) -> SteeringLimit:
        add_limit(connection, WireLimit("F1", 10.0, slot, slot + 8 * SLOT_S), act)
        return add_limit(connection, WireLimit("F9-07", 50.0, slot, slot + 8 * SLOT_S), act)

    gone = store.write(enter)
    found = run_quarter_hour(fresh_microgrid, slot, lambda: float(slot - 300))
    told = f"limit {gone.id} of 50 kW until {iso_of(gone.end_slot)}: element F9-07: found none of"
    assert found.plan is not None and told in found.plan.reason
    row = store.read(lambda connection: find_slot(connection, slot))
    assert row is not None and row.state != "running" and told in str(row.reason)
    assert [one.passage.element for one in found.plan.steering.held] == ["F1-01"]  # and F1 is kept
    alarms = {one.alarm.cause: one.alarm for one in store.read(open_alarms)}
    assert told in alarms["steering/unknown"].what
    store.write(lambda connection: cancel_limit(connection, gone, slot + SLOT_S, act))
    run_quarter_hour(fresh_microgrid, slot + SLOT_S, lambda: float(slot + SLOT_S - 300))
    assert "steering/unknown" not in {one.alarm.cause for one in store.read(open_alarms)}


def test_what_nothing_hangs_on_alone_cannot_be_limited(bench: Any) -> None:
    for element in ("F9", "", "no such cable"):
        with pytest.raises(GridError, match="allowed is a feeder"):
            find_passage(bench.network, element)
