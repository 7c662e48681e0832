"""Inverters' reactive power in the check: a signed power factor, or a curve over the voltage."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.district import DistrictError, Inverters, load_district
from energy.steps.grid import check_on_grid
from energy.steps.injections import Q_PER_P_LOAD, Injections, planned_injections
from grid_models import PowerFlow, QDroop
from optimizer import rules_plan

DROOP = Inverters(mode="droop")


def noon_row(bench: Any) -> int:
    return int(bench.problem.pv_kw.sum(axis=1).argmax())


def drawn(bench: Any, inverters: Inverters, row: int) -> Injections:
    plan = rules_plan(bench.problem)
    district = replace(bench.microgrid.district, inverters=inverters)
    return planned_injections(district, bench.problem, plan, row)


@pytest.mark.parametrize(("power_factor", "per_kw"), [(1.0, 0.0), (0.95, 0.3287), (-0.9, -0.4843)])
def test_a_fixed_power_factor_draws_above_nought_and_gives_below(
    bench: Any, power_factor: float, per_kw: float
) -> None:
    row, plan = noon_row(bench), rules_plan(bench.problem)
    found = drawn(bench, Inverters(power_factor=power_factor), row)
    battery_kw = plan.battery_charge_kw[row] + plan.battery_discharge_kw[row]
    through_kw = plan.pv_used_kw[row].sum() + battery_kw.sum()
    buildings_kvar = Q_PER_P_LOAD * bench.problem.load_kw[row].sum()
    assert through_kw > 50 and found.droop is None
    assert found.q_kvar.sum() - buildings_kvar == pytest.approx(per_kw * through_kw, abs=0.05)


def test_by_default_no_help_from_inverters_is_counted_on(bench: Any) -> None:
    assert load_district("sejong-5-1@0.01").inverters == Inverters("fixed", 1.0, 0.9)
    found = drawn(bench, bench.microgrid.district.inverters, noon_row(bench))
    load_kw = bench.problem.load_kw[noon_row(bench)].sum()
    assert found.q_kvar.sum() == pytest.approx(Q_PER_P_LOAD * load_kw)


def test_on_the_curve_an_inverter_gives_what_its_power_leaves_and_none_at_night(bench: Any) -> None:
    row, plan = noon_row(bench), rules_plan(bench.problem)
    droop = drawn(bench, DROOP, row).droop
    assert isinstance(droop, QDroop)
    battery_kw = plan.battery_charge_kw[row] + plan.battery_discharge_kw[row]
    assert droop.p_kw_rated.sum() == pytest.approx(plan.pv_used_kw[row].sum() + battery_kw.sum())
    night = int(np.flatnonzero(bench.problem.pv_kw.sum(axis=1) == 0)[0])
    idle = replace(
        plan,
        battery_charge_kw=0 * plan.battery_charge_kw,
        battery_discharge_kw=0 * plan.battery_discharge_kw,
    )
    district = replace(bench.microgrid.district, inverters=DROOP)
    asleep = planned_injections(district, bench.problem, idle, night).droop
    assert isinstance(asleep, QDroop) and len(asleep.bus) == 0


def test_on_the_curve_a_sunny_noon_lifts_the_streets_less(bench: Any) -> None:
    lines = bench.network.lines
    inside = bench.network.buses.area[lines.to_bus] >= 0
    far = replace(lines, length_km=np.where(inside, 20 * lines.length_km, lines.length_km))
    network = replace(bench.network, lines=far)
    sunny = replace(bench.problem, pv_kw=4 * bench.problem.pv_kw)
    plan = rules_plan(sunny)
    fixed, held = (
        check_on_grid(bench.on(network, inverters=inverters), sunny, plan, 0)
        for inverters in (Inverters(), DROOP)
    )
    assert held.ahead.v_max_pu.max() < fixed.ahead.v_max_pu.max() - 0.005
    assert len(held.on_wires) < len(fixed.on_wires)
    # What is published as drawn is what the flow was made of, the inverters' part in it.
    row = int(fixed.ahead.v_max_pu.argmax())
    settled = held.carried[row]
    again = PowerFlow(network).run(settled.drawn.p_kw, settled.drawn.q_kvar)
    assert again.v_pu == pytest.approx(settled.flow.v_pu, abs=1e-9)
    assert settled.drawn.q_kvar.sum() > fixed.carried[row].drawn.q_kvar.sum() + 10


def test_on_the_curve_cuts_come_nearer_and_what_is_left_is_labelled(bench: Any) -> None:
    """Cuts know the reactive power of the flow they are made at, not how it will follow."""
    lines = bench.network.lines
    inside = bench.network.buses.area[lines.to_bus] >= 0
    far = replace(lines, length_km=np.where(inside, 20 * lines.length_km, lines.length_km))
    # A narrower band than the law's, for the curve alone would keep that one.
    v_max_pu = np.minimum(bench.network.buses.v_max_pu, 1.045)
    buses = replace(bench.network.buses, v_max_pu=v_max_pu)
    network = replace(bench.network, lines=far, buses=buses)
    sunny = replace(bench.problem, pv_kw=4 * bench.problem.pv_kw)
    free = bench.plan(bench.on(network, 0, inverters=DROOP), sunny)
    microgrid = bench.on(network, 1, inverters=DROOP)
    held = bench.plan(microgrid, sunny)
    worst_pu = [max(each.violation.excess for each in found.on_wires) for found in (free, held)]
    assert worst_pu[1] < worst_pu[0]
    told = {each.row for each in held.on_wires}
    assert bench.broken_rows(network, bench.flows_apart(microgrid, held)) == told


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('mode = "auto"', "inverters.mode"),
        ("power_factor = 0.5", "a power_factor of at least power_factor_min"),
        ("droop_v_pu = [0.97, 0.93, 1.03, 1.07]", "rising droop_v_pu"),
    ],
)
def test_an_impossible_setting_is_refused_in_one_sentence(
    tmp_path: Any, line: str, why: str
) -> None:
    import data

    text = data.path("districts", "sejong-5-1", "district.toml").read_text()
    key = line.split(" ")[0]
    lines = [line if each.startswith(f"{key} =") else each for each in text.splitlines()]
    (tmp_path / "district.toml").write_text("\n".join(lines))
    with pytest.raises(DistrictError, match=why):
        load_district(f"{tmp_path}@0.01")
