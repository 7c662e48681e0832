"""The statement of an account: the utility's part, the market's part, and both comparisons.

The utility's part follows its own rounding. The market's part is exact micro-won, summed and
rounded down once to whole won in the customer's favour; what is lost there has an account of its
own, so that all books stay closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from market.bill import UKRW_PER_KRW, Bill, MonthUse, build_bill
from market.errors import MarketError
from market.feed_in import FeedIn, rec_income_ukrw, smp_income_ukrw
from market.guarantee import GuaranteeMonth
from market.tariff import Tariff
from market.transfers import Code, LedgerId, Transfer, TransferKind

WH_PER_KWH = 1000


class LineKind(StrEnum):
    """What a line of the market's part is for."""

    TRADE = "trade"
    DEVIATION = "deviation"
    LABEL = "label"
    PPA = "ppa"
    CFD = "cfd"
    PPA_CHARGE = "ppa charge"
    NEIGHBOUR = "neighbour trade"
    UNDRAWN = "neighbour trade not drawn"
    FEED_IN = "feed-in"
    DR = "demand response"
    POINTS = "points"
    COMMON = "share of the common pot"
    GUARANTEE = "market guarantee"
    ADJUSTMENT = "adjustment of an earlier month"


class MarketLine(NamedTuple):
    """One line: Wh where energy belongs to it, and what the account pays (below 0: receives)."""

    kind: LineKind
    e_wh: int
    amount_ukrw: int


_KIND = {
    Code.TRADE: LineKind.TRADE,
    Code.DEVIATION: LineKind.DEVIATION,
    Code.LABEL: LineKind.LABEL,
    Code.PPA: LineKind.PPA,
    Code.CFD: LineKind.CFD,
    Code.PPA_CHARGE: LineKind.PPA_CHARGE,
    Code.NEIGHBOUR: LineKind.NEIGHBOUR,
    Code.CONGESTION_RENT: LineKind.COMMON,
    Code.NETWORK_FEE: LineKind.COMMON,
    Code.GUARANTEE: LineKind.GUARANTEE,
    Code.DR_REWARD: LineKind.DR,
    Code.DR_PENALTY: LineKind.DR,
}
_MOVES = (TransferKind.PLAIN, TransferKind.POST, TransferKind.REVERSE)


def lines_of(account: bytes, transfers: Iterable[Transfer]) -> list[MarketLine]:
    """The market's lines of an account from its transfers, in fixed order.

    A kind has one line for the slots in which energy came in or none moved, and one for those in
    which it went out.

    What is pending or void moves nothing; a reversal counts against what it undoes. The rest of
    readings is not among them: the utility's bill and the feed-in line stand for it.
    """
    by_slot: dict[tuple[LineKind, int], list[int]] = {}
    for one in transfers:
        kind = _KIND.get(Code(one.code))
        if kind is None or one.kind not in _MOVES or account not in (one.debit, one.credit):
            continue
        signed = one.amount if one.debit == account else -one.amount
        sums = by_slot.setdefault((kind, one.slot), [0, 0])
        if one.ledger == LedgerId.KRW:
            sums[1] += signed
        elif one.ledger == LedgerId.ENERGY:
            # Energy is received where money is paid: what comes in counts above 0.
            sums[0] -= signed
    found: dict[tuple[LineKind, bool], list[int]] = {}
    for (kind, _), (e_wh, amount) in by_slot.items():
        sums = found.setdefault((kind, e_wh < 0), [0, 0])
        sums[0] += e_wh
        sums[1] += amount
    return [
        MarketLine(kind, *found[kind, sold])
        for kind in LineKind
        for sold in (False, True)
        if (kind, sold) in found
    ]


@dataclass(frozen=True)
class NetMetering:
    """Surplus that lowers what the utility bills; `vat_on_received` taxes it before netting."""

    surplus_kwh: int
    carried_kwh: int
    vat_on_received: bool = True


