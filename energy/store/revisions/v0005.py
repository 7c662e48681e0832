"""Version 5: instructions, steering by operators, kept keys, thinned readings."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From version 4."""
    _add_steering()
    _add_thinned()
    _add_instructions()
    _add_office()
    _add_alarm_posts()
    _add_starts()
    _add_cars()
    op.create_index("audit_whose", "audit", ["whose"])


def downgrade() -> None:
    """Back to version 4."""
    for steering in ("steering_cancel", "steering_limit"):
        op.drop_table(steering)
    op.drop_index("audit_whose", "audit")
    for cars in ("car_wish", "cars_seen"):
        op.drop_table(cars)
    op.drop_table("thinned")
    _drop_instructions()
    for office in ("rules_proposal", "request_key", "alarm_message", "feed", "service_start"):
        op.drop_table(office)


def _add_thinned() -> None:
    op.create_table(
        "thinned",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("before", sa.BigInteger, nullable=False),
    )


ORDER_SIGNED = (
    "id, account, zone, slot, side, e_wh, price_mkrw_per_kwh, label, premium_mkrw_per_kwh,"
    " expires, replaces, rules_version, nonce, signer, signature, salt, tag, received_utc,"
    " sealed_by, receipt_signature"
)


def _add_instructions() -> None:
    _allow_changes("market_order")
    op.add_column("market_order", sa.Column("instruction", sa.LargeBinary))
    op.add_column("market_order", sa.Column("day", sa.BigInteger))
    _refuse_changes("market_order", f" OF {ORDER_SIGNED}, instruction, day")
    where = sa.text("instruction IS NOT NULL")
    op.create_index(
        "market_order_automatic",
        "market_order",
        ["account", "slot"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
    limits = ("sell_from_mkrw_per_kwh", "buy_up_to_mkrw_per_kwh", "day_cap_wh", "day_cap_ukrw")
    op.create_table(
        "standing_instruction",
        sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("account", sa.LargeBinary, nullable=False),
        sa.Column("signer", sa.LargeBinary, nullable=False),
        sa.Column("sides", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in limits),
        sa.Column("first_slot", sa.BigInteger, nullable=False),
        sa.Column("end_slot", sa.BigInteger, nullable=False),
        sa.Column("signed_utc", sa.BigInteger, nullable=False),
        sa.CheckConstraint("sides BETWEEN 1 AND 3", name="standing_instruction_sides"),
        sa.CheckConstraint("first_slot < end_slot", name="standing_instruction_lasts"),
    )
    op.create_index("standing_instruction_account", "standing_instruction", ["account"])
    op.create_index("standing_instruction_end", "standing_instruction", ["end_slot"])
    of = sa.ForeignKey("standing_instruction.no")
    op.create_table(
        "instruction_end",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("instruction", sa.Integer, of, nullable=False),
        sa.Column("slot", sa.BigInteger, nullable=False),
    )
    op.create_index("instruction_end_instruction", "instruction_end", ["instruction"])
    op.create_table(
        "automatic_slot",
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    for table in ("standing_instruction", "instruction_end"):
        _refuse_changes(table)


def _drop_instructions() -> None:
    for table in ("instruction_end", "standing_instruction", "automatic_slot"):
        op.drop_table(table)
    _allow_changes("market_order")
    op.drop_index("market_order_automatic", "market_order")
    op.drop_column("market_order", "instruction")
    op.drop_column("market_order", "day")
    _refuse_changes("market_order", f" OF {ORDER_SIGNED}")


def _allow_changes(table: str) -> None:
    on = "" if op.get_bind().dialect.name == "sqlite" else f" ON {table}"
    for verb in ("update", "delete"):
        op.execute(f"DROP TRIGGER {table}_no_{verb}{on}")


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


def _add_cars() -> None:
    op.create_table(
        "car_wish",
        sa.Column("no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account", sa.LargeBinary, nullable=False),
        sa.Column("car", sa.BigInteger, nullable=False),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        sa.Column("departure_slot", sa.BigInteger, nullable=False),
        sa.Column("target_pct", sa.Integer, nullable=False),
        sa.Column("floor_pct", sa.Integer),
        sa.Column("at_once", sa.Boolean, nullable=False),
        sa.Column("asked_us", sa.BigInteger, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.CheckConstraint(
            "from_slot % 900 = 0 AND departure_slot % 900 = 0", name="car_wish_slots"
        ),
        sa.CheckConstraint("departure_slot > from_slot", name="car_wish_leaves_later"),
        sa.CheckConstraint("target_pct BETWEEN 0 AND 100", name="car_wish_target"),
        sa.CheckConstraint("floor_pct BETWEEN 0 AND 100", name="car_wish_floor"),
    )
    op.create_index("car_wish_from", "car_wish", ["from_slot"])
    op.create_index("car_wish_account", "car_wish", ["account"])
    _refuse_changes("car_wish")
    op.create_table(
        "cars_seen",
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def _add_steering() -> None:
    op.create_table(
        "steering_limit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("element", sa.Text, nullable=False),
        sa.Column("p_kw_max", sa.Float, nullable=False),
        sa.Column("from_slot", sa.BigInteger, nullable=False),
        sa.Column("until_slot", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ordered_utc", sa.BigInteger, nullable=False),
        sa.CheckConstraint("p_kw_max >= 0", name="steering_limit_p_kw"),
        sa.CheckConstraint("from_slot < until_slot", name="steering_limit_has_an_end"),
        sa.CheckConstraint(
            "from_slot % 900 = 0 AND until_slot % 900 = 0",
            name="steering_limit_on_the_quarter_hour",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("steering_limit_until_slot", "steering_limit", ["until_slot"])
    op.create_table(
        "steering_cancel",
        sa.Column("id", sa.Integer, sa.ForeignKey("steering_limit.id"), primary_key=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cancelled_utc", sa.BigInteger, nullable=False),
        sa.CheckConstraint("slot % 900 = 0", name="steering_cancel_on_the_quarter_hour"),
    )
    for name in ("steering_limit", "steering_cancel"):
        _refuse_changes(name)


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
