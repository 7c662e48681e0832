"""SimBench: its grid, its measured year in UTC, and what it is refused for."""

import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from grid_models import GridError, PowerFlow, SimbenchGrid, check_network, read_simbench
from grid_models.simbench import _first_slot, use_of_profile

pytest.importorskip("simbench", reason="the extra simbench is not installed")

ROWS_OF_2016 = 366 * 96


@pytest.fixture(scope="module")
def rural() -> SimbenchGrid:
    return read_simbench("1-LV-rural1--2-sw")


def test_the_year_begins_at_german_midnight_and_has_every_quarter_hour(rural: SimbenchGrid) -> None:
    first = datetime.fromtimestamp(rural.first_slot, UTC)
    assert first == datetime(2015, 12, 31, 23, tzinfo=UTC)
    assert rural.loads.p_kw.shape == (ROWS_OF_2016, len(rural.loads.id))


def test_the_sun_stands_highest_near_local_noon_in_winter_and_summer(rural: SimbenchGrid) -> None:
    # At 11.8 degrees east the sun culminates at about 11:15 UTC all the year; a shift of an hour
    # in summer would mean that local labels had been taken for UTC.
    rows = rural.first_slot // 900 + np.arange(ROWS_OF_2016)
    hour = rows % 96 / 4
    south = rural.solar.p_kw[:, [p in ("PV3", "PV8", "PV5") for p in rural.solar.profile]].sum(
        axis=1
    )
    centre = {}
    for name, (first, last) in {"winter": (0, 60), "summer": (150, 240)}.items():
        part = slice(first * 96, last * 96)
        centre[name] = float((hour[part] * south[part]).sum() / south[part].sum())
    assert abs(centre["winter"] - centre["summer"]) < 0.6


def test_measured_energy_is_that_of_a_village(rural: SimbenchGrid) -> None:
    kwh = rural.loads.p_kw.sum(dtype=np.float64) / 4
    per_home = rural.loads.p_kw[:, np.array(rural.loads.profile) == "H0-A"].sum(axis=0) / 4
    assert 20_000 < kwh < 1_000_000
    assert ((per_home > 500) & (per_home < 20_000)).all()
    yield_kwh_per_kw = rural.solar.p_kw.sum(axis=0) / 4 / rural.solar.p_kw_rated
    assert ((yield_kwh_per_kw > 500) & (yield_kwh_per_kw < 1_100)).all()


def test_its_wires_are_sound_and_carry_the_measured_peak(rural: SimbenchGrid) -> None:
    network = rural.network
    peak = int(rural.loads.p_kw.sum(axis=1).argmax())
    p_kw = np.bincount(rural.loads.bus, rural.loads.p_kw[peak], len(network.buses.id))
    flow = PowerFlow(network).run(p_kw, 0.33 * p_kw)
    assert check_network(network) == []
    assert flow.converged and flow.v_pu.min() > 0.9
    assert len(network.areas.id) > 1
    assert (network.buses.area[rural.loads.bus] >= 0).all()
    assert 53 < rural.latitude_deg < 54 and 11 < rural.longitude_deg < 12


def test_every_kind_of_load_has_a_use() -> None:
    uses = {name: use_of_profile(name) for name in ("H0-A", "G1-B", "HLS_A_3.7", "Air_Parallel_2")}
    assert list(uses.values()) == ["apartment", "office", "standard_charging", "heat_pump"]
    with pytest.raises(GridError, match="load profile 'X9': unknown"):
        use_of_profile("X9")


def test_a_wrong_time_label_is_found() -> None:
    import pandas as pd

    labels = pd.Series(["01.01.2016 00:00", "01.01.2016 00:15", "01.01.2016 00:45"])
    with pytest.raises(GridError, match=r"row 3 of the load profiles is labelled 01\.01"):
        _first_slot(labels, "test")


def test_an_unknown_code_is_refused_with_an_example() -> None:
    with pytest.raises(GridError, match=r"simbench:1-LV-moon--2-sw: found no grid of this code"):
        read_simbench("1-LV-moon--2-sw")


def test_grids_with_wind_are_refused_for_now() -> None:
    with pytest.raises(GridError, match=r"found plants with profiles .* allowed are solar plants"):
        read_simbench("1-MV-urban--0-no_sw")


def test_without_the_package_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "simbench", None)
    with pytest.raises(GridError, match=r"pip install 'sejong-microgrid\[simbench\]'"):
        read_simbench("1-LV-rural1--0-sw")
