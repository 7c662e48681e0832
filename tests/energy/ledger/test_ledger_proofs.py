"""Proof bundles of a real small district: each is verified alone, nothing in it can be changed."""

import base64
import copy
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from energy.cli import run
from energy.crowd import sign_message, sign_orders
from energy.steps.book_rows import order_entry
from energy.steps.dr_calls import DrCall, event_message, sign_as_operator
from energy.steps.dr_programmes import programmes_by_account
from energy.steps.proving import verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.admission import admit_orders
from energy.store.books import load_entries, load_settlements
from energy.store.checkpoints import checkpoint_ticks, find_checkpoint
from energy.store.dr_desk import DrDesk, admit_dr
from energy.store.mailbox import prepare_message
from energy.store.orders import load_book, orders_of
from energy.units import SLOT_S
from market import verifier
from market.book import BookRow, book_of
from market.books import make_entry
from market.checkpoint import checkpoint_note, origin_of, parse_note
from market.clearing import clear_slot
from market.errors import MarketError
from market.proofs import fork_bundle
from market.signing import digest
from market.verifier import canonical, verify_bundle

FIRST = 1_784_084_400
TICKS = 4
Begin = Callable[..., Any]


@dataclass(frozen=True)
class Proofs:
    """The trust root and one bundle of each claim, of the same books."""

    trust: bytes
    bundles: dict[str, bytes]


MADE: list[Proofs] = []


@pytest.fixture
def proofs(request: pytest.FixtureRequest) -> Proofs:
    """Made once: bundles are bytes, and nothing that a test does can change them."""
    if not MADE:
        MADE.append(_make_proofs(request.getfixturevalue("begin_books")))
    return MADE[0]


def _make_proofs(begin_books: Begin) -> Proofs:
    here = begin_books()
    here.run(TICKS)

    def make(connection: Connection) -> tuple[bytes, dict[str, bytes]]:
        prover, slot = Prover(connection), FIRST
        settled = load_settlements(connection, slot)[-1]
        orders = load_book(connection, slot)
        rows = load_entries(connection, FIRST + 900)
        sealed = next(one for one in rows if one.type == "SealedSet")
        first = checkpoint_ticks(connection)[1]
        old = find_checkpoint(connection, first)
        assert old is not None
        account = orders[0].account
        mine = dict(prover.entries_of(account, slot))
        return prover.trust(Witnesses()), {
            "order": prover.entry(orders[0].id),
            "sealed set": prover.entry(sealed.digest),
            "settlement": prover.entry(settled.entry),
            "transfer": prover.entry(mine["Transfer"], slot),
            "reading": prover.entry(mine["Reading"], slot),
            "consistency": prover.consistency(old.size),
            "account": prover.account(account),
            "slot": prover.slot(slot),
            "clearing": prover.clearing(slot),
        }

    trust, bundles = here.store.read(make)
    return Proofs(trust, bundles)


def test_every_claim_is_proven_from_trust_root_and_bundle_alone(proofs: Proofs) -> None:
    for name, bundle in proofs.bundles.items():
        report = verify_bundle(proofs.trust, bundle)
        assert report.ok, (name, report.first_failure)
        assert report.checks["checkpoint signature"] >= 2 and report.checks["key history"] >= 1


