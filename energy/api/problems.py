"""Errors as `application/problem+json` (RFC 9457): a stable type, the field, found and allowed.

What the program itself did wrong is answered with its request id alone; the log has the rest.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from energy.store.errors import StoreBusyError, StoreError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:microgrid:problem:"
TITLES = {
    400: "The request cannot be read",
    303: "Sign in first",
    401: "The signature or sign-in is not acceptable",
    403: "This is not yours to do",
    404: "There is nothing here",
    405: "This cannot be done here",
    408: "The request took too long",
    409: "The request comes in the way of another",
    413: "The request is too large",
    415: "The body is of another kind",
    421: "This host is not served here",
    422: "A value is not acceptable",
    429: "Too many at once",
    431: "The head of the request is too large",
    500: "The server failed",
    503: "Not at this moment",
}


@dataclass
class ProblemError(Exception):
    """A request that is refused; `code` names the kind for programs, in upper case.

    `headers` are those that the answer has besides.
    """

    status: int
    code: str
    detail: str
    field: str | None = None
    found: str | None = None
    allowed: str | None = None
    headers: dict[str, str] | None = None

    def as_json(self, request_id: str) -> dict[str, Any]:
        """The members of the answer, those without a value left out."""
        members = {
            "type": TYPE_PREFIX + self.code.lower().replace("_", "-"),
            "title": TITLES.get(self.status, "The request is refused"),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "field": self.field,
            "found": self.found,
            "allowed": self.allowed,
            "request_id": request_id,
        }
        return {name: _writable(one) for name, one in members.items() if one is not None}


def _writable(value: Any) -> Any:  # noqa: ANN401 - a text or a number
    """The value as JSON can say it: of half a character, which somebody sent, its number."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


class ProblemModel(BaseModel):
    """The answer to a request that is refused."""

    model_config = ConfigDict(
        title="Problem",
        extra="forbid",
        json_schema_extra={
            "example": {
                "type": TYPE_PREFIX + "gate-closed",
                "title": TITLES[409],
                "status": 409,
                "detail": "slot: found 1784107800, whose gate was at 1784107500, allowed a slot "
                "from 1784108700 on",
                "code": "GATE_CLOSED",
                "field": "slot",
                "found": "1784107800",
                "allowed": "a slot from 1784108700 on",
                "request_id": "0f3c6a1b2d4e5f60",
            }
        },
    )

    type: str = Field(
        pattern=f"^{TYPE_PREFIX}[a-z0-9-]+$",
        description="stable name of the kind of problem; docs/problems.md has them all",
    )
    title: str = Field(description="one sentence about the kind")
    status: int = Field(ge=400, le=599, description="HTTP status, again")
    detail: str = Field(description="one sentence about this case: what, found, allowed")
    code: str = Field(pattern="^[A-Z][A-Z0-9_]*$", description="the kind for programs")
    field: str | None = Field(None, description="the field of the request that is wrong")
    found: str | None = Field(None, description="what stood there")
    allowed: str | None = Field(None, description="what may stand there")
    request_id: str = Field(description="number of the request in the server's log")


@contextmanager
def answering(
    status: int, code: str, field: str | None = None, found: str | None = None
) -> Iterator[None]:
    """What the store does not have is answered so; that it is busy is said by its own problem."""
    try:
        yield
    except StoreBusyError:
        raise
    except StoreError as error:
        raise ProblemError(status, code, str(error), field, found) from error


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route for the API document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def problem_response(problem: ProblemError, request_id: str) -> Response:
    """The refusal as an answer."""
    body = orjson.dumps(problem.as_json(request_id))
    headers = {"Cache-Control": "no-store", "X-Request-Id": request_id}
    if problem.status in (429, 503):
        headers["Retry-After"] = "1"
    return Response(body, problem.status, headers | (problem.headers or {}), MEDIA_TYPE)


def request_id_of(request: Request) -> str:
    """The number under which the log knows the request."""
    return str(request.scope.get("request_id", ""))


def install_problems(app: FastAPI) -> None:
    """Let every error of the application be a problem."""

    @app.exception_handler(ProblemError)
    async def refused(request: Request, error: ProblemError) -> Response:
        return problem_response(error, request_id_of(request))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # the framework's for a body that it cannot parse
            return problem_response(_no_json(), request_id_of(request))
        code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "REFUSED")
        found = f"{request.method} {request.url.path}"[:200]
        problem = ProblemError(
            error.status_code, code, f"path: found {found}, allowed those of /openapi.json", "path"
        )
        response = problem_response(problem, request_id_of(request))
        response.headers.update(error.headers or {})
        # Each route knows its own methods alone; a path may have several.
        if error.status_code == 405 and (known := documented_methods(app, request.url.path)):
            response.headers["Allow"] = ", ".join(known)
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem_response(_from_validation(error), request_id_of(request))

    @app.exception_handler(StoreBusyError)
    async def busy(request: Request, error: StoreBusyError) -> Response:
        return _busy(request, error)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The trace follows in the server's log; this line says whose it is.
        log.error("request %s failed: %r", request_id_of(request), error)
        problem = ProblemError(500, "INTERNAL", "the server failed; its log has the reason")
        return problem_response(problem, request_id_of(request))


async def answer_or_problem(
    door: Callable[[Request], Awaitable[Response]], request: Request
) -> Response:
    """The door's answer or its refusal; what else it raises is the server's failure."""
    try:
        return await door(request)
    except ProblemError as error:
        return problem_response(error, request_id_of(request))
    except StoreBusyError as error:
        return _busy(request, error)


def _busy(request: Request, error: StoreBusyError) -> Response:
    log.warning("request %s: %s", request_id_of(request), error)
    problem = ProblemError(503, "STORE_BUSY", "the store takes nothing now; try again")
    return problem_response(problem, request_id_of(request))


def documented_methods(app: FastAPI, path: str) -> list[str]:
    """What may be done at a path by the API's document; nothing where it does not stand there."""
    found = [
        route
        for route in app.routes
        if isinstance(route, APIRoute) and route.include_in_schema and route.path_regex.match(path)
    ]
    if not found:
        return []
    nearest = min((route.path for route in found), key=lambda one: one.count("{"))
    return sorted(
        {method for route in found if route.path == nearest for method in route.methods or ()}
    )


def _from_validation(error: RequestValidationError) -> ProblemError:
    """The first finding about a parameter as a problem."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _no_json()
    field = str(first["loc"][-1])
    found, allowed = repr(first.get("input"))[:100], str(first["msg"])
    return ProblemError(
        422, "MALFORMED", f"{field}: found {found}, allowed: {allowed}", field, found, allowed
    )


def _no_json() -> ProblemError:
    allowed = "one JSON object in UTF-8, not deeply nested"
    return ProblemError(400, "MALFORMED", f"body: allowed {allowed}", "body", None, allowed)
