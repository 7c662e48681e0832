"""What signed messages look like, and an example of every shape, for the API's document."""

from collections.abc import Mapping
from typing import Any

from market.entries import ENTRY_TYPES, signatures_of

_ACCOUNT = "0x" + "3f" * 32
_SIGNATURE = "0x" + "1a" * 64 + "1b"

ORDER_ENVELOPE: dict[str, Any] = {
    "type": "Order",
    "message": {
        "account": _ACCOUNT,
        "zone": "3",
        "slot": "1784106000",
        "side": "2",
        "e_wh": "500",
        "price_mkrw_per_kwh": "142500",
        "label": "0",
        "premium_mkrw_per_kwh": "0",
        "expires": "1784105700",
        "replaces": "0x" + "00" * 32,
        "rules_version": "1",
        "nonce": "1784105000123",
    },
    "signatures": [{"signer": "0x" + "9c" * 20, "signature": _SIGNATURE}],
}

ORDER_ANSWER: dict[str, Any] = {
    "order_id": "0x" + "7b" * 32,
    "status": "ACCEPTED",
    "receipt": {
        "type": "Receipt",
        "message": {
            "entry": "0x" + "7b" * 32,
            "received": "1784105000",
            "sealed_by": "1784106000",
        },
        "signatures": [{"signer": "0x" + "5d" * 20, "signature": _SIGNATURE}],
        "received_utc": "2026-07-15T08:43:20Z",
        "sealed_by_utc": "2026-07-15T09:00:00Z",
    },
}

_DECIMAL = {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"}


def _hex(size: int) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^0x[0-9a-f]{{{2 * size}}}$"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def envelope_schema(type_name: str) -> dict[str, Any]:
    """The envelope of a signed message of a type, as the doors read it."""
    fields = ENTRY_TYPES[type_name].fields
    message = {
        field.name: _DECIMAL if field.is_integer else _hex(20 if field.type == "address" else 32)
        for field in fields
    }
    count = signatures_of(type_name)
    return _object(
        {
            "type": {"const": type_name},
            "message": _object(message),
            "signatures": {
                "type": "array",
                "minItems": count,
                "maxItems": count,
                "items": _object({"signer": _hex(20), "signature": _hex(65)}),
            },
        }
    )


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A value of a schema, put together from the examples of its parts; members are all given.

    `schemas` are those that references name.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "example" in schema:
        return schema["example"]
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return example_of(options[0], schemas)
    if schema.get("type") == "array":
        items = [] if schema.get("maxItems") == 0 else [schema["items"]]
        return [example_of(one, schemas) for one in items]
    if schema.get("type") == "object":
        return _example_of_object(schema, schemas)
    return _PLAIN[schema["type"]]


def _example_of_object(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: example_of(one, schemas) for name, one in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and more:
        named = schema.get("propertyNames", {"type": "string"})
        found[example_of(named, schemas)] = example_of(more, schemas)
    return found


_PLAIN = {"string": "…", "boolean": True, "integer": 1, "number": 1.5, "null": None}


def signed_body(*types: str) -> dict[str, Any]:
    """The body of a route that takes one of these signed messages, for the API's document."""
    shapes = [{"$ref": f"#/components/schemas/{one}Envelope"} for one in types]
    schema = shapes[0] if len(shapes) == 1 else {"oneOf": shapes}
    content: dict[str, Any] = {"schema": schema}
    if types == ("Order",):
        content["example"] = ORDER_ENVELOPE
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def message_body(type_name: str) -> dict[str, Any]:
    """The body of a route that takes the message alone, to be signed for its account."""
    schema = envelope_schema(type_name)["properties"]["message"]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


SIGNED_TYPES = (
    "Order", "Cancel", "KeyRegister", "KeyRotate", "KeyRevoke", "Contract", "DrEvent", "DrCommit",
    "StandingInstruction",
)  # fmt: skip
