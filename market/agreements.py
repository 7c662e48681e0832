"""Contracts as they are signed: what their terms say, which of them the market accepts.

The 32 bytes `terms` of a Contract are its side terms themselves, so that nobody needs a document
to check a payment: byte 0 is 1 where there are any, byte 1 has the flags, the last eight bytes
are the charge of the network's owner in milli-won per kWh. Without side terms all are zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from market.contracts import PPM, ContractKind, SupplyContract
from market.entries import Message
from market.errors import MarketError
from market.neighbours import NeighbourContract
from market.rules import PRICE_BOUND_MKRW_PER_KWH
from market.transfers import ZERO32

YEARS_MAX_S = 30 * 366 * 86_400
SLOT_WH_MAX = 100_000_000
MONTH_WH_MAX = 1_000_000_000_000
CHARGE_MKRW_MAX = 1_000_000
_LAYOUT = 1
_NONE_BELOW_ZERO, _EVEN_AT_A_LOSS = 1, 2


@dataclass(frozen=True)
class SideTerms:
    """What a contract says besides price, share and cap.

    `charge_mkrw_per_kwh` is what the network's owner asks of the buyer. A CfD with
    `none_below_zero` rests while its index is negative; a neighbour trade `even_at_a_loss` counts
    also in a month in which one of the two would have been better off without it.
    """

    charge_mkrw_per_kwh: int = 0
    none_below_zero: bool = False
    even_at_a_loss: bool = False

    def packed(self) -> bytes:
        """The 32 bytes that are signed."""
        if self == SideTerms():
            return ZERO32
        flags = _NONE_BELOW_ZERO * self.none_below_zero + _EVEN_AT_A_LOSS * self.even_at_a_loss
        return bytes([_LAYOUT, flags]) + self.charge_mkrw_per_kwh.to_bytes(30, "big")


def side_terms(packed: bytes) -> SideTerms:
    """The terms of 32 bytes; raises MarketError for bytes that `SideTerms.packed` never gives."""
    if packed == ZERO32:
        return SideTerms()
    flags, charge = packed[1], int.from_bytes(packed[2:], "big")
    found = SideTerms(charge, bool(flags & _NONE_BELOW_ZERO), bool(flags & _EVEN_AT_A_LOSS))
    if charge > CHARGE_MKRW_MAX or found.packed() != packed:
        raise MarketError(
            f"terms 0x{packed.hex()}: allowed zeros, or 01, flags up to 03 and a charge up to "
            f"{CHARGE_MKRW_MAX} milli-won per kWh"
        )
    return found


def supply_contract(id_: bytes, message: Message) -> SupplyContract:
    """A signed contract as the settlement of a slot sees it."""
    terms = side_terms(message["terms"])
    return SupplyContract(
        id=id_,
        kind=ContractKind(message["kind"]),
        seller=message["seller"],
        buyer=message["buyer"],
        cap_wh=message["cap_wh"],
        share_ppm=message["share_ppm"],
        price_mkrw_per_kwh=message["price_mkrw_per_kwh"],
        rank=message["rank"],
        charge_mkrw_per_kwh=terms.charge_mkrw_per_kwh,
        none_below_zero=terms.none_below_zero,
    )


def neighbour_contract(id_: bytes, message: Message) -> NeighbourContract:
    """A signed contract of neighbour trade as the settlement of a month sees it.

    Its `cap_wh` is for a month; only whole kWh of it count.
    """
    return NeighbourContract(
        id=id_,
        buyer=message["buyer"],
        cap_kwh=message["cap_wh"] // 1000,
        share_ppm=message["share_ppm"],
        price_mkrw_per_kwh=message["price_mkrw_per_kwh"],
        rank=message["rank"],
        even_at_a_loss=side_terms(message["terms"]).even_at_a_loss,
    )


class Fault(NamedTuple):
    """A field of a contract that is not acceptable."""

    field: str
    found: str
    allowed: str


def contract_fault(message: Message) -> Fault | None:
    """The first rule that a contract breaks by itself, whatever else has been signed."""
    kind = ContractKind(message["kind"])
    most_wh = MONTH_WH_MAX if kind == ContractKind.NEIGHBOUR else SLOT_WH_MAX
    period = "a month" if kind == ContractKind.NEIGHBOUR else "a slot"
    price, length_s = message["price_mkrw_per_kwh"], message["end_slot"] - message["first_slot"]
    if message["seller"] == message["buyer"]:
        return Fault("buyer", "the seller itself", "another account")
    if not 0 < length_s <= YEARS_MAX_S:
        return Fault("end_slot", str(message["end_slot"]), "after first_slot, by 30 years at most")
    if not 1 <= message["cap_wh"] <= most_wh:
        return Fault("cap_wh", str(message["cap_wh"]), f"1 to {most_wh} Wh in {period}")
    if message["share_ppm"] < 1:
        return Fault("share_ppm", "0", f"1 to {PPM}")
    least = 1 if kind == ContractKind.NEIGHBOUR else 0
    if not least <= price <= PRICE_BOUND_MKRW_PER_KWH:
        allowed = f"{least} to {PRICE_BOUND_MKRW_PER_KWH}"
        return Fault("price_mkrw_per_kwh", str(price), allowed)
    try:
        terms = side_terms(message["terms"])
    except MarketError as error:
        found, allowed = str(error).removeprefix("terms ").split(": allowed ")
        return Fault("terms", found, allowed)
    return _odd_terms(kind, terms)


def _odd_terms(kind: ContractKind, terms: SideTerms) -> Fault | None:
    """A side term that the kind of contract has no use for: it would be signed for nothing."""
    money_alone = kind in (ContractKind.CFD, ContractKind.NEIGHBOUR)
    if terms.charge_mkrw_per_kwh and money_alone:
        return Fault("terms", "a network charge", "none for CfD and neighbour trade")
    if terms.none_below_zero and kind != ContractKind.CFD:
        return Fault("terms", "a rest below zero", "only for a CfD")
    if terms.even_at_a_loss and kind != ContractKind.NEIGHBOUR:
        return Fault("terms", "even at a loss", "only for neighbour trade")
    return None


def promised_ppm(
    message: Message, standing: Iterable[tuple[ContractKind, int, int, int, int]]
) -> int:
    """The most that the seller's standing contracts promise of one rank while this one runs.

    `standing` are kind, rank, share_ppm, first_slot and end_slot. Shares add up among what is
    delivered, among differences, and among neighbours, whose ranks share one earmark.
    """
    mine = _pot(ContractKind(message["kind"]), message["rank"])
    events: list[tuple[int, int]] = []
    for kind, rank, share_ppm, first, end in standing:
        if _pot(kind, rank) == mine and first < message["end_slot"] and end > message["first_slot"]:
            events += [(max(first, message["first_slot"]), share_ppm), (end, -share_ppm)]
    now = most = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most


def _pot(kind: ContractKind, rank: int) -> tuple[int, int]:
    """What shares are parts of: contracts of one pot never promise more than the whole."""
    if kind == ContractKind.NEIGHBOUR:
        return ContractKind.NEIGHBOUR, 0
    return (ContractKind.CFD if kind == ContractKind.CFD else ContractKind.PARTNER), rank
