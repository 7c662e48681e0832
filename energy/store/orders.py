"""Orders from the moment they are accepted: the sealed book of a slot, fills, how each one ended.

What was signed never changes; only the status does, and each order leaves the book exactly once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, bindparam, exists, func, select
from sqlalchemy.sql.compiler import SQLCompiler

from energy.store.accounts import TRADE_ROLE
from energy.store.book_tables import account_key
from energy.store.schema import clearing, fill, market_order, order_conflict
from energy.store.types import signed_64

UNSIGNED = ("expires", "nonce")
OPEN_STATUSES = ("ACCEPTED", "LOCKED")


class BookRow(NamedTuple):
    """A locked order as the clearing needs it; `tag` is its leaf hash."""

    id: bytes
    tag: bytes
    account: bytes
    zone: int
    side: int
    e_wh: int
    price_mkrw_per_kwh: int
    label: int = 0
    premium_mkrw_per_kwh: int = 0


class FillRow(NamedTuple):
    """What an order got: `e_wh` at the clearing price, of it `label_wh` at the label's on top."""

    order_id: bytes
    e_wh: int
    price_mkrw_per_kwh: int
    label_wh: int = 0
    label_mkrw_per_kwh: int = 0


@dataclass(frozen=True)
class OrderRow:
    """An accepted order with everything that was signed, and what became of it.

    An automatic order names the `instruction` that was signed instead, and its local `day`.
    """

    id: bytes
    account: bytes
    zone: int
    slot: int
    side: int
    e_wh: int
    price_mkrw_per_kwh: int
    label: int
    premium_mkrw_per_kwh: int
    expires: int
    replaces: bytes
    rules_version: int
    nonce: int
    signer: bytes
    signature: bytes
    salt: bytes
    tag: bytes
    received_utc: int
    sealed_by: int
    receipt_signature: bytes
    status: str
    instruction: bytes | None = None
    day: int | None = None


def save_orders(connection: Connection, rows: Sequence[OrderRow]) -> None:
    """Write accepted orders for ever.

    There may be thousands at a gate: they go to the driver at once, not value by value through the
    types of the columns, which takes three times as long.
    """
    if not rows:
        return
    made = _insert_of(connection.dialect)
    given = [vars(one) | {name: signed_64(vars(one)[name]) for name in UNSIGNED} for one in rows]
    if made.positiontup is None:
        connection.exec_driver_sql(str(made), given)
        return
    connection.exec_driver_sql(str(made), [tuple(map(one.get, made.positiontup)) for one in given])


@lru_cache(maxsize=8)
def _insert_of(dialect: Dialect) -> SQLCompiler:
    """The statement that writes an order, in the words of a store's driver."""
    return market_order.insert().compile(dialect=dialect)


def live_orderers(connection: Connection, slot: int, gate_s: int) -> frozenset[bytes]:
    """The accounts with a live order for a slot that does not expire before its gate."""
    columns = market_order.c
    query = select(columns.account, columns.expires).where(
        columns.slot == slot, columns.status == "ACCEPTED"
    )
    return frozenset(row.account for row in connection.execute(query) if row.expires >= gate_s)


def lock_book(connection: Connection, slot: int, gate_s: int) -> list[BookRow]:
    """Seal the participants' book of a slot and give its rows in order of their ids.

    Orders that expired before the gate leave it now, and so do those whose key was taken away for
    the slot. Locking again gives the same book.
    """
    live = select(market_order.c.id, market_order.c.expires).where(
        market_order.c.slot == slot, market_order.c.status == "ACCEPTED"
    )
    gone = [row.id for row in connection.execute(live) if row.expires < gate_s]
    set_status(connection, gone, "EXPIRED")
    set_status(connection, _revoked(connection, slot), "KEY_REVOKED")
    rest = (market_order.c.slot == slot) & (market_order.c.status == "ACCEPTED")
    connection.execute(market_order.update().where(rest).values(status="LOCKED"))
    return load_book(connection, slot)


def _revoked(connection: Connection, slot: int) -> list[bytes]:
    """Live orders of a slot whose key has ended before it, and stands under no other entry."""
    order, key = market_order.c, account_key.c
    same = (key.account == order.account) & (key.address == order.signer)
    ended = exists().where(same, key.end_slot <= slot)
    trading = key.roles.bitwise_and(TRADE_ROLE) == TRADE_ROLE
    until = key.end_slot.is_(None) | (key.end_slot > slot)
    valid = exists().where(same, key.from_slot <= slot, until, trading)
    live = (order.slot == slot) & (order.status == "ACCEPTED")
    query = select(order.id).where(live, ended, ~valid)
    return list(connection.scalars(query.order_by(order.id)))


def load_book(connection: Connection, slot: int) -> list[BookRow]:
    """The sealed book of a slot whatever became of its orders, in order of their ids."""
    columns = [market_order.c[name] for name in BookRow._fields]
    sealed = ("LOCKED", "FILLED", "PARTIAL", "NOT_CLEARED", "VOID")
    query = select(*columns).where(market_order.c.slot == slot, market_order.c.status.in_(sealed))
    return [BookRow(*row) for row in connection.execute(query.order_by(market_order.c.id))]


def save_clearing(
    connection: Connection, slot: int, round_: int, document: Mapping[str, Any]
) -> None:
    """Keep the clearing of a slot as the document that is handed out."""
    connection.execute(clearing.insert().values(slot=slot, round=round_, document=dict(document)))


