"""Ready documents for the doors: what a slot's plan says, what a slot measured, how it went.

Money stands in decimal strings of won, instants in ISO 8601 UTC, powers in kW rounded to watts.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from energy.district import District
from energy.forecast import DistrictForecast, cloudless_frac
from energy.plant import Telemetry
from energy.steps.accounting import Tally, Terms, Variant, cheapest_without
from energy.steps.clearing import Cleared
from energy.steps.grid import UNSERVED, CheckedPlan
from energy.steps.market_room import MarketRoom
from energy.steps.market_views import market_view
from energy.steps.measure import Measured
from energy.steps.steering import OPERATOR_LIMIT
from energy.timegrid import iso_of
from energy.units import (
    SLOT_S,
    UKRW_PER_KRW,
    krw_text_from_ukrw,
)
from grid_models import FlowResult, Network, Room, Violation
from optimizer import Tier

Document = dict[str, Any]
QUANTILE_ROWS = {"q10": 1, "q50": 3, "q90": 5}
VIOLATION_KINDS = {"v_min": "voltage_low", "v_max": "voltage_high"}
VIOLATION_UNITS = {"v_min": "pu", "v_max": "pu", UNSERVED: "kW", OPERATOR_LIMIT: "kW"}


def measured_view(district: District, measured: Measured, tally: Tally, terms: Terms) -> Document:
    """What the slot's meters say, source by source and use by use, and the day's figures so far."""
    seen = measured.telemetry
    return {
        "sources": measured_sources(district, seen),
        "uses": measured_uses(seen),
        "import_kw": _kw(seen.p_import_kw),
        "quality": "measured" if measured.known.all() else "estimated",
        "heat_kw": _kw(seen.heat_kw),
        "boiler_kw": _kw(seen.boiler_kw),
        "battery_kwh": round(float(seen.e_battery_kwh.sum()), 3),
        "heat_store_kwh": round(seen.e_heat_kwh, 3),
        "cars": _cars(seen),
        "departures": len(seen.departures),
        "departures_broken": int((~seen.departures.kept).sum()),
        "peak_so_far_kw": _kw(max(tally.run.peak_kw, terms.peak_incurred_kw)),
        "kpi": kpi_view(tally, terms),
    }


def measured_sources(district: District, seen: Telemetry) -> dict[str, float]:
    """Where the power of a slot came from, kW."""
    return {
        **_units_kw(district, seen.unit_p_kw),
        "solar": _kw((seen.p_pv_kw - seen.pv_curtailed_kw).sum()),
        "battery": _kw(seen.battery_discharge_kw.sum()),
        "cars": _kw(seen.cars_discharge_kw.sum()),
        "kepco": _kw(seen.p_import_kw),
    }


def measured_uses(seen: Telemetry) -> dict[str, float]:
    """Where the power of a slot went, kW."""
    return {
        "homes_buildings": _kw(seen.p_load_kw.sum()),
        "cars": _kw(seen.cars_charge_kw.sum()),
        "battery": _kw(seen.battery_charge_kw.sum()),
        "heat_pump": _kw(seen.heat_pump_kw),
        "losses": _kw(seen.loss_kw),
        "kepco": _kw(seen.p_export_kw),
    }


def kpi_view(tally: Tally, terms: Terms) -> Document:
    """Figures of a run of slots against the cheapest way of running it without a plan."""
    baseline: Variant = cheapest_without(tally, terms)
    cost_krw, baseline_krw = terms.run_krw(tally), terms.without_krw(baseline)
    return {
        "from_utc": iso_of(tally.first_slot),
        "to_utc": iso_of(tally.end_slot),
        "self_sufficiency_frac": tally.self_sufficiency_frac,
        "self_consumption_frac": tally.self_consumption_frac,
        "cost_krw": _krw(cost_krw),
        "baseline_cost_krw": _krw(baseline_krw),
        "saved_krw": _krw(baseline_krw - cost_krw),
        "co2_t": round(tally.run.co2_t, 4),
        "baseline_co2_t": round(baseline.co2_t, 4),
        "peak_kw": _kw(tally.run.peak_kw),
    }


def plan_view(
    district: District,
    measured: Measured,
    forecast: DistrictForecast,
    checked: CheckedPlan,
    cleared: Cleared,
) -> Document:
    """What the slot's plan says of the horizon, how the wires take it, and what was traded."""
    return {
        "cycle": cycle_view(checked, measured.slot),
        "start_utc": iso_of(measured.slot),
        "step_s": SLOT_S,
        **_balance(district, checked),
        "marginal_krw_per_kwh": _known(checked.plan.marginal_krw_per_kwh),
        "import": _import(checked, forecast),
        "forecast": forecast_view(forecast),
        "stores": _stores(district, measured, checked),
        "heat": _heat(district, checked),
        "grid": grid_view(district.network, checked),
        "market": market_view(district, cleared),
        "certificate": _certificate(checked),
        "reasons": [
            {
                "asset": each.asset,
                "slot_utc": iso_of(measured.slot + each.slot_index * SLOT_S),
                "action": each.action,
                "now_krw_per_kwh": _finite(round(each.now_krw_per_kwh, 3)),
                "against_krw_per_kwh": _finite(round(each.against_krw_per_kwh, 3)),
                "text": each.text,
            }
            for each in checked.plan.reasons
        ],
    }


