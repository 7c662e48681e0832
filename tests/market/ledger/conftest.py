"""A small market with every kind of entry, sealed tick by tick, and its export."""

import importlib.util
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from market.books import (
    BooksState,
    Entry,
    SealedTick,
    SettledBatch,
    TickEntries,
    blinded_account,
    make_entry,
    salt_of,
    seal_tick,
    settlement_message,
)
from market.export import header_line, tick_lines
from market.ledger import (
    ZERO32,
    BatchResult,
    Posted,
    Transfer,
    post_batch,
    sort_and_merge,
    system_account,
    transfer_digests,
)
from market.merkle import leaf_hash, root_of
from market.readings import NO_READINGS, Reading, ReadingBatch, ReadingSigner, sign_readings
from market.signing import Domain, address_of, derive_key, sign

REFERENCE = Path(__file__).parents[2] / "reference"
MARKET = "sejong-5-1/sim/test"
T0 = 1_790_000_100
SLOT = T0 + 900
SELLER, BUYER = b"\x51" * 32, b"\xb2" * 32
POOL, NETFEE, BALANCING, GRID, SPC = (
    system_account(MARKET, name) for name in ("POOL", "NETFEE", "BALANCING", "GRID", "SPC")
)
BatchEdit = Callable[[list[Transfer]], list[Transfer]]


@pytest.fixture(scope="session")
def slow_merkle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slow_merkle", REFERENCE / "slow_merkle.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def node(number: int, price_mkrw_per_kwh: int) -> dict[str, int]:
    """A node of a Clearing, at which 500 Wh were sold."""
    return {
        "node": number, "outcome": 2, "flags": 0, "low_mkrw_per_kwh": price_mkrw_per_kwh,
        "high_mkrw_per_kwh": price_mkrw_per_kwh, "price_mkrw_per_kwh": price_mkrw_per_kwh,
        "bought_wh": 0, "sold_wh": 500, "margin_mkrw_per_kwh": -1, "margin_open_wh": 0,
        "margin_filled_wh": 0,
    }  # fmt: skip


def salts_of(accounts: Sequence[bytes], ids: Sequence[bytes]) -> list[bytes]:
    return list(map(salt_of, accounts, ids))


