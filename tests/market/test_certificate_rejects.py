"""The certificate accepts every true clearing and rejects whatever is changed in one place."""

import hashlib
from dataclasses import fields, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.book import BookRow, book_of
from market.certificate import check_clearing, check_message
from market.clearing import Clearing, NodeResult, clear_slot, clearing_message
from market.rules import MarketRules

RULES = MarketRules()
Rows = list[tuple[int, int, int]]
orders = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.integers(95, 105), st.integers(1, 40)),
    min_size=2,
    max_size=14,
)


def cleared(rows: list[tuple[int, int, int]]) -> Clearing:
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(len(rows))]
    book = book_of(
        900,
        [BookRow(t, 0, s, 1000 * p, e) for t, (s, p, e) in zip(tags, rows, strict=True)],
    )
    return clear_slot(book, RULES)


def message_of(clearing: Clearing) -> dict:
    return clearing_message(clearing, round=1, network_version=1, plan=bytes(32))


@given(orders)
@settings(settings.get_profile("market"), deadline=None)
def test_every_true_clearing_is_proven(rows: Rows) -> None:
    clearing = cleared(rows)
    assert check_clearing(clearing.book, RULES, clearing) == []
    fill_wh = clearing.fill_wh.tolist()
    assert check_message(clearing.book, RULES, message_of(clearing), fill_wh) == []


@given(orders, st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_changed_fill_is_refuted(rows: Rows, data: st.DataObject) -> None:
    clearing = cleared(rows)
    row = data.draw(st.integers(0, len(rows) - 1))
    fill_wh = clearing.fill_wh.copy()
    fill_wh[row] += data.draw(st.integers(-45, 45).filter(bool))
    assert check_clearing(clearing.book, RULES, replace(clearing, fill_wh=fill_wh))


@given(orders, st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_wh_moved_between_two_orders_are_refuted(rows: Rows, data: st.DataObject) -> None:
    """Sums stay whole, so only merit order, equal shares, remainders or tie keys can tell."""
    clearing = cleared(rows)
    givers = [n for n, fill in enumerate(clearing.fill_wh.tolist()) if fill > 0]
    assume(givers)
    giver = data.draw(st.sampled_from(givers))
    takers = [
        n
        for n in range(len(rows))
        if n != giver
        and clearing.book.side[n] == clearing.book.side[giver]
        and clearing.fill_wh[n] < clearing.book.e_wh[n]
    ]
    assume(takers)
    taker = data.draw(st.sampled_from(takers))
    most = min(
        int(clearing.fill_wh[giver]), int(clearing.book.e_wh[taker] - clearing.fill_wh[taker])
    )
    wh = data.draw(st.integers(1, most))
    fill_wh = clearing.fill_wh.copy()
    fill_wh[giver] -= wh
    fill_wh[taker] += wh
    price = clearing.book.price_mkrw_per_kwh
    worth = (int(price[taker]) - int(price[giver])) * wh
    worth = worth if clearing.book.side[giver] == 1 else -worth
    changed = replace(clearing, fill_wh=fill_wh, welfare_ukrw=clearing.welfare_ukrw + worth)
    assert check_clearing(clearing.book, RULES, changed)


@given(orders, st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_any_changed_figure_of_the_result_is_refuted(rows: Rows, data: st.DataObject) -> None:
    clearing = cleared(rows)
    by = data.draw(st.integers(-3, 3).filter(bool))
    name = data.draw(st.sampled_from([f.name for f in fields(NodeResult)]))
    (node,) = clearing.nodes
    changed = replace(node, **{name: int(getattr(node, name)) + by})
    assert check_clearing(clearing.book, RULES, replace(clearing, nodes=(changed,)))
    for figure in ("volume_wh", "welfare_ukrw", "rules_version"):
        other = replace(clearing, **{figure: getattr(clearing, figure) + by})
        assert check_clearing(clearing.book, RULES, other), figure


@given(orders, st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_any_changed_field_of_the_message_is_refuted(rows: Rows, data: st.DataObject) -> None:
    clearing = cleared(rows)
    message, fill_wh = message_of(clearing), clearing.fill_wh.tolist()
    name = data.draw(
        st.sampled_from(
            ["slot", "label", "orders", "book_root", "fills_root", "volume_wh", "welfare_ukrw"]
        )
    )
    was = message[name]
    message[name] = was + 1 if isinstance(was, int) else bytes([was[0] ^ 1]) + was[1:]
    assert check_message(clearing.book, RULES, message, fill_wh)


@given(orders, st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_changed_book_is_refuted(rows: Rows, data: st.DataObject) -> None:
    """An order lost, added or altered: the roots no longer fit."""
    clearing = cleared(rows)
    message, fill_wh = message_of(clearing), clearing.fill_wh.tolist()
    row = data.draw(st.integers(0, len(rows) - 1))
    e_wh = clearing.book.e_wh.copy()
    e_wh[row] += 1
    altered = replace(clearing.book, e_wh=e_wh)
    assert check_message(altered, RULES, message, fill_wh)
    assert check_message(altered, RULES, message, fill_wh[:-1])


def test_a_missing_or_foreign_node_is_refuted() -> None:
    clearing = cleared([(1, 105, 10), (2, 95, 10)])
    assert check_clearing(clearing.book, RULES, replace(clearing, nodes=()))
    twice = replace(clearing, nodes=clearing.nodes * 2)
    assert check_clearing(clearing.book, RULES, twice)


def test_a_negative_fill_in_a_message_is_named_and_nothing_else() -> None:
    clearing = cleared([(1, 105, 10), (2, 95, 10)])
    (finding,) = check_message(clearing.book, RULES, message_of(clearing), [-1, 10])
    assert (finding.rule, finding.found, finding.allowed) == ("fill within quantity", "-1", "0..10")


def test_a_volume_that_is_not_the_greatest_is_refuted_though_no_welfare_is_lost() -> None:
    clearing = cleared([(1, 100, 10), (2, 100, 10)])
    less = replace(
        clearing,
        fill_wh=clearing.fill_wh - 1,
        volume_wh=9,
        nodes=(replace(clearing.nodes[0], bought_wh=9, sold_wh=9),),
    )
    rules = {finding.rule for finding in check_clearing(clearing.book, RULES, less)}
    assert "valid price" in rules
    nothing = replace(clearing, fill_wh=clearing.fill_wh * 0, volume_wh=0)
    rules = {finding.rule for finding in check_clearing(clearing.book, RULES, nothing)}
    assert "valid price" in rules
