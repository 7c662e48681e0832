"""Admission: signed orders in, an answer for each out; what is accepted is in the book.

Work on an order in the order of its cost: form, digest, what everybody may know (time, price),
signature; then in one transaction key, nonce and the rules that look at the account. The same
order again gets its first answer again, whatever became of it; another message under a used nonce
is refused and kept as evidence.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import IntegrityError

from energy.district import District
from energy.store.accounts import TradeKey as TradeKey
from energy.store.accounts import used_nonces
from energy.store.contracts import ContractRow, contracts_of
from energy.store.demand_response import Pledge, pledges
from energy.store.orders import OrderRow, save_orders, set_status
from energy.store.schema import market_order, order_conflict
from energy.store.slots import last_claimed
from energy.units import SLOT_S
from market.entries import TYPE_CODE
from market.merkle import entry_leaf
from market.messages import Envelope, MessageError, parse_envelope
from market.orders import (
    AdmissionContext,
    LiveOrder,
    Order,
    OrderRefusal,
    RefusalCode,
    check_order,
    has_expired,
    order_of,
)
from market.rules import (
    PRICE_BOUND_MKRW_PER_KWH,
    WH_PER_SLOT_OF_KW,
    MarketRules,
    RuleBook,
)
from market.signing import Domain, SignatureError, digest, recover, sign
from market.transfers import ZERO32
from market.waterfall import offer_limit_wh

Live = dict[tuple[bytes, int], dict[bytes, tuple[LiveOrder, int]]]

BATCH_MAX = 500
UNBOUNDED_WH = 2**63
FIRST_RULES = RuleBook().first
ANY_RULES = MarketRules(
    floor_mkrw_per_kwh=-PRICE_BOUND_MKRW_PER_KWH,
    cap_mkrw_per_kwh=PRICE_BOUND_MKRW_PER_KWH,
    tick_mkrw_per_kwh=1,
    orders_max=1_000,
)
"""What all rules of a market keep to."""
NO_PLEDGE = Pledge(0, UNBOUNDED_WH)
# A home's connection; larger users get what their yearly use needs at this many times its mean.
IMPORT_KW_MIN = 5.0
IMPORT_PEAK_TO_MEAN = 10.0


KeyLookup = Callable[[Connection, Collection[bytes]], Mapping[bytes, Sequence[TradeKey]]]


@dataclass(frozen=True)
class Trader:
    """What the market knows of an account: its zone, and Wh that it may trade in a slot."""

    zone: int
    import_wh_max: int
    export_wh_max: int


@dataclass(frozen=True)
class Admission:
    """Rules of admission, the same for all orders of an installation.

    `rules` finds which market rules hold in which slot, `keys` the trading keys of accounts, `salt`
    the salt of an entry by account, digest and slot; `market_key` signs receipts. Nothing is open
    before `first_slot`, with which the books began.
    """

    domain: Domain
    rules: Callable[[Connection], RuleBook]
    traders: Mapping[bytes, Trader]
    keys: KeyLookup
    salt: Callable[[bytes, bytes, int], bytes]
    market_key: bytes = field(repr=False)
    gate_lead_s: int = 300
    horizon_slots: int = 96
    first_slot: int = 0

    def first_open(self, now_us: int, claimed: int | None) -> int:
        """The first slot whose gate is still to come and whose book nobody has sealed."""
        gate_us = now_us + self.gate_lead_s * 1_000_000
        by_clock = max((gate_us // 1_000_000 // SLOT_S + 1) * SLOT_S, self.first_slot)
        return by_clock if claimed is None else max(by_clock, claimed + SLOT_S)


@dataclass(frozen=True)
class Receipt:
    """The operator's signed promise: the entry will be in the messages of tick `sealed_by`."""

    entry: bytes
    received: int
    sealed_by: int
    signature: bytes

    def message(self) -> dict[str, Any]:
        """The typed message that is signed."""
        return {"entry": self.entry, "received": self.received, "sealed_by": self.sealed_by}


@dataclass(frozen=True)
class Answer:
    """What became of a message: a refusal, or the order's id, status and receipt."""

    id: bytes | None = None
    status: str | None = None
    receipt: Receipt | None = None
    refusal: OrderRefusal | None = None
    is_new: bool = False


@dataclass(frozen=True)
class PreparedOrder:
    """An order after everything that needs no database; `refusal` is what spoke against it."""

    text: bytes
    received_us: int
    order: Order | None = None
    id: bytes = b""
    signer: bytes = b""
    signature: bytes = b""
    refusal: OrderRefusal | None = None