def leaves_of(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all texts in a JSON value."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from leaves_of(value, (*path, name))
    elif isinstance(found, list):
        for n, value in enumerate(found):
            yield from leaves_of(value, (*path, n))
    elif found is not None:
        yield path


def changed(text: str, rng: random.Random) -> str:
    """The text with one character changed to another of its kind."""
    if not text:
        return "AAAA"
    at = rng.randrange(2 if text.startswith("0x") else 0, len(text))
    kinds = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    kind = next((kind for kind in kinds if text[at] in kind), "xyz")
    kind = "0123456789abcdef" if text.startswith("0x") else kind
    return text[:at] + rng.choice(kind.replace(text[at], "")) + text[at + 1 :]


def test_no_field_of_any_bundle_can_be_changed(proofs: Proofs) -> None:
    rng, tried = random.Random(7), 0
    for name, bundle in proofs.bundles.items():
        places = list(leaves_of(json.loads(bundle)))
        for path in rng.sample(places, min(len(places), 60)):
            found = json.loads(bundle)
            inner = found
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = changed(inner[path[-1]], rng)
            report = verify_bundle(proofs.trust, canonical(found))
            assert not report.ok, (name, path)
            assert report.first_failure is not None and report.first_failure.message
            tried += 1
    assert tried > 300


CHANGES = {
    "entry": lambda found: found["entry"]["message"].update(e_wh="41"),
    "set": lambda found: found["set"]["path"].reverse(),
    "log": lambda found: found["log"]["path"].pop(),
    "receipt": lambda found: found["receipt"]["message"].update(received="1"),
    "display": lambda found: found["display"].update(e_kwh="9"),
    "checkpoint": lambda found: found.update(checkpoint=found["checkpoint"].replace("k 1", "k 2")),
    "keys[0]": lambda found: found["keys"][0]["entries"].pop(),
}


@pytest.mark.parametrize("part", CHANGES)
def test_the_finding_names_the_part_that_was_changed(proofs: Proofs, part: str) -> None:
    found = json.loads(proofs.bundles["order"])
    CHANGES[part](found)
    failure = verify_bundle(proofs.trust, canonical(found)).first_failure
    assert failure is not None and failure.message.startswith(part.partition("[")[0]), failure


def test_a_bundle_has_one_form(proofs: Proofs) -> None:
    bundle = proofs.bundles["order"]
    found = json.loads(bundle)
    for text in (
        bundle + b"\n",
        b" " + bundle,
        json.dumps(found, sort_keys=True).encode(),
        canonical({**found, "note": "x"}),
        canonical({name: value for name, value in found.items() if name != "receipt"}),
        bundle.replace(b'{"bundle":', b'{"bundle":"microgrid-proof/1","bundle":', 1),
        canonical({**found, "claim": "consistency"}),
        b"[]",
        b"",
    ):
        report = verify_bundle(proofs.trust, text)
        assert not report.ok and not report.usable


def test_a_shape_that_no_writer_makes_is_unreadable_and_no_crash(proofs: Proofs) -> None:
    account = json.loads(proofs.bundles["account"])
    for row in account["history"]:
        row["type"] = [row["type"]]
    note = json.loads(proofs.bundles["order"])
    note["checkpoint"] = note["checkpoint"].replace("— ", "— a\u0085", 1)
    endless = json.loads(proofs.bundles["order"])
    head, _, rest = endless["checkpoint"].split("\n", 2)
    endless["checkpoint"] = f"{head}\n{'9' * 5000}\n{rest}"
    half = proofs.bundles["order"].replace(b'"e_kwh"', b'"\\ud800"')
    trust = json.loads(proofs.trust)
    trust["domain"]["chainId"] = "-1"
    export = verifier.verify_export([b'{"line":["tick"]}'])
    for report in (
        verify_bundle(proofs.trust, canonical(account)),
        verify_bundle(proofs.trust, canonical(note)),
        verify_bundle(proofs.trust, canonical(endless)),
        verify_bundle(proofs.trust, half),
        verify_bundle(proofs.trust, b'{"bundle":"\xed\xa0\x80"}'),
        verify_bundle(proofs.trust, '{"bundle":"\\ud800"}'.encode("utf-16")),
        verifier.verify_export([b'{"line":"\\ud800"}']),
        verify_bundle(canonical(trust), proofs.bundles["order"]),
        export,
    ):
        assert not report.ok and report.first_failure is not None


def test_a_bundle_of_another_market_or_first_key_is_refused(proofs: Proofs) -> None:
    trust = json.loads(proofs.trust)
    trust["registrar"] = "0x" + "11" * 20
    failure = verify_bundle(canonical(trust), proofs.bundles["order"]).first_failure
    assert failure is not None and failure.check == "key role"
    trust = json.loads(proofs.trust)
    trust["quorum"] = "1"
    failure = verify_bundle(canonical(trust), proofs.bundles["order"]).first_failure
    assert failure is not None and failure.check == "witness quorum"


def test_an_entry_of_an_account_cannot_be_left_out_or_slipped_in(proofs: Proofs) -> None:
    good = json.loads(proofs.bundles["account"])
    size = {n: len(one["words"]) for n, one in enumerate(good["history"])}
    row = max((n for n in size if good["history"][n]["type"] == "Transfer"), key=size.__getitem__)
    width = 11 * 32
    raw = base64.b64decode(good["history"][row]["words"])
    doubled, shortened = raw + raw[-width:], raw[:-width]
    swapped = raw[width : 2 * width] + raw[:width] + raw[2 * width :]
    for words in (doubled, shortened, swapped):
        found = copy.deepcopy(good)
        found["history"][row]["words"] = base64.b64encode(words).decode()
        failure = verify_bundle(proofs.trust, canonical(found)).first_failure
        assert failure is not None
        assert failure.check in ("account history", "balances follow", "readable")
    found = copy.deepcopy(good)
    del found["history"][-1]
    assert not verify_bundle(proofs.trust, canonical(found)).ok


def test_a_signed_message_twice_under_one_nonce_is_evidence(begin_books: Begin) -> None:
    here = begin_books()
    here.run(2)
    admission, slot = here.admission, FIRST + 8 * SLOT_S
    first, second = (here.order(0, slot, 1, price) for price in (100_000, 100_100))
    texts = sign_orders(here.crowd, here.books.domain, [first, second])
    now_s = FIRST + SLOT_S - 100
    answers = here.store.write(lambda c: admit_orders(c, admission, texts, now_s))
    assert [one.refusal and one.refusal.code for one in answers] == [None, "NONCE_CONFLICT"]
    refused = digest(here.books.domain, "Order", second)
    bundle, trust = here.store.read(
        lambda c: (Prover(c).conflict(refused), Prover(c).trust(Witnesses()))
    )
    report = verify_bundle(trust, bundle)
    assert report.ok, report.first_failure
    found = json.loads(bundle)
    found["other"] = found["entry"]
    failure = verify_bundle(trust, canonical(found)).first_failure
    assert failure is not None and failure.check == "nonce"


def test_two_answers_to_an_event_under_one_nonce_are_evidence(begin_books: Begin) -> None:
    here = begin_books()
    here.run(2)
    domain, now_us = here.books.domain, int((FIRST + SLOT_S - 100) * 1e6)
    desk = DrDesk(here.admission, programmes_by_account(domain), here.district.time_zone)
    call = event_message(domain, here.district, DrCall("district", FIRST + 8 * SLOT_S, 1), nonce=5)
    event = sign_as_operator(here.admission, "DrEvent", call, now_us)
    assert here.store.write(lambda c: admit_dr(c, desk, event)).refusal is None
    account, key, address = (
        column[0] for column in (here.crowd.account, here.crowd.private_key, here.crowd.address)
    )
    refusals = []
    for e_wh in (0, 1):
        message = {"account": account, "event_id": event.id, "e_wh_per_slot": e_wh, "nonce": 6}
        text = sign_message(domain, "DrCommit", message, key, address=address)
        one = prepare_message(here.admission, text, now_us, ("DrCommit",))
        refusals.append(here.store.write(lambda c: admit_dr(c, desk, one)).refusal)  # noqa: B023
    assert refusals[0] is None and refusals[1].code == "NONCE_CONFLICT"
    bundle, trust = here.store.read(
        lambda c: (Prover(c).conflict(one.id), Prover(c).trust(Witnesses()))
    )
    report = verify_bundle(trust, bundle)
    assert report.ok, report.first_failure


@pytest.mark.parametrize(
    ("part", "lie"),
    [("size", "9" * 5000), ("tick", "9" * 5000), ("signature", "not base64")],
)
def test_a_note_that_no_log_writes_is_refused_in_one_sentence(
    proofs: Proofs, part: str, lie: str
) -> None:
    lines = json.loads(proofs.bundles["order"])["checkpoint"].split("\n")
    at = {"size": 1, "tick": 3, "signature": -2}[part]
    lines[at] = {"size": lie, "tick": f"tick {lie}", "signature": "— log not*base64"}[part]
    with pytest.raises(MarketError, match="checkpoint note"):
        parse_note("\n".join(lines))


def test_a_promise_that_was_not_kept_is_evidence_and_one_that_was_is_not(
    begin_books: Begin,
) -> None:
    here = begin_books()
    here.run(3)
    domain, keys = here.books.domain, here.books.keys
    message = {**here.order(0, FIRST + 2 * SLOT_S, 1, 100_000), "nonce": 77}
    lost = make_entry(domain, "Order", message, here.crowd.private_key[0])
    promise = {"entry": lost.digest, "received": FIRST, "sealed_by": FIRST + SLOT_S}
    receipt = make_entry(domain, "Receipt", promise, keys.trading)
    trust = here.store.read(lambda c: Prover(c).trust(Witnesses()))
    bundle = here.store.read(lambda c: Prover(c).broken_promise(lost, receipt))
    report = verify_bundle(trust, bundle)
    assert report.ok, report.first_failure
    kept = here.store.read(
        lambda c: next(order_entry(one) for one in orders_of(c, here.crowd.account[0]))
    )
    promise = {"entry": kept.digest, "received": FIRST - 900, "sealed_by": FIRST}
    receipt = make_entry(domain, "Receipt", promise, keys.trading)
    bundle = here.store.read(lambda c: Prover(c).broken_promise(kept, receipt))
    failure = verify_bundle(trust, bundle).first_failure
    assert failure is not None and failure.check == "broken promise"


def test_two_heads_of_one_size_are_evidence(begin_books: Begin) -> None:
    here = begin_books()
    here.run(2)

    def make(connection: Connection) -> tuple[bytes, bytes, Any]:
        prover = Prover(connection)
        message = parse_note(prover.last.note).message
        other = {**message, "root": bytes(32)}
        signed = make_entry(here.books.domain, "Checkpoint", other, here.books.keys.log)
        note = checkpoint_note(
            origin_of(here.books.domain.market_id), other, signed.signers[0], signed.signatures[0]
        )
        frame = prover.frame(())
        return prover.trust(Witnesses()), fork_bundle(frame, note), fork_bundle(frame, frame.note)

    trust, fork, same = here.store.read(make)
    report = verify_bundle(trust, fork)
    assert report.ok, report.first_failure
    failure = verify_bundle(trust, same).first_failure
    assert failure is not None and failure.check == "fork"


@pytest.mark.parametrize("slots", [1, 2])
def test_an_auction_without_its_network_is_refuted(begin_books: Begin, slots: int) -> None:
    """As if zones, fees and wires were none, from the first slot on or from the second."""
    here = begin_books()
    here.run(slots - 1)

    def clear(slot: int, orders: Sequence[Any]) -> Any:
        rows = [
            BookRow(one.tag, one.zone, one.side, one.price_mkrw_per_kwh, one.e_wh, 0)
            for one in orders
        ]
        return clear_slot(book_of(slot, rows), here.books.rules.at(slot))

    here.clear = clear
    here.run(1, begin=slots - 1)
    report = verify_store(here.store, 0)
    assert report.first_failure is not None and report.first_failure.check == "network"
    slot = FIRST + (slots - 1) * 900
    trust, bundle = here.store.read(
        lambda c: (Prover(c).trust(Witnesses()), Prover(c).clearing(slot))
    )
    failure = verify_bundle(trust, bundle).first_failure
    assert failure is not None and failure.check == "certificate" and "network" in failure.message
    found = json.loads(bundle)
    found["network"] = None
    failure = verify_bundle(trust, canonical(found)).first_failure
    assert failure is not None and failure.check == "network"


def test_receipts_come_from_the_command_and_are_verified_by_the_file_alone(
    begin_books: Begin, tmp_path: Path, capsys: Any
) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    here = begin_books(url)
    here.run(3)
    account = "0x" + here.crowd.account[0].hex()
    trust, proof = tmp_path / "trust.json", tmp_path / "my.proof.json"
    where = ["--database-url", url]
    assert run(["ledger", "trust", "--out", str(trust), *where]) == 0
    slot = ["--slot", "2026-07-15T03:00:00Z"]
    assert run(["ledger", "entries", "--account", account, *slot, *where]) == 0
    listed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert {"Order", "Reading", "Transfer"} <= listed.keys()
    for claim in (
        ["--account", account],
        ["--entry", listed["Order"]],
        ["--entry", listed["Transfer"], *slot],
        slot,
        ["--clearing", "2026-07-15T03:00:00Z"],
        ["--since", "40"],
    ):
        code = run(["ledger", "receipt", *claim, "--out", str(proof), *where])
        if claim == ["--since", "40"]:
            assert code == 2 and "checkpoint of size 40" in capsys.readouterr().err
            continue
        assert code == 0
        assert run(["ledger", "verify", str(proof), "--trust", str(trust)]) == 0
        alone = [sys.executable, "-I", str(verifier.__file__), str(trust), str(proof)]
        assert subprocess.run(alone, capture_output=True, check=False).returncode == 0
    proof.write_bytes(proof.read_bytes().replace(b'"e_kwh"', b'"e_kwk"').replace(b"1", b"2", 1))
    assert run(["ledger", "verify", str(proof), "--trust", str(trust)]) in (1, 2)
    assert run(["ledger", "receipt", *where]) == 2


def test_without_native_libraries_the_proof_is_the_same(
    proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_NATIVE_KECCAK", None)
    monkeypatch.setattr(verifier, "_NATIVE_KECCAK_MANY", None)
    monkeypatch.setattr(verifier, "_NATIVE_PUBLIC_KEY", None)
    report = verify_bundle(proofs.trust, proofs.bundles["order"])
    assert report.ok, report.first_failure
