"""The orders of one account with what each got, the newest slot first."""

from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from energy.store.kept_keys import kept_addresses, signed_by
from energy.store.orders import FillRow, OrderRow
from energy.store.schema import fill, market_order


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


def _own_order(row: dict[str, object], kept: frozenset[bytes]) -> OwnOrder:
    got = [row.pop(f"fill_{name}") for name in FillRow._fields]
    filled = None if got[0] is None else FillRow(*got)  # type: ignore[arg-type]
    order = OrderRow(**row)  # type: ignore[arg-type]
    return OwnOrder(order, filled, signed_by(order.signer, kept))
