"""What a slot cost, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from energy.district import District, load_district
from energy.plant import Plant, Telemetry
from energy.steps.accounting import (
    SlotPrices,
    Stock,
    StockPrices,
    Tally,
    Terms,
    Variant,
    cheapest_without,
    cost_as_run,
    cost_without,
)
from energy.timegrid import parse_instant
from energy.units import SLOT_S

NOON = parse_instant("2026-07-15T12:00", "Asia/Seoul")
NOTHING = StockPrices(0.0, 0.0)
PRICES = SlotPrices(buy_krw_per_kwh=200.0, sell_krw_per_kwh=100.0, peak_counts=True)


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1@0.02")


@pytest.fixture(scope="module")
def quiet_slot(district: District) -> Telemetry:
    """A slot in which only the connection works: 400 kW drawn for the buildings."""
    plant = Plant(district, 1)
    seen = plant.step(plant.begin(NOON), NOON, None).telemetry
    units, groups = np.zeros(len(district.units)), np.zeros(len(district.chargers.id))
    load_kw = np.zeros(district.areas)
    load_kw[0] = 400.0
    return replace(
        seen,
        p_load_kw=load_kw,
        p_pv_kw=np.zeros(district.areas),
        pv_curtailed_kw=np.zeros(district.areas),
        unit_on=units.astype(np.int64),
        unit_p_kw=units,
        unit_fuel_kw=units,
        unit_heat_kw=units,
        unit_starts=units.astype(np.int64),
        units_up=units.astype(np.int64),
        battery_discharge_kw=np.zeros(len(district.batteries.id)),
        cars_charge_kw=groups,
        cars_discharge_kw=groups,
        cars_uncontrolled_kw=groups,
        boiler_kw=0.0,
        heat_kw=0.0,
        heat_pump_kw=0.0,
        p_import_kw=400.0,
        p_export_kw=0.0,
        loss_kw=0.0,
    )


def test_a_quarter_hour_of_400_kw_at_200_won_costs_20000_won(
    district: District, quiet_slot: Telemetry
) -> None:
    cost = cost_as_run(district, quiet_slot, PRICES)
    assert cost.energy_krw == pytest.approx(400 * 0.25 * 200)
    assert cost.total_krw == cost.energy_krw
    assert cost.co2_t == pytest.approx(0.1 * district.economics.grid_co2_t_per_mwh)


def test_without_anything_to_optimise_both_ways_cost_the_same(
    district: District, quiet_slot: Telemetry
) -> None:
    as_run = cost_as_run(district, quiet_slot, PRICES)
    assert cost_without(district, quiet_slot, PRICES, 1.0) == as_run


def test_export_earns_the_selling_price(district: District, quiet_slot: Telemetry) -> None:
    sunny = replace(quiet_slot, p_import_kw=0.0, p_export_kw=80.0)
    assert cost_as_run(district, sunny, PRICES).energy_krw == pytest.approx(-80 * 0.25 * 100)


def test_boiler_heat_that_is_missing_without_a_plan_is_paid_for(
    district: District, quiet_slot: Telemetry
) -> None:
    heat = district.heat
    assert heat is not None
    cold = replace(quiet_slot, heat_kw=90.0)
    burnt_kwh = 90 / heat.boiler_eta * 0.25
    cost = cost_without(district, cold, PRICES, 0.0)
    assert cost.heat_krw == pytest.approx(burnt_kwh * heat.fuel_price_krw_per_kwh)


def test_the_demand_charge_counts_the_highest_import_that_counts() -> None:
    terms = Terms(3000.0, month_share=1 / 30, peak_incurred_kw=100.0, stock=NOTHING)
    assert terms.without_krw(Variant(cost_krw=5.0, peak_kw=80.0)) == pytest.approx(5 + 100 * 100)
    assert terms.without_krw(Variant(cost_krw=5.0, peak_kw=400.0)) == pytest.approx(5 + 400 * 100)


def test_the_cheapest_way_without_a_plan_is_the_one_compared_with() -> None:
    terms = Terms(0.0, 1.0, 0.0, NOTHING)
    variants = (Variant(3.0), Variant(1.0), Variant(2.0))
    assert cheapest_without(Tally(0, without=variants), terms) == variants[1]


def test_sums_come_back_from_the_store_as_they_were(
    district: District, quiet_slot: Telemetry
) -> None:
    tally = Tally(NOON).plus(district, quiet_slot, PRICES)
    assert Tally.from_json(tally.as_json()) == tally
    assert tally.self_sufficiency_frac == 0.0
    assert tally.import_kwh == 100.0


def test_cars_that_will_charge_later_and_a_battery_that_was_filled_do_not_count_as_a_saving(
    district: District, quiet_slot: Telemetry
) -> None:
    """40 kW that cars would draw at once wait, 100 kW fill the battery: by hand, at 200 won."""
    batteries, groups = len(district.batteries.id), len(district.chargers.id)
    waiting, filled = np.zeros(groups), np.zeros(batteries)
    waiting[0], filled[0] = 40.0, 25.0
    before = Stock(0.0, 7.0)
    seen = replace(
        quiet_slot,
        p_import_kw=500.0,
        cars_uncontrolled_kw=waiting,
        e_battery_kwh=filled,
        e_heat_kwh=7.0,
    )
    tally = Tally(NOON, begin=before).plus(district, seen, PRICES)
    assert tally.stored == Stock(25.0, 0.0) and tally.more_in_cars_kwh == -10.0
    terms = Terms(0.0, 1.0, 0.0, StockPrices(refill_krw_per_kwh=200.0, heat_krw_per_kwh=50.0))
    assert terms.stock_krw(tally) == pytest.approx((25 - 10) * 200)
    assert terms.run_krw(tally) == pytest.approx((500 * 0.25 - 15) * 200)
    assert terms.without_krw(tally.without[0]) == pytest.approx((400 + 40) * 0.25 * 200)
    # Bought at the price at which it counts, nothing is saved and nothing lost.
    assert terms.run_krw(tally) == pytest.approx(terms.without_krw(tally.without[0]))


def test_what_cars_give_and_draw_again_with_its_losses_leaves_nothing_in_stock(
    district: District, quiet_slot: Telemetry
) -> None:
    """100 kWh given back take 100 / eta^2 to draw again: the losses are no stock."""
    groups, eta = len(district.chargers.id), district.chargers.eta
    given, drawn = np.zeros(groups), np.zeros(groups)
    given[0], drawn[0] = 400.0, 400.0 / eta**2
    gives = Tally(NOON).plus(district, replace(quiet_slot, cars_discharge_kw=given), PRICES)
    whole = gives.plus(district, replace(quiet_slot, cars_charge_kw=drawn), PRICES)
    assert gives.more_in_cars_kwh == pytest.approx(-100 / eta**2)
    assert whole.more_in_cars_kwh == pytest.approx(0.0)
    assert whole.cars_kwh == pytest.approx(100 / eta**2 - 100)


def test_heat_in_the_store_counts_at_what_the_boiler_would_burn(
    district: District, quiet_slot: Telemetry
) -> None:
    seen = replace(quiet_slot, e_heat_kwh=30.0, e_battery_kwh=np.zeros(len(district.batteries.id)))
    tally = Tally(NOON, begin=Stock(0.0, 10.0)).plus(district, seen, PRICES)
    terms = Terms(0.0, 1.0, 0.0, StockPrices(refill_krw_per_kwh=200.0, heat_krw_per_kwh=50.0))
    assert terms.stock_krw(tally) == pytest.approx(20 * 50)


def test_two_runs_after_each_other_are_one_run(district: District, quiet_slot: Telemetry) -> None:
    high = replace(quiet_slot, p_import_kw=900.0, e_heat_kwh=11.0)
    whole = Tally(NOON).plus(district, quiet_slot, PRICES).plus(district, high, PRICES)
    first = Tally(NOON).plus(district, quiet_slot, PRICES)
    later = Tally(NOON + SLOT_S, begin=first.end).plus(district, high, PRICES)
    assert first.then(later) == whole and whole.run.peak_kw == 900.0


def test_sums_that_were_stored_before_stocks_were_counted_can_still_be_read(
    district: District, quiet_slot: Telemetry
) -> None:
    old = Tally(NOON).plus(district, quiet_slot, PRICES).as_json()
    del old["begin"], old["end"]
    found = Tally.from_json(old)
    assert found.stored == Stock(0.0, 0.0) and found.import_kwh == 100.0
    again = found.plus(district, quiet_slot, PRICES)
    assert again.stored == Stock(0.0, 0.0) and again.begin == Stock.after(quiet_slot)