def load_clearing(connection: Connection, slot: int) -> dict[str, Any] | None:
    """The clearing of a slot's last round, or None."""
    query = select(clearing.c.document).where(clearing.c.slot == slot)
    found: dict[str, Any] | None = connection.scalar(
        query.order_by(clearing.c.round.desc()).limit(1)
    )
    return found


def clearings_between(connection: Connection, first: int, end: int) -> dict[int, dict[str, Any]]:
    """The clearings of slots with `first` <= slot < `end`, each of its last round, by slot."""
    query = select(clearing.c.slot, clearing.c.document).where(
        clearing.c.slot >= first, clearing.c.slot < end
    )
    rows = connection.execute(query.order_by(clearing.c.slot, clearing.c.round))
    return {slot: document for slot, document in rows}


def prices_between(connection: Connection, first: int, end: int) -> dict[int, float | None]:
    """Mean price of each auction with `first` <= slot < `end`, won per kWh; None without trade."""
    query = select(clearing.c.slot, clearing.c.document).where(
        clearing.c.slot >= first, clearing.c.slot < end
    )
    found: dict[int, float | None] = {}
    # Row by row: a season of documents together would be large.
    ordered = query.order_by(clearing.c.slot, clearing.c.round)
    for slot, document in connection.execute(ordered.execution_options(yield_per=200)):
        price = document.get("price_krw_per_kwh")
        found[slot] = None if price is None else float(price)
    return found


def last_clearing(connection: Connection) -> int | None:
    """The newest slot with a clearing, or None."""
    found: int | None = connection.scalar(select(func.max(clearing.c.slot)))
    return found


def save_fills(connection: Connection, slot: int, fills: Sequence[FillRow]) -> None:
    """Keep what each order got (only fills above zero) and end every locked order of the slot."""
    rows = [{"slot": slot, **f._asdict()} for f in fills if f.e_wh > 0]
    if rows:
        connection.execute(fill.insert(), rows)
    got = {f.order_id: f.e_wh for f in fills}
    ended: dict[str, list[bytes]] = {"FILLED": [], "PARTIAL": [], "NOT_CLEARED": []}
    for row in load_book(connection, slot):
        filled = got.get(row.id, 0)
        whole = "FILLED" if filled == row.e_wh else "PARTIAL"
        ended[whole if filled else "NOT_CLEARED"].append(row.id)
    for status, ids in ended.items():
        set_status(connection, ids, status)


def void_book(connection: Connection, slot: int) -> None:
    """End every locked order of a slot that failed; it runs on tariff."""
    locked = (market_order.c.slot == slot) & (market_order.c.status == "LOCKED")
    connection.execute(market_order.update().where(locked).values(status="VOID"))


def load_fills(connection: Connection, slot: int) -> list[FillRow]:
    """What the orders of a slot got, in order of their ids."""
    columns = [fill.c[name] for name in FillRow._fields]
    query = select(*columns).where(fill.c.slot == slot).order_by(fill.c.order_id)
    return [FillRow(*row) for row in connection.execute(query)]


def set_status(connection: Connection, ids: Iterable[bytes], status: str) -> None:
    """Let these orders have the status."""
    rows = [{"key": id_} for id_ in ids]
    if rows:
        named = market_order.update().where(market_order.c.id == bindparam("key"))
        connection.execute(named.values(status=status), rows)


def find_order(connection: Connection, id_: bytes, owner: bytes | None = None) -> OrderRow | None:
    """An order by its id, or None; where an owner is named, of that account alone."""
    query = select(market_order).where(market_order.c.id == id_)
    if owner is not None:
        query = query.where(market_order.c.account == owner)
    row = connection.execute(query).first()
    return None if row is None else OrderRow(**row._mapping)


def fill_of(connection: Connection, id_: bytes) -> FillRow | None:
    """What an order got, or None where it got nothing (yet)."""
    columns = [fill.c[name] for name in FillRow._fields]
    row = connection.execute(select(*columns).where(fill.c.order_id == id_)).first()
    return None if row is None else FillRow(*row)


def orders_to_seal(connection: Connection, *, after: int, tick: int) -> list[OrderRow]:
    """Orders whose receipts promise a tick above `after` up to `tick`, in order of their ids.

    The claim of a slot closes the set of its tick: later orders promise the next one.
    """
    promised = (market_order.c.sealed_by > after) & (market_order.c.sealed_by <= tick)
    rows = connection.execute(select(market_order).where(promised).order_by(market_order.c.id))
    return [OrderRow(**row._mapping) for row in rows]


def orders_of(connection: Connection, account: bytes) -> list[OrderRow]:
    """All orders of an account that were ever accepted, in order of their ids."""
    query = select(market_order).where(market_order.c.account == account)
    return [
        OrderRow(**row._mapping) for row in connection.execute(query.order_by(market_order.c.id))
    ]


def keep_conflict(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a message that was refused for its nonce as evidence, once."""
    known = select(order_conflict.c.id).where(order_conflict.c.id == row["id"])
    if connection.scalar(known) is None:
        connection.execute(order_conflict.insert().values(**row))


def find_conflict(connection: Connection, id_: bytes) -> bytes | None:
    """The signed message, as it came, that was refused for a nonce used before, or None."""
    query = select(order_conflict.c.envelope).where(order_conflict.c.id == id_)
    found: bytes | None = connection.scalar(query)
    return found


def count_orders(connection: Connection, slot: int) -> int:
    """How many orders were accepted for a slot."""
    query = select(func.count()).select_from(market_order).where(market_order.c.slot == slot)
    return int(connection.scalar(query) or 0)
