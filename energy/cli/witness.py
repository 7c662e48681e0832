"""`microgrid witness`: a small program of somebody else, who signs for what extends what he saw.

It needs the trust root of a market and a key of its own, and keeps one file: the last head that it
has signed for, written and synchronised before the answer leaves. Notes that contradict it are
kept beside that file; they prove a fork.
"""

import hashlib
import json
import os
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer

from energy.cli.order import read_key
from energy.store.errors import StoreError
from market.checkpoint import parse_note
from market.errors import MarketError
from market.proofs import fork_of_notes
from market.signing import Domain, address_of
from market.witness import (
    REQUEST_BYTES_MAX,
    SeenHead,
    Watched,
    WitnessAnswer,
    answer_checkpoint,
    cosign_json,
    log_keys_of,
    parse_add_checkpoint,
)


class WitnessFile:
    """A witness at work: one request after the other, each durable before it is answered."""

    def __init__(self, trust: Path, state: Path, key: bytes) -> None:
        found = _read_trust(trust)
        domain = Domain(found["market"], int(found["domain"]["chainId"]))
        first = str(found["first"])
        self._watched = Watched(domain, str(found["origin"]), log_keys_of(domain, first))
        self._state, self._key = state, key
        self._turn = threading.Lock()
        self._seen = _read_state(state) if state.exists() else _head_of(first)

    @property
    def address(self) -> bytes:
        """The address under which it signs."""
        return address_of(self._key)

    @property
    def note(self) -> str:
        """The last note that it has signed for."""
        return self._seen.note

    def answer(self, text: bytes, now_s: int) -> WitnessAnswer:
        """The answer to a request; what it promises is on the disk by then."""
        try:
            request = parse_add_checkpoint(text)
        except MarketError as error:
            return WitnessAnswer(400, str(error))
        with self._turn:
            answer = answer_checkpoint(self._watched, self._seen, request, self._key, now_s)
            if answer.fork is not None:
                self._keep_evidence(answer.fork)
            if answer.seen is not None:
                _write_durably(self._state, _state_text(answer.seen))
                self._seen = answer.seen
        return answer

    def _keep_evidence(self, note: str) -> None:
        """Keep the note beside the one it contradicts, and the proof where they are of one size."""
        name = hashlib.sha256(note.encode()).hexdigest()[:16]
        folder = self._state.with_suffix(".evidence")
        folder.mkdir(parents=True, exist_ok=True)
        pair = json.dumps({"seen": self._seen.note, "shown": note}, indent=1)
        _write_durably(folder / f"{name}.json", pair)
        if parse_note(note).message["size"] == self._seen.size:
            proof = fork_of_notes(self._watched.domain, self._seen.note, note)
            _write_durably(folder / f"{name}.proof.json", proof.decode())


def witness(
    trust: Annotated[Path, typer.Option(help="trust root of the market")],
    key: Annotated[Path, typer.Option(help="file with a hex key or a keystore; made if missing")],
    state: Annotated[Path, typer.Option(help="file of the last head")] = Path("witness.json"),
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8643,
) -> None:
    """Cosign the heads of a market's log as long as each extends the one before, until Ctrl-C."""
    if not key.exists():
        _make_key(key)
    at_work = WitnessFile(trust, state, read_key(key))
    server = serve(at_work, host, port)
    typer.echo(f"witness 0x{at_work.address.hex()} at http://{host}:{server.server_port}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def serve(at_work: WitnessFile, host: str, port: int) -> ThreadingHTTPServer:
    """A server of `POST /add-checkpoint` and `GET /checkpoint`, not yet running."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            """Look at a head."""
            length = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint":
                self._tell(404, "text/plain", "allowed POST /add-checkpoint\n")
            elif not length.isdecimal() or int(length) > REQUEST_BYTES_MAX:
                self._tell(400, "text/plain", f"allowed at most {REQUEST_BYTES_MAX} bytes\n")
            else:
                self._answer(at_work.answer(self.rfile.read(int(length)), int(time.time())))

        def do_GET(self) -> None:
            """Show the last head, so that anybody can compare."""
            found = self.path == "/checkpoint"
            self._tell(200 if found else 404, "text/plain", at_work.note if found else "\n")

        def _answer(self, answer: WitnessAnswer) -> None:
            if answer.cosign is not None:
                self._tell(200, "application/json", json.dumps(cosign_json(answer.cosign)))
            elif answer.size is not None:
                self._tell(answer.status, "text/x.tlog.size", f"{answer.size}\n")
            else:
                self._tell(answer.status, "text/plain", answer.detail + "\n")

        def _tell(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: what matters stands in the files."""

    return ThreadingHTTPServer((host, port), Handler)


def _read_trust(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("market", "domain", "origin", "first")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"trust root {path}: cannot be read: {error!r}") from error


def _head_of(note: str) -> SeenHead:
    message = parse_note(note).message
    return SeenHead(message["size"], message["root"], note)


def _state_text(seen: SeenHead) -> str:
    return json.dumps({"note": seen.note})


def _read_state(path: Path) -> SeenHead:
    try:
        return _head_of(str(json.loads(path.read_text(encoding="utf-8"))["note"]))
    except (OSError, ValueError, KeyError, TypeError, MarketError) as error:
        raise StoreError(f"state of the witness {path}: cannot be read: {error!r}") from error


def _write_durably(path: Path, text: str) -> None:
    """All of the text or nothing of it, on the disk when this returns."""
    scratch = path.with_name(path.name + ".new")
    with scratch.open("w", encoding="utf-8") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    scratch.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _make_key(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32) + "\n", encoding="utf-8")
