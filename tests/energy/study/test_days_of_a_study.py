"""Two days of the small district: planned daily, settled by the quarter hour, added up honestly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from energy.district import load_district
from energy.study.bills import month_sums
from energy.study.chunk import Chunk, run_chunk
from energy.study.events import month_slots
from energy.study.figures import Year, build_year
from market.month_sums import COLUMNS, Sums

WON = 1.0


@pytest.fixture(scope="module")
def year(july: Chunk, part: dict[str, Any]) -> Year:
    slots = month_slots(july.first_slot, july.end_slot)
    return build_year(load_district(july.district), slots, [part], [])


def test_every_day_takes_in_what_it_gives_out(part: dict[str, Any]) -> None:
    assert sorted(part["days"]) == ["2026-07-14", "2026-07-15"]
    for row in part["days"].values():
        came = sum(kwh for name, kwh in row.items() if name.startswith("from_"))
        went = sum(kwh for name, kwh in row.items() if name.startswith("to_"))
        # Powers are rounded to watts; area meters that were silent count with their last value.
        assert came == pytest.approx(went, rel=0.01)
        assert row["broken_departures"] == 0
        assert row["peak_import_kw"] > 0


def test_each_day_has_a_proven_plan_and_no_promise_is_broken(part: dict[str, Any]) -> None:
    assert [one["tier"] for one in part["plans"]] == ["T0", "T0"]
    assert len(part["p_import_kw"]) == len(part["p_use_kw"]) == 192
    assert part["wires"]["slots"] == 192
    assert part["market"]["slots"] == 192


def test_customers_are_billed_for_what_their_meters_moved(part: dict[str, Any]) -> None:
    (month,) = month_sums(part["sums"], part["customers"]).values()
    drawn = np.array([Sums(tuple(row)).wh("in_wh") for row in month.tolist()])
    given = np.array([Sums(tuple(row)).wh("out_wh") for row in month.tolist()])
    assert month.shape == (len(part["customers"]), COLUMNS)
    # Slot by slot a meter moves what was used less what own sun gave, in whole Wh.
    net_wh = 1000 * (np.array(part["load_kwh"]) - np.array(part["solar_kwh"]))
    assert drawn - given == pytest.approx(net_wh, abs=192)
    assert drawn.sum() - given.sum() == pytest.approx(net_wh.sum(), rel=1e-3)


def test_shares_are_those_of_the_days_energies(part: dict[str, Any], year: Year) -> None:
    def total(name: str) -> float:
        return sum(row[name] for row in part["days"].values())

    def near(value: float) -> object:
        return pytest.approx(value, abs=2e-6)  # figures are rounded to six places

    made = total("from_solar_kwh") + total("from_fuel_cell_kwh") + total("from_biogas_kwh")
    here = made - total("to_kepco_kwh")
    found = year.figures
    assert found["self_sufficiency_frac"] == near(here / (here + total("from_kepco_kwh")))
    assert found["self_consumption_frac"] == near(here / made)
    renewable = total("from_solar_kwh") + total("from_biogas_kwh")
    assert found["net_zero_balance_kwh"] == near(renewable - found["use_kwh"])
    assert found["made_over_used_frac"] == near(made / found["use_kwh"])
    own = total("own_solar_kwh")
    customers = total("to_homes_buildings_kwh") + total("to_cars_kwh")
    assert found["operator_supply_frac"] == near((here - own) / customers)
    cells_kw = 440 * 12 * 0.01
    assert found["fuel_cell_full_load_h"] == near(total("from_fuel_cell_kwh") / cells_kw)
    batteries = load_district("sejong-5-1@0.01").batteries.e_kwh_max.sum()
    assert found["battery_cycles"] == near(total("from_battery_kwh") / batteries)


def test_the_cost_is_energy_fuel_wear_and_the_peak_less_what_is_left(
    part: dict[str, Any], year: Year
) -> None:
    found, run = year.figures, part["tallies"]["2026-07"]["run"]
    assert found["demand_charge_krw"] == max(int(-(-run["peak_kw"] // 1)), 120) * 8320
    whole = run["cost_krw"] + found["demand_charge_krw"] - found["stock_change_krw"]
    assert found["cost_krw"] == pytest.approx(whole, abs=WON)
    assert found["connection_bill_krw"] > found["demand_charge_krw"]


def test_an_event_lowers_what_is_drawn_and_pays_what_was_committed(
    make_chunk: Callable[..., Chunk], part: dict[str, Any]
) -> None:
    plain = make_chunk(day="2026-07-15")
    asked = {
        "months": [7],
        "first_hour": 19,
        "hours": 2,
        "days_per_month": 1,
        "reward_krw_per_kwh": 500.0,
    }
    # Validated anew, as a file is.
    scenario = type(plain.scenario).model_validate(
        plain.scenario.model_dump() | {"demand_response": asked, "market": False}
    )
    found = run_chunk(Chunk(plain.district, scenario, 1, plain.first_slot, plain.end_slot, 0, 100))
    assert found["dr"]["events"] == 1
    assert found["dr"]["committed_kwh"] > 0
    assert found["dr"]["paid_krw"] == pytest.approx(500 * found["dr"]["committed_kwh"])
    assert found["market"]["slots"] == 0
    # The same people on the same day: they draw less by about what they said.
    used = [one["days"]["2026-07-15"]["to_homes_buildings_kwh"] for one in (part, found)]
    assert used[0] - used[1] == pytest.approx(found["dr"]["committed_kwh"], rel=0.5)


def test_a_premium_on_own_supply_draws_less_and_is_no_cost(
    make_chunk: Callable[..., Chunk],
) -> None:
    plain, premium_krw = make_chunk(day="2026-07-15"), 60.0
    scenario = type(plain.scenario).model_validate(
        plain.scenario.model_dump()
        | {"district": {"economics": {"own_supply_krw_per_kwh": premium_krw}}, "market": False}
    )
    without = type(plain.scenario).model_validate(plain.scenario.model_dump() | {"market": False})
    drawn_kwh, cost_krw = [], []
    for one in (without, scenario):
        found = run_chunk(Chunk(plain.district, one, 1, plain.first_slot, plain.end_slot, 0, 100))
        drawn_kwh.append(found["days"]["2026-07-15"]["from_kepco_kwh"])
        cost_krw.append(found["tallies"]["2026-07"]["run"]["cost_krw"])
    saved_kwh = drawn_kwh[0] - drawn_kwh[1]
    assert saved_kwh > 0.05 * drawn_kwh[0]
    # Dearer than without, for that was the cheapest, by at most the premium on what was not drawn.
    assert -0.01 * cost_krw[0] < cost_krw[1] - cost_krw[0] < premium_krw * saved_kwh
