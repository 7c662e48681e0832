"""The application that serves `/v1`: routes, guard, what runs beside them, the API's document."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from energy.api import (
    contracts,
    documents,
    dr,
    forecasts,
    grid,
    health,
    live,
    market,
    messages,
    orders,
    proofs,
)
from energy.api.context import ApiContext
from energy.api.desk import OrderDesk
from energy.api.documents import LastAnswer
from energy.api.examples import ORDER_SCHEMA
from energy.api.guard import Guard
from energy.api.live import EventHub
from energy.api.problems import ProblemModel, install_problems
from energy.api.proofs import LogCache
from market.signing import require_native_backend

TITLE = "Sejong Microgrid"


def create_app(context: ApiContext) -> FastAPI:
    """The application over a context; pages for people are installed on it by their own room.

    Raises MarketError where signatures would be slow or lenient: it must not serve then.
    """
    require_native_backend()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.desk.start()
        await app.state.hub.start()
        yield
        await app.state.hub.stop()
        app.state.desk.stop()

    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.context = context
    app.state.begun = time.monotonic()
    app.state.counts = Counter[str]()
    app.state.cache = LastAnswer()
    app.state.log_cache = LogCache()
    app.state.desk = OrderDesk(context.store, context.admission)
    app.state.hub = EventHub(context.store)
    install_problems(app)
    # Orders come most often, and routes are tried in this order.
    rooms = (orders, messages, dr, contracts, proofs, market, forecasts, documents)
    for room in (*rooms, grid, live, health):
        app.include_router(room.router)
    app.add_middleware(Guard, host=context.settings.host)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The API's document, with the schemas that no model of a route gives."""
    if app.openapi_schema is None:
        document = get_openapi(title=TITLE, version=version("sejong-microgrid"), routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = ProblemModel.model_json_schema()
        schemas["OrderEnvelope"] = ORDER_SCHEMA
        app.openapi_schema = document
    return app.openapi_schema