def traders_of(district: District) -> dict[bytes, Trader]:
    """The accounts of a district's meters with their zones and the Wh that they may trade."""
    meters, zones = district.meters, district.zone_of_meter
    traders = {}
    for row, account in enumerate(meters.account):
        mean_kw = float(meters.annual_kwh[row]) / 8760
        import_kw = max(IMPORT_KW_MIN, IMPORT_PEAK_TO_MEAN * mean_kw)
        traders[account] = Trader(
            zone=int(zones[row]),
            import_wh_max=int(import_kw * WH_PER_SLOT_OF_KW),
            export_wh_max=int(float(meters.pv_kwp[row]) * WH_PER_SLOT_OF_KW),
        )
    return traders


def admit_orders(
    connection: Connection, admission: Admission, envelopes: Sequence[bytes], now_s: float
) -> list[Answer]:
    """The answers to these messages, all received at `now_s`, in their order."""
    prepared = [prepare_order(admission, text, int(now_s * 1_000_000)) for text in envelopes]
    return admit_prepared(connection, admission, prepared)


def prepare_order(admission: Admission, text: bytes, received_us: int) -> PreparedOrder:
    """The order of a message, its form and public rules checked and its signature recovered."""
    try:
        envelope = parse_envelope(text, ("Order",))
    except MessageError as error:
        malformed = OrderRefusal(RefusalCode.MALFORMED, error.field, error.found, error.allowed)
        return PreparedOrder(text, received_us, refusal=malformed)
    order = order_of(envelope.message)
    id_ = digest(admission.domain, "Order", envelope.message)
    prepared = PreparedOrder(
        text, received_us, order, id_, envelope.signers[0], envelope.signatures[0]
    )
    refusal = _check_public(admission, order, received_us) or _check_signature(id_, envelope)
    return replace(prepared, refusal=refusal) if refusal else prepared


def admit_prepared(
    connection: Connection, admission: Admission, prepared: Sequence[PreparedOrder]
) -> list[Answer]:
    """The answers to prepared orders, one after the other in one transaction."""
    answers: list[Answer] = []
    for first in range(0, len(prepared), BATCH_MAX):
        batch = prepared[first : first + BATCH_MAX]
        try:
            with connection.begin_nested():
                answers += _Desk(connection, admission, batch).serve()
        except IntegrityError:
            # An order has come again or a nonce was used twice: too rare to look for every time.
            known, used = _load_known(connection, batch), _load_nonces(connection, batch)
            answers += _Desk(connection, admission, batch, known, used).serve()
    return answers


def order_answer(row: OrderRow) -> Answer:
    """The answer that an accepted order got, with the status that it has now."""
    receipt = Receipt(row.id, row.received_utc, row.sealed_by, row.receipt_signature)
    return Answer(row.id, row.status, receipt)


