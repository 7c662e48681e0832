"""Of which quarter hour a feed's values are, and whether they still move.

A value counts for the slot that it is stamped with. States that are up to two slots old still
serve; older ones, and those that are stamped for a slot to come, are taken for missing, and the
rules for what is missing replace them. So is what has not moved for 24 hours though it should have:
a meter of people's use always does, a battery when it was told to.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.forecast import WeatherForecast
from energy.plant import QUALITY_MISSING, Readings, SetPoints, Telemetry
from energy.plant.interface import LateReadings
from energy.steps.weather_feed import LIMITS
from energy.timegrid import iso_of
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FRESH_SLOTS_MAX = 2
"""Values that are so many slots older than the slot asked for still say where devices stand."""

FROZEN_SLOTS = SLOTS_PER_DAY
"""What has stayed the same for so many slots does not move any more."""

MOVED_FRAC = 0.01
"""A device that was told to move by this part of its plate's size has to show something else."""

DUE_KWH = 0.1
FEEDS = {
    "area_meters": "area meters",
    "batteries": "batteries",
    "units": "units",
    "heat_and_air": "heat and air",
    "cars": "cars",
}
"""The feeds of telemetry as its stamps name them, and in words."""

WATCHED = {
    "load": "area_meters",
    "battery": "batteries",
    "unit": "units",
    "heat": "heat_and_air",
    "air": "heat_and_air",
    "cars": "cars",
}
"""Quantities that are watched for standing still, by name, and the feed of each."""


@dataclass(frozen=True, eq=False)
class Standstill:
    """What was last shown, and since when it has not moved; by quantity, one entry for each thing.

    slots: how many slots in a row the same was shown; due: whether it should have moved in them.
    """

    shown: Mapping[str, FloatArray]
    slots: Mapping[str, FloatArray]
    due: Mapping[str, FloatArray]

    def columns(self) -> dict[str, FloatArray]:
        """As the store keeps it beside what was measured."""
        kept = {"shown": self.shown, "slots": self.slots, "due": self.due}
        return {f"still_{part}_{name}": row[name] for part, row in kept.items() for name in WATCHED}

    @classmethod
    def of_columns(cls, row: Mapping[str, FloatArray]) -> "Standstill | None":
        """What `columns` gave, None for a row of a program that did not watch."""
        if not all(f"still_{part}_load" in row for part in ("shown", "slots", "due")):
            return None
        parts = (
            {name: row[f"still_{part}_{name}"] for name in WATCHED}
            for part in ("shown", "slots", "due")
        )
        return cls(*parts)

    def frozen(self) -> dict[str, BoolArray]:
        """Which things of each quantity have not moved for a day though they should have."""
        return {name: (self.slots[name] >= FROZEN_SLOTS) & (self.due[name] > 0) for name in WATCHED}


@dataclass(frozen=True, eq=False)
class Fresh:
    """Telemetry with NaN where a feed's values are not of the slot or stand still, why in words,
    which feeds could be used, what is known of standing still, and which areas' values are of the
    slot itself.
    """

    telemetry: Telemetry
    named: tuple[str, ...]
    came: frozenset[str]
    still: Standstill
    of_the_slot: BoolArray


def fresh_telemetry(
    district: District, seen: Telemetry, told: SetPoints | None, before: Standstill | None
) -> Fresh:
    """What of the telemetry of a slot can be used; `told` were the slot's set-points."""
    came, named = set[str](), list[str]()
    for feed, words in FEEDS.items():
        old = (seen.slot - int(getattr(seen.stamps, feed))) // SLOT_S
        if 0 <= old <= FRESH_SLOTS_MAX:
            if _brings(seen, feed):
                came.add(feed)
            continue
        stamped = iso_of(int(getattr(seen.stamps, feed)))
        allowed = f"allowed are the slot {iso_of(seen.slot)} and the {FRESH_SLOTS_MAX} before it"
        named.append(f"{words}: the values are of {stamped}, {allowed}; taken for missing")
        seen = _without(seen, feed)
    still = _watched(district, seen, told, before)
    for name, frozen in still.frozen().items():
        if frozen.any():
            words = FEEDS[WATCHED[name]]
            named.append(f"{words}: {int(frozen.sum())} have not moved for 24 h; taken for missing")
            seen = _without_frozen(seen, name, frozen)
    newest = seen.stamps.area_meters == seen.slot
    of_the_slot = np.full(district.areas, newest) & ~still.frozen()["load"]
    return Fresh(seen, tuple(named), frozenset(came), still, of_the_slot)


