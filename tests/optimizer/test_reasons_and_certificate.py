"""A plan says why: the comparison that decided each asset, and what it rests on."""

from typing import Any

import numpy as np
import pytest

from optimizer import Planner
from optimizer.certify import digest


def test_battery_says_what_a_kwh_is_worth_now_and_stored(toys: Any, solved: Any) -> None:
    plan = solved(
        toys.problem(
            2,
            load_kw=[10.0, 10.0],
            batteries=toys.batteries(eta_charge=0.9, wear_krw_per_kwh=10.0, p_charge_kw_max=8.0),
            connection=toys.connection(2, price_buy_krw_per_kwh=[100.0, 200.0]),
        )
    )
    told = {(r.asset, r.slot_index): r for r in plan.reasons}
    # Stored, a kWh drawn now becomes 0.9 kWh worth 200 - 10 won each.
    charging = told["battery 0", 0]
    assert charging.action == "charge"
    assert charging.now_krw_per_kwh == pytest.approx(100.0)
    assert charging.against_krw_per_kwh == pytest.approx(171.0)
    assert charging.text == "charging: 100 won now against 171 stored, after losses"
    assert told["battery 0", 1].action == "discharge"
    assert told["connection", 0].text.startswith("importing at 100 won")


def test_only_the_first_slots_and_real_assets_are_explained(toys: Any, planner: Planner) -> None:
    problem = toys.random(3, slots=12)
    plan = planner.plan(problem)
    assert {reason.slot_index for reason in plan.reasons} == set(range(8))
    known = {
        "connection", "solar", "load", "heat pump", "boiler",
        *problem.batteries.id, *problem.fleets.id, *(unit.id for unit in problem.units),
    }  # fmt: skip
    assert {reason.asset for reason in plan.reasons} <= known


def test_binding_import_limit_is_named_with_its_price(toys: Any, solved: Any) -> None:
    plan = solved(
        toys.problem(
            2,
            load_kw=[10.0, 50.0],
            batteries=toys.batteries(wear_krw_per_kwh=20.0),
            connection=toys.connection(2, p_import_kw_max=40.0),
        )
    )
    (limit,) = plan.certificate.binding
    assert (limit.limit, limit.slot_index) == ("import limit", 1)
    assert limit.shadow_krw_per_kwh == pytest.approx(20.0)


def test_certificate_carries_the_numbers_of_the_proof(toys: Any, planner: Planner) -> None:
    problem = toys.random(4)
    certificate = planner.plan(problem).certificate
    assert certificate.tier == "T0" and certificate.status == "optimal"
    assert certificate.bound_krw <= certificate.cost_krw + 0.01
    assert 0 <= certificate.gap_frac <= 1e-9
    assert certificate.seconds <= certificate.seconds_allowed == 60.0
    assert certificate.inputs == digest(problem) and len(certificate.structure) == 16
    assert "stores" in certificate.way


def test_any_number_changes_the_digest(toys: Any) -> None:
    first, second = toys.random(5), toys.random(5)
    assert digest(first) == digest(second)
    second.load_kw[0, 0] = np.nextafter(second.load_kw[0, 0], np.inf)
    assert digest(first) != digest(second)


def test_an_export_limit_far_away_is_not_said_to_bind_while_power_is_bought(
    toys: Any, solved: Any
) -> None:
    problem = toys.problem(
        2,
        load_kw=[10.0, 10.0],
        connection=toys.connection(
            2, price_buy_krw_per_kwh=[100.0, 100.0], price_sell_krw_per_kwh=[120.0, 120.0]
        ),
    )
    plan = solved(problem)
    assert plan.p_import_kw == pytest.approx([10.0, 10.0])
    assert "export limit" not in {limit.limit for limit in plan.certificate.binding}
