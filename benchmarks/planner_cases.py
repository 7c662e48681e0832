"""Problems to measure planners on: the reference dispatch case, and a district's full model."""

from dataclasses import dataclass

import numpy as np

from optimizer import Batteries, Connection, Fleets, Heat, PlanProblem, UnitGroup

ETA = 0.95
SLOTS_SPARE = 96  # how far the window of a case can be moved on


def reference_problem(
    areas: int = 144, *, first_slot: int = 0, noise: float = 0.0, seed: int = 1
) -> PlanProblem:
    """One day of a district with a battery and a car fleet in each area, and eight fuel cells.

    The arrays are drawn as in the reference case of the peers' benchmark, so objectives compare:
    33.683 million won for the default. `noise` is the relative error of load and solar forecasts,
    another one for each first slot. Batteries start half full and end at least so; fleets start
    empty and must hold their due at the end; solar power may be curtailed at no cost.
    """
    slots = 96
    rng = np.random.default_rng(seed)
    total = slots + SLOTS_SPARE
    hour = np.arange(total) / 4 % 24
    sun = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    pv = rng.uniform(100, 400, areas)[:, None] * sun * rng.uniform(0.8, 1, (areas, total))
    shape = 0.6 + 0.3 * np.sin((hour - 14) / 24 * 2 * np.pi) ** 2
    shape += 0.4 * np.exp(-(((hour - 20) / 2) ** 2))
    load = rng.uniform(80, 250, areas)[:, None] * shape * rng.uniform(0.9, 1.1, (areas, total))
    peak, day = (hour >= 15) & (hour < 21), (hour >= 8) & (hour < 22)
    price = np.where(peak, 190.0, np.where(day, 140.0, 90.0))
    capacity, due = rng.uniform(100, 600, areas), rng.uniform(100, 400, areas)
    window = slice(first_slot, first_slot + slots)
    error = np.random.default_rng(seed + 1000 + first_slot)
    pv_error, load_error = (error.normal(1, noise, (areas, slots)).clip(0.7, 1.3) for _ in "12")
    return PlanProblem(
        first_slot=900 * first_slot,
        area_ids=tuple(f"area {row}" for row in range(areas)),
        load_kw=(load[:, window] * load_error).T,
        pv_kw=(pv[:, window] * pv_error).T,
        loss_kw=np.zeros(slots),
        batteries=_reference_batteries(capacity),
        fleets=_reference_fleets(due, slots),
        units=tuple(_reference_unit(150.0 * (1 + 0.02 * row), row, slots) for row in range(8)),
        heat=None,
        connection=Connection(
            p_import_kw_max=np.full(slots, 1e5),
            p_export_kw_max=np.full(slots, 1e5),
            price_buy_krw_per_kwh=price[window],
            price_sell_krw_per_kwh=price[window] * 0.6,
            demand_charge_krw_per_kw=250.0,
            p_peak_incurred_kw=0.0,
            peak_counts=np.ones(slots, dtype=np.bool_),
        ),
        shed_krw_per_kwh=5000.0,
        curtail_krw_per_kwh=0.0,
    )


def _reference_batteries(capacity_kwh: np.ndarray) -> Batteries:
    count = len(capacity_kwh)
    return Batteries(
        id=tuple(f"battery {row}" for row in range(count)),
        area=np.arange(count),
        e_kwh_min=np.zeros(count),
        e_kwh_max=capacity_kwh,
        e_start_kwh=capacity_kwh / 2,
        p_charge_kw_max=capacity_kwh / 2,
        p_discharge_kw_max=capacity_kwh / 2,
        eta_charge=np.full(count, ETA),
        eta_discharge=np.full(count, ETA),
        wear_krw_per_kwh=np.full(count, 4.0),
        end_value_krw_per_kwh=np.zeros(count),
        e_end_kwh_min=capacity_kwh / 2,
    )


def _reference_fleets(due_kwh: np.ndarray, slots: int) -> Fleets:
    count = len(due_kwh)
    at_least = np.zeros((count, slots))
    at_least[:, -1] = due_kwh
    return Fleets(
        id=tuple(f"fleet {row}" for row in range(count)),
        area=np.arange(count),
        e_min_kwh=at_least,
        e_max_kwh=np.tile((due_kwh + 300.0)[:, None], (1, slots)),
        p_charge_kw_max=np.full((count, slots), 150.0),
        p_discharge_kw_max=np.full((count, slots), 50.0),
        eta=ETA,
        wear_krw_per_kwh=4.0,
        end_value_krw_per_kwh=0.0,
    )


