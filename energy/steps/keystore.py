"""The operator's keys: derived from the market's name in a demonstration, else from a keystore.

The keystore is one encrypted file beside the store; every role's key follows from the secret in it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from market.entries import keccak256
from market.errors import MarketError
from market.signing import address_of, decrypt_key, derive_key, encrypt_key

KEYSTORE_NAME = "operator-keystore.json"

# Bits of the roles that a key may hold.
TRADE, CONTRACT, METER, MARKET, SETTLE, LOG, REGISTRAR = 1, 2, 4, 8, 16, 32, 64
KEPT = 128
"""Says to everybody who reads the log that the operator holds this key for the account."""

OPERATOR_ROLES = {
    "registrar": REGISTRAR,
    "log": LOG,
    "trading": MARKET,
    "settle": SETTLE,
    "gateway": METER,
}


@dataclass(frozen=True)
class OperatorKeys:
    """Private keys, one per role of the operator; the gateway reads the meters for it."""

    registrar: bytes = field(repr=False)
    log: bytes = field(repr=False)
    trading: bytes = field(repr=False)
    settle: bytes = field(repr=False)
    gateway: bytes = field(repr=False)

    def address(self, name: str) -> bytes:
        """The address, 20 bytes, of the key of this name."""
        return address_of(getattr(self, name))


def operator_keys(
    market_id: str, folder: Path, passphrase: str, *, may_create: bool
) -> OperatorKeys:
    """The keys of a market's operator; without a passphrase those of a demonstration.

    A missing keystore is made only where `may_create`: a store that was begun with other keys must
    not go on with new ones. Raises MarketError in one sentence.
    """
    if not passphrase:
        return _from_secret(derive_key(f"{market_id} operator"))
    path = folder / KEYSTORE_NAME
    if not path.exists():
        if not may_create:
            raise MarketError(f"keystore {path}: found no file, allowed the one of this store")
        _create(path, passphrase)
    return _from_secret(decrypt_key(path.read_text(encoding="utf-8"), passphrase))


def _from_secret(secret: bytes) -> OperatorKeys:
    return OperatorKeys(**{name: derive_key(f"{secret.hex()} {name}") for name in OPERATOR_ROLES})


def _create(path: Path, passphrase: str) -> None:
    # Only here is anything random: the secret of an installation in earnest.
    import secrets

    path.parent.mkdir(parents=True, exist_ok=True)
    secret = keccak256(b"operator secret" + secrets.token_bytes(32))
    scratch = path.with_suffix(".new")
    scratch.touch(mode=0o600)
    scratch.write_text(encrypt_key(secret, passphrase), encoding="utf-8")
    scratch.replace(path)
