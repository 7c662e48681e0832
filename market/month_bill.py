"""An account's bill of a month from what the books have moved, as lines that a signature covers.

The books post a slot's energy at the price of its hour; the bill counts whole kWh of the register
by the utility's own rule. What the books have posted and what is billed meet once a month: basic
charge, tax, fund and every rounding are posted as the difference, so that the account's movement
is the bill to the micro-won. Slots of an earlier month that were settled anew since its bill give
an adjustment: that month's bill as it is now, less what it was. The market's guarantee is a line
of the month like any other, so that late news ends in the same total as timely news.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

from market.bill import UKRW_PER_KRW, Bill, MonthUse, build_bill
from market.errors import MarketError
from market.guarantee import GuaranteeMonth, guarantee_month
from market.merkle import leaf_hash, root_of
from market.month_sums import (
    MARKET_CODES,
    OPENING_CARRIED,
    OPENING_IN,
    OPENING_OUT,
    OPENING_REST,
    SMP_ALL,
    SMP_TRADE,
    Sums,
)
from market.month_tariffs import BilledMonth
from market.statement import (
    AccountMonth,
    LineKind,
    MarketLine,
    StatementMonth,
    register_kwh,
    statement_month,
)
from market.transfers import Code

_LINE = struct.Struct(">Hqq16s")
_WH_PER_KWH = 1000


class Kind(IntEnum):
    """What a line of the bill says; numbers as they are hashed. Those of the market's part are
    100 and twice the code, and one more where the account gave energy or got money.
    """

    TARIFF = 1  # place of the tariff among the month's names, in order
    REGISTER_START = 2
    REGISTER_END = 3
    POWER = 4  # kW of the contract
    NET_METERING = 5  # 1 where KEPCO alone would net what is fed in
    NETTED = 6  # kWh from neighbours, which are taken off before the tariff
    UNDRAWN = 88  # quantity: kWh of those that the account has not drawn, by corrected readings
    BASIC = 10
    POWER_FACTOR = 11
    ENERGY = 12
    CLIMATE = 13
    FUEL = 14
    VAT = 15
    FUND = 16
    CUT = 17  # what cutting each component and the total gives up
    UTILITY = 18  # the utility's part, whole won
    GUARANTEE = 89  # quantity: ppm of its trades that the account kept
    FEED_IN = 90
    MARKET = 91  # the market's part, rounded down to whole won
    ROUNDING = 92
    ADJUSTMENT = 93  # quantity is the month, yyyymm
    ALONE = 94  # what KEPCO alone would have cost; quantity: kWh it would bill
    CARRIED = 95  # kWh that net metering would carry on
    SMP_REC = 96  # what SMP and certificates would have paid; quantity: Wh fed in
    SOLD = 97  # what the market and the feed-in paid for it
    WITHOUT_AUCTIONS = 98  # what the month would have cost then; quantity: ppm of trades kept


class Line(NamedTuple):
    """A line: its kind, a quantity in the kind's unit, a price, an amount (below 0: received)."""

    kind: int
    quantity: int
    price_mkrw: int
    amount_ukrw: int


class Netted(NamedTuple):
    """What neighbours have sold an account in a month: kWh, and what it has paid for them."""

    kwh: int = 0
    paid_ukrw: int = 0


@dataclass(frozen=True)
class BillTerms:
    """What the bill of an account follows from beside its sums.

    `netted` is what neighbours have sold it in months (yyyymm): not billed at tariff.
    """

    tariff: str
    power_kw: int | None = None
    net_metering: bool = False
    netted: Mapping[int, Netted] = field(default_factory=dict)


@dataclass(frozen=True)
class BillPosts:
    """What the books must post so that they have moved what the bill says, micro-won.

    `retail_ukrw` from the customer to its supplier, below 0 the other way; the rest to their
    accounts, `rounding_ukrw` from the rounding account to the customer, and `guarantee_ukrw` from
    whoever pays for the market's guarantee.
    """

    retail_ukrw: int = 0
    vat_ukrw: int = 0
    fund_ukrw: int = 0
    rounding_ukrw: int = 0
    guarantee_ukrw: int = 0

    def plus(self, other: "BillPosts", sign: int = 1) -> "BillPosts":
        """The sum, or the difference where `sign` is -1."""
        return BillPosts(
            self.retail_ukrw + sign * other.retail_ukrw,
            self.vat_ukrw + sign * other.vat_ukrw,
            self.fund_ukrw + sign * other.fund_ukrw,
            self.rounding_ukrw + sign * other.rounding_ukrw,
            self.guarantee_ukrw + sign * other.guarantee_ukrw,
        )


