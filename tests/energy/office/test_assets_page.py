"""Every asset of a district that has really run: told, did, could; API and page."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.plant import SetPoints
from energy.steps.context import Installation
from energy.store.setpoints import load_setpoints
from energy.store.views import find_view
from energy.units import SLOT_S

POWERS = (
    "supplies_kw", "draws_kw", "set_supplies_kw", "set_draws_kw", "limit_supplies_kw",
    "limit_draws_kw", "held_kw", "energy_kwh", "energy_kwh_max",
)  # fmt: skip


@pytest.fixture
def stage(run_stage: Any) -> Any:
    return run_stage


def newest(ran: tuple[Installation, int]) -> int:
    """The newest measured slot of the run: two behind the last one."""
    return ran[1] + 3 * SLOT_S


def test_every_asset_is_there_once_and_adds_up_to_what_was_measured(
    ask_run: Any, ran: tuple[Installation, int]
) -> None:
    (opened, _), (status, document, _) = ran, ask_run("/v1/assets")
    assert status == 200
    rows, district = document["assets"], opened.district
    assert len({one["id"] for one in rows}) == len(rows)
    solar = int((district.pv.kwp.sum(axis=1) > 0).sum())
    devices = len(district.units) + len(district.batteries.id) + len(district.chargers.id)
    assert len(rows) == devices + solar + 3 + 1  # heat pump, boiler, heat store; connection
    slot = newest(ran)
    measured = opened.store.read(lambda c: find_view(c, "measured", slot))
    assert measured is not None

    def total(kinds: str, side: str) -> float:
        return sum(one[side] for one in rows if one["kind"].startswith(kinds))

    for kinds, source in (("solar", "solar"), ("battery", "battery"), ("connection", "kepco")):
        assert total(kinds, "supplies_kw") == pytest.approx(measured["sources"][source], abs=0.02)
    for kinds, use in (("charger", "cars"), ("battery", "battery"), ("connection", "kepco")):
        assert total(kinds, "draws_kw") == pytest.approx(measured["uses"][use], abs=0.02)
    for one in rows:
        assert all(one[name] is None or one[name] >= 0 for name in POWERS), one
        assert one["supplies_kw"] <= one["limit_supplies_kw"] * 1.02 + 1, one


def test_set_points_are_those_that_were_published_for_the_slot(
    ask_run: Any, ran: tuple[Installation, int]
) -> None:
    opened, slot = ran[0], newest(ran)
    kept = opened.store.read(lambda c: load_setpoints(c, slot))
    assert kept is not None
    told, rows = SetPoints.from_bytes(kept.body), ask_run("/v1/assets")[1]["assets"]
    by_id = {one["id"]: one for one in rows}
    for row, unit in enumerate(opened.district.units):
        assert by_id[unit.id]["set_supplies_kw"] == pytest.approx(told.unit_p_kw[row], abs=1e-3)
    for row, id_ in enumerate(opened.district.batteries.id):
        found = by_id[id_]["set_draws_kw"]
        assert found == pytest.approx(told.battery_charge_kw[row], abs=1e-3)
    order = ["trip", "silent", "deviates", "ok", "off"]
    ranks = [order.index(one["state"]) for one in rows]
    assert ranks == sorted(ranks)
    for one in rows:
        assert (one["state"] == "trip") == (one["available"] < one["count"]), one


def test_a_slot_without_measurement_is_not_found(
    ask_run: Any, ran: tuple[Installation, int]
) -> None:
    assert ask_run("/v1/assets?slot=2026-08-01T00:00:00Z")[0] == 404


@pytest.mark.browser
def test_the_page_lists_filters_and_saves_what_the_api_has(
    chromium_page: Page, ask_run: Any, stage: Any, complaints: list[str]
) -> None:
    rows, page = ask_run("/v1/assets")[1]["assets"], chromium_page
    page.goto(f"{stage.address}/assets")
    expect(page.locator("[data-asset]")).to_have_count(len(rows))
    page.locator("#asset-kind").select_option("biogas")
    expect(page.locator("[data-asset]")).to_have_count(1)
    expect(page.locator('[data-asset="biogas-1"]')).to_contain_text("Biogas unit")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().strip().splitlines()
    assert len(lines) == 2 and "biogas-1,biogas" in lines[1]
    page.locator("#asset-kind").select_option("")
    expect(page.locator("[data-asset]")).to_have_count(len(rows))


@pytest.mark.browser
def test_the_screen_fits_in_both_languages_and_breaks_no_rule_of_access(
    stage: Any, complaints: list[str], check_run: Any
) -> None:
    check_run("/assets", "[data-asset]")
