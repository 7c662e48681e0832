"""What a signed message is for: the market of the server that is talked to."""

from collections.abc import Mapping
from typing import Any

from market.signing import Domain


def domain_of(prices: Mapping[str, Any]) -> Domain:
    """What signatures are made for, by a document of `GET /v1/prices`."""
    market = prices["market"]
    return Domain(str(market["id"]), int(market["chain_id"]))
