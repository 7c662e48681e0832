"""What requests with effect were answered, so that one that is sent again has no second effect."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from energy.store.office_tables import request_key

KEPT_S = 48 * 3600


@dataclass(frozen=True)
class KeptAnswer:
    """The answer to a request by who sent it, its route and its key; `payload` is a hash."""

    caller: str
    route: str
    key: str
    payload: bytes
    body: bytes
    at_s: int


def find_answer(connection: Connection, caller: str, route: str, key: str) -> KeptAnswer | None:
    """The answer that the request got, None where it is new."""
    column = request_key.c
    same = (column.caller == caller) & (column.route == route) & (column.key == key)
    row = connection.execute(select(request_key).where(same)).first()
    return None if row is None else KeptAnswer(**row._mapping)


def forget_answers(connection: Connection, caller: str) -> None:
    """Delete what a caller's requests were answered: it may say what was asked for."""
    connection.execute(delete(request_key).where(request_key.c.caller == caller))


def keep_answer(connection: Connection, found: KeptAnswer) -> None:
    """Keep an answer, and forget those that are older than `KEPT_S`."""
    old = request_key.c.at_s < found.at_s - KEPT_S
    connection.execute(delete(request_key).where(old))
    connection.execute(insert(request_key).values(**vars(found)))
