"""What cannot be calculated is a labelled result or one clear error, never a number or a crash."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from grid_models import (
    BatchFlow,
    CutMaker,
    GridError,
    IslandCase,
    Network,
    PowerFlow,
    ShedBlock,
    base_case,
    check_contingencies,
    check_flow,
    draw_capacity,
    feed_capacity,
    island,
    shared_headroom,
    zone_headroom,
)
from grid_models.part import taken

LOST = "no voltages balance these injections"


def opened(network: Network, *names: str) -> Network:
    """The network with some lines open."""
    lines = network.lines
    closed = lines.closed & ~np.isin(lines.id, names)
    return replace(network, lines=replace(lines, closed=closed))


@pytest.fixture
def drawn(two_streets: Network) -> tuple[np.ndarray, np.ndarray]:
    """Twenty kilowatts at every second bus of a street."""
    p_kw = np.zeros(len(two_streets.buses.id))
    p_kw[[3, 7]] = 20.0
    return p_kw, 0.2 * p_kw


def test_ten_times_the_load_is_named_element_by_element(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    flow = PowerFlow(district).run(10 * p_kw, 10 * q_kvar)
    broken = check_flow(district, flow)
    assert flow.converged == (broken[0].kind != "not_converged")
    assert broken[0].found > 2 if flow.converged else flow.reason == LOST
    batch = BatchFlow(district).run(10 * p_kw[np.newaxis], 10 * q_kvar[np.newaxis])
    assert batch.converged.tolist() == [flow.converged]


def test_a_batch_refuses_a_split_network_and_names_the_first_dark_bus(
    two_streets: Network,
) -> None:
    with pytest.raises(GridError, match="batch: 4 buses without supply, the first is mv2"):
        BatchFlow(opened(two_streets, "F2"))
    with pytest.raises(GridError, match="batch: 1 buses without supply, the first is far1"):
        BatchFlow(opened(two_streets, "L1-2"))


def test_an_envelope_leaves_lost_scenarios_out_and_counts_them(
    two_streets: Network, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    p_kw, q_kvar = (np.tile(each, (5, 1)) for each in drawn)
    clean = BatchFlow(two_streets).envelope([(p_kw[:1], q_kvar[:1])])
    p_kw[1, 3] = np.nan
    q_kvar[2, 4] = np.inf
    p_kw[3] *= 1000
    found = BatchFlow(two_streets).envelope([(p_kw[:2], q_kvar[:2]), (p_kw[2:], q_kvar[2:])])
    assert (found.scenarios, found.failed.tolist()) == (5, [1, 2, 3])
    assert np.allclose(found.v_min_pu, clean.v_min_pu)
    assert found.p_loss_kw_mean == pytest.approx(clean.p_loss_kw_mean)
    lost = BatchFlow(two_streets).envelope([(p_kw[1:4], q_kvar[1:4])])
    assert len(lost.failed) == 3 and np.isnan(lost.p_loss_kw_mean)
    assert (lost.line_worst == -1).all() and (lost.line_over == 0).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: np.where(np.arange(len(p)) == 3, np.nan, p), "bus near1: injection is nan kW"),
        (lambda p: 1000 * p, LOST),
    ],
)
def test_an_outage_without_a_flow_is_a_violation_that_says_why(
    two_streets: Network,
    drawn: tuple[np.ndarray, np.ndarray],
    change: Callable[[np.ndarray], np.ndarray],
    reason: str,
) -> None:
    p_kw, q_kvar = change(drawn[0]), drawn[1]
    (outage,) = check_contingencies(two_streets, p_kw, q_kvar, ["F2"])
    assert not outage.secure and [each.kind for each in outage.violations] == ["not_converged"]
    assert reason in str(outage.violations[0])
    assert outage.highest_loading_frac == np.inf and outage.highest_element == ""
    assert np.isnan(outage.v_min_pu)


def test_an_outage_of_a_network_that_is_split_already_closes_what_joins_it(
    two_streets: Network, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    (outage,) = check_contingencies(opened(two_streets, "L1-2"), *drawn, ["F2"])
    assert outage.closed == ("L1-2", "TIE") and outage.secure


def test_a_bus_that_no_line_reaches_stays_dark_and_is_counted(
    two_streets: Network, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    rows = np.flatnonzero(~np.isin(two_streets.lines.id, ["L1-2"]))
    alone = replace(two_streets, lines=taken(two_streets.lines, rows))
    (outage,) = check_contingencies(alone, *drawn, ["F2"])
    assert outage.closed == ("TIE",) and outage.unsupplied_buses == 1
    assert not outage.secure and outage.violations == ()


def test_ten_times_the_load_makes_an_outage_insecure_and_names_what_is_overloaded(
    two_streets: Network, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    p_kw, q_kvar = 10 * drawn[0], 10 * drawn[1]
    for element in ("F1", "F2"):
        (outage,) = check_contingencies(two_streets, p_kw, q_kvar, [element])
        assert outage.closed == ("TIE",) and not outage.secure
        assert {each.element for each in outage.violations} >= {"T1", "T2", "L1-1", "L2-1"}
        assert outage.highest_element in ("L1-1", "L2-1")


@pytest.mark.parametrize("broken", ["nan", "split", "collapse"])
def test_without_a_flow_now_nobody_has_room_and_the_limit_is_the_flow(
    two_streets: Network, drawn: tuple[np.ndarray, np.ndarray], broken: str
) -> None:
    p_kw, q_kvar = drawn
    network = opened(two_streets, "L2-2") if broken == "split" else two_streets
    p_kw = {"nan": np.full(9, np.nan), "split": p_kw, "collapse": 1000 * p_kw}[broken]
    power_flow = PowerFlow(network)
    headroom = zone_headroom(power_flow, p_kw, q_kvar)
    rooms = [
        *draw_capacity(power_flow, p_kw, q_kvar),
        *feed_capacity(power_flow, p_kw, q_kvar),
        *headroom.draw,
        *headroom.feed,
    ]
    assert len(rooms) == 8
    assert {(room.step_kw, room.kind) for room in rooms} == {(0.0, "not_converged")}
    shared = shared_headroom(power_flow, (p_kw, q_kvar), headroom)
    assert shared.draw == shared.feed == ()


def test_no_cut_comes_from_a_flow_that_is_none(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    power_flow = PowerFlow(district)
    flow = power_flow.run(60 * p_kw, 60 * q_kvar)
    assert not flow.converged
    watched = check_flow(district, power_flow.run(2 * p_kw, 2 * q_kvar))
    net_kw = np.zeros(len(district.areas.id))
    assert watched and CutMaker(power_flow).cuts(flow, watched, net_kw) == []


def case_of(network: Network, load_kw: float, source_kw: float = 60.0) -> IslandCase:
    """A source at the second busbar and one block of load in the first street."""
    buses = len(network.buses.id)
    load, high = np.zeros(buses), np.zeros(buses)
    load[3], high[6] = load_kw, source_kw
    return IslandCase(
        forming_bus=6,
        v_forming_pu=(1.0, 1.02),
        p_source_kw_min=-high,
        p_source_kw_max=high,
        p_solar_kw=np.zeros(buses),
        blocks=[ShedBlock("homes", load, 0.2 * load)],
        reserve_frac=0.1,
    )


def test_an_island_of_missing_numbers_is_refused_with_block_and_bus(two_streets: Network) -> None:
    with pytest.raises(GridError, match=r"island: homes at bus near1 is \(nan\+nanj\), allowed"):
        island(two_streets, case_of(two_streets, float("nan")))
    with pytest.raises(GridError, match="island: sources at least at bus bar2 is -inf, allowed"):
        island(two_streets, case_of(two_streets, 10.0, source_kw=float("inf")))


def test_an_island_with_ten_times_the_load_sheds_it_and_lives(two_streets: Network) -> None:
    found = island(two_streets, case_of(two_streets, 500.0))
    assert found.lives and found.violations == ()
    assert found.p_served_kw + found.p_loss_kw <= 54.0 + 1.0
    assert found.shed_frac[0] == pytest.approx(0.9, abs=0.02)


def test_an_island_that_is_split_names_the_areas_in_the_dark(two_streets: Network) -> None:
    found = island(opened(two_streets, "F1"), case_of(two_streets, 20.0))
    assert found.dark_areas == ("A1",)
