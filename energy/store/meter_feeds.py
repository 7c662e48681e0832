"""Rows of who reads which meter, and of readings that wait for the loop."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select

from energy.store.meter_tables import meter_feed, meter_inbox
from energy.store.readings import LateRow, late_readings_of_slot, load_readings
from energy.units import SLOT_S

MEASURED = 1


@dataclass(frozen=True)
class MeterFeed:
    """From `from_slot` on a device's token reads an account's meter; None: the district's plant."""

    account: bytes
    device: str | None
    from_slot: int


class Told(NamedTuple):
    """What a meter says of a slot: Wh, and its counters at the slot's end."""

    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int


class Waiting(NamedTuple):
    """A reading that the loop has not taken yet; of two of a meter and slot the later counts."""

    no: int
    slot: int
    meter: int
    told: Told


@dataclass(frozen=True)
class MeterFeeds:
    """Who reads the meters, by account: (first slot, device) in the order of the slots."""

    of: dict[bytes, list[tuple[int, str | None]]]

    def device_at(self, account: bytes, slot: int) -> str | None:
        """The device that reads a meter in a slot, None where it is the district's plant."""
        found = None
        for from_slot, device in self.of.get(account, ()):
            if from_slot <= slot:
                found = device
        return found

    def changes_at(self, account: bytes, slot: int) -> bool:
        """Whether a slot is the first of another device: the counter is another one from it on."""
        return self.device_at(account, slot) != self.device_at(account, slot - SLOT_S)

    def changes_between(self, account: bytes, first: int, last: int) -> bool:
        """Whether the counter at the end of `last` is another one than at the end of `first`."""
        slots = (slot for slot, _ in self.of.get(account, ()) if first < slot <= last)
        return any(self.changes_at(account, slot) for slot in slots)


def add_feeds(connection: Connection, feeds: Sequence[MeterFeed]) -> None:
    """Keep who reads these meters from a slot on."""
    connection.execute(insert(meter_feed), [vars(one) for one in feeds])


def load_feeds(connection: Connection, accounts: Collection[bytes] | None = None) -> MeterFeeds:
    """Who reads the meters of these accounts, of all without them."""
    query = select(meter_feed).order_by(meter_feed.c.from_slot, meter_feed.c.no)
    if accounts is not None:
        query = query.where(meter_feed.c.account.in_(accounts))
    found: dict[bytes, list[tuple[int, str | None]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.account, []).append((row.from_slot, row.device))
    return MeterFeeds(found)


def put_in(connection: Connection, readings: Sequence[tuple[int, int, Told]]) -> None:
    """Keep readings, by slot and meter, until the loop takes them."""
    rows = [{"slot": slot, "meter": meter, **told._asdict()} for slot, meter, told in readings]
    if rows:
        connection.execute(insert(meter_inbox), rows)


def waiting_until(
    connection: Connection, slot: int, *, rows_max: int, slots_max: int
) -> list[Waiting]:
    """The readings of `slot` that wait, all of them, after a portion of those of earlier slots.

    Of these at most so many readings, of at most so many slots, the oldest slots first; what a
    meter has told twice of a slot comes in the order in which it came.
    """
    columns = meter_inbox.c
    order = (columns.slot, columns.no)
    query = select(meter_inbox).where(columns.slot < slot).order_by(*order).limit(rows_max)
    by_slot = groupby(connection.execute(query).all(), lambda row: row.slot)
    earlier = [_waiting(row) for _, rows in islice(by_slot, slots_max) for row in rows]
    query = select(meter_inbox).where(columns.slot == slot).order_by(columns.no)
    return earlier + [_waiting(row) for row in connection.execute(query)]


def waiting_of(connection: Connection, slot: int, meters: Collection[int]) -> list[Waiting]:
    """The readings of these meters in a slot that wait, oldest first."""
    columns = meter_inbox.c
    here = (columns.slot == slot) & columns.meter.in_(meters)
    query = select(meter_inbox).where(here).order_by(columns.no)
    return [_waiting(row) for row in connection.execute(query)]


def waiting_for(connection: Connection, meter: int) -> list[Waiting]:
    """The readings of a meter that wait, oldest first."""
    query = select(meter_inbox).where(meter_inbox.c.meter == meter).order_by(meter_inbox.c.no)
    return [_waiting(row) for row in connection.execute(query)]


def take_out(connection: Connection, numbers: Sequence[int]) -> None:
    """Remove what the loop has taken."""
    if numbers:
        one = delete(meter_inbox).where(meter_inbox.c.no == bindparam("number"))
        connection.execute(one, [{"number": no} for no in numbers])


@dataclass(frozen=True)
class KnownSlot:
    """What of the meters in a slot the loop has taken: the batch, and later readings.

    It holds a whole batch, so a caller asks slot by slot and keeps none of them.
    """

    connection: Connection
    slot: int

    def late(self, meter: int) -> list[LateRow]:
        """What came after the batch, by revision."""
        return self._late.get(meter, [])

    def has_batch(self) -> bool:
        """Whether the loop has measured the slot."""
        return self._batch is not None

    def stands(self, meter: int) -> Told | None:
        """What was told last of a meter, None where nothing has come."""
        late = self.late(meter)
        if late:
            return Told(*(getattr(late[-1], name) for name in Told._fields))
        batch = self._batch
        if batch is None or int(batch["quality"][meter]) != MEASURED:
            return None
        return Told(*(int(batch[name][meter]) for name in Told._fields))

    @cached_property
    def _batch(self) -> dict[str, Any] | None:
        return load_readings(self.connection, self.slot)

    @cached_property
    def _late(self) -> dict[int, list[LateRow]]:
        found: dict[int, list[LateRow]] = {}
        for row in late_readings_of_slot(self.connection, self.slot):
            found.setdefault(row.meter, []).append(row)
        return found


def _waiting(row: object) -> Waiting:
    told = Told(*(getattr(row, name) for name in Told._fields))
    return Waiting(row.no, row.slot, row.meter, told)  # type: ignore[attr-defined]
