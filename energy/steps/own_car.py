"""A resident's car at its charging point: how it stands, what is promised, what a wish would do.

What a wish would do is worked out from the point's power and the prices at the connection: whether
the promise can be kept, and what charging at once costs the district beyond the cheapest quarter
hours before the same departure. The plan itself may do better with its own sun.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from energy.district import District, home_points
from energy.forecast import CarSessions
from energy.plant import SetPoints, points_of
from energy.steps.prices import connection_prices
from energy.store.cars import CarWish, load_cars_seen, wish_of
from energy.store.setpoints import load_setpoints
from energy.store.views import Document
from energy.timegrid import iso_of, slots_from
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY, krw_text_from_ukrw

STAY_SLOTS_MAX = SLOTS_PER_DAY
"""A departure lies at most so far ahead."""
TARGET_PCT_MIN, FLOOR_PCT_MIN = 10, 10
ROUNDING_KWH = 0.005


@dataclass(frozen=True)
class OwnCar:
    """The car at a home's point at the start of `slot`; `told_kw` into it in that slot, below 0 out
    of it, and None where nothing is told: then it charges at once.
    """

    slot: int
    car: int
    arrival_slot: int
    departure_slot: int
    e_now_kwh: float
    e_due_kwh: float
    e_capacity_kwh: float
    p_kw: float
    can_v2g: bool
    floor_pct: int | None
    told_kw: float | None
    eta: float

    @property
    def step_kwh(self) -> float:
        """What the battery takes in a slot at full power."""
        return self.p_kw * self.eta * DT_H

    def e_at_kwh(self, slot: int) -> float:
        """What will be in the battery at the start of a slot, going on as told."""
        power_kw = self.told_kw
        if power_kw is None:
            missing_kwh = max(self.e_due_kwh - self.e_now_kwh, 0.0)
            power_kw = min(self.p_kw, missing_kwh / self.eta / DT_H)
        moved_kwh = (self.eta * max(power_kw, 0.0) - max(-power_kw, 0.0) / self.eta) * DT_H
        after = self.e_now_kwh + moved_kwh * ((slot - self.slot) // SLOT_S)
        return min(max(after, 0.0), self.e_capacity_kwh)


@dataclass(frozen=True)
class Outcome:
    """What terms would come to: kept, how full at the departure, the earliest time for the target,
    energy still to be drawn, when it is full charging at once, and its extra cost in won.
    """

    kept: bool
    reach_pct: int
    earliest_slot: int
    drawn_kwh: float
    full_slot: int
    extra_krw: float


def point_of_home(district: District, account: bytes) -> int | None:
    """The charging point of an account's home, None where it has none."""
    if account not in district.meters.account:
        return None
    point = int(home_points(district)[district.meters.account.index(account)])
    return None if point < 0 else point


def own_car(connection: Connection, district: District, account: bytes) -> OwnCar | None:
    """The car that stands at the home's point, None where none does."""
    point, seen = point_of_home(district, account), load_cars_seen(connection)
    if point is None or seen is None:
        return None
    slot, columns = seen
    cars, chargers = CarSessions(**columns), district.chargers
    rows = np.flatnonzero(points_of(cars.car, int(chargers.count.sum())) == point)
    if not len(rows):
        return None
    row, wish = int(rows[0]), wish_of(connection, account, int(cars.car[rows[0]]))
    group, capacity = int(cars.group[row]), float(cars.e_capacity_kwh[row])
    gives_back = bool(cars.v2g[row])
    return OwnCar(
        slot=slot,
        car=int(cars.car[row]),
        arrival_slot=int(cars.arrival_slot[row]),
        departure_slot=int(cars.departure_slot[row]),
        e_now_kwh=float(cars.e_now_kwh[row]),
        e_due_kwh=float(cars.e_due_kwh[row]),
        e_capacity_kwh=capacity,
        p_kw=float(cars.p_kw_max[row]),
        # Whoever has forbidden it may allow it again, where the point can.
        can_v2g=gives_back or (wish is not None and float(chargers.p_v2g_kw[group]) > 0),
        floor_pct=round(100 * float(cars.e_v2g_min_kwh[row]) / capacity) if gives_back else None,
        told_kw=_told_kw(connection, slot, int(cars.car[row])),
        eta=chargers.eta,
    )


def _told_kw(connection: Connection, slot: int, car: int) -> float | None:
    found = load_setpoints(connection, slot)
    if found is None:
        return None
    told = SetPoints.from_bytes(found.body)
    rows = np.flatnonzero(told.car == car)
    return float((told.car_charge_kw - told.car_discharge_kw)[rows[0]]) if len(rows) else None


