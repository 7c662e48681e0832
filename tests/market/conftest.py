"""Slow references by name, and books from a text table or from hypothesis."""

import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings

from market.book import Book, BookRow, book_of

REFERENCE = Path(__file__).parents[1] / "reference"
SLOT = 1_784_084_400

# How many examples the market's properties try: thousands where everything is tested anyway.
# Where a fault was planted, finding it is enough: nobody reads the smallest example.
PLANTED = bool(os.environ.get("PLANTED_FAULT"))
SEARCH_ONLY = (Phase.explicit, Phase.generate)
settings.register_profile(
    "market",
    max_examples=100 if PLANTED else 2_000 if os.environ.get("CI") else 250,
    phases=SEARCH_ONLY if PLANTED else tuple(Phase),
)


def load_reference(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REFERENCE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def slow_auction() -> ModuleType:
    return load_reference("slow_auction")


@pytest.fixture(scope="session")
def slow_settlement() -> ModuleType:
    return load_reference("slow_settlement")


def tag_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def read_table(table: str) -> tuple[Book, dict[str, list[str]]]:
    """The book of a text table `side who e_wh won_per_kwh ...`, and the further columns by name."""
    rows, more = [], {}
    for line in table.strip().splitlines():
        side, who, e_wh, won, *rest = line.split()
        number = {"bid": 1, "offer": 2}[side]
        rows.append(BookRow(tag_of(who), 0, number, round(float(won) * 1000), int(e_wh)))
        more[who] = rest
    return book_of(SLOT, rows), more


@pytest.fixture(scope="session")
def book_table() -> Callable[[str], tuple[Book, dict[str, list[str]]]]:
    return read_table


@pytest.fixture(scope="session")
def tag() -> Callable[[str], bytes]:
    return tag_of


@pytest.fixture(scope="session")
def slow_zones() -> ModuleType:
    return load_reference("slow_zones")


@pytest.fixture(scope="session")
def slow_baseline() -> ModuleType:
    return load_reference("slow_baseline")


@pytest.fixture(scope="session")
def slow_statement() -> ModuleType:
    return load_reference("slow_statement")


@pytest.fixture(scope="session")
def slow_labels() -> ModuleType:
    return load_reference("slow_labels")


@pytest.fixture(scope="session")
def replayed_clearings() -> ModuleType:
    return load_reference("replayed_clearings")
