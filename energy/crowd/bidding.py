"""What each member bids for a slot: a pure, seeded function of public information."""

from typing import Any

import numpy as np

from energy.crowd.errors import CrowdError
from energy.crowd.household import expected_net_kw, usual_month_kwh
from energy.crowd.members import Crowd, FloatArray, IntArray
from energy.crowd.public import PublicPrices, TariffBlock
from energy.units import DT_H, MKRW_PER_KRW, SLOT_S, wh_from_kwh
from market.transfers import ZERO32

BID, OFFER = 1, 2
# Nobody promises all that they expect: what is missing at the meter is paid for. Of such a promise
# this part is missing in the mean where quarter hours scatter by 0.6 (lognormal) around what was
# expected, E[max(q - X, 0)] / q at q = PRUDENCE; limits must pay for it.
PRUDENCE = 0.8
MISSED_FRAC = 0.16
# Whoever is near the edge of a tariff block bids as in the lower one: the month may end below it.
MONTH_SURE_FRAC = 0.85
E_WH_MIN = 10
RECENT_SLOTS = 8
# Won per kWh: what trading must bring at the least to be worth the while, at most this.
WHILE_MKRW_MAX = 4 * MKRW_PER_KRW
# Won per kWh that the thrifty hold out for while no price is known.
HOLD_OUT_MKRW = 10 * MKRW_PER_KRW
ORDERS_PER_SLOT = 16


