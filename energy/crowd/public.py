"""What anybody can read of the market, as `GET /v1/prices` answers it; the crowd knows no more.

The document, of which these keys are read (others may stand beside them); money is decimal strings
of won, instants are ISO 8601 in UTC:

    {"district": {"id": "sejong-5-1"},
     "market": {"id": "sejong-5-1/sim/1", "chain_id": 1},
     "clock": {"now_utc": "...", "slot_seconds_real": 15.0},
     "open": {"first_slot_utc": "...", "slots": 96, "gate_lead_s": 300},
     "rules": {"version": 1, "price_floor_krw_per_kwh": "0", "price_cap_krw_per_kwh": "1000",
               "price_tick_krw_per_kwh": "0.1"},
     "feed_in_krw_per_kwh": "112.7",
     "tariffs": {"residential-lv": [{"up_to_kwh": 300, "krw_per_kwh": "134"},
                                    {"up_to_kwh": null, "krw_per_kwh": "228.6"}]},
     "sun_frac": 0.8,
     "last": [{"slot_utc": "...", "price_krw_per_kwh": "142.5"}]}

`open.first_slot_utc` is the first slot whose gate is still to come. `tariffs` are prices of one
more kWh by use of the month, levies per kWh included. `sun_frac` is the weather forecast's share of
a clear sky for that slot, or null. `last` are the newest cleared slots, oldest first; a price of
null is a slot without trade.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from energy.crowd.errors import CrowdError
from energy.district import District
from energy.timegrid import TimeGridError, parse_instant, require_slot
from energy.units import SLOT_S, mkrw_from_krw_text
from market.signing import Domain


@dataclass(frozen=True)
class TariffBlock:
    """Price of one more kWh up to a month's use of `up_to_kwh`; None is without end."""

    up_to_kwh: float | None
    price_mkrw_per_kwh: int


@dataclass(frozen=True)
class RulesToCome:
    """Market rules that hold from a slot on; prices in milli-won per kWh."""

    from_slot: int
    rules_version: int
    tick_mkrw_per_kwh: int
    floor_mkrw_per_kwh: int
    cap_mkrw_per_kwh: int


@dataclass(frozen=True)
class PublicPrices:
    """What a bidder knows of prices and rules; prices in milli-won per kWh.

    `tariffs` by the tariff's name; `recent` the clearing prices of the last slots, oldest first,
    None where nobody traded; `sun_frac` None where no weather forecast is known. The rules are
    those of the first open slot; `to_come` are those that follow, oldest first.
    """

    feed_in_mkrw_per_kwh: int
    tariffs: Mapping[str, tuple[TariffBlock, ...]]
    recent_mkrw_per_kwh: tuple[int | None, ...] = ()
    sun_frac: float | None = None
    gate_lead_s: int = 300
    rules_version: int = 1
    tick_mkrw_per_kwh: int = 100
    floor_mkrw_per_kwh: int = 0
    cap_mkrw_per_kwh: int = 1_000_000
    to_come: tuple[RulesToCome, ...] = ()

    def for_slot(self, slot: int) -> "PublicPrices":
        """The same under the rules that hold in a slot."""
        due = [one for one in self.to_come if one.from_slot <= slot]
        if not due:
            return self
        rules = {name: found for name, found in vars(due[-1]).items() if name != "from_slot"}
        return replace(self, **rules)


@dataclass(frozen=True)
class MarketNow:
    """The market as it stands: prices, whose signatures it takes, what is open, and its clock."""

    district_id: str
    domain: Domain
    prices: PublicPrices
    first_open_slot: int
    open_slots: int
    now_s: int
    slot_seconds_real: float

    @property
    def gate_in_s(self) -> float:
        """Real seconds until the gate of the first open slot, 0 where it has come."""
        district_s = self.first_open_slot - self.prices.gate_lead_s - self.now_s
        return max(district_s, 0) * self.slot_seconds_real / SLOT_S


