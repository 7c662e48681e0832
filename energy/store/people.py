"""People who sign in with a name, and tokens of services and devices."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from energy.store.errors import StoreError
from energy.store.people_tables import person, service_token
from energy.store.sessions import end_sessions

NAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")
PERSON_ROLES = ("operator", "network_owner", "auditor")
DEVICE = "device"
TOKEN_ROLES = (*PERSON_ROLES, DEVICE)
RESIDENT = "prosumer"


@dataclass(frozen=True)
class Person:
    """Somebody with a name, a stretched password and a seed of one-time codes.

    `account` is the household of a resident, None of all others.
    """

    name: str
    role: str
    password: str
    code_seed: bytes
    code_step: int
    created_s: int
    disabled_s: int | None = None
    account: bytes | None = None


@dataclass(frozen=True)
class ServiceToken:
    """A token by its hash: what it may do, for whom, until when."""

    name: str
    hash: bytes
    role: str
    scopes: Collection[str]
    account: bytes | None
    created_s: int
    ends_s: int
    disabled_s: int | None = None


def add_person(connection: Connection, who: Person) -> None:
    """Add a person; raises StoreError for a name that is taken or cannot be one."""
    require_name(who.name)
    if who.role not in (*PERSON_ROLES, RESIDENT):
        raise StoreError(f"role: found {who.role}, allowed {', '.join(PERSON_ROLES)}")
    if (who.role == RESIDENT) != (who.account is not None):
        raise StoreError(
            f"person {who.name}: role {who.role}, allowed {RESIDENT} of a household; invite them"
        )
    if find_person(connection, who.name) is not None:
        raise StoreError(f"person {who.name}: exists already, allowed a new name")
    connection.execute(insert(person).values(**vars(who)))


def renew_person(connection: Connection, who: Person) -> None:
    """Give a person another password and seed; all sessions end, and no code of the old is good."""
    new = {"password": who.password, "code_seed": who.code_seed, "code_step": who.code_step}
    connection.execute(update(person).where(person.c.name == who.name).values(new))
    end_sessions(connection, who.name)


def change_password(connection: Connection, name: str, password: str) -> None:
    """Give a person another password, stretched; all sessions end, the seed of codes stays."""
    connection.execute(update(person).where(person.c.name == name).values(password=password))
    end_sessions(connection, name)


def find_person(connection: Connection, name: str) -> Person | None:
    """The person of a name, disabled or not; a text that can be nobody's name is not looked for."""
    if not NAME.fullmatch(name):
        return None
    row = connection.execute(select(person).where(person.c.name == name)).first()
    return None if row is None else Person(**row._mapping)


def list_people(connection: Connection) -> list[Person]:
    """All people by name."""
    rows = connection.execute(select(person).order_by(person.c.name))
    return [Person(**row._mapping) for row in rows]


def use_code_step(connection: Connection, who: Person, step: int) -> bool:
    """Take a one-time code's step; False where it, or a later one, was taken before.

    False as well where the person has another password than when it was proven, or is disabled.
    """
    columns = person.c
    still = (columns.name == who.name) & (columns.password == who.password)
    later = still & columns.disabled_s.is_(None) & (columns.code_step < step)
    return connection.execute(update(person).where(later).values(code_step=step)).rowcount == 1


def disable_person(connection: Connection, name: str, now_s: int) -> bool:
    """Let a person sign in no more and end all sessions; False where that was so before."""
    if find_person(connection, name) is None:
        raise StoreError(f"person {name}: not found")
    end_sessions(connection, name)
    able = (person.c.name == name) & person.c.disabled_s.is_(None)
    return connection.execute(update(person).where(able).values(disabled_s=now_s)).rowcount == 1


def add_token(connection: Connection, token: ServiceToken) -> None:
    """Add a token; raises StoreError for a name that is taken or cannot be one."""
    require_name(token.name)
    query = select(service_token.c.name).where(service_token.c.name == token.name)
    if connection.scalar(query) is not None:
        raise StoreError(f"token {token.name}: exists already, allowed a new name")
    row = {**vars(token), "scopes": sorted(token.scopes)}
    connection.execute(insert(service_token).values(row))


def renew_token(connection: Connection, name: str, hash_32: bytes, now_s: int, ends_s: int) -> None:
    """Give a name another token until then, of the same role and scopes; the old one opens nothing.

    One that is over or disabled is good again. Raises StoreError for a name that no token has.
    """
    new = {"hash": hash_32, "created_s": now_s, "ends_s": ends_s, "disabled_s": None}
    here = service_token.c.name == name
    if connection.execute(update(service_token).where(here).values(new)).rowcount != 1:
        raise StoreError(f"token {name}: not found, allowed one that was made")


def token_of(connection: Connection, hash_32: bytes, now_s: int) -> ServiceToken | None:
    """The token with this hash, where it is neither over nor disabled."""
    columns = service_token.c
    live = (columns.hash == hash_32) & (columns.ends_s > now_s) & columns.disabled_s.is_(None)
    row = connection.execute(select(service_token).where(live)).first()
    return None if row is None else ServiceToken(**row._mapping)


def list_tokens(connection: Connection) -> list[ServiceToken]:
    """All tokens by name, those that are over as well."""
    rows = connection.execute(select(service_token).order_by(service_token.c.name))
    return [ServiceToken(**row._mapping) for row in rows]


def disable_token(connection: Connection, name: str, now_s: int) -> bool:
    """Let a token open nothing from now on; False where that was so before."""
    columns = service_token.c
    if connection.scalar(select(columns.name).where(columns.name == name)) is None:
        raise StoreError(f"token {name}: not found")
    able = (columns.name == name) & columns.disabled_s.is_(None)
    return (
        connection.execute(update(service_token).where(able).values(disabled_s=now_s)).rowcount == 1
    )


def require_name(name: str) -> None:
    """Raise StoreError for a text that can be nobody's name."""
    if not NAME.fullmatch(name):
        raise StoreError(
            f"name: found {name[:60]!r}, allowed 2 to 40 of a-z, 0-9, dot, dash and underscore, "
            f"a letter first"
        )
