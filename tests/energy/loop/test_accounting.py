"""What a slot cost, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from energy.district import District, load_district
from energy.plant import Plant, Telemetry
from energy.steps.accounting import (
    DemandTerms,
    SlotPrices,
    Tally,
    Variant,
    cheapest_without,
    cost_as_run,
    cost_without,
)
from energy.timegrid import parse_instant

NOON = parse_instant("2026-07-15T12:00", "Asia/Seoul")
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
    terms = DemandTerms(charge_krw_per_kw=3000.0, month_share=1 / 30, peak_incurred_kw=100.0)
    assert terms.total_krw(Variant(cost_krw=5.0, peak_kw=80.0)) == pytest.approx(5 + 100 * 100)
    assert terms.total_krw(Variant(cost_krw=5.0, peak_kw=400.0)) == pytest.approx(5 + 400 * 100)


def test_the_cheapest_way_without_a_plan_is_the_one_compared_with() -> None:
    terms = DemandTerms(0.0, 1.0, 0.0)
    variants = (Variant(3.0), Variant(1.0), Variant(2.0))
    assert cheapest_without(Tally(0, without=variants), terms) == variants[1]


def test_sums_come_back_from_the_store_as_they_were(
    district: District, quiet_slot: Telemetry
) -> None:
    tally = Tally(NOON).plus(district, quiet_slot, PRICES)
    assert Tally.from_json(tally.as_json()) == tally
    assert tally.self_sufficiency_frac == 0.0
    assert tally.import_kwh == 100.0
