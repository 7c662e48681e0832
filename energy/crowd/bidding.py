"""What each member bids for a slot: a pure, seeded function of public information."""

from typing import Any

import numpy as np

from energy.crowd.contracts import after_contracts
from energy.crowd.errors import CrowdError
from energy.crowd.household import guess_slot, usual_month_kwh
from energy.crowd.members import BoolArray, Crowd, FloatArray, IntArray
from energy.crowd.public import PublicPrices, TariffBlock
from energy.units import DT_H, MKRW_PER_KRW, SLOT_S, wh_from_kwh
from market.transfers import ZERO32

BID, OFFER = 1, 2
# Nobody promises all that they expect where missing Wh cost something: a promise lies half a
# standard deviation of the quarter hour below. A quarter of one is missing of it in the mean (0.20
# of a normal distribution, and a little more for guesses that are biased); limits pay for it.
PRUDENCE_SD = 0.5
MISSED_SD = 0.25
# Whoever is near the edge of a tariff block bids as in the lower one: the month may end below it.
MONTH_SURE_FRAC = 0.85
E_WH_MIN = 10
RECENT_SLOTS = 8
# Won per kWh: what trading must bring at the least to be worth the while, at most this.
WHILE_MKRW_MAX = 4 * MKRW_PER_KRW
# Won per kWh that the thrifty hold out for while no price is known.
HOLD_OUT_MKRW = 10 * MKRW_PER_KRW
ORDERS_PER_SLOT = 16
# Assumption, for want of a survey here: one buyer in four wants green energy and one in ten that of
# its own zone; each would pay up to so much for it on top. Whoever has a roof asks little for it.
GREEN_FRAC, LOCAL_FRAC = 0.25, 0.10
PREMIUM_MKRW_MAX = 10 * MKRW_PER_KRW
PREMIUM_ASKED_MKRW_MAX = 3 * MKRW_PER_KRW
# Of the roofs so many offer theirs as local energy, for an order carries one label; all others as
# green.
LOCAL_ROOFS_FRAC = 0.25
NO_LABEL, GREEN, LOCAL = 0, 1, 2


def build_orders(crowd: Crowd, slot: int, public: PublicPrices) -> list[dict[str, Any]]:
    """One Order message of each member who expects to need or to spare energy in the slot.

    Sellers offer a prudent part of the surplus that they expect, above the feed-in price; buyers
    bid for such a part of their need, below what their own tariff would charge. Either limit also
    pays for what will be missing. The same crowd, slot and public information give the same orders,
    in order of the meters.
    """
    public = public.for_slot(slot)
    guess = guess_slot(crowd, slot, public.sun_frac)
    net_kw = after_contracts(crowd, guess.net_kw)
    sells = net_kw > 0
    promise_kw = promised_kw(net_kw, guess.spread_kw, public)
    e_wh = wh_from_kwh(DT_H * promise_kw)
    missed = np.minimum(MISSED_SD * guess.spread_kw / np.maximum(promise_kw, 1e-9), 1.0)
    rng = np.random.default_rng([crowd.district.seed, crowd.seed, 17, slot // SLOT_S])
    worth_while = rng.uniform(0, WHILE_MKRW_MAX, len(crowd))
    limit = np.where(
        sells,
        np.maximum(
            asked_mkrw(crowd, public, worth_while), ask_mkrw_min(crowd, slot, public, missed)
        ),
        np.minimum(
            offered_mkrw(crowd, slot, public, worth_while),
            bid_mkrw_max(crowd, slot, public, missed),
        ),
    )
    limit = np.clip(limit, public.floor_mkrw_per_kwh, public.cap_mkrw_per_kwh)
    rows = np.flatnonzero(e_wh >= E_WH_MIN)
    expires = slot - public.gate_lead_s
    nonce = nonce_of(slot, 0)
    sides = np.where(sells, OFFER, BID)
    label, premium = wished_labels(crowd, sells, public)
    return [
        {
            "account": crowd.account[row],
            "zone": zone,
            "slot": slot,
            "side": side,
            "e_wh": wh,
            "price_mkrw_per_kwh": price,
            "label": kind,
            "premium_mkrw_per_kwh": most,
            "expires": expires,
            "replaces": ZERO32,
            "rules_version": public.rules_version,
            "nonce": nonce,
        }
        for row, zone, side, wh, price, kind, most in zip(
            rows.tolist(),
            crowd.zone[rows].tolist(),
            sides[rows].tolist(),
            e_wh[rows].tolist(),
            limit[rows].astype(np.int64).tolist(),
            label[rows].tolist(),
            premium[rows].tolist(),
            strict=True,
        )
    ]


def promised_kw(net_kw: FloatArray, spread_kw: FloatArray, public: PublicPrices) -> FloatArray:
    """What each member dares to promise of what it spares or, below 0, needs, (N,).

    What a buyer does not draw goes back at the lower of price and export price: as long as prices
    are no higher, that costs nothing, and the whole need is bid for.
    """
    usual = usual_price_mkrw(public)
    costs = usual is None or usual > public.feed_in_mkrw_per_kwh
    below = np.where((net_kw > 0) | costs, PRUDENCE_SD, 0.0)
    return np.asarray(np.maximum(np.abs(net_kw) - below * spread_kw, 0.0))


def wished_labels(
    crowd: Crowd, sells: BoolArray, public: PublicPrices
) -> tuple[IntArray, IntArray]:
    """Label and premium of each member, (N,) each: the same in every slot, for it is a conviction.

    Buyers pay up to the premium, sellers with a roof ask at least it.
    """
    rng = np.random.default_rng([crowd.district.seed, crowd.seed, 19])
    taste, worth = rng.random(len(crowd)), rng.random(len(crowd))
    wants = np.select([taste < GREEN_FRAC, taste < GREEN_FRAC + LOCAL_FRAC], [GREEN, LOCAL], 0)
    has_roof = crowd.district.meters.pv_kwp[crowd.meter] > 0
    has = np.where(has_roof, np.where(taste < LOCAL_ROOFS_FRAC, LOCAL, GREEN), NO_LABEL)
    label = np.where(sells, has, wants).astype(np.int64)
    most = np.where(sells, PREMIUM_ASKED_MKRW_MAX, PREMIUM_MKRW_MAX)
    return label, np.where(label > 0, _on_tick(worth * most, public, up=False), 0)


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


def bid_mkrw_max(crowd: Crowd, slot: int, public: PublicPrices, missed: FloatArray) -> IntArray:
    """Price of each member at which buying gains nothing in the mean, (N,).

    `missed` is the part of a promise that will be missing. What was bought and not drawn goes back
    at the export price: (worth - p)(1 - missed) = (p - export) missed.
    """
    worth = marginal_tariff_mkrw(crowd, slot, public)
    back = np.minimum(worth, public.feed_in_mkrw_per_kwh)
    return _on_tick((1 - missed) * worth + missed * back, public, up=False)


def ask_mkrw_min(crowd: Crowd, slot: int, public: PublicPrices, missed: FloatArray) -> IntArray:
    """Price of each member at which selling gains nothing in the mean, (N,).

    What was sold and not delivered is bought at the connection's price, which is not public; a
    member takes its own tariff for it: (p - feed-in)(1 - missed) = (tariff - p) missed.
    """
    feed_in = public.feed_in_mkrw_per_kwh
    dear = np.maximum(marginal_tariff_mkrw(crowd, slot, public), feed_in)
    return _on_tick((1 - missed) * feed_in + missed * dear, public, up=True)


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
