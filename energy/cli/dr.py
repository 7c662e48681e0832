"""`microgrid dr`: call a demand response event on a running market, look at it, cancel it.

The operator's market key signs: it follows from the market's name in a demonstration, else it is
in the keystore beside the store, opened by MICROGRID_OPERATOR_PASSPHRASE.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
import typer

from energy.cli.settings import AsJson, District
from energy.config import Settings, build_settings
from energy.crowd import CrowdError, sign_message
from energy.crowd.client import MarketDoor, PostAnswer, UnreachableError, open_door
from energy.crowd.public import MarketNow, mkrw_of_krw_text, require_district
from energy.district import load_district
from energy.steps.dr_calls import DrCall, cancel_message, event_message
from energy.steps.dr_programmes import programme_named
from energy.steps.keystore import operator_keys
from energy.timegrid import local_label, parse_instant
from market.signing import address_of

app = typer.Typer(help="Demand response: call events, see what they came to.", no_args_is_help=True)

Url = Annotated[str | None, typer.Option(help="address of the market; default: host and port")]
EventId = Annotated[str, typer.Argument(help="id of the event, 0x and 64 hex digits")]
Work = Callable[[MarketDoor], Awaitable[dict[str, Any]]]


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

    async def work(door: MarketDoor) -> dict[str, Any]:
        market = await door.fetch_market()
        require_district(market, place)
        message = event_message(market.domain, place, wish, nonce=_nonce())
        envelope = _sign(settings, market, "DrEvent", message)
        accepted = _accepted(await door.post_event("/v1/dr/events", envelope))
        return await _event(door, accepted["id"])

    _show([_run(url, settings, work)], place.time_zone, as_json=as_json)


@app.command(name="list")
def list_events(url: Url = None, district: District = None, as_json: AsJson = False) -> None:
    """The newest events with states, commitments, reductions and payments."""
    settings = build_settings(district=district)

    async def work(door: MarketDoor) -> dict[str, Any]:
        return _accepted(await door.fetch_events())

    found = _run(url, settings, work)
    _show(found["items"], load_district(settings.district).time_zone, as_json=as_json)


@app.command()
def show(event: EventId, url: Url = None, district: District = None) -> None:
    """Everything that is public of one event, as JSON: hours, groups, series by slot."""
    settings = build_settings(district=district)
    found = _run(url, settings, lambda door: _event(door, event))
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


@app.command()
def cancel(
    event: EventId, url: Url = None, district: District = None, as_json: AsJson = False
) -> None:
    """Cancel an event that has not begun."""
    settings = build_settings(district=district)
    place = load_district(settings.district)

    async def work(door: MarketDoor) -> dict[str, Any]:
        market = await door.fetch_market()
        require_district(market, place)
        message = cancel_message(market.domain, await _event(door, event), nonce=_nonce())
        envelope = _sign(settings, market, "Cancel", message)
        _accepted(await door.post_event("/v1/dr/events/cancel", envelope))
        return await _event(door, event)

    _show([_run(url, settings, work)], place.time_zone, as_json=as_json)


def _run(url: str | None, settings: Settings, work: Work) -> dict[str, Any]:
    """What the work at the market's door gives; exit code 1 where nobody answers."""

    async def at_the_door() -> dict[str, Any]:
        async with open_door(url or f"http://{settings.host}:{settings.port}") as door:
            return await work(door)

    try:
        return asyncio.run(at_the_door())
    except UnreachableError as error:
        typer.echo(f"microgrid: {error}; is `microgrid up` running there?", err=True)
        raise typer.Exit(1) from error


async def _event(door: MarketDoor, event: str) -> dict[str, Any]:
    return _accepted(await door.fetch_events(f"/{event}"))


def _accepted(answer: PostAnswer) -> dict[str, Any]:
    """The document of an answer; raises CrowdError for a refusal."""
    if not answer.is_accepted:
        raise CrowdError(f"refused: {answer.code}: {answer.document.get('detail', answer.status)}")
    return answer.document


def _sign(settings: Settings, market: MarketNow, name: str, message: dict[str, Any]) -> bytes:
    keys = operator_keys(
        market.domain.market_id,
        settings.store_folder,
        settings.operator_passphrase,
        may_create=False,
    )
    address = address_of(keys.trading)
    return sign_message(market.domain, name, message, keys.trading, address=address)


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