def cycle_view(checked: CheckedPlan, slot: int) -> Document:
    """How the slot came about."""
    gap = checked.plan.certificate.gap_frac
    return {
        "slot_utc": iso_of(slot),
        "state": "published",
        "outcome": outcome_of(checked),
        "tier": str(checked.tier),
        "reason": checked.reason,
        "gap_frac": gap if np.isfinite(gap) else None,
        "rounds": checked.rounds,
    }


def outcome_of(checked: CheckedPlan) -> str:
    """`ok` for an optimum or the best found that the wires carry in its slot, else `fallback`."""
    is_good = checked.tier in (Tier.OPTIMUM, Tier.FOUND) and not checked.own_slot
    return "ok" if is_good else "fallback"


def grid_view(network: Network, checked: CheckedPlan) -> Document:
    """State of the wires under the plan's first slot, and every limit that the plan exceeds."""
    flow, violations = checked.flow, _violations(checked)
    if not flow.converged:
        return {"converged": False, "reason": flow.reason, "violations": violations}
    line = int(np.argmax(flow.line_loading_frac)) if len(network.lines.id) else None
    unit = int(np.argmax(flow.transformer_loading_frac)) if len(network.transformers.id) else None
    low, high = int(np.argmin(flow.v_pu)), int(np.argmax(flow.v_pu))
    return {
        "converged": True,
        "worst_line": _loading(network.lines.id, flow.line_loading_frac, line),
        "worst_transformer": _loading(network.transformers.id, flow.transformer_loading_frac, unit),
        "v_min": {"id": network.buses.id[low], "v_pu": round(float(flow.v_pu[low]), 5)},
        "v_max": {"id": network.buses.id[high], "v_pu": round(float(flow.v_pu[high]), 5)},
        "violations": violations,
        "loss_kw": _kw(flow.p_loss_kw),
    }


def wires_view(network: Network, checked: CheckedPlan) -> Document:
    """Every element's state in the plan's first and tightest slot, and the tightest of each slot.

    Rows stand in the order of the network's tables. `room` is what each zone may draw or feed in
    beyond the first slot's plan, others unchanged, and how much more is lost for a kW drawn there.
    """
    ahead, start = checked.ahead, checked.plan.first_slot
    worst_slot = start + ahead.worst_row * SLOT_S
    return {
        "slot_utc": iso_of(start),
        "converged": checked.flow.converged,
        "reason": checked.flow.reason,
        "drawn": {"p_kw": _series(checked.drawn.p_kw), "q_kvar": _series(checked.drawn.q_kvar)},
        "now": _wires(checked.flow),
        "worst": {"slot_utc": iso_of(worst_slot), **_wires(checked.worst)},
        "strip": {
            "start_utc": iso_of(start),
            "step_s": SLOT_S,
            "loading_frac": _known(ahead.loading_frac),
            "loading_element": list(ahead.element),
            "v_min_pu": _known(ahead.v_min_pu),
            "v_max_pu": _known(ahead.v_max_pu),
            "feeder_loading_frac": {
                name: _known(column)
                for name, column in zip(ahead.feeder, ahead.feeder_loading_frac.T, strict=True)
            },
        },
        "violations": _violations(checked),
        "loss_kw": _finite(checked.flow.p_loss_kw),
        "room": _room(network, checked.room),
    }