def _brings(seen: Telemetry, feed: str) -> bool:
    """Whether a feed has given any number; one with nothing to tell of gives none and is alive."""
    shown = _shown(seen)
    values = np.concatenate([shown[name] for name, of in WATCHED.items() if of == feed])
    return len(values) == 0 or bool(np.isfinite(values).any())


def _without(seen: Telemetry, feed: str) -> Telemetry:
    """The telemetry with everything that a feed brought marked as not having come."""
    if feed == "area_meters":
        return _without_frozen(seen, "load", np.ones(len(seen.p_load_kw), dtype=np.bool_))
    if feed == "heat_and_air":
        return replace(seen, heat_kw=np.nan, e_heat_kwh=np.nan, temperature_c=np.nan)
    name = next(one for one, of in WATCHED.items() if of == feed)
    count = {"battery": len(seen.e_battery_kwh), "unit": len(seen.unit_p_kw), "cars": 1}[name]
    return _without_frozen(seen, name, np.ones(count, dtype=np.bool_))


def _without_frozen(seen: Telemetry, name: str, bad: BoolArray) -> Telemetry:
    """The telemetry with these things of one quantity marked as not having come."""
    if name == "load":
        load_kw = np.where(bad, np.nan, seen.p_load_kw)
        quality = np.where(bad, QUALITY_MISSING, seen.quality_area)
        pv_kw = np.where(bad, np.nan, seen.p_pv_kw)
        return replace(seen, p_load_kw=load_kw, p_pv_kw=pv_kw, quality_area=quality)
    if name == "battery":
        return replace(seen, e_battery_kwh=np.where(bad, np.nan, seen.e_battery_kwh))
    if name == "unit":
        return replace(seen, unit_p_kw=np.where(bad, np.nan, seen.unit_p_kw))
    if name == "heat":
        return replace(seen, heat_kw=np.nan)
    if name == "air":
        return replace(seen, temperature_c=np.nan)
    return replace(seen, cars=replace(seen.cars, e_now_kwh=np.full(len(seen.cars.car), np.nan)))


def _watched(
    district: District, seen: Telemetry, told: SetPoints | None, before: Standstill | None
) -> Standstill:
    """Since when nothing has moved, with this slot. What has not come leaves it as it was."""
    shown, due = _shown(seen), _due(district, seen, told)
    slots: dict[str, FloatArray] = {}
    for name, now in shown.items():
        first = before is None or len(before.shown[name]) != len(now)
        if before is None or first:
            slots[name], due[name] = np.ones(len(now)), np.zeros(len(now))
            continue
        gone, same = np.isnan(now), now == before.shown[name]
        counted = np.where(same, before.slots[name] + 1, 1.0)
        slots[name] = np.where(gone, before.slots[name], counted)
        # In the slot in which it last moved it was due and did move: that says nothing of its rest.
        stood = np.where(same, np.maximum(before.due[name], due[name]), 0.0)
        due[name] = np.where(gone, before.due[name], stood)
        shown[name] = np.where(gone, before.shown[name], now)
    return Standstill(shown, slots, due)


def _shown(seen: Telemetry) -> dict[str, FloatArray]:
    """What each thing shows; all cars together are one thing."""
    cars = seen.cars
    told = b"".join(part.tobytes() for part in (cars.car, cars.e_now_kwh))
    has_come = len(cars.car) == 0 or np.isfinite(cars.e_now_kwh).any()
    return {
        "load": seen.p_load_kw,
        "battery": seen.e_battery_kwh,
        "unit": seen.unit_p_kw,
        "heat": np.array([seen.heat_kw], dtype=np.float64),
        "air": np.array([seen.temperature_c], dtype=np.float64),
        "cars": np.array([zlib.crc32(told) if has_come else np.nan], dtype=np.float64),
    }


