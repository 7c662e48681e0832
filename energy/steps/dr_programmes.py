"""Demand response programmes from `data/dr/programmes.toml`: their rules, prices and accounts.

Keys of the file are described at its top; a key that is missing or odd is named in one sentence.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import data
from energy.units import MKRW_PER_KRW
from market.dr import BaselineMethod, DrProgramme
from market.errors import MarketError
from market.signing import Domain
from market.transfers import system_account

METHODS = {"max-4-5": BaselineMethod.MAX_4_5, "mid-6-10": BaselineMethod.MID_6_10}


@dataclass(frozen=True)
class Programme:
    """A programme: what it allows, its usual prices in milli-won per kWh, and its names.

    `reward_mkrw_per_kwh` is None where the market's price is paid; `penalty_mkrw_per_kwh` is None
    where what is missing costs as much as the reward.
    """

    terms: DrProgramme
    title: Mapping[str, str]
    method: BaselineMethod
    reward_mkrw_per_kwh: int | None
    penalty_mkrw_per_kwh: int | None

    @property
    def system_name(self) -> str:
        """The name of its account among the market's own."""
        return f"DR:{self.terms.name}"

    def account(self, domain: Domain) -> bytes:
        """The account that pays rewards and takes penalties in a market."""
        return system_account(domain.market_id, self.system_name)


@cache
def dr_programmes() -> Mapping[str, Programme]:
    """All programmes by name; raises MarketError, one sentence, for a file that is not right."""
    path = data.path("dr", "programmes.toml")
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _programme(name, table) for name, table in found.items()}


def programme_named(name: str) -> Programme:
    """The programme of this name; raises MarketError, one sentence."""
    found = dr_programmes().get(name)
    if found is None:
        allowed = ", ".join(dr_programmes())
        raise MarketError(f"programme: found {name!r}, allowed {allowed}")
    return found


def programmes_by_account(domain: Domain) -> dict[bytes, DrProgramme]:
    """The terms of every programme by its account in a market."""
    return {one.account(domain): one.terms for one in dr_programmes().values()}


def programme_system_names() -> tuple[str, ...]:
    """The names of the programmes' accounts, in the order of the file."""
    return tuple(one.system_name for one in dr_programmes().values())


def _programme(name: str, table: Mapping[str, Any]) -> Programme:
    least, most = table["hours_of_event"]
    method = METHODS.get(table["baseline"])
    if method is None:
        raise MarketError(
            f"programme {name}: baseline: found {table['baseline']!r}, allowed {', '.join(METHODS)}"
        )
    reward = _mkrw(table.get("reward_krw_per_kwh"))
    penalty = _mkrw(table.get("penalty_krw_per_kwh"))
    if penalty is None and not table.get("penalty_is_reward"):
        raise MarketError(
            f"programme {name}: penalty_krw_per_kwh: found none, allowed one or penalty_is_reward"
        )
    terms = DrProgramme(
        name=name,
        hours=tuple((int(first), int(end)) for first, end in table["hours"]),
        least_hours=least,
        most_hours=most,
        events_per_day=table["events_per_day"],
        least_wh_per_hour=table["least_wh_per_hour"],
        ban_months=table["ban_months"],
        controllable_ppm=table["controllable_ppm"],
    )
    return Programme(terms, dict(table["title"]), method, reward, penalty)


def _mkrw(text: str | None) -> int | None:
    return None if text is None else int(text) * MKRW_PER_KRW
