"""The orders of standing instructions: made at the gate of a slot, before its book is sealed.

Everything follows from rows: the instructions that hold, each home's forecast as issued for an
earlier slot, what the local day has come to. The orders are written with the claim of the slot in
one transaction and never made twice, so that a cycle that is run again finds the same.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.forecast.features import cells_of
from energy.forecast.homes import expected_of_homes
from energy.forecast.inputs import MEDIAN, IntArray
from energy.forecast.roofs import roof_parts
from energy.steps.basis import build_basis
from energy.steps.books import Books
from energy.steps.homes import classes_of, home_days
from energy.store.accounts import TradeKey, trade_keys
from energy.store.admission import NO_PLEDGE, Trader, traders_of
from energy.store.contracts import contracts_in
from energy.store.demand_response import Pledge, pledges
from energy.store.forecasts import issue_before
from energy.store.instructions import (
    AutomaticFill,
    AutomaticSlot,
    InstructionRow,
    automatic_fills,
    fills_since,
    has_automatic_slot,
    last_automatic_slot,
    prune_automatic_slots,
    running_in,
    save_automatic_slot,
)
from energy.store.orders import OrderRow, live_orderers, save_orders
from energy.timegrid import local_day_start
from energy.units import DT_H, SLOT_S
from market.entries import ENTRY_TYPES, TYPE_CODE
from market.instructions import Derived, Spent, Why, derive_order, paid_ukrw
from market.merkle import entry_leaf
from market.orders import Side, broken_limit
from market.rules import MarketRules
from market.signing import sign, typed_digests
from market.transfers import ZERO32

STALE_SLOTS = 2
"""A forecast issued longer before is none: what a home needs is not guessed from yesterday."""
OPEN = ("ACCEPTED", "LOCKED")
WHYS = tuple(Why)
"""A reason stands in the columns of a slot as its place here."""


@dataclass(frozen=True)
class Gate:
    """The slot whose orders are made: its market rules, when its book closes, and what time it is.

    A slot that is over when it is claimed has no auction, and gets no orders.
    """

    slot: int
    gate_s: int
    now_s: float
    rules: MarketRules


class _Scene(NamedTuple):
    """What the store knows of those with an instruction in the slot."""

    need_wh: Mapping[bytes, int] | None  # None without a forecast
    spent: Mapping[bytes, Spent]
    ordered: frozenset[bytes]
    contracted: frozenset[bytes]
    keys: Mapping[bytes, Sequence[TradeKey]]
    pledged: Mapping[tuple[int, bytes], Pledge]
    traders: Mapping[bytes, Trader]
    gate: Gate


def make_automatic_orders(
    connection: Connection, district: District, books: Books, gate: Gate
) -> int:
    """Add the slot's automatic orders to its open book, once; how many there are."""
    prune_automatic_slots(connection, gate.slot)
    if gate.now_s >= gate.slot + SLOT_S or has_automatic_slot(connection, gate.slot):
        return 0
    rows = running_in(connection, gate.slot)
    if not rows:
        return 0
    day = local_day_start(gate.slot, district.time_zone)
    scene = _look(connection, district, rows, gate, day)
    derived = [_derive(scene, row) for row in rows]
    made = [(row, one) for row, one in zip(rows, derived, strict=True) if one.e_wh]
    save_orders(connection, _order_rows(books, scene, day, made))
    save_automatic_slot(connection, gate.slot, day, _columns(scene, rows, derived))
    return len(made)


def spent_of_day(
    connection: Connection, day: int, before: int, accounts: Collection[bytes]
) -> dict[bytes, Spent]:
    """What the automatic orders of a local day's slots before one have come to, by account: of
    these accounts, and of others that the sums of its newest slot still carry.

    An order that waits for its auction counts whole, at its limit.
    """
    last = last_automatic_slot(connection, before)
    sums: dict[bytes, Spent] = {}
    fills: list[AutomaticFill] = []
    if last is not None and last.day == day:
        columns = (last.columns["spent_wh"].tolist(), last.columns["spent_ukrw"].tolist())
        spent = (Spent(*one) for one in zip(*columns, strict=True))
        sums = dict(zip(accounts_of(last), spent, strict=True))
        fills = [one for one in automatic_fills(connection, last.slot) if one.account in sums]
    if before > day:
        # Whose sums were erased, or ended long ago: the orders themselves are in the books.
        fills += fills_since(connection, set(accounts) - sums.keys(), day, before)
    return _with_fills(sums, fills)


