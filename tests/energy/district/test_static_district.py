"""Networks of pandapower as districts: by name, from a file, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from energy.district import DistrictError, load_district
from grid_models import PowerFlow, check_flow, read_pandapower
from grid_models.network import quiet


def test_cigre_low_voltage_is_a_district_with_areas_and_meters() -> None:
    district = load_district("pandapower:create_cigre_network_lv")
    assert district.id == "pandapower:create_cigre_network_lv"
    assert district.areas == 3 and len(district.meters.use) == 15
    assert (district.meters.area >= 0).all()
    assert district.units == () and district.heat is None and len(district.batteries.id) == 0
    share = district.shares["load"]
    assert np.bincount(share.area, share.share) == pytest.approx(1.0)


def test_its_loads_are_those_of_the_net_and_stay_inside_the_limits() -> None:
    grid = read_pandapower("create_cigre_network_lv")
    p_kw, q_kvar = grid.drawn()
    flow = PowerFlow(grid.network).run(p_kw, q_kvar)
    assert p_kw.sum() == pytest.approx(grid.load_kw.sum()) == pytest.approx(686.6)
    assert flow.converged and check_flow(grid.network, flow) == []
    assert flow.v_pu.min() == pytest.approx(0.91, abs=0.01)


def test_a_saved_net_is_a_district_with_its_solar(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    with quiet():
        import pandapower as pp
        import pandapower.networks as networks

        net = networks.create_cigre_network_mv(with_der="pv_wind")
        pp.to_json(net, str(path))
        total_kw = 1000 * float(net.sgen.p_mw.sum())
    district = load_district(f"pandapower:{path}")
    assert district.pv.kwp.sum() == pytest.approx(total_kw)
    assert district.meters.trades[district.meters.pv_kwp > 0].all()
    bare = load_district(str(path))
    assert bare.network.buses.id == district.network.buses.id
    assert bare.meters.annual_kwh.tolist() == district.meters.annual_kwh.tolist()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("atlantis", "pandapower:atlantis: found no such network, allowed: create_cigre"),
        ("case9", "net pandapower:case9: found 2 of gen, allowed: bus, line"),
        ("nowhere.json", "nowhere.json: found no such file"),
        ("net.csv", "net.csv: found a .csv file, allowed: .json, .xlsx"),
    ],
)
def test_what_is_no_net_is_refused_in_one_sentence(source: str, sentence: str) -> None:
    with pytest.raises(DistrictError) as refused:
        load_district(f"pandapower:{source}")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"bus": [1, 2')
    with pytest.raises(DistrictError, match="no pandapower net"):
        load_district(f"pandapower:{path}")
