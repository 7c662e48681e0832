"""What anybody may know of the market: prices, rules, what is open. Bidders decide by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from energy.district import District, NetworkFees
from energy.forecast.inputs import MEDIAN, P10, P90
from energy.steps.auctions import PRICE
from energy.steps.market_network import fees_at
from energy.steps.market_views import told_to_members
from energy.steps.prices import smp_krw_per_kwh
from energy.store.admission import Admission
from energy.store.forecasts import last_issue
from energy.store.orders import load_clearing
from energy.store.slots import last_claimed
from energy.store.views import find_view, last_view_slot
from energy.tariffs import load_tariff
from energy.timegrid import iso_of
from energy.units import SLOT_S, krw_text_from_mkrw, mkrw_from_krw
from market.rules import MarketRules
from market.tariff import ProgressiveTable, SlotCalendar, Tariff, TariffDay, price_mkrw_per_kwh

LAST_SLOTS = 16
NOON = 12


@dataclass(frozen=True)
class DistrictTime:
    """What time it is in the district, and how long one of its slots really lasts."""

    now_s: float
    slot_seconds_real: float


def prices_document(
    connection: Connection, district: District, admission: Admission, time: DistrictTime
) -> dict[str, Any]:
    """The document of `GET /v1/prices`; money as decimal strings of won, instants in UTC."""
    first = admission.first_open(int(time.now_s * 1_000_000), last_claimed(connection))
    rules = admission.rules(connection)
    feed_in = float(smp_krw_per_kwh(district, np.array([first], dtype=np.int64))[0])
    return {
        "district": {"id": district.id, "time_zone": district.time_zone},
        "market": {"id": admission.domain.market_id, "chain_id": admission.domain.chain_id},
        "domain": admission.domain.as_json(),
        "clock": {"now_utc": iso_of(time.now_s), "slot_seconds_real": time.slot_seconds_real},
        "open": {
            "first_slot_utc": iso_of(first),
            "slots": admission.horizon_slots,
            "gate_lead_s": admission.gate_lead_s,
        },
        "rules": bidders_rules(rules.at(first), district.fees),
        "rules_to_come": [
            {"from_slot_utc": iso_of(one.from_slot), **bidders_rules(one.rules, district.fees)}
            for one in rules.after(first)
        ],
        "feed_in_krw_per_kwh": krw_text_from_mkrw(mkrw_from_krw(feed_in)),
        "tariffs": tariff_blocks(district, first),
        "network": _network(connection, district, first, rules.at(first)),
        "sun_frac": _sun_frac(connection, first),
        "expected": _expected_price(connection, first),
        "last": _last_prices(connection, first),
    }


def bidders_rules(rules: MarketRules, own: NetworkFees) -> dict[str, Any]:
    """What an order must keep to and what its trades pay for the wires; `version` is what it names.

    `own` are the district's fees, until the rules have others.
    """
    fees = fees_at(rules, own)
    return {
        "version": rules.version,
        "price_floor_krw_per_kwh": krw_text_from_mkrw(rules.floor_mkrw_per_kwh),
        "price_cap_krw_per_kwh": krw_text_from_mkrw(rules.cap_mkrw_per_kwh),
        "price_tick_krw_per_kwh": krw_text_from_mkrw(rules.tick_mkrw_per_kwh),
        "premium_max_krw_per_kwh": krw_text_from_mkrw(rules.premium_bound_mkrw_per_kwh),
        "network_fee_krw_per_kwh": krw_text_from_mkrw(fees.network_mkrw_per_kwh),
        "local_fee_krw_per_kwh": krw_text_from_mkrw(fees.local_mkrw_per_kwh),
    }


def _network(
    connection: Connection, district: District, first: int, rules: MarketRules
) -> dict[str, Any]:
    """Zones, what a traded kWh pays for the wires, and what each way was like when last cleared.

    A bid's limit has the fees in it: a buyer pays its zone's price and nothing more.
    """
    now = fees_at(rules, district.fees)
    fees = {
        "network_fee_krw_per_kwh": now.network_mkrw_per_kwh,
        "local_fee_krw_per_kwh": now.local_mkrw_per_kwh,
    }
    last = told_to_members(_last_cleared(connection, first) or {})
    return {
        "version": last.get("network_version"),
        "zones": list(district.network.zones),
        **{name: krw_text_from_mkrw(mkrw) for name, mkrw in fees.items()},
        "transfers": last.get("transfers", []),
        "links": last["links"],
    }


def _last_cleared(connection: Connection, first: int) -> dict[str, Any] | None:
    """The newest clearing before a slot, None where there is none among the last ones."""
    for slot in range(first - SLOT_S, first - (LAST_SLOTS + 1) * SLOT_S, -SLOT_S):
        found = load_clearing(connection, slot)
        if found is not None:
            return found
    return None


def tariff_blocks(district: District, slot: int) -> dict[str, list[dict[str, Any]]]:
    """Price of one more kWh by the month's use, of every tariff that a customer has, at noon."""
    local = datetime.fromtimestamp(slot, ZoneInfo(district.time_zone))
    calendar = SlotCalendar(local.month, NOON, TariffDay.WEEKDAY)
    return {
        name: _blocks(load_tariff(name, local.date(), or_first=True), calendar)
        for name in sorted(set(district.meters.tariff))
    }


