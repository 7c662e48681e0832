"""Every answer that a test makes the API give is held to the API's document: its status must stand
there, its media type too, and its JSON must have exactly the shape that is said.

This looks at what leaves the outermost layer of any application of the API, whoever serves it and
whoever asks: programs, the pages in a browser, generated requests. A test whose store holds
documents that no cycle would write says `@pytest.mark.invented`; the shapes of its accepted answers
are not looked at. A stream of events is held to its media type alone.
"""

import gzip
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

GUIDE = Path(__file__).parents[1] / "docs" / "problems.md"
PROBLEM = "application/problem+json"


@dataclass
class Answer:
    """What left the application: whose request it answers, status, headers and body."""

    method: str
    path: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    @cached_property
    def json(self) -> Any:
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else bytes(self.body))

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.status} {self.media_type}"


class DocumentedAnswers:
    """Holds answers to a document; `findings` are told once by `take`."""

    def __init__(self, document: dict[str, Any]) -> None:
        from starlette.routing import compile_path

        self._document = document
        # A path without parameters is meant before one that has some.
        templates = sorted(document["paths"], key=lambda one: one.count("{"))
        self._routes = [(one, compile_path(one)[0]) for one in templates]
        self._validators: dict[tuple[str, str, int, str], Any] = {}
        self._codes = set(re.findall(r"^\| `([a-z-]+)` \|", GUIDE.read_text(), re.MULTILINE))
        self.findings: list[tuple[bool, str]] = []
        self.seen = 0

    def take(self, *, invented: bool) -> list[str]:
        """The findings since the last time, without the shapes of documents that were made up."""
        found, self.findings = self.findings, []
        return [text for is_shape, text in found if not (invented and is_shape)]

    def look_at(self, answer: Answer) -> None:
        """Note what is wrong with an answer; what no path of the document is meant by is let go."""
        template = next((one for one, form in self._routes if form.match(answer.path)), None)
        if template is None or not answer.status:
            return
        self.seen += 1
        operation = self._document["paths"][template].get(answer.method.lower())
        if operation is None:
            if answer.status not in (405, 421, 429):
                self._note(answer, "allowed 405, for it has no such method")
            return
        self._look_at_documented(answer, template, operation)

    def _look_at_documented(self, answer: Answer, template: str, operation: Any) -> None:
        told = operation["responses"].get(str(answer.status))
        if told is None:
            self._note(answer, f"allowed the statuses {', '.join(operation['responses'])}")
        elif answer.media_type not in told.get("content", {"": {}}):
            self._note(answer, f"allowed {', '.join(told.get('content', {'no body': 0}))}")
        elif answer.media_type.endswith("json"):
            place = (template, answer.method.lower(), answer.status, answer.media_type)
            for error in self._validator(place).iter_errors(answer.json):
                where = "/".join(map(str, error.instance_path))
                is_shape = answer.media_type != PROBLEM
                self._note(answer, f"{where}: {error.message[:300]}", is_shape=is_shape)
            if answer.media_type == PROBLEM:
                self._look_at_problem(answer)

    def _look_at_problem(self, answer: Answer) -> None:
        name = answer.json["type"].rpartition(":")[2]
        is_named_so = answer.json["code"].lower().replace("_", "-") == name
        if name not in self._codes or not is_named_so or answer.json["status"] != answer.status:
            self._note(answer, f"found {answer.json}, allowed a kind of docs/problems.md")

    def _validator(self, place: tuple[str, str, int, str]) -> Any:
        if place not in self._validators:
            path, method, status, media_type = place
            told = self._document["paths"][path][method]["responses"][str(status)]
            schema = told["content"][media_type]["schema"]
            whole = {**schema, "components": self._document["components"]}
            self._validators[place] = jsonschema_rs.Draft202012Validator(whole)
        return self._validators[place]

    def _note(self, answer: Answer, text: str, *, is_shape: bool = False) -> None:
        self.findings.append((is_shape, f"{answer}: {text}"))


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line(
        "markers", "invented: its store holds documents that no cycle would write"
    )


@pytest.fixture(scope="session")
def documented_answers() -> Iterator[DocumentedAnswers | None]:
    """Looks at every answer of the session; None where nothing of the API is loaded."""
    if "energy.api.app" not in sys.modules:
        yield None
        return
    from fastapi import FastAPI

    from energy.api.app import api_document

    found, serve = DocumentedAnswers(api_document()), FastAPI.__call__

    async def looked_at(self: Any, scope: Any, receive: Any, send: Any) -> None:
        # A test may also serve an application of its own, with made-up answers.
        if scope["type"] != "http" or not hasattr(self.state, "desk"):
            await serve(self, scope, receive, send)
            return
        answer = Answer(scope["method"], scope["path"])

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                pairs = ((k.decode().lower(), v.decode()) for k, v in message["headers"])
                answer.headers.update(pairs)
            elif answer.media_type != "text/event-stream":
                answer.body += message.get("body", b"")
                if not message.get("more_body"):
                    found.look_at(answer)
            await send(message)

        await serve(self, scope, receive, sent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAPI, "__call__", looked_at)
        yield found


@pytest.fixture(autouse=True)
def answers_are_as_documented(
    request: pytest.FixtureRequest, documented_answers: DocumentedAnswers | None
) -> Iterator[None]:
    """Fails a test during which the API has answered otherwise than its document says."""
    yield
    if documented_answers is not None:
        is_invented = request.node.get_closest_marker("invented") is not None
        if found := documented_answers.take(invented=is_invented):
            pytest.fail("\n".join(found[:20]), pytrace=False)
