"""Contracts within a slot's settlement: each Wh goes one way, corrections end where truth is."""

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.agreements import SideTerms, contract_fault, promised_ppm, side_terms
from market.contracts import ContractKind, ContractTerms, SupplyContract
from market.errors import MarketError
from market.settlement import (
    NO_TARIFF,
    MeterReadings,
    SettlementInput,
    SettlementTerms,
    Trade,
    raise_estimates,
    reserve_slot,
    resettle_slot,
    resume_readings,
    settle_slot,
    system_accounts,
)
from market.signing import Domain
from market.tariff import SlotCalendar, TariffDay
from market.transfers import Code, LedgerId, Transfer, TransferKind, transfer_digests
from market.waterfall import SlotContracts, offer_limit_wh, partners_of

DOMAIN = Domain("waterfall/test")
SYSTEM = system_accounts(DOMAIN.market_id)
NAMES = tuple(name * 32 for name in (b"A", b"B", b"C", b"D"))
SLOT, DAY = 1_784_084_400, date(2026, 7, 15)
PPM = 1_000_000
SMP = 110_000
TERMS = SettlementTerms(
    calendar=SlotCalendar(7, 12, TariffDay.WEEKDAY),
    tariffs=(load_tariff("residential-lv", DAY),),
    connection=load_tariff("general-b-hv-a-2", DAY),
    feed_in_mkrw_per_kwh=SMP,
    export_mkrw_per_kwh=SMP,
)
STEPS = (Code.PPA, Code.NEIGHBOUR, Code.TRADE, Code.REMAINDER)


