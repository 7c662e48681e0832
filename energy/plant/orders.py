"""What devices make of set-points: obeyed, expired or refused; and what they did otherwise."""

from dataclasses import dataclass, fields, replace

import numpy as np

from energy.district import District
from energy.plant.charging import CarOrder
from energy.plant.generators import UnitOrder
from energy.plant.heat import BOILER_ONLY, HeatOrder
from energy.plant.interface import (
    SETPOINTS_APPLIED,
    SETPOINTS_EARLY,
    SETPOINTS_EXPIRED,
    SETPOINTS_LATE,
    SETPOINTS_NONE,
    SETPOINTS_OLD_FENCE,
    PlantError,
    SetPoints,
)
from energy.units import SLOT_S


@dataclass(frozen=True, eq=False)
class Heard:
    """Set-points as the devices take them; None stands for their own defaults.

    `said` is what was obeyed, word by word; `setpoints` the same as devices understand it.
    """

    status: str
    fence: int
    setpoints: SetPoints | None = None
    said: SetPoints | None = None

    @property
    def units(self) -> UnitOrder | None:
        """What the groups of units do."""
        told = self.setpoints
        return None if told is None else UnitOrder(told.unit_on, told.unit_p_kw)

    @property
    def heat(self) -> HeatOrder:
        """What the heat network does."""
        told = self.setpoints
        if told is None:
            return BOILER_ONLY
        return HeatOrder(told.heat_pump_kw, told.boiler_kw, store_first=True)

    @property
    def cars(self) -> CarOrder | None:
        """What the named cars do."""
        told = self.setpoints
        if told is None:
            return None
        order = np.argsort(told.car, kind="stable")
        powers = (told.car_charge_kw[order], told.car_discharge_kw[order])
        return CarOrder(told.car[order], *powers, told.points_off)


def hear(district: District, fence: int, slot: int, setpoints: SetPoints | None) -> Heard:
    """How the devices, which last saw `fence`, take set-points in a slot.

    Raises PlantError where the set-points are not made for this district.
    """
    if setpoints is None:
        return Heard(SETPOINTS_NONE, fence)
    _require_sizes(district, setpoints)
    if setpoints.fence < fence:
        return Heard(SETPOINTS_OLD_FENCE, fence)
    if setpoints.slot > slot:
        return Heard(SETPOINTS_EARLY, setpoints.fence)
    if setpoints.expires_s < slot + SLOT_S:
        return Heard(SETPOINTS_EXPIRED, setpoints.fence)
    if setpoints.told_s is not None and setpoints.told_s >= slot + SLOT_S:
        return Heard(SETPOINTS_LATE, setpoints.fence)
    return Heard(SETPOINTS_APPLIED, setpoints.fence, _understood(setpoints), setpoints)


def _require_sizes(district: District, setpoints: SetPoints) -> None:
    batteries, units, areas = len(district.batteries.id), len(district.units), district.areas
    cars = len(setpoints.car)
    wanted = {
        "battery_charge_kw": batteries,
        "battery_discharge_kw": batteries,
        "unit_on": units,
        "unit_p_kw": units,
        "pv_curtail_kw": areas,
        "car_charge_kw": cars,
        "car_discharge_kw": cars,
    }
    if setpoints.points_off is not None:
        wanted["points_off"] = len(district.chargers.id)
    if setpoints.batteries_off is not None:
        wanted["batteries_off"] = batteries
    for name, size in wanted.items():
        found = np.shape(getattr(setpoints, name))
        if found != (size,):
            raise PlantError(f"set-points {name}: shape {found}, allowed: ({size},)")


def _understood(setpoints: SetPoints) -> SetPoints:
    """The same with 0 for what no device can read as a power: not a number, infinite, below 0.

    Batteries that are switched off do nothing, whatever else they are told.
    """
    clean: dict[str, object] = {}
    for field in fields(setpoints):
        content = getattr(setpoints, field.name)
        if field.name.endswith("_kw") and content is not None:
            powers = np.asarray(content, dtype=np.float64)
            powers = np.where(np.isfinite(powers) & (powers > 0), powers, 0.0)
            clean[field.name] = powers if powers.ndim else float(powers)
    if setpoints.batteries_off is not None:
        for name in ("battery_charge_kw", "battery_discharge_kw"):
            clean[name] = np.where(setpoints.batteries_off, 0.0, clean[name])  # type: ignore[call-overload]
    return replace(setpoints, **clean)  # type: ignore[arg-type]
