"""Every setting of the application, once: from flags, the environment or a TOML file."""

import ipaddress
import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PUBLIC_URL = re.compile(r"^(https?://[^/?#\s]+)?$")
"""An address that people open, or none."""
HIDDEN = "•••"
HIDDEN_PARTS = frozenset({"password", "sslpassword"})
"""What the query of a database URL may carry that is nobody's business."""
PLANNING_S = 60
"""Between a gate and the end of its market at the least, on the real clock: to plan and clear."""


def public_hosts(public_url: str) -> list[str]:
    """The host, in lower case, by which people reach the pages, where one is set."""
    found = urlsplit(public_url).hostname
    return [] if found is None else [found]


class ConfigError(Exception):
    """Settings that cannot be read; one sentence says which file and why."""


class Settings(BaseSettings):
    """Settings of one installation; the environment variable is `MICROGRID_` and the name."""

    model_config = SettingsConfigDict(
        env_prefix="MICROGRID_", extra="forbid", frozen=True, toml_file="microgrid.toml"
    )

    district: str = Field("sejong-5-1", description="district to run: name, name@fraction, folder")
    database_url: str = Field("sqlite:///var/microgrid.db", description="store of the installation")
    host: str = Field("127.0.0.1", description="address that the HTTP server listens on")
    port: int = Field(8642, ge=1, le=65535, description="port that the HTTP server listens on")
    clock: Literal["demo", "real"] = Field(
        "demo", description="demo: a slot every demo_slot_s; real: the wall clock"
    )
    demo_slot_s: float = Field(15.0, gt=0, description="seconds of a demo slot at the least")
    demo_start: str = Field("2026-07-15T18:00+09:00", description="first slot of a new demo store")
    seed: int = Field(1, ge=0, description="seed of the simulated plant and crowd")
    horizon_slots: int = Field(96, ge=4, le=192, description="slots that a plan covers")
    market_lead_s: int = Field(
        30, ge=0, le=60, description="a market is cleared until so long before its slot"
    )
    gate_lead_s: int = Field(
        300,
        ge=0,
        le=900,
        description="orders close this long before their slot; "
        "real clock: market_lead_s + 60 at least",
    )
    plan_deadline_s: float = Field(60.0, gt=0, description="longest time for one plan")
    plan_gap_frac: float = Field(1e-3, gt=0, description="proven gap at which a plan is optimal")
    grid_rounds_max: int = Field(5, ge=0, description="re-plans after a failed grid check")
    weather_file: str = Field(
        "",
        description="weather as issued: CSV, Parquet, KMA JSON; read again when it changes; "
        "empty: the plant's service",
    )
    history_days: int = Field(28, ge=7, le=366, description="days that forecasts look back")
    operator_passphrase: str = Field(
        "", description="passphrase of the operator's keystore; empty: demo key of the market"
    )
    kept_keys_secret_file: str = Field(
        "", description="file, mode 600, with the secret of kept keys; empty: beside the keystore"
    )
    witnesses: str = Field(
        "", description="witnesses of the log: URL=0xADDRESS, separated by commas; empty: none"
    )
    token: str = Field(
        "", description="token by which commands ask a market that wants sign-in; empty: none"
    )
    sign_in: Literal["auto", "demo", "required"] = Field(
        "auto", description="demo: who reads is not asked, on the demo clock and this machine only"
    )
    public_url: str = Field(
        "",
        pattern=PUBLIC_URL.pattern,
        description="address that people open, such as https://grid.example; empty: host and port",
    )
    alarm_webhooks: str = Field(
        "", description="addresses that alarms are posted to, separated by commas; empty: none"
    )
    alarm_second_webhooks: str = Field(
        "", description="addresses that are posted only what nobody has seen for so long"
    )
    alarm_webhook_secret: str = Field(
        "", description="secret that signs what is posted, or file:PATH that holds it"
    )
    alarm_escalate_min: int = Field(
        10, ge=1, le=1440, description="minutes until an alarm that nobody has seen is posted"
    )
    alarm_second_min: int = Field(
        30, ge=1, le=1440, description="minutes until an unseen alarm is posted to the second ones"
    )
    keep_readings_days: int = Field(
        366, ge=40, description="days that readings are kept as they came; settled ones stay"
    )
    keep_documents_days: int = Field(
        366, ge=40, description="days that what a slot measured and cleared is kept as documents"
    )
    keep_forecasts_days: int = Field(
        92, ge=14, description="days that forecasts are kept as issued, with their weather"
    )
    disk_free_gib_min: float = Field(
        5.0, ge=0, description="free disk below which an alarm is raised, GiB"
    )
    rate_per_s: float = Field(5_000, gt=0, description="requests a second of one address, lasting")
    rate_burst: int = Field(10_000, ge=1, description="requests of one address at once")
    lease_s: float = Field(30.0, ge=1, description="silence after which another process leads")
    clock_ahead_h_max: float = Field(
        8.0, ge=1, description="hours to catch up at a start before somebody confirms the clock"
    )
    bots: bool = Field(True, description="start the simulated crowd beside the demo clock")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")
    log_format: Literal["plain", "json"] = Field(
        "plain", description="log lines for people, or one JSON object a line"
    )

    @field_validator("gate_lead_s")
    @classmethod
    def _leave_time_for_a_market(cls, gate_lead_s: int, info: ValidationInfo) -> int:
        """On the real clock a gate that is too late would leave every slot without a market; the
        demo clock waits for the plan.
        """
        least_s = info.data.get("market_lead_s", 0) + PLANNING_S
        if info.data.get("clock") == "real" and gate_lead_s < least_s:
            raise PydanticCustomError(
                "gate_too_late",
                "{least_s} or more with the real clock: market_lead_s and {planning_s} s to plan",
                {"least_s": least_s, "planning_s": PLANNING_S},
            )
        return gate_lead_s

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, the environment over `microgrid.toml`."""
        return init_settings, env_settings, _file_source(settings_cls)

    @property
    def may_be_open(self) -> bool:
        """Whether a demonstration may be read without sign-in: demo clock, this machine alone."""
        return self.clock == "demo" and is_loopback(self.host)

    @property
    def asks_sign_in(self) -> bool:
        """Whether those who read must sign in; those who act must always."""
        return self.sign_in == "required" or not self.may_be_open

    @property
    def store_folder(self) -> Path:
        """Folder for files beside the store (reports, keystore)."""
        return Path("var")


def _file_source(settings_cls: type[BaseSettings]) -> TomlConfigSettingsSource:
    """What the settings' file says; raises ConfigError where it cannot be read."""
    path = settings_cls.model_config.get("toml_file")
    try:
        return TomlConfigSettingsSource(settings_cls)
    except OSError as error:
        raise ConfigError(f"settings {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings {path}: no valid TOML, {error}") from error


