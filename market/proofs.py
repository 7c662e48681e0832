"""Proof bundles: one claim about the books as canonical JSON, which `market/verifier.py` checks.

A bundle carries everything that its claim needs beside the trust root: the signed entry, its paths
to a signed checkpoint, the keys that signed and the head of their history in the accounts tree.
Integers of typed messages stand as decimal strings, exactly as hashed. Pure: trees and entries
in, bytes out; the parts of a bundle are described where they are built.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from market.anchor import ChainProof
from market.books import Chain, Entry, account_leaf
from market.checkpoint import origin_of
from market.entries import ENTRY_TYPES
from market.merkle import ProofError, Tree
from market.messages import message_as_json
from market.signing import Domain
from market.transfers import LedgerId, system_account

TRUST_FORMAT = "microgrid-trust/1"
BUNDLE_FORMAT = "microgrid-proof/1"
Json = dict[str, Any]


@dataclass(frozen=True)
class AccountsTree:
    """The accounts tree of one checkpoint: chains and balances by account, blinded names."""

    chains: Mapping[bytes, Chain]
    balances: Mapping[tuple[int, bytes], int]
    blinds: Mapping[bytes, bytes]

    @cached_property
    def _rows(self) -> list[tuple[bytes, bytes, bytes]]:
        """Blinded name, account and leaf, in the order of the tree."""
        return sorted(
            (
                self.blinds[account],
                account,
                account_leaf(self.blinds[account], chain, account, self.balances),
            )
            for account, chain in self.chains.items()
        )

    @cached_property
    def _tree(self) -> Tree:
        return Tree(leaf for *_, leaf in self._rows)

    @cached_property
    def _index(self) -> dict[bytes, int]:
        return {account: n for n, (_, account, _) in enumerate(self._rows)}

    def root(self) -> bytes:
        """The root, `accounts_root` of the checkpoint."""
        return self._tree.root()

    def state(self, account: bytes) -> Json:
        """What stands in the tree of an account, its heads left out, and the way up.

        Raises ProofError where the books have never named the account.
        """
        index = self._index.get(account)
        if index is None:
            raise ProofError(f"account {account.hex()}: named by no entry, allowed one that is")
        amounts = [self.balances.get((ledger, account), 0) for ledger in LedgerId]
        return {
            "blind": _hex(self.blinds[account]),
            "seq": str(self.chains[account].seq),
            "balances": [str(amount) for amount in amounts],
            "path": _climb(self._tree, index),
        }


@dataclass(frozen=True)
class Frame:
    """What all bundles of one checkpoint share: its note, cosignatures, the log and the keys.

    `keys` are accounts with their key entries in order, the operator's first.
    """

    domain: Domain
    note: str
    cosignatures: Sequence[Entry]
    log: Tree
    size: int  # of the log at the checkpoint
    accounts: AccountsTree
    keys: Sequence[tuple[bytes, Sequence[Entry]]]

    def bundle(self, claim: str, **parts: object) -> bytes:
        """The bundle of a claim."""
        keys = []
        for account, entries in self.keys:
            state = self.accounts.state(account)
            state["head"] = _hex(self.accounts.chains[account].head)
            rows = [_without_salt(one) for one in entries]
            keys.append({"account": _hex(account), "entries": rows, "state": state})
        return canonical(
            {
                "bundle": BUNDLE_FORMAT,
                "claim": claim,
                "market": self.domain.market_id,
                "domain": self.domain.as_json(),
                "checkpoint": self.note,
                "cosignatures": [_without_salt(one) for one in self.cosignatures],
                "keys": keys,
                **parts,
            }
        )

    def in_log(self, index: int) -> Json:
        """The way of a leaf to the root of the log."""
        return _place(self.log, index, self.size)


@dataclass(frozen=True)
class InSet:
    """Where an entry stands in a set: the SealedSet or Settlement over it, and all its leaves."""

    over: Entry
    leaves: Sequence[bytes]
    log_index: int  # of `over`


def canonical(found: object) -> bytes:
    """The one way to write a JSON value, so that equal proofs are equal bytes."""
    text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def trust_root(
    domain: Domain, registrar: bytes, first: str, witnesses: Sequence[bytes], quorum: int
) -> bytes:
    """What a verifier must know from elsewhere: first key, first checkpoint, witnesses."""
    return canonical(
        {
            "trust": TRUST_FORMAT,
            "market": domain.market_id,
            "domain": domain.as_json(),
            "origin": origin_of(domain.market_id),
            "registrar": _hex(registrar),
            "operator": _hex(system_account(domain.market_id, "SPC")),
            "first": first,
            "witnesses": [_hex(one) for one in witnesses],
            "quorum": str(quorum),
        }
    )


def inclusion_bundle(
    frame: Frame, entry: Entry, place: InSet | int, receipt: Entry | None = None
) -> bytes:
    """The entry is in the books: in a set that the log has, or (index) in the log itself."""
    return frame.bundle("inclusion", **_inclusion_parts(frame, entry, place, receipt))


def automatic_bundle(
    frame: Frame, order: Entry, place: InSet, receipt: Entry | None, instruction: Entry
) -> bytes:
    """An automatic order is in the books, and within what its account has signed."""
    parts = _inclusion_parts(frame, order, place, receipt)
    return frame.bundle("automatic", **parts, instruction=_without_salt(instruction))


def cancelled_event_bundle(
    frame: Frame, cancel: Entry, place: InSet, receipt: Entry | None, event: Entry
) -> bytes:
    """An event of demand response was cancelled before it began, by whoever may."""
    parts = _inclusion_parts(frame, cancel, place, receipt)
    return frame.bundle("cancelled_event", **parts, event=_without_salt(event))


def _inclusion_parts(frame: Frame, entry: Entry, place: InSet | int, receipt: Entry | None) -> Json:
    if isinstance(place, int):
        in_set, log = None, frame.in_log(place)
    else:
        tree, leaf = Tree(place.leaves), entry.leaf()
        in_set = {
            "entry": entry_json(place.over),
            **_place(tree, list(place.leaves).index(leaf), tree.size),
        }
        log = frame.in_log(place.log_index)
    return {
        "entry": entry_json(entry),
        "set": in_set,
        "log": log,
        "receipt": None if receipt is None else _without_salt(receipt),
        "display": display_of(entry),
    }


def consistency_bundle(frame: Frame, old_note: str, old_size: int) -> bytes:
    """The log of the checkpoint begins with that of an older one."""
    proof = frame.log.consistency(old_size, frame.size)
    return frame.bundle("consistency", old=old_note, proof=[_hex(one) for one in proof])


History = Iterable[tuple[str, Sequence[bytes]]]  # type, the words of its entries; in chain order


def account_bundle(frame: Frame, account: bytes, history: History) -> bytes:
    """Everything that names an account, in the order of its chain, and the balances after it."""
    return frame.bundle("account", **_account_parts(frame, account, history))


def _account_parts(frame: Frame, account: bytes, history: History) -> Json:
    """A history from the beginning of the books, so it goes on from no older state."""
    rows = [{"type": name, "words": _base64(b"".join(words))} for name, words in history]
    state = frame.accounts.state(account)
    return {"account": _hex(account), "from": None, "history": rows, "state": state}


def slot_bundle(
    frame: Frame, slot: int, clearing: tuple[Entry, int] | None, settlements: Sequence[Json]
) -> bytes:
    """All settlements of a slot (`settlement_part` each), for auditors: it names every account."""
    part = None
    if clearing is not None:
        entry, index = clearing
        part = {"entry": entry_json(entry), "log": frame.in_log(index)}
    rows = list(settlements)
    return frame.bundle("slot", slot=str(slot), clearing=part, settlements=rows)


def settlement_part(frame: Frame, entry: Entry, log_index: int, rows: Mapping[str, bytes]) -> Json:
    """One settlement; `rows` are transfers, originals and readings packed as in an export."""
    packed = {name: _base64(raw) for name, raw in rows.items()}
    return {"entry": entry_json(entry), "log": frame.in_log(log_index), **packed}


class RulesPart(NamedTuple):
    """Rules that a clearing names: their entry, its place in the log, and the text it hashes."""

    entry: Entry
    place: int
    content: str


def clearing_bundle(
    frame: Frame,
    clearing: tuple[Entry, int],
    rules: RulesPart,
    network: RulesPart | None,
    rows: bytes,
) -> bytes:
    """The auction of a slot with its rules and rows (tag, node, side, price, Wh, fill).

    `network` are the nodes and fees where links join them.
    """
    entry, index = clearing
    return frame.bundle(
        "clearing",
        entry=entry_json(entry),
        log=frame.in_log(index),
        rules=_rules_json(frame, rules),
        network=None if network is None else _rules_json(frame, network),
        rows=_base64(rows),
    )


def _rules_json(frame: Frame, part: RulesPart) -> Json:
    return {
        "entry": entry_json(part.entry),
        "log": frame.in_log(part.place),
        "content": part.content,
    }


def bill_bundle(
    frame: Frame,
    bill: tuple[Entry, InSet],
    months: Sequence[tuple[Entry, int, str]],
    lines: bytes,
    account: tuple[bytes, History],
) -> bytes:
    """A bill with all that its account has ever moved; `months` are the entries of the months up
    to it, each with its place in the log and the text that it is the hash of.
    """
    entry, place = bill
    tree = Tree(place.leaves)
    at = list(place.leaves).index(entry.leaf())
    return frame.bundle(
        "bill",
        entry=entry_json(entry),
        set={"entry": entry_json(place.over), **_place(tree, at, tree.size)},
        log=frame.in_log(place.log_index),
        months=[
            {"entry": entry_json(rules), "log": frame.in_log(index), "content": content}
            for rules, index, content in months
        ],
        lines=_base64(lines),
        **_account_parts(frame, *account),
    )


def fork_bundle(frame: Frame, other: str, leaves: Sequence[Json] | None = None) -> bytes:
    """Fraud: another signed head of this size, or one whose log has another leaf at a place."""
    return frame.bundle("fork", other=other, leaves=leaves)


def fork_of_notes(domain: Domain, first: str, second: str) -> bytes:
    """Fraud: two heads of one size, by the key that signed the published first checkpoint.

    For whoever has nothing but the two notes, as a witness.
    """
    return canonical(
        {
            "bundle": BUNDLE_FORMAT,
            "claim": "fork",
            "market": domain.market_id,
            "domain": domain.as_json(),
            "checkpoint": first,
            "cosignatures": [],
            "keys": [],
            "other": second,
            "leaves": None,
        }
    )


def anchor_bundle(
    frame: Frame, anchor: tuple[Entry, int], note: str, transaction: bytes, proof: ChainProof
) -> bytes:
    """An older head of the log stands on a chain: its note, the transaction, the way to a block."""
    entry, index = anchor
    return frame.bundle(
        "anchor",
        entry=entry_json(entry),
        log=frame.in_log(index),
        note=note,
        transaction=_hex(transaction),
        header=_hex(proof.header),
        index=str(proof.index),
        nodes=[_hex(one) for one in proof.nodes],
    )


def leaf_part(tree: Tree, index: int, size: int) -> Json:
    """A leaf and its way up, for `fork_bundle`."""
    leaf, path = tree.leaf(index), tree.inclusion(index, size)
    return {"leaf": _hex(leaf), "index": str(index), "path": [_hex(one) for one in path]}


def nonce_bundle(frame: Frame, first: Entry, second: Entry) -> bytes:
    """Fraud: two messages of one account under one nonce."""
    return frame.bundle("nonce", entry=_without_salt(first), other=_without_salt(second))


def broken_promise_bundle(
    frame: Frame, entry: Entry, receipt: Entry, account: bytes, history: History
) -> bytes:
    """Fraud: the receipt's entry is not in the whole history of its account.

    That does not hang on salts, so that nobody can make it up with a wrong one.
    """
    return frame.bundle(
        "broken_promise",
        entry=_without_salt(entry),
        receipt=_without_salt(receipt),
        **_account_parts(frame, account, history),
    )


def entry_json(entry: Entry) -> Json:
    """A signed entry as it stands in bundles."""
    return {**_without_salt(entry), "salt": _hex(entry.salt)}


def words_of(entry_type: str, message: Mapping[str, Any]) -> bytes:
    """The 32-byte words of a message: what is hashed after the hash of its type."""
    kind = ENTRY_TYPES[entry_type]
    return kind.words([message[field.name] for field in kind.fields])


def display_of(entry: Entry) -> dict[str, str]:
    """What people read of a message: prices in won, energy in kWh, amounts in their unit."""
    shown = {}
    for name, value in entry.message.items():
        if name.endswith("_mkrw_per_kwh"):
            shown[name.replace("_mkrw_", "_krw_")] = _decimal(value, 3)
        elif name.endswith("_wh"):
            shown[name.removesuffix("_wh") + "_kwh"] = _decimal(value, 3)
        elif name.endswith("_cap_ukrw"):
            shown[name.removesuffix("_ukrw") + "_krw"] = _decimal(value, 6)
    if entry.type == "Transfer":
        unit, digits = _UNITS[LedgerId(entry.message["ledger"])]
        shown[f"amount_{unit}"] = _decimal(entry.message["amount"], digits)
    return shown


_UNITS = {LedgerId.KRW: ("krw", 6), LedgerId.ENERGY: ("kwh", 3), LedgerId.POINTS: ("points", 6)}


def _decimal(value: int, digits: int) -> str:
    """A whole number of small units as a decimal string without zeros to spare."""
    sign, text = "-" * (value < 0), str(abs(value)).rjust(digits + 1, "0")
    tail = text[-digits:].rstrip("0")
    return sign + text[:-digits] + ("." + tail if tail else "")


def _without_salt(entry: Entry) -> Json:
    pairs = zip(entry.signers, entry.signatures, strict=True)
    return {
        "type": entry.type,
        "message": message_as_json(entry.type, entry.message),
        "signatures": [{"signer": _hex(who), "signature": _hex(what)} for who, what in pairs],
    }


def _place(tree: Tree, index: int, size: int) -> Json:
    path = [_hex(one) for one in tree.inclusion(index, size)]
    return {"index": str(index), "size": str(size), "path": path}


def _climb(tree: Tree, index: int) -> list[list[str]]:
    """The way up as sides and hashes: the number of accounts is not signed for, so not said."""
    steps, at, last = [], index, tree.size - 1
    path = iter(tree.inclusion(index))
    while last:
        if at & 1 or at < last:
            steps.append(["left" if at & 1 else "right", _hex(next(path))])
        at, last = at >> 1, last >> 1
    return steps


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
