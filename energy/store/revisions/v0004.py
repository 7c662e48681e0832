"""Version 4: sign-in, the audit log, days of homes, open data, labels."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LABEL_FILL = ("label_wh", "label_mkrw_per_kwh")
SIGN_IN = ("audit", "sign_in_guess", "sign_in_nonce", "service_token", "session", "person")


def upgrade() -> None:
    """From version 3."""
    _add_people()
    _add_sign_in()
    _add_audit_log()
    _add_home_days()
    _add_open_data()
    _add_labels()


def downgrade() -> None:
    """Back to version 3."""
    for name in (*SIGN_IN, "home_day", "open_sums", "label_book"):
        op.drop_table(name)
    for name in LABEL_FILL:
        op.drop_column("fill", name)


def _add_people() -> None:
    op.create_table(
        "person",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("code_seed", sa.LargeBinary, nullable=False),
        sa.Column("code_step", sa.BigInteger, nullable=False),
        sa.Column("created_s", sa.BigInteger, nullable=False),
        sa.Column("disabled_s", sa.BigInteger),
        sa.CheckConstraint("role IN ('operator', 'network_owner', 'auditor')", name="person_role"),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("person", sa.Text, sa.ForeignKey("person.name")),
        sa.Column("account", sa.LargeBinary),
        sa.Column("address", sa.LargeBinary),
        sa.Column("begun_s", sa.BigInteger, nullable=False),
        sa.Column("seen_s", sa.BigInteger, nullable=False),
        sa.Column("ends_s", sa.BigInteger, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.CheckConstraint("(account IS NULL) = (address IS NULL)", name="session_wallet"),
        sa.CheckConstraint("person IS NULL OR account IS NULL", name="session_one_owner"),
    )
    op.create_index("session_person", "session", ["person"])


def _add_sign_in() -> None:
    op.create_table(
        "service_token",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("account", sa.LargeBinary),
        sa.Column("created_s", sa.BigInteger, nullable=False),
        sa.Column("ends_s", sa.BigInteger, nullable=False),
        sa.Column("disabled_s", sa.BigInteger),
        sa.CheckConstraint(
            "role IN ('operator', 'network_owner', 'auditor', 'device')", name="service_token_role"
        ),
        sa.CheckConstraint(
            "(role = 'device') = (account IS NOT NULL)", name="service_token_device"
        ),
    )
    op.create_table(
        "sign_in_nonce",
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("browser", sa.LargeBinary, nullable=False),
        sa.Column("ends_s", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sign_in_guess",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("left_over", sa.Float, nullable=False),
        sa.Column("at_s", sa.Float, nullable=False),
    )


def _add_audit_log() -> None:
    op.create_table(
        "audit",
        sa.Column("no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("whose", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    _refuse_changes("audit")


def _add_home_days() -> None:
    op.create_table(
        "home_day",
        sa.Column("first_slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_slot", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def _add_open_data() -> None:
    op.create_table(
        "open_sums",
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    _refuse_changes("open_sums")


def _add_labels() -> None:
    op.create_table(
        "label_book",
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("label", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    _refuse_changes("label_book")
    for name in LABEL_FILL:
        op.add_column("fill", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))


def _refuse_changes(table: str) -> None:
    """Let the database itself refuse to change or delete rows."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    body = (
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        if sqlite
        else "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    for verb in ("UPDATE", "DELETE"):
        op.execute(f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {body}")
