"""The tables of the operators' office: market rules from a date, keys of repeated requests, what
webhooks are told, who has seen an alarm, ages of feeds.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from energy.store.schema import METADATA, append_only
from energy.store.types import Json, fixed_bytes

# Market rules that one person has proposed from a slot on; they hold once another has confirmed
# them. `entry` is that of the log which tells of them. Times are those of the district's clock.
rules_proposal = Table(
    "rules_proposal",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("rules", Json, nullable=False),  # all fields, with the version that they would have
    Column("note", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_utc", BigInteger, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_utc", BigInteger),
    Column("withdrawn_by", Text),
    Column("withdrawn_utc", BigInteger),
    Column("entry", fixed_bytes(32)),
    CheckConstraint("from_slot % 900 = 0", name="rules_proposal_on_the_quarter_hour"),
    CheckConstraint("confirmed_by <> proposed_by", name="rules_proposal_two_persons"),
    CheckConstraint("confirmed_by IS NULL OR withdrawn_by IS NULL", name="rules_proposal_one_end"),
)
append_only(rules_proposal, ("no", "from_slot", "rules", "note", "proposed_by", "proposed_utc"))

# What a request with effect was answered, by who sent it, its route and its key.
request_key = Table(
    "request_key",
    METADATA,
    Column("caller", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("payload", fixed_bytes(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at_s", BigInteger, nullable=False),
)

# What is to be posted to a webhook, until it has taken it or the end has come. `target` is the hash
# of its address, for that may hold a secret; `body` is posted as it is, however often. Instants
# that end in `_s` are wall time.
alarm_message = Table(
    "alarm_message",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("target", Text, nullable=False),
    Column("alarm", ForeignKey("alarm.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_s", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_s", BigInteger, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("delivered_s", BigInteger),
    Column("given_up_s", BigInteger),
    UniqueConstraint("target", "alarm", "kind", name="alarm_message_once"),
    CheckConstraint("kind IN ('raised', 'escalated', 'ended')", name="alarm_message_kind"),
    sqlite_autoincrement=True,
)

# Who has seen an alarm first, and what they said of it; time of the district's clock.
alarm_seen = Table(
    "alarm_seen",
    METADATA,
    Column("alarm", ForeignKey("alarm.id"), primary_key=True, autoincrement=False),
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("seen_utc", BigInteger, nullable=False),
)
append_only(alarm_seen)

# When each feed of the loop last gave something, by the district's clock.
feed = Table(
    "feed",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("last_utc", BigInteger, nullable=False),
)

# The settings that the service was started with, as they may be shown: of what is secret only that
# it is set. `at_s` is wall time.
service_start = Table(
    "service_start",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("at_s", BigInteger, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("settings", Json, nullable=False),
)
append_only(service_start)

# That somebody has compared the clock and it was right, where it was far ahead of the newest slot.
clock_check = Table(
    "clock_check",
    METADATA,
    Column("at_s", BigInteger, primary_key=True, autoincrement=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
append_only(clock_check)
