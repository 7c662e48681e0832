"""A participant is erased: the bodies are gone, and everybody's proofs hold."""

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from energy.cli import run
from energy.steps.book_rows import load_reading_batch
from energy.steps.books import SYSTEM_NAMES, load_registry
from energy.steps.erasing import Erased, erase_account
from energy.steps.proving import add_up, audit_books, export_lines, verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.backup import restore_backup, write_backup
from energy.store.bills import load_billed_months
from energy.store.books import load_settlements
from energy.store.checkpoints import checkpoint_ticks
from energy.store.demand_response import BaselineTable, load_baselines, save_baselines
from energy.store.dr_tables import dr_event
from energy.store.engine import Store, open_store
from energy.store.errors import StoreError
from energy.store.homes import load_home_days, save_home_day
from energy.store.identities import Identity, find_identity, set_identity
from energy.store.orders import orders_of
from energy.store.packing import unpack_arrays
from energy.store.readings import LateRow, late_readings_of_slot, load_readings
from energy.store.schema import METADATA
from energy.timegrid import local_month_start, month_number
from energy.units import SLOT_S
from market.verifier import verify_bundle, verify_export

Begin = Callable[..., Any]
SEOUL = "Asia/Seoul"
MONTH = local_month_start(1_785_600_000, SEOUL)  # August 2026 begins
FIRST = MONTH - 6 * SLOT_S
AUGUST = month_number(MONTH, SEOUL)
KIM = Identity("Kim Haneul", "12 Hannuri-daero, Sejong", "+82 44 000 1234", "METER-7730012")


def run_books(begin_books: Begin, url: str = "") -> tuple[Any, bytes, bytes]:
    """Books over the end of a month, and two members who trade in them."""
    here = begin_books(url, first=FIRST)
    here.run(10)
    sellers = [
        account
        for member, account in enumerate(here.crowd.account)
        if here.district.meters.pv_kwp[here.crowd.meter[member]] > 0
    ]
    return here, sellers[0], sellers[1]


def erase(here: Any, account: bytes) -> Erased:
    return erase_account(here.store, account, AUGUST, even_retained=True)


def proof(here: Any, make: Callable[[Prover], bytes]) -> bytes:
    found: bytes = here.store.read(lambda connection: make(Prover(connection)))
    return found


def entries_of(account: bytes, slot: int, connection: Connection) -> list[tuple[str, bytes]]:
    return Prover(connection).entries_of(account, slot)


def entry_proof(id_: bytes, slot: int | None, connection: Connection) -> bytes:
    return Prover(connection).entry(id_, slot)


def trust_of(here: Any) -> bytes:
    return proof(here, lambda prover: prover.trust(Witnesses()))


def require_proven(here: Any) -> None:
    """The export, the sums and the audit of the books hold."""
    report = verify_store(here.store, 0)
    assert report.ok, report.first_failure
    totals = here.store.read(add_up)
    assert totals.ok, totals.findings
    audit = audit_books(here.store, here.books)
    assert audit.verified and audit.debits_equal_credits and audit.sold_at_most_metered, audit


def test_all_proofs_hold_after_an_erasure_and_after_a_second_one(
    begin_books: Begin, store_url: str
) -> None:
    here, kim, lee = run_books(begin_books, store_url)
    trust = trust_of(here)
    order = here.store.read(lambda c: orders_of(c, kim))[0]
    held = [
        proof(here, lambda prover: prover.entry(order.id)),
        proof(here, lambda prover: prover.account(kim)),
        proof(here, lambda prover: prover.slot(FIRST + 2 * SLOT_S)),
    ]
    found = erase(here, kim)
    assert found.orders > 0 and found.readings > 0 and found.transfers > 0
    assert found.before == "2026-08"
    require_proven(here)
    for bundle in held:
        assert verify_bundle(trust, bundle).ok, "what its holder kept stays a proof"
    for number in range(8):
        slot = FIRST + number * SLOT_S
        entries = here.store.read(partial(entries_of, lee, slot))
        assert entries
        for name, id_ in entries[:: 1 + number % 3]:
            at = None if name == "Order" else slot
            bundle = here.store.read(partial(entry_proof, id_, at))
            assert verify_bundle(trust, bundle).ok, (name, number)
    assert verify_bundle(trust, proof(here, lambda prover: prover.account(lee))).ok
    erase(here, lee)
    require_proven(here)
    assert erase(here, kim).orders == 0, "erasing again finds nothing"
    with pytest.raises(StoreError, match="was erased before 2026-08"):
        proof(here, lambda prover: prover.account(kim))


