"""Transfers: what moves, between whom, why; their order in a batch and their ids."""

import hashlib
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from market.entries import ENTRY_TYPES
from market.errors import MarketError
from market.signing import Domain, typed_digests

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
    CONGESTION_RENT = 12  # POOL -> RENT; month: RENT -> accounts, or NETFEE
    REPLACEMENT = 13  # BALANCING and POOL: missing Wh
    DEVIATION = 14  # deviator -> BALANCING
    LABEL = 15  # premium, buyer -> POOL -> seller
    GUARANTEE = 16  # month: NETFEE or the SPC -> account that its auctions cost more than tariff
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


class NaturalKey(NamedTuple):
    """What makes a transfer unique: two transfers of one key are one transfer, added up."""

    ledger: int
    kind: int
    code: int
    debit: bytes
    credit: bytes
    slot: int
    version: int
    cause: bytes


def natural_key(transfer: Transfer) -> NaturalKey:
    """The natural key of a transfer."""
    return NaturalKey(*transfer[:5], transfer.slot, transfer.version, transfer.cause)


def sort_and_merge(transfers: Iterable[Transfer]) -> list[Transfer]:
    """The batch in its one order, transfers of one natural key added up.

    Computed twice from the same facts it is the same list, so the ids are the same. Raises
    MarketError if transfers of one key differ in `pending` or `link`: they cannot be added.
    """
    merged: dict[tuple[object, ...], Transfer] = {}
    for transfer in transfers:
        key = (*transfer[:5], transfer[6], transfer[7], transfer[9])
        other = merged.setdefault(key, transfer)
        if other is not transfer:
            if (other.pending, other.link) != (transfer.pending, transfer.link):
                raise MarketError(
                    f"transfer {natural_key(transfer)}: two pendings or links under one key"
                )
            merged[key] = other._replace(amount=other.amount + transfer.amount)
    return sorted(merged.values())


def transfer_digests(domain: Domain, transfers: Iterable[Transfer]) -> list[bytes]:
    """The EIP-712 digests, 32 bytes each: the ids of the transfers.

    Packed in one call each; raises MarketError if a value does not fit its type.
    """
    pack, type_hash = _PACKED.pack, ENTRY_TYPES["Transfer"].type_hash
    packed = []
    try:
        for t in transfers:
            ledger, kind, code, debit, credit, amount, slot, version, pending, cause, link = t
            # struct would cut or pad byte strings of other lengths in silence.
            if not len(debit) == len(credit) == len(pending) == len(cause) == len(link) == 32:
                raise MarketError(f"transfer {t}: a reference has not 32 bytes")
            high, low = amount >> 64, amount & _LOW
            words = pack(
                type_hash,
                ledger,
                kind,
                code,
                debit,
                credit,
                high,
                low,
                slot,
                version,
                pending,
                cause,
                link,
            )
            packed.append(words)
    except struct.error as error:
        raise MarketError(f"transfer {t}: a value does not fit its type: {error}") from error
    return typed_digests(domain, packed)


_PACKED = struct.Struct(">32s30xH31xB30xH32s32s16xQQ24xQ28xI32s32s32s")
_LOW = 2**64 - 1
