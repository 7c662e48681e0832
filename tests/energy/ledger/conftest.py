"""A small district that keeps books: real meters, signed orders, an auction each slot."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from energy.config import Settings
from energy.crowd import Crowd, build_crowd, sign_orders
from energy.district import District, load_district
from energy.plant import Plant, Readings
from energy.steps.books import renew_rules
from energy.steps.clearing import placed_rows
from energy.steps.labels import clear_labels, green_accounts
from energy.steps.market_network import HUB_NODE, SPC_NODE
from energy.steps.settling import Books, Settled, open_books, post_clearing, settle_tick
from energy.store.accounts import trade_keys
from energy.store.admission import Admission, admit_orders, traders_of
from energy.store.engine import Store, open_store
from energy.store.market_rules import load_rule_book
from energy.store.orders import BookRow as StoredRow
from energy.store.orders import lock_book
from energy.store.readings import LateRow, save_late_readings, save_readings
from energy.store.slots import SlotOutcome, claim_slot, publish_slot
from energy.units import SLOT_S
from market.book import BookRow, book_of
from market.clearing import Clearing, clear_slot
from market.network import LinkLimit

FIRST = 1_784_084_400  # 2026-07-15 12:00 in Sejong
SLOTS = 16


@dataclass(frozen=True)
class Cleared:
    """What the clear step hands on."""

    slot: int
    plan_digest: bytes
    clearing: Clearing | None
    orders: tuple[StoredRow, ...]
    labels: Mapping[int, Clearing] = field(default_factory=dict)


@dataclass
class Rehearsal:
    """A store with books, and what each slot of it needs; `edit` changes a slot's readings."""

    store: Store
    district: District
    books: Books
    crowd: Crowd
    readings: list[Readings]
    late: list[LateRow] = field(default_factory=list)
    edit: Callable[[Readings], Readings] = lambda readings: readings
    with_market: bool = True
    labels: tuple[int, ...] = (0, 1, 2)  # what members want or offer, in turn
    clear_labels: Callable[..., dict[int, Clearing]] = clear_labels
    draw: int = 0  # which prices are drawn
    refusals: frozenset[str] = frozenset({"SELF_CROSS"})
    first: int = FIRST

    @property
    def admission(self) -> Admission:
        """The rules at the door of these books."""
        return Admission(
            domain=self.books.domain,
            rules=load_rule_book,
            traders=traders_of(self.district),
            keys=trade_keys,
            salt=self.books.salt,
            market_key=self.books.keys.trading,
            first_slot=self.first,
        )

    def let_export(self, meters: list[int], least_wh: int) -> None:
        """More of the sun on some roofs: they draw nothing and give so much in every slot."""

        def sunny(one: Readings) -> Readings:
            number = (one.slot - FIRST) // SLOT_S + 3
            export_wh = least_wh + 11 * np.arange(len(meters))
            changed = {
                "import_wh": export_wh * 0,
                "export_wh": export_wh,
                "import_register_wh": export_wh * 0 + 10**9,
                "export_register_wh": export_wh * number + 10**9,
            }
            columns = {name: getattr(one, name).copy() for name in changed}
            for name, values in changed.items():
                columns[name][meters] = values
            return replace(one, **columns)

        self.readings = [sunny(one) for one in self.readings]

    def run(self, slots: int, begin: int = 0) -> list[Settled]:
        """Publish and settle so many slots."""
        found = []
        for number in range(begin, begin + slots):
            self.publish(self.first + number * SLOT_S)
            found.append(self.settle(self.first + number * SLOT_S))
        return found

    def settle(self, tick: int) -> Settled:
        return settle_tick(self, tick)

    def publish(self, slot: int) -> None:
        """Everything of a slot up to its final row."""
        self.place_orders(slot)

        def write(connection: Connection) -> None:
            claim = claim_slot(connection, slot, "test", slot)
            renew_rules(connection, self.books, slot)
            orders = tuple(lock_book(connection, slot, slot - 300))
            self.keep_readings(connection, slot)
            clearing = self.clear(slot, orders) if self.with_market else None
            tiers = {} if clearing is None else self.label_tiers(clearing, orders)
            cleared = Cleared(slot, bytes(32), clearing, orders, tiers)
            post_clearing(connection, self.books, cleared)
            outcome = SlotOutcome("ok", "T0", "") if self.with_market else MISSED
            publish_slot(connection, claim, outcome, slot)

        self.store.write(write)

    def place_orders(self, slot: int) -> None:
        """Two orders of each member, half of them accepted before the slot's own tick."""
        admission = self.admission
        rng = np.random.default_rng(slot + self.draw)
        for ahead, side in ((1, 1), (0, 2)):
            orders = [
                self.order(member, slot, side, int(rng.integers(900, 2000)) * 100)
                for member in range(len(self.crowd))
                if side == 1 or self.district.meters.pv_kwp[self.crowd.meter[member]] > 0
            ]
            envelopes = sign_orders(self.crowd, self.books.domain, orders)
            now_s = slot - ahead * SLOT_S - 600
            answers = self.store.write(
                lambda connection: admit_orders(connection, admission, envelopes, now_s)  # noqa: B023
            )
            assert {one.refusal.code.name for one in answers if one.refusal} <= self.refusals

    def order(self, member: int, slot: int, side: int, price: int) -> dict[str, int | bytes]:
        label = self.labels[(member + slot // SLOT_S) % len(self.labels)]
        premium = (3_000 if side == 2 else 6_000) * (1 + member % 4) // 4 if label else 0
        return {
            "account": self.crowd.account[member], "zone": int(self.crowd.zone[member]),
            "slot": slot, "side": side, "e_wh": 40 + member, "price_mkrw_per_kwh": price,
            "label": label, "premium_mkrw_per_kwh": premium, "expires": slot - 300,
            "replaces": bytes(32), "rules_version": self.books.rules.at(slot).version,
            "nonce": slot * 10 + side,
        }  # fmt: skip

    def clear(self, slot: int, orders: tuple[StoredRow, ...]) -> Clearing:
        return self.clear_beside(slot, orders, 150_000, 1_500)

    def clear_beside(
        self,
        slot: int,
        orders: tuple[StoredRow, ...],
        price_mkrw_per_kwh: int,
        e_wh: int,
        room_wh: int | None = None,
    ) -> Clearing:
        """The auction beside an offer of the company, through so much room at the connection."""
        rules, network = self.books.rules.at(slot), self.books.network
        if room_wh is not None:
            network = network.limited([LinkLimit(SPC_NODE, HUB_NODE, room_wh)])
        maker = hashlib.sha256(b"maker" + slot.to_bytes(8, "big")).digest()
        price = min(price_mkrw_per_kwh, rules.cap_mkrw_per_kwh)
        rows = [*placed_rows(orders, network), BookRow(maker, 0, 2, price, e_wh, SPC_NODE)]
        return clear_slot(book_of(slot, rows), rules, network)

    def label_tiers(self, clearing: Clearing, orders: tuple[StoredRow, ...]) -> dict[int, Clearing]:
        """The premium tiers that follow an auction."""
        rules = self.books.rules.at(clearing.slot)
        return self.clear_labels(clearing, orders, green_accounts(self.district), rules)

    def keep_readings(self, connection: Connection, tick: int) -> None:
        """What came at the gate of a tick: the readings of two slots before, and late ones."""
        found = self.edit(self.readings[(tick - self.first) // SLOT_S])
        columns = {
            name: getattr(found, name)
            for name in (
                "import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh",
                "asset_import_wh", "asset_export_wh", "asset_import_register_wh",
                "asset_export_register_wh",
            )
        }  # fmt: skip
        boundary = np.array([found.boundary_import_wh, found.boundary_export_wh])
        save_readings(connection, found.slot, {**columns, "boundary_wh": boundary})
        save_late_readings(connection, [row for row in self.late if row.tick == tick])


MISSED = SlotOutcome("missed", "T4", "the slot was over")


@cache
def true_readings(source: str, first: int = FIRST) -> list[Readings]:
    """The meters of sixteen ticks, all good: what is wrong with them the tests say themselves."""
    plant = Plant(load_district(source), 1)
    state, found = plant.begin(first - 2 * SLOT_S), []
    for number in range(SLOTS):
        step = plant.step(state, first + (number - 2) * SLOT_S, None)
        truth, now = step.readings, step.state_after
        moved = [
            (now.import_register_wh - state.import_register_wh),
            (now.export_register_wh - state.export_register_wh),
        ]
        found.append(
            replace(
                truth,
                import_wh=moved[0],
                export_wh=moved[1],
                quality=np.ones_like(truth.quality),
                import_register_wh=now.import_register_wh,
                export_register_wh=now.export_register_wh,
            )
        )
        state = now
    return found


@pytest.fixture
def begin_books(small_district: District, tmp_path: Path) -> Iterator[Callable[..., Rehearsal]]:
    """Opens books on a store; several times on one URL is what a restart does.

    Of the small district, or of another by its name.
    """
    opened: list[Store] = []

    def begin(
        url: str = "", seed: int = 1, source: str = "", first: int = FIRST, clock: str = "demo"
    ) -> Rehearsal:
        district = load_district(source) if source else small_district
        for old in opened:
            old.close()
        opened.clear()
        url = url or f"sqlite:///{tmp_path / 'store' / 'books.db'}"
        settings = Settings(database_url=url, district=district.id, seed=seed, clock=clock)
        store = open_store(url)
        opened.append(store)
        try:
            books = open_books(store, district, settings, first)
        except BaseException:
            store.close()
            raise
        crowd = build_crowd(district, 1)
        readings = list(true_readings(district.id, first))
        return Rehearsal(store, district, books, crowd, readings, first=first)

    yield begin
    for store in opened:
        store.close()
