"""Sign-In with Ethereum (ERC-4361): one message in the standard's own form, read strictly.

The grammar is that of https://eips.ethereum.org/EIPS/eip-4361, with a length for every part. What
the server has not asked for is refused: resources, request ids and contract wallets (ERC-1271),
which would need a node of a chain.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from market.signing import checksum_address

MESSAGE_CHARS_MAX = 2_000
AHEAD_S_MAX = 600
"""A message may be good for at most this long after now."""
SKEW_S = 60
"""The wallet's clock may be ahead of ours by this much, and no more."""
VERSION = "1"
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_LINES = (
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]{0,9})://)?(?P<domain>[!-~]{1,255})"
    r" wants you to sign in with your Ethereum account:",
    r"(?P<address>0x[0-9a-fA-F]{40})",
    r"",
    r"(?:(?P<statement>[ -~]{1,300})\n)?",
    r"URI: (?P<uri>[!-~]{1,300})",
    r"Version: (?P<version>[0-9]{1,3})",
    r"Chain ID: (?P<chain_id>[0-9]{1,18})",
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,64})",
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expires_at>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?",
)
_MESSAGE = re.compile("\n".join(_LINES))


class SignInError(Exception):
    """A message that signs nobody in; the sentence names the field, found and allowed."""


@dataclass(frozen=True)
class Expected:
    """What a message must say: our scheme, domain and address, the market's chain, the time."""

    scheme: str
    domain: str
    uri: str
    chain_id: int
    now_s: float


@dataclass(frozen=True)
class SignInMessage:
    """What a message says of who signs and which nonce it uses."""

    address: bytes
    nonce: str


def make_message(expected: Expected, address: bytes, nonce: str, statement: str) -> str:
    """The message that is asked for, as a wallet shows it; good for as long as is allowed."""
    issued = datetime.fromtimestamp(int(expected.now_s), UTC)
    expires = issued + timedelta(seconds=AHEAD_S_MAX)
    form = "%Y-%m-%dT%H:%M:%SZ"
    return (
        f"{expected.scheme}://{expected.domain} wants you to sign in with your Ethereum account:\n"
        f"{checksum_address(address)}\n\n{statement}\n\nURI: {expected.uri}\nVersion: {VERSION}\n"
        f"Chain ID: {expected.chain_id}\nNonce: {nonce}\nIssued At: {issued.strftime(form)}\n"
        f"Expiration Time: {expires.strftime(form)}"
    )


def read_message(text: str, expected: Expected) -> SignInMessage:
    """The address and nonce of a message; raises SignInError unless all of it is as expected."""
    if len(text) > MESSAGE_CHARS_MAX:
        raise SignInError(
            f"message: found {len(text)} characters, allowed {MESSAGE_CHARS_MAX} at most"
        )
    found = _MESSAGE.fullmatch(text)
    if found is None:
        raise SignInError("message: allowed the form of ERC-4361, without request id and resources")
    fixed = {
        "domain": expected.domain,
        "uri": expected.uri,
        "version": VERSION,
        "chain_id": str(expected.chain_id),
    }
    for field, wanted in fixed.items():
        _require(field, found[field], wanted)
    if found["scheme"] is not None:
        _require("scheme", found["scheme"], expected.scheme)
    address = bytes.fromhex(found["address"][2:])
    _require("address", found["address"], checksum_address(address))
    _require_times(found, expected.now_s)
    return SignInMessage(address, found["nonce"])


def _require(field: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise SignInError(f"{field}: found {found[:100]}, allowed {wanted}")


def _require_times(found: re.Match[str], now_s: float) -> None:
    """Issued lately and not in the future; neither over, nor good for long, nor not yet good."""
    issued_s = _seconds("issued_at", found["issued_at"])
    if not now_s - AHEAD_S_MAX <= issued_s <= now_s + SKEW_S:
        raise SignInError(
            f"issued_at: found {found['issued_at']}, allowed within {AHEAD_S_MAX} s before now"
        )
    if found["expires_at"] is not None:
        expires_s = _seconds("expires_at", found["expires_at"])
        if not now_s < expires_s <= now_s + AHEAD_S_MAX + SKEW_S:
            raise SignInError(
                f"expires_at: found {found['expires_at']}, allowed after now and at most "
                f"{AHEAD_S_MAX} s ahead"
            )
    if found["not_before"] is not None and _seconds("not_before", found["not_before"]) > now_s:
        raise SignInError(f"not_before: found {found['not_before']}, allowed up to now")


def _seconds(field: str, text: str) -> float:
    try:
        # The standard library takes at most six digits of a second.
        return datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)).timestamp()
    except (ValueError, OverflowError) as error:
        raise SignInError(f"{field}: found {text}, allowed an instant of RFC 3339") from error
