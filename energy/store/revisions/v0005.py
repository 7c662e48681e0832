"""Version 5: instructions, steering by operators, kept keys, thinned readings."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From version 4."""
    _add_office()
    _add_alarm_posts()
    _add_starts()


def downgrade() -> None:
    """Back to version 4."""
    for office in ("rules_proposal", "request_key", "alarm_message", "feed", "service_start"):
        op.drop_table(office)


def _add_office() -> None:
    op.create_table(
        "rules_proposal",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_utc", sa.BigInteger, nullable=False),
        sa.Column("confirmed_by", sa.Text),
        sa.Column("confirmed_utc", sa.BigInteger),
        sa.Column("withdrawn_by", sa.Text),
        sa.Column("withdrawn_utc", sa.BigInteger),
        sa.Column("entry", sa.LargeBinary),
        sa.CheckConstraint("from_slot % 900 = 0", name="rules_proposal_on_the_quarter_hour"),
        sa.CheckConstraint("confirmed_by <> proposed_by", name="rules_proposal_two_persons"),
        sa.CheckConstraint(
            "confirmed_by IS NULL OR withdrawn_by IS NULL", name="rules_proposal_one_end"
        ),
    )
    proposed = "no, from_slot, rules, note, proposed_by, proposed_utc"
    _refuse_changes("rules_proposal", f" OF {proposed}")
    op.create_table(
        "request_key",
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at_s", sa.BigInteger, nullable=False),
    )


def _add_alarm_posts() -> None:
    op.create_table(
        "alarm_message",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("alarm", sa.Integer, sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("made_s", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_s", sa.BigInteger, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("delivered_s", sa.BigInteger),
        sa.Column("given_up_s", sa.BigInteger),
        sa.UniqueConstraint("target", "alarm", "kind", name="alarm_message_once"),
        sa.CheckConstraint("kind IN ('raised', 'escalated', 'ended')", name="alarm_message_kind"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "feed",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last_utc", sa.BigInteger, nullable=False),
    )


def _add_starts() -> None:
    op.create_table(
        "service_start",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_s", sa.BigInteger, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
    )
    _refuse_changes("service_start")


def _refuse_changes(table: str, columns: str = "") -> None:
    """Let the database itself refuse to delete rows, and to change them or their columns."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    body = (
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        if sqlite
        else "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    for verb, scope in (("UPDATE", columns), ("DELETE", "")):
        name = f"{table}_no_{verb.lower()}"
        op.execute(f"CREATE TRIGGER {name} BEFORE {verb}{scope} ON {table} {body}")
