"""Proof bundles from the store: each claim about the books with all that its checking needs.

A `Prover` stands at the newest checkpoint. The log is kept as a tree of its perfect subtrees, so
that only the first proof of a long-lived prover reads it from the beginning.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from energy.steps.account_book import month_text
from energy.steps.book_head import load_head
from energy.steps.book_rows import (
    BatchReader,
    committed_entries,
    entry_of,
    load_reading_batch,
    message_entry,
    order_entry,
    own_readings,
    pack_clearing,
    readings_of_settlement,
)
from energy.steps.books import Registry, find_network, load_registry
from energy.steps.month_close import TARIFF_KIND
from energy.steps.statements import BillBook
from energy.store.accounts import find_message, load_keys, messages_of, messages_to_seal
from energy.store.anchors import find_anchored, find_try, last_anchor_entry, tick_of
from energy.store.books import (
    SettlementRow,
    find_entry,
    load_entries,
    load_label_books,
    load_settlements,
    load_slot_book,
    load_transfers_of,
    settlements_of_tick,
)
from energy.store.checkpoints import (
    CheckpointRow,
    LeafRow,
    checkpoint_of_size,
    checkpoint_ticks,
    find_checkpoint,
    load_cosignatures,
    load_leaves,
)
from energy.store.contracts import bought_by
from energy.store.erasures import erased_accounts, erased_leaves, leftovers_of
from energy.store.errors import StoreError
from energy.store.market_rules import load_rule_book, rules_entry_of
from energy.store.orders import find_conflict, find_order, orders_of
from energy.timegrid import iso_of
from market.anchor import ChainProof
from market.books import KEY_TYPES, LOG_ORDER, SET_OF, Entry, SetKind
from market.entries import TYPE_CODE
from market.export import pack_readings, pack_transfers
from market.labels import Label
from market.merkle import Tree, entry_leaf
from market.messages import parse_envelope
from market.month_bill import pack_line
from market.proofs import (
    AccountsTree,
    Frame,
    InSet,
    RulesPart,
    account_bundle,
    anchor_bundle,
    automatic_bundle,
    bill_bundle,
    broken_promise_bundle,
    cancelled_event_bundle,
    clearing_bundle,
    consistency_bundle,
    inclusion_bundle,
    nonce_bundle,
    settlement_part,
    slot_bundle,
    trust_root,
    words_of,
)
from market.rules import MarketRules
from market.signing import digest, recover
from market.transfers import ZERO32, Transfer, TransferKind, system_account, transfer_digests
from market.verifier import WITH_NONCE

_RANK = {name: n for n, name in enumerate(LOG_ORDER)}


@dataclass(frozen=True)
class Witnesses:
    """The witnesses of a market by their addresses, and how many of them must have signed."""

    addresses: tuple[bytes, ...] = ()
    quorum: int = 0


class LogTree:
    """The log with its perfect subtrees and the place of every entry; grows with the books."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.index: dict[bytes, int] = {}
        self.tick = -1

    def grow(self, connection: Connection) -> None:
        """Take up the ticks that were sealed since the last time."""
        ticks = checkpoint_ticks(connection)
        rows: dict[int, list[LeafRow]] = {tick: [] for tick in ticks if tick > self.tick}
        if not rows:
            return
        for one in messages_to_seal(connection, after=self.tick, tick=ticks[-1]):
            tick = ticks[bisect_left(ticks, one.sealed_by)]
            rows[tick].append(LeafRow(tick, one.type, one.digest, one.salt, one.signatures))
        for row in load_leaves(connection, after=self.tick):
            # What stands after the newest checkpoint is not in the log yet.
            if row.tick in rows:
                rows[row.tick].append(row)
        for found in rows.values():
            logged = [row for row in found if row.type in _RANK]
            for row in sorted(logged, key=lambda row: _RANK[row.type]):
                self.index[row.digest] = self.tree.size
                leaf = entry_leaf(TYPE_CODE[row.type], row.salt, row.digest, row.signatures)
                self.tree.append([leaf])
        self.tick = ticks[-1]


