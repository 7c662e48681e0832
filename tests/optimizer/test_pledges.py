"""Commitments to draw less, ranked shedding and the reserve, on paper: slots of a quarter hour."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer import DrEvent, Planner, Reserve, ShedRank, check_plan, check_problem, rules_plan

# Series come from a linear program solved to about 1e-7; money is sums of them times prices.
KW, WON = 1e-4, 0.01


def evening(active: list[bool], **changes: Any) -> DrEvent:
    """10 kW less than 40, at 500 won for what is missing and 60 for what is kept."""
    plain = DrEvent(
        id="evening",
        active=np.array(active),
        baseline_kw=np.full(len(active), 40.0),
        committed_kw=10.0,
        penalty_krw_per_kwh=500.0,
        reward_krw_per_kwh=60.0,
    )
    return replace(plain, **changes)


def test_battery_keeps_a_commitment_although_its_energy_is_dearer(toys: Any, solved: Any) -> None:
    # Its kWh is worth 150 at the end and saves 100; in the event a missing one costs 560 more.
    plan = solved(
        toys.problem(
            2,
            load_kw=40.0,
            batteries=toys.batteries(e_start_kwh=10.0, end_value_krw_per_kwh=150.0),
            dr_events=(evening([False, True]),),
        )
    )
    assert plan.p_import_kw == pytest.approx([40.0, 30.0], abs=KW)
    assert plan.cost_krw.demand_response == pytest.approx(-2.5 * 60, abs=WON)
    assert plan.cost_krw.total == pytest.approx(1000 + 750 - 150 - 7.5 * 150, abs=WON)
    (limit,) = plan.certificate.binding
    assert (limit.limit, limit.slot_index) == ("evening", 1)
    assert limit.shadow_krw_per_kwh == pytest.approx(50.0)
    told = {(r.asset, r.slot_index): r.text for r in plan.reasons}
    assert "and 50 for what is committed" in told["connection", 1]


def test_commitment_is_missed_where_that_is_cheaper(toys: Any, solved: Any) -> None:
    # A missing kWh costs 20 and the reward of 20; to give it would lose 50.
    event = evening([False, True], penalty_krw_per_kwh=20.0, reward_krw_per_kwh=20.0)
    batteries = toys.batteries(e_start_kwh=10.0, end_value_krw_per_kwh=150.0)
    plan = solved(toys.problem(2, load_kw=40.0, batteries=batteries, dr_events=(event,)))
    assert plan.dr_short_kw == pytest.approx(np.array([[0.0], [10.0]]), abs=KW)
    assert plan.cost_krw.demand_response == pytest.approx(2.5 * 20, abs=WON)
    assert plan.certificate.slack_kw == pytest.approx({"evening": 10.0}, abs=KW)


def test_draw_beyond_the_baseline_is_missing_too(toys: Any, solved: Any) -> None:
    plan = solved(toys.problem(1, load_kw=55.0, dr_events=(evening([True]),)))
    # 40 - 55 = -15 delivered of 10: 25 kW are missing, more than what was committed.
    assert plan.dr_short_kw == pytest.approx(np.array([[25.0]]), abs=KW)
    assert plan.cost_krw.demand_response == pytest.approx(0.25 * (25 * 500 + 15 * 60), abs=WON)


def test_export_counts_as_negative_consumption(toys: Any, solved: Any) -> None:
    event = evening([True], baseline_kw=np.zeros(1))
    plan = solved(toys.problem(1, pv_kw=12.0, curtail_krw_per_kwh=0.0, dr_events=(event,)))
    assert plan.p_export_kw[0] >= 10.0 - KW
    assert plan.dr_short_kw == pytest.approx(np.array([[0.0]]), abs=KW)


def test_two_events_of_one_slot_are_kept_side_by_side(toys: Any, solved: Any) -> None:
    # The stricter one decides; both pay.
    strict = evening([True], id="strict", committed_kw=16.0, reward_krw_per_kwh=10.0)
    batteries = toys.batteries(e_start_kwh=10.0, end_value_krw_per_kwh=150.0)
    problem = toys.problem(1, load_kw=40.0, batteries=batteries)
    plan = solved(replace(problem, dr_events=(evening([True]), strict)))
    assert plan.p_import_kw == pytest.approx([24.0], abs=KW)
    assert plan.cost_krw.demand_response == pytest.approx(-0.25 * (600 + 160), abs=WON)


RANKS = (
    ShedRank("homes", 3000.0, np.array([0.0, 0.5])),
    ShedRank("signs", 100.0, np.array([0.5, 0.0])),
    ShedRank("shops", 1000.0, np.array([0.25, 0.25])),
)


def test_island_sheds_the_lowest_rank_first(toys: Any, solved: Any) -> None:
    # 60 kW of load, 27 of sun: 33 must go. Signs hold 20, shops 15, homes are spared.
    plan = solved(
        toys.problem(
            1,
            areas=2,
            load_kw=[[40.0, 20.0]],
            pv_kw=[[27.0, 0.0]],
            connection=toys.connection(1, p_import_kw_max=0.0, p_export_kw_max=0.0),
            shed_ranks=RANKS,
        )
    )
    assert plan.shed_by_rank_kw == pytest.approx(np.array([[0.0, 20.0, 13.0]]), abs=KW)
    assert plan.shed_kw == pytest.approx([33.0], abs=KW)
    assert plan.cost_krw.shedding == pytest.approx(0.25 * (20 * 100 + 13 * 1000), abs=WON)
    # Of the shops' 15 kW two thirds stand in area 0.
    net = [40 - 27 - 20 - 13 * 10 / 15, 20 - 13 * 5 / 15]
    assert plan.area_net_kw == pytest.approx(np.array([net]), abs=KW)
    assert plan.marginal_krw_per_kwh == pytest.approx([1000.0])
    assert {r.asset for r in plan.reasons if r.action == "shed"} == {"signs", "shops"}


def test_load_in_no_rank_is_never_shed(toys: Any, planner: Planner) -> None:
    # Ranks hold 45 of 60 kW; with 5 of sun 10 are missing, and that is said.
    problem = toys.problem(
        1,
        areas=2,
        load_kw=[[40.0, 20.0]],
        pv_kw=[[5.0, 0.0]],
        connection=toys.connection(1, p_import_kw_max=0.0, p_export_kw_max=0.0),
        shed_ranks=RANKS,
    )
    plan = planner.plan(problem)
    assert plan.tier == "T1"
    assert plan.shed_kw == pytest.approx([45.0], abs=KW)
    assert "import (kW), slot 0: 10.000 beyond its limit" in plan.certificate.reason


def test_ranks_may_differ_by_slot(toys: Any, solved: Any) -> None:
    share = np.array([[0.5], [0.1]])
    plan = solved(
        toys.problem(
            2,
            load_kw=100.0,
            connection=toys.connection(2, p_import_kw_max=80.0),
            shed_ranks=(ShedRank("signs", 100.0, share), ShedRank("rest", 900.0, 1 - share)),
        )
    )
    assert plan.shed_by_rank_kw == pytest.approx(np.array([[20.0, 0.0], [10.0, 10.0]]), abs=KW)


def test_cut_is_relieved_by_the_cheapest_rank_behind_it(toys: Any, solved: Any) -> None:
    # Area 1 may draw 12 of its 20 kW. Two kW of signs and one of shops in three stand elsewhere.
    plan = solved(
        toys.problem(
            1, areas=2, load_kw=[[40.0, 20.0]], cuts=(toys.cut(0, [0.0, 1.0], 12.0),),
            shed_ranks=RANKS,
        )
    )  # fmt: skip
    # A kW less there costs 3 x 1000 won of shops, as much of homes; signs help nothing.
    assert plan.shed_by_rank_kw[0, 1] == pytest.approx(0.0, abs=KW)
    assert plan.area_net_kw[0, 1] == pytest.approx(12.0, abs=KW)


def spinning(toys: Any, start_cost_krw: float, **changes: Any) -> Any:
    """An island of 80 kW on one of two units of 100 kW; 50 kW of reserve at 100 won a kWh."""
    unit = toys.unit(
        1, available=np.array([2]), on_now=1, p_now_kw=80.0, start_cost_krw=start_cost_krw
    )
    return toys.problem(
        1,
        load_kw=80.0,
        units=(replace(unit, **changes),),
        connection=toys.connection(1, p_import_kw_max=0.0, p_export_kw_max=0.0),
        reserve=Reserve(np.array([50.0]), sustain_h=0.25, price_krw_per_kwh=100.0),
    )


def test_reserve_starts_a_second_unit_where_it_is_worth_it(toys: Any, solved: Any) -> None:
    # One unit leaves 20 kW of room: 30 missing for a quarter hour cost 750 won.
    plan = solved(spinning(toys, start_cost_krw=700.0))
    assert plan.unit_on.tolist() == [[2]]
    assert (plan.reserve_short_kw[0], plan.cost_krw.unit_starts) == pytest.approx((0.0, 700.0))
    plan = solved(spinning(toys, start_cost_krw=800.0))
    assert plan.unit_on.tolist() == [[1]]
    assert plan.cost_krw.reserve_shortfall == pytest.approx(750.0, abs=WON)
    assert plan.certificate.slack_kw == pytest.approx({"reserve": 30.0}, abs=KW)
    assert "a kW of reserve is worth 100" in plan.reasons[-1].text


def test_slow_units_give_only_what_they_can_ramp(toys: Any, solved: Any) -> None:
    # At 80 kW each has room for more, but not within the slot: 2 x 12 of 50 kW.
    problem = spinning(toys, start_cost_krw=0.0, ramp_kw_per_slot=12.0, on_now=2, p_now_kw=80.0)
    plan = solved(problem)
    assert plan.unit_on.tolist() == [[2]]
    assert plan.reserve_short_kw == pytest.approx([26.0], abs=KW)


def test_battery_counts_with_what_its_energy_keeps_up(toys: Any, solved: Any) -> None:
    # Slot 0 is dear. In slot 1 the connection leaves 10 + d1 and the battery, for an hour, what it
    # holds, 10 - (d0 + d1) / 4: that 15 are at hand asks for d0 <= 20 + 3 d1, so d0 = 35, d1 = 5.
    plan = solved(
        toys.problem(
            2,
            load_kw=90.0,
            batteries=toys.batteries(e_start_kwh=10.0),
            connection=toys.connection(
                2, p_import_kw_max=100.0, price_buy_krw_per_kwh=[300.0, 100.0]
            ),
            reserve=Reserve(np.array([0.0, 15.0]), sustain_h=1.0, price_krw_per_kwh=5000.0),
        )
    )
    assert plan.battery_discharge_kw.ravel() == pytest.approx([35.0, 5.0], abs=KW)
    assert plan.reserve_short_kw == pytest.approx([0.0, 0.0], abs=KW)
    assert {limit.limit for limit in plan.certificate.binding} == {"reserve"}


def test_battery_holds_back_what_the_reserve_needs_of_it(toys: Any, solved: Any) -> None:
    # An island: each kW that the battery gives spares the unit fuel, and costs half a kWh. At hand
    # are the unit's 40 + d and the battery's (8 - d / 2) x 0.5 / 0.05: 64 of 120 - 4 d, so d = 14.
    problem = toys.problem(
        1,
        load_kw=60.0,
        units=(toys.unit(1, on_now=1, p_now_kw=60.0),),
        batteries=toys.batteries(e_start_kwh=10.0, e_kwh_min=2.0, eta_discharge=0.5),
        connection=toys.connection(1, p_import_kw_max=0.0, p_export_kw_max=0.0),
        reserve=Reserve(np.array([64.0]), sustain_h=0.05, price_krw_per_kwh=5000.0),
    )
    plan = solved(problem)
    assert plan.battery_discharge_kw.ravel() == pytest.approx([14.0], abs=KW)
    assert plan.unit_p_kw.ravel() == pytest.approx([46.0], abs=KW)
    # A kW of reserve is worth 25 won an hour: with the fuel's 100 it pays for four kW of room lost.
    (battery,) = (r for r in plan.reasons if r.asset == "battery 0")
    assert (battery.now_krw_per_kwh, battery.against_krw_per_kwh) == pytest.approx((125, 125))


def test_sun_that_is_held_back_is_at_hand(toys: Any, solved: Any) -> None:
    # An island at noon: 30 of 50 kW are used, so that 20 of the 35 wanted stand by for nothing.
    plan = solved(
        toys.problem(
            1,
            load_kw=30.0,
            pv_kw=50.0,
            connection=toys.connection(1, p_import_kw_max=0.0, p_export_kw_max=0.0),
            reserve=Reserve(np.array([35.0]), sustain_h=0.25, price_krw_per_kwh=100.0),
        )
    )
    assert plan.reserve_short_kw == pytest.approx([15.0], abs=KW)


def everything(toys: Any, seed: int) -> Any:
    """A random problem with commitments, ranks and a reserve, in part out of reach."""
    rng = np.random.default_rng(seed)
    problem = toys.random(seed)
    slots, areas = problem.slots, problem.areas
    low = rng.uniform(0, 0.5, (slots, areas))
    return replace(
        problem,
        connection=replace(problem.connection, p_import_kw_max=np.full(slots, 60.0)),
        shed_ranks=(
            ShedRank("low", rng.uniform(200, 400), low),
            ShedRank("high", 3000.0, rng.uniform(0, 0.5, areas)),
        ),
        dr_events=(
            evening((rng.random(slots) < 0.5).tolist(), committed_kw=rng.uniform(0, 90)),
            evening((rng.random(slots) < 0.3).tolist(), id="other", reward_krw_per_kwh=0.0),
        ),
        reserve=Reserve(rng.uniform(100, 700, slots), 0.5, rng.uniform(20, 500)),
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_plan_with_pledges_passes_its_check(toys: Any, planner: Planner, seed: int) -> None:
    problem = everything(toys, seed)
    assert check_problem(problem) == []
    plan = planner.plan(problem)
    assert (plan.tier, plan.certificate.broken) == ("T0", ()), plan.certificate
    assert check_plan(problem, plan) == []
    assert plan.reserve_short_kw.max() > 0 or plan.dr_short_kw.max() > 0


PLANTED = {
    "a shortfall that is not told": ("dr_short_kw", (slice(None), 0), 3.0, "commitment"),
    "reserve made up": ("reserve_short_kw", 2, -0.5, "reserve"),
    "shed more than the rank has": ("shed_by_rank_kw", (2, 0), 1e4, "shedding"),
    "shed without a rank": ("shed_kw", 2, 1.0, "shedding"),
}


@pytest.mark.parametrize("damage", PLANTED)
def test_planted_error_is_found(toys: Any, planner: Planner, damage: str) -> None:
    problem = everything(toys, 1)
    plan = planner.plan(problem)
    plan = replace(plan, reserve_short_kw=plan.reserve_short_kw + 0.0)
    name, place, by, law = PLANTED[damage]
    series = getattr(plan, name).copy()
    series[place] = np.abs(series[place] + by)
    findings = check_plan(problem, replace(plan, **{name: series}))
    assert law in {finding.law for finding in findings}, findings


def test_false_price_of_a_shortfall_is_found(toys: Any, planner: Planner) -> None:
    problem = everything(toys, 1)
    plan = planner.plan(problem)
    cost = replace(plan.cost_krw, demand_response=plan.cost_krw.demand_response - 500.0)
    assert [f.law for f in check_plan(problem, replace(plan, cost_krw=cost))] == ["cost"]


def test_rules_keep_commitments_with_stores_and_shed_by_rank(toys: Any) -> None:
    problem = toys.problem(
        2,
        areas=2,
        load_kw=[[40.0, 20.0], [40.0, 20.0]],
        batteries=toys.batteries(e_start_kwh=10.0, p_discharge_kw_max=15.0),
        connection=toys.connection(2, p_import_kw_max=[60.0, 30.0]),
        dr_events=(evening([True, False], baseline_kw=np.full(2, 60.0)),),
        shed_ranks=RANKS,
    )
    plan = rules_plan(problem)
    assert check_plan(problem, plan) == []
    assert plan.p_import_kw == pytest.approx([45.0, 30.0], abs=KW)
    assert plan.shed_by_rank_kw == pytest.approx(np.array([[0, 0, 0], [0, 15.0, 0.0]]), abs=KW)


@pytest.mark.parametrize(
    ("field", "wrong", "text"),
    [
        (
            "shed_ranks",
            (ShedRank("a", 1.0, np.full(3, 0.8)), ShedRank("b", 1.0, np.full(3, 0.8))),
            "sum of the ranks' shares[0]: 1.6",
        ),
        ("shed_ranks", (ShedRank("a", 1.0, np.ones(2)),), "ShedRank.share: shape (2,)"),
        ("dr_events", (evening([True] * 8, committed_kw=-1.0),), "event evening.committed_kw: -1"),
        ("dr_events", (evening([True] * 8), evening([True] * 8)), "event evening: 2 of this name"),
        ("dr_events", (evening([True] * 7),), "DrEvent.active: shape (7,), allowed: (8,)"),
        ("reserve", Reserve(np.full(8, np.nan), 1.0, 1.0), "reserve.wanted_kw[0]: nan"),
        ("reserve", Reserve(np.zeros(8), 0.0, 1.0), "reserve.sustain_h: 0, allowed: 0.01..24"),
    ],
)
def test_odd_pledges_are_named(toys: Any, field: str, wrong: Any, text: str) -> None:
    found = [str(each) for each in check_problem(replace(toys.random(1), **{field: wrong}))]
    assert any(each.startswith(text) for each in found), found
