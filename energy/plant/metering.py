"""What the meters say: whole Wh of every customer and asset, registers, faults, late readings.

The utility's meter shows the sum of all meters and what the wires lose, to the Wh.
"""

from dataclasses import dataclass, replace

import numpy as np

from energy.district import District
from energy.plant.draws import BoolArray, FloatArray, IntArray, Stream, draw
from energy.plant.faults import Fault, comes_later, delay_slots
from energy.plant.interface import (
    QUALITY_MEASURED,
    QUALITY_MISSING,
    LateReadings,
    PendingReadings,
    PlantState,
    Readings,
)
from energy.units import SLOT_S, kwh_from_kw, wh_from_kwh

EXPORTED_KWH_PER_KWP = 500.0
"""Part of a year's own solar that meters have sent out in the years before (D)."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """True means of a slot at every meter, kW: what flows in and what flows out.

    Customers (M,) net of their solar; assets (N,) in the order of `asset_ids`.
    """

    net_kw: FloatArray
    asset_import_kw: FloatArray
    asset_export_kw: FloatArray
    loss_kw: float


@dataclass(frozen=True, eq=False)
class TrueWh:
    """The same in whole Wh, before any fault; loss_wh is what the utility's meter adds."""

    import_wh: IntArray
    export_wh: IntArray
    asset_import_wh: IntArray
    asset_export_wh: IntArray
    loss_wh: int

    @property
    def boundary_net_wh(self) -> int:
        """What the utility delivers less what it takes."""
        drawn = int(self.import_wh.sum() + self.asset_import_wh.sum())
        fed_in = int(self.export_wh.sum() + self.asset_export_wh.sum())
        return drawn - fed_in + self.loss_wh


@dataclass(frozen=True, eq=False)
class Registers:
    """Counters of the meters at an instant, Wh, (M,) and (N,)."""

    import_wh: IntArray
    export_wh: IntArray
    asset_import_wh: IntArray
    asset_export_wh: IntArray


def asset_ids(district: District) -> tuple[str, ...]:
    """The operator's meters: batteries, charger groups, units, heat pump, solar by area."""
    heat_pump = ("heat-pump",) if district.heat else ()
    units = tuple(unit.id for unit in district.units)
    solar = tuple(f"solar-{area}" for area in district.network.areas.id)
    return (*district.batteries.id, *district.chargers.id, *units, *heat_pump, *solar)


def first_registers(district: District, seed: int) -> Registers:
    """Counters as years of use have left them; the operator's begin at nought."""
    meters, assets = district.meters, len(asset_ids(district))
    years = draw(seed, Stream.BEGIN, 0).uniform(0.5, 3.0, len(meters.use))
    return Registers(
        import_wh=wh_from_kwh(meters.annual_kwh * years),
        export_wh=wh_from_kwh(meters.pv_kwp * EXPORTED_KWH_PER_KWP * years),
        asset_import_wh=np.zeros(assets, dtype=np.int64),
        asset_export_wh=np.zeros(assets, dtype=np.int64),
    )


def true_wh(drawn: Drawn, *, is_alone: bool = False) -> TrueWh:
    """Whole Wh of a slot; without the utility the wires lose what the meters leave open."""
    found = TrueWh(
        import_wh=_wh(np.maximum(drawn.net_kw, 0.0)),
        export_wh=_wh(np.maximum(-drawn.net_kw, 0.0)),
        asset_import_wh=_wh(drawn.asset_import_kw),
        asset_export_wh=_wh(drawn.asset_export_kw),
        loss_wh=int(_wh(np.array([max(drawn.loss_kw, 0.0)]))[0]),
    )
    if not is_alone:
        return found
    # Every meter rounds to a whole Wh: at the open point nothing may show of it.
    return replace(found, loss_wh=max(found.loss_wh - found.boundary_net_wh, 0))


def registers_after(state: PlantState, wh: TrueWh) -> Registers:
    """The counters at the end of the slot."""
    return Registers(
        import_wh=state.import_register_wh + wh.import_wh,
        export_wh=state.export_register_wh + wh.export_wh,
        asset_import_wh=state.asset_import_register_wh + wh.asset_import_wh,
        asset_export_wh=state.asset_export_register_wh + wh.asset_export_wh,
    )


def read_meters(state: PlantState, wh: TrueWh, ids: tuple[str, ...], fault: IntArray) -> Readings:
    """The readings of a slot with their faults, and those of earlier slots that come with them."""
    after = registers_after(state, wh)
    # What has not come, and what a frozen meter shows: nothing new.
    still = np.isin(fault, [Fault.LOST, Fault.LATE, Fault.FROZEN])
    absent = np.isin(fault, [Fault.LOST, Fault.LATE])
    factor = np.where(still, 0, 1)
    factor[fault == Fault.NEGATIVE] = -1
    factor[fault == Fault.THOUSANDFOLD] = 1000
    boundary = wh.boundary_net_wh
    return Readings(
        slot=state.slot,
        import_wh=wh.import_wh * factor,
        export_wh=wh.export_wh * factor,
        quality=np.where(absent, QUALITY_MISSING, QUALITY_MEASURED),
        import_register_wh=_shown(state.import_register_wh, after.import_wh, absent, still),
        export_register_wh=_shown(state.export_register_wh, after.export_wh, absent, still),
        asset_ids=ids,
        asset_import_wh=wh.asset_import_wh,
        asset_export_wh=wh.asset_export_wh,
        asset_import_register_wh=after.asset_import_wh,
        asset_export_register_wh=after.asset_export_wh,
        boundary_import_wh=max(boundary, 0),
        boundary_export_wh=max(-boundary, 0),
        loss_wh=wh.loss_wh,
        late=_take(state.pending.late, state.pending.due_slot <= state.slot),
    )


def pending_after(state: PlantState, wh: TrueWh, fault: IntArray, seed: int) -> PendingReadings:
    """What is on its way after a slot: what was before and has not come, and what it adds."""
    after = registers_after(state, wh)
    meter = np.flatnonzero(comes_later(fault))
    added = LateReadings(
        slot=np.full(len(meter), state.slot, dtype=np.int64),
        meter=meter,
        import_wh=wh.import_wh[meter],
        export_wh=wh.export_wh[meter],
        import_register_wh=after.import_wh[meter],
        export_register_wh=after.export_wh[meter],
        revision=(fault[meter] != Fault.LATE).astype(np.int64),
    )
    due = state.slot + SLOT_S * delay_slots(seed, state.slot, fault[meter])
    waiting = state.pending.due_slot > state.slot
    left = _take(state.pending.late, waiting)
    return PendingReadings(
        due_slot=np.concatenate([state.pending.due_slot[waiting], due]),
        late=LateReadings(
            *(
                np.concatenate([getattr(left, name), getattr(added, name)])
                for name in LateReadings.__dataclass_fields__
            )
        ),
    )


def no_pending() -> PendingReadings:
    """Nothing on its way."""
    none = np.zeros(0, dtype=np.int64)
    return PendingReadings(none, LateReadings(none, none, none, none, none, none, none))


def _shown(before: IntArray, after: IntArray, absent: BoolArray, still: BoolArray) -> IntArray:
    """The counter that a reading carries: none, the last one, or the true one."""
    return np.where(absent, 0, np.where(still, before, after))


def _take(late: LateReadings, which: BoolArray) -> LateReadings:
    return LateReadings(*(getattr(late, name)[which] for name in LateReadings.__dataclass_fields__))


def _wh(power_kw: FloatArray) -> IntArray:
    return wh_from_kwh(kwh_from_kw(power_kw))
