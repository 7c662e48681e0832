"""What the wires still carry beyond a plan reaches the market's quote and the documents."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy.steps.clearing import clear_market, quote_of
from energy.steps.grid import CheckedPlan, check_on_grid
from energy.steps.injections import Carried, Injections
from energy.steps.market_room import MarketRoom, market_room
from energy.steps.market_views import market_view
from energy.steps.slot_alarms import alarms_of
from energy.steps.views import grid_view, wires_view
from grid_models import BusShare, Network, PowerFlow, check_flow, read_network_folder
from optimizer import rules_plan

CASES = Path(__file__).parents[2] / "cases"


@pytest.fixture(scope="module")
def one_feeder() -> Network:
    """Two streets, each a zone of its own, behind one cable that carries 119 kVA."""
    network = read_network_folder(CASES / "two_streets")
    closed, rated_a = network.lines.closed.copy(), network.lines.i_a_max.copy()
    names = network.lines.id
    closed[names.index("F2")], closed[names.index("TIE")] = False, True
    rated_a[names.index("F1")] = 3.0
    return replace(network, lines=replace(network.lines, closed=closed, i_a_max=rated_a))


def room_of(network: Network, share: BusShare) -> tuple[PowerFlow, MarketRoom]:
    power_flow, none = PowerFlow(network), np.zeros(len(network.buses.id))
    carried = Carried(Injections(none, none), power_flow.run(none, none))
    return power_flow, market_room(power_flow, carried, share, (1000.0, 1000.0))


def at_busbars(network: Network) -> BusShare:
    return BusShare(network.areas.bus, np.arange(2), np.ones(2))


def test_zones_behind_one_cable_do_not_get_its_room_twice(one_feeder: Network) -> None:
    power_flow, room = room_of(one_feeder, at_busbars(one_feeder))
    each_kw = [zone.step_kw for zone in room.headroom.draw]
    # A tenth of the cable is taken by its own charging and by the idle transformers.
    assert all(100 < kw < 119 for kw in each_kw)
    assert room.draw_kw == pytest.approx(each_kw[0], rel=0.01)
    for factor, kept in ((1.0, True), (1.01, False)):
        p_kw = np.zeros(len(one_feeder.buses.id))
        p_kw[one_feeder.areas.bus] = factor * room.draw_kw / 2
        assert (check_flow(one_feeder, power_flow.run(p_kw, 0 * p_kw)) == []) is kept


def test_zones_that_share_nothing_get_the_sum() -> None:
    network = read_network_folder(CASES / "two_streets")
    _, room = room_of(network, at_busbars(network))
    assert room.draw_kw == pytest.approx(sum(zone.step_kw for zone in room.headroom.draw), rel=0.01)
    assert room.feed_kw == pytest.approx(sum(zone.step_kw for zone in room.headroom.feed), rel=0.01)


def test_a_loss_factor_is_what_one_kw_more_loses(bench: Any) -> None:
    checked = bench.plan(bench.on(bench.network), bench.problem)
    power_flow, drawn = PowerFlow(bench.network), checked.drawn
    share = bench.microgrid.district.shares["load"]
    weights = bench.network.transformers.s_kva[bench.network.areas.transformer]
    more_kw = share.at_buses(weights / weights.sum(), len(drawn.p_kw))
    lost_kw = [
        power_flow.run(drawn.p_kw + sign * more_kw, drawn.q_kvar).p_loss_kw for sign in (1, -1)
    ]
    assert checked.room is not None
    assert checked.room.loss_per_kw[0] == pytest.approx((lost_kw[0] - lost_kw[1]) / 2, rel=0.01)


@pytest.fixture(scope="module")
def tight(bench: Any) -> tuple[Any, CheckedPlan]:
    """A plan by rules behind cables that carry little more than it draws."""
    network = bench.network
    plan = rules_plan(bench.problem)
    draws = check_on_grid(bench.on(network), bench.problem, plan, 0).flow.line_loading_frac
    lines = network.lines
    near = replace(lines, i_a_max=lines.i_a_max * np.maximum(1.05 * draws, 0.2))
    microgrid = bench.on(replace(network, lines=near), rounds_max=0)
    return microgrid, bench.plan(microgrid, bench.problem)


def test_the_quote_is_bounded_by_the_wires_where_they_are_tighter(
    tight: tuple[Any, CheckedPlan],
) -> None:
    _, checked = tight
    room, plan = checked.room, checked.plan
    assert room is not None
    quote = quote_of(checked, bytes(32))
    left_kw = checked.problem.connection.p_import_kw_max[0] - plan.p_import_kw[0]
    assert room.draw_kw < left_kw
    assert quote.import_wh == int(room.draw_kw * 250)
    assert quote.export_wh <= int(room.feed_kw * 250)
    unbounded = replace(room, draw_kw=1e6, feed_kw=1e6)
    free = quote_of(replace(checked, room=unbounded), bytes(32))
    assert free.import_wh == int(left_kw * 250)


def test_without_a_flow_the_spc_quotes_nothing(tight: tuple[Any, CheckedPlan]) -> None:
    _, checked = tight
    quote = quote_of(replace(checked, room=None), bytes(32))
    assert (quote.import_wh, quote.export_wh) == (0, 0)


def test_room_loss_factors_and_quote_are_published(tight: tuple[Any, CheckedPlan]) -> None:
    microgrid, checked = tight
    shown = wires_view(microgrid.district.network, checked)["room"]
    assert [zone["zone"] for zone in shown["zones"]] == list(microgrid.district.network.zones)
    first = shown["zones"][0]
    assert first["draw"]["kind"] and first["draw"]["element"]
    assert checked.room is not None
    assert first["draw"]["kw"] == pytest.approx(checked.room.headroom.draw[0].step_kw, abs=1e-3)
    assert first["loss_factor"] == pytest.approx(checked.room.loss_per_kw[0], abs=1e-5)
    cleared = clear_market(microgrid, checked.plan.first_slot, [], checked)
    spc = market_view(microgrid.district, cleared)["spc"]
    assert spc["sells_kwh_max"] == int(checked.room.draw_kw * 250) / 1000


def test_shedding_is_a_violation_that_says_it_is_on_paper(bench: Any) -> None:
    connection = replace(
        bench.problem.connection, p_import_kw_max=np.full(bench.problem.slots, 20.0)
    )
    heavy = replace(bench.problem, load_kw=4 * bench.problem.load_kw, connection=connection)
    microgrid = bench.on(bench.network)
    checked = bench.plan(microgrid, heavy)
    rows = np.flatnonzero(checked.plan.shed_kw > 0.01).tolist()
    assert rows and [each.row for each in checked.unserved] == rows
    assert "no set-point carries that out" in checked.reason
    # What is shed on paper is in the flow all the same.
    p_kw = np.array([slot.drawn.p_kw.sum() for slot in checked.carried])
    paper_kw = checked.plan.p_import_kw - checked.plan.p_export_kw - checked.problem.loss_kw
    assert p_kw - paper_kw == pytest.approx(checked.plan.shed_kw, abs=1e-3)
    shown = [
        each
        for each in grid_view(bench.network, checked)["violations"]
        if each["kind"] == "unserved"
    ]
    assert len(shown) == len(rows) and {each["unit"] for each in shown} == {"kW"}
    assert shown[0]["found"] == pytest.approx(checked.plan.shed_kw[rows[0]])
    assert "slot/unserved" in {alarm.cause for alarm in alarms_of(bench.measured, checked)}
