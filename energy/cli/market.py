"""`microgrid market clear`, `microgrid market verify` and `microgrid bill`.

Orders come as CSV with the columns order, participant, side, e_wh, price_mkrw_per_kwh, zone, and
optionally digest (0x and 64 hex digits: the tag that decides ties). Zones without links between
them are cleared apart; `--joined` lets all of them trade at one price, `--network` names a file of
zones and links with fees and capacities.
"""

import csv
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from energy.cli.market_day import day
from energy.cli.market_result import read_result
from energy.cli.settings import AsJson
from energy.tariffs import load_tariff
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.bill import Bill, MonthUse, PartUse, build_bill
from market.book import BookRow, book_of
from market.certificate import check_message
from market.clearing import (
    Clearing,
    NodeResult,
    clear_slot,
    clearing_message,
    indicative_mkrw_per_kwh,
)
from market.errors import MarketError
from market.network import UNLIMITED_WH, MarketNetwork, build_network
from market.orders import Side, broken_limit, status_after_clearing
from market.rules import MarketRules, build_rules
from market.transfers import ZERO32

app = typer.Typer(help="Clear a book from a file, and prove a clearing.", no_args_is_help=True)
app.command()(day)

COLUMNS = ("order", "participant", "side", "e_wh", "price_mkrw_per_kwh", "zone")
SIDES = {"bid": Side.BID, "buy": Side.BID, "1": Side.BID, "offer": Side.OFFER, "sell": Side.OFFER,
         "2": Side.OFFER}  # fmt: skip
E_WH_MAX = 100_000_000
ORDERS_MAX = 2_000_000
# Files are not the market's door: any whole price inside the band will do unless rules say so.
FILE_RULES = MarketRules(tick_mkrw_per_kwh=1)

Orders = Annotated[Path, typer.Argument(help="CSV: " + ",".join(COLUMNS) + "[,digest]")]
Rules = Annotated[Path | None, typer.Option(help="TOML with floor, cap and tick")]
Slot = Annotated[int, typer.Option(help="start of the slot, seconds since 1970 UTC")]
Joined = Annotated[bool, typer.Option("--joined", help="all zones trade at one price")]
Network = Annotated[Path | None, typer.Option(help="TOML with zones and links between them")]


@dataclass(frozen=True)
class FileOrder:
    """One line of an orders file."""

    line: int
    order: str
    participant: str
    zone: str
    row: BookRow


@app.command()
def clear(
    orders: Orders,
    rules: Rules = None,
    network: Network = None,
    slot: Slot = 0,
    joined: Joined = False,
    as_json: AsJson = False,
) -> None:
    """Clear a book of orders: one price per zone, and what each order got."""
    if not 0 <= slot < 2**64 or slot % SLOT_S:
        raise MarketError(f"slot: found {slot}, allowed a multiple of {SLOT_S}, 0 or more")
    file_rules, links = read_rules(rules), read_network(network, joined=joined)
    found = read_orders(orders, file_rules, joined=joined, network=links)
    clearing = clear_slot(book_of(slot, [one.row for one in found]), file_rules, links)
    document = clearing_document(found, clearing)
    if as_json:
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        _print_clearing(document)


@app.command()
def verify(
    orders: Orders,
    result: Annotated[Path, typer.Argument(help="JSON that `market clear --json` wrote")],
    rules: Rules = None,
    network: Network = None,
    joined: Joined = False,
) -> int:
    """Prove a clearing from the orders alone, without the code that made it."""
    file_rules, links = read_rules(rules), read_network(network, joined=joined)
    found = read_orders(orders, file_rules, joined=joined, network=links)
    cleared = read_result(result)
    accepted = cleared.accepted_wh
    missing = [one.order for one in found if one.order not in accepted]
    if missing or len(accepted) != len(found):
        raise MarketError(
            f"{result}: {len(accepted)} orders, allowed the {len(found)} of {orders}"
            + (f"; {missing[0]} is missing" if missing else "")
        )
    slot = cleared.message["slot"]
    book = book_of(slot, [one.row for one in found])
    by_tag = {one.row.tag: accepted[one.order] for one in found}
    fills = [by_tag[tag] for tag in book.tags()]
    findings = check_message(book, file_rules, cleared.message, fills, links)
    names = {one.row.tag: one.order for one in found}
    tags = book.tags()
    for finding in findings:
        where = "" if finding.row is None else f"order {names[tags[finding.row]]}: "
        typer.echo(f"{finding.rule}: {where}found {finding.found}, allowed {finding.allowed}")
    typer.echo("refuted" if findings else f"proven: {len(found)} orders")
    return 1 if findings else 0


