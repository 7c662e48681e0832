"""The SPC in the book: its standing offers and bids around the plan's marginal value.

The rows are a pure function of the plan's numbers and of the rules, made without sight of the
book, so that everybody who has the plan can recompute them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from market.book import BookRow
from market.errors import MarketError
from market.orders import Side
from market.rules import MarketRules


@dataclass(frozen=True)
class MakerQuote:
    """What the checked plan says of one slot; `plan` is its digest, 32 bytes.

    `value_mkrw_per_kwh` is the plan's marginal value of energy; `flex_up_wh` and `flex_down_wh`
    what its own assets can give or take beyond the plan, `import_wh` and `export_wh` what the
    connection still carries at the utility's prices. Every quantity may be 0.
    """

    slot: int
    plan: bytes
    value_mkrw_per_kwh: int
    import_mkrw_per_kwh: int
    import_wh: int
    export_mkrw_per_kwh: int
    export_wh: int
    flex_up_wh: int = 0
    flex_down_wh: int = 0
    zone: int = 0

    def __post_init__(self) -> None:
        for name in ("import_wh", "export_wh", "flex_up_wh", "flex_down_wh"):
            if getattr(self, name) < 0:
                raise MarketError(
                    f"quote of slot {self.slot}: {name} {getattr(self, name)}, allowed 0 or more"
                )


@dataclass(frozen=True)
class _Step:
    price_mkrw_per_kwh: int
    e_wh: int


def maker_rows(quote: MakerQuote, rules: MarketRules) -> list[BookRow]:
    """The SPC's rows of a slot: offers upwards from the plan's value, bids downwards from it.

    Flexibility is cut into `maker_steps` between the value and the utility's price, the last step
    is the connection itself. Offers are rounded up to the tick, bids down, and both keep the
    spread from the value, so that the SPC never trades with itself. What would lie outside the
    price band is left out or, where it stays a good deal, moved to its edge.
    """
    value, spread = quote.value_mkrw_per_kwh, rules.maker_spread_mkrw_per_kwh
    offers = _steps(
        value + spread,
        max(value, quote.import_mkrw_per_kwh) + spread,
        quote.flex_up_wh,
        rules.maker_steps,
    )
    offers += [_Step(max(value, quote.import_mkrw_per_kwh) + spread, quote.import_wh)]
    bids = _steps(
        value - spread,
        min(value, quote.export_mkrw_per_kwh) - spread,
        quote.flex_down_wh,
        rules.maker_steps,
    )
    bids += [_Step(min(value, quote.export_mkrw_per_kwh) - spread, quote.export_wh)]
    return [*_rows(quote, rules, Side.OFFER, offers), *_rows(quote, rules, Side.BID, bids)]


def _steps(first: int, last: int, e_wh: int, steps: int) -> list[_Step]:
    """The quantity in near-equal parts, priced evenly from `first` towards, not up to, `last`."""
    found = []
    for n in range(steps):
        part_wh = e_wh * (n + 1) // steps - e_wh * n // steps
        found.append(_Step(first + (last - first) * n // steps, part_wh))
    return found


def _rows(
    quote: MakerQuote, rules: MarketRules, side: Side, steps: list[_Step]
) -> Iterator[BookRow]:
    tick = rules.tick_mkrw_per_kwh
    for number, step in enumerate(steps):
        up = side == Side.OFFER
        rounded = -(-step.price_mkrw_per_kwh // tick) if up else step.price_mkrw_per_kwh // tick
        price = rounded * tick
        price = max(price, rules.floor_mkrw_per_kwh) if up else min(price, rules.cap_mkrw_per_kwh)
        if step.e_wh and rules.floor_mkrw_per_kwh <= price <= rules.cap_mkrw_per_kwh:
            yield BookRow(_tag(quote, side, number), quote.zone, int(side), price, step.e_wh)


def _tag(quote: MakerQuote, side: Side, number: int) -> bytes:
    """Stands for the leaf hash that a signed order has."""
    place = quote.slot.to_bytes(8, "big") + quote.plan + bytes([side]) + number.to_bytes(2, "big")
    return hashlib.sha256(b"maker/1" + place).digest()
