"""Scenario files: what they change, and one clear sentence for each kind of damage."""

from pathlib import Path

import pytest

from energy.study import StudyError, base_scenario, read_scenarios
from energy.study.scenario import read_scenario, scenario_district
from energy.study.study import inputs_digest

SMALL = "sejong-5-1@0.01"
EXAMPLES = sorted((Path(__file__).parents[3] / "docs/examples/scenarios").glob("*.toml"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", "no valid TOML"),
        ("", "field title: found nothing, allowed: Field required"),
        ("title = 'a'\ncolour = 1", "field colour: found a key that is not known, allowed: "),
        ("title = 'a'\nforecasts = 'good'", "field forecasts: found 'good', allowed: 'ours' or"),
        ("title = 'a'\nmarket = 'maybe'", "field market: found 'maybe', allowed: a valid boolean"),
        ("title = 'a'\nweather_year = -1", "field weather_year: found -1, allowed: greater than"),
        ("title = 'a'\nname = 'b'", "field name: found it, allowed: none"),
        ("title = 'a'\n[fleet]\ncars = -5", "field fleet.cars: found -5, allowed: greater than"),
        (
            "title = 'a'\n[fleet]\ncars = 5\nbikes = 5",
            "field fleet.bikes: found a key that is not known",
        ),
        (
            "title = 'a'\n[demand_response]\nmonths = [7]\nfirst_hour = 22\nhours = 3\n"
            "days_per_month = 1\nreward_krw_per_kwh = 1.0",
            "allowed: an event that ends by midnight",
        ),
    ],
)
def test_a_damaged_file_is_told_in_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(StudyError) as found:
        read_scenario(path)
    assert str(path) in str(found.value)
    assert sentence in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pv.total_kwp = -1.0", "field pv.total_kwp: found -1.0"),
        ("pv.colour = 'red'", "field pv.colour: found a key that is not known"),
        ("streets.fuel_cell = 3", "field streets.fuel_cell: found it"),
        ("connection.tariff = 'free'", "field connection.tariff: found 'free'"),
    ],
)
def test_a_change_that_the_district_refuses_names_the_scenario_and_the_key(
    text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f"title = 'odd'\n[district]\n{text}")
    with pytest.raises(StudyError, match=r"^scenario odd: ") as found:
        scenario_district(SMALL, read_scenario(path))
    assert sentence in str(found.value)


def test_a_missing_file_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="not readable"):
        read_scenario(tmp_path / "none.toml")
    path = tmp_path / "base.toml"
    path.write_text("title = 'another base'")
    with pytest.raises(StudyError, match="found two of that name, allowed one"):
        read_scenarios([path])


def test_the_base_is_always_there_and_changes_nothing() -> None:
    scenarios = read_scenarios(EXAMPLES)
    assert scenarios[0] == base_scenario()
    assert len(scenarios) == 1 + len(EXAMPLES) > 5


def test_changes_reach_the_district(tmp_path: Path) -> None:
    path = tmp_path / "sunny.toml"
    path.write_text("title = 'sunny'\n[district]\npv.total_kwp = 40000.0\nbatteries.homes = 0")
    before, after = (
        scenario_district(SMALL, one) for one in (base_scenario(), read_scenario(path))
    )
    assert after.pv.kwp.sum() == pytest.approx(2 * before.pv.kwp.sum())
    assert "home" in before.batteries.kind
    assert "home" not in after.batteries.kind
    assert after.meters.account == before.meters.account


def test_sessions_follow_the_fleet_and_not_the_number_of_points(tmp_path: Path) -> None:
    path = tmp_path / "cars.toml"
    # 15 standard points at 1.3 cars are 1,950 cars of the full district.
    more = "[district]\nstreets.standard_chargers = 3000"
    path.write_text(f"title = 'cars'\n{more}\n[fleet]\ncars = 3900")
    before, after = (
        scenario_district(SMALL, one) for one in (base_scenario(), read_scenario(path))
    )
    assert after.chargers.count.sum() > 1.5 * before.chargers.count.sum()
    ratio = after.chargers.cars_per_day.sum() / before.chargers.cars_per_day.sum()
    assert ratio == pytest.approx(2.0)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_fits_the_district(path: Path) -> None:
    assert scenario_district(SMALL, read_scenario(path)).id == SMALL


def test_a_saved_net_that_has_changed_is_another_input(tmp_path: Path) -> None:
    net = tmp_path / "net.json"
    net.write_text("{}")
    before = inputs_digest(str(net))
    assert inputs_digest(str(net)) == before
    net.write_text('{"rated": 1}')
    assert inputs_digest(str(net)) != before
