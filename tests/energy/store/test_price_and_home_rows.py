"""Prices of auctions and days of homes, as both kinds of store give them back."""

import numpy as np
from sqlalchemy import Connection

from energy.store.engine import Store
from energy.store.homes import load_home_days, save_home_day
from energy.store.orders import prices_between, save_clearing
from energy.units import SLOT_S

FIRST = 1_784_084_400 // 900 * 900


def test_the_price_of_an_auction_is_that_of_its_last_round(store: Store) -> None:
    def write(connection: Connection) -> None:
        save_clearing(connection, FIRST, 1, {"price_krw_per_kwh": "140"})
        save_clearing(connection, FIRST, 2, {"price_krw_per_kwh": "142.512"})
        save_clearing(connection, FIRST + SLOT_S, 1, {"price_krw_per_kwh": None})
        save_clearing(connection, FIRST + 2 * SLOT_S, 1, {"price_krw_per_kwh": "99"})
        assert prices_between(connection, FIRST, FIRST + SLOT_S) == {FIRST: 142.512}
        # The transaction writes on after a season has been read row by row.
        save_clearing(connection, FIRST + 3 * SLOT_S, 1, {"price_krw_per_kwh": "98"})

    store.write(write)
    found = store.read(lambda connection: prices_between(connection, FIRST, FIRST + 2 * SLOT_S))
    assert found == {FIRST: 142.512, FIRST + SLOT_S: None}


def test_a_day_of_homes_is_given_back_to_those_who_come_after_its_end(store: Store) -> None:
    means, last = np.array([0.25, np.nan], dtype=np.float32), FIRST + 95 * SLOT_S
    store.write(lambda connection: save_home_day(connection, FIRST, last, {"mean_kw": means}))
    assert store.read(lambda connection: load_home_days(connection, last)) == []
    (found,) = store.read(lambda connection: load_home_days(connection, last + SLOT_S))
    np.testing.assert_array_equal(found["mean_kw"], means)
