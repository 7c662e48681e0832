"""The tables of an installation, for SQLite and PostgreSQL alike.

Times ending in `_utc` are whole seconds since 1970 UTC of the district's clock; a slot is named by
its start. The tables of the ledger stand in `book_tables.py`, on the same METADATA.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from energy.store.types import Json, UInt64, fixed_bytes

SCHEMA_VERSION = 7

METADATA = MetaData()

meta = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# One row per quarter hour: the claim, how it came out, and which of its two units are written.
slot = Table(
    "slot",
    METADATA,
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("tier", Text),
    Column("reason", Text),
    Column("gap_frac", Float),
    Column("rounds", Integer),
    Column("owner", Text, nullable=False),
    Column("fence", BigInteger, nullable=False, unique=True),
    Column("claimed_utc", BigInteger, nullable=False),
    Column("published_utc", BigInteger),
    Column("sealed_utc", BigInteger),  # the tick that the slot names is under its checkpoint
    Column("settled_utc", BigInteger),  # the slot's own readings are settled, at a later tick
    Column("seconds", Json),
    CheckConstraint("start % 900 = 0", name="slot_on_the_quarter_hour"),
    CheckConstraint("state IN ('running', 'published', 'settled')", name="slot_state"),
    CheckConstraint("outcome IN ('ok', 'fallback', 'missed')", name="slot_outcome"),
    CheckConstraint("tier IN ('T0', 'T1', 'T2', 'T3', 'T4')", name="slot_tier"),
    CheckConstraint(
        "state = 'running' OR (outcome IS NOT NULL AND published_utc IS NOT NULL)",
        name="slot_final_row",
    ),
    CheckConstraint("state <> 'settled' OR settled_utc IS NOT NULL", name="slot_settled"),
)

# Grows on every claim and never goes back.
fence_counter = Table(
    "fence_counter",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="fence_counter_one_row"),
)

# Who runs the loop. Every write of the loop holds this row, so nothing else stands in it.
leader = Table(
    "leader",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("term", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    CheckConstraint("id = 1", name="leader_one_row"),
)

# Until when it leads by the database's clock, and how the demonstration's clock goes.
lease = Table(
    "lease",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("until_s", Float, nullable=False),
    # By which others on the same machine see that the holder has ended; empty where they cannot.
    Column("life", Text, nullable=False, server_default=""),
    Column("clock_at_s", Float),
    Column("clock_district_s", Float),
    Column("clock_rate", Float),
    Column("clock_cap_s", Float),
    CheckConstraint("id = 1", name="lease_one_row"),
)

setpoint = Table(
    "setpoint",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_utc", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

measured = Table(
    "measured",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("summary", Json, nullable=False),
)

plant_state = Table(
    "plant_state",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# Documents that the cycle has ready and the doors hand out.
view = Table(
    "view",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Json, nullable=False),
)

# Since when the rows of a kind are kept: what lay before is thinned out (`retention.py`).
thinned = Table(
    "thinned",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("before", BigInteger, nullable=False),
)

market_order = Table(
    "market_order",
    METADATA,
    Column("id", fixed_bytes(32), primary_key=True),
    Column("account", fixed_bytes(32), nullable=False),
    Column("zone", BigInteger, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("side", Integer, nullable=False),
    Column("e_wh", BigInteger, nullable=False),
    Column("price_mkrw_per_kwh", BigInteger, nullable=False),
    Column("label", Integer, nullable=False),
    Column("premium_mkrw_per_kwh", BigInteger, nullable=False),
    Column("expires", UInt64, nullable=False),
    Column("replaces", fixed_bytes(32), nullable=False),
    Column("rules_version", BigInteger, nullable=False),
    Column("nonce", UInt64, nullable=False),
    Column("signer", fixed_bytes(20), nullable=False),
    Column("signature", fixed_bytes(65), nullable=False),
    Column("salt", fixed_bytes(32), nullable=False),
    Column("tag", fixed_bytes(32), nullable=False),
    Column("received_utc", BigInteger, nullable=False),
    Column("sealed_by", BigInteger, nullable=False),  # tick that the receipt promises
    Column("receipt_signature", fixed_bytes(65), nullable=False),
    Column("status", Text, nullable=False),
    # Of an automatic order: digest of the instruction behind it, first slot of its local day. Its
    # nonce stands for none and only keeps the column's promise; its signature is empty.
    Column("instruction", fixed_bytes(32)),
    Column("day", BigInteger),
    UniqueConstraint("account", "nonce", name="market_order_account_nonce"),
    CheckConstraint("side IN (1, 2)", name="market_order_side"),
    CheckConstraint("e_wh BETWEEN 1 AND 100000000", name="market_order_e_wh"),
    CheckConstraint("slot % 900 = 0", name="market_order_slot"),
    CheckConstraint(
        "status IN ('ACCEPTED', 'CANCELLED', 'REPLACED', 'EXPIRED', 'KEY_REVOKED', 'LOCKED',"
        " 'FILLED', 'PARTIAL', 'NOT_CLEARED', 'VOID')",
        name="market_order_status",
    ),
    Index("market_order_slot_account", "slot", "account"),
    Index("market_order_sealed_by", "sealed_by"),
    Index(
        "market_order_automatic",
        "account",
        "slot",
        unique=True,
        sqlite_where=text("instruction IS NOT NULL"),
        postgresql_where=text("instruction IS NOT NULL"),
    ),
)
SIGNED_COLUMNS = tuple(c.name for c in market_order.columns if c.name != "status")

# A second message under a used nonce: both signed messages are kept, for they prove a wrong.
order_conflict = Table(
    "order_conflict",
    METADATA,
    Column("id", fixed_bytes(32), primary_key=True),
    Column("account", fixed_bytes(32), nullable=False),
    Column("nonce", UInt64, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("received_utc", BigInteger, nullable=False),
)

fill = Table(
    "fill",
    METADATA,
    Column("order_id", ForeignKey("market_order.id"), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("e_wh", BigInteger, nullable=False),
    Column("price_mkrw_per_kwh", BigInteger, nullable=False),
    # Of the Wh so many have the label that the order wants, at this on top.
    Column("label_wh", BigInteger, nullable=False, server_default="0"),
    Column("label_mkrw_per_kwh", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("e_wh >= 1", name="fill_e_wh"),
    Index("fill_slot", "slot"),
)

clearing = Table(
    "clearing",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("document", Json, nullable=False),
)

# Readings of a slot as one batch of columns, in the order of the district's meters and assets.
reading = Table(
    "reading",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# A reading that came after its batch, or corrects one: `revision` counts per meter and slot.
late_reading = Table(
    "late_reading",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("meter", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("tick", BigInteger, nullable=False),
    Column("import_wh", BigInteger, nullable=False),
    Column("export_wh", BigInteger, nullable=False),
    Column("import_register_wh", BigInteger, nullable=False),
    Column("export_register_wh", BigInteger, nullable=False),
    Column("quality", Integer, nullable=False),
    Index("late_reading_tick", "tick"),
)

# Wh that each meter has drawn at tariff in its month, before the slot: one batch a slot.
meter_month = Table(
    "meter_month",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

alarm = Table(
    "alarm",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("cause", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("todo", Text, nullable=False),
    Column("since_utc", BigInteger, nullable=False),
    Column("until_utc", BigInteger),  # planned end
    Column("ended_utc", BigInteger),
    Column("acknowledged_utc", BigInteger),
    Column("count", Integer, nullable=False),
    CheckConstraint("severity IN ('alarm', 'warning')", name="alarm_severity"),
    Index("alarm_open", "ended_utc", "cause"),
    sqlite_autoincrement=True,
)

# What changed, for those who listen: numbers grow for ever and are never used twice.
event_row = Table(
    "event",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("slot", BigInteger),
    Column("body", Json, nullable=False),
    sqlite_autoincrement=True,
)


def _listen(target: Table | MetaData, moment: str, statement: str, dialect: str) -> None:
    command = DDL(statement)  # type: ignore[no-untyped-call]
    event.listen(target, moment, command.execute_if(dialect=dialect))


def append_only(table: Table, columns: tuple[str, ...] = ()) -> None:
    """Let the database itself refuse DELETE on the table, and UPDATE of it or of the columns.

    Takes effect where the table is created; a correction is then a new row.
    """
    for dialect, statements in _append_only_triggers(table, columns).items():
        for statement in statements.values():
            _listen(table, "after_create", statement, dialect)
    _GUARDED_COLUMNS[table.name] = columns


_GUARDED_COLUMNS: dict[str, tuple[str, ...]] = {}
LOCK_MS = 1_000
"""PostgreSQL waits so long for a table whose triggers are to go: behind one that waits for a long
reader, everybody else would wait as well."""


@contextmanager
def suspended(connection: Connection, tables: Iterable[Table]) -> Iterator[None]:
    """Let rows of append-only tables be changed meanwhile; the triggers are back before the end of
    the transaction, and where it fails they were never away.

    PostgreSQL keeps others away from the tables until then. Where somebody reads one of them for
    longer than LOCK_MS, this fails and `Store.write` raises StoreBusyError.
    """
    dialect = connection.dialect.name
    triggers = [
        (table.name, name, statement)
        for table in tables
        for name, statement in _append_only_triggers(table, _GUARDED_COLUMNS[table.name])[
            dialect
        ].items()
    ]
    if dialect == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
    for table, name, _ in triggers:
        on = f" ON {table}" if dialect == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TRIGGER {name}{on}")
    yield
    for _, _, statement in triggers:
        connection.exec_driver_sql(statement)


def _append_only_triggers(table: Table, columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The statements that make the triggers, by database and name of the trigger."""
    found: dict[str, dict[str, str]] = {"sqlite": {}, "postgresql": {}}
    name, of = table.name, f" OF {', '.join(columns)}" if columns else ""
    sentence = f"{name} is append-only"
    for verb, scope in (("UPDATE", of), ("DELETE", "")):
        trigger = f"{name}_no_{verb.lower()}"
        found["sqlite"][trigger] = (
            f"CREATE TRIGGER {trigger} BEFORE {verb}{scope} ON {name}"
            f" BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
        )
        found["postgresql"][trigger] = (
            f"CREATE TRIGGER {trigger} BEFORE {verb}{scope} ON {name}"
            f" FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    return found


_listen(
    METADATA,
    "before_create",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME; END $$",
    "postgresql",
)

append_only(market_order, SIGNED_COLUMNS)
append_only(order_conflict)
append_only(fill)
append_only(clearing)
append_only(reading)
append_only(late_reading)
