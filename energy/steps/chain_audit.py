"""An audit that a person asks for on a page: the chain of heads, the log, all sums, the audit log.

It reads the rows as they are and takes nothing from memory, so that what was changed in the store
shows. What needs every signature is for the offline verifier, which takes minutes and not seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from energy.steps.proving import add_up
from energy.steps.receipts import LogTree
from energy.store.audit import count_records, first_broken
from energy.store.checkpoints import CheckpointRow, load_checkpoints
from energy.store.errors import StoreBusyError, StoreError
from energy.timegrid import iso_of


@dataclass(frozen=True)
class ChainAudit:
    """What was looked at, and one sentence for each thing that is wrong: none where all holds.

    `head` is the newest signed head, `turnover` what each ledger has moved, by its number.
    """

    head: CheckpointRow
    checkpoints: int
    transfers: int
    audit_records: int
    turnover: dict[int, int]
    findings: tuple[str, ...]


def audit_chain(connection: Connection) -> ChainAudit | None:
    """The verdict on the books as this transaction sees them; None before the first head."""
    heads = load_checkpoints(connection)
    if not heads:
        return None
    findings = [*broken_links(heads), *wrong_root(connection, heads[-1])]
    transfers, turnover = 0, dict[int, int]()
    try:
        totals = add_up(connection)
        transfers, turnover = totals.transfers, totals.turnover
        findings += totals.findings
    except StoreBusyError:
        raise
    except StoreError as error:
        findings.append(str(error))
    broken = first_broken(connection)
    if broken is not None:
        findings.append(f"audit log: record {broken} was changed, put in or taken out")
    records = count_records(connection)
    return ChainAudit(heads[-1], len(heads), transfers, records, turnover, tuple(findings))


def broken_links(heads: Sequence[CheckpointRow]) -> Iterator[str]:
    """Heads that do not follow from the one before."""
    for before, head in pairwise(heads):
        tick = iso_of(head.tick)
        if head.previous != before.digest:
            found, allowed = head.previous.hex(), before.digest.hex()
            yield f"checkpoint {tick}: follows {found}, allowed {allowed}, the one before"
        if head.size < before.size:
            yield f"checkpoint {tick}: has {head.size} entries, allowed {before.size} or more"


def wrong_root(connection: Connection, head: CheckpointRow) -> Iterator[str]:
    """Where the entries, put together anew, do not give the root that was signed."""
    log = LogTree()
    log.grow(connection)
    if log.tree.root() != head.root:
        found, allowed = log.tree.root().hex(), head.root.hex()
        yield f"log: its entries give the root {found}, allowed {allowed}, which is signed"
