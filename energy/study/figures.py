"""The figures of a studied year, from the parts of its chunks.

Energies in kWh, money in won, shares 0..1. `use` is what homes, buildings, cars, heat pump and
wires took; what batteries take and give is between.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from energy.district import District
from energy.forecast.inputs import IntArray
from energy.steps.accounting import CONSTANT_FRAC, Tally, Variant
from energy.steps.prices import connection_prices, stock_prices
from energy.study.bills import (
    WAYS,
    connection_bill,
    customers_year,
    demand_charge_krw,
    month_sums,
    peak_of,
)
from energy.study.buildings import Building, count_grades, grade_buildings
from energy.study.chargers import Sizing
from energy.study.collected import Part, add_to
from energy.timegrid import local_label
from energy.units import SLOTS_PER_HOUR, UKRW_PER_KRW

Figures = dict[str, float | int | None]
Sums = Mapping[str, float]
GOAL_SELF_SUFFICIENCY = 0.30
"""What the city wants made here of what is used here (facts of the district)."""
MONTHS_OF_YEAR = 12


@dataclass(frozen=True, eq=False)
class Year:
    """One district, scenario and draw: its figures, rows by month and day, and its tables.

    `grades` and `buildings` are empty where months are missing: what a grade asks is of a year.
    """

    figures: Figures
    months: list[dict[str, Any]]
    days: list[dict[str, Any]]
    p_import_kw: list[float]
    tiers: dict[str, int]
    grades: dict[str, int]
    buildings: list[Building]
    chargers: list[Sizing]
    worst_element: str

    @property
    def span(self) -> str:
        """What was studied: `the year`, `month 7` or `months 6 to 8`."""
        first, last = (int(self.months[at]["month"][5:]) for at in (0, -1))
        if len(self.months) == MONTHS_OF_YEAR:
            return "the year"
        return f"month {first}" if first == last else f"months {first} to {last}"

    @property
    def no_grades_reason(self) -> str | None:
        """Why no building has a grade; None where they have."""
        if len(self.months) == MONTHS_OF_YEAR:
            return None
        return f"Grades are of a whole year, and what was studied is {self.span}: none is given."


def build_year(
    district: District, slots: IntArray, parts: Sequence[Part], chargers: Sequence[Sizing]
) -> Year:
    """The year that parts in their order come to; `slots` are all of theirs."""
    tallies = _tallies(parts)
    days = {day: row for part in parts for day, row in part["days"].items()}
    sums: dict[str, float] = {}
    for row in days.values():
        add_to(sums, row)
    months = _by_month(days)
    buildings: list[Building] = []
    if len(months) == MONTHS_OF_YEAR:
        load_kwh, solar_kwh = (_added(parts, name) for name in ("load_kwh", "solar_kwh"))
        buildings = grade_buildings(district, load_kwh, solar_kwh, sums["heat_kwh"])
    figures: Figures = {
        **_energy(district, parts, sums),
        **_money(district, slots, parts, tallies),
        **_customers(district, parts),
        **_market(parts),
        **_devices(district, parts, sums),
        **_grid(parts),
        **_plans(parts),
    }
    return Year(
        figures={name: _round(value) for name, value in figures.items()},
        months=months,
        days=[{"day": day, **row} for day, row in days.items()],
        p_import_kw=[kw for part in parts for kw in part["p_import_kw"]],
        tiers=dict(Counter(one["tier"] for part in parts for one in part["plans"])),
        grades=count_grades(buildings) if buildings else {},
        buildings=buildings,
        chargers=list(chargers),
        worst_element=max((part["wires"] for part in parts), key=_loading)["worst_element"],
    )


def reaches_goal(figures: Figures) -> bool:
    """Whether as much of the use is made here as the city wants."""
    found = figures["self_sufficiency_frac"]
    return found is not None and found >= GOAL_SELF_SUFFICIENCY


def _loading(wires: Mapping[str, Any]) -> float:
    return float(wires["loading_frac_worst"])


def _round(value: float | int | None) -> float | int | None:
    return round(value, 6) if isinstance(value, float) else value


def _added(parts: Sequence[Part], name: str) -> Any:  # noqa: ANN401 - an array of meters
    return np.sum([np.array(part[name]) for part in parts], axis=0)


def _tallies(parts: Sequence[Part]) -> dict[str, Tally]:
    """The tally of each local month; no month lies in two parts."""
    return {
        month: Tally.from_json(found) for part in parts for month, found in part["tallies"].items()
    }


def _energy(district: District, parts: Sequence[Part], sums: Sums) -> Figures:
    """Who made what, who used what, and the shares of it."""
    units = sums["from_fuel_cell_kwh"] + sums["from_biogas_kwh"]
    made, imported = sums["from_solar_kwh"] + units, sums["from_kepco_kwh"]
    exported, own_solar = sums["to_kepco_kwh"], sums["own_solar_kwh"]
    used = sum(
        sums[f"to_{name}_kwh"] for name in ("homes_buildings", "cars", "heat_pump", "losses")
    )
    here = max(made - exported, 0.0)
    renewable = sums["from_solar_kwh"] + sums["from_biogas_kwh"]
    use_peak_kw = max(kw for part in parts for kw in part["p_use_kw"])
    plant_kw = float(district.pv.spc_kwp.sum()) * district.pv.inverter_frac
    plant_kw += sum(unit.count * unit.p_kw_max for unit in district.units)
    return {
        "self_sufficiency_frac": _part(here, here + imported),
        "self_consumption_frac": _part(here, made),
        "operator_supply_frac": _part(max(made - own_solar - exported, 0.0), _delivered(sums)),
        "capacity_share_frac": _part(plant_kw, use_peak_kw),
        "net_zero_frac": _part(renewable, used),
        "net_zero_balance_kwh": renewable - used,
        "made_over_used_frac": _part(made, used),
        "use_kwh": used,
        "made_kwh": made,
        "solar_kwh": sums["from_solar_kwh"],
        "own_solar_kwh": own_solar,
        "fuel_cell_kwh": sums["from_fuel_cell_kwh"],
        "biogas_kwh": sums["from_biogas_kwh"],
        "import_kwh": imported,
        "export_kwh": exported,
        "peak_import_kw": max(kw for part in parts for kw in part["p_import_kw"]),
        "peak_use_kw": use_peak_kw,
    }


def _delivered(sums: Sums) -> float:
    """What customers took, kWh: the share of a district business knows no losses and no own use."""
    return sums["to_homes_buildings_kwh"] + sums["to_cars_kwh"]


def _part(some: float, of: float) -> float | None:
    return some / of if of > 0 else None


def _money(
    district: District, slots: IntArray, parts: Sequence[Part], tallies: Mapping[str, Tally]
) -> Figures:
    """What the year cost the operator, and the cheapest way of running it without a plan."""
    run = reduce(Variant.then, (tally.run for tally in tallies.values()))
    stock_krw = _stock_krw(district, slots, tallies)
    demand_krw = demand_charge_krw(district, tallies, None)
    paid_krw = sum(part["dr"]["paid_krw"] for part in parts)
    cost_krw = run.cost_krw + demand_krw - stock_krw + paid_krw
    ways = []
    for way in WAYS:
        without = reduce(Variant.then, (tally.without[way] for tally in tallies.values()))
        ways.append((without.cost_krw + demand_charge_krw(district, tallies, way), way, without))
    baseline_krw, way, baseline = min(ways, key=lambda one: one[0])
    return {
        "cost_krw": cost_krw,
        "baseline_cost_krw": baseline_krw,
        "saved_frac": 1 - cost_krw / baseline_krw if baseline_krw > 0 else None,
        "baseline_units_frac": CONSTANT_FRAC[way],
        "demand_charge_krw": demand_krw,
        "connection_bill_krw": _connection_krw(district, slots, parts, tallies),
        "stock_change_krw": stock_krw,
        "peak_counted_kw": run.peak_kw,
        "baseline_peak_counted_kw": baseline.peak_kw,
        "co2_t": run.co2_t,
        "baseline_co2_t": baseline.co2_t,
    }


def _stock_krw(district: District, slots: IntArray, tallies: Mapping[str, Tally]) -> float:
    """What stores hold more at the months' ends than at their beginnings, and cars drew more."""
    prices = stock_prices(district, connection_prices(district, slots))
    return sum(prices.worth_krw(one.stored, one.more_in_cars_kwh) for one in tallies.values())


