"""Fees that two persons have changed from a slot on: charged, settled and proven slot by slot."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import energy.steps.books as books_room
from energy.steps.market_day import audit_market
from energy.steps.market_network import fees_at
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover, Witnesses
from energy.store.books import load_entries
from energy.store.market_rules import Sayso, confirm_rules, propose_rules
from energy.timegrid import parse_instant
from energy.units import SLOT_S
from market.rules import MarketRules
from market.verifier import verify_bundle, verify_export

START = int(parse_instant("2026-07-15T12:00+09:00", "Asia/Seoul"))
CHANGE = START + SLOT_S
DEARER = MarketRules(version=2, network_fee_mkrw_per_kwh=3_000, local_fee_mkrw_per_kwh=500)


def change_fees(run: Any) -> None:
    """Two persons change the fees from CHANGE on, a day before."""

    def unit(connection: Any) -> None:
        said = (START - 2 * 86_400, CHANGE)
        made = propose_rules(connection, DEARER, CHANGE, "new cables", Sayso("kim", *said))
        confirm_rules(connection, made.no, Sayso("lee", *said))

    run.microgrid.store.write(unit)


def bundles_of(store: Any, *slots: int) -> tuple[bytes, list[bytes]]:
    """What a reader trusts, and the bundle of each slot's clearing."""

    def read(connection: Any) -> tuple[bytes, list[bytes]]:
        prover = Prover(connection)
        return prover.trust(Witnesses()), [prover.clearing(slot) for slot in slots]

    return store.read(read)


def fees_of(store: Any, slot: int) -> tuple[int, set[int]]:
    """Version of the nodes and fees of a slot's clearing, and the fees on its ways."""
    rows = store.read(lambda connection: load_entries(connection, slot))
    (found,) = [
        one.message for one in rows
        if one.type == "Clearing" and int(one.message["label"]) == 0
    ]  # fmt: skip
    fees = {int(one["fee_mkrw_per_kwh"]) for one in found["links"]}
    return int(found["network_version"]), fees


def test_fees_change_from_their_slot_on_and_both_slots_are_proven(
    loop: Any, tmp_path: Path
) -> None:
    place = loop.write(tmp_path / "place")
    with loop.opened(place, START, tmp_path / "a.db") as run:
        change_fees(run)
        run.go(2, with_orders=True)
        run.go(2, with_orders=False)
        store = run.microgrid.store
        assert fees_of(store, START) == (1, {0, 2_000})
        assert fees_of(store, CHANGE) == (2, {0, 500, 3_000})
        assert audit_market(store, run.microgrid.district).is_closed
        report = verify_export(export_lines(store))
        assert report.ok, report.first_failure
        trust, bundles = bundles_of(store, START, CHANGE)
        for bundle in bundles:
            proven = verify_bundle(trust, bundle)
            assert proven.ok, proven.first_failure
    # What holds after a restart follows from the store alone.
    with loop.opened(place, START, tmp_path / "a.db") as again:
        assert again.microgrid.books.network.version == 2


def test_an_operator_that_charges_the_old_fees_is_refuted_by_the_receipt(
    loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The loop acts as if nobody had changed the fees, under the new rules' name.
    monkeypatch.setattr(
        books_room, "fees_at", lambda rules, own: fees_at(MarketRules(rules.version), own)
    )
    with loop.opened(loop.write(tmp_path / "place"), START, tmp_path / "a.db") as run:
        change_fees(run)
        run.go(2, with_orders=True)
        trust, (before, after) = bundles_of(run.microgrid.store, START, CHANGE)
        assert verify_bundle(trust, before).ok
        failure = verify_bundle(trust, after).first_failure
        assert failure is not None and failure.check == "network"
        assert "fee 2000, not 3000 as the rules have it" in str(failure)


def test_an_operator_that_names_older_fees_is_refuted_by_the_books(
    loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loop.opened(loop.write(tmp_path / "place"), START, tmp_path / "a.db") as run:
        old = run.microgrid.books.network
        change_fees(run)
        run.go(2, with_orders=True)
        # From here on clearings name the first version again.
        monkeypatch.setattr(books_room, "_newest_network", lambda *_: replace(old))
        run.go(1, with_orders=True)
        failure = verify_export(export_lines(run.microgrid.store)).first_failure
        assert failure is not None and failure.check == "network"
        assert "not 2" in str(failure)
