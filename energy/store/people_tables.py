"""The tables of sign-in: people, sessions, tokens of services, nonces, guesses, the audit log.

No secret that opens a door stands here in clear but the seed of one-time codes, which both sides
need: passwords are stretched, cookies and tokens are hashed. Times are whole seconds of wall time,
not of the district's clock.
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
    CheckConstraint("role IN ('operator', 'network_owner', 'auditor')", name="person_role"),
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
