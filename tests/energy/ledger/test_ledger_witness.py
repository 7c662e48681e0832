"""Witnesses: what they answer, what they keep, and that two histories never both find a quorum."""

import json
import socketserver
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run
from energy.cli.witness import WitnessFile, serve
from energy.config import Settings
from energy.steps.receipts import LogTree, Prover, Witnesses
from energy.steps.witnessing import (
    HeadStatus,
    WitnessPoster,
    status_of,
    trusted_witnesses,
    witnesses_of,
)
from energy.store.alarms import open_alarms
from energy.store.checkpoints import last_checkpoint, load_checkpoints
from energy.store.errors import StoreError
from market.books import make_entry
from market.checkpoint import checkpoint_note, parse_note
from market.merkle import Tree
from market.signing import derive_key
from market.verifier import canonical, verify_bundle
from market.witness import AddCheckpoint, add_checkpoint_text

FIRST = 1_784_084_400
NOW_S = 1_800_000_000
Begin = Callable[..., Any]


@dataclass
class Shown:
    """A log as a witness is shown it: its tree and its notes."""

    here: Any
    tree: Tree
    notes: list[str]

    def request(self, number: int, old: int | None = None, **changes: Any) -> bytes:
        """The request for a note, from the one before it where nothing else is said."""
        size = parse_note(self.notes[number]).message["size"]
        if old is None:
            old = parse_note(self.notes[number - 1]).message["size"]
        proof = self.tree.consistency(old, size) if 0 < old <= size else ()
        fields: dict[str, Any] = {"old_size": old, "proof": proof, "note": self.notes[number]}
        return add_checkpoint_text(AddCheckpoint(**{**fields, **changes})).encode()

    def signed(self, number: int, **changes: Any) -> str:
        """The note with other fields, well signed by the operator."""
        note = parse_note(self.notes[number])
        message = {**note.message, **changes}
        entry = make_entry(self.here.books.domain, "Checkpoint", message, self.here.books.keys.log)
        return checkpoint_note(note.origin, message, entry.signers[0], entry.signatures[0])


@pytest.fixture
def shown(begin_books: Begin) -> Shown:
    here = begin_books()
    here.run(3)
    log = LogTree()
    here.store.read(log.grow)
    notes = [row.note for row in here.store.read(load_checkpoints)]
    return Shown(here, log.tree, notes)


def witness_at(folder: Path, shown: Shown, name: str = "city") -> WitnessFile:
    trust = folder / "trust.json"
    trust.write_bytes(shown.here.store.read(lambda c: Prover(c).trust(Witnesses())))
    return WitnessFile(trust, folder / f"{name}.json", derive_key(name))


def test_a_witness_signs_for_what_extends_what_it_saw_and_remembers(
    shown: Shown, tmp_path: Path
) -> None:
    witness = witness_at(tmp_path, shown)
    for number in (1, 2, 3):
        answer = witness.answer(shown.request(number), NOW_S)
        assert answer.status == 200 and answer.cosign is not None, answer
        assert json.loads((tmp_path / "city.json").read_text())["note"] == shown.notes[number]
    again = witness_at(tmp_path, shown)
    assert again.answer(shown.request(3, old=parse_note(shown.notes[3]).message["size"]), NOW_S)
    assert again.note == shown.notes[3]


def test_the_answers_are_those_of_the_protocol(shown: Shown, tmp_path: Path) -> None:
    witness = witness_at(tmp_path, shown)
    assert witness.answer(shown.request(1), NOW_S).status == 200
    size = parse_note(shown.notes[2]).message["size"]
    at = parse_note(shown.notes[1]).message["size"]
    foreign = shown.notes[2].replace("sejong", "busan")
    signature = shown.notes[2].rstrip("\n").rsplit(" ", 1)[1]
    unsigned = shown.notes[2].replace(signature, "AAAA" + signature[4:])
    proof, twin = shown.tree.consistency(at, size), shown.signed(1, root=bytes(32))
    others = shown.signed(1, accounts_root=bytes(32))
    cases = {
        "not a request": (b"hello", 400),
        "two forms": (shown.request(2).replace(b"old ", b"old 0"), 400),
        "not a note": (shown.request(2, note="x\n"), 400),
        "another log": (shown.request(2, note=foreign), 404),
        "an unknown key": (shown.request(2, note=unsigned), 403),
        "old above new": (shown.request(2, old=size + 1), 400),
        "from another size": (shown.request(2, old=at - 1), 409),
        "from nothing": (shown.request(2, old=0), 409),
        "no proof": (shown.request(2, proof=()), 422),
        "a wrong proof": (shown.request(2, proof=proof[::-1] + proof[:1]), 422),
        "a wrong root": (shown.request(2, note=shown.signed(2, root=bytes(32))), 422),
        "another head of this size": (shown.request(1, old=at, note=twin), 422),
        "other accounts at this size": (shown.request(1, old=at, note=others), 422),
    }
    for name, (text, status) in cases.items():
        answer = witness.answer(text, NOW_S)
        assert (name, answer.status) == (name, status) and answer.cosign is None, answer
    assert witness.answer(shown.request(2, old=3), NOW_S).size == at
    assert witness.note == shown.notes[1]


