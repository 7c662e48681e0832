"""Strict reading of signed messages from JSON, before anything is hashed.

Typed-data libraries are lenient, and what they drop is not signed; so the door decides, in a
fixed order, and the first failure answers: JSON, envelope, keys, forms, ranges, signatures' form.
An integer is a canonical decimal string, `bytes32` and `address` are 0x and lower-case hex.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from market.entries import (
    ENTRY_TYPES,
    SLOT_FIELDS,
    EntryType,
    Field,
    Message,
    field_bounds,
    signatures_of,
)
from market.errors import MarketError
from market.signing import Domain, SignatureError, address_of, digest, require_canonical, sign

DEPTH_MAX = 6
SIZE_MAX = 4096
SIZE_MAX_CLEARING = 262144
SLOT_S = 900
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_HEX = {size: re.compile(rf"0x[0-9a-f]{{{2 * size}}}", re.ASCII) for size in (20, 32, 65)}
_DIGITS_MAX = 40  # 2^128 has 39 digits; longer texts are refused before they cost anything


class MessageError(MarketError):
    """A message is refused before hashing: the field, what was found, what is allowed."""

    def __init__(self, *, field: str, found: object, allowed: str) -> None:
        text = repr(found)
        self.field = field
        self.found = text if len(text) <= 100 else text[:97] + "..."
        self.allowed = allowed
        super().__init__(f"{field}: found {self.found}, allowed {allowed}")


@dataclass(frozen=True)
class Envelope:
    """A message with its signatures, in good form; nothing is proven about the keys yet."""

    type: str
    message: dict[str, Any]
    signers: tuple[bytes, ...]
    signatures: tuple[bytes, ...]


def parse_envelope(text: bytes, allowed_types: Collection[str]) -> Envelope:
    """The envelope `{type, message, signatures: [{signer, signature}]}` of a JSON text.

    Raises MessageError at the first thing that is not exactly as it must be.
    """
    found = parse_json(text)
    _require_keys("envelope", found, {"type", "message", "signatures"})
    type_name = found["type"]
    if type(type_name) is not str or type_name not in allowed_types:
        raise _error("type", type_name, " or ".join(sorted(allowed_types)))
    if type_name != "Clearing" and len(text) > SIZE_MAX:
        raise _error("envelope", f"{len(text)} bytes", f"at most {SIZE_MAX} bytes")
    message = parse_message(type_name, found["message"])
    rows = found["signatures"]
    count = signatures_of(type_name)
    if type(rows) is not list or len(rows) != count:
        raise _error("signatures", rows, f"a list of {count}")
    pairs = [_signature(f"signatures[{n}]", row) for n, row in enumerate(rows)]
    return Envelope(type_name, message, tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))


def parse_message(type_name: str, found: object) -> dict[str, Any]:
    """The typed message, ready to be hashed, of a JSON object as it came over the wire.

    Raises MessageError that names the field, what was found and what is allowed.
    """
    if type_name not in ENTRY_TYPES:
        raise _error("type", type_name, ", ".join(ENTRY_TYPES))
    return _struct("", ENTRY_TYPES[type_name], found)


def message_as_json(type_name: str, message: Message) -> dict[str, Any]:
    """The wire form of a typed message, which `parse_message` reads back to the same."""
    return {f.name: _plain(f, message[f.name]) for f in ENTRY_TYPES[type_name].fields}


def envelope_text(
    type_name: str, message: Message, signatures: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The envelope of a message, as `parse_envelope` reads it, with (signer, signature) pairs."""
    document = {
        "type": type_name,
        "message": message_as_json(type_name, message),
        "signatures": [
            {"signer": f"0x{signer.hex()}", "signature": f"0x{signature.hex()}"}
            for signer, signature in signatures
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def sign_message(domain: Domain, type_name: str, message: Message, *private_keys: bytes) -> bytes:
    """The envelope of a message, signed by each key in turn.

    Raises MarketError where the type has other fields or a value cannot be.
    """
    hashed = digest(domain, type_name, message)
    pairs = [(address_of(key), sign(key, hashed)) for key in private_keys]
    return envelope_text(type_name, message, pairs)


def parse_json(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a UTF-8 text without duplicate keys, NaN, halves of characters or deep
    nesting.

    Raises MessageError.
    """
    if len(text) > SIZE_MAX_CLEARING:
        raise _error("json", f"{len(text)} bytes", f"at most {SIZE_MAX_CLEARING} bytes")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _error("json", str(error), "UTF-8") from error
    # Depth is measured before parsing, for the parser itself recurses.
    _require_shallow(decoded)
    _require_whole(decoded)
    try:
        return json.loads(
            decoded, object_pairs_hook=_unique, parse_constant=_refuse("a finite number")
        )
    except ValueError as error:
        raise _error("json", str(error), "one JSON value") from error


def _require_shallow(text: str) -> None:
    if text.count("{") + text.count("[") <= DEPTH_MAX:
        return  # what opens so few cannot be deeper
    depth = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        depth += (mark in "[{") - (mark in "]}")
        if depth > DEPTH_MAX:
            raise _error("json", f"depth {depth}", f"depth at most {DEPTH_MAX}")


def _require_whole(text: str) -> None:
    """An escape can write half of a character, which no other program can write down again."""
    if "\\u" not in text:
        return
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise _error("json", half, "both halves of a character together") from error
    except ValueError:
        return  # no JSON at all, which the strict reading says better


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _error(twice, "the key twice", "each key once")
    return found


def _refuse(allowed: str) -> Callable[[str], Any]:
    def refuse(text: str) -> Any:  # noqa: ANN401 - signature of json
        raise _error("json", text, allowed)

    return refuse


def _struct(path: str, entry_type: EntryType, found: object) -> dict[str, Any]:
    _require_keys(path or "message", found, entry_type.names)
    assert isinstance(found, dict)
    return {name: read(f"{path}{name}", found[name]) for name, read in _readers(entry_type.name)}


@cache
def _readers(type_name: str) -> tuple[tuple[str, Callable[[str, object], Any]], ...]:
    """Each field of a type with what reads its value; worked out once, for orders are many."""
    fields = ENTRY_TYPES[type_name].fields
    return tuple((field.name, _reader(type_name, field)) for field in fields)


def _reader(type_name: str, field: Field) -> Callable[[str, object], Any]:
    if field.is_array:
        return partial(_rows, ENTRY_TYPES[field.type.removesuffix("[]")])
    if field.is_integer:
        step = SLOT_S if field.name in SLOT_FIELDS else 1
        return partial(_integer, field_bounds(type_name, field), step)
    return partial(_bytes, 20 if field.type == "address" else 32)


def _rows(item: EntryType, path: str, found: object) -> list[dict[str, Any]]:
    if type(found) is not list:
        raise _error(path, found, "a list")
    return [_struct(f"{path}[{n}].", item, row) for n, row in enumerate(found)]


def _integer(bounds: tuple[int, int], step: int, path: str, found: object) -> int:
    if (
        type(found) is not str
        or len(found) > _DIGITS_MAX
        or found == "-0"
        or not _DECIMAL.fullmatch(found)
    ):
        raise _error(path, found, "a decimal string without sign, zeros or point to spare")
    number = int(found)
    low, high = bounds
    if not low <= number <= high:
        raise _error(path, number, f"{low} to {high}")
    if number % step:
        raise _error(path, number, f"a multiple of {step}")
    return number


def _bytes(size: int, path: str, found: object) -> bytes:
    if type(found) is not str or not _HEX[size].fullmatch(found):
        raise _error(path, found, f"0x and {2 * size} lower-case hex digits")
    return bytes.fromhex(found[2:])


def _signature(path: str, found: object) -> tuple[bytes, bytes]:
    _require_keys(path, found, {"signer", "signature"})
    assert isinstance(found, dict)
    signature = _bytes(65, f"{path}.signature", found["signature"])
    try:
        require_canonical(signature)
    except SignatureError as error:
        raise _error(f"{path}.signature", str(error), "the canonical form") from error
    return _bytes(20, f"{path}.signer", found["signer"]), signature


def _plain(field: Field, value: Any) -> Any:  # noqa: ANN401 - int, bytes or rows
    if field.is_array:
        return [message_as_json(field.type.removesuffix("[]"), row) for row in value]
    return str(value) if field.is_integer else "0x" + value.hex()


def _require_keys(path: str, found: object, names: Collection[str]) -> None:
    if type(found) is not dict:
        raise _error(path, found, f"an object of {', '.join(sorted(names))}")
    if found.keys() == names:
        return
    for name in sorted(names - found.keys()):
        raise _error(name, "nothing", f"a value, in {path}")
    for name in sorted(found.keys() - names):
        raise _error(name, "an unknown key", f"{', '.join(sorted(names))}, in {path}")


def _error(field: str, found: object, allowed: str) -> MessageError:
    return MessageError(field=field, found=found, allowed=allowed)
