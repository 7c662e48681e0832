"""The API's document itself: each answer has a shape, a closed one, and an example that fits it."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from energy.api.app import api_document
from energy.api.examples import example_of

STREAMS = {"text/event-stream", "text/plain", "text/csv"}
OPEN_SHAPES = {"OwnData"}
"""Shapes whose members are not all named: the sections of one's own data, which grow."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return api_document()


def answers_of(document: dict[str, Any]) -> Iterator[tuple[str, int, str, dict[str, Any]]]:
    """Route, status, media type and what is said of each answer that has a body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, told in operation["responses"].items():
                for media_type, shown in told.get("content", {}).items():
                    yield f"{method.upper()} {path}", int(status), media_type, shown


def objects_in(name: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object within a schema, by where it stands."""
    if isinstance(schema, list):
        for one in schema:
            yield from objects_in(name, one)
    elif isinstance(schema, dict):
        if schema.get("type") == "object":
            yield name, schema
        for key, one in schema.items():
            if key not in ("example", "examples", "default"):
                yield from objects_in(f"{name}/{key}", one)


def test_every_accepted_answer_has_a_shape_and_an_example_that_fits(
    document: dict[str, Any],
) -> None:
    components = {"components": document["components"]}
    for route, status, media_type, shown in answers_of(document):
        if status >= 300:
            continue
        assert shown.get("schema"), f"{route} {status}: no response_model, allowed one of shapes/"
        if media_type == "application/json":
            validator = jsonschema_rs.Draft202012Validator({**shown["schema"], **components})
            wrong = [str(one) for one in validator.iter_errors(shown["example"])]
            assert not wrong, (route, wrong)
        else:
            assert media_type in STREAMS, (route, media_type)


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for route, status, media_type, shown in answers_of(document):
        if status >= 400:
            assert media_type == "application/problem+json", (route, status)
            assert shown["schema"] == problem, (route, status)
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_no_object_has_members_that_the_document_does_not_name(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for where, found in objects_in(name, schema):
            is_map = isinstance(found.get("additionalProperties"), dict)
            is_closed = found.get("additionalProperties") is False
            is_words_of_a_type = where.endswith("/message") and "properties" not in found
            assert is_map or is_closed or is_words_of_a_type or name in OPEN_SHAPES, where


def test_the_example_of_a_shape_has_all_its_members() -> None:
    inner = {"type": "object", "properties": {"e_wh": {"type": "integer", "examples": [400]}}}
    shape = {
        "type": "object",
        "properties": {
            "side": {"enum": ["bid", "offer"]},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
            "zones": {"type": "object", "additionalProperties": {"type": "number"}},
            "none": {"type": "array", "maxItems": 0, "items": {"type": "string"}},
            "either": {"anyOf": [{"const": "T0"}, {"type": "null"}]},
        },
    }
    assert example_of(shape, {"Part": inner}) == {
        "side": "bid", "parts": [{"e_wh": 400}], "zones": {"…": 1.5}, "none": [], "either": "T0",
    }  # fmt: skip


def test_bodies_say_which_texts_are_refused(document: dict[str, Any]) -> None:
    pattern = document["components"]["schemas"]["AssetOrder"]["properties"]["reason"]["pattern"]
    validator = jsonschema_rs.validator_for({"type": "string", "pattern": pattern})
    assert validator.is_valid("smell of smoke\n탄 냄새") and validator.is_valid("")
    assert not any(validator.is_valid(f"a{one}b") for one in ("\x00", "\x1f", "\x7f", "\x9f"))
