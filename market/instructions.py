"""Standing instructions: what a household signs once, and the orders that follow from it.

An instruction gives limits for selling and buying, caps for a local day, and the slots in which it
holds. Of what a home is expected to need or to have left in a slot, one order at the signed limit
is made: in a sealed auction with one price nobody does better by another bid. Never more than the
day's caps leave, and none where the household acts in the slot itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from market.entries import Message
from market.orders import OrderRefusal, RefusalCode, Side, broken_limit
from market.rules import MarketRules

DAYS_MAX = 366
"""So many days an instruction runs at the most: nobody's home trades on a paper long forgotten."""
LIMIT_FIELDS = {Side.BID: "buy_up_to_mkrw_per_kwh", Side.OFFER: "sell_from_mkrw_per_kwh"}


class Why(StrEnum):
    """What became of an instruction in a slot: the order, or the reason that there is none."""

    ORDERED = "ORDERED"
    NO_FORECAST = "NO_FORECAST"
    OWN_ORDER = "OWN_ORDER"  # the household has ordered by hand
    OWN_CONTRACT = "OWN_CONTRACT"  # a contract of the household runs
    KEY_ENDED = "KEY_ENDED"  # the key that signed it no longer trades for the account
    RULES_CHANGED = "RULES_CHANGED"  # it was signed under other market rules
    BALANCED = "BALANCED"  # nothing is expected to be missing or left
    NOT_WANTED = "NOT_WANTED"  # something is, but the instruction does not trade that way
    NO_ROOM = "NO_ROOM"  # connection, or a promise to use less
    DAY_CAP_WH = "DAY_CAP_WH"
    DAY_CAP_UKRW = "DAY_CAP_UKRW"


class Spent(NamedTuple):
    """What a local day's automatic orders have come to: Wh traded both ways, micro-won paid.

    Of an order that is not cleared yet all of it counts, at its limit.
    """

    e_wh: int = 0
    amount_ukrw: int = 0


class Derived(NamedTuple):
    """The order that follows from an instruction: nothing where `e_wh` is 0, and why."""

    why: Why
    side: int = 0
    e_wh: int = 0
    price_mkrw_per_kwh: int = 0


@dataclass(frozen=True)
class Terms:
    """What was signed, as far as orders follow from it."""

    sides: int
    sell_from_mkrw_per_kwh: int
    buy_up_to_mkrw_per_kwh: int
    day_cap_wh: int
    day_cap_ukrw: int

    def wants(self, side: int) -> bool:
        """Whether it trades that way."""
        return bool(self.sides & side)

    def limit_mkrw_per_kwh(self, side: int) -> int:
        """The limit of its orders of a side."""
        is_bid = side == Side.BID
        return self.buy_up_to_mkrw_per_kwh if is_bid else self.sell_from_mkrw_per_kwh


def paid_ukrw(side: int, e_wh: int, price_mkrw_per_kwh: int) -> int:
    """What the household pays for Wh at a price: of a purchase, or of a sale below nought."""
    return max(0, e_wh * price_mkrw_per_kwh * (1 if side == Side.BID else -1))


def derive_order(terms: Terms, need_wh: int, most_wh: int, spent: Spent) -> Derived:
    """The order of a slot in which the home is expected to need `need_wh`; below 0 they are left.

    `most_wh` is what the account may trade that way in the slot, `spent` the local day so far.
    """
    if need_wh == 0:
        return Derived(Why.BALANCED)
    side = Side.BID if need_wh > 0 else Side.OFFER
    if not terms.wants(side):
        return Derived(Why.NOT_WANTED)
    price = terms.limit_mkrw_per_kwh(side)
    bounds = [(min(abs(need_wh), most_wh), Why.NO_ROOM)]
    bounds.append((terms.day_cap_wh - spent.e_wh, Why.DAY_CAP_WH))
    worst_ukrw = paid_ukrw(side, 1, price)
    if worst_ukrw:
        bounds.append(((terms.day_cap_ukrw - spent.amount_ukrw) // worst_ukrw, Why.DAY_CAP_UKRW))
    e_wh, why = min(bounds, key=lambda bound: bound[0])
    return Derived(why) if e_wh <= 0 else Derived(Why.ORDERED, int(side), e_wh, price)


def check_instruction(message: Message, rules: MarketRules, first_open: int) -> OrderRefusal | None:
    """The first rule that an instruction breaks by itself, or None.

    `first_open` is the first slot whose orders are not made yet.
    """
    return next(_broken(message, rules, first_open), None)


def _broken(message: Message, rules: MarketRules, first_open: int) -> Iterator[OrderRefusal]:
    first, end = message["first_slot"], message["end_slot"]
    if first < first_open:
        yield OrderRefusal(
            RefusalCode.BACK_DATED, "first_slot", str(first), f"{first_open} or later"
        )
    if message["rules_version"] != rules.version:
        found = str(message["rules_version"])
        yield OrderRefusal(RefusalCode.STALE_RULES, "rules_version", found, str(rules.version))
    last = first + DAYS_MAX * 86_400
    if not first < end <= last:
        yield _odd("end_slot", end, f"above {first}, its first slot, up to {last}")
    for side, name in LIMIT_FIELDS.items():
        yield from _broken_limit(message, rules, side, name)
    if message["sides"] & Side.BID and not message["day_cap_ukrw"]:
        yield _odd("day_cap_ukrw", 0, "above 0 where it buys")


def _broken_limit(
    message: Message, rules: MarketRules, side: Side, name: str
) -> Iterator[OrderRefusal]:
    price = message[name]
    if not message["sides"] & side:
        if price:
            yield _odd(name, price, "0, for it does not trade that way")
        return
    yield from broken_limit(rules, name, price)


def _odd(name: str, found: Any, allowed: str) -> OrderRefusal:  # noqa: ANN401 - shown as text
    return OrderRefusal(RefusalCode.INSTRUCTION_RULES, name, str(found), allowed)