@dataclass(frozen=True)
class MonthBill:
    """The bill of an account: its month, adjustments by month (yyyymm, won), and all lines.

    `register_wh` are the states of the register of what is drawn at tariff; `received_kwh` and
    `given_kwh` are whole kWh of the meter.
    """

    month: BilledMonth
    terms: BillTerms
    statement: StatementMonth
    adjustments: tuple[tuple[int, int], ...]
    lines: tuple[Line, ...]
    total_krw: int
    rounding_ukrw: int
    posts: BillPosts
    register_wh: tuple[int, int]
    received_kwh: int
    given_kwh: int

    @property
    def lines_root(self) -> bytes:
        """The Merkle root over the lines in their order, which the signed Bill carries."""
        return root_of([leaf_hash(pack_line(one)) for one in self.lines])


@dataclass(frozen=True)
class AccountSums:
    """An account's sums by month, as they are now and as they were at its last bill.

    Months are those of the books from the first one on; `before` ends with the last month that
    was billed.
    """

    now: Sequence[Sums]
    before: Sequence[Sums] = field(default=())


def pack_line(line: Line) -> bytes:
    """The bytes of a line, as they are hashed and stand in proofs."""
    amount = line.amount_ukrw.to_bytes(16, "big", signed=True)
    return _LINE.pack(line.kind, line.quantity, line.price_mkrw, amount)


def build_month_bill(
    months: Sequence[BilledMonth], terms: BillTerms, sums: AccountSums
) -> MonthBill:
    """The bill of the last of these months; raises MarketError where sums do not fit them."""
    if len(sums.now) != len(months) or len(sums.before) >= len(months):
        raise MarketError(
            f"bill: sums of {len(sums.now)} months now and {len(sums.before)} before, allowed "
            f"{len(months)} and fewer"
        )
    last = len(months) - 1
    now = _Books(months, terms, sums.now)
    before = _Books(months[: len(sums.before)], terms, sums.before)
    own = now.statement(last)
    posts, adjustments = now.posts(last), []
    for n in range(now.first_change(before), len(sums.before)):
        found, was = now.statement(n), before.statement(n)
        posts = posts.plus(now.posts(n)).plus(before.posts(n), -1)
        if found.total_krw != was.total_krw:
            adjustments.append((months[n].number, found.total_krw - was.total_krw))
    total = own.total_krw + sum(amount for _, amount in adjustments)
    register = now.register(last)
    return MonthBill(
        month=months[last],
        terms=terms,
        statement=own,
        adjustments=tuple(adjustments),
        lines=tuple(_lines(now, last, adjustments)),
        total_krw=total,
        rounding_ukrw=own.rounding_ukrw,
        posts=posts,
        register_wh=register,
        received_kwh=_kwh(now.meter(last, "in_wh")),
        given_kwh=_kwh(now.meter(last, "out_wh")),
    )


def guarantee_of(month: BilledMonth, terms: BillTerms, sums: Sums) -> GuaranteeMonth | None:
    """What the market's guarantee makes of a month by itself, its registers at nought before it.

    None where the account has not traded, or where no guarantee is in force.
    """
    return _Books([month], terms, [sums]).guarantee(0)


