"""The plan step: forecast, states and prices become a PlanProblem in the optimiser's words.

Median forecasts go in. Of their uncertainty the plan carries that of the import, as the margin by
which it counts higher in the peak; no reserve is asked for. Carbon is folded into the prices here,
so that the optimiser sees won alone.
"""

from itertools import islice

import numpy as np

from energy.district import District
from energy.forecast import MEDIAN, P10, P90, DistrictForecast
from energy.forecast.inputs import FloatArray
from energy.steps.context import Microgrid
from energy.steps.demand_peaks import incurred_kw, new_peak_krw_per_kw
from energy.steps.dr_plan import with_demand_response
from energy.steps.measure import Measured
from energy.steps.prices import (
    ConnectionPrices,
    beyond_tariff_krw_per_kwh,
    connection_prices,
    end_value_krw_per_kwh,
)
from energy.steps.record import unit_changes
from energy.steps.retiring import in_use, out_of_plan, retired_of
from energy.units import SLOT_S, SLOTS_PER_HOUR
from optimizer import Batteries, Connection, Fleets, Heat, PlanProblem, UnitGroup

LOSS_FRAC_MAX = 0.1


def build_problem(
    microgrid: Microgrid, measured: Measured, forecast: DistrictForecast
) -> PlanProblem:
    """What every asset that is in use may do in the horizon, and what it costs."""
    district, slots = microgrid.district, len(forecast.slots)
    retired = retired_of(district, microgrid.store, forecast.first_slot, slots)
    problem = assets_problem(microgrid, measured, in_use(district, forecast, retired))
    return with_demand_response(microgrid, out_of_plan(problem, retired))


def assets_problem(
    microgrid: Microgrid, measured: Measured, forecast: DistrictForecast
) -> PlanProblem:
    """The same with all assets and without demand response: the store is not read."""
    district = microgrid.district
    prices = connection_prices(district, forecast.slots)
    load_kw = forecast.load_kw[MEDIAN]
    end_value = end_value_krw_per_kwh(prices)
    return PlanProblem(
        first_slot=forecast.first_slot,
        area_ids=district.network.areas.id,
        load_kw=load_kw,
        pv_kw=forecast.pv_kw[MEDIAN],
        loss_kw=_loss_frac(measured) * load_kw.sum(axis=1),
        batteries=_batteries(district, measured, end_value),
        fleets=_fleets(district, forecast, end_value),
        units=tuple(
            _unit(microgrid, row, measured, forecast) for row in range(len(district.units))
        ),
        heat=_heat(district, measured, forecast),
        connection=_connection(microgrid, prices, forecast),
        shed_krw_per_kwh=district.economics.shed_krw_per_kwh,
        curtail_krw_per_kwh=district.economics.curtail_krw_per_kwh,
        cuts=(),
    )


def _batteries(district: District, measured: Measured, end_value: float) -> Batteries:
    table = district.batteries
    reserve_kwh = table.reserve_frac * table.e_kwh_max
    start_kwh = np.clip(measured.states.e_battery_kwh, 0.0, table.e_kwh_max)
    return Batteries(
        id=table.id,
        area=table.area,
        # A battery that stands below its reserve may stay there; it must not go lower.
        e_kwh_min=np.minimum(reserve_kwh, start_kwh),
        e_kwh_max=table.e_kwh_max,
        e_start_kwh=start_kwh,
        p_charge_kw_max=table.p_kw_max,
        p_discharge_kw_max=table.p_kw_max,
        eta_charge=table.eta_charge,
        eta_discharge=table.eta_discharge,
        wear_krw_per_kwh=table.wear_krw_per_kwh,
        end_value_krw_per_kwh=np.full(len(table.id), end_value) * table.eta_discharge,
    )


def _fleets(district: District, forecast: DistrictForecast, end_value: float) -> Fleets:
    chargers, ev = district.chargers, forecast.ev
    return Fleets(
        id=chargers.id,
        area=chargers.area,
        e_min_kwh=ev.e_min_kwh,
        e_max_kwh=ev.e_max_kwh,
        p_charge_kw_max=ev.p_charge_kw_max,
        p_discharge_kw_max=ev.p_discharge_kw_max,
        eta=chargers.eta,
        wear_krw_per_kwh=chargers.wear_krw_per_kwh,
        end_value_krw_per_kwh=end_value,
    )


