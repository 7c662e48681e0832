"""A resident's erasure keeps nobody from the books, however long somebody reads them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Table, select

from energy.district import District, load_district
from energy.steps.own_data import Forgotten, forget_account
from energy.store.book_tables import transfer
from energy.store.car_tables import car_wish
from energy.store.cars import CarWish, add_wish, wishes_of
from energy.store.engine import Store, open_store
from energy.store.errors import StoreBusyError
from energy.store.schema import market_order

ME, SLOT = b"\xaa" * 32, 1_784_106_000
PATIENCE_S = 60


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1@0.005")


@pytest.fixture
def wished(new_postgresql: Callable[[], str]) -> Iterator[Store]:
    with open_store(new_postgresql()) as store:
        wish = CarWish(ME, 1, SLOT, SLOT + 900, 80, None, False, 1, "test")
        store.write(lambda connection: add_wish(connection, wish))
        yield store


@contextmanager
def long_reader(store: Store, table: Table) -> Iterator[None]:
    """Somebody who reads a table and does not end, as a backup does."""
    with store._reader.connect() as reader, reader.begin():
        reader.execute(select(table)).all()
        yield


def wishes(store: Store) -> int:
    return len(store.read(lambda connection: wishes_of(connection, ME)))


def read_orders(connection: Connection) -> int:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {PATIENCE_S * 1_000 // 2}")
    return len(connection.execute(select(market_order)).all())


@contextmanager
def beside(store: Store, district: District, table: Table) -> Iterator[Callable[[], Forgotten]]:
    """An erasure while a table is read; gives what waits for its end, then the reader ends."""

    def erase() -> Forgotten:
        return store.write(lambda connection: forget_account(connection, district, ME, 1))

    with ThreadPoolExecutor(1) as pool, long_reader(store, table):
        erasure = pool.submit(erase)
        yield lambda: erasure.result(PATIENCE_S)


def test_an_erasure_goes_through_while_somebody_reads_the_books(
    wished: Store, district: District
) -> None:
    with beside(wished, district, transfer) as ended:
        assert ended().wishes == 1
        assert wishes(wished) == 0 and wished.read(read_orders) == 0


def test_an_erasure_that_cannot_have_its_table_gives_up_soon_and_says_so(
    wished: Store, district: District
) -> None:
    with beside(wished, district, car_wish) as ended:
        assert wished.read(read_orders) == 0
        with pytest.raises(StoreBusyError, match="lock timeout"):
            ended()
        assert wishes(wished) == 1
    assert wished.write(lambda c: forget_account(c, district, ME, 1)).wishes == 1
