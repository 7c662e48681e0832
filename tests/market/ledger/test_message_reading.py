"""The door reads strictly: what is not exactly as it must be is refused before it is hashed."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.entries import ENTRY_TYPES
from market.messages import (
    DEPTH_MAX,
    SIZE_MAX,
    MessageError,
    message_as_json,
    parse_envelope,
    parse_json,
    parse_message,
)
from market.signing import Domain, address_of, derive_key, digest, high_s_twin, sign

DOMAIN, KEY = Domain("sejong-5-1/sim/test"), derive_key("reader")
ORDER = {
    "account": bytes(range(32)), "zone": 1, "slot": 1_790_000_100, "side": 2, "e_wh": 500,
    "price_mkrw_per_kwh": -142_500, "label": 0, "premium_mkrw_per_kwh": 0, "expires": 2**64 - 1,
    "replaces": bytes(32), "rules_version": 1, "nonce": 2**64 - 1,
}  # fmt: skip


def envelope(**changes: Any) -> dict[str, Any]:
    signature = sign(KEY, digest(DOMAIN, "Order", ORDER))
    row = {"signer": "0x" + address_of(KEY).hex(), "signature": "0x" + signature.hex()}
    message = message_as_json("Order", ORDER)
    return {"type": "Order", "message": message, "signatures": [row], **changes}


def text_of(found: Any) -> bytes:
    return json.dumps(found).encode()


def changed_message(**changes: Any) -> bytes:
    return text_of(envelope(message={**message_as_json("Order", ORDER), **changes}))


def without(name: str) -> bytes:
    message = message_as_json("Order", ORDER)
    return text_of(envelope(message={k: v for k, v in message.items() if k != name}))


def changed_signature(**changes: Any) -> bytes:
    row = {**envelope()["signatures"][0], **changes}
    return text_of(envelope(signatures=[{k: v for k, v in row.items() if v is not None}]))


def test_a_good_envelope_is_read_as_it_was_signed() -> None:
    found = parse_envelope(text_of(envelope()), ("Order",))
    assert found.message == ORDER
    assert found.signers == (address_of(KEY),)
    assert digest(DOMAIN, found.type, found.message) == digest(DOMAIN, "Order", ORDER)


GOOD = text_of(envelope())
TWIN = "0x" + high_s_twin(bytes.fromhex(envelope()["signatures"][0]["signature"][2:])).hex()
NESTED = b'{"type":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}"
REFUSED: list[tuple[str, bytes, str]] = [
    ("no JSON", b"{", "json"),
    ("two values", GOOD + b" {}", "json"),
    ("not UTF-8", b'{"type": "\xff"}', "json"),
    ("NaN", GOOD.replace(b'"500"', b"NaN"), "json"),
    ("infinity", GOOD.replace(b'"500"', b"-Infinity"), "json"),
    ("too deep", NESTED, "json"),
    ("deep enough to break a parser", b"[" * 100_000, "json"),
    ("too large", GOOD.replace(b'"500"', b'"500"' + b" " * SIZE_MAX), "envelope"),
    ("a key twice", GOOD.replace(b'"type"', b'"type": "Order", "type"'), "type"),
    ("a field twice", GOOD.replace(b'"nonce"', b'"nonce": "1", "nonce"'), "nonce"),
    ("a list for an envelope", b"[]", "envelope"),
    ("no type", text_of({k: v for k, v in envelope().items() if k != "type"}), "type"),
    ("an extra key", text_of(envelope(comment="hi")), "comment"),
    ("a type of another door", text_of(envelope(type="Cancel")), "type"),
    ("an unknown type", text_of(envelope(type="Permit")), "type"),
    ("a type that is no text", text_of(envelope(type=["Order"])), "type"),
    ("a message that is no object", text_of(envelope(message=[])), "message"),
    ("a missing field", without("nonce"), "nonce"),
    ("a renamed field", without("nonce").replace(b'"zone"', b'"nonce_": "1", "zone"'), "nonce"),
    ("an extra field", changed_message(memo="1"), "memo"),
    ("a number for text", changed_message(e_wh=500), "e_wh"),
    ("true for 1", changed_message(e_wh=True), "e_wh"),
    ("null", changed_message(e_wh=None), "e_wh"),
    ("a point", changed_message(e_wh="1.0"), "e_wh"),
    ("an exponent", changed_message(e_wh="1e3"), "e_wh"),
    ("a leading zero", changed_message(e_wh="01"), "e_wh"),
    ("a plus", changed_message(e_wh="+1"), "e_wh"),
    ("a space", changed_message(e_wh=" 1"), "e_wh"),
    ("a line break", changed_message(e_wh="1\n"), "e_wh"),
    ("an underscore", changed_message(e_wh="1_0"), "e_wh"),
    ("digits of another script", changed_message(e_wh="١"), "e_wh"),
    ("nothing", changed_message(e_wh=""), "e_wh"),
    ("minus zero", changed_message(price_mkrw_per_kwh="-0"), "price_mkrw_per_kwh"),
    ("a digit without end", changed_message(e_wh="9" * 3000), "e_wh"),
    ("below the type", changed_message(zone="-1"), "zone"),
    ("above the type", changed_message(zone=str(2**32)), "zone"),
    ("energy of zero", changed_message(e_wh="0"), "e_wh"),
    ("absurd energy", changed_message(e_wh="100000001"), "e_wh"),
    ("absurd price", changed_message(price_mkrw_per_kwh="1000001"), "price_mkrw_per_kwh"),
    ("an unknown side", changed_message(side="3"), "side"),
    ("a slot off the grid", changed_message(slot="1790000101"), "slot"),
    ("short bytes", changed_message(account="0x" + "00" * 31), "account"),
    ("long bytes", changed_message(account="0x" + "00" * 33), "account"),
    ("upper-case hex", changed_message(account="0x" + "AB" * 32), "account"),
    ("no 0x", changed_message(account="00" * 32), "account"),
    ("an address for an account", changed_message(account="0x" + "00" * 20), "account"),
    ("no signature", text_of(envelope(signatures=[])), "signatures"),
    ("two signatures", text_of(envelope(signatures=envelope()["signatures"] * 2)), "signatures"),
    ("a signature of nothing", text_of(envelope(signatures=[None])), "signatures[0]"),
    ("a signature without signer", changed_signature(signer=None), "signer"),
    ("an extra key at the signature", changed_signature(kind="eip712"), "kind"),
    ("a checksum address", changed_signature(signer="0x" + "Ab" * 20), "signatures[0].signer"),
    ("a short signature", changed_signature(signature="0x" + "11" * 64), "signatures[0].signature"),
    ("a high-s signature", changed_signature(signature=TWIN), "signatures[0].signature"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case[0]))
def test_what_is_not_exactly_right_is_refused_with_its_field(case: tuple[str, bytes, str]) -> None:
    with pytest.raises(MessageError) as refused:
        parse_envelope(case[1], ("Order",))
    assert refused.value.field == case[2]
    assert refused.value.allowed
    assert len(str(refused.value)) < 600


def sample(name: str, rng: random.Random) -> dict[str, Any]:
    """A message inside the bounds that the market allows."""
    from market.entries import SLOT_FIELDS, field_bounds

    message: dict[str, Any] = {}
    for field in ENTRY_TYPES[name].fields:
        if field.is_array:
            child = field.type.removesuffix("[]")
            message[field.name] = [sample(child, rng) for _ in range(2)]
        elif field.is_integer:
            number = rng.randint(*field_bounds(name, field))
            message[field.name] = number - number % 900 if field.name in SLOT_FIELDS else number
        else:
            message[field.name] = rng.randbytes(20 if field.type == "address" else 32)
    return message


@pytest.mark.parametrize("name", sorted(ENTRY_TYPES))
def test_every_type_is_written_and_read_back(name: str) -> None:
    rng = random.Random(name)
    for _ in range(20):
        message = sample(name, rng)
        wire = json.loads(json.dumps(message_as_json(name, message)))
        assert parse_message(name, wire) == message


def test_damage_deep_inside_a_clearing_is_named_by_its_place() -> None:
    wire = message_as_json("Clearing", sample("Clearing", random.Random(1)))
    wire["nodes"][1]["flags"] = "8"
    with pytest.raises(MessageError, match=r"nodes\[1\]\.flags: found 8, allowed 0 to 7"):
        parse_message("Clearing", wire)
    wire["nodes"][1] = {**wire["nodes"][1], "flags": "7", "extra": "1"}
    with pytest.raises(MessageError, match="extra"):
        parse_message("Clearing", wire)
    wire["nodes"] = {}
    with pytest.raises(MessageError, match=r"nodes: found \{\}, allowed a list"):
        parse_message("Clearing", wire)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_answered_with_one_sentence(text: bytes) -> None:
    with pytest.raises(MessageError):
        parse_envelope(text, ("Order",))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_one_byte_changed_is_refused_or_another_message(at: int, flip: int) -> None:
    text = GOOD[:at] + bytes([GOOD[at] ^ flip]) + GOOD[at + 1 :]
    try:
        found = parse_envelope(text, ("Order",))
    except MessageError:
        return
    same = (found.message, found.signers, found.signatures)
    first = parse_envelope(GOOD, ("Order",))
    assert same != (first.message, first.signers, first.signatures) or text.split() == GOOD.split()


def test_depth_is_counted_outside_of_text_only() -> None:
    assert parse_json(b'{"a": "[[[[[[[[[[{{{{{{\\"[["}') == {"a": '[[[[[[[[[[{{{{{{"[['}
    assert parse_json(b'"' + b"[" * 50 + b'"') == "[" * 50