def outcome_of(
    district: District, car: OwnCar, first: int, departure: int, target_pct: int
) -> Outcome:
    """What it would come to, were this wanted from the slot `first` on."""
    here_kwh, target_kwh = car.e_at_kwh(first), car.e_capacity_kwh * target_pct / 100
    slots = max((departure - first) // SLOT_S, 0)
    missing_kwh = max(target_kwh - here_kwh, 0.0)
    needed = int(np.ceil(missing_kwh / car.step_kwh - 1e-9))
    reach_kwh = min(here_kwh + car.step_kwh * slots, car.e_capacity_kwh)
    charged_kwh = min(missing_kwh, car.step_kwh * slots)
    return Outcome(
        kept=reach_kwh >= target_kwh - ROUNDING_KWH,
        reach_pct=int(100 * reach_kwh / car.e_capacity_kwh + 1e-9),
        earliest_slot=first + max(needed, 1) * SLOT_S,
        drawn_kwh=charged_kwh / car.eta,
        full_slot=first + needed * SLOT_S,
        extra_krw=_extra_krw(district, car, slots_from(first, max(slots, 1)), charged_kwh),
    )


def _extra_krw(district: District, car: OwnCar, slots: np.ndarray, charged_kwh: float) -> float:
    """Cost of the first slots beyond that of the cheapest ones, for the same energy."""
    prices = connection_prices(district, slots).buy_krw_per_kwh
    whole = np.minimum(np.maximum(charged_kwh - car.step_kwh * np.arange(len(slots)), 0.0),
                       car.step_kwh)  # fmt: skip
    return float(((prices - np.sort(prices)) * whole).sum() / car.eta)


def car_document(
    connection: Connection, district: District, account: bytes, first: int
) -> Document:
    """Point, car and wish of an account; a change counts from the slot `first` on."""
    point, car = point_of_home(district, account), own_car(connection, district, account)
    if car is not None and car.departure_slot <= first:
        car = None
    wish = None if car is None else wish_of(connection, account, car.car)
    return {
        "account": f"0x{account.hex()}",
        "time_zone": district.time_zone,
        "first_slot_utc": iso_of(first),
        "latest_departure_utc": iso_of(first + STAY_SLOTS_MAX * SLOT_S),
        "point": None if point is None else {"number": point + 1, "kind": "standard"},
        "car": None if car is None else _car_block(district, car, first),
        "wish": None if wish is None else _wish_block(wish),
    }


def _car_block(district: District, car: OwnCar, first: int) -> Document:
    target_pct = round(100 * car.e_due_kwh / car.e_capacity_kwh)
    kept = car.e_at_kwh(first) + car.step_kwh * ((car.departure_slot - first) // SLOT_S)
    return {
        "stay": str(car.car),
        "as_of_utc": iso_of(car.slot),
        "arrived_utc": iso_of(car.arrival_slot),
        "departure_utc": iso_of(car.departure_slot),
        "content_pct": round(100 * car.e_now_kwh / car.e_capacity_kwh),
        "content_kwh": round(car.e_now_kwh, 2),
        "capacity_kwh": car.e_capacity_kwh,
        "target_pct": target_pct,
        "can_discharge": car.can_v2g,
        "floor_pct": car.floor_pct,
        "power_kw_max": car.p_kw,
        "power_kw": None if car.told_kw is None else round(car.told_kw, 2),
        "kept": kept >= car.e_due_kwh - ROUNDING_KWH,
    }


def _wish_block(wish: CarWish) -> Document:
    return {
        "from_utc": iso_of(wish.from_slot),
        "asked_utc": iso_of(wish.asked_us // 1_000_000),
        "departure_utc": iso_of(wish.departure_slot),
        "target_pct": wish.target_pct,
        "floor_pct": wish.floor_pct,
        "charge_now": wish.at_once,
    }


def outcome_document(found: Outcome, *, at_once: bool) -> Document:
    """What a wish would do, for people and programs."""
    extra = round(found.extra_krw * 1e6) if at_once else 0
    return {
        "kept": found.kept,
        "reach_pct": found.reach_pct,
        "earliest_departure_utc": iso_of(found.earliest_slot),
        "drawn_kwh": round(found.drawn_kwh, 2),
        "full_utc": iso_of(found.full_slot) if at_once else None,
        "extra_krw": krw_text_from_ukrw(extra),
    }
