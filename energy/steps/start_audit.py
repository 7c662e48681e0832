"""The audit of the books at every start, beside the loop; it takes nothing from memory.

Looked at are every link between two heads, the root of the log from all its entries, and every
balance from every transfer there is. What needs each signature is for the offline verifier, which
runs after a restore and a migration. Transfers are immutable, so they are added up in short units
of work with pauses: a year of the full district is some 70,000 settlements, and nobody who writes
waits for longer than one unit.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import Connection

from energy.logs import in_words
from energy.steps.beside import Beside
from energy.steps.book_head import Head, load_head
from energy.steps.books import Halt, Registry, load_registry
from energy.steps.chain_audit import audit_chain, broken_links, wrong_root
from energy.steps.halting import AUDIT_CAUSE, HALTED
from energy.steps.proving import find_oversold, unlike_sums, verify_store
from energy.store.alarms import Alarm, end_alarm, raise_alarm
from energy.store.archive import has_archive
from energy.store.books import moved_sums, next_settlement
from energy.store.checkpoints import load_checkpoints
from energy.store.engine import Store
from energy.store.erasures import count_erased_transfers, erased_moves
from energy.store.errors import StoreBusyError

log = logging.getLogger(__name__)

SETTLEMENTS_AT_ONCE = 32
PAUSE_S = 0.05
TRY_AGAIN_S = 60.0


def first_finding(store: Store) -> str | None:
    """What is wrong first with the books of a store at rest, by everything that can be looked at:
    the offline verifier, all sums, and what was sold; None where nothing is.
    """
    report = verify_store(store)
    if report.first_failure is not None:
        return report.first_failure.message
    if store.read(has_archive):
        return None  # somebody else's books, which stand here as they were exported
    chain = store.read(audit_chain)
    if chain is not None and chain.findings:
        return chain.findings[0]
    oversold = store.read(lambda connection: find_oversold(connection, load_registry(connection)))
    return oversold[0] if oversold else None


def findings_in_steps(store: Store, pause: Callable[[float], bool]) -> Iterator[str]:
    """What is wrong with the books while others write to them, one sentence each.

    `pause` waits so many seconds and says whether to end.
    """
    yield from store.read(_chain)
    while True:
        registry, head, end, erased = store.read(_beginning)
        sums: Counter[tuple[int, int]] = Counter()
        for first in range(0, end, SETTLEMENTS_AT_ONCE):
            here = range(first, min(first + SETTLEMENTS_AT_ONCE, end))
            sums.update(store.read(partial(moved_sums, settlements=here)))
            if pause(PAUSE_S):
                return
        gone, moves = store.read(lambda c: (count_erased_transfers(c), erased_moves(c)))
        if gone == erased:
            sums.update(moves)
            yield from unlike_sums(registry.book.accounts, head, sums)
            return
        # Somebody was forgotten meanwhile: what was added up is not what is there now.


def _chain(connection: Connection) -> list[str]:
    heads = load_checkpoints(connection)
    root = wrong_root(connection, heads[-1]) if heads else ()
    return [*broken_links(heads), *root]


def _beginning(connection: Connection) -> tuple[Registry, Head, int, int]:
    registry = load_registry(connection)
    head, _ = load_head(connection, registry.book)
    return registry, head, next_settlement(connection), count_erased_transfers(connection)


class StartAudit(Beside):
    """Audits the books once, in a thread of its own; a finding halts all signing and stays."""

    def __init__(self, store: Store, halt: Halt, now_s: Callable[[], float]) -> None:
        super().__init__("audit")
        self._store, self._halt, self._now_s = store, halt, now_s

    def trouble(self) -> str | None:
        """That the books do not hold, None where nothing is known against them."""
        found = self._halt.because
        return None if found is None else f"{HALTED}: {found}"

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except StoreBusyError as error:
                log.warning("the books are not audited yet: %s", error)
            except Exception:
                # Only the telling: whatever the looking raises is a finding, and halts already.
                log.exception("what the audit came to cannot be told yet")
            else:
                return
            self._stopping.wait(TRY_AGAIN_S)

    def look(self) -> None:
        """Audit the books; halt and tell where they do not hold.

        Books that cannot be read as books do not hold; only a database that does not answer at this
        moment says nothing against them, and raises StoreBusyError.
        """
        try:
            found = next(findings_in_steps(self._store, self._stopping.wait), None)
        except StoreBusyError:
            raise
        except Exception as error:
            log.exception("the books cannot be audited")
            found = f"cannot be audited: {in_words(error)}"
        if self._stopping.is_set():
            return
        now_s = int(self._now_s())
        if found is None:
            self._store.write(lambda connection: end_alarm(connection, AUDIT_CAUSE, now_s))
            log.info("the books hold: every head, the log's root and every balance")
            return
        self._halt.because = found
        log.error("the books do not hold, %s: %s", HALTED, found)
        alarm = Alarm(
            cause=AUDIT_CAUSE,
            severity="alarm",
            what=f"The books do not hold, {HALTED}: {found}",
            where="ledger",
            todo="Stop the service; verify a copy and the last backup before anything else.",
        )
        self._store.write(lambda connection: raise_alarm(connection, alarm, now_s))
