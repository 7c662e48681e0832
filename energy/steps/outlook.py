"""The forecast step: what is known by now goes to the forecasters, quantiles come back."""

from dataclasses import replace

from energy.forecast import DistrictForecast, Observed, UnitRecord, sane_forecast
from energy.forecast.prices import PriceForecast
from energy.steps.auctions import PRICE
from energy.steps.context import Microgrid
from energy.steps.measure import Measured
from energy.steps.retiring import leaving, retired_of
from energy.units import SLOT_S


def forecast_slot(microgrid: Microgrid, measured: Measured) -> DistrictForecast:
    """Quantiles for the horizon that begins with the slot of `measured`.

    Only what the record held at the end of the last complete slot is used.
    """
    issue_slot, memory = measured.telemetry.slot + SLOT_S, microgrid.memory
    horizon = microgrid.settings.horizon_slots
    retired = retired_of(microgrid.district, microgrid.store, measured.slot, horizon)
    memory.bands.learn(issue_slot, memory.record.history)
    observed = Observed(
        issue_slot=issue_slot,
        history=memory.record.history,
        weather=measured.weather,
        cars=leaving(measured.states.cars_to_plan, retired),
        units=tuple(
            UnitRecord(
                count=unit.count,
                up=int(measured.telemetry.units_up[row]),
                mtbf_h=unit.mtbf_h,
                mttr_h=unit.mttr_h,
            )
            for row, unit in enumerate(microgrid.district.units)
        ),
        arrivals=microgrid.arrivals.at(issue_slot),
        calibration=memory.bands.calibrations,
    )
    found = sane_forecast(microgrid.basis, observed, measured.slot, horizon)
    history = memory.record.history
    return with_prices(found, memory.auctions.forecast(measured.slot, issue_slot, history, found))


def with_prices(forecast: DistrictForecast, prices: PriceForecast) -> DistrictForecast:
    """The forecast with the prices of its slots' auctions, their tier and its reason."""
    return replace(
        forecast,
        price_krw_per_kwh=prices.krw_per_kwh,
        tier=forecast.tier | {PRICE: prices.tier},
        reason=forecast.reason | {PRICE: prices.reason},
    )
