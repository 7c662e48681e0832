"""Why assets do what they do in the first slots: what a kWh is worth now, and elsewhere.

The prices are the shadow prices of the program: of power in the slot, of energy in a store, of
heat. A plan without a solver has none, and so no reasons of this kind.
"""

from collections.abc import Iterator

import numpy as np

from optimizer.found import Shadow
from optimizer.plan import Plan, Reason
from optimizer.problem import PlanProblem

REASON_SLOTS = 8
OUT_OF_USE = "out of use: it has no power in this slot"
STILL_KW = 0.05  # power below which an asset counts as standing still
EQUAL_KRW = 0.5  # won per kWh within which two prices count as equal


def reasons_of(problem: PlanProblem, plan: Plan, shadow: Shadow | None) -> tuple[Reason, ...]:
    """One row per asset and slot of the first slots; idle chargers without cars are left out."""
    if shadow is None:
        return ()
    rows: list[Reason] = []
    for slot in range(min(REASON_SLOTS, problem.slots)):
        rows += _connection_reasons(problem, plan, shadow, slot)
        rows += _battery_reasons(problem, plan, shadow, slot)
        rows += _fleet_reasons(problem, plan, shadow, slot)
        rows += _unit_reasons(problem, plan, shadow, slot)
        rows += _heat_reasons(problem, plan, shadow, slot)
    return tuple(rows)


def _connection_reasons(
    problem: PlanProblem, plan: Plan, shadow: Shadow, slot: int
) -> Iterator[Reason]:
    power = float(shadow.power_krw_per_kwh[slot])
    buy, sell = (
        float(price[slot])
        for price in (
            problem.connection.price_buy_krw_per_kwh,
            problem.connection.price_sell_krw_per_kwh,
        )
    )
    peak = float(shadow.limits_krw_per_kwh["peak"][slot])
    owed = sum(float(shadow.limits_krw_per_kwh[each.id][slot]) for each in problem.dr_events)
    promised = f" and {owed:.0f} for what is committed" if owed >= EQUAL_KRW else ""
    if plan.p_import_kw[slot] > STILL_KW:
        added = f" and {peak:.0f} for the peak" if peak >= EQUAL_KRW else ""
        text = f"importing at {buy:.0f} won{added}{promised}; a kWh is worth {power:.0f} here"
        yield Reason("connection", slot, "import", power, buy + peak + owed, text)
    else:
        text = f"exporting at {sell:.0f} won{promised}; a kWh is worth {power:.0f} here"
        yield Reason("connection", slot, "export", power, sell + owed, text)
    curtailed = float((problem.pv_kw[slot] - plan.pv_used_kw[slot]).sum())
    if curtailed > STILL_KW:
        text = f"{curtailed:.0f} kW of solar power curtailed: one more kWh is worth {power:.0f} won"
        yield Reason("solar", slot, "curtail", power, -problem.curtail_krw_per_kwh, text)
    for row, rank in enumerate(problem.ranks):
        shed = float(plan.shed_by_rank_kw[slot, row])
        if shed > STILL_KW:
            text = f"{shed:.0f} kW shed: nothing cheaper is left at {power:.0f} won"
            yield Reason(rank.id, slot, "shed", power, rank.price_krw_per_kwh, text)


def _store_reason(
    asset: str, slot: int, net_kw: float, prices: tuple[float, float, float]
) -> Reason:
    """A store's comparison: power now against what a kWh taken in or given is worth stored.

    prices: of power; worth of the energy that a kWh drawn stores; cost of the energy and the wear
    that a kWh given takes.
    """
    power, taken, given = prices
    if net_kw > STILL_KW:
        owed = ", because no later time is left" if power > taken + EQUAL_KRW else ""
        text = f"charging: {power:.0f} won now against {taken:.0f} stored, after losses{owed}"
        return Reason(asset, slot, "charge", power, taken, text)
    if net_kw < -STILL_KW:
        owed = ", because it must" if power < given - EQUAL_KRW else ""
        text = f"discharging: {power:.0f} won now against {given:.0f} with losses and wear{owed}"
        return Reason(asset, slot, "discharge", power, given, text)
    text = f"idle: {power:.0f} won now, storing is worth {taken:.0f}, giving costs {given:.0f}"
    return Reason(asset, slot, "idle", power, taken, text)


