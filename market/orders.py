"""Orders: what one says, whether it may enter the book, and how it leaves it.

A refusal is a value: the first rule that fails, in the order of `RefusalCode`, with the field, what
was found and what is allowed. Form, signature, key and nonce are checked before anything here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Any

from market.rules import MarketRules
from market.transfers import ZERO32


class Side(IntEnum):
    """Which way an order trades."""

    BID = 1  # buy
    OFFER = 2  # sell


class OrderStatus(StrEnum):
    """Where an order stands; every accepted order ends in exactly one of the last eight."""

    ACCEPTED = "ACCEPTED"
    LOCKED = "LOCKED"  # the gate has passed and the book is sealed
    CANCELLED = "CANCELLED"
    REPLACED = "REPLACED"
    EXPIRED = "EXPIRED"  # `expires` passed before the gate
    KEY_REVOKED = "KEY_REVOKED"  # the key that signed it is no longer valid at its slot
    FILLED = "FILLED"
    PARTIAL = "PARTIAL"
    NOT_CLEARED = "NOT_CLEARED"
    VOID = "VOID"  # the slot failed


STATUS_AFTER: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.ACCEPTED: frozenset(
        {
            OrderStatus.LOCKED,
            OrderStatus.CANCELLED,
            OrderStatus.REPLACED,
            OrderStatus.EXPIRED,
            OrderStatus.KEY_REVOKED,
        }
    ),
    OrderStatus.LOCKED: frozenset(
        {OrderStatus.FILLED, OrderStatus.PARTIAL, OrderStatus.NOT_CLEARED, OrderStatus.VOID}
    ),
}


class RefusalCode(StrEnum):
    """Why a message is refused; of several reasons the first in this order is the answer."""

    MALFORMED = "MALFORMED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    NONCE_CONFLICT = "NONCE_CONFLICT"
    SLOT_NOT_OPEN = "SLOT_NOT_OPEN"  # beyond the horizon
    GATE_CLOSED = "GATE_CLOSED"
    EXPIRED = "EXPIRED"
    WRONG_ZONE = "WRONG_ZONE"
    STALE_RULES = "STALE_RULES"
    PRICE_BAND = "PRICE_BAND"
    PRICE_TICK = "PRICE_TICK"
    OVER_CAPACITY = "OVER_CAPACITY"
    SELF_CROSS = "SELF_CROSS"
    TOO_MANY = "TOO_MANY"
    UNKNOWN_REPLACED = "UNKNOWN_REPLACED"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"  # a Cancel of what is not live
    BACK_DATED = "BACK_DATED"  # a change of keys before the tick that will seal it
    KEY_IN_USE = "KEY_IN_USE"
    KEY_CHANGE_WAITS = "KEY_CHANGE_WAITS"
    EVENT_RULES = "EVENT_RULES"  # a DR event that its programme does not allow
    EVENT_OVERLAP = "EVENT_OVERLAP"
    UNKNOWN_EVENT = "UNKNOWN_EVENT"
    ANSWERS_CLOSED = "ANSWERS_CLOSED"
    ALREADY_ANSWERED = "ALREADY_ANSWERED"
    NO_BASELINE = "NO_BASELINE"
    COMMITMENT = "COMMITMENT"  # more or less than the account may commit
    CONTRACT_RULES = "CONTRACT_RULES"
    OVER_PROMISED = "OVER_PROMISED"  # contracts of one rank would share out more than the whole
    UNKNOWN_CONTRACT = "UNKNOWN_CONTRACT"
    INSTRUCTION_RULES = "INSTRUCTION_RULES"
    INSTRUCTION_OVERLAP = "INSTRUCTION_OVERLAP"  # another one of the account runs meanwhile
    UNKNOWN_INSTRUCTION = "UNKNOWN_INSTRUCTION"  # a Cancel of what does not run


@dataclass(frozen=True)
class Order:
    """One bid or offer for one slot; fields as in the signed message of the same name.

    `price_mkrw_per_kwh` is a limit: a bid pays at most, an offer gets at least that. All or any
    part of `e_wh` may be filled. `replaces` is 32 zero bytes where the order is new.
    """

    account: bytes
    zone: int
    slot: int
    side: int
    e_wh: int
    price_mkrw_per_kwh: int
    label: int
    premium_mkrw_per_kwh: int
    expires: int
    replaces: bytes
    rules_version: int
    nonce: int


def order_of(message: Mapping[str, Any]) -> Order:
    """The order of a typed `Order` message, as `market.messages.parse_message` gives it."""
    return Order(**message)


def order_message(order: Order) -> dict[str, int | bytes]:
    """The typed message of an order, ready to be hashed and signed."""
    return {field.name: getattr(order, field.name) for field in fields(order)}


@dataclass(frozen=True)
class LiveOrder:
    """An order of the same account and slot that stands ACCEPTED."""

    id: bytes
    side: int
    e_wh: int
    price_mkrw_per_kwh: int


@dataclass(frozen=True)
class AdmissionContext:
    """What the market knows of the account and the slot when an order arrives.

    Slots `first_slot` up to, not including, `end_slot` are open, each until `gate_lead_s` before
    it starts. `import_wh_max` and `export_wh_max` are what the account may bid and offer in the
    slot in all (kW x 250 Wh); `live` its standing orders for the slot.
    """

    now_us: int
    first_slot: int
    end_slot: int
    gate_lead_s: int
    zone: int
    rules: MarketRules
    import_wh_max: int
    export_wh_max: int
    live: Sequence[LiveOrder] = ()


@dataclass(frozen=True)
class OrderRefusal:
    """The answer to an order that does not enter the book."""

    code: RefusalCode
    field: str
    found: str
    allowed: str


def check_order(order: Order, context: AdmissionContext) -> OrderRefusal | None:
    """The first rule of the market that the order breaks, or None: it may enter the book."""
    return next(_broken(order, context), None)


def status_after_clearing(e_wh: int, fill_wh: int) -> OrderStatus:
    """How a locked order ends when `fill_wh` of its `e_wh` were cleared."""
    if fill_wh == 0:
        return OrderStatus.NOT_CLEARED
    return OrderStatus.FILLED if fill_wh == e_wh else OrderStatus.PARTIAL


def has_expired(expires: int, *, now_s: int, gate_s: int) -> bool:
    """Whether an accepted order has left the book: its end has come and lay before the gate."""
    return expires < gate_s and expires <= now_s


def _broken(order: Order, context: AdmissionContext) -> Iterator[OrderRefusal]:
    yield from _broken_time(order, context)
    yield from _broken_price(order, context)
    kept = [live for live in context.live if live.id != order.replaces]
    yield from _broken_capacity(order, context, kept)
    yield from _broken_cross(order, kept)
    if len(kept) >= context.rules.orders_max:
        yield OrderRefusal(
            RefusalCode.TOO_MANY,
            "account",
            f"{len(kept)} live orders for the slot",
            f"at most {context.rules.orders_max}",
        )
    if order.replaces != ZERO32 and len(kept) == len(context.live):
        yield OrderRefusal(
            RefusalCode.UNKNOWN_REPLACED,
            "replaces",
            f"0x{order.replaces.hex()}",
            "a live order of the account for the same slot",
        )


def _broken_time(order: Order, context: AdmissionContext) -> Iterator[OrderRefusal]:
    gate_s = order.slot - context.gate_lead_s
    if order.slot >= context.end_slot:
        yield OrderRefusal(
            RefusalCode.SLOT_NOT_OPEN, "slot", str(order.slot), f"before {context.end_slot}"
        )
    if order.slot < context.first_slot or context.now_us >= gate_s * 1_000_000:
        yield OrderRefusal(
            RefusalCode.GATE_CLOSED,
            "slot",
            str(order.slot),
            f"{context.first_slot} or later, and before its gate at {gate_s}",
        )
    if order.expires * 1_000_000 <= context.now_us:
        yield OrderRefusal(
            RefusalCode.EXPIRED,
            "expires",
            str(order.expires),
            f"later than {context.now_us // 1_000_000}",
        )


def broken_limit(rules: MarketRules, field: str, price: int) -> Iterator[OrderRefusal]:
    """What speaks against a price that may be ordered at: the market's band, then its steps."""
    low, high = rules.floor_mkrw_per_kwh, rules.cap_mkrw_per_kwh
    if not low <= price <= high:
        yield OrderRefusal(RefusalCode.PRICE_BAND, field, str(price), f"{low} to {high}")
    if price % rules.tick_mkrw_per_kwh:
        allowed = f"a multiple of {rules.tick_mkrw_per_kwh}"
        yield OrderRefusal(RefusalCode.PRICE_TICK, field, str(price), allowed)