def _reference_unit(cost_krw_per_kwh: float, row: int, slots: int) -> UnitGroup:
    return UnitGroup(
        id=f"fuel cell {row}",
        area=-1,
        available=np.ones(slots, dtype=np.int64),
        p_kw_min=100.0,
        p_kw_max=440.0,
        fuel=((100.0, 100.0), (440.0, 440.0)),
        heat=((100.0, 0.0), (440.0, 0.0)),
        ramp_kw_per_slot=440.0,
        min_up_slots=1,
        min_down_slots=1,
        start_cost_krw=2000.0,
        wear_krw_per_h=0.0,
        fuel_krw_per_kwh=cost_krw_per_kwh,
        on_now=0,
        p_now_kw=0.0,
        recent_starts=(),
        recent_stops=(),
        fuel_kwh_start=np.inf,
        fuel_kwh_max=np.inf,
        fuel_inflow_kw=np.zeros(slots),
    )


@dataclass(frozen=True)
class DistrictSize:
    """How much stands in a made-up district; the default is sejong-5-1 at full size and more."""

    areas: int = 144
    home_batteries: int = 96
    charger_groups: int = 150
    cells_per_group: int = 4


def district_problem(
    size: DistrictSize = DistrictSize(), *, first_slot: int = 72, noise: float = 0.0, seed: int = 1
) -> PlanProblem:
    """A summer day of a district with everything: heat, fuel cells, biogas, V2G, demand charge.

    Made up, at the scale of sejong-5-1: 9,000 homes, 20 MWp of solar power, twelve fuel cells of
    440 kW, four community batteries, heat network with store and heat pump. Slots count from local
    midnight.
    """
    slots = 96
    rng = np.random.default_rng(seed)
    hour = np.arange(2 * SLOTS_SPARE + slots) / 4 % 24
    window = slice(first_slot, first_slot + slots)
    sun = np.clip(np.sin((hour - 5.5) / 14 * np.pi), 0, None)[:, None]
    clouds = rng.uniform(0.75, 1, (len(hour), 1)) * rng.uniform(0.95, 1, (len(hour), size.areas))
    pv = rng.uniform(40, 200, size.areas) * sun * clouds
    shape = (
        0.62
        + 0.15 * np.sin((hour - 9) / 24 * 2 * np.pi)
        + 0.4 * np.exp(-(((hour - 20.5) / 2.5) ** 2))
    )
    load = rng.uniform(30, 110, size.areas) * shape[:, None]
    load *= rng.uniform(0.95, 1.05, load.shape)
    error = np.random.default_rng(seed + 1000 + first_slot)
    load, pv = (
        series[window] * error.normal(1, noise, (slots, size.areas)).clip(0.7, 1.3)
        for series in (load, pv)
    )
    on_peak, off_peak = (hour >= 15) & (hour < 21), (hour < 8) | (hour >= 22)
    buy = np.where(on_peak, 236.3, np.where(off_peak, 101.3, 154.2))[window]
    return PlanProblem(
        first_slot=900 * first_slot,
        area_ids=tuple(f"area {row}" for row in range(size.areas)),
        load_kw=load,
        pv_kw=pv,
        loss_kw=0.02 * load.sum(axis=1),
        batteries=_district_batteries(size, rng),
        fleets=_district_fleets(size, rng, hour[window]),
        units=_district_units(size, slots),
        heat=_district_heat(rng, hour[window]),
        connection=Connection(
            p_import_kw_max=np.full(slots, 40_000.0),
            p_export_kw_max=np.full(slots, 20_000.0),
            price_buy_krw_per_kwh=buy,
            price_sell_krw_per_kwh=np.minimum(buy, 112.7),
            demand_charge_krw_per_kw=8320.0,
            p_peak_incurred_kw=6000.0,
            peak_counts=~off_peak[window],
        ),
        shed_krw_per_kwh=5000.0,
        curtail_krw_per_kwh=0.0,
    )


def _district_batteries(size: DistrictSize, rng: np.random.Generator) -> Batteries:
    homes = size.home_batteries
    count = homes + 4
    capacity = np.concatenate([np.full(4, 2000.0), 10.0 * rng.integers(2, 12, homes)])
    return Batteries(
        id=tuple(f"battery {row}" for row in range(count)),
        area=np.concatenate([np.arange(4), rng.integers(0, size.areas, homes)]),
        e_kwh_min=0.1 * capacity,
        e_kwh_max=capacity,
        e_start_kwh=capacity
        * np.concatenate([rng.uniform(0.3, 0.7, 4), rng.normal(0.5, 0.02, homes)]),
        p_charge_kw_max=capacity / 2,
        p_discharge_kw_max=capacity / 2,
        eta_charge=np.full(count, 0.95),
        eta_discharge=np.full(count, 0.95),
        wear_krw_per_kwh=np.full(count, 12.0),
        end_value_krw_per_kwh=np.full(count, 96.0),
    )


