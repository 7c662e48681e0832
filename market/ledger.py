"""Transfers between accounts, and the rules by which a batch of them is accepted or refused.

Three ledgers with one integer unit each: KRW in micro-won, ENERGY in Wh, POINTS in micro-points.
A balance is credits less debits; the debit account gives, the credit account receives. Nothing
here is ever edited: a batch in gives new balances out, or a `Refusal` and nothing has changed.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from market.errors import MarketError
from market.transfers import ZERO32 as ZERO32
from market.transfers import Code as Code
from market.transfers import LedgerId as LedgerId
from market.transfers import NaturalKey as NaturalKey
from market.transfers import Transfer as Transfer
from market.transfers import TransferKind as TransferKind
from market.transfers import natural_key as natural_key
from market.transfers import sort_and_merge as sort_and_merge
from market.transfers import system_account as system_account
from market.transfers import transfer_digests as transfer_digests

Balances = Mapping[tuple[int, bytes], int]


class RefusalReason(IntEnum):
    """Why a batch is refused; of several reasons the least number is the answer."""

    UNKNOWN_ACCOUNT = 1
    SAME_ACCOUNT = 2
    ZERO_AMOUNT = 3
    UNKNOWN_PENDING = 4  # also: the transfer to be reversed is not known
    PENDING_DONE = 5
    PENDING_MISMATCH = 6
    OVER_PENDING = 7
    ALREADY_REVERSED = 8
    LIMIT = 9
    CLOSED_SLOT = 10
    DUPLICATE_DIFFERENT = 11


@dataclass(frozen=True)
class Refusal:
    """The answer to a batch that was not posted: nothing has changed."""

    reason: RefusalReason
    index: int  # of the transfer in the batch; for LIMIT of the first that touches the account
    found: str
    allowed: str


@dataclass(frozen=True)
class Posted:
    """What the posting of a batch needs to know of the book beside balances and open pendings.

    `ids` are the digests of the batch, in its order. The rest has defaults that allow everything:
    accounts that exist (None: all), least balances, closed slots, the pendings that have ended and
    the originals named by REVERSE with the ids of those undone before, and natural keys in use.
    """

    ids: Sequence[bytes]
    accounts: Container[bytes] | None = None
    least: Mapping[tuple[int, bytes], int] = field(default_factory=dict)
    closed_slots: Container[int] = frozenset()
    ended: Container[bytes] = frozenset()
    originals: Mapping[bytes, Transfer] = field(default_factory=dict)
    reversed_ids: Container[bytes] = frozenset()
    keys_in_use: Mapping[NaturalKey, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchResult:
    """The book after a batch, and what the batch did."""

    balances: dict[tuple[int, bytes], int]
    open_pendings: dict[bytes, Transfer]
    changes: dict[tuple[int, bytes], int]  # moved balances only; sums to zero per ledger
    opened: tuple[bytes, ...]
    ended: tuple[bytes, ...]
    reversed_ids: tuple[bytes, ...]


def post_batch(
    balances: Balances,
    open_pendings: Mapping[bytes, Transfer],
    transfers: Sequence[Transfer],
    posted: Posted,
) -> BatchResult | Refusal:
    """The book after all transfers of the batch, or the one reason why none is posted.

    A PENDING may be ended in the same batch that opens it, later in its order. Limits are checked
    on the batch as a whole, open pendings counted as if they had moved.
    """
    if len(posted.ids) != len(transfers):
        raise MarketError(f"batch: {len(posted.ids)} ids, allowed {len(transfers)}")
    batch = _Batch(open_pendings, posted)
    refusal: Refusal | None = None
    for index, transfer in enumerate(transfers):
        found = batch.refuse(index, transfer)
        if found is None:
            batch.take(posted.ids[index], transfer)
            continue
        if found.reason >= RefusalReason.LIMIT:
            # Well formed: what follows from it must not look as if it were the cause.
            batch.take(posted.ids[index], transfer)
        if refusal is None or found.reason < refusal.reason:
            refusal = found
    if refusal is None or refusal.reason > RefusalReason.LIMIT:
        refusal = _refuse_limit(balances, batch, transfers) or refusal
    return refusal or batch.result(balances)


def post_linked(
    balances: Balances,
    open_pendings: Mapping[bytes, Transfer],
    transfers: Sequence[Transfer],
    posted: Posted,
) -> tuple[list[BatchResult | Refusal], list[list[int]]]:
    """Post group by group: transfers of one non-zero link stand or fall together.

    Gives the answers and the indices of the transfers of each group, in the order in which the
    groups begin; the book after the last BatchResult is the book after all.
    """
    groups: dict[object, list[int]] = {}
    for index, transfer in enumerate(transfers):
        groups.setdefault(index if transfer.link == ZERO32 else transfer.link, []).append(index)
    answers: list[BatchResult | Refusal] = []
    ended, undone = set[bytes](), set[bytes]()
    for indices in groups.values():
        part = replace(
            posted,
            ids=[posted.ids[n] for n in indices],
            ended=_Either(posted.ended, ended),
            reversed_ids=_Either(posted.reversed_ids, undone),
        )
        answer = post_batch(balances, open_pendings, [transfers[n] for n in indices], part)
        if isinstance(answer, BatchResult):
            balances, open_pendings = answer.balances, answer.open_pendings
            ended.update(answer.ended)
            undone.update(answer.reversed_ids)
        answers.append(answer)
    return answers, list(groups.values())


def unclosed(
    changes: Mapping[tuple[int, bytes], int], must_close: Iterable[tuple[int, bytes]]
) -> dict[tuple[int, bytes], int]:
    """Of the (ledger, account) pairs that must end a slot at zero, those that do not."""
    return {key: changes[key] for key in must_close if changes.get(key, 0)}


@dataclass(frozen=True)
class _Either:
    first: Container[bytes]
    second: Container[bytes]

    def __contains__(self, item: object) -> bool:
        return item in self.first or item in self.second


class _Batch:
    """A batch on its way: what it has opened, ended, undone and moved so far."""

    def __init__(self, open_pendings: Mapping[bytes, Transfer], posted: Posted) -> None:
        self.posted = posted
        self.open_pendings = dict(open_pendings)
        self.changes: defaultdict[tuple[int, bytes], int] = defaultdict(int)
        self.opened: list[bytes] = []
        self.ended: dict[bytes, None] = {}
        self.undone: dict[bytes, None] = {}
        self.keys: set[tuple[object, ...]] = set()

    def take(self, transfer_id: bytes, transfer: Transfer) -> None:
        ledger, kind, _, debit, credit, amount, *_ = transfer
        if kind == TransferKind.PENDING:
            self.open_pendings[transfer_id] = transfer
            self.opened.append(transfer_id)
            return
        if kind in (TransferKind.POST, TransferKind.VOID):
            del self.open_pendings[transfer.pending]
            self.ended[transfer.pending] = None
        if kind == TransferKind.REVERSE:
            self.undone[transfer.pending] = None
        if kind != TransferKind.VOID:
            self.changes[ledger, debit] -= amount
            self.changes[ledger, credit] += amount

    def refuse(self, index: int, transfer: Transfer) -> Refusal | None:
        """Why this transfer cannot stand here, or None; the reasons in their order."""
        accounts = self.posted.accounts
        ledger, kind, _, debit, credit, amount, slot, version, _, cause, _ = transfer
        if not (1 <= ledger <= 3 and 1 <= kind <= 5):
            raise MarketError(f"transfer {index}: ledger {ledger} or kind {kind} is unknown")
        if accounts is not None:
            for account in (debit, credit):
                if account not in accounts:
                    return _refusal(1, index, account.hex(), "an account of the book")
        if debit == credit:
            return _refusal(2, index, debit.hex(), "two accounts")
        if amount < 1:
            return _refusal(3, index, str(amount), "1 or more")
        if kind in _ENDING:
            refusal = self._refuse_ending(index, transfer)
        elif kind == TransferKind.REVERSE:
            refusal = self._refuse_reverse(index, transfer)
        else:
            refusal = None
        if refusal is not None:
            return refusal
        if slot in self.posted.closed_slots:
            return _refusal(10, index, str(slot), "a slot that is not final")
        key = (*transfer[:5], slot, version, cause)
        if key in self.keys or key in self.posted.keys_in_use:
            return _refusal(11, index, str(key), "one transfer per natural key")
        self.keys.add(key)
        return None

    def _refuse_ending(self, index: int, transfer: Transfer) -> Refusal | None:
        name, opened = transfer.pending.hex(), self.open_pendings.get(transfer.pending)
        if opened is None:
            if transfer.pending in self.ended or transfer.pending in self.posted.ended:
                return _refusal(5, index, f"pending {name} has ended", "a pending ended once")
            return _refusal(4, index, f"pending {name}", "an open pending")
        if opened.ledger != transfer.ledger or opened[3:5] != transfer[3:5]:
            return _refusal(6, index, str(transfer), f"ledger and accounts of {opened}")
        if transfer.kind == TransferKind.VOID and transfer.amount != opened.amount:
            return _refusal(6, index, str(transfer.amount), f"all of {opened.amount}")
        if transfer.amount > opened.amount:
            return _refusal(7, index, str(transfer.amount), f"at most {opened.amount}")
        return None

    def _refuse_reverse(self, index: int, transfer: Transfer) -> Refusal | None:
        name, original = transfer.pending.hex(), self.posted.originals.get(transfer.pending)
        if original is None or original.kind not in _UNDOABLE:
            return _refusal(4, index, f"original {name}", "a PLAIN or POST of the book")
        swapped = (original.ledger, original.credit, original.debit, original.amount)
        if swapped != (transfer.ledger, transfer.debit, transfer.credit, transfer.amount):
            return _refusal(6, index, str(transfer), f"the reverse of {original}")
        if transfer.pending in self.undone or transfer.pending in self.posted.reversed_ids:
            return _refusal(8, index, f"original {name}", "a transfer reversed once")
        return None

    def result(self, balances: Balances) -> BatchResult:
        """The book after the batch."""
        after = dict(balances)
        for key, change in self.changes.items():
            after[key] = after.get(key, 0) + change
        return BatchResult(
            balances=after,
            open_pendings=self.open_pendings,
            changes=dict(self.changes),
            opened=tuple(self.opened),
            ended=tuple(self.ended),
            reversed_ids=tuple(self.undone),
        )


_ENDING = (TransferKind.POST, TransferKind.VOID)
_UNDOABLE = (TransferKind.PLAIN, TransferKind.POST)


def _refusal(reason: int, index: int, found: str, allowed: str) -> Refusal:
    return Refusal(RefusalReason(reason), index, found, allowed)


def _refuse_limit(
    balances: Balances, batch: _Batch, transfers: Sequence[Transfer]
) -> Refusal | None:
    """The first limited account that the batch touches and leaves too low, reservations counted."""
    least = batch.posted.least
    touched: dict[tuple[int, bytes], int] = {}
    if least:
        for index, transfer in enumerate(transfers):
            for account in (transfer.debit, transfer.credit):
                if (transfer.ledger, account) in least:
                    touched.setdefault((transfer.ledger, account), index)
    if not touched:
        return None
    reserved: defaultdict[tuple[int, bytes], int] = defaultdict(int)
    for pending in batch.open_pendings.values():
        reserved[pending.ledger, pending.debit] += pending.amount
    for key, index in touched.items():
        free = balances.get(key, 0) + batch.changes.get(key, 0) - reserved[key]
        if free < least[key]:
            return _refusal(9, index, f"{free} left in {key[1].hex()}", f"{least[key]} or more")
    return None
