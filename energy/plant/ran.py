"""Everything that happened in a slot, and what of it flows through wires and meters."""

from dataclasses import dataclass

import numpy as np

from energy.district import District
from energy.plant.batteries import BatterySlot
from energy.plant.charging import CarSlot, ChangeOver
from energy.plant.draws import FloatArray
from energy.plant.generators import UnitSlot
from energy.plant.heat import HeatSlot
from energy.plant.metering import Drawn
from energy.plant.truth import Outside
from energy.plant.wires import Exchange, Injected


@dataclass(frozen=True, eq=False)
class Happened:
    """One slot of every part of the district; `curtailed_kw` (A,) of the operator's solar."""

    slot: int
    outside: Outside
    units: UnitSlot
    batteries: BatterySlot
    heat: HeatSlot
    cars: CarSlot
    change: ChangeOver
    curtailed_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Ran:
    """What happened, and what the utility had to do with it."""

    parts: Happened
    exchange: Exchange


def injected(parts: Happened) -> Injected:
    """What enters and leaves the wires."""
    batteries, cars = parts.batteries, parts.cars
    return Injected(
        load_kw=parts.outside.load_kw,
        own_solar_kw=parts.outside.solar.own_kw,
        spc_solar_kw=parts.outside.solar.spc_kw - parts.curtailed_kw,
        batteries_kw=batteries.charge_kw - batteries.discharge_kw,
        chargers_kw=cars.charge_kw - cars.discharge_kw,
        units_kw=parts.units.p_kw,
        heat_pump_kw=parts.heat.heat_pump_kw,
    )


def drawn(district: District, ran: Ran) -> Drawn:
    """What goes through the meters, the operator's in the order of `asset_ids`."""
    parts = ran.parts
    spc_kw = parts.outside.solar.spc_kw - parts.curtailed_kw
    pump_kw = np.full(1 if district.heat else 0, parts.heat.heat_pump_kw)
    units_kw, nothing = parts.units.p_kw, np.zeros_like
    return Drawn(
        net_kw=parts.outside.load_kw - parts.outside.solar.own_kw,
        asset_import_kw=np.concatenate(
            [
                parts.batteries.charge_kw,
                parts.cars.charge_kw,
                nothing(units_kw),
                pump_kw,
                nothing(spc_kw),
            ]
        ),
        asset_export_kw=np.concatenate(
            [
                parts.batteries.discharge_kw,
                parts.cars.discharge_kw,
                units_kw,
                nothing(pump_kw),
                spc_kw,
            ]
        ),
        loss_kw=ran.exchange.loss_kw,
    )
