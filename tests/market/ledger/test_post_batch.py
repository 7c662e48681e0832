"""Batches are posted whole or not at all; refusals come in their written order."""

import hashlib
from collections import Counter
from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import MarketError
from market.ledger import (
    BatchResult,
    Posted,
    Refusal,
    RefusalReason,
    Transfer,
    TransferKind,
    natural_key,
    post_batch,
    post_linked,
    sort_and_merge,
    system_account,
    transfer_digests,
    unclosed,
)
from market.settlement import system_accounts
from market.signing import Domain
from market.transfers import ZERO32

DOMAIN = Domain("sejong-5-1/sim/test")
SLOT = 1_790_000_100
KIM, LEE, POOL, FEE, NOBODY = (bytes([n]) * 32 for n in (1, 2, 3, 4, 9))
NAMES = {"kim": KIM, "lee": LEE, "pool": POOL, "fee": FEE, "nobody": NOBODY}
KINDS = {"plain": 1, "pending": 2, "post": 3, "void": 4, "reverse": 5}


def ids_of(transfers: list[Transfer]) -> list[bytes]:
    return transfer_digests(DOMAIN, transfers)


# What the book has before: two open pendings, one that has ended, a plain and a reversed one.
OPEN = Transfer(1, 2, 10, KIM, POOL, 100, SLOT, 0)
OTHER = Transfer(1, 2, 10, POOL, LEE, 70, SLOT, 0)
ENDED = Transfer(1, 2, 11, KIM, POOL, 30, SLOT, 0)
PAID = Transfer(1, 1, 30, KIM, LEE, 40, SLOT, 1)
UNDONE = Transfer(1, 1, 30, LEE, FEE, 5, SLOT, 1)
REFERENCES = {
    "-": ZERO32,
    **dict(
        zip(
            ("open", "other", "ended", "paid", "undone"),
            ids_of([OPEN, OTHER, ENDED, PAID, UNDONE]),
            strict=True,
        )
    ),
    "unknown": b"\x77" * 32,
}
BALANCES = {(1, KIM): 500, (1, LEE): -300, (1, POOL): 0, (1, FEE): -200}


def book(transfers: list[Transfer]) -> Posted:
    return Posted(
        ids=ids_of(transfers),
        accounts={KIM, LEE, POOL, FEE},
        least={(1, FEE): -210, (1, POOL): -1_000},
        closed_slots={SLOT - 900},
        ended={REFERENCES["ended"]},
        originals={REFERENCES["paid"]: PAID, REFERENCES["undone"]: UNDONE},
        reversed_ids={REFERENCES["undone"]},
        keys_in_use={natural_key(PAID): REFERENCES["paid"]},
    )


OPENED = {REFERENCES["open"]: OPEN, REFERENCES["other"]: OTHER}

# One line per transfer, posted alone; amounts in micro-won, slots counted from SLOT.
SINGLY = """
ledger kind    debit  credit  amount slot ref       -> outcome
1      plain   kim    lee     10     0    -            POSTED
1      plain   kim    nobody  10     0    -            UNKNOWN_ACCOUNT
1      plain   nobody nobody  0      0    -            UNKNOWN_ACCOUNT
1      plain   kim    kim     10     0    -            SAME_ACCOUNT
1      plain   kim    kim     0      0    -            SAME_ACCOUNT
1      plain   kim    lee     0      0    -            ZERO_AMOUNT
1      plain   kim    lee     -5     0    -            ZERO_AMOUNT
1      post    kim    pool    0      0    unknown      ZERO_AMOUNT
1      post    kim    pool    100    0    open         POSTED
1      post    kim    pool    1      0    open         POSTED
1      void    kim    pool    100    0    open         POSTED
1      post    kim    pool    10     0    unknown      UNKNOWN_PENDING
1      post    kim    pool    10     0    paid         UNKNOWN_PENDING
1      void    kim    pool    30     0    ended        PENDING_DONE
1      post    kim    pool    30     0    ended        PENDING_DONE
1      post    lee    pool    10     0    open         PENDING_MISMATCH
1      post    pool   kim     10     0    open         PENDING_MISMATCH
2      post    kim    pool    10     0    open         PENDING_MISMATCH
1      post    kim    pool    101    0    open         OVER_PENDING
1      void    kim    pool    99     0    open         PENDING_MISMATCH
1      void    kim    pool    101    0    open         PENDING_MISMATCH
1      reverse lee    kim     40     0    paid         POSTED
1      reverse kim    lee     40     0    paid         PENDING_MISMATCH
1      reverse lee    kim     39     0    paid         PENDING_MISMATCH
2      reverse lee    kim     40     0    paid         PENDING_MISMATCH
1      reverse lee    kim     40     0    unknown      UNKNOWN_PENDING
1      reverse pool   kim     100    0    open         UNKNOWN_PENDING
1      reverse fee    lee     5      0    undone       ALREADY_REVERSED
1      plain   fee    lee     10     0    -            POSTED
1      plain   fee    lee     11     0    -            LIMIT
1      pending fee    lee     11     0    -            LIMIT
1      plain   pool   lee     930    0    -            POSTED
1      plain   pool   lee     931    0    -            LIMIT
1      plain   kim    lee     10     -1   -            CLOSED_SLOT
1      plain   fee    lee     11     -1   -            LIMIT
1      post    kim    pool    101    -1   open         OVER_PENDING
"""


