"""The tables of sign-in: people, invitations, sessions, tokens, nonces, guesses, the audit log.

No secret that opens a door stands here in clear but the seed of one-time codes, which both sides
need: passwords are stretched, cookies, tokens and invitations are hashed, keys that are kept for
households are encrypted. Times are whole seconds of wall time, not of the district's clock.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from energy.store.schema import METADATA, append_only
from energy.store.types import Json, fixed_bytes

person = Table(
    "person",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),  # stretched, with its parameters and salt
    Column("code_seed", LargeBinary, nullable=False),
    # The step of the last one-time code that was taken: none is taken twice.
    Column("code_step", BigInteger, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("disabled_s", BigInteger),
    Column("account", fixed_bytes(32)),  # the household that a resident is of
    CheckConstraint(
        "role IN ('operator', 'network_owner', 'auditor', 'prosumer')", name="person_role"
    ),
    CheckConstraint("(role = 'prosumer') = (account IS NOT NULL)", name="person_household"),
    Index("person_account", "account"),
)

# A resident may become a person of this name, once; `hash` is that of the secret in the letter.
invitation = Table(
    "invitation",
    METADATA,
    Column("hash", fixed_bytes(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("account", fixed_bytes(32), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_s", BigInteger, nullable=False),
    Column("ends_s", BigInteger, nullable=False),
    Column("taken_s", BigInteger),
    Index("invitation_account", "account"),
)

# A key with which the company signs for a household that has no wallet: encrypted in `body` under
# the installation's secret whose name is `seal`. What is destroyed leaves its address alone, so
# that what it has signed is known for ever.
kept_key = Table(
    "kept_key",
    METADATA,
    Column("address", fixed_bytes(20), primary_key=True),
    Column("account", fixed_bytes(32), nullable=False),
    Column("made_s", BigInteger, nullable=False),
    Column("seal", Text),
    Column("body", Text),
    Column("destroyed_s", BigInteger),
    CheckConstraint(
        "(body IS NULL) = (destroyed_s IS NOT NULL) AND (body IS NULL) = (seal IS NULL)",
        name="kept_key_destroyed",
    ),
    Index("kept_key_account", "account"),
    Index(
        "kept_key_one",
        "account",
        unique=True,
        sqlite_where=text("body IS NOT NULL"),
        postgresql_where=text("body IS NOT NULL"),
    ),
)

# `id` is the hash of the cookie. A session is a person's, a wallet's or a demonstration's.
session = Table(
    "session",
    METADATA,
    Column("id", fixed_bytes(32), primary_key=True),
    Column("person", ForeignKey("person.name")),
    Column("account", fixed_bytes(32)),
    Column("address", fixed_bytes(20)),
    Column("begun_s", BigInteger, nullable=False),
    Column("seen_s", BigInteger, nullable=False),
    Column("ends_s", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("proven_s", BigInteger),  # when the person has last shown a one-time code
    CheckConstraint("(account IS NULL) = (address IS NULL)", name="session_wallet"),
    CheckConstraint("person IS NULL OR account IS NULL", name="session_one_owner"),
    Index("session_person", "person"),
)

service_token = Table(
    "service_token",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("hash", fixed_bytes(32), nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("account", fixed_bytes(32)),  # whose device it is
    Column("created_s", BigInteger, nullable=False),
    Column("ends_s", BigInteger, nullable=False),
    Column("disabled_s", BigInteger),
    CheckConstraint(
        "role IN ('operator', 'network_owner', 'auditor', 'device')", name="service_token_role"
    ),
    CheckConstraint("(role = 'device') = (account IS NOT NULL)", name="service_token_device"),
)

# A nonce of Sign-In with Ethereum, for the browser that asked for it.
sign_in_nonce = Table(
    "sign_in_nonce",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("browser", fixed_bytes(32), nullable=False),
    Column("ends_s", BigInteger, nullable=False),
)

# Guesses that are left to an account or an address, as of an instant.
sign_in_guess = Table(
    "sign_in_guess",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("left_over", Float, nullable=False),
    Column("at_s", Float, nullable=False),
)

# Who has read or done what of whom: each row's hash covers the row and the hash before it.
audit_row = Table(
    "audit",
    METADATA,
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("whose", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("hash", fixed_bytes(32), nullable=False),
    Index("audit_whose", "whose"),
)
append_only(audit_row)
