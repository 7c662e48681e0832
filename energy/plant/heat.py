"""The heat network: what it asks for, and how one slot of it balances.

The store takes what is left over and gives what is missing, as far as it can; then the boiler gives
the rest or is turned down, and heat of units and pump that nobody can take is thrown away.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.district import District, HeatSystem
from energy.plant.draws import FloatArray, Stream, draw, smooth
from energy.plant.drivers import Driver, DriverSet
from energy.plant.weather import WeatherSource
from energy.units import DT_H, SLOT_S

SPACE, WATER = Driver("heat-network", -1, 16.0), Driver("hot-water")
WATER_SHARE = 0.22
"""Part of the yearly heat that is hot water (D)."""
SPREAD = 0.04
KNOT_S = 12 * SLOT_S
ABOVE_PEAK_MAX = 1.1


class HeatDemand:
    """The demand of a district's heat network."""

    def __init__(self, district: District, weather: WeatherSource, seed: int) -> None:
        self._heat = district.heat
        self._seed = seed
        self._drivers = DriverSet(weather, [SPACE, WATER]) if district.heat else None
        self._knot = lru_cache(maxsize=8)(self._knot_draw)

    def at(self, slot: int) -> float:
        """Heat that is asked for in a slot, kW; 0 without a network."""
        if self._heat is None or self._drivers is None:
            return 0.0
        space, water = self._drivers.at(slot)
        mean_kw = self._heat.annual_demand_kwh / 8760.0
        expected = mean_kw * ((1 - WATER_SHARE) * space + WATER_SHARE * water)
        chance = 1 + SPREAD * float(smooth(slot / KNOT_S, self._knot)[0])
        return float(np.clip(expected * chance, 0.0, ABOVE_PEAK_MAX * self._heat.peak_kw))

    def _knot_draw(self, knot: int) -> FloatArray:
        return draw(self._seed, Stream.HEAT, knot).standard_normal(1)


@dataclass(frozen=True)
class HeatOrder:
    """What the network is told: heat pump's power, boiler's heat (None: what is missing).

    store_first: the store gives before the boiler does; else it only takes what is left over.
    """

    heat_pump_kw: float
    boiler_kw: float | None
    store_first: bool


@dataclass(frozen=True)
class HeatSlot:
    """One slot of the network: means in kW, the store's content at the end in kWh."""

    e_heat_kwh: float
    boiler_kw: float
    heat_pump_kw: float
    dumped_kw: float
    missing_kw: float


NO_HEAT = HeatSlot(0.0, 0.0, 0.0, 0.0, 0.0)
BOILER_ONLY = HeatOrder(0.0, None, store_first=False)


@dataclass(frozen=True)
class HeatSituation:
    """What a slot begins with and what it is asked: store, demand, heat of the units, air."""

    e_heat_kwh: float
    demand_kw: float
    units_kw: float
    temperature_c: float


def run_heat(heat: HeatSystem | None, now: HeatSituation, order: HeatOrder) -> HeatSlot:
    """The balance of one slot within the limits of store, boiler and heat pump."""
    if heat is None:
        return NO_HEAT
    pump_kw = float(np.clip(order.heat_pump_kw, 0.0, heat.heat_pump_kw_max))
    cop = float(heat.cop_at(np.array([now.temperature_c]))[0])
    boiler_kw = float(np.clip(order.boiler_kw or 0.0, 0.0, heat.boiler_kw_max))
    kept_kwh = now.e_heat_kwh * (1 - heat.loss_frac_per_h * DT_H)
    surplus = now.units_kw + pump_kw * cop + boiler_kw - now.demand_kw
    give_max = min(heat.store_kw_max, kept_kwh / DT_H)
    take_max = min(heat.store_kw_max, (heat.store_kwh_max - kept_kwh) / DT_H)
    if surplus < 0 and not order.store_first:
        more = min(-surplus, heat.boiler_kw_max - boiler_kw)
        boiler_kw, surplus = boiler_kw + more, surplus + more
    stored = float(np.clip(surplus, -give_max, max(take_max, 0.0)))
    # Heat that nobody can take is not made in the boiler; what units and pump make is lost.
    dumped = max(surplus - stored, 0.0)
    less = min(dumped, boiler_kw)
    missing = max(stored - surplus, 0.0)
    more = min(missing, heat.boiler_kw_max - boiler_kw)
    return HeatSlot(
        e_heat_kwh=min(max(kept_kwh + stored * DT_H, 0.0), heat.store_kwh_max),
        boiler_kw=boiler_kw + more - less,
        heat_pump_kw=pump_kw,
        dumped_kw=dumped - less,
        missing_kw=missing - more,
    )
