"""Outages with ties, the district alone, and what each area could still take."""

from dataclasses import replace

import numpy as np
import pytest

from grid_models import (
    GridError,
    IslandCase,
    Network,
    PowerFlow,
    ShedBlock,
    StreetPlan,
    base_case,
    build_street_plan,
    check_contingencies,
    check_flow,
    check_network,
    draw_capacity,
    feed_capacity,
    island,
)
from grid_models.contingencies import feeder_heads, substation_transformers
from grid_models.island import islanded_part
from grid_models.part import supplied_part, without_transformer


@pytest.fixture(scope="module")
def ringed() -> Network:
    """Two feeders with a tie between their ends."""
    return build_street_plan(StreetPlan(fraction=0.3))


def test_a_feeder_outage_is_fed_again_through_its_tie(two_streets: Network) -> None:
    p_kw = np.array([0, 0, 0, 20.0, 10.0, 0, 0, 20.0, 10.0])
    found = check_contingencies(two_streets, p_kw, 0.3 * p_kw, ["F1"])[0]
    assert found.dark_areas == ("A1",)
    assert found.closed == ("TIE",) and found.opened == ()
    assert found.unsupplied_areas == () and found.secure
    assert found.highest_loading_frac < 0.3


def test_an_outage_behind_which_no_tie_lies_names_who_stays_dark(two_streets: Network) -> None:
    p_kw = np.array([0, 0, 0, 20.0, 10.0, 0, 0, 20.0, 10.0])
    transformer, cable = check_contingencies(two_streets, p_kw, 0 * p_kw, ["T1", "L2-2"])
    assert transformer.unsupplied_areas == ("A1",) and transformer.p_unsupplied_kw == 30.0
    assert cable.unsupplied_areas == () and cable.unsupplied_buses == 1
    assert cable.p_unsupplied_kw == 10.0
    assert not transformer.secure and not cable.secure


def test_a_tie_that_would_be_overloaded_is_named(two_streets: Network) -> None:
    lines = two_streets.lines
    weak = replace(
        two_streets,
        lines=replace(lines, i_a_max=np.where(np.array(lines.id) == "TIE", 0.5, lines.i_a_max)),
    )
    p_kw = np.array([0, 0, 0, 20.0, 10.0, 0, 0, 20.0, 10.0])
    found = check_contingencies(weak, p_kw, 0 * p_kw, ["F1"])[0]
    assert not found.secure and found.highest_element == "TIE"
    assert [each.element for each in found.violations] == ["TIE"]


def test_the_failed_line_is_never_its_own_tie(two_streets: Network) -> None:
    p_kw = np.full(9, 5.0)
    found = check_contingencies(two_streets, p_kw, 0 * p_kw, ["F2"])[0]
    assert "F2" not in found.closed


def test_two_ties_share_what_one_cannot_carry() -> None:
    # Three feeders in a row; the middle one fails, and each neighbour has room for half of it.
    network = build_street_plan(StreetPlan(fraction=0.5))
    middle = feeder_heads(network)[1]
    p_kw, q_kvar = base_case(network)
    lines = network.lines
    heads = np.isin(lines.id, feeder_heads(network))
    alone = PowerFlow(network).run(p_kw, q_kvar)
    # A fifth more than now; in an emergency 1.68 of it: half a neighbour fits, a whole does not.
    rating = lines.i_a_max * np.where(heads, 1.2 * alone.line_loading_frac, 1.0)
    tight = replace(network, lines=replace(lines, i_a_max=np.maximum(rating, 1.0)))
    found = check_contingencies(tight, p_kw, q_kvar, [middle])[0]
    assert len(found.closed) == 2 and len(found.opened) == 1
    assert found.unsupplied_areas == ()


def test_every_feeder_and_the_substation_are_secure_in_the_base_case(ringed: Network) -> None:
    p_kw, q_kvar = base_case(ringed)
    found = check_contingencies(ringed, p_kw, q_kvar)
    names = [*feeder_heads(ringed), *substation_transformers(ringed)]
    assert [each.element for each in found] == names
    assert all(each.secure for each in found if each.element != "S1")
    assert all(each.closed for each in found if each.element.startswith("F"))


def test_an_unknown_element_is_refused(two_streets: Network) -> None:
    with pytest.raises(GridError, match="outage of 'F9': found no such line or transformer"):
        check_contingencies(two_streets, np.zeros(9), np.zeros(9), ["F9"])


def test_the_supplied_part_is_a_sound_network_of_its_own(two_streets: Network) -> None:
    cut = without_transformer(two_streets, 0)
    part = supplied_part(cut)
    assert check_network(part.network) == []
    assert part.network.areas.id == ("A2",)
    assert [two_streets.buses.id[bus] for bus in part.bus] == [
        "source",
        "mv1",
        "mv2",
        "bar2",
        "near2",
        "far2",
    ]
    assert part.network.transformers.area.tolist() == [0]
    assert part.network.connections.bus.tolist() == [5]


def test_room_of_an_area_ends_where_its_named_element_is_full(district: Network) -> None:
    p_kw, q_kvar = base_case(district)
    power_flow = PowerFlow(district)
    for sign, rooms in (
        (1, draw_capacity(power_flow, p_kw, q_kvar)),
        (-1, feed_capacity(power_flow, p_kw, q_kvar)),
    ):
        assert len(rooms) == len(district.areas.id)
        for area, room in enumerate(rooms):
            more = np.zeros_like(p_kw)
            more[district.areas.bus[area]] = sign * room.step_kw
            full = check_flow(district, power_flow.run(p_kw + 1.005 * more, q_kvar))
            assert check_flow(district, power_flow.run(p_kw + more, q_kvar)) == []
            assert room.element in {each.element for each in full}


