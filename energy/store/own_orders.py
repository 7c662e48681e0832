"""The orders of one account with what each got, the newest slot first."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from energy.store.engine import Store
from energy.store.kept_keys import kept_addresses, signed_by
from energy.store.orders import FillRow, OrderRow
from energy.store.schema import fill, market_order

AT_ONCE = 200


class OwnOrder(NamedTuple):
    """An order, its fill (None where it got nothing yet) and who has signed it, as `signed_by`."""

    order: OrderRow
    fill: FillRow | None
    signed_by: str


def list_own_orders(
    connection: Connection,
    account: bytes,
    *,
    before: tuple[int, bytes] | None = None,
    limit: int = 50,
    only_filled: bool = False,
) -> list[OwnOrder]:
    """Orders of an account by slot, the newest first; `before` is slot and id of the last one seen.

    Those of a slot stand in falling order of their ids.
    """
    order = market_order.c
    got = [fill.c[name].label(f"fill_{name}") for name in FillRow._fields]
    joined = market_order.join(fill, fill.c.order_id == order.id, isouter=not only_filled)
    query = select(market_order, *got).select_from(joined).where(order.account == account)
    if before is not None:
        slot, id_ = before
        query = query.where(or_(order.slot < slot, and_(order.slot == slot, order.id < id_)))
    query = query.order_by(order.slot.desc(), order.id.desc()).limit(limit)
    kept = kept_addresses(connection, account)
    return [_own_order(dict(row._mapping), kept) for row in connection.execute(query)]


def pages_of_own_orders(
    store: Store, account: bytes, *, only_filled: bool
) -> Iterator[list[OwnOrder]]:
    """All orders of an account, the newest slot first, a page after the other, so that whoever
    reads slowly keeps no transaction open.
    """
    page = partial(list_own_orders, account=account, limit=AT_ONCE, only_filled=only_filled)
    before: tuple[int, bytes] | None = None
    while True:
        found = store.read(partial(page, before=before))
        yield found
        if len(found) < AT_ONCE:
            return
        before = (found[-1].order.slot, found[-1].order.id)


def _own_order(row: dict[str, object], kept: frozenset[bytes]) -> OwnOrder:
    got = [row.pop(f"fill_{name}") for name in FillRow._fields]
    filled = None if got[0] is None else FillRow(*got)  # type: ignore[arg-type]
    order = OrderRow(**row)  # type: ignore[arg-type]
    return OwnOrder(order, filled, signed_by(order.signer, kept))
