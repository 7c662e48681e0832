"""The neighbours' market of a study: the crowd's orders, the real auction, the real settlement.

Every quarter hour the crowd bids by what is public, the auction is cleared and its certificate
checked, and two slots later the meters settle it, all by the market's own functions. Nothing is
signed and nothing is stored. Meters do not fail here: a month's bill rests on what came in the end.
"""

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from energy.crowd import build_crowd, build_orders, parse_public
from energy.forecast.inputs import IntArray
from energy.plant import PlantState, Readings
from energy.steps.clearing import Cleared, placed_rows, plan_digest, plan_quote
from energy.steps.context import Microgrid
from energy.steps.prices import smp_krw_per_kwh
from energy.steps.public import LAST_SLOTS, bidders_rules, tariff_blocks
from energy.steps.slot_settlement import tariff_rows, terms_of
from energy.steps.tally import Tally
from energy.store.orders import BookRow
from energy.study.day import SlotPlan
from energy.timegrid import local_month_start
from energy.units import krw_text_from_mkrw, mkrw_from_krw
from market.book import book_of
from market.certificate import check_clearing
from market.clearing import Clearing, clear_slot
from market.errors import MarketError
from market.maker import maker_rows
from market.rules import MarketRules
from market.settlement import (
    NO_CARRIAGE,
    NO_TARIFF,
    BoundaryReading,
    Carriage,
    MeterReadings,
    SettlementInput,
    Trade,
    reserve_slot,
    settle_slot,
    trades_of,
)
from market.transfers import Transfer, TransferKind

RULES = MarketRules()
"""The rules that every market begins with."""
ANYTHING_KW = (float("inf"), float("inf"))
COUNTED = (TransferKind.PLAIN, TransferKind.POST, TransferKind.PENDING)


@dataclass
class MarketSums:
    """What the auctions of the counted slots came to."""

    slots: int = 0
    slots_with_trade: int = 0
    orders: int = 0
    traded_wh: int = 0
    paid_ukrw: int = 0
    welfare_ukrw: int = 0
    fee_ukrw: int = 0

    def add(self, orders: int, clearing: Clearing) -> None:
        """One more auction."""
        self.slots += 1
        self.orders += orders
        self.slots_with_trade += clearing.volume_wh > 0
        self.traded_wh += clearing.volume_wh
        self.paid_ukrw += sum(one.price_mkrw_per_kwh * one.bought_wh for one in clearing.nodes)
        self.welfare_ukrw += clearing.welfare_ukrw
        self.fee_ukrw += clearing.carriage_ukrw()[0]


@dataclass(frozen=True)
class _Deal:
    """What a slot's auction left to be settled."""

    trades: tuple[Trade, ...] = ()
    carriage: Carriage = NO_CARRIAGE
    reserved: tuple[Transfer, ...] = ()


