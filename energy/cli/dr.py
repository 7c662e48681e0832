"""`microgrid dr`: call a demand response event on a running market, look at it, cancel it.

The operator's market key signs: it follows from the market's name in a demonstration, else it is
in the keystore beside the store, opened by MICROGRID_OPERATOR_PASSPHRASE.
"""

import time
from typing import Annotated, Any

import orjson
import typer

from energy.cli.door import Url, at_the_door
from energy.cli.settings import AsJson, District
from energy.client import sign_message
from energy.config import Settings, build_settings
from energy.crowd.public import MarketNow, mkrw_of_krw_text, parse_market, require_district
from energy.district import load_district
from energy.steps.dr_calls import DrCall, cancel_message, event_message
from energy.steps.dr_programmes import programme_named
from energy.steps.keystore import operator_keys
from energy.timegrid import local_label, parse_instant

app = typer.Typer(help="Demand response: call events, see what they came to.", no_args_is_help=True)

EventId = Annotated[str, typer.Argument(help="id of the event, 0x and 64 hex digits")]


@app.command()
def call(
    start: Annotated[str, typer.Option(help="first hour, local: 2026-07-15T19:00")],
    hours: Annotated[int, typer.Option(min=1, help="whole hours")] = 2,
    programme: Annotated[str, typer.Option(help="economic, national or district")] = "district",
    reward: Annotated[str | None, typer.Option(help="won per kWh; default: the usual")] = None,
    penalty: Annotated[str | None, typer.Option(help="won per kWh; default: the usual")] = None,
    answer_by: Annotated[str | None, typer.Option(help="local; default: an hour before")] = None,
    url: Url = None,
    district: District = None,
    as_json: AsJson = False,
) -> None:
    """Call an event: sign it with the operator's key and post it."""
    settings = build_settings(district=district)
    place = load_district(settings.district)
    wish = DrCall(
        programme=programme_named(programme).terms.name,
        first_slot=parse_instant(start, place.time_zone),
        hours=hours,
        reward_mkrw_per_kwh=None if reward is None else mkrw_of_krw_text(reward, "reward"),
        penalty_mkrw_per_kwh=None if penalty is None else mkrw_of_krw_text(penalty, "penalty"),
        answer_by=None if answer_by is None else parse_instant(answer_by, place.time_zone),
    )

    with at_the_door(url, settings) as client:
        market = parse_market(client.get_prices())
        require_district(market, place)
        message = event_message(market.domain, place, wish, nonce=_nonce())
        accepted = client.call_event(_sign(settings, market, "DrEvent", message))
        found = client.get_event(accepted["id"])
    _show([found], place.time_zone, as_json=as_json)


@app.command(name="list")
def list_events(url: Url = None, district: District = None, as_json: AsJson = False) -> None:
    """The newest events with states, commitments, reductions and payments."""
    settings = build_settings(district=district)

    with at_the_door(url, settings) as client:
        found = client.get_events()
    _show(found["items"], load_district(settings.district).time_zone, as_json=as_json)


@app.command()
def show(event: EventId, url: Url = None, district: District = None) -> None:
    """Everything that is public of one event, as JSON: hours, groups, series by slot."""
    settings = build_settings(district=district)
    with at_the_door(url, settings) as client:
        found = client.get_event(event)
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


@app.command()
def cancel(
    event: EventId, url: Url = None, district: District = None, as_json: AsJson = False
) -> None:
    """Cancel an event that has not begun."""
    settings = build_settings(district=district)
    place = load_district(settings.district)

    with at_the_door(url, settings) as client:
        market = parse_market(client.get_prices())
        require_district(market, place)
        message = cancel_message(market.domain, client.get_event(event), nonce=_nonce())
        client.cancel_event(_sign(settings, market, "Cancel", message))
        found = client.get_event(event)
    _show([found], place.time_zone, as_json=as_json)


def _sign(settings: Settings, market: MarketNow, name: str, message: dict[str, Any]) -> bytes:
    keys = operator_keys(
        market.domain.market_id,
        settings.store_folder,
        settings.operator_passphrase,
        may_create=False,
    )
    return sign_message(market.domain, name, message, keys.trading)


def _nonce() -> int:
    # A millisecond clock never gives an account the same nonce twice.
    return time.time_ns() // 1_000_000


def _show(events: list[dict[str, Any]], time_zone: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(events, option=orjson.OPT_INDENT_2).decode())
        return
    for one in events:
        typer.echo(f"{event_line(one, time_zone)}\n  {one['id']}")
    if not events:
        typer.echo("no event")


def event_line(event: dict[str, Any], time_zone: str) -> str:
    """An event in one line: when, state, committed and, once verified, reduced and paid."""
    groups = event["groups"].values()
    start = local_label(parse_instant(event["first_slot_utc"]), time_zone)
    committed = sum(each["committed_kwh"] for each in groups)
    text = f"{start}  {event['slots'] // 4} h  {event['programme']:9} {event['state']:9}"
    text += f" {committed:10,.1f} kWh committed"
    if event["version"]:
        reduced = sum(each["reduced_kwh"] for each in groups)
        paid = sum(float(each["reward_krw"]) - float(each["penalty_krw"]) for each in groups)
        text += f" {reduced:10,.1f} kWh reduced {paid:12,.0f} won paid"
    return text
