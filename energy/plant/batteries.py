"""Batteries: what was told, cut down to power and content; what the next slot finds in them."""

from dataclasses import dataclass

import numpy as np

from energy.district import Batteries
from energy.plant.draws import FloatArray
from energy.units import DT_H


@dataclass(frozen=True, eq=False)
class BatterySlot:
    """One slot of the batteries, (B,): power at the meter, content at the end."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    e_kwh: FloatArray


def run_batteries(
    table: Batteries, e_kwh: FloatArray, told_charge_kw: FloatArray, told_discharge_kw: FloatArray
) -> BatterySlot:
    """One slot: never both ways at once, never beyond power, full or empty.

    Not a number counts as 0: a device does nothing that it does not understand.
    """
    told = np.nan_to_num(told_charge_kw - told_discharge_kw, nan=0.0, posinf=0.0, neginf=0.0)
    room_kw = (table.e_kwh_max - e_kwh) / (table.eta_charge * DT_H)
    there_kw = e_kwh * table.eta_discharge / DT_H
    charge = np.clip(told, 0.0, np.minimum(table.p_kw_max, np.maximum(room_kw, 0.0)))
    discharge = np.clip(-told, 0.0, np.minimum(table.p_kw_max, np.maximum(there_kw, 0.0)))
    moved = (table.eta_charge * charge - discharge / table.eta_discharge) * DT_H
    return BatterySlot(charge, discharge, np.clip(e_kwh + moved, 0.0, table.e_kwh_max))