def _blocks(tariff: Tariff, calendar: SlotCalendar) -> list[dict[str, Any]]:
    table = tariff.table
    if not isinstance(table, ProgressiveTable):
        price = price_mkrw_per_kwh(tariff, calendar)
        return [{"up_to_kwh": None, "krw_per_kwh": krw_text_from_mkrw(price)}]
    limits = table.tiers[calendar.month - 1].limit_wh
    rows: list[dict[str, Any]] = []
    for start_wh, limit_wh in zip((0, *limits), (*limits, None), strict=True):
        price = price_mkrw_per_kwh(tariff, calendar, start_wh)
        up_to_kwh = None if limit_wh is None else limit_wh / 1000
        rows.append({"up_to_kwh": up_to_kwh, "krw_per_kwh": krw_text_from_mkrw(price)})
    return rows


def _expected_price(connection: Connection, slot: int) -> dict[str, Any] | None:
    """What the newest forecast says that the auction of a slot ends at; None where none covers it.

    The median and the band that holds eight of ten auctions.
    """
    issue = last_issue(connection)
    quantiles = None if issue is None else issue.quantiles.get(PRICE)
    if issue is None or quantiles is None:
        return None
    row = (slot - issue.first_slot) // SLOT_S
    if not 0 <= row < quantiles.shape[1]:
        return None
    said = {"price": MEDIAN, "low": P10, "high": P90}
    texts = {
        f"{name}_krw_per_kwh": krw_text_from_mkrw(mkrw_from_krw(float(quantiles[at, row])))
        for name, at in said.items()
    }
    return {"slot_utc": iso_of(slot), **texts, "tier": issue.tiers[PRICE][0]}


def _sun_frac(connection: Connection, slot: int) -> float | None:
    """The published forecast's share of a clear sky in a slot, None where none covers it."""
    planned = last_view_slot(connection, "plan")
    document = None if planned is None else find_view(connection, "plan", planned)
    if planned is None or document is None:
        return None
    series: list[float] = document["forecast"]["sun_frac"]
    row = (slot - planned) // SLOT_S
    return series[row] if 0 <= row < len(series) else None


def _last_prices(connection: Connection, first: int) -> list[dict[str, Any]]:
    """Prices of the newest cleared slots, oldest first; null where nobody traded.

    `price_krw_per_kwh` is the mean that buyers paid, `zones` has the price of each zone.
    """
    rows = []
    for slot in range(first - LAST_SLOTS * SLOT_S, first, SLOT_S):
        found = load_clearing(connection, slot)
        if found is not None:
            found = told_to_members(found)
            rows.append(
                {
                    "slot_utc": iso_of(slot),
                    "price_krw_per_kwh": found["price_krw_per_kwh"],
                    "zones": {
                        one["zone"]: one["price_krw_per_kwh"] for one in found.get("zones", ())
                    },
                }
            )
    return rows
