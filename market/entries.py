"""The types of everything that is signed, and their EIP-712 bytes.

The table below is the whole language: fixed-size integers, `bytes32`, `address`, and in Clearing
arrays of such structs. A message is a dict from field name to `int` (integers) or `bytes`
(`bytes32`, `address`) or a list of dicts (arrays); the words of a static type are packed in one
call, which the tests compare with the public library at all extremes of every field.
"""

import ctypes
import re
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from Crypto.Hash import keccak as _keccak

from market.errors import MarketError

TYPE_TABLE = """
Order(bytes32 account,uint32 zone,uint64 slot,uint8 side,uint64 e_wh,int64 price_mkrw_per_kwh,\
uint8 label,uint64 premium_mkrw_per_kwh,uint64 expires,bytes32 replaces,uint32 rules_version,\
uint64 nonce)
Cancel(bytes32 account,uint64 slot,bytes32 order_id,uint64 nonce)
Contract(bytes32 seller,bytes32 buyer,uint8 kind,uint64 first_slot,uint64 end_slot,uint64 cap_wh,\
uint32 share_ppm,int64 price_mkrw_per_kwh,uint8 rank,bytes32 terms,uint64 nonce)
DrEvent(bytes32 program,uint64 first_slot,uint16 slots,uint8 baseline,\
uint64 reward_mkrw_per_kwh,uint64 penalty_mkrw_per_kwh,uint64 answer_by,uint64 nonce)
DrCommit(bytes32 account,bytes32 event_id,uint64 e_wh_per_slot,uint64 nonce)
Reading(bytes32 account,bytes32 meter,uint64 slot,uint64 import_wh,uint64 export_wh,\
uint64 import_register_wh,uint64 export_register_wh,uint8 quality,uint32 revision)
Clearing(uint64 slot,uint8 label,uint32 round,uint32 rules_version,uint32 network_version,\
bytes32 engine,bytes32 plan,uint32 orders,bytes32 book_root,bytes32 fills_root,uint64 volume_wh,\
int128 welfare_ukrw,NodeResult[] nodes,LinkResult[] links)
NodeResult(uint32 node,uint8 outcome,uint8 flags,int64 low_mkrw_per_kwh,int64 high_mkrw_per_kwh,\
int64 price_mkrw_per_kwh,uint64 bought_wh,uint64 sold_wh,int64 margin_mkrw_per_kwh,\
uint64 margin_open_wh,uint64 margin_filled_wh)
LinkResult(uint32 from_node,uint32 to_node,uint64 flow_wh,uint64 capacity_wh,\
uint64 fee_mkrw_per_kwh)
Transfer(uint16 ledger,uint8 kind,uint16 code,bytes32 debit,bytes32 credit,uint128 amount,\
uint64 slot,uint32 version,bytes32 pending,bytes32 cause,bytes32 link)
Settlement(uint8 scope,uint64 slot,uint32 version,bytes32 previous,bytes32 clearing,\
bytes32 readings_root,bytes32 transfers_root,uint32 transfers,uint32 rules_version)
Correction(uint64 slot,uint32 from_version,uint32 to_version,uint8 reason,bytes32 evidence,\
uint64 nonce)
Bill(bytes32 account,uint64 first_slot,uint64 end_slot,uint32 version,uint32 tariff_version,\
bytes32 lines_root,int64 total_krw,uint32 rounding_ukrw)
Rules(uint8 kind,uint32 version,uint64 from_slot,bytes32 content)
SealedSet(uint8 kind,uint64 tick,uint32 count,bytes32 root)
Receipt(bytes32 entry,uint64 received,uint64 sealed_by)
Checkpoint(bytes32 origin,uint64 tick,uint64 size,bytes32 root,bytes32 accounts_root,\
bytes32 previous)
Cosign(bytes32 checkpoint,uint64 time)
Anchor(bytes32 checkpoint,uint64 chain_id,bytes32 transaction)
StandingInstruction(bytes32 account,uint8 sides,int64 sell_from_mkrw_per_kwh,\
int64 buy_up_to_mkrw_per_kwh,uint64 day_cap_wh,uint64 day_cap_ukrw,uint64 first_slot,\
uint64 end_slot,uint32 rules_version,bytes32 replaces,uint64 nonce)
AutoOrder(bytes32 account,bytes32 instruction,uint64 day,uint32 zone,uint64 slot,uint8 side,\
uint64 e_wh,int64 price_mkrw_per_kwh)
KeyRegister(bytes32 account,address key,uint16 roles,uint64 from_slot,uint64 nonce)
KeyRotate(bytes32 account,address old_key,address new_key,uint64 from_slot,uint64 nonce)
KeyRevoke(bytes32 account,address key,uint64 from_slot,uint8 reason,uint64 nonce)
"""