def build_orders(crowd: Crowd, slot: int, public: PublicPrices) -> list[dict[str, Any]]:
    """One Order message of each member who expects to need or to spare energy in the slot.

    Sellers offer the surplus that they expect, for the feed-in price at the least; buyers bid for
    the import that they expect, below what their own tariff would charge. The same crowd, slot and
    public information give the same orders, in order of the meters.
    """
    net_wh = wh_from_kwh(PRUDENCE * DT_H * expected_net_kw(crowd, slot, public.sun_frac))
    sells = net_wh > 0
    rng = np.random.default_rng([crowd.district.seed, crowd.seed, 17, slot // SLOT_S])
    worth_while = rng.uniform(0, WHILE_MKRW_MAX, len(crowd))
    limit = np.where(
        sells,
        np.maximum(asked_mkrw(crowd, public, worth_while), ask_mkrw_min(crowd, slot, public)),
        np.minimum(
            offered_mkrw(crowd, slot, public, worth_while), bid_mkrw_max(crowd, slot, public)
        ),
    )
    limit = np.clip(limit, public.floor_mkrw_per_kwh, public.cap_mkrw_per_kwh)
    rows = np.flatnonzero(np.abs(net_wh) >= E_WH_MIN)
    expires = slot - public.gate_lead_s
    nonce = nonce_of(slot, 0)
    sides = np.where(sells, OFFER, BID)
    return [
        {
            "account": crowd.account[row],
            "zone": zone,
            "slot": slot,
            "side": side,
            "e_wh": e_wh,
            "price_mkrw_per_kwh": price,
            "label": 0,
            "premium_mkrw_per_kwh": 0,
            "expires": expires,
            "replaces": ZERO32,
            "rules_version": public.rules_version,
            "nonce": nonce,
        }
        for row, zone, side, e_wh, price in zip(
            rows.tolist(),
            crowd.zone[rows].tolist(),
            sides[rows].tolist(),
            np.abs(net_wh[rows]).tolist(),
            limit[rows].astype(np.int64).tolist(),
            strict=True,
        )
    ]


def nonce_of(slot: int, number: int) -> int:
    """Nonce of an account's order `number` for a slot: rising with the slots, never 0."""
    return slot // SLOT_S * ORDERS_PER_SLOT + number


def asked_mkrw(crowd: Crowd, public: PublicPrices, worth_while: FloatArray) -> IntArray:
    """Least price of each member as a seller: feed-in, and a part of what was lately above it."""
    feed_in = public.feed_in_mkrw_per_kwh
    usual = usual_price_mkrw(public)
    above = HOLD_OUT_MKRW if usual is None else max(usual - feed_in, 0)
    return _on_tick(feed_in + worth_while + crowd.thrift * above, public, up=True)


def offered_mkrw(
    crowd: Crowd, slot: int, public: PublicPrices, worth_while: FloatArray
) -> IntArray:
    """Highest price of each member as a buyer: below its own tariff's price of one more kWh."""
    worth = marginal_tariff_mkrw(crowd, slot, public)
    usual = usual_price_mkrw(public)
    below = HOLD_OUT_MKRW if usual is None else np.maximum(worth - usual, 0)
    return _on_tick(
        worth - public.tick_mkrw_per_kwh - worth_while - crowd.thrift * below, public, up=False
    )


def bid_mkrw_max(crowd: Crowd, slot: int, public: PublicPrices) -> IntArray:
    """Price of each member at which buying gains nothing in the mean, (N,).

    What was bought and not drawn goes back at the export price, or the price itself if lower:
    (worth - p)(1 - missed) = (p - export) missed.
    """
    worth = marginal_tariff_mkrw(crowd, slot, public)
    back = np.minimum(worth, public.feed_in_mkrw_per_kwh)
    return _on_tick((1 - MISSED_FRAC) * worth + MISSED_FRAC * back, public, up=False)


def ask_mkrw_min(crowd: Crowd, slot: int, public: PublicPrices) -> IntArray:
    """Price of each member at which selling gains nothing in the mean, (N,).

    What was sold and not delivered is bought at the connection's price, which is not public; a
    member takes its own tariff for it: (p - feed-in)(1 - missed) = (tariff - p) missed.
    """
    feed_in = public.feed_in_mkrw_per_kwh
    dear = np.maximum(marginal_tariff_mkrw(crowd, slot, public), feed_in)
    return _on_tick((1 - MISSED_FRAC) * feed_in + MISSED_FRAC * dear, public, up=True)


def usual_price_mkrw(public: PublicPrices) -> int | None:
    """Median of the last clearing prices; None where there was no trade lately."""
    traded = [price for price in public.recent_mkrw_per_kwh[-RECENT_SLOTS:] if price is not None]
    return int(np.median(traded)) if traded else None


def marginal_tariff_mkrw(crowd: Crowd, slot: int, public: PublicPrices) -> IntArray:
    """Price of one more kWh by each member's tariff and whole month's use, (N,).

    A kWh less today is a kWh less in the block where the month will end, not where it stands; in
    doubt, in the lower one. Raises CrowdError for a tariff that the public prices do not name.
    """
    used_kwh = MONTH_SURE_FRAC * usual_month_kwh(crowd, slot)
    names = [crowd.district.meters.tariff[int(row)] for row in crowd.meter]
    price = np.zeros(len(crowd), dtype=np.int64)
    for name in sorted(set(names)):
        if name not in public.tariffs:
            known = ", ".join(sorted(public.tariffs)) or "none"
            raise CrowdError(f"tariff {name}: found no public prices, allowed: {known}")
        mine = np.array([one == name for one in names])
        price[mine] = _block_price(public.tariffs[name], used_kwh[mine])
    return price


def _block_price(blocks: tuple[TariffBlock, ...], used_kwh: FloatArray) -> IntArray:
    ends = np.array([np.inf if b.up_to_kwh is None else b.up_to_kwh for b in blocks])
    prices = np.array([block.price_mkrw_per_kwh for block in blocks], dtype=np.int64)
    return prices[np.minimum(np.searchsorted(ends, used_kwh, side="right"), len(blocks) - 1)]


def _on_tick(price_mkrw: FloatArray, public: PublicPrices, *, up: bool) -> IntArray:
    """Prices on the tick of the rules, never to the bidder's disadvantage."""
    tick = public.tick_mkrw_per_kwh
    steps = np.ceil(price_mkrw / tick) if up else np.floor(price_mkrw / tick)
    return (steps * tick).astype(np.int64)
