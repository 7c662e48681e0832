"""A request that changes something, sent again: it has its effect once and gets its first answer.

Whoever sends it names it by an `Idempotency-Key`; the key, who sent it, the route and a hash of the
payload are kept in the transaction of the effect itself, with the answer.
"""

import hashlib
import re
from collections.abc import Callable

import orjson
from fastapi import Request, Response
from sqlalchemy import Connection

from energy.api.callers import caller_of
from energy.api.context import context_of
from energy.api.problems import ProblemError, answers
from energy.store.request_keys import KEPT_S, KeptAnswer, find_answer, keep_answer
from energy.store.views import Document

KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
HEADER = "Idempotency-Key"
PARAMETER = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "description": f"names the request; sent again within {KEPT_S // 3600} h it has no "
            "second effect and gets the same answer",
            "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
        }
    ]
}
"""The header in the API's document, as `openapi_extra` of a route."""
REFUSED = answers(400, 401, 403, 404, 409, 413, 422, 503)
"""What a request with effect may be refused with."""
ID_MAX = 2**31 - 1
"""The largest number that a row named in an address may have."""


def answer_once(
    request: Request, payload: object, unit: Callable[[Connection], Document], status: int = 200
) -> Response:
    """The answer of a unit that has run in a transaction of its own, now or when first asked for.

    `payload` is what the request says beside its path. Raises ProblemError without a key, for the
    key of another payload, and whatever the unit raises: then nothing is kept.
    """
    context, caller = context_of(request), caller_of(request)
    key = request.headers.get(HEADER, "")
    if not KEY.fullmatch(key):
        allowed = "a text of 8 to 64 letters, digits, - and _ that names the request"
        detail = f"{HEADER}: found {key[:64] or 'none'}, allowed {allowed}"
        raise ProblemError(400, "NO_KEY", detail, HEADER, key[:64] or "none", allowed)
    name = (caller.name, f"{request.method} {request.url.path}", key)
    hashed = hashlib.sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)).digest()

    def write(connection: Connection) -> bytes:
        known = find_answer(connection, *name)
        if known is not None and known.payload != hashed:
            detail = f"{HEADER}: found one of another request, allowed a new one"
            raise ProblemError(422, "KEY_USED", detail, HEADER, key, "a new one")
        if known is not None:
            return known.body
        body = orjson.dumps(unit(connection))
        keep_answer(connection, KeptAnswer(*name, hashed, body, int(context.wall_s())))
        return body

    body = context.store.write(write)
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
