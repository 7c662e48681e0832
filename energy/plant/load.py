"""What the buildings draw: every customer's meter in every slot, without its solar.

A meter's yearly energy is split into what it uses by habit, what cooling and heating ask for and,
in all-electric homes, hot water; each part follows its driver. A day's level, an hour's doings and
a quarter hour's chance are the meter's own, on top of a little that all have in common.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.district import District
from energy.plant.draws import FloatArray, IntArray, Stream, draw, smooth
from energy.plant.drivers import Driver, DriverSet
from energy.plant.interface import PlantError
from energy.plant.tables import read_rows
from energy.plant.weather import DAY_S, WeatherSource
from energy.units import SLOT_S, SLOTS_PER_HOUR

HOURS_PER_YEAR = 8760.0
ELECTRIC_HEAT, WATER = Driver("heat-home", -1, 15.0), Driver("hot-water")
EXTRA_WATER, EXTRA_HEAT = 0.35, 0.55
"""Parts of an all-electric home's extra energy (D); the rest is cooking, by habit."""
SPREAD_PERSONAL = 0.4
"""How much a meter's own cooling and heating differ from its kind's mean, as a lognormal."""
HOUR_PART, SLOT_PART = 0.75, 0.66
"""Parts of the quarter hours' spread that last an hour or so, and that do not last."""
COMMON_DAY, COMMON_HOUR = 0.02, 0.012
"""What all meters have in common beyond weather and calendar: standard deviations."""


@dataclass(frozen=True)
class Use:
    """One use of load_response.csv: its drivers, the shares they carry, its meters' spread."""

    name: str
    base: Driver
    second: Driver
    cool: Driver
    heat: Driver
    cool_share: float
    heat_share: float
    spread_day: float
    spread_slot: float


