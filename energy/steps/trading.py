"""What a settled slot's trading came to: energy by model, money, and what it brought customers.

Worked out once, in the transaction that settles the slot or corrects it, from the rows that were
committed. A customer's gain is what the slot cost it against the same readings at tariff and
feed-in alone; `saved_p2p` is what the auction has brought of it. A kWh less at tariff is one less
in the block where the month will end: at what has been drawn so far and, for the rest of the month,
the mean of the meter's year in the season's shape. Without VAT and fund, which a bill adds to every
Wh at tariff; neighbour trade through the utility counts when its month closes, and not here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.crowd.household import MONTH_SHAPE
from energy.district import District
from energy.steps.books import Books
from energy.steps.metering import Months, usual_of
from energy.steps.open_data import DIRECTIONS, may_be_told, rest_may_be_told
from energy.steps.slot_settlement import tariff_rows, terms_of
from energy.store.books import REVERSE_KIND, load_movements, load_settlements
from energy.store.open_data import load_open_sums
from energy.store.views import find_view, put_view
from energy.timegrid import iso_of, local_calendar, local_month_start
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.settlement import SettlementTerms
from market.tariff import charges_ukrw
from market.transfers import Code, LedgerId
from market.waterfall import CONTRACT_CODES

IntArray = npt.NDArray[np.int64]
Document = dict[str, Any]

MONEY = (
    "avoided_krw",
    "forgone_krw",
    "outside_krw",
    "deviation_krw",
    "saved_p2p_krw",
    "saved_contracts_krw",
    "saved_krw",
)
OF_DEVIATION = ("outside_krw", "deviation_krw", "saved_p2p_krw", "saved_krw")
"""What has the payments for deviations in it."""
PRIVATE = ("bought_kwh", "sold_kwh", "traders", "worse_off", *MONEY)
"""What a settled slot says of its customers; the rest are prices."""

MARKET = (Code.TRADE, Code.DEVIATION, Code.LABEL)
KRW, ENERGY = LedgerId.KRW, LedgerId.ENERGY


@dataclass(frozen=True, eq=False)
class _Sides:
    """What each customer has received and given in some lines, (M,); reversals taken off."""

    got: IntArray
    gave: IntArray

    @property
    def net(self) -> IntArray:
        """What was received less what was given."""
        return self.got - self.gave


@dataclass(frozen=True, eq=False)
class _Moved:
    """Movements of a slot, columns ledger, kind, code, debit, credit, amount; accounts by number.

    `customers` are the numbers of the customers, `count` that of all accounts.
    """

    rows: IntArray
    customers: IntArray
    count: int

    def sides(self, ledger: LedgerId, *codes: int) -> _Sides:
        """What customers have got and given in a ledger, in lines of these codes or in all."""
        rows = self.rows[self.rows[:, 0] == ledger]
        if codes:
            rows = rows[np.isin(rows[:, 2], codes)]
        undone = rows[:, 1] == REVERSE_KIND
        got, gave = (np.zeros(self.count, dtype=np.int64) for _ in range(2))
        np.add.at(got, rows[~undone, 4], rows[~undone, 5])
        np.add.at(gave, rows[~undone, 3], rows[~undone, 5])
        # A reversal stands the other way round: it takes back what its original has moved.
        np.subtract.at(got, rows[undone, 3], rows[undone, 5])
        np.subtract.at(gave, rows[undone, 4], rows[undone, 5])
        return _Sides(got[self.customers], gave[self.customers])


def keep_trading(
    connection: Connection,
    books: Books,
    district: District,
    months: Months,
    slots: Collection[int],
) -> None:
    """Keep the document of each of these slots, which have just been settled or corrected."""
    for slot in slots:
        told = trading_document(connection, books, district, months, slot)
        put_view(connection, "trading", slot, told)


def trading_document(
    connection: Connection, books: Books, district: District, months: Months, slot: int
) -> Document:
    """The slot as it is settled now; `months` are the books' after this tick.

    `to_members` is what those may know of it who do not see single households. It stays as it was
    first settled: beside the old sums, new ones would tell of the one meter that was corrected.
    """
    versions = [one for one in load_settlements(connection, slot) if one.version]
    moved = _Moved(
        load_movements(connection, [one.no for one in versions]),
        np.array([books.book.number[one] for one in books.customers], dtype=np.int64),
        len(books.book.accounts),
    )
    terms, rest = terms_of(district, slot), moved.sides(ENERGY, Code.REMAINDER)
    trade, contracts = moved.sides(ENERGY, Code.TRADE), moved.sides(ENERGY, *CONTRACT_CODES)
    ends_wh = _month_ends_wh(books, district, months, slot)
    gains = _gains(moved, lambda wh: _charges(district, terms, ends_wh, ends_wh + wh), terms)
    sums = (contracts.got, contracts.gave, trade.got, trade.gave, rest.got, rest.gave)
    document: Document = {
        "slot_utc": iso_of(slot),
        "version": versions[-1].version,
        "bought_kwh": {
            "contracts": _kwh(contracts.got),
            "p2p": _kwh(trade.got),
            "tariff": _kwh(rest.got),
        },
        "sold_kwh": {
            "contracts": _kwh(contracts.gave),
            "p2p": _kwh(trade.gave),
            "feed_in": _kwh(rest.gave),
        },
        "tariff_krw_per_kwh": _mean_price(moved.sides(KRW, Code.REMAINDER).gave, rest.got),
        "feed_in_krw_per_kwh": krw_text_from_mkrw(terms.feed_in_mkrw_per_kwh),
        "traders": int(_has_traded(moved, gains).sum()),
        "worse_off": int((gains["saved"] < 0).sum()),
        **{f"{name}_krw": krw_text_from_ukrw(int(ukrw.sum())) for name, ukrw in gains.items()},
    }
    if document["version"] > 1:
        before = find_view(connection, "trading", slot) or {}
        return {**document, "to_members": before.get("to_members")}
    told = _without_single(document, sums, moved.sides(KRW, Code.DEVIATION).net)
    if told["bought_kwh"] is not None:
        metered = [contracts.got + trade.got + rest.got, contracts.gave + trade.gave + rest.gave]
        cells = load_open_sums(connection, slot, slot + SLOT_S)[slot]
        told = _without_rest(district, told, metered, cells)
    return {**document, "to_members": told}


def _without_single(
    document: Document, sums: Iterable[IntArray], deviation_ukrw: IntArray
) -> Document:
    """The document for those who do not see single households; what they may not know is null."""
    if not all(map(may_be_told, sums)):
        return {**document, **dict.fromkeys(PRIVATE)}
    if may_be_told(deviation_ukrw):
        return document
    # What was delivered less what was cleared would tell the same.
    sides = {name: {**document[name], "p2p": None} for name in ("bought_kwh", "sold_kwh")}
    return {**document, **sides, **dict.fromkeys(OF_DEVIATION)}


def _without_rest(
    district: District, told: Document, metered: Sequence[IntArray], cells: Mapping[str, IntArray]
) -> Document:
    """The document without what ran at tariff where the open data withhold a cell.

    `metered` is what each customer drew and gave, `cells` what was published of it: the whole less
    these is what was withheld.
    """
    names = zip(("bought_kwh", "sold_kwh"), ("tariff", "feed_in"), metered, DIRECTIONS, strict=True)
    for name, at_tariff, wh, direction in names:
        if not rest_may_be_told(district, wh, cells[direction]):
            told = {**told, name: {**told[name], at_tariff: None}}
    return told


def _gains(
    moved: _Moved, charge: Callable[[IntArray], IntArray], terms: SettlementTerms
) -> dict[str, IntArray]:
    """What each customer gained, and of what it is made, micro-won, (M,).

    `charge` says what more Wh would cost at tariff. `saved` is what tariff would have charged
    (`avoided`) less the feed-in given up (`forgone`) and plus all else that was received less paid
    (`outside`); `deviation` is the part of it paid for what was not delivered.
    """
    every, rest = moved.sides(ENERGY), moved.sides(ENERGY, Code.REMAINDER)
    trade = moved.sides(ENERGY, Code.TRADE)
    avoided = charge(every.got - rest.got)
    # What is earmarked for a neighbour through the utility is paid for when the month closes.
    later = moved.sides(ENERGY, Code.NEIGHBOUR)
    forgone = (every.gave - rest.gave - later.gave) * terms.feed_in_mkrw_per_kwh
    outside = moved.sides(KRW).net - moved.sides(KRW, Code.REMAINDER).net
    saved = avoided - forgone + outside
    saved_p2p = charge(trade.got) - trade.gave * terms.feed_in_mkrw_per_kwh
    saved_p2p += moved.sides(KRW, *MARKET).net
    return {
        "avoided": avoided,
        "forgone": forgone,
        "outside": outside,
        "deviation": -moved.sides(KRW, Code.DEVIATION).net,
        "saved_p2p": saved_p2p,
        "saved_contracts": saved - saved_p2p,
        "saved": saved,
    }


def _has_traded(moved: _Moved, gains: dict[str, IntArray]) -> npt.NDArray[np.bool_]:
    """Customers whose energy or money went otherwise than at tariff and feed-in, (M,)."""
    every, rest = moved.sides(ENERGY), moved.sides(ENERGY, Code.REMAINDER)
    moved_otherwise = (every.got != rest.got) | (every.gave != rest.gave)
    return np.asarray(moved_otherwise | (gains["outside"] != 0), dtype=np.bool_)


def _month_ends_wh(books: Books, district: District, months: Months, slot: int) -> IntArray:
    """What each customer will have drawn at tariff when the local month of a slot ends, Wh, (M,).

    Slots before the books began and those to come count with the mean of the meter's year in the
    season's shape.
    """
    start = local_month_start(slot, district.time_zone)
    end = local_month_start(slot, district.time_zone, months_on=1)
    known = (slot + SLOT_S - max(start, books.genesis)) // SLOT_S
    unknown = (end - start) // SLOT_S - known
    season = MONTH_SHAPE[int(local_calendar(np.array([slot]), district.time_zone).month[0]) - 1]
    usual_wh = usual_of(district).mean_wh * (season / np.mean(MONTH_SHAPE))
    rest_wh: IntArray = np.rint(usual_wh * unknown).astype(np.int64)
    return months.of(start) + rest_wh


def _charges(
    district: District, terms: SettlementTerms, from_wh: IntArray, to_wh: IntArray
) -> IntArray:
    """What each customer's tariff charges between two heights of its month, micro-won, (M,)."""
    rows, found = tariff_rows(district), np.zeros_like(from_wh)
    for number, tariff in enumerate(terms.tariffs):
        mine = np.flatnonzero(rows == number)
        found[mine] = charges_ukrw(tariff, terms.calendar, from_wh=from_wh[mine], to_wh=to_wh[mine])
    return found


def _mean_price(charge_ukrw: IntArray, e_wh: IntArray) -> str | None:
    """What a kWh at tariff has cost on average, None where none was drawn."""
    total_wh = int(e_wh.sum())
    return krw_text_from_mkrw(int(charge_ukrw.sum()) // total_wh) if total_wh else None


def _kwh(e_wh: IntArray) -> float:
    return int(e_wh.sum()) / 1000
