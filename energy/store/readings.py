"""Meter readings: one batch of columns a slot, late and corrected ones beside it, month sums.

The columns stand in the district's order of meters and assets; what they are called is the
writer's affair, for a batch is kept and given back as it is.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import late_reading, meter_month, reading


@dataclass(frozen=True)
class LateRow:
    """A reading of `slot` that came at the gate of `tick`; `meter` is its place in the batch."""

    slot: int
    meter: int
    revision: int
    tick: int
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int
    quality: int


def save_readings(connection: Connection, slot: int, columns: Arrays) -> None:
    """Keep the batch of a slot, once and for all; the same slot again is an error."""
    connection.execute(reading.insert().values(slot=slot, body=pack_arrays(columns)))


def load_readings(connection: Connection, slot: int) -> dict[str, Any] | None:
    """The columns of a slot's batch, or None where none has come."""
    body = connection.scalar(select(reading.c.body).where(reading.c.slot == slot))
    return None if body is None else unpack_arrays(body)


def save_late_readings(connection: Connection, rows: Sequence[LateRow]) -> None:
    """Keep readings that came after their batch; of one that comes again only the first counts."""
    key = (late_reading.c.slot, late_reading.c.meter, late_reading.c.revision)
    query = select(*key).where(late_reading.c.slot.in_({row.slot for row in rows}))
    known = {tuple(found) for found in connection.execute(query)} if rows else set()
    fresh: dict[tuple[int, int, int], dict[str, int]] = {}
    for row in rows:
        if (row.slot, row.meter, row.revision) not in known:
            fresh.setdefault((row.slot, row.meter, row.revision), asdict(row))
    if fresh:
        connection.execute(late_reading.insert(), list(fresh.values()))


def late_readings_of_tick(connection: Connection, tick: int) -> list[LateRow]:
    """The late readings that came at the gate of a tick, by slot, meter and revision."""
    key = (late_reading.c.slot, late_reading.c.meter, late_reading.c.revision)
    query = select(late_reading).where(late_reading.c.tick == tick).order_by(*key)
    return [LateRow(**row._mapping) for row in connection.execute(query)]


def late_readings_of_slot(connection: Connection, slot: int) -> list[LateRow]:
    """All readings of a slot that came after its batch, by meter and revision."""
    key = (late_reading.c.meter, late_reading.c.revision)
    query = select(late_reading).where(late_reading.c.slot == slot).order_by(*key)
    return [LateRow(**row._mapping) for row in connection.execute(query)]


def save_meter_month(connection: Connection, slot: int, columns: Arrays, keep: int = 8) -> None:
    """Keep the month sums before `slot`, and only the `keep` newest of all."""
    connection.execute(meter_month.delete().where(meter_month.c.slot == slot))
    connection.execute(meter_month.insert().values(slot=slot, body=pack_arrays(columns)))
    newest = select(meter_month.c.slot).order_by(meter_month.c.slot.desc()).limit(keep)
    oldest = min(connection.scalars(newest))
    connection.execute(meter_month.delete().where(meter_month.c.slot < oldest))


def load_meter_month(connection: Connection, slot: int) -> dict[str, Any] | None:
    """The month sums before a slot, or None where they are not kept."""
    body = connection.scalar(select(meter_month.c.body).where(meter_month.c.slot == slot))
    return None if body is None else unpack_arrays(body)
