"""Neighbour trade that the utility brokers: whole kWh, netted inside both bills of a month."""

from collections.abc import Sequence
from dataclasses import dataclass

from market.bill import UKRW_PER_KRW, MonthUse, build_bill
from market.errors import MarketError
from market.tariff import Tariff

PPM = 1_000_000


@dataclass(frozen=True)
class NeighbourContract:
    """A seller's promise to one buyer: at most `cap_kwh` a month, at a fixed price.

    A month in which one of the two would lose counts only where `even_at_a_loss`.
    """

    id: bytes
    buyer: bytes
    cap_kwh: int
    share_ppm: int
    price_mkrw_per_kwh: int
    rank: int = 0
    even_at_a_loss: bool = False


@dataclass(frozen=True)
class NeighbourSeller:
    """The seller's month in whole kWh.

    `earmarked_kwh` of its `surplus_kwh` wait for neighbours. With net metering the rest of the
    surplus lowers what is billed, else it is paid at the month's mean feed-in price.
    """

    received_kwh: int
    surplus_kwh: int
    earmarked_kwh: int
    carried_kwh: int
    net_metering: bool
    feed_in_mkrw_per_kwh: int
    tariff: Tariff
    month: int

    def __post_init__(self) -> None:
        if not 0 <= self.earmarked_kwh <= self.surplus_kwh:
            raise MarketError(
                f"neighbour trade: {self.earmarked_kwh} kWh earmarked, allowed 0 up to the "
                f"surplus of {self.surplus_kwh} kWh"
            )


@dataclass(frozen=True)
class NeighbourBuyer:
    """The buyer's month: what is left to import, on a tariff by the month's use."""

    import_kwh: int
    tariff: Tariff
    month: int


@dataclass(frozen=True)
class NeighbourMonth:
    """What a contract came to; gains are exact micro-won, printed whether applied or not."""

    contract: NeighbourContract
    kwh: int
    applied: bool
    payment_ukrw: int
    buyer_gain_ukrw: int
    seller_gain_ukrw: int


def settle_neighbours(
    contracts: Sequence[NeighbourContract],
    seller: NeighbourSeller,
    buyers: dict[bytes, NeighbourBuyer],
) -> list[NeighbourMonth]:
    """The month of one seller's contracts, by rank and share; gains are against KEPCO alone.

    A contract that is not applied leaves its kWh with the seller.
    """
    found: list[NeighbourMonth] = []
    left = seller.earmarked_kwh
    sold = 0
    ranks = sorted({one.rank for one in contracts})
    for rank in ranks:
        same = [one for one in contracts if one.rank == rank]
        for one, kwh in zip(same, _shares(same, left), strict=True):
            buyer = buyers.get(one.buyer)
            if buyer is None:
                raise MarketError(f"contract {one.id.hex()}: its buyer has no month")
            taken = sum(m.kwh for m in found if m.applied and m.contract.buyer == one.buyer)
            month = _month(one, min(kwh, one.cap_kwh), seller, sold, buyer, taken)
            found.append(month)
            if month.applied:
                sold += month.kwh
        left = seller.earmarked_kwh - sold
    return found


def _shares(same: Sequence[NeighbourContract], kwh: int) -> list[int]:
    """Whole kWh of each contract of a rank, by largest remainder, then by id."""
    promised = sum(one.share_ppm for one in same)
    if promised > PPM:
        raise MarketError(
            f"neighbour contracts of rank {same[0].rank}: shares of {promised} ppm together, "
            f"allowed at most {PPM}"
        )
    parts = [divmod(kwh * one.share_ppm, PPM) for one in same]
    spare = kwh * promised // PPM - sum(whole for whole, _ in parts)
    first = sorted(range(len(same)), key=lambda n: (-parts[n][1], same[n].id))[:spare]
    return [whole + (n in first) for n, (whole, _) in enumerate(parts)]


def _month(
    one: NeighbourContract,
    share_kwh: int,
    seller: NeighbourSeller,
    sold_kwh: int,
    buyer: NeighbourBuyer,
    taken_kwh: int,
) -> NeighbourMonth:
    left = buyer.import_kwh - taken_kwh
    kwh = min(share_kwh, left)
    payment = kwh * 1000 * one.price_mkrw_per_kwh

    def buyers_bill(use: int) -> int:
        return build_bill(MonthUse(buyer.month, use), buyer.tariff).total_krw * UKRW_PER_KRW

    buyer_gain = buyers_bill(left) - buyers_bill(left - kwh) - payment
    seller_gain = payment + sellers_income_ukrw(seller, sold_kwh + kwh)
    seller_gain -= sellers_income_ukrw(seller, sold_kwh)
    applied = kwh > 0 and (one.even_at_a_loss or min(buyer_gain, seller_gain) >= 0)
    return NeighbourMonth(one, kwh, applied, payment, buyer_gain, seller_gain)


def sellers_income_ukrw(seller: NeighbourSeller, sold_kwh: int) -> int:
    """What the seller has of its month besides the trade itself: minus its bill, plus feed-in.

    Surplus that net metering carries into the next month counts as nothing yet.
    """
    surplus = seller.surplus_kwh - sold_kwh
    if seller.net_metering:
        billed = max(seller.received_kwh - surplus - seller.carried_kwh, 0)
        feed_in = 0
    else:
        billed, feed_in = seller.received_kwh, surplus * 1000 * seller.feed_in_mkrw_per_kwh
    bill = build_bill(MonthUse(seller.month, billed), seller.tariff)
    return feed_in - bill.total_krw * UKRW_PER_KRW
