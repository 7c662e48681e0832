"""Simulated prosumers with keys of their own, who see what anybody can see and sign what they want.

A pure, seeded function of public information: `build_orders`, then `sign_orders`. The program that
posts them over HTTP is `energy.crowd.program`; it is not imported here, so that a simulation does
not carry an HTTP client.
"""

from energy.crowd.bidding import build_orders
from energy.crowd.contracts import register_parties
from energy.crowd.demand_response import (
    Promises,
    build_commits,
    parse_offers,
    within_promises,
)
from energy.crowd.members import (
    Crowd,
    CrowdError,
    KeyRegistration,
    build_crowd,
    demo_key,
    register_messages,
    sign_commits,
    sign_message,
    sign_orders,
)
from energy.crowd.public import PublicPrices, TariffBlock, parse_public

__all__ = [
    "Crowd",
    "CrowdError",
    "KeyRegistration",
    "Promises",
    "PublicPrices",
    "TariffBlock",
    "build_commits",
    "build_crowd",
    "build_orders",
    "demo_key",
    "parse_offers",
    "parse_public",
    "register_messages",
    "register_parties",
    "sign_commits",
    "sign_message",
    "sign_orders",
    "within_promises",
]
