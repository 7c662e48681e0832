"""One order made by hand: what is signed, the same in one sentence, and the market's answer."""

from dataclasses import dataclass
from typing import Any

from energy.crowd.bidding import BID, OFFER
from energy.crowd.client import PostAnswer, open_door
from energy.crowd.errors import CrowdError
from energy.crowd.members import sign_order
from energy.crowd.public import MarketNow, require_district
from energy.district import District
from energy.timegrid import iso_of, local_label
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.entries import FIELD_BOUNDS
from market.signing import address_of, digest
from market.transfers import ZERO32

SIDES = {"bid": BID, "offer": OFFER}


@dataclass(frozen=True)
class Wish:
    """What somebody wants to trade; `slot` None is the first one whose market is open."""

    side: str
    e_wh: int
    price_mkrw_per_kwh: int
    meter: int
    slot: int | None = None


@dataclass(frozen=True)
class Submitted:
    """An order that was posted: its id, the signed message and the server's answer."""

    id: bytes
    message: dict[str, Any]
    answer: PostAnswer


def require_wish(wish: Wish, district: District) -> None:
    """Raise CrowdError that names the first field that nobody could trade with."""
    if wish.side not in SIDES:
        raise CrowdError(f"side: found {wish.side!r}, allowed {' or '.join(SIDES)}")
    meters = len(district.meters.account)
    if not 0 <= wish.meter < meters:
        raise CrowdError(f"meter: found {wish.meter}, allowed 0 to {meters - 1} in {district.id}")
    bounds = {
        "energy-wh": (wish.e_wh, FIELD_BOUNDS["Order", "e_wh"]),
        "price": (wish.price_mkrw_per_kwh, FIELD_BOUNDS["Order", "price_mkrw_per_kwh"]),
    }
    for name, (found, (low, high)) in bounds.items():
        if not low <= found <= high:
            unit = "Wh" if name == "energy-wh" else "milli-won per kWh"
            raise CrowdError(f"{name}: found {found}, allowed {low} to {high} {unit}")
    if wish.slot is not None and wish.slot % SLOT_S:
        raise CrowdError(f"slot: found {iso_of(wish.slot)}, allowed a start on the quarter hour")


async def submit_order(
    url: str, district: District, wish: Wish, *, private_key: bytes, nonce: int
) -> Submitted:
    """Sign the wish under the market's domain and post it.

    Raises UnreachableError where the server does not answer, CrowdError for another district's.
    """
    require_wish(wish, district)
    async with open_door(url) as door:
        market = await door.fetch_market()
        require_district(market, district)
        message = order_of_wish(wish, district, market, nonce)
        envelope = sign_order(market.domain, message, private_key, address=address_of(private_key))
        answer = await door.post_order(envelope)
    return Submitted(digest(market.domain, "Order", message), message, answer)


def order_of_wish(wish: Wish, district: District, market: MarketNow, nonce: int) -> dict[str, Any]:
    """The Order message of a wish, good until the gate of its slot."""
    slot = market.first_open_slot if wish.slot is None else wish.slot
    return {
        "account": district.meters.account[wish.meter],
        "zone": int(district.zone_of_meter[wish.meter]),
        "slot": slot,
        "side": SIDES[wish.side],
        "e_wh": wish.e_wh,
        "price_mkrw_per_kwh": wish.price_mkrw_per_kwh,
        "label": 0,
        "premium_mkrw_per_kwh": 0,
        "expires": slot - market.prices.gate_lead_s,
        "replaces": ZERO32,
        "rules_version": market.prices.rules_version,
        "nonce": nonce,
    }


def sentence_of(message: dict[str, Any], time_zone: str) -> str:
    """The order in one sentence, made from what is signed."""
    start, end = (local_label(message["slot"] + plus, time_zone) for plus in (0, SLOT_S))
    price_mkrw = message["price_mkrw_per_kwh"]
    price = krw_text_from_mkrw(price_mkrw)
    energy = krw_text_from_mkrw(message["e_wh"])  # thousandths, as for prices
    total = krw_text_from_ukrw(message["e_wh"] * price_mkrw)
    when = f"{start}–{end[-5:]}"
    if message["side"] == OFFER:
        return (
            f"Sell up to {energy} kWh, {when}, for at least {price} won/kWh: "
            f"{total} won or more if all is sold."
        )
    return f"Buy up to {energy} kWh, {when}, for at most {price} won/kWh: {total} won at most."
