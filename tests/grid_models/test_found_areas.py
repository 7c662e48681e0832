"""Areas found in wires that name none: transformers' low sides, or feeders of a lone busbar."""

from typing import Any

import numpy as np
import pytest

from grid_models import GridError, check_network
from grid_models.areas import Graph, find_areas
from grid_models.from_pandapower import network_of_net
from grid_models.network import quiet


def graph(lines: list[tuple[int, int]], transformers: list[tuple[int, int]], **kw: Any) -> Graph:
    ends = np.array(lines, dtype=np.int64).reshape(-1, 2)
    pairs = np.array(transformers, dtype=np.int64).reshape(-1, 2)
    vn_kv = np.array(kw["vn_kv"])
    carrying = np.zeros(len(vn_kv), dtype=np.bool_)
    carrying[kw["loads"]] = True
    return Graph(vn_kv, ends[:, 0], ends[:, 1], pairs[:, 0], pairs[:, 1], carrying, 0)


def test_every_low_voltage_part_under_one_of_many_transformers_is_an_area() -> None:
    # 0 -- 1 at 20 kV; 2 under 0 with street 2-3; 4 under 1 with street 4-5.
    found = find_areas(
        graph([(0, 1), (2, 3), (4, 5)], [(0, 2), (1, 4)], vn_kv=[20, 20] + [0.4] * 4, loads=[3, 5])
    )
    assert found.area_of_bus.tolist() == [-1, -1, 0, 0, 1, 1]
    assert found.areas.transformer.tolist() == [0, 1]
    assert found.areas.bus.tolist() == [2, 4]


def test_feeders_are_the_areas_where_one_transformer_feeds_all() -> None:
    # Busbar 1 under 0, feeders 2-3, 4, and 5 without any load; a load at the busbar itself.
    found = find_areas(
        graph(
            [(1, 2), (2, 3), (4, 1), (1, 5)],
            [(0, 1)],
            vn_kv=[20] + [0.4] * 5,
            loads=[1, 3, 4],
        )
    )
    assert found.area_of_bus.tolist() == [-1, 0, 1, 1, 2, -1]
    assert found.areas.bus.tolist() == [1, 2, 4]
    assert (found.areas.transformer == -1).all()


def test_two_transformers_on_one_part_are_nobody_s_alone() -> None:
    found = find_areas(
        graph(
            [(0, 1), (2, 3), (4, 5)],
            [(0, 2), (1, 3), (1, 4)],
            vn_kv=[20, 20] + [0.4] * 4,
            loads=[2, 5],
        )
    )
    assert found.areas.transformer.tolist() == [-1, 2]


def test_cigre_low_voltage_gives_areas_that_hold_every_load() -> None:
    with quiet():
        import pandapower.networks as networks

        net = networks.create_cigre_network_lv()
    translated = network_of_net(net, "cigre")
    area = translated.network.buses.area[translated.place[net.load.bus.to_numpy()]]
    assert len(translated.network.areas.id) >= 3 and (area >= 0).all()
    assert check_network(translated.network) == []


def test_what_the_tables_cannot_hold_is_refused() -> None:
    with quiet():
        import pandapower as pp
        import pandapower.networks as networks

        net = networks.create_cigre_network_mv()
        pp.create_gen(net, 3, p_mw=1.0)
    with pytest.raises(GridError, match="found 1 of gen, allowed: bus, line, trafo"):
        network_of_net(net, "with a generator")


@pytest.mark.parametrize(
    ("kind", "add"),
    [
        ("asymmetric_load", {"p_a_mw": 0.01}),
        ("asymmetric_sgen", {"p_b_mw": 0.01}),
        ("bus_dc", {}),
        ("motor", {"pn_mech_mw": 0.01, "cos_phi": 0.9}),
    ],
)
def test_every_kind_of_element_that_would_be_lost_is_refused(
    kind: str, add: dict[str, float]
) -> None:
    with quiet():
        import pandapower as pp
        import pandapower.networks as networks

        net = networks.create_cigre_network_mv()
        getattr(pp, f"create_{kind}")(net, 3, **add)
    with pytest.raises(GridError, match=f"found 1 of {kind}, allowed: bus, line, trafo"):
        network_of_net(net, "with more")


def test_costs_measurements_and_controllers_are_no_elements() -> None:
    with quiet():
        import pandapower as pp
        import pandapower.networks as networks
        from pandapower.control import ConstControl

        net = networks.create_cigre_network_mv()
        pp.create_measurement(net, "v", "bus", 1.0, 0.01, 3)
        pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=1.0)
        pp.create_group(net, "bus", [[1, 2]])
        ConstControl(net, "load", "p_mw", 0)
        pp.runpp(net, numba=False)
    assert check_network(network_of_net(net, "with more").network) == []


def test_a_derated_transformer_is_refused() -> None:
    with quiet():
        import pandapower.networks as networks

        net = networks.create_cigre_network_lv()
    net.trafo.loc[net.trafo.index[1], "df"] = 0.8
    with pytest.raises(GridError, match=r"transformer 1: found df 0\.8, allowed is 1: one rating"):
        network_of_net(net, "derated")


def test_a_switch_joins_buses_and_a_half_open_line_hangs_on_a_bus_of_its_own() -> None:
    with quiet():
        import pandapower as pp

        net = pp.create_empty_network()
        buses = [int(pp.create_bus(net, 0.4, name=f"b{number}")) for number in range(4)]
        pp.create_ext_grid(net, buses[0])
        pp.create_switch(net, buses[0], buses[1], et="b")
        for name, pair in (("near", (1, 2)), ("far", (2, 3)), ("tie", (1, 3))):
            ends = [buses[place] for place in pair]
            pp.create_line(net, *ends, 0.1, "NAYY 4x150 SE", name=name)
        pp.create_switch(net, buses[3], 2, et="l", closed=False)
        pp.create_load(net, buses[3], p_mw=0.01)
    translated = network_of_net(net, "switched")
    network = translated.network
    assert translated.place.tolist() == [0, 0, 1, 2]
    assert network.buses.id[-1] == "tie end" and network.lines.id[-1] == "tie switch"
    assert network.lines.closed.tolist() == [True, True, True, False]
    assert (network.lines.from_bus[-1], network.lines.to_bus[-1]) == (3, 2)
    assert check_network(network) == []
