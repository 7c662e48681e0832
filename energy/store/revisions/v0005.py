"""Version 5: instructions, steering by operators, kept keys, thinned readings."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From version 4."""
    _add_office()


def downgrade() -> None:
    """Back to version 4."""
    for office in ("rules_proposal", "request_key"):
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
