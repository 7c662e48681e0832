"""Which districts an installation runs: a TOML file, read and checked as a whole.

Every district has a folder of its own, where its `microgrid.toml`, keys and, unless told otherwise,
its store lie; what the file says wins over that, as flags do.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from energy.config import PUBLIC_URL, Settings, refused_setting, shown_url

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
KEYS = {"host": str, "port": int, "public_url": str, "districts": dict}
ALLOWED = "host and public_url as text, port as a number, tables [districts.NAME]"
HOST, PORT = "127.0.0.1", 8700


class FleetError(Exception):
    """A fleet's file is not acceptable: one sentence with file, field, found and allowed."""


class GivenSettings(Settings):
    """Settings of a district: neither this process's environment nor its folder speaks for it."""

    model_config = SettingsConfigDict(toml_file=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, alone."""
        return (init_settings,)


@dataclass(frozen=True)
class Member:
    """One district: its folder and the settings that the fleet's file gives, as texts."""

    name: str
    folder: Path
    given: Mapping[str, str]
    settings: Settings

    @property
    def url(self) -> str:
        """Where its service answers."""
        return f"http://{self.settings.host}:{self.settings.port}"


@dataclass(frozen=True)
class Fleet:
    """All districts in the order of the file, and where their overview is served.

    public_url: the address that people open, where a proxy stands before it.
    """

    members: tuple[Member, ...]
    host: str = HOST
    port: int = PORT
    public_url: str = ""


def load_fleet(path: Path) -> Fleet:
    """The fleet of a file. Raises FleetError, also where two districts would share something."""
    table = _read(path)
    for key, value in table.items():
        if not isinstance(value, KEYS.get(key, ())) or isinstance(value, bool):
            found = f"found {value!r}" if key in KEYS else "no such key"
            raise FleetError(f"{path}: {key}: {found}, allowed: {ALLOWED}")
    public_url = table.get("public_url", "")
    if not PUBLIC_URL.fullmatch(public_url):
        allowed = "an address such as https://grid.example"
        raise FleetError(f"{path}: public_url: found {public_url!r}, allowed: {allowed}")
    districts = table.get("districts", {})
    if not districts:
        raise FleetError(f"{path}: found no district, allowed: tables [districts.NAME]")
    members = tuple(_member(path, name, row) for name, row in districts.items())
    fleet = Fleet(members, table.get("host", HOST), table.get("port", PORT), public_url)
    _require_apart(path, fleet)
    return fleet


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FleetError(f"{path}: not readable ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: no valid TOML, {error}") from error


def _member(path: Path, name: str, row: object) -> Member:
    where = f"{path}: districts.{name}"
    if not NAME.fullmatch(name) or not isinstance(row, dict):
        allowed = "[districts.NAME] with a name of at most 40 of a-z, 0-9 and -"
        # Of what the table says only the names: secrets may be among it.
        found = list(row) if isinstance(row, dict) else row
        raise FleetError(f"{where}: found {found!r}, allowed: {allowed}")
    folder = row.pop("folder", name)
    if not isinstance(folder, str):
        raise FleetError(f"{where}.folder: found {folder!r}, allowed: a path")
    unknown = sorted(set(row) - set(Settings.model_fields))
    if unknown:
        allowed = ", ".join(["folder", *Settings.model_fields])
        raise FleetError(f"{where}.{unknown[0]}: no such setting, allowed: {allowed}")
    place = (path.parent / folder).absolute()
    try:
        settings = GivenSettings(**(_own_settings(place) | row))
    except ValidationError as error:
        raise FleetError(refused_setting(error, f"{where}.")) from error
    return Member(name, place, {key: str(value) for key, value in row.items()}, settings)


def _own_settings(folder: Path) -> dict[str, Any]:
    """What the district's own file says; nothing where there is none."""
    path = folder / "microgrid.toml"
    return _read(path) if path.exists() else {}


def _require_apart(path: Path, fleet: Fleet) -> None:
    """No two districts may share a port, a store or a folder."""
    ports = [(one.settings.port, one.name) for one in fleet.members]
    _require_once(path, "port", [*ports, (fleet.port, "the overview")])
    _require_once(path, "folder", [(str(one.folder), one.name) for one in fleet.members])
    stores = [(_store_of(one), one.name) for one in fleet.members]
    _require_once(path, "database_url", stores)


def _store_of(member: Member) -> str:
    """The store's address, a file's path made whole from the district's folder."""
    url, scheme = member.settings.database_url, "sqlite:///"
    return str(member.folder / url.removeprefix(scheme)) if url.startswith(scheme) else url


def _require_once(path: Path, field: str, found: list[tuple[Any, str]]) -> None:
    value, count = Counter(value for value, _ in found).most_common(1)[0]
    if count > 1:
        names = ", ".join(name for one, name in found if one == value)
        shown = shown_url(value) if "://" in str(value) else value
        raise FleetError(f"{path}: {field}: found {shown} for {names}, allowed: one each")
