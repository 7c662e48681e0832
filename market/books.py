"""Sealing a tick: sets, log, accounts tree and the signed checkpoint. State in, state out.

Everything follows from the committed entries, byte for byte, so that a crash at any point is
answered by doing it again. The order of the log inside a tick is fixed by `LOG_ORDER`; inside one
type it is the order in which the entries were committed.
"""

import hashlib
import hmac
import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from market.checkpoint import checkpoint_note, origin_of
from market.entries import TYPE_CODE, Message, keccak256
from market.errors import MarketError
from market.merkle import EMPTY_ROOT, Frontier, entry_leaf, leaf_hash, root_of, sorted_set
from market.readings import NO_READINGS, ReadingBatch
from market.signing import Domain, address_of, digest, sign
from market.transfers import ZERO32, LedgerId, Transfer


class SetKind(IntEnum):
    """What a SealedSet holds."""

    MESSAGES = 1
    READINGS = 2
    BOOK = 3  # participants' locked orders; its tick is the slot
    BILLS = 4


SET_OF = {
    "Order": SetKind.MESSAGES,
    "Cancel": SetKind.MESSAGES,
    "Contract": SetKind.MESSAGES,
    "DrEvent": SetKind.MESSAGES,
    "DrCommit": SetKind.MESSAGES,
    "StandingInstruction": SetKind.MESSAGES,
    "AutoOrder": SetKind.MESSAGES,
    "Reading": SetKind.READINGS,
    "Bill": SetKind.BILLS,
}
# Keys come first, for they sign what follows; a Correction precedes the Settlement it allows.
LOG_ORDER = (
    "KeyRegister",
    "KeyRotate",
    "KeyRevoke",
    "Rules",
    "SealedSet",
    "Clearing",
    "Correction",
    "Settlement",
    "Anchor",
)
KEY_TYPES = frozenset({"KeyRegister", "KeyRotate", "KeyRevoke"})
ACCOUNT_FIELDS = ("account", "seller", "buyer", "program")
_ACCOUNT_LEAF = struct.Struct(">B32sQ32s32sQQQQQQ")
_LOW = 2**64 - 1


@dataclass(frozen=True)
class Entry:
    """A signed message with its digest, in the form in which it becomes a leaf."""

    type: str
    message: Message
    digest: bytes
    signers: tuple[bytes, ...]
    signatures: tuple[bytes, ...]
    salt: bytes = ZERO32

    def leaf(self) -> bytes:
        """The leaf hash: the tag of an order, the place of any entry in its tree."""
        return entry_leaf(TYPE_CODE[self.type], self.salt, self.digest, b"".join(self.signatures))

    def accounts(self) -> tuple[bytes, ...]:
        """The accounts that the entry names, each once."""
        named = (self.message[name] for name in ACCOUNT_FIELDS if name in self.message)
        return tuple(dict.fromkeys(named))


class Chain(NamedTuple):
    """The history of an account as a number and two hashes."""

    seq: int = 0
    head: bytes = ZERO32
    keys_head: bytes = ZERO32


@dataclass(frozen=True)
class SettledBatch:
    """The transfers of one Settlement, in batch order, with their ids and salts.

    Of those whose bodies were destroyed the leaves are left in `gone`, and in `sums` what they have
    moved together: ledger, account on the other side, credits less debits.
    """

    transfers: Sequence[Transfer]
    ids: Sequence[bytes]
    salts: Sequence[bytes]
    gone: Sequence[bytes] = ()
    sums: Sequence[tuple[int, bytes, int]] = ()

    def leaves(self) -> tuple[bytes, ...]:
        """The leaf hashes in rising order; their root is `transfers_root`."""
        code = TYPE_CODE["Transfer"]
        pairs = zip(self.ids, self.salts, strict=True)
        there = (entry_leaf(code, salt, id_, b"") for id_, salt in pairs)
        return sorted_set((*there, *self.gone))


@dataclass(frozen=True)
class BooksState:
    """All that the sealing of the next tick needs of the ticks before."""

    tick: int = -1  # of the last checkpoint; -1 before the first
    frontier: Frontier = field(default_factory=Frontier)
    previous: bytes = ZERO32  # digest of the last Checkpoint
    chains: Mapping[bytes, Chain] = field(default_factory=dict)


@dataclass(frozen=True)
class ErasedTick:
    """What stands in a tick for entries whose bodies were destroyed.

    `leaves` by kind of set; `heads` are the histories that they have named, as after the tick;
    `covered` are blinded name and leaf of each erased account; `again` are those accounts that are
    known again after the tick, with history and balances.
    """

    leaves: Mapping[int, Sequence[bytes]]
    heads: Mapping[bytes, Chain]
    covered: Mapping[bytes, tuple[bytes, bytes]]
    again: Mapping[bytes, tuple[Chain, Sequence[int]]]


