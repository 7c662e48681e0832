"""The packed EIP-712 encoder against the public library, for every type at all extremes."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from market.entries import ENTRY_TYPES, EntryType, Field, keccak256, keccak_many, struct_hash
from market.errors import MarketError
from market.messages import message_as_json
from market.readings import Reading, meter_id, reading_digests
from market.signing import Domain, digest
from market.transfers import Transfer, transfer_digests

DOMAIN = Domain("sejong-5-1/sim/test")
SIGNED = [name for name in ENTRY_TYPES if name not in ("NodeResult", "LinkResult")]


def library_digest(domain: Domain, name: str, message: dict[str, Any]) -> bytes:
    """The digest as eth-account has it."""
    types = {name: [{"name": f.name, "type": f.type} for f in ENTRY_TYPES[name].fields]}
    for field in ENTRY_TYPES[name].fields:
        if field.is_array:
            child = ENTRY_TYPES[field.type.removesuffix("[]")]
            types[child.name] = [{"name": f.name, "type": f.type} for f in child.fields]
    fields = {"name": "string", "version": "string", "chainId": "uint256", "salt": "bytes32"}
    header = {
        "name": "Microgrid Market", "version": "1", "chainId": domain.chain_id,
        "salt": domain.salt,
    }  # fmt: skip
    full = {
        "types": {"EIP712Domain": [{"name": k, "type": v} for k, v in fields.items()], **types},
        "primaryType": name,
        "domain": header,
        "message": message,
    }
    signable = encode_typed_data(full_message=full)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def extremes(field: Field) -> list[Any]:
    if field.is_integer:
        low, high = field.bounds()
        return sorted({low, high, 0, 1, high // 2, max(low, -1)})
    size = 20 if field.type == "address" else 32
    return [bytes(size), b"\xff" * size, bytes(range(size))]


def samples(kind: EntryType, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Messages in which every field takes each of its extremes once."""
    for field in kind.fields:
        if field.is_array:
            child = ENTRY_TYPES[field.type.removesuffix("[]")]
            rows = list(samples(child, rng))
            choices: list[Any] = [[], rows[:1], rows]
        else:
            choices = extremes(field)
        for choice in choices:
            yield {**random_message(kind, rng), field.name: choice}


def random_message(kind: EntryType, rng: random.Random) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for field in kind.fields:
        if field.is_array:
            child = ENTRY_TYPES[field.type.removesuffix("[]")]
            message[field.name] = [random_message(child, rng) for _ in range(rng.randrange(3))]
        elif field.is_integer:
            message[field.name] = rng.choice([rng.randint(*field.bounds()), *field.bounds()])
        else:
            message[field.name] = rng.randbytes(20 if field.type == "address" else 32)
    return message


@pytest.mark.parametrize("name", SIGNED)
def test_packed_digests_are_those_of_the_library(name: str) -> None:
    rng, checked = random.Random(name), 0
    for message in samples(ENTRY_TYPES[name], rng):
        assert digest(DOMAIN, name, message) == library_digest(DOMAIN, name, message), message
        checked += 1
    assert checked >= 2 * len(ENTRY_TYPES[name].fields)


def test_transfers_and_readings_in_bulk_have_the_same_digests() -> None:
    rng = random.Random(7)
    transfers = [Transfer(**random_message(ENTRY_TYPES["Transfer"], rng)) for _ in range(60)]
    singly = [digest(DOMAIN, "Transfer", one._asdict()) for one in transfers]
    assert transfer_digests(DOMAIN, transfers) == singly
    readings = [Reading(**random_message(ENTRY_TYPES["Reading"], rng)) for _ in range(60)]
    assert reading_digests(DOMAIN, readings) == [
        digest(DOMAIN, "Reading", one._asdict()) for one in readings
    ]


def test_another_market_or_chain_gives_another_digest() -> None:
    message = random_message(ENTRY_TYPES["Order"], random.Random(1))
    domains = [Domain("sejong-5-1"), DOMAIN, Domain("sejong-5-1", 2), Domain("sejong-5-2")]
    digests = [digest(one, "Order", message) for one in domains]
    assert len(set(digests)) == len(domains)
    assert digests == [library_digest(one, "Order", message) for one in domains]


def wrong_values(field: Field) -> list[Any]:
    if field.is_integer:
        low, high = field.bounds()
        return [low - 1, high + 1, True, 1.0, "1", None, b"\x01"]
    size = 20 if field.type == "address" else 32
    return [bytes(size - 1), bytes(size + 1), b"", "0x" + "00" * size, bytearray(size), 0, None]


@pytest.mark.parametrize("name", [*SIGNED, "NodeResult", "LinkResult"])
def test_nothing_that_does_not_fit_is_hashed(name: str) -> None:
    kind, rng = ENTRY_TYPES[name], random.Random(3)
    good = random_message(kind, rng)
    struct_hash(name, good)
    for field in kind.fields:
        with pytest.raises(MarketError, match="missing or unknown"):
            struct_hash(name, {k: v for k, v in good.items() if k != field.name})
        with pytest.raises(MarketError, match="missing or unknown"):
            struct_hash(name, {**good, field.name + "_": 0})
        for wrong in [] if field.is_array else wrong_values(field):
            with pytest.raises(MarketError, match="does not fit its type"):
                struct_hash(name, {**good, field.name: wrong})


def test_bulk_hashing_refuses_what_would_be_cut_or_padded() -> None:
    good = Transfer(1, 1, 10, bytes(32), b"\x01" * 32, 5, 900, 1)
    bad = [
        good._replace(amount=2**128), good._replace(amount=-1), good._replace(ledger=2**16),
        good._replace(debit=bytes(31)), good._replace(pending=bytes(33)), good._replace(slot=2**64),
    ]  # fmt: skip
    for one in bad:
        with pytest.raises(MarketError):
            transfer_digests(DOMAIN, [good, one])
    reading = Reading(bytes(32), bytes(32), 900, 1, 0, 1, 0, 1, 0)
    for other in (reading._replace(meter=b"x"), reading._replace(import_wh=-1)):
        with pytest.raises(MarketError):
            reading_digests(DOMAIN, [reading, other])


def test_unknown_types_are_refused_by_name() -> None:
    with pytest.raises(MarketError, match="type 'Permit' is unknown"):
        struct_hash("Permit", {})


def test_many_keccaks_at_once_are_those_one_by_one() -> None:
    rng = random.Random(11)
    messages = [rng.randbytes(size) for size in (*range(0, 300, 7), 135, 136, 137, 272, 1000)]
    assert keccak_many(messages) == [keccak256(one) for one in messages]
    assert keccak_many(messages) == [keccak(one) for one in messages]
    assert keccak_many([]) == []


def test_a_meters_id_says_nothing_and_lasts() -> None:
    assert meter_id(bytes(32)) == meter_id(bytes(32)) != meter_id(b"\x01" * 32)
    assert len(meter_id(bytes(32))) == 32


def test_wire_form_carries_integers_as_decimal_text() -> None:
    message = random_message(ENTRY_TYPES["Transfer"], random.Random(5))
    wire = message_as_json("Transfer", message)
    assert all(type(text) is str for text in wire.values())
    assert int(wire["amount"]) == message["amount"]
