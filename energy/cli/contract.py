"""`microgrid contract`: sign contracts for a running market, look at them, end them.

Without key files a meter's demo key signs, as for orders; a plant's contracts are signed with the
operator's trading key.
"""

import re
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from energy.cli.door import Url, at_the_door
from energy.cli.order import read_key
from energy.cli.settings import AsJson, District, Seed
from energy.client import sign_message
from energy.config import Settings, build_settings
from energy.crowd import CrowdError, demo_key
from energy.crowd.public import MarketNow, mkrw_of_krw_text, parse_market, require_district
from energy.district import District as Place
from energy.district import load_district
from energy.district.agreements import KINDS
from energy.steps.books import plant_accounts
from energy.steps.contracting import sign_contract
from energy.steps.keystore import operator_keys
from energy.timegrid import parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY
from market.agreements import SideTerms
from market.contracts import PPM
from market.signing import digest

app = typer.Typer(help="Contracts: sign, list and end them.", no_args_is_help=True)

Key = Annotated[Path | None, typer.Option(help="file with a hex key or a keystore")]
DAY_S = SLOTS_PER_DAY * SLOT_S


@app.command()
def add(
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))],
    seller: Annotated[str, typer.Option(help="number of a meter, or a plant such as solar-A001")],
    buyer: Annotated[int, typer.Option(help="number of a meter, from 0")],
    price: Annotated[str, typer.Option(help="price or strike in won per kWh")],
    cap_kwh: Annotated[
        float, typer.Option(min=0, max=1e9, help="most in a slot; of neighbours in a month")
    ],
    share: Annotated[float, typer.Option(min=0, max=1, help="part of the seller's surplus")] = 1.0,
    days: Annotated[int, typer.Option(min=1, help="how long it holds")] = 365,
    start: Annotated[str | None, typer.Option(help="first slot; default: the first open")] = None,
    rank: Annotated[int, typer.Option(min=0, max=255, help="lower ranks come first")] = 0,
    charge: Annotated[str, typer.Option(help="network charge, won per kWh")] = "0",
    none_below_zero: Annotated[bool, typer.Option(help="CfD: rest below an index of 0")] = False,
    even_at_a_loss: Annotated[bool, typer.Option(help="neighbours: also where one loses")] = False,
    seller_key: Key = None,
    buyer_key: Key = None,
    url: Url = None,
    district: District = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Sign a contract for both parties, post it and print its id."""
    settings = build_settings(district=district, seed=seed)
    place = load_district(settings.district)
    if kind not in KINDS:
        raise typer.BadParameter(f"kind {kind!r}: allowed {', '.join(KINDS)}")
    charge_mkrw = mkrw_of_krw_text(charge, "charge")
    terms = SideTerms(charge_mkrw, none_below_zero, even_at_a_loss).packed()
    wish = {
        "seller": _account(place, seller),
        "buyer": _account(place, str(buyer)),
        "kind": int(KINDS[kind]),
        "cap_wh": round(cap_kwh * 1000),
        "share_ppm": round(share * PPM),
        "price_mkrw_per_kwh": mkrw_of_krw_text(price, "price"),
        "rank": rank,
        "terms": terms,
        "nonce": _nonce(),
    }

    with at_the_door(url, settings) as client:
        market = parse_market(client.get_prices())
        require_district(market, place)
        first = market.first_open_slot if start is None else parse_instant(start, place.time_zone)
        message = wish | {"first_slot": first, "end_slot": first + days * DAY_S}
        keys = (
            _key(settings, market, place, seller, seller_key),
            _key(settings, market, place, str(buyer), buyer_key),
        )
        envelope = sign_contract(market.domain, message, *keys)
        client.enter_contract(envelope)
        id_ = digest(market.domain, "Contract", message).hex()
        found = client.get_contract(f"0x{id_}")
    _show([found], as_json=as_json)


@app.command(name="list")
def list_contracts(url: Url = None, as_json: AsJson = False) -> None:
    """All contracts with their state, and what they came to in the last day that is settled."""
    settings = build_settings()

    with at_the_door(url, settings) as client:
        found = client.get_contracts()
    _show(found["contracts"], as_json=as_json)


@app.command()
def end(
    contract: Annotated[str, typer.Argument(help="id of the contract, 0x and 64 hex digits")],
    seller: Annotated[str | None, typer.Option(help="sign as the seller: its meter")] = None,
    buyer: Annotated[int | None, typer.Option(help="sign as the buyer: its meter")] = None,
    slot: Annotated[str | None, typer.Option(help="first slot without it; default: next")] = None,
    seller_key: Key = None,
    buyer_key: Key = None,
    url: Url = None,
    district: District = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Sign the end of a contract for one party or both; it ends when both have signed."""
    settings = build_settings(district=district, seed=seed)
    place = load_district(settings.district)
    parties = [(seller, seller_key), (None if buyer is None else str(buyer), buyer_key)]
    named = [(party, key) for party, key in parties if party is not None]
    if not named:
        raise typer.BadParameter("parties: found none, allowed --seller, --buyer or both")
    if re.fullmatch("0x[0-9a-fA-F]{64}", contract) is None:
        raise typer.BadParameter(f"contract {contract!r}: allowed 0x and 64 hex digits")

    with at_the_door(url, settings) as client:
        market = parse_market(client.get_prices())
        require_district(market, place)
        first = market.first_open_slot if slot is None else parse_instant(slot, place.time_zone)
        for party, key_file in named:
            key = _key(settings, market, place, party, key_file)
            message = {
                "account": _account(place, party),
                "slot": first,
                "order_id": bytes.fromhex(contract[2:]),
                "nonce": _nonce(),
            }
            client.end_contract(sign_message(market.domain, "Cancel", message, key))
        found = client.get_contract(contract)
    _show([found], as_json=as_json)


def _account(place: Place, party: str) -> bytes:
    """The account of a meter's number or of a plant's name; raises CrowdError."""
    plants = plant_accounts(place)
    if party in plants:
        return plants[party]
    meters = len(place.meters.account)
    if not party.isdecimal() or int(party) >= meters:
        raise CrowdError(
            f"party: found {party!r}, allowed 0 to {meters - 1}, or a plant such as "
            f"{next(iter(plants), 'solar-A001')}"
        )
    return place.meters.account[int(party)]


def _key(
    settings: Settings, market: MarketNow, place: Place, party: str, file: Path | None
) -> bytes:
    """The key that signs for a party."""
    if file is not None:
        return read_key(file)
    if party.isdecimal():
        return demo_key(place.id, settings.seed, int(party))
    keys = operator_keys(
        market.domain.market_id,
        settings.store_folder,
        settings.operator_passphrase,
        may_create=False,
    )
    return keys.trading


def _nonce() -> int:
    # A millisecond clock never gives an account the same nonce twice.
    return time.time_ns() // 1_000_000


def _show(contracts: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(contracts, option=orjson.OPT_INDENT_2).decode())
        return
    for one in contracts:
        done, cap_kwh = one["last_day"], int(one["cap_wh"]) / 1000
        share, kwh = one["share_ppm"] / PPM, int(done["energy_wh"]) / 1000
        typer.echo(
            f"{one['id']} {one['kind']} {one['state']}: {share:.0%}, up to {cap_kwh:g} kWh a "
            f"{one['cap_period']}, {one['price_krw_per_kwh']} won/kWh, from "
            f"{one['first_slot_utc']} to {one['end_slot_utc']}; last day {kwh:.3f} kWh, "
            f"{done['buyer_pays_krw']} won"
        )
