"""The forecast of a district: every quantity of the coming slots, each with its tier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from energy.forecast.arrivals import ArrivalModel, default_arrivals
from energy.forecast.calibration import Calibration, stretched
from energy.forecast.ev import forecast_ev
from energy.forecast.features import (
    Weather,
    known_history,
    weather_as_known,
    without_gaps,
)
from energy.forecast.heat import forecast_heat
from energy.forecast.inputs import (
    CarSessions,
    ChargerGroups,
    FloatArray,
    History,
    PvClasses,
    Site,
    UnitRecord,
    WeatherForecast,
)
from energy.forecast.load import forecast_load
from energy.forecast.pv import forecast_pv
from energy.forecast.results import DistrictForecast, EvForecast, Quantiles, Tier
from energy.forecast.units import forecast_unit_availability
from energy.timegrid import require_slot, slots_from
from energy.units import SLOT_S

TEMPERATURE_DEFAULT_C = 13.0
CLOUD_DEFAULT_FRAC = 0.5


@dataclass(frozen=True, eq=False)
class ForecastBasis:
    """What of the district does not change from slot to slot.

    mean_load_kw (A,) and mean_heat_kw: yearly means by registry, used where there is no record.
    """

    site: Site
    pv: PvClasses
    chargers: ChargerGroups
    mean_load_kw: FloatArray | None = None
    mean_heat_kw: float = 0.0


@dataclass(frozen=True, eq=False)
class Observed:
    """What is known when the forecast is made; `issue_slot` is the last slot boundary by then.

    history may reach further, its rows from issue_slot on are not read. cars.e_now_kwh holds at the
    start of the first slot that is forecast. arrivals None: class default. `calibration` by
    quantity (load, pv, heat): what came of the district's earlier bands; without it as fitted.
    """

    issue_slot: int
    history: History
    weather: WeatherForecast | None
    cars: CarSessions
    units: Sequence[UnitRecord] = ()
    arrivals: ArrivalModel | None = None
    calibration: Mapping[str, Calibration] = field(default_factory=dict)

    def banded(self, quantity: str, district_kw: FloatArray, most_kw: float) -> FloatArray:
        """The district's quantiles (Q, H) as calibrated, within 0 and `most_kw`."""
        known = self.calibration.get(quantity)
        if known is None:
            return district_kw
        return np.clip(stretched(known, district_kw), 0.0, most_kw)


def forecast_district(
    basis: ForecastBasis, observed: Observed, first_slot: int, horizon: int = 96
) -> DistrictForecast:
    """Quantiles of load, solar and heat, cars' envelope and units for `horizon` slots.

    Raises ForecastError where shapes do not fit; poor inputs lower the tier instead.
    """
    slots = slots_from(require_slot(first_slot), horizon)
    known = known_history(observed.history, require_slot(observed.issue_slot))
    weather = weather_as_known(known, observed.weather, slots, observed.issue_slot)
    zone = basis.site.time_zone
    load = forecast_load(known, weather, slots, zone, basis.mean_load_kw)
    pv = forecast_pv(known, weather, basis.pv, basis.site, slots)
    heat = forecast_heat(known, weather, slots, zone, basis.mean_heat_kw)
    arrivals = observed.arrivals or default_arrivals(basis.chargers)
    ev = forecast_ev(observed.cars, basis.chargers, arrivals, slots, zone)
    capacity_kw = float(basis.pv.kwp.sum() * basis.pv.inverter_frac)
    lead_h = (slots + SLOT_S / 2 - observed.issue_slot) / 3600
    sky: Tier = "F4" if weather.reason else "F0"
    parts: dict[str, Quantiles | EvForecast] = {"load": load, "pv": pv, "heat": heat, "ev": ev}
    return DistrictForecast(
        issue_slot=observed.issue_slot,
        first_slot=first_slot,
        slots=slots,
        load_kw=load.area_kw,
        pv_kw=pv.area_kw,
        load_district_kw=observed.banded("load", load.district_kw, np.inf),
        pv_district_kw=observed.banded("pv", pv.district_kw, capacity_kw),
        heat_kw=observed.banded("heat", heat.district_kw, np.inf),
        temperature_c=_temperature_c(weather, horizon),
        cloud_frac=_cloud_frac(weather, horizon),
        units_available=forecast_unit_availability(observed.units, lead_h),
        ev=ev,
        tier={name: part.tier for name, part in parts.items()} | {"units": "F0", "weather": sky},
        reason={name: part.reason for name, part in parts.items()}
        | {"units": "", "weather": weather.reason},
    )


def _temperature_c(weather: Weather, horizon: int) -> FloatArray:
    """Air temperature (H,); without a forecast the last day's repeats."""
    if weather.temperature_c is not None:
        return weather.temperature_c
    return _last_day(weather.past_temperature_c, horizon, TEMPERATURE_DEFAULT_C)


def _cloud_frac(weather: Weather, horizon: int) -> FloatArray:
    """Cloud cover (H,); without a forecast the mean of the last day."""
    if weather.cloud_frac is not None:
        return weather.cloud_frac
    recent = _last_day(weather.past_cloud_frac, horizon, CLOUD_DEFAULT_FRAC)
    return np.full(horizon, recent.mean())


def _last_day(past: FloatArray, horizon: int, otherwise: float) -> FloatArray:
    filled = without_gaps(past, otherwise)[-96:]
    if not len(filled):
        return np.full(horizon, otherwise)
    return np.resize(filled, horizon)