@dataclass(frozen=True)
class TickEntries:
    """What was committed for one tick.

    `entries` in the order of commitment, without SealedSets; `batches` by the digest of their
    Settlement; `book_tags` the leaves of the slot's locked orders (slot = tick), None if no book
    was locked; `balances` after all posting of the tick; `blinds` the blinded name of every
    account that the ledger has named so far. Readings may stand among the entries or, in great
    number, in `readings`.
    """

    tick: int
    entries: Sequence[Entry]
    batches: Mapping[bytes, SettledBatch]
    book_tags: Sequence[bytes] | None
    balances: Mapping[tuple[int, bytes], int]
    blinds: Mapping[bytes, bytes]
    readings: ReadingBatch = NO_READINGS
    erased: ErasedTick | None = None


@dataclass(frozen=True)
class SealedTick:
    """A tick under its checkpoint: what is stored and published."""

    state: BooksState
    sets: Mapping[SetKind, tuple[bytes, ...]]  # leaf hashes in rising order
    log: tuple[Entry, ...]  # in the order of the log, from the old size on
    checkpoint: Entry
    note: str


def make_entry(
    domain: Domain, type_name: str, message: Message, *keys: bytes, salt: bytes = ZERO32
) -> Entry:
    """The entry signed by these private keys, in the order that the type names."""
    id_ = digest(domain, type_name, message)
    signers = tuple(address_of(key) for key in keys)
    return Entry(type_name, message, id_, signers, tuple(sign(key, id_) for key in keys), salt)


def salt_of(account_key: bytes, digest_32: bytes) -> bytes:
    """The salt of an entry under the random key of its account and month."""
    return hmac.digest(account_key, digest_32, "sha256")


def blinded_account(account_key: bytes) -> bytes:
    """The name of an account in the accounts tree; a system account takes its own id as key."""
    return hmac.digest(account_key, b"account", "sha256")


def settlement_message(
    batch: SettledBatch, readings: Iterable[bytes], **fields: int | bytes
) -> dict[str, int | bytes]:
    """The Settlement that covers a batch and the readings (leaf hashes) that it used.

    `fields` are scope, slot, version, previous, clearing and rules_version.
    """
    return {
        **fields,
        "readings_root": root_of(sorted_set(readings)),
        "transfers_root": root_of(batch.leaves()),
        "transfers": len(batch.transfers),
    }


def seal_tick(domain: Domain, state: BooksState, tick: TickEntries, log_key: bytes) -> SealedTick:
    """The tick sealed: sets, log leaves in order, and the checkpoint signed with the LOG key.

    The same input gives the same bytes. Raises MarketError if the tick is not after the last one
    or an entry has no place.
    """
    if tick.tick <= state.tick:
        raise MarketError(f"tick {tick.tick}: sealed already up to {state.tick}")
    sets = _sets(tick)
    sealed = [_sealed_set(domain, kind, tick.tick, leaves, log_key) for kind, leaves in sets]
    log = log_of([*tick.entries, *sealed])
    frontier = state.frontier.append(entry.leaf() for entry in log)
    chains = extend_chains(state.chains, tick)
    message: dict[str, int | bytes] = {
        "origin": keccak256(origin_of(domain.market_id).encode()),
        "tick": tick.tick,
        "size": frontier.size,
        "root": frontier.root(),
        "accounts_root": accounts_root(chains, tick.balances, tick.blinds),
        "previous": state.previous,
    }
    checkpoint = make_entry(domain, "Checkpoint", message, log_key)
    after = BooksState(tick.tick, frontier, checkpoint.digest, chains)
    note = checkpoint_note(
        origin_of(domain.market_id), message, checkpoint.signers[0], checkpoint.signatures[0]
    )
    return SealedTick(after, dict(sets), log, checkpoint, note)


def accounts_root(
    chains: Mapping[bytes, Chain],
    balances: Mapping[tuple[int, bytes], int],
    blinds: Mapping[bytes, bytes],
) -> bytes:
    """The root over one leaf per account, in rising order of the blinded account."""
    rows = []
    for account, chain in chains.items():
        blind = blinds.get(account)
        if blind is None:
            raise MarketError(f"account {account.hex()}: no blinded name")
        rows.append((blind, account_leaf(blind, chain, account, balances)))
    return root_of([leaf for _, leaf in sorted(rows)]) if rows else EMPTY_ROOT