def test_the_books_go_on_after_an_erasure(begin_books: Begin, store_url: str) -> None:
    here, kim, _ = run_books(begin_books, store_url)
    erase(here, kim)
    here.run(3, begin=10)
    require_proven(here)
    begin_books(store_url, first=FIRST)


def test_late_news_of_an_erased_month_corrects_nothing_and_the_books_go_on(
    begin_books: Begin, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.steps.lost_readings.GIVEN_UP_AFTER_SLOTS", 10)
    here, kim, lee = run_books(begin_books, store_url)
    slot, tick = FIRST + 2 * SLOT_S, FIRST + 10 * SLOT_S
    before = versions_of(here, slot)
    erase(here, kim)
    place = {account: row for row, account in enumerate(here.books.customers)}
    here.late = [LateRow(slot, place[one], 9, tick, 7, 8, 0, 0, 3) for one in (kim, lee)]
    here.run(1, begin=10)
    assert versions_of(here, slot) == [*before, before[-1] + 1], "the other one is corrected"
    here.late = [LateRow(slot, place[kim], 10, tick + SLOT_S, 9, 9, 0, 0, 3)]
    # Its slots of July have no reading any more: they are not taken for lost.
    here.run(3, begin=11)
    assert versions_of(here, slot) == [*before, before[-1] + 1]
    require_proven(here)
    lost = here.store.read(lambda c: late_readings_of_slot(c, FIRST + SLOT_S))
    assert place[kim] not in [row.meter for row in lost]


def versions_of(here: Any, slot: int) -> list[int]:
    """The versions in which a slot was settled."""
    return [one.version for one in here.store.read(lambda c: load_settlements(c, slot))]


def rows_of(store: Store, table: str) -> str:
    """Every column of every row as text, bytes as hex."""

    def read(connection: Connection) -> str:
        rows = connection.execute(text(f"SELECT * FROM {table}"))
        return "\n".join(
            "|".join(one.hex() if isinstance(one, bytes) else str(one) for one in row)
            for row in rows
        )

    return store.read(read)


def signed_by(here: Any, account: bytes) -> list[bytes]:
    """Ids, signatures and salts of the account's orders, digests and signatures of its readings."""

    def read(connection: Connection) -> list[bytes]:
        found = []
        for row in orders_of(connection, account):
            found += [row.id, row.signature, row.salt]
        registry = load_registry(connection)
        for tick in checkpoint_ticks(connection):
            batch = load_reading_batch(connection, registry, tick)
            rows = zip(batch.readings, batch.signatures, strict=True)
            found += [signature for one, signature in rows if one.account == account]
        return found

    found: list[bytes] = here.store.read(read)
    return found


def test_nothing_of_the_bodies_is_left_in_the_file(begin_books: Begin, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    here, kim, lee = run_books(begin_books, f"sqlite:///{folder / 'books.db'}")
    here.store.write(lambda connection: set_identity(connection, kim, KIM))
    secret = here.store.read(load_registry).book.secret_of(kim, AUGUST - 2)
    needles = [*signed_by(here, kim), secret, *(field.encode() for field in KIM)]
    raw = b"".join(path.read_bytes() for path in folder.iterdir())
    there = [needle for needle in needles if needle in raw]
    # Readings stand compressed: of those the raw bytes say nothing, their rows do.
    assert secret in there and KIM.name.encode() in there and len(there) > 20
    mine, others = signed_by(here, kim), signed_by(here, lee)
    erase(here, kim)
    assert here.store.read(lambda connection: find_identity(connection, kim)) is None
    left = signed_by(here, kim)
    assert set(left) < set(mine) and signed_by(here, lee) == others
    gone = set(needles) - set(left)
    raw = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not [needle.hex() for needle in gone if needle in raw]
    assert all(one in raw for one in others[:3])


def test_nothing_of_the_bodies_is_left_in_the_rows(begin_books: Begin, store_url: str) -> None:
    here, kim, _ = run_books(begin_books, store_url)
    number = here.books.book.number[kim]
    before = rows_of(here.store, "market_order")
    mine = {one.hex() for one in signed_by(here, kim)}
    erase(here, kim)
    gone = mine - {one.hex() for one in signed_by(here, kim)}
    assert gone and any(one in before for one in gone)
    for table in METADATA.tables:
        shown = rows_of(here.store, f'"{table}"')
        assert not [one for one in gone if one in shown], table
    months = month_number(FIRST, SEOUL)
    touching = "SELECT count(*) FROM transfer JOIN settlement ON no = settlement"
    touching += f" WHERE slot < {MONTH} AND (debit = {number} OR credit = {number})"
    assert here.store.read(lambda c: c.scalar(text(touching))) == 0 and months == AUGUST - 1
    place = number - len(SYSTEM_NAMES)
    for slot in range(FIRST, MONTH, SLOT_S):
        columns = here.store.read(partial(load_readings, slot=slot))
        assert columns is None or columns["import_wh"][place] == 0
        assert columns is None or columns["import_register_wh"][place] == 0


def test_the_means_of_its_days_are_gone_and_those_of_others_stay(
    begin_books: Begin, store_url: str
) -> None:
    here, kim, _ = run_books(begin_books, store_url)
    place = here.books.book.number[kim] - len(SYSTEM_NAMES)
    told = np.arange(1.0, len(here.district.meters.account) + 1)
    of_classes = np.ones((3, 96))
    day = {"mean_kw": told, "off_p80": told, "shares": of_classes}
    yesterday, today = MONTH - 86_400, MONTH
    for first in (yesterday, today):
        here.store.write(partial(save_home_day, first_slot=first, last_slot=first, arrays=day))
    erase(here, kim)
    old, new = here.store.read(lambda c: load_home_days(c, MONTH + SLOT_S))
    for name in ("mean_kw", "off_p80"):
        assert np.flatnonzero(np.isnan(old[name])).tolist() == [place]
        assert np.array_equal(np.delete(old[name], place), np.delete(told, place))
        assert np.array_equal(new[name], told), "a month that still runs is left"
    assert np.array_equal(old["shares"], of_classes)


def test_a_backup_made_afterwards_does_not_bring_it_back(
    begin_books: Begin, tmp_path: Path
) -> None:
    url, again = f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}"
    here, kim, _ = run_books(begin_books, url)
    here.store.write(lambda connection: set_identity(connection, kim, KIM))
    mine = set(signed_by(here, kim))
    erase(here, kim)
    gone = mine - set(signed_by(here, kim))
    write_backup(url, tmp_path / "backup.zip")
    here.store.close()
    restore_backup(tmp_path / "backup.zip", again)
    with open_store(again) as store:
        assert verify_store(store, 0).ok and store.read(add_up).ok
        assert store.read(lambda connection: find_identity(connection, kim)) is None
        shown = "".join(rows_of(store, f'"{table}"') for table in METADATA.tables)
    assert not [one for one in gone if one.hex() in shown]


def test_what_may_not_be_erased_is_left_as_it_is(begin_books: Begin) -> None:
    here, kim, _ = run_books(begin_books)
    before = list(export_lines(here.store))
    cases = [
        (kim, AUGUST, False, "books are to be kept for 10 years, allowed before 2016-01"),
        (kim, AUGUST + 1, True, "allowed up to 2026-08"),
        (bytes(32), AUGUST, True, "found none in the books"),
        (here.books.system.pool, AUGUST, True, "the market's own"),
    ]
    for account, month, even_retained, words in cases:
        with pytest.raises(StoreError, match=words):
            erase_account(here.store, account, month, even_retained=even_retained)
    assert list(export_lines(here.store)) == before


def test_what_stands_for_erased_rows_is_held_to_the_signed_roots(begin_books: Begin) -> None:
    here, kim, _ = run_books(begin_books)
    erase(here, kim)
    lines = list(export_lines(here.store))
    assert verify_export(lines).ok
    tried = 0
    for n, line in enumerate(lines):
        found = json.loads(line)
        parts = [name for name in ("heads", "covered", "again", "gone", "sums") if found.get(name)]
        for name in parts:
            raw = bytearray(base64.b64decode(found[name]))
            # A blinded name says no more than where its leaf stands in the tree.
            for at in {len(raw) - 1, len(raw) - 1 if name == "covered" else len(raw) // 2}:
                raw[at] ^= 1
                lie = {**found, name: base64.b64encode(raw).decode()}
                raw[at] ^= 1
                text_ = json.dumps(lie, sort_keys=True, separators=(",", ":"))
                report = verify_export([*lines[:n], text_, *lines[n + 1 :]])
                assert not report.ok, (n, name, at)
                tried += 1
            if tried > 40:
                return
    assert tried


def test_the_commands_keep_show_and_erase(begin_books: Begin, tmp_path: Path, capsys: Any) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    here, kim, _ = run_books(begin_books, url)
    here.store.close()
    who, at = "0x" + kim.hex(), ["--database-url", url]
    options = ["--name", KIM.name, "--address", KIM.address, "--meter-number", KIM.meter_number]
    assert run(["ledger", "identity", "set", who, *options, *at]) == 0
    assert run(["ledger", "identity", "show", who, *at]) == 0
    assert KIM.meter_number in capsys.readouterr().out
    assert run(["ledger", "erase", who, *at]) != 0
    assert "cannot be undone" in capsys.readouterr().err
    assert run(["ledger", "erase", who, "--yes", *at]) != 0
    assert "to be kept for 10 years" in capsys.readouterr().err
    assert run(["ledger", "erase", who, "--yes", "--yes-before-retention", *at]) == 0
    assert "before 2026-08" in capsys.readouterr().out
    assert run(["ledger", "identity", "show", who, *at]) == 1
    assert run(["ledger", "verify", *at]) == 0 and run(["ledger", "audit", *at]) == 0


def test_sums_of_months_terms_of_bills_and_baselines_go_as_well(
    begin_books: Begin, store_url: str
) -> None:
    here, kim, lee = run_books(begin_books, store_url)
    mine, other = here.books.book.number[kim], here.books.book.number[lee]
    july, event = local_month_start(FIRST, SEOUL), bytes(31) + b"e"

    def write(connection: Connection) -> None:
        row = {
            "id": event, "programme": "test", "program": bytes(32), "first_slot": july, "slots": 4,
            "baseline": 1, "reward_mkrw_per_kwh": 1, "penalty_mkrw_per_kwh": 0,
            "answer_by": july, "least_wh_per_hour": 1, "pay_cap_ppm": 1, "controllable_ppm": 1,
            "called_utc": july,
        }  # fmt: skip
        connection.execute(dr_event.insert().values(row))
        made = BaselineTable((kim, lee), np.array([[666], [777]]), np.array([1, 1]))
        save_baselines(connection, event, made, july)

    here.store.write(write)

    def of(number: int) -> tuple[int, list[int]]:
        """How many sums the tallies have of July, and the terms of its bill but for the number."""

        def read(connection: Connection) -> tuple[int, list[int]]:
            found = 0
            for body in connection.scalars(text("SELECT body FROM tally")):
                columns = unpack_arrays(bytes(body))
                found += int(((columns["no"] == number) & (columns["month"] == july)).sum())
            (month,) = load_billed_months(connection)
            (place,) = np.flatnonzero(month.accounts["no"] == number).tolist()
            names = sorted(month.accounts.keys() - {"no"})
            return found, [int(month.accounts[name][place]) for name in names]

        found: tuple[int, list[int]] = here.store.read(read)
        return found

    assert of(mine)[0] > 0 and any(of(mine)[1])
    theirs, bills = of(other), "SELECT count(*) FROM entry WHERE type = 'Bill'"
    before = here.store.read(lambda c: c.scalar(text(bills)))
    assert erase(here, kim).others == 1
    assert here.store.read(lambda c: c.scalar(text(bills))) == before - 1 > 0
    assert of(mine) == (0, [0] * len(theirs[1])) and of(other) == theirs
    left = here.store.read(lambda connection: load_baselines(connection, event))
    assert left.account == (lee,) and left.net_wh.tolist() == [[777]]