class _Books:
    """The months of an account as the books stood at one time."""

    def __init__(
        self, months: Sequence[BilledMonth], terms: BillTerms, sums: Sequence[Sums]
    ) -> None:
        self.months, self.terms, self.sums = months, terms, sums
        self._found: dict[int, StatementMonth] = {}

    def first_change(self, before: "_Books") -> int:
        """The first month whose sums are others than they were."""
        pairs = zip(self.sums, before.sums, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), len(before.sums))

    def register(self, n: int) -> tuple[int, int]:
        """Wh at tariff since the books began, at the start and the end of a month."""
        start = sum(one.side(Code.REMAINDER, "in_wh") for one in self.sums[:n])
        start += self._opening(n, OPENING_REST)
        return start, start + self.sums[n].side(Code.REMAINDER, "in_wh")

    def meter(self, n: int, side: str) -> tuple[int, int]:
        """Wh of the meter itself since the books began, at the start and the end of a month."""
        start = sum(one.wh(side) for one in self.sums[:n])
        start += self._opening(n, OPENING_IN if side == "in_wh" else OPENING_OUT)
        return start, start + self.sums[n].wh(side)

    def _opening(self, n: int, column: int) -> int:
        """What erased months have left to a month or to one before it."""
        return sum(one.columns[column] for one in self.sums[: n + 1])

    def _carried(self, n: int) -> int:
        """Surplus kWh that net metering would have carried into a month."""
        if not self.terms.net_metering:
            return 0
        carried = self.sums[0].columns[OPENING_CARRIED]
        for m in range(n):
            received, given = (_kwh(self.meter(m, side)) for side in ("in_wh", "out_wh"))
            carried = max(given + carried - received, 0)
            carried += self.sums[m + 1].columns[OPENING_CARRIED]
        return carried

    def statement(self, n: int) -> StatementMonth:
        """The statement of a month."""
        if n not in self._found:
            month, terms, sums = self.months[n], self.terms, self.sums[n]
            use = MonthUse(month.month, 0, power_kw=terms.power_kw)
            given = self.guarantee(n)
            account = AccountMonth(
                year=month.year,
                month=month.month,
                tariff=month.tariffs[terms.tariff],
                rest_register_wh=self._billed(n),
                import_register_wh=self.meter(n, "in_wh"),
                export_register_wh=self.meter(n, "out_wh"),
                lines=tuple(_market_lines(sums, given, self.undrawn(n))),
                feed_in_wh=sums.side(Code.REMAINDER, "out_wh"),
                feed_in_ukrw=sums.feed_in_ukrw,
                exported_sum=(sums.wh("out_wh"), sums.columns[SMP_ALL]),
                plant=month.plant,
                net_metering=terms.net_metering,
                use=use,
                whole_use=use,
            )
            own = statement_month(account, self._carried(n))
            self._found[n] = replace(own, guarantee=given)
        return self._found[n]

    def netted(self, n: int) -> Netted:
        """What neighbours have sold in a month; fixed at its end, whatever readings come later."""
        return self.terms.netted.get(self.months[n].number, Netted())

    def _billed(self, n: int, more_wh: int = 0) -> tuple[int, int]:
        """The register of what a month bills at tariff, had it drawn so much more: less what
        neighbours have sold, and nothing where a corrected reading leaves less than that.
        """
        start_wh, end_wh = self.register(n)
        return start_wh, max(end_wh + more_wh - self.netted(n).kwh * _WH_PER_KWH, start_wh)

    def undrawn(self, n: int, more_wh: int = 0) -> Netted:
        """The kWh from neighbours that a month has not drawn, had it drawn so much more, and what
        the account gets back for them: its share of what it has paid.
        """
        start_wh, end_wh = self.register(n)
        netted = self.netted(n)
        kwh = max(netted.kwh - _kwh((start_wh, max(end_wh + more_wh, start_wh))), 0)
        return Netted(kwh, netted.paid_ukrw * kwh // netted.kwh if kwh else 0)

    def guarantee(self, n: int) -> GuaranteeMonth | None:
        """What the market's guarantee makes of a month; None without trades, or without a rule."""
        month, sums = self.months[n], self.sums[n]
        if not sums.has_traded or not month.guarantee.kept_ppm:
            return None
        ukrw = []
        for more_wh in (0, sums.side(Code.TRADE, "in_wh")):
            kwh = register_kwh(self._billed(n, more_wh))
            use = MonthUse(month.month, kwh, power_kw=self.terms.power_kw)
            utility_krw = build_bill(use, month.tariffs[self.terms.tariff]).total_krw
            ukrw.append(utility_krw * UKRW_PER_KRW - self.undrawn(n, more_wh).paid_ukrw)
        market = sum(one.amount_ukrw for one in _market_lines(sums)) - sums.feed_in_ukrw
        fed_in = sums.columns[SMP_TRADE]
        return guarantee_month(
            month.guarantee,
            sums.kept,
            with_ukrw=ukrw[0] + market,
            without_ukrw=ukrw[1] + market - sums.auctions_ukrw - fed_in,
        )

    def posts(self, n: int) -> BillPosts:
        """What must be posted beside what the slots of a month have posted."""
        bill, sums = self.statement(n).bill, self.sums[n]
        vat, fund = bill.vat_krw * UKRW_PER_KRW, bill.fund_krw * UKRW_PER_KRW
        return BillPosts(
            retail_ukrw=(
                bill.total_krw * UKRW_PER_KRW
                - vat
                - fund
                - sums.charge_ukrw
                - self.undrawn(n).paid_ukrw
            ),
            vat_ukrw=vat,
            fund_ukrw=fund,
            rounding_ukrw=self.statement(n).rounding_ukrw,
            guarantee_ukrw=_given_ukrw(self.statement(n).guarantee),
        )


def _given_ukrw(guarantee: GuaranteeMonth | None) -> int:
    return guarantee.given_ukrw if guarantee else 0


def _kwh(register_wh: tuple[int, int]) -> int:
    return register_wh[1] // _WH_PER_KWH - register_wh[0] // _WH_PER_KWH


_KIND_OF = {
    Code.TRADE: LineKind.TRADE,
    Code.NETWORK_FEE: LineKind.COMMON,
    Code.CONGESTION_RENT: LineKind.COMMON,
    Code.DEVIATION: LineKind.DEVIATION,
    Code.LABEL: LineKind.LABEL,
    Code.PPA: LineKind.PPA,
    Code.CFD: LineKind.CFD,
    Code.PPA_CHARGE: LineKind.PPA_CHARGE,
    Code.NEIGHBOUR: LineKind.NEIGHBOUR,
    Code.DR_REWARD: LineKind.DR,
    Code.DR_PENALTY: LineKind.DR,
}


def _sides(sums: Sums) -> Iterator[tuple[Code, int, int, int]]:
    """Code, 0 in or 1 out, Wh and amount of the market's lines that say anything."""
    for code in MARKET_CODES:
        for out, wh, money, sign in ((0, "in_wh", "paid_ukrw", 1), (1, "out_wh", "got_ukrw", -1)):
            e_wh, amount = sums.side(code, wh), sign * sums.side(code, money)
            if e_wh or amount:
                yield code, out, e_wh, amount


def _market_lines(
    sums: Sums, guarantee: GuaranteeMonth | None = None, undrawn: Netted | None = None
) -> Iterator[MarketLine]:
    for code, out, e_wh, amount in _sides(sums):
        yield MarketLine(_KIND_OF[code], -e_wh if out else e_wh, amount)
    if undrawn and undrawn.kwh:
        yield MarketLine(LineKind.UNDRAWN, 0, -undrawn.paid_ukrw)
    if given_ukrw := _given_ukrw(guarantee):
        yield MarketLine(LineKind.GUARANTEE, 0, -given_ukrw)


def _lines(books: _Books, n: int, adjustments: Sequence[tuple[int, int]]) -> Iterator[Line]:
    """The lines of a month's bill in their order."""
    month, terms, own, sums = books.months[n], books.terms, books.statement(n), books.sums[n]
    register_wh, netted, undrawn = books.register(n), books.netted(n), books.undrawn(n)
    yield Line(Kind.TARIFF, sorted(month.tariffs).index(terms.tariff), 0, 0)
    yield Line(Kind.REGISTER_START, register_wh[0], 0, 0)
    yield Line(Kind.REGISTER_END, register_wh[1], 0, 0)
    yield Line(Kind.POWER, terms.power_kw or 0, 0, 0)
    yield Line(Kind.NET_METERING, int(terms.net_metering), 0, 0)
    if netted.kwh:
        yield Line(Kind.NETTED, netted.kwh, 0, 0)
    yield from _utility_lines(own.bill)
    for code, out, e_wh, amount in _sides(sums):
        yield Line(100 + 2 * code + out, e_wh, 0, amount)
    if sums.side(Code.REMAINDER, "out_wh"):
        fed_in_wh = sums.side(Code.REMAINDER, "out_wh")
        yield Line(Kind.FEED_IN, fed_in_wh, 0, -sums.feed_in_ukrw)
    if undrawn.kwh:
        yield Line(Kind.UNDRAWN, undrawn.kwh, 0, -undrawn.paid_ukrw)
    if own.guarantee and own.guarantee.given_ukrw:
        yield Line(Kind.GUARANTEE, own.guarantee.kept_ppm, 0, -own.guarantee.given_ukrw)
    yield Line(Kind.MARKET, 0, 0, own.market_krw * UKRW_PER_KRW)
    yield Line(Kind.ROUNDING, 0, 0, own.rounding_ukrw)
    for number, krw in adjustments:
        yield Line(Kind.ADJUSTMENT, number, 0, krw * UKRW_PER_KRW)
    yield Line(Kind.ALONE, own.alone.kwh, 0, own.alone_krw * UKRW_PER_KRW)
    yield Line(Kind.CARRIED, own.carried_kwh, 0, 0)
    if sums.wh("out_wh"):
        yield Line(Kind.SMP_REC, sums.wh("out_wh"), 0, own.smp_rec_ukrw)
        yield Line(Kind.SOLD, 0, 0, own.sold_ukrw)
    if own.guarantee:
        kept_ppm, without_ukrw = own.guarantee.kept_ppm, own.guarantee.without_ukrw
        yield Line(Kind.WITHOUT_AUCTIONS, kept_ppm, 0, without_ukrw)


_COMPONENT = {
    "basic": Kind.BASIC,
    "power_factor": Kind.POWER_FACTOR,
    "energy": Kind.ENERGY,
    "climate": Kind.CLIMATE,
    "fuel": Kind.FUEL,
}


def _utility_lines(bill: Bill) -> Iterator[Line]:
    exact = 0
    for one in bill.lines:
        exact += one.amount_ukrw
        yield Line(_COMPONENT[one.component], one.quantity, one.price_mkrw, one.amount_ukrw)
    yield Line(Kind.VAT, 0, 0, bill.vat_krw * UKRW_PER_KRW)
    yield Line(Kind.FUND, 0, 0, bill.fund_krw * UKRW_PER_KRW)
    total = bill.total_krw * UKRW_PER_KRW
    whole = exact + (bill.vat_krw + bill.fund_krw) * UKRW_PER_KRW
    yield Line(Kind.CUT, 0, 0, total - whole)
    yield Line(Kind.UTILITY, bill.kwh, 0, total)