SECRETS = frozenset(
    {
        "operator_passphrase", "token", "alarm_webhook_secret", "alarm_webhooks",
        "alarm_second_webhooks",
    }
)  # fmt: skip
"""Settings that are never shown or kept: only that they are set."""


@dataclass(frozen=True)
class ShownSetting:
    """A setting as it may be shown, and where it comes from: flag, environment, file, default."""

    value: str
    source: str


def shown_settings(settings: Settings) -> dict[str, ShownSetting]:
    """Every setting by name, secrets hidden, with its source at this moment."""
    plain = build_settings()
    environment = EnvSettingsSource(Settings)()
    file = _file_source(Settings)()
    found = {}
    for name in Settings.model_fields:
        if getattr(settings, name) != getattr(plain, name):
            source = "flag"
        else:
            source = "environment" if name in environment else "file" if name in file else "default"
        found[name] = ShownSetting(shown_value(settings, name), source)
    return found


def shown_value(settings: Settings, name: str) -> str:
    """A setting's value as it may be shown, a secret hidden."""
    return _shown(name, getattr(settings, name))


def _shown(name: str, value: object) -> str:
    if name in SECRETS:
        return HIDDEN if value else ""
    return shown_url(str(value)) if name == "database_url" else str(value)


def shown_url(url: str) -> str:
    """A database URL as it may be shown, its passwords hidden; all of it where it is none."""
    # Most commands never see a store, and this takes half of their start.
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return HIDDEN if {"@", "?", "="} & set(url) else url
    shown = parsed.update_query_dict(
        {name: HIDDEN for name in parsed.query if name.lower() in HIDDEN_PARTS}
    )
    if parsed.password is not None:
        shown = shown.set(password=HIDDEN)
    if parsed.host and "@" in parsed.host:
        # The rest of a password that has an @ itself.
        shown = shown.set(host=parsed.host.rpartition("@")[2])
    if shown == parsed:
        return url
    return shown.render_as_string(hide_password=False).replace(quote(HIDDEN), HIDDEN)


def refused_setting(error: ValidationError, where: str = "setting ") -> str:
    """What is wrong with the first setting that is refused, in one sentence, secrets hidden.

    `where` stands before its name.
    """
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        # Its value may be a secret under a name that is misspelt.
        near = ", ".join(get_close_matches(name, Settings.model_fields, 1)) or "those of README.md"
        return f"{where}{name}: no such setting, allowed: {near}"
    found = first["input"]
    shown = _shown(name, found) if name in {*SECRETS, "database_url"} else repr(found)
    return f"{where}{name}: found {shown}, allowed: {first['msg']}"


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other can reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def build_settings(**given: object) -> Settings:
    """Settings of the environment and the file; what is given and not None wins."""
    found = {name: value for name, value in given.items() if value is not None}
    return Settings(**found)  # type: ignore[arg-type]
