"""The tables of demand response: events, answers, baselines, what was verified.

Every row is written once. Where an event stands follows from its rows and the clock; the signed
messages behind events, answers and cancellations are rows of `account_message`.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from energy.store.schema import METADATA, append_only
from energy.store.types import fixed_bytes

dr_event = Table(
    "dr_event",
    METADATA,
    Column("id", fixed_bytes(32), primary_key=True),  # digest of the signed DrEvent
    Column("programme", Text, nullable=False),
    Column("program", fixed_bytes(32), nullable=False),  # the programme's account
    Column("first_slot", BigInteger, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("baseline", Integer, nullable=False),
    Column("reward_mkrw_per_kwh", BigInteger, nullable=False),
    Column("penalty_mkrw_per_kwh", BigInteger, nullable=False),
    Column("answer_by", BigInteger, nullable=False),
    # Terms of the programme as they stood at the call.
    Column("least_wh_per_hour", BigInteger, nullable=False),
    Column("pay_cap_ppm", BigInteger, nullable=False),
    Column("controllable_ppm", BigInteger, nullable=False),
    Column("called_utc", BigInteger, nullable=False),
    CheckConstraint("first_slot % 3600 = 0", name="dr_event_on_the_hour"),
    CheckConstraint("slots >= 1", name="dr_event_slots"),
    CheckConstraint("answer_by <= first_slot", name="dr_event_answer_by"),
    Index("dr_event_first_slot", "first_slot"),
)

dr_cancel = Table(
    "dr_cancel",
    METADATA,
    Column("event", ForeignKey("dr_event.id"), primary_key=True),
    Column("digest", fixed_bytes(32), nullable=False),  # of the signed Cancel
    Column("cancelled_utc", BigInteger, nullable=False),
)

# 0 Wh declines.
dr_answer = Table(
    "dr_answer",
    METADATA,
    Column("event", ForeignKey("dr_event.id"), primary_key=True),
    Column("account", fixed_bytes(32), primary_key=True),
    Column("digest", fixed_bytes(32), nullable=False, unique=True),  # of the signed DrCommit
    Column("e_wh_per_slot", BigInteger, nullable=False),
    Column("answered_utc", BigInteger, nullable=False),
    CheckConstraint("e_wh_per_slot >= 0", name="dr_answer_e_wh"),
)

# The baselines of all accounts that may answer, as one batch of columns.
dr_baseline = Table(
    "dr_baseline",
    METADATA,
    Column("event", ForeignKey("dr_event.id"), primary_key=True),
    Column("made_utc", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# What was reduced and what follows in money, hour by hour and account by account.
dr_result = Table(
    "dr_result",
    METADATA,
    Column("event", ForeignKey("dr_event.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("tick", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

for _table in (dr_event, dr_cancel, dr_answer, dr_baseline, dr_result):
    append_only(_table)
