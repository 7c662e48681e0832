"""Facts of the installation that were settled at its first start and hold ever after."""

from sqlalchemy import Connection, select

from energy.store.errors import StoreError
from energy.store.schema import meta


def find_fact(connection: Connection, key: str) -> str | None:
    """The fact of this name, or None before it is settled."""
    return connection.scalar(select(meta.c.value).where(meta.c.key == key))


def settle_fact(connection: Connection, key: str, value: str) -> str:
    """The fact of this name: the stored one, or `value` where none was stored."""
    found = find_fact(connection, key)
    if found is not None:
        return found
    connection.execute(meta.insert().values(key=key, value=value))
    return value


def require_fact(connection: Connection, key: str, value: str) -> None:
    """Settle the fact; raises StoreError where the store was begun with another value."""
    settle_fact(connection, key, value)
    require_no_other_fact(connection, key, value)


def require_no_other_fact(connection: Connection, key: str, value: str) -> None:
    """Raise StoreError where the store was begun with another value; nothing is written."""
    found = find_fact(connection, key)
    if found not in (None, value):
        raise StoreError(
            f"store: begun with {key} {found}, found {key} {value} in the settings; choose another "
            f"database with --database-url sqlite:///FILE"
        )
