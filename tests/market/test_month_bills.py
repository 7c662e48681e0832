"""Bills of random months: writer and verifier say the same, and the books meet the bill."""

import json
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from energy.tariffs import load_feed_in, load_tariff
from market import verifier
from market.guarantee import GuaranteeRule, Outside
from market.month_bill import AccountSums, BillTerms, Kind, Netted, build_month_bill
from market.month_sums import (
    COLUMNS,
    MARKET_CODES,
    RESERVED_GET,
    RESERVED_PAY,
    SIDES,
    SMP_ALL,
    SMP_REST,
    SMP_TRADE,
    SUMMED_CODES,
    Sums,
)
from market.month_tariffs import BilledMonth, month_content, month_of_content

WON = 1_000_000
RULE = GuaranteeRule(kept_ppm=800_000, most_krw=5_000)
NAMES = ("education-a-lv", "general-a1-lv", "residential-hv", "residential-lv")
HOURS = 744
FIRST = 1_782_831_600
CODES = tuple(map(int, SUMMED_CODES))
Columns = tuple[int, ...]


@cache
def months() -> tuple[tuple[BilledMonth, ...], tuple[verifier._Month, ...]]:
    """Four months from June on, for the writer and for the verifier, from the same texts."""
    written, read = [], []
    for n in range(4):
        on = date(2026, 6 + n, 1)
        month = BilledMonth(
            first_slot=FIRST + n * HOURS * 3600,
            end_slot=FIRST + (n + 1) * HOURS * 3600,
            year=2026,
            month=6 + n,
            # The fuel adjustment is set anew each quarter, and may be below nought.
            tariffs={
                name: replace(load_tariff(name, on), fuel_mkrw_per_kwh=(5_000, -4_999)[n % 2])
                for name in NAMES
            },
            plant=load_feed_in("pv_building", 1, on),
            guarantee=RULE,
        )
        content = month_content(month, [100_000] * HOURS)
        assert month_content(month_of_content(content), [100_000] * HOURS) == content
        written.append(month_of_content(content))
        read.append(verifier._Month(json.loads(content)))
    return tuple(written), tuple(read)


# Around the steps, and anything: Wh and micro-won of one side of a code.
wh = st.sampled_from([0, 1, 999, 1000, 200_000, 200_001, 201_000, 400_999, 450_000, 1_000_500])
sides = st.one_of(wh, st.integers(0, 2_000_000))
money = st.integers(0, 10**11)
pick = st.tuples(st.sampled_from(range(len(CODES))), sides, sides, money, money)


@st.composite
def sums(draw: st.DrawFn) -> Columns:
    """What an account moved in a month: a few codes, among them often the rest of readings."""
    found = [0] * COLUMNS
    for code, *values in [*draw(st.lists(pick, max_size=4)), draw(pick)]:
        found[code * len(SIDES) : (code + 1) * len(SIDES)] = values
    rest = (len(CODES) - 1) * len(SIDES)
    found[rest : rest + 2] = draw(sides), draw(sides)
    found[SMP_REST] = found[rest + 1] * 100_000
    found[SMP_ALL] = sum(found[1 : SMP_REST : len(SIDES)]) * 100_000
    found[SMP_TRADE] = found[1] * 100_000
    # Some have kept all that was reserved for their trades, some more or less of it.
    for reserved, moved in ((RESERVED_PAY, found[2]), (RESERVED_GET, found[3])):
        found[reserved] = moved * 1_000_000 // draw(st.sampled_from([1_000_000, 800_000, 799_999]))
    return tuple(found)


def sums_of_verifier(columns: Columns) -> verifier._Sum:
    found = verifier._Sum()
    for n, code in enumerate(CODES):
        found.by_code[code] = list(columns[n * len(SIDES) : (n + 1) * len(SIDES)])
    found.rest_at_smp, found.out_at_smp = columns[SMP_REST], columns[SMP_ALL]
    found.traded_at_smp = columns[SMP_TRADE]
    found.reserved = [columns[RESERVED_PAY], columns[RESERVED_GET]]
    return found


