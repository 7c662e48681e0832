"""Books over a few slots: begun, settled, sealed, opened again, proven by the verifier."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from energy.crowd import register_parties
from energy.steps.books import plant_accounts
from energy.steps.proving import add_up, audit_books, export_lines, find_oversold, verify_store
from energy.steps.settled_meters import SettledMeters
from energy.store.accounts import trade_keys
from energy.store.books import load_entries, load_settlements, load_transfers
from energy.store.checkpoints import checkpoint_ticks, find_checkpoint, last_checkpoint
from energy.store.engine import open_reader, open_store
from energy.store.errors import StoreError
from energy.store.slots import find_slot
from energy.store.views import find_view
from energy.units import SLOT_S
from market.errors import MarketError

FIRST = 1_784_084_400
Begin = Callable[..., Any]


def test_a_new_store_begins_with_keys_and_rules_under_a_checkpoint(begin_books: Begin) -> None:
    here = begin_books()
    assert here.store.read(checkpoint_ticks) == [FIRST - SLOT_S]
    rows = here.store.read(lambda c: load_entries(c, FIRST - SLOT_S))
    types = [row.type for row in rows]
    members = len(here.crowd)
    # Those who have contracts but do not trade, and the operator's plants.
    others = len(register_parties(here.crowd, here.books.domain, FIRST))
    others += len(plant_accounts(here.district))
    assert others > 5
    keys_of_all = ["KeyRegister"] * (5 + members + others)
    assert types == [*keys_of_all, *["Rules"] * 2, *["SealedSet"] * 2]
    first = rows[0]
    assert first.signers == here.books.keys.address("registrar") * 2
    assert first.message["roles"] == "64"
    keys = here.store.read(lambda c: trade_keys(c, here.crowd.account))
    assert len(keys) == members
    assert keys[here.crowd.account[3]][0].address == here.crowd.address[3]
    assert not keys[here.crowd.account[3]][0].holds_at(FIRST - 2 * SLOT_S)


def test_slots_are_settled_two_ticks_later_and_everything_is_proven(begin_books: Begin) -> None:
    here = begin_books()
    ticks = here.run(5)
    assert [one.slots for one in ticks] == [(), (), (FIRST,), (FIRST + 900,), (FIRST + 1800,)]
    for one in ticks:
        assert (one.unexplained_wh, one.unexplained_ukrw, one.estimated) == (0, 0, 0)
    meters = len(here.books.customers) + len(here.books.assets) + 1
    assert [one.readings for one in ticks] == [0, 0, meters, meters, meters]
    states = [here.store.read(lambda c, s=FIRST + n * 900: find_slot(c, s)).state for n in range(5)]
    assert states == ["settled"] * 3 + ["published"] * 2
    found = audit_books(here.store, here.books)
    assert found.finding == ""
    assert found.verified
    assert found.debits_equal_credits and found.sold_at_most_metered
    assert found.root == ticks[-1].root.hex() and found.size == ticks[-1].size
    report = verify_store(here.store, 0)
    for check in ("meter", "pending ends once", "book", "pool closes in KRW", "readings root"):
        assert report.checks[check] > 0


def test_the_page_is_told_the_head(begin_books: Begin) -> None:
    here = begin_books()
    last = here.run(3)[-1]
    document = here.store.read(lambda c: find_view(c, "ledger", last.tick))
    assert document == {
        "size": last.size,
        "root": last.root.hex(),
        "tick_utc": "2026-07-15T03:30:00Z",
        "transfers": here.books.head.transfers,
        "signer": "0x" + here.books.keys.address("log").hex(),
        "unexplained_wh": "0",
        "unexplained_krw": "0",
        "debits_equal_credits": True,
    }
    assert document["transfers"] > last.transfers > 300


def test_same_seed_same_bytes_and_another_seed_another_root(
    begin_books: Begin, tmp_path: Path
) -> None:
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db", "c.db")]
    first = begin_books(urls[0])
    first.run(4)
    lines = list(export_lines(first.store))
    again = begin_books(urls[1])
    again.run(4)
    assert list(export_lines(again.store)) == lines
    other = begin_books(urls[2], seed=2)
    assert other.books.domain != first.books.domain
    assert other.books.head.state.frontier.root() != first.books.head.state.frontier.root()


def test_a_restart_goes_on_with_the_same_bytes(begin_books: Begin, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")]
    whole = begin_books(urls[0])
    whole.run(5)
    lines = list(export_lines(whole.store))
    for number in range(5):
        begin_books(urls[1]).run(1, number)
    here = begin_books(urls[1])
    assert list(export_lines(here.store)) == lines
    assert here.books.head.balances == {k: v for k, v in whole.books.head.balances.items() if v}


def test_a_tick_done_again_writes_nothing_and_gives_the_same_answer(begin_books: Begin) -> None:
    here = begin_books()
    ticks = here.run(4)
    lines = list(export_lines(here.store))
    assert [here.settle(one.tick) for one in ticks] == ticks
    assert list(export_lines(here.store)) == lines


class PowerCut(Exception):
    """The machine goes off."""


@pytest.mark.parametrize("point", ["save_settlement", "save_signed_readings", "keep_tick"])
def test_a_crash_inside_the_tick_leaves_no_trace(
    begin_books: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")]
    whole = begin_books(urls[0])
    whole.run(4)
    lines = list(export_lines(whole.store))
    here = begin_books(urls[1])
    here.run(3)
    here.publish(FIRST + 3 * SLOT_S)

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as broken:
        broken.setattr(f"energy.steps.tick_book.{point}", cut)
        with pytest.raises(PowerCut):
            here.settle(FIRST + 3 * SLOT_S)
    head = here.books.head
    assert here.store.read(last_checkpoint).tick == head.state.tick == FIRST + 2 * SLOT_S
    here = begin_books(urls[1])
    here.settle(FIRST + 3 * SLOT_S)
    assert list(export_lines(here.store)) == lines


def test_a_missed_slot_has_no_market_and_is_settled_at_tariff(begin_books: Begin) -> None:
    here = begin_books()
    here.run(1)
    here.with_market = False
    here.run(1, 1)
    here.with_market = True
    here.run(2, 2)
    (version,) = here.store.read(lambda c: load_settlements(c, FIRST + SLOT_S))
    assert (version.version, version.clearing) == (1, bytes(32))
    codes = {row.code for row in here.store.read(lambda c: load_transfers(c, version.no))}
    assert codes == {30, 32}
    assert verify_store(here.store, 0).ok


def test_what_the_database_holds_cannot_be_changed(begin_books: Begin) -> None:
    here = begin_books()
    here.run(3)
    tables = ("entry", "settlement", "transfer", "signed_readings", "slot_trades", "checkpoint")
    changes = [f"DELETE FROM {name}" for name in tables] + [
        "UPDATE transfer SET amount = amount + 1",
        "UPDATE entry SET message = '{}'",
        "UPDATE checkpoint SET note = ''",
        "UPDATE settlement SET slot = 0",
    ]
    for change in changes:
        with pytest.raises(DBAPIError, match="append-only"):
            here.store.write(lambda c, sql=change: c.execute(text(sql)))
    assert verify_store(here.store, 0).ok


TAMPERINGS = [
    ("UPDATE transfer SET amount = amount + 1 WHERE settlement = 3 AND position = 5", True),
    (
        "UPDATE transfer SET debit = credit, credit = debit WHERE settlement = 3 AND position = 5",
        True,
    ),
    ("DELETE FROM transfer WHERE settlement = 3 AND position = 5", True),
    ("UPDATE entry SET salt = zeroblob(32) WHERE type = 'KeyRegister' AND position = 7", False),
    ("UPDATE entry SET message = replace(message, '9', '8') WHERE type = 'Settlement'", False),
    ("UPDATE market_order SET e_wh = e_wh + 1 WHERE rowid = 3", False),
    ("UPDATE market_order SET status = 'EXPIRED' WHERE rowid = 3", False),
    ("DELETE FROM signed_readings", False),
]


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda one: str(one[0])[:44])
def test_whoever_changes_a_row_in_the_file_is_found(begin_books: Begin, tampering: Any) -> None:
    statement, is_money = tampering
    here = begin_books()
    here.run(4)

    def tamper(connection: Any) -> int:
        for name in ("transfer", "entry", "market_order", "signed_readings"):
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER {name}_no_{verb}"))
        return int(connection.execute(text(statement)).rowcount)

    assert here.store.write(tamper)
    assert not verify_store(here.store, 0).ok
    assert here.store.read(add_up).ok == (not is_money)
    if is_money:
        assert not audit_books(here.store, here.books).debits_equal_credits


def test_a_start_compares_the_kept_head_with_the_checkpoint(
    begin_books: Begin, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    here = begin_books(url)
    here.run(2)
    older = here.store.write(lambda c: c.execute(text("SELECT tick, body FROM book_state")).one())
    here.run(1, 2)
    here.store.write(
        lambda c: c.execute(text("UPDATE book_state SET body = :body"), {"body": older.body})
    )
    with pytest.raises(StoreError, match=r"kept head differs from the checkpoint .* in size, root"):
        begin_books(url)


def test_books_of_another_market_or_operator_are_not_taken_up(
    begin_books: Begin, tmp_path: Path, small_district: Any
) -> None:
    from energy.config import Settings
    from energy.steps.books import open_books

    url = f"sqlite:///{tmp_path / 'a.db'}"
    here = begin_books(url)
    settings = Settings(database_url=url, district=small_district.id, seed=1, clock="real")
    with pytest.raises(StoreError, match="market"):
        open_books(here.store, small_district, settings, FIRST)
    there = Settings(database_url=url, district=small_district.id, operator_passphrase="secret")
    with pytest.raises(MarketError, match="found no file, allowed the one of this store"):
        open_books(here.store, small_district, there, FIRST)


def test_in_earnest_salts_are_random_and_demonstration_keys_are_warned_of(
    small_district: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from energy.config import Settings
    from energy.steps.books import open_books

    salts = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        url = f"sqlite:///{folder / 'books.db'}"
        settings = Settings(database_url=url, district=small_district.id, clock="real")
        with open_store(url) as store:
            books = open_books(store, small_district, settings, FIRST)
            again = open_books(store, small_district, settings, FIRST)
        assert books.domain.market_id == small_district.id
        salts.append(books.salt(books.customers[0], bytes(32), FIRST))
        assert salts[-1] == again.salt(books.customers[0], bytes(32), FIRST)
    assert salts[0] != salts[1]
    assert "anybody can sign for it" in caplog.text


def test_two_writers_on_one_store_cannot_both_seal(begin_books: Begin, new_postgresql: Any) -> None:
    url = new_postgresql()
    one = begin_books(url)
    one.run(2)
    with open_store(url) as second:
        from dataclasses import replace as changed

        other = changed(one, store=second, books=_reopened(one, second))
        one.run(1, 2)
        with pytest.raises(StoreError, match="somebody else writes to these books"):
            other.settle(FIRST + 2 * SLOT_S)
    assert verify_store(one.store, 0).ok


def _reopened(here: Any, store: Any) -> Any:
    from energy.config import Settings
    from energy.steps.books import open_books

    settings = Settings(district=here.district.id, seed=1)
    return open_books(store, here.district, settings, FIRST)


def test_both_databases_hold_the_same_books(begin_books: Begin, new_postgresql: Any) -> None:
    here = begin_books()
    here.run(4)
    lines = list(export_lines(here.store))
    there = begin_books(new_postgresql())
    there.run(4)
    assert list(export_lines(there.store)) == lines
    assert audit_books(there.store, there.books) == audit_books_of(lines, there)


def audit_books_of(lines: list[str], there: Any) -> Any:
    """What a sound audit of these books says."""
    from energy.steps.proving import Audit

    state = there.books.head.state
    return Audit(
        verified=True, debits_equal_credits=True, sold_at_most_metered=True, finding="",
        root=state.frontier.root().hex(), size=state.frontier.size,
        transfers=there.books.head.transfers,
    )  # fmt: skip


def test_the_export_is_written_beside_a_running_loop(begin_books: Begin, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    here = begin_books(url)
    here.run(3)
    with open_reader(url) as reader:
        assert list(export_lines(reader)) == list(export_lines(here.store))


def test_nothing_personal_stands_in_the_export(begin_books: Begin) -> None:
    here = begin_books()
    here.run(3)
    whole = "\n".join(export_lines(here.store))
    for word in ("apartment", "detached", "residential", here.district.name["ko"]):
        assert word not in whole


def test_who_sells_more_than_the_meter_shows_is_named(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begin_books()
    here.run(4)
    assert here.store.read(lambda c: find_oversold(c, here.books)) == []
    unread = SettledMeters(*np.zeros((3, len(here.books.book.accounts)), dtype=np.int64))
    monkeypatch.setattr("energy.steps.proving.settled_meters", lambda *_: unread)
    found = here.store.read(lambda c: find_oversold(c, here.books))
    assert found and "metered 0" in found[0]


def test_months_grow_by_what_is_settled_at_tariff(begin_books: Begin) -> None:
    here = begin_books()
    here.run(3)
    settled = here.readings[2]
    (_, version) = here.store.read(lambda c: load_settlements(c, FIRST))
    rows = here.store.read(lambda c: load_transfers(c, version.no))
    grid = here.books.book.number[here.books.system.grid]
    rest = {
        row.credit: row.amount for row in rows if (row.ledger, row.code, row.debit) == (2, 30, grid)
    }
    expected = [rest.get(here.books.book.number[one], 0) for one in here.books.customers]
    assert here.books.head.months.now_wh.tolist() == expected
    assert 0 < sum(expected) < int(settled.import_wh.sum()) + 1
    assert np.all(here.books.head.months.last_wh == 0)


def test_every_tick_has_a_checkpoint_that_names_the_one_before(begin_books: Begin) -> None:
    here = begin_books()
    here.run(3)
    ticks = here.store.read(checkpoint_ticks)
    rows = [here.store.read(lambda c, t=tick: find_checkpoint(c, t)) for tick in ticks]
    assert [row.previous for row in rows[1:]] == [row.digest for row in rows[:-1]]
    assert rows[0].previous == bytes(32)
    assert all(row.size > before.size for before, row in pairwise(rows))
