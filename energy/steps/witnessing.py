"""Checkpoints on their way to witnesses, beside the loop, which never waits for them.

A checkpoint is SIGNED when it is stored and WITNESSED when a quorum has cosigned it. One that is
older than an hour without is an alarm. So is a witness that has signed for more than there is, or
for another log: the store was put back from an older copy, or two stores go on as one market.
"""

import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from urllib.parse import urlsplit

from sqlalchemy import Connection

from energy.config import Settings
from energy.steps.beside import Beside
from energy.steps.books import load_registry
from energy.steps.receipts import LogTree, Witnesses
from energy.store.alarms import Alarm, end_alarm, end_other_alarms, raise_alarm
from energy.store.checkpoints import (
    CheckpointRow,
    CosignRow,
    last_checkpoint,
    last_cosigned,
    load_cosignatures,
    save_cosignature,
)
from energy.store.engine import Store
from energy.store.errors import StoreBusyError, StoreError
from energy.timegrid import iso_of
from market.messages import parse_message
from market.signing import Domain, digest, recover
from market.witness import AddCheckpoint, add_checkpoint_text

log = logging.getLogger(__name__)

POST_EVERY_S = 2.0
ANSWER_S = 5.0
ALARM_AFTER_S = 3600
CAUSE = "ledger/witnesses"
REFUSED = "ledger/witness/"
"""Alarms of single witnesses: each by the address under which it signs."""


class HeadStatus(StrEnum):
    """How far a checkpoint has come."""

    SIGNED = "SIGNED"
    WITNESSED = "WITNESSED"


@dataclass(frozen=True)
class Witness:
    """Where a witness listens, and the address under which it signs."""

    url: str
    address: bytes


def witnesses_of(settings: Settings) -> tuple[Witness, ...]:
    """The witnesses of the settings, `URL=0xADDRESS` each, separated by commas.

    Raises StoreError in one sentence.
    """
    found = []
    for text in filter(None, map(str.strip, settings.witnesses.split(","))):
        url, _, address = text.rpartition("=0x")
        try:
            raw = bytes.fromhex(address)
        except ValueError:
            raw = b""
        if not url.startswith(("http://", "https://")) or len(raw) != 20:
            raise StoreError(f"witness {text!r}: allowed http://HOST:PORT=0x and 40 hex digits")
        found.append(Witness(url.rstrip("/"), raw))
    return tuple(found)