@dataclass(frozen=True)
class NetBill:
    """A bill after netting, and the surplus that is carried into the next month."""

    bill: Bill
    carried_kwh: int


def build_net_bill(use: MonthUse, tariff: Tariff, net: NetMetering) -> NetBill:
    """The bill of what is received less the surplus; the tax on what was received, by default."""
    if use.parts:
        raise MarketError("net metering: found kWh by band, allowed one figure for the month")
    billed = max(use.kwh - net.surplus_kwh - net.carried_kwh, 0)
    carried = max(net.surplus_kwh + net.carried_kwh - use.kwh, 0)
    bill = build_bill(replace(use, kwh=billed), tariff)
    if net.vat_on_received and billed != use.kwh:
        vat = build_bill(use, tariff).vat_krw
        total = (bill.subtotal_krw + vat + bill.fund_krw) // 10 * 10
        bill = replace(bill, vat_krw=vat, total_krw=total)
    return NetBill(bill, carried)


@dataclass(frozen=True)
class AccountMonth:
    """All that the statement of one month follows from.

    The registers count Wh and never start anew: `rest` those left after contracts and trades,
    `import` and `export` those of the meter. `exported` has (Wh, SMP of the hour) of everything
    that the meter fed in; `exported_sum` its sums (Wh, micro-won at SMP) where they are known
    already. `use` and `whole_use` carry what the tariff asks beside the kWh: power,
    factor, and the kWh by band where it has bands. `net_metering` says whether KEPCO alone would
    net the export; `plant` values its certificates.
    """

    year: int
    month: int
    tariff: Tariff
    rest_register_wh: tuple[int, int]
    import_register_wh: tuple[int, int]
    export_register_wh: tuple[int, int]
    lines: tuple[MarketLine, ...]
    feed_in_wh: int = 0
    feed_in_ukrw: int = 0
    exported: tuple[tuple[int, int], ...] = ()
    exported_sum: tuple[int, int] | None = None
    plant: FeedIn | None = None
    net_metering: bool = False
    use: MonthUse | None = None
    whole_use: MonthUse | None = None
    points_ukrw: int = 0

    @property
    def at_smp(self) -> tuple[int, int]:
        """Wh fed in, and what the SMP of their hours makes of them, micro-won."""
        if self.exported_sum is not None:
            return self.exported_sum
        return sum(e_wh for e_wh, _ in self.exported), smp_income_ukrw(self.exported)


@dataclass(frozen=True)
class StatementMonth:
    """One month: the utility's bill of the rest, the market's lines, and what it came to.

    `total_krw` is what the account pays; `rounding_ukrw` is what rounding the market's part gave
    up. `alone_krw` is what KEPCO alone would have cost, `saved_krw` the difference, below 0 if it
    would have been less. `smp_rec_ukrw` is what SMP and certificates would have paid for all that
    was fed in, `sold_ukrw` what the market and the feed-in paid for it. `guarantee` is there where
    the account has traded: what the month would have cost without the auctions.
    """

    year: int
    month: int
    bill: Bill
    lines: tuple[MarketLine, ...]
    market_krw: int
    rounding_ukrw: int
    total_krw: int
    alone: Bill
    alone_krw: int
    saved_krw: int
    carried_kwh: int
    smp_rec_ukrw: int
    sold_ukrw: int
    guarantee: GuaranteeMonth | None = None


@dataclass(frozen=True)
class Statement:
    """The months of an account in order, and their sums."""

    months: tuple[StatementMonth, ...]
    total_krw: int
    alone_krw: int
    saved_krw: int
    rounding_ukrw: int
    smp_rec_ukrw: int
    sold_ukrw: int


