"""Sealing a tick: the same rows give the same bytes, and every part of a tick is under its root."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from market.books import (
    BooksState,
    Chain,
    Entry,
    SetKind,
    SettledBatch,
    TickEntries,
    account_leaf,
    accounts_root,
    blinded_account,
    make_entry,
    salt_of,
    seal_tick,
    state_as_json,
    state_from_json,
)
from market.checkpoint import (
    checkpoint_body,
    checkpoint_note,
    key_id,
    origin_of,
    parse_note,
    signature_line,
)
from market.errors import MarketError
from market.merkle import EMPTY_ROOT, Frontier, leaf_hash, root_of
from market.readings import Reading, ReadingBatch, ReadingSigner, meter_id, sign_readings
from market.signing import Domain, address_of, derive_key, recover, sign
from market.transfers import ZERO32, Transfer, transfer_digests
from market.verifier import read_note

DOMAIN = Domain("sejong-5-1/sim/test")
LOG, KEY = derive_key("log"), derive_key("any")
KIM, LEE = b"\x01" * 32, b"\x02" * 32
T0 = 1_790_000_100
BLINDS = {one: blinded_account(one) for one in (KIM, LEE)}


def order(account: bytes, nonce: int) -> Entry:
    message = {
        "account": account, "zone": 0, "slot": T0 + 900, "side": 1, "e_wh": 5,
        "price_mkrw_per_kwh": 100, "label": 0, "premium_mkrw_per_kwh": 0, "expires": T0,
        "replaces": ZERO32, "rules_version": 1, "nonce": nonce,
    }  # fmt: skip
    return make_entry(DOMAIN, "Order", message, KEY, salt=bytes([nonce]) * 32)


def rules() -> Entry:
    message = {"kind": 1, "version": 1, "from_slot": T0, "content": ZERO32}
    return make_entry(DOMAIN, "Rules", message, KEY)


def salts_of(accounts: Sequence[bytes], ids: Sequence[bytes]) -> list[bytes]:
    return list(map(salt_of, accounts, ids))


def readings() -> ReadingBatch:
    rows = [
        Reading(one, meter_id(one), T0, 5, 0, 50, 0, quality, 0)
        for one, quality in ((KIM, 1), (LEE, 2))
    ]
    signer = ReadingSigner(address_of(KEY), lambda id_: sign(KEY, id_))
    return sign_readings(DOMAIN, rows, lambda _: signer, salts_of)


def tick(**changes: Any) -> TickEntries:
    batch = [Transfer(1, 1, 30, KIM, LEE, 7, T0, 1)]
    ids = transfer_digests(DOMAIN, batch)
    given = TickEntries(
        tick=T0,
        entries=[order(KIM, 1), order(LEE, 2), rules()],
        batches={b"\x05" * 32: SettledBatch(batch, ids, [ZERO32])},
        book_tags=[order(KIM, 1).leaf()],
        balances={(1, KIM): -7, (1, LEE): 7},
        blinds=BLINDS,
        readings=readings(),
    )
    return replace(given, **changes)


def sealed_with(**changes: Any) -> dict[str, Any]:
    return dict(seal_tick(DOMAIN, BooksState(), tick(**changes), LOG).checkpoint.message)


def test_the_same_rows_give_the_same_bytes() -> None:
    first = seal_tick(DOMAIN, BooksState(), tick(), LOG)
    again = seal_tick(DOMAIN, BooksState(), tick(entries=list(tick().entries)), LOG)
    assert (first.note, first.state, first.sets) == (again.note, again.state, again.sets)
    assert first.log == again.log


def test_sets_do_not_depend_on_the_order_of_arrival_but_the_log_does() -> None:
    turned = sealed_with(entries=[order(LEE, 2), order(KIM, 1), rules()])
    assert turned == sealed_with()
    second = make_entry(
        DOMAIN, "Rules", {"kind": 1, "version": 2, "from_slot": T0, "content": ZERO32}, KEY
    )
    there = sealed_with(entries=[rules(), second])
    back = sealed_with(entries=[second, rules()])
    assert there["accounts_root"] == back["accounts_root"] and there["root"] != back["root"]


CHANGES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("an order less", {"entries": [order(KIM, 1), rules()]}, {"root", "accounts_root"}),
    ("another salt", {"entries": [replace(order(KIM, 1), salt=ZERO32), order(LEE, 2), rules()]},
     {"root"}),
    ("no rules", {"entries": [order(KIM, 1), order(LEE, 2)]}, {"root", "size"}),
    ("no book", {"book_tags": None}, {"root", "size"}),
    ("an empty book", {"book_tags": []}, {"root"}),
    ("a balance", {"balances": {(1, KIM): -8, (1, LEE): 8}}, {"accounts_root"}),
    ("points", {"balances": {(1, KIM): -7, (1, LEE): 7, (3, LEE): 1}}, {"accounts_root"}),
    ("a blinded name", {"blinds": {**BLINDS, KIM: ZERO32}}, {"accounts_root"}),
    ("no transfers", {"batches": {}}, {"accounts_root"}),
    ("no readings", {"readings": ReadingBatch((), (), (), (), ())}, {"root", "accounts_root"}),
    ("a later tick", {"tick": T0 + 900}, {"root", "tick"}),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change[0]))
def test_every_part_of_a_tick_is_covered(change: tuple[str, dict[str, Any], set[str]]) -> None:
    before, after = sealed_with(), sealed_with(**change[1])
    assert {name for name in before if before[name] != after[name]} == change[2]


def test_a_negative_balance_and_a_large_one_have_a_fixed_width() -> None:
    chain = Chain(3, b"\x08" * 32, b"\x09" * 32)
    leaf = account_leaf(BLINDS[KIM], chain, KIM, {(1, KIM): -1, (2, KIM): 2**80})
    expected = b"\x01" + BLINDS[KIM] + (3).to_bytes(8, "big") + chain.head + chain.keys_head
    expected += b"\xff" * 16 + (2**80).to_bytes(16, "big") + bytes(16)
    assert leaf == leaf_hash(expected)
    wide = {(1, KIM): 2**70 + 1, (2, KIM): -(2**70), (3, KIM): 2**70 + 5}
    numbers = b"".join(wide[ledger, KIM].to_bytes(16, "big", signed=True) for ledger in (1, 2, 3))
    assert account_leaf(BLINDS[KIM], chain, KIM, wide) == leaf_hash(expected[:-48] + numbers)
    assert accounts_root({}, {}, {}) == EMPTY_ROOT


def test_readings_in_one_batch_seal_like_readings_one_by_one() -> None:
    batch = readings()
    columns = zip(
        batch.readings, batch.ids, batch.signers, batch.signatures, batch.salts, strict=True
    )
    singly = [
        Entry("Reading", one._asdict(), id_, (who,), (signed,), salt)
        for one, id_, who, signed, salt in columns
    ]
    assert [one.leaf() for one in singly] == batch.leaves()
    apart = sealed_with(entries=[*tick().entries, *singly], readings=ReadingBatch(*((),) * 5))
    assert apart == sealed_with()


def test_every_set_is_sealed_even_when_empty() -> None:
    empty = TickEntries(T0, [], {}, None, {}, {})
    found = seal_tick(DOMAIN, BooksState(), empty, LOG)
    assert list(found.sets) == [SetKind.MESSAGES, SetKind.READINGS]
    assert [one.message["count"] for one in found.log] == [0, 0]
    assert found.checkpoint.message["size"] == 2


def test_ticks_follow_one_another_and_chain_by_their_digests() -> None:
    first = seal_tick(DOMAIN, BooksState(), tick(), LOG)
    second = seal_tick(DOMAIN, first.state, tick(tick=T0 + 900), LOG)
    assert second.checkpoint.message["previous"] == first.checkpoint.digest
    assert second.state.chains[KIM].seq == 2 * first.state.chains[KIM].seq
    grown = Frontier().append(one.leaf() for one in (*first.log, *second.log))
    assert second.checkpoint.message["root"] == grown.root()
    for late in (T0, T0 + 900):
        with pytest.raises(MarketError, match="sealed already"):
            seal_tick(DOMAIN, second.state, tick(tick=late), LOG)


def test_an_entry_without_a_place_is_refused() -> None:
    receipt = make_entry(DOMAIN, "Receipt", {"entry": ZERO32, "received": 1, "sealed_by": T0}, KEY)
    with pytest.raises(MarketError, match="Receipt: neither in a set nor in the log"):
        sealed_with(entries=[receipt])
    with pytest.raises(MarketError, match="twice"):
        sealed_with(entries=[order(KIM, 1), order(KIM, 1)])


def test_the_state_survives_its_row() -> None:
    state = seal_tick(DOMAIN, BooksState(), tick(), LOG).state
    assert state_from_json(state_as_json(state)) == state


def test_leaves_of_a_batch_rise_and_their_root_is_signed_for() -> None:
    batch = [Transfer(1, 1, 30, KIM, LEE, n, T0, 1) for n in range(1, 9)]
    ids = transfer_digests(DOMAIN, batch)
    found = SettledBatch(batch, ids, [salt_of(KIM, id_) for id_ in ids]).leaves()
    assert list(found) == sorted(found) and len(found) == 8
    assert root_of(found) != root_of(found[:-1])


NOTE = seal_tick(DOMAIN, BooksState(), tick(), LOG)


def test_a_note_is_read_back_by_writer_and_verifier() -> None:
    found = parse_note(NOTE.note)
    assert found.message == NOTE.checkpoint.message
    assert found.origin == origin_of(DOMAIN.market_id) == "sejong-5-1/sim/test.microgrid/ledger"
    ((name, id_, signature),) = found.signatures
    assert (name, id_) == (found.origin, key_id(found.origin, address_of(LOG)))
    assert recover(NOTE.checkpoint.digest, signature) == address_of(LOG)
    message, lines = read_note(NOTE.note)
    assert message == found.message and lines == [(name, id_ + signature)]


def test_a_witness_adds_a_line_and_nothing_else() -> None:
    line = signature_line("city", address_of(KEY), sign(KEY, NOTE.checkpoint.digest))
    found = parse_note(NOTE.note + line)
    assert [name for name, _, _ in found.signatures] == [parse_note(NOTE.note).origin, "city"]
    assert found.message == NOTE.checkpoint.message


DAMAGED_NOTES = [
    ("no signature", NOTE.note.split("\n\n")[0] + "\n\n"),
    ("no end of line", NOTE.note[:-1]),
    ("a line more", NOTE.note.replace("\ntick", "\nlate 1\ntick")),
    ("a line less", NOTE.note.replace(f"tick {T0}\n", "")),
    ("carriage returns", NOTE.note.replace("\n", "\r\n")),
    ("a leading zero", NOTE.note.replace(f"tick {T0}", f"tick 0{T0}")),
    ("a negative size", NOTE.note.replace("\n4\n", "\n-4\n")),
    ("a short root", NOTE.note.replace("=\ntick", "\ntick")),
    ("a root of 31 bytes", NOTE.note.replace("\ntick", "AAAA\ntick", 1)),
    ("trailing text", NOTE.note + "hello\n"),
]


@pytest.mark.parametrize("case", DAMAGED_NOTES, ids=lambda case: str(case[0]))
def test_a_damaged_note_is_no_note(case: tuple[str, str]) -> None:
    assert case[1] != NOTE.note
    with pytest.raises(MarketError, match="checkpoint note"):
        parse_note(case[1])


def test_a_note_of_another_log_is_not_written() -> None:
    with pytest.raises(MarketError, match="does not hash to that of the message"):
        checkpoint_body("elsewhere", NOTE.checkpoint.message)
    origin = origin_of(DOMAIN.market_id)
    made = checkpoint_note(
        origin, NOTE.checkpoint.message, address_of(LOG), NOTE.checkpoint.signatures[0]
    )
    assert made == NOTE.note


def test_salts_and_blinded_names_need_the_key_of_the_account() -> None:
    digest = hashlib.sha256(b"x").digest()
    assert salt_of(KIM, digest) != salt_of(LEE, digest) != digest
    assert blinded_account(KIM) not in (KIM, salt_of(KIM, digest), blinded_account(LEE))