def _district_fleets(size: DistrictSize, rng: np.random.Generator, hour: np.ndarray) -> Fleets:
    """Charger groups with cars of random stays; a third of the groups have cars that give back."""
    slots, count, eta = len(hour), size.charger_groups, 0.9
    cars = 12 * count
    group = np.repeat(np.arange(count), 12)
    quick = group >= 0.85 * count
    power = np.where(quick, 50.0, 7.0)
    begin = np.where(rng.random(cars) < 0.4, 0, rng.integers(0, slots, cars))
    stay = np.where(quick, rng.integers(2, 5, cars), rng.integers(8, 56, cars))
    gives = ~quick & (group % 3 == 0) & (rng.random(cars) < 0.4) & (begin == 0)
    due = np.minimum(np.where(quick, 20.0, rng.uniform(4, 25, cars)), power * eta * 0.25 * stay)
    at = np.arange(1, slots + 1)
    used = np.clip(at[:, None] - begin, 0, stay)
    step, down = power * eta * 0.25, np.where(gives, 10.0 / eta * 0.25, 0.0)
    upper = np.minimum(step * used, due)
    deepest = -np.minimum(down * used, np.where(gives, 15.0, 0.0))
    lower = np.minimum(np.maximum(due - step * (stay - used), deepest), upper)
    here = (at[:, None] > begin) & (at[:, None] <= begin + stay)

    def by_group(rows: np.ndarray) -> np.ndarray:
        sums = np.zeros((count, slots))
        np.add.at(sums, group, rows.T)
        return sums

    return Fleets(
        id=tuple(f"chargers {row}" for row in range(count)),
        area=rng.integers(0, size.areas, count),
        e_min_kwh=by_group(lower),
        e_max_kwh=by_group(upper),
        p_charge_kw_max=by_group(here * power),
        p_discharge_kw_max=by_group(here * np.where(gives, 10.0, 0.0)),
        eta=eta,
        wear_krw_per_kwh=25.0,
        end_value_krw_per_kwh=96.0,
    )


def _district_units(size: DistrictSize, slots: int) -> tuple[UnitGroup, ...]:
    cells = [
        UnitGroup(
            id=f"fuel cells {row}",
            area=row,
            available=np.full(slots, size.cells_per_group),
            p_kw_min=132.0,
            p_kw_max=440.0,
            fuel=((132.0, 380.0), (286.0, 745.0), (440.0, 1161.0)),
            heat=((132.0, 135.0), (286.0, 285.0), (440.0, 440.0)),
            ramp_kw_per_slot=440.0,
            min_up_slots=16,
            min_down_slots=16,
            start_cost_krw=60_000.0,
            wear_krw_per_h=2200.0,
            fuel_krw_per_kwh=68.52,
            on_now=row,
            p_now_kw=286.0 * row,
            recent_starts=(),
            recent_stops=(),
            fuel_kwh_start=np.inf,
            fuel_kwh_max=np.inf,
            fuel_inflow_kw=np.zeros(slots),
        )
        for row in range(3)
    ]
    biogas = UnitGroup(
        id="biogas",
        area=3,
        available=np.ones(slots, dtype=np.int64),
        p_kw_min=40.0,
        p_kw_max=100.0,
        fuel=((40.0, 105.3), (100.0, 263.2)),
        heat=((40.0, 47.4), (100.0, 118.4)),
        ramp_kw_per_slot=100.0,
        min_up_slots=4,
        min_down_slots=4,
        start_cost_krw=2000.0,
        wear_krw_per_h=0.0,
        fuel_krw_per_kwh=0.0,
        on_now=1,
        p_now_kw=60.0,
        recent_starts=(0, 1),
        recent_stops=(),
        fuel_kwh_start=900.0,
        fuel_kwh_max=1800.0,
        fuel_inflow_kw=np.full(slots, 150.0),
    )
    return (*cells, biogas)


def _district_heat(rng: np.random.Generator, hour: np.ndarray) -> Heat:
    demand = 2400 * (
        0.8 + 0.4 * np.exp(-(((hour - 7) / 2) ** 2)) + 0.5 * np.exp(-(((hour - 20) / 2.5) ** 2))
    )
    return Heat(
        demand_kw=demand * rng.uniform(0.95, 1.05, len(hour)),
        e_start_kwh=40_000.0,
        e_kwh_max=100_000.0,
        p_store_kw_max=12_000.0,
        loss_frac_per_slot=0.0005,
        boiler_kw_max=30_000.0,
        boiler_eta=0.9,
        fuel_krw_per_kwh=68.52,
        heat_pump_kw_max=3000.0,
        heat_pump_area=0,
        cop=3.8 + 0.3 * np.sin((hour - 9) / 24 * 2 * np.pi),
        end_value_krw_per_kwh=60.0,
    )