def test_two_histories_never_both_find_a_quorum_and_leave_evidence(
    shown: Shown, tmp_path: Path
) -> None:
    names = ("city", "kepco", "residents")
    witnesses = [witness_at(tmp_path, shown, name) for name in names]
    trust = (tmp_path / "trust.json").read_bytes()
    other = shown.signed(1, accounts_root=bytes(32), root=bytes(range(32)))
    assert witnesses[0].answer(shown.request(1), NOW_S).status == 200
    # The second witness is shown another history of the same size; its proof cannot be made.
    assert witnesses[1].answer(shown.request(1, note=other), NOW_S).status == 422
    assert witnesses[1].answer(shown.request(1), NOW_S).status == 200
    size = parse_note(other).message["size"]
    assert witnesses[1].answer(shown.request(1, old=size, note=other), NOW_S).status == 422
    proofs = list((tmp_path / "kepco.evidence").glob("*.proof.json"))
    assert len(proofs) == 1
    report = verify_bundle(trust, proofs[0].read_bytes())
    assert report.ok, report.first_failure
    found = json.loads(proofs[0].read_bytes())
    found["other"] = found["checkpoint"]
    assert not verify_bundle(trust, canonical(found)).ok


@pytest.fixture
def serving() -> Iterator[Callable[[WitnessFile], str]]:
    servers: list[ThreadingHTTPServer] = []

    def start(witness: WitnessFile) -> str:
        server = serve(witness, "127.0.0.1", 0)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_loop_collects_a_quorum_that_proofs_then_carry(
    shown: Shown, tmp_path: Path, serving: Any
) -> None:
    here = shown.here
    witnesses = [witness_at(tmp_path, shown, name) for name in ("city", "kepco")]
    places = [f"{serving(one)}=0x{one.address.hex()}" for one in witnesses]
    absent = "http://127.0.0.1:9=0x" + "77" * 20
    settings = Settings(witnesses=", ".join([*places, absent]))
    trusted = trusted_witnesses(settings)
    assert trusted.quorum == 2
    head = here.store.read(last_checkpoint)
    assert here.store.read(lambda c: status_of(c, head, trusted)) == HeadStatus.SIGNED
    poster = WitnessPoster(here.store, settings, lambda: float(head.tick))
    assert poster.post() == 2
    assert here.store.read(lambda c: status_of(c, head, trusted)) == HeadStatus.WITNESSED
    here.run(1, begin=3)
    assert poster.post() == 2 and witnesses[0].note == here.store.read(last_checkpoint).note
    order = here.store.read(lambda c: Prover(c).entries_of(here.crowd.account[0], FIRST)[0][1])
    trust, proof = here.store.read(lambda c: (Prover(c).trust(trusted), Prover(c).entry(order)))
    report = verify_bundle(trust, proof)
    assert report.ok and report.checks["witness"] == 4, report.first_failure
    found = json.loads(proof)
    for rows in (found["cosignatures"][:1], found["cosignatures"][:1] * 2):
        failure = verify_bundle(trust, canonical({**found, "cosignatures": rows})).first_failure
        assert failure is not None and failure.check in ("witness", "witness quorum")


def test_an_hour_without_a_quorum_is_an_alarm_that_ends_with_one(
    shown: Shown, tmp_path: Path, serving: Any
) -> None:
    here, witness = shown.here, witness_at(tmp_path, shown)
    head = here.store.read(last_checkpoint)
    absent = Settings(witnesses="http://127.0.0.1:9=0x" + "77" * 20)
    for after_s, count in ((3600, 0), (3601, 1)):
        now_s = float(head.tick + after_s)
        WitnessPoster(here.store, absent, lambda now_s=now_s: now_s).post()
        assert len(here.store.read(open_alarms)) == count
    there = Settings(witnesses=f"{serving(witness)}=0x{witness.address.hex()}")
    WitnessPoster(here.store, there, lambda: float(head.tick + 3700)).post()
    assert here.store.read(open_alarms) == []


