"""One order made by hand: what is signed, the same in one sentence, and the market's answer."""

from dataclasses import dataclass
from typing import Any

from energy.client import Client, ProblemError
from energy.crowd.bidding import BID, OFFER
from energy.crowd.errors import CrowdError
from energy.crowd.members import sign_order
from energy.crowd.public import MarketNow, parse_market, require_district
from energy.district import District
from energy.timegrid import iso_of, local_label
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.entries import FIELD_BOUNDS
from market.errors import MarketError
from market.messages import parse_message
from market.signing import Domain, address_of, digest, recover
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
class Receipt:
    """The operator's signed promise: the order will be in the messages of tick `sealed_by`."""

    received: int
    sealed_by: int
    signer: bytes


@dataclass(frozen=True)
class Submitted:
    """An order that the market took: its id, the signed message, the answer and its receipt."""

    id: bytes
    message: dict[str, Any]
    document: dict[str, Any]
    receipt: Receipt


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


def submit_order(
    client: Client, district: District, wish: Wish, *, private_key: bytes, nonce: int
) -> Submitted:
    """Sign the wish under the market's domain, post it and check the receipt.

    Raises UnreachableError where the server does not answer, CrowdError where it runs another
    district, refuses the order, or gives a receipt that promises nothing.
    """
    require_wish(wish, district)
    market = parse_market(client.get_prices())
    require_district(market, district)
    message = order_of_wish(wish, district, market, nonce)
    envelope = sign_order(market.domain, message, private_key, address=address_of(private_key))
    try:
        document = client.post_order(envelope)
    except ProblemError as error:
        raise CrowdError(f"order refused: {error}") from error
    id_ = digest(market.domain, "Order", message)
    receipt = read_receipt(market.domain, id_, document.get("receipt"))
    return Submitted(id_, message, document, receipt)


def read_receipt(domain: Domain, order_id: bytes, found: Any) -> Receipt:  # noqa: ANN401 - JSON
    """The promise of a receipt as the server sent it; raises CrowdError where it binds nobody.

    The signature must be the named signer's over this very order. Whose key that is stands in the
    books, not here.
    """
    try:
        message = parse_message("Receipt", found["message"])
        [signature] = found["signatures"]
        signer = recover(
            digest(domain, "Receipt", message), bytes.fromhex(signature["signature"][2:])
        )
        declared = bytes.fromhex(signature["signer"][2:])
    except (MarketError, KeyError, TypeError, ValueError) as error:
        raise CrowdError(f"receipt: found none that can be read: {error}") from error
    if message["entry"] != order_id or signer != declared:
        raise CrowdError(
            f"receipt: found one for 0x{message['entry'].hex()} by 0x{signer.hex()}, "
            f"allowed one for 0x{order_id.hex()} by its declared signer 0x{declared.hex()}"
        )
    return Receipt(message["received"], message["sealed_by"], signer)


def order_of_wish(wish: Wish, district: District, market: MarketNow, nonce: int) -> dict[str, Any]:
    """The Order message of a wish, good until the gate of its slot."""
    slot = market.first_open_slot if wish.slot is None else wish.slot
    prices = market.prices.for_slot(slot)
    return {
        "account": district.meters.account[wish.meter],
        "zone": int(district.zone_of_meter[wish.meter]),
        "slot": slot,
        "side": SIDES[wish.side],
        "e_wh": wish.e_wh,
        "price_mkrw_per_kwh": wish.price_mkrw_per_kwh,
        "label": 0,
        "premium_mkrw_per_kwh": 0,
        "expires": slot - prices.gate_lead_s,
        "replaces": ZERO32,
        "rules_version": prices.rules_version,
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