def _with_fills(found: dict[bytes, Spent], fills: Iterable[AutomaticFill]) -> dict[bytes, Spent]:
    """The sums with some orders more."""
    for one in fills:
        e_wh, price = one.filled_wh or 0, one.price_mkrw_per_kwh or 0
        if one.status in OPEN:
            e_wh, price = one.e_wh, one.limit_mkrw_per_kwh
        before = found.get(one.account, Spent())
        paid = paid_ukrw(one.side, e_wh, price)
        found[one.account] = Spent(before.e_wh + e_wh, before.amount_ukrw + paid)
    return found


def accounts_of(one: AutomaticSlot) -> list[bytes]:
    """The accounts that the columns of a slot speak of."""
    raw = one.columns["account"].tobytes()
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def expected_need_wh(
    connection: Connection, district: District, slot: int, meters: IntArray
) -> IntArray | None:
    """What these customers are expected to draw in a slot (N,), Wh; below 0 what is left over.

    Use less sun, each as the home's own forecast has it. None without a forecast that is fresh.
    """
    issue = issue_before(connection, slot)
    if issue is None or slot - issue.first_slot > STALE_SLOTS * SLOT_S:
        return None
    at, slots = (slot - issue.first_slot) // SLOT_S, np.array([slot], dtype=np.int64)
    if at >= issue.quantiles["load"].shape[1]:
        return None
    days, cells = home_days(connection, issue.issue_slot), cells_of(slots, district.time_zone)
    load_kw = issue.quantiles["load"][MEDIAN][at : at + 1]
    use_kw = expected_of_homes(classes_of(district), days, cells, load_kw)[meters, 0]
    basis, plate = build_basis(district), district.meters
    kwp = plate.pv_kwp[meters]
    parts = roof_parts(slots, basis.pv, basis.site, kwp, plate.pv_class[meters])[:, 0]
    sun_kw = parts * issue.quantiles["pv"][MEDIAN][at]
    sun_kw = np.clip(sun_kw, 0.0, kwp * np.asarray(basis.pv.inverter_frac))
    need_wh: IntArray = np.rint((use_kw - sun_kw) * 1000 * DT_H).astype(np.int64)
    return need_wh


def _look(
    connection: Connection, district: District, rows: Sequence[InstructionRow], gate: Gate, day: int
) -> _Scene:
    accounts, slot = [row.account for row in rows], gate.slot
    number = _meters_of(district)
    meters = np.array([number[account] for account in accounts], dtype=np.int64)
    need = expected_need_wh(connection, district, slot, meters)
    contracts = contracts_in(connection, slot, slot + SLOT_S)
    return _Scene(
        need_wh=None if need is None else dict(zip(accounts, need.tolist(), strict=True)),
        spent=spent_of_day(connection, day, slot, accounts),
        ordered=live_orderers(connection, slot, gate.gate_s),
        contracted=frozenset(party for one in contracts for party in (one.seller, one.buyer)),
        keys=trade_keys(connection, accounts),
        pledged=pledges(connection, {slot}, gate.now_s, accounts),
        traders=_traders_of(district),
        gate=gate,
    )


@lru_cache(maxsize=2)
def _traders_of(district: District) -> dict[bytes, Trader]:
    return traders_of(district)


@lru_cache(maxsize=2)
def _meters_of(district: District) -> dict[bytes, int]:
    return {account: row for row, account in enumerate(district.meters.account)}


def _derive(scene: _Scene, row: InstructionRow) -> Derived:
    """The order of one instruction, or why there is none."""
    account, slot = row.account, scene.gate.slot
    why = _hindrance(scene, row)
    if why is not None:
        return Derived(why)
    assert scene.need_wh is not None, "without a forecast there is a hindrance"
    need_wh, trader = scene.need_wh[account], scene.traders[account]
    pledge = scene.pledged.get((slot, account), NO_PLEDGE)
    most_wh = min(trader.import_wh_max, pledge.bid_wh_max)
    if need_wh < 0:
        most_wh = max(trader.export_wh_max - pledge.e_wh, 0)
    found = derive_order(row.terms, need_wh, most_wh, scene.spent.get(account, Spent()))
    price = found.price_mkrw_per_kwh
    is_broken = any(broken_limit(scene.gate.rules, "price_mkrw_per_kwh", price))
    return Derived(Why.RULES_CHANGED) if found.e_wh and is_broken else found