def test_an_answer_of_somebody_else_is_not_kept(
    shown: Shown, tmp_path: Path, serving: Any, caplog: pytest.LogCaptureFixture
) -> None:
    witness = witness_at(tmp_path, shown)
    settings = Settings(witnesses=f"{serving(witness)}=0x" + "11" * 20)
    assert WitnessPoster(shown.here.store, settings, lambda: 0.0).post() == 0
    assert "signed by 0x" in caplog.text


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.0 409 Conflict\r\n\r\n999999", "has signed for 999999 leaves, and the log has"),
        (b"HTTP/1.0 422 Unprocessable\r\n\r\n", "is no continuation of what it has signed for"),
    ],
)
def test_a_witness_that_knows_more_or_another_log_is_an_alarm_until_it_signs(
    answer: bytes, told: str, shown: Shown, tmp_path: Path, serving: Any
) -> None:
    here, witness = shown.here, witness_at(tmp_path, shown)
    address = f"=0x{witness.address.hex()}"
    with answering(answer) as url:
        WitnessPoster(here.store, Settings(witnesses=url + address), lambda: 0.0).post()
    (alarm,) = [one.alarm for one in here.store.read(open_alarms)]
    assert alarm.severity == "alarm" and told in alarm.what
    there = Settings(witnesses=serving(witness) + address)
    assert WitnessPoster(here.store, there, lambda: 0.0).post() == 1
    assert here.store.read(open_alarms) == []


def test_a_garbled_answer_keeps_nobody_else_from_signing_and_the_work_alive(
    shown: Shown, tmp_path: Path, serving: Any
) -> None:
    witness = witness_at(tmp_path, shown)
    with answering(b"\x00\xff garbled\r\n\r\n") as url:
        places = f"{url}=0x{'11' * 20}, {serving(witness)}=0x{witness.address.hex()}"
        with WitnessPoster(shown.here.store, Settings(witnesses=places), lambda: 0.0, 0.01) as work:
            deadline = time.monotonic() + 10
            while witness.note is None and time.monotonic() < deadline:
                time.sleep(0.01)
            assert witness.note is not None and work.trouble() is None


def test_the_end_of_the_work_on_witnesses_is_told(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Settings(witnesses="http://127.0.0.1:9=0x" + "77" * 20)
    work = WitnessPoster(shown.here.store, places, lambda: 0.0, 0.01)
    monkeypatch.setattr(work, "_work", lambda: None)
    work._thread = threading.Thread(target=work._work)
    with work:
        work._thread.join()
        assert "the work on witnesses has ended" in (work.trouble() or "")
    assert work.trouble() is None


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """An address at which everybody is answered the same bytes."""

    class Same(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 20)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Same) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_program_answers_over_http(shown: Shown, tmp_path: Path, serving: Any) -> None:
    url = serving(witness_at(tmp_path, shown))

    def ask(path: str, data: bytes | None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(url + path, data) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    assert ask("/add-checkpoint", shown.request(2, old=1)) == (
        409, f"{parse_note(shown.notes[0]).message['size']}\n".encode(),
    )  # fmt: skip
    status, body = ask("/add-checkpoint", shown.request(1))
    assert status == 200 and json.loads(body)["type"] == "Cosign"
    assert ask("/checkpoint", None) == (200, shown.notes[1].encode())
    assert ask("/else", None)[0] == ask("/else", b"x")[0] == 404
    assert ask("/add-checkpoint", b"x" * 20_000)[0] == 400


@pytest.mark.parametrize("text", ["http://a", "ftp://a=0x" + "11" * 20, "http://a=0x11"])
def test_a_wrong_setting_is_one_sentence(text: str) -> None:
    with pytest.raises(StoreError, match="allowed http://HOST:PORT=0x"):
        witnesses_of(Settings(witnesses=text))


def test_a_missing_trust_root_is_one_sentence(tmp_path: Path, capsys: Any) -> None:
    words = ["witness", "--trust", str(tmp_path / "no.json"), "--key", str(tmp_path / "key")]
    assert run([*words, "--state", str(tmp_path / "state.json")]) == 2
    assert "trust root" in capsys.readouterr().err
