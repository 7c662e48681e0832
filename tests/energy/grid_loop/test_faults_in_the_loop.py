"""What has no flow is named, nothing is commanded by it, and the next quarter hour is planned."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import energy.cycle
from energy.cycle import run_quarter_hour
from energy.steps.clearing import clear_market
from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan, check_on_grid
from energy.steps.publish import build_setpoints
from energy.steps.slot_alarms import alarms_of
from energy.steps.views import cycle_view, grid_view, wires_view
from energy.store.alarms import open_alarms
from energy.store.holds import add_hold
from energy.store.slots import Claim
from energy.store.steering import Act
from energy.units import SLOT_S
from grid_models import Network, PowerFlow
from optimizer import OptimizerError, Tier, rules_plan


def opened(network: Network, line: str) -> Network:
    """The wires with one cable switched off."""
    closed = network.lines.closed.copy()
    closed[network.lines.id.index(line)] = False
    return replace(network, lines=replace(network.lines, closed=closed))


def leaf(network: Network) -> str:
    """The cable to a single bus at the end of a street."""
    ends = [*network.lines.from_bus, *network.transformers.hv_bus, *network.transformers.lv_bus]
    row = next(row for row, bus in enumerate(network.lines.to_bus) if bus not in ends)
    return network.lines.id[row]


def feeder(network: Network) -> str:
    """The first cable behind the substation."""
    low = network.transformers.lv_bus[network.transformers.hv_bus == network.slack_bus]
    row = int(np.flatnonzero(np.isin(network.lines.from_bus, low))[0])
    return network.lines.id[row]


FAULTS = {
    "isolated bus": (leaf, "buses without supply"),
    "split network": (feeder, "buses without supply"),
}


def assert_on_hold(bench: Any, checked: CheckedPlan, why: str) -> None:
    """Every slot is named, nothing is commanded or traded, and the documents say why."""
    slots = checked.plan.slots
    assert checked.tier is Tier.HOLD and checked.room is None
    named = [each for each in checked.on_wires if each.violation.kind == "not_converged"]
    assert [each.row for each in named] == list(range(slots))
    assert why in checked.reason
    microgrid, slot = bench.microgrid, checked.plan.first_slot
    claim = Claim(slot=slot, fence=1)
    assert build_setpoints(microgrid, claim, bench.measured, checked) is None
    cleared = clear_market(microgrid, slot, [], checked)
    assert cleared.clearing is None and cleared.quote is None
    assert cleared.reason == "no valid plan, so no market"
    network = microgrid.district.network
    shown = grid_view(network, checked)
    assert shown["converged"] is False and why in shown["reason"]
    assert wires_view(network, checked)["room"] is None
    assert cycle_view(checked, slot)["outcome"] == "fallback"
    causes = {alarm.cause: alarm for alarm in alarms_of(bench.measured, checked)}
    assert causes["slot/tier"].severity == "alarm"
    (grid,) = [one for cause, one in causes.items() if cause.startswith("slot/grid/")]
    assert grid.severity == "alarm" and grid.cause == f"slot/grid/{grid.where}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_network_in_parts_puts_the_slot_on_hold(bench: Any, fault: str) -> None:
    line_of, why = FAULTS[fault]
    broken = bench.on(opened(bench.network, line_of(bench.network)))
    checked = bench.plan(broken, bench.problem)
    assert checked.rounds == 0  # no cut can help, so nothing is planned again
    assert_on_hold(bench, checked, why)


def test_cables_that_no_voltage_can_carry_the_load_through_are_no_flow(bench: Any) -> None:
    lines = bench.network.lines
    inside = bench.network.buses.area[lines.to_bus] >= 0
    far = replace(lines, length_km=np.where(inside, 2000 * lines.length_km, lines.length_km))
    checked = bench.plan(bench.on(replace(bench.network, lines=far)), bench.problem)
    assert checked.rounds == 0
    assert_on_hold(bench, checked, "no voltages balance these injections")


def test_ten_times_the_load_is_planned_and_every_broken_limit_is_named(bench: Any) -> None:
    heavy = replace(bench.problem, load_kw=10 * bench.problem.load_kw)
    microgrid = bench.on(bench.network, rounds_max=1)
    checked = bench.plan(microgrid, heavy)
    assert checked.flow.converged and checked.tier is not Tier.HOLD
    told = {each.row for each in checked.on_wires}
    assert told == bench.broken_rows(bench.network, bench.flows_apart(microgrid, checked))
    assert told and "grid limits exceeded" in checked.reason


@pytest.mark.parametrize(("row", "tier"), [(0, Tier.HOLD), (7, Tier.RULES)])
def test_a_plan_with_nan_is_held_to_its_own_slot(bench: Any, row: int, tier: Tier) -> None:
    plan = rules_plan(bench.problem)
    pv_used_kw = plan.pv_used_kw.copy()
    pv_used_kw[row, 0] = np.nan
    checked = check_on_grid(bench.microgrid, bench.problem, replace(plan, pv_used_kw=pv_used_kw), 0)
    assert [each.row for each in checked.on_wires] == [row]
    assert "injection is nan kW" in checked.reason
    assert checked.tier is tier


def test_after_a_slot_on_hold_the_next_one_is_planned_again(fresh_microgrid: Microgrid) -> None:
    network, start = fresh_microgrid.district.network, fresh_microgrid.installation.first_slot
    dark = replace(fresh_microgrid, power_flow=PowerFlow(opened(network, leaf(network))))
    first = run_quarter_hour(dark, start, lambda: start - 300.0)
    assert first.plan is not None and first.plan.tier is Tier.HOLD
    assert first.cleared.clearing is None and first.settled.tick == start
    second = run_quarter_hour(fresh_microgrid, start + SLOT_S, lambda: start + SLOT_S - 300.0)
    assert second.plan is not None and second.plan.tier in ("T0", "T1")
    assert second.plan.violations == () and second.cleared.clearing is not None


def refuse(*_: Any) -> Any:
    raise OptimizerError("the problem cannot be read")


def alarms_now(microgrid: Microgrid) -> dict[str, str]:
    found = microgrid.store.read(open_alarms)
    return {one.alarm.cause: one.alarm.what for one in found}


def test_what_is_held_in_a_slot_on_hold_cannot_be_told_and_somebody_hears(
    fresh_microgrid: Microgrid,
) -> None:
    network, start = fresh_microgrid.district.network, fresh_microgrid.installation.first_slot
    dark = replace(fresh_microgrid, power_flow=PowerFlow(opened(network, leaf(network))))
    battery = fresh_microgrid.district.batteries.id[0]
    window, act = (start, start + 8 * SLOT_S), Act("person kim", "smell of smoke", 0)
    fresh_microgrid.store.write(lambda connection: add_hold(connection, battery, window, act))
    run_quarter_hour(dark, start, lambda: start - 300.0)
    assert alarms_now(dark)["slot/rest"].startswith(f"{battery}: to rest in ")
    run_quarter_hour(fresh_microgrid, start + SLOT_S, lambda: start + SLOT_S - 300.0)
    assert "slot/rest" not in alarms_now(fresh_microgrid)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(energy.cycle, "plan_within_grid", refuse)
        third = start + 2 * SLOT_S
        run_quarter_hour(fresh_microgrid, third, lambda: third - 300.0)
    assert {"slot/tier", "slot/rest"} <= set(alarms_now(fresh_microgrid))
