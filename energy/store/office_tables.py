"""The tables of the operators' office: market rules from a date, and keys of repeated requests."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Table, Text

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
