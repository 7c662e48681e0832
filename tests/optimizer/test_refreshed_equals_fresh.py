"""A program refreshed with a problem's numbers is the program built from that problem."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer import DrEvent, PlanProblem, Reserve, ShedRank
from optimizer.merge import EACH, Fineness, merge
from optimizer.refresh import numbers_of
from optimizer.standard_form import StandardForm, compile_form, structure_of

# Both add the same few numbers in another order; nothing else may differ.
RELATIVE = 1e-12


def assert_same(form: StandardForm, problem: PlanProblem, *, elastic: bool) -> None:
    fresh, numbers = compile_form(problem, elastic=elastic), numbers_of(problem, form)
    matrix = form.matrix.copy()
    matrix[form.layout.loose_rows, form.layout.loose_columns] = numbers.loose
    assert abs(matrix - fresh.matrix).max() <= RELATIVE * abs(fresh.matrix).max()
    for name in numbers.__dataclass_fields__:
        ours, theirs = getattr(numbers, name), getattr(fresh.numbers, name)
        np.testing.assert_allclose(ours, theirs, rtol=RELATIVE, atol=1e-9, err_msg=name)
    for name, places in fresh.layout.columns.items():
        np.testing.assert_array_equal(places, form.layout.columns[name], err_msg=name)


def with_ramps_and_biogas(problem: PlanProblem) -> PlanProblem:
    slots = problem.slots
    biogas = replace(
        problem.units[0],
        id="biogas",
        ramp_kw_per_slot=15.0,
        fuel_kwh_start=60.0,
        fuel_kwh_max=90.0,
        fuel_inflow_kw=np.linspace(60, 90, slots),
        on_now=1,
        p_now_kw=45.0,
        recent_stops=(0, 1),
    )
    return replace(problem, units=(*problem.units, biogas))


def with_pledges(problem: PlanProblem, seed: int) -> PlanProblem:
    """The problem with two events, two ranks and a reserve, all other numbers for each seed."""
    rng = np.random.default_rng(seed)
    slots, areas = problem.slots, problem.areas

    def event(name: str) -> DrEvent:
        return DrEvent(
            id=name,
            active=rng.random(slots) < 0.5,
            baseline_kw=rng.uniform(0, 200, slots),
            committed_kw=rng.uniform(0, 50),
            penalty_krw_per_kwh=rng.uniform(0, 500),
            reward_krw_per_kwh=rng.uniform(0, 500),
        )

    return replace(
        problem,
        shed_ranks=(
            ShedRank("low", rng.uniform(0, 500), rng.uniform(0, 0.5, areas)),
            ShedRank("high", 3000.0, rng.uniform(0, 0.5, (slots, areas))),
        ),
        dr_events=(event("first"), event("second")),
        reserve=Reserve(rng.uniform(0, 99, slots), 0.5, rng.uniform(0, 500)),
    )


@pytest.mark.parametrize("elastic", [False, True])
def test_pledges_are_numbers_and_their_count_is_structure(toys: Any, elastic: bool) -> None:
    base = with_ramps_and_biogas(toys.random(1))
    first = with_pledges(base, 1)
    form = compile_form(first, elastic=elastic)
    for seed in range(2, 6):
        problem = with_pledges(base, seed)
        assert structure_of(problem, elastic=elastic) == form.fingerprint
        assert_same(form, problem, elastic=elastic)
    for changed in (
        replace(first, dr_events=first.dr_events[:1]),
        replace(first, shed_ranks=()),
        replace(first, reserve=None),
        replace(first, reserve=replace(first.reserve, sustain_h=1.0)),
    ):
        assert structure_of(changed, elastic=elastic) != form.fingerprint
        assert_same(compile_form(changed, elastic=elastic), changed, elastic=elastic)


def test_directions_of_stores_are_refreshed_too(toys: Any) -> None:
    first = replace(toys.random(2), one_way=True)
    form = compile_form(first)
    problem = replace(first, load_kw=first.load_kw * 1.1, pv_kw=first.pv_kw * 0.5)
    assert structure_of(problem) == form.fingerprint != structure_of(toys.random(2))
    assert_same(form, problem, elastic=False)
    faster = replace(first, fleets=replace(first.fleets, p_charge_kw_max=np.full((2, 8), 9.0)))
    assert structure_of(faster) != form.fingerprint
    assert_same(compile_form(faster), faster, elastic=False)


CUT_AT = 2  # whose load stays, for the share of it that shedding relieves stands in the matrix


def day_slot(toys: Any, slot: int) -> PlanProblem:
    """A day that passes slot by slot: forecasts, states, clocks and prices all move.

    From slot 40 on there is a cut, from 60 on no unit of the second kind, from 80 on no event.
    """
    rng = np.random.default_rng(slot)
    base = with_pledges(with_ramps_and_biogas(toys.random(1)), slot)
    batteries, connection = base.batteries, base.connection
    load = base.load_kw * rng.uniform(0.9, 1.1, base.load_kw.shape)
    load[CUT_AT] = base.load_kw[CUT_AT]
    ranks = with_pledges(base, 1).shed_ranks
    on = slot % 3
    units = tuple(
        replace(unit, on_now=min(on, 2), p_now_kw=50.0 * min(on, 2), recent_starts=(slot % 2, 0))
        for unit in base.units
    )
    return replace(
        base,
        first_slot=900 * slot,
        load_kw=load,
        pv_kw=base.pv_kw * rng.uniform(0, 1, base.pv_kw.shape),
        batteries=replace(
            batteries, e_start_kwh=batteries.e_kwh_max * rng.uniform(0, 1, len(batteries.id))
        ),
        units=units if slot < 60 else units[:1],
        heat=replace(base.heat, e_start_kwh=rng.uniform(0, 60), cop=rng.uniform(2, 4, base.slots)),
        connection=replace(
            connection,
            price_buy_krw_per_kwh=np.roll(connection.price_buy_krw_per_kwh, -slot),
            price_sell_krw_per_kwh=np.roll(connection.price_buy_krw_per_kwh, -slot) * 1.1,
            p_import_kw_max=np.full(base.slots, rng.uniform(50, 200)),
            p_peak_incurred_kw=rng.uniform(0, 100),
        ),
        cuts=() if slot < 40 else (toys.cut(CUT_AT, [1.0, 0.0, 0.0], rng.uniform(-9, 9)),),
        shed_ranks=tuple(replace(rank, price_krw_per_kwh=rng.uniform(1, 999)) for rank in ranks),
        dr_events=base.dr_events if slot < 80 else (),
    )


def test_a_day_of_refreshed_slots_equals_fresh_ones_while_assets_come_and_go(toys: Any) -> None:
    forms: dict[str, StandardForm] = {}
    for slot in range(96):
        problem = day_slot(toys, slot)
        key = structure_of(problem)
        if key in forms:
            assert_same(forms[key], problem, elastic=False)
        forms.setdefault(key, compile_form(problem))
    assert len(forms) == 4


@pytest.mark.parametrize("elastic", [False, True])
def test_every_array_agrees_over_new_numbers(toys: Any, elastic: bool) -> None:
    first = with_ramps_and_biogas(toys.random(1))
    form = compile_form(first, elastic=elastic)
    for seed in range(2, 8):
        # The same assets on another day: numbers of the matrix are the first problem's.
        other = toys.random(seed)
        problem = with_ramps_and_biogas(
            replace(
                other,
                batteries=replace(
                    first.batteries,
                    e_start_kwh=first.batteries.e_kwh_max * seed / 10,
                    end_value_krw_per_kwh=first.batteries.end_value_krw_per_kwh + seed,
                ),
                units=tuple(
                    replace(
                        unit, on_now=seed % 3, p_now_kw=40.0 * (seed % 3), recent_starts=(seed % 2,)
                    )
                    for unit in first.units[:1]
                ),
            )
        )
        assert structure_of(problem, elastic=elastic) == form.fingerprint
        assert_same(form, problem, elastic=elastic)


def test_assets_that_come_and_go_change_the_structure_and_nothing_else(toys: Any) -> None:
    base = toys.random(3)
    cut = toys.cut(2, [1.0, 0.0, -0.5], 20.0)
    variants = {
        "as it was": base,
        "one battery more": replace(base, batteries=toys.batteries(len(base.batteries.id) + 1)),
        "no units": replace(base, units=()),
        "no heat": replace(base, heat=None),
        "no cars": replace(base, fleets=toys.fleets(0, base.slots)),
        "a cut": replace(base, cuts=(cut,)),
        "another limit of the cut": replace(base, cuts=(replace(cut, limit_kw=-5.0),)),
    }
    forms: dict[str, StandardForm] = {}
    for problem in variants.values():
        key = structure_of(problem)
        forms.setdefault(key, compile_form(problem))
        assert_same(forms[key], problem, elastic=False)
    assert len(forms) == len(variants) - 1  # a cut's limit is a number, not structure


def test_small_problems_are_refreshed_like_whole_ones(toys: Any) -> None:
    for fineness in (Fineness(1, 1), Fineness(EACH, EACH)):
        first, second = (merge(toys.random(seed), fineness).small for seed in (4, 4))
        load = second.load_kw * 1.03
        second = replace(second, load_kw=load, loss_kw=second.loss_kw * 2)
        assert_same(compile_form(first), second, elastic=False)