def build_statement(months: Sequence[AccountMonth]) -> Statement:
    """The statement of months that follow one another; raises MarketError where they do not."""
    for before, after in pairwise(months):
        if after.year * 12 + after.month != before.year * 12 + before.month + 1:
            raise MarketError(
                f"statement: {after.year}-{after.month:02} follows "
                f"{before.year}-{before.month:02}, allowed the next month"
            )
        for name in ("rest_register_wh", "import_register_wh", "export_register_wh"):
            if getattr(before, name)[1] != getattr(after, name)[0]:
                raise MarketError(
                    f"statement: {name} begins {after.year}-{after.month:02} at "
                    f"{getattr(after, name)[0]} Wh, allowed {getattr(before, name)[1]}"
                )
    found: list[StatementMonth] = []
    for one in months:
        carried = found[-1].carried_kwh if found else 0
        found.append(statement_month(one, carried))
    return Statement(
        tuple(found),
        **{
            name: sum(getattr(one, name) for one in found)
            for name in (
                "total_krw", "alone_krw", "saved_krw", "rounding_ukrw", "smp_rec_ukrw", "sold_ukrw"
            )
        },
    )  # fmt: skip


def register_kwh(register_wh: tuple[int, int]) -> int:
    """Whole kWh between two states of a register; the fraction waits on it."""
    start, end = register_wh
    if not 0 <= start <= end:
        raise MarketError(f"register: from {start} to {end} Wh, allowed 0 and rising")
    return end // WH_PER_KWH - start // WH_PER_KWH


def statement_month(one: AccountMonth, carried_kwh: int) -> StatementMonth:
    """The statement of one month; `carried_kwh` is the surplus that it begins with."""
    rest_kwh, whole_kwh = register_kwh(one.rest_register_wh), register_kwh(one.import_register_wh)
    bill = build_bill(_use(one.use, one.month, rest_kwh), one.tariff)
    whole = _use(one.whole_use, one.month, whole_kwh)
    alone = NetBill(build_bill(whole, one.tariff), 0)
    exported_wh, at_smp = one.at_smp
    alone_feed_in = at_smp
    if one.net_metering:
        surplus = register_kwh(one.export_register_wh)
        alone = build_net_bill(whole, one.tariff, NetMetering(surplus, carried_kwh))
        alone_feed_in = 0
    lines = list(one.lines)
    if one.feed_in_wh or one.feed_in_ukrw:
        lines.append(MarketLine(LineKind.FEED_IN, -one.feed_in_wh, -one.feed_in_ukrw))
    if one.points_ukrw:
        lines.append(MarketLine(LineKind.POINTS, 0, -one.points_ukrw))
    exact = sum(line.amount_ukrw for line in lines)
    market = exact // UKRW_PER_KRW
    # Without net metering the grid pays SMP for all that is fed in, whole won, rounded alike.
    alone_krw = alone.bill.total_krw + -alone_feed_in // UKRW_PER_KRW
    total = bill.total_krw + market
    sold = sum(-line.amount_ukrw for line in lines if line.kind in _OF_EXPORT and line.e_wh < 0)
    certificates = rec_income_ukrw(exported_wh, one.plant) if one.plant else 0
    return StatementMonth(
        year=one.year,
        month=one.month,
        bill=bill,
        lines=tuple(lines),
        market_krw=market,
        rounding_ukrw=exact - market * UKRW_PER_KRW,
        total_krw=total,
        alone=alone.bill,
        alone_krw=alone_krw,
        saved_krw=alone_krw - total,
        carried_kwh=alone.carried_kwh,
        smp_rec_ukrw=at_smp + certificates,
        sold_ukrw=sold,
    )


_OF_EXPORT = frozenset({LineKind.TRADE, LineKind.PPA, LineKind.FEED_IN, LineKind.NEIGHBOUR})


def _use(given: MonthUse | None, month: int, kwh: int) -> MonthUse:
    """What the tariff asks beside the kWh, with the kWh of the register."""
    return MonthUse(month, kwh) if given is None else replace(given, month=month, kwh=kwh)