class Prover:
    """Makes bundles at the newest checkpoint of a store; lives as long as its connection.

    Raises StoreError where the books and what is asked for do not meet.
    """

    def __init__(self, connection: Connection, log: LogTree | None = None) -> None:
        self._connection = connection
        self._books: Registry = load_registry(connection)
        self.log = log or LogTree()
        self.log.grow(connection)
        self._ticks = checkpoint_ticks(connection)
        head, self.last = load_head(connection, self._books.book)
        if self.log.tree.root() != self.last.root:
            raise StoreError(
                f"books: entries give the root {self.log.tree.root().hex()}, allowed "
                f"{self.last.root.hex()} of the last checkpoint; the store was changed"
            )
        blinds = self._books.book.blinds(self.last.tick)
        self._accounts = AccountsTree(head.state.chains, head.balances, blinds)
        self._operator = system_account(self._books.domain.market_id, "SPC")

    def trust(self, witnesses: Witnesses) -> bytes:
        """The trust root: what is to be published where the operator cannot change it."""
        first = find_checkpoint(self._connection, self._ticks[0])
        assert first is not None, "ticks come from the table of checkpoints"
        leaf_0 = load_entries(self._connection, self._ticks[0])[0]
        return trust_root(
            self._books.domain,
            leaf_0.signers[:20],
            first.note,
            witnesses.addresses,
            witnesses.quorum,
        )

    def entry(self, id_: bytes, slot: int | None = None) -> bytes:
        """The bundle of inclusion of the entry with this id.

        A reading or transfer has no row of its own, so that its `slot` must be named.
        """
        found = self._find(id_) if slot is None else self._find_in_slot(id_, slot)
        if found is None:
            where = "" if slot is None else f" in slot {iso_of(slot)}"
            raise StoreError(f"entry 0x{id_.hex()}: found none under a checkpoint{where}")
        entry, place = found
        if entry.type == "AutoOrder":
            assert not isinstance(place, int), "orders stand in a set"
            signed = self._entry(entry.message["instruction"])
            frame = self.frame(entry.accounts())
            return automatic_bundle(frame, entry, place, self._receipt(id_), signed)
        keyed = [one for one in entry.accounts() if one in self._accounts.chains]
        event = self._event_ended_by(entry)
        if event is not None:
            assert not isinstance(place, int), "messages stand in a set"
            return cancelled_event_bundle(
                self.frame(keyed), entry, place, self._receipt(id_), event
            )
        frame = self.frame(() if entry.type == "Transfer" else keyed)
        return inclusion_bundle(frame, entry, place, self._receipt(id_))

    def _event_ended_by(self, entry: Entry) -> Entry | None:
        """The event of demand response that an entry cancels, None where it is no such Cancel."""
        if entry.type != "Cancel":
            return None
        row = find_message(self._connection, entry.message["order_id"])
        return message_entry(row) if row is not None and row.type == "DrEvent" else None

    def account(self, account: bytes) -> bytes:
        """The bundle of completeness: everything that has ever named the account."""
        return account_bundle(self.frame(()), account, self._runs(account))

    def consistency(self, old_size: int) -> bytes:
        """The bundle that the log at an older size is a beginning of it now."""
        old = checkpoint_of_size(self._connection, old_size)
        if old is None:
            raise StoreError(f"checkpoint of size {old_size}: found none")
        return consistency_bundle(self.frame(()), old.note, old_size)

    def slot(self, slot: int) -> bytes:
        """The bundle of the balance of a slot, with every account's transfers and readings."""
        frame, reader = self.frame(()), BatchReader(self._connection, self._books)
        settlements = [
            one for one in load_settlements(self._connection, slot) if one.tick <= self.last.tick
        ]
        if not any(one.version for one in settlements):
            raise StoreError(f"slot {iso_of(slot)}: found no settlement under a checkpoint")
        if any(leftovers_of(self._connection, one.no).leaves for one in settlements):
            raise StoreError(
                f"slot {iso_of(slot)}: transfers of an erased account are leaves alone, so that "
                "the whole export alone proves its balance"
            )
        parts = []
        for one in settlements:
            entry = self._entry(one.entry)
            rows = self._settlement_rows(one, reader)
            parts.append(settlement_part(frame, entry, self.log.index[one.entry], rows))
        cleared = settlements[0].clearing
        clearing = None if cleared == ZERO32 else (self._entry(cleared), self.log.index[cleared])
        return slot_bundle(frame, slot, clearing, parts)

    def anchor(self) -> bytes:
        """The bundle of the newest head of the log that stands on a chain for good."""
        told = last_anchor_entry(self._connection, self.last.tick)
        if told is None:
            raise StoreError("anchors: found none in the log, allowed one that is final and sealed")
        of, id_ = told
        row, old = (
            find_anchored(self._connection, of),
            find_checkpoint(self._connection, tick_of(self._connection, of)),
        )
        assert row is not None and old is not None, "entries follow what is final"
        raw = find_try(self._connection, row.transaction).raw
        nodes = tuple(bytes.fromhex(one[2:]) for one in row.nodes)
        return anchor_bundle(
            self.frame(()),
            (self._entry(id_), self.log.index[id_]),
            old.note,
            raw,
            ChainProof(row.header, row.place, nodes),
        )

    def clearing(self, slot: int, label: Label = Label.NONE) -> bytes:
        """The bundle of a slot's clearing, or of its premium tier: its rules and all its rows."""
        columns = load_slot_book(self._connection, slot)
        if label:
            columns = load_label_books(self._connection, slot).get(label)
        if columns is None or slot > self.last.tick:
            what = f"{label.name.lower()} tier" if label else "clearing"
            raise StoreError(f"slot {iso_of(slot)}: found no {what} under a checkpoint")
        entries = [one for one in self._entries(slot) if one.type == "Clearing"]
        clearing = next(one for one in entries if one.message["label"] == label)
        rules = load_rule_book(self._connection).at(slot)
        ruled = self._rules_entry(rules)
        return clearing_bundle(
            self.frame(()),
            (clearing, self.log.index[clearing.digest]),
            RulesPart(ruled, self.log.index[ruled.digest], rules.text),
            self._network_of(clearing),
            pack_clearing(columns),
        )

    def _rules_entry(self, rules: MarketRules) -> Entry:
        """The entry of the log that tells of the market's rules; the first stand in its genesis."""
        digest = rules_entry_of(self._connection, rules.version)
        if digest is not None:
            return self._entry(digest)
        return next(
            one
            for one in self._entries(self._ticks[0])
            if one.type == "Rules" and one.message["content"] == rules.content
        )

    def _network_of(self, clearing: Entry) -> RulesPart | None:
        """The nodes and fees that an auction of energy names, None for a tier of a label."""
        if clearing.message["label"]:
            return None
        version = clearing.message["network_version"]
        found = find_network(self._connection, version)
        if found is None:
            raise StoreError(f"network version {version}: found no entry, allowed one in the log")
        text, digest = found
        return RulesPart(self._entry(digest), self.log.index[digest], text)

    def bill(self, account: bytes, number: int) -> bytes:
        """The bundle of an account's bill of a month (yyyymm), made once more by the verifier."""
        book = BillBook(self._connection)
        found = book.bill(account, number)
        months = []
        for row, month in zip(book.rows, book.months, strict=True):
            rules = next(
                one
                for one in self._entries(row.tick)
                if one.type == "Rules"
                and (one.message["kind"], one.message["version"]) == (TARIFF_KIND, month.number)
            )
            if month.number <= number:
                months.append((rules, self.log.index[rules.digest], row.content))
        place = self._in_set(SetKind.BILLS, found.row.tick)
        lines = b"".join(map(pack_line, found.bill.lines))
        bill = (entry_of(found.entry), place)
        return bill_bundle(self.frame(()), bill, months, lines, (account, self._runs(account)))

    def conflict(self, id_: bytes) -> bytes:
        """The bundle that an account has signed two messages under one nonce.

        `id_` is that of the second, which was refused.
        """
        text = find_conflict(self._connection, id_)
        if text is None:
            raise StoreError(f"message 0x{id_.hex()}: found none that was refused for its nonce")
        envelope = parse_envelope(text, WITH_NONCE)
        second = Entry(envelope.type, envelope.message, id_, envelope.signers, envelope.signatures)
        account, nonce = second.accounts()[0], envelope.message["nonce"]
        orders = [one for one in orders_of(self._connection, account) if one.nonce == nonce]
        messages = [one for one in messages_of(self._connection, account) if one.nonce == nonce]
        first = [*map(order_entry, orders), *map(message_entry, messages)][0]
        return nonce_bundle(self.frame((account,)), first, second)

    def broken_promise(self, entry: Entry, receipt: Entry) -> bytes:
        """The bundle that a message was promised and never came into the books."""
        account = entry.accounts()[0]
        runs = self._runs(account)
        return broken_promise_bundle(self.frame((account,)), entry, receipt, account, runs)

    def entries_of(self, account: bytes, slot: int) -> list[tuple[str, bytes]]:
        """Types and ids of an account's orders, readings and transfers of a slot."""
        found: list[tuple[str, bytes]] = [
            ("AutoOrder" if one.instruction else "Order", one.id)
            for one in orders_of(self._connection, account)
            if one.slot == slot and one.sealed_by <= self.last.tick
        ]
        reader = BatchReader(self._connection, self._books)
        for settled in load_settlements(self._connection, slot):
            if settled.tick > self.last.tick:
                continue
            signed = load_reading_batch(self._connection, self._books, settled.tick)
            mine = zip(signed.readings, signed.ids, strict=True)
            found += [
                ("Reading", id_)
                for one, id_ in mine
                if settled.version and (one.account, one.slot) == (account, slot)
            ]
            batch = reader.batch(settled)
            pairs = zip(batch.transfers, batch.ids, strict=True)
            found += [("Transfer", id_) for one, id_ in pairs if account in one[3:5]]
        return found

    def frame(self, accounts: Sequence[bytes]) -> Frame:
        """What bundles share, with the key histories of the operator and these accounts."""
        named = dict.fromkeys((self._operator, *accounts))
        return Frame(
            domain=self._books.domain,
            note=self.last.note,
            cosignatures=cosignatures_of(self._connection, self._books, self.last),
            log=self.log.tree,
            size=self.last.size,
            accounts=self._accounts,
            keys=[(account, self._key_entries(account)) for account in named],
        )

    def _key_entries(self, account: bytes) -> list[Entry]:
        """The key entries of an account in the order of its chain."""
        found: list[tuple[int, Entry]] = []
        for key in load_keys(self._connection, account):
            row = find_entry(self._connection, key.entry)
            if row is not None:
                found.append((row.tick, entry_of(row)))
        for one in messages_of(self._connection, account):
            if one.type in KEY_TYPES and one.sealed_by <= self.last.tick:
                found.append((self._tick_of(one.sealed_by), message_entry(one)))
        unique = {entry.digest: (tick, entry) for tick, entry in found}
        ordered = sorted(unique.values(), key=lambda row: (row[0], *_place_in_tick(row[1])))
        return [entry for _, entry in ordered]

    def _find(self, id_: bytes) -> tuple[Entry, int | InSet] | None:
        """An entry that has a row of its own, and where it stands."""
        if id_ in self.log.index:
            return self._entry(id_), self.log.index[id_]
        order, message = find_order(self._connection, id_), find_message(self._connection, id_)
        if order is not None and order.sealed_by <= self.last.tick:
            tick = self._tick_of(order.sealed_by)
            return order_entry(order), self._in_set(SetKind.MESSAGES, tick)
        if message is not None and message.sealed_by <= self.last.tick:
            tick = self._tick_of(message.sealed_by)
            return message_entry(message), self._in_set(SetKind.MESSAGES, tick)
        row = find_entry(self._connection, id_)
        if row is None or row.tick > self.last.tick:
            return None
        return entry_of(row), self._in_set(SET_OF[row.type], row.tick)

    def _find_in_slot(self, id_: bytes, slot: int) -> tuple[Entry, int | InSet] | None:
        """A reading that a settlement of the slot has used, or a transfer of it."""
        reader = BatchReader(self._connection, self._books)
        for one in load_settlements(self._connection, slot):
            if one.tick > self.last.tick:
                continue
            batch = reader.batch(one)
            if id_ in batch.ids:
                n = list(batch.ids).index(id_)
                message = batch.transfers[n]._asdict()
                entry = Entry("Transfer", message, id_, (), (), batch.salts[n])
                settled = self._entry(one.entry)
                return entry, InSet(settled, batch.leaves(), self.log.index[one.entry])
            readings = load_reading_batch(self._connection, self._books, one.tick)
            if id_ in readings.ids:
                n = list(readings.ids).index(id_)
                signed = (readings.signers[n],), (readings.signatures[n],), readings.salts[n]
                entry = Entry("Reading", readings.readings[n]._asdict(), id_, *signed)
                return entry, self._in_set(SetKind.READINGS, one.tick)
        return None

    def _in_set(self, kind: SetKind, tick: int) -> InSet:
        """A sealed set of a tick with all its leaves."""
        if kind == SetKind.READINGS:
            leaves = load_reading_batch(self._connection, self._books, tick).leaves()
        else:
            entries = self._committed(tick)
            leaves = [one.leaf() for one in entries if SET_OF.get(one.type) == kind]
        sealed = next(
            one
            for one in self._entries(tick)
            if one.type == "SealedSet" and one.message["kind"] == kind
        )
        gone = erased_leaves(self._connection, tick).get(kind, ())
        leaves = sorted([*leaves, *(leaf for leaf, _ in gone)])
        return InSet(sealed, leaves, self.log.index[sealed.digest])

    def _receipt(self, id_: bytes) -> Entry | None:
        """The receipt that an order or message got, as the signed entry that it is."""
        found = find_order(self._connection, id_)
        row = found or find_message(self._connection, id_)
        if row is None:
            return None
        message = {"entry": id_, "received": row.received_utc, "sealed_by": row.sealed_by}
        receipt_id = digest(self._books.domain, "Receipt", message)
        signer = recover(receipt_id, row.receipt_signature)
        return Entry("Receipt", message, receipt_id, (signer,), (row.receipt_signature,))

    def _settlement_rows(self, one: SettlementRow, reader: BatchReader) -> dict[str, bytes]:
        """Transfers, originals and readings of a settlement as rows."""
        batch = reader.batch(one)
        originals: list[Transfer] = []
        readings = b""
        if one.version:
            signed = load_reading_batch(self._connection, self._books, one.tick)
            readings = pack_readings(readings_of_settlement(signed, one))
        if one.version > 1:
            originals = reader.named_by(one, TransferKind.REVERSE)
        return {
            "rows": pack_transfers(batch.transfers, batch.salts),
            "originals": pack_transfers(originals, [ZERO32] * len(originals)),
            "readings": readings,
        }

    def _runs(self, account: bytes) -> list[tuple[str, list[bytes]]]:
        """The history of an account, entries of one type that follow each other put together."""
        runs: list[tuple[str, list[bytes]]] = []
        for name, words in self._history(account):
            if runs and runs[-1][0] == name:
                runs[-1][1].append(words)
            else:
                runs.append((name, [words]))
        return runs

    def _history(self, account: bytes) -> Iterator[tuple[str, bytes]]:
        """Type and words of every entry that names the account, in the order of its chain."""
        no, reader = (
            self._books.book.number.get(account),
            BatchReader(self._connection, self._books),
        )
        if no is None:
            raise StoreError(f"account 0x{account.hex()}: found none in the books")
        self._require_whole(account, no)
        signed: dict[int, list[Entry]] = {}
        for row in orders_of(self._connection, account):
            if row.sealed_by <= self.last.tick:
                signed.setdefault(self._tick_of(row.sealed_by), []).append(order_entry(row))
        named = messages_of(self._connection, account) + bought_by(self._connection, account)
        for one in named:
            if one.sealed_by <= self.last.tick:
                signed.setdefault(self._tick_of(one.sealed_by), []).append(message_entry(one))
        for tick in self._ticks:
            entries = [*signed.get(tick, ())]
            entries += [one for one in self._entries(tick) if account in one.accounts()]
            entries += self._readings_of(tick, no)
            numbers = [one.no for one in settlements_of_tick(self._connection, tick)]
            rows = load_transfers_of(self._connection, numbers, [no]) if numbers else []
            transfers = reader.transfers(rows)
            ids = transfer_digests(self._books.domain, transfers)
            entries += [
                Entry("Transfer", one._asdict(), id_, (), ())
                for one, id_ in zip(transfers, ids, strict=True)
            ]
            for entry in sorted(entries, key=_place_in_tick):
                yield entry.type, words_of(entry.type, entry.message)

    def _require_whole(self, account: bytes, no: int) -> None:
        """Raise StoreError where erased entries have named the account."""
        erased = {one.account: one for one in erased_accounts(self._connection)}
        if no in erased:
            raise StoreError(
                f"account 0x{account.hex()}: was erased before {month_text(erased[no].month)}, so "
                "that its history cannot be shown any more"
            )
        if account in self._books.system_names and erased:
            raise StoreError(
                f"account 0x{account.hex()}: erased transfers have named it, so that its history "
                "cannot be shown any more"
            )

    def _readings_of(self, tick: int, no: int) -> list[Entry]:
        """The readings of an account that were signed in a tick."""
        found = own_readings(self._connection, self._books, tick, no)
        return [Entry("Reading", one._asdict(), id_, (), ()) for one, id_ in found]

    def _committed(self, tick: int) -> list[Entry]:
        """Everything that the sets and the log of a tick were made from."""
        at = bisect_left(self._ticks, tick)
        # The first slot's tick took all orders there were; nobody could order before it.
        after = -1 if at == 1 else self._ticks[at - 1] if at else tick
        return committed_entries(self._connection, after=after, tick=tick)

    def _tick_of(self, promised: int) -> int:
        """The tick in which what was promised for a tick was sealed."""
        return self._ticks[max(bisect_left(self._ticks, promised), 1)]

    def _entries(self, tick: int) -> list[Entry]:
        return [entry_of(row) for row in load_entries(self._connection, tick)]

    def _entry(self, id_: bytes) -> Entry:
        row = find_entry(self._connection, id_)
        if row is not None:
            return entry_of(row)
        message = find_message(self._connection, id_)
        if message is None:
            raise StoreError(f"entry 0x{id_.hex()}: found no row")
        return message_entry(message)


def cosignatures_of(connection: Connection, books: Registry, head: CheckpointRow) -> list[Entry]:
    """The witnesses' signatures under a checkpoint as entries."""
    found = []
    for row in load_cosignatures(connection, head.digest):
        message = {"checkpoint": row.checkpoint, "time": row.time}
        id_ = digest(books.domain, "Cosign", message)
        found.append(Entry("Cosign", message, id_, (row.signer,), (row.signature,)))
    return found


def _place_in_tick(entry: Entry) -> tuple[int, bytes]:
    return TYPE_CODE[entry.type], entry.digest
