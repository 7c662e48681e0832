"""Districts by name, fraction and folder: whole sums, scaled assets, the same bytes again."""

import shutil
from dataclasses import fields
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from energy.district import District, DistrictError, load_district
from energy.district.sums import base_year, load_cases
from grid_models import PowerFlow, check_flow

CASES = Path(__file__).parents[2] / "cases"
FRACTIONS = (0.005, 0.01, 0.02, 0.1)


@pytest.fixture(scope="module")
def sejong() -> District:
    return load_district("sejong-5-1")


def test_full_size_has_the_counts_of_the_brief(sejong: District) -> None:
    assert sejong.households == 9_000
    assert sejong.areas == 144 and len(sejong.network.zones) == 6
    assert sejong.pv.kwp.sum() == pytest.approx(20_000)
    assert [(unit.kind, unit.count, unit.p_kw_max) for unit in sejong.units] == [
        ("pafc", 4, 440.0),
        ("pafc", 4, 440.0),
        ("pafc", 4, 440.0),
        ("biogas", 1, 100.0),
    ]
    kinds = dict(zip(sejong.chargers.kind, sejong.chargers.p_kw, strict=True))
    assert kinds["standard"] == 7.0 and kinds["super_fast"] == 350.0
    assert sejong.chargers.v2g_count.sum() == 200
    assert sejong.batteries.e_kwh_max.sum() == 4 * 2_000 + 600 * 10
    assert sejong.meters.trades.sum() == 3_000
    assert len(set(sejong.meters.account)) == len(sejong.meters.account)


def test_the_base_year_reaches_the_goal_of_own_production(sejong: District) -> None:
    year = base_year(sejong)
    assert 95e6 < year.demand_kwh < 115e6
    assert year.pv_kwh == pytest.approx(26e6)
    assert 0.30 <= year.self_sufficiency_frac < 1
    assert sejong.meters.annual_kwh[
        np.isin(sejong.meters.use, ["apartment", "detached"])
    ].sum() == (pytest.approx(9_000 * 3_450 + 900 * 2_555))


def test_both_situations_stay_inside_the_limits_at_full_size(sejong: District) -> None:
    power_flow = PowerFlow(sejong.network)
    evening, noon = (power_flow.run(case.p_kw, case.q_kvar) for case in load_cases(sejong))
    assert check_flow(sejong.network, evening) == [] == check_flow(sejong.network, noon)
    assert 22_000 < evening.p_slack_kw < 28_000
    assert -12_000 < noon.p_slack_kw < -4_000
    assert max(evening.transformer_loading_frac.max(), noon.transformer_loading_frac.max()) < 0.95


def test_full_size_loads_in_under_four_seconds() -> None:
    begin = perf_counter()
    load_district("sejong-5-1")
    assert perf_counter() - begin < 4


def test_the_same_name_gives_the_same_district(sejong: District) -> None:
    again = load_district("sejong-5-1")
    for table in ("meters", "pv", "batteries", "chargers"):
        for field in fields(getattr(sejong, table)):
            one, other = (getattr(getattr(d, table), field.name) for d in (sejong, again))
            assert np.array_equal(one, other), (table, field.name)


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_a_fraction_is_a_whole_small_district(fraction: float) -> None:
    district = load_district(f"sejong-5-1@{fraction}")
    power_flow = PowerFlow(district.network)
    assert district.id == f"sejong-5-1@{fraction:g}" and district.fraction == fraction
    assert district.areas >= 2
    assert district.households == pytest.approx(9_000 * fraction, abs=1)
    assert district.pv.kwp.sum() == pytest.approx(20_000 * fraction)
    assert district.heat is not None and district.heat.heat_pump_kw_max == 3_000 * fraction
    assert {"pafc", "biogas"} == {unit.kind for unit in district.units}
    assert {"community", "home"} == set(district.batteries.kind)
    assert "standard" in district.chargers.kind
    for case in load_cases(district):
        assert check_flow(district.network, power_flow.run(case.p_kw, case.q_kvar)) == []


@pytest.mark.parametrize("fraction", [0.005, 0.01, 0.05])
def test_a_fuel_cell_below_one_unit_shrinks_as_a_whole(sejong: District, fraction: float) -> None:
    small, whole = load_district(f"sejong-5-1@{fraction}").units[0], sejong.units[0]
    scale = small.p_kw_max / whole.p_kw_max
    assert small.count * small.p_kw_max == pytest.approx(12 * 440 * fraction)
    assert small.p_kw_min == pytest.approx(scale * whole.p_kw_min)
    assert small.fuel[-1][1] == pytest.approx(scale * whole.fuel[-1][1])
    assert small.heat[0][0] == pytest.approx(small.p_kw_min)
    assert small.min_up_slots == whole.min_up_slots
    assert small.start_cost_krw == pytest.approx(scale * whole.start_cost_krw)


