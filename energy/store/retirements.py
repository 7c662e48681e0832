"""Assets out of use: retire one, let it return, which are out in a slot; notes about assets."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, insert, or_, select

from energy.store.asset_tables import asset_note, asset_retirement, asset_return
from energy.store.errors import StoreError
from energy.store.steering import Act
from energy.timegrid import iso_of


@dataclass(frozen=True)
class Retirement:
    """An asset that takes no part from a slot on, until `end_slot` where its return is known.

    `returned` says who let it return; one that ends in its first slot has never begun.
    """

    id: int
    asset: str
    from_slot: int
    act: Act
    end_slot: int | None = None
    returned: Act | None = None

    def holds_in(self, slot: int) -> bool:
        """Whether the asset is out of use in a slot."""
        return self.from_slot <= slot and (self.end_slot is None or slot < self.end_slot)


@dataclass(frozen=True)
class Note:
    """What somebody has written about an asset; it is never changed."""

    id: int
    asset: str
    text: str
    actor: str
    written_utc: int


def retire_asset(connection: Connection, asset: str, from_slot: int, act: Act) -> Retirement:
    """Take an asset out of use from a slot on; StoreError where it is out already, or will be."""
    known = find_open(connection, asset)
    if known is not None:
        raise StoreError(
            f"{asset}: found retired from {iso_of(known.from_slot)} on, allowed an asset in use"
        )
    past = retirements_of(connection, asset)
    ends = max((one.end_slot for one in past if one.end_slot is not None), default=from_slot)
    if from_slot < ends:
        raise StoreError(f"{asset}: it returns at {iso_of(ends)}, allowed that slot or later")
    row = {
        "asset": asset,
        "from_slot": from_slot,
        "actor": act.actor,
        "reason": act.reason,
        "ordered_utc": act.at_s,
    }
    result = connection.execute(insert(asset_retirement).values(row))
    assert result.inserted_primary_key is not None
    return Retirement(int(result.inserted_primary_key[0]), asset, from_slot, act)


def return_asset(connection: Connection, asset: str, slot: int, act: Act) -> Retirement:
    """Let an asset be in use again from a slot on; StoreError where it is in use.

    One whose retirement has not begun by `slot` is never out.
    """
    found = find_open(connection, asset)
    if found is None:
        raise StoreError(f"{asset}: found in use, allowed a retired asset")
    row = {
        "id": found.id,
        "slot": slot,
        "actor": act.actor,
        "reason": act.reason,
        "returned_utc": act.at_s,
    }
    connection.execute(insert(asset_return).values(row))
    return Retirement(found.id, asset, found.from_slot, found.act, max(slot, found.from_slot), act)


def find_open(connection: Connection, asset: str) -> Retirement | None:
    """The retirement of an asset whose end is not known yet."""
    return next((one for one in retirements_of(connection, asset) if one.returned is None), None)


def retirements_of(connection: Connection, asset: str) -> list[Retirement]:
    """All retirements of an asset, newest first."""
    query = _all().where(asset_retirement.c.asset == asset)
    return _retirements(connection, query.order_by(asset_retirement.c.id.desc()))


def all_retirements(connection: Connection, count: int) -> list[Retirement]:
    """The last retirements of any asset, newest first."""
    return _retirements(connection, _all().order_by(asset_retirement.c.id.desc()).limit(count))


def retired_between(connection: Connection, first: int, end: int) -> list[Retirement]:
    """Retirements that hold in some slot with `first` <= slot < `end`, in the order they came."""
    query = _all().where(
        asset_retirement.c.from_slot < end,
        or_(asset_return.c.slot.is_(None), asset_return.c.slot > first),
    )
    found = _retirements(connection, query.order_by(asset_retirement.c.id))
    return [
        one
        for one in found
        if max(first, one.from_slot) < (end if one.end_slot is None else min(end, one.end_slot))
    ]


def add_note(connection: Connection, asset: str, text: str, by: tuple[str, int]) -> Note:
    """Keep a note about an asset; `by` says who writes it and when."""
    row = {"asset": asset, "text": text, "actor": by[0], "written_utc": by[1]}
    result = connection.execute(insert(asset_note).values(row))
    assert result.inserted_primary_key is not None
    return Note(int(result.inserted_primary_key[0]), asset, text, *by)


def notes_of(connection: Connection, asset: str, count: int) -> list[Note]:
    """The last notes about an asset, newest first."""
    query = select(asset_note).where(asset_note.c.asset == asset)
    rows = connection.execute(query.order_by(asset_note.c.id.desc()).limit(count))
    return [Note(**row._mapping) for row in rows]


def _all() -> Select[Any]:
    ended = (
        asset_return.c.slot,
        asset_return.c.actor.label("returned_by"),
        asset_return.c.reason.label("returned_for"),
        asset_return.c.returned_utc,
    )
    joined = asset_retirement.outerjoin(asset_return)
    return select(asset_retirement, *ended).select_from(joined)


def _retirements(connection: Connection, query: Select[Any]) -> list[Retirement]:
    return [
        Retirement(
            id=row.id,
            asset=row.asset,
            from_slot=row.from_slot,
            act=Act(row.actor, row.reason, row.ordered_utc),
            end_slot=None if row.slot is None else max(row.slot, row.from_slot),
            returned=None
            if row.slot is None
            else Act(row.returned_by, row.returned_for, row.returned_utc),
        )
        for row in connection.execute(query)
    ]