def _connection_krw(
    district: District, slots: IntArray, parts: Sequence[Part], tallies: Mapping[str, Tally]
) -> int:
    """The utility's bills of all months together, VAT and fund included."""
    p_import_kw = np.array([kw for part in parts for kw in part["p_import_kw"]])
    months = np.array([local_label(slot, district.time_zone)[:7] for slot in slots.tolist()])
    peaks = {
        (int(month[:4]), int(month[5:])): peak_of(tally, None) for month, tally in tallies.items()
    }
    return sum(
        connection_bill(
            district, slots[months == month], p_import_kw[months == month], peaks
        ).total_krw
        for month in sorted(tallies)
    )


def _customers(district: District, parts: Sequence[Part]) -> Figures:
    """What all customers' bills come to, beside KEPCO alone; what prosumers earn."""
    sums: dict[int, IntArray] = {}
    for part in parts:
        sums |= month_sums(part["sums"], part["customers"])
    found = customers_year(district, sums)
    paid = sum(part["dr"]["paid_krw"] for part in parts)
    return {
        "customers_billed": found.billed,
        "customers_unbilled": found.unbilled,
        "customers_bill_krw": found.total_krw,
        "customers_kepco_alone_krw": found.alone_krw,
        "customers_saved_krw": found.alone_krw - found.total_krw,
        "customers_worse_off": found.worse_off,
        "prosumers": found.prosumers,
        "prosumers_sold_krw": found.sold_krw,
        "prosumers_smp_rec_krw": found.smp_rec_krw,
        "dr_committed_kwh": sum(part["dr"]["committed_kwh"] for part in parts),
        "dr_paid_krw": paid,
    }


