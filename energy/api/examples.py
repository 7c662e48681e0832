"""What a signed order and its answer look like, for the API document."""

from typing import Any

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


ORDER_SCHEMA: dict[str, Any] = _object(
    {
        "type": {"const": "Order"},
        "message": _object(
            {
                name: _hex(32) if name in ("account", "replaces") else _DECIMAL
                for name in ORDER_ENVELOPE["message"]
            }
        ),
        "signatures": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": _object({"signer": _hex(20), "signature": _hex(65)}),
        },
    }
)
