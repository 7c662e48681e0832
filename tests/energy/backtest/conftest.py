"""A feeder, a roof and a car park of sixty-odd days with noise, in zones with summer time."""

from collections.abc import Callable

import numpy as np
import pytest

from energy.forecast.inputs import Site
from energy.forecast.node import NodeRecord, NodeSpec
from energy.forecast.solar import clear_sky_kw_per_kwp
from energy.timegrid import local_calendar, parse_instant, slots_from

AMSTERDAM = Site(52.37, 4.9, 0.0, "Europe/Amsterdam")
HORIZON = 192


def wander(rng: np.random.Generator, rows: int, hours: float) -> np.ndarray:
    """Autoregressive noise of unit deviation, (rows,)."""
    keep = np.exp(-0.25 / hours)
    steps = rng.standard_normal(rows) * np.sqrt(1 - keep**2)
    for row in range(1, rows):
        steps[row] += keep * steps[row - 1]
    return steps


def build_feeder(days: int = 60, start: str = "2026-02-10", seed: int = 3) -> NodeRecord:
    """Load that follows weekday, hour, cold and its own wandering; clocks change on 29 March."""
    rng = np.random.default_rng(seed)
    slot = slots_from(parse_instant(start, AMSTERDAM.time_zone), days * 96)
    calendar = local_calendar(slot, AMSTERDAM.time_zone)
    works = np.array([1.0 if str(kind) == "weekday" else 0.5 for kind in calendar.day_type])
    air_c = 8 + 4 * np.sin(2 * np.pi * (calendar.hour - 9) / 24) + 3 * wander(rng, len(slot), 60)
    shape = 60 + 40 * works * np.exp(-(((calendar.hour - 13) / 5) ** 2))
    noise = 4 * wander(rng, len(slot), 5) + rng.standard_normal(len(slot))
    load = shape + 2.0 * np.maximum(15 - air_c, 0) + noise
    return NodeRecord(slot, load, {"temperature_c": air_c})


def build_roof(days: int = 60, start: str = "2026-02-10", seed: int = 4) -> NodeRecord:
    """Ten kWp to the south under clouds that stay for hours, and the cloud cover."""
    rng = np.random.default_rng(seed)
    slot = slots_from(parse_instant(start, AMSTERDAM.time_zone), days * 96)
    place = (AMSTERDAM.latitude_deg, AMSTERDAM.longitude_deg, AMSTERDAM.altitude_m)
    plane = np.array([30.0]), np.array([180.0])
    clear = clear_sky_kw_per_kwp(slot, *plane, *place, np.full(len(slot), 10.0))[:, 0]
    cloud = np.clip(0.5 + 0.45 * wander(rng, len(slot), 14), 0, 1)
    k = (1 - 0.75 * cloud**3) * (1 + 0.05 * rng.standard_normal(len(slot)))
    return NodeRecord(slot, 10 * clear * np.clip(k, 0, 1.1), {"cloud_frac": cloud})


@pytest.fixture(scope="session")
def feeder() -> NodeRecord:
    """Sixty days of load with temperature."""
    return build_feeder()


@pytest.fixture(scope="session")
def roof() -> NodeRecord:
    """Sixty days of solar power with clouds."""
    return build_roof()


@pytest.fixture(scope="session")
def load_spec() -> NodeSpec:
    """A gross meter of 300 kW."""
    return NodeSpec("load", AMSTERDAM, 300.0)


@pytest.fixture(scope="session")
def roof_spec() -> NodeSpec:
    """An inverter of 10 kW."""
    return NodeSpec("pv", AMSTERDAM, 10.0)


@pytest.fixture(scope="session")
def make_feeder() -> Callable[..., NodeRecord]:
    """`build_feeder` for tests that want another."""
    return build_feeder
