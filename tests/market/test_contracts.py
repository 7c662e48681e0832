"""Contracts before trades: shares, caps, surplus, differences, and every Wh in one place."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.contracts import (
    ContractAccounts,
    ContractKind,
    ContractTerms,
    Delivery,
    MeterWh,
    SlotSplit,
    SupplyContract,
    SurplusLimit,
    TradeWh,
    contract_transfers,
    preference_cost_ukrw,
    split_readings,
)
from market.errors import MarketError
from market.transfers import Code, LedgerId, Transfer

PLANT, SHOP, MILL = b"P" * 32, b"S" * 32, b"M" * 32
ACCOUNTS = ContractAccounts(spc=b"C" * 32, grid=b"G" * 32, kepco=b"K" * 32)
TERMS = ContractTerms(surplus_mkrw_per_kwh=100_000, index_mkrw_per_kwh={PLANT: 120_000})


def contract(kind: ContractKind, buyer: bytes, **more: int | bool) -> SupplyContract:
    known = {"cap_wh": 10_000, "share_ppm": 500_000, "price_mkrw_per_kwh": 150_000, **more}
    return SupplyContract(bytes([kind]) * 31 + buyer[:1], kind, PLANT, buyer, **known)


def split(
    contracts: list[SupplyContract],
    export: int = 1_000,
    shop: int = 300,
    mill: int = 900,
    sold: int = 0,
    terms: ContractTerms = TERMS,
) -> SlotSplit:
    meters = [MeterWh(PLANT, 0, export), MeterWh(SHOP, shop, 0), MeterWh(MILL, mill, 0)]
    return split_readings(meters, contracts, [TradeWh(PLANT, 0, sold)], terms)


def money(transfers: list[Transfer], code: Code) -> dict[tuple[bytes, bytes], int]:
    return {
        (t.debit[:1], t.credit[:1]): t.amount
        for t in transfers
        if t.code == code and t.ledger == LedgerId.KRW
    }


def test_as_produced_the_buyer_pays_its_share_and_its_surplus_is_sold_for_it() -> None:
    one = contract(ContractKind.PPA_AS_PRODUCED, SHOP, charge_mkrw_per_kwh=40_000)
    found = split([one])
    assert found.deliveries == (Delivery(one, 500, 300, 200, 0),)
    plant, shop, _ = found.readings
    assert (plant.contract_export_wh, plant.rest_export_wh) == (500, 500)
    assert (shop.contract_import_wh, shop.rest_import_wh) == (300, 0)
    transfers = contract_transfers(found.deliveries, TERMS, ACCOUNTS, 900, 1)
    assert money(transfers, Code.PPA) == {(b"S", b"P"): 75_000_000, (b"C", b"S"): 20_000_000}
    assert money(transfers, Code.PPA_CHARGE) == {(b"S", b"K"): 12_000_000}
    assert {t.cause for t in transfers} == {one.id}


def test_as_consumed_the_buyer_pays_what_it_draws() -> None:
    found = split([contract(ContractKind.PPA_AS_CONSUMED, SHOP)])
    assert [(d.e_wh, d.taken_wh, d.surplus_wh) for d in found.deliveries] == [(300, 300, 0)]
    assert found.readings[0].rest_export_wh == 700
    assert preference_cost_ukrw(found.deliveries[0], 130_000) == 300 * 20_000


def test_ranks_come_first_and_shares_of_one_rank_divide_what_is_left() -> None:
    first = contract(ContractKind.PPA_AS_PRODUCED, SHOP, cap_wh=200, share_ppm=1_000_000)
    second = contract(ContractKind.PARTNER, MILL, rank=1, share_ppm=1_000_000)
    found = split([second, first])
    assert [(d.contract.buyer[:1], d.e_wh) for d in found.deliveries] == [(b"S", 200), (b"M", 800)]


def test_whole_wh_of_a_rank_go_by_largest_remainder() -> None:
    one = contract(ContractKind.PPA_AS_PRODUCED, SHOP, share_ppm=333_334)
    two = contract(ContractKind.PPA_AS_PRODUCED, MILL, share_ppm=666_666)
    found = split([one, two], export=100)
    assert [d.e_wh for d in sorted(found.deliveries, key=lambda d: d.e_wh)] == [33, 67]


def test_a_difference_contract_moves_money_alone_both_ways_and_rests_below_zero() -> None:
    one = contract(ContractKind.CFD, SHOP, none_below_zero=True)
    for index, expected in (
        (120_000, {(b"S", b"P"): 500 * 30_000}),
        (170_000, {(b"P", b"S"): 500 * 20_000}),
        (150_000, {}),
        (-1_000, {}),
    ):
        terms = replace(TERMS, index_mkrw_per_kwh={PLANT: index})
        found = split([one], terms=terms)
        transfers = contract_transfers(found.deliveries, terms, ACCOUNTS, 900, 1)
        assert money(transfers, Code.CFD) == expected
        assert found.readings[0].rest_export_wh == 1_000
    always = split([replace(one, none_below_zero=False)], terms=replace(
        TERMS, index_mkrw_per_kwh={PLANT: -1_000}))  # fmt: skip
    assert always.deliveries[0].e_wh == 500


def test_the_year_limits_what_is_sold_as_surplus() -> None:
    one = contract(ContractKind.PPA_AS_PRODUCED, SHOP)
    limit = SurplusLimit(300_000, {PLANT: 9_000}, {PLANT: 2_950})
    found = split([one], terms=replace(TERMS, limit=limit))
    # 30 % of 10,000 Wh is 3,000, of which 2,950 are sold: 50 of 200 may go, 150 are worth nothing.
    (done,) = found.deliveries
    assert (done.e_wh, done.taken_wh, done.surplus_wh, done.stranded_wh) == (500, 300, 50, 150)
    spent = split([one], terms=replace(TERMS, limit=SurplusLimit(300_000, {}, {PLANT: 900})))
    assert spent.deliveries[0].surplus_wh == 0


def test_contracts_come_before_neighbours_and_those_before_the_auction() -> None:
    ppa = contract(ContractKind.PPA_AS_CONSUMED, SHOP)
    neighbour = contract(ContractKind.NEIGHBOUR, MILL, share_ppm=600_000)
    plant = split([ppa, neighbour], sold=900).readings[0]
    # 1,000 - 300 = 700: 420 wait for the neighbour, 280 of the 900 cleared are there.
    assert (plant.contract_export_wh, plant.earmarked_wh) == (300, 420)
    assert (plant.sold_wh, plant.rest_export_wh) == (280, 0)


wh = st.integers(0, 60)
kinds = st.sampled_from(ContractKind)


@given(
    st.lists(st.tuples(wh, wh), min_size=3, max_size=3),
    st.lists(
        st.tuples(
            kinds, st.permutations([0, 1, 2]), wh, st.integers(0, 333_333), st.integers(0, 2)
        ),
        max_size=3,
    ),
    st.lists(st.tuples(wh, wh), min_size=3, max_size=3),
    st.one_of(st.none(), st.integers(0, 1_000_000)),
)
@settings(settings.get_profile("market"), deadline=None)
def test_the_steps_add_up_to_the_reading_and_all_ledgers_close(
    readings: list[tuple[int, int]],
    drawn: list[tuple[ContractKind, list[int], int, int, int]],
    trades: list[tuple[int, int]],
    limit: int | None,
) -> None:
    accounts = [PLANT, SHOP, MILL]
    meters = [MeterWh(a, i, e) for a, (i, e) in zip(accounts, readings, strict=True)]
    contracts = [
        SupplyContract(bytes([n]) * 32, kind, accounts[who[0]], accounts[who[1]], cap, share,
                       150_000, rank)
        for n, (kind, who, cap, share, rank) in enumerate(drawn)
    ]  # fmt: skip
    index = dict.fromkeys(accounts, 90_000)
    terms = ContractTerms(100_000, index, SurplusLimit(limit, {}, {}))
    cleared = [TradeWh(a, b, s) for a, (b, s) in zip(accounts, trades, strict=True)]
    found = split_readings(meters, contracts, cleared, terms)
    for meter, one in zip(meters, found.readings, strict=True):
        assert (one.import_wh, one.export_wh) == (meter.import_wh, meter.export_wh)
        parts = [getattr(one, name) for name in one.__dataclass_fields__ if name != "account"]
        assert min(parts) >= 0
    for done in found.deliveries:
        assert done.e_wh <= done.contract.cap_wh
        if done.contract.kind != ContractKind.CFD:
            assert done.e_wh == done.taken_wh + done.surplus_wh + done.stranded_wh
    balance: defaultdict[tuple[int, bytes], int] = defaultdict(int)
    for t in contract_transfers(found.deliveries, terms, ACCOUNTS, 900, 1):
        assert t.amount > 0
        balance[t.ledger, t.debit] -= t.amount
        balance[t.ledger, t.credit] += t.amount
    for one in found.readings:
        moved = balance[int(LedgerId.ENERGY), one.account]
        assert moved == one.contract_import_wh - one.contract_export_wh


def test_bad_contracts_get_one_sentence() -> None:
    with pytest.raises(MarketError, match="seller and buyer are one account"):
        replace(contract(ContractKind.CFD, SHOP), buyer=PLANT)
    with pytest.raises(MarketError, match="share_ppm 1000001"):
        contract(ContractKind.CFD, SHOP, share_ppm=1_000_001)
    both = [
        contract(ContractKind.PARTNER, SHOP, share_ppm=600_000),
        contract(ContractKind.PARTNER, MILL, share_ppm=600_000),
    ]
    with pytest.raises(MarketError, match="shares of 1200000 ppm together"):
        split(both)
    with pytest.raises(MarketError, match="no index price"):
        split([contract(ContractKind.CFD, SHOP)], terms=replace(TERMS, index_mkrw_per_kwh={}))
    with pytest.raises(MarketError, match="has no reading"):
        split([replace(contract(ContractKind.CFD, SHOP), buyer=b"x" * 32)])
