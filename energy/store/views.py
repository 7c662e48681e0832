"""Ready documents: the cycle writes them, the doors hand them out.

Kinds: `plan` (what a slot's plan says of the horizon from that slot on), `market` (what was traded
in the slot), `measured` (what was measured in the slot, with its costs), `ledger` (the head of the
books after the slot's tick), `trading` (what the slot's trades came to once it was settled),
`assets` (every asset in the measured slot).
"""

from typing import Any

from sqlalchemy import Connection, func, select

from energy.store.schema import view

Document = dict[str, Any]


def put_view(connection: Connection, kind: str, slot: int, body: Document) -> None:
    """Keep a document; another of the same kind and slot gives way to it."""
    connection.execute(view.delete().where(view.c.kind == kind, view.c.slot == slot))
    connection.execute(view.insert().values(kind=kind, slot=slot, body=body))


def find_view(connection: Connection, kind: str, slot: int) -> Document | None:
    """The document of a kind and slot, or None."""
    query = select(view.c.body).where(view.c.kind == kind, view.c.slot == slot)
    found: Document | None = connection.scalar(query)
    return found


def last_view_slot(connection: Connection, kind: str) -> int | None:
    """The slot of the newest document of a kind, or None."""
    found: int | None = connection.scalar(select(func.max(view.c.slot)).where(view.c.kind == kind))
    return found


def views_between(connection: Connection, kind: str, first: int, end: int) -> dict[int, Document]:
    """The documents of a kind with `first` <= slot < `end`, by slot, oldest first."""
    query = select(view.c.slot, view.c.body).where(
        view.c.kind == kind, view.c.slot >= first, view.c.slot < end
    )
    return {slot: body for slot, body in connection.execute(query.order_by(view.c.slot))}


def prune_views(connection: Connection, kind: str, before: int) -> None:
    """Forget the documents of a kind before a slot."""
    connection.execute(view.delete().where(view.c.kind == kind, view.c.slot < before))
