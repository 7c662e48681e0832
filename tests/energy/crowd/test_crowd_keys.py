"""Each member signs with its own key, and the market can check it."""

from dataclasses import replace

import numpy as np
import pytest

from energy.crowd import (
    Crowd,
    CrowdError,
    PublicPrices,
    build_crowd,
    build_orders,
    demo_key,
    register_messages,
    sign_orders,
)
from energy.timegrid import parse_instant
from market.entries import ENTRY_TYPES
from market.messages import parse_envelope
from market.signing import Domain, address_of, digest, recover

NOON = parse_instant("2026-07-15T12:00+09:00")


def test_members_are_the_trading_meters_in_order_with_their_accounts(crowd: Crowd) -> None:
    meters = crowd.district.meters
    assert crowd.meter.tolist() == np.flatnonzero(meters.trades).tolist()
    assert crowd.account == tuple(meters.account[int(meter)] for meter in crowd.meter)
    assert (crowd.zone == crowd.district.zone_of_meter[crowd.meter]).all()


def test_every_key_is_another_and_follows_from_the_names(crowd: Crowd) -> None:
    keys = set(crowd.private_key) | set(build_crowd(crowd.district, 2).private_key)
    assert len(keys) == 2 * len(crowd)
    meter = int(crowd.meter[0])
    assert crowd.private_key[0] == demo_key(crowd.district.id, 1, meter)
    assert crowd.address[0] == address_of(crowd.private_key[0])


def test_envelopes_are_read_by_the_strict_door_and_recover_to_their_signer(
    crowd: Crowd, prices: PublicPrices, domain: Domain
) -> None:
    orders = build_orders(crowd, NOON, prices)
    envelopes = sign_orders(crowd, domain, orders)
    assert len(envelopes) == len(orders)
    for order, text in zip(orders, envelopes, strict=True):
        envelope = parse_envelope(text, {"Order"})
        assert envelope.message == order
        row = crowd.account.index(order["account"])
        signer = recover(digest(domain, "Order", order), envelope.signatures[0])
        assert signer == envelope.signers[0] == crowd.address[row]
    assert sign_orders(crowd, domain, orders) == envelopes  # RFC 6979


def test_a_signature_for_another_market_is_another(
    crowd: Crowd, prices: PublicPrices, domain: Domain
) -> None:
    orders = build_orders(crowd, NOON, prices)[:1]
    elsewhere = replace(domain, market_id="elsewhere")
    assert sign_orders(crowd, domain, orders) != sign_orders(crowd, elsewhere, orders)


def test_registrations_are_complete_but_for_the_registrar(crowd: Crowd, domain: Domain) -> None:
    registrations = register_messages(crowd, domain, NOON)
    assert len(registrations) == len(crowd)
    for account, one in zip(crowd.account, registrations, strict=True):
        assert one.message.keys() == ENTRY_TYPES["KeyRegister"].names
        assert one.message["account"] == account
        assert one.message["roles"] == 3  # trade, and sign contracts
        id_ = digest(domain, "KeyRegister", one.message)
        assert recover(id_, one.signature) == one.address == one.message["key"]


def test_an_order_of_a_stranger_is_not_signed(
    crowd: Crowd, prices: PublicPrices, domain: Domain
) -> None:
    order = {**build_orders(crowd, NOON, prices)[0], "account": bytes(32)}
    with pytest.raises(CrowdError, match=r"account 0x0000.*no member"):
        sign_orders(crowd, domain, [order])
