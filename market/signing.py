"""Signatures over typed entries: digest, sign, recover, keys. The one file that sees eth_account.

Digests are EIP-712 under the domain of one market. A signature is 65 bytes r, s, v in canonical
form (low s, v of 27 or 28); every other form of the same signature is refused before the curve is
touched, since a recovery routine would accept several and name the same signer.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

# The key library takes its slow curve silently when it is not told otherwise before its import.
BACKEND_CLASS = "eth_keys.backends.CoinCurveECCBackend"
os.environ["ECC_BACKEND_CLASS"] = BACKEND_CLASS

from coincurve import PrivateKey, PublicKey  # noqa: E402

from market.entries import Message, keccak256, keccak_many, struct_hash  # noqa: E402
from market.errors import MarketError  # noqa: E402

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
S_MAX = CURVE_ORDER // 2
DOMAIN_NAME = "Microgrid Market"
DOMAIN_VERSION = "1"
_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)"


class SignatureError(MarketError):
    """A signature is not canonical, or no key can have made it."""


@dataclass(frozen=True)
class Domain:
    """The market that a signature is for: a signature of another market is another digest."""

    market_id: str
    chain_id: int = 1

    @cached_property
    def salt(self) -> bytes:
        """Keccak-256 of the market id."""
        return keccak256(self.market_id.encode())

    @cached_property
    def separator(self) -> bytes:
        """`domainSeparator`, 32 bytes."""
        hashes = map(keccak256, (_DOMAIN_TYPE, DOMAIN_NAME.encode(), DOMAIN_VERSION.encode()))
        return keccak256(b"".join(hashes) + self.chain_id.to_bytes(32, "big") + self.salt)

    def as_json(self) -> dict[str, str]:
        """The fields as they stand in wallets, exports and proof bundles."""
        return {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": str(self.chain_id),
            "salt": "0x" + self.salt.hex(),
        }


def digest(domain: Domain, type_name: str, message: Message) -> bytes:
    """The EIP-712 digest of a message, 32 bytes: the id of the entry.

    Raises MarketError for an unknown type, wrong fields, or values that do not fit.
    """
    return typed_digest(domain, struct_hash(type_name, message))


def typed_digest(domain: Domain, struct_hash_32: bytes) -> bytes:
    """The EIP-712 digest of an already hashed struct."""
    return keccak256(b"\x19\x01" + domain.separator + struct_hash_32)


def typed_digests(domain: Domain, packed: Iterable[bytes]) -> list[bytes]:
    """The EIP-712 digests of many structs, given as their type hash and words in one piece."""
    prefix = b"\x19\x01" + domain.separator
    return keccak_many([prefix + hashed for hashed in keccak_many(packed)])


def personal_digest(text: bytes) -> bytes:
    """What a wallet's `personal_sign` signs of a text (ERC-191, version E), 32 bytes."""
    return keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)


def checksum_address(address: bytes) -> str:
    """An address of 20 bytes as text with the checksum of its letters' case (ERC-55)."""
    digits = address.hex()
    marks = keccak256(digits.encode()).hex()
    upper = (
        one.upper() if int(mark, 16) >= 8 else one for one, mark in zip(digits, marks, strict=False)
    )
    return "0x" + "".join(upper)


def sign(private_key: bytes, digest_32: bytes) -> bytes:
    """The canonical signature, 65 bytes; the same key and digest give the same bytes (RFC 6979)."""
    raw = _private_key(private_key).sign_recoverable(digest_32, hasher=None)
    return bytes(raw[:64]) + bytes([raw[64] + 27])


@lru_cache(maxsize=256)
def _private_key(private_key: bytes) -> PrivateKey:
    # Building one multiplies a point on the curve, which costs as much as the signature itself.
    return PrivateKey(private_key)


def require_canonical(signature: bytes) -> None:
    """Raise SignatureError unless the signature has the one allowed form."""
    if len(signature) != 65:
        raise SignatureError(f"signature: {len(signature)} bytes, allowed 65")
    if signature[64] not in (27, 28):
        raise SignatureError(f"signature: v is {signature[64]}, allowed 27 or 28")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not 0 < r < CURVE_ORDER:
        raise SignatureError(f"signature: r is {r:#x}, allowed 1 to the curve order less 1")
    if not 0 < s <= S_MAX:
        raise SignatureError(f"signature: s is {s:#x}, allowed 1 to half the curve order")


def recover(digest_32: bytes, signature: bytes) -> bytes:
    """The address, 20 bytes, whose key made the signature over the digest.

    Raises SignatureError if the form is not canonical or no key fits.
    """
    require_canonical(signature)
    raw = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(raw, digest_32, hasher=None)
    except Exception as error:  # coincurve raises bare Exception
        raise SignatureError(f"signature: no key fits: {error}") from error
    return keccak256(key.format(compressed=False)[1:])[12:]


def address_of(private_key: bytes) -> bytes:
    """The address, 20 bytes, of a private key."""
    return keccak256(_private_key(private_key).public_key.format(compressed=False)[1:])[12:]


def derive_key(seed_text: str) -> bytes:
    """A private key, 32 bytes, that follows from the text and is as secret as the text is."""
    key = keccak256(b"microgrid demo key\0" + seed_text.encode())
    return (int.from_bytes(key, "big") % (CURVE_ORDER - 1) + 1).to_bytes(32, "big")


def encrypt_key(private_key: bytes, password: str, *, iterations: int | None = None) -> str:
    """An encrypted keystore file (version 3) as JSON text; differs on every call by its salt."""
    from eth_account import Account

    keystore = Account.encrypt(private_key, password, kdf="scrypt", iterations=iterations)
    return json.dumps(keystore, sort_keys=True)


def decrypt_key(keystore_text: str, password: str) -> bytes:
    """The private key, 32 bytes, of an encrypted keystore file.

    Raises MarketError if the text is no keystore or the password is wrong.
    """
    from eth_account import Account

    try:
        return bytes(Account.decrypt(keystore_text, password))
    except (ValueError, KeyError, TypeError) as error:
        raise MarketError(f"keystore: cannot be opened: {error}") from error


def require_native_backend() -> None:
    """Raise MarketError unless signatures are fast, fixed and strict, as start-up demands.

    Three facts: the key library uses coincurve; a fixed key signs a fixed digest to fixed bytes,
    the same here and there; the twin of a signature with high s is refused.
    """
    from eth_keys.main import lazy_key_api

    active = type(lazy_key_api.backend).__name__
    if active != BACKEND_CLASS.rsplit(".", 1)[1]:
        raise MarketError(f"signing backend: {active} is active, allowed {BACKEND_CLASS}")
    key, fixed = derive_key("start-up"), hashlib.sha256(b"start-up").digest()
    made = sign(key, fixed)
    there = lazy_key_api.PrivateKey(key).sign_msg_hash(fixed).to_bytes()
    if made.hex() != _FIXED_SIGNATURE or made[:64] != there[:64] or made[64] != there[64] + 27:
        raise MarketError(f"signing backend: fixed digest signed to {made.hex()}")
    try:
        recover(fixed, high_s_twin(made))
    except SignatureError:
        return
    raise MarketError("signing backend: the twin of a signature with high s was accepted")


_FIXED_SIGNATURE = (
    "7aebf95cddfce2f9d5f454f6601533c0a5e16c351bca4cb87a1999a24c8abe1039f0aa5d0a8c37fe"
    "66f65c0e1301c214e4acbb41b87f5076d7986c374aa55f3a1b"
)


def high_s_twin(signature: bytes) -> bytes:
    """The other signature of the same key and digest, which must be refused everywhere."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
