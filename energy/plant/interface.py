"""What goes into the simulated district and what it gives out; the loop sees nothing else of it.

A areas, M customers' meters, B batteries, G charger groups, F groups of units, in the order of the
District's tables. Slots are starts in seconds since 1970 UTC. Powers are means over the slot in kW
and never negative; energies of devices are kWh, those of meters whole Wh. **NaN means: has not
come.** Faulty values stand as they came: to tell them from good ones is the loop's affair.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.forecast import CarSessions
from energy.plant.packing import pack, unpack

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

QUALITY_MISSING = 0
QUALITY_MEASURED = 1

SETPOINTS_APPLIED = "applied"
SETPOINTS_NONE = "none"
SETPOINTS_EXPIRED = "expired"
SETPOINTS_EARLY = "for a later slot"
SETPOINTS_OLD_FENCE = "lower fence"
SETPOINTS_LATE = "told after the slot"


class PlantError(Exception):
    """The plant cannot do what it was asked: says what, which, found, allowed."""


@dataclass(frozen=True, eq=False)
class SetPoints:
    """What the devices are told for `slot`; they go on with it until `expires_s`.

    fence: of the claim under which it was written; devices refuse a lower one than they last saw.
    battery_* (B,) at the meter; unit_on (F,) how many units of a group run, unit_p_kw (F,) what
    they give together; heat_pump_kw is electric; boiler_kw is heat, None lets the boiler give what
    store and units do not; pv_curtail_kw (A,) is held back from the operator's solar. car (C,)
    names the connected cars that are told something, with car_charge_kw and car_discharge_kw (C,)
    at the meter; a car that is not named charges at once up to its promise. points_off (G,) marks
    groups of charging points that are switched off, whatever stands there, batteries_off (B,)
    batteries that take and give nothing, not even to balance an island; None where all are on.
    told_s: when they were sent, None where nobody noted it; what comes after its slot is of no use.
    """

    slot: int
    expires_s: int
    fence: int
    battery_charge_kw: FloatArray
    battery_discharge_kw: FloatArray
    unit_on: IntArray
    unit_p_kw: FloatArray
    heat_pump_kw: float
    boiler_kw: float | None
    pv_curtail_kw: FloatArray
    car: IntArray
    car_charge_kw: FloatArray
    car_discharge_kw: FloatArray
    points_off: BoolArray | None = None
    batteries_off: BoolArray | None = None
    told_s: int | None = None

    def to_bytes(self) -> bytes:
        """The set-points as compact bytes; equal set-points, equal bytes."""
        return pack(self)

    @classmethod
    def from_bytes(cls, blob: bytes) -> "SetPoints":
        """What `to_bytes` wrote; ValueError for other bytes."""
        return unpack(cls, blob)


@dataclass(frozen=True, eq=False)
class Departures:
    """Cars that left at the end of a slot; all arrays (D,).

    due_kwh: energy in the battery that was promised; delivered_kwh: energy it left with; kept:
    no less than promised, within ten watt-hours.
    """

    car: IntArray
    group: IntArray
    due_kwh: FloatArray
    delivered_kwh: FloatArray
    kept: BoolArray

    def __len__(self) -> int:
        """Number of cars."""
        return len(self.car)


@dataclass(frozen=True)
class Deviation:
    """A device that did something else than it was told, because its own limits forbid it.

    asset: its id in the district; what: which of its set-points; in kW, or number of units.
    """

    asset: str
    what: str
    told: float
    did: float


@dataclass(frozen=True)
class Stamps:
    """Of which slot the newest values are that each feed has brought: what devices and meters said
    themselves, not when it was asked for.
    """

    area_meters: int
    batteries: int
    units: int
    heat_and_air: int
    cars: int


@dataclass(frozen=True, eq=False)
class Telemetry:
    """What the loop may see of `slot`: means over it, and states at its END.

    p_load_kw (A,) gross load of the buildings without cars, batteries and units, and p_pv_kw (A,)
    solar power as far as the sun gave it, are shown by the areas' transformer meters, whose faults
    leave NaN or absurd values; `quality_area` (A,) is 0 where the meter was silent. heat_kw is the
    heat demand; pv_curtailed_kw (A,) the part of p_pv_kw that was held back; so the areas fed in
    p_pv_kw - pv_curtailed_kw.

    e_battery_kwh, battery_* (B,). units_up (F,) able to run at the end, unit_on (F,) that ran,
    unit_p_kw, unit_fuel_kw, unit_heat_kw (F,) of the group; unit_starts, unit_stops, unit_trips
    (F,) in this slot, a trip counts as no stop; e_fuel_kwh (F,) in the group's own gas store, inf
    on a pipe. Heat: store content, boiler heat, heat pump's electric power, heat thrown away and
    heat that was missing.

    cars: connected at the end, e_now_kwh as it stands then; a car that came in this slot charges
    from the next one on. cars_charge_kw, cars_discharge_kw (G,) at the meter; cars_uncontrolled_kw
    (G,) what the same cars would have drawn, had every one charged at once up to its promise.

    p_import_kw, p_export_kw at the utility's meter and loss_kw of the wires follow from an AC power
    flow; `flow_converged` is False where the wires found no voltages, loss_kw is then an estimate.

    `slot` is what was asked for; `stamps` say of which slots the values are that came.
    """

    slot: int
    stamps: Stamps
    p_load_kw: FloatArray
    p_pv_kw: FloatArray
    pv_curtailed_kw: FloatArray
    quality_area: IntArray
    heat_kw: float
    temperature_c: float
    cloud_frac: float
    wind_m_per_s: float
    e_battery_kwh: FloatArray
    battery_charge_kw: FloatArray
    battery_discharge_kw: FloatArray
    units_up: IntArray
    unit_on: IntArray
    unit_p_kw: FloatArray
    unit_fuel_kw: FloatArray
    unit_heat_kw: FloatArray
    unit_starts: IntArray
    unit_stops: IntArray
    unit_trips: IntArray
    e_fuel_kwh: FloatArray
    e_heat_kwh: float
    boiler_kw: float
    heat_pump_kw: float
    heat_dumped_kw: float
    heat_missing_kw: float
    cars: CarSessions
    cars_charge_kw: FloatArray
    cars_discharge_kw: FloatArray
    cars_uncontrolled_kw: FloatArray
    departures: Departures
    p_import_kw: float
    p_export_kw: float
    loss_kw: float
    flow_converged: bool
    setpoints: str
    deviations: tuple[Deviation, ...]


@dataclass(frozen=True, eq=False)
class LateReadings:
    """Readings of earlier slots that came with this one; all arrays (L,), by slot and meter.

    revision 0: the first that came of this meter and slot; 1: mends an absurd one.
    """

    slot: IntArray
    meter: IntArray
    import_wh: IntArray
    export_wh: IntArray
    import_register_wh: IntArray
    export_register_wh: IntArray
    revision: IntArray

    def __len__(self) -> int:
        """Number of readings."""
        return len(self.slot)


@dataclass(frozen=True, eq=False)
class Readings:
    """Metered Wh of `slot`, import is drawn from the wires, export fed in, netted in the slot.

    Customers (M,): the household's load less its own solar. quality 1 came, 0 has not come (its
    numbers are 0 then and mean nothing); registers are the meter's counters at the slot's END.
    About one reading in 330 is late, one in 2,000 lost, one in 5,000 absurd.

    The operator's meters (N,) in the order of `asset_ids`: every battery, charger group and group
    of units, the heat pump if there is one, the operator's solar of every area. They and the
    meter at the utility never fail. Were all customers' readings good, then exactly

        boundary import - export = sum of import - export of all meters + loss_wh,  loss_wh >= 0.
    """

    slot: int
    import_wh: IntArray
    export_wh: IntArray
    quality: IntArray
    import_register_wh: IntArray
    export_register_wh: IntArray
    asset_ids: tuple[str, ...]
    asset_import_wh: IntArray
    asset_export_wh: IntArray
    asset_import_register_wh: IntArray
    asset_export_register_wh: IntArray
    boundary_import_wh: int
    boundary_export_wh: int
    loss_wh: int
    late: LateReadings


@dataclass(frozen=True, eq=False)
class PendingReadings:
    """Readings on their way; `due_slot` (L,) is the slot with whose batch they come."""

    due_slot: IntArray
    late: LateReadings


@dataclass(frozen=True, eq=False)
class PlantState:
    """Everything that lasts, at the START of `slot`. For the plant alone: the loop only keeps it.

    Single units (U,) stand group after group; unit_since counts slots since the last change of on
    or off. e_free_kwh (C,) is what each car would hold, had it charged at once.
    """

    slot: int
    fence: int
    e_battery_kwh: FloatArray
    unit_up: BoolArray
    unit_on: BoolArray
    unit_p_kw: FloatArray
    unit_since: IntArray
    e_fuel_kwh: FloatArray
    e_heat_kwh: float
    cars: CarSessions
    e_free_kwh: FloatArray
    import_register_wh: IntArray
    export_register_wh: IntArray
    asset_import_register_wh: IntArray
    asset_export_register_wh: IntArray
    pending: PendingReadings

    def to_bytes(self) -> bytes:
        """The state as compact bytes; equal states, equal bytes."""
        return pack(self)

    @classmethod
    def from_bytes(cls, blob: bytes) -> "PlantState":
        """What `to_bytes` wrote, bit for bit; ValueError for other bytes."""
        return unpack(cls, blob)


@dataclass(frozen=True, eq=False)
class BehindMeters:
    """Energy of a slot behind customers' meters, (M,) kWh: what was used, what own sun gave."""

    load_kwh: FloatArray
    solar_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class PlantStep:
    """What one slot did: the state at its end, what the loop may see, what the meters say."""

    state_after: PlantState
    telemetry: Telemetry
    readings: Readings
