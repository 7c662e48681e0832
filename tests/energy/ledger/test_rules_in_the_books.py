"""Rules that change from a slot on: cleared, settled, corrected, proven, slot by slot."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

import energy.steps.books as books_room
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover, Witnesses
from energy.store.books import load_entries
from energy.store.checkpoints import checkpoint_ticks
from energy.store.market_rules import Sayso, confirm_rules, propose_rules
from energy.store.readings import LateRow
from energy.units import SLOT_S
from market.rules import MarketRules, RuleBook
from market.verifier import verify_bundle, verify_export

Begin = Callable[..., Any]
FIRST = 1_784_084_400
CHANGE = FIRST + 5 * SLOT_S
NEW = MarketRules(version=2, cap_mkrw_per_kwh=140_000, maker_steps=2)


def change_rules(here: Any) -> None:
    """Two persons change the rules from CHANGE on."""

    def unit(connection: Any) -> None:
        made = propose_rules(connection, NEW, CHANGE, "test", Sayso("kim", FIRST, CHANGE))
        confirm_rules(connection, made.no, Sayso("lee", FIRST, CHANGE))

    here.store.write(unit)


def entries(here: Any, *types: str) -> list[Any]:
    def read(connection: Any) -> list[Any]:
        ticks = checkpoint_ticks(connection)
        return [one for tick in ticks for one in load_entries(connection, tick)]

    return [one for one in here.store.read(read) if one.type in types]


def late_row(here: Any, tick: int) -> LateRow:
    """The true reading of meter 0 two slots before the change, once more at a later tick."""
    slot = CHANGE - 2 * SLOT_S
    truth = next(one for one in here.readings if one.slot == slot)
    names = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
    numbers = {name: int(getattr(truth, name)[0]) for name in names}
    numbers["import_wh"] += 7
    return LateRow(slot=slot, meter=0, revision=1, tick=tick, quality=3, **numbers)


@pytest.fixture
def changed(begin_books: Begin, store_url: str) -> Any:
    """Books of ten slots whose rules have changed in the middle."""
    here = begin_books(store_url)
    here.refusals |= {"PRICE_BAND"}
    here.run(2)
    change_rules(here)
    here.late = [late_row(here, FIRST + 8 * SLOT_S)]
    here.run(8, begin=2)
    return here


def test_each_slot_is_cleared_settled_and_corrected_under_its_own_rules(changed: Any) -> None:
    rules = [one.message for one in entries(changed, "Rules") if int(one.message["kind"]) == 1]
    assert [(int(one["version"]), int(one["from_slot"])) for one in rules] == [
        (1, FIRST - SLOT_S), (2, CHANGE),
    ]  # fmt: skip
    assert rules[1]["content"] == f"0x{NEW.content.hex()}"
    found = entries(changed, "Clearing", "Settlement")
    named = {
        (one.type, int(one.message["slot"]) >= CHANGE, int(one.message["rules_version"]))
        for one in found
    }
    ordered = text("SELECT DISTINCT slot, rules_version FROM market_order")
    rows = changed.store.read(lambda connection: connection.execute(ordered).all())
    named |= {("Order", slot >= CHANGE, version) for slot, version in rows}
    kinds = ("Order", "Clearing", "Settlement")
    assert named == {(kind, after, 1 + after) for kind in kinds for after in (False, True)}
    again = [one.message for one in found if one.message.get("version") not in (None, 0, "0", "1")]
    assert [(int(one["slot"]), int(one["rules_version"])) for one in again] == [
        (CHANGE - 2 * SLOT_S, 1)
    ]
    price = {
        int(one.message["slot"]): max(int(node["price_mkrw_per_kwh"]) for node in nodes)
        for one in found
        if one.type == "Clearing" and int(one.message["label"]) == 0
        for nodes in [one.message["nodes"]]
    }
    assert max(value for slot, value in price.items() if slot < CHANGE) > NEW.cap_mkrw_per_kwh
    assert max(value for slot, value in price.items() if slot >= CHANGE) <= NEW.cap_mkrw_per_kwh


def test_the_books_and_the_receipts_of_both_versions_are_proven(changed: Any) -> None:
    assert verify_export(export_lines(changed.store)).ok

    def read(connection: Any) -> tuple[bytes, list[bytes]]:
        prover = Prover(connection)
        slots = (CHANGE - SLOT_S, CHANGE)
        return prover.trust(Witnesses()), [prover.clearing(slot) for slot in slots]

    trust, bundles = changed.store.read(read)
    for bundle, version in zip(bundles, (1, 2), strict=True):
        assert verify_bundle(trust, bundle).ok
        assert f'\\"version\\":{version}'.encode() in bundle
    # The rules of the one do not prove the other.
    assert not verify_bundle(trust, bundles[0].replace(b"1000000", b"140000")).ok


def test_an_operator_that_keeps_to_the_old_rules_is_refuted(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begin_books()
    here.run(2)
    change_rules(here)
    here.run(1, begin=2)
    # From here on the loop acts as if nobody had changed anything.
    monkeypatch.setattr(books_room, "load_rule_book", lambda _: RuleBook())
    here.refusals |= {"STALE_RULES"}
    here.run(3, begin=3)
    report = verify_export(export_lines(here.store))
    assert report.first_failure is not None and report.first_failure.check == "rules"
    assert "version 1, not 2" in str(report.first_failure)
