"""Writes `vectors.json`: two signed messages of every type, as plain JSON."""

import json
from pathlib import Path
from typing import Any

from market.entries import ENTRY_TYPES, EntryType, Field
from market.messages import message_as_json
from market.signing import Domain, address_of, derive_key, digest, sign

DOMAIN = Domain("sejong-5-1/sim/vectors")
INNER = ("NodeResult", "LinkResult")


def value_of(field: Field, *, extreme: bool) -> Any:
    """A value of the field: a small one, or the one farthest from nought."""
    if field.is_array:
        child = ENTRY_TYPES[field.type.removesuffix("[]")]
        return [message_of(child, extreme=extreme), message_of(child, extreme=not extreme)]
    if field.is_integer:
        low, high = field.bounds()
        return (low or high) if extreme else 900
    size = 20 if field.type == "address" else 32
    return b"\xff" * size if extreme else bytes(range(1, size + 1))


def message_of(kind: EntryType, *, extreme: bool) -> dict[str, Any]:
    """A message of the type."""
    values = {field.name: value_of(field, extreme=extreme) for field in kind.fields}
    if not extreme:
        small = [field for field in kind.fields if field.type == "uint8"]
        values |= {field.name: 1 for field in small}
    return values


def vectors() -> dict[str, Any]:
    """Domain, types and signed messages."""
    rows = []
    for name, kind in ENTRY_TYPES.items():
        if name in INNER:
            continue
        for extreme in (False, True):
            message, key = message_of(kind, extreme=extreme), derive_key(name)
            id_ = digest(DOMAIN, name, message)
            rows.append(
                {
                    "type": name,
                    "message": message_as_json(name, message),
                    "digest": "0x" + id_.hex(),
                    "signer": "0x" + address_of(key).hex(),
                    "signature": "0x" + sign(key, id_).hex(),
                }
            )
    types = {
        name: [{"name": field.name, "type": field.type} for field in kind.fields]
        for name, kind in ENTRY_TYPES.items()
    }
    return {"domain": DOMAIN.as_json(), "types": types, "vectors": rows}


if __name__ == "__main__":
    path = Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
