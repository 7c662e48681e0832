"""`microgrid statement`: the bills of an account, every line explained, against KEPCO alone.

It reads the store, so that it is the operator's command: nobody else may see a household's month.
"""

import json
import re
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from energy.cli.settings import AsJson, DatabaseUrl, parse_month
from energy.config import build_settings
from energy.district import load_district
from energy.steps.statements import statement_document
from energy.store.engine import open_reader
from energy.store.errors import StoreError
from energy.store.meta import find_fact


def statement(
    account: Annotated[str | None, typer.Argument(help="account, 0x…")] = None,
    meter: Annotated[int | None, typer.Option(help="place of the meter in the district")] = None,
    month: Annotated[str | None, typer.Option(help="billed month, 2026-07; default: last")] = None,
    months: Annotated[int, typer.Option(min=1, help="so many months up to that one")] = 1,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """The monthly statement of a participant: energy, trades, fees, and what KEPCO would cost."""
    if (account is None) == (meter is None):
        raise typer.BadParameter("name an ACCOUNT or --meter, one of them")
    last = None if month is None else parse_month(month)

    def find(connection: Connection) -> dict[str, Any]:
        who = _account(account) if account else _account_of_meter(connection, meter or 0)
        return statement_document(connection, who, last=last, months=months)

    with open_reader(build_settings(database_url=database_url).database_url) as store:
        document = store.read(find)
    if as_json:
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        _print(document)


def _account(text: str) -> bytes:
    if not re.fullmatch(r"0x[0-9a-f]{64}", text):
        raise typer.BadParameter("ACCOUNT: allowed 0x and 64 lower-case hex digits")
    return bytes.fromhex(text[2:])


def _account_of_meter(connection: Connection, meter: int) -> bytes:
    kept = find_fact(connection, "district")
    if kept is None:
        raise StoreError("statement: found no district in this store; name the ACCOUNT instead")
    accounts = load_district(kept).meters.account
    if not 0 <= meter < len(accounts):
        raise StoreError(f"--meter {meter}: allowed 0 to {len(accounts) - 1}")
    return accounts[meter]


def _print(document: dict[str, Any]) -> None:
    typer.echo(f"account {document['account']}")
    for month in document["months"]:
        _print_month(month)
    if len(document["months"]) > 1:
        sums = document["sums"]
        typer.echo(
            f"\n{len(document['months'])} months: {_won(sums['total_krw'])}, KEPCO alone "
            f"{_won(sums['kepco_alone_krw'])}, {_better(sums['saved_krw'])}"
        )


def _print_month(month: dict[str, Any]) -> None:
    typer.echo(f"\n{month['month']}  {month['tariff']}, won; below 0: in your favour")
    typer.echo(
        f"  register {month['register_start_kwh']} to {month['register_end_kwh']} kWh, "
        f"billed {month['billed_kwh']} kWh"
    )
    for line in month["lines"]:
        price = f" at {line['price_krw']}" if "price_krw" in line else ""
        quantity = f"{line.get('quantity', '')} {line.get('unit', line.get('month', ''))}".strip()
        typer.echo(f"  {line['text']:<75} {quantity + price:>28} {line['amount_krw']:>16}")
    typer.echo(f"  {'to pay':<75} {'':>28} {month['total_krw']:>16}")
    points = month["points"]
    if points != {"issued": "0", "paid": "0"}:
        typer.echo(f"  points: {points['paid']} paid of this bill, {points['issued']} new ones")
    other = month["comparison"]
    typer.echo(
        f"  KEPCO alone: {_won(other['kepco_alone_krw'])}"
        f"{' with net metering' if other['net_metering'] else ''}; {_better(other['saved_krw'])}"
    )
    if other["sold_krw"] != "0" or other["smp_rec_krw"] != "0":
        typer.echo(
            f"  fed in: {_won(other['sold_krw'])}; SMP and certificates would have paid "
            f"{_won(other['smp_rec_krw'])}"
        )
    if month["auctions"]:
        typer.echo(f"  {_auctions(month['auctions'])}")
    typer.echo(f"  bill {month['proof']['bill']}, log of {month['proof']['checkpoint_size']}")


_OUTSIDE = {
    "not_kept": "only {kept_pct} % of your trades were kept, the guarantee asks for "
    "{least_kept_pct} %",
    "above_most": "the guarantee gives back {most_krw} won a month at the most",
}


def _auctions(found: dict[str, Any]) -> str:
    """What the auctions brought over the same readings at tariff and feed-in, and why."""
    text = f"auctions: {_won(found['gain_krw'])} over tariff and feed-in alone"
    if found["guarantee_krw"] != "0":
        text += f", {_won(found['guarantee_krw'])} of it given back by the guarantee"
    if found["outside"]:
        text += f"; left at {_won(found['gain_after_krw'])}: "
        text += _OUTSIDE[found["outside"]].format_map(found)
    return text


def _won(text: str) -> str:
    return f"{text} won"


def _better(text: str) -> str:
    if text == "0":
        return "the same as KEPCO alone"
    if text.startswith("-"):
        return f"{text[1:]} won more than KEPCO alone"
    return f"{text} won less than KEPCO alone"
