"""Write `energy/client/routes.py`, the client's methods, from the API's document: `make client`."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from energy.api.app import api_document

TARGET = Path(__file__).parents[1] / "energy" / "client" / "routes.py"
HEADER = '''"""The routes of the API. Made by `make client` from its document: do not edit."""

from collections.abc import Iterator
from typing import Any, Literal, NotRequired, TypedDict
from urllib.parse import quote

import orjson

from energy.client.base import BaseClient, Document, Event, new_key
'''
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
SIGN_IN = "/v1/session/"


def type_of(schema: dict[str, Any]) -> str:
    """The Python type of a JSON schema; what has no name of its own is a `Document`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(json.dumps(one) for one in values)}]"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(type_of(one) for one in options))
    if schema.get("type") == "array":
        return f"list[{type_of(schema.get('items', {}))}]"
    if schema.get("type") == "object":
        more = schema.get("additionalProperties")
        return f"dict[str, {type_of(more)}]" if isinstance(more, dict) else "Document"
    return PLAIN.get(schema.get("type", ""), "Any")


def named_types(document: dict[str, Any], used: str) -> str:
    """The schemas that the methods' text names, and those that these name, as types."""
    schemas, found = document["components"]["schemas"], dict[str, str]()
    wanted = [name for name in sorted(schemas) if is_used(name, used)]
    while wanted:
        name = wanted.pop(0)
        found[name] = _named_type(name, schemas[name])
        wanted += [one for one in schemas if one not in found and one not in wanted
                   and is_used(one, found[name])]  # fmt: skip
    # A name stands above those that use it.
    order: list[str] = []

    def put(name: str) -> None:
        for other in found:
            if other != name and is_used(other, found[name]):
                put(other)
        if name not in order:
            order.append(name)

    for name in sorted(found):
        put(name)
    return "\n\n".join(found[name] for name in order)


def is_used(name: str, text: str) -> bool:
    """Whether a name stands in Python's text, docstrings left aside."""
    return re.search(rf"\b{name}\b", re.sub(r'"""[\s\S]*?"""', "", text)) is not None


