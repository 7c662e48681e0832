"""The text of a checkpoint, in the manner of the C2SP signed note, and back.

The signature is over the typed `Checkpoint`; the text is only its rendering. A reader rebuilds
the fields from the lines and the lines from the fields, and both must agree.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from market.entries import Message, keccak256
from market.errors import MarketError

_NOTE = re.compile(
    r"(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,19})\n(?P<root>[^\n]+)\n"
    r"tick (?P<tick>0|[1-9][0-9]{0,19})\naccounts (?P<accounts>[^\n]+)\n"
    r"previous (?P<previous>[^\n]+)\n"
    r"\n(?P<signatures>(?:— [^\n ]+ [^\n ]+\n)+)",
    re.ASCII,
)


@dataclass(frozen=True)
class SignedNote:
    """A checkpoint read from its text: the typed fields and the signatures, not yet checked."""

    origin: str
    message: Message
    signatures: tuple[tuple[str, bytes, bytes], ...]  # name, key id (4), signature (65)


def origin_of(market_id: str) -> str:
    """The name under which a market publishes its log."""
    return f"{market_id}.microgrid/ledger"


def key_id(name: str, address: bytes) -> bytes:
    """The 4 bytes by which a note names the key of an address."""
    return hashlib.sha256(name.encode() + b"\x0a\xff" + b"eip712-checkpoint-v1" + address).digest()[
        :4
    ]


def checkpoint_body(origin: str, message: Message) -> str:
    """The lines above the signatures; raises MarketError if the origin is another."""
    if message["origin"] != keccak256(origin.encode()):
        raise MarketError(f"checkpoint: origin {origin} does not hash to that of the message")
    root, accounts, previous = (
        base64.b64encode(message[name]).decode() for name in ("root", "accounts_root", "previous")
    )
    return (
        f"{origin}\n{message['size']}\n{root}\n"
        f"tick {message['tick']}\naccounts {accounts}\nprevious {previous}\n"
    )


def checkpoint_note(origin: str, message: Message, address: bytes, signature: bytes) -> str:
    """The whole note: the lines of the checkpoint and one signature line."""
    body = checkpoint_body(origin, message)
    return body + "\n" + signature_line(origin, address, signature)


def signature_line(name: str, address: bytes, signature: bytes) -> str:
    """One signature line of a note."""
    signed = base64.b64encode(key_id(name, address) + signature).decode()
    return f"— {name} {signed}\n"


def parse_note(text: str) -> SignedNote:
    """The checkpoint of a note; raises MarketError if writing it again gives another text."""
    found = _NOTE.fullmatch(text)
    if found is None:
        raise MarketError("checkpoint note: the lines are not those of a checkpoint")
    message = {
        "origin": keccak256(found["origin"].encode()),
        "tick": int(found["tick"]),
        "size": int(found["size"]),
        "root": _decode(found["root"], 32),
        "accounts_root": _decode(found["accounts"], 32),
        "previous": _decode(found["previous"], 32),
    }
    signatures = []
    for line in found["signatures"].splitlines():
        _, name, signed = line.split(" ")
        try:
            raw = base64.b64decode(signed, validate=True)
        except ValueError as error:
            raise MarketError(f"checkpoint note: {signed[:80]!r} is not base64: {error}") from error
        # Lines of other kinds of key may have other lengths; they are kept and ignored.
        signatures.append((name, raw[:4], raw[4:]))
    return SignedNote(found["origin"], message, tuple(signatures))


def _decode(text: str, size: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MarketError(f"checkpoint note: {text!r} is not base64: {error}") from error
    if len(raw) != size or base64.b64encode(raw).decode() != text:
        raise MarketError(f"checkpoint note: {text!r}, allowed base64 of {size} bytes")
    return raw