def _market(parts: Sequence[Part]) -> Figures:
    sums = Counter[str]()
    for part in parts:
        sums.update(part["market"])
    traded_kwh = sums["traded_wh"] / 1000
    return {
        "traded_kwh": traded_kwh,
        "traded_slots": sums["slots_with_trade"],
        "orders": sums["orders"],
        "price_krw_per_kwh": sums["paid_ukrw"] / UKRW_PER_KRW / traded_kwh if traded_kwh else None,
        "welfare_krw": sums["welfare_ukrw"] / UKRW_PER_KRW,
        "network_fees_krw": sums["fee_ukrw"] / UKRW_PER_KRW,
    }


def _devices(district: District, parts: Sequence[Part], sums: Sums) -> Figures:
    capacity_kwh = float(district.batteries.e_kwh_max.sum())
    cells = [unit for unit in district.units if unit.kind != "biogas"]
    cells_kw = sum(unit.count * unit.p_kw_max for unit in cells)
    made = sums["from_fuel_cell_kwh"]
    return {
        "curtailed_kwh": sums["curtailed_kwh"],
        "battery_cycles": _part(sums["from_battery_kwh"], capacity_kwh),
        "battery_given_kwh": sums["from_battery_kwh"],
        "cars_charged_kwh": sums["to_cars_kwh"],
        "cars_given_kwh": sums["from_cars_kwh"],
        "fuel_cell_running_h": sums["fuel_cell_h"] / max(sum(one.count for one in cells), 1),
        "fuel_cell_full_load_h": _part(made, cells_kw),
        "fuel_cell_starts": round(sums["fuel_cell_starts"]),
        "fuel_cell_heat_kwh": sums["fuel_cell_heat_kwh"],
        "heat_kwh": sums["heat_kwh"],
        "heat_pump_kwh": sums["to_heat_pump_kwh"],
        "boiler_kwh": sums["boiler_kwh"],
        "heat_dumped_kwh": sums["heat_dumped_kwh"],
        "heat_missing_kwh": sums["heat_missing_kwh"],
        "departures": round(sums["departures"]),
        "broken_departures": round(sums["broken_departures"]),
    }


def _grid(parts: Sequence[Part]) -> Figures:
    """Hours in which the wires broke a limit, and how near they came."""
    wires = [part["wires"] for part in parts]

    def hours(name: str) -> float:
        return sum(int(one[name]) for one in wires) / SLOTS_PER_HOUR

    return {
        "hours_checked": hours("slots"),
        "hours_violated": hours("broken"),
        "hours_line_over": hours("line_over"),
        "hours_transformer_over": hours("transformer_over"),
        "hours_voltage_outside": hours("voltage_over"),
        "hours_without_flow": hours("failed"),
        "loading_frac_worst": max(one["loading_frac_worst"] for one in wires),
        "v_min_pu": min(one["v_min_pu"] for one in wires),
        "v_max_pu": max(one["v_max_pu"] for one in wires),
    }


def _plans(parts: Sequence[Part]) -> Figures:
    plans = [one for part in parts for one in part["plans"]]
    gaps = [one["gap_frac"] for one in plans if one["gap_frac"] is not None]
    return {
        "plans": len(plans),
        "plans_optimal": sum(one["tier"] == "T0" for one in plans),
        "gap_frac_worst": max(gaps, default=None),
        "plans_with_limits_exceeded": sum(one["limits_exceeded"] > 0 for one in plans),
    }


def _by_month(days: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Sums of each local month, its highest import, and its self-sufficiency."""
    found: dict[str, dict[str, float]] = {}
    for day, row in days.items():
        add_to(found.setdefault(day[:7], {}), row)
    return [{"month": month, **_shown(row)} for month, row in found.items()]


def _shown(row: Sums) -> dict[str, float | None]:
    made = sum(row[f"from_{name}_kwh"] for name in ("solar", "fuel_cell", "biogas"))
    here = max(made - row["to_kepco_kwh"], 0.0)
    shares = {"self_sufficiency_frac": _part(here, here + row["from_kepco_kwh"])}
    return {name: round(value, 3) for name, value in row.items()} | shares
