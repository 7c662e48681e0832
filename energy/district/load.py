"""`load_district`: from a source's name to the District, every error one sentence."""

from dataclasses import fields, replace
from pathlib import Path

import data
from energy.district.agreements import read_agreements
from energy.district.build import build_district
from energy.district.measured import build_measured_district
from energy.district.model import District, DistrictError
from energy.district.schema import Changes, DistrictFile, read_district_file
from energy.district.static import build_static_district
from energy.tariffs import tariff_names
from grid_models import GridError, Network, StreetPlan, build_street_plan, read_network_folder

FRACTION_MIN, FRACTION_MAX = 0.001, 20.0
SIGNED = ("substation_tap_pos",)
NET_SUFFIXES = (".json", ".xlsx")


def load_district(source: str, changes: Changes | None = None) -> District:
    """The district of a source: its wires, what hangs on them, prices.

    A source is a name, `name@fraction`, `simbench:<code>`, `pandapower:<name>`, a saved net (.json,
    .xlsx) or a folder. `changes` stand in place of keys of its `district.toml`. Raises
    DistrictError (one sentence: file, row, field, found, allowed).
    """
    try:
        _require_changeable(source, changes)
        if source.startswith("simbench:"):
            return build_measured_district(source.removeprefix("simbench:"))
        if source.startswith("pandapower:"):
            return build_static_district(source.removeprefix("pandapower:"))
        if Path(source).suffix in NET_SUFFIXES:
            return build_static_district(source)
        name, _, fraction_text = source.partition("@")
        folder = _folder_of(name)
        file = read_district_file(folder / "district.toml", changes)
        fraction = _fraction(source, fraction_text)
        _require_tariff(folder / "district.toml", file.connection.tariff)
        district = build_district(file, _network(folder, file, fraction), fraction)
        return replace(district, agreements=read_agreements(folder, district))
    except GridError as error:
        raise DistrictError(str(error)) from error


def _require_changeable(source: str, changes: Changes | None) -> None:
    """Refuse changes to a source that has no `district.toml`."""
    if changes and (":" in source or Path(source).suffix in NET_SUFFIXES):
        raise DistrictError(
            f"district {source!r}: found changes to {', '.join(sorted(changes))}, allowed are none "
            "for a source without district.toml"
        )


def _folder_of(name: str) -> Path:
    packaged = data.path("districts", name)
    if name and "/" not in name and packaged.is_dir():
        return packaged
    folder = Path(name)
    if name and folder.is_dir():
        return folder
    known = ", ".join(sorted(path.name for path in data.path("districts").iterdir()))
    raise DistrictError(
        f"district {name!r}: found no such district or folder, allowed: {known}, "
        "name@fraction, simbench:<code>, pandapower:<name>, a net in a .json or .xlsx file, "
        "or a folder with district.toml"
    )


def _fraction(source: str, text: str) -> float:
    if not text:
        return 1.0
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not FRACTION_MIN <= fraction <= FRACTION_MAX:
        raise DistrictError(
            f"district {source!r}: fraction {text!r}, allowed: {FRACTION_MIN}..{FRACTION_MAX}"
        )
    return fraction


def _network(folder: Path, file: DistrictFile, fraction: float) -> Network:
    """The folder's own tables where it has them, else the streets drawn from its counts."""
    if (folder / "buses.csv").exists():
        if fraction != 1:
            raise DistrictError(
                f"district {folder}: found fraction {fraction:g}, allowed is 1 for a district "
                "with tables of its own"
            )
        return read_network_folder(folder)
    for key, value in file.streets.items():
        _require_street(folder / "district.toml", key, value)
    plan = {"name": file.id, "seed": file.seed, **file.streets, "fraction": fraction}
    return build_street_plan(StreetPlan(**plan))  # type: ignore[arg-type]


def _require_street(path: Path, key: str, value: float | str) -> None:
    """Refuse what StreetPlan has no field for, and values that are none of a count or measure."""
    known = {field.name: field.type for field in fields(StreetPlan)} | {"fraction": None}
    if known.get(key) is None:
        allowed = ", ".join(name for name, kind in sorted(known.items()) if kind)
        raise DistrictError(f"{path}: field streets.{key}: found it, allowed: {allowed}")
    wanted = known[key]
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        kind = "a text" if wanted is str else "a whole number" if wanted is int else "a number"
        raise DistrictError(f"{path}: field streets.{key}: found {value!r}, allowed: {kind}")
    if not isinstance(value, str) and not 0 <= value < float("inf") and key not in SIGNED:
        raise DistrictError(f"{path}: field streets.{key}: found {value}, allowed: not below 0")


def _require_tariff(path: Path, name: str) -> None:
    if name not in tariff_names():
        raise DistrictError(
            f"{path}: field connection.tariff: found {name!r}, allowed: {', '.join(tariff_names())}"
        )
