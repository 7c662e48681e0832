"""Green and local premiums in the books: reserved, paid for what came, corrected, proven."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy.plant import Readings
from energy.steps.book_rows import BatchReader
from energy.steps.corrections import in_force
from energy.steps.labels import clear_labels, green_accounts, load_labels
from energy.steps.proving import audit_books, export_lines, verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.books import (
    ended_by,
    load_entries,
    load_label_books,
    load_settlements,
    load_transfers,
)
from energy.store.readings import LateRow
from energy.units import SLOT_S
from market.labels import Label
from market.transfers import Code, LedgerId, TransferKind
from market.verifier import verify_bundle, verify_export

Begin = Callable[..., Any]
FIRST = 1_784_084_400
KRW_LABEL = (int(LedgerId.KRW), int(Code.LABEL))


@pytest.fixture
def begin_sunny(begin_books: Begin) -> Begin:
    """Opens books of a district where every second roof gives some of what it has sold."""

    def begin(*where: str) -> Any:
        here = begin_books(*where)
        roofs = [n for n in here.crowd.meter.tolist() if here.district.meters.pv_kwp[n] > 0]
        here.let_export(roofs[::2], 25)
        return here

    return begin


def label_lines(here: Any, slot: int = FIRST) -> Counter[tuple[bytes, bytes]]:
    """What is paid for labels in a slot, by giver and taker, reversals taken off."""

    def read(connection: Any) -> Counter[tuple[bytes, bytes]]:
        nos = [one.no for one in load_settlements(connection, slot) if one.version]
        rows = [row for no in nos for row in load_transfers(connection, no)]
        left = in_force(rows, ended_by(connection, nos), BatchReader(connection, here.books))
        found: Counter[tuple[bytes, bytes]] = Counter()
        for _, one in left.values():
            if (one.ledger, one.code) == KRW_LABEL:
                found[one.debit, one.credit] += one.amount
        return found

    found: Counter[tuple[bytes, bytes]] = here.store.read(read)
    return found


def late_row(here: Any, meter: int, tick: int, **changes: int) -> LateRow:
    """The true reading of a meter in the first slot, as it comes at a later tick."""
    truth = next(one for one in here.readings if one.slot == FIRST)
    names = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
    numbers = {name: int(getattr(truth, name)[meter]) for name in names}
    return replace(
        LateRow(slot=FIRST, meter=meter, revision=0, tick=tick, quality=1, **numbers), **changes
    )


def silent(*meters: int) -> Callable[[Readings], Readings]:
    """Lets the readings of some meters be missing in the first slot."""

    def edit(readings: Readings) -> Readings:
        if readings.slot != FIRST:
            return readings
        there = np.ones(len(readings.quality), dtype=np.int64)
        there[list(meters)] = 0
        names = ("import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh")
        return replace(readings, **{name: getattr(readings, name) * there for name in names})

    return edit


def balances(here: Any) -> dict[Any, int]:
    return {key: amount for key, amount in here.books.head.balances.items() if amount}


def labelled(here: Any) -> tuple[int, int]:
    """Meters of one who pays for a label in the first slot, and of one who is paid for it."""
    place = {account: row for row, account in enumerate(here.books.customers)}
    lines, pool = label_lines(here), here.books.system.pool
    pays = next(place[debit] for debit, credit in lines if credit == pool)
    gets = next(place[credit] for debit, credit in lines if debit == pool)
    return pays, gets


def test_premiums_are_reserved_posted_as_delivered_and_close_at_nought(
    begin_sunny: Begin, store_url: str
) -> None:
    here = begin_sunny(store_url)
    here.run(4)
    pool = here.books.system.pool
    reserved, first = here.store.read(lambda c: load_settlements(c, FIRST))
    rows = here.store.read(lambda c: load_transfers(c, reserved.no))
    open_ = {n: one for n, one in enumerate(rows) if one.code == Code.LABEL}
    assert open_ and {one.kind for one in open_.values()} == {TransferKind.PENDING}
    ended = [r for r in here.store.read(lambda c: load_transfers(c, first.no)) if r.code == 15]
    assert {one.pending_position for one in ended} == open_.keys()
    for one in ended:
        assert one.kind in (TransferKind.POST, TransferKind.VOID)
        assert 0 < one.amount <= open_[one.pending_position].amount
    lines = label_lines(here)
    paid = sum(amount for (_, credit), amount in lines.items() if credit == pool)
    assert paid > 0 and paid == sum(ukrw for (debit, _), ukrw in lines.items() if debit == pool)
    # More was reserved than delivered somewhere, or nothing here would tell the two apart.
    assert sum(one.amount for one in open_.values()) > sum(lines.values())
    audit = audit_books(here.store, here.books)
    assert (audit.finding, audit.verified, audit.debits_equal_credits) == ("", True, True)
    report = verify_store(here.store, 0)
    assert report.ok and report.checks["label reserved"] > 10 and report.checks["label paid"] > 10


def test_only_roofs_of_the_district_sell_green_whatever_an_order_says(begin_sunny: Begin) -> None:
    here = begin_sunny()
    here.run(1)
    labels = here.store.read(lambda c: load_labels(c, FIRST))
    assert [len(tier.book) > 0 for tier in labels.tiers] == [True, True]
    green = green_accounts(here.district)
    sellers = [
        labels.account_of_tag[tag]
        for tag, side in zip(
            labels.tiers[0].book.tags(), labels.tiers[0].book.side.tolist(), strict=True
        )
        if side == 2
    ]
    assert sellers and green.issuperset(sellers)


def test_late_readings_bring_the_label_lines_of_timely_ones(
    begin_sunny: Begin, tmp_path: Path
) -> None:
    whole = begin_sunny(f"sqlite:///{tmp_path / 'a.db'}")
    whole.run(6)
    lines, expected, meters = label_lines(whole), balances(whole), labelled(whole)
    here = begin_sunny(f"sqlite:///{tmp_path / 'b.db'}")
    here.edit = silent(*meters)
    here.late = [late_row(here, one, FIRST + (3 + n) * SLOT_S) for n, one in enumerate(meters)]
    ticks = here.run(6)
    assert [one.corrected for one in ticks[3:5]] == [(FIRST,)] * 2
    assert label_lines(here) == lines and balances(here) == expected
    assert verify_store(here.store, 0).ok


def test_what_one_seller_does_not_deliver_is_cut_from_the_buyers_and_given_back(
    begin_sunny: Begin,
) -> None:
    here = begin_sunny()
    here.run(1)
    here.run(2, 1)
    before = label_lines(here)
    _, gets = labelled(here)
    pool, customers = here.books.system.pool, here.books.customers
    wrong = late_row(here, gets, FIRST + 3 * SLOT_S, revision=1, quality=3, export_wh=0)
    here.late = [wrong, late_row(here, gets, FIRST + 4 * SLOT_S, revision=2, quality=3)]
    here.run(1, 3)
    cut = label_lines(here)
    assert (pool, customers[gets]) not in cut
    paid = [sum(u for (_, to), u in found.items() if to == pool) for found in (before, cut)]
    # Others pay less for a seller's failure: their label, never their energy.
    assert paid[1] < paid[0] and any(
        cut[key] < before[key] for key in before if key[1] == pool and key in cut
    )
    here.run(1, 4)
    assert label_lines(here) == before
    report = verify_store(here.store, 0)
    assert report.ok and report.checks["label paid"] > 20


def test_energy_clears_to_the_same_bytes_with_and_without_tiers(
    begin_sunny: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same signed orders twice; once nobody runs the tiers."""
    found = []
    for name in ("with", "without"):
        here = begin_sunny(f"sqlite:///{tmp_path / name}.db")
        if name == "without":
            monkeypatch.setattr("energy.steps.labels.LABELS", ())
        here.run(3)
        rows = [
            row
            for n in range(3)
            for row in here.store.read(lambda c, s=FIRST + n * SLOT_S: load_entries(c, s))
            if row.type == "Clearing"
        ]
        energy = [row.digest for row in rows if int(row.message["label"]) == 0]
        moved = {key: amount for key, amount in balances(here).items() if key[0] == 2}
        found.append((len(rows), energy, moved))
    assert found[0][0] == 9 and found[1][0] == 3
    assert found[0][1:] == found[1][1:]