def sums_of_months(months: list[Columns], bought: list[int]) -> list[verifier._Sum]:
    """The sums of months, with what was bought from neighbours in each."""
    found = [sums_of_verifier(one) for one in months]
    for one, kwh in zip(found, bought, strict=False):
        one.netted_kwh, one.netted_ukrw = kwh, kwh * 130_001
    return found


@given(
    now=st.lists(sums(), min_size=1, max_size=4),
    changed=st.lists(st.none() | sums(), min_size=4, max_size=4),
    place=st.integers(0, len(NAMES) - 1),
    power_kw=st.integers(1, 300),
    netted=st.booleans(),
    bought=st.lists(st.integers(0, 500), min_size=4, max_size=4),
)
@example([(0,) * COLUMNS], [None] * 4, 3, 1, True, [0] * 4)
@example([(0,) * COLUMNS] * 2, [None] * 4, 3, 1, False, [7] * 4)
def test_the_verifier_makes_the_same_lines_and_the_books_meet_the_bill(
    now: list[Columns],
    changed: list[Columns | None],
    place: int,
    power_kw: int,
    netted: bool,
    bought: list[int],
) -> None:
    all_written, all_read = months()
    written, read = all_written[: len(now)], all_read[: len(now)]
    was = [old or new for old, new in zip(changed, now[:-1], strict=False)]
    account = AccountSums([Sums(one) for one in now], [Sums(one) for one in was])
    # From neighbours, netted at the close: it may be more than what is drawn by what is known now.
    had = {
        one.number: Netted(kwh, kwh * 130_001)
        for one, kwh in zip(written, bought, strict=False)
        if kwh
    }
    terms = BillTerms(NAMES[place], power_kw, netted, had)
    bill = build_month_bill(written, terms, account)
    own = verifier._Terms(place, power_kw, netted)
    later = verifier._Billing(read, own, sums_of_months(now, bought))
    before = verifier._Billing(read[:-1], own, sums_of_months(was, bought))
    lines, total = later.lines(before)
    assert [tuple(one) for one in bill.lines] == lines
    assert (bill.total_krw, bill.rounding_ukrw) == (total, later.rounding_ukrw(len(now) - 1))
    # What slots and closes have moved together since the last bill is the bill.
    moved = _slots_ukrw(now) - _slots_ukrw(was)
    posts = bill.posts
    moved += posts.retail_ukrw + posts.vat_ukrw + posts.fund_ukrw - posts.rounding_ukrw
    moved -= posts.guarantee_ukrw
    assert moved == bill.total_krw * WON
    assert 0 <= bill.rounding_ukrw < WON


def _slots_ukrw(found: list[Columns]) -> int:
    """What an account paid in the slots, less what it got."""
    return sum(
        one[n * len(SIDES) + 2] - one[n * len(SIDES) + 3]
        for one in found
        for n in range(len(CODES))
    )


@given(columns=sums(), place=st.integers(0, len(NAMES) - 1))
def test_who_trades_nothing_and_feeds_nothing_in_pays_what_kepco_alone_would_cost(
    columns: Columns, place: int
) -> None:
    rest = (len(CODES) - 1) * len(SIDES)
    bare = [0] * COLUMNS
    bare[rest], bare[rest + 2] = columns[rest], columns[rest + 2]
    written = months()[0][:1]
    terms = BillTerms(NAMES[place], 7)
    bill = build_month_bill(written, terms, AccountSums([Sums(tuple(bare))]))
    assert bill.statement.saved_krw == 0 and bill.total_krw == bill.statement.alone_krw
    again = build_month_bill(
        written, replace(terms, net_metering=True), AccountSums([Sums(tuple(bare))])
    )
    assert again.total_krw == bill.total_krw
    assert len(MARKET_CODES) + 1 == len(SUMMED_CODES)