def _broken_price(order: Order, context: AdmissionContext) -> Iterator[OrderRefusal]:
    rules, price = context.rules, order.price_mkrw_per_kwh
    if order.zone != context.zone:
        yield OrderRefusal(RefusalCode.WRONG_ZONE, "zone", str(order.zone), str(context.zone))
    if order.rules_version != rules.version:
        yield OrderRefusal(
            RefusalCode.STALE_RULES,
            "rules_version",
            str(order.rules_version),
            str(rules.version),
        )
    yield from broken_limit(rules, "price_mkrw_per_kwh", price)
    if order.label and order.premium_mkrw_per_kwh > rules.premium_bound_mkrw_per_kwh:
        yield OrderRefusal(
            RefusalCode.PRICE_BAND,
            "premium_mkrw_per_kwh",
            str(order.premium_mkrw_per_kwh),
            f"0 to {rules.premium_bound_mkrw_per_kwh}",
        )


def _broken_capacity(
    order: Order, context: AdmissionContext, kept: Sequence[LiveOrder]
) -> Iterator[OrderRefusal]:
    bid = order.side == Side.BID
    most_wh = context.import_wh_max if bid else context.export_wh_max
    live_wh = sum(live.e_wh for live in kept if live.side == order.side)
    if live_wh + order.e_wh > most_wh:
        yield OrderRefusal(
            RefusalCode.OVER_CAPACITY,
            "e_wh",
            f"{order.e_wh} beside {live_wh} live",
            f"{most_wh} in all to {'import' if bid else 'export'} in the slot",
        )


def _broken_cross(order: Order, kept: Sequence[LiveOrder]) -> Iterator[OrderRefusal]:
    """At one price an account must never be filled on both sides."""
    other = [live.price_mkrw_per_kwh for live in kept if live.side != order.side]
    if not other:
        return
    price = order.price_mkrw_per_kwh
    if order.side == Side.BID and price >= min(other):
        allowed = f"below {min(other)}, the account's lowest live offer"
    elif order.side == Side.OFFER and price <= max(other):
        allowed = f"above {max(other)}, the account's highest live bid"
    else:
        return
    yield OrderRefusal(RefusalCode.SELF_CROSS, "price_mkrw_per_kwh", str(price), allowed)
