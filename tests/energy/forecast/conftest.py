"""A synthetic district whose truth is noisy and whose weather forecast errs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from energy.forecast import (
    ChargerGroups,
    ForecastBasis,
    History,
    Observed,
    PvClasses,
    Site,
    UnitRecord,
    WeatherForecast,
    clear_sky_kw,
    cloudless_frac,
    no_cars,
)
from energy.timegrid import local_calendar, parse_instant, slots_from
from energy.units import SLOT_S

SITE = Site(36.49, 127.27, 40.0, "Asia/Seoul")
AREAS = 12


def smooth_noise(rng: np.random.Generator, rows: int, hours: float, columns: int = 1) -> np.ndarray:
    """Autoregressive noise of unit deviation that forgets within `hours`, (rows, columns)."""
    keep = np.exp(-0.25 / hours)
    steps = rng.standard_normal((rows, columns)) * np.sqrt(1 - keep**2)
    steps[0] = rng.standard_normal(columns)
    for row in range(1, rows):
        steps[row] += keep * steps[row - 1]
    return steps


@dataclass(frozen=True)
class World:
    """Truth over all days, before and after any issue."""

    truth: History
    basis: ForecastBasis
    seed: int

    def observed(self, issue_slot: int) -> Observed:
        """What is known at an issue: the truth before it, and a forecast with growing error."""
        end = int(np.searchsorted(self.truth.slot, issue_slot))
        rng = np.random.default_rng([self.seed, issue_slot // SLOT_S])
        ahead = slice(end, min(end + 200, len(self.truth.slot)))
        rows = ahead.stop - ahead.start
        growth = np.sqrt(np.minimum((np.arange(rows) + 8) / 96, 1.5))
        drift_c = 1.3 * growth * smooth_noise(rng, rows, 12)[:, 0]
        drift = 0.18 * growth * smooth_noise(rng, rows, 6)[:, 0]
        weather = WeatherForecast(
            issue_slot=issue_slot - 3600,
            slot=self.truth.slot[ahead],
            temperature_c=self.truth.temperature_c[ahead] + drift_c,
            cloud_frac=np.clip(self.truth.cloud_frac[ahead] + drift, 0, 1),
            wind_m_per_s=np.full(rows, 2.0),
        )
        blank = {
            name: getattr(self.truth, name).copy()
            for name in ("load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac")
        }
        for rows_of in blank.values():
            rows_of[end:] = np.nan
        return Observed(
            issue_slot=issue_slot,
            history=replace(self.truth, **blank),
            weather=weather,
            cars=no_cars(),
            units=(UnitRecord(12, 12, 2000.0, 48.0),),
        )


def build_world(days: int, seed: int, start: str = "2026-06-01", areas: int = AREAS) -> World:
    """A district of `areas` areas for `days` days from a local date."""
    rng = np.random.default_rng(seed)
    slots = slots_from(parse_instant(start, SITE.time_zone), days * 96)
    calendar = local_calendar(slots, SITE.time_zone)
    cloud = np.clip(0.5 + 0.45 * smooth_noise(rng, len(slots), 14)[:, 0], 0, 1)
    season = 13.0 - 13.0 * np.cos(2 * np.pi * (calendar.day_of_year - 20) / 365)
    swing = -4.0 * np.cos(2 * np.pi * (calendar.hour - 3) / 24) * (1 - 0.5 * cloud)
    warm = season + swing + 2.5 * smooth_noise(rng, len(slots), 60)[:, 0]
    classes = PvClasses(
        tilt_deg=np.array([10.0, 30.0, 90.0]),
        azimuth_deg=np.array([180.0, 135.0, 225.0]),
        kwp=rng.uniform(5, 60, (areas, 3)),
        inverter_frac=0.9,
    )
    k = cloudless_frac(cloud)[:, None] * (1 + 0.08 * smooth_noise(rng, len(slots), 1))
    own = 1 + 0.05 * smooth_noise(rng, len(slots), 0.5, areas)
    pv = clear_sky_kw(slots, classes, SITE, warm) * np.clip(k * own, 0, 1.2)
    pv = np.minimum(pv, classes.kwp.sum(axis=1) * classes.inverter_frac)
    basis = ForecastBasis(
        site=SITE,
        pv=classes,
        chargers=ChargerGroups(
            kind=("standard", "quick"),
            count=np.array([20, 4]),
            p_kw=np.array([7.0, 50.0]),
            p_v2g_kw=np.array([7.0, 0.0]),
            cars_per_day=np.array([14.0, 20.0]),
            eta=0.92,
        ),
        mean_load_kw=np.full(areas, 150.0),
        mean_heat_kw=800.0,
    )
    load = _load_kw(rng, calendar.hour, calendar.day_type, warm, areas)
    heat = 300 + 110 * np.maximum(15 - warm, 0) * (1 + 0.1 * smooth_noise(rng, len(slots), 3)[:, 0])
    truth = History(slots, load, pv, np.maximum(heat, 0), warm, cloud)
    return World(truth, basis, seed)


def _load_kw(
    rng: np.random.Generator, hour: np.ndarray, day_type: tuple, warm: np.ndarray, areas: int
) -> np.ndarray:
    level = rng.uniform(60, 300, areas)
    business = rng.uniform(0, 1, areas)
    evening = np.exp(-(((hour - 20) / 3) ** 2))[:, None]
    office = np.exp(-(((hour - 13) / 4) ** 2))[:, None]
    works = np.array([{"weekday": 1.0, "saturday": 0.4}.get(str(d), 0.2) for d in day_type])
    shape = 0.6 + 0.6 * evening * (1 - business) + 1.2 * office * business * works[:, None]
    cooling = 1 + 0.045 * np.maximum(warm - 23, 0)[:, None]
    common = 1 + 0.03 * smooth_noise(rng, len(hour), 8)
    own = 1 + 0.07 * smooth_noise(rng, len(hour), 2, areas)
    return np.asarray(level * shape * cooling * common * own)


@pytest.fixture(scope="session")
def summer() -> World:
    """Sixty days from June on."""
    return build_world(60, seed=5)


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    """`build_world` for tests that want another."""
    return build_world
