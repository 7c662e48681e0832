"""The one request that comes most often goes straight to its function.

Every prosumer's orders come within the same minutes before a gate. Looking for the route, working
out its parameters and unwinding what was not used cost more than reading an order, so that request
is handed over before all this. Its route stands in the document like any other.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from energy.api.problems import answer_or_problem

Door = Callable[[Request], Awaitable[Response]]


class Shortcut:
    """Serves the requests of these methods and paths itself; all others go on to the routes."""

    def __init__(self, app: ASGIApp, doors: Mapping[tuple[str, str], Door]) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_http = scope["type"] == "http"
        door = self._doors.get((scope["method"], scope["path"])) if is_http else None
        if door is None:
            await self._app(scope, receive, send)
            return
        response = await answer_or_problem(door, Request(scope, receive, send))
        await response(scope, receive, send)