@dataclass(eq=False)
class NeighbourMarket:
    """Auctions and settlements of one month; slots before `first_slot` only give it prices."""

    microgrid: Microgrid
    seed: int
    first_slot: int
    is_open: bool
    sums: MarketSums = field(default_factory=MarketSums)

    def __post_init__(self) -> None:
        district, books = self.microgrid.district, self.microgrid.books
        self.tally = Tally(len(books.book.accounts))
        self._crowd = build_crowd(district, self.seed)
        self._tariff = np.concatenate(
            [tariff_rows(district), np.full(len(books.assets), NO_TARIFF, dtype=np.int64)]
        )
        self._month = 0
        self._month_wh = np.zeros(len(self._tariff), dtype=np.int64)
        self._recent: deque[int | None] = deque(maxlen=LAST_SLOTS)
        self._deals: dict[int, _Deal] = {}
        self._blocks: dict[int, dict[str, list[dict[str, Any]]]] = {}

    def clear(self, slot: int, planned: SlotPlan, sun_frac: float) -> None:
        """Clear the slot's auction and keep what must be settled; nothing where it is shut."""
        if not self.is_open:
            return
        books = self.microgrid.books
        orders = self._orders(slot, sun_frac)
        digest = plan_digest(planned.plan)
        quote = plan_quote(planned.plan, planned.problem.connection, ANYTHING_KW, digest)
        rows = [*placed_rows(orders, books.network), *maker_rows(quote, RULES)]
        book = book_of(slot, rows)
        clearing = clear_slot(book, RULES, books.network)
        findings = check_clearing(book, RULES, clearing, books.network)
        if findings:
            raise MarketError(f"clearing of slot {slot}: {findings[0]}")
        self._recent.append(Cleared(slot, digest, clearing, tuple(orders)).price_mkrw_per_kwh)
        if slot < self.first_slot:
            return
        self.sums.add(len(orders), clearing)
        account_of_tag = dict.fromkeys(book.tags(), books.system.spc)
        account_of_tag |= {one.tag: one.account for one in orders}
        trades, carriage = trades_of(clearing, account_of_tag), Carriage(*clearing.carriage_ukrw())
        reserved = reserve_slot(slot, trades, books.system, carriage=carriage)
        self._deals[slot] = _Deal(trades, carriage, tuple(reserved))

    def settle(self, slot: int, before: PlantState, after: PlantState, readings: Readings) -> None:
        """Settle a slot by what the meters moved in it; slots before the month are left out."""
        if slot < self.first_slot:
            return
        books, deal = self.microgrid.books, self._deals.pop(slot, _Deal())
        month = local_month_start(slot, self.microgrid.district.time_zone)
        if month != self._month:
            self._month, self._month_wh = month, np.zeros_like(self._month_wh)
        terms = terms_of(self.microgrid.district, slot)
        settled = settle_slot(
            SettlementInput(
                slot=slot,
                version=1,
                system=books.system,
                trades=deal.trades,
                pendings={n.to_bytes(4, "big"): one for n, one in enumerate(deal.reserved)},
                readings=self._readings(before, after),
                boundary=BoundaryReading(readings.boundary_import_wh, readings.boundary_export_wh),
                terms=terms,
                carriage=deal.carriage,
            )
        )
        self._month_wh = self._month_wh + settled.rest_import_wh
        moved = self._numbered((*deal.reserved, *settled.transfers))
        self.tally.add(month, moved, terms.feed_in_mkrw_per_kwh)

    def _readings(self, before: PlantState, after: PlantState) -> MeterReadings:
        """What customers' and the operator's meters moved between two states."""
        books = self.microgrid.books
        moved = [
            np.concatenate([getattr(after, own) - getattr(before, own) for own in pair])
            for pair in (
                ("import_register_wh", "asset_import_register_wh"),
                ("export_register_wh", "asset_export_register_wh"),
            )
        ]
        return MeterReadings(
            account=(*books.customers, *books.assets),
            tariff=self._tariff,
            import_wh=moved[0],
            export_wh=moved[1],
            quality=np.ones(len(self._tariff), dtype=np.int64),
            month_import_wh=self._month_wh,
        )

    def _numbered(self, transfers: Iterable[Transfer]) -> IntArray:
        """Transfers that count in a month's sums, accounts by number, (N, 6)."""
        number = self.microgrid.books.book.number
        rows = [
            (one.ledger, one.kind, one.code, number[one.debit], number[one.credit], one.amount)
            for one in transfers
            if one.kind in COUNTED
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 6)

    def _orders(self, slot: int, sun_frac: float) -> list[BookRow]:
        """What the crowd bids; an order's tag stands for the leaf hash of a signed one."""
        orders = build_orders(self._crowd, slot, parse_public(self._public(slot, sun_frac)))
        found = []
        for one in orders:
            tag = hashlib.sha256(one["account"] + slot.to_bytes(8, "big")).digest()
            side, e_wh, price = one["side"], one["e_wh"], one["price_mkrw_per_kwh"]
            found.append(BookRow(tag, tag, one["account"], one["zone"], side, e_wh, price))
        return found

    def _public(self, slot: int, sun_frac: float) -> dict[str, Any]:
        """The part of `GET /v1/prices` that bidders read."""
        district = self.microgrid.district
        month = local_month_start(slot, district.time_zone)
        if month not in self._blocks:
            self._blocks[month] = tariff_blocks(district, slot)
        feed_in = float(smp_krw_per_kwh(district, np.array([slot], dtype=np.int64))[0])
        return {
            "open": {"gate_lead_s": self.microgrid.settings.gate_lead_s},
            "rules": bidders_rules(RULES, district.fees),
            "feed_in_krw_per_kwh": krw_text_from_mkrw(mkrw_from_krw(feed_in)),
            "tariffs": self._blocks[month],
            "sun_frac": sun_frac,
            "last": [
                {"price_krw_per_kwh": None if one is None else krw_text_from_mkrw(one)}
                for one in self._recent
            ],
        }