class BuildingLoad:
    """The load of every meter of a district without measurements."""

    def __init__(self, district: District, weather: WeatherSource, seed: int) -> None:
        self._seed = seed
        uses = read_uses()
        kind = _kind_of_meters(district, uses)
        drivers = [driver for use in uses for driver in (use.base, use.second, use.cool, use.heat)]
        self._drivers = DriverSet(weather, [*drivers, ELECTRIC_HEAT, WATER])
        own = 4 * kind[:, None] + np.arange(4)
        shared = np.broadcast_to(np.array([len(drivers), len(drivers) + 1]), (len(kind), 2))
        # Parts run first: a slot then reads them in the order in which they lie in memory.
        self._place = np.ascontiguousarray(np.concatenate([own, shared], axis=1).T)
        self._kw = np.ascontiguousarray(_parts_kw(district, uses, kind, seed).T)
        self._count = len(kind)
        self._spread_day = np.array([use.spread_day for use in uses])[kind]
        self._spread_slot = np.array([use.spread_slot for use in uses])[kind]
        # A lognormal factor of mean one; the two parts of the quarter hours do not quite add up.
        chance = np.square(self._spread_slot) * (HOUR_PART**2 + SLOT_PART**2)
        self._mean_log = -0.5 * (np.square(self._spread_day) + chance)
        self._of_day = lru_cache(maxsize=4)(self._day_terms)
        self._of_hour = lru_cache(maxsize=8)(self._hour_draws)

    def expected_kw(self, slot: int) -> FloatArray:
        """What the meters draw in a slot but for chance, (M,)."""
        drivers = self._drivers.at(slot)
        expected: FloatArray = np.einsum("pm,pm->m", drivers.take(self._place), self._kw)
        return expected

    def at(self, slot: int) -> FloatArray:
        """What the meters draw in a slot, (M,) kW."""
        day = self._of_day(slot // DAY_S)
        hour = smooth(slot / (SLOT_S * SLOTS_PER_HOUR), self._of_hour)
        log = draw(self._seed, Stream.LOAD_SLOT, slot // SLOT_S).standard_normal(self._count)
        log *= SLOT_PART
        log += HOUR_PART * hour[:-1]
        log *= self._spread_slot
        log += day[:-1] + (day[-1] + COMMON_HOUR * hour[-1])
        return np.asarray(self.expected_kw(slot) * np.exp(log, out=log))

    def _day_terms(self, day: int) -> FloatArray:
        """A day's part of each meter's logarithm, (M,), and at the end what all have in common."""
        z = draw(self._seed, Stream.LOAD_DAY, day).standard_normal(self._count + 1)
        return np.append(self._mean_log + self._spread_day * z[:-1], COMMON_DAY * z[-1])

    def _hour_draws(self, hour: int) -> FloatArray:
        return draw(self._seed, Stream.LOAD_HOUR, hour).standard_normal(self._count + 1)


def read_uses() -> tuple[Use, ...]:
    """The uses of load_response.csv."""
    return tuple(
        Use(
            name=row["use"],
            base=Driver(row["base"]),
            second=Driver(row["second"]),
            cool=Driver(row["cool"], +1, float(row["cool_base_c"])),
            heat=Driver(row["heat"], -1, float(row["heat_base_c"])),
            cool_share=float(row["cool_share"]),
            heat_share=float(row["heat_share"]),
            spread_day=float(row["spread_day"]),
            spread_slot=float(row["spread_slot"]),
        )
        for row in read_rows("profiles", "load_response.csv")
    )


def _kind_of_meters(district: District, uses: tuple[Use, ...]) -> IntArray:
    """Position of each meter's use among `uses`, (M,)."""
    names = [use.name for use in uses]
    for use in sorted(set(district.meters.use)):
        if use not in names:
            raise PlantError(f"meter use {use!r}: no profile, allowed: {', '.join(names)}")
    return np.array([names.index(use) for use in district.meters.use], dtype=np.int64)


def _parts_kw(district: District, uses: tuple[Use, ...], kind: IntArray, seed: int) -> FloatArray:
    """Mean kW of each meter's parts, (M, 6): base, second, cool, heat, electric heat, hot water.

    By use they add up to the district's yearly energies, whatever the personal factors.
    """
    meters, count = district.meters, len(kind)
    rng = draw(seed, Stream.LOAD_PERSON, 0)
    mix, personal = rng.random(count), rng.standard_normal((2, count))
    mean_kw = meters.annual_kwh / HOURS_PER_YEAR
    level_kw = mean_kw * _of_mean_one(meters.level, mean_kw, kind)
    extra = _all_electric_extra(district, kind)
    shares = np.array([[use.cool_share, use.heat_share] for use in uses])[kind].T
    usual_kw, extra_kw = level_kw * (1 - extra), level_kw * extra
    cool, heat = (
        share * _of_mean_one(np.exp(SPREAD_PERSONAL * z), usual_kw, kind)
        for share, z in zip(shares, personal, strict=True)
    )
    # Who cools more than the mean uses as much more in the year; the habits stay the same.
    habit = 1 - shares.sum(axis=0)
    base_kw = usual_kw * habit + extra_kw * (1 - EXTRA_WATER - EXTRA_HEAT)
    parts = (
        base_kw * mix,
        base_kw * (1 - mix),
        usual_kw * cool,
        usual_kw * heat,
        extra_kw * EXTRA_HEAT,
        extra_kw * EXTRA_WATER,
    )
    return np.stack(parts, axis=1)


def _of_mean_one(factor: FloatArray, weight: FloatArray, kind: IntArray) -> FloatArray:
    """The factors (M,), scaled so that within each use their weighted mean is one."""
    total = np.bincount(kind, weight)
    mean = np.bincount(kind, weight * factor) / np.where(total > 0, total, 1.0)
    return np.asarray(factor / np.where(mean > 0, mean, 1.0)[kind])


def _all_electric_extra(district: District, kind: IntArray) -> FloatArray:
    """Part of each meter's energy that only an all-electric home uses, (M,)."""
    meters = district.meters
    extra = np.zeros(len(kind))
    for one in np.unique(kind[meters.all_electric]):
        usual = meters.annual_kwh[(kind == one) & ~meters.all_electric]
        rows = (kind == one) & meters.all_electric
        ordinary = np.median(usual) if len(usual) else meters.annual_kwh[rows]
        extra[rows] = np.clip(1 - ordinary / meters.annual_kwh[rows], 0.0, 1.0)
    return extra