@st.composite
def contracts(draw: st.DrawFn) -> tuple[SupplyContract, ...]:
    """Up to six contracts of all kinds; shares of a rank never exceed the whole."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        seller = draw(st.integers(0, 3))
        buyer = draw(st.sampled_from([n for n in range(4) if n != seller]))
        found.append(
            SupplyContract(
                id=bytes([number + 1]) * 32,
                kind=ContractKind(draw(st.integers(1, 5))),
                seller=NAMES[seller],
                buyer=NAMES[buyer],
                cap_wh=draw(st.integers(0, 900)),
                share_ppm=draw(st.integers(0, PPM // 6)),
                price_mkrw_per_kwh=draw(st.integers(0, 200_000)),
                rank=draw(st.integers(0, 1)),
                charge_mkrw_per_kwh=draw(st.sampled_from([0, 45_000])),
            )
        )
    return tuple(found)


READING = st.tuples(st.integers(0, 1_000), st.integers(0, 1_000), st.sampled_from([1, 2]))
TRADED = st.tuples(st.integers(0, 600), st.integers(0, 600))


def readings(rows: list[tuple[int, int, int]]) -> MeterReadings:
    columns = np.array(rows, dtype=np.int64)
    return MeterReadings(
        account=NAMES,
        tariff=np.array([0, 0, 0, NO_TARIFF], dtype=np.int64),
        import_wh=columns[:, 0],
        export_wh=columns[:, 1],
        quality=columns[:, 2],
        month_import_wh=np.zeros(4, dtype=np.int64),
    )


def inputs(
    given_: tuple[SupplyContract, ...], rows: list[Any], trades: tuple[Trade, ...]
) -> SettlementInput:
    index = dict.fromkeys(NAMES, SMP)
    read = raise_estimates(readings(rows), trades)
    reserved = reserve_slot(SLOT, trades, SYSTEM)
    pendings = dict(zip(transfer_digests(DOMAIN, reserved), reserved, strict=True))
    terms = SlotContracts(given_, ContractTerms(SMP, index))
    return SettlementInput(
        SLOT, 1, SYSTEM, trades, pendings, read, None, TERMS, contracts=terms
    )  # fmt: skip


def trades_of(rows: list[tuple[int, int]]) -> tuple[Trade, ...]:
    """Trades of the first two accounts with the SPC on the other side."""
    own = [Trade(name, *wh, 140_000) for name, wh in zip(NAMES, rows, strict=False) if any(wh)]
    bought, sold = sum(one.bought_wh for one in own), sum(one.sold_wh for one in own)
    spc = Trade(SYSTEM.spc, sold, bought, 140_000)
    return (*own, spc) if own else ()


def moved(transfers: list[Transfer]) -> Counter[tuple[int, bytes, str]]:
    """Wh and won by account and side; reversals take back."""
    found: Counter[tuple[int, bytes, str]] = Counter()
    for one in transfers:
        if one.kind in (TransferKind.PLAIN, TransferKind.POST):
            found[one.ledger, one.debit, "gave"] += one.amount
            found[one.ledger, one.credit, "got"] += one.amount
    return found


@given(contracts(), st.lists(READING, min_size=4, max_size=4), st.lists(TRADED, max_size=2))
def test_steps_add_up_to_the_reading_on_both_sides_and_the_pool_closes(
    given_: tuple[SupplyContract, ...], rows: list[Any], traded: list[Any]
) -> None:
    one = inputs(given_, rows, trades_of(traded))
    settled = settle_slot(one)
    energy = [t for t in settled.transfers if t.ledger == LedgerId.ENERGY]
    sums = moved([t for t in energy if t.code in STEPS])
    read = one.readings
    for row, account in enumerate(NAMES):
        assert sums[2, account, "got"] == read.import_wh[row]
        assert sums[2, account, "gave"] == read.export_wh[row]
    both = moved(settled.transfers)
    for ledger, account in ((1, SYSTEM.pool), (2, SYSTEM.pool), (2, SYSTEM.balancing)):
        assert both[ledger, account, "got"] == both[ledger, account, "gave"]
    by_contract = {t.cause for t in settled.transfers if t.cause != bytes(32)}
    assert by_contract <= {c.id for c in given_}
    deviating = {t.debit for t in settled.transfers if t.code == Code.DEVIATION}
    estimated = {NAMES[n] for n in range(4) if rows[n][2] == 2}
    assert not deviating & estimated


@given(
    contracts(),
    st.lists(READING, min_size=4, max_size=4),
    st.lists(READING, min_size=4, max_size=4),
    st.lists(TRADED, max_size=2),
)
def test_there_and_back_by_reversals_every_line_is_as_it_was(
    given_: tuple[SupplyContract, ...], first: list[Any], second: list[Any], traded: list[Any]
) -> None:
    trades = trades_of(traded)
    begun = inputs(given_, first, trades)
    in_force: dict[bytes, Transfer] = {}

    def post(transfers: list[Transfer]) -> None:
        for id_, one in zip(transfer_digests(DOMAIN, transfers), transfers, strict=True):
            if one.kind == TransferKind.REVERSE:
                undone = in_force.pop(one.pending)
                assert undone[3:6] == (one.credit, one.debit, one.amount)
                assert undone.cause == one.cause
            elif one.kind != TransferKind.VOID:
                in_force[id_] = one

    def lines() -> Counter[tuple[Any, ...]]:
        return Counter({(*one[:1], *one[2:5], one.cause): one.amount for one in in_force.values()})

    post(settle_slot(begun).transfers)
    before = lines()
    for version, rows in ((2, second), (3, first)):
        read = raise_estimates(readings(rows), trades)
        # The month has grown by this very slot, and by nothing else.
        resumed = resume_readings(read, in_force, SYSTEM, SMP)
        assert resumed.settled_import_wh is not None
        resumed = replace(resumed, month_import_wh=resumed.settled_import_wh)
        again = replace(begun, version=version, pendings={}, readings=resumed)
        post(resettle_slot(again, in_force).transfers)
    assert lines() == before


def test_partners_are_found_through_contracts_and_only_through_them() -> None:
    a, b, c, d = NAMES
    chain = [
        SupplyContract(bytes([n]) * 32, ContractKind.PARTNER, seller, buyer, 1, 1, 1)
        for n, (seller, buyer) in enumerate([(a, b), (c, b)])
    ]
    members, among = partners_of([a], chain)
    assert (members[0], set(members), len(among)) == (a, {a, b, c}, 2)
    assert partners_of([d], chain) == ((d,), ())


def test_what_may_be_offered_is_what_contracts_leave_at_full_output() -> None:
    a, b, *_ = NAMES
    half = SupplyContract(b"1" * 32, ContractKind.PARTNER, a, b, 10_000, PPM // 2, 1)
    aside = SupplyContract(b"2" * 32, ContractKind.NEIGHBOUR, a, b, 10_000, PPM // 4, 1)
    hedge = SupplyContract(b"3" * 32, ContractKind.CFD, a, b, 10_000, PPM, 1)
    assert offer_limit_wh(1_000, []) == offer_limit_wh(1_000, [hedge]) == 1_000
    assert offer_limit_wh(1_000, [half]) == 500
    assert offer_limit_wh(1_000, [replace(half, cap_wh=100)]) == 900
    assert offer_limit_wh(1_000, [half, aside]) == 375
    assert offer_limit_wh(1_000, [replace(half, share_ppm=PPM), aside]) == 0


@given(st.integers(0, 1_000_000), st.booleans(), st.booleans())
def test_side_terms_come_back_from_their_bytes(charge: int, rests: bool, loss: bool) -> None:
    terms = SideTerms(charge, rests, loss)
    assert side_terms(terms.packed()) == terms and len(terms.packed()) == 32


@pytest.mark.parametrize(
    "odd",
    [
        b"\x02" + bytes(31),
        b"\x01" + bytes(31),
        b"\x01\x04" + bytes(30),
        b"\x01\x00\xff" + bytes(29),
    ],
)
def test_bytes_that_say_nothing_known_are_refused(odd: bytes) -> None:
    with pytest.raises(MarketError, match="allowed zeros, or 01"):
        side_terms(odd)


def test_each_kind_refuses_side_terms_that_it_has_no_use_for() -> None:
    base = {
        "seller": NAMES[0], "buyer": NAMES[1], "first_slot": 0, "end_slot": 900, "cap_wh": 1,
        "share_ppm": 1, "price_mkrw_per_kwh": 1, "rank": 0,
    }  # fmt: skip
    allowed = {
        SideTerms(charge_mkrw_per_kwh=1): {2, 3, 5},
        SideTerms(none_below_zero=True): {4},
        SideTerms(even_at_a_loss=True): {1},
    }
    for terms, kinds in allowed.items():
        good = {
            kind
            for kind in range(1, 6)
            if contract_fault({**base, "kind": kind, "terms": terms.packed()}) is None
        }
        assert good == kinds


def test_promises_add_up_only_while_contracts_overlap() -> None:
    new = {"kind": 5, "rank": 0, "first_slot": 1_000, "end_slot": 2_000}
    standing = [
        (ContractKind.PARTNER, 0, 400, 0, 1_500),
        (ContractKind.PPA_AS_PRODUCED, 0, 300, 1_500, 3_000),
        (ContractKind.PARTNER, 1, 900, 0, 3_000),
        (ContractKind.CFD, 0, 900, 0, 3_000),
        (ContractKind.PARTNER, 0, 900, 2_000, 3_000),
    ]
    assert promised_ppm(new, standing) == 400
    assert promised_ppm({**new, "kind": 4}, standing) == 900