@pytest.mark.parametrize("source", ["sejong-5-1", "sejong-5-1@0.01", str(CASES / "two_streets")])
def test_shares_spread_every_area_and_group_once(source: str) -> None:
    district = load_district(source)
    buses = len(district.network.buses.id)
    for name, rows in (
        ("load", district.areas),
        ("pv", district.areas),
        ("batteries", len(district.batteries.id)),
        ("chargers", len(district.chargers.id)),
    ):
        share = district.shares[name]
        total = np.bincount(share.area, share.share, rows)
        used = np.unique(share.area)
        assert total[used] == pytest.approx(1.0)
        assert (share.share > 0).all() and (share.bus < buses).all()
    batteries, chargers = district.shares["batteries"], district.shares["chargers"]
    area_of_bus = district.network.buses.area
    assert (area_of_bus[batteries.bus] == district.batteries.area[batteries.area]).all()
    assert (area_of_bus[chargers.bus] == district.chargers.area[chargers.area]).all()
    p_kw = np.ones(len(district.chargers.id))
    assert chargers.at_buses(p_kw, buses).sum() == pytest.approx(len(p_kw))


def test_a_folder_with_tables_of_its_own_is_a_district() -> None:
    district = load_district(str(CASES / "two_streets"))
    assert (district.id, district.households, district.areas) == ("two-streets", 40, 2)
    assert district.network.zones == ("Z1", "Z2")
    assert district.heat is None and district.units == ()
    assert district.batteries.id == ("battery-1", "homes-A1", "homes-A2")
    assert district.pv.kwp.sum() == pytest.approx(60)
    assert [case.name for case in load_cases(district)] == ["evening peak", "sunny noon"]


DAMAGED = sorted(path.name for path in (CASES / "damaged_districts").iterdir() if path.is_dir())


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_folder_is_refused_in_one_sentence(tmp_path: Path, damage: str) -> None:
    folder, damaged = tmp_path / "district", CASES / "damaged_districts" / damage
    shutil.copytree(CASES / "two_streets", folder)
    for path in damaged.iterdir():
        shutil.copy(path, folder / path.name)
    expected = (damaged / "expected.txt").read_text().strip()
    with pytest.raises(DistrictError) as refused:
        load_district(str(folder))
    assert str(refused.value).startswith(f"{folder}/{expected}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("atlantis", "district 'atlantis': found no such district or folder, allowed: sejong-5-1"),
        ("sejong-5-1@0", "fraction '0', allowed: 0.001..20"),
        ("sejong-5-1@half", "fraction 'half', allowed: 0.001..20"),
        ("sejong-5-1@nan", "fraction 'nan', allowed: 0.001..20"),
        (f"{CASES / 'two_streets'}@0.5", "found fraction 0.5, allowed is 1"),
        ("", "found no such district or folder"),
        ("../districts", "found no such district or folder"),
    ],
)
def test_a_wrong_name_or_fraction_is_refused(source: str, sentence: str) -> None:
    with pytest.raises(DistrictError) as refused:
        load_district(source)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("areas", "-1", "field streets.areas: found -1, allowed: not below 0"),
        ("areas", "12.5", "field streets.areas: found 12.5, allowed: a whole number"),
        ("areas", '"many"', "field streets.areas: found 'many', allowed: a whole number"),
        ("office_m2", "inf", "field streets.office_m2: found inf, allowed: a finite number"),
        ("castles", "3", "field streets.castles: found it, allowed: apartment_building"),
        ("fraction", "3", "field streets.fraction: found it"),
        ("lv_kv", "0", "street plan: lv_kv is 0, allowed is a number above 0"),
    ],
)
def test_a_wrong_count_of_streets_is_refused(
    tmp_path: Path, key: str, text: str, sentence: str
) -> None:
    folder = tmp_path / "district"
    folder.mkdir()
    good = (CASES / "two_streets" / "district.toml").read_text()
    (folder / "district.toml").write_text(f"{good}\n[streets]\n{key} = {text}\n")
    with pytest.raises(DistrictError) as refused:
        load_district(str(folder))
    assert sentence in str(refused.value)
