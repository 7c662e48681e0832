"""What contracts mean to simulated members: their keys, and what they still have to trade.

Whoever sells under a contract offers only what it leaves; whoever buys under one needs so much
less. Members know the contracts that the district begins with, and their partner's rough output.
"""

import numpy as np

from energy.crowd.members import (
    CONTRACT,
    KEY_NONCE,
    Crowd,
    FloatArray,
    KeyRegistration,
    demo_key,
)
from energy.district import District
from energy.units import DT_H
from market.contracts import PPM, ContractKind
from market.signing import Domain, address_of, digest, sign

WH_PER_KWH = 1000
PHYSICAL = (
    ContractKind.PPA_AS_CONSUMED,
    ContractKind.PPA_AS_PRODUCED,
    ContractKind.PARTNER,
)


def contract_parties(district: District) -> list[int]:
    """The meters of customers that a district's first contracts name, each once, in order."""
    ends = (end for one in district.agreements.first for end in (one.seller, one.buyer))
    return sorted({end for end in ends if isinstance(end, int)})


def register_parties(crowd: Crowd, domain: Domain, from_slot: int) -> list[KeyRegistration]:
    """KeyRegister of those who have a contract but do not trade, for contracts alone."""
    district, members = crowd.district, set(crowd.meter.tolist())
    found = []
    for meter in contract_parties(district):
        if meter in members:
            continue
        key = demo_key(district.id, crowd.seed, meter)
        address = address_of(key)
        message = {
            "account": district.meters.account[meter],
            "key": address,
            "roles": CONTRACT,
            "from_slot": from_slot,
            "nonce": KEY_NONCE,
        }
        signature = sign(key, digest(domain, "KeyRegister", message))
        found.append(KeyRegistration(message, address, signature))
    return found


def after_contracts(crowd: Crowd, net_kw: FloatArray) -> FloatArray:
    """What each member has left to trade of the power that it expects to spare or need, (N,)."""
    meters: list[int] = crowd.meter.tolist()
    row_of: dict[int | str, int] = {meter: row for row, meter in enumerate(meters)}
    left, aside = net_kw.copy(), np.zeros_like(net_kw)
    for one in crowd.district.agreements.first:
        seller, buyer = (row_of.get(end, -1) for end in (one.seller, one.buyer))
        if seller < 0 or net_kw[seller] <= 0:
            continue
        if one.kind == ContractKind.NEIGHBOUR:
            aside[seller] += one.share_ppm / PPM
        elif one.kind in PHYSICAL:
            most_kw = one.cap_wh / WH_PER_KWH / DT_H
            goes_kw = min(net_kw[seller] * one.share_ppm / PPM, most_kw)
            left[seller] -= goes_kw
            if buyer >= 0:
                left[buyer] += min(goes_kw, max(-left[buyer], 0.0))
    return np.asarray(left * np.where(left > 0, 1 - np.minimum(aside, 1.0), 1.0))
