"""Nobody who keeps its trades ends a month worse off by them, and its rent is given back."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy.cli import run
from energy.steps import market_guarantee, rent_return
from energy.steps.books import renew_rules
from energy.steps.market_day import audit_market
from energy.steps.proving import add_up, verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.steps.slot_settlement import trades_of_slot
from energy.steps.statements import statement_document
from energy.steps.tally import WIDTH, Tally
from energy.store.bills import load_billed_months
from energy.store.books import load_settlements, load_transfers, moved_sums
from energy.store.checkpoints import last_checkpoint
from energy.store.market_rules import Sayso, confirm_rules, propose_rules
from energy.tariffs import CustomerRules, load_customer_rules
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market import month_bill
from market.guarantee import GuaranteeRule
from market.rules import MarketRules
from market.transfers import Code, system_account
from market.verifier import verify_bundle

HOUSE, WON, KRW = 23, 1_000_000, 1
FIRST = 1_784_084_400  # 2026-07-15 12:00 in Sejong
Begin = Callable[..., Any]


def congested(year: Any, room_wh: int = 900) -> Any:
    """The year with the district's own network, whose way from the connection is narrow."""
    here = year.here

    def clear(slot: int, orders: Any) -> Any:
        return here.clear_beside(slot, orders, 110_000, 5_000, room_wh)

    here.clear = clear
    return year


def dear(year: Any) -> Any:
    """The year with a company that asks more than the lowest step of a home's tariff.

    Every second member orders what its meter will show in any case, the others far more.
    """
    here, order = year.here, year.here.order

    def sized(member: int, *rest: Any) -> dict[str, Any]:
        return {**order(member, *rest), "e_wh": (80, 900)[member % 2]}

    def clear(slot: int, orders: Any) -> Any:
        return here.clear_beside(slot, orders, 165_000, 9_000)

    here.order, here.clear = sized, clear
    return year


def moved(year: Any) -> dict[bytes, int]:
    """What each account has got less what it gave, micro-won."""
    sums = year.here.store.read(moved_sums)
    accounts = year.here.books.book.accounts
    return {accounts[no]: amount for (ledger, no), amount in sums.items() if ledger == KRW}


def posted(year: Any, code: Code) -> list[tuple[bytes, bytes, int]]:
    """Debit, credit and amount of the month's transfers of a code."""
    accounts = year.here.books.book.accounts
    found: list[tuple[bytes, bytes, int]] = []

    def read(connection: Any) -> None:
        for month in load_billed_months(connection):
            for slot in range(month.first_slot, month.first_slot + 4 * SLOT_S, SLOT_S):
                for one in load_settlements(connection, slot, 2):
                    found.extend(
                        (accounts[row.debit], accounts[row.credit], row.amount)
                        for row in load_transfers(connection, one.no)
                        if row.code == code
                    )

    year.here.store.read(read)
    return found


def system(year: Any, name: str) -> bytes:
    return system_account(year.here.books.domain.market_id, name)


def documents(year: Any, months: int = 1) -> dict[bytes, list[dict[str, Any]]]:
    """The statements of everybody, month by month."""
    accounts = year.here.district.meters.account
    return {
        one: year.here.store.read(lambda c, a=one: statement_document(c, a, months=months))[
            "months"
        ]
        for one in accounts
    }


def micro(text: str) -> int:
    whole, _, rest = text.lstrip("-").partition(".")
    sign = -1 if text.startswith("-") else 1
    return sign * (int(whole) * WON + int(rest.ljust(6, "0") or 0))


def exact_ukrw(month: dict[str, Any]) -> int:
    """What a month costs before the market's part is rounded."""
    rounding = next(line for line in month["lines"] if line["kind"] == "rounding")
    return int(month["total_krw"]) * WON + micro(rounding["amount_krw"])


def labels_ukrw(month: dict[str, Any]) -> int:
    """What a month's labels cost, below 0 what they brought."""
    kinds = ("label_bought", "label_sold")
    return sum(micro(line["amount_krw"]) for line in month["lines"] if line["kind"] in kinds)