def _due(district: District, seen: Telemetry, told: SetPoints | None) -> dict[str, FloatArray]:
    """Which things should show something else than before, 1 or 0."""
    with_people = np.bincount(district.meters.area, minlength=district.areas) > 0
    waiting = seen.cars.e_now_kwh < seen.cars.e_due_kwh - DUE_KWH
    battery = np.zeros(len(seen.e_battery_kwh))
    unit = np.zeros(len(seen.unit_p_kw))
    if told is not None:
        battery = _battery_due(district, seen, told)
        most_kw = np.array([one.count * one.p_kw_max for one in district.units])
        off_kw = np.abs(told.unit_p_kw - seen.unit_p_kw)
        unit = ((off_kw > MOVED_FRAC * most_kw) & (seen.units_up >= told.unit_on)).astype(float)
    return {
        "load": with_people.astype(float),
        "battery": battery,
        "unit": unit,
        "heat": np.array([float(district.heat is not None and seen.heat_kw > 0)]),
        "air": np.ones(1),
        "cars": np.array([float(waiting.any())]),
    }


def _battery_due(district: District, seen: Telemetry, told: SetPoints) -> FloatArray:
    """Batteries that were told to move and have room for it, by what they show."""
    table, now_kwh = district.batteries, seen.e_battery_kwh
    into_kwh = (told.battery_charge_kw - told.battery_discharge_kw) * DT_H
    least_kwh = MOVED_FRAC * table.e_kwh_max
    fills = (into_kwh > least_kwh) & (now_kwh < table.e_kwh_max - least_kwh)
    drains = (into_kwh < -least_kwh) & (now_kwh > least_kwh)
    return (fills | drains).astype(float)


def fresh_readings(readings: Readings, slot: int) -> tuple[Readings, tuple[str, ...]]:
    """The readings that can be of `slot` or before it, and what was not taken in words."""
    named = []
    if readings.slot != slot:
        stamped = f"readings of households: the batch is of {iso_of(readings.slot)}"
        named.append(f"{stamped}, allowed {iso_of(slot)}; taken for missing")
        none = np.zeros_like(readings.import_wh)
        readings = replace(
            readings,
            slot=slot,
            import_wh=none,
            export_wh=none,
            quality=np.full_like(none, QUALITY_MISSING),
            import_register_wh=none,
            export_register_wh=none,
        )
    ahead = readings.late.slot >= slot
    if ahead.any():
        named.append(
            f"{int(ahead.sum())} late readings are of {iso_of(int(readings.late.slot.max()))}, "
            f"allowed before {iso_of(slot)}; not taken"
        )
        late = readings.late
        kept = (getattr(late, name)[~ahead] for name in LateReadings.__dataclass_fields__)
        readings = replace(readings, late=LateReadings(*kept))
    return readings, tuple(named)


def fresh_weather(
    weather: WeatherForecast | None, now_slot: int
) -> tuple[WeatherForecast | None, tuple[str, ...]]:
    """The weather forecast if it can be used at `now_slot`, else None and why in words."""
    if weather is None:
        return None, ("the weather forecast has not come; what the past says is used",)
    old = (now_slot - int(weather.issue_slot)) // SLOT_S
    if not 0 <= old < FROZEN_SLOTS:
        issued = f"the weather forecast was issued at {iso_of(int(weather.issue_slot))}"
        return None, (f"{issued}, allowed the 24 h before {iso_of(now_slot)}; taken for missing",)
    good = np.ones(len(weather.slot), dtype=np.bool_)
    for name, (low, high) in LIMITS.items():
        values = getattr(weather, name)
        good &= np.isfinite(values) & (values >= low) & (values <= high)
    if not good.any():
        return None, ("the weather forecast has no believable value; taken for missing",)
    if good.all():
        return weather, ()
    named = (f"{int((~good).sum())} slots of the weather forecast are not believable; left out",)
    weather = replace(
        weather,
        temperature_c=np.where(good, weather.temperature_c, np.nan),
        cloud_frac=np.where(good, weather.cloud_frac, np.nan),
        wind_m_per_s=np.where(good, weather.wind_m_per_s, np.nan),
    )
    return weather, named