def _packed(text: str, size: int) -> list[bytes]:
    raw = base64.b64decode(text)
    return [raw[n : n + size] for n in range(0, len(raw), size)]


def test_every_change_of_a_label_row_is_found(begin_sunny: Begin) -> None:
    here = begin_sunny()
    here.run(3)
    lines = list(export_lines(here.store))
    assert verify_export(lines).ok
    places = [n for n, line in enumerate(lines) if '"line":"label"' in line]
    fills = [n for n, line in enumerate(lines) if '"line":"fills"' in line]
    assert len(places) == 6 and len(fills) == 3
    tried = 0
    for at, size in [*((n, 61) for n in places[:2]), (fills[0], 40)]:
        found = json.loads(lines[at])
        rows = _packed(found["rows"], size)
        for row in range(0, len(rows), max(len(rows) // 3, 1)):
            for byte in (0, 35, 36, size - 20, size - 1):
                raw = bytearray(rows[row])
                raw[byte] ^= 1
                other = [*rows[:row], bytes(raw), *rows[row + 1 :]]
                failure = _failure(lines, at, found, other)
                assert failure.line == at + 1, failure
                tried += 1
        failure = _failure(lines, at, found, rows[1:])
        assert failure.check in ("certificate", "cleared rows") and failure.line == at + 1
    assert tried > 40
    for at in (places[0], fills[0]):
        report = verify_export([*lines[:at], *lines[at + 1 :]])
        assert report.first_failure is not None and report.first_failure.check == "cleared rows"


def _failure(lines: list[str], at: int, found: dict[str, Any], rows: list[bytes]) -> Any:
    text = base64.b64encode(b"".join(rows)).decode()
    line = json.dumps({**found, "rows": text}, sort_keys=True, separators=(",", ":"))
    report = verify_export([*lines[:at], line, *lines[at + 1 :]])
    assert report.first_failure is not None, (at, line[:80])
    return report.first_failure


def test_an_operator_that_leaves_out_a_wish_or_pays_otherwise_is_refuted(
    begin_sunny: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by the operator itself and whole in all else: only the rules of labels tell."""

    def leave_out(clearing: Any, orders: Any, green: Any, rules: Any) -> Any:
        bids = [row.id for row in orders if row.label and row.side == 1]
        fills = clearing.fill_by_tag()
        gone = next(row.id for row in orders if row.id in bids and fills[row.tag])
        return clear_labels(clearing, [r for r in orders if r.id != gone], green, rules)

    def dearer(clearing: Any, orders: Any, green: Any, rules: Any) -> Any:
        raised = [
            row._replace(premium_mkrw_per_kwh=row.premium_mkrw_per_kwh + 500) for row in orders
        ]
        return clear_labels(clearing, raised, green, rules)

    for name, lie in {"left out": leave_out, "dearer": dearer}.items():
        here = begin_sunny(f"sqlite:///{tmp_path / name}.db")
        here.clear_labels = lie
        here.run(2)
        report = verify_store(here.store, 0)
        assert report.first_failure is not None and report.first_failure.check == "label", name


def test_label_lines_that_deliveries_do_not_lead_to_are_refuted(
    begin_sunny: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begin_sunny()
    # Paid in full though less was delivered: both sides alike, so that the pool still closes.
    monkeypatch.setattr("market.label_lines.min", lambda fill_wh, _: fill_wh, raising=False)
    here.run(3)
    report = verify_store(here.store, 0)
    assert report.first_failure is not None and report.first_failure.check == "label paid"


def test_a_tier_is_proven_by_a_receipt_of_its_own(begin_sunny: Begin) -> None:
    here = begin_sunny()
    here.run(3)

    def read(connection: Any) -> tuple[bytes, list[bytes]]:
        prover = Prover(connection)
        bundles = [prover.clearing(FIRST, label) for label in Label]
        return prover.trust(Witnesses()), bundles

    trust, bundles = here.store.read(read)
    assert len(set(bundles)) == 3
    for bundle in bundles:
        report = verify_bundle(trust, bundle)
        assert report.ok and report.checks["certificate"] == 1
    found = json.loads(bundles[Label.GREEN])
    rows = _packed(found["rows"], 61)
    found["rows"] = base64.b64encode(b"".join([*rows[:-1], rows[-1][:-1] + b"\xff"])).decode()
    broken = json.dumps(found, sort_keys=True, separators=(",", ":"))
    assert not verify_bundle(trust, broken.encode()).ok


def test_a_crash_while_publishing_leaves_no_tier_and_doing_it_again_the_same_bytes(
    begin_sunny: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = []
    for name in ("a.db", "b.db"):
        url = f"sqlite:///{tmp_path / name}"
        here = begin_sunny(url)
        if name == "b.db":
            with monkeypatch.context() as broken:
                broken.setattr("energy.steps.settling.save_trades", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    here.publish(FIRST)
            assert here.store.read(lambda c: load_label_books(c, FIRST)) == {}
            here = begin_sunny(url)
        here.run(2)
        exports.append(list(export_lines(here.store)))
    assert exports[0] == exports[1] and any('"line":"label"' in one for one in exports[0])
