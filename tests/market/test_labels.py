"""Green and local premiums: a second auction over filled Wh that leaves the energy alone."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import BookRow, book_of
from market.certificate import check_clearing
from market.clearing import clear_slot
from market.errors import MarketError
from market.labels import Label, LabelWish, clear_label, label_rules, settle_label
from market.orders import Side
from market.rules import MarketRules

RULES = MarketRules()


def tag(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def row(name: str, side: Side, e_wh: int, won: int, zone: int = 0) -> BookRow:
    return BookRow(tag(name), zone, int(side), won * 1000, e_wh)


ENERGY = clear_slot(
    book_of(
        900,
        [
            row("sun", Side.OFFER, 500, 80),
            row("gas", Side.OFFER, 500, 100),
            row("keen", Side.BID, 400, 150),
            row("mild", Side.BID, 300, 150),
            row("plain", Side.BID, 300, 150),
        ],
    ),
    RULES,
)
GREEN = frozenset({tag("sun")})


def wish(name: str, won: int, label: Label = Label.GREEN) -> LabelWish:
    return LabelWish(tag(name), label, won * 1000)


def test_who_pays_most_for_green_gets_it_and_the_last_pays_the_price_for_all() -> None:
    wishes = [wish("sun", 5), wish("keen", 20), wish("mild", 10)]
    premium = clear_label(ENERGY, Label.GREEN, wishes, GREEN, RULES)
    fill = premium.fill_by_tag()
    assert (fill[tag("sun")], fill[tag("keen")], fill[tag("mild")]) == (500, 400, 100)
    assert premium.price_mkrw_per_kwh == 10_000
    assert check_clearing(premium.book, label_rules(RULES), premium) == []


def test_an_offer_that_is_not_registered_is_never_green() -> None:
    with pytest.raises(MarketError, match="green, allowed for offers of registered meters"):
        clear_label(ENERGY, Label.GREEN, [wish("gas", 5)], GREEN, RULES)
    with pytest.raises(MarketError, match="no such order in slot 900"):
        clear_label(ENERGY, Label.GREEN, [wish("nobody", 5)], GREEN, RULES)


def test_local_wh_stay_in_their_zone() -> None:
    book = book_of(
        900,
        [
            row("near", Side.OFFER, 100, 80, zone=1),
            row("far", Side.OFFER, 100, 80, zone=2),
            row("home", Side.BID, 200, 150, zone=1),
        ],
    )
    energy = clear_slot(book, RULES)
    wishes = [wish(name, won, Label.LOCAL) for name, won in (("near", 4), ("far", 1), ("home", 8))]
    premium = clear_label(energy, Label.LOCAL, wishes, frozenset(), RULES)
    fill = premium.fill_by_tag()
    assert (fill[tag("near")], fill[tag("far")], fill[tag("home")]) == (100, 0, 100)


def test_the_side_that_delivered_more_is_cut_in_proportion() -> None:
    wishes = [wish("sun", 5), wish("keen", 20), wish("mild", 10)]
    premium = clear_label(ENERGY, Label.GREEN, wishes, GREEN, RULES)
    # 300 Wh of sun came, 400 + 100 were drawn: 240 and 60 are green at 10 won, the rest is not.
    drawn = {tag("sun"): 300, tag("keen"): 400, tag("mild"): 150}
    parts = {part.tag: (part.e_wh, part.amount_ukrw) for part in settle_label(premium, drawn)}
    assert parts[tag("keen")] == (240, 2_400_000) and parts[tag("mild")] == (60, 600_000)
    assert parts[tag("sun")] == (300, -3_000_000)
    with pytest.raises(MarketError, match="nothing is known of its delivery"):
        settle_label(premium, {})


orders = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(95, 105),
        st.integers(1, 30),
        st.integers(0, 2),
        st.integers(0, 6),
        st.integers(0, 30),
    ),
    max_size=9,
)


@given(orders, st.sampled_from([Label.GREEN, Label.LOCAL]))
@settings(settings.get_profile("market"), deadline=None)
def test_the_tier_leaves_energy_alone_and_nobody_pays_above_limit_and_premium(
    drawn: list[tuple[Side, int, int, int, int, int]], label: Label
) -> None:
    names = [str(n) for n in range(len(drawn))]
    rows = [
        row(name, side, e_wh, won, zone)
        for name, (side, won, e_wh, zone, _, _) in zip(names, drawn, strict=True)
    ]
    energy = clear_slot(book_of(900, rows), RULES)
    before = energy.fill_wh.tobytes()
    wishes = [wish(name, one[4], label) for name, one in zip(names, drawn, strict=True)]
    everyone = frozenset(tag(name) for name in names)
    premium = clear_label(energy, label, wishes, everyone, RULES)
    assert energy.fill_wh.tobytes() == before
    assert check_clearing(premium.book, label_rules(RULES), premium) == []
    fill, price = energy.fill_by_tag(), premium.prices()
    for name, (side, won, _, zone, extra, _) in zip(names, drawn, strict=True):
        labelled = premium.fill_by_tag().get(tag(name), 0)
        assert labelled <= fill[tag(name)]
        if labelled and energy.price_mkrw_per_kwh is not None:
            paid = energy.price_mkrw_per_kwh + price[zone if label == Label.LOCAL else 0]
            if side == Side.BID:
                assert paid <= (won + extra) * 1000
            else:
                assert paid >= won * 1000 and paid - energy.price_mkrw_per_kwh >= extra * 1000
    delivered = {tag(n): min(one[5], fill[tag(n)]) for n, one in zip(names, drawn, strict=True)}
    parts = settle_label(premium, delivered)
    assert sum(part.amount_ukrw for part in parts) == 0
    assert all(part.e_wh <= delivered[part.tag] for part in parts)