def account_leaf(
    blind: bytes, chain: Chain, account: bytes, balances: Mapping[tuple[int, bytes], int]
) -> bytes:
    """The leaf hash of one account in the accounts tree; balances are 16 bytes, signed."""
    krw, energy, points = (balances.get((ledger, account), 0) for ledger in _LEDGERS)
    return leaf_hash(
        _ACCOUNT_LEAF.pack(
            1, blind, *chain,
            krw >> 64 & _LOW, krw & _LOW,
            energy >> 64 & _LOW, energy & _LOW,
            points >> 64 & _LOW, points & _LOW,
        )
    )  # fmt: skip


_LEDGERS = (LedgerId.KRW, LedgerId.ENERGY, LedgerId.POINTS)


def _sets(tick: TickEntries) -> list[tuple[SetKind, tuple[bytes, ...]]]:
    """The sets of the tick in the order of their kinds.

    MESSAGES and READINGS are sealed also when empty: nobody can then claim that one is missing.
    """
    leaves: dict[SetKind, list[bytes]] = {SetKind.MESSAGES: [], SetKind.READINGS: []}
    for entry in tick.entries:
        kind = SET_OF.get(entry.type)
        if kind is not None:
            leaves.setdefault(kind, []).append(entry.leaf())
    leaves[SetKind.READINGS] += tick.readings.leaves()
    if tick.book_tags is not None:
        leaves[SetKind.BOOK] = list(tick.book_tags)
    return [(kind, sorted_set(leaves[kind])) for kind in sorted(leaves)]


def _sealed_set(
    domain: Domain, kind: SetKind, tick: int, leaves: tuple[bytes, ...], log_key: bytes
) -> Entry:
    message = {"kind": int(kind), "tick": tick, "count": len(leaves), "root": root_of(leaves)}
    return make_entry(domain, "SealedSet", message, log_key)


def log_of(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries of a tick that stand in the log, in its order; raises MarketError for others
    than those of a set.
    """
    rank = {name: n for n, name in enumerate(LOG_ORDER)}
    logged = []
    for entry in entries:
        if entry.type in rank:
            logged.append(entry)
        elif entry.type not in SET_OF:
            raise MarketError(f"entry of type {entry.type}: neither in a set nor in the log")
    return tuple(sorted(logged, key=lambda entry: rank[entry.type]))


def extend_chains(chains: Mapping[bytes, Chain], tick: TickEntries) -> dict[bytes, Chain]:
    """The chains after the tick, extended in order of type code and digest; where bodies were
    destroyed, as they are known to have been.
    """
    by_code: defaultdict[int, list[tuple[bytes, tuple[bytes, ...]]]] = defaultdict(list)
    for entry in tick.entries:
        by_code[TYPE_CODE[entry.type]].append((entry.digest, entry.accounts()))
    code = TYPE_CODE["Reading"]
    for reading, id_ in zip(tick.readings.readings, tick.readings.ids, strict=True):
        by_code[code].append((id_, (reading.account,)))
    for batch in tick.batches.values():
        named = zip(batch.ids, (t[3:5] for t in batch.transfers), strict=True)
        by_code[TYPE_CODE["Transfer"]].extend(named)
    after, sha256 = dict(chains), hashlib.sha256
    for code in sorted(by_code):
        is_key = code >= TYPE_CODE["KeyRegister"]
        for id_, accounts in sorted(by_code[code]):
            for account in accounts:
                seq, head, keys_head = after.get(account, _NEW_CHAIN)
                if is_key:
                    keys_head = sha256(b"\x02" + keys_head + id_).digest()
                head = sha256(b"\x02" + head + id_).digest()
                after[account] = Chain(seq + 1, head, keys_head)
    if tick.erased is not None:
        after.update(tick.erased.heads)
        after.update((account, chain) for account, (chain, _) in tick.erased.again.items())
    return after


_NEW_CHAIN = Chain()


def state_as_json(state: BooksState) -> dict[str, Any]:
    """The state as decimal strings and hex, for a row of the database."""
    return {
        "tick": str(state.tick),
        "frontier": state.frontier.as_json(),
        "previous": state.previous.hex(),
        "chains": {
            account.hex(): [str(chain.seq), chain.head.hex(), chain.keys_head.hex()]
            for account, chain in state.chains.items()
        },
    }


def state_from_json(found: dict[str, Any]) -> BooksState:
    """The state that `state_as_json` wrote."""
    return BooksState(
        tick=int(found["tick"]),
        frontier=Frontier.from_json(found["frontier"]),
        previous=bytes.fromhex(found["previous"]),
        chains={
            bytes.fromhex(account): Chain(int(seq), bytes.fromhex(head), bytes.fromhex(keys))
            for account, (seq, head, keys) in found["chains"].items()
        },
    )
