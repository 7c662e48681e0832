"""Scenarios: what is different from the district as it is, read from TOML and checked.

    title = "All roofs"
    market = true               # neighbours trade; default true
    forecasts = "ours"          # or "perfect": load, sun and heat are known beforehand
    weather_year = 3            # seed of weather, people and faults; default: the study's
    [district]                  # keys of district.toml, which stand in place of what is there
    pv.total_kwp = 40000.0
    [fleet]
    cars = 4000                 # cars of the full district; sessions follow them
    [demand_response]           # customers draw less in these hours, and are paid for it
    months = [7, 8]
    first_hour = 19
    hours = 2
    days_per_month = 4
    reward_krw_per_kwh = 500.0

The scenario `base` is always there and changes nothing.
"""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from energy.district import District, DistrictError, load_district
from energy.study.errors import StudyError

BASE = "base"
CARS_PER_STANDARD_CHARGER = 1.3
"""Electric cars of the base for each standard charger: Sejong in May 2023 (B, korea.md 7)."""


class Table(BaseModel):
    """A table of the file; keys that are not known are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Fleet(Table):
    """The electric cars that charge in the full district."""

    cars: Annotated[int, Field(ge=0)]


class DemandResponse(Table):
    """Events in which customers draw less: on the first weekdays of months, hours local."""

    months: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(min_length=1)]
    first_hour: Annotated[int, Field(ge=0, le=23)]
    hours: Annotated[int, Field(ge=1, le=4)]
    days_per_month: Annotated[int, Field(ge=1, le=23)]
    reward_krw_per_kwh: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _ends_by_midnight(self) -> "DemandResponse":
        if self.first_hour + self.hours > 24:
            raise ValueError("an event that ends by midnight")
        return self


class Scenario(Table):
    """What is different from the district as it is; `name` is the file's."""

    name: str
    title: Annotated[str, Field(min_length=1, max_length=120)]
    market: bool = True
    forecasts: Literal["ours", "perfect"] = "ours"
    weather_year: Annotated[int, Field(ge=0)] | None = None
    district: dict[str, Any] = Field(default_factory=dict)
    fleet: Fleet | None = None
    demand_response: DemandResponse | None = None

    @property
    def digest(self) -> str:
        """Names what a run of it depends on beside the seed, whatever the file is called."""
        text = self.model_dump_json(exclude={"name", "title", "weather_year"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def base_scenario() -> Scenario:
    """The district as it is."""
    return Scenario(name=BASE, title="As it is")


def read_scenarios(paths: Sequence[Path]) -> tuple[Scenario, ...]:
    """The base and the scenarios of these files; raises StudyError where two have one name."""
    found = [base_scenario(), *(read_scenario(path) for path in paths)]
    for n, one in enumerate(found):
        if one.name in {other.name for other in found[:n]}:
            raise StudyError(
                f"scenario {one.name!r}: found two of that name, allowed one ({BASE} is always "
                "there; names are those of the files)"
            )
    return tuple(found)


def read_scenario(path: Path) -> Scenario:
    """The scenario of a file; raises StudyError naming the first bad key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{path}: not readable ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: no valid TOML, {error}") from error
    if "name" in content:
        raise StudyError(f"{path}: field name: found it, allowed: none, for the file's name counts")
    try:
        return Scenario(name=path.stem, **content)
    except ValidationError as error:
        raise StudyError(f"{path}: {_sentence(error)}") from error


def scenario_district(source: str, scenario: Scenario) -> District:
    """The district of a source as the scenario changes it; raises StudyError naming the key."""
    try:
        base = load_district(source)
        if not scenario.district and scenario.fleet is None:
            return base
        changed = load_district(source, scenario.district)
    except DistrictError as error:
        raise StudyError(f"scenario {scenario.name}: {error}") from error
    if scenario.fleet is None:
        return changed
    return _with_fleet(changed, base, fleet_ratio(base, scenario))


def fleet_ratio(base: District, scenario: Scenario) -> float:
    """Cars of a scenario over those of the district as it is."""
    return 1.0 if scenario.fleet is None else scenario.fleet.cars / base_cars(base)


def base_cars(base: District) -> float:
    """Electric cars of the full district as it is."""
    standard = np.array([kind == "standard" for kind in base.chargers.kind], dtype=bool)
    points = float(base.chargers.count[standard].sum())
    if points == 0:
        raise StudyError(f"fleet: {base.id} has no standard chargers, allowed one at least")
    return CARS_PER_STANDARD_CHARGER * points / base.fraction


def _with_fleet(changed: District, base: District, ratio: float) -> District:
    """The district with the fleet's sessions: they follow the cars, not the number of points."""
    chargers, kinds = changed.chargers, np.array(changed.chargers.kind)
    per_day = chargers.cars_per_day.copy()
    for kind in sorted(set(chargers.kind)):
        mine = kinds == kind
        now = float(per_day[mine].sum())
        before = float(base.chargers.cars_per_day[np.array(base.chargers.kind) == kind].sum())
        per_day[mine] *= before * ratio / now if now > 0 else 0.0
    return replace(changed, chargers=replace(chargers, cars_per_day=per_day))


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong: field, found, allowed."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    found = repr(first["input"]) if first["type"] != "missing" else "nothing"
    allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"] == "extra_forbidden":
        found, allowed = "a key that is not known", ", ".join(_keys(first["loc"][:-1]))
    more = f" ({error.error_count() - 1} more findings)" if error.error_count() > 1 else ""
    return f"field {where}: found {found}, allowed: {allowed}{more}"


def _keys(place: Sequence[int | str]) -> list[str]:
    tables: dict[Sequence[int | str], type[Table]] = {
        ("fleet",): Fleet,
        ("demand_response",): DemandResponse,
    }
    fields = tables.get(tuple(place), Scenario).model_fields
    return sorted(set(fields) - {"name"})