def parse_public(document: Mapping[str, Any]) -> PublicPrices:
    """Prices and rules of a document of `GET /v1/prices`; raises CrowdError that names the key."""
    rules = _part(document, "rules")
    tariffs = _part(document, "tariffs")
    sun = document.get("sun_frac")
    return PublicPrices(
        feed_in_mkrw_per_kwh=_mkrw(document, "feed_in_krw_per_kwh"),
        tariffs={name: _blocks(name, rows) for name, rows in tariffs.items()},
        recent_mkrw_per_kwh=tuple(_price_or_gap(row) for row in document.get("last", [])),
        sun_frac=None if sun is None else float(sun),
        gate_lead_s=_whole(_part(document, "open"), "gate_lead_s"),
        **_rules(rules),
        to_come=tuple(
            RulesToCome(parse_instant(_present(one, "from_slot_utc")), **_rules(one))
            for one in document.get("rules_to_come", [])
        ),
    )


def _rules(found: Mapping[str, Any]) -> dict[str, int]:
    return {
        "rules_version": _whole(found, "version"),
        "tick_mkrw_per_kwh": _mkrw(found, "price_tick_krw_per_kwh"),
        "floor_mkrw_per_kwh": _mkrw(found, "price_floor_krw_per_kwh"),
        "cap_mkrw_per_kwh": _mkrw(found, "price_cap_krw_per_kwh"),
    }


def parse_market(document: Mapping[str, Any]) -> MarketNow:
    """The market as it stands, of a document of `GET /v1/prices`; raises CrowdError."""
    market, clock, window = (_part(document, name) for name in ("market", "clock", "open"))
    try:
        return MarketNow(
            district_id=str(_part(document, "district").get("id", "")),
            domain=Domain(str(_present(market, "id")), _whole(market, "chain_id")),
            prices=parse_public(document),
            first_open_slot=require_slot(parse_instant(_present(window, "first_slot_utc"))),
            open_slots=_whole(window, "slots"),
            now_s=parse_instant(_present(clock, "now_utc")),
            slot_seconds_real=float(_present(clock, "slot_seconds_real")),
        )
    except TimeGridError as error:
        raise CrowdError(f"prices: {error}") from error


def require_district(market: MarketNow, district: District) -> None:
    """Raise CrowdError where the server runs another district than the one whose keys we have."""
    if market.district_id != district.id:
        raise CrowdError(
            f"district: found {district.id}, allowed {market.district_id}, which the server runs"
        )


def mkrw_of_krw_text(text: str, field: str) -> int:
    """Milli-won of a decimal string of won with at most three decimals; raises CrowdError."""
    try:
        return mkrw_from_krw_text(text)
    except ValueError as error:
        raise CrowdError(f"{field}: found {text!r}, {error}") from error


def _blocks(name: str, rows: Any) -> tuple[TariffBlock, ...]:  # noqa: ANN401 - JSON
    if not isinstance(rows, list) or not rows:
        raise CrowdError(f"prices: tariffs.{name}: found {rows!r}, allowed a list of blocks")
    return tuple(
        TariffBlock(
            up_to_kwh=None if row.get("up_to_kwh") is None else float(row["up_to_kwh"]),
            price_mkrw_per_kwh=_mkrw(row, "krw_per_kwh"),
        )
        for row in rows
    )


def _price_or_gap(row: Mapping[str, Any]) -> int | None:
    return None if row.get("price_krw_per_kwh") is None else _mkrw(row, "price_krw_per_kwh")


def _present(part: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - JSON
    if key not in part:
        raise CrowdError(f"prices: {key}: found nothing, allowed a value")
    return part[key]


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _present(document, key)
    if not isinstance(found, dict):
        raise CrowdError(f"prices: {key}: found {found!r}, allowed an object")
    return found


def _whole(part: Mapping[str, Any], key: str) -> int:
    found = _present(part, key)
    if type(found) is not int:
        raise CrowdError(f"prices: {key}: found {found!r}, allowed a whole number")
    return found


def _mkrw(part: Mapping[str, Any], key: str) -> int:
    return mkrw_of_krw_text(str(_present(part, key)), f"prices: {key}")
