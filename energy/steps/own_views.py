"""What an account sees of its home: what is fixed, the day so far, what trades have brought.

Figures are decimal strings of won and whole Wh; what is not known is null and never nought.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from energy.district import District
from energy.steps.books import load_registry
from energy.steps.market_day import OwnSlot, load_own_slot
from energy.steps.market_so_far import SoFar, Sums
from energy.steps.public import tariff_blocks
from energy.store.admission import Trader
from energy.store.bills import load_billed_months
from energy.store.books import settled_bounds
from energy.store.checkpoints import load_book_state
from energy.store.contracts import contracts_of
from energy.store.views import Document
from energy.tariffs import load_tariff, slot_calendar
from energy.timegrid import iso_of, local_day_start, local_month_start
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.month_tariffs import month_of_content
from market.tariff import price_mkrw_per_kwh
from market.waterfall import offer_limit_wh


def home_block(
    connection: Connection, district: District, trader: Trader | None, account: bytes, slot: int
) -> Document:
    """What is fixed of a home: zone, tariff, whether there is solar behind the meter, and the most
    that it may bid for and offer in a slot: what its contracts sell there is not its to offer.

    `meter` is null for an account that has none in the district.
    """
    row = _row_of(district, account)
    if row is None:
        return {"account": f"0x{account.hex()}", "meter": None}
    meters = district.meters
    zone = int(district.zone_of_meter[row])
    sells = [
        one.supply
        for one in contracts_of(connection, [account])
        if one.seller == account and one.runs_in(slot)
    ]
    return {
        "account": f"0x{account.hex()}",
        "meter": {
            "use": meters.use[row],
            "tariff": meters.tariff[row],
            "has_solar": bool(meters.pv_kwp[row] > 0),
            "zone": zone,
            "zone_name": district.network.zones[zone],
            "bid_wh_max": None if trader is None else trader.import_wh_max,
            "offer_wh_max": (
                None if trader is None else offer_limit_wh(trader.export_wh_max, sells)
            ),
        },
    }


def marginal_block(
    connection: Connection, district: District, account: bytes, slot: int
) -> Document | None:
    """What one more kWh costs this home at tariff in a slot, by what its month has used so far.

    Without VAT and fund; a bid above it is dearer than KEPCO. None without meter or books.
    """
    row, state = _row_of(district, account), load_book_state(connection)
    if row is None or state is None:
        return None
    columns, month = state[1], local_month_start(slot, district.time_zone)
    is_running = int(columns["month_start"][0]) == month
    month_wh = int(columns["month_wh"][row]) if is_running else 0
    name = district.meters.tariff[row]
    day = datetime.fromtimestamp(slot, ZoneInfo(district.time_zone)).date()
    tariff = load_tariff(name, day, or_first=True)
    price = price_mkrw_per_kwh(tariff, slot_calendar(slot, district.time_zone), month_wh)
    return {
        "slot_utc": iso_of(slot),
        "krw_per_kwh": krw_text_from_mkrw(price),
        "month_kwh": month_wh / 1000,
        "steps": tariff_blocks(district, slot)[name],
    }


def day_block(connection: Connection, district: District, account: bytes) -> Document | None:
    """The settled quarter hours of the newest local day that has any, as columns in Wh."""
    bounds = settled_bounds(connection)
    if bounds is None:
        return None
    newest = bounds[1]
    first = local_day_start(newest, district.time_zone)
    registry = load_registry(connection)
    slots = range(first, newest + SLOT_S, SLOT_S)
    own = [load_own_slot(connection, registry, account, slot) for slot in slots]
    return {
        "start_utc": iso_of(first),
        "end_utc": iso_of(newest + SLOT_S),
        "step_s": SLOT_S,
        "import_wh": [_of_reading(one, 0) for one in own],
        "export_wh": [_of_reading(one, 1) for one in own],
        "bought_wh": [None if one is None else int(one.use.bought_wh[0]) for one in own],
        "sold_wh": [None if one is None else int(one.use.sold_wh[0]) for one in own],
        "price_krw_per_kwh": [_price(one) for one in own],
        **_day_sums(own),
    }


def _day_sums(own: Sequence[OwnSlot | None]) -> Document:
    """What the meter counted; what deviations cost, below 0 what they brought."""
    known = [one for one in own if one is not None and one.reading_wh is not None]
    deviation = sum(int(one.use.deviation_ukrw[0]) for one in known)
    return {
        "import_kwh": sum(one.reading_wh[0] for one in known if one.reading_wh) / 1000,
        "export_kwh": sum(one.reading_wh[1] for one in known if one.reading_wh) / 1000,
        "deviation_krw": krw_text_from_ukrw(-deviation),
    }


def _of_reading(one: OwnSlot | None, way: int) -> int | None:
    return None if one is None or one.reading_wh is None else one.reading_wh[way]


def _price(one: OwnSlot | None) -> str | None:
    price = None if one is None else one.price_mkrw_per_kwh
    return None if price is None else krw_text_from_mkrw(price)


def sums_block(sums: Sums | None) -> Document | None:
    """What trades have brought over tariff and feed-in: today and in the month so far.

    While slots are still added up after a restart, `day` and `month` are null and `counted` says
    how far it is.
    """
    if sums is None:
        return None
    return {
        "day": _so_far_block(sums.day),
        "month": _so_far_block(sums.month),
        "counted": {"done": sums.done, "all": sums.all},
    }


def _so_far_block(found: SoFar | None) -> Document | None:
    if found is None:
        return None
    return {
        "from_utc": iso_of(found.first),
        "to_utc": iso_of(found.end),
        "bought_kwh": found.bought_wh / 1000,
        "sold_kwh": found.sold_wh / 1000,
        "trade_krw": krw_text_from_ukrw(found.trade_ukrw),
        "saved_krw": krw_text_from_ukrw(found.gain_ukrw),
    }


def billed_months(connection: Connection, account: bytes) -> list[str]:
    """The months that this account has a bill of, newest first, as `2026-07`."""
    rows = load_billed_months(connection)
    if not rows:
        return []  # and where nothing is billed there need not be books yet
    number = load_registry(connection).book.number.get(account)
    found = []
    for row in rows:
        if number is not None and number in row.accounts["no"].tolist():
            month = month_of_content(row.content).number
            found.append(f"{month // 100}-{month % 100:02}")
    return found[::-1]


def _row_of(district: District, account: bytes) -> int | None:
    try:
        return district.meters.account.index(account)
    except ValueError:
        return None
