"""Assets that operators hold at rest until an hour: enter, release, which of them hold in a slot.

To plan, forecast and devices an asset that is held is one that is out of use and has its return.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from energy.store.errors import StoreError
from energy.store.retirements import Retirement, retired_between
from energy.store.steering import Act, with_first_end
from energy.store.steering_tables import asset_hold, asset_release

AT_REST_KW = 0.0


@dataclass(frozen=True)
class Hold:
    """An asset at rest from a slot until `end_slot`; `until_slot` is what was ordered.

    `released` says who ended it early, None where it runs to its own end.
    """

    id: int
    asset: str
    from_slot: int
    until_slot: int
    act: Act
    end_slot: int
    released: Act | None = None

    def holds_after(self, slot: int) -> bool:
        """Whether it holds in some slot from `slot` on: an end there takes something from it."""
        return max(slot, self.from_slot) < self.end_slot


def add_hold(connection: Connection, asset: str, slots: tuple[int, int], act: Act) -> Hold:
    """Hold an asset at rest over (first slot, end)."""
    from_slot, until_slot = slots
    row = {
        "asset": asset,
        "p_kw": AT_REST_KW,
        "from_slot": from_slot,
        "until_slot": until_slot,
        "actor": act.actor,
        "reason": act.reason,
        "ordered_utc": act.at_s,
    }
    result = connection.execute(insert(asset_hold).values(row))
    assert result.inserted_primary_key is not None
    return Hold(int(result.inserted_primary_key[0]), asset, from_slot, until_slot, act, until_slot)


def release_hold(connection: Connection, found: Hold, slot: int, act: Act) -> None:
    """Let an asset follow the plan from `slot` on; StoreError where it does by then."""
    if not found.holds_after(slot):
        raise StoreError(f"hold {found.id}: it has ended already")
    row = {
        "id": found.id,
        "slot": slot,
        "actor": act.actor,
        "reason": act.reason,
        "released_utc": act.at_s,
    }
    connection.execute(insert(asset_release).values(row))


def find_hold(connection: Connection, number: int) -> Hold | None:
    """The hold of a number, None where there is none."""
    found = _holds(connection, _all().where(asset_hold.c.id == number))
    return found[0] if found else None


def holds_between(connection: Connection, first: int, end: int) -> list[Hold]:
    """Holds that count in some slot with `first` <= slot < `end`, in the order they came."""
    query = _all().where(asset_hold.c.until_slot > first, asset_hold.c.from_slot < end)
    return [
        one
        for one in _holds(connection, query.order_by(asset_hold.c.id))
        if max(first, one.from_slot) < min(end, one.end_slot)
    ]


def recent_holds(connection: Connection, count: int) -> list[Hold]:
    """The last holds, whatever became of them, newest first."""
    return _holds(connection, _all().order_by(asset_hold.c.id.desc()).limit(count))


def resting_between(connection: Connection, first: int, end: int) -> list[Retirement]:
    """What rests in some of the slots, because it is out of use or held."""
    held = [
        Retirement(one.id, one.asset, one.from_slot, one.act, one.end_slot)
        for one in holds_between(connection, first, end)
    ]
    return [*retired_between(connection, first, end), *held]


def _all() -> Select[Any]:
    ended = (
        asset_release.c.slot,
        asset_release.c.actor.label("released_by"),
        asset_release.c.reason.label("released_for"),
        asset_release.c.released_utc,
    )
    joined = with_first_end(asset_hold, asset_release)
    return select(asset_hold, *ended).select_from(joined)


def _holds(connection: Connection, query: Select[Any]) -> list[Hold]:
    return [
        Hold(
            id=row.id,
            asset=row.asset,
            from_slot=row.from_slot,
            until_slot=row.until_slot,
            act=Act(row.actor, row.reason, row.ordered_utc),
            end_slot=row.until_slot if row.slot is None else max(row.slot, row.from_slot),
            released=None
            if row.slot is None
            else Act(row.released_by, row.released_for, row.released_utc),
        )
        for row in connection.execute(query)
    ]
