"""What proves a person: a stretched password and one-time codes (RFC 6238); and random secrets."""

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from functools import lru_cache
from urllib.parse import quote

from energy.store.errors import StoreError

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 3
"""32 MiB and about a quarter of a second: OWASP's password storage cheat sheet, scrypt row."""
SCRYPT_BYTES_MAX = 64 * 1024 * 1024
PASSWORD_CHARS = (12, 200)
STEP_S = 30
STEPS_OFF = 1
"""A code is taken this many steps before and after its own."""
DIGITS = 6
SEED_BYTES = 20
_STRETCHED = re.compile(r"scrypt\$([0-9]+)\$([0-9]+)\$([0-9]+)\$([0-9a-f]{32})\$([0-9a-f]{64})")


def require_password(password: str) -> None:
    """Raise StoreError for a password of a length that is not allowed."""
    least, most = PASSWORD_CHARS
    if not least <= len(password) <= most:
        raise StoreError(
            f"password: found {len(password)} characters, allowed {least} to {most}; a sentence of "
            f"several words is a good one"
        )


def require_other_password(password: str, present: str) -> None:
    """Raise StoreError for a new password that is the present one."""
    if _plain(password) == _plain(present):
        raise StoreError("password: found the present one, allowed another")


def stretch_password(password: str) -> str:
    """The password stretched by scrypt under a salt of its own, with all that a check needs."""
    salt = secrets.token_bytes(16)
    stretched = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${salt.hex()}${stretched.hex()}"


def is_password(password: str, stretched: str) -> bool:
    """Whether a password is the stretched one; takes as long either way."""
    found = _STRETCHED.fullmatch(stretched)
    if found is None:
        raise StoreError("password: what the store holds of it cannot be read")
    n, r, p = (int(part) for part in found.groups()[:3])
    made = _scrypt(password, bytes.fromhex(found[4]), n, r, p)
    return hmac.compare_digest(made, bytes.fromhex(found[5]))


@lru_cache(maxsize=1)
def nobodys_password() -> str:
    """Checked where there is no such person, so that the answer takes as long."""
    return stretch_password(secrets.token_hex(16))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    text = _plain(password)
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_BYTES_MAX, dklen=32)


def _plain(password: str) -> bytes:
    """The bytes that are stretched: the same however a keyboard has composed the text."""
    return unicodedata.normalize("NFKC", password).encode()


def new_seed() -> bytes:
    """The seed of somebody's one-time codes."""
    return secrets.token_bytes(SEED_BYTES)


def code_at(seed: bytes, step: int) -> str:
    """The one-time code of a step: six digits, HMAC-SHA-1 as RFC 4226 and RFC 6238 have it."""
    made = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    offset = made[-1] & 15
    number = int.from_bytes(made[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of_code(seed: bytes, code: str, now_s: float) -> int | None:
    """The step whose code this is, now or one step off; None for any other."""
    middle = int(now_s // STEP_S)
    found = None
    for step in range(middle - STEPS_OFF, middle + STEPS_OFF + 1):
        if hmac.compare_digest(code_at(seed, max(step, 0)).encode(), code.encode()):
            found = step
    return found


def otpauth_uri(name: str, seed: bytes, issuer: str) -> str:
    """What a phone's code program reads: the seed once, for this person."""
    secret = base64.b32encode(seed).decode().rstrip("=")
    label = f"{quote(issuer)}:{quote(name)}"
    return (
        f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer)}"
        f"&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
    )


def new_secret() -> str:
    """A cookie or token that nobody guesses: 256 bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """What the store keeps of a cookie or token, 32 bytes; such a secret needs no stretching."""
    return hashlib.sha256(b"microgrid secret\0" + secret.encode()).digest()
