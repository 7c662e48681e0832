"""Messages that prove themselves: signed here by one's own key, which never leaves the program."""

from collections.abc import Mapping
from typing import Any

import orjson

from market.messages import message_as_json
from market.signing import Domain, address_of, digest, sign

Message = Mapping[str, int | bytes]


def domain_of(prices: Mapping[str, Any]) -> Domain:
    """What signatures are made for, by a document of `GET /v1/prices`."""
    market = prices["market"]
    return Domain(str(market["id"]), int(market["chain_id"]))


def sign_message(domain: Domain, type_name: str, message: Message, *private_keys: bytes) -> bytes:
    """The envelope of a message of a type, signed by each key in turn, ready to be posted.

    Raises MarketError where the type has other fields or a value cannot be.
    """
    hashed = digest(domain, type_name, message)
    return orjson.dumps(
        {
            "type": type_name,
            "message": message_as_json(type_name, message),
            "signatures": [
                {
                    "signer": f"0x{address_of(key).hex()}",
                    "signature": f"0x{sign(key, hashed).hex()}",
                }
                for key in private_keys
            ],
        }
    )
