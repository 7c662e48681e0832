"""Transfers between accounts, and the rules by which a batch of them is accepted or refused.

Three ledgers with one integer unit each: KRW in micro-won, ENERGY in Wh, POINTS in micro-points.
A balance is credits less debits; the debit account gives, the credit account receives. Nothing
here is ever edited: a batch in gives new balances out, or a `Refusal` and nothing has changed.
"""

import hashlib
from enum import IntEnum
from typing import NamedTuple

ZERO32 = bytes(32)


class LedgerId(IntEnum):
    """The unit that a transfer moves."""

    KRW = 1  # micro-won
    ENERGY = 2  # Wh
    POINTS = 3  # micro-points of the local currency


class TransferKind(IntEnum):
    """What a transfer does to the balances of its two accounts."""

    PLAIN = 1  # moves at once
    PENDING = 2  # reserves; ended once, by POST or VOID
    POST = 3  # moves up to the amount of its pending and releases the rest
    VOID = 4  # releases all of its pending
    REVERSE = 5  # undoes a PLAIN or POST, accounts swapped


class Code(IntEnum):
    """Why a transfer was made."""

    TRADE = 10  # auction: buyer -> POOL -> seller, KRW pending then posted, ENERGY when metered
    NETWORK_FEE = 11  # POOL -> NETFEE
    CONGESTION_RENT = 12  # POOL -> RENT
    REPLACEMENT = 13  # BALANCING and POOL: missing Wh
    DEVIATION = 14  # deviator -> BALANCING
    LABEL = 15  # premium, buyer -> POOL -> seller
    PPA = 20  # quantity at strike, and the energy of the contract
    CFD = 21  # difference payment, either way
    PPA_CHARGE = 22  # charges of the network owner, buyer -> KEPCO
    NEIGHBOUR = 23  # monthly neighbour trade, buyer -> seller
    REMAINDER = 30  # rest of the reading: tariff or feed-in
    RETAIL = 31  # monthly bill, customer -> KEPCO
    LOSS = 32  # GRID -> LOSS, ENERGY
    TAX = 33  # monthly bill, customer -> VAT and FUND
    ROUNDING = 34  # remainders of bills
    DR_REWARD = 40  # programme -> account
    DR_PENALTY = 41  # account -> programme
    POINTS = 50  # issue and use of points
    PAYMENT = 60  # BANK <-> account


class Transfer(NamedTuple):
    """One movement; the fields in the order of the EIP-712 type of the same name.

    `pending` names the PENDING that a POST or VOID ends, or the transfer that a REVERSE undoes;
    `cause` the entry that made it due; transfers of one non-zero `link` stand or fall together.
    Absent references are 32 zero bytes.
    """

    ledger: int
    kind: int
    code: int
    debit: bytes
    credit: bytes
    amount: int
    slot: int
    version: int
    pending: bytes = ZERO32
    cause: bytes = ZERO32
    link: bytes = ZERO32


def system_account(market_id: str, name: str) -> bytes:
    """The 32 bytes of an account of the market itself, such as `POOL` or `DR:<programme>`."""
    return hashlib.sha256(b"account/1" + market_id.encode() + name.encode()).digest()