def _hindrance(scene: _Scene, row: InstructionRow) -> Why | None:
    """What keeps an instruction from making an order, whatever the home needs."""
    keys, slot = scene.keys.get(row.account, ()), scene.gate.slot
    if not any(key.address == row.signer and key.holds_at(slot) for key in keys):
        return Why.KEY_ENDED
    if row.account in scene.ordered:
        return Why.OWN_ORDER
    if row.account in scene.contracted:
        return Why.OWN_CONTRACT
    return Why.NO_FORECAST if scene.need_wh is None else None


def _order_rows(
    books: Books, scene: _Scene, day: int, made: Sequence[tuple[InstructionRow, Derived]]
) -> list[OrderRow]:
    """The rows of the orders, each with its leaf and the operator's receipt."""
    slot, kind = scene.gate.slot, ENTRY_TYPES["AutoOrder"]
    accounts = [row.account for row, _ in made]
    zones = [scene.traders[account].zone for account in accounts]
    packed = [
        kind.type_hash
        + kind.words((row.account, row.id, day, zone, slot, one.side, one.e_wh, one[3]))
        for (row, one), zone in zip(made, zones, strict=True)
    ]
    ids = typed_digests(books.domain, packed)
    salts = books.book.salts(accounts, ids, [slot] * len(ids))
    receipts = _receipts(books, scene.gate, ids)
    columns = zip(made, zones, ids, salts, receipts, strict=True)
    return [
        OrderRow(
            id=id_, account=row.account, zone=zone, slot=slot, side=one.side, e_wh=one.e_wh,
            price_mkrw_per_kwh=one.price_mkrw_per_kwh, label=0, premium_mkrw_per_kwh=0,
            expires=slot, replaces=ZERO32, rules_version=scene.gate.rules.version,
            # Nobody can know it before, so that no message can have used it.
            nonce=int.from_bytes(salt[:8], "big"), signer=row.signer, signature=b"", salt=salt,
            tag=entry_leaf(TYPE_CODE["AutoOrder"], salt, id_, b""),
            received_utc=int(scene.gate.now_s), sealed_by=slot, receipt_signature=receipt,
            status="ACCEPTED", instruction=row.id, day=day,
        )
        for (row, one), zone, id_, salt, receipt in columns
    ]  # fmt: skip


def _receipts(books: Books, gate: Gate, ids: Sequence[bytes]) -> list[bytes]:
    """The operator's signatures that these orders are in the messages of the slot's tick."""
    kind, received = ENTRY_TYPES["Receipt"], int(gate.now_s)
    packed = [kind.type_hash + kind.words((id_, received, gate.slot)) for id_ in ids]
    return [sign(books.keys.trading, one) for one in typed_digests(books.domain, packed)]


def _columns(
    scene: _Scene, rows: Sequence[InstructionRow], derived: Sequence[Derived]
) -> dict[str, np.ndarray]:
    spent = {**dict.fromkeys((row.account for row in rows), Spent()), **scene.spent}
    order = {row.account: one for row, one in zip(rows, derived, strict=True)}
    none = Derived(Why.BALANCED)
    ways = [order.get(account, none) for account in spent]
    signs = [-1 if one.side == Side.OFFER else 1 for one in ways]
    return {
        "account": np.frombuffer(b"".join(spent), dtype=np.uint8).reshape(-1, 32),
        "spent_wh": np.array([one.e_wh for one in spent.values()], dtype=np.int64),
        "spent_ukrw": np.array([one.amount_ukrw for one in spent.values()], dtype=np.int64),
        "why": np.array([WHYS.index(one.why) for one in ways], dtype=np.uint8),
        "e_wh": np.array(
            [sign * one.e_wh for sign, one in zip(signs, ways, strict=True)], dtype=np.int64
        ),
    }