@dataclass
class SmallMarket:
    """Four ticks: keys; orders, book and clearing; settlement; a corrected reading."""

    edits: dict[int, BatchEdit] = field(default_factory=dict)  # by settlement version
    domain: Domain = field(default_factory=lambda: Domain(MARKET))
    state: BooksState = field(default_factory=BooksState)
    balances: dict[tuple[int, bytes], int] = field(default_factory=dict)
    pendings: dict[bytes, Transfer] = field(default_factory=dict)
    named: set[bytes] = field(default_factory=set)
    sealed: list[SealedTick] = field(default_factory=list)
    post_honestly: bool = True

    def __post_init__(self) -> None:
        self.lines = [header_line(self.domain, address_of(self.key("registrar")))]
        self.settlements: dict[int, Entry] = {}
        self.batches: dict[int, SettledBatch] = {}
        self.nonce = 0
        self.fills = b""

    def key(self, name: str) -> bytes:
        return derive_key(f"{MARKET} {name}")

    def entry(self, type_name: str, message: dict[str, Any], *names: str) -> Entry:
        entry = make_entry(self.domain, type_name, message, *map(self.key, names))
        private = type_name in ("Order", "Reading")
        salt = salt_of(message["account"], entry.digest) if private else ZERO32
        return Entry(entry.type, message, entry.digest, entry.signers, entry.signatures, salt)

    def next_nonce(self) -> int:
        self.nonce += 1
        return self.nonce

    def register(self, account: bytes, name: str, roles: int) -> Entry:
        message = {
            "account": account,
            "key": address_of(self.key(name)),
            "roles": roles,
            "from_slot": T0,
            "nonce": self.next_nonce(),
        }
        return self.entry("KeyRegister", message, name, "registrar")

    def order(self, account: bytes, name: str, side: int) -> Entry:
        message = {
            "account": account, "zone": 1, "slot": SLOT, "side": side, "e_wh": 500,
            "price_mkrw_per_kwh": 142_500, "label": 0, "premium_mkrw_per_kwh": 0,
            "expires": SLOT, "replaces": ZERO32, "rules_version": 1, "nonce": self.next_nonce(),
        }  # fmt: skip
        return self.entry("Order", message, name)

    def reading(self, account: bytes, import_wh: int, export_wh: int, revision: int = 0) -> Entry:
        message = {
            "account": account, "meter": account[::-1], "slot": SLOT, "import_wh": import_wh,
            "export_wh": export_wh, "import_register_wh": import_wh,
            "export_register_wh": export_wh, "quality": 3 if revision else 1,
            "revision": revision,
        }  # fmt: skip
        return self.entry("Reading", message, "gateway")

    def metered(self, net_wh: dict[bytes, int]) -> ReadingBatch:
        """The readings of these accounts in one batch."""
        rows = [
            Reading(one, one[::-1], SLOT, max(wh, 0), max(-wh, 0), max(wh, 0), max(-wh, 0), 1, 0)
            for one, wh in net_wh.items()
        ]
        key = self.key("gateway")
        signer = ReadingSigner(address_of(key), lambda id_: sign(key, id_))
        return sign_readings(self.domain, rows, lambda _: signer, salts_of)

    def clearing(self, orders: Sequence[Entry]) -> Entry:
        filled = sorted((one.leaf(), 500) for one in orders)
        self.fills = b"".join(struct.pack(">32sQ", *row) for row in filled)
        fills_root = root_of([leaf_hash(struct.pack(">B32sQQ", 1, *row, 0)) for row in filled])
        buyer = node(2, 142_500) | {"bought_wh": 500, "sold_wh": 0}
        link = {
            "from_node": 1, "to_node": 2, "flow_wh": 500, "capacity_wh": 900,
            "fee_mkrw_per_kwh": 2_500,
        }  # fmt: skip
        message = {
            "slot": SLOT, "label": 0, "round": 1, "rules_version": 1, "network_version": 1,
            "engine": ZERO32, "plan": ZERO32, "orders": 2, "book_root": ZERO32,
            "fills_root": fills_root, "volume_wh": 500, "welfare_ukrw": -5,
            "nodes": [node(1, 140_000), buyer], "links": [link],
        }  # fmt: skip
        return self.entry("Clearing", message, "trading")

    def settle(
        self,
        version: int,
        transfers: list[Transfer],
        readings: list[bytes],
        clearing: Entry,
        originals: tuple[Transfer, ...] = (),
    ) -> Entry:
        batch = sort_and_merge(transfers)
        batch = self.edits.get(version, lambda same: same)(batch)
        ids = transfer_digests(self.domain, batch)
        named = dict(zip(transfer_digests(self.domain, originals), originals, strict=True))
        answer = post_batch(self.balances, self.pendings, batch, Posted(ids, originals=named))
        if isinstance(answer, BatchResult):
            self.balances, self.pendings = answer.balances, answer.open_pendings
        else:
            assert version in self.edits, answer
        salts = [salt_of(transfer.debit, id_) for transfer, id_ in zip(batch, ids, strict=True)]
        self.batches[version] = SettledBatch(batch, ids, salts)
        previous = self.settlements[version - 1].digest if version else ZERO32
        message = settlement_message(
            self.batches[version],
            readings,
            scope=1, slot=SLOT, version=version, previous=previous, clearing=clearing.digest,
            rules_version=1,
        )  # fmt: skip
        self.settlements[version] = self.entry("Settlement", message, "settle")
        return self.settlements[version]

    def seal(
        self,
        tick: int,
        entries: list[Entry],
        *,
        book: list[bytes] | None = None,
        readings: ReadingBatch = NO_READINGS,
        used: dict[bytes, Any] | None = None,
    ) -> None:
        batches = {
            settlement.digest: self.batches[version]
            for version, settlement in self.settlements.items()
            if settlement in entries
        }
        accounts = {account for entry in entries for account in entry.accounts()}
        accounts |= {reading.account for reading in readings.readings}
        for batch in batches.values():
            accounts |= {account for transfer in batch.transfers for account in transfer[3:5]}
        fresh = sorted(accounts - self.named)
        self.named |= accounts
        blinds = {account: blinded_account(account) for account in self.named}
        slot = TickEntries(tick, entries, batches, book, self.balances, blinds, readings)
        sealed = seal_tick(self.domain, self.state, slot, self.key("log"))
        assert sealed == seal_tick(self.domain, self.state, slot, self.key("log"))
        self.sealed.append(sealed)
        self.state = sealed.state
        new = {account: blinds[account] for account in fresh}
        cleared = {0: self.fills} if any(one.type == "Clearing" for one in entries) else {}
        self.lines += tick_lines(slot, sealed, new, used or {}, cleared)

    def run(self) -> "SmallMarket":
        rules = {"kind": 1, "version": 1, "from_slot": T0, "content": ZERO32}
        network = {**rules, "kind": 2}
        genesis = [
            self.register(SPC, "registrar", 64),
            self.register(SPC, "log", 32),
            self.register(SPC, "trading", 8),
            self.register(SPC, "settle", 16),
            self.register(SPC, "gateway", 4),
            self.register(SELLER, "seller", 1),
            self.register(BUYER, "buyer", 1),
            self.entry("Rules", rules, "trading"),
            self.entry("Rules", network, "trading"),
        ]
        self.seal(T0, genesis)
        orders = [self.order(SELLER, "seller", 2), self.order(BUYER, "buyer", 1)]
        clearing = self.clearing(orders)
        reserved = self.settle(0, _reserved(), [], clearing)
        tags = [entry.leaf() for entry in orders]
        self.seal(SLOT, [*orders, clearing, reserved], book=tags)
        readings = self.metered({SELLER: -400, BUYER: 900})
        settled = self.settle(1, self._settled(), readings.leaves(), clearing)
        used: dict[bytes, Any] = {settled.digest: (readings.leaves(), ())}
        self.seal(SLOT + 1800, [settled], readings=readings, used=used)
        self._correct(clearing)
        return self

    def _correct(self, clearing: Entry) -> None:
        late = self.reading(BUYER, 950, 0, revision=1)
        message = {
            "slot": SLOT, "from_version": 1, "to_version": 2, "reason": 1,
            "evidence": root_of([late.leaf()]), "nonce": self.next_nonce(),
        }  # fmt: skip
        correction = self.entry("Correction", message, "settle")
        batch = self.batches[1]
        id_, original = next(
            (id_, t) for id_, t in zip(batch.ids, batch.transfers, strict=True) if t.code == 30
        )
        anew = [
            Transfer(2, 5, 30, BUYER, GRID, original.amount, SLOT, 2, pending=id_),
            Transfer(2, 1, 30, GRID, BUYER, 450, SLOT, 2),
        ]
        settled = self.settle(2, anew, [late.leaf()], clearing, (original,))
        used: dict[bytes, Any] = {settled.digest: ([late.leaf()], (original,))}
        self.seal(SLOT + 2700, [late, correction, settled], used=used)

    def settle_beside(self, scope: int, transfers: list[Transfer]) -> None:
        """A last tick with a settlement of another scope, well signed whatever it moves."""
        ids = transfer_digests(self.domain, transfers)
        answer = post_batch(self.balances, {}, transfers, Posted(ids))
        assert isinstance(answer, BatchResult), answer
        self.balances = answer.balances
        batch = SettledBatch(transfers, ids, salts_of([one.debit for one in transfers], ids))
        message = settlement_message(
            batch, [], scope=scope, slot=SLOT, version=1, previous=ZERO32, clearing=ZERO32,
            rules_version=1,
        )  # fmt: skip
        entry = self.entry("Settlement", message, "settle")
        self.settlements[-scope], self.batches[-scope] = entry, batch
        self.seal(SLOT + 3600, [entry], used={entry.digest: ([], ())})

    def _settled(self) -> list[Transfer]:
        ids = {t.code: id_ for id_, t in self.pendings.items() if t.debit == POOL}
        paid = next(id_ for id_, t in self.pendings.items() if t.credit == POOL)
        return [
            Transfer(1, 3, 10, BUYER, POOL, 71_250_000, SLOT, 1, pending=paid),
            Transfer(1, 3, 10, POOL, SELLER, 56_000_000, SLOT, 1, pending=ids[10]),
            Transfer(1, 3, 11, POOL, NETFEE, 1_250_000, SLOT, 1, pending=ids[11]),
            Transfer(1, 1, 13, POOL, BALANCING, 14_000_000, SLOT, 1),
            Transfer(1, 1, 14, SELLER, BALANCING, 4_000_000, SLOT, 1),
            Transfer(2, 1, 10, SELLER, POOL, 400, SLOT, 1),
            Transfer(2, 1, 13, BALANCING, POOL, 100, SLOT, 1),
            Transfer(2, 1, 13, GRID, BALANCING, 100, SLOT, 1),
            Transfer(2, 1, 10, POOL, BUYER, 500, SLOT, 1),
            Transfer(2, 1, 30, GRID, BUYER, 400, SLOT, 1),
        ]


def _reserved() -> list[Transfer]:
    return [
        Transfer(1, 2, 10, BUYER, POOL, 71_250_000, SLOT, 0),
        Transfer(1, 2, 10, POOL, SELLER, 70_000_000, SLOT, 0),
        Transfer(1, 2, 11, POOL, NETFEE, 1_250_000, SLOT, 0),
    ]


@pytest.fixture
def small_market() -> Callable[..., SmallMarket]:
    """Makes and runs the small market; `edits` change a batch before it is signed."""

    def make(edits: dict[int, BatchEdit] | None = None) -> SmallMarket:
        return SmallMarket(edits=edits or {}).run()

    return make


@pytest.fixture(scope="session")
def clean_lines() -> tuple[str, ...]:
    lines = tuple(SmallMarket().run().lines)
    assert all(json.loads(line) for line in lines)
    return lines
