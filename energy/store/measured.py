"""What was measured in a slot, and the state of the simulated plant that it left."""

from typing import Any

from sqlalchemy import Connection, func, select

from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import measured, plant_state


def save_measured(
    connection: Connection, slot: int, arrays: Arrays, summary: dict[str, Any]
) -> None:
    """Keep the columns and the summary of a slot; a slot measured again replaces the first."""
    connection.execute(measured.delete().where(measured.c.slot == slot))
    row = {"slot": slot, "body": pack_arrays(arrays), "summary": summary}
    connection.execute(measured.insert().values(row))


def load_measured(connection: Connection, first: int, end: int) -> dict[int, dict[str, Any]]:
    """The arrays of each measured slot with `first` <= slot < `end`, by slot, oldest first."""
    query = select(measured.c.slot, measured.c.body)
    query = query.where(measured.c.slot >= first, measured.c.slot < end).order_by(measured.c.slot)
    return {slot: unpack_arrays(body) for slot, body in connection.execute(query)}


def load_summaries(connection: Connection, first: int, end: int) -> dict[int, dict[str, Any]]:
    """The summary of each measured slot with `first` <= slot < `end`, by slot, oldest first."""
    query = select(measured.c.slot, measured.c.summary)
    query = query.where(measured.c.slot >= first, measured.c.slot < end).order_by(measured.c.slot)
    return {slot: summary for slot, summary in connection.execute(query)}


def last_summary(connection: Connection, first: int, end: int) -> int | None:
    """The newest measured slot with `first` <= slot < `end`."""
    here = (measured.c.slot >= first) & (measured.c.slot < end)
    found: int | None = connection.scalar(select(func.max(measured.c.slot)).where(here))
    return found


def last_measured(connection: Connection) -> int | None:
    """The newest measured slot."""
    found: int | None = connection.scalar(select(func.max(measured.c.slot)))
    return found


def save_plant_state(connection: Connection, slot: int, body: bytes, keep: int = 8) -> None:
    """Keep the plant's state at the start of `slot`, and only the `keep` newest of all."""
    connection.execute(plant_state.delete().where(plant_state.c.slot == slot))
    connection.execute(plant_state.insert().values(slot=slot, body=body))
    newest = select(plant_state.c.slot).order_by(plant_state.c.slot.desc()).limit(keep)
    oldest = min(connection.scalars(newest))
    connection.execute(plant_state.delete().where(plant_state.c.slot < oldest))


def load_plant_state(connection: Connection, slot: int) -> bytes | None:
    """The plant's state at the start of a slot, or None where it is not kept."""
    return connection.scalar(select(plant_state.c.body).where(plant_state.c.slot == slot))


def last_plant_state(connection: Connection) -> tuple[int, bytes] | None:
    """The newest state that is kept, with its slot."""
    query = select(plant_state.c.slot, plant_state.c.body).order_by(plant_state.c.slot.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else (row.slot, row.body)