@st.composite
def traded(draw: st.DrawFn) -> Columns:
    """A month with trades at any price, near the edges of the steps."""
    found = list(draw(sums()))
    found[:4] = [draw(sides), draw(sides), 0, 0]
    found[2] = found[0] * draw(st.integers(0, 400_000))
    found[3] = found[1] * draw(st.integers(0, 400_000))
    found[SMP_TRADE] = found[1] * 100_000
    found[SMP_ALL] = sum(found[1 : SMP_REST : len(SIDES)]) * 100_000
    short = draw(st.integers(1, 1_200_000))
    found[RESERVED_PAY], found[RESERVED_GET] = found[2], found[3] * 1_000_000 // short
    return tuple(found)


def alone(columns: Columns) -> Columns:
    """The same meter without auctions: what they moved is drawn at tariff and fed in.

    Premiums for labels are paid because they were wished, and stay.
    """
    found, rest = list(columns), (len(CODES) - 1) * len(SIDES)
    found[rest] += columns[0]
    found[rest + 1] += columns[1]
    found[SMP_REST] += columns[SMP_TRADE]
    auctions = [CODES.index(code) for code in (10, 11, 14)]
    for code in auctions:
        keep = 0 if code == 0 else 2
        found[4 * code + keep : 4 * code + 4] = [0] * (4 - keep)
    found[SMP_TRADE:] = [0] * (COLUMNS - SMP_TRADE)
    return tuple(found)


def exact_ukrw(columns: Columns, place: int, earlier: Columns) -> tuple[int, Any]:
    """What the second of two months costs before the market's part is rounded, and its bill."""
    account = AccountSums([Sums(earlier), Sums(columns)], [Sums(earlier)])
    bill = build_month_bill(months()[0][:2], BillTerms(NAMES[place], 9), account)
    return bill.total_krw * WON + bill.rounding_ukrw, bill


@given(earlier=sums(), month=traded(), place=st.integers(0, len(NAMES) - 1))
def test_nobody_who_kept_its_trades_pays_more_than_at_tariff_and_feed_in_alone(
    earlier: Columns, month: Columns, place: int
) -> None:
    """Taxes, fund, steps and all cuts included: the same bill code, the same readings."""
    with_auctions, bill = exact_ukrw(month, place, earlier)
    without, _ = exact_ukrw(alone(month), place, earlier)
    found = bill.statement.guarantee
    given_back = found.given_ukrw if found else 0
    lost = max(with_auctions + given_back - without, 0)
    if found is None:
        assert with_auctions == without
        return
    assert found.without_ukrw == without and found.with_ukrw == with_auctions + given_back
    reserved, delivered = month[RESERVED_PAY] + month[RESERVED_GET], month[2] + month[3]
    kept = reserved == 0 or delivered * 1_000_000 // reserved >= RULE.kept_ppm
    assert given_back == (min(lost, RULE.most_krw * WON) if kept else 0)
    if kept and lost <= RULE.most_krw * WON:
        assert found.outside is None and with_auctions <= without
        assert given_back == 0 or with_auctions == without
    elif lost:
        assert found.outside == (Outside.ABOVE_MOST if kept else Outside.NOT_KEPT)
    shown = [-one.amount_ukrw for one in bill.lines if one.kind == Kind.GUARANTEE]
    assert shown == ([given_back] if given_back else [])


@given(first=traded(), truth=traded(), place=st.integers(0, len(NAMES) - 1))
def test_a_month_that_is_corrected_after_its_bill_ends_as_if_the_news_had_come_in_time(
    first: Columns, truth: Columns, place: int
) -> None:
    quiet, terms = (0,) * COLUMNS, BillTerms(NAMES[place], 9)
    written = months()[0][:2]
    timely = build_month_bill(written[:1], terms, AccountSums([Sums(truth)]))
    news = AccountSums([Sums(truth), Sums(quiet)], [Sums(first)])
    early = build_month_bill(written[:1], terms, AccountSums([Sums(first)]))
    later = build_month_bill(written, terms, news)
    nothing = build_month_bill(written[1:], terms, AccountSums([Sums(quiet)]))
    assert early.total_krw + later.total_krw == timely.total_krw + nothing.total_krw
    given_back = early.posts.guarantee_ukrw + later.posts.guarantee_ukrw
    assert given_back == timely.posts.guarantee_ukrw