TYPE_CODE = {
    "Order": 1,
    "Cancel": 2,
    "Contract": 3,
    "DrEvent": 4,
    "DrCommit": 5,
    "Reading": 6,
    "Clearing": 7,
    "Transfer": 8,
    "Settlement": 9,
    "Correction": 10,
    "Bill": 11,
    "Rules": 12,
    "SealedSet": 13,
    "Receipt": 14,
    "Checkpoint": 15,
    "Cosign": 16,
    "Anchor": 17,
    "StandingInstruction": 18,
    "AutoOrder": 19,
    "KeyRegister": 20,
    "KeyRotate": 21,
    "KeyRevoke": 22,
}
# All others: 1. An AutoOrder stands on the signed instruction that it names.
SIGNATURES = {"Transfer": 0, "AutoOrder": 0, "Contract": 2, "KeyRegister": 2, "KeyRotate": 2}

Message = Mapping[str, Any]


def keccak256(data: bytes) -> bytes:
    """The 32 bytes of Keccak-256 (the padding of Ethereum, not of SHA-3)."""
    return _core_of_thread().hash(data) if _CORE is not None else _plain_keccak256(data)


def keccak_many(messages: Iterable[bytes]) -> list[bytes]:
    """`keccak256` of each message."""
    return list(map(_core_of_thread().hash if _CORE is not None else _plain_keccak256, messages))


def _plain_keccak256(data: bytes) -> bytes:
    return _keccak.new(digest_bits=256, data=data).digest()


class _Core:
    """One C state that is used again: the library's public call makes a new one every time, which
    costs ten times as much as the hash.
    """

    def __init__(self, core: ctypes.PyDLL) -> None:
        self._state, self._out = ctypes.c_void_p(), ctypes.create_string_buffer(32)
        if core.keccak_init(ctypes.byref(self._state), ctypes.c_size_t(64), 24):
            raise MemoryError("keccak: no state")
        self._reset, self._absorb = core.keccak_reset, core.keccak_absorb
        self._squeeze, self._destroy = core.keccak_digest, core.keccak_destroy
        self._sizes = [ctypes.c_size_t(size) for size in range(1024)]

    def hash(self, data: bytes) -> bytes:
        """Keccak-256 of the data."""
        size = len(data)
        c_size = self._sizes[size] if size < 1024 else ctypes.c_size_t(size)
        self._reset(self._state)
        self._absorb(self._state, data, c_size)
        self._squeeze(self._state, self._out, self._sizes[32], 1)
        return self._out.raw

    def __del__(self) -> None:
        self._destroy(self._state)


class _Thread(threading.local):
    """Threads may meet between two calls, so each has a state of its own."""

    core: _Core | None = None


_THREAD = _Thread()


def _core_of_thread() -> _Core:
    found = _THREAD.core
    if found is None:
        assert _CORE is not None
        found = _THREAD.core = _Core(_CORE)
    return found


def _load_core() -> ctypes.PyDLL | None:
    """The C functions behind the library's call, or None where they are not as expected."""
    name = getattr(getattr(_keccak, "_raw_keccak_lib", None), "_name", None)
    if name is None:
        return None
    try:
        core = ctypes.PyDLL(name)
        for call in ("init", "reset", "absorb", "digest", "destroy"):
            getattr(core, f"keccak_{call}")
    except (OSError, AttributeError):
        return None
    return core