def test_nobody_who_kept_its_trades_pays_more_than_in_a_world_without_auctions(
    begin_year: Begin, tmp_path: Path
) -> None:
    """The same meters in two real stores, one of them without a single auction."""
    year, alone = dear(begin_year()), begin_year(f"sqlite:///{tmp_path / 'alone.db'}")
    plain = alone.publish
    alone.publish = lambda slot, market: plain(slot, market=False)
    year.month(auctions=12)
    alone.month(auctions=12)
    found, without = documents(year), documents(alone)
    losers = insiders = gainers = 0
    for account, (month,) in found.items():
        # A premium for a label is paid because it was wished, in whichever world.
        pays = exact_ukrw(month)
        would_pay = exact_ukrw(without[account][0]) + labels_ukrw(month)
        told = month["auctions"]
        if told is None:
            assert pays == would_pay
            continue
        given = micro(told["guarantee_krw"])
        assert micro(told["without_krw"]) == would_pay
        assert micro(told["gain_krw"]) == would_pay - pays - given
        if told["outside"] is None:
            assert pays <= would_pay
            assert given == 0 or pays == would_pay
            insiders += given > 0
            gainers += given == 0
        else:
            losers += 1
            assert told["outside"] == "not_kept" and given == 0 and pays > would_pay
            assert float(told["kept_pct"]) < float(told["least_kept_pct"]) == 60
    assert insiders and gainers and losers, (insiders, gainers, losers)
    assert sum(moved(year).values()) == 0
    assert verify_store(year.here.store).first_failure is None
    assert year.here.store.read(add_up).findings == ()
    (row,) = year.here.store.read(load_billed_months)
    given_back = posted(year, Code.GUARANTEE)
    assert sum(amount for *_, amount in given_back) == int(row.summary["guarantee_ukrw"]) > 0
    assert row.summary["guaranteed"] == str(insiders) and row.summary["worse_off"] == str(losers)
    payers = {debit for debit, _, _ in given_back}
    assert payers <= {system(year, "NETFEE"), system(year, "SPC")}


def test_the_rent_of_a_month_goes_to_all_by_what_their_meters_drew(begin_year: Begin) -> None:
    year = congested(begin_year())
    year.month(auctions=6, quiet=40)
    drawn = sum(one["import"] for one in year.slots)
    shares = {credit: amount for debit, credit, amount in posted(year, Code.CONGESTION_RENT)}
    rent, whole = sum(shares.values()), int(drawn.sum())
    assert rent > 0
    for n, account in enumerate(year.here.district.meters.account):
        least = rent * int(drawn[n]) // whole
        assert least <= shares[account] <= least + 1
    assert moved(year)[system(year, "RENT")] == 0
    shown = documents(year)
    for account, (month,) in shown.items():
        (line,) = [one for one in month["lines"] if one["kind"] == "rent_back"]
        assert micro(line["amount_krw"]) == -shares[account]
    assert verify_store(year.here.store).first_failure is None
    assert year.here.store.read(add_up).findings == ()


