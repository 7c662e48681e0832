"""Version 7: who has seen an alarm; meters whose readings come through the door; orders of
operators that are ended once more, and sooner.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ENDS = (
    ("steering_cancel", "steering_limit", "cancelled_utc"),
    ("asset_release", "asset_hold", "released_utc"),
)
COUNTED = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")


def upgrade() -> None:
    """From version 6."""
    _add_seen_alarms()
    _add_meters()
    for end in ENDS:
        _remake_end(*end, ("id", "slot"))


def downgrade() -> None:
    """Back to version 6; of the ends of an order that stays which counts."""
    for end in ENDS:
        _remake_end(*end, ("id",))
    for table in ("meter_inbox", "meter_feed", "alarm_seen"):
        op.drop_table(table)


def _add_seen_alarms() -> None:
    op.create_table(
        "alarm_seen",
        sa.Column(
            "alarm", sa.Integer, sa.ForeignKey("alarm.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("seen_utc", sa.BigInteger, nullable=False),
    )
    _refuse_changes("alarm_seen")


def _add_meters() -> None:
    op.create_table(
        "meter_feed",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("account", sa.LargeBinary, nullable=False),
        sa.Column("device", sa.Text),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        sa.CheckConstraint("from_slot % 900 = 0", name="meter_feed_on_the_quarter_hour"),
        sqlite_autoincrement=True,
    )
    op.create_index("meter_feed_account", "meter_feed", ["account"])
    _refuse_changes("meter_feed")
    op.create_table(
        "meter_inbox",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("meter", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTED),
        sa.CheckConstraint("slot % 900 = 0", name="meter_inbox_on_the_quarter_hour"),
        sqlite_autoincrement=True,
    )
    op.create_index("meter_inbox_slot", "meter_inbox", ["slot", "meter"])


def _remake_end(name: str, order: str, at: str, key: tuple[str, ...]) -> None:
    """Make a table anew with another key, for SQLite changes none, from each order's first end."""
    first = f"(SELECT MIN(slot) FROM {name} AS same WHERE same.id = {name}.id)"
    op.execute(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM {name} WHERE slot = {first}")
    op.drop_table(name)
    op.create_table(
        name,
        sa.Column("id", sa.Integer, sa.ForeignKey(f"{order}.id"), nullable=False),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column(at, sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*key),
        sa.CheckConstraint("slot % 900 = 0", name=f"{name}_on_the_quarter_hour"),
    )
    columns = f"id, slot, actor, reason, {at}"
    op.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM kept")
    op.execute("DROP TABLE kept")
    _refuse_changes(name)


def _refuse_changes(table: str) -> None:
    """Let the database itself refuse to change or delete rows."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    body = (
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        if sqlite
        else "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    for verb in ("UPDATE", "DELETE"):
        name = f"{table}_no_{verb.lower()}"
        op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} {body}")
