"""The audit of a market's day: closed where books are whole, open where a row was changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy.cli import run
from energy.district import load_district
from energy.steps.market_day import MarketDay, audit_market
from energy.steps.slot_settlement import terms_of
from energy.store.engine import open_store
from energy.store.errors import StoreError
from energy.store.meta import settle_fact
from energy.store.readings import LateRow
from energy.store.sqlite import sqlite3
from energy.units import SLOT_S
from market.tariff import charge_ukrw
from market.transfers import LedgerId

FIRST = 1_784_084_400
DISTRICT = "sejong-5-1@0.005"
Begin = Callable[..., Any]


@pytest.fixture
def here(begin_books: Begin, tmp_path: Path) -> Any:
    """Six ticks of a small market, four slots of them settled."""
    found = begin_books(f"sqlite:///{tmp_path / 'day.db'}", source=DISTRICT)
    found.store.write(lambda connection: settle_fact(connection, "district", found.district.id))
    found.run(6)
    return found


def audit(here: Any, *period: int) -> MarketDay:
    return audit_market(here.store, here.district, *period)


def test_every_slot_of_whole_books_is_closed(here: Any) -> None:
    found = audit(here)
    assert [one.slot for one in found.slots] == [FIRST + n * SLOT_S for n in range(4)]
    assert found.is_closed
    for one in found.slots:
        assert (one.open_ukrw, one.open_wh, one.against_limit) == (0, 0, 0)
        assert one.bought_wh == one.sold_wh > 0
        assert one.paid_ukrw == one.received_ukrw + one.fee_ukrw + one.rent_ukrw > 0
        assert one.received_ukrw > 0 and one.fee_ukrw > 0
        assert one.welfare_ukrw > 0
    assert any(one.replaced_wh for one in found.slots)


def test_a_customers_gain_is_its_balance_over_tariff_and_feed_in_alone(here: Any) -> None:
    """What the month stood at: every Wh at tariff, from the first on, and all exports at SMP."""
    found, district = audit(here), here.district
    imported = exported = np.zeros(len(district.meters.account), dtype=np.int64)
    feed_in = np.zeros_like(imported)
    for n in range(4):
        truth, terms = here.readings[n + 2], terms_of(district, FIRST + n * SLOT_S)
        imported, exported = imported + truth.import_wh, exported + truth.export_wh
        feed_in = feed_in + truth.export_wh * terms.feed_in_mkrw_per_kwh
    terms = terms_of(district, FIRST)
    names = sorted(set(district.meters.tariff))
    for row, account in enumerate(district.meters.account):
        tariff = terms.tariffs[names.index(district.meters.tariff[row])]
        alone = int(feed_in[row]) - charge_ukrw(
            tariff, terms.calendar, from_wh=0, to_wh=int(imported[row])
        )
        balance = here.books.head.balances.get((LedgerId.KRW, account), 0)
        assert found.customers.gain_so_far_ukrw[row] == balance - alone
    quiet = ~found.customers.has_traded
    assert quiet.any() and not found.customers.gain_ukrw[quiet].any()


def test_deviations_are_told_apart_from_what_limits_protect(here: Any) -> None:
    customers = audit(here).customers
    assert (customers.deviation_ukrw <= 0).all() and customers.deviation_ukrw.any()
    assert (customers.gain_ukrw == customers.delivered_ukrw + customers.deviation_ukrw).all()


def test_a_part_of_the_day_counts_its_slots_and_fills_the_month_before(here: Any) -> None:
    whole, last = audit(here), audit(here, FIRST + 2 * SLOT_S)
    first = audit(here, FIRST, FIRST + 2 * SLOT_S)
    assert last.slots == whole.slots[2:] and first.slots == whole.slots[:2]
    parts = first.customers.gain_so_far_ukrw + last.customers.gain_so_far_ukrw
    assert parts.tolist() == whole.customers.gain_so_far_ukrw.tolist()


def test_corrected_slots_are_closed_too_and_gain_what_the_truth_gains(
    begin_books: Begin, tmp_path: Path
) -> None:
    timely = begin_books(f"sqlite:///{tmp_path / 'a.db'}", source=DISTRICT)
    timely.run(6)
    expected = audit(timely)
    late = begin_books(f"sqlite:///{tmp_path / 'b.db'}", source=DISTRICT)
    truth = late.readings[2]
    meters = [int(row) for row in np.flatnonzero(expected.customers.has_traded)[:3]]

    def missing(readings: Any) -> Any:
        if readings.slot != FIRST:
            return readings
        there = np.ones(len(readings.quality), dtype=np.int64)
        there[meters] = 0
        names = ("import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh")
        return replace(readings, **{name: getattr(readings, name) * there for name in names})

    late.edit = missing
    late.late = [
        LateRow(
            slot=FIRST, meter=meter, revision=0, tick=FIRST + (3 + n) * SLOT_S,
            import_wh=int(truth.import_wh[meter]), export_wh=int(truth.export_wh[meter]),
            import_register_wh=int(truth.import_register_wh[meter]),
            export_register_wh=int(truth.export_register_wh[meter]), quality=1,
        )
        for n, meter in enumerate(meters)
    ]  # fmt: skip
    late.run(6)
    found = audit(late)
    assert found.is_closed
    assert found.customers.gain_so_far_ukrw.tolist() == expected.customers.gain_so_far_ukrw.tolist()
    assert found.customers.gain_ukrw.tolist() == expected.customers.gain_ukrw.tolist()
    assert [one.replaced_wh for one in found.slots] == [one.replaced_wh for one in expected.slots]


# Ledger 1 is won, 2 is Wh; code 10 a trade, 30 the rest of a reading.
PLACES = {
    "a trade's amount": "ledger = 1 AND code = 10 AND kind = 3",
    "the rest of a reading": "ledger = 2 AND code = 30 AND kind = 1",
}


@pytest.mark.parametrize("damage", PLACES)
def test_a_changed_row_leaves_something_open(here: Any, damage: str, tmp_path: Path) -> None:
    here.store.close()
    with sqlite3.connect(tmp_path / "day.db") as raw:
        triggers = [
            name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
        ]
        for name in triggers:
            raw.execute(f'DROP TRIGGER "{name}"')
        place = raw.execute(
            f"SELECT settlement, position FROM transfer WHERE {PLACES[damage]} LIMIT 1"
        ).fetchone()
        raw.execute(
            "UPDATE transfer SET amount = amount + 1 WHERE settlement = ? AND position = ?", place
        )
    raw.close()
    with open_store(f"sqlite:///{tmp_path / 'day.db'}") as store:
        found = audit_market(store, here.district)
    assert not found.is_closed
    (broken,) = [one for one in found.slots if not one.is_closed]
    assert (broken.open_ukrw > 0) == (damage == "a trade's amount")
    assert (broken.open_wh > 0) == (damage == "the rest of a reading")


def test_the_command_prints_the_day_and_its_json_adds_up(
    here: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = ["--database-url", f"sqlite:///{tmp_path / 'day.db'}"]
    assert run(["market", "day", *url]) == 0
    assert capsys.readouterr().out.endswith("every slot is closed\n")
    assert run(["market", "day", *url, "--json", "--to", "2026-07-15T12:30"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["closed"] and len(document["slots"]) == document["summary"]["slots"] == 2
    promised = 0.0
    for outlook in ("ended_now", "carried_on"):
        month = document["summary"][outlook]
        rows = [row[outlook] for row in document["customers"]]
        losers = [row for row in rows if row["gain_krw"].startswith("-")]
        assert month["worse_off"] == len(losers) > 0
        given = sum(float(row["guarantee_krw"]) for row in rows)
        assert given == pytest.approx(float(month["guarantee_krw"]))
        promised += given
        left = [row for row in rows if row["gain_after_krw"].startswith("-")]
        assert month["worse_off_after"] == len(left) == sum(1 for row in rows if row["outside"])
        assert month["outside_not_kept"] == sum(row["outside"] == "not_kept" for row in left)
        assert month["outside_above_most"] == sum(row["outside"] == "above_most" for row in left)
        assert month["traders_without_bill_or_rule"] == 0
    assert promised > 0
    gains = [float(row["gain_krw"]) for row in document["customers"]]
    assert gains == sorted(gains) and len(gains) == document["summary"]["traders"]
    assert sum(gains) == pytest.approx(float(document["summary"]["gain_krw"]), abs=1e-5)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--from", "2027-01-01"], "found no settled slot in the period, allowed slots from"),
        (["--from", "2026-07-15T12:07"], "allowed"),
        (["--from", "noon"], "noon"),
        (["--district", "sejong-5-1@0.5"], "allowed sejong-5-1@0.005"),
        (["--district", "atlantis"], "atlantis"),
    ],
)
def test_a_period_or_district_that_is_not_there_gets_one_sentence(
    here: Any,
    flags: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = ["--database-url", f"sqlite:///{tmp_path / 'day.db'}"]
    assert run(["market", "day", *url, *flags]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and said.err.count("\n") == 1 and said.out == ""


def test_a_store_without_settled_slots_gets_one_sentence(
    begin_books: Begin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = begin_books(f"sqlite:///{tmp_path / 'new.db'}", source=DISTRICT)
    with pytest.raises(StoreError, match="found no settled slot in this store"):
        audit(here)
    here.run(3)
    other = load_district("sejong-5-1@0.002")
    with pytest.raises(StoreError, match="have no account in these books"):
        audit_market(here.store, other)
    with open_store(f"sqlite:///{tmp_path / 'bare.db'}"):
        pass
    assert run(["market", "day", "--database-url", f"sqlite:///{tmp_path / 'bare.db'}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["market", "day", "--database-url", f"sqlite:///{tmp_path / 'no.db'}"]) == 2
    assert "found no file" in capsys.readouterr().err
