"""A small JSON object as a request's body: exactly the named texts, and no value in an error."""

from collections.abc import Mapping

import orjson
from fastapi import Request

from energy.api.problems import ProblemError


async def read_fields(request: Request, lengths: Mapping[str, int]) -> dict[str, str]:
    """The texts of the body, each of at most so many characters and none missing.

    Raises ProblemError for anything else. It never repeats a value, for it may be a secret.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _malformed("content-type", "application/json", status=415)
    allowed = f"an object with the texts {', '.join(lengths)} and nothing else"
    try:
        found = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise _malformed("body", allowed, status=400) from error
    if not isinstance(found, dict) or set(found) != set(lengths):
        raise _malformed("body", allowed)
    for name, most in lengths.items():
        value = found[name]
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            raise _malformed(name, f"a text of 1 to {most} characters")
    return found


def fields_schema(lengths: Mapping[str, int]) -> dict[str, object]:
    """The body of such a request for the API's document."""
    properties = {
        name: {"type": "string", "minLength": 1, "maxLength": most}
        for name, most in lengths.items()
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(lengths),
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _malformed(field: str, allowed: str, status: int = 422) -> ProblemError:
    return ProblemError(status, "MALFORMED", f"{field}: allowed {allowed}", field, None, allowed)
