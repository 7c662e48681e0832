"""The settings that the service was started with, start by start."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from energy.store.office_tables import service_start


@dataclass(frozen=True)
class ServiceStart:
    """A start: when (wall time), by whom, and every setting as (value, source), secrets hidden."""

    no: int
    at_s: int
    started_by: str
    settings: Mapping[str, tuple[str, str]]


def save_start(
    connection: Connection, at_s: int, started_by: str, settings: Mapping[str, tuple[str, str]]
) -> int:
    """Keep a start; its number."""
    number = int(connection.scalar(select(func.max(service_start.c.no))) or 0) + 1
    row = {"no": number, "at_s": at_s, "started_by": started_by, "settings": dict(settings)}
    connection.execute(insert(service_start).values(row))
    return number


def list_starts(connection: Connection, limit: int = 200) -> list[ServiceStart]:
    """The newest starts, the last one first."""
    query = select(service_start).order_by(service_start.c.no.desc()).limit(limit)
    return [
        ServiceStart(
            row.no, row.at_s, row.started_by,
            {name: (value, source) for name, (value, source) in row.settings.items()},
        )
        for row in connection.execute(query)
    ]  # fmt: skip