def test_rent_is_kept_for_the_network_where_the_rules_say_so(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(on: Any) -> CustomerRules:
        return replace(load_customer_rules(on), is_rent_shared=False)

    monkeypatch.setattr(rent_return, "load_customer_rules", network)
    year = congested(begin_year())
    year.month(auctions=6, quiet=20)
    ((debit, credit, amount),) = posted(year, Code.CONGESTION_RENT)
    assert (debit, credit) == (system(year, "RENT"), system(year, "NETFEE")) and amount > 0
    assert moved(year)[system(year, "RENT")] == 0
    assert verify_store(year.here.store).first_failure is None
    assert_proven(year, 202607)


def assert_proven(year: Any, number: int, check: str | None = None, meter: int = HOUSE) -> None:
    """The house's bill of a month is proven, or refuted by one rule."""
    account = year.here.district.meters.account[meter]

    def prove(connection: Any) -> Any:
        prover = Prover(connection)
        return verify_bundle(prover.trust(Witnesses()), prover.bill(account, number))

    failure = year.here.store.read(prove).first_failure
    assert (failure and failure.check) == check, failure


def news(begin_year: Begin, url: str, *, late: bool, place: int, import_wh: int) -> Any:
    """Two months; in the first a reading of the house is right at once, or after its bill."""
    year = congested(begin_year(url))
    plain = year.readings

    def readings(slot: int) -> Any:
        columns = plain(slot)
        if len(year.slots) - 1 == place and not late:
            more = np.zeros(year.meters, dtype=np.int64)
            more[HOUSE] = import_wh - int(columns["import_wh"][HOUSE])
            year.counters["import"] = year.counters["import"] + more
            columns |= {"import_wh": columns["import_wh"] + more}
            columns |= {"import_register_wh": year.counters["import"]}
        return columns

    year.readings = readings
    year.month(quiet=30, auctions=8)
    if late:
        year.correct(place, import_wh, year.end + 4 * SLOT_S)
    year.here.settle(year.end + 4 * SLOT_S)
    year.end += 5 * SLOT_S
    year.month(quiet=30, auctions=2)
    return year


def test_late_news_ends_in_the_same_bills_guarantee_and_shares_as_timely_news(
    begin_year: Begin, tmp_path: Path
) -> None:
    """Each of a house's auctions in turn: the Wh it bought turn out to be taken, or not."""
    probe = congested(begin_year())
    probe.month(quiet=30, auctions=8)
    account = probe.here.district.meters.account[HOUSE]
    orders = [n for n, one in enumerate(probe.slots) if bought(probe, one["slot"], account)]
    changed = 0
    for place in orders[:2]:
        worlds = [
            news(begin_year, f"sqlite:///{tmp_path / f'{place}-{late}.db'}",
                 late=late, place=place, import_wh=0)
            for late in (False, True)
        ]  # fmt: skip
        timely, late = map(moved, worlds)
        payers = [system(worlds[0], name) for name in ("NETFEE", "SPC")]
        assert sum(timely[one] for one in payers) == sum(late[one] for one in payers)
        for one in timely.keys() - set(payers):
            assert timely[one] == late.get(one, 0), one.hex()
        assert timely[system(worlds[0], "RENT")] == 0
        for world in worlds:
            assert verify_store(world.here.store).first_failure is None
            assert world.here.store.read(add_up).findings == ()
            for number in (202607, 202608):
                assert_proven(world, number)
        changed += len(posted(worlds[1], Code.GUARANTEE)) != len(
            posted(worlds[0], Code.GUARANTEE)
        ) or len(posted(worlds[1], Code.CONGESTION_RENT)) > len(
            posted(worlds[0], Code.CONGESTION_RENT)
        )
    assert changed


def bought(year: Any, slot: int, account: bytes) -> bool:
    books = year.here.books
    trades = year.here.store.read(lambda c: trades_of_slot(c, books, slot))
    return any(one.account == account and one.bought_wh for one in trades)


def test_postgresql_gives_back_the_same_to_the_same(
    begin_year: Begin, new_postgresql: Callable[[], str]
) -> None:
    found = []
    for url in ("", new_postgresql()):
        year = congested(begin_year(url), room_wh=300)
        year.month(quiet=12, auctions=4)
        back = [posted(year, code) for code in (Code.GUARANTEE, Code.CONGESTION_RENT)]
        assert all(back)
        found.append((back, year.here.store.read(last_checkpoint).root))
    assert found[0] == found[1]


@pytest.mark.parametrize("fault", ["bill guarantee", "bill comparison", "rent shared"])
def test_a_guarantee_or_a_share_that_does_not_follow_is_refuted(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """By a micro-won each: signed and posted by an operator whose every other rule holds."""
    honest, spread = vars(month_bill)["guarantee_month"], vars(rent_return)["spread_wh"]

    def promise(*given: Any, **more: Any) -> Any:
        found = honest(*given, **more)
        name = {"bill guarantee": "given_ukrw", "bill comparison": "without_ukrw"}[fault]
        return found._replace(**{name: getattr(found, name) + (found.given_ukrw > 0)})

    def share(*given: Any) -> Any:
        found = spread(*given)
        found[HOUSE] += 2
        found[0] -= 2
        return found

    if fault == "rent shared":
        monkeypatch.setattr(rent_return, "spread_wh", share)
    else:
        monkeypatch.setattr(month_bill, "guarantee_month", promise)
    year = (congested if fault == "rent shared" else dear)(begin_year())
    year.month(quiet=12, auctions=8)
    meter = HOUSE
    if fault != "rent shared":
        account = posted(year, Code.GUARANTEE)[0][1]
        meter = year.here.district.meters.account.index(account)
    assert_proven(year, 202607, fault, meter)


@pytest.mark.parametrize("code", [Code.GUARANTEE, Code.CONGESTION_RENT])
def test_what_is_given_back_by_somebody_else_is_refuted_from_the_whole_export(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch, code: Code
) -> None:
    """Out of a neighbour's account, say, instead of the one that must pay."""
    year = (dear if code == Code.GUARANTEE else congested)(begin_year())
    neighbour = year.here.district.meters.account[1]
    if code == Code.GUARANTEE:
        pay = market_guarantee.guarantee_transfers

        def by_neighbour(*given: Any) -> Any:
            lines, advanced = pay(*given)
            return [one._replace(debit=neighbour) for one in lines], advanced

        monkeypatch.setattr("energy.steps.month_close.guarantee_transfers", by_neighbour)
    else:
        honest = vars(rent_return)["_transfer"]
        monkeypatch.setattr(
            rent_return, "_transfer",
            lambda rent, account, *more: honest(
                rent if account == neighbour else neighbour, account, *more
            ),
        )  # fmt: skip
    year.month(quiet=12, auctions=8)
    failure = verify_store(year.here.store).first_failure
    assert failure is not None and failure.check == "given back"


def test_without_a_rule_nothing_is_promised_and_nothing_is_given(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(on: Any) -> CustomerRules:
        return replace(load_customer_rules(on), guarantee=GuaranteeRule())

    monkeypatch.setattr("energy.steps.billing.load_customer_rules", without)
    year = dear(begin_year())
    year.month(quiet=10, auctions=4)
    assert posted(year, Code.GUARANTEE) == []
    assert all(month["auctions"] is None for (month,) in documents(year).values())
    assert_proven(year, 202607)


def test_what_is_promised_and_where_rent_goes_change_with_a_month_that_two_persons_name(
    begin_year: Begin,
) -> None:
    """From August on nothing is promised and rent is the network's; July keeps to its own rules."""
    year = congested(dear(begin_year()))
    august = local_month_start(FIRST, "Asia/Seoul", months_on=1)
    rules = MarketRules(version=2, guarantee_kept_ppm=0, rent_to_accounts=0)

    def unit(connection: Any) -> None:
        made = propose_rules(connection, rules, august, "test", Sayso("kim", FIRST, august))
        confirm_rules(connection, made.no, Sayso("lee", FIRST, august))
        renew_rules(connection, year.here.books, august)

    year.here.store.write(unit)
    year.month(auctions=4, quiet=10)
    year.month(auctions=4, quiet=10)
    contents = [json.loads(one.content) for one in year.here.store.read(load_billed_months)]
    assert [one["guarantee"]["kept_ppm"] for one in contents] == ["600000", "0"]
    to_network = [
        (debit, credit) == (system(year, "RENT"), system(year, "NETFEE"))
        for debit, credit, _ in posted(year, Code.CONGESTION_RENT)
    ]
    assert True in to_network and False in to_network
    assert verify_store(year.here.store).first_failure is None
    for number in (202607, 202608):
        assert_proven(year, number)


def test_months_that_an_older_program_has_added_up_in_part_are_closed_without_a_guarantee(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = Tally.columns
    year = dear(begin_year())
    with monkeypatch.context() as older:
        older.setattr(
            Tally, "columns", lambda tally: {k: v for k, v in columns(tally).items() if k != WIDTH}
        )
        year.month(quiet=10, auctions=4, close=False)
        year.here.settle(year.end)  # local midnight: the month so far is added up
    year.here.settle(year.end + SLOT_S)
    assert posted(year, Code.GUARANTEE) == []
    year.end += 2 * SLOT_S
    year.month(quiet=10, auctions=4)
    assert posted(year, Code.GUARANTEE)
    for number in (202607, 202608):
        assert_proven(year, number)


def test_the_statement_says_what_auctions_brought_and_what_was_given_back(
    begin_year: Begin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'here' / 'books.db'}"
    year = dear(begin_year(url))
    year.month(auctions=12)
    told = {}
    for account, (month,) in documents(year).items():
        if (found := month["auctions"]) is not None:
            told["given" if found["guarantee_krw"] != "0" else found["outside"]] = account
    for kind, account in told.items():
        assert run(["statement", "0x" + account.hex(), "--database-url", url]) == 0
        text = capsys.readouterr().out
        assert "won over tariff and feed-in alone" in text
        assert ("given back by the guarantee" in text) == (kind == "given")
        assert ("the guarantee asks for 60 %" in text) == (kind == "not_kept")
        assert run(["statement", "0x" + account.hex(), "--database-url", url, "--json"]) == 0
        (month,) = json.loads(capsys.readouterr().out)["months"]
        lines = [one for one in month["lines"] if one["kind"] == "guarantee"]
        assert bool(lines) == (kind == "given")
    assert told.keys() == {"given", None, "not_kept"}


def test_a_whole_month_is_foreseen_as_its_close_has_it(begin_year: Begin) -> None:
    """Nothing is left to carry on."""
    year = dear(begin_year())
    year.month(auctions=12)
    here = year.here
    found = audit_market(here.store, here.district)
    assert found.is_closed
    outlook, told = found.ended_now, documents(year)
    for n, account in enumerate(here.district.meters.account):
        ((month,), foreseen) = told[account], outlook.get(n)
        assert (month["auctions"] is None) == (foreseen is None)
        if foreseen is not None:
            assert micro(month["auctions"]["gain_krw"]) == foreseen[0].gain_ukrw
            assert micro(month["auctions"]["guarantee_krw"]) == foreseen[0].given_ukrw
    assert found.carried_on.keys() == outlook.keys()


class Book:
    """As much of a tick's book as the purse looks at."""

    def __init__(self, fees_ukrw: int) -> None:
        self.books = self
        self.system = self
        self.netfee, self.spc = b"f" * 32, b"s" * 32
        self.balances = {(KRW, self.netfee): fees_ukrw}


def test_fees_pay_first_and_the_company_gets_back_first_what_it_advanced() -> None:
    a, b, c = b"a" * 32, b"b" * 32, b"c" * 32
    book: Any = Book(100)
    lines, advanced = market_guarantee.guarantee_transfers(book, 900, {a: 70, b: 50}, 0)
    assert [(one.debit, one.credit, one.amount) for one in lines] == [
        (book.netfee, a, 70), (book.netfee, b, 30), (book.spc, b, 20)
    ]  # fmt: skip
    assert advanced == 20 and {one.code for one in lines} == {Code.GUARANTEE}
    book = Book(0)
    lines, more = market_guarantee.guarantee_transfers(book, 900, {c: 5, a: -30}, advanced)
    assert [(one.debit, one.credit, one.amount) for one in lines] == [
        (a, book.netfee, 10), (a, book.spc, 20), (book.netfee, c, 5)
    ]  # fmt: skip
    assert more == -20
