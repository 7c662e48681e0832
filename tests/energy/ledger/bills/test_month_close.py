"""At a month's end every customer has a signed bill, and the books have moved just that."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

import energy.steps.settling
from energy.cli import run
from energy.steps.billing import billable_tariffs
from energy.steps.proving import add_up, verify_store
from energy.steps.statements import statement_document
from energy.store.bills import load_billed_months, load_tallies
from energy.store.books import count_transfers, load_entries, moved_sums
from energy.store.checkpoints import last_checkpoint
from energy.tariffs import CustomerRules, load_tariff
from energy.units import SLOT_S
from market.errors import MarketError
from market.month_tariffs import require_billable
from market.transfers import system_account

HOUSE = 23
WON = 1_000_000
Begin = Callable[..., Any]


def bills(store: Any, month: int = -1) -> dict[str, dict[str, Any]]:
    """The signed bills of a month by account."""

    def read(connection: Connection) -> dict[str, dict[str, Any]]:
        tick = load_billed_months(connection)[month].tick
        rows = load_entries(connection, tick)
        return {row.message["account"]: row.message for row in rows if row.type == "Bill"}

    found: dict[str, dict[str, Any]] = store.read(read)
    return found


def moved_ukrw(year: Any, account: bytes) -> int:
    sums = year.here.store.read(moved_sums)
    return int(sums.get((1, year.here.books.book.number[account]), 0))


def test_the_books_have_moved_what_the_bills_say_to_the_micro_won(begin_year: Begin) -> None:
    year = begin_year()
    year.month(quiet=30)
    first = bills(year.here.store)
    for account, bill in first.items():
        assert moved_ukrw(year, bytes.fromhex(account[2:])) == -int(bill["total_krw"]) * WON
    year.month(quiet=30)
    second = bills(year.here.store)
    assert first.keys() == second.keys() and len(first) == year.meters
    for account, bill in second.items():
        both = int(bill["total_krw"]) + int(first[account]["total_krw"])
        assert moved_ukrw(year, bytes.fromhex(account[2:])) == -both * WON
    assert verify_store(year.here.store).first_failure is None
    assert year.here.store.read(add_up).findings == ()


def test_rounding_takes_less_than_a_won_of_each_bill(begin_year: Begin) -> None:
    year = begin_year()
    year.month(quiet=20)
    found = bills(year.here.store)
    given = sum(int(one["rounding_ukrw"]) for one in found.values())
    assert all(0 <= int(one["rounding_ukrw"]) < WON for one in found.values())
    assert given > 0
    market = year.here.books.domain.market_id
    assert moved_ukrw(year, system_account(market, "ROUNDING")) == -given
    for name in ("VAT", "FUND"):
        assert moved_ukrw(year, system_account(market, name)) % WON == 0


def test_a_month_is_billed_once_and_only_when_all_its_slots_are_settled(begin_year: Begin) -> None:
    year = begin_year()
    year.month(quiet=10, auctions=1, close=False)
    store = year.here.store
    year.here.settle(year.end)
    assert store.read(load_billed_months) == []
    year.here.settle(year.end + SLOT_S)
    assert len(store.read(load_billed_months)) == 1
    before = store.read(count_transfers)
    again = year.here.settle(year.end + SLOT_S)
    assert again.tick == year.end + SLOT_S and store.read(count_transfers) == before
    year.here.settle(year.end + 2 * SLOT_S)
    assert len(store.read(load_billed_months)) == 1


@pytest.mark.parametrize("name", ["save_tick", "save_close", "keep_trading", "mark_sealed"])
def test_a_crash_in_the_closing_tick_is_repeated_with_the_same_bytes(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    whole = begin_year()
    whole.month(quiet=8, auctions=1)
    root = whole.here.store.read(last_checkpoint).root
    count = whole.here.store.read(count_transfers)
    year = begin_year(f"sqlite:///{tmp_path / 'again' / 'books.db'}")
    year.month(quiet=8, auctions=1, close=False)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(energy.steps.settling, name, crash)
        with pytest.raises(KeyboardInterrupt):
            year.here.settle(year.end + SLOT_S)
    assert year.here.store.read(load_billed_months) == []
    year.here.settle(year.end + SLOT_S)
    assert year.here.store.read(last_checkpoint).root == root
    assert year.here.store.read(count_transfers) == count


def test_postgresql_gives_the_same_bills(
    begin_year: Begin, new_postgresql: Callable[[], str]
) -> None:
    found = []
    for url in ("", new_postgresql()):
        year = begin_year(url)
        year.month(quiet=8, auctions=1)
        found.append((bills(year.here.store), year.here.store.read(last_checkpoint).root))
    assert found[0] == found[1]


def test_what_is_added_up_on_the_way_changes_no_bill(begin_year: Begin) -> None:
    year = begin_year()
    # A tick at local midnight adds up what has come, the close takes the rest.
    year.month(quiet=20, close=False)
    assert year.here.store.read(load_tallies) == []
    midnight = year.end
    year.here.settle(midnight)
    assert len(year.here.store.read(load_tallies)) == 1
    year.here.settle(midnight + SLOT_S)
    for account, bill in bills(year.here.store).items():
        assert moved_ukrw(year, bytes.fromhex(account[2:])) == -int(bill["total_krw"]) * WON


def test_a_correction_after_the_bill_is_an_adjustment_of_the_next_one(begin_year: Begin) -> None:
    year = begin_year()
    year.month(quiet=40)
    store, account = year.here.store, year.here.district.meters.account[HOUSE]
    billed = bills(store)["0x" + account.hex()]
    place = next(n for n, one in enumerate(year.slots) if one["import"][HOUSE] > 3_000)
    year.correct(place, 200, year.end + 4 * SLOT_S)
    year.here.settle(year.end + 4 * SLOT_S)
    year.end += 5 * SLOT_S
    year.month(quiet=40)
    months = store.read(lambda c: statement_document(c, account, months=2))["months"]
    assert months[0]["total_krw"] == billed["total_krw"], "what was signed stays"
    adjusted = int(months[1]["adjustments_krw"])
    assert adjusted < 0
    own = int(months[1]["utility_krw"]) + int(months[1]["market_krw"])
    assert int(months[1]["total_krw"]) == own + adjusted
    total = sum(int(one["total_krw"]) for one in months)
    assert moved_ukrw(year, account) == -total * WON
    assert verify_store(store).first_failure is None


def test_a_tariff_with_bands_gets_no_bill_and_is_counted(begin_year: Begin) -> None:
    banded = load_tariff("general-b-hv-a-2", date(2026, 6, 1))
    with pytest.raises(MarketError, match="bands of hours"):
        require_billable(banded)
    year = begin_year()
    meters = year.here.district.meters
    tariff = ("general-b-hv-a-2", *meters.tariff[1:])
    year.here.district = replace(year.here.district, meters=replace(meters, tariff=tariff))
    assert "general-b-hv-a-2" not in billable_tariffs(year.here.district, date(2026, 7, 1))
    year.month(quiet=8, auctions=1)
    (month,) = year.here.store.read(load_billed_months)
    assert (month.summary["bills"], month.summary["unbilled"]) == ("24", "1")


def test_the_statement_command_and_the_proof_of_a_bill(
    begin_year: Begin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'here' / 'books.db'}"
    year = begin_year(url)
    year.month(quiet=20)
    account = "0x" + year.here.district.meters.account[HOUSE].hex()
    assert run(["statement", account, "--database-url", url, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["months"][0]["month"] == "2026-07"
    assert run(["statement", account, "--month", "2026-07", "--database-url", url]) == 0
    told = capsys.readouterr().out
    assert "KEPCO alone" in told and document["months"][0]["total_krw"] in told
    proof, trust = tmp_path / "bill.proof.json", tmp_path / "trust.json"
    asked = ["ledger", "receipt", "--account", account, "--bill", "2026-07"]
    assert run([*asked, "--out", str(proof), "--database-url", url]) == 0
    assert run(["ledger", "trust", "--out", str(trust), "--database-url", url]) == 0
    assert run(["ledger", "verify", str(proof), "--trust", str(trust)]) == 0
    for words, sentence in (
        (["statement", account, "--month", "2026-13"], "allowed a month such as 2026-07"),
        (["statement", account, "--month", "2031-01"], "found no bills, allowed a billed month"),
        (["statement", "0x" + "00" * 32], "found no bill of 2026-07"),
        (["statement"], "name an ACCOUNT or --meter"),
        (["ledger", "receipt", "--bill", "2026-07", "--since", "3"], "found no --account"),
    ):
        capsys.readouterr()
        assert run([*words, "--database-url", url]) == 2
        assert sentence in capsys.readouterr().err.replace("\n", " ").replace("│ │", "")


def test_a_store_without_a_billed_month_says_so(begin_year: Begin) -> None:
    year = begin_year()
    year.month(quiet=4, auctions=0, close=False)
    account = year.here.district.meters.account[HOUSE]
    with pytest.raises(Exception, match="found no billed month"):
        year.here.store.read(lambda c: statement_document(c, account))


def test_points_are_issued_for_sales_and_pay_a_part_of_the_next_bill(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = CustomerRules(150_000, 10, points_issue_ppm=500_000, points_pay_ppm=1_000)
    monkeypatch.setattr("energy.steps.month_close.load_customer_rules", lambda _: rules)
    year = begin_year()
    year.month(quiet=20, auctions=12)
    year.month(quiet=20, auctions=12)
    store, issued, paid = year.here.store, 0, 0
    for account in year.here.district.meters.account:
        months = store.read(lambda c, a=account: statement_document(c, a, months=2))["months"]
        points = [{name: int(one["points"][name]) for name in ("issued", "paid")} for one in months]
        assert points[0]["paid"] == 0, "an account pays with what it had before"
        most = int(months[1]["total_krw"]) // 1000
        assert points[1]["paid"] == min(points[0]["issued"], max(most, 0))
        total = sum(int(one["total_krw"]) for one in months)
        assert moved_ukrw(year, account) == (points[1]["paid"] - total) * WON
        issued += sum(one["issued"] for one in points)
        paid += points[1]["paid"]
    assert issued > paid > 0
    assert verify_store(store).first_failure is None
    assert store.read(add_up).findings == ()
