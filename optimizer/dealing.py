"""A solution of the merged problem as decisions for every single asset."""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.assemble import Decisions
from optimizer.curves import unit_curve
from optimizer.highs import LivingProgram, Solution
from optimizer.merge import Merging, sums_by
from optimizer.problem import DT_H, FloatArray, IntArray
from optimizer.split import StorePaths, deal_out, paths
from optimizer.standard_form import Layout
from optimizer.unit_groups import deal_counts, deal_power

EXACT_KW = 1e-6  # difference of a group's power below which its members follow it exactly


@dataclass(frozen=True, eq=False)
class _Dealt:
    """Members' paths, and what they sum up to by group, (H, K)."""

    members: StorePaths
    groups: StorePaths


def deal(merging: Merging, program: LivingProgram, found: Solution, until_s: float) -> Decisions:
    """Decisions of the whole problem, from a solution of the merged one.

    Fleets are dealt out first; where they cannot follow their groups exactly, everything else is
    solved once more around them, then the batteries likewise. The program is left held.
    """
    layout = program.form.layout
    marginal = found.row_duals[layout.rows["district_balance"]] / DT_H
    fleets = _deal_fleets(merging, layout, found)
    found = _around(program, "fleet", fleets.groups, (found, until_s))
    batteries = _deal_batteries(merging, layout, found)
    found = _around(program, "battery", batteries.groups, (found, until_s))
    unit_on, unit_p_kw = _deal_units(merging, layout, found)
    values, columns, none = found.values, layout.columns, np.zeros(merging.whole.slots)
    heat = merging.whole.heat
    return Decisions(
        curtail_kw=_curtailed(merging, values[columns["curtail"]]),
        shed_kw=np.clip(values[columns["shed"]], 0.0, merging.whole.rank_load_kw.sum(axis=1)),
        batteries=batteries.members,
        fleets=fleets.members,
        unit_on=unit_on,
        unit_p_kw=unit_p_kw,
        heat_pump_kw=np.clip(values[columns["heat_pump"]], 0.0, heat.pump_kw_max) if heat else none,
        into_store_kw=values[columns["p_into_store"]] if heat else none,
        marginal_krw_per_kwh=marginal,
    )


def _deal_units(merging: Merging, layout: Layout, found: Solution) -> tuple[IntArray, FloatArray]:
    """Counts of running units and their power, (H, F)."""
    units = merging.whole.units
    on = np.zeros((merging.whole.slots, len(units)), dtype=np.int64)
    power = np.zeros(on.shape)
    for row, group in enumerate(merging.small.units):
        members = np.flatnonzero(merging.unit_class == row)
        total = np.rint(found.values[layout.columns["unit_on"][:, row]]).astype(np.int64)
        extra = layout.columns["unit_extra"][:, row, : len(unit_curve(group).width_kw)]
        raised = group.p_kw_min * total + found.values[extra].sum(axis=1)
        theirs = tuple(units[member] for member in members)
        on[:, members] = deal_counts(theirs, total)
        power[:, members] = deal_power(theirs, on[:, members], raised)
    return on, power


def _deal_fleets(merging: Merging, layout: Layout, found: Solution) -> _Dealt:
    """Where promises may fall short, the energy that is only wished for is left out."""
    table, corridor = merging.whole.fleets, merging.fleet_corridor
    target = found.values[layout.columns["e_fleet"]]
    if "fleet_short" in layout.columns:
        target = target - np.cumsum(found.values[layout.columns["fleet_short"]], axis=0)
        corridor = replace(corridor, lower_kwh=np.minimum(corridor.lower_kwh, 0.0))
    energy = deal_out(corridor, merging.fleet_class, target)
    eta = np.full(len(table.id), table.eta)
    return _summed(paths(energy, corridor.start_kwh, (eta, eta)), merging.fleet_class, target)


def _deal_batteries(merging: Merging, layout: Layout, found: Solution) -> _Dealt:
    table, corridor = merging.whole.batteries, merging.battery_corridor
    target = found.values[layout.columns["e_battery"]]
    energy = deal_out(corridor, merging.battery_class, target)
    members = paths(energy, corridor.start_kwh, (table.eta_charge, table.eta_discharge))
    return _summed(members, merging.battery_class, target)


def _summed(members: StorePaths, group: IntArray, target: FloatArray) -> _Dealt:
    count = target.shape[1]

    def total(series: FloatArray) -> FloatArray:
        return sums_by(series.T, group, count).T

    groups = StorePaths(total(members.e_kwh), total(members.charge_kw), total(members.discharge_kw))
    return _Dealt(members, groups)


def _around(
    program: LivingProgram, store: str, dealt: StorePaths, so_far: tuple[Solution, float]
) -> Solution:
    """The solution with a kind of stores held at what was dealt, solved again where they differ.

    An elastic program is left as it is: its stores hold energy that is only wished for.
    """
    found, until_s = so_far
    if program.form.elastic:
        return found
    columns = program.form.layout.columns
    charge, discharge = columns[f"{store}_charge"], columns[f"{store}_discharge"]
    planned = found.values[charge] - found.values[discharge]
    program.hold(columns[f"e_{store}"], dealt.e_kwh)
    program.hold(charge, dealt.charge_kw)
    program.hold(discharge, dealt.discharge_kw)
    if np.abs(dealt.charge_kw - dealt.discharge_kw - planned).max(initial=0.0) <= EXACT_KW:
        return found
    again = program.run(until_s)
    return again if again.found else found


def _curtailed(merging: Merging, by_class: FloatArray) -> FloatArray:
    """Curtailment of each area (H, A): its class's, in proportion to its solar power."""
    ours = merging.whole.pv_kw
    theirs = merging.small.pv_kw[:, merging.area_class]
    share = np.zeros_like(ours)
    np.divide(ours, theirs, out=share, where=theirs > 0)
    return np.clip(by_class[:, merging.area_class] * share, 0.0, ours)
