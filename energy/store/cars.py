"""Rows of residents' wishes for their cars, and of the connected cars."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from energy.store.car_tables import car_wish, cars_seen
from energy.store.packing import Arrays, pack_arrays, unpack_arrays


@dataclass(frozen=True)
class CarWish:
    """What a resident wants for a stay: when the car leaves, how full, how low; charge at once.

    `departure_slot` is the slot at whose start the car leaves; `floor_pct` None: never discharged.
    """

    account: bytes
    car: int
    from_slot: int
    departure_slot: int
    target_pct: int
    floor_pct: int | None
    at_once: bool
    asked_us: int
    asked_by: str


def add_wish(connection: Connection, wish: CarWish) -> None:
    """Keep a wish; it takes the place of the earlier ones for its stay from its slot on."""
    last = connection.scalar(select(func.max(car_wish.c.no)))
    connection.execute(insert(car_wish).values(no=0 if last is None else last + 1, **vars(wish)))


def wishes_at(connection: Connection, slot: int, since: int) -> dict[int, CarWish]:
    """The wish that counts in a slot for each stay, by stay; of stays that end after `since`."""
    columns = car_wish.c
    counts = (columns.from_slot <= slot) & (columns.departure_slot >= since)
    rows = connection.execute(select(car_wish).where(counts).order_by(columns.no))
    return {row.car: _wish(row) for row in rows}


def wish_of(connection: Connection, account: bytes, car: int) -> CarWish | None:
    """The newest wish of an account for a stay."""
    columns = car_wish.c
    own = (columns.account == account) & (columns.car == car)
    row = connection.execute(select(car_wish).where(own).order_by(columns.no.desc())).first()
    return None if row is None else _wish(row)


def wishes_of(connection: Connection, account: bytes) -> list[CarWish]:
    """All wishes of an account, oldest first."""
    query = select(car_wish).where(car_wish.c.account == account).order_by(car_wish.c.no)
    return [_wish(row) for row in connection.execute(query)]


def _wish(row: Any) -> CarWish:  # noqa: ANN401 - a row of the table
    return CarWish(**{name: value for name, value in row._mapping.items() if name != "no"})


def save_cars_seen(connection: Connection, slot: int, arrays: Arrays) -> None:
    """Keep the connected cars at the start of a slot, in place of all earlier ones."""
    connection.execute(delete(cars_seen))
    connection.execute(insert(cars_seen).values(slot=slot, body=pack_arrays(arrays)))


def load_cars_seen(connection: Connection) -> tuple[int, dict[str, Any]] | None:
    """The newest slot with the cars that stood at their points at its start."""
    row = connection.execute(select(cars_seen)).first()
    return None if row is None else (row.slot, unpack_arrays(row.body))