def _room(network: Network, room: MarketRoom | None) -> Document | None:
    if room is None:
        return None
    headroom = room.headroom
    rows = zip(network.zones, headroom.draw, headroom.feed, room.loss_per_kw, strict=True)
    return {
        "draw_kw": _kw(room.draw_kw),
        "feed_kw": _kw(room.feed_kw),
        "zones": [
            {
                "zone": zone,
                "draw": _until(draw),
                "feed": _until(feed),
                "loss_factor": round(float(loss_per_kw), 5),
            }
            for zone, draw, feed, loss_per_kw in rows
        ],
    }


def _until(room: Room) -> Document:
    """How far a zone may go, and the limit that ends it; null where none would."""
    return {"kw": _finite(round(room.step_kw, 3)), "kind": room.kind, "element": room.element}


def _wires(flow: FlowResult) -> Document:
    return {
        "line_loading_frac": _known(flow.line_loading_frac),
        "transformer_loading_frac": _known(flow.transformer_loading_frac),
        "v_pu": _known(flow.v_pu),
    }


def _known(values: np.ndarray) -> list[float | None]:
    """Four decimals each, null where there is none."""
    return [round(value, 4) if value == value else None for value in values.tolist()]


def forecast_view(forecast: DistrictForecast) -> Document:
    """Bands of load, sun, heat and price over the horizon, and how each forecast came about."""
    return {
        "load_kw": {q: _series(forecast.load_district_kw[k]) for q, k in QUANTILE_ROWS.items()},
        "solar_kw": {q: _series(forecast.pv_district_kw[k]) for q, k in QUANTILE_ROWS.items()},
        "heat_kw": {q: _series(forecast.heat_kw[k]) for q, k in QUANTILE_ROWS.items()},
        "price_krw_per_kwh": None
        if forecast.price_krw_per_kwh is None
        else {q: _known(forecast.price_krw_per_kwh[k]) for q, k in QUANTILE_ROWS.items()},
        "sun_frac": [round(float(value), 4) for value in cloudless_frac(forecast.cloud_frac)],
        "tier": dict(forecast.tier),
        "reason": dict(forecast.reason),
    }


def _balance(district: District, checked: CheckedPlan) -> Document:
    plan, problem = checked.plan, checked.problem
    by_kind = _units_series(district, plan.unit_p_kw)
    return {
        "sources": {
            **by_kind,
            "solar": _series(plan.pv_used_kw.sum(axis=1)),
            "battery": _series(plan.battery_discharge_kw.sum(axis=1)),
            "cars": _series(plan.fleet_discharge_kw.sum(axis=1)),
            "kepco": _series(plan.p_import_kw),
        },
        "uses": {
            "homes_buildings": _series(problem.load_kw.sum(axis=1) - plan.shed_kw),
            "cars": _series(plan.fleet_charge_kw.sum(axis=1)),
            "battery": _series(plan.battery_charge_kw.sum(axis=1)),
            "heat_pump": _series(plan.heat_pump_kw),
            "losses": _series(problem.loss_kw),
            "kepco": _series(plan.p_export_kw),
        },
    }


def _import(checked: CheckedPlan, forecast: DistrictForecast) -> Document:
    """Planned import with the band that load and sun leave open, everything else as planned.

    Load and sun are taken as independent, so their distances from the median add in squares.
    """
    plan, connection = checked.plan, checked.problem.connection
    middle_kw = plan.p_import_kw - plan.p_export_kw
    load, sun = forecast.load_district_kw, forecast.pv_district_kw
    up = np.hypot(load[5] - load[3], sun[3] - sun[1])
    down = np.hypot(load[3] - load[1], sun[5] - sun[3])
    return {
        "plan_kw": _series(plan.p_import_kw),
        "q10_kw": _series(np.maximum(middle_kw - down, 0.0)),
        "q50_kw": _series(np.maximum(middle_kw, 0.0)),
        "q90_kw": _series(np.maximum(middle_kw + up, 0.0)),
        "peak_so_far_kw": _kw(connection.p_peak_incurred_kw),
        "peak_counts": connection.peak_counts.tolist(),
        "limit_kw": _kw(connection.p_import_kw_max[0]),
    }