def read_line(line: str) -> tuple[Transfer, str]:
    ledger, kind, debit, credit, amount, slot, ref, outcome = line.split()
    made = Transfer(
        ledger=int(ledger),
        kind=KINDS[kind],
        code=10,
        debit=NAMES[debit],
        credit=NAMES[credit],
        amount=int(amount),
        slot=SLOT + 900 * int(slot),
        version=1,
        pending=REFERENCES[ref],
    )
    return made, outcome


@pytest.mark.parametrize(
    "line", SINGLY.strip().splitlines()[1:], ids=lambda line: " ".join(line.split())
)
def test_a_transfer_alone_is_posted_or_refused_for_the_first_reason(line: str) -> None:
    transfer, outcome = read_line(line)
    facts = replace(book([transfer._replace(amount=max(transfer.amount, 0))]))
    answer = post_batch(BALANCES, OPENED, [transfer], facts)
    if outcome == "POSTED":
        assert isinstance(answer, BatchResult)
        assert sum(answer.changes.values()) == 0
        return
    assert isinstance(answer, Refusal)
    assert (answer.reason.name, answer.index) == (outcome, 0)
    assert answer.found and answer.allowed


def test_the_same_natural_key_twice_is_refused() -> None:
    again = PAID._replace(amount=41)
    answer = post_batch(BALANCES, OPENED, [again], book([again]))
    assert isinstance(answer, Refusal) and answer.reason == RefusalReason.DUPLICATE_DIFFERENT
    twice = [Transfer(1, 1, 30, KIM, LEE, amount, SLOT, 2) for amount in (1, 2)]
    answer = post_batch(BALANCES, OPENED, twice, book(twice))
    assert isinstance(answer, Refusal) and (answer.reason, answer.index) == (11, 1)


def test_the_least_reason_of_a_batch_is_the_answer() -> None:
    batch = [
        Transfer(1, 1, 10, KIM, LEE, 5, SLOT - 900, 1),
        Transfer(1, 1, 10, FEE, LEE, 11, SLOT, 1),
        Transfer(1, 3, 10, KIM, POOL, 101, SLOT, 1, REFERENCES["open"]),
        Transfer(1, 1, 10, KIM, KIM, 5, SLOT, 1),
    ]
    reasons = []
    for count in range(1, 5):
        answer = post_batch(BALANCES, OPENED, batch[:count], book(batch[:count]))
        assert isinstance(answer, Refusal)
        reasons.append((answer.reason.name, answer.index))
    assert reasons == [("CLOSED_SLOT", 0), ("LIMIT", 1), ("OVER_PENDING", 2), ("SAME_ACCOUNT", 3)]