class _Desk:
    """One batch on its way into the book: what the store knows of it, and what it adds.

    `known` and `used` are what has come before and nonces of orders; left out, the tables' own
    constraints speak where something comes again.
    """

    def __init__(
        self,
        connection: Connection,
        admission: Admission,
        batch: Sequence[PreparedOrder],
        known: Mapping[bytes, OrderRow] | None = None,
        used: Collection[tuple[bytes, int]] = (),
    ) -> None:
        self._connection = connection
        self._admission = admission
        self._batch = batch
        self._claimed = last_claimed(connection)
        self._new: list[OrderRow] = []
        self._replaced: list[bytes] = []
        self._conflicts: dict[bytes, dict[str, Any]] = {}
        self._known = dict(known or {})
        self._nonces = set(used) | _message_nonces(connection, batch)
        self._live = _load_live(connection, batch)
        accounts = {one.order.account for one in batch if one.order is not None}
        self._rules = admission.rules(connection)
        self._keys = admission.keys(connection, accounts)
        self._pledged = _load_pledges(connection, batch)
        self._sells = _load_sells(connection, batch)

    def serve(self) -> list[Answer]:
        """The answers to the batch, and what it adds written."""
        answers = [self.answer(one) for one in self._batch]
        self.save()
        return self._remember(answers)

    def _remember(self, answers: list[Answer]) -> list[Answer]:
        """The answers; what is refused now and was taken before keeps its first one."""
        refused = [one for one, answer in zip(self._batch, answers, strict=True) if answer.refusal]
        if not refused:
            return answers
        self._known = _load_known(self._connection, refused)
        return [
            (self._first_answer(one) or answer) if answer.refusal else answer
            for one, answer in zip(self._batch, answers, strict=True)
        ]

    def _first_answer(self, one: PreparedOrder) -> Answer | None:
        known = self._known.get(one.id)
        if known is None or (one.refusal is not None and known.signature != one.signature):
            return None
        return order_answer(known)

    def answer(self, one: PreparedOrder) -> Answer:
        """The answer to one order; an accepted one counts for those that follow."""
        first = self._first_answer(one)
        if first is not None:
            return first
        refusal = one.refusal or self._refusal(one)
        if refusal is not None:
            return Answer(refusal=refusal)
        row = self._accept(one)
        return replace(order_answer(row), is_new=True)

    def _refusal(self, one: PreparedOrder) -> OrderRefusal | None:
        order = one.order
        assert order is not None
        keys = [key for key in self._keys.get(order.account, ()) if key.address == one.signer]
        trader = self._admission.traders.get(order.account)
        if trader is None or not any(key.holds_at(order.slot) for key in keys):
            return OrderRefusal(
                RefusalCode.UNKNOWN_KEY,
                "signature",
                f"signer 0x{one.signer.hex()}",
                f"a key that may trade for account 0x{order.account.hex()} at slot {order.slot}",
            )
        if (order.account, order.nonce) in self._nonces:
            self._keep_evidence(one, order)
            return OrderRefusal(
                RefusalCode.NONCE_CONFLICT,
                "nonce",
                f"{order.nonce}, used by another message",
                "a nonce that the account has not used",
            )
        return check_order(order, self._context(one, order, trader))

    def _context(self, one: PreparedOrder, order: Order, trader: Trader) -> AdmissionContext:
        now_s, gate_s = one.received_us // 1_000_000, order.slot - self._admission.gate_lead_s
        standing = self._live.get((order.account, order.slot), {}).values()
        live = tuple(
            live
            for live, expires in standing
            if not has_expired(expires, now_s=now_s, gate_s=gate_s)
        )
        first = self._admission.first_open(one.received_us, self._claimed)
        pledge = self._pledged.get((order.slot, order.account), NO_PLEDGE)
        sells = [one for one in self._sells.get(order.account, ()) if one.runs_in(order.slot)]
        export_wh = offer_limit_wh(trader.export_wh_max, [one.supply for one in sells])
        return AdmissionContext(
            now_us=one.received_us,
            first_slot=first,
            end_slot=first + self._admission.horizon_slots * SLOT_S,
            gate_lead_s=self._admission.gate_lead_s,
            zone=trader.zone,
            rules=self._rules.at(order.slot),
            import_wh_max=min(trader.import_wh_max, pledge.bid_wh_max),
            export_wh_max=max(export_wh - pledge.e_wh, 0),
            live=live,
        )

    def _accept(self, one: PreparedOrder) -> OrderRow:
        order = one.order
        assert order is not None
        row = _new_row(self._admission, one, order, self._claimed)
        live = self._live.setdefault((order.account, order.slot), {})
        if order.replaces != ZERO32:
            live.pop(order.replaces, None)
            self._replaced.append(order.replaces)
        live[row.id] = (
            LiveOrder(row.id, row.side, row.e_wh, row.price_mkrw_per_kwh),
            row.expires,
        )
        self._known[row.id] = row
        self._nonces.add((row.account, row.nonce))
        self._new.append(row)
        return row

    def _keep_evidence(self, one: PreparedOrder, order: Order) -> None:
        self._conflicts[one.id] = {
            "id": one.id,
            "account": order.account,
            "nonce": order.nonce,
            "envelope": one.text,
            "received_utc": one.received_us // 1_000_000,
        }

    def save(self) -> None:
        """Write what the batch has added."""
        save_orders(self._connection, self._new)
        set_status(self._connection, self._replaced, "REPLACED")
        if self._conflicts:
            kept = select(order_conflict.c.id).where(order_conflict.c.id.in_(self._conflicts))
            for id_ in self._connection.scalars(kept):
                del self._conflicts[id_]
        if self._conflicts:
            self._connection.execute(order_conflict.insert(), list(self._conflicts.values()))


def _load_known(connection: Connection, batch: Sequence[PreparedOrder]) -> dict[bytes, OrderRow]:
    """Orders that have come before, by id."""
    ids = _padded({one.id for one in batch})
    found = connection.execute(select(market_order).where(market_order.c.id.in_(ids)))
    return {row.id: OrderRow(**row._mapping) for row in found}


def _load_live(connection: Connection, batch: Sequence[PreparedOrder]) -> Live:
    """The standing orders of the batch's accounts in the batch's slots."""
    orders = [one.order for one in batch if one.order is not None]
    asked = {
        "slots": _padded({order.slot for order in orders}),
        "accounts": _padded({order.account for order in orders}),
    }
    live: Live = {}
    for slot, account, id_, *terms, expires in connection.execute(_LIVE, asked):
        live.setdefault((account, slot), {})[id_] = (LiveOrder(id_, *terms), expires)
    return live


# A statement that stands is compiled once, and many orders a second pay for each.
_LIVE = select(
    *(
        market_order.c[name]
        for name in ("slot", "account", "id", "side", "e_wh", "price_mkrw_per_kwh", "expires")
    )
).where(
    market_order.c.slot.in_(bindparam("slots", expanding=True)),
    market_order.c.account.in_(bindparam("accounts", expanding=True)),
    market_order.c.status == "ACCEPTED",
)


