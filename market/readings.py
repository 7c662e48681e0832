"""Readings in great number: the columns of a slot as typed entries, hashed and signed in one go."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from market.entries import ENTRY_TYPES, TYPE_CODE
from market.errors import MarketError
from market.merkle import entry_leaf
from market.signing import Domain, typed_digests


class Quality:
    """How a reading came about."""

    MEASURED = 1
    ESTIMATED = 2
    CORRECTED = 3


class Reading(NamedTuple):
    """What a meter has counted in a slot; the fields in the order of the EIP-712 type.

    Registers are the meter's counters at the end of the slot, 0 in an estimate. `revision` counts
    the entries of one meter and slot, an estimate included.
    """

    account: bytes
    meter: bytes
    slot: int
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int
    quality: int
    revision: int


@dataclass(frozen=True, eq=False)
class ReadingBatch:
    """Signed readings in the order of their commitment, with ids, signers and salts."""

    readings: Sequence[Reading]
    ids: Sequence[bytes]
    signers: Sequence[bytes]
    signatures: Sequence[bytes]
    salts: Sequence[bytes]

    def __len__(self) -> int:
        """Number of readings."""
        return len(self.readings)

    def leaves(self) -> list[bytes]:
        """The leaf hashes, in the order of the readings."""
        code = TYPE_CODE["Reading"]
        columns = zip(self.salts, self.ids, self.signatures, strict=True)
        return [entry_leaf(code, salt, id_, signature) for salt, id_, signature in columns]


NO_READINGS = ReadingBatch((), (), (), (), ())


def meter_id(account: bytes) -> bytes:
    """The 32 bytes that stand for the first meter of an account; they say nothing else."""
    return hashlib.sha256(b"meter/1" + account).digest()


def reading_digests(domain: Domain, readings: Iterable[Reading]) -> list[bytes]:
    """The EIP-712 digests of readings; raises MarketError if a value does not fit its type."""
    pack, type_hash, packed = _PACKED.pack, ENTRY_TYPES["Reading"].type_hash, []
    try:
        for reading in readings:
            # struct would cut or pad byte strings of other lengths in silence.
            if not len(reading[0]) == len(reading[1]) == 32:
                raise MarketError(f"reading {reading}: an id has not 32 bytes")
            packed.append(pack(type_hash, *reading))
    except struct.error as error:
        raise MarketError(f"reading {reading}: a value does not fit its type: {error}") from error
    return typed_digests(domain, packed)


def sign_readings(
    domain: Domain,
    readings: Sequence[Reading],
    signer: Callable[[Reading], "ReadingSigner"],
    salts: Callable[[Sequence[bytes], Sequence[bytes]], Sequence[bytes]],
) -> ReadingBatch:
    """The readings signed by whom `signer` names; `salts` gives those of (accounts, digests)."""
    ids = reading_digests(domain, readings)
    by = [signer(reading) for reading in readings]
    return ReadingBatch(
        readings=readings,
        ids=ids,
        signers=[one.address for one in by],
        signatures=[one.sign(id_) for one, id_ in zip(by, ids, strict=True)],
        salts=salts([reading.account for reading in readings], ids),
    )


@dataclass(frozen=True, eq=False)
class ReadingSigner:
    """A key that signs readings: its address, and the signature over a digest."""

    address: bytes
    sign: Callable[[bytes], bytes]


_PACKED = struct.Struct(">32s32s32s24xQ24xQ24xQ24xQ24xQ31xB28xI")
