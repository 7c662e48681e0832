"""A network as a folder of plain files, read and written.

network.toml      slack_bus = "id", slack_v_pu, f_hz (60 where it is not named), name (the folder's)
buses.csv         id, vn_kv, x_m, y_m, area (empty on the backbone), kind, v_min_pu, v_max_pu
lines.csv         id, from_bus, to_bus, length_km, r_ohm_per_km, x_ohm_per_km, c_nf_per_km, i_a_max,
                  parallel, closed (yes or no)
transformers.csv  id, hv_bus, lv_bus, s_kva, vn_hv_kv, vn_lv_kv, vk_frac, vkr_frac, pfe_kw, i0_frac,
                  tap_pos, tap_min, tap_max, tap_step_frac, area (empty where it feeds none)
areas.csv         id, zone, bus, transformer (empty where there is none)
connections.csv   bus, use, homes, floor_m2, count, p_kw, building (may be empty or left out)

UTF-8, comma, one header line; elements are named by their ids. Columns are as in the tables of
district.py; no cell may be missing. Zones are numbered as they first appear in areas.csv.
"""

import csv
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grid_models.district import Finding, GridError, Network
from grid_models.draft import (
    areas_table,
    buses_table,
    connections_table,
    lines_table,
    transformers_table,
)
from grid_models.findings import check_network

NONE = -1
# t text, f number, i whole number, b yes or no, else the id of a row in that table; ? may be empty.
TABLES: Mapping[str, Mapping[str, str]] = {
    "buses": {
        "id": "t",
        "vn_kv": "f",
        "x_m": "f",
        "y_m": "f",
        "area": "?areas",
        "kind": "t",
        "v_min_pu": "f",
        "v_max_pu": "f",
    },
    "lines": {
        "id": "t",
        "from_bus": "buses",
        "to_bus": "buses",
        "length_km": "f",
        "r_ohm_per_km": "f",
        "x_ohm_per_km": "f",
        "c_nf_per_km": "f",
        "i_a_max": "f",
        "parallel": "i",
        "closed": "b",
    },
    "transformers": {
        "id": "t",
        "hv_bus": "buses",
        "lv_bus": "buses",
        "s_kva": "f",
        "vn_hv_kv": "f",
        "vn_lv_kv": "f",
        "vk_frac": "f",
        "vkr_frac": "f",
        "pfe_kw": "f",
        "i0_frac": "f",
        "tap_pos": "i",
        "tap_min": "i",
        "tap_max": "i",
        "tap_step_frac": "f",
        "area": "?areas",
    },
    "areas": {"id": "t", "zone": "zones", "bus": "buses", "transformer": "?transformers"},
    "connections": {
        "bus": "buses",
        "use": "t",
        "homes": "i",
        "floor_m2": "f",
        "count": "i",
        "p_kw": "f",
        "building": "?t",
    },
}
FILE_OF = {
    "bus": "buses.csv",
    "line": "lines.csv",
    "transformer": "transformers.csv",
    "area": "areas.csv",
    "connection": "connections.csv",
    "network": "network.toml",
}
Cell = str | float | int | bool


@dataclass(frozen=True)
class Sheet:
    """A file's rows as text, before any cell is understood."""

    path: Path
    rows: Sequence[Mapping[str, str]]


def read_network_folder(folder: Path) -> Network:
    """The network of a folder, checked as a whole.

    Raises GridError, one sentence naming file, row, field, found and allowed.
    """
    sheets = {
        name: _read_sheet(folder / f"{name}.csv", columns) for name, columns in TABLES.items()
    }
    places = {
        name: {row["id"].strip(): place for place, row in enumerate(sheet.rows)}
        for name, sheet in sheets.items()
        if "id" in TABLES[name]
    }
    named = (row["zone"].strip() for row in sheets["areas"].rows)
    zones = tuple(dict.fromkeys(name for name in named if name))
    places["zones"] = {zone: place for place, zone in enumerate(zones)}
    cells = {name: _read_cells(sheet, TABLES[name], places) for name, sheet in sheets.items()}
    slack_bus, slack_v_pu, f_hz, name = _read_head(folder / "network.toml", places["buses"])
    network = Network(
        name=name,
        buses=buses_table(cells["buses"]),
        lines=lines_table(cells["lines"]),
        transformers=transformers_table(cells["transformers"]),
        areas=areas_table(cells["areas"]),
        zones=zones,
        connections=connections_table(cells["connections"]),
        slack_bus=slack_bus,
        slack_v_pu=slack_v_pu,
        f_hz=f_hz,
    )
    require_sound(network, folder)
    return network


