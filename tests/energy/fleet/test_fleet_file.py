"""The file of a fleet: what it says of each district, and what it may not say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from energy.fleet import FleetError, Keeper, load_fleet
from energy.fleet.overview import create_overview

TWO = """
port = 8700

[districts.north]
district = "sejong-5-1@0.01"
port = 8701

[districts.south]
folder = "elsewhere"
port = 8702
"""


@pytest.fixture
def write(tmp_path: Path) -> object:
    def written(text: str) -> Path:
        path = tmp_path / "fleet.toml"
        path.write_text(text)
        return path

    return written


def test_each_district_has_its_folder_and_its_own_file_stands_below_the_fleets(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRID_SEED", "99")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "microgrid.toml").write_text("port = 1\nseed = 7\n")
    north, south = load_fleet(write(TWO)).members  # type: ignore[operator]
    assert (north.folder, north.url) == (tmp_path / "north", "http://127.0.0.1:8701")
    assert (north.settings.district, north.settings.seed) == ("sejong-5-1@0.01", 1)
    assert (south.folder, south.settings.port) == (tmp_path / "elsewhere", 8702)
    assert south.settings.seed == 7
    assert south.given == {"port": "8702"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found no district"),
        ("ports = 1\n" + TWO, "ports: no such key, allowed: host and public_url as text"),
        ("[districts.North]\n", r"districts.North: found \[\]"),
        ("[districts.a]\nfolder = 3\n", "districts.a.folder: found 3, allowed: a path"),
        ("[districts.a]\nprot = 3\n", "districts.a.prot: no such setting, allowed: folder, dis"),
        ("[districts.a]\nport = 70000\n", "districts.a.port: found 70000, allowed: Input should"),
        (TWO.replace("8702", "8701"), "port: found 8701 for north, south, allowed: one each"),
        (TWO.replace("8702", "8700"), "port: found 8700 for south, the overview"),
        (TWO.replace("elsewhere", "north"), "folder: found .*north for north, south"),
        (
            TWO.replace("port = 87", 'database_url = "postgresql://h/one"\nport = 87').replace(
                'database_url = "postgresql://h/one"\nport = 8700', "port = 8700"
            ),
            "database_url: found postgresql://h/one for north, south",
        ),
        ("[districts", "no valid TOML"),
        (
            'public_url = "fleet.example"' + TWO,
            "public_url: found 'fleet.example', allowed: an add",
        ),
        ("public_url = 3" + TWO, "public_url: found 3, allowed: host and public_url as text"),
    ],
)
def test_what_cannot_be_is_told_with_field_found_and_allowed(
    write: object, text: str, told: str
) -> None:
    with pytest.raises(FleetError, match=told):
        load_fleet(write(text))  # type: ignore[operator]


@pytest.mark.parametrize(("host", "status"), [("fleet.example", 200), ("other.example", 400)])
def test_behind_a_proxy_the_overview_answers_to_the_public_name_alone(
    write: object, serve_app: Callable[[Any], str], host: str, status: int
) -> None:
    fleet = load_fleet(write('public_url = "https://Fleet.example:8443"' + TWO))  # type: ignore[operator]
    address = serve_app(create_overview(fleet, Keeper(fleet)))
    found = httpx.get(f"{address}/healthz", headers={"Host": host})
    assert found.status_code == status


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="not readable"):
        load_fleet(tmp_path / "none.toml")
