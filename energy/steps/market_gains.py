"""What the market brought each customer over tariff and feed-in alone, for the same readings.

Contracts come before the auction and are told apart from it: their price is the partners' own. A
Wh that was not drawn at tariff is worth what the month's bill would have charged for it. A part of
a month says where the month will end: the period is taken to go on as it was, so that a home whose
month ends in the second block saves at the price of the second block. Without VAT and fund, which
the bill adds to every Wh at tariff and not to trades: true savings are greater.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.slot_settlement import tariff_names_of, tariff_rows, terms_of
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market.settlement import SettlementTerms
from market.tariff import ProgressiveTable, charges_ukrw

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SlotUse:
    """A settled slot of every customer, (M,) each; money as the account got it, losses below 0.

    `bought_wh` and `sold_wh` are delivered trades, `rest_import_wh` what went at tariff; what is
    left of the meter went under contracts and at feed-in. `trade_ukrw` is what trades brought,
    `deviation_ukrw` what was missing, `contract_ukrw` what contracts did, `other_ukrw` all else but
    the rest, such as labels.
    """

    import_wh: IntArray
    rest_import_wh: IntArray
    bought_wh: IntArray
    sold_wh: IntArray
    contract_export_wh: IntArray
    trade_ukrw: IntArray
    deviation_ukrw: IntArray
    contract_ukrw: IntArray
    other_ukrw: IntArray
    has_traded: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CustomerGains:
    """What the market brought each customer, (M,), in order of the district's meters.

    `saved_ukrw` is what tariff would have charged for `bought_wh`, as the month will end;
    `saved_so_far_ukrw` the same as the month stood. `forgone_ukrw` is the feed-in of `sold_wh`.
    `contract_gain_ukrw` is what contracts brought over tariff and feed-in, on top of the market.
    """

    has_traded: npt.NDArray[np.bool_]
    bought_wh: IntArray
    sold_wh: IntArray
    saved_ukrw: IntArray
    saved_so_far_ukrw: IntArray
    forgone_ukrw: IntArray
    trade_ukrw: IntArray
    deviation_ukrw: IntArray
    other_ukrw: IntArray
    contract_gain_ukrw: IntArray

    @property
    def delivered_ukrw(self) -> IntArray:
        """Gain on what was delivered, before what is paid for missing Wh: what limits protect."""
        return self.saved_ukrw + self.trade_ukrw - self.forgone_ukrw + self.other_ukrw

    @property
    def gain_ukrw(self) -> IntArray:
        """Gain of trades over tariff and feed-in alone, fees and missing Wh included."""
        return self.delivered_ukrw + self.deviation_ukrw

    @property
    def gain_so_far_ukrw(self) -> IntArray:
        """The same with savings at the block in which the month stood."""
        return self.gain_ukrw - self.saved_ukrw + self.saved_so_far_ukrw


class GainSums:
    """Adds up slots, oldest first; only those from `first` on count, earlier ones fill months."""

    def __init__(self, district: District, first: int) -> None:
        self._district = district
        self._first = first
        self._rows = tariff_rows(district)
        count = len(self._rows)
        self._months: dict[int, _Month] = {}
        self._sums = {name: np.zeros(count, dtype=np.int64) for name in _SUMMED}
        self._traded = np.zeros(count, dtype=np.bool_)

    def add(self, slot: int, use: SlotUse) -> None:
        """Count a slot."""
        terms = terms_of(self._district, slot)
        start = local_month_start(slot, self._district.time_zone)
        month = self._months.setdefault(start, _Month(len(self._rows)))
        drawn = (use.rest_import_wh, use.rest_import_wh + use.bought_wh, use.import_wh)
        costs = [
            self._charges(terms, height, height + wh)
            for height, wh in zip(month.heights_wh, drawn, strict=True)
        ]
        for height, wh in zip(month.heights_wh, drawn, strict=True):
            height += wh
        month.terms = terms
        if slot < self._first:
            return
        month.counted += 1
        for sums, cost in zip(month.costs_ukrw, costs, strict=True):
            sums += cost
        for sums, wh in zip(month.drawn_wh, drawn, strict=True):
            sums += wh
        self._traded |= use.has_traded
        feed_in = terms.feed_in_mkrw_per_kwh
        for name, values in (
            ("bought_wh", use.bought_wh),
            ("sold_wh", use.sold_wh),
            ("forgone_ukrw", use.sold_wh * feed_in),
            ("trade_ukrw", use.trade_ukrw),
            ("deviation_ukrw", use.deviation_ukrw),
            ("other_ukrw", use.other_ukrw),
            ("contract_gain_ukrw", use.contract_ukrw - use.contract_export_wh * feed_in),
        ):
            self._sums[name] += values

    def gains(self) -> CustomerGains:
        """What all slots came to."""
        so_far, saved, under_contract = (
            np.zeros(len(self._rows), dtype=np.int64) for _ in range(3)
        )
        for start, month in self._months.items():
            rest, bought, _ = month.costs_ukrw
            so_far += bought - rest
            low, middle, high = self._at_months_end(start, month)
            saved += middle - low
            under_contract += high - middle
        sums = dict(self._sums)
        sums["contract_gain_ukrw"] = sums["contract_gain_ukrw"] + under_contract
        return CustomerGains(
            has_traded=self._traded, saved_ukrw=saved, saved_so_far_ukrw=so_far, **sums
        )

    def _at_months_end(self, start: int, month: "_Month") -> list[IntArray]:
        """Costs of the counted slots where the whole month goes on like them: of what went at
        tariff, with what was bought, and of all that was drawn.
        """
        if month.terms is None or not month.counted:
            return month.costs_ukrw
        end = local_month_start(start, self._district.time_zone, months_on=1)
        slots = (end - start) // SLOT_S
        progressive = np.array(
            [isinstance(one.table, ProgressiveTable) for one in month.terms.tariffs]
        )[self._rows]
        found = []
        for drawn_wh, cost in zip(month.drawn_wh, month.costs_ukrw, strict=True):
            month_wh = drawn_wh * slots // month.counted
            of_month = self._charges(month.terms, np.zeros_like(month_wh), month_wh)
            found.append(np.where(progressive, of_month * month.counted // slots, cost))
        return found

    def _charges(self, terms: SettlementTerms, from_wh: IntArray, to_wh: IntArray) -> IntArray:
        """What each customer's tariff charges between two heights of the month's use."""
        found = np.zeros_like(from_wh)
        for number in range(len(tariff_names_of(self._district))):
            rows = np.flatnonzero(self._rows == number)
            found[rows] = charges_ukrw(
                terms.tariffs[number], terms.calendar, from_wh=from_wh[rows], to_wh=to_wh[rows]
            )
        return found


_SUMMED = (
    "bought_wh", "sold_wh", "forgone_ukrw", "trade_ukrw", "deviation_ukrw", "other_ukrw",
    "contract_gain_ukrw",
)  # fmt: skip


@dataclass(eq=False)
class _Month:
    """A local month so far: the heights of its use in three worlds, and what counted slots drew
    and cost in each: rest alone, with what was bought, and all that the meter drew.
    """

    customers: int
    counted: int = 0
    terms: SettlementTerms | None = None
    heights_wh: list[IntArray] = field(init=False)
    drawn_wh: list[IntArray] = field(init=False)
    costs_ukrw: list[IntArray] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("heights_wh", "drawn_wh", "costs_ukrw"):
            setattr(self, name, [np.zeros(self.customers, dtype=np.int64) for _ in range(3)])
