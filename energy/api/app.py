"""The application that serves `/v1`: routes, guard, what runs beside them, the API's document."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from energy.api import (
    alarms,
    asset_acts,
    assets,
    books,
    cars,
    contracts,
    documents,
    dr,
    forecasts,
    grid,
    health,
    holds,
    instructions,
    invitations,
    islands,
    kept,
    live,
    market,
    me,
    messages,
    open_data,
    orders,
    own_data,
    own_sign_in,
    own_trades,
    people,
    proofs,
    readings,
    reports,
    rules,
    settings,
    sign_in,
    steering,
    wallets,
)
from energy.api.callers import EVERYBODY, MEMBERS, may, require_verdicts, verdict_of
from energy.api.context import ApiContext
from energy.api.desk import OrderDesk
from energy.api.documents import LastAnswer, json_answer
from energy.api.doorman import StoreDoorman
from energy.api.examples import SIGNED_TYPES, envelope_schema, example_of
from energy.api.guard import LOCAL_HOSTS, Guard
from energy.api.live import EventHub
from energy.api.problems import ProblemModel, answers, install_problems
from energy.api.proofs import LogCache
from energy.api.rates import Rates
from energy.api.shortcut import Shortcut
from energy.api.words import require_once
from energy.config import public_hosts
from market.signing import require_native_backend

TITLE = "Sejong Microgrid"
FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")
"""Shapes of refusals that the framework describes and that are never sent."""
# Orders come most often, and routes are tried in this order.
ROOMS = (
    orders, messages, instructions, dr, contracts, proofs, books, market, forecasts, documents,
    grid, live, health, open_data, sign_in, own_sign_in, wallets, people, alarms, assets, rules,
    settings, reports, me, own_trades, cars, own_data, kept, invitations, steering, islands, holds,
    asset_acts, readings,
)  # fmt: skip
for _room in ROOMS:
    require_verdicts(_room.router.routes)


def create_app(context: ApiContext) -> FastAPI:
    """The application over a context; pages for people are installed on it by their own room.

    Raises MarketError where signatures would be slow or lenient: it must not serve then.
    """
    require_native_backend()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        require_verdicts(app.routes)
        app.state.desk.start()
        await app.state.hub.start()
        yield
        await app.state.hub.stop()
        app.state.desk.stop()

    app = FastAPI(
        title=TITLE, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan,
        dependencies=[Depends(require_once)],
    )  # fmt: skip
    app.state.context = context
    app.state.doorman = StoreDoorman(context)
    app.state.begun = time.monotonic()
    app.state.counts = Counter[str]()
    app.state.cache = LastAnswer()
    app.state.log_cache = LogCache()
    app.state.desk = OrderDesk(context.store, context.admission)
    app.state.hub = EventHub(context.store)
    install_problems(app)
    for room in ROOMS:
        app.include_router(room.router)
    app.add_api_route("/openapi.json", openapi, include_in_schema=False)
    settings = context.settings
    hosts = {*LOCAL_HOSTS, *public_hosts(settings.public_url)}
    rates = Rates(settings.rate_per_s, settings.rate_burst)
    app.add_middleware(Shortcut, doors={("POST", orders.ORDERS_PATH): orders.post_order})
    app.add_middleware(Guard, host=settings.host, rates=rates, hosts=hosts)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


@may(MEMBERS)
def openapi(request: Request) -> Response:
    """The API's document."""
    document = request.app.state.cache.get("document", "", request.app.openapi)
    return json_answer(request, document)


def api_document() -> dict[str, Any]:
    """The API's document without an installation, for what is made from it."""
    app = FastAPI()
    for room in ROOMS:
        app.include_router(room.router)
    return openapi_document(app)


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The API's document, with the schemas that no model of a route gives."""
    if app.openapi_schema is None:
        document = get_openapi(title=TITLE, version=version("sejong-microgrid"), routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = ProblemModel.model_json_schema()
        for one in SIGNED_TYPES:
            schemas[f"{one}Envelope"] = envelope_schema(one)
        _add_verdicts(document)
        _add_examples(document)
        for name in FRAMEWORKS_OWN:
            schemas.pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema


def _add_verdicts(document: dict[str, Any]) -> None:
    """Say of every route who may use it."""
    for room in ROOMS:
        for route in room.router.routes:
            verdict = verdict_of(route)
            if isinstance(route, APIRoute) and verdict is not None:
                for method in route.methods or ():
                    operation = document["paths"][route.path][method.lower()]
                    operation["x-verdict"] = verdict.as_json()
                    _add_refusals(operation, method, is_public=verdict.roles == EVERYBODY)


def _add_examples(document: dict[str, Any]) -> None:
    """Give every accepted answer that is JSON an example, made of those of its parts."""
    schemas = document["components"]["schemas"]
    for operation in (each for path in document["paths"].values() for each in path.values()):
        for status, told in operation["responses"].items():
            shown = told.get("content", {}).get("application/json")
            if status < "300" and shown is not None and shown["schema"]:
                shown.setdefault("example", example_of(shown["schema"], schemas))


def _add_refusals(operation: dict[str, Any], method: str, *, is_public: bool) -> None:
    """What the guard, the doorman and the store may answer on any route."""
    statuses = {421, 429, 503} | (set() if is_public else {401, 403})
    if method != "GET":
        statuses |= {400, 413}
    for status, told in answers(*sorted(statuses)).items():
        operation["responses"].setdefault(str(status), told)
    # Where the framework says what it answers to wrong parameters, the answer is a problem as well.
    if "422" in operation["responses"]:
        operation["responses"]["422"] = answers(422)[422]