def test_all_that_is_reserved_of_an_account_counts_against_its_limit() -> None:
    """Seventy stand reserved of the pool already, which may go down to -1,000."""
    for amount, is_too_much in ((330, False), (331, True)):
        parts = [Transfer(1, 2, 10, POOL, to, n, SLOT, 1) for to, n in ((LEE, 600), (KIM, amount))]
        answer = post_batch(BALANCES, OPENED, parts, book(parts))
        assert isinstance(answer, Refusal) == is_too_much
    assert isinstance(answer, Refusal) and answer.reason == RefusalReason.LIMIT
    assert answer.found.startswith("-1001 left")


def test_a_pending_ends_once_also_within_its_own_batch() -> None:
    opened = Transfer(2, 2, 10, KIM, LEE, 9, SLOT, 0)
    end = Transfer(2, 3, 10, KIM, LEE, 4, SLOT, 0, ids_of([opened])[0])
    answer = post_batch({}, {}, [opened, end], Posted(ids_of([opened, end])))
    assert isinstance(answer, BatchResult)
    assert (answer.open_pendings, answer.balances) == ({}, {(2, KIM): -4, (2, LEE): 4})
    again = end._replace(kind=4, amount=9)
    answer = post_batch({}, {}, [opened, end, again], Posted(ids_of([opened, end, again])))
    assert isinstance(answer, Refusal) and answer.reason == RefusalReason.PENDING_DONE


def test_reservations_count_against_limits_as_if_they_had_moved() -> None:
    least = {(1, KIM): 0}
    opened = {REFERENCES["open"]: OPEN}
    for amount, fits in ((400, True), (401, False)):
        batch = [Transfer(1, 1, 60, KIM, LEE, amount, SLOT, 1)]
        answer = post_batch(BALANCES, opened, batch, Posted(ids_of(batch), least=least))
        assert isinstance(answer, BatchResult) == fits


def test_linked_transfers_stand_or_fall_together() -> None:
    one, two = b"\x01" * 32, b"\x02" * 32
    batch = [
        Transfer(1, 1, 20, KIM, LEE, 5, SLOT, 1, link=one),
        Transfer(1, 1, 21, KIM, LEE, 5, SLOT, 1),
        Transfer(2, 1, 20, LEE, KIM, 0, SLOT, 1, link=one),
        Transfer(1, 1, 22, KIM, LEE, 5, SLOT, 1, link=two),
        Transfer(2, 1, 22, LEE, KIM, 7, SLOT, 1, link=two),
    ]
    answers, groups = post_linked({}, {}, batch, Posted([bytes([n]) * 32 for n in range(5)]))
    assert groups == [[0, 2], [1], [3, 4]]
    assert [isinstance(answer, BatchResult) for answer in answers] == [False, True, True]
    last = answers[-1]
    assert isinstance(last, BatchResult)
    assert last.balances == {(1, KIM): -10, (1, LEE): 10, (2, LEE): -7, (2, KIM): 7}


def test_what_is_no_transfer_at_all_is_a_mistake_of_the_program() -> None:
    for odd in (OPEN._replace(ledger=4), OPEN._replace(kind=6), OPEN._replace(ledger=0)):
        with pytest.raises(MarketError, match="is unknown"):
            post_batch({}, {}, [odd], Posted([bytes(32)]))
    with pytest.raises(MarketError, match="0 ids, allowed 1"):
        post_batch({}, {}, [OPEN], Posted([]))


ACCOUNTS = [bytes([n]) * 32 for n in range(1, 6)]
LINES = st.builds(
    Transfer,
    ledger=st.integers(1, 3),
    kind=st.sampled_from([1, 2]),
    code=st.sampled_from([10, 11, 30]),
    debit=st.sampled_from(ACCOUNTS),
    credit=st.sampled_from(ACCOUNTS),
    amount=st.integers(1, 50),
    slot=st.just(SLOT),
    version=st.integers(0, 2),
    pending=st.just(ZERO32),
    cause=st.just(ZERO32),
    link=st.just(ZERO32),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=25), st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter_and_nothing_is_lost(
    lines: list[Transfer], rng: object
) -> None:
    shuffled = list(lines)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    batch = sort_and_merge(lines)
    assert batch == sort_and_merge(shuffled) == sort_and_merge(batch)
    assert ids_of(batch) == ids_of(sort_and_merge(shuffled))
    assert len({natural_key(one) for one in batch}) == len(batch)
    assert sum(one.amount for one in batch) == sum(one.amount for one in lines)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(LINES, max_size=12), max_size=6), st.data())