def _load_pledges(
    connection: Connection, batch: Sequence[PreparedOrder]
) -> Mapping[tuple[int, bytes], Pledge]:
    """What the batch's accounts have committed to a DR event in the batch's slots."""
    orders = [one.order for one in batch if one.order is not None]
    now_s = max((one.received_us for one in batch), default=0) / 1_000_000
    accounts = {order.account for order in orders}
    return pledges(connection, {order.slot for order in orders}, now_s, accounts)


def _load_sells(
    connection: Connection, batch: Sequence[PreparedOrder]
) -> Mapping[bytes, list[ContractRow]]:
    """The contracts in which the batch's accounts sell: what these deliver cannot be offered."""
    accounts = _padded({one.order.account for one in batch if one.order is not None})
    found: dict[bytes, list[ContractRow]] = {}
    for row in contracts_of(connection, accounts):
        found.setdefault(row.seller, []).append(row)
    return found


def _load_nonces(connection: Connection, batch: Sequence[PreparedOrder]) -> set[tuple[bytes, int]]:
    """Accounts and nonces of the batch that stored messages have used."""
    column, used = market_order.c, set()
    for order in (one.order for one in batch if one.order is not None):
        same = (column.account == order.account) & (column.nonce == order.nonce)
        if connection.scalar(select(column.id).where(same)) is not None:
            used.add((order.account, order.nonce))
    return used


def _message_nonces(
    connection: Connection, batch: Sequence[PreparedOrder]
) -> set[tuple[bytes, int]]:
    """Accounts and nonces of the batch that messages beside orders have used."""
    orders = [one.order for one in batch if one.order is not None]
    accounts = _padded({order.account for order in orders})
    return used_nonces(connection, accounts, _padded({order.nonce for order in orders}))


def _padded(values: Collection[Any]) -> list[Any]:
    """The values in a list whose length is a power of two, the last repeated: so statements are
    few, and the database has them prepared.
    """
    found = list(values)
    size = 1 << (len(found) - 1).bit_length() if found else 0
    return found + found[-1:] * (size - len(found))


def _check_public(admission: Admission, order: Order, received_us: int) -> OrderRefusal | None:
    """The rules that need neither account nor store, for recovering a signature costs more.

    What the account may do is left to the transaction, and told to its own key only; so is which
    rules hold in the slot, which another process may have changed. What a version says never
    changes, and the first is known.
    """
    first = admission.first_open(received_us, None)
    rules = FIRST_RULES if order.rules_version == FIRST_RULES.version else ANY_RULES
    public = AdmissionContext(
        now_us=received_us,
        first_slot=first,
        end_slot=first + (admission.horizon_slots + 1) * SLOT_S,
        gate_lead_s=admission.gate_lead_s,
        zone=order.zone,
        rules=rules,
        import_wh_max=UNBOUNDED_WH,
        export_wh_max=UNBOUNDED_WH,
        live=(LiveOrder(order.replaces, order.side, 0, order.price_mkrw_per_kwh),),
    )
    return check_order(replace(order, rules_version=rules.version), public)


def _check_signature(id_: bytes, envelope: Envelope) -> OrderRefusal | None:
    try:
        found = recover(id_, envelope.signatures[0])
    except SignatureError as error:
        return OrderRefusal(
            RefusalCode.BAD_SIGNATURE, "signature", str(error), "the signer's over this message"
        )
    if found == envelope.signers[0]:
        return None
    return OrderRefusal(
        RefusalCode.BAD_SIGNATURE,
        "signature",
        f"one that 0x{found.hex()} would have made over this message",
        f"one of the signer 0x{envelope.signers[0].hex()}",
    )


def _new_row(
    admission: Admission, one: PreparedOrder, order: Order, claimed: int | None
) -> OrderRow:
    """The row of an order that is accepted, with the operator's receipt."""
    salt = admission.salt(order.account, one.id, order.slot)
    received = one.received_us // 1_000_000
    # A claim closes the set of its tick, so what comes after it is promised to the next one.
    sealed_by = admission.first_open(one.received_us, claimed)
    promise = {"entry": one.id, "received": received, "sealed_by": sealed_by}
    return OrderRow(
        id=one.id,
        **vars(order),
        signer=one.signer,
        signature=one.signature,
        salt=salt,
        tag=entry_leaf(TYPE_CODE["Order"], salt, one.id, one.signature),
        received_utc=received,
        sealed_by=sealed_by,
        receipt_signature=sign(admission.market_key, digest(admission.domain, "Receipt", promise)),
        status="ACCEPTED",
    )
