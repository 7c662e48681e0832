"""A witness of a log: it signs for a head only where that extends the head it signed for last.

Two histories of one log can then not both find a quorum. The request is that of C2SP: the old
size, a consistency proof, an empty line, the note. Pure: what was seen comes in, and what must be
stored before the answer is given comes out.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from market.books import Entry, make_entry
from market.checkpoint import SignedNote, key_id, parse_note
from market.errors import MarketError
from market.merkle import ProofError, require_consistency
from market.signing import Domain, SignatureError, digest, recover

PROOF_MAX = 63
REQUEST_BYTES_MAX = 16 * 1024


@dataclass(frozen=True)
class Watched:
    """The log that a witness looks at: its market, its name, the addresses that sign its heads."""

    domain: Domain
    origin: str
    log_keys: tuple[bytes, ...]


@dataclass(frozen=True)
class SeenHead:
    """The head that a witness has signed for last."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True)
class AddCheckpoint:
    """A request: the size at which the log believes the witness, the proof from it, the note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str


@dataclass(frozen=True)
class WitnessAnswer:
    """HTTP status, and what belongs to it.

    200: `seen` must be stored durably before `cosign` is given away. 409: `size` is the one that
    the request must start from. `fork`: the note stands beside the seen one and proves a wrong.
    """

    status: int
    detail: str
    size: int | None = None
    seen: SeenHead | None = None
    cosign: Entry | None = None
    fork: str | None = None


def add_checkpoint_text(request: AddCheckpoint) -> str:
    """The request as it is sent."""
    proof = "".join(base64.b64encode(one).decode() + "\n" for one in request.proof)
    return f"old {request.old_size}\n{proof}\n{request.note}"


def parse_add_checkpoint(text: bytes) -> AddCheckpoint:
    """The request of a text; raises MarketError for one that is not exactly as it must be."""
    try:
        head, empty, note = text.decode("utf-8").partition("\n\n")
        first, *lines = head.split("\n")
        proof = tuple(base64.b64decode(line, validate=True) for line in lines)
    except ValueError as error:
        raise MarketError(f"add-checkpoint: cannot be read: {error}") from error
    word, _, size = first.partition(" ")
    if not empty or word != "old" or not size.isascii() or not size.isdecimal():
        raise MarketError("add-checkpoint: allowed `old SIZE`, the proof, an empty line, the note")
    request = AddCheckpoint(int(size), proof, note)
    if len(proof) > PROOF_MAX or any(len(one) != 32 for one in proof):
        raise MarketError(f"add-checkpoint: allowed at most {PROOF_MAX} hashes of 32 bytes")
    if add_checkpoint_text(request).encode() != text:
        raise MarketError("add-checkpoint: allowed one form only")
    return request


def answer_checkpoint(
    watched: Watched, seen: SeenHead, request: AddCheckpoint, key: bytes, now_s: int
) -> WitnessAnswer:
    """What the witness with this key answers, having signed for `seen` last."""
    try:
        note = parse_note(request.note)
    except MarketError as error:
        return WitnessAnswer(400, str(error))
    if note.origin != watched.origin:
        return WitnessAnswer(404, f"origin {note.origin}: allowed {watched.origin}")
    head = digest(watched.domain, "Checkpoint", note.message)
    if not _is_signed(watched, note, head):
        return WitnessAnswer(403, "no good signature of a known key of the log")
    size, root = note.message["size"], note.message["root"]
    if request.old_size > size:
        return WitnessAnswer(400, f"old size {request.old_size} above new size {size}")
    if size == seen.size and _roots(note) != _roots(parse_note(seen.note)):
        detail = f"another head of size {size} was signed for"
        return WitnessAnswer(422, detail, fork=request.note)
    if request.old_size != seen.size:
        return WitnessAnswer(409, f"the last head has size {seen.size}", size=seen.size)
    try:
        require_consistency(
            old_size=seen.size, old_root=seen.root, size=size, root=root, proof=request.proof
        )
    except ProofError as error:
        return WitnessAnswer(422, str(error), fork=request.note)
    message = {"checkpoint": head, "time": now_s}
    cosign = make_entry(watched.domain, "Cosign", message, key)
    after = SeenHead(size, root, request.note)
    return WitnessAnswer(200, "cosigned", seen=after, cosign=cosign)


def _roots(note: SignedNote) -> tuple[bytes, bytes]:
    """What a head binds: the log, and the accounts, whose tree is no part of the log."""
    return note.message["root"], note.message["accounts_root"]


def log_keys_of(domain: Domain, note: str) -> tuple[bytes, ...]:
    """The addresses that have signed a trusted note, such as the published first one.

    Raises MarketError where a line is not by the key that it names.
    """
    found = parse_note(note)
    head = digest(domain, "Checkpoint", found.message)
    addresses = []
    for name, named, signature in found.signatures:
        address = recover(head, signature)
        if name == found.origin and named != key_id(name, address):
            raise MarketError("checkpoint note: signed by another key than the line names")
        addresses.append(address)
    return tuple(addresses)


def _is_signed(watched: Watched, note: SignedNote, head: bytes) -> bool:
    """At least one line of a known key, and no bad line of one."""
    known = {key_id(watched.origin, address): address for address in watched.log_keys}
    lines: Sequence[tuple[str, bytes, bytes]] = note.signatures
    good = 0
    for name, named, signature in lines:
        if name != watched.origin or named not in known:
            continue
        try:
            if recover(head, signature) != known[named]:
                return False
        except SignatureError:
            return False
        good += 1
    return good > 0


def cosign_json(entry: Entry) -> dict[str, Any]:
    """A Cosign as it is given away."""
    message = entry.message
    return {
        "type": "Cosign",
        "message": {
            "checkpoint": "0x" + message["checkpoint"].hex(),
            "time": str(message["time"]),
        },
        "signatures": [
            {
                "signer": "0x" + entry.signers[0].hex(),
                "signature": "0x" + entry.signatures[0].hex(),
            }
        ],
    }