def test_every_ledger_sums_to_zero_after_any_history(
    history: list[list[Transfer]], data: st.DataObject
) -> None:
    balances: dict[tuple[int, bytes], int] = {}
    opened: dict[bytes, Transfer] = {}
    done: dict[bytes, Transfer] = {}
    moved: Counter[tuple[int, bytes]] = Counter()
    for version, lines in enumerate(history):
        batch = sort_and_merge(
            one._replace(version=version) for one in lines if one.debit != one.credit
        )
        batch += [
            one._replace(kind=data.draw(st.sampled_from([3, 4])), version=version, pending=id_)
            for id_, one in opened.items()
            if data.draw(st.booleans())
        ]
        batch += [
            one._replace(kind=5, debit=one.credit, credit=one.debit, version=version, pending=id_)
            for id_, one in list(done.items())
            if data.draw(st.booleans())
        ]
        ids = ids_of(batch)
        answer = post_batch(balances, opened, batch, Posted(ids, originals=done))
        if isinstance(answer, Refusal):
            # Two reversals or endings of one natural key: nothing may have changed.
            assert answer.reason == RefusalReason.DUPLICATE_DIFFERENT
            continue
        balances, opened = answer.balances, answer.open_pendings
        for id_, one in zip(ids, batch, strict=True):
            if one.kind in (1, 3, 5):
                moved[one.ledger, one.debit] -= one.amount
                moved[one.ledger, one.credit] += one.amount
            if one.kind in (1, 3):
                done[id_] = one
            if one.kind == 5:
                del done[one.pending]
        for ledger in (1, 2, 3):
            assert sum(v for (of, _), v in balances.items() if of == ledger) == 0
        assert {k: v for k, v in balances.items() if v} == {k: v for k, v in moved.items() if v}


def test_a_reversal_restores_every_balance() -> None:
    batch = [Transfer(1, 1, 30, KIM, LEE, 40, SLOT, 1), Transfer(2, 1, 30, LEE, KIM, 7, SLOT, 1)]
    ids = ids_of(batch)
    first = post_batch(BALANCES, {}, batch, Posted(ids))
    assert isinstance(first, BatchResult)
    back = [
        one._replace(kind=5, debit=one.credit, credit=one.debit, version=2, pending=id_)
        for id_, one in zip(ids, batch, strict=True)
    ]
    originals = dict(zip(ids, batch, strict=True))
    second = post_batch(first.balances, {}, back, Posted(ids_of(back), originals=originals))
    assert isinstance(second, BatchResult)
    assert {k: v for k, v in second.balances.items() if v} == {
        k: v for k, v in BALANCES.items() if v
    }
    assert second.reversed_ids == tuple(ids)


def test_merging_refuses_what_cannot_be_added() -> None:
    with pytest.raises(MarketError, match="two pendings or links"):
        sort_and_merge([PAID, PAID._replace(pending=b"\x01" * 32)])


def test_what_must_close_is_named_when_it_does_not() -> None:
    changes = {(1, POOL): 5, (2, POOL): 0, (1, KIM): -5}
    assert unclosed(changes, [(1, POOL), (2, POOL), (2, FEE)]) == {(1, POOL): 5}


def test_system_accounts_differ_by_market_and_name() -> None:
    names = [("a", "POOL"), ("a", "GRID"), ("b", "POOL"), ("aP", "OOL")]
    found = [system_account(*name) for name in names]
    assert len(set(found[:3])) == 3 and all(len(one) == 32 for one in found)
    assert TransferKind(5).name == "REVERSE"


def test_the_accounts_of_a_market_are_those_that_its_names_give() -> None:
    names = (b"POOL", b"BALANCING", b"SPC", b"GRID", b"LOSS", b"KEPCO", b"NETFEE", b"RENT")
    expected = [hashlib.sha256(b"account/1village" + name).digest() for name in names]
    assert list(astuple(system_accounts("village"))) == expected
