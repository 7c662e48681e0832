"""Who comes to charge: the stays of every local day, drawn for each charging point by itself.

A point never has two cars at once, because its stays are laid one after the other: in housing a
night that begins after half past two and ends before two, and sometimes a morning; elsewhere at
most one stay in each window of the day. What the loop does with a car changes nothing about when it
comes and goes. Shapes and sizes are assumptions (D) about the classes of charging points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from energy.district import District
from energy.forecast import CarSessions, no_cars
from energy.plant.draws import BoolArray, FloatArray, IntArray, Stream, draw
from energy.timegrid import DayType, country_of, day_type, local_midnight, utc_of
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

NIGHT_SHARE = 0.83
NIGHT_COMES_H, MORNING_COMES_H = (14.5, 23.75), (8.5, 12.5)
NIGHT_GOES_H, MORNING_GOES_H_MAX = (5.0, 13.75), 14.25
NIGHT_BY_DAY = {DayType.WEEKDAY: 1.02, DayType.SATURDAY: 0.96, DayType.HOLIDAY: 0.94}
GOES_H_BY_DAY = {DayType.WEEKDAY: 7.6, DayType.SATURDAY: 9.6, DayType.HOLIDAY: 10.4}
GOES_SPREAD_H = 1.2
VISIT_BY_DAY = {DayType.WEEKDAY: 1.0, DayType.SATURDAY: 1.08, DayType.HOLIDAY: 0.92}
VISIT_HOURS = (1, 0, 0, 0, 0, 1, 2, 4, 7, 8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 4, 3, 2, 1)
"""When people come to public points, by local hour; any scale."""
VISITS = {"quick": (6, (3, 4, 5), (0.3, 0.4, 0.3)), "super_fast": (3, (2, 3), (0.7, 0.3))}
"""Slots of a window, slots of a stay and how likely each is."""
POINT_BUSY_MAX = 0.95
NEED_KWH = {"standard": 15.0, "quick": 22.0, "super_fast": 30.0}
FULL_FRAC = {"standard": 0.95, "quick": 0.85, "super_fast": 0.85}
NEED_OF_REACH = 0.9
"""Part of what a point can give in a stay that a car asks for at most."""
CAR_KWH = (58.0, 63.0, 72.6, 77.4, 84.0, 58.9)
CAR_DC_KW = (170.0, 195.0, 220.0, 230.0, 240.0, 100.0)
CAR_SHARE = (0.12, 0.20, 0.15, 0.23, 0.20, 0.10)
"""Packs of Ioniq 5 (58, 63, 72.6, 77.4, 84) and Porter II (58.9), korea.md 7; the rest (D)."""
V2G_OWNERS, V2G_FLOOR_FRAC = 0.8, 0.3
FIRST_DAY = date(2000, 1, 1).toordinal()
NIGHT, MORNING, WINDOWS_MAX = 62, 61, 64


@dataclass(frozen=True, eq=False)
class _Laid:
    """Stays whose cars are not known yet, (S,): point, its window, slots of coming and going."""

    point: IntArray
    window: IntArray
    arrival_slot: IntArray
    departure_slot: IntArray

    def where(self, mask: BoolArray) -> "_Laid":
        return _Laid(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


class StayBook:
    """All stays at a district's charging points, past and future."""

    def __init__(self, district: District, seed: int) -> None:
        chargers = district.chargers
        self._chargers = chargers
        self._seed = seed
        self._zone = district.time_zone
        self._group = np.repeat(np.arange(len(chargers.count)), chargers.count)
        self._place = np.arange(len(self._group)) - np.repeat(
            np.cumsum(chargers.count) - chargers.count, chargers.count
        )
        self._points = {
            kind: np.flatnonzero(np.array(chargers.kind, dtype="U16")[self._group] == kind)
            for kind in NEED_KWH
        }
        per_point = chargers.cars_per_day / np.maximum(chargers.count, 1)
        self._rate = per_point[self._group]
        self.of_day = lru_cache(maxsize=64)(self._stays_of_day)
        self._nights = lru_cache(maxsize=8)(self._nights_of_day)

    def arriving(self, slot: int) -> CarSessions:
        """Cars whose stay begins in a slot, as they arrive."""
        stays = self.of_day(self._date(slot))
        first, end = np.searchsorted(stays.arrival_slot, [slot, slot + SLOT_S])
        return stays.take(np.arange(first, end))

    def between(self, first_slot: int, end_slot: int) -> CarSessions:
        """Stays that begin in [first_slot, end_slot), as they arrive."""
        days = (self._date(end_slot - 1) - self._date(first_slot)).days + 1
        stays = joined([self.of_day(self._date(first_slot) + timedelta(n)) for n in range(days)])
        return stays.take((stays.arrival_slot >= first_slot) & (stays.arrival_slot < end_slot))

    def connected(self, slot: int) -> CarSessions:
        """Cars at their points at the start of a slot, charged at once since they came."""
        stays = self.between(slot - 2 * SLOTS_PER_DAY * SLOT_S, slot)
        stays = stays.take(stays.departure_slot > slot)
        charged = (slot - stays.arrival_slot) // SLOT_S - 1
        step = stays.p_kw_max * self._chargers.eta * DT_H
        return CarSessions(
            **vars(stays)
            | {"e_now_kwh": np.minimum(stays.e_now_kwh + step * charged, stays.e_due_kwh)}
        )

    def _date(self, slot: int) -> date:
        return utc_of(slot).astimezone(ZoneInfo(self._zone)).date()

    def _stays_of_day(self, day: date) -> CarSessions:
        """Stays that begin on a local day, in the order in which they begin."""
        parts = [self._nights(day), self._mornings(day)]
        parts += [self._visits(day, kind) for kind in VISITS]
        laid = _Laid(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in _Laid.__dataclass_fields__
            )
        )
        end = local_midnight(day + timedelta(1), self._zone)
        laid = laid.where(laid.arrival_slot < end)
        number = (day.toordinal() - FIRST_DAY) * len(self._group) + laid.point
        cars = self._cars(laid, number * WINDOWS_MAX + laid.window, day)
        return cars.take(np.lexsort((cars.car, cars.arrival_slot)))

    def _nights_of_day(self, day: date) -> _Laid:
        """Stays in housing that end on the next day."""
        points = self._points["standard"]
        rng = self._draw(day, 0)
        luck, comes, goes = rng.random(len(points)), *rng.standard_normal((2, len(points)))
        tomorrow = day + timedelta(1)
        goes_h = GOES_H_BY_DAY[self._kind(tomorrow)] + GOES_SPREAD_H * goes
        laid = _Laid(
            point=points,
            window=np.full(len(points), NIGHT),
            arrival_slot=self._slot_at(day, np.clip(18.8 + 2.2 * comes, *NIGHT_COMES_H)),
            departure_slot=self._slot_at(tomorrow, np.clip(goes_h, *NIGHT_GOES_H)),
        )
        share = NIGHT_SHARE * NIGHT_BY_DAY[self._kind(day)]
        return laid.where(luck < np.minimum(self._rate[points] * share, POINT_BUSY_MAX))

    def _mornings(self, day: date) -> _Laid:
        """Stays in housing by day, at points that the night has left."""
        points = self._points["standard"]
        rng = self._draw(day, 1)
        luck, comes, lasts = rng.random((3, len(points)))
        early, late = MORNING_COMES_H
        comes_h = early + (late - early) * comes
        laid = _Laid(
            point=points,
            window=np.full(len(points), MORNING),
            arrival_slot=self._slot_at(day, comes_h),
            departure_slot=self._slot_at(
                day, np.minimum(comes_h + 1.5 + 2.5 * lasts, MORNING_GOES_H_MAX)
            ),
        )
        night = self._nights(day - timedelta(1))
        free_from = np.zeros(len(self._group), dtype=np.int64)
        free_from[night.point] = night.departure_slot
        wanted = luck < self._rate[points] * (1 - NIGHT_SHARE)
        return laid.where(wanted & (laid.arrival_slot >= free_from[points]))

    def _visits(self, day: date, kind: str) -> _Laid:
        """Short stays, at most one of a point in each window of the day."""
        points = self._points[kind]
        size, holds, chances = VISITS[kind]
        windows = SLOTS_PER_DAY // size
        rng = self._draw(day, 2 + list(VISITS).index(kind))
        luck, lasts, begins = rng.random((3, len(points), windows))
        hours = np.array(VISIT_HOURS, dtype=np.float64)
        weight = hours[((np.arange(windows) + 0.5) * size / SLOTS_PER_HOUR).astype(np.int64)]
        mean = self._rate[points] * VISIT_BY_DAY[self._kind(day)]
        chance = np.minimum(mean[:, None] * weight / weight.sum(), POINT_BUSY_MAX)
        hold = np.array(holds)[np.searchsorted(np.cumsum(chances)[:-1], lasts)]
        first = np.arange(windows) * size + (begins * (size - hold + 1)).astype(np.int64)
        row, window = np.nonzero(luck < chance)
        begin = local_midnight(day, self._zone) + SLOT_S * first[row, window]
        return _Laid(points[row], window, begin, begin + SLOT_S * hold[row, window])

    def _cars(self, laid: _Laid, car: IntArray, day: date) -> CarSessions:
        """The cars of the stays: pack, what is in it, what is promised within reach."""
        chargers, count = self._chargers, len(car)
        rng = self._draw(day, 4)
        kind = rng.choice(len(CAR_KWH), count, p=CAR_SHARE)
        need = rng.gamma(4.0, 0.25, count)
        full, owner = rng.standard_normal(count), rng.random(count)
        group = self._group[laid.point]
        kinds = np.array(chargers.kind, dtype="U16")[group]
        capacity = np.array(CAR_KWH)[kind]
        v2g_point = self._place[laid.point] < chargers.v2g_count[group]
        point_kw = np.where(
            v2g_point, np.maximum(chargers.p_kw, chargers.p_v2g_kw)[group], chargers.p_kw[group]
        )
        p_kw = np.minimum(point_kw, np.array(CAR_DC_KW)[kind])
        slots = (laid.departure_slot - laid.arrival_slot) // SLOT_S - 1
        reach = NEED_OF_REACH * p_kw * chargers.eta * DT_H * slots
        here = capacity * np.clip(0.45 + 0.15 * full, 0.1, 0.8)
        asked = np.minimum(need * _by_kind(NEED_KWH, kinds), reach)
        asked = np.minimum(asked, _by_kind(FULL_FRAC, kinds) * capacity - here)
        return CarSessions(
            car=car,
            group=group,
            arrival_slot=laid.arrival_slot,
            departure_slot=laid.departure_slot,
            e_now_kwh=here,
            e_due_kwh=here + asked,
            e_capacity_kwh=capacity,
            p_kw_max=p_kw,
            v2g=v2g_point & (owner < V2G_OWNERS),
            e_v2g_min_kwh=V2G_FLOOR_FRAC * capacity,
        )

    def _draw(self, day: date, part: int) -> np.random.Generator:
        return draw(self._seed, Stream.STAYS, (day.toordinal() - FIRST_DAY) * 8 + part)

    def _kind(self, day: date) -> DayType:
        return day_type(day, country_of(self._zone))

    def _slot_at(self, day: date, hour: FloatArray) -> IntArray:
        """The slot that holds each local hour of a day."""
        slots = np.floor(hour * SLOTS_PER_HOUR).astype(np.int64)
        return np.asarray(local_midnight(day, self._zone) + SLOT_S * slots)


def points_of(car: IntArray, points: int) -> IntArray:
    """The point at which each stay is, of so many in the district: a stay is named after it."""
    return car // WINDOWS_MAX % max(points, 1)


def joined(parts: Sequence[CarSessions]) -> CarSessions:
    """Tables of cars one under the other."""
    tables = [no_cars(), *parts]
    return CarSessions(
        *(
            np.concatenate([getattr(table, name) for table in tables])
            for name in CarSessions.__dataclass_fields__
        )
    )


def _by_kind(table: dict[str, float], kinds: np.ndarray) -> FloatArray:
    """The number of each charger class, (S,)."""
    found = np.zeros(len(kinds))
    for kind, number in table.items():
        found[kinds == kind] = number
    return found
