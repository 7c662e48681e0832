"""Sessions, nonces and guesses of those who sign in; every right is looked up when it is used."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from energy.store.accounts import TRADE_ROLE
from energy.store.book_tables import account_key
from energy.store.people_tables import person, session, sign_in_guess, sign_in_nonce

IDLE_S = 1800
"""A session that nobody uses ends after this time."""
SEEN_EVERY_S = 60
"""Use is written down no more often than this."""
LASTS_S = 12 * 3600
"""A session ends after this time however much it is used."""
NONCE_S = 300
NONCES_MAX = 10_000


@dataclass(frozen=True)
class Session:
    """An open session: a person's with the present role, a wallet's, or (neither) a demo's.

    `account` is a wallet's, or the household of a person who is a resident; `proven_s` is when the
    person has last shown a one-time code.
    """

    id: bytes
    person: str | None
    role: str | None
    account: bytes | None
    address: bytes | None
    seen_s: int
    ends_s: int
    proven_s: int | None = None


@dataclass(frozen=True)
class NewSession:
    """A session that begins; `id` is the hash of its cookie. A person has shown a code for it."""

    id: bytes
    begun_s: int
    origin: str
    person: str | None = None
    account: bytes | None = None
    address: bytes | None = None


def begin_session(connection: Connection, new: NewSession) -> int:
    """Open a session and forget those that are over; until when it lasts, seconds."""
    ends_s = new.begun_s + LASTS_S
    over = or_(session.c.ends_s <= new.begun_s, session.c.seen_s <= new.begun_s - IDLE_S)
    connection.execute(delete(session).where(over))
    proven_s = None if new.person is None else new.begun_s
    row = {**vars(new), "seen_s": new.begun_s, "ends_s": ends_s, "proven_s": proven_s}
    connection.execute(insert(session).values(row))
    return ends_s


def open_session(connection: Connection, id_: bytes, now_s: int, slot: int) -> Session | None:
    """The session of this id, where it is neither over nor idle and its owner may still sign in.

    A wallet's ends with its key: `slot` is the quarter hour for which the key must be valid.
    """
    columns = session.c
    query = (
        select(session, person.c.role, person.c.disabled_s, person.c.account.label("household"))
        .select_from(session.outerjoin(person, columns.person == person.c.name))
        .where(columns.id == id_, columns.ends_s > now_s, columns.seen_s > now_s - IDLE_S)
    )
    row = connection.execute(query).first()
    if row is None or row.disabled_s is not None:
        return None
    if row.address is not None and account_of_address(connection, row.address, slot) != row.account:
        return None
    account = row.account or row.household
    times = (row.seen_s, row.ends_s, row.proven_s)
    return Session(row.id, row.person, row.role, account, row.address, *times)


def mark_seen(connection: Connection, id_: bytes, now_s: int) -> None:
    """The session is in use."""
    connection.execute(update(session).where(session.c.id == id_).values(seen_s=now_s))


def mark_proven(connection: Connection, id_: bytes, now_s: int) -> None:
    """The person of the session has shown a one-time code again."""
    connection.execute(update(session).where(session.c.id == id_).values(proven_s=now_s))


def end_session(connection: Connection, id_: bytes) -> bool:
    """Close a session at once; whether it was open."""
    return connection.execute(delete(session).where(session.c.id == id_)).rowcount == 1


def end_sessions(connection: Connection, owner: str | bytes) -> int:
    """Close all sessions of a person, by name, or of an account's wallets; how many there were."""
    own = session.c.person == owner if isinstance(owner, str) else session.c.account == owner
    return connection.execute(delete(session).where(own)).rowcount


def account_of_address(connection: Connection, address: bytes, slot: int) -> bytes | None:
    """The account for which a wallet's key may trade at a slot, or None."""
    columns = account_key.c
    holds = (columns.from_slot <= slot) & or_(columns.end_slot.is_(None), columns.end_slot > slot)
    trades = columns.roles.bitwise_and(TRADE_ROLE) == TRADE_ROLE
    query = select(columns.account).where(columns.address == address, holds, trades).limit(1)
    found: bytes | None = connection.scalar(query)
    return found


def issue_nonce(connection: Connection, nonce: str, browser: bytes, now_s: int) -> bool:
    """Keep a nonce for the browser whose cookie hashes to this; False where too many wait."""
    connection.execute(delete(sign_in_nonce).where(sign_in_nonce.c.ends_s <= now_s))
    waiting = select(sign_in_nonce.c.nonce).offset(NONCES_MAX - 1).limit(1)
    if connection.scalar(waiting) is not None:
        return False
    row = {"nonce": nonce, "browser": browser, "ends_s": now_s + NONCE_S}
    connection.execute(insert(sign_in_nonce).values(row))
    return True


def use_nonce(connection: Connection, nonce: str, browser: bytes, now_s: int) -> bool:
    """Take a nonce away; True for the one that did, where it was this browser's and in time."""
    columns = sign_in_nonce.c
    own = (columns.nonce == nonce) & (columns.browser == browser) & (columns.ends_s > now_s)
    return connection.execute(delete(sign_in_nonce).where(own)).rowcount == 1


@dataclass(frozen=True)
class GuessLimit:
    """So many guesses at once, then one more every `refill_s` seconds."""

    most: int
    refill_s: float


def take_guess(connection: Connection, subject: str, limit: GuessLimit, now_s: float) -> float:
    """Take one of the guesses that are left; 0, or the seconds until there is one."""
    columns = sign_in_guess.c
    # Locked, for of two that count at once from the same number one would not be counted.
    query = select(sign_in_guess).where(columns.subject == subject).with_for_update()
    row = connection.execute(query).first()
    left = float(limit.most)
    if row is not None:
        left = min(left, row.left_over + max(now_s - row.at_s, 0.0) / limit.refill_s)
    if left < 1:
        return (1 - left) * limit.refill_s
    if row is None:
        _forget_old_guesses(connection, now_s)
        row_values = {"subject": subject, "left_over": left - 1, "at_s": now_s}
        connection.execute(insert(sign_in_guess).values(row_values))
    else:
        taken = update(sign_in_guess).where(columns.subject == subject)
        connection.execute(taken.values(left_over=left - 1, at_s=now_s))
    return 0.0


def forget_guesses(connection: Connection, subject: str) -> None:
    """Who has signed in starts afresh."""
    connection.execute(delete(sign_in_guess).where(sign_in_guess.c.subject == subject))


def _forget_old_guesses(connection: Connection, now_s: float) -> None:
    """After a day every subject has all its guesses again and needs no row."""
    connection.execute(delete(sign_in_guess).where(sign_in_guess.c.at_s < now_s - 86_400))
