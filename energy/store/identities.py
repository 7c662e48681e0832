"""Who the participants are: the only place for names, addresses, contacts and meter numbers."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from energy.store.erasure_tables import identity
from energy.store.errors import StoreError

LENGTH_MAX = {"name": 200, "address": 400, "contact": 200, "meter_number": 40}


class Identity(NamedTuple):
    """A participant as the utility knows it; what is not known is empty."""

    name: str = ""
    address: str = ""
    contact: str = ""
    meter_number: str = ""


def set_identity(connection: Connection, account: bytes, who: Identity) -> None:
    """Keep who an account is, instead of what was kept before; raises StoreError for odd text."""
    for field, text in who._asdict().items():
        if len(text) > LENGTH_MAX[field] or not text.isprintable():
            raise StoreError(
                f"identity: {field} of {len(text)} characters, allowed one line of at most "
                f"{LENGTH_MAX[field]}"
            )
    erase_identity(connection, account)
    connection.execute(insert(identity).values(account=account, **who._asdict()))


def find_identity(connection: Connection, account: bytes) -> Identity | None:
    """Who an account is, or None where nothing is kept."""
    columns = [identity.c[name] for name in Identity._fields]
    row = connection.execute(select(*columns).where(identity.c.account == account)).first()
    return None if row is None else Identity(*row)


def erase_identity(connection: Connection, account: bytes) -> bool:
    """Forget who an account is; whether there was anything."""
    gone = connection.execute(delete(identity).where(identity.c.account == account))
    return bool(gone.rowcount)