def _named_type(name: str, schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        return f"{name} = {type_of(schema)}"
    needed = schema.get("required", [])
    told = textwrap.fill(sentence(schema.get("description", name)), 90, subsequent_indent="    ")
    lines = [f"class {name}(TypedDict):", f'    """{told}"""']
    for field, one in schema["properties"].items():
        kind = type_of(one)
        lines.append(f"    {field}: {kind if field in needed else f'NotRequired[{kind}]'}")
    return "\n".join(lines)


def sentence(text: str) -> str:
    """A text for a docstring, ended by a full stop."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    return text if text.endswith((".", "?", "!")) else f"{text}."


def docstring(operation: dict[str, Any]) -> str:
    """Summary, description, who may use it, and what each parameter says."""
    parts = [sentence(operation["summary"])]
    parts += [sentence(operation["description"])] if operation.get("description") else []
    parts.append(f"For: {', '.join(operation['x-verdict']['roles'])}.")
    for one in operation.get("parameters", []):
        told = one.get("description") or one["schema"].get("description")
        parts += [f"`{python_name(one['name'])}`: {sentence(told)}"] if told else []
    parts += [f"Gives {shapes} of `/openapi.json`."] if (shapes := shapes_of(operation)) else []
    refused = [code for code in operation["responses"] if int(code) >= 400]
    parts += [f"Raises ProblemError: {', '.join(sorted(refused))}."] if refused else []
    text = "\n\n".join(textwrap.fill(part, 88) for part in parts)
    return '"""' + text + '\n"""'


def python_name(name: str) -> str:
    """A parameter's name in Python."""
    return {"from": "from_", "format": "format_"}.get(name, name.lower().replace("-", "_"))


def method_name(path: str, method: str, operation: dict[str, Any]) -> str:
    """The route's function in the server, by which people speak of it."""
    tail = re.sub(r"\W", "_", f"{path}_{method}")
    return str(operation["operationId"]).removesuffix(tail).rstrip("_")


def accepted(operation: dict[str, Any]) -> dict[str, Any]:
    """By media type what a route answers where it does not refuse."""
    told = (one for code, one in operation["responses"].items() if code < "300")
    return next((one.get("content", {}) for one in told), {})


def shapes_of(operation: dict[str, Any]) -> str:
    """The names of what a route answers, as they stand in the API's document."""
    schema = accepted(operation).get("application/json", {}).get("schema", {})
    options = schema.get("anyOf", [schema])
    names = [str(one["$ref"]).rpartition("/")[2] for one in options if "$ref" in one]
    return " or ".join(f"`{name}`" for name in names)


def kind_of(operation: dict[str, Any]) -> tuple[str, str]:
    """What a route gives, and the helper that fetches it; shapes are told in the docstring."""
    content = accepted(operation)
    if "text/event-stream" in content:
        return "Iterator[Event]", "_stream"
    if content and "application/json" not in content:
        return "str", "_text"
    return "Document", "_json"


def method_of(path: str, method: str, operation: dict[str, Any]) -> str:
    """The Python of one route."""
    parameters = operation.get("parameters", [])
    needed, optional, query = [], [], []
    for one in parameters:
        name, kind = python_name(one["name"]), type_of(one["schema"])
        if one["in"] == "header":
            optional.append("idempotency_key: str | None = None")
        elif one["in"] == "path" or one.get("required"):
            needed.append(f"{name}: {kind}")
        else:
            optional.append(f"{name}: {kind if 'None' in kind else f'{kind} | None'} = None")
        query += [f'"{one["name"]}": {name}'] if one["in"] == "query" else []
    fields, body = body_of(operation)
    needed += fields
    gives, helper = kind_of(operation)
    name = method_name(path, method, operation)
    address = re.sub(r"\{(\w+)\}", lambda found: "{quote(str(" + found[1] + "), safe='')}", path)
    address = f'f"{address}"' if "{" in address else f'"{address}"'
    asked = f"{{{', '.join(query)}}}"
    heard = docstring(operation)
    star = ["*"] if optional else []
    signature = f"({', '.join(['self', *needed, *star, *optional])})"
    if helper == "_stream":
        return _function(
            f"{name}{signature} -> {gives}", heard, f"self._stream({address}, {asked})"
        )
    given = [f'"{method.upper()}"', address] + ([f"query={asked}"] if query else [])
    given += [f"body={body}"] if body else []
    has_key = any(one["in"] == "header" for one in parameters)
    given += ["key=idempotency_key or new_key()"] if has_key else []
    if method == "get" or has_key or "envelope: bytes" in fields:
        given.append("again=True")
    call = f"self.{helper}({', '.join(given)})"
    text = _function(f"{name}{signature} -> {gives}", heard, call)
    if {"before", "limit"} <= {one["name"] for one in parameters}:
        each = f"each_of_{name.removeprefix('get_')}{signature} -> Iterator[Document]"
        said = f'"""The items of all pages of `{name}`, asked for as they are needed."""'
        text += "\n\n" + _function(each, said, f"self._pages({address}, {asked})")
    return text


def body_of(operation: dict[str, Any]) -> tuple[list[str], str]:
    """Parameters for the body of a route, and the expression of its bytes; empty without one."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return [], ""
    if "Envelope" in json.dumps(schema):
        return ["envelope: bytes"], "envelope"
    if "$ref" in schema:
        return [f"body: {type_of(schema)}"], "orjson.dumps(body)"
    names = list(schema["properties"])
    if set(names) & {one["name"] for one in operation.get("parameters", [])}:
        # The address may say again what the body says: it stays one thing.
        return ["body: Document"], "orjson.dumps(body)"
    fields = ", ".join(f'"{name}": {name}' for name in names)
    kinds = [f"{name}: {type_of(schema['properties'][name])}" for name in names]
    return kinds, f"orjson.dumps({{{fields}}})"


def _function(signature: str, heard: str, value: str) -> str:
    lines = [f"def {signature}:", *textwrap.indent(heard, "    ").splitlines()]
    return "\n".join([*lines, f"    return {value}"])


def source_of(document: dict[str, Any]) -> str:
    """The whole file, formatted."""
    methods = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = method_name(path, method, operation)
            if name in methods:
                sys.exit(f"{method} {path}: found the name {name}, allowed one of its own")
            methods[name] = method_of(path, method, operation)
    body = "\n\n".join(methods[name] for name in methods)
    text = f"{HEADER}\n\n{named_types(document, body)}\n\n\nclass Client(BaseClient):\n"
    text += '    """Every route of the API as a method; sign-in and retries: `BaseClient`."""\n\n'
    text += textwrap.indent(body, "    ") + "\n"
    for arguments in (["check", "--fix", "--quiet", "--exit-zero"], ["format", "--quiet"]):
        command = [str(Path(sys.executable).parent / "ruff"), *arguments]
        command += ["--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(
            command, input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


if __name__ == "__main__":
    TARGET.write_text(source_of(api_document()))
