"""A cluster of two processes, and days of a hundredth of the district."""

from collections.abc import Callable, Iterator

import pytest
from distributed import Client

from energy.study import base_scenario, open_client
from energy.study.chunk import Chunk, run_chunk
from energy.study.collected import Part
from energy.timegrid import parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY

SMALL = "sejong-5-1@0.01"
DAY_S = SLOTS_PER_DAY * SLOT_S


def build_chunk(day: str = "2026-07-14", days: int = 1, warm_up_days: int = 0) -> Chunk:
    """Days of the small district as it is."""
    first = parse_instant(day, "Asia/Seoul")
    return Chunk(SMALL, base_scenario(), 1, first, first + days * DAY_S, warm_up_days, 100)


@pytest.fixture(scope="session")
def make_chunk() -> Callable[..., Chunk]:
    """`build_chunk` for tests that want others."""
    return build_chunk


@pytest.fixture(scope="session")
def july() -> Chunk:
    """Two days of July, one after the other."""
    return build_chunk(days=2)


@pytest.fixture(scope="session")
def part(july: Chunk) -> Part:
    """What they come to, run in this process."""
    return run_chunk(july)


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """Two real processes under a real scheduler."""
    with open_client(2) as found:
        yield found