def _unit(
    microgrid: Microgrid, row: int, measured: Measured, forecast: DistrictForecast
) -> UnitGroup:
    district, states = microgrid.district, measured.states
    unit, horizon = district.units[row], len(forecast.slots)
    carbon = district.economics.carbon_krw_per_t * unit.fuel_co2_t_per_mwh / 1000
    piped = not np.isfinite(unit.daily_fuel_kwh)
    starts, stops = _recent(microgrid, measured, row)
    return UnitGroup(
        id=unit.id,
        area=unit.area,
        available=np.minimum(np.rint(forecast.units_available[row]), unit.count).astype(np.int64),
        p_kw_min=unit.p_kw_min,
        p_kw_max=unit.p_kw_max,
        fuel=unit.fuel,
        heat=unit.heat,
        ramp_kw_per_slot=unit.ramp_kw_per_slot,
        min_up_slots=unit.min_up_slots,
        min_down_slots=unit.min_down_slots,
        start_cost_krw=unit.start_cost_krw,
        wear_krw_per_h=unit.wear_krw_per_h,
        fuel_krw_per_kwh=unit.fuel_price_krw_per_kwh + carbon,
        on_now=int(states.unit_on[row]),
        p_now_kw=float(states.unit_p_kw[row]),
        recent_starts=starts,
        recent_stops=stops,
        fuel_kwh_start=np.inf if piped else float(states.e_fuel_kwh[row]),
        fuel_kwh_max=np.inf if piped else unit.fuel_store_kwh,
        fuel_inflow_kw=np.full(horizon, 0.0 if piped else unit.daily_fuel_kwh / 24),
        count=unit.count,
    )


def _recent(
    microgrid: Microgrid, measured: Measured, row: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Starts and stops of a group by slots ago: first those told for the running slot, then those
    just measured, then those that are remembered from before.
    """
    seen, memory = measured.telemetry, microgrid.memory
    change = int(measured.states.unit_on[row] - seen.unit_on[row])
    # Where a slot is planned anew, what it had measured and what came later is remembered already.
    known = (memory.plant_state.slot - seen.slot) // SLOT_S
    log = (unit_changes(seen), *islice(memory.unit_log, known, None))
    starts = (max(change, 0), *(int(started[row]) for started, _ in log))
    stops = (max(-change, 0), *(int(stopped[row]) for _, stopped in log))
    return starts, stops


def _loss_frac(measured: Measured) -> float:
    """Share of the load that the wires lose, as last measured."""
    load_kw = float(measured.telemetry.p_load_kw.sum())
    return min(measured.telemetry.loss_kw / load_kw, LOSS_FRAC_MAX) if load_kw > 0 else 0.0


def _heat(district: District, measured: Measured, forecast: DistrictForecast) -> Heat | None:
    table = district.heat
    if table is None:
        return None
    carbon = district.economics.carbon_krw_per_t * table.fuel_co2_t_per_mwh / 1000
    fuel = table.fuel_price_krw_per_kwh + carbon
    return Heat(
        demand_kw=forecast.heat_kw[MEDIAN],
        e_start_kwh=float(np.clip(measured.states.e_heat_kwh, 0.0, table.store_kwh_max)),
        e_kwh_max=table.store_kwh_max,
        p_store_kw_max=table.store_kw_max,
        loss_frac_per_slot=table.loss_frac_per_h / SLOTS_PER_HOUR,
        boiler_kw_max=table.boiler_kw_max,
        boiler_eta=table.boiler_eta,
        fuel_krw_per_kwh=fuel,
        heat_pump_kw_max=table.heat_pump_kw_max,
        heat_pump_area=table.heat_pump_area,
        cop=table.cop_at(forecast.temperature_c),
        # What is left saves boiler fuel later, less what the store loses in half a day.
        end_value_krw_per_kwh=fuel / table.boiler_eta * (1 - 12 * table.loss_frac_per_h) * 0.8,
    )


def _connection(
    microgrid: Microgrid, prices: ConnectionPrices, forecast: DistrictForecast
) -> Connection:
    table, peaks_kw = microgrid.district.connection, microgrid.memory.peaks_kw
    slot = forecast.first_slot
    horizon = len(prices.buy_krw_per_kwh)
    beyond = beyond_tariff_krw_per_kwh(microgrid.district)
    return Connection(
        p_import_kw_max=np.full(horizon, table.p_import_kw_max),
        p_export_kw_max=np.full(horizon, table.p_export_kw_max),
        price_buy_krw_per_kwh=prices.buy_krw_per_kwh + beyond,
        price_sell_krw_per_kwh=prices.sell_krw_per_kwh,
        # By the month of the first slot: what follows it is planned anew once it has begun.
        demand_charge_krw_per_kw=new_peak_krw_per_kw(microgrid.district, slot, peaks_kw),
        p_peak_incurred_kw=incurred_kw(microgrid.district, slot, peaks_kw),
        peak_counts=prices.peak_counts,
        peak_margin_kw=_peak_margin_kw(forecast),
    )


def _peak_margin_kw(forecast: DistrictForecast) -> FloatArray:
    """How much higher the import may turn out than planned, (H,): nine times in ten no more.

    A peak once drawn is paid for a year, so a plan that just touches the old one gambles with it.
    Load and sun are added up without their correlation, which is the careful side.
    """
    load_kw = forecast.load_district_kw[P90] - forecast.load_district_kw[MEDIAN]
    pv_kw = forecast.pv_district_kw[MEDIAN] - forecast.pv_district_kw[P10]
    margin_kw: FloatArray = np.maximum(load_kw + pv_kw, 0.0)
    return margin_kw