def write_network_folder(network: Network, folder: Path) -> None:
    """Write a network so that `read_network_folder` gives the same again; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {
        "buses": network.buses.id,
        "transformers": network.transformers.id,
        "areas": network.areas.id,
        "zones": network.zones,
    }
    for name, columns in TABLES.items():
        table = getattr(network, name)
        texts = [
            _column_texts(getattr(table, column), kind, ids) for column, kind in columns.items()
        ]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*texts, strict=True))
    slack = network.buses.id[network.slack_bus]
    head = {"name": network.name, "slack_bus": slack}
    numbers = {"slack_v_pu": network.slack_v_pu, "f_hz": network.f_hz}
    lines = [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in head.items()]
    lines += [f"{key} = {float(number)!r}" for key, number in numbers.items()]
    (folder / "network.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _column_texts(values: Iterable[Cell], kind: str, ids: Mapping[str, Sequence[str]]) -> list[str]:
    """The cells of a column as they stand in a file; numbers keep all their digits."""
    if kind in ("t", "?t"):
        return [str(value) for value in values]
    if kind == "f":
        return [repr(float(value)) for value in values]
    if kind == "i":
        return [str(int(value)) for value in values]
    if kind == "b":
        return ["yes" if value else "no" for value in values]
    names = ids[kind.removeprefix("?")]
    return ["" if int(place) == NONE else names[int(place)] for place in values]


def require_sound(network: Network, folder: Path) -> None:
    """Raise for the first finding of a network that was read from a folder, and count the rest."""
    findings = check_network(network)
    if not findings:
        return
    first = findings[0]
    more = f" ({len(findings) - 1} more findings)" if len(findings) > 1 else ""
    raise GridError(f"{folder / FILE_OF[first.table]}: {_row_text(network, first)}{first}{more}")


def _row_text(network: Network, finding: Finding) -> str:
    """The row of a finding in its file, counted without the header."""
    ids = {
        "bus": network.buses.id,
        "line": network.lines.id,
        "transformer": network.transformers.id,
        "area": network.areas.id,
    }.get(finding.table)
    if finding.table == "network":
        return ""
    row = ids.index(finding.element) + 1 if ids else int(finding.element)
    return f"row {row}: "


def _read_sheet(path: Path, columns: Mapping[str, str]) -> Sheet:
    """The rows of a file that has exactly the given columns."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = tuple(reader.fieldnames or ())
            rows = list(reader)
    except OSError as error:
        raise GridError(f"{path}: not readable ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise GridError(f"{path}: no valid CSV in UTF-8, {error}") from error
    missing = [name for name, kind in columns.items() if name not in header and kind != "?t"]
    unknown = [column for column in header if column not in columns]
    if missing or unknown:
        wrong = f"column {missing[0]} is missing" if missing else f"column {unknown[0]} is unknown"
        raise GridError(f"{path}: {wrong}, allowed are {', '.join(columns)}")
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            count = sum(value is not None for value in row.values())
            raise GridError(
                f"{path}: row {number}: found {count} cells or more, allowed are {len(columns)}"
            )
    return Sheet(path, rows)


def _read_cells(
    sheet: Sheet, columns: Mapping[str, str], places: Mapping[str, Mapping[str, int]]
) -> list[list[Cell]]:
    """The rows of a sheet with every cell understood."""
    read = []
    for number, row in enumerate(sheet.rows, 1):
        cells = []
        for column, kind in columns.items():
            cell = _cell(row.get(column, "").strip(), kind, places)
            if cell is None:
                where = f"{sheet.path}: row {number}: {column}"
                raise GridError(f"{where} is {row[column]!r}, allowed is {_allowed(kind)}")
            cells.append(cell)
        read.append(cells)
    return read


def _cell(text: str, kind: str, places: Mapping[str, Mapping[str, int]]) -> Cell | None:
    """The value of a cell; None where it is not understood."""
    if kind in ("t", "?t"):
        return text if text or kind == "?t" else None
    if kind == "b":
        return {"yes": True, "no": False}.get(text)
    if kind in ("f", "i"):
        try:
            return float(text) if kind == "f" else int(text)
        except ValueError:
            return None
    if kind.startswith("?") and not text:
        return NONE
    return places[kind.removeprefix("?")].get(text)


def _allowed(kind: str) -> str:
    words = {"t": "a text", "f": "a number", "i": "a whole number", "b": "yes or no"}
    words["zones"] = "the name of a zone"
    table = kind.removeprefix("?")
    return words.get(kind, f"an id of {table}.csv" + (" or nothing" if kind != table else ""))


def _read_head(path: Path, buses: Mapping[str, int]) -> tuple[int, float, float, str]:
    """Slack bus, its voltage, the frequency and the name of a `network.toml`."""
    try:
        head = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GridError(f"{path}: not readable ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GridError(f"{path}: no valid TOML, {error}") from error
    given = {"f_hz": 60.0, "name": path.parent.name, **head}
    allowed: dict[str, tuple[type, ...]] = {
        "slack_bus": (str,),
        "slack_v_pu": (int, float),
        "f_hz": (int, float),
        "name": (str,),
    }
    for key in [*allowed, *given]:
        if key not in allowed or not isinstance(given.get(key), allowed[key]):
            found = repr(given[key]) if key in given else "nothing"
            raise GridError(
                f"{path}: field {key}: found {found}, allowed: slack_bus and name as text, "
                "slack_v_pu and f_hz as numbers"
            )
    if given["slack_bus"] not in buses:
        raise GridError(
            f"{path}: field slack_bus: found {given['slack_bus']!r}, allowed is an id of buses.csv"
        )
    slack = buses[given["slack_bus"]]
    return slack, float(given["slack_v_pu"]), float(given["f_hz"]), str(given["name"])
