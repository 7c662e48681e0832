"""Bills of random months: writer and verifier say the same, and the books meet the bill."""

import json
from dataclasses import replace
from datetime import date
from functools import cache

from hypothesis import example, given
from hypothesis import strategies as st

from energy.tariffs import load_feed_in, load_tariff
from market import verifier
from market.month_bill import (
    COLUMNS,
    MARKET_CODES,
    SIDES,
    SMP_ALL,
    SMP_REST,
    SUMMED_CODES,
    AccountSums,
    BillTerms,
    Sums,
    build_month_bill,
)
from market.month_tariffs import BilledMonth, month_content, month_of_content

WON = 1_000_000
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
            tariffs={name: load_tariff(name, on) for name in NAMES},
            plant=load_feed_in("pv_building", 1, on),
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
    return tuple(found)


def sums_of_verifier(columns: Columns) -> verifier._Sum:
    found = verifier._Sum()
    for n, code in enumerate(CODES):
        found.by_code[code] = list(columns[n * len(SIDES) : (n + 1) * len(SIDES)])
    found.rest_at_smp, found.out_at_smp = columns[SMP_REST], columns[SMP_ALL]
    return found


@given(
    now=st.lists(sums(), min_size=1, max_size=4),
    changed=st.lists(st.none() | sums(), min_size=4, max_size=4),
    place=st.integers(0, len(NAMES) - 1),
    power_kw=st.integers(1, 300),
    netted=st.booleans(),
)
@example([(0,) * COLUMNS], [None] * 4, 3, 1, True)
def test_the_verifier_makes_the_same_lines_and_the_books_meet_the_bill(
    now: list[Columns], changed: list[Columns | None], place: int, power_kw: int, netted: bool
) -> None:
    written, read = (each[: len(now)] for each in months())
    was = [old or new for old, new in zip(changed, now[:-1], strict=False)]
    account = AccountSums([Sums(one) for one in now], [Sums(one) for one in was])
    bill = build_month_bill(written, BillTerms(NAMES[place], power_kw, netted), account)
    terms = verifier._Terms(place, power_kw, netted)
    later = verifier._Billing(read, terms, [sums_of_verifier(one) for one in now])
    before = verifier._Billing(read[:-1], terms, [sums_of_verifier(one) for one in was])
    lines, total = later.lines(before)
    assert [tuple(one) for one in bill.lines] == lines
    assert (bill.total_krw, bill.rounding_ukrw) == (total, later.rounding_ukrw(len(now) - 1))
    # What slots and closes have moved together since the last bill is the bill.
    moved = _slots_ukrw(now) - _slots_ukrw(was)
    posts = bill.posts
    moved += posts.retail_ukrw + posts.vat_ukrw + posts.fund_ukrw - posts.rounding_ukrw
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
