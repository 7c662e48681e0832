"""Whose books they are: accounts, the keys that act for them, what they sent beside orders."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select

from energy.store.book_tables import account, account_key, account_message

TRADE_ROLE = 1


class Account(NamedTuple):
    """An account of the books: number in the rows, 32 bytes, secret of its salts from a month on.

    `month` is the number of that month, None where the secret holds for ever.
    """

    no: int
    account: bytes
    secret: bytes
    month: int | None


@dataclass(frozen=True)
class MessageRow:
    """A message of an account beside its orders, with the receipt that it got."""

    digest: bytes
    no: int
    type: str
    account: bytes
    nonce: int
    message: dict[str, Any]
    signers: bytes
    signatures: bytes
    salt: bytes
    received_utc: int
    sealed_by: int
    receipt_signature: bytes


@dataclass(frozen=True)
class KeyRow:
    """A key of an account with its roles, valid in slots from `from_slot` on, before `end_slot`."""

    account: bytes
    address: bytes
    from_slot: int
    end_slot: int | None
    roles: int
    entry: bytes


class TradeKey(NamedTuple):
    """A key that may trade for an account in slots from `from_slot` on, before `end_slot`."""

    address: bytes
    from_slot: int
    end_slot: int | None

    def holds_at(self, slot: int) -> bool:
        """Whether the key is valid at a slot."""
        return self.from_slot <= slot and (self.end_slot is None or slot < self.end_slot)


def save_accounts(connection: Connection, rows: Sequence[Account]) -> None:
    """Add accounts to the books."""
    if rows:
        connection.execute(insert(account), [row._asdict() for row in rows])


def load_accounts(connection: Connection) -> list[Account]:
    """All accounts in order of their numbers, which are 0, 1, 2 and so on."""
    columns = [account.c[name] for name in Account._fields]
    return [Account(*row) for row in connection.execute(select(*columns).order_by(account.c.no))]


def save_keys(connection: Connection, rows: Sequence[KeyRow]) -> None:
    """Add keys as the log has registered them."""
    if rows:
        connection.execute(insert(account_key), [dict(vars(row)) for row in rows])


def load_keys(connection: Connection, of: bytes) -> list[KeyRow]:
    """The keys of an account, oldest first."""
    query = select(account_key).where(account_key.c.account == of)
    found = connection.execute(query.order_by(account_key.c.from_slot, account_key.c.address))
    return [KeyRow(**row._mapping) for row in found]


def trade_keys(connection: Connection, accounts: Collection[bytes]) -> dict[bytes, list[TradeKey]]:
    """The keys that may trade for these accounts; an account without one is left out."""
    found: dict[bytes, list[TradeKey]] = {}
    for account_, *key in connection.execute(_TRADE_KEYS, {"accounts": list(accounts)}):
        found.setdefault(account_, []).append(TradeKey(*key))
    return found


def end_keys(connection: Connection, of: bytes, address: bytes, slot: int) -> list[KeyRow]:
    """Let the key of an account be valid no longer from a slot on; the keys that ended."""
    columns = account_key.c
    live = (columns.account == of) & (columns.address == address) & columns.end_slot.is_(None)
    found = [KeyRow(**row._mapping) for row in connection.execute(select(account_key).where(live))]
    connection.execute(account_key.update().where(live).values(end_slot=slot))
    return found


def save_message(connection: Connection, row: MessageRow) -> None:
    """Write a message of an account for ever."""
    connection.execute(insert(account_message).values(**vars(row)))


def next_message(connection: Connection) -> int:
    """The number of the next message."""
    last: int | None = connection.scalar(select(func.max(account_message.c.no)))
    return 0 if last is None else last + 1


def find_message(connection: Connection, digest: bytes) -> MessageRow | None:
    """The message with this id, or None."""
    row = connection.execute(
        select(account_message).where(account_message.c.digest == digest)
    ).first()
    return None if row is None else MessageRow(**row._mapping)


def messages_to_seal(connection: Connection, *, after: int, tick: int) -> list[MessageRow]:
    """Messages whose receipts promise a tick above `after` up to `tick`, as they came."""
    columns = account_message.c
    promised = (columns.sealed_by > after) & (columns.sealed_by <= tick)
    query = select(account_message).where(promised)
    return [MessageRow(**row._mapping) for row in connection.execute(query.order_by(columns.no))]


def messages_of(connection: Connection, of: bytes) -> list[MessageRow]:
    """The messages of an account, oldest first."""
    columns = account_message.c
    query = select(account_message).where(columns.account == of)
    rows = connection.execute(query.order_by(columns.no))
    return [MessageRow(**row._mapping) for row in rows]


def used_nonces(
    connection: Connection, accounts: Collection[bytes], nonces: Collection[int]
) -> set[tuple[bytes, int]]:
    """Of these accounts and nonces, the pairs that messages beside orders have used."""
    asked = {"accounts": list(accounts), "nonces": list(nonces)}
    return {(one, nonce) for one, nonce in connection.execute(_USED_NONCES, asked)}


# Asked for every batch of orders: a statement that stands is compiled once.
_TRADE_KEYS = select(
    account_key.c.account, account_key.c.address, account_key.c.from_slot, account_key.c.end_slot
).where(
    account_key.c.account.in_(bindparam("accounts", expanding=True)),
    account_key.c.roles.bitwise_and(TRADE_ROLE) == TRADE_ROLE,
)
_USED_NONCES = select(account_message.c.account, account_message.c.nonce).where(
    account_message.c.account.in_(bindparam("accounts", expanding=True)),
    account_message.c.nonce.in_(bindparam("nonces", expanding=True)),
)
