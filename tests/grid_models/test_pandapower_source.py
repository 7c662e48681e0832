"""Nets of pandapower by name, as JSON and as Excel: one network, one situation."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grid_models import (
    Network,
    PowerFlow,
    base_case,
    check_network,
    read_network_folder,
    read_pandapower,
    write_network_folder,
    write_pandapower_json,
)
from grid_models.network import quiet

TABLES = ("buses", "lines", "transformers", "areas", "connections")


def write_json(net: Any, path: Path) -> None:
    with quiet():
        import pandapower as pp

        pp.to_json(net, str(path))


def write_excel(net: Any, path: Path) -> None:
    """As pandapower does, but with the library that also reads."""
    with quiet():
        import pandas as pd
        from pandapower.io_utils import to_dict_of_dfs

        with pd.ExcelWriter(path, engine="openpyxl") as writer:
            for name, table in to_dict_of_dfs(net, include_results=False).items():
                table.to_excel(writer, sheet_name=name)


def differences(one: Network, other: Network, tolerance: float = 0.0) -> list[str]:
    """Names of the columns that differ."""
    found = []
    for table in TABLES:
        for field in fields(getattr(one, table)):
            a, b = (getattr(getattr(network, table), field.name) for network in (one, other))
            number = isinstance(a, np.ndarray) and a.shape == b.shape
            same = np.allclose(a, b, rtol=tolerance, atol=0) if number else np.array_equal(a, b)
            found += [] if same else [f"{table}.{field.name}"]
    alike = ("zones", "slack_bus", "slack_v_pu", "f_hz")
    return found + [name for name in alike if getattr(one, name) != getattr(other, name)]


@pytest.mark.parametrize("name", ["create_cigre_network_lv", "create_cigre_network_mv"])
@pytest.mark.parametrize("write", [write_json, write_excel])
def test_a_saved_net_is_the_network_of_its_name(name: str, write: Any, tmp_path: Path) -> None:
    with quiet():
        import pandapower.networks as networks

        net = getattr(networks, name)()
    path = tmp_path / ("net.json" if write is write_json else "net.xlsx")
    write(net, path)
    named, saved = read_pandapower(name), read_pandapower(str(path))
    # Both formats keep fifteen digits of sixteen.
    assert differences(named.network, saved.network, tolerance=1e-14) == []
    for a, b in zip(named.drawn(), saved.drawn(), strict=True):
        assert a == pytest.approx(b, rel=1e-14)


def test_a_net_written_as_a_folder_is_read_again(tmp_path: Path) -> None:
    network = read_pandapower("create_cigre_network_mv").network
    write_network_folder(network, tmp_path)
    assert differences(network, read_network_folder(tmp_path)) == []


def test_our_own_wires_come_back_from_pandapower_s_json(district: Network, tmp_path: Path) -> None:
    p_kw, q_kvar = base_case(district)
    write_pandapower_json(district, p_kw, q_kvar, tmp_path / "net.json")
    again = read_pandapower(str(tmp_path / "net.json"))
    # Percent and fraction, metres from a corner; areas are found anew, connections are loads.
    moved = {"buses.x_m", "buses.y_m", "buses.area", "transformers.area", "zones"}
    found = set(differences(district, again.network, tolerance=1e-12)) - moved
    assert {name for name in found if not name.startswith(("areas.", "connections."))} == set()
    assert check_network(again.network) == []
    ours = PowerFlow(district).run(p_kw, q_kvar)
    theirs = PowerFlow(again.network).run(*again.drawn())
    assert np.abs(ours.v_pu - theirs.v_pu).max() < 1e-9


def test_stores_and_reactive_power_of_generators_are_in_the_situation(tmp_path: Path) -> None:
    with quiet():
        import pandapower as pp

        net = pp.create_empty_network()
        first, second = (int(pp.create_bus(net, 0.4)) for _ in range(2))
        pp.create_ext_grid(net, first)
        pp.create_line(net, first, second, 0.1, "NAYY 4x150 SE")
        pp.create_load(net, second, p_mw=0.020, q_mvar=0.004, scaling=0.5)
        pp.create_sgen(net, second, p_mw=0.006, q_mvar=-0.001)
        pp.create_storage(net, second, p_mw=-0.003, q_mvar=0.0005, max_e_mwh=0.01)
        pp.create_storage(net, second, p_mw=0.5, max_e_mwh=1.0, in_service=False)
        pp.runpp(net, trafo_model="pi", tolerance_mva=1e-9, numba=False)
    write_json(net, tmp_path / "net.json")
    grid = read_pandapower(str(tmp_path / "net.json"))
    p_kw, q_kvar = grid.drawn()
    assert p_kw.tolist() == pytest.approx([0, 10 - 6 - 3])
    assert q_kvar.tolist() == pytest.approx([0, 2 + 1 + 0.5])
    flow = PowerFlow(grid.network).run(p_kw, q_kvar)
    assert flow.v_pu == pytest.approx(net.res_bus.vm_pu.to_numpy(), abs=1e-9)
