"""Zones: room that two of them share, and what a kWh more of each loses."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from grid_models import (
    NO_AREA,
    BusShare,
    GridError,
    Network,
    PowerFlow,
    StreetPlan,
    base_case,
    build_sensitivities,
    build_street_plan,
    shared_headroom,
    zone_headroom,
    zone_loss_factors,
    zone_weights,
)
from grid_models.draft import Cable, Draft

TRUNK = Cable(r_ohm_per_km=0.1, x_ohm_per_km=0.05, c_nf_per_km=0.0, i_a_max=200.0)
LEG = Cable(r_ohm_per_km=0.1, x_ohm_per_km=0.05, c_nf_per_km=0.0, i_a_max=150.0)
BAND = (0.9, 1.1)


def forked(trunk: Cable = TRUNK) -> Network:
    """A 0.4 kV source, 50 m of trunk, and behind it a leg of 50 m to each of two zones."""
    draft = Draft()
    draft.add_bus(("source", 0.4, 0.0, 0.0, NO_AREA, "lv_busbar", *BAND))
    draft.add_bus(("fork", 0.4, 50.0, 0.0, NO_AREA, "lv", *BAND))
    draft.add_line("trunk", (0, 1), trunk, length_m=50)
    for area in range(2):
        end = draft.add_bus((f"end{area + 1}", 0.4, 100.0, 50.0 * area, area, "lv", *BAND))
        draft.add_line(f"leg{area + 1}", (1, end), LEG, length_m=50)
        draft.areas.append((f"A{area + 1}", area, end, -1))
    return draft.network("forked", ("Z1", "Z2"), slack_bus=0, slack_v_pu=1.0)


@pytest.fixture(scope="module")
def ringed() -> Network:
    """Two feeders, each a zone, behind one substation."""
    return build_street_plan(StreetPlan(fraction=0.3))


def test_two_zones_behind_one_trunk_share_its_current() -> None:
    power_flow, idle = PowerFlow(forked()), np.zeros(4)
    headroom = zone_headroom(power_flow, idle, idle)
    assert [room.element for room in headroom.draw] == ["leg1", "leg2"]
    (pair,) = shared_headroom(power_flow, (idle, idle), headroom).draw
    assert (pair.one, pair.other, pair.room.element) == (0, 1, "trunk")
    # 200 A in the trunk against 150 A in each leg, at a voltage that the trunk's drop lowers:
    # each leg has a hundred amperes, so two thirds of its own, less what the drop takes.
    v_fork = 400 / sqrt(3) - 200 * abs(0.005 + 0.0025j)
    v_end = v_fork - 100 * abs(0.005 + 0.0025j)
    assert pair.room.step_kw == pytest.approx(3 * 200 * v_end / 1000, rel=0.01)
    own_kw = sum(room.step_kw for room in headroom.draw)
    assert pair.frac == pytest.approx(pair.room.step_kw / own_kw)
    assert 0.62 < pair.frac < 2 / 3


def test_zones_share_nothing_where_the_trunk_carries_both() -> None:
    power_flow, idle = PowerFlow(forked(replace(TRUNK, i_a_max=400.0))), np.zeros(4)
    headroom = zone_headroom(power_flow, idle, idle)
    found = shared_headroom(power_flow, (idle, idle), headroom)
    # Both legs full draw the fork's voltage down, so that each is full a little earlier.
    assert all(pair.room.element != "trunk" and pair.frac > 0.95 for pair in found.draw)
    assert all(pair.room.element != "trunk" for pair in found.feed)


def test_a_zone_whose_room_is_used_up_is_in_no_pair() -> None:
    power_flow, idle = PowerFlow(forked()), np.zeros(4)
    p_kw = np.array([0.0, 0.0, 140.0, 0.0])
    headroom = zone_headroom(power_flow, p_kw, idle)
    assert headroom.draw[0].step_kw == pytest.approx(0, abs=0.01)
    assert shared_headroom(power_flow, (p_kw, idle), headroom).draw == ()


@pytest.mark.parametrize("mix", [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.8, 0.2), (0.2, 0.8)])
@pytest.mark.parametrize("way", ["draw", "feed"])
def test_mixtures_of_the_corners_keep_every_limit(mix: tuple[float, float], way: str) -> None:
    network, idle = forked(), np.zeros(4)
    power_flow = PowerFlow(network)
    headroom = zone_headroom(power_flow, idle, idle)
    (pair,) = getattr(shared_headroom(power_flow, (idle, idle), headroom), way)
    own = np.array([room.step_kw for room in getattr(headroom, way)])
    corners = [own * np.array([1, 0]), own * np.array([0, 1])]
    sign = 1.0 if way == "draw" else -1.0
    for corner in corners:
        each_kw = mix[0] * corner + mix[1] * pair.frac * own
        flow = power_flow.run(sign * np.array([0.0, 0.0, *each_kw]), idle)
        # A secant of a curve that bends: half a per cent is what the mixture may be off.
        assert flow.line_loading_frac.max() < 1.005


def test_loss_factors_are_the_differences_of_the_ac_solution(ringed: Network) -> None:
    p_kw, q_kvar = base_case(ringed)
    power_flow = PowerFlow(ringed)
    factors = zone_loss_factors(ringed, power_flow.run(p_kw, q_kvar))
    assert factors.shape == (2,)
    for zone, weights in enumerate(zone_weights(ringed).T):
        more = np.zeros_like(p_kw)
        more[ringed.areas.bus] = 5.0 * weights
        up, down = power_flow.run(p_kw + more, q_kvar), power_flow.run(p_kw - more, q_kvar)
        numeric = (up.p_loss_kw - down.p_loss_kw) / 10
        assert factors[zone] == pytest.approx(numeric, rel=1e-4)


def test_loss_factors_are_those_of_the_full_sensitivities(ringed: Network) -> None:
    flow = PowerFlow(ringed).run(*base_case(ringed))
    share = BusShare(np.array([int(ringed.areas.bus[0]) + 1]), np.array([0]), np.ones(1))
    whole = build_sensitivities(ringed, flow, share).loss_per_kw @ zone_weights(ringed)
    assert zone_loss_factors(ringed, flow, share) == pytest.approx(whole, abs=1e-12)


def test_a_cable_s_marginal_loss_is_twice_its_mean_loss_over_resistance_alone() -> None:
    # Loss is R (P / U)^2 at unity power factor and hardly any drop: its slope is 2 R P / U^2.
    stiff = forked(replace(TRUNK, r_ohm_per_km=0.01, x_ohm_per_km=0.0))
    flow = PowerFlow(stiff).run(np.array([0.0, 0.0, 10.0, 0.0]), np.zeros(4))
    factors = zone_loss_factors(stiff, flow)
    assert factors[0] == pytest.approx(2 * flow.p_loss_kw / 10.0, rel=0.03)
    assert 0 < factors[1] < 0.2 * factors[0]


def test_feeding_a_zone_that_feeds_already_loses_more(ringed: Network) -> None:
    p_kw, q_kvar = base_case(ringed)
    drawing = zone_loss_factors(ringed, PowerFlow(ringed).run(p_kw, q_kvar))
    feeding = zone_loss_factors(ringed, PowerFlow(ringed).run(-p_kw, 0 * q_kvar))
    assert (drawing > 0).all() and (feeding < 0).all()


def test_without_a_flow_there_are_no_loss_factors(two_streets: Network) -> None:
    flow = PowerFlow(two_streets).run(np.full(9, np.nan), np.zeros(9))
    with pytest.raises(GridError, match="no sensitivities without a flow"):
        zone_loss_factors(two_streets, flow)
