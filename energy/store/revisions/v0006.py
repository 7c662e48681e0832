"""Version 6: residents without a wallet and their kept keys; more that operators order,
assets out of use and notes about them; instructions that are not acted on any more.

Stores of this version are in use; what comes later belongs to a later version.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

STAFF = ("operator", "network_owner", "auditor")
RESIDENTS = (*STAFF, "prosumer")
STEERING = (
    "replan_answer", "replan_order", "asset_release", "asset_hold", "island_end", "island_order",
)  # fmt: skip
ASSETS = ("asset_note", "asset_return", "asset_retirement")


def upgrade() -> None:
    """From version 5."""
    op.add_column("lease", sa.Column("life", sa.Text, nullable=False, server_default=""))
    _add_clock_checks()
    _add_residents()
    _add_halts()
    _add_steering()
    _add_assets()


def downgrade() -> None:
    """Back to version 5."""
    for table in (*ASSETS, *STEERING, "instruction_halt"):
        op.drop_table(table)
    _drop_residents()
    op.drop_table("clock_check")
    op.drop_column("lease", "life")


def _add_clock_checks() -> None:
    op.create_table(
        "clock_check",
        sa.Column("at_s", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    _refuse_changes("clock_check")


def _add_residents() -> None:
    with op.batch_alter_table("person", copy_from=_person(STAFF)) as person:
        person.add_column(sa.Column("account", sa.LargeBinary))
        person.drop_constraint("person_role", type_="check")
        person.create_check_constraint("person_role", _roles(RESIDENTS))
        of_a_household = "(role = 'prosumer') = (account IS NOT NULL)"
        person.create_check_constraint("person_household", of_a_household)
    op.create_index("person_account", "person", ["account"])
    op.add_column("session", sa.Column("proven_s", sa.BigInteger))
    op.create_table(
        "invitation",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("account", sa.LargeBinary, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_s", sa.BigInteger, nullable=False),
        sa.Column("ends_s", sa.BigInteger, nullable=False),
        sa.Column("taken_s", sa.BigInteger),
    )
    op.create_index("invitation_account", "invitation", ["account"])
    op.create_table(
        "kept_key",
        sa.Column("address", sa.LargeBinary, primary_key=True),
        sa.Column("account", sa.LargeBinary, nullable=False),
        sa.Column("made_s", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.Text),
        sa.Column("body", sa.Text),
        sa.Column("destroyed_s", sa.BigInteger),
        sa.CheckConstraint(
            "(body IS NULL) = (destroyed_s IS NOT NULL) AND (body IS NULL) = (seal IS NULL)",
            name="kept_key_destroyed",
        ),
    )
    op.create_index("kept_key_account", "kept_key", ["account"])
    live = sa.text("body IS NOT NULL")
    op.create_index(
        "kept_key_one",
        "kept_key",
        ["account"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )


def _add_halts() -> None:
    of = sa.ForeignKey("standing_instruction.no")
    op.create_table(
        "instruction_halt",
        sa.Column("instruction", sa.Integer, of, primary_key=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.CheckConstraint("slot % 900 = 0", name="instruction_halt_on_the_quarter_hour"),
    )
    _refuse_changes("instruction_halt")


def _drop_residents() -> None:
    for table in ("kept_key", "invitation"):
        op.drop_table(table)
    op.execute(
        "DELETE FROM session WHERE person IN (SELECT name FROM person WHERE role = 'prosumer')"
    )
    op.execute("DELETE FROM person WHERE role = 'prosumer'")
    op.drop_column("session", "proven_s")
    op.drop_index("person_account", "person")
    account = sa.Column("account", sa.LargeBinary)
    household = sa.CheckConstraint(
        "(role = 'prosumer') = (account IS NOT NULL)", name="person_household"
    )
    before = _person(RESIDENTS, account, household)
    with op.batch_alter_table("person", copy_from=before) as person:
        person.drop_constraint("person_household", type_="check")
        person.drop_constraint("person_role", type_="check")
        person.create_check_constraint("person_role", _roles(STAFF))
        person.drop_column("account")


def _roles(allowed: tuple[str, ...]) -> str:
    return "role IN (" + ", ".join(f"'{one}'" for one in allowed) + ")"


def _person(roles: tuple[str, ...], *more: sa.Column[bytes] | sa.CheckConstraint) -> sa.Table:
    """The table as it stands before: SQLite changes no check but makes the table anew."""
    return sa.Table(
        "person",
        sa.MetaData(),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("code_seed", sa.LargeBinary, nullable=False),
        sa.Column("code_step", sa.BigInteger, nullable=False),
        sa.Column("created_s", sa.BigInteger, nullable=False),
        sa.Column("disabled_s", sa.BigInteger),
        *more,
        sa.CheckConstraint(_roles(roles), name="person_role"),
    )


def _add_steering() -> None:
    op.create_table(
        "island_order",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("is_planned", sa.Boolean, nullable=False),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        sa.Column("until_slot", sa.BigInteger),
        *_ordered(),
        *_window("island_order"),
        sqlite_autoincrement=True,
    )
    _add_end("island_end", "island_order", "ended_utc")
    op.create_table(
        "asset_hold",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("p_kw", sa.Float, nullable=False),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        sa.Column("until_slot", sa.BigInteger, nullable=False),
        *_ordered(),
        *_window("asset_hold"),
        sqlite_autoincrement=True,
    )
    op.create_index("asset_hold_until_slot", "asset_hold", ["until_slot"])
    _add_end("asset_release", "asset_hold", "released_utc")
    op.create_table(
        "replan_order",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
        *_ordered(),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("counted_s", sa.Float, nullable=False),
        sa.CheckConstraint("slot % 900 = 0", name="replan_order_on_the_quarter_hour"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "replan_answer",
        sa.Column("replan", sa.Integer, sa.ForeignKey("replan_order.id"), primary_key=True),
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("answered_utc", sa.BigInteger, nullable=False),
        sa.Column("after_s", sa.Float),
    )
    for table in STEERING:
        _refuse_changes(table)


def _add_assets() -> None:
    op.create_table(
        "asset_retirement",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        *_ordered(),
        sa.CheckConstraint("from_slot % 900 = 0", name="asset_retirement_on_the_quarter_hour"),
        sqlite_autoincrement=True,
    )
    _add_end("asset_return", "asset_retirement", "returned_utc")
    op.create_table(
        "asset_note",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("written_utc", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    for table in ("asset_retirement", "asset_note"):
        op.create_index(f"{table}_asset", table, ["asset"])
    for table in ASSETS:
        _refuse_changes(table)


def _add_end(table: str, of: str, when: str) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Integer, sa.ForeignKey(f"{of}.id"), primary_key=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
        *_ordered(when),
        sa.CheckConstraint("slot % 900 = 0", name=f"{table}_on_the_quarter_hour"),
    )


def _ordered(when: str = "ordered_utc") -> list[sa.Column[Any]]:
    return [
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column(when, sa.BigInteger, nullable=False),
    ]


def _window(table: str) -> list[sa.CheckConstraint]:
    on_the_quarter_hour = "from_slot % 900 = 0 AND until_slot % 900 = 0"
    return [
        sa.CheckConstraint("from_slot < until_slot", name=f"{table}_has_an_end"),
        sa.CheckConstraint(on_the_quarter_hour, name=f"{table}_on_the_quarter_hour"),
    ]


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
