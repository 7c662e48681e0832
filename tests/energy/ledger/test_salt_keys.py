"""Salts have a key per account and month; a forgotten month cannot be made again."""

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Connection, select

from energy.steps.account_book import AccountBook, account_rows, month_text, next_secret
from energy.steps.proving import export_lines, verify_store
from energy.store.accounts import Account
from energy.store.book_tables import account
from energy.timegrid import local_month_start, month_number
from energy.units import SLOT_S
from market.books import blinded_account, salt_of
from market.errors import MarketError
from market.signing import Domain

SEOUL = "Asia/Seoul"
AUGUST = local_month_start(1_785_600_000, SEOUL)
JULY = AUGUST - SLOT_S
KIM, LEE, POOL = (hashlib.sha256(name.encode()).digest() for name in ("kim", "lee", "pool"))
ID = bytes(range(32))


def a_book(month: int = month_number(JULY, SEOUL)) -> AccountBook:
    rows = account_rows(
        Domain("m"), [POOL, KIM, LEE], public={POOL}, month=month, is_rehearsal=True
    )
    return AccountBook(rows, SEOUL)


def test_a_month_ends_at_local_midnight_and_its_key_with_it() -> None:
    book = a_book()
    assert month_text(book.month(JULY)) == "2026-07" and month_text(book.month(AUGUST)) == "2026-08"
    assert book.salt(KIM, ID, JULY) != book.salt(KIM, ID, AUGUST)
    assert book.salt(KIM, ID, AUGUST) == book.salt(KIM, ID, AUGUST + 30 * 86_400)
    assert book.blinds(JULY)[KIM] != book.blinds(AUGUST)[KIM]
    assert book.salt(KIM, ID, JULY) != book.salt(LEE, ID, JULY)


def test_the_markets_own_accounts_have_one_name_for_ever() -> None:
    book = a_book()
    assert book.salt(POOL, ID, JULY) == book.salt(POOL, ID, AUGUST) == salt_of(POOL, ID)
    assert book.blinds(JULY)[POOL] == book.blinds(AUGUST)[POOL] == blinded_account(POOL)


def test_many_salts_at_once_are_those_made_one_by_one() -> None:
    book, moments = a_book(), [JULY, AUGUST, JULY, AUGUST + 86_400 * 40]
    names = [KIM, LEE, POOL, KIM]
    ids = [hashlib.sha256(bytes([n])).digest() for n in range(4)]
    expected = [book.salt(*row) for row in zip(names, ids, moments, strict=True)]
    assert book.salts(names, ids, moments) == expected
    assert book.salts([], [], []) == []


def test_who_keeps_august_alone_makes_all_later_keys_and_none_of_july() -> None:
    book, august = a_book(), month_number(AUGUST, SEOUL)
    kept = book.secret_of(KIM, august)
    later = AccountBook([Account(0, KIM, kept, august)], SEOUL)
    for moment in (AUGUST, AUGUST + 86_400 * 200):
        assert later.salt(KIM, ID, moment) == book.salt(KIM, ID, moment)
    with pytest.raises(MarketError, match="2026-07, unknown or erased"):
        later.salt(KIM, ID, JULY)
    assert KIM not in later.blinds(JULY) and KIM in later.blinds(AUGUST)
    assert next_secret(book.secret_of(KIM, august - 1)) == kept


def test_books_that_run_over_the_end_of_a_month_are_proven(begin_books: Any) -> None:
    here = begin_books(first=AUGUST - 2 * SLOT_S)
    here.run(5)
    report = verify_store(here.store, 0)
    assert report.ok, report.first_failure
    lines = list(export_lines(here.store))
    found = [json.loads(line) for line in lines if '"line":"account"' in line]
    system = {"0x" + one.hex() for one in here.books.system_names}
    names = Counter(one["account"] for one in found)
    blinds = {(one["account"], one["blind"]) for one in found if one["account"] not in system}
    assert max(names.values()) == 2
    twice = [one for one, count in names.items() if count == 2 and one not in system]
    assert len(blinds) == len(names.keys() - system) + len(twice) and len(twice) > 10


def test_in_earnest_the_secrets_are_random(begin_books: Any) -> None:
    def secrets(connection: Connection) -> dict[bytes, bytes]:
        rows = connection.execute(select(account.c.account, account.c.secret, account.c.month))
        return {one: secret for one, secret, month in rows if month is not None}

    kept = begin_books().store.read(secrets)
    assert len(set(kept.values())) == len(kept) > 0
    rows = [
        account_rows(Domain("m"), [KIM], public=(), month=1, is_rehearsal=False)[0].secret
        for _ in range(2)
    ]
    assert len(rows[0]) == 32 and rows[0] != rows[1]
