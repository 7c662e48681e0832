"""A network as a folder: the same again after writing, one sentence for each damaged file."""

import csv
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from grid_models import GridError, Network, read_network_folder, write_network_folder

TABLES = ("buses", "lines", "transformers", "areas", "connections")
Edit = Callable[[Path], None]


@pytest.fixture
def folder(two_streets: Network, tmp_path: Path) -> Path:
    write_network_folder(two_streets, tmp_path / "net")
    return tmp_path / "net"


def test_what_is_written_is_read_again_to_the_last_digit(district: Network, tmp_path: Path) -> None:
    write_network_folder(district, tmp_path)
    again = read_network_folder(tmp_path)
    assert (again.name, again.zones, again.slack_bus) == (district.name, ("Z1",), 0)
    for table in TABLES:
        for field in fields(getattr(district, table)):
            one, other = (getattr(getattr(net, table), field.name) for net in (district, again))
            assert np.array_equal(one, other), (table, field.name)


def set_cell(file: str, row: int, column: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        with (folder / file).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        rows[row - 1][column] = text
        write(folder / file, rows)

    return edit


def drop_column(file: str, column: str) -> Edit:
    def edit(folder: Path) -> None:
        with (folder / file).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        write(folder / file, [{k: v for k, v in row.items() if k != column} for row in rows])

    return edit


def add_line(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        with (folder / file).open("a") as stream:
            stream.write(text + "\n")

    return edit


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


DAMAGES: dict[str, tuple[Edit, str]] = {
    "wrong_bus": (
        set_cell("lines.csv", 2, "to_bus", "nowhere"),
        "lines.csv: row 2: to_bus is 'nowhere', allowed is an id of buses.csv",
    ),
    "missing_column": (
        drop_column("lines.csv", "i_a_max"),
        "lines.csv: column i_a_max is missing, allowed are id, from_bus, to_bus, length_km",
    ),
    "unknown_column": (
        lambda folder: (folder / "areas.csv").write_text("id,zone,bus,transformer,colour\n"),
        "areas.csv: column colour is unknown, allowed are id, zone, bus, transformer",
    ),
    "negative_capacity": (
        set_cell("connections.csv", 2, "p_kw", "-25"),
        "connections.csv: row 2: connection 2: p_kw is -25.0, allowed is a number not below 0",
    ),
    "no_number": (
        set_cell("transformers.csv", 1, "s_kva", "big"),
        "transformers.csv: row 1: s_kva is 'big', allowed is a number",
    ),
    "neither_yes_nor_no": (
        set_cell("lines.csv", 1, "closed", "maybe"),
        "lines.csv: row 1: closed is 'maybe', allowed is yes or no",
    ),
    "wrong_area": (
        set_cell("buses.csv", 3, "area", "A9"),
        "buses.csv: row 3: area is 'A9', allowed is an id of areas.csv or nothing",
    ),
    "area_without_zone": (
        set_cell("areas.csv", 1, "zone", ""),
        "areas.csv: row 1: zone is '', allowed is the name of a zone",
    ),
    "dark_street": (
        set_cell("lines.csv", 2, "closed", "no"),
        "buses.csv: row 4: bus near1: supply is none, allowed is joined with slack bus source "
        "(1 more findings)",
    ),
    "short_row": (
        add_line("lines.csv", "extra,source"),
        "lines.csv: row 8: found 2 cells or more, allowed are 10",
    ),
    "missing_file": (
        lambda folder: (folder / "areas.csv").unlink(),
        "areas.csv: not readable (No such file or directory)",
    ),
    "no_utf8": (
        lambda folder: (folder / "buses.csv").write_bytes(b"id,\xff\n"),
        "buses.csv: no valid CSV in UTF-8",
    ),
    "no_toml": (
        lambda folder: (folder / "network.toml").write_text("slack_bus ="),
        "network.toml: no valid TOML",
    ),
    "no_slack": (
        lambda folder: (folder / "network.toml").write_text("slack_v_pu = 1.0\n"),
        "network.toml: field slack_bus: found nothing, allowed",
    ),
    "unknown_key": (
        add_line("network.toml", "colour = 3"),
        "network.toml: field colour: found 3, allowed",
    ),
    "wrong_slack": (
        lambda folder: (folder / "network.toml").write_text(
            'slack_bus = "moon"\nslack_v_pu = 1.0\n'
        ),
        "network.toml: field slack_bus: found 'moon', allowed is an id of buses.csv",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damaged_folder_is_refused_in_one_sentence(folder: Path, damage: str) -> None:
    edit, sentence = DAMAGES[damage]
    edit(folder)
    with pytest.raises(GridError) as refused:
        read_network_folder(folder)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