_CORE = _load_core()
_PROBES = [bytes(n % 251 for n in range(size)) for size in (0, 1, 66, 135, 136, 137, 272, 384)]
if keccak_many(_PROBES) != [_plain_keccak256(probe) for probe in _PROBES]:
    _CORE = None


class Field(NamedTuple):
    """One field of a type: its name and its Solidity type."""

    name: str
    type: str

    def bounds(self) -> tuple[int, int]:
        """Least and greatest integer of the type; only for `uint…` and `int…`."""
        bits = int(self.type.lstrip("uint"))
        if self.type.startswith("u"):
            return 0, 2**bits - 1
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    @property
    def is_integer(self) -> bool:
        """True for `uint…` and `int…`."""
        return "int" in self.type and not self.is_array

    @property
    def is_array(self) -> bool:
        """True for an array of structs."""
        return self.type.endswith("[]")


@dataclass(frozen=True)
class EntryType:
    """One type of the table, with its hash and its packed encoder."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(field.name for field in self.fields)

    @cached_property
    def type_hash(self) -> bytes:
        """Keccak-256 of `encodeType`, the referenced structs appended in alphabetical order."""
        children = sorted(f.type.removesuffix("[]") for f in self.fields if f.is_array)
        return keccak256("".join(map(_signature, (self.name, *children))).encode())

    @cached_property
    def _packer(self) -> tuple[struct.Struct, tuple[Callable[[Any], Any], ...]]:
        parts = [_part(field) for field in self.fields]
        return struct.Struct(">" + "".join(p[0] for p in parts)), tuple(p[1] for p in parts)

    def words(self, values: Sequence[Any]) -> bytes:
        """The 32-byte words of the values, which stand in the order of the fields.

        Raises MarketError if a value does not fit its type.
        """
        packer, checks = self._packer
        try:
            return packer.pack(*[check(v) for check, v in zip(checks, values, strict=True)])
        except (struct.error, OverflowError, TypeError, ValueError) as error:
            raise MarketError(f"{self.name}: a value does not fit its type: {error}") from error


def _signature(name: str) -> str:
    fields = ",".join(f"{field.type} {field.name}" for field in ENTRY_TYPES[name].fields)
    return f"{name}({fields})"


def _part(field: Field) -> tuple[str, Callable[[Any], Any]]:
    """The struct format of one word, and the check that makes its argument."""
    if field.is_array:
        return "32s", _array_hash(field.type.removesuffix("[]"))
    if field.type == "bytes32":
        return "32s", _exactly(32)
    if field.type == "address":
        return "12x20s", _exactly(20)
    small = {"uint8": "31xB", "uint16": "30xH", "uint32": "28xI", "uint64": "24xQ"}
    if field.type in small:
        return small[field.type], _integer
    return "32s", _wide(*field.bounds())


def _integer(value: Any) -> int:  # noqa: ANN401 - the door for foreign values
    # True is an int to Python, and would be hashed as 1 without a word.
    if type(value) is not int:
        raise TypeError(f"found {value!r}, allowed an int")
    return value


def _exactly(size: int) -> Callable[[Any], bytes]:
    def check(value: Any) -> bytes:  # noqa: ANN401 - the door for foreign values
        # struct would cut or pad other lengths in silence.
        if type(value) is not bytes or len(value) != size:
            raise ValueError(f"found {value!r}, allowed {size} bytes")
        return value

    return check


def _wide(low: int, high: int) -> Callable[[Any], bytes]:
    def check(value: Any) -> bytes:  # noqa: ANN401 - the door for foreign values
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"found {value!r}, allowed an int from {low} to {high}")
        return value.to_bytes(32, "big", signed=True)

    return check


def _array_hash(name: str) -> Callable[[Any], bytes]:
    def check(items: Sequence[Message]) -> bytes:
        return keccak256(b"".join(struct_hash(name, item) for item in items))

    return check


def struct_hash(type_name: str, message: Message) -> bytes:
    """`hashStruct` of a message: 32 bytes.

    Raises MarketError for an unknown type, a missing or an extra field, or a value that does not
    fit: nothing that is not signed may look as if it were.
    """
    entry_type = entry_type_named(type_name)
    if message.keys() != entry_type.names:
        odd = ", ".join(sorted(message.keys() ^ entry_type.names))
        raise MarketError(f"{type_name}: fields missing or unknown: {odd}")
    values = [message[field.name] for field in entry_type.fields]
    return keccak256(entry_type.type_hash + entry_type.words(values))


def entry_type_named(type_name: str) -> EntryType:
    """The type of this name; raises MarketError if there is none."""
    found = ENTRY_TYPES.get(type_name)
    if found is None:
        raise MarketError(f"type {type_name!r} is unknown, allowed {', '.join(ENTRY_TYPES)}")
    return found


def signatures_of(type_name: str) -> int:
    """How many signatures an entry of the type carries, in the order named by the guide."""
    return SIGNATURES.get(type_name, 1)


def _read_table(table: str) -> dict[str, EntryType]:
    found = {}
    for name, body in re.findall(r"(\w+)\((.*?)\)", table):
        pairs = (part.split(" ") for part in body.split(","))
        found[name] = EntryType(name, tuple(Field(name, kind) for kind, name in pairs))
    return found


ENTRY_TYPES = _read_table(TYPE_TABLE)

# Times on the grid of the quarter hours; `tick` names the slot at whose end a checkpoint stands.
SLOTS_END = 4_102_444_800
"""2100-01-01: no slot is named from here on, by far within what calendars and databases hold."""
SLOT_FIELDS = frozenset({"slot", "first_slot", "end_slot", "from_slot", "tick", "sealed_by", "day"})

# Narrower than the Solidity type: enumerations, and the ranges that the market allows.
FIELD_BOUNDS = {
    ("Order", "side"): (1, 2),
    ("Order", "e_wh"): (1, 100_000_000),
    ("Order", "price_mkrw_per_kwh"): (-1_000_000, 1_000_000),
    ("Order", "label"): (0, 2),
    ("Order", "premium_mkrw_per_kwh"): (0, 1_000_000),
    ("Contract", "kind"): (1, 5),
    ("Contract", "share_ppm"): (0, 1_000_000),
    ("DrEvent", "baseline"): (1, 2),
    ("Reading", "quality"): (1, 3),
    ("Clearing", "label"): (0, 2),
    ("NodeResult", "outcome"): (0, 4),
    ("NodeResult", "flags"): (0, 7),
    ("Transfer", "ledger"): (1, 3),
    ("Transfer", "kind"): (1, 5),
    ("Transfer", "amount"): (1, 2**128 - 1),
    ("Settlement", "scope"): (1, 3),
    ("Correction", "reason"): (1, 5),
    ("Rules", "kind"): (1, 5),
    ("SealedSet", "kind"): (1, 4),
    ("StandingInstruction", "sides"): (1, 3),
    ("StandingInstruction", "sell_from_mkrw_per_kwh"): (-1_000_000, 1_000_000),
    ("StandingInstruction", "buy_up_to_mkrw_per_kwh"): (-1_000_000, 1_000_000),
    ("StandingInstruction", "day_cap_wh"): (1, 10**9),
    ("StandingInstruction", "day_cap_ukrw"): (0, 10**15),
    ("AutoOrder", "side"): (1, 2),
    ("AutoOrder", "e_wh"): (1, 100_000_000),
    ("AutoOrder", "price_mkrw_per_kwh"): (-1_000_000, 1_000_000),
    ("KeyRegister", "roles"): (1, 255),
    ("KeyRevoke", "reason"): (1, 3),
}


def field_bounds(type_name: str, field: Field) -> tuple[int, int]:
    """Least and greatest integer that the field may carry."""
    if field.name in SLOT_FIELDS:
        return 0, SLOTS_END
    return FIELD_BOUNDS.get((type_name, field.name)) or field.bounds()
