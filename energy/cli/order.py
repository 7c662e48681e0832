"""`microgrid order`: post an order by hand, or let a simulated crowd post theirs."""

import asyncio
import re
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from energy.cli.door import Url, address_of_market, at_the_door
from energy.cli.settings import AsJson, District, Seed, start_logging
from energy.config import build_settings
from energy.crowd import CrowdError, build_crowd, demo_key
from energy.crowd.by_hand import Submitted, Wish, require_wish, sentence_of, submit_order
from energy.crowd.program import run_program
from energy.crowd.public import mkrw_of_krw_text
from energy.district import load_district
from energy.timegrid import iso_of, parse_instant
from market.messages import message_as_json
from market.signing import CURVE_ORDER, decrypt_key

app = typer.Typer(
    help="Orders: post one by hand, or run the simulated crowd.", no_args_is_help=True
)


@app.command()
def bots(
    url: Url = None,
    district: District = None,
    seed: Seed = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", help="end with standard input")] = False,
) -> None:
    """Post the orders of a simulated crowd, slot by slot, until Ctrl-C."""
    settings = build_settings(district=district, seed=seed)
    start_logging(settings)
    crowd = build_crowd(load_district(settings.district), settings.seed)
    address = address_of_market(url, settings)
    asyncio.run(run_program(address, crowd, until_eof=until_eof, token=settings.token))


@app.command()
def submit(
    side: Annotated[str, typer.Option(help="bid (buy) or offer (sell)")],
    energy_wh: Annotated[int, typer.Option(help="all of it or any part is traded")],
    price: Annotated[str, typer.Option(help="limit in won per kWh, such as 142.5")],
    meter: Annotated[int, typer.Option(help="number of the meter in the district, from 0")],
    slot: Annotated[str | None, typer.Option(help="start, ISO; default: the first open")] = None,
    url: Url = None,
    key: Annotated[Path | None, typer.Option(help="file with a hex key or a keystore")] = None,
    district: District = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Sign one order, post it and print the receipt; without --key with the meter's demo key."""
    settings = build_settings(district=district, seed=seed)
    place = load_district(settings.district)
    wish = Wish(
        side=side,
        e_wh=energy_wh,
        price_mkrw_per_kwh=mkrw_of_krw_text(price, "price"),
        meter=meter,
        slot=None if slot is None else parse_instant(slot, place.time_zone),
    )
    require_wish(wish, place)
    private_key = read_key(key) if key else demo_key(place.id, settings.seed, meter)
    # A millisecond clock never gives an account the same nonce twice.
    nonce = time.time_ns() // 1_000_000
    with at_the_door(url, settings) as client:
        submitted = submit_order(client, place, wish, private_key=private_key, nonce=nonce)
    _print_submitted(submitted, place.time_zone, as_json=as_json)


def read_key(path: Path) -> bytes:
    """The private key of a file: 64 hex digits, or a keystore whose passphrase is asked for."""
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CrowdError(f"key {path}: cannot be read: {error}") from error
    if text.startswith("{"):
        return decrypt_key(text, typer.prompt("Passphrase", hide_input=True))
    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits) or not 0 < int(digits, 16) < CURVE_ORDER:
        raise CrowdError(f"key {path}: found no key, allowed 64 hex digits or a keystore")
    return bytes.fromhex(digits)


def _print_submitted(submitted: Submitted, time_zone: str, *, as_json: bool) -> None:
    """The order and its receipt on standard output."""
    message, receipt = submitted.message, submitted.receipt
    if as_json:
        document: dict[str, Any] = {
            "order": message_as_json("Order", message),
            **submitted.document,
            "order_id": f"0x{submitted.id.hex()}",
        }
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    status = submitted.document.get("status", "ACCEPTED")
    typer.echo(sentence_of(message, time_zone))
    typer.echo(f"order    0x{submitted.id.hex()}")
    typer.echo(f"status   {status}; decided after the gate at {iso_of(message['expires'])}")
    received, tick = iso_of(receipt.received), iso_of(receipt.sealed_by)
    signer = f"0x{receipt.signer.hex()}"
    typer.echo(f"receipt  received {received}, sealed by tick {tick}, signed by {signer}")