def trusted_witnesses(settings: Settings) -> Witnesses:
    """Their addresses and the quorum: more than half of them."""
    addresses = tuple(one.address for one in witnesses_of(settings))
    return Witnesses(addresses, len(addresses) // 2 + 1 if addresses else 0)


def status_of(connection: Connection, head: CheckpointRow, witnesses: Witnesses) -> HeadStatus:
    """Whether a quorum has cosigned the checkpoint."""
    signers = {one.signer for one in load_cosignatures(connection, head.digest)}
    seen = len(signers.intersection(witnesses.addresses))
    enough = witnesses.quorum and seen >= witnesses.quorum
    return HeadStatus.WITNESSED if enough else HeadStatus.SIGNED


def forget_witnesses(connection: Connection, settings: Settings, now_s: int) -> None:
    """End the alarms of witnesses that the settings no longer have: nobody asks them any more."""
    witnesses = witnesses_of(settings)
    end_other_alarms(connection, REFUSED, frozenset(map(_cause_of, witnesses)), now_s)
    if not witnesses:
        end_alarm(connection, CAUSE, now_s)


class WitnessPoster(Beside):
    """Shows the newest checkpoint to every witness, in a thread of its own."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        now_s: Callable[[], float],
        every_s: float = POST_EVERY_S,
    ) -> None:
        self._store, self._now_s, self._every_s = store, now_s, every_s
        self._witnesses = witnesses_of(settings)
        self._trusted = trusted_witnesses(settings)
        self._log = LogTree()
        self._sizes: dict[bytes, int] = {}
        super().__init__("witnesses", is_needed=bool(self._witnesses))

    def trouble(self) -> str | None:
        """That nothing is shown to witnesses any more, None where it is or there are none."""
        if not self.has_died:
            return None
        return "checkpoints are not shown: the work on witnesses has ended; start the service anew"

    def _work(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.post()
            except StoreError as error:
                log.warning("witnesses: %s", error)
            except Exception:
                # Whatever it is, the next head must still be shown.
                log.exception("witnesses: the newest checkpoint is not shown")

    def post(self) -> int:
        """Show the newest checkpoint to those who have not signed for it; how many now have."""
        head = self._store.read(self._newest)
        if head is None:
            return 0
        domain = self._store.read(load_registry).domain
        known = self._store.read(lambda connection: load_cosignatures(connection, head.digest))
        done = {one.signer for one in known}
        for one in self._witnesses:
            if one.address not in done and self._is_signed_by(one, domain, head):
                done.add(one.address)
        self._store.write(lambda connection: self._watch_age(connection, head))
        return len(done)

    def _is_signed_by(self, one: Witness, domain: Domain, head: CheckpointRow) -> bool:
        """Whether the witness has signed; whatever it answers, the others are asked as well."""
        try:
            return self._show(domain, one, head)
        except StoreBusyError:
            raise
        except Exception as error:
            log.warning("witness %s: %s: %s", one.url, type(error).__name__, error)
            return False

    def _newest(self, connection: Connection) -> CheckpointRow | None:
        self._log.grow(connection)
        return last_checkpoint(connection)

    def _show(self, domain: Domain, one: Witness, head: CheckpointRow) -> bool:
        """Whether the witness has signed for the head; what it signed is kept."""
        for _ in range(2):
            old = min(self._sizes.get(one.address, 1), head.size)
            proof = self._log.tree.consistency(old, head.size)
            text = add_checkpoint_text(AddCheckpoint(old, proof, head.note))
            status, body = _ask(one.url, text.encode())
            told = _disagreement(status, body, head.size)
            if told is not None:
                self._tell_disagreement(one, told)
                return False
            if status == 409 and body.strip().isdecimal():
                self._sizes[one.address] = int(body)
                continue
            if status != 200:
                if status:
                    log.warning("witness %s: %s %s", one.url, status, body.strip()[:200])
                return False
            row = _cosign_row(domain, body, one, head)
            self._store.write(partial(self._keep, row=row, one=one))
            self._sizes[one.address] = head.size
            return True
        return False

    def _keep(self, connection: Connection, row: CosignRow, one: Witness) -> None:
        save_cosignature(connection, row)
        end_alarm(connection, _cause_of(one), int(self._now_s()))

    def _tell_disagreement(self, one: Witness, told: str) -> None:
        found = Alarm(
            cause=_cause_of(one),
            severity="alarm",
            what=f"The witness {urlsplit(one.url).hostname} refuses the log: {told}",
            where="ledger",
            todo="Stop the service; look whether the store is an older copy, or another one runs.",
        )
        self._store.write(lambda connection: raise_alarm(connection, found, int(self._now_s())))

    def _watch_age(self, connection: Connection, head: CheckpointRow) -> None:
        """An alarm where no quorum has signed for an hour, as the district's clock has it."""
        now_s = int(self._now_s())
        if status_of(connection, head, self._trusted) == HeadStatus.WITNESSED:
            end_alarm(connection, CAUSE, now_s)
            return
        last = last_cosigned(connection, self._trusted.addresses, self._trusted.quorum)
        since = head.tick if last is None else last
        if now_s - since > ALARM_AFTER_S:
            found = Alarm(
                cause=CAUSE,
                severity="warning",
                what=f"No quorum of witnesses has signed since {iso_of(since)}",
                where="ledger",
                todo="Ask the witnesses; until then nobody outside vouches for the log.",
            )
            raise_alarm(connection, found, now_s)


def _cause_of(one: Witness) -> str:
    return f"{REFUSED}0x{one.address.hex()}"


def _disagreement(status: int, body: str, size: int) -> str | None:
    """What a witness knows that the log does not, None where its answer says no such thing."""
    if status == 422:
        return f"the log of {size} leaves is no continuation of what it has signed for"
    if status == 409 and body.strip().isdecimal() and int(body) > size:
        return f"it has signed for {int(body)} leaves, and the log has {size}"
    return None


def _ask(url: str, text: bytes) -> tuple[int, str]:
    """Status and body of a witness's answer; 0 where there is none."""
    request = urllib.request.Request(f"{url}/add-checkpoint", data=text, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return answer.status, answer.read(64 * 1024).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(64 * 1024).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        log.info("witness %s: %s", url, error)
        return 0, ""


def _cosign_row(domain: Domain, body: str, one: Witness, head: CheckpointRow) -> CosignRow:
    """The row of a cosignature, proven; raises StoreError where it is not this witness's."""
    try:
        found = json.loads(body)
        message = parse_message("Cosign", found["message"])
        signature = bytes.fromhex(found["signatures"][0]["signature"][2:])
        signer = recover(digest(domain, "Cosign", message), signature)
    except Exception as error:
        raise StoreError(f"witness {one.url}: its answer cannot be read: {error!r}") from error
    if signer != one.address or message["checkpoint"] != head.digest:
        raise StoreError(f"witness {one.url}: signed by 0x{signer.hex()} or for another head")
    return CosignRow(head.digest, signer, message["time"], signature)