def bill(
    tariff: Annotated[str, typer.Option(help="name of a tariff, such as residential-lv")],
    kwh: Annotated[int, typer.Option(help="whole kWh of the month")],
    month: Annotated[str, typer.Option(help="YYYY-MM")],
    kw: Annotated[int | None, typer.Option(help="billing demand or contract power, kW")] = None,
    bands: Annotated[str | None, typer.Option(help="kWh as OFF,MID,ON (time of use)")] = None,
    as_json: AsJson = False,
) -> None:
    """The utility's bill of a month, line by line."""
    first = _month(month)
    parts = (_part(bands, first.month),) if bands is not None else ()
    use = MonthUse(month=first.month, kwh=kwh, parts=parts, power_kw=kw)
    found = build_bill(use, load_tariff(tariff, first))
    if as_json:
        typer.echo(json.dumps(bill_document(found, month), indent=1))
    else:
        _print_bill(found, month)


def read_rules(path: Path | None) -> MarketRules:
    """The rules of a TOML file, or the market's band at any price where there is none."""
    if path is None:
        return FILE_RULES
    try:
        return build_rules(_read_toml(path))
    except MarketError as error:
        raise MarketError(f"{path}: {error}") from error


def read_network(path: Path | None, *, joined: bool) -> MarketNetwork | None:
    """The network of a TOML file, None without one."""
    if path is None:
        return None
    if joined:
        raise MarketError("--joined and --network both given, allowed one")
    try:
        return build_network(_read_toml(path))
    except MarketError as error:
        raise MarketError(f"{path}: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MarketError(f"cannot be read as TOML: {error}") from error


def read_orders(
    path: Path, rules: MarketRules, *, joined: bool, network: MarketNetwork | None = None
) -> list[FileOrder]:
    """The orders of a CSV file; raises MarketError with line, column, found and allowed."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, strict=True)
            _require_columns(path, table.fieldnames or ())
            found = [_order(path, table.line_num, row, rules) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MarketError(f"{path}: cannot be read as CSV: {error}") from error
    if len(found) > ORDERS_MAX:
        raise MarketError(f"{path}: {len(found)} orders, allowed at most {ORDERS_MAX}")
    _require_unique(path, "order", [(one.line, one.order) for one in found])
    _require_unique(path, "digest", [(one.line, one.row.tag.hex()) for one in found])
    number = _zone_numbers(sorted({one.zone for one in found}))

    def node_of(one: FileOrder) -> int:
        if network is None:
            return 0 if joined else number[one.zone]
        try:
            return network.node_of(number[one.zone], one.row.side)
        except MarketError as error:
            raise MarketError(f"{path}: line {one.line}: {error}") from error

    return [
        replace(one, row=one.row._replace(zone=number[one.zone], node=node_of(one)))
        for one in found
    ]


def clearing_document(found: Sequence[FileOrder], clearing: Clearing) -> dict[str, Any]:
    """What `market clear --json` prints: zones, orders in the order of the file, certificate."""
    fills, node = clearing.fill_by_tag(), {one.node: one for one in clearing.nodes}
    traded: dict[tuple[str, int], int] = {}
    node_of: dict[str, NodeResult] = {}
    for one in found:
        key = (one.zone, one.row.side)
        traded[key] = traded.get(key, 0) + fills[one.row.tag]
        # A zone with a local fee buys at one node and sells at another: its price is the buyers'.
        if one.row.side == Side.BID or one.zone not in node_of:
            node_of[one.zone] = node[one.row.node]
    version = clearing.network_version
    message = clearing_message(clearing, round=1, network_version=version, plan=ZERO32)
    certificate = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in message.items()
    }
    fees_ukrw, rent_ukrw = clearing.carriage_ukrw()
    return {
        "slot": clearing.slot,
        "volume_wh": clearing.volume_wh,
        "welfare_ukrw": clearing.welfare_ukrw,
        "network_fee_ukrw": fees_ukrw,
        "congestion_rent_ukrw": rent_ukrw,
        "indicative_mkrw_per_kwh": indicative_mkrw_per_kwh(clearing.book),
        "zones": [
            _zone(name, node_of[name], traded.get((name, 1), 0), traded.get((name, 2), 0))
            for name in sorted(node_of, key=_natural)
        ],
        "orders": [
            {
                "order": one.order,
                "accepted_wh": fills[one.row.tag],
                "status": status_after_clearing(one.row.e_wh, fills[one.row.tag]).value,
            }
            for one in found
        ],
        "links": [
            {
                "from": link.from_node,
                "to": link.to_node,
                "flow_wh": link.flow_wh,
                "capacity_wh": None if link.capacity_wh == UNLIMITED_WH else link.capacity_wh,
                "fee_mkrw_per_kwh": link.fee_mkrw_per_kwh,
            }
            for link in clearing.links
        ],
        "certificate": certificate,
    }


def _zone(name: str, node: NodeResult, bought_wh: int, sold_wh: int) -> dict[str, Any]:
    priced = node.bought_wh + node.sold_wh > 0
    return {
        "zone": int(name) if name.isascii() and name.isdigit() else name,
        "outcome": node.outcome.name,
        "price_mkrw_per_kwh": node.price_mkrw_per_kwh if priced else None,
        "price_low": node.low_mkrw_per_kwh if priced else None,
        "price_high": node.high_mkrw_per_kwh if priced else None,
        "traded_wh": max(bought_wh, sold_wh),
        "bought_wh": bought_wh,
        "sold_wh": sold_wh,
    }


def bill_document(found: Bill, month: str) -> dict[str, Any]:
    """What `bill --json` prints: whole won as numbers, exact lines as decimal strings of won."""
    lines = [
        {
            "component": line.component,
            "text": line.text,
            "quantity": line.quantity,
            "unit": line.unit,
            "price_krw": krw_text_from_mkrw(line.price_mkrw),
            "amount_krw": krw_text_from_ukrw(line.amount_ukrw),
        }
        for line in found.lines
    ]
    return {**asdict(found), "month": month, "lines": lines}


def _require_columns(path: Path, names: Sequence[str]) -> None:
    for name in COLUMNS:
        if name not in names:
            raise MarketError(
                f"{path}: line 1: column {name!r} is missing, allowed: {','.join(COLUMNS)}[,digest]"
            )
    for name in names:
        if name not in (*COLUMNS, "digest") or list(names).count(name) > 1:
            raise MarketError(
                f"{path}: line 1: column {name!r} is unknown or stands twice, allowed: "
                f"{','.join(COLUMNS)}[,digest]"
            )


def _order(path: Path, line: int, row: Mapping[str | None, Any], rules: MarketRules) -> FileOrder:
    def fail(column: str, allowed: str) -> MarketError:
        return MarketError(
            f"{path}: line {line}: {column}: found {row[column]!r}, allowed {allowed}"
        )

    if None in row or None in row.values():
        raise MarketError(f"{path}: line {line}: more or fewer fields than columns in line 1")
    for column in ("order", "participant", "zone"):
        if not row[column].strip():
            raise fail(column, "a name")
    side = SIDES.get(row["side"].strip().lower())
    if side is None:
        raise fail("side", "bid or offer")
    e_wh, price = (_integer(row[name]) for name in ("e_wh", "price_mkrw_per_kwh"))
    if e_wh is None or not 1 <= e_wh <= E_WH_MAX:
        raise fail("e_wh", f"a whole number 1..{E_WH_MAX}")
    if price is None:
        raise fail("price_mkrw_per_kwh", "a whole number")
    for broken in broken_limit(rules, "price_mkrw_per_kwh", price):
        raise fail(broken.field, broken.allowed)
    name, digest = row["order"].strip(), (row.get("digest") or "").strip()
    if digest and not re.fullmatch(r"(0x)?[0-9a-f]{64}", digest, re.ASCII):
        raise fail("digest", "0x and 64 lower-case hex digits")
    tag = bytes.fromhex(digest.removeprefix("0x")) if digest else _tag_of(name)
    book_row = BookRow(tag, 0, int(side), price, e_wh)
    return FileOrder(line, name, row["participant"].strip(), row["zone"].strip(), book_row)


def _tag_of(order: str) -> bytes:
    """The tag of an order that comes without a digest."""
    return hashlib.sha256(b"order/1" + order.encode()).digest()


def _integer(text: str) -> int | None:
    plain = text.strip()
    return int(plain) if re.fullmatch(r"-?[0-9]{1,18}", plain, re.ASCII) else None


def _require_unique(path: Path, column: str, names: Sequence[tuple[int, str]]) -> None:
    seen: dict[str, int] = {}
    for line, name in names:
        first = seen.setdefault(name, line)
        if first != line:
            raise MarketError(
                f"{path}: line {line}: {column} {name!r} stands in line {first} too, allowed once"
            )


def _zone_numbers(zones: Sequence[str]) -> dict[str, int]:
    """A number for each zone: its own where all are numbers, else its place."""
    if all(re.fullmatch(r"[0-9]{1,9}", zone, re.ASCII) for zone in zones):
        return {zone: int(zone) for zone in zones}
    return {zone: place for place, zone in enumerate(zones)}


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isascii() and name.isdigit() else (2**63, name)


def _month(text: str) -> date:
    match = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text, re.ASCII)
    if match is None or match[1] == "0000":
        raise MarketError(f"month: found {text!r}, allowed YYYY-MM")
    return date(int(match[1]), int(match[2]), 1)


def _part(text: str, month: int) -> PartUse:
    found = [_integer(part) for part in text.split(",")]
    numbers = [number for number in found if number is not None and number >= 0]
    if len(found) != 3 or len(numbers) != 3:
        raise MarketError(f"bands: found {text!r}, allowed three whole numbers OFF,MID,ON")
    return PartUse(month, *numbers)


def _print_clearing(document: Mapping[str, Any]) -> None:
    typer.echo(
        f"{'zone':<12}{'outcome':<14}{'won/kWh':>10}{'low':>10}{'high':>10}{'traded Wh':>14}"
    )
    for zone in document["zones"]:
        prices = [zone[name] for name in ("price_mkrw_per_kwh", "price_low", "price_high")]
        shown = "".join(f"{_price(price):>10}" for price in prices)
        typer.echo(f"{zone['zone']:<12}{zone['outcome']:<14}{shown}{zone['traded_wh']:>14,}")
    for link in document["links"]:
        most = "no limit" if link["capacity_wh"] is None else f"of {link['capacity_wh']:,} Wh"
        typer.echo(f"{link['from']} -> {link['to']}: {link['flow_wh']:,} Wh {most}")
    typer.echo(f"\n{'order':<24}{'accepted Wh':>14}  status")
    for order in document["orders"]:
        typer.echo(f"{order['order']:<24}{order['accepted_wh']:>14,}  {order['status']}")
    welfare = krw_text_from_ukrw(document["welfare_ukrw"])
    typer.echo(f"\nvolume {document['volume_wh']:,} Wh, welfare {welfare} won")


def _price(price_mkrw_per_kwh: int | None) -> str:
    return "-" if price_mkrw_per_kwh is None else krw_text_from_mkrw(price_mkrw_per_kwh)


def _print_bill(found: Bill, month: str) -> None:
    typer.echo(f"{found.tariff} (table {found.tariff_version}), {month}, {found.kwh} kWh\n")
    for line in found.lines:
        what = f"{line.quantity:,} {line.unit} x {krw_text_from_mkrw(line.price_mkrw)}"
        amount = krw_text_from_ukrw(line.amount_ukrw)
        typer.echo(f"  {line.component:<13}{line.text:<36}{what:>24}{amount:>14}")
    typer.echo("")
    for name in (
        "basic",
        "power_factor",
        "energy",
        "climate",
        "fuel",
        "subtotal",
        "vat",
        "fund",
        "total",
    ):
        amount_krw = getattr(found, f"{name}_krw")
        if amount_krw or name != "power_factor":
            typer.echo(f"  {name.replace('_', ' '):<24}{amount_krw:>12,} won")
