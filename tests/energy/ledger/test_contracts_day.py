"""Slots under contracts: every reading divides once, corrections reach partners, all is proven."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from energy.district import FirstContract
from energy.plant import Readings
from energy.steps.books import plant_accounts
from energy.steps.contracting import enter_first_contracts
from energy.steps.erasing import erase_account
from energy.steps.proving import audit_books, verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.steps.slot_contracts import RunningContracts, settled_readings
from energy.store.books import load_movements, load_settlements
from energy.store.contracts import ContractRow, DeliveryRow, deliveries_between, list_contracts
from energy.store.readings import LateRow
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market.agreements import SideTerms
from market.contracts import ContractKind
from market.transfers import Code, LedgerId, TransferKind, sort_and_merge
from market.verifier import verify_bundle

FIRST = 1_784_084_400
Begin = Callable[..., Any]


def agreed(here: Any) -> tuple[FirstContract, ...]:
    """Contracts of every kind between members and plants, side by side."""
    solar = here.district.meters.pv_kwp > 0
    sunny = [one for one in here.crowd.meter.tolist() if solar[one]]
    plain = [one for one in here.crowd.meter.tolist() if not solar[one]]
    plants = list(plant_accounts(here.district))
    charged, hedged = SideTerms(45_000).packed(), SideTerms(none_below_zero=True).packed()
    most = 50_000
    return (
        FirstContract(2, sunny[0], plain[0], most, 500_000, 118_000, 0, bytes(32)),
        FirstContract(2, sunny[0], plain[1], most, 500_000, 120_000, 0, bytes(32)),
        FirstContract(3, sunny[1], plain[2], most, 600_000, 115_000, 0, bytes(32)),
        FirstContract(3, plants[1], plain[5], 5_000, 300_000, 112_000, 0, charged),
        FirstContract(4, plants[0], plain[3], 100_000, 500_000, 112_700, 0, hedged),
        FirstContract(5, sunny[2], plain[4], 2_000, 500_000, 128_000, 0, bytes(32)),
        FirstContract(1, sunny[3], plain[1], 100_000, 700_000, 150_000, 0, bytes(32)),
        FirstContract(1, sunny[3], plain[2], 60_000, 300_000, 150_000, 0, bytes(32)),
    )


def with_contracts(begin_books: Begin, url: str = "", first: int = FIRST) -> Any:
    """Books that begin with such contracts, whose sellers have something to share."""
    here = begin_books(url, first=first)
    here.refusals |= {"OVER_CAPACITY"}
    agreements = replace(here.district.agreements, first=agreed(here))
    here.district = replace(here.district, agreements=agreements)
    enter_first_contracts(here.store, here.books, here.district, here.admission, 1)
    here.let_export(sellers(here), 1_480)
    return here


def sellers(here: Any) -> list[int]:
    ends = (one.seller for one in here.district.agreements.first)
    return sorted({end for end in ends if isinstance(end, int)})


def late_row(here: Any, meter: int, tick: int, slot: int = FIRST, **changes: int) -> LateRow:
    """What a meter has really counted, as it comes at the gate of a later tick."""
    truth = next(one for one in here.readings if one.slot == slot)
    names = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
    counted = {name: int(getattr(truth, name)[meter]) for name in names}
    return replace(LateRow(slot, meter, 0, tick, **counted, quality=1), **changes)


def without(*meters: int, slot: int = FIRST) -> Callable[[Readings], Readings]:
    """Lets the readings of some meters be missing in one slot."""

    def edit(readings: Readings) -> Readings:
        there = np.ones(len(readings.quality), dtype=np.int64)
        there[list(meters)] = readings.slot != slot
        names = ("import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh")
        return replace(readings, **{name: getattr(readings, name) * there for name in names})

    return edit


def moved(here: Any, slot: int = FIRST) -> Counter[tuple[int, ...]]:
    """What a slot has moved by ledger, code, debit and credit (numbers), reversals taken off."""

    def read(connection: Any) -> Any:
        made = [one.no for one in load_settlements(connection, slot) if one.version]
        return load_movements(connection, made).tolist()

    found: Counter[tuple[int, ...]] = Counter()
    for ledger, kind, code, debit, credit, amount in here.store.read(read):
        if kind == TransferKind.REVERSE:
            found[ledger, code, credit, debit] -= amount
        else:
            found[ledger, code, debit, credit] += amount
    return +found


def deliveries(here: Any, slot: int = FIRST) -> dict[int, DeliveryRow]:
    rows = here.store.read(lambda c: deliveries_between(c, slot, slot + SLOT_S))
    return {row.contract: row for row in rows}


def contracts(here: Any, kind: ContractKind) -> list[ContractRow]:
    return [one for one in here.store.read(list_contracts) if one.kind == kind]


def kept(here: Any) -> dict[tuple[int, bytes], int]:
    return {key: amount for key, amount in here.books.head.balances.items() if amount}


def test_the_steps_of_the_waterfall_add_up_to_every_reading_in_every_slot(
    begin_books: Begin,
) -> None:
    here = with_contracts(begin_books)
    ticks = here.run(7)
    accounts = [*here.books.customers, *here.books.assets]
    steps = {Code.PPA, Code.NEIGHBOUR, Code.TRADE, Code.REMAINDER}
    for slot in [one for tick in ticks for one in tick.slots]:
        read = here.store.read(lambda c, s=slot: settled_readings(c, here.books, s, accounts))
        drawn, given = Counter[int](), Counter[int]()
        for (ledger, code, debit, credit), wh in moved(here, slot).items():
            if ledger == LedgerId.ENERGY and code in steps:
                drawn[credit] += wh
                given[debit] += wh
        for account in accounts:
            number = here.books.book.number[account]
            assert (drawn[number], given[number]) == read[account][:2]
        lines = {(ledger, code) for ledger, code, _, _ in moved(here, slot)}
        assert {(2, 20), (1, 20), (1, 21), (1, 22), (2, 23), (2, 10), (2, 30)} <= lines
    assert all((one.unexplained_wh, one.unexplained_ukrw) == (0, 0) for one in ticks)
    audit = audit_books(here.store, here.books)
    assert (audit.finding, audit.verified, audit.debits_equal_credits) == ("", True, True)


def test_each_kind_delivers_and_is_paid_as_signed(begin_books: Begin) -> None:
    here = with_contracts(begin_books)
    here.run(3)
    found, lines = deliveries(here), moved(here)
    number = here.books.book.number
    for one in contracts(here, ContractKind.PPA_AS_CONSUMED):
        done = found[one.no]
        assert 0 < done.e_wh == done.taken_wh <= done.produced_wh // 2
        pair = number[one.buyer], number[one.seller]
        assert lines[1, 20, *pair] == done.e_wh * one.price_mkrw_per_kwh
    charged = next(one for one in contracts(here, ContractKind.PPA_AS_PRODUCED) if any(one.terms))
    line = (1, 22, number[charged.buyer], number[here.books.system.kepco])
    assert lines[line] == found[charged.no].taken_wh * 45_000 > 0
    (hedge,) = contracts(here, ContractKind.CFD)
    done = found[hedge.no]
    assert done.e_wh > 0 and done.index_mkrw_per_kwh == 96_922  # SMP at noon, below the strike
    line = (1, 21, number[hedge.buyer], number[hedge.seller])
    assert lines[line] == done.e_wh * (112_700 - 96_922)
    waiting = [found[one.no] for one in contracts(here, ContractKind.NEIGHBOUR) if one.no in found]
    (aside,) = waiting
    assert aside.e_wh == aside.produced_wh > 0


def test_a_difference_is_paid_the_other_way_where_the_index_is_above_the_strike(
    begin_books: Begin,
) -> None:
    here = begin_books()
    shape = [1.0] * 12 + [1.2] * 12
    economics = replace(here.district.economics, smp_shape=tuple(shape))
    here.district = replace(here.district, economics=economics)
    enter_first_contracts(here.store, here.books, here.district, here.admission, 1)
    here.refusals |= {"OVER_CAPACITY"}
    here.run(3)
    (hedge,) = contracts(here, ContractKind.CFD)
    done, number = deliveries(here)[hedge.no], here.books.book.number
    assert done.index_mkrw_per_kwh == 135_240
    line = (1, 21, number[hedge.seller], number[hedge.buyer])
    assert moved(here)[line] == done.e_wh * (135_240 - 112_700) > 0
    assert verify_store(here.store, 0).ok


def require_year_so_far(connection: Connection, here: Any) -> None:
    """At each slot the limit knows what the plants have produced and sold before, added up here."""
    of, running = (one(connection, here.district) for one in (seller_of, RunningContracts))
    for slot in range(FIRST, FIRST + 5 * SLOT_S, SLOT_S):
        produced: dict[tuple[bytes, int], int] = {}
        sold: Counter[bytes] = Counter()
        for one in deliveries_between(connection, FIRST, slot):
            produced[of[one.contract], one.slot] = one.produced_wh
            sold[of[one.contract]] += one.surplus_wh
        made: Counter[bytes] = Counter()
        for (seller, _), wh in produced.items():
            made[seller] += wh
        limit = running.at(slot).limit
        assert limit.produced_wh is not None and limit.sold_wh is not None
        assert {who: wh for who, wh in limit.produced_wh.items() if wh} == dict(+made)
        assert {who: wh for who, wh in limit.sold_wh.items() if wh} == dict(+sold)
    assert made and sold


def seller_of(connection: Connection, _: Any) -> dict[int, bytes]:
    return {one.no: one.seller for one in list_contracts(connection)}


def test_a_specialised_area_lets_only_a_part_of_the_years_output_be_sold_as_surplus(
    begin_books: Begin,
) -> None:
    here = with_contracts(begin_books)
    regime = replace(
        here.district.agreements.regime, name="specialised-area", surplus_limit_ppm=100_000
    )
    agreements = replace(here.district.agreements, regime=regime)
    here.district = replace(here.district, agreements=agreements)
    here.run(6)
    one = contracts(here, ContractKind.PPA_AS_PRODUCED)
    slots = [deliveries(here, FIRST + n * SLOT_S) for n in range(4)]
    for row in one:
        done = [found[row.no] for found in slots]
        produced = np.cumsum([each.produced_wh for each in done])
        sold = np.cumsum([each.surplus_wh for each in done])
        assert (sold <= produced * 100_000 // 1_000_000).all()
        assert all(d.taken_wh + d.surplus_wh + d.stranded_wh == d.e_wh for d in done)
    spare = [each for found in slots for each in found.values() if each.stranded_wh]
    assert len(spare) >= 4 and sum(each.surplus_wh for each in spare) > 0
    here.store.read(lambda connection: require_year_so_far(connection, here))
    assert verify_store(here.store, 0).ok


def test_late_readings_of_both_partners_end_in_the_same_balances_as_if_in_time(
    begin_books: Begin, tmp_path: Any
) -> None:
    whole = with_contracts(begin_books, f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(6)
    balances, lines, months = kept(whole), moved(whole), whole.books.head.months.now_wh
    done = {no: row[3:] for no, row in deliveries(whole).items()}
    first = {one.kind: one for one in whole.district.agreements.first}
    meters = [
        first[ContractKind.PPA_AS_CONSUMED].seller,
        first[ContractKind.PPA_AS_CONSUMED].buyer,
        first[ContractKind.PARTNER].buyer,
        first[ContractKind.NEIGHBOUR].seller,
    ]
    here = with_contracts(begin_books, f"sqlite:///{tmp_path / 'b.db'}")
    here.edit = without(*meters)
    here.late = [
        late_row(here, meter, FIRST + (3 + n % 3) * SLOT_S) for n, meter in enumerate(meters)
    ]
    ticks = here.run(6)
    assert ticks[2].estimated == 4
    assert [one.corrected for one in ticks[3:]] == [(FIRST,)] * 3
    assert moved(here) == lines and kept(here) == balances
    assert np.array_equal(here.books.head.months.now_wh, months)
    assert {no: row[3:] for no, row in deliveries(here).items()} == done
    assert verify_store(here.store, 0).ok


def test_corrected_there_and_back_every_balance_is_restored(
    begin_books: Begin, tmp_path: Any
) -> None:
    whole = with_contracts(begin_books, f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(6)
    here = with_contracts(begin_books, f"sqlite:///{tmp_path / 'b.db'}")
    seller = sellers(here)[0]
    there = late_row(here, seller, FIRST + 3 * SLOT_S, quality=3, export_wh=20, revision=1)
    back = late_row(here, seller, FIRST + 4 * SLOT_S, quality=3, revision=2)
    here.late = [there, back]
    ticks = here.run(4)
    assert ticks[3].corrected == (FIRST,)
    between = moved(here)
    ticks += here.run(2, begin=4)
    assert [one.corrected for one in ticks[4:]] == [(FIRST,), ()]
    assert between != moved(here) == moved(whole)
    assert kept(here) == kept(whole)
    assert audit_books(here.store, here.books).verified


def test_a_correction_touches_the_account_its_partners_and_what_all_share(
    begin_books: Begin,
) -> None:
    here = with_contracts(begin_books)
    ppa = next(one for one in here.district.agreements.first if one.kind == 2)
    seller = int(ppa.seller)
    row = late_row(here, seller, FIRST + 3 * SLOT_S, quality=3, export_wh=20, revision=1)
    here.late = [row]
    here.run(3)
    before = moved(here)
    here.run(1, begin=3)
    changed = {end for line in (before - moved(here)) + (moved(here) - before) for end in line[2:]}
    signed = here.store.read(list_contracts)
    near = {here.books.customers[seller]}
    for _ in signed:
        near |= {
            end for one in signed for end in (one.seller, one.buyer)
            if {one.seller, one.buyer} & near
        }  # fmt: skip
    allowed = {here.books.book.number[one] for one in near | here.books.system_names}
    assert here.books.book.number[here.books.customers[seller]] in changed
    assert len(changed & {here.books.book.number[one] for one in near}) >= 3
    assert changed <= allowed


def test_an_estimate_of_a_partner_causes_no_deviation(begin_books: Begin) -> None:
    here = with_contracts(begin_books)
    here.edit = without(*range(len(here.books.customers)))
    ticks = here.run(3)
    assert ticks[2].estimated == len(here.books.customers)
    assert Code.DEVIATION not in {code for _, code, _, _ in moved(here)}
    assert verify_store(here.store, 0).ok


def test_seller_and_buyer_can_prove_their_contract_and_all_that_names_them(
    begin_books: Begin,
) -> None:
    here = with_contracts(begin_books)
    here.run(4)
    one = contracts(here, ContractKind.PPA_AS_CONSUMED)[0]

    def prove(connection: Any) -> tuple[bytes, list[bytes]]:
        prover = Prover(connection)
        bundles = [prover.entry(one.id), prover.account(one.seller), prover.account(one.buyer)]
        return prover.trust(Witnesses()), bundles

    trust, bundles = here.store.read(prove)
    for bundle in bundles:
        report = verify_bundle(trust, bundle)
        assert report.ok, report.first_failure


def change_price(lines: list[Any]) -> list[Any]:
    return [
        one._replace(amount=one.amount + 1) if (one.ledger, one.code) == (1, Code.PPA) else one
        for one in lines
    ]


def charge_nothing(lines: list[Any]) -> list[Any]:
    return [one for one in lines if one.code != Code.PPA_CHARGE]


def blame_another(lines: list[Any]) -> list[Any]:
    causes = sorted({one.cause for one in lines})
    other = dict(zip(causes, [*causes[1:], causes[0]], strict=True))
    return sort_and_merge(one._replace(cause=other[one.cause]) for one in lines)


def pay_the_wrong_way(lines: list[Any]) -> list[Any]:
    return [
        one._replace(debit=one.credit, credit=one.debit)
        if (one.ledger, one.code) == (1, Code.PPA)
        else one
        for one in lines
    ]


def name_no_contract(lines: list[Any]) -> list[Any]:
    return [one._replace(cause=bytes(32)) for one in lines]


@pytest.mark.parametrize(
    "fault", [change_price, charge_nothing, blame_another, pay_the_wrong_way, name_no_contract]
)
def test_an_operator_that_pays_otherwise_than_signed_is_refuted(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch, fault: Callable[[list[Any]], list[Any]]
) -> None:
    from market import waterfall

    honest = waterfall.contract_transfers
    monkeypatch.setattr(waterfall, "contract_transfers", lambda *given: fault(honest(*given)))
    here = with_contracts(begin_books)
    here.run(3)
    failure = verify_store(here.store, 0).first_failure
    assert failure is not None and failure.check == "contract paid"


def test_parties_that_are_erased_leave_what_the_other_has_signed_for(
    begin_books: Begin, store_url: str
) -> None:
    august = local_month_start(1_785_600_000, "Asia/Seoul")
    here = with_contracts(begin_books, store_url, first=august - 6 * SLOT_S)
    here.run(10)
    (one, *_) = contracts(here, ContractKind.NEIGHBOUR)
    (hedged,) = contracts(here, ContractKind.CFD)
    paid = moved(here, here.first)
    trust = here.store.read(lambda c: Prover(c).trust(Witnesses()))
    for account in (one.seller, *(row.buyer for row in contracts(here, ContractKind.PARTNER))):
        assert erase_account(here.store, account, even_retained=True).transfers > 0
        audit = audit_books(here.store, here.books)
        assert audit.verified and audit.debits_equal_credits, audit.finding
    left = moved(here, here.first)
    codes = {Code.PPA, Code.CFD, Code.PPA_CHARGE, Code.NEIGHBOUR}
    agreed_lines = {key: amount for key, amount in paid.items() if key[1] in codes}
    assert agreed_lines and agreed_lines.items() <= left.items()
    whole = here.store.read(lambda c: Prover(c).account(hedged.buyer))
    assert verify_bundle(trust, whole).ok
