"""Signing for households without a wallet: a key is made, used, renewed, handed over, destroyed.

The key's registration says to everybody who reads the log that the operator holds it. What is
decided here runs in the caller's transaction; a refusal ends it, so that nothing is half done.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from energy.config import Settings
from energy.steps.key_safe import SECRET_NAME, KeySafe
from energy.steps.keystore import CONTRACT, KEPT, TRADE
from energy.store.accounts import load_keys
from energy.store.admission import Admission
from energy.store.kept_keys import KeptKey, add_kept_key, destroy_key, live_key_of
from energy.store.mailbox import admit_message, prepare_message
from energy.store.slots import last_claimed
from market.entries import Message
from market.messages import envelope_text, sign_message
from market.orders import OrderRefusal
from market.signing import address_of, digest, sign

LEAVING = 3
"""The reason of a KeyRevoke for a key that nobody has lost."""
OWN_ROLES = TRADE | CONTRACT
"""What a household's own key may do."""
NONCE_BITS = 63


@dataclass(frozen=True)
class KeyKeeper:
    """The safe, and the registrar's key that says in the log whose a new key is."""

    safe: KeySafe
    registrar: bytes = field(repr=False)


@dataclass(frozen=True)
class Now:
    """District time, microseconds, by which messages come; wall time, seconds, of what is kept."""

    received_us: int
    wall_s: int


def key_keeper(settings: Settings, registrar: bytes) -> KeyKeeper:
    """The keeper of an installation; its secret stands where the settings say."""
    return KeyKeeper(key_safe(settings), registrar)


def key_safe(settings: Settings) -> KeySafe:
    """The safe of an installation."""
    path = settings.kept_keys_secret_file or settings.store_folder / SECRET_NAME
    return KeySafe(Path(path))


class RefusedError(Exception):
    """The market refuses a change of keys; `refusal` says why."""

    def __init__(self, refusal: OrderRefusal) -> None:
        self.refusal = refusal
        super().__init__(f"{refusal.code}: {refusal.field}")


def keep_key(
    connection: Connection, keeper: KeyKeeper, admission: Admission, account: bytes, now: Now
) -> KeptKey:
    """The key that is kept for an account: the one that lives, else a new one in the log.

    One that the log has revoked is destroyed. A new one may trade from the first open slot on.
    Raises RefusedError, SafeError.
    """
    known = live_key_of(connection, account)
    if known is not None:
        if _holds_in_log(connection, known):
            return known
        destroy_key(connection, known.address, now.wall_s)
    row, key = keeper.safe.lock_up(connection, account, now.wall_s)
    message = {
        "account": account,
        "key": row.address,
        "roles": TRADE | KEPT,
        "from_slot": _next_slot(connection, admission, now),
        "nonce": new_nonce(),
    }
    text = sign_message(admission.domain, "KeyRegister", message, key, keeper.registrar)
    _admit(connection, admission, text, now)
    add_kept_key(connection, row)
    return row


def _holds_in_log(connection: Connection, row: KeptKey) -> bool:
    keys = load_keys(connection, row.account)
    return any(one.address == row.address and one.end_slot is None for one in keys)


def renew_key(
    connection: Connection, keeper: KeyKeeper, admission: Admission, old: KeptKey, now: Now
) -> KeptKey:
    """A new kept key in the place of the old one, which is destroyed; from the first open slot on.

    Raises RefusedError, SafeError.
    """
    old_key = keeper.safe.open(old)
    row, key = keeper.safe.lock_up(connection, old.account, now.wall_s)
    message = {
        "account": old.account,
        "old_key": old.address,
        "new_key": row.address,
        "from_slot": _next_slot(connection, admission, now),
        "nonce": new_nonce(),
    }
    text = sign_message(admission.domain, "KeyRotate", message, old_key, key)
    _admit(connection, admission, text, now)
    destroy_key(connection, old.address, now.wall_s)
    add_kept_key(connection, row)
    return row


@dataclass(frozen=True)
class OwnKey:
    """A KeyRegister of a household's own wallet, with the wallet's signature over it."""

    message: Message
    signature: bytes


def hand_over(
    connection: Connection,
    keeper: KeyKeeper,
    admission: Admission,
    old: KeptKey,
    own: OwnKey,
    now: Now,
) -> int:
    """Let a wallet take the place of the kept key, which is destroyed; from which slot on.

    Both changes are in the log of the same tick. Raises RefusedError, SafeError.
    """
    message, old_key = own.message, keeper.safe.open(old)
    by_registrar = sign(keeper.registrar, digest(admission.domain, "KeyRegister", message))
    pairs = [(message["key"], own.signature), (address_of(keeper.registrar), by_registrar)]
    _admit(connection, admission, envelope_text("KeyRegister", message, pairs), now)
    end = {
        "account": old.account,
        "key": old.address,
        "from_slot": message["from_slot"],
        "reason": LEAVING,
        "nonce": new_nonce(),
    }
    _admit(connection, admission, sign_message(admission.domain, "KeyRevoke", end, old_key), now)
    destroy_key(connection, old.address, now.wall_s)
    slot: int = message["from_slot"]
    return slot


def _next_slot(connection: Connection, admission: Admission, now: Now) -> int:
    return admission.first_open(now.received_us, last_claimed(connection))


def new_nonce() -> int:
    """A nonce that no account has used: by chance, so that nobody need know the last one."""
    return secrets.randbits(NONCE_BITS)


def _admit(connection: Connection, admission: Admission, text: bytes, now: Now) -> None:
    answer = admit_message(connection, admission, prepare_message(admission, text, now.received_us))
    if answer.refusal is not None:
        raise RefusedError(answer.refusal)
