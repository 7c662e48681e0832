"""Every forecast as it was issued, and the weather that was known then; nothing is ever changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    LargeBinary,
    Row,
    Table,
    select,
)

from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import METADATA, append_only
from energy.store.types import Json

# One row a slot: the bands of the district, what earlier bands had taught by then, tiers, reasons.
forecast_issue = Table(
    "forecast_issue",
    METADATA,
    Column("first_slot", BigInteger, primary_key=True, autoincrement=False),
    Column("issue_slot", BigInteger, nullable=False),
    Column("weather_issue", BigInteger),
    Column("issued_utc", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("tiers", Json, nullable=False),
    CheckConstraint("first_slot % 900 = 0", name="forecast_issue_slot"),
)

# One row an issue of the weather service, with the slot in which it was first known here.
weather_issue = Table(
    "weather_issue",
    METADATA,
    Column("issue_slot", BigInteger, primary_key=True, autoincrement=False),
    Column("known_utc", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

append_only(forecast_issue)
append_only(weather_issue)


@dataclass(frozen=True, eq=False)
class StoredIssue:
    """A forecast as it went out: quantiles (Q, H) and log-stretch (B, Q) by quantity.

    `weather_issue` names the weather that it used, None without. `tiers` holds tier and reason by
    quantity, as `{"load": ["F0", ""]}`.
    """

    first_slot: int
    issue_slot: int
    weather_issue: int | None
    issued_utc: int
    quantiles: dict[str, npt.NDArray[np.float64]]
    log_stretch: dict[str, npt.NDArray[np.float64]]
    tiers: dict[str, list[str]]


def save_issue(connection: Connection, issue: StoredIssue) -> None:
    """Keep a forecast; a slot has one."""
    arrays = {f"q/{name}": rows for name, rows in issue.quantiles.items()}
    arrays |= {f"s/{name}": rows for name, rows in issue.log_stretch.items()}
    row = {
        "first_slot": issue.first_slot,
        "issue_slot": issue.issue_slot,
        "weather_issue": issue.weather_issue,
        "issued_utc": issue.issued_utc,
        "body": pack_arrays(arrays),
        "tiers": issue.tiers,
    }
    connection.execute(forecast_issue.insert().values(row))


def load_issues(connection: Connection, first: int, end: int) -> list[StoredIssue]:
    """The forecasts for slots from `first` on and before `end`, oldest first."""
    query = select(forecast_issue).where(
        forecast_issue.c.first_slot >= first, forecast_issue.c.first_slot < end
    )
    rows = connection.execute(query.order_by(forecast_issue.c.first_slot))
    return [_issue_of(row) for row in rows]


def last_issue(connection: Connection) -> StoredIssue | None:
    """The newest forecast."""
    query = select(forecast_issue).order_by(forecast_issue.c.first_slot.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _issue_of(row)


def issue_before(connection: Connection, slot: int) -> StoredIssue | None:
    """The newest forecast that was issued for an earlier slot."""
    query = select(forecast_issue).where(forecast_issue.c.first_slot < slot)
    row = connection.execute(query.order_by(forecast_issue.c.first_slot.desc()).limit(1)).first()
    return None if row is None else _issue_of(row)


def has_issue(connection: Connection) -> bool:
    """Whether anything has been forecast yet."""
    return connection.scalar(select(forecast_issue.c.first_slot).limit(1)) is not None


def save_weather_issue(
    connection: Connection, issue_slot: int, known_utc: int, arrays: Arrays
) -> None:
    """Keep an issue of the weather service, unless it is kept already."""
    known = select(weather_issue.c.issue_slot).where(weather_issue.c.issue_slot == issue_slot)
    if connection.scalar(known) is None:
        row = {"issue_slot": issue_slot, "known_utc": known_utc, "body": pack_arrays(arrays)}
        connection.execute(weather_issue.insert().values(row))


def load_weather_issue(connection: Connection, issue_slot: int) -> dict[str, Any] | None:
    """The arrays of an issue of the weather service, None where it is not kept."""
    query = select(weather_issue.c.body).where(weather_issue.c.issue_slot == issue_slot)
    body = connection.scalar(query)
    return None if body is None else unpack_arrays(body)


def _issue_of(row: Row[Any]) -> StoredIssue:
    arrays = unpack_arrays(row.body)
    parts: dict[str, dict[str, Any]] = {"q": {}, "s": {}}
    for name, values in arrays.items():
        kind, quantity = name.split("/", 1)
        parts[kind][quantity] = values
    return StoredIssue(
        first_slot=row.first_slot,
        issue_slot=row.issue_slot,
        weather_issue=row.weather_issue,
        issued_utc=row.issued_utc,
        quantiles=parts["q"],
        log_stretch=parts["s"],
        tiers=row.tiers,
    )
