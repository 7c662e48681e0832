"""`load_district`: from a source's name to the District, every error one sentence."""

from dataclasses import fields
from pathlib import Path

import data
from energy.district.build import build_district
from energy.district.measured import build_measured_district
from energy.district.model import District, DistrictError
from energy.district.schema import DistrictFile, read_district_file
from grid_models import GridError, Network, StreetPlan, build_street_plan, read_network_folder

FRACTION_MIN, FRACTION_MAX = 0.001, 20.0


def load_district(source: str) -> District:
    """The district of `name`, `name@fraction`, `simbench:<code>` or a folder's path.

    Raises DistrictError (one sentence: file, row, field, found, allowed).
    """
    try:
        if source.startswith("simbench:"):
            return build_measured_district(source.removeprefix("simbench:"))
        name, _, fraction_text = source.partition("@")
        folder = _folder_of(name)
        file = read_district_file(folder / "district.toml")
        network = _network(folder, file, _fraction(source, fraction_text))
        return build_district(file, network, _fraction(source, fraction_text))
    except GridError as error:
        raise DistrictError(str(error)) from error


def _folder_of(name: str) -> Path:
    packaged = data.path("districts", name)
    if "/" not in name and packaged.is_dir():
        return packaged
    folder = Path(name)
    if folder.is_dir():
        return folder
    known = ", ".join(sorted(path.name for path in data.path("districts").iterdir()))
    raise DistrictError(
        f"district {name!r}: found no such district or folder, allowed: {known}, "
        "name@fraction, simbench:<code>, or a folder with district.toml"
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
        return read_network_folder(folder)
    known = {field.name: field.type for field in fields(StreetPlan)}
    for key, value in file.streets.items():
        if key not in known:
            allowed = ", ".join(sorted(known))
            raise DistrictError(
                f"{folder / 'district.toml'}: field streets.{key}: unknown, allowed: {allowed}"
            )
        if isinstance(value, str) != (key == "name") or (
            not isinstance(value, str) and value < 0 and key != "substation_tap_pos"
        ):
            raise DistrictError(
                f"{folder / 'district.toml'}: field streets.{key}: found {value}, "
                "allowed: a number not below 0"
            )
    plan = {"name": file.id, "seed": file.seed, **file.streets, "fraction": fraction}
    return build_street_plan(StreetPlan(**plan))  # type: ignore[arg-type]