def _battery_reasons(
    problem: PlanProblem, plan: Plan, shadow: Shadow, slot: int
) -> Iterator[Reason]:
    table = problem.batteries
    # Power that is given is no longer in reserve.
    power = shadow.power_krw_per_kwh[slot] - shadow.reserve_krw_per_kwh[slot]
    net = plan.battery_charge_kw[slot] - plan.battery_discharge_kw[slot]
    stored = shadow.battery_krw_per_kwh[slot]
    taken = stored * table.eta_charge
    given = stored / table.eta_discharge + table.wear_krw_per_kwh
    most_kw = [
        table.by_slot(limit_kw, problem.slots)[slot]
        for limit_kw in (table.p_charge_kw_max, table.p_discharge_kw_max)
    ]
    for row, asset in enumerate(table.id):
        prices = (float(power[row]), float(taken[row]), float(given[row]))
        if not any(limit_kw[row] for limit_kw in most_kw):
            yield Reason(asset, slot, "out", prices[0], prices[1], OUT_OF_USE)
            continue
        yield _store_reason(asset, slot, float(net[row]), prices)


def _fleet_reasons(problem: PlanProblem, plan: Plan, shadow: Shadow, slot: int) -> Iterator[Reason]:
    table, power = problem.fleets, float(shadow.power_krw_per_kwh[slot])
    net = plan.fleet_charge_kw[slot] - plan.fleet_discharge_kw[slot]
    stored = shadow.fleet_krw_per_kwh[slot]
    for row in np.flatnonzero(table.p_charge_kw_max[:, slot] > STILL_KW):
        worth = float(stored[row])
        prices = (power, worth * table.eta, worth / table.eta + table.wear_krw_per_kwh)
        yield _store_reason(table.id[row], slot, float(net[row]), prices)


def _unit_reasons(problem: PlanProblem, plan: Plan, shadow: Shadow, slot: int) -> Iterator[Reason]:
    power, heat = float(shadow.power_krw_per_kwh[slot]), float(shadow.heat_krw_per_kwh[slot])
    ready = float(shadow.limits_krw_per_kwh["reserve"][slot]) if problem.reserve else 0.0
    spinning = f"; a kW of reserve is worth {ready:.0f}" if ready >= EQUAL_KRW else ""
    for row, unit in enumerate(problem.units):
        count, made = int(plan.unit_on[slot, row]), float(plan.unit_p_kw[slot, row])
        on_before = int(plan.unit_on[slot - 1, row]) if slot else unit.on_now
        word = "start" if count > on_before else "stop" if count < on_before else "run"
        per_kwh = 1 / max(made, unit.p_kw_min, 1.0)
        burnt = float(plan.unit_fuel_kw[slot, row]) if count else unit.fuel[0][1]
        gives = float(plan.unit_heat_kw[slot, row]) if count else unit.heat[0][1]
        cost = (burnt * unit.fuel_krw_per_kwh + max(count, 1) * unit.wear_krw_per_h) * per_kwh
        worth = power + gives * per_kwh * heat
        action = word if count else ("stop" if word == "stop" else "off")
        text = (
            f"{count} of {unit.size} on at {made:.0f} kW: a kWh with its heat is worth "
            f"{worth:.0f} won against {cost:.0f} of fuel and wear{spinning}"
        )
        yield Reason(unit.id, slot, action, worth, cost, text)


def _heat_reasons(problem: PlanProblem, plan: Plan, shadow: Shadow, slot: int) -> Iterator[Reason]:
    heat = problem.heat
    if heat is None:
        return
    power, worth = float(shadow.power_krw_per_kwh[slot]), float(shadow.heat_krw_per_kwh[slot])
    pumped = worth * float(heat.cop[slot])
    action = "run" if plan.heat_pump_kw[slot] > STILL_KW else "off"
    text = f"{action}: a kWh makes heat worth {pumped:.0f} won and costs {power:.0f}"
    if heat.heat_pump_out is not None and heat.heat_pump_out[slot]:
        action, text = "out", OUT_OF_USE
    yield Reason("heat pump", slot, action, pumped, power, text)
    burnt = heat.fuel_krw_per_kwh / heat.boiler_eta
    action = "run" if plan.boiler_kw[slot] > STILL_KW else "off"
    text = f"{action}: a kWh of heat is worth {worth:.0f} won and costs {burnt:.0f} of fuel"
    yield Reason("boiler", slot, action, worth, burnt, text)