def _stores(district: District, measured: Measured, checked: CheckedPlan) -> Document:
    plan, states, heat = checked.plan, measured.states, district.heat
    return {
        "battery": {
            "kwh_max": round(float(district.batteries.e_kwh_max.sum()), 3),
            "now_kwh": round(float(states.e_battery_kwh.sum()), 3),
            "plan_kwh": _series(plan.e_battery_kwh.sum(axis=1)),
        },
        "heat": {
            "kwh_max": heat.store_kwh_max if heat else 0.0,
            "now_kwh": round(states.e_heat_kwh, 3),
            "plan_kwh": _series(plan.e_heat_kwh),
        },
        "cars": _cars(measured.telemetry),
    }


def _heat(district: District, checked: CheckedPlan) -> Document | None:
    plan, heat = checked.plan, checked.problem.heat
    if heat is None:
        return None
    return {
        "demand_kw": _series(heat.demand_kw),
        "fuel_cell_kw": _series(plan.unit_heat_kw.sum(axis=1)),
        "heat_pump_kw": _series(plan.heat_pump_kw * heat.cop),
        "boiler_kw": _series(plan.boiler_kw),
    }


def _certificate(checked: CheckedPlan) -> Document:
    found = checked.plan.certificate
    start = checked.plan.first_slot
    return {
        "tier": str(checked.tier),
        "status": str(found.status),
        "way": found.way,
        "bound_krw": _finite(found.bound_krw),
        "cost_krw": _finite(found.cost_krw),
        "gap_frac": _finite(found.gap_frac),
        "seconds": round(found.seconds, 3),
        "seconds_allowed": found.seconds_allowed,
        "rounds": checked.rounds,
        "distance_from_last_kw": _finite(found.distance_from_last_kw),
        "slack_kw": found.slack_kw,
        "broken": list(found.broken),
        "binding": [
            {
                "limit": each.limit,
                "slot_utc": iso_of(start + each.slot_index * SLOT_S),
                "shadow_krw_per_kwh": round(each.shadow_krw_per_kwh, 3),
            }
            for each in found.binding
        ],
        "structure": found.structure,
        "inputs": found.inputs,
    }


def _cars(seen: Telemetry) -> Document:
    return {
        "connected": len(seen.cars),
        "v2g": int(seen.cars.v2g.sum()),
        "charging_kw": _kw(seen.cars_charge_kw.sum()),
    }


def _units_kw(district: District, unit_p_kw: np.ndarray) -> dict[str, float]:
    rows = _units_series(district, unit_p_kw[None, :])
    return {name: values[0] for name, values in rows.items()}


def _units_series(district: District, unit_p_kw: np.ndarray) -> dict[str, list[float]]:
    """Power of the groups by what they burn, (H, F) -> series."""
    biogas = np.array([unit.kind == "biogas" for unit in district.units], dtype=bool)
    return {
        "fuel_cell": _series(unit_p_kw[:, ~biogas].sum(axis=1)),
        "biogas": _series(unit_p_kw[:, biogas].sum(axis=1)),
    }


def _violations(checked: CheckedPlan) -> list[Document]:
    start = checked.plan.first_slot
    return [
        {"slot_utc": iso_of(start + each.row * SLOT_S), **_violation(each.violation)}
        for each in checked.violations
    ]


def _violation(found: Violation) -> Document:
    """A broken limit for people: the page's word for its kind, found and allowed in its unit."""
    return {
        "what": str(found),
        "kind": VIOLATION_KINDS.get(found.kind, found.kind),
        "element": found.element,
        "found": _finite(found.found),
        "allowed": _finite(found.allowed),
        "unit": VIOLATION_UNITS.get(found.kind, "frac"),
    }


def _loading(ids: Sequence[str], loading_frac: np.ndarray, row: int | None) -> Document | None:
    if row is None:
        return None
    return {"id": ids[row], "loading_frac": round(float(loading_frac[row]), 5)}


def _series(values: Iterable[float]) -> list[float]:
    return [_kw(value) for value in values]


def _kw(value: float) -> float:
    return round(float(value), 3) + 0.0


def _krw(value: float) -> str:
    return krw_text_from_ukrw(round(value * 100) * (UKRW_PER_KRW // 100))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
