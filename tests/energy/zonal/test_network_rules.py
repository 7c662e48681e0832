"""Nodes and fees are versioned rules in the log; each clearing names the version it was made on."""

from pathlib import Path
from typing import Any

from energy.district import load_district
from energy.steps.books import find_network
from energy.steps.market_day import audit_market
from energy.steps.market_network import network_of_slot, network_rules
from energy.steps.market_views import market_view
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover, Witnesses
from energy.store.books import load_entries
from energy.timegrid import parse_instant
from energy.units import SLOT_S
from market.network import transfer_matrix
from market.verifier import verify_bundle, verify_export

START = parse_instant("2026-07-15T12:00", "Asia/Seoul")


def test_a_district_of_one_zone_has_a_way_to_its_connection() -> None:
    network = network_rules(load_district("sejong-5-1@0.005"))
    assert len(network.zones) == 1 and len(network.links) == 4
    (own,) = transfer_matrix(network)
    assert own.fee_mkrw_per_kwh == 0
    assert {one.fee_mkrw_per_kwh for one in network.links} == {0, 2_000}
    assert all(one.capacity_wh == 0 for one in network_of_slot(network, None).links)


def rules_of(run: Any, tick: int) -> list[tuple[int, int]]:
    """Kind and version of the rules that a tick has entered."""
    rows = run.microgrid.store.read(lambda connection: load_entries(connection, tick))
    return [
        (int(row.message["kind"]), int(row.message["version"])) for row in rows
        if row.type == "Rules"
    ]  # fmt: skip


def test_new_fees_are_a_new_version_from_the_next_clearing_on(loop: Any, tmp_path: Path) -> None:
    """From 2 won on every way to 3, and half a won between neighbours: zones then have two sides.

    Both slots are proven by the verifier, each on its own version.
    """
    first = loop.write(tmp_path / "first")
    dearer = loop.write(tmp_path / "dearer", network_fee_krw_per_kwh=3.0, local_fee_krw_per_kwh=0.5)
    with loop.opened(first, START, tmp_path / "a.db") as run:
        assert rules_of(run, START - SLOT_S) == [(1, 1), (2, 1)]
        run.go(1, with_orders=True)
        assert rules_of(run, START) == []
        assert run.microgrid.books.network.version == 1
    with loop.opened(dearer, START, tmp_path / "a.db") as run:
        run.results.append(None)
        network = run.microgrid.books.network
        assert network.version == 2
        run.go(1, with_orders=True)
        run.go(2, with_orders=False)
        assert rules_of(run, START + SLOT_S) == [(2, 2)]
        assert rules_of(run, START + 2 * SLOT_S) == []
        store = run.microgrid.store
        told = [store.read(lambda c, v=v: find_network(c, v)) for v in (1, 2, 3)]
        assert told[0] and told[1] and told[2] is None and told[1][0] == network.text
        cleared = run.results[1].cleared
        assert cleared.clearing.network_version == 2 and cleared.clearing.volume_wh > 0
        view = market_view(run.microgrid.district, cleared)
        between = {(one["from"], one["to"]): one["fee_krw_per_kwh"] for one in view["transfers"]}
        assert between["Z3", "Z3"] == "0.5" and between["Z1", "Z2"] == "6"
        both = [one for one in view["zones"] if one["bought_kwh"] and one["sold_kwh"]]
        assert both and all(
            float(one["price_krw_per_kwh"]) - float(one["sell_price_krw_per_kwh"]) == 0.5
            for one in both
        )
        assert audit_market(store, run.microgrid.district).is_closed
        report = verify_export(export_lines(store))
        assert report.ok, report.first_failure
        prover_of = [START, START + SLOT_S]
        trust, *proofs = store.read(
            lambda c: [Prover(c).trust(Witnesses()), *(Prover(c).clearing(s) for s in prover_of)]
        )
        assert all(verify_bundle(trust, one).ok for one in proofs)
