"""`microgrid bench grid` and `grid-year`: every figure of the wires is there, for a small district.

What the figures are on a machine is no test; that they are measured on flows that exist is.
"""

import json

import pytest

from energy import bench
from energy.cli import run

SMALL = "sejong-5-1@0.02"


def figures(part: str, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert run(["bench", part, "--district", SMALL, "--json"]) == 0
    return {figure["name"]: figure for figure in json.loads(capsys.readouterr().out)}


def test_each_aim_of_the_wires_has_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    found = figures("grid", capsys)
    aims = {name: figure["aim"] for name, figure in found.items() if figure["aim"] is not None}
    assert list(aims.values()) == [3.0, 10.0, 2.0, 60.0, 30.0]
    assert any(name.startswith("the same in pandapower, recycled") for name in found)
    assert any(name.startswith("sensitivities to every area") for name in found)
    assert "hosting capacity, 3 + 3 rooms" in found


def test_the_year_is_run_in_one_batch_without_a_lost_slot(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "YEAR_SLOTS", 250)
    found = figures("grid-year", capsys)
    assert found["250 quarter hours in one batch"]["aim"] == 180.0
    assert found["of them without a flow"]["value"] == 0
    assert 0 < float(str(found["highest transformer loading"]["value"])) < 100
    lowest, highest = found["lowest voltage"]["value"], found["highest voltage"]["value"]
    assert 0.9 < float(str(lowest)) < float(str(highest)) < 1.1
