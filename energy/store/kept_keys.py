"""Keys that are kept for households without a wallet: encrypted here, opened elsewhere."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from energy.store.people_tables import kept_key


class KeptKey(NamedTuple):
    """A kept key; `body` is encrypted under the secret named `seal`, None once it is destroyed."""

    address: bytes
    account: bytes
    made_s: int
    seal: str | None
    body: str | None
    destroyed_s: int | None = None


def add_kept_key(connection: Connection, key: KeptKey) -> None:
    """Write a new key; an account has one that lives at most."""
    connection.execute(insert(kept_key).values(**key._asdict()))


def live_key_of(connection: Connection, account: bytes) -> KeptKey | None:
    """The key with which the company may sign for an account now, or None."""
    alive = (kept_key.c.account == account) & kept_key.c.body.is_not(None)
    row = connection.execute(select(kept_key).where(alive)).first()
    return None if row is None else KeptKey(**row._mapping)


def kept_keys_of(connection: Connection, account: bytes) -> list[KeptKey]:
    """All keys that were ever kept for an account, the oldest first."""
    query = select(kept_key).where(kept_key.c.account == account)
    rows = connection.execute(query.order_by(kept_key.c.made_s, kept_key.c.address))
    return [KeptKey(**row._mapping) for row in rows]


def kept_addresses(connection: Connection, account: bytes) -> frozenset[bytes]:
    """The addresses with which the company has signed for an account, or could have."""
    query = select(kept_key.c.address).where(kept_key.c.account == account)
    return frozenset(connection.scalars(query))


def signed_by(signer: bytes, kept: frozenset[bytes]) -> str:
    """Whose hand a signature is of: `kept_key`, the company's for the account, or `own_key`."""
    return "kept_key" if signer in kept else "own_key"


def live_keys(connection: Connection) -> list[KeptKey]:
    """All keys that live."""
    rows = connection.execute(select(kept_key).where(kept_key.c.body.is_not(None)))
    return [KeptKey(**row._mapping) for row in rows]


def destroy_key(connection: Connection, address: bytes, now_s: int) -> None:
    """Delete what a key can be opened from; its address stays."""
    gone = {"body": None, "seal": None, "destroyed_s": now_s}
    alive = (kept_key.c.address == address) & kept_key.c.body.is_not(None)
    connection.execute(update(kept_key).where(alive).values(**gone))


def seal_anew(connection: Connection, keys: Sequence[KeptKey]) -> None:
    """Put these bodies and seals in the place of the ones before."""
    for key in keys:
        alive = (kept_key.c.address == key.address) & kept_key.c.body.is_not(None)
        connection.execute(update(kept_key).where(alive).values(seal=key.seal, body=key.body))
