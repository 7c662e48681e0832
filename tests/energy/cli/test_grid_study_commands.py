"""`microgrid grid` hosting, contingency, island, sensitivities, export: figures and exit codes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run
from grid_models import read_network_folder

CASES = Path(__file__).parents[2] / "cases"
STREETS = str(CASES / "two_streets")


def json_of(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    assert run(["grid", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_hosting_gives_room_and_limit_of_every_area(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json_of(["hosting", "--district", STREETS], capsys)
    assert [row["area"] for row in rows] == ["A1", "A2"]
    for row in rows:
        assert 20 < row["charging"]["kw"] < 250 and row["charging"]["element"]
        assert 50 < row["solar"]["kw"] < 450 and row["solar"]["element"]


def test_contingency_names_the_tie_that_closes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["contingency", "--district", STREETS, "--element", "F1"]
    (outage,) = json_of(words, capsys)
    assert outage["closed"] == ["TIE"] and outage["secure"] is True
    words[-1] = "T1"
    (outage,) = json_of(words, capsys, code=1)
    assert outage["unsupplied_areas"] == ["A1"] and outage["secure"] is False


def test_contingency_in_words_counts_what_is_secure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["grid", "contingency", "--district", STREETS, "--element", "F1"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 1 outages leave nobody dark and keep limits" in printed


def test_an_unknown_element_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["grid", "contingency", "--district", STREETS, "--element", "F9"]) == 2
    assert "outage of 'F9': found no such line or transformer" in capsys.readouterr().err


def test_island_sheds_by_rank(capsys: pytest.CaptureFixture[str]) -> None:
    found = json_of(["island", "--district", "sejong-5-1@0.05"], capsys)
    evening = found["evening peak"]
    assert evening["lives"] and evening["p_served_kw"] > 300
    assert evening["shed_frac"]["charging"] == 1.0
    assert evening["shed_frac"]["data centre"] == 0.0
    assert found["sunny noon"]["p_shed_kw"] < 1
    assert run(["grid", "island", "--district", "sejong-5-1@0.05"]) == 0
    assert "evening peak: lives" in capsys.readouterr().out


def test_sensitivities_have_a_row_for_every_area(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json_of(["sensitivities", "--district", STREETS], capsys)
    assert len(rows) == 2
    for row in rows:
        assert 0 < row["loss_kw_per_kw"] < 0.1
        assert row["transformer_loading_per_100_kw"] == pytest.approx(0.5, rel=0.1)
        assert row["v_pu_per_100_kw"] < 0


def test_what_is_exported_is_the_district_and_its_flows(tmp_path: Path) -> None:
    assert run(["grid", "export", str(tmp_path / "out"), "--district", STREETS]) == 0
    network = read_network_folder(tmp_path / "out")
    assert network.buses.id[2] == "bar1" and network.name == "two-streets"
    with (tmp_path / "out" / "evening_peak" / "buses.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == list(network.buses.id)
    assert all(0.9 < float(row["v_pu"]) <= 1.0 for row in rows)


def test_the_exported_net_gives_pandapower_the_same_voltages(tmp_path: Path) -> None:
    assert run(["grid", "export", str(tmp_path), "--district", STREETS]) == 0
    from grid_models.network import quiet

    with quiet():
        import pandapower as pp

        net = pp.from_json(str(tmp_path / "net.json"))
        pp.runpp(net, trafo_model="pi", numba=False)
    with (tmp_path / "evening_peak" / "buses.csv").open() as stream:
        ours = {row["id"]: float(row["v_pu"]) for row in csv.DictReader(stream)}
    theirs = dict(zip(net.bus.name, net.res_bus.vm_pu, strict=True))
    assert ours == pytest.approx(theirs, abs=1e-6)
