"""The street plan: believable sums, the same streets from the same seed, small ones whole."""

from dataclasses import fields, replace
from time import perf_counter

import numpy as np
import pytest

from grid_models import (
    GridError,
    Network,
    PowerFlow,
    StreetPlan,
    base_case,
    build_street_plan,
    check_flow,
    check_network,
)

FRACTIONS = (0.005, 0.01, 0.02, 0.05, 0.1)


@pytest.fixture(scope="module")
def whole() -> Network:
    return build_street_plan(StreetPlan())


def test_full_size_has_the_homes_areas_and_wires_of_the_brief(whole: Network) -> None:
    assert whole.connections.homes.sum() == 9_000
    assert len(whole.areas.id) == 144 and len(whole.zones) == 6
    assert 2_000 <= len(whole.buses.id) <= 10_000
    # Radial but for the open ties: one closed branch for every bus besides the slack.
    closed = int(whole.lines.closed.sum()) + len(whole.transformers.id)
    assert closed == len(whole.buses.id) - 1
    assert [name for name in whole.lines.id if name.startswith("TIE")] == [
        f"TIE-{feeder}-{feeder + 1}" for feeder in range(1, 6)
    ]


def test_the_evening_peak_stays_inside_all_limits_at_full_size(whole: Network) -> None:
    flow = PowerFlow(whole).run(*base_case(whole))
    assert check_network(whole) == []
    assert check_flow(whole, flow) == []
    assert 22_000 < flow.p_slack_kw < 28_000
    assert 0.5 < flow.transformer_loading_frac.max() < 0.9
    assert 0.01 < flow.p_loss_kw / flow.p_slack_kw < 0.04


def test_a_full_district_is_drawn_in_well_under_three_seconds() -> None:
    begin = perf_counter()
    network = build_street_plan(StreetPlan())
    PowerFlow(network)
    assert perf_counter() - begin < 3


def test_same_plan_and_seed_give_the_same_streets(whole: Network) -> None:
    again = build_street_plan(StreetPlan())
    for table in ("buses", "lines", "transformers", "areas", "connections"):
        for field in fields(getattr(whole, table)):
            one, other = (getattr(getattr(net, table), field.name) for net in (whole, again))
            assert np.array_equal(one, other), (table, field.name)


def test_another_seed_gives_other_streets() -> None:
    plan = StreetPlan(fraction=0.05)
    one, other = build_street_plan(plan), build_street_plan(replace(plan, seed=52))
    assert not np.array_equal(one.buses.x_m, other.buses.x_m)


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_a_small_district_has_every_kind_of_asset_and_keeps_its_limits(fraction: float) -> None:
    network = build_street_plan(StreetPlan(fraction=fraction))
    flow = PowerFlow(network).run(*base_case(network))
    uses = set(network.connections.use)
    assert check_network(network) == [] and check_flow(network, flow) == []
    assert len(network.areas.id) >= 2
    assert {"apartment", "detached", "fuel_cell", "battery", "biogas", "heat_pump"} <= uses
    assert {"office", "retail", "school", "public", "standard_charging", "canopy_pv"} <= uses
    assert network.connections.homes.sum() == pytest.approx(9_000 * fraction, abs=1)


def test_a_super_fast_hub_is_there_whole_or_not_at_all() -> None:
    small = build_street_plan(StreetPlan(fraction=0.05))
    larger = build_street_plan(StreetPlan(fraction=0.2))
    assert "super_fast_charging" not in small.connections.use
    row = larger.connections.use.index("super_fast_charging")
    assert larger.connections.p_kw[row] == 350 * larger.connections.count[row]


def test_a_twice_as_large_district_has_twice_the_homes_and_peak(whole: Network) -> None:
    double = build_street_plan(StreetPlan(fraction=2))
    flow = PowerFlow(double).run(*base_case(double))
    assert double.connections.homes.sum() == 18_000
    assert check_flow(double, flow) == []
    assert len(double.zones) == 12


def test_every_bus_stands_inside_the_district_and_on_the_map(whole: Network) -> None:
    plan = StreetPlan()
    assert (whole.buses.x_m >= 0).all() and (whole.buses.x_m <= plan.width_m).all()
    assert (whole.buses.y_m >= 0).all() and (whole.buses.y_m <= plan.height_m).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fraction": 0.0}, "fraction is 0.0, allowed is 0.001..100"),
        ({"areas": 1}, "found 1 areas on 6 feeders"),
        ({"detached_homes": 0}, "0 detached homes"),
        ({"lv_kv": 0.0}, "lv_kv is 0.0, allowed is a number above 0"),
        ({"mv_i_a_max": float("nan")}, "mv_i_a_max is nan"),
    ],
)
def test_what_is_no_district_is_refused_in_one_sentence(
    change: dict[str, float], sentence: str
) -> None:
    with pytest.raises(GridError, match=sentence.replace(".", r"\.")):
        build_street_plan(replace(StreetPlan(), **change))  # type: ignore[arg-type]
