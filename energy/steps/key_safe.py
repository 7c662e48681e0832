"""The safe in which keys of households lie: encrypted under a secret that is not in the store.

The secret is a file of its own, for its owner alone. Who has the store or a backup of it without
this file has nothing; who has the file without the store has nothing either. Each key is encrypted
under a password of its own, made from the secret, the account and the address, so that no row can
stand in for another.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from energy.store.kept_keys import KeptKey, live_keys, seal_anew
from market.entries import keccak256
from market.errors import MarketError
from market.signing import CURVE_ORDER, address_of, decrypt_key, encrypt_key

SECRET_NAME = "kept-keys.secret"
SECRET_BYTES = 32
# The password is 256 random bits: stretching it would add nothing.
ITERATIONS = 16
OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SECRET = re.compile(r"[0-9a-f]{64}")


class SafeError(Exception):
    """The safe cannot be opened; one sentence says why."""


@dataclass(frozen=True)
class KeySafe:
    """The safe whose secret stands in the file `path`; read anew each time, never remembered."""

    path: Path

    def lock_up(self, connection: Connection, account: bytes, now_s: int) -> tuple[KeptKey, bytes]:
        """A new key of an account, sealed, and the key itself.

        The first key of a store makes the secret; afterwards it must be there.
        """
        secret = self._secret(connection)
        key = _new_key()
        row = KeptKey(address_of(key), account, now_s, _name(secret), None)
        return replace_body(row, secret, key), key

    def open(self, row: KeptKey) -> bytes:
        """The private key, 32 bytes, of a row; raises SafeError."""
        if row.body is None:
            raise SafeError(
                f"kept key 0x{row.address.hex()}: found it destroyed, allowed a live one"
            )
        secret = self._secret_named(row)
        try:
            key = decrypt_key(row.body, _password(secret, row))
        except MarketError as error:
            raise SafeError(f"kept key 0x{row.address.hex()}: {error}") from error
        if address_of(key) != row.address:
            raise SafeError(f"kept key 0x{row.address.hex()}: found the key of another address")
        return key

    def change_secret(self, connection: Connection) -> int:
        """Seal all keys under a new secret, in one transaction with `connection`; how many.

        The new secret waits beside the old one until `finish_change`; whichever of the two the
        rows name is used, so that a crash in between loses nothing.
        """
        rows = live_keys(connection)
        keys = [self.open(row) for row in rows]
        if rows and self._next.exists() and _name(_read(self._next)) == rows[0].seal:
            self.finish_change()  # an earlier change was cut off right here
        # With no key to seal too: a backup may have some that were sealed under the old secret.
        secret = secrets.token_bytes(SECRET_BYTES)
        _write(self._next, secret)
        anew = [row._replace(seal=_name(secret)) for row in rows]
        sealed = [replace_body(row, secret, key) for row, key in zip(anew, keys, strict=True)]
        seal_anew(connection, sealed)
        return len(rows)

    def finish_change(self) -> None:
        """The new secret is the only one; what was sealed under the old one opens no more."""
        self._next.replace(self.path)

    @property
    def _next(self) -> Path:
        return self.path.with_name(self.path.name + ".next")

    def _secret(self, connection: Connection) -> bytes:
        """The secret under which new keys are sealed."""
        rows = live_keys(connection)
        if rows:
            return self._secret_named(rows[0])
        if not self.path.exists():
            _write_first(self.path, secrets.token_bytes(SECRET_BYTES))
        return _read(self.path)

    def _secret_named(self, row: KeptKey) -> bytes:
        """The secret that a row names, here or about to be here."""
        found = [_read(path) for path in (self.path, self._next) if path.exists()]
        for secret in found:
            if hmac.compare_digest(_name(secret), row.seal or ""):
                return secret
        what = "no file" if not found else f"secret {', '.join(map(_name, found))}"
        raise SafeError(f"kept keys {self.path}: found {what}, allowed the secret {row.seal}")


def replace_body(row: KeptKey, secret: bytes, key: bytes) -> KeptKey:
    """The row with its key encrypted under the secret."""
    return row._replace(body=encrypt_key(key, _password(secret, row), iterations=ITERATIONS))


def _password(secret: bytes, row: KeptKey) -> str:
    return hmac.digest(secret, b"kept key\0" + row.account + row.address, "sha256").hex()


def _name(secret: bytes) -> str:
    """What tells one secret from another and says nothing else of it."""
    return hashlib.sha256(b"microgrid seal\0" + secret).hexdigest()[:16]


def _new_key() -> bytes:
    key = int.from_bytes(keccak256(b"kept key\0" + secrets.token_bytes(32)), "big")
    return (key % (CURVE_ORDER - 1) + 1).to_bytes(32, "big")


def _read(path: Path) -> bytes:
    try:
        with path.open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            text = file.read(100).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SafeError(f"kept keys {path}: cannot be read ({error})") from error
    if status.st_mode & OTHERS or status.st_uid != os.geteuid():
        found = f"mode {stat.S_IMODE(status.st_mode):03o} of user {status.st_uid}"
        allowed = f"mode 600 of user {os.geteuid()}, who runs this"
        raise SafeError(f"kept keys {path}: found {found}, allowed {allowed}")
    if not _SECRET.fullmatch(text):
        raise SafeError(f"kept keys {path}: found no secret, allowed 64 hex digits")
    return bytes.fromhex(text)


def _write(path: Path, secret: bytes) -> None:
    """A file in the place of the one before, durable before a key is sealed under it."""
    _fresh(path, secret).replace(path)
    _sync(path.parent)


def _write_first(path: Path, secret: bytes) -> None:
    """The same where there is no file yet; of several that come at once the first stays."""
    fresh = _fresh(path, secret)
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
    _sync(path.parent)


def _fresh(path: Path, secret: bytes) -> Path:
    """A whole file beside `path`, for its owner alone, under a name that nobody else writes to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return fresh


def _sync(folder: Path) -> None:
    """Let the names in a folder outlast a crash."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
