"""Invitations: by one a resident becomes a person who signs in with a password and a code."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from energy.store.accounts import load_keys
from energy.store.errors import StoreError
from energy.store.kept_keys import kept_addresses
from energy.store.people import find_person, require_name
from energy.store.people_tables import invitation, person


class Invitation(NamedTuple):
    """Whoever brings the secret of this hash in time may be `name` of the household `account`."""

    hash: bytes
    name: str
    account: bytes
    made_by: str
    made_s: int
    ends_s: int
    taken_s: int | None = None


def add_invitation(connection: Connection, new: Invitation) -> None:
    """Keep an invitation, in the place of one of the same name that nobody has taken up.

    Raises StoreError for a name that is another's or cannot be one; a resident is invited again to
    the own household, for phones are lost and passwords told.
    """
    require_name(new.name)
    if find_person(connection, new.name) is not None and not is_again(connection, new):
        raise StoreError(f"person {new.name}: exists already, allowed a new name")
    columns = invitation.c
    open_ = columns.taken_s.is_(None)
    other = (columns.name == new.name) & (columns.account != new.account)
    waits = other & open_ & (columns.ends_s > new.made_s)
    if connection.scalar(select(columns.name).where(waits)) is not None:
        raise StoreError(f"person {new.name}: invited already, allowed a new name")
    connection.execute(delete(invitation).where((columns.name == new.name) & open_))
    connection.execute(insert(invitation).values(**new._asdict()))


def list_invitations(connection: Connection) -> list[Invitation]:
    """All invitations that there are, the newest first; one that was made anew stands once."""
    query = select(invitation).order_by(invitation.c.made_s.desc(), invitation.c.name)
    return [Invitation(**row._mapping) for row in connection.execute(query)]


def find_invitation(connection: Connection, hash_32: bytes, now_s: int) -> Invitation | None:
    """The invitation of this hash, where it is neither over nor taken up."""
    columns = invitation.c
    good = (columns.hash == hash_32) & columns.taken_s.is_(None) & (columns.ends_s > now_s)
    row = connection.execute(select(invitation).where(good)).first()
    return None if row is None else Invitation(**row._mapping)


def take_invitation(connection: Connection, hash_32: bytes, now_s: int) -> bool:
    """Take an invitation up; True for the one that did. Others to the household open nothing more,
    whatever becomes of the person.
    """
    columns = invitation.c
    good = (columns.hash == hash_32) & columns.taken_s.is_(None) & (columns.ends_s > now_s)
    if connection.execute(update(invitation).where(good).values(taken_s=now_s)).rowcount != 1:
        return False
    account = connection.scalar(select(columns.account).where(columns.hash == hash_32))
    others = (columns.account == account) & columns.taken_s.is_(None)
    connection.execute(delete(invitation).where(others))
    return True


def is_again(connection: Connection, one: Invitation) -> bool:
    """Whether who is invited is somebody of that household who may sign in there already."""
    found = find_person(connection, one.name)
    return found is not None and found.disabled_s is None and found.account == one.account


def taken_by(connection: Connection, account: bytes, name: str) -> str | None:
    """Who acts for a household beside a person of this name: another who may sign in, a key of its
    own; or None.
    """
    able = (person.c.account == account) & person.c.disabled_s.is_(None) & (person.c.name != name)
    if connection.scalar(select(person.c.name).where(able)) is not None:
        return "a household of which somebody may sign in"
    kept = kept_addresses(connection, account)
    keys = load_keys(connection, account)
    if any(one.end_slot is None and one.address not in kept for one in keys):
        return "a household with a key of its own"
    return None
