"""JSON objects as requests' bodies: what no text of theirs may have in it, for all bodies here.

A small one has exactly the named texts, and no value of it stands in an error.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import PydanticCustomError

from energy.api.problems import ProblemError

NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line end, and halves of characters: stores and JSON refuse some of
them, and no screen shows any."""
TEXT = "a text without control characters and halves of characters"
TEXT_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
"""The same for the API's document, in whose language halves of characters cannot be said."""
PATTERNED = ("pattern", "enum", "const", "format")
"""What says more of a text than that."""


def _say_of_texts(schema: dict[str, Any]) -> None:
    """Tell in a schema which texts are refused."""
    rest: list[Any] = [schema.get("properties", {})]
    while rest:
        one = rest.pop()
        if isinstance(one, list):
            rest += one
        elif isinstance(one, dict):
            rest += one.values()
            if one.get("type") == "string" and not any(key in one for key in PATTERNED):
                one["pattern"] = TEXT_PATTERN


class JsonBody(BaseModel):
    """The body of a request: exactly these fields, whose texts people and stores can read."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_say_of_texts)

    @field_validator("*", mode="before")
    @classmethod
    def require_texts(cls, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """The value; raises PydanticCustomError where a text in it is none."""
        if not has_texts_alone(value):
            raise PydanticCustomError("no_text", TEXT)
        return value


def has_texts_alone(value: object) -> bool:
    """Whether every text in a JSON value, keys as well, is one that people and stores can read."""
    rest = [value]  # a list of its own, for values are nested as deep as somebody likes
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            rest += [*one, *one.values()]
        elif isinstance(one, list):
            rest += one
        elif isinstance(one, str) and NO_TEXT.search(one):
            return False
    return True


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
        if not has_texts_alone(value):
            raise _malformed(name, TEXT)
    return found


def fields_schema(lengths: Mapping[str, int]) -> dict[str, object]:
    """The body of such a request for the API's document."""
    properties = {
        name: {"type": "string", "minLength": 1, "maxLength": most, "pattern": TEXT_PATTERN}
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