def island_case(network: Network, source_kw: float, sun_kw: float = 0.0) -> IslandCase:
    """Two blocks of load in the two streets, one source of 10..source_kw at the second busbar."""
    first, second = np.zeros(9), np.zeros(9)
    first[[3, 7]], second[[4, 8]] = 20.0, 10.0
    low, high, sun = np.zeros(9), np.zeros(9), np.zeros(9)
    low[6], high[6], sun[3] = -source_kw / 2, source_kw, sun_kw
    return IslandCase(
        forming_bus=6,
        v_forming_pu=(1.0,),
        p_source_kw_min=low,
        p_source_kw_max=high,
        p_solar_kw=sun,
        blocks=[ShedBlock("charging", first, 0.3 * first), ShedBlock("homes", second, 0 * second)],
        reserve_frac=0.1,
    )


@pytest.fixture
def islandable(two_streets: Network) -> Network:
    """The two streets behind a substation transformer, so that they can be left alone."""
    buses, table = two_streets.buses, two_streets.transformers
    hv = replace(
        buses,
        id=(*buses.id, "hv"),
        vn_kv=np.append(buses.vn_kv, 154.0),
        x_m=np.append(buses.x_m, 0.0),
        y_m=np.append(buses.y_m, 0.0),
        area=np.append(buses.area, -1),
        kind=(*buses.kind, "hv"),
        v_min_pu=np.append(buses.v_min_pu, 0.9),
        v_max_pu=np.append(buses.v_max_pu, 1.1),
    )
    first = {
        "id": "S1",
        "hv_bus": 9,
        "lv_bus": 0,
        "s_kva": 1000.0,
        "vn_hv_kv": 154.0,
        "vn_lv_kv": 22.9,
        "area": -1,
    }
    columns = {}
    for name in table.__dataclass_fields__:
        column = getattr(table, name)
        cell = first.get(name, column[0])
        columns[name] = (
            (*column, cell)
            if isinstance(column, tuple)
            else np.append(column, cell).astype(column.dtype)
        )
    return replace(two_streets, buses=hv, transformers=type(table)(**columns), slack_bus=9)


def padded(case: IslandCase) -> IslandCase:
    """A case of nine buses for the ten of `islandable`."""
    grow = lambda column: np.append(column, 0.0)  # noqa: E731 - one word for five columns
    return replace(
        case,
        p_source_kw_min=grow(case.p_source_kw_min),
        p_source_kw_max=grow(case.p_source_kw_max),
        p_solar_kw=grow(case.p_solar_kw),
        blocks=[ShedBlock(b.name, grow(b.p_kw), grow(b.q_kvar)) for b in case.blocks],
    )


def test_an_island_with_enough_sources_sheds_nobody(islandable: Network) -> None:
    found = island(islandable, padded(island_case(islandable, 80.0)))
    assert found.lives and found.shed_frac == (0.0, 0.0) and found.dark_areas == ()
    assert found.p_served_kw == pytest.approx(60)
    assert found.p_source_kw == pytest.approx(60 + found.p_loss_kw, abs=0.2)
    assert found.reserve_kw == pytest.approx(80 - found.p_source_kw)


def test_an_island_sheds_in_rank_order_until_need_and_reserve_fit(islandable: Network) -> None:
    found = island(islandable, padded(island_case(islandable, 50.0)))
    # 45 kW may be given with the reserve; 60 kW are wanted: fifteen of charging's forty go.
    assert found.lives
    assert found.shed_frac[0] == pytest.approx(15 / 40, abs=0.03) and found.shed_frac[1] == 0
    assert found.p_source_kw <= 45.0 + 1.0


def test_an_island_with_too_much_sun_curtails_it(islandable: Network) -> None:
    found = island(islandable, padded(island_case(islandable, 40.0, sun_kw=100.0)))
    # 60 kW of load, 20 kW of charging and the losses are all that the 100 kW can go to.
    assert found.lives and found.p_shed_kw == pytest.approx(0, abs=0.01)
    assert found.p_curtailed_kw == pytest.approx(20 - found.p_loss_kw, abs=0.2)
    assert found.p_source_kw == pytest.approx(-20, abs=1)


def test_an_island_that_cannot_live_says_why(islandable: Network) -> None:
    table = islandable.transformers
    idle = replace(table, pfe_kw=np.full(3, 40.0), i0_frac=np.full(3, 0.25))
    hopeless = replace(islandable, transformers=idle)
    found = island(hopeless, padded(island_case(islandable, 10.0)))
    assert not found.lives
    assert any("sources would have to give" in reason for reason in found.blocked_by)


def test_the_islanded_network_has_no_utility_and_joined_busbars(ringed: Network) -> None:
    forming = int(ringed.areas.bus[0])
    part = islanded_part(ringed, forming, 1.0)
    assert "hv" not in part.network.buses.id
    assert not set(part.network.transformers.id) & set(substation_transformers(ringed))
    assert len(part.network.areas.id) == len(ringed.areas.id)
    assert check_network(part.network) == []


def test_a_voltage_source_nowhere_is_refused(islandable: Network) -> None:
    case = replace(padded(island_case(islandable, 50.0)), forming_bus=77)
    with pytest.raises(GridError, match=r"forming bus is 77, allowed is 0\.\.9"):
        island(islandable, case)
