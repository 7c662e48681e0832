"""Offline check of the ledger: one file that shares no code with the writer of the ledger.

    python verifier.py export.jsonl                 the whole book
    python verifier.py trust.json my.proof.json     one proof, or a log of checkpoints
                                                    exit 0 proven, 1 refuted, 2 unusable input

Standard library only. `coincurve` (keys) and pycryptodome (Keccak) make it faster where they are
installed and are tested against the code below before they are believed; the answers are the same.

The export
----------
JSON lines, UTF-8, no unknown or missing keys. Integers are decimal strings, bytes are 0x and
lower-case hex; packed fields (marked B64) are base64. From the first entry of the log on:

    header       export "microgrid-ledger/1", market, domain, origin (name of the log), registrar
                 (address of the first key, known from elsewhere), operator (account)
    then for every tick, in this order
    tick         tick
    erased       only where bodies were destroyed: sets [{kind, leaves B64}] of the leaves that are
                 left of them; heads B64 (account 32, seq 8, head 32, keys_head 32) of those whose
                 histories name them, as after the tick; covered B64 (account 32, blind 32, leaf 32)
                 of the erased accounts; again B64 (a row as in heads, three balances of 16): an
                 erased account from which it is known again after the tick
    account      account, blind: the name of the account in the accounts tree from here on
    entry        type, message, signatures [{signer, signature}], salt; first the log's key entries,
                 for they sign what follows; then those of the sets: Order, Cancel, Contract,
                 DrEvent, DrCommit, StandingInstruction, AutoOrder (MESSAGES), Reading (READINGS),
                 Bill (BILLS)
    rows         type, rows B64: many Orders, AutoOrders or Readings in one line, after those that
                 stand alone
    book         slot, tags B64: leaf hashes of the locked orders, if a book was sealed
    entry        the rest of the log in its order, SealedSets among them
    fills        at once after each Clearing of energy: clearing (digest), rows B64 (tag 32, Wh 8)
    label        at once after each Clearing of a label: clearing (digest), rows B64 (tag 32,
                 node 4, side 1, premium 8, Wh 8, labelled Wh 8)
    transfers    after each Settlement: settlement (digest), rows B64, readings B64 (leaf hashes
                 of the readings used), originals B64 (rows named by REVERSE, salt zero); where rows
                 were destroyed also gone B64 (their leaf hashes) and sums B64 (ledger 2, account
                 32, amount 16: what they have moved to each of the others together)
    checkpoint   note: the signed text

A row has 225 bytes, big endian: ledger 2, kind 1, code 2, debit 32, credit 32, amount 16, slot 8,
version 4, pending 32, cause 32, link 32, salt 32. A row of orders or readings has the fields of
its type in their order and width, then signer 20, signature 65, salt 32; of an AutoOrder, which
nobody signs by itself, only the salt.

What is proven
--------------
Canonical signatures by keys that the log itself has made valid for the account, role and slot;
roots of every set, of every batch of transfers and of the readings used; every batch well formed,
pendings ended once, reversals exact and once; per settled slot POOL at zero in both ledgers,
BALANCING at zero in ENERGY, no pending left, each metered account moved by its reading; per hour of
a demand response event every account that has committed paid for what it kept and charged for what
it missed, which together are its commitment, and nobody else; every automatic order under a
standing instruction that its account has signed, that runs and is not stopped, signed by a key that
is still valid, at the limit of its side, one to an account and slot, none beside an order by hand,
and so small that the Wh traded and the micro-won paid of all automatic orders of the account in the
local day stay within the caps whatever the auction brings (days begin as the orders say, all alike,
23 hours or more apart); every line of a contract under one that both have signed, at its price,
charge and cap, while it runs; every premium tier made of the filled Wh of all orders that want its
label (of offers that call themselves green the operator may leave some out: which roofs are
registered is not in the log), cleared by its rules, so that no label costs more than the premium
offered for it; every label reserved as cleared and paid for the labelled Wh that were delivered, at
the tier's price, in every version of the slot; the log root, the accounts tree (histories and
balances recomputed) and the chain of checkpoints. Where bodies were destroyed, what stands in for
them must lead to the very roots that were signed while they were there; labels of a slot with such
orders or transfers are not counted again.
"""

import argparse
import base64
import hashlib
import json
import queue
import re
import struct
import subprocess
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

ZERO32 = bytes(32)
EMPTY_ROOT = hashlib.sha256(b"").digest()
LOW = 2**64 - 1

# --- Keccak-256 ---------------------------------------------------------------------------------

_ROUNDS = [
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
]  # fmt: skip
_TURNS = [
    0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14
]  # fmt: skip
_GOES_TO = [n // 5 + 5 * ((2 * (n % 5) + 3 * (n // 5)) % 5) for n in range(25)]


class _Lanes:
    """Many Keccak states side by side: lane n of all of them is one long integer.

    One operation on long integers then does the work for every message, which makes plain Python
    some twenty times faster than one message at a time.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.ones = int.from_bytes(b"\x01\0\0\0\0\0\0\0" * count, "little")
        self.all = self.ones * LOW
        self.masks = [((1 << turn) - 1) * self.ones for turn in range(65)]
        self.lanes = [0] * 25

    def turned(self, lane: int, turn: int) -> int:
        """Each 64-bit part turned left."""
        if not turn:
            return lane
        low = self.masks[turn]
        return lane << turn & (self.all ^ low) | lane >> (64 - turn) & low

    def permute(self) -> None:
        """The 24 rounds."""
        a, full = self.lanes, self.all
        for constant in _ROUNDS:
            c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
            d = [c[x - 1] ^ self.turned(c[(x + 1) % 5], 1) for x in range(5)]
            b = [0] * 25
            for n in range(25):
                b[_GOES_TO[n]] = self.turned(a[n] ^ d[n % 5], _TURNS[n])
            for y in range(0, 25, 5):
                for x in range(5):
                    a[y + x] = b[y + x] ^ ((b[y + (x + 1) % 5] ^ full) & b[y + (x + 2) % 5])
            a[0] ^= constant * self.ones


def keccak_plain(messages: Sequence[bytes]) -> list[bytes]:
    """Keccak-256 of messages of one length, in plain Python."""
    found: list[bytes] = []
    for start in range(0, len(messages), 256):
        found += _keccak_side_by_side(messages[start : start + 256])
    return found


def _keccak_side_by_side(messages: Sequence[bytes]) -> list[bytes]:
    size = len(messages[0])
    blocks = size // 136 + 1
    pad = bytearray(blocks * 136 - size)
    pad[0] ^= 0x01
    pad[-1] ^= 0x80
    padded = [message + bytes(pad) for message in messages]
    state = _Lanes(len(messages))
    for block in range(0, blocks * 136, 136):
        for n in range(17):
            at = block + 8 * n
            state.lanes[n] ^= int.from_bytes(b"".join(p[at : at + 8] for p in padded), "little")
        state.permute()
    columns = [lane.to_bytes(8 * len(messages), "little") for lane in state.lanes[:4]]
    return [b"".join(c[n : n + 8] for c in columns) for n in range(0, 8 * len(messages), 8)]


def _native_keccak() -> Callable[[bytes], bytes] | None:
    """Pycryptodome's Keccak-256 if it is there and agrees with the code above."""
    try:
        from Crypto.Hash import keccak
    except ImportError:
        return None

    def native(data: bytes) -> bytes:
        return keccak.new(digest_bits=256, data=data).digest()

    for size in (0, 66, 135, 136, 137, 384):
        probe = bytes(n % 251 for n in range(size))
        if native(probe) != keccak_plain([probe])[0]:
            return None
    return native


def _native_keccak_many() -> Callable[[Sequence[bytes]], list[bytes]] | None:
    """The C functions below pycryptodome's Keccak, one state for all messages, if they agree.

    The library makes a new state for every message, which takes longer than the hashing.
    """
    try:
        import ctypes

        from Crypto.Hash import keccak

        core = ctypes.PyDLL(vars(keccak)["_raw_keccak_lib"]._name)
        init, free = core.keccak_init, core.keccak_destroy
        reset, absorb, squeeze = core.keccak_reset, core.keccak_absorb, core.keccak_digest
    except (ImportError, AttributeError, KeyError, OSError):
        return None
    c_size = ctypes.c_size_t

    def many(messages: Sequence[bytes]) -> list[bytes]:
        state, out, found = ctypes.c_void_p(), ctypes.create_string_buffer(32), []
        size, length, c_32 = 0, c_size(0), c_size(32)
        if init(ctypes.byref(state), c_size(64), 24):
            raise MemoryError("keccak: no state")
        try:
            for message in messages:
                if len(message) != size:
                    size, length = len(message), c_size(len(message))
                reset(state)
                absorb(state, message, length)
                squeeze(state, out, c_32, 1)
                found.append(out.raw)
        finally:
            free(state)
        return found

    probes = [bytes(n % 251 for n in range(length)) for length in (0, 66, 136, 384)]
    return many if many(probes) == [keccak_plain([probe])[0] for probe in probes] else None


_NATIVE_KECCAK = _native_keccak()
_NATIVE_KECCAK_MANY = _native_keccak_many()


def keccak256(data: bytes) -> bytes:
    """Keccak-256 of one message."""
    return _NATIVE_KECCAK(data) if _NATIVE_KECCAK else keccak_plain([data])[0]


def keccak_many(messages: Sequence[bytes]) -> list[bytes]:
    """Keccak-256 of many messages of one length."""
    if _NATIVE_KECCAK_MANY:
        return _NATIVE_KECCAK_MANY(messages)
    return list(map(_NATIVE_KECCAK, messages)) if _NATIVE_KECCAK else keccak_plain(messages)


# --- The curve ----------------------------------------------------------------------------------

_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_Point = tuple[int, int, int]  # Jacobian: x / z^2, y / z^3; z = 0 is the neutral point


_NEUTRAL: _Point = (0, 1, 0)


def _double(p: _Point) -> _Point:
    x, y, z = p
    square = y * y % _P
    s, m = 4 * x * square % _P, 3 * x * x % _P
    x3 = (m * m - 2 * s) % _P
    return x3, (m * (s - x3) - 8 * square * square) % _P, 2 * y * z % _P


def _add(p: _Point, q: _Point) -> _Point:
    if not p[2] or not q[2]:
        return q if not p[2] else p
    z1, z2 = p[2] * p[2] % _P, q[2] * q[2] % _P
    u1, u2 = p[0] * z2 % _P, q[0] * z1 % _P
    s1, s2 = p[1] * z2 * q[2] % _P, q[1] * z1 * p[2] % _P
    if u1 == u2:
        return _double(p) if s1 == s2 else _NEUTRAL
    h, r = u2 - u1, s2 - s1
    h2 = h * h % _P
    h3, v = h * h2 % _P, u1 * h2 % _P
    x3 = (r * r - h3 - 2 * v) % _P
    return x3, (r * (v - x3) - s1 * h3) % _P, h * p[2] * q[2] % _P


def recover_plain(digest: bytes, signature: bytes) -> bytes | None:
    """The address of the key that signed, 20 bytes, in plain Python; None if there is none."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    square = (pow(r, 3, _P) + 7) % _P
    y = pow(square, (_P + 1) // 4, _P)
    if y * y % _P != square:
        return None
    if y % 2 != signature[64] - 27:
        y = _P - y
    inverse = pow(r, -1, _N)
    u1, u2 = -int.from_bytes(digest, "big") * inverse % _N, s * inverse % _N
    # Two bits of both numbers at a time: the table has n times G plus m times R at n + 4 m.
    g, point = (*_G, 1), _NEUTRAL
    table = [_NEUTRAL, g, _double(g), _add(_double(g), g)]
    for _ in range(3):
        table += [_add(one, (r, y, 1)) for one in table[-4:]]
    for bit in range(254, -1, -2):
        point = _double(_double(point))
        at = (u1 >> bit & 3) + 4 * (u2 >> bit & 3)
        point = _add(point, table[at]) if at else point
    if not point[2]:
        return None
    z = pow(point[2], -1, _P)
    x, y = point[0] * z * z % _P, point[1] * z * z * z % _P
    return keccak256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:]


_PublicKey = Callable[[bytes, bytes], bytes]  # digest, signature: 64 bytes, none if no key fits


def _native_public_key() -> Callable[[], _PublicKey] | None:
    """Makes recoverers by coincurve if it is installed and agrees with the code above.

    The C library is called directly: the classes around it take a fifth of the time. Each
    recoverer has buffers of its own, so that threads do not share them.
    """
    try:
        from coincurve._libsecp256k1 import ffi, lib
        from coincurve.context import GLOBAL_CONTEXT

        context, uncompressed = GLOBAL_CONTEXT.ctx, lib.SECP256K1_EC_UNCOMPRESSED
        parse = lib.secp256k1_ecdsa_recoverable_signature_parse_compact
        recover_key = lib.secp256k1_ecdsa_recover
        serialize = lib.secp256k1_ec_pubkey_serialize
    except (ImportError, AttributeError):
        return None

    def make() -> _PublicKey:
        signed = ffi.new("secp256k1_ecdsa_recoverable_signature *")
        key, out, size = (
            ffi.new(kind) for kind in ("secp256k1_pubkey *", "unsigned char[65]", "size_t *")
        )

        def native(digest: bytes, signature: bytes) -> bytes:
            if not parse(context, signed, signature[:64], signature[64] - 27):
                return b""
            if not recover_key(context, key, signed, digest):
                return b""
            size[0] = 65
            serialize(context, out, size, key, uncompressed)
            found: bytes = ffi.buffer(out, 65)[1:]
            return found

        return native

    for n in range(1, 5):
        probe = hashlib.sha256(bytes([n])).digest()
        signature = _G[0].to_bytes(32, "big") + probe + bytes([27 + n % 2])
        found = make()(probe, signature)
        if (keccak256(found)[12:] if found else None) != recover_plain(probe, signature):
            return None
    return make


_NATIVE_PUBLIC_KEY = _native_public_key()


def is_canonical(signature: bytes) -> bool:
    """Whether the signature has the one form: 65 bytes, low s, v of 27 or 28."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    good = len(signature) == 65 and signature[64] in (27, 28)
    return good and 0 < r < _N and 0 < s <= _N // 2


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """The signer's address, or None if the form is not canonical or no key fits."""
    if not is_canonical(signature):
        return None
    if _NATIVE_PUBLIC_KEY is None:
        return recover_plain(digest, signature)
    found = _NATIVE_PUBLIC_KEY()(digest, signature)
    return keccak256(found)[12:] if found else None


# --- Helpers: more cores for the signatures -----------------------------------------------------

_JOB = struct.Struct(">32s65s")
_NOBODY = bytes(20)


def recover_rows(rows: bytes) -> bytes:
    """The addresses of rows of digest and signature, 20 bytes each; zeros where there is none."""
    if _NATIVE_PUBLIC_KEY is None:
        return b"".join(recover(*row) or _NOBODY for row in _JOB.iter_unpack(rows))
    native = _NATIVE_PUBLIC_KEY()
    keys = [
        native(digest, signature) if is_canonical(signature) else b""
        for digest, signature in _JOB.iter_unpack(rows)
    ]
    hashed = iter(keccak_many([key for key in keys if key]))
    return b"".join(next(hashed)[12:] if key else _NOBODY for key in keys)


class Helpers:
    """Copies of this program that recover signers while the book is read on."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-I", __file__, "--recover"]
        self._threads = ThreadPoolExecutor(max(count, 1))
        self._free: queue.SimpleQueue[subprocess.Popen[bytes] | None] = queue.SimpleQueue()
        self._all = []
        for _ in range(count):
            one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._all.append(one)
            self._free.put(one)

    def recover(self, rows: bytes) -> "Future[bytes]":
        """`recover_rows`, at some time; without helpers at once."""
        if not self._all:
            done: Future[bytes] = Future()
            done.set_result(recover_rows(rows))
            return done
        return self._threads.submit(self._ask, rows)

    def _ask(self, rows: bytes) -> bytes:
        helper = self._free.get()
        assert helper is not None and helper.stdin is not None and helper.stdout is not None
        helper.stdin.write(len(rows).to_bytes(8, "big") + rows)
        helper.stdin.flush()
        wanted = len(rows) // _JOB.size * 20
        answer = helper.stdout.read(wanted)
        self._free.put(helper)
        if len(answer) != wanted:
            raise RuntimeError("a helper has ended before its time")
        return answer

    def close(self) -> None:
        """Let the helpers end."""
        self._threads.shutdown()
        for helper in self._all:
            helper.communicate()


def help_out() -> int:
    """Answer one request after the other until the input ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(8):
        sink.write(recover_rows(source.read(int.from_bytes(head, "big"))))
        sink.flush()
    return 0


# --- Typed data (EIP-712) -----------------------------------------------------------------------

_TYPES = """
1 Order(bytes32 account,uint32 zone,uint64 slot,uint8 side,uint64 e_wh,int64 price_mkrw_per_kwh,\
uint8 label,uint64 premium_mkrw_per_kwh,uint64 expires,bytes32 replaces,uint32 rules_version,\
uint64 nonce)
2 Cancel(bytes32 account,uint64 slot,bytes32 order_id,uint64 nonce)
3 Contract(bytes32 seller,bytes32 buyer,uint8 kind,uint64 first_slot,uint64 end_slot,\
uint64 cap_wh,uint32 share_ppm,int64 price_mkrw_per_kwh,uint8 rank,bytes32 terms,uint64 nonce)
4 DrEvent(bytes32 program,uint64 first_slot,uint16 slots,uint8 baseline,\
uint64 reward_mkrw_per_kwh,uint64 penalty_mkrw_per_kwh,uint64 answer_by,uint64 nonce)
5 DrCommit(bytes32 account,bytes32 event_id,uint64 e_wh_per_slot,uint64 nonce)
6 Reading(bytes32 account,bytes32 meter,uint64 slot,uint64 import_wh,uint64 export_wh,\
uint64 import_register_wh,uint64 export_register_wh,uint8 quality,uint32 revision)
7 Clearing(uint64 slot,uint8 label,uint32 round,uint32 rules_version,uint32 network_version,\
bytes32 engine,bytes32 plan,uint32 orders,bytes32 book_root,bytes32 fills_root,uint64 volume_wh,\
int128 welfare_ukrw,NodeResult[] nodes,LinkResult[] links)
0 LinkResult(uint32 from_node,uint32 to_node,uint64 flow_wh,uint64 capacity_wh,\
uint64 fee_mkrw_per_kwh)
0 NodeResult(uint32 node,uint8 outcome,uint8 flags,int64 low_mkrw_per_kwh,int64 high_mkrw_per_kwh,\
int64 price_mkrw_per_kwh,uint64 bought_wh,uint64 sold_wh,int64 margin_mkrw_per_kwh,\
uint64 margin_open_wh,uint64 margin_filled_wh)
8 Transfer(uint16 ledger,uint8 kind,uint16 code,bytes32 debit,bytes32 credit,uint128 amount,\
uint64 slot,uint32 version,bytes32 pending,bytes32 cause,bytes32 link)
9 Settlement(uint8 scope,uint64 slot,uint32 version,bytes32 previous,bytes32 clearing,\
bytes32 readings_root,bytes32 transfers_root,uint32 transfers,uint32 rules_version)
10 Correction(uint64 slot,uint32 from_version,uint32 to_version,uint8 reason,bytes32 evidence,\
uint64 nonce)
11 Bill(bytes32 account,uint64 first_slot,uint64 end_slot,uint32 version,uint32 tariff_version,\
bytes32 lines_root,int64 total_krw,uint32 rounding_ukrw)
12 Rules(uint8 kind,uint32 version,uint64 from_slot,bytes32 content)
13 SealedSet(uint8 kind,uint64 tick,uint32 count,bytes32 root)
14 Receipt(bytes32 entry,uint64 received,uint64 sealed_by)
15 Checkpoint(bytes32 origin,uint64 tick,uint64 size,bytes32 root,bytes32 accounts_root,\
bytes32 previous)
16 Cosign(bytes32 checkpoint,uint64 time)
17 Anchor(bytes32 checkpoint,uint64 chain_id,bytes32 transaction)
18 StandingInstruction(bytes32 account,uint8 sides,int64 sell_from_mkrw_per_kwh,\
int64 buy_up_to_mkrw_per_kwh,uint64 day_cap_wh,uint64 day_cap_ukrw,uint64 first_slot,\
uint64 end_slot,uint32 rules_version,bytes32 replaces,uint64 nonce)
19 AutoOrder(bytes32 account,bytes32 instruction,uint64 day,uint32 zone,uint64 slot,uint8 side,\
uint64 e_wh,int64 price_mkrw_per_kwh)
20 KeyRegister(bytes32 account,address key,uint16 roles,uint64 from_slot,uint64 nonce)
21 KeyRotate(bytes32 account,address old_key,address new_key,uint64 from_slot,uint64 nonce)
22 KeyRevoke(bytes32 account,address key,uint64 from_slot,uint8 reason,uint64 nonce)
"""


class _Type(NamedTuple):
    code: int
    fields: tuple[tuple[str, str], ...]  # name, Solidity type
    hash: bytes


def _read_types() -> dict[str, _Type]:
    texts = {m[2]: m for m in re.finditer(r"(\d+) ((\w+)\(([^)]*)\))", _TYPES)}
    by_name = {m[3]: m for m in texts.values()}
    found = {}
    for name, m in by_name.items():
        fields = tuple((f.split(" ")[1], f.split(" ")[0]) for f in m[4].split(","))
        inner = sorted(kind[:-2] for _, kind in fields if kind.endswith("[]"))
        text = m[2] + "".join(by_name[child][2] for child in inner)
        found[name] = _Type(int(m[1]), fields, keccak256(text.encode()))
    return found


TYPES = _read_types()


def _type_code(name: object) -> int:
    """The code of a type by its name, 0 where the name is none."""
    return TYPES[name].code if type(name) is str and name in TYPES else 0


class Unusable(Exception):
    """The input is not an export: nothing can be said about it."""


class Refuted(Exception):
    """A rule is broken: its name, what was found, and the line if it is not the last one read."""


_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_HEX = re.compile(r"0x[0-9a-f]*", re.ASCII)


def _number(text: object) -> int:
    if type(text) is not str or len(text) > 40 or not _DECIMAL.fullmatch(text) or text == "-0":
        raise Unusable(f"{text!r} is not a canonical decimal string")
    return int(text)


def _raw(text: object, size: int) -> bytes:
    if type(text) is not str or len(text) != 2 + 2 * size or not _HEX.fullmatch(text):
        raise Unusable(f"{text!r} is not 0x and {2 * size} lower-case hex digits")
    return bytes.fromhex(text[2:])


def _packed(text: object, size: int) -> bytes:
    if type(text) is not str:
        raise Unusable("not base64: no text")
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unusable(f"not base64: {error}") from error
    # Only the last group of characters can be written in several ways.
    last = base64.b64encode(raw[len(raw) - (len(raw) % 3 or 3) :]).decode()
    if len(raw) % size or len(text) != (len(raw) + 2) // 3 * 4 or not text.endswith(last):
        raise Unusable(f"{len(raw)} bytes are not canonical rows of {size}")
    return raw


def _keys(found: object, names: Iterable[str]) -> dict[str, Any]:
    wanted = set(names)
    if type(found) is not dict or found.keys() != wanted:
        odd = sorted(wanted ^ found.keys()) if type(found) is dict else found
        raise Unusable(f"keys missing or unknown: {odd}")
    return found


def _word(kind: str, text: object) -> tuple[Any, bytes]:
    """The value of a field and its 32 bytes."""
    if kind == "bytes32":
        raw = _raw(text, 32)
        return raw, raw
    if kind == "address":
        raw = _raw(text, 20)
        return raw, bytes(12) + raw
    number, signed = _number(text), kind[0] == "i"
    bits = int(kind.lstrip("uint"))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if not low <= number < high:
        raise Unusable(f"{number} does not fit {kind}")
    return number, number.to_bytes(32, "big", signed=signed)


def typed(name: str, found: object) -> tuple[dict[str, Any], bytes]:
    """The message and its `hashStruct`, strictly read from the wire form."""
    type_ = TYPES[name]
    texts = _keys(found, (field_name for field_name, _ in type_.fields))
    message, words = {}, [type_.hash]
    for field_name, kind in type_.fields:
        text = texts[field_name]
        if kind.endswith("[]"):
            if type(text) is not list:
                raise Unusable(f"{field_name} is not a list")
            rows = [typed(kind[:-2], row) for row in text]
            message[field_name] = [row for row, _ in rows]
            words.append(keccak256(b"".join(hashed for _, hashed in rows)))
        else:
            message[field_name], word = _word(kind, text)
            words.append(word)
    return message, keccak256(b"".join(words))


# --- Merkle trees (RFC 6962) --------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def set_root(leaves: Iterable[bytes]) -> bytes:
    """The root of leaf hashes in the order given."""
    level, sha256 = list(leaves), hashlib.sha256
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        # An odd node at the end is handed up unhashed, as the split at powers of two has it.
        level = [*above, level[-1]] if len(level) % 2 else above
    return level[0] if level else EMPTY_ROOT


def _grow(peaks: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Add a leaf to perfect subtrees, given as (height, root) from left to right."""
    height, merged = 0, leaf
    while peaks and peaks[-1][0] == height:
        merged = hashlib.sha256(b"\x01" + peaks.pop()[1] + merged).digest()
        height += 1
    peaks.append((height, merged))


def _peaks_root(peaks: Sequence[tuple[int, bytes]]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        root = hashlib.sha256(b"\x01" + left + root).digest()
    return root


# --- The book -----------------------------------------------------------------------------------

ROW = struct.Struct(">HBH32s32s16sQI32s32s32s32s")
_ROW_WORDS = struct.Struct(">32s30xH31xB30xH32s32s16x16s24xQ28xI32s32s32s")
_WIDTHS = {"uint8": "B", "uint32": "I", "uint64": "Q", "int64": "q", "bytes32": "32s"}
_PADS = {"uint8": "31x", "uint32": "28x", "uint64": "24x", "int64": "24s", "bytes32": ""}


class _RowType(NamedTuple):
    """How many entries of a type stand in one line, and how their words are packed."""

    row: struct.Struct
    words: struct.Struct
    signed_at: tuple[int, ...]  # fields below zero need their sign spread over the word


def _row_type(name: str) -> _RowType:
    kinds = [kind for _, kind in TYPES[name].fields]
    signed = "32s" if name == "AutoOrder" else "20s65s32s"
    row = ">" + "".join(_WIDTHS[kind] for kind in kinds) + signed
    words = ">32s" + "".join(_PADS[kind] + _WIDTHS[kind] for kind in kinds)
    signed_at = tuple(n for n, kind in enumerate(kinds) if kind == "int64")
    return _RowType(struct.Struct(row), struct.Struct(words), signed_at)


ROW_TYPES = {name: _row_type(name) for name in ("Order", "AutoOrder", "Reading")}
_SIGN = (bytes(24), b"\xff" * 24)
_ACCOUNT = struct.Struct(">B32sQ32s32sqQqQqQ")
_METERED = struct.Struct(">32sI")  # what is unique within a slot: meter, revision
TRADE, CONTRACT, METER, MARKET, SETTLE, LOG, REGISTRAR = 1, 2, 4, 8, 16, 32, 64
KEPT = 128  # the operator holds the key for the account
OPERATOR_ROLES = {
    "Clearing": MARKET,
    "Settlement": SETTLE,
    "Correction": SETTLE,
    "Bill": SETTLE,
    "Rules": MARKET,
    "SealedSet": LOG,
    "Checkpoint": LOG,
    "Anchor": LOG,
}
SET_NAMES = {1: "MESSAGES", 2: "READINGS", 3: "BOOK", 4: "BILLS"}
SET_OF = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 11: 4, 18: 1, 19: 1}  # type code -> kind of set
UNIQUE = {
    "Order": ("account", "nonce"),
    "Cancel": ("account", "nonce"),
    "DrCommit": ("account", "nonce"),
    "Contract": ("seller", "nonce"),
    "DrEvent": ("program", "nonce"),
    "StandingInstruction": ("account", "nonce"),
    "AutoOrder": ("account", "slot"),
    "KeyRegister": ("account", "nonce"),
    "KeyRotate": ("account", "nonce"),
    "KeyRevoke": ("account", "nonce"),
    "Clearing": ("slot", "label", "round"),
    "Settlement": ("scope", "slot", "version"),
    "Correction": ("nonce",),
    "Bill": ("account", "first_slot", "version"),
    "Rules": ("kind", "version"),
    "SealedSet": ("kind", "tick"),
    "Anchor": ("checkpoint",),
}


class _Key(NamedTuple):
    address: bytes
    roles: int
    from_slot: int
    end_slot: int | None


KEY_ENDS_WITHIN_S = 86_400
"""How far ahead of its tick a key's end may lie."""


class KeyRing:
    """The keys of all accounts, as the key entries taken so far have it."""

    def __init__(self, registrar: bytes, operator: bytes) -> None:
        self.registrar, self.operator = registrar, operator
        self.keys: dict[bytes, list[_Key]] = defaultdict(list)

    def holds(self, account: bytes, address: bytes, role: int, first: int, last: int) -> bool:
        """Whether the key is valid for the account and role in some slot of first..last."""
        return any(
            key.address == address
            and key.roles & role == role
            and key.from_slot <= last
            and (key.end_slot is None or first < key.end_slot)
            for key in self.keys.get(account, ())
        )

    def may_change(
        self,
        name: str,
        message: dict[str, Any],
        signers: list[bytes],
        tick: int | None,
        *,
        first: bool,
    ) -> bool:
        """Whether the signers of a key entry may make it in this tick; the registrar is `first`.

        Where the tick is not known, None, it is one of the day before the entry takes effect: a
        key that was about to end may have ended another for a slot when it was no more.
        """
        if tick is not None and message["from_slot"] < tick:
            return False
        last = message["from_slot"] if tick is None else tick
        since = last if tick is not None else max(last - KEY_ENDS_WITHIN_S, 0)
        account = message["account"]
        if name == "KeyRegister":
            by = first and message["key"] == self.registrar and account == self.operator
            by = by and signers[1] == self.registrar and bool(message["roles"] & REGISTRAR)
            by = by or self.holds(self.operator, signers[1], REGISTRAR, since, last)
            return signers[0] == message["key"] and by
        own = self.holds(account, signers[0], 0, since, last)
        if name == "KeyRotate":
            return own and signers == [message["old_key"], message["new_key"]]
        return own or self.holds(self.operator, signers[0], REGISTRAR, since, last)

    def take(self, name: str, message: dict[str, Any]) -> None:
        """Let a key entry take effect."""
        keys, slot = self.keys[message["account"]], message["from_slot"]
        if name == "KeyRegister":
            keys.append(_Key(message["key"], message["roles"], slot, None))
            return
        address = message["old_key"] if name == "KeyRotate" else message["key"]
        for n, key in enumerate(list(keys)):
            if key.address == address and key.end_slot is None:
                keys[n] = key._replace(end_slot=slot)
                if name == "KeyRotate":
                    keys.append(_Key(message["new_key"], key.roles, slot, None))


def _packed_words(name: str, rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """Type hash and 32-byte words of each row, in one piece."""
    kind, head, found = ROW_TYPES[name], TYPES[name].hash, []
    pack, fields = kind.words.pack, len(TYPES[name].fields)
    for row in rows:
        values = list(row[:fields])
        for at in reversed(kind.signed_at):
            values.insert(at, _SIGN[values[at] < 0])
        found.append(pack(head, *values))
    return found


@dataclass(frozen=True)
class Failure:
    """The first thing that is wrong: line of the export, name of the check, what was found."""

    line: int
    check: str
    message: str


@dataclass(frozen=True)
class Report:
    """What the check came to; `usable` is False if the input is not an export at all."""

    ok: bool
    usable: bool
    checks: dict[str, int]  # how often each check passed
    first_failure: Failure | None
    block: tuple[int, bytes] | None = None  # number and hash of the block that must be known


@dataclass
class _Waiting:
    """Signatures that a helper looks at: whose they are said to be, and where they stand."""

    line: int
    tick: int
    type: str
    digests: list[bytes]
    signers: list[bytes]
    found: "Future[bytes]"


@dataclass
class _Seen:
    """What has been read and not yet sealed, since the last checkpoint."""

    sets: dict[int, list[bytes]] = field(default_factory=lambda: {1: [], 2: []})
    sealed: set[int] = field(default_factory=set)
    awaiting: dict[bytes, dict[str, Any]] = field(default_factory=dict)  # Settlements
    named: dict[int, list[tuple[bytes, tuple[bytes, ...]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    erased: "_Erased" = field(default_factory=lambda: _Erased())


@dataclass
class _Erased:
    """What stands in a tick for entries whose bodies were destroyed."""

    leaves: dict[int, list[bytes]] = field(default_factory=dict)  # by kind of set
    heads: dict[bytes, tuple[int, bytes, bytes]] = field(default_factory=dict)
    covered: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)  # blind, leaf
    again: dict[bytes, tuple[int, ...]] = field(default_factory=dict)  # balances


_HEAD = struct.Struct(">32sQ32s32s")
_AGAIN = struct.Struct(">32sQ32s32s16s16s16s")
_SUM = struct.Struct(">H32s16s")
_NO_LONGER_KNOWN = b"erased"  # holds what erased accounts have moved, for the sums of the ledgers


class _Book:
    """The ledger as it follows from the lines read so far."""

    def __init__(self, header: dict[str, Any], helpers: Helpers) -> None:
        names = ("line", "export", "market", "domain", "origin", "registrar", "operator")
        _keys(header, names)
        if (header["line"], header["export"]) != ("header", "microgrid-ledger/1"):
            raise Unusable(f"export {header['export']!r}, allowed a header of microgrid-ledger/1")
        if not all(type(header[name]) is str for name in ("origin", "market")):
            raise Unusable("origin and market must be text")
        self.origin, market = header["origin"], header["market"]
        self.registrar = _raw(header["registrar"], 20)
        self.operator = _raw(header["operator"], 32)
        self.prefix = b"\x19\x01" + _separator(market, header["domain"])
        self.market = market
        self.checks: Counter[str] = Counter()
        self.tick = -1
        self.open = False  # between a tick line and its checkpoint
        self.previous = ZERO32
        self.peaks: list[tuple[int, bytes]] = []
        self.size = 0
        self.seen = _Seen()
        self.ring = KeyRing(self.registrar, self.operator)
        self.used_keys: set[bytes] = set()
        self.blinds: dict[bytes, bytes] = {}
        self.chains: dict[bytes, tuple[int, bytes, bytes]] = {}
        # By slot and leaf: account, signer and side.
        self.orders: dict[int, dict[bytes, tuple[bytes, bytes, int]]] = defaultdict(dict)
        self.signed_by: list[bytes] = []  # of the entry that is being taken
        self.readings = _Readings()
        self.helpers = helpers
        self.waiting: list[_Waiting] = []
        self.line = 1
        self.clearings: dict[bytes, int] = {}
        self.carried: dict[bytes, tuple[int, int]] = {}
        self.networks: list[tuple[int, int]] = []  # first slot and version of nodes and fees
        self.ways: dict[int, list[list[int]]] = {}  # ends and fees by version of the network
        self.rules = [(0, 1)]  # first slot and version of the market's rules, in order
        self.corrections: set[tuple[int, int, bytes]] = set()  # slot, version, evidence
        self.locked: dict[bytes, tuple[bytes, int]] = {}  # account and side of the tick's orders
        self.versions: dict[tuple[int, int], tuple[int, bytes]] = {}
        self.events = _Events(self)
        self.contracts = _Contracts(self)
        self.automatic = _Automatic(self)
        self.labels = _Labels(self)
        self.money = _Money(self)
        self.gone: set[bytes] = set()  # leaves of orders and readings without a body

    def require(self, fact: bool, check: str, message: str) -> None:
        """Count a check that holds; raise Refuted for one that does not."""
        if not fact:
            raise Refuted(check, message)
        self.checks[check] += 1

    def take(self, found: dict[str, Any]) -> None:
        """Check one line after the header and carry it into the book."""
        kind = found.get("line")
        takers = {
            "erased": self.take_erased,
            "account": self.take_account,
            "entry": self.take_entry,
            "rows": self.take_rows,
            "book": self.take_book,
            "fills": self.labels.take_fills,
            "label": self.labels.take_rows,
            "transfers": self.take_transfers,
            "checkpoint": self.take_checkpoint,
        }
        if kind == "tick":
            self.take_tick(found)
        elif type(kind) is not str or kind not in takers:
            raise Unusable(f"line {kind!r} is unknown here")
        elif not self.open:
            raise Unusable(f"{kind} line outside a tick")
        elif self.seen.awaiting and kind not in ("transfers", "checkpoint"):
            raise Refuted("settlement covers", f"{kind} before the transfers of a Settlement")
        elif kind != (self.labels.awaited() or kind):
            raise Refuted("cleared rows", f"{kind} before the rows of a Clearing")
        else:
            takers[kind](found)

    def take_tick(self, found: dict[str, Any]) -> None:
        tick = _number(_keys(found, ("line", "tick"))["tick"])
        self.require(not self.open, "tick sealed", f"tick {self.tick} has no checkpoint")
        self.require(
            tick > self.tick and tick % 900 == 0, "ticks rise", f"tick {tick} after {self.tick}"
        )
        self.tick, self.open, self.seen = tick, True, _Seen()

    def take_erased(self, found: dict[str, Any]) -> None:
        """What is left of entries whose bodies were destroyed: leaves, and how histories stand."""
        _keys(found, ("line", "sets", "heads", "covered", "again"))
        erased = self.seen.erased
        self.require(not self.seen.sealed, "set complete", "erased leaves after a set was sealed")
        for row in _list(found["sets"]):
            kind, raw = _number(_keys(row, ("kind", "leaves"))["kind"]), _packed(row["leaves"], 32)
            leaves = [raw[n : n + 32] for n in range(0, len(raw), 32)]
            self.require(kind in (1, 2, 4) and bool(leaves), "erased", f"set {kind}: {len(leaves)}")
            erased.leaves[kind] = leaves
            self.seen.sets.setdefault(kind, []).extend(leaves)
            self.gone.update(leaves)
        for account, *state in _HEAD.iter_unpack(_packed(found["heads"], _HEAD.size)):
            erased.heads[account] = tuple(state)
        raw = _packed(found["covered"], 96)
        for at in range(0, len(raw), 96):
            erased.covered[raw[at : at + 32]] = (raw[at + 32 : at + 64], raw[at + 64 : at + 96])
        for account, *state, a, b, c in _AGAIN.iter_unpack(_packed(found["again"], _AGAIN.size)):
            erased.heads[account] = tuple(state)
            erased.again[account] = tuple(
                int.from_bytes(one, "big", signed=True) for one in (a, b, c)
            )

    def know_again(self) -> None:
        """Go on with accounts that were erased up to here, as their covered leaf has them."""
        for account, balances in self.seen.erased.again.items():
            blind, leaf = self.seen.erased.covered.get(account, (ZERO32, ZERO32))
            money = [part for one in balances for part in (one >> 64, one & LOW)]
            made = leaf_hash(_ACCOUNT.pack(1, blind, *self.chains[account], *money))
            self.require(made == leaf, "erased", f"0x{account.hex()}: not as its leaf has it")
            for ledger, amount in enumerate(balances, start=1):
                kept = self.money.balances[ledger]
                kept[_NO_LONGER_KNOWN] += kept.get(account, 0) - amount
                kept[account] = amount

    def take_account(self, found: dict[str, Any]) -> None:
        _keys(found, ("line", "account", "blind"))
        self.blinds[_raw(found["account"], 32)] = _raw(found["blind"], 32)

    def take_entry(self, found: dict[str, Any]) -> None:
        """One signed entry: its signatures, its uniqueness, its rules, its leaf."""
        _keys(found, ("line", "type", "message", "signatures", "salt"))
        name = found["type"]
        if _type_code(name) in (0, 8, 14, 15, 16):
            raise Unusable(f"type {name!r} is no entry of a set or of the log")
        message, hashed = typed(name, found["message"])
        digest, code = keccak256(self.prefix + hashed), TYPES[name].code
        signers, signatures = self.signers(name, digest, found["signatures"])
        self.signed_by = signers
        self.require_unique(name, message)
        self.require_roles(name, message, signers)
        leaf = leaf_hash(b"\x01" + bytes([code]) + _raw(found["salt"], 32) + digest + signatures)
        accounts = [message[n] for n in ("account", "seller", "buyer", "program") if n in message]
        self.seen.named[code].append((digest, tuple(dict.fromkeys(accounts))))
        rule = getattr(self, f"take_{name.lower()}", None)
        if rule:
            rule(message, digest, leaf)
        if code in SET_OF:
            sealed = SET_OF[code] in self.seen.sealed
            self.require(not sealed, "set complete", f"{name} after its set was sealed")
            self.seen.sets.setdefault(SET_OF[code], []).append(leaf)
        else:
            _grow(self.peaks, leaf)
            self.size += 1

    def signers(self, name: str, digest: bytes, rows: object) -> tuple[list[bytes], bytes]:
        """The proven signers and the signatures in one piece."""
        count = _SIGNATURES.get(name, 1)
        if type(rows) is not list or len(rows) != count:
            raise Unusable(f"{name}: signatures must be a list of {count}")
        signers, signatures = [], b""
        for row in rows:
            _keys(row, ("signer", "signature"))
            signer, signature = _raw(row["signer"], 20), _raw(row["signature"], 65)
            self.require(
                recover(digest, signature) == signer,
                "signature",
                f"{name} 0x{digest.hex()}: not canonical or not by {row['signer']}",
            )
            signers.append(signer)
            signatures += signature
        return signers, signatures

    def require_unique(self, name: str, message: dict[str, Any]) -> None:
        if name == "Reading":
            key = _METERED.pack(message["meter"], message["revision"])
            fresh = self.readings.is_new(message["slot"], [key])
            self.require(fresh, "unique", f"{name}: meter, slot and revision used before")
            return
        fields = UNIQUE[name]
        # Messages of an account share one row of nonces, whatever their type.
        scope = "nonce" if fields[-1] == "nonce" and len(fields) == 2 else name
        text = repr((scope, [message[n] for n in fields]))
        key = hashlib.sha256(text.encode()).digest()[:16]
        self.require(key not in self.used_keys, "unique", f"{name}: {fields} used before")
        self.used_keys.add(key)

    def has_key(self, account: bytes, address: bytes, role: int, slot: int) -> bool:
        """Whether the log has made the key valid for the account, role and slot."""
        return self.ring.holds(account, address, role, slot, slot)

    def require_roles(self, name: str, message: dict[str, Any], signers: list[bytes]) -> None:
        """Refuse signers without a valid role; key entries have rules of their own."""
        if name.startswith("Key"):
            good = self.ring.may_change(name, message, signers, self.tick, first=self.size == 0)
            self.require(good, "key role", f"{name}")
            return
        if name == "AutoOrder":
            return  # its instruction answers for it, when the book is there
        if name in OPERATOR_ROLES:
            slot = message["slot"] if name == "Clearing" else self.tick
            good = self.has_key(self.operator, signers[0], OPERATOR_ROLES[name], slot)
        elif name == "Contract":
            parties = zip((message["seller"], message["buyer"]), signers, strict=True)
            good = all(self.has_key(a, k, CONTRACT, message["first_slot"]) for a, k in parties)
        elif name == "Reading":
            columns = (message[n] for n in ("account", "slot", "quality", "revision"))
            good = self.may_read(*columns, signer=signers[0])
        elif self.contracts.is_ended_by(name, message):
            good = self.has_key(message["account"], signers[0], CONTRACT, self.tick)
        elif name == "DrEvent" or self.events.is_cancelled_by(name, message):
            program = message["program" if name == "DrEvent" else "account"]
            good = self.has_key(program, signers[0], TRADE, self.tick)
            good = good or self.has_key(self.operator, signers[0], MARKET, self.tick)
        elif name == "DrCommit" and message["account"] == self.operator:
            good = self.has_key(self.operator, signers[0], MARKET, self.tick)
        else:
            slot = message.get("slot", message.get("first_slot", self.tick))
            good = self.may_trade(message["account"], signers[0], slot)
        self.require(good, "key role", f"{name}: 0x{signers[0].hex()} has no valid role")

    def may_trade(self, account: bytes, signer: bytes, slot: int) -> bool:
        """Whether a message for the slot may come in now.

        A key that is taken away afterwards for the slot leaves the message where it is, but no
        order of it may stand in the book. What the operator has signed for an account with a key
        that it keeps is counted.
        """
        first = min(self.tick, slot)
        if self.ring.holds(account, signer, TRADE | KEPT, first, slot):
            self.checks["signed with a kept key"] += 1
            return True
        return self.ring.holds(account, signer, TRADE, first, slot)

    def may_read(
        self, account: bytes, slot: int, quality: int, revision: int, *, signer: bytes
    ) -> bool:
        """Meters and gateways measure; only the operator estimates."""
        if quality == 2:
            return self.has_key(self.operator, signer, SETTLE, self.tick)
        # A second reading needs a key that is valid today as well: old keys may be stolen.
        slots = {slot, self.tick} if revision else {slot}
        return any(
            all(self.has_key(one, signer, METER, at) for at in slots)
            for one in (self.operator, account)
        )

    def take_keyregister(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        self.ring.take("KeyRegister", message)

    def take_keyrotate(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        self.ring.take("KeyRotate", message)

    def take_keyrevoke(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        self.ring.take("KeyRevoke", message)

    def take_order(self, message: dict[str, Any], _digest: bytes, leaf: bytes) -> None:
        account, signer = message["account"], self.signed_by[0]
        self.require_rules("Order", message)
        self.orders[message["slot"]][leaf] = (account, signer, message["side"])
        self.labels.take_order(message, leaf)

    def take_reading(self, message: dict[str, Any], _digest: bytes, leaf: bytes) -> None:
        net_wh = message["import_wh"] - message["export_wh"]
        account = self.money.name(message["account"])
        self.readings.now[leaf] = (account, message["slot"], net_wh)

    def take_drevent(self, message: dict[str, Any], digest: bytes, _leaf: bytes) -> None:
        self.events.take_event(message, digest)

    def take_drcommit(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        self.events.take_commit(message)

    def take_cancel(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        if self.events.is_cancelled_by("Cancel", message):
            self.events.take_cancel(message)
        elif self.contracts.is_ended_by("Cancel", message):
            self.contracts.take_end(message)
        elif message["order_id"] in self.automatic.signed:
            self.automatic.take_stop(message)

    def take_standinginstruction(
        self, message: dict[str, Any], digest: bytes, _leaf: bytes
    ) -> None:
        self.automatic.take(message, digest, self.signed_by[0])

    def take_autoorder(self, message: dict[str, Any], _digest: bytes, leaf: bytes) -> None:
        self.automatic.take_order(message, leaf)

    def take_contract(self, message: dict[str, Any], digest: bytes, _leaf: bytes) -> None:
        self.contracts.take(message, digest)

    def take_rows(self, found: dict[str, Any]) -> None:
        """Many entries of one type: everything that each would have to stand alone."""
        _keys(found, ("line", "type", "rows"))
        name = found["type"]
        if type(name) is not str or name not in ROW_TYPES:
            raise Unusable(f"rows of type {name!r}, allowed {', '.join(ROW_TYPES)}")
        kind, code = ROW_TYPES[name], TYPES[name].code
        sealed = SET_OF[code] in self.seen.sealed
        self.require(not sealed, "set complete", f"rows of {name} after their set was sealed")
        rows = list(kind.row.iter_unpack(_packed(found["rows"], kind.row.size)))
        hashed = keccak_many(_packed_words(name, rows))
        digests = keccak_many([self.prefix + one for one in hashed])
        head = b"\x01" + bytes([code])
        signed, pairs = name != "AutoOrder", zip(rows, digests, strict=True)
        leaves = [leaf_hash(head + row[-1] + d + (row[-2] if signed else b"")) for row, d in pairs]
        takers = {"Reading": self.take_reading_rows, "AutoOrder": self.take_automatic_rows}
        takers.get(name, self.take_order_rows)(rows, leaves)
        self.seen.sets.setdefault(SET_OF[code], []).extend(leaves)
        named = [(digest, (row[0],)) for row, digest in zip(rows, digests, strict=True)]
        self.seen.named[code] += named
        if not signed:
            return
        job = b"".join(d + row[-2] for row, d in zip(rows, digests, strict=True))
        signers, answer = [row[-3] for row in rows], self.helpers.recover(job)
        self.waiting.append(_Waiting(self.line, self.tick, name, digests, signers, answer))

    def take_order_rows(self, rows: Sequence[tuple[Any, ...]], leaves: Sequence[bytes]) -> None:
        """Orders: each nonce once, by a key that may trade, in the book of their slot."""
        names = [name for name, _ in TYPES["Order"].fields]
        for row, leaf in zip(rows, leaves, strict=True):
            message = dict(zip(names, row, strict=False))
            self.require_unique("Order", message)
            good = self.may_trade(message["account"], row[-3], message["slot"])
            self.require(good, "key role", f"Order: 0x{row[-3].hex()} has no valid role")
            self.require_rules("Order", message)
            account = self.money.name(message["account"])
            order = (account, self.money.name(row[-3]), message["side"])
            self.orders[message["slot"]][leaf] = order
            self.labels.take_order(message, leaf)

    def take_automatic_rows(self, rows: Sequence[tuple[Any, ...]], leaves: Sequence[bytes]) -> None:
        """Automatic orders: one to an account and slot, judged when the book is there."""
        names = [name for name, _ in TYPES["AutoOrder"].fields]
        for row, leaf in zip(rows, leaves, strict=True):
            message = dict(zip(names, row, strict=False))
            self.require_unique("AutoOrder", message)
            self.automatic.take_order(message, leaf)

    def take_reading_rows(self, rows: Sequence[tuple[Any, ...]], leaves: Sequence[bytes]) -> None:
        """Readings: each meter, slot and revision once, by the meter's key or the operator's."""
        self.require_metered_once(rows)
        roles = {(row[-3], row[2], row[7], row[8] > 0, row[0]) for row in rows}
        for signer, slot, quality, revision, account in roles:
            good = self.may_read(account, slot, quality, revision, signer=signer)
            self.require(good, "key role", f"Reading: 0x{signer.hex()} has no valid role")
        name = self.money.name
        for row, leaf in zip(rows, leaves, strict=True):
            self.readings.now[leaf] = (name(row[0]), row[2], row[3] - row[4])

    def require_metered_once(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """One reading per meter, slot and revision."""
        by_slot: dict[int, list[bytes]] = defaultdict(list)
        for row in rows:
            by_slot[row[2]].append(_METERED.pack(row[1], row[8]))
        for slot, keys in by_slot.items():
            fresh = self.readings.is_new(slot, keys)
            self.require(fresh, "unique", f"Reading of slot {slot}: meter and revision used before")

    def require_waiting(self, before: int) -> None:
        """The signatures of rows in ticks before this one are good."""
        while self.waiting and self.waiting[0].tick < before:
            one = self.waiting.pop(0)
            found = one.found.result()
            for n, (signer, digest) in enumerate(zip(one.signers, one.digests, strict=True)):
                if found[20 * n : 20 * n + 20] != signer or signer == _NOBODY:
                    text = f"0x{digest.hex()}: not canonical or not by 0x{signer.hex()}"
                    raise Refuted("signature", f"{one.type} {text}", one.line)
            self.checks["signature"] += len(one.signers)

    def take_rules(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        if message["kind"] == 2:
            self.networks.append((message["from_slot"], message["version"]))
        if message["kind"] == 1 and message["version"] > 1:
            self.take_changed_rules(message["version"], message["from_slot"])

    def take_changed_rules(self, version: int, from_slot: int) -> None:
        """Market rules that follow those before, told of before the first slot they hold in."""
        last_slot, last = self.rules[-1]
        good = version == last + 1 and from_slot > max(self.tick, last_slot)
        text = f"version {version} from slot {from_slot} after {last}, told of at {self.tick}"
        self.require(good and from_slot % 900 == 0, "rules", text)
        self.rules.append((from_slot, version))

    def require_rules(self, name: str, message: dict[str, Any]) -> None:
        """An order, auction or settlement names the market rules that hold in its slot."""
        slot, found = message["slot"], message["rules_version"]
        holds = max(version for from_slot, version in self.rules if from_slot <= slot)
        text = f"{name} of slot {slot}: version {found}, not {holds}"
        self.require(found == holds, "rules", text)

    def take_clearing(self, message: dict[str, Any], digest: bytes, _leaf: bytes) -> None:
        """A clearing: its ways are those of the network in force, and what flows fits them."""
        self.require_rules("Clearing", message)
        if message["label"]:
            self.labels.take_clearing(message, digest)
            return
        self.clearings[digest] = message["slot"]
        self.money.take_prices(message)
        self.labels.take_energy(message, digest)
        self.require_network(message)
        for rule, text in _broken_links(message):
            raise Refuted("certificate", f"slot {message['slot']}: {rule}: {text}")
        self.carried[digest] = _carried(message)

    def require_network(self, message: dict[str, Any]) -> None:
        """A clearing names the network in force and shows its ways and fees, the same each time.

        The log has only the hash of a network, so that the first to name it says what it is; the
        proof of a clearing compares with its text.
        """
        found, slot = message["network_version"], message["slot"]
        holds = max((one for first, one in self.networks if first <= slot), default=None)
        self.require(found == holds, "network", f"version {found} in slot {slot}, not {holds}")
        ways = [[one[name] for name in _LINK_KEYS] for one in message["links"]]
        known = self.ways.setdefault(found, ways)
        text = f"version {found} in slot {slot}: found {ways}, allowed {known or 'ways'}"
        self.require(bool(ways) and ways == known, "network", text)

    def require_carried(self, settlement: dict[str, Any]) -> None:
        """Network fees and congestion rent of a slot are reserved as its clearing has them."""
        slot, version = settlement["slot"], settlement["version"]
        if settlement["scope"] != 1 or version > 1:
            return
        fees, partly = self.carried.get(settlement["clearing"], (0, 0)), slot in self.money.partly
        for code, cleared in zip((11, 12), fees, strict=True):
            found = self.money.reserved_ukrw[slot, code]
            text = f"slot {slot}, code {code}: {found}, not {cleared}"
            fits = found <= cleared if partly else found == cleared
            self.require(fits, "fees as cleared", text)
            if version:
                del self.money.reserved_ukrw[slot, code]

    def require_given_back(
        self, settlement: dict[str, Any], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """What a month gives back: rent between RENT and others, guarantees out of fees or by the
        operator; each as such, and nothing of it in a slot's own settlement.
        """
        rent, netfee = (_system(self.market, name) for name in ("RENT", "NETFEE"))
        payers, slot = {_RENT: {rent}, _GUARANTEE: {netfee, self.operator}}, settlement["slot"]
        for row in rows:
            is_month = settlement["scope"] == 2
            if row[2] == _GUARANTEE or (row[2] == _RENT and is_month):
                ends = payers[row[2]] & set(row[3:5])
                good = is_month and row[:2] == (1, 1) and len(ends) == 1
                self.require(good, "given back", f"slot {slot}: code {row[2]} between others")

    def take_correction(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        self.corrections.add((message["slot"], message["to_version"], message["evidence"]))

    def take_sealedset(self, message: dict[str, Any], _digest: bytes, _leaf: bytes) -> None:
        kind = message["kind"]
        name = SET_NAMES.get(kind, str(kind))
        self.require(message["tick"] == self.tick, "set root", f"{name}: of another tick")
        leaves = sorted(self.seen.sets.get(kind, ()))
        self.require(
            len(leaves) == message["count"] and set_root(leaves) == message["root"],
            "set root",
            f"{name} of tick {self.tick}: {len(leaves)} leaves do not give count and root",
        )
        self.seen.sealed.add(kind)

    def take_book(self, found: dict[str, Any]) -> None:
        """The locked orders of the slot, each of which must be an order that was received."""
        _keys(found, ("line", "slot", "tags"))
        slot, raw = _number(found["slot"]), _packed(found["tags"], 32)
        tags = [raw[n : n + 32] for n in range(0, len(raw), 32)]
        self.require(slot == self.tick, "book", f"book of slot {slot} in tick {self.tick}")
        known, locked = self.orders.pop(slot, {}), set(tags)
        # An order that was cancelled before the gate stands in nobody's way.
        by_hand = {account for leaf, (account, *_) in known.items() if leaf in locked}
        known |= self.automatic.take_book(slot, locked, by_hand)
        strange = locked - known.keys() - self.gone
        self.require(not strange, "book", f"book of slot {slot}: an unknown order")
        held = all(self.has_key(*known[tag][:2], TRADE, slot) for tag in tags if tag in known)
        self.require(held, "book", f"book of slot {slot}: an order whose key was taken away")
        self.seen.sets[3] = tags
        self.locked = {tag: (known[tag][0], known[tag][2]) for tag in tags if tag in known}
        self.labels.take_book(slot, tags)

    def take_settlement(self, message: dict[str, Any], digest: bytes, _leaf: bytes) -> None:
        """Versions follow one another, and above the first only after a Correction."""
        scope, slot, version = message["scope"], message["slot"], message["version"]
        last, previous = self.versions.get((scope, slot), (None, ZERO32))
        good = version in (0, 1) if last is None else version == last + 1
        good = good and message["previous"] == previous
        self.require(good, "settlement version", f"slot {slot}: version {version} after {last}")
        # The evidence is what the scope is settled from: readings, or an event. A month is final.
        evidence = {1: message["readings_root"], 3: message["clearing"]}.get(scope)
        corrected = version < 2 or (slot, version, evidence) in self.corrections
        self.require(corrected, "settlement version", f"slot {slot}: version without Correction")
        known = message["clearing"] == ZERO32 or self.clearings.get(message["clearing"]) == slot
        hour = scope == 3 and self.events.has_hour(message["clearing"], slot)
        known = hour if scope == 3 else known and scope in (1, 2)
        self.require(known, "settlement version", f"slot {slot}: unknown clearing")
        self.require_rules("Settlement", message)
        self.versions[scope, slot] = (version, digest)
        self.seen.awaiting[digest] = message

    def take_transfers(self, found: dict[str, Any]) -> None:
        erased = ("gone", "sums") if "gone" in found else ()
        _keys(found, ("line", "settlement", "rows", "readings", "originals", *erased))
        settlement = self.seen.awaiting.pop(_raw(found["settlement"], 32), None)
        if settlement is None:
            raise Refuted("settlement covers", f"transfers of {found['settlement']}: not awaited")
        raw = _packed(found["rows"], ROW.size)
        again = settlement["scope"] == 1 and settlement["version"] > 1
        before = self.money.moved_by(settlement["slot"], raw) if again else {}
        self.money.post(settlement, raw, found)
        self.require_carried(settlement)
        if settlement["scope"] == 1 and not settlement["version"]:
            self.require_reserved(settlement["slot"], list(ROW.iter_unpack(raw)))
        leaves = _packed(found["readings"], 32)
        used = sorted(leaves[n : n + 32] for n in range(0, len(leaves), 32))
        same = set_root(used) == settlement["readings_root"]
        self.require(same, "readings root", f"slot {settlement['slot']}")
        metered = [self.readings.find(leaf) for leaf in used if leaf not in self.gone]
        known = None not in metered
        self.require(known, "readings root", f"slot {settlement['slot']}: an unknown reading")
        if settlement["scope"] == 1 and settlement["version"] >= 1:
            self.money.require_closed(settlement["slot"])
            read = [one for one in metered if one]
            self.money.require_metered(read)
            if settlement["slot"] not in self.money.partly:
                self.money.require_unmoved(settlement["slot"], before, read)
                if settlement["version"] == 1 and self.gone.isdisjoint(used):
                    self.money.require_all_read(settlement["slot"], read)

    def require_reserved(self, slot: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """What a clearing sets aside of an account's money is what its orders got, at its price.

        Of the operator, whose rows are no orders, and of erased orders that is not known.
        """
        bought_wh, paid = Counter[bytes](), self.money.paid_for_trades(slot, rows, 1)
        fills = self.labels.now.fills
        for tag, fill_wh in fills.items():
            account, side = self.locked.get(tag, (self.operator, 1))
            bought_wh[account] += fill_wh if side == 1 else -fill_wh
        is_whole = all(tag in self.locked or tag not in self.gone for tag in fills)
        aside = {self.operator, *(() if is_whole else paid.keys() - bought_wh.keys())}
        self.money.require_priced("reserved as filled", slot, bought_wh, paid, aside)

    def take_checkpoint(self, found: dict[str, Any]) -> None:
        """The end of a tick: everything sealed, all roots recomputed, the chain unbroken."""
        note = _keys(found, ("line", "note"))["note"]
        message, signatures = read_note(note)
        self.require(not self.seen.awaiting, "settlement covers", "a Settlement without transfers")
        self.automatic.close_tick()
        self.labels.close_tick()
        unsealed = {1, 2} | {kind for kind, leaves in self.seen.sets.items() if leaves}
        unsealed -= self.seen.sealed
        self.require(not unsealed, "set root", f"tick {self.tick}: sets {unsealed} not sealed")
        self.extend_chains()
        self.money.require_limits()
        facts = {
            "origin": keccak256(self.origin.encode()),
            "tick": self.tick,
            "size": self.size,
            "root": _peaks_root(self.peaks),
            "accounts_root": self.accounts_root(),
            "previous": self.previous,
        }
        for name, fact in facts.items():
            shown = message[name].hex() if type(message[name]) is bytes else message[name]
            self.require(
                message[name] == fact, f"checkpoint {name}", f"tick {self.tick}: found {shown}"
            )
        self.know_again()
        self.previous = self.checkpoint_digest(message)
        self.require_log_signature(signatures)
        self.require_waiting(self.tick)
        self.readings.put_away()
        self.open = False

    def checkpoint_digest(self, message: dict[str, Any]) -> bytes:
        return keccak256(self.prefix + _checkpoint_hash(message))

    def require_log_signature(self, lines: list[tuple[str, bytes]]) -> None:
        """One good signature of the operator's LOG key, and no bad one of a known key."""
        known = {
            key_id(self.origin, key.address): key.address
            for key in self.ring.keys[self.operator]
            if self.has_key(self.operator, key.address, LOG, self.tick)
        }
        good = 0
        for name, raw in lines:
            if name == self.origin and raw[:4] in known:
                signer = recover(self.previous, raw[4:])
                fits = signer == known[raw[:4]]
                self.require(fits, "checkpoint signature", f"tick {self.tick}: a bad signature")
                good += 1
        self.require(good > 0, "checkpoint signature", f"tick {self.tick}: not by a LOG key")

    def extend_chains(self) -> None:
        """Carry the tick's entries into the histories of the accounts that they name."""
        chains, sha256 = self.chains, hashlib.sha256
        for code, rows in sorted(self.seen.named.items()):
            for digest, accounts in sorted(rows):
                for account in accounts:
                    seq, head, keys_head = chains.get(account, (0, ZERO32, ZERO32))
                    if code >= 20:
                        keys_head = sha256(b"\x02" + keys_head + digest).digest()
                    head = sha256(b"\x02" + head + digest).digest()
                    chains[account] = (seq + 1, head, keys_head)
        chains.update(self.seen.erased.heads)

    def accounts_root(self) -> bytes:
        covered = self.seen.erased.covered
        missing = self.chains.keys() - self.blinds.keys() - covered.keys()
        self.require(not missing, "account named", f"{len(missing)} accounts without account line")
        rows, pack, (won, energy, points) = (
            [*covered.values()],
            _ACCOUNT.pack,
            self.money.balances[1:],
        )
        for account, (seq, head, keys_head) in self.chains.items():
            if account in covered:
                continue
            blind = self.blinds[account]
            a, b, c = won.get(account, 0), energy.get(account, 0), points.get(account, 0)
            money = (a >> 64, a & LOW, b >> 64, b & LOW, c >> 64, c & LOW)
            rows.append((blind, leaf_hash(pack(1, blind, seq, head, keys_head, *money))))
        return set_root(leaf for _, leaf in sorted(rows))


class _Event(NamedTuple):
    """An event that was called, and what accounts have committed to it, Wh in every slot."""

    message: dict[str, Any]
    committed: dict[bytes, int]


class _Events:
    """Demand response: who was asked, who has committed, and what every hour was settled at."""

    HOUR_S = 3600
    REWARD, PENALTY = 40, 41

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.called: dict[bytes, _Event] = {}
        self.cancelled: set[bytes] = set()
        self.due: dict[tuple[bytes, int], dict[bytes, list[int]]] = {}  # by event and hour

    def take_event(self, message: dict[str, Any], digest: bytes) -> None:
        """An event: whole slots, answered before it begins, sealed before it begins."""
        first = message["first_slot"]
        good = message["slots"] >= 1 and message["answer_by"] <= first and self.book.tick <= first
        self.book.require(good, "event", f"event 0x{digest.hex()}: not called in time")
        self.called[digest] = _Event(message, {})

    def take_commit(self, message: dict[str, Any]) -> None:
        """An answer: to an event that is known, the only one of its account, in time."""
        name, account = message["event_id"], message["account"]
        event = self.called.get(name)
        if event is None or name in self.cancelled:
            raise Refuted("commitment", f"event 0x{name.hex()}: unknown or cancelled")
        good = account not in event.committed and self.book.tick <= event.message["first_slot"]
        self.book.require(good, "commitment", f"0x{account.hex()}: a second or late answer")
        event.committed[account] = message["e_wh_per_slot"]

    def is_cancelled_by(self, name: str, message: dict[str, Any]) -> bool:
        """Whether an entry is a Cancel of an event."""
        return name == "Cancel" and message["order_id"] in self.called

    def take_cancel(self, message: dict[str, Any]) -> None:
        """A cancellation, by its programme, before the event begins."""
        event = self.called[message["order_id"]].message
        good = message["account"] == event["program"] and self.book.tick <= event["first_slot"]
        self.book.require(good, "event", "cancelled by another or after it had begun")
        self.cancelled.add(message["order_id"])

    def has_hour(self, name: bytes, slot: int) -> bool:
        """Whether the event has a clock hour that begins with this slot."""
        event = self.called.get(name)
        if event is None or name in self.cancelled:
            return False
        after_s: int = slot - event.message["first_slot"]
        length_s: int = event.message["slots"] * 900
        return 0 <= after_s < length_s and after_s % self.HOUR_S == 0

    def settle(self, settlement: dict[str, Any], rows: Sequence[tuple[Any, ...]]) -> None:
        """What an hour moves is exactly what was committed for it, kept or missed."""
        name, slot = settlement["clearing"], settlement["slot"]
        paid = any(row[2] in (self.REWARD, self.PENALTY) for row in rows)
        if settlement["scope"] != 3 or not self.has_hour(name, slot):
            self.book.require(not paid, "event paid", f"slot {slot}: paid without an event")
            return
        event, due = self.called[name], self.due.setdefault((name, slot), {})
        program = event.message["program"]
        for row in rows:
            ledger, kind, code, debit, credit, amount = row[:6]
            sign = -1 if kind == 5 else 1
            giver, taker = (credit, debit) if kind == 5 else (debit, credit)
            account = taker if code == self.REWARD else giver
            other = giver if code == self.REWARD else taker
            good = ledger == 1 and code in (self.REWARD, self.PENALTY) and kind in (1, 5)
            good = good and other == program and row[9] == name
            good = good and row[6] == slot and event.committed.get(account, 0) > 0
            text = f"slot {slot}: a row that no commitment makes due"
            self.book.require(good, "event paid", text)
            sums = due.setdefault(account, [0, 0])
            sums[code - self.REWARD] += sign * int.from_bytes(amount, "big")
        for account, wh in event.committed.items():
            self.require_whole(event, slot, account, wh, due.get(account, [0, 0]))

    def require_whole(
        self, event: _Event, slot: int, account: bytes, wh: int, sums: Sequence[int]
    ) -> None:
        """Wh paid for and Wh charged for are together what the account has committed."""
        left = (event.message["first_slot"] + event.message["slots"] * 900 - slot) // 900
        committed = wh * min(left, 4)
        parts, open_ = [], False
        for name, amount in zip(("reward", "penalty"), sums, strict=True):
            price = event.message[f"{name}_mkrw_per_kwh"]
            exact = amount == 0 if price == 0 else amount % price == 0
            self.book.require(exact, "event paid", f"slot {slot} 0x{account.hex()}: odd {name}")
            parts.append(amount // price if price else 0)
            open_ = open_ or price == 0
        good = min(parts) >= 0
        good = good and (sum(parts) <= committed if open_ else sum(parts) == committed)
        text = f"{parts[0]} Wh kept, {parts[1]} missed, of {committed}"
        self.book.require(good, "event paid", f"slot {slot} 0x{account.hex()}: {text}")


class _Delivered:
    """What a contract has moved in a slot, reversals taken off: Wh and micro-won."""

    def __init__(self) -> None:
        self.taken_wh = self.into_grid_wh = self.paid = self.charged = 0


class _Contracts:
    """Contracts: signed by both, sealed before they begin, and what their slots were settled at."""

    NEIGHBOUR, AS_PRODUCED, CFD = 1, 3, 4
    CODES = (20, 21, 22, 23)
    PAID, DIFFERENCE, CHARGE, BY_MONTH = CODES

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.signed: dict[bytes, dict[str, Any]] = {}
        self.ends: dict[bytes, dict[bytes, int]] = defaultdict(dict)
        self.due: dict[tuple[bytes, int], _Delivered] = defaultdict(_Delivered)
        self.grid = _system(book.market, "GRID")
        self.kepco = _system(book.market, "KEPCO")

    def take(self, message: dict[str, Any], digest: bytes) -> None:
        """A contract: between two accounts, of a known kind, sealed before its first slot."""
        good = message["seller"] != message["buyer"] and 1 <= message["kind"] <= 5
        good = good and self.book.tick <= message["first_slot"] < message["end_slot"]
        good = good and 1 <= message["share_ppm"] <= 1_000_000
        self.book.require(good, "contract", f"0x{digest.hex()}: not sealed in time or odd terms")
        self.signed[digest] = message

    def is_ended_by(self, name: str, message: dict[str, Any]) -> bool:
        """Whether an entry is a Cancel of a contract."""
        return name == "Cancel" and message["order_id"] in self.signed

    def take_end(self, message: dict[str, Any]) -> None:
        """A party's end of a contract: its first one, of a slot that is still to come."""
        name, account = message["order_id"], message["account"]
        signed, ends = self.signed[name], self.ends[name]
        good = account in (signed["seller"], signed["buyer"]) and account not in ends
        good = good and message["slot"] >= self.book.tick
        self.book.require(good, "contract", f"0x{name.hex()}: ended by another, twice or too late")
        ends[account] = message["slot"]

    def holds(self, name: bytes, slot: int) -> bool:
        """Whether a contract is signed and runs in a slot: both parties may have ended it."""
        signed = self.signed.get(name)
        if signed is None:
            return False
        ends = self.ends.get(name, {})
        end = min(signed["end_slot"], max(ends.values())) if len(ends) > 1 else signed["end_slot"]
        return bool(signed["first_slot"] <= slot < end)

    def settle(self, settlement: dict[str, Any], rows: Sequence[tuple[Any, ...]]) -> None:
        """Every line of a contract names one that runs, and adds up to what was signed."""
        slot, scope, touched = settlement["slot"], settlement["scope"], set()
        for row in rows:
            if row[2] in self.CODES:
                name = row[9]
                # Neighbours' money is moved after the month in which their contract may have begun.
                known = name in self.signed if scope == 2 else self.holds(name, slot)
                text = f"slot {slot}: code {row[2]} without a contract that runs"
                self.book.require(known, "contract paid", text)
                self.take_row(self.signed[name], row, scope)
                touched.add(name)
        for name in touched:
            require = self.require_whole if scope == 1 else self.require_month
            require(name, slot)

    def take_row(self, signed: dict[str, Any], row: tuple[Any, ...], scope: int) -> None:
        """A line between the right accounts, of a code that its kind of contract has."""
        ledger, kind, code, debit, credit, amount_raw, slot = row[:7]
        giver, taker = (credit, debit) if kind == 5 else (debit, credit)
        seller, buyer, operator = signed["seller"], signed["buyer"], self.book.operator
        line = (ledger, code, giver, taker)
        ways = {
            (2, self.PAID, seller, buyer): "taken_wh",
            (2, self.PAID, seller, self.grid): "into_grid_wh",
            (1, self.PAID, buyer, seller): "paid",
            (1, self.PAID, operator, buyer): "",
            (1, self.CHARGE, buyer, self.kepco): "charged",
        }
        if signed["kind"] == self.CFD:
            ways = {(1, self.DIFFERENCE, *way): "" for way in ((seller, buyer), (buyer, seller))}
        elif signed["kind"] == self.NEIGHBOUR and scope == 2:
            # What no neighbour has taken the operator pays for, and takes back by later news.
            left = ((1, self.BY_MONTH, *way) for way in ((operator, seller), (seller, operator)))
            ways = {(1, self.BY_MONTH, buyer, seller): "paid", **dict.fromkeys(left, "")}
        elif signed["kind"] == self.NEIGHBOUR:
            ways = {(2, self.BY_MONTH, seller, self.grid): ""}
        elif signed["kind"] != self.AS_PRODUCED:
            del ways[2, self.PAID, seller, self.grid], ways[1, self.PAID, operator, buyer]
        good = line in ways and kind in (1, 5)
        self.book.require(good, "contract paid", f"slot {slot}: code {code} between others")
        if ways[line]:
            done, amount = self.due[row[9], slot], int.from_bytes(amount_raw, "big")
            sign = -1 if kind == 5 else 1
            setattr(done, ways[line], getattr(done, ways[line]) + sign * amount)

    def require_month(self, name: bytes, slot: int) -> None:
        """Neighbours pay whole kWh of a month at their price, at most their cap."""
        signed, done = self.signed[name], self.due[name, slot]
        of_kwh = 1000 * signed["price_mkrw_per_kwh"]
        kwh, odd = divmod(done.paid, of_kwh) if of_kwh else (0, done.paid)
        good = odd == 0 and 0 <= kwh <= signed["cap_wh"] // 1000
        text = f"month {slot} 0x{name.hex()}: {done.paid} for {kwh} kWh"
        self.book.require(good, "contract paid", text)

    def require_whole(self, name: bytes, slot: int) -> None:
        """A slot's price, charge and cap are those that were signed."""
        signed, done = self.signed[name], self.due[name, slot]
        e_wh = done.taken_wh + done.into_grid_wh
        charge = int.from_bytes(signed["terms"][2:], "big")
        good = 0 <= done.taken_wh <= e_wh <= signed["cap_wh"] or signed["kind"] == self.NEIGHBOUR
        good = good and done.paid == e_wh * signed["price_mkrw_per_kwh"]
        good = good and done.charged == done.taken_wh * charge
        text = f"slot {slot} 0x{name.hex()}: {e_wh} Wh for {done.paid}, charge {done.charged}"
        self.book.require(good, "contract paid", text)


class _Automatic:
    """Standing instructions, and the orders made of them: never beyond what was signed."""

    TRADE, DAY_LEAST_S, DAY_MOST_S = 10, 23 * 3600, 25 * 3600

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.signed: dict[bytes, tuple[dict[str, Any], bytes]] = {}  # with the signer
        self.ends: dict[bytes, int] = {}
        self.of: dict[bytes, list[bytes]] = defaultdict(list)  # by account
        self.waiting: dict[bytes, dict[str, Any]] = {}  # orders of the open tick, by leaf
        self.now: dict[bytes, dict[str, Any]] = {}  # of them those in the book
        self.day = -1
        self.spent: dict[bytes, list[int]] = {}  # of the day: Wh traded, micro-won paid
        self.pool = _system(book.market, "POOL")

    def take(self, message: dict[str, Any], digest: bytes, signer: bytes) -> None:
        """An instruction: sealed before it begins, the only one of its account meanwhile."""
        first, end, account = message["first_slot"], message["end_slot"], message["account"]
        good = self.book.tick <= first < end and 1 <= message["sides"] <= 3
        self.book.require(good, "instruction", f"0x{digest.hex()}: not sealed in time or odd terms")
        replaced = message["replaces"]
        if replaced in self.of[account] and first < self.ends[replaced]:
            self.ends[replaced] = first
        for other in self.of[account]:
            begun = max(first, self.signed[other][0]["first_slot"])
            apart = begun >= min(end, self.ends[other])
            text = f"0x{digest.hex()}: beside 0x{other.hex()}"
            self.book.require(apart, "instruction", text)
        self.signed[digest], self.ends[digest] = (message, signer), end
        self.of[account].append(digest)

    def take_stop(self, message: dict[str, Any]) -> None:
        """The account's stop of its instruction, of a slot that is still to come."""
        name, slot = message["order_id"], message["slot"]
        good = message["account"] == self.signed[name][0]["account"]
        good = good and self.book.tick <= slot < self.ends[name]
        self.book.require(good, "instruction", f"0x{name.hex()}: stopped by another or too late")
        self.ends[name] = slot

    def take_order(self, message: dict[str, Any], leaf: bytes) -> None:
        """An automatic order of the open tick; stops of the same tick may still come."""
        good = message["slot"] == self.book.tick
        self.book.require(good, "automatic order", f"of slot {message['slot']} in another tick")
        self.waiting[leaf] = message

    def take_book(
        self, slot: int, tags: set[bytes], by_hand: set[bytes]
    ) -> dict[bytes, tuple[bytes, bytes, int]]:
        """The tick's automatic orders, each in the book and within its instruction.

        `by_hand` are the accounts with an order of their own in the book. Gives account, signer of
        the instruction and side by leaf.
        """
        found = {}
        for leaf, order in self.waiting.items():
            name, account = order["instruction"], order["account"]
            if name not in self.signed:
                raise Refuted("automatic order", f"slot {slot}: 0x{name.hex()} was never signed")
            message, signer = self.signed[name]
            good = leaf in tags and slot < self.ends[name] and account not in by_hand
            fault = "" if good else "stopped, not in the book or beside an order by hand"
            self.require_day(order)
            fault = fault or within(message, order, self.spent.get(account, (0, 0)))
            text = f"slot {slot}, account 0x{account.hex()}: {fault}"
            self.book.require(not fault, "automatic order", text)
            found[leaf] = (self.book.money.name(account), signer, order["side"])
        self.now, self.waiting = self.waiting, {}
        return found

    def require_day(self, order: dict[str, Any]) -> None:
        """The local day of an order is that of all others; a new one leaves the old sums behind."""
        day, slot = order["day"], order["slot"]
        good = 0 <= slot - day < self.DAY_MOST_S
        good = good and (day == self.day or self.day < 0 or day >= self.day + self.DAY_LEAST_S)
        self.book.require(good, "automatic order", f"slot {slot}: day {day} after {self.day}")
        if day != self.day:
            self.day, self.spent = day, {}

    def take_fills(self, fills: dict[bytes, int]) -> None:
        """What the automatic orders of the slot got counts for their day."""
        for leaf, order in self.now.items():
            e_wh = fills.get(leaf, 0)
            if e_wh:
                self.spent.setdefault(order["account"], [0, 0])[0] += e_wh

    def settle(self, settlement: dict[str, Any], rows: Sequence[tuple[Any, ...]]) -> None:
        """What the slot's trades are to cost those with an automatic order counts for their day."""
        if settlement["scope"] != 1 or settlement["version"] or not self.now:
            return
        accounts = {order["account"] for order in self.now.values()}
        for row in rows:
            reserved = row[:3] == (1, 2, self.TRADE) and row[4] == self.pool
            if reserved and row[3] in accounts:
                amount = int.from_bytes(row[5], "big")
                self.spent.setdefault(row[3], [0, 0])[1] += amount

    def close_tick(self) -> None:
        """Every automatic order stood in a book."""
        text = f"tick {self.book.tick}: {len(self.waiting)} without a book"
        self.book.require(not self.waiting, "automatic order", text)
        self.now = {}


def within(message: dict[str, Any], order: dict[str, Any], spent: Sequence[int]) -> str:
    """What of an automatic order is not within its instruction, empty where all is.

    `spent` are Wh and micro-won that the local day's automatic orders have come to before it.
    """
    side, e_wh, price = order["side"], order["e_wh"], order["price_mkrw_per_kwh"]
    limits = {1: message["buy_up_to_mkrw_per_kwh"], 2: message["sell_from_mkrw_per_kwh"]}
    if order["account"] != message["account"]:
        return "another account"
    if not message["first_slot"] <= order["slot"] < message["end_slot"]:
        return "outside the signed slots"
    if side not in limits or not message["sides"] & side:
        return f"side {side} was not signed"
    if price != limits[side]:
        return f"price {price}, signed {limits[side]}"
    if e_wh < 1 or spent[0] + e_wh > message["day_cap_wh"]:
        return f"{e_wh} Wh after {spent[0]} in the day, signed {message['day_cap_wh']}"
    worst = max(0, e_wh * price * (1 if side == 1 else -1))
    if worst and spent[1] + worst > message["day_cap_ukrw"]:
        return f"{worst} micro-won after {spent[1]} in the day, signed {message['day_cap_ukrw']}"
    return ""


class _Tier(NamedTuple):
    """A premium tier of a slot: prices by node, and packed what it has filled."""

    label: int
    lot: bytes  # with a tag it decides between equal remainders
    price: dict[int, int]
    filled: bytes  # rows of tag, node, side, Wh and number of the account

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Tag, node, side, Wh and number of the account of everything filled."""
        return _FILLED.iter_unpack(self.filled)

    def cut(self, rows: Sequence[tuple[bytes, int, int]], most: int) -> list[tuple[int, int]]:
        """Wh and account of each row (tag, Wh, account) once they are `most` together, in
        proportion.
        """
        total = sum(wh for _, wh, _ in rows)
        parts = [(*divmod(wh * most, total or 1), tag, account) for tag, wh, account in rows]
        spare = most - sum(part[0] for part in parts)
        parts.sort(key=lambda part: (-part[1], hashlib.sha256(self.lot + part[2]).digest()))
        return [(part[0] + (n < spare), part[3]) for n, part in enumerate(parts)]


class _OpenSlot:
    """What the open tick shows of its auction: energy, wishes for labels, who is in a tier."""

    def __init__(self) -> None:
        self.energy: dict[str, Any] | None = None
        self.fills: dict[bytes, int] = {}
        self.wishes: dict[bytes, dict[str, Any]] = {}
        self.awaiting: tuple[bytes, dict[str, Any]] | None = None  # a Clearing without its rows
        self.shown: set[bytes] = set()


class _Labels:
    """Green and local energy: cleared as its orders wish, and paid for by what was delivered."""

    CODE, TRADE, LOCAL = 15, 10, 2
    SAME = ("slot", "round", "rules_version", "network_version", "plan")

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.wishes: dict[int, dict[bytes, dict[str, Any]]] = defaultdict(dict)  # by slot and leaf
        self.now = _OpenSlot()
        self.tiers: dict[int, list[_Tier]] = defaultdict(list)
        self.unknown: set[int] = set()  # slots with an order in a tier that was destroyed
        # By slot, packed: account, side, Wh drawn or given of trades, micro-won paid or got.
        self.moved: dict[int, bytes] = {}
        self.numbers: dict[bytes, int] = {}
        self.pool = _system(book.market, "POOL")

    def take_order(self, message: dict[str, Any], leaf: bytes) -> None:
        """Remember what a labelled order wishes until its slot."""
        if message["label"]:
            self.wishes[message["slot"]][leaf] = message

    def take_book(self, slot: int, tags: Iterable[bytes]) -> None:
        """The wishes among the locked orders of a slot."""
        known = self.wishes.pop(slot, {})
        self.now.wishes = {tag: known[tag] for tag in tags if tag in known}

    def awaited(self) -> str:
        """The line that must come next, empty where any may."""
        if self.now.awaiting is None:
            return ""
        return "label" if self.now.awaiting[1]["label"] else "fills"

    def take_energy(self, message: dict[str, Any], digest: bytes) -> None:
        """The Clearing of energy, whose fills come next and whose labels follow."""
        self.now.energy, self.now.awaiting = message, (digest, message)

    def cleared(self, found: dict[str, Any], row: struct.Struct) -> tuple[dict[str, Any], Any]:
        """The Clearing that rows belong to, and the rows."""
        _keys(found, ("line", "clearing", "rows"))
        digest, message = self.now.awaiting or (ZERO32, {})
        good = _raw(found["clearing"], 32) == digest and found["line"] == self.awaited()
        self.book.require(good, "cleared rows", f"of {found['clearing']}: not awaited")
        self.now.awaiting = None
        return message, list(row.iter_unpack(_packed(found["rows"], row.size)))

    def take_fills(self, found: dict[str, Any]) -> None:
        """What the orders of the slot got of energy, as its Clearing has signed for it."""
        message, rows = self.cleared(found, _FILL)
        root = set_root(leaf_hash(_FILL_LEAF.pack(1, *row, 0)) for row in rows)
        rise = all(a[0] < b[0] for a, b in pairwise(rows))
        good = rise and (root, len(rows)) == (message["fills_root"], message["orders"])
        text = f"slot {message['slot']}: not the fills that were signed"
        self.book.require(good, "cleared rows", text)
        self.now.fills = dict(rows)
        self.book.automatic.take_fills(self.now.fills)

    def take_clearing(self, message: dict[str, Any], digest: bytes) -> None:
        """The tier of one label, whose rows come next; it follows the energy of its slot."""
        slot, energy = message["slot"], self.now.energy
        last = max((tier.label for tier in self.tiers.get(slot, ())), default=0)
        good = energy is not None and all(message[name] == energy[name] for name in self.SAME)
        good = good and last < message["label"] <= self.LOCAL
        good = good and not message["links"]
        self.book.require(good, "label", f"slot {slot}: label {message['label']} out of its place")
        self.now.awaiting = (digest, message)

    def take_rows(self, found: dict[str, Any]) -> None:
        """The rows of a tier: the auction once more, and nobody in it but as its order says."""
        message, rows = self.cleared(found, _CLEARING_ROW)
        slot, label = message["slot"], message["label"]
        for rule, text in broken_rules(message, _LABEL_RULES, rows, label=label):
            raise Refuted("certificate", f"slot {slot}: label {label}: {rule}: {text}")
        self.book.checks["certificate"] += 1
        filled = [self.take_row(label, row) for row in rows]
        price = {node["node"]: node["price_mkrw_per_kwh"] for node in message["nodes"]}
        lot = _tie_prefix(message, message["book_root"])
        self.tiers[slot].append(_Tier(label, lot, price, b"".join(filled)))

    def take_row(self, label: int, row: tuple[Any, ...]) -> bytes:
        """A row of a tier: filled Wh of an order that wants the label; packed if labelled."""
        tag, node, side, premium, e_wh, fill_wh = row
        text = f"slot {self.book.tick}: 0x{tag.hex()}: not what its order says and got"
        order = self.now.wishes.get(tag)
        self.book.require(self.now.fills.get(tag) == e_wh, "label", text)
        self.now.shown.add(tag)
        if order is None:
            self.book.require(tag in self.book.gone, "label", text)
            self.unknown.add(self.book.tick)
            return b""
        zone = order["zone"] if label == self.LOCAL else 0
        wish = (order["label"], order["side"], order["premium_mkrw_per_kwh"], zone)
        self.book.require((label, side, premium, node) == wish, "label", text)
        number = self.number(self.book.money.name(order["account"]))
        return _FILLED.pack(tag, node, side, fill_wh, number) if fill_wh else b""

    def number(self, account: bytes) -> int:
        """What an account is called in packed rows."""
        return self.numbers.setdefault(account, len(self.numbers))

    def close_tick(self) -> None:
        """Nobody was left out of a tier whose wish needs no register."""
        now, self.now = self.now, _OpenSlot()
        for tag, order in now.wishes.items():
            needs_register = order["label"] != self.LOCAL and order["side"] == 2
            out = now.fills.get(tag, 0) and tag not in now.shown and not needs_register
            text = f"slot {self.book.tick}: 0x{tag.hex()}: left out of its tier"
            self.book.require(not out, "label", text)

    def settle(self, settlement: dict[str, Any], rows: Sequence[tuple[Any, ...]]) -> None:
        """Whoever has a label reserves, pays or gets its price, to the micro-won."""
        slot = settlement["slot"]
        known = settlement["scope"] == 1 and slot in self.tiers
        reserved, paid, traded = Counter[Any](), Counter[Any](), Counter[Any]()
        for row in rows:
            ledger, kind, code = row[:3]
            if code == self.CODE:
                good = known and ledger == 1 and (kind == 2) == (settlement["version"] == 0)
                good = good and self.pool in row[3:5]
                self.book.require(good, "label paid", f"slot {slot}: a line without a tier")
            if not known or (ledger, code) not in ((1, self.CODE), (2, self.TRADE)) or kind == 4:
                continue
            undone = kind == 5
            giver, taker = row[4:2:-1] if undone else row[3:5]
            amount = int.from_bytes(row[5], "big") * (-1 if undone else 1)
            # Money goes to POOL for what is bought, energy comes from it.
            buys = (taker if code == self.CODE else giver) == self.pool
            account = giver if taker == self.pool else taker
            sums = traded if code == self.TRADE else reserved if kind == 2 else paid
            sums[self.number(account), 1 if buys else 2] += amount
        if known and settlement["version"] == 0:
            self.require_same(slot, "label reserved", reserved, self.due(slot, None))
        elif known:
            self.carry(slot, traded, paid)

    def carry(self, slot: int, traded: Counter[Any], paid: Counter[Any]) -> None:
        """Add a settlement to what the slot has moved; then what is paid must be what is due."""
        for number, side, e_wh, ukrw in _MOVED.iter_unpack(self.moved.get(slot, b"")):
            traded[number, side] += e_wh
            paid[number, side] += ukrw
        mine = {row[4] for tier in self.tiers[slot] for row in tier.rows()}
        keys = [key for key in traded.keys() | paid.keys() if key in paid or key[0] in mine]
        try:
            self.moved[slot] = b"".join(_MOVED.pack(*key, traded[key], paid[key]) for key in keys)
        except struct.error:
            raise Refuted("label paid", f"slot {slot}: more than any slot has") from None
        self.require_same(slot, "label paid", paid, self.due(slot, traded))

    def require_same(
        self, slot: int, check: str, found: Counter[Any], expected: Counter[Any]
    ) -> None:
        """The label lines are those that the tiers and the deliveries lead to."""
        if slot in self.unknown or slot in self.book.money.partly:
            return
        for key in sorted(found.keys() | expected.keys()):
            if found[key] != expected[key]:
                name = next(one for one, number in self.numbers.items() if number == key[0])
                text = f"{found[key]}, not {expected[key]}"
                raise Refuted(check, f"slot {slot} 0x{name.hex()} side {key[1]}: {text}")
        self.book.checks[check] += len(expected)

    def due(self, slot: int, traded: Counter[Any] | None) -> Counter[Any]:
        """Micro-won by account and side: the smaller side is paid whole, the larger one cut.

        For all that was filled where `traded` is None.
        """
        left, due = None if traded is None else Counter(traded), Counter[Any]()
        for tier in self.tiers[slot]:
            sides: dict[tuple[int, int], list[tuple[bytes, int, int]]] = defaultdict(list)
            for tag, node, side, fill_wh, account in tier.rows():
                e_wh = fill_wh
                if left is not None:
                    e_wh = min(fill_wh, max(left[account, side], 0))
                    left[account, side] -= e_wh
                sides[node, side].append((tag, e_wh, account))
            for node, price in tier.price.items():
                both = [sides[node, side] for side in (1, 2)]
                most = min(sum(wh for _, wh, _ in rows) for rows in both)
                for side, rows in zip((1, 2), both, strict=True):
                    for e_wh, account in tier.cut(rows, most):
                        due[account, side] += e_wh * price
        return due


class _Readings:
    """The readings so far: those of the open tick at hand, older ones packed together.

    A district has a million a day, so that they are not kept as objects.
    """

    _NET = struct.Struct(">32sQq")

    def __init__(self) -> None:
        self.now: dict[bytes, tuple[bytes, int, int]] = {}  # leaf: account, slot, import - export
        self._keys: dict[int, list[bytes]] = defaultdict(list)  # by slot, rows of meter, revision
        self._old: list[tuple[bytes, bytes]] = []  # rows of leaves, rows of what they say

    def is_new(self, slot: int, keys: Sequence[bytes]) -> bool:
        """Whether the slot has none of these yet, and each stands once; then it has them."""
        blobs = self._keys[slot]
        fresh = len(set(keys)) == len(keys)
        fresh = fresh and not any(_holds(blob, key) for blob in blobs for key in keys)
        blobs.append(b"".join(keys))
        return fresh

    def find(self, leaf: bytes) -> tuple[bytes, int, int] | None:
        """Account, slot and import less export of the reading with this leaf."""
        if leaf in self.now:
            return self.now[leaf]
        for leaves, rows in reversed(self._old):
            at = _place(leaves, leaf)
            if at >= 0:
                account, slot, net_wh = self._NET.unpack_from(rows, at * self._NET.size)
                return account, slot, net_wh
        return None

    def put_away(self) -> None:
        """Pack the readings of the tick that ends."""
        if self.now:
            rows = b"".join(self._NET.pack(*row) for row in self.now.values())
            self._old.append((b"".join(self.now), rows))
            self.now = {}


_CODES_OF = {
    1: frozenset({10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 30, 32}),
    2: frozenset({12, 16, 23, 31, 33, 34, 50}),
    3: frozenset({40, 41}),
}
"""What is moved when a slot is settled, when a month closes, and for an hour of an event."""
_ROOM = 1024  # accounts for which room is made at a time


class _Money:
    """Balances, pendings and reversals as they follow from the transfers alone."""

    def __init__(self, book: "_Book | _Ledger") -> None:
        self.book = book
        self.balances: list[defaultdict[bytes, int]] = [defaultdict(int) for _ in range(4)]
        self.pendings: dict[bytes, tuple[Any, ...]] = {}
        self.pending_count: Counter[int] = Counter()  # open ones by slot
        self.posted: dict[int, list[bytes]] = defaultdict(list)  # ids by slot, in one piece
        self.undone: set[bytes] = set()
        self.loose: set[bytes] = set()  # ids of batches that are not of one slot
        # Wh by slot and account, the account by number: a day has a million of them.
        self.moved_wh: dict[int, array[int]] = defaultdict(lambda: array("q"))
        self.numbers: dict[bytes, int] = {}
        self.pool_ukrw: Counter[int] = Counter()
        self.reserved_ukrw: Counter[tuple[int, int]] = Counter()  # by slot and code
        self.names: dict[bytes, bytes] = {}
        self.system = {n: _system(book.market, n) for n in ("POOL", "BALANCING", "GRID")}
        self.partly: set[int] = set()  # slots of which rows were destroyed
        self.never_negative = [_system(book.market, n) for n in ("NETFEE", "RENT")]
        self.loss = _system(book.market, "LOSS")
        self.operator = _system(book.market, "SPC")
        self.prices: dict[int, frozenset[int]] = {}  # of the nodes, by slot

    def take_prices(self, clearing: dict[str, Any]) -> None:
        """Remember at which prices the energy of a slot was traded."""
        prices = (node["price_mkrw_per_kwh"] for node in clearing["nodes"])
        self.prices[clearing["slot"]] = frozenset(prices)

    def name(self, account: bytes) -> bytes:
        """The one object for these bytes: millions of rows name the same few accounts."""
        return self.names.setdefault(account, account)

    def ids(self, rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
        """The digests of rows."""
        head, pack, prefix = TYPES["Transfer"].hash, _ROW_WORDS.pack, self.book.prefix
        hashed = keccak_many([pack(head, *row[:11]) for row in rows])
        return keccak_many([prefix + one for one in hashed])

    def post(self, settlement: dict[str, Any], raw: bytes, found: dict[str, Any]) -> None:
        """A batch: covered by its root, well formed row by row, and carried into the balances."""
        rows = list(ROW.iter_unpack(raw))
        ids, slot = self.ids(rows), settlement["slot"]
        leaves = sorted(
            self.take_gone(settlement, found)
            + [leaf_hash(b"\x01\x08" + row[11] + id_) for row, id_ in zip(rows, ids, strict=True)]
        )
        covered = len(leaves) == settlement["transfers"]
        covered = covered and set_root(leaves) == settlement["transfers_root"]
        self.book.require(covered, "transfers root", f"slot {slot}: rows are not those signed for")
        once = len(set(ids)) == len(ids) and self.loose.isdisjoint(ids)
        self.book.require(once, "transfer once", f"slot {slot}: a transfer twice")
        if isinstance(self.book, _Book):
            self.book.events.settle(settlement, rows)
            self.book.contracts.settle(settlement, rows)
            self.book.require_given_back(settlement, rows)
            self.book.labels.settle(settlement, rows)
            self.book.automatic.settle(settlement, rows)
        self.require_place(settlement, rows)
        if settlement["scope"] == 1 and settlement["version"]:
            bought = self.paid_for_trades(slot, rows, 2), self.paid_for_trades(slot, rows, 1)
            self.require_priced("trade at its price", slot, *bought, {self.operator})
        elif settlement["scope"] != 1:
            self.loose.update(ids)
        named = list(ROW.iter_unpack(_packed(found["originals"], ROW.size)))
        originals = dict(zip(self.ids(named), named, strict=True))
        exact = originals.keys() == {row[8] for row in rows if row[1] == 5}
        exact = exact and len(originals) == len(named) and all(row[11] == ZERO32 for row in named)
        self.book.require(exact, "reverse once", f"slot {slot}: originals are not those reversed")
        movable = []
        for row, id_ in zip(rows, ids, strict=True):
            self.take(row, id_, originals)
            if row[1] in (1, 3):
                movable.append(id_)
        self.posted[slot if settlement["scope"] == 1 else -1].append(b"".join(movable))
        named_rows = ((id_, row[3:5]) for id_, row in zip(ids, rows, strict=True))
        self.book.seen.named[8].extend(named_rows)
        self.book.checks["transfer well formed"] += len(rows)

    def require_place(self, settlement: dict[str, Any], rows: Sequence[tuple[Any, ...]]) -> None:
        """Each row is of its settlement's slot and version, and of a kind that its scope moves.

        Energy moves where a slot is settled from its readings, and nowhere else; before it is
        metered, money is set aside and nothing moves.
        """
        slot, scope, version = settlement["slot"], settlement["scope"], settlement["version"]
        fits = all(row[6] == slot and row[7] == version for row in rows)
        self.book.require(fits, "transfer once", f"slot {slot}: a row of another settlement")
        codes = _CODES_OF.get(scope, frozenset())
        for ledger, kind, code, *_ in rows:
            good = code in codes and (scope == 1 or ledger != 2)
            good = good and (scope != 1 or (kind == 2) == (version == 0))
            if not good:
                text = f"slot {slot}: ledger {ledger}, kind {kind}, code {code} in scope {scope}"
                raise Refuted("scope", f"{text}, version {version}")
        self.book.checks["scope"] += len(rows)

    def paid_for_trades(
        self, slot: int, rows: Sequence[tuple[Any, ...]], ledger: int
    ) -> Counter[bytes]:
        """By account the micro-won that rows let it pay for trades, or the Wh that it gets."""
        found, pool = Counter[bytes](), self.system["POOL"]
        for row in rows:
            if row[0] != ledger or row[2] != _TRADE or row[1] == 4:
                continue
            debit, credit = row[3:5]
            if pool not in (debit, credit):
                raise Refuted("trade at its price", f"slot {slot}: a trade beside the pool")
            account, pays = (debit, 1) if credit == pool else (credit, -1)
            found[account] += int.from_bytes(row[5], "big") * (pays if ledger == 1 else -pays)
        return found

    def require_priced(
        self,
        check: str,
        slot: int,
        bought_wh: Counter[bytes],
        paid: Counter[bytes],
        aside: Collection[bytes],
    ) -> None:
        """Who buys pays the price of a node for it, who sells gets it: both below 0 for sales.

        Nobody has more than one node, but for the operator, who is put `aside`: what it pays is
        what the pool has left, which closes.
        """
        prices = self.prices.get(slot, frozenset())
        for account in (bought_wh.keys() | paid.keys()) - set(aside):
            e_wh, ukrw = bought_wh[account], paid[account]
            if (e_wh or ukrw) and not any(ukrw == e_wh * price for price in prices):
                text = f"slot {slot} 0x{account.hex()}: {ukrw} micro-won for {e_wh} Wh"
                raise Refuted(check, text)
        self.book.checks[check] += len(paid)

    def take_gone(self, settlement: dict[str, Any], found: dict[str, Any]) -> list[bytes]:
        """Leaves of rows that were destroyed; what they moved is carried into the balances."""
        if "gone" not in found:
            return []
        raw, slot = _packed(found["gone"], 32), settlement["slot"]
        self.book.require(bool(raw), "erased", f"slot {slot}: no leaf")
        self.partly.add(slot)
        for ledger, account, amount_raw in _SUM.iter_unpack(_packed(found["sums"], _SUM.size)):
            if not 1 <= ledger <= 3:
                raise Refuted("erased", f"slot {slot}: ledger {ledger}")
            amount = int.from_bytes(amount_raw, "big", signed=True)
            self.balances[ledger][account] += amount
            self.balances[ledger][_NO_LONGER_KNOWN] -= amount
            if ledger == 2:
                self.move(slot, account, amount)
            elif ledger == 1 and account == self.system["POOL"]:
                self.pool_ukrw[slot] += amount
        return [raw[n : n + 32] for n in range(0, len(raw), 32)]

    def take(self, row: tuple[Any, ...], id_: bytes, originals: dict[bytes, Any]) -> None:
        ledger, kind, _, debit, credit, amount_raw, slot, _, pending, *_ = row
        amount = int.from_bytes(amount_raw, "big")
        if not (1 <= ledger <= 3 and 1 <= kind <= 5 and amount >= 1 and debit != credit):
            raise Refuted("transfer well formed", f"0x{id_.hex()}: ledger, kind, amount, accounts")
        if kind == 2:
            self.reserved_ukrw[slot, row[2]] += amount
            self.pendings[id_] = row
            self.pending_count[slot] += 1
            return
        if kind in (3, 4):
            self.end(row, amount)
            if kind == 4:
                return
        elif kind == 5:
            self.undo(row, originals)
        elif pending != ZERO32:
            raise Refuted("transfer well formed", f"0x{id_.hex()}: PLAIN names a pending")
        balances = self.balances[ledger]
        balances[debit] -= amount
        balances[credit] += amount
        if ledger == 2:
            self.move(slot, debit, -amount)
            self.move(slot, credit, amount)
        elif ledger == 1:
            pool = self.system["POOL"]
            self.pool_ukrw[slot] += amount * ((credit == pool) - (debit == pool))

    def move(self, slot: int, account: bytes, amount_wh: int) -> None:
        """Carry Wh of a slot into what the account has moved in it."""
        moved, number = self.moved_wh[slot], self.numbers.setdefault(account, len(self.numbers))
        if number >= len(moved):
            moved.frombytes(bytes(8 * (number + _ROOM - len(moved))))
        try:
            moved[number] += amount_wh
        except OverflowError:
            text = f"slot {slot} 0x{account.hex()}: more energy than any slot has"
            raise Refuted("transfer well formed", text) from None

    def moved(self, slot: int, account: bytes) -> int:
        """The Wh that an account has moved in a slot."""
        found, number = self.moved_wh[slot], self.numbers.get(account, -1)
        return found[number] if 0 <= number < len(found) else 0

    def end(self, row: tuple[Any, ...], amount: int) -> None:
        """POST or VOID: the pending is open, of the same accounts, and large enough."""
        opened = self.pendings.pop(row[8], None)
        if opened is None:
            raise Refuted("pending ends once", f"0x{row[8].hex()} is not open")
        most = int.from_bytes(opened[5], "big")
        same = opened[0] == row[0] and opened[3:5] == row[3:5]
        if not same or amount > most or (row[1] == 4 and amount != most):
            raise Refuted("pending ends once", f"0x{row[8].hex()}: other accounts or amount")
        self.pending_count[opened[6]] -= 1
        self.book.checks["pending ends once"] += 1

    def undo(self, row: tuple[Any, ...], originals: dict[bytes, Any]) -> None:
        """REVERSE: the original was posted, is matched exactly and undone for the first time."""
        name, original = row[8], originals.get(row[8])
        if original is None or original[1] not in (1, 3) or name in self.undone:
            raise Refuted("reverse once", f"0x{name.hex()}: unknown or undone before")
        exact = (original[0], original[2], original[4], original[3], original[5])
        found = any(_holds(blob, name) for n in (original[6], -1) for blob in self.posted[n])
        if exact != (row[0], row[2], row[3], row[4], row[5]) or not found:
            raise Refuted("reverse once", f"0x{name.hex()}: not the reverse of a posted transfer")
        self.undone.add(name)
        self.book.checks["reverse once"] += 1

    def require_closed(self, slot: int) -> None:
        """What must be zero once a slot is settled."""
        for check, rest in (
            ("pool closes in KRW", self.pool_ukrw[slot]),
            ("pool closes in ENERGY", self.moved(slot, self.system["POOL"])),
            ("balancing closes in ENERGY", self.moved(slot, self.system["BALANCING"])),
            ("no pending left", self.pending_count[slot]),
        ):
            self.book.require(rest == 0, check, f"slot {slot}: {rest} left")

    def require_metered(self, readings: Sequence[tuple[bytes, int, int]]) -> None:
        """Each account moved in ENERGY by exactly what its meter shows."""
        for account, slot, net_wh in readings:
            expected = -net_wh if account == self.system["GRID"] else net_wh
            moved = self.moved(slot, account)
            if moved != expected:
                raise Refuted(
                    "meter", f"slot {slot} 0x{account.hex()}: {moved} Wh, metered {expected}"
                )
        self.book.checks["meter"] += len(readings)

    def moved_by(self, slot: int, raw: bytes) -> dict[bytes, int]:
        """What the accounts of some rows have moved in a slot so far."""
        named = {account for row in ROW.iter_unpack(raw) for account in row[3:5]}
        return {account: self.moved(slot, account) for account in named}

    def require_unmoved(
        self, slot: int, before: dict[bytes, int], readings: Sequence[tuple[bytes, int, int]]
    ) -> None:
        """A correction leaves everybody's energy as metered whose reading it has not mended."""
        mended = {account for account, _, _ in readings} | set(self.system.values()) | {self.loss}
        for account, moved in before.items():
            good = account in mended or self.moved(slot, account) == moved
            self.book.require(good, "meter", f"slot {slot} 0x{account.hex()}: moved unread")

    def require_all_read(self, slot: int, readings: Sequence[tuple[bytes, int, int]]) -> None:
        """Nobody moves energy in a slot without a reading of it, but for the market's own."""
        read = {account for account, _, _ in readings} | set(self.system.values())
        read |= {self.loss, self.operator}
        for account, moved_wh in zip(self.numbers, self.moved_wh[slot], strict=False):
            if moved_wh and account not in read:
                raise Refuted("meter", f"slot {slot} 0x{account.hex()}: moved unread")
        self.book.checks["meter"] += 1

    def require_limits(self) -> None:
        for account in self.never_negative:
            found = self.balances[1].get(account, 0)
            self.book.require(found >= 0, "fees not negative", f"0x{account.hex()}: {found}")
        for ledger in (1, 2, 3):
            total = sum(self.balances[ledger].values())
            self.book.require(total == 0, "ledger sums to zero", f"ledger {ledger}: {total}")


def _holds(blob: bytes, name: bytes) -> bool:
    """Whether the name stands in a row of names of its size."""
    return _place(blob, name) >= 0


def _place(blob: bytes, name: bytes) -> int:
    """Where the name stands in a row of names of its size, -1 where it does not."""
    at, size = blob.find(name), len(name)
    while at >= 0 and at % size:
        at = blob.find(name, at + 1)
    return at // size


def _system(market: str, name: str) -> bytes:
    return hashlib.sha256(b"account/1" + market.encode() + name.encode()).digest()


def _separator(market: str, found: object) -> bytes:
    """`domainSeparator`; the salt must be that of the market."""
    fields = _keys(found, ("name", "version", "chainId", "salt"))
    kind = b"EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)"
    salt = keccak256(market.encode())
    if (fields["name"], fields["version"]) != ("Microgrid Market", "1"):
        raise Unusable(f"domain {fields['name']!r} version {fields['version']!r} is unknown")
    if _raw(fields["salt"], 32) != salt:
        raise Refuted("domain", f"salt {fields['salt']} is not that of market {market}")
    texts = (kind, b"Microgrid Market", b"1")
    chain_id = _number(fields["chainId"])
    if not 0 <= chain_id < 2**256:
        raise Unusable(f"chainId {chain_id} does not fit uint256")
    return keccak256(b"".join(map(keccak256, texts)) + chain_id.to_bytes(32, "big") + salt)


_NOTE = re.compile(
    r"([^\s+]+)\n(0|[1-9][0-9]{0,19})\n([^\n]+)\ntick (0|[1-9][0-9]{0,19})\n"
    r"accounts ([^\n]+)\nprevious ([^\n]+)\n\n((?:— [^\n ]+ [^\n ]+\n)+)",
    re.ASCII,
)


def read_note(text: object) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """The fields of a checkpoint and its signature lines (name, key id and signature)."""
    m = _NOTE.fullmatch(text) if type(text) is str else None
    if m is None:
        raise Unusable("the note is not that of a checkpoint")
    roots = []
    for part in (m[3], m[5], m[6]):
        raw = _packed(part, 32)
        if len(raw) != 32 or base64.b64encode(raw).decode() != part:
            raise Unusable(f"note: {part!r} is not base64 of 32 bytes")
        roots.append(raw)
    message = {
        "origin": keccak256(m[1].encode()),
        "tick": int(m[4]),
        "size": int(m[2]),
        "root": roots[0],
        "accounts_root": roots[1],
        "previous": roots[2],
    }
    lines = [line.split(" ") for line in m[7][:-1].split("\n")]
    return message, [(name, _packed(signed, 1)) for _, name, signed in lines]


def _checkpoint_hash(message: dict[str, Any]) -> bytes:
    """`hashStruct` of the fields of a note; raises Unusable for numbers that do not fit."""
    type_ = TYPES["Checkpoint"]
    if not all(message[name] < 2**64 for name in ("tick", "size")):
        raise Unusable("note: tick and size must fit 64 bits")
    words = (
        message[name] if kind == "bytes32" else message[name].to_bytes(32, "big")
        for name, kind in type_.fields
    )
    return keccak256(type_.hash + b"".join(words))


def key_id(name: str, address: bytes) -> bytes:
    """The 4 bytes by which a note names the key of an address."""
    text = name.encode() + b"\x0a\xff" + b"eip712-checkpoint-v1" + address
    return hashlib.sha256(text).digest()[:4]


def verify_export(lines: Iterable[str | bytes], helpers: int = 0) -> Report:
    """Check an export line by line; the report names the first rule that is broken.

    `helpers` more processes look at the signatures of readings meanwhile.
    """
    aides = Helpers(helpers)
    try:
        return _verify(lines, aides)
    finally:
        aides.close()


def _verify(lines: Iterable[str | bytes], helpers: Helpers) -> Report:
    book, number = None, 0
    try:
        for number, line in enumerate(lines, 1):
            found = _read_line(line)
            if book is None:
                book = _Book(found, helpers)
            else:
                book.line = number
                book.take(found)
        if book is None or book.tick < 0:
            raise Unusable("no header or no tick")
        book.require(not book.open, "tick sealed", f"tick {book.tick} has no checkpoint")
        book.require_waiting(book.tick + 1)
    except Unusable as error:
        checks = dict(book.checks) if book else {}
        return Report(False, False, checks, Failure(number, "readable", str(error)))
    except Refuted as error:
        checks = dict(book.checks) if book else {}
        check, message, *at = error.args
        return Report(False, True, checks, Failure(at[0] if at else number, check, message))
    return Report(True, True, dict(book.checks), None)


def _read_line(line: str | bytes) -> dict[str, Any]:
    try:
        text = line if isinstance(line, str) else line.decode()
        found = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"not JSON: {error}") from error
    if type(found) is not dict:
        raise Unusable("not a JSON object")
    # An escape may name half a character, which no bytes are.
    if _ESCAPED.search(text):
        try:
            canonical(found)
        except UnicodeEncodeError as error:
            raise Unusable(f"no text: {error.reason}") from error
    return found


_ESCAPED = re.compile(r"\\u[dD]|[\ud800-\udfff]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unusable("a key stands twice")
    return found


# --- Proof bundles ------------------------------------------------------------------------------

WORD = 32
_TRUST_KEYS = (
    "trust", "market", "domain", "origin", "registrar", "operator", "witnesses", "quorum", "first",
)  # fmt: skip
_BUNDLE_KEYS = frozenset({"bundle", "claim", "market", "domain", "checkpoint", "cosignatures"})
_CLAIM_KEYS = {
    "inclusion": {"keys", "entry", "set", "log", "receipt", "display"},
    "automatic": {"keys", "entry", "set", "log", "receipt", "display", "instruction"},
    "cancelled_event": {"keys", "entry", "set", "log", "receipt", "display", "event"},
    "consistency": {"keys", "old", "proof"},
    "account": {"keys", "account", "from", "history", "state"},
    "slot": {"keys", "slot", "clearing", "settlements"},
    "clearing": {"keys", "entry", "log", "rules", "network", "rows"},
    "anchor": {"keys", "entry", "log", "note", "transaction", "header", "index", "nodes"},
    "fork": {"keys", "other", "leaves"},
    "nonce": {"keys", "entry", "other"},
    "broken_promise": {"keys", "receipt", "entry", "account", "from", "history", "state"},
    "bill": {
        "keys",
        "entry",
        "set",
        "log",
        "months",
        "lines",
        "account",
        "from",
        "history",
        "state",
    },
}
_NO_STATE = (0, ZERO32, ZERO32, (0, 0, 0))
_CLEARING_ROW = struct.Struct(">32sIBqQQ")  # tag, node, side, price, Wh, fill
_BOOK_LEAF = struct.Struct(">B32sIBqQ")
_FILL_LEAF = struct.Struct(">B32sQQ")
_FILL = struct.Struct(">32sQ")  # tag, Wh
_FILLED = struct.Struct(">32sIBQI")  # tag, node, side, labelled Wh, number of the account
_MOVED = struct.Struct(">IBqq")  # number of the account, side, Wh, micro-won
_LABEL_RULES = {"floor_mkrw_per_kwh": 0, "cap_mkrw_per_kwh": 1_000_000}


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an RFC 6962 path leads to; None where it is too short or too long."""
    if not 0 <= index < size:
        return None
    root, at, last, rest = leaf, index, size - 1, list(path)
    while last:
        if at & 1 or at < last:
            if not rest:
                return None
            beside = rest.pop(0)
            pair = beside + root if at & 1 else root + beside
            root = hashlib.sha256(b"\x01" + pair).digest()
        at, last = at >> 1, last >> 1
    return None if rest else root


def is_consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the old tree (size, root) is a prefix of the new one."""
    (old_size, old_root), (size, root) = old, new
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    hashes = [*([old_root] if old_size & (old_size - 1) == 0 else []), *proof]
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not hashes:
        return False
    before = after = hashes[0]
    for beside in hashes[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            before = hashlib.sha256(b"\x01" + beside + before).digest()
            after = hashlib.sha256(b"\x01" + beside + after).digest()
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = hashlib.sha256(b"\x01" + after + beside).digest()
        at, last = at >> 1, last >> 1
    return not last and (before, after) == (old_root, root)


class Trust:
    """What is known from elsewhere: the market, its first key, its witnesses."""

    def __init__(self, text: str | bytes) -> None:
        found = _keys(_read_line(text), _TRUST_KEYS)
        if found["trust"] != "microgrid-trust/1":
            raise Unusable(f"trust {found['trust']!r}, allowed microgrid-trust/1")
        if not all(type(found[name]) is str for name in ("market", "origin")):
            raise Unusable("market and origin must be text")
        if type(found["witnesses"]) is not list:
            raise Unusable("witnesses must be a list")
        self.market, self.domain, self.origin = found["market"], found["domain"], found["origin"]
        self.prefix = b"\x19\x01" + _separator(self.market, self.domain)
        self.registrar = _raw(found["registrar"], 20)
        self.operator = _raw(found["operator"], 32)
        self.witnesses = [_raw(one, 20) for one in found["witnesses"]]
        self.quorum = _number(found["quorum"])
        self.first_note = found["first"]
        self.first, _ = read_note(self.first_note)


class _Signed(NamedTuple):
    """An entry of a bundle, its signatures proven."""

    name: str
    message: dict[str, Any]
    digest: bytes
    signers: list[bytes]
    leaf: bytes


class _Proof:
    """One bundle on its way through the checks of its claim."""

    def __init__(self, trust: Trust, found: dict[str, Any]) -> None:
        self.trust, self.found = trust, found
        self.checks: Counter[str] = Counter()
        self.ring = KeyRing(trust.registrar, trust.operator)
        self.part = ""
        self.key_entries: set[bytes] = set()
        self.history: set[bytes] = set()
        self.named: list[tuple[str, bytes, bytes]] = []  # type, words, digest, in their order
        self.head: dict[str, Any] = {}
        self.head_digest = b""
        self.block: tuple[int, bytes] | None = None
        self.event = ZERO32  # of demand response, which a Cancel is shown to end

    def require(self, fact: bool, check: str, message: str) -> None:
        """Count a check that holds; raise Refuted for one that does not."""
        if not fact:
            raise Refuted(check, f"{self.part}: {message}")
        self.checks[check] += 1

    def run(self) -> None:
        """All checks of the bundle's claim; raises Refuted or Unusable."""
        found, claim = self.found, self.found.get("claim")
        if type(claim) is not str or claim not in _CLAIM_KEYS:
            raise Unusable(f"claim {claim!r}, allowed {', '.join(_CLAIM_KEYS)}")
        _keys(found, _BUNDLE_KEYS | _CLAIM_KEYS[claim])
        if found["bundle"] != "microgrid-proof/1":
            raise Unusable(f"bundle {found['bundle']!r}, allowed microgrid-proof/1")
        self.part = "domain"
        same = (found["market"], found["domain"]) == (self.trust.market, self.trust.domain)
        self.require(same, "domain", f"found {found['market']!r}, not the trusted market")
        self.part = "keys"
        if claim == "fork" and found["keys"] == []:
            self.trust_first_key()
        states = self.take_keys(_list(found["keys"]))
        self.part = "checkpoint"
        self.head, self.head_digest = self.take_note(found["checkpoint"])
        self.require_after_first()
        self.part = "cosignatures"
        self.require_witnesses(_list(found["cosignatures"]))
        self.part = "keys"
        for state in states:
            self.require_state(*state)
        getattr(self, f"prove_{claim}")()

    # Parts that several claims share.

    def take_entry(self, found: object, *names: str) -> _Signed:
        """An entry of one of these types, every signature by its signer."""
        entry = _keys(found, ("type", "message", "signatures", "salt"))
        name = entry["type"]
        if name not in names:
            raise Unusable(f"{self.part}: type {name!r}, allowed {', '.join(names)}")
        message, hashed = typed(name, entry["message"])
        digest = keccak256(self.trust.prefix + hashed)
        rows = _list(entry["signatures"])
        if len(rows) != _SIGNATURES.get(name, 1):
            raise Unusable(f"{self.part}: {len(rows)} signatures of a {name}")
        signers, signatures = [], b""
        seen: set[tuple[bytes, bytes]] = set()
        for row in rows:
            _keys(row, ("signer", "signature"))
            signer, signature = _raw(row["signer"], 20), _raw(row["signature"], 65)
            # The registrar signs for its own key twice, with the same bytes.
            good = (signer, signature) in seen or recover(digest, signature) == signer
            seen.add((signer, signature))
            self.require(good, "signature", f"{name}: not canonical or not by {row['signer']}")
            signers.append(signer)
            signatures += signature
        code = bytes([TYPES[name].code])
        leaf = leaf_hash(b"\x01" + code + _raw(entry["salt"], 32) + digest + signatures)
        return _Signed(name, message, digest, signers, leaf)

    def take_keys(self, rows: list[Any]) -> list[tuple[bytes, bytes, object]]:
        """The key histories, the operator's first: account, head of its keys, place in the tree."""
        states: list[tuple[bytes, bytes, object]] = []
        named = self.named_accounts()
        for n, row in enumerate(rows):
            _keys(row, ("account", "entries", "state"))
            account, head = _raw(row["account"], 32), ZERO32
            # None twice, and none of whom the proof does not name: equal proofs are equal bytes.
            fresh = account in named and all(account != one for one, *_ in states)
            right = fresh if n else account == self.trust.operator
            self.require(right, "key history", "not the operator's first, or of nobody named")
            entries = []
            for number, found in enumerate(_list(row["entries"])):
                self.part = f"keys[{n}].entries[{number}]"
                unsalted = {**_keys(found, _UNSALTED), "salt": _ZERO_TEXT}
                entry = self.take_entry(unsalted, "KeyRegister", "KeyRotate", "KeyRevoke")
                self.require(entry.message["account"] == account, "key history", "of another")
                entries.append(entry)
                self.key_entries.add(entry.digest)
                head = hashlib.sha256(b"\x02" + head + entry.digest).digest()
            # The registrar's own comes first in the log, wherever its digest has put it here.
            entries.sort(key=lambda one: one.message.get("key") != self.trust.registrar)
            for number, entry in enumerate(entries):
                good = self.ring.may_change(
                    entry.name, entry.message, entry.signers, None, first=n == number == 0
                )
                self.require(good, "key role", f"{entry.name} 0x{entry.digest.hex()}")
                self.ring.take(entry.name, entry.message)
            states.append((account, head, row["state"]))
        known = bool(states) or bool(self.ring.keys)
        self.require(known, "key history", "no keys of the operator")
        return states

    def named_accounts(self) -> set[bytes]:
        """The accounts of the entries that stand in the bundle, as far as they can be read."""
        found: set[bytes] = set()
        for part in ("entry", "other"):
            entry = self.found.get(part)
            message = entry.get("message") if isinstance(entry, dict) else None
            if not isinstance(message, dict):
                continue
            for name in _NAMES_ACCOUNT:
                text = message.get(name, _ZERO_TEXT)
                if type(text) is str and _HEX.fullmatch(text) and len(text) == len(_ZERO_TEXT):
                    found.add(bytes.fromhex(text[2:]))
        return found

    def trust_first_key(self) -> None:
        """Take the LOG key from the published checkpoint: whoever shows a fork has no more."""
        message, lines = read_note(self.trust.first_note)
        digest = self.note_digest(message)
        for _, raw in lines:
            signer = recover(digest, raw[4:])
            if signer is not None:
                key = _Key(signer, LOG, message["tick"], None)
                self.ring.keys[self.trust.operator].append(key)

    def require_state(self, account: bytes, keys_head: bytes, found: object) -> None:
        """The key history is whole: its head stands in the accounts tree of the checkpoint."""
        state = _keys(found, ("blind", "seq", "head", "balances", "path"))
        leaf = _state_leaf(state, _raw(state["head"], 32), keys_head)
        good = _climb(leaf, state["path"]) == self.head["accounts_root"]
        self.require(good, "key history", f"0x{account.hex()}: not as in the accounts tree")

    def take_note(self, text: object) -> tuple[dict[str, Any], bytes]:
        """A checkpoint signed by a LOG key, and its digest."""
        message, lines = read_note(text)
        origin = keccak256(self.trust.origin.encode())
        self.require(message["origin"] == origin, "checkpoint origin", "of another log")
        digest, tick, known = self.note_digest(message), message["tick"], 0
        for name, raw in lines:
            for key in self.ring.keys[self.trust.operator]:
                if name == self.trust.origin and raw[:4] == key_id(name, key.address):
                    good = recover(digest, raw[4:]) == key.address
                    good = good and self.ring.holds(
                        self.trust.operator, key.address, LOG, tick, tick
                    )
                    self.require(good, "checkpoint signature", "a bad line of a known key")
                    known += 1
        self.require(known > 0, "checkpoint signature", "not by a LOG key of the operator")
        # A line that nobody knows could say anything without being missed.
        self.require(known == len(lines), "checkpoint signature", "a line of an unknown key")
        return message, digest

    def note_digest(self, message: dict[str, Any]) -> bytes:
        """The digest of the Checkpoint that a note renders."""
        return keccak256(self.trust.prefix + _checkpoint_hash(message))

    def require_after_first(self) -> None:
        first, here = self.trust.first, self.head
        good = here["size"] > first["size"] or here == first
        self.require(good, "first checkpoint", "before or beside the one that is published")

    def require_witnesses(self, rows: list[Any]) -> None:
        """Enough different witnesses have signed for this checkpoint."""
        seen: set[bytes] = set()
        for n, found in enumerate(rows):
            self.part = f"cosignatures[{n}]"
            entry = self.take_entry({**_keys(found, _UNSALTED), "salt": _ZERO_TEXT}, "Cosign")
            good = entry.message["checkpoint"] == self.head_digest
            self.require(good, "witness", "for another checkpoint")
            signer = entry.signers[0]
            # In order of their addresses, so that equal proofs are equal bytes.
            fits = signer in self.trust.witnesses and all(signer > one for one in seen)
            self.require(fits, "witness", "unknown, twice or out of order")
            seen.add(signer)
        # What speaks against the operator needs nobody to vouch for the operator.
        enough = len(seen) >= self.trust.quorum or self.found["claim"] in _EVIDENCE
        self.require(enough, "witness quorum", f"{len(seen)} of {self.trust.quorum}")

    def require_operator(self, entry: _Signed, first: int, last: int) -> None:
        """A key of the operator with the role, valid at some tick of first..last."""
        role = OPERATOR_ROLES[entry.name]
        good = self.ring.holds(self.trust.operator, entry.signers[0], role, first, last)
        self.require(good, "key role", f"{entry.name}: not by a key of the operator")

    def require_logged(self, leaf: bytes, found: object) -> None:
        """The leaf stands in the log of the checkpoint."""
        place = _keys(found, ("index", "size", "path"))
        size = _number(place["size"])
        self.require(size == self.head["size"], "path in log", f"size {size}")
        root = root_by_path(leaf, _number(place["index"]), size, _hashes(place["path"]))
        self.require(root == self.head["root"], "path in log", "does not lead to the root")

    def take_set(self, leaf: bytes, found: object, kind: int) -> dict[str, Any]:
        """The SealedSet that holds the leaf, itself in the log."""
        part = _keys(found, ("entry", "index", "size", "path"))
        entry = self.take_entry(part["entry"], "SealedSet")
        self.require(entry.message["kind"] == kind, "path in set", "a set of another kind")
        tick = entry.message["tick"]
        self.require_operator(entry, tick, tick)
        size = _number(part["size"])
        self.require(size == entry.message["count"], "path in set", f"size {size}")
        root = root_by_path(leaf, _number(part["index"]), size, _hashes(part["path"]))
        self.require(root == entry.message["root"], "path in set", "does not lead to the root")
        self.part = "log"
        self.require_logged(entry.leaf, self.found["log"])
        return entry.message

    # The claims.

    def prove_inclusion(self) -> None:
        """My entry: its digest, signatures and keys, its path to the checkpoint."""
        self.part = "entry"
        found = self.found["entry"]
        if type(found) is dict and found.get("type") == "Transfer":
            self.prove_transfer(_keys(found, ("type", "message", "signatures", "salt")))
            return
        names = (name for name, kind in TYPES.items() if kind.code and name not in _NOT_LOGGED)
        self.prove_entry(self.take_entry(found, *names))

    def prove_automatic(self) -> None:
        """An automatic order: its path to the checkpoint, and the instruction that it is within."""
        self.part = "entry"
        order = self.take_entry(self.found["entry"], "AutoOrder")
        self.prove_entry(order)
        self.part = "instruction"
        found = {**_keys(self.found["instruction"], _UNSALTED), "salt": _ZERO_TEXT}
        signed = self.take_entry(found, "StandingInstruction")
        same = signed.digest == order.message["instruction"]
        self.require(same, "automatic order", "made from another instruction")
        self.require_signer(signed, signed.message["first_slot"], order.message["slot"])
        key = (signed.message["account"], signed.signers[0], TRADE, order.message["slot"])
        self.require(self.ring.holds(*key, key[-1]), "key role", "a key that had ended by the slot")
        fault = within(signed.message, order.message, (0, 0))
        self.require(not fault, "automatic order", fault)

    def prove_cancelled_event(self) -> None:
        """The end of an event of demand response before it began, by its programme or operator."""
        self.part = "event"
        found = {**_keys(self.found["event"], _UNSALTED), "salt": _ZERO_TEXT}
        event = self.take_entry(found, "DrEvent")
        self.require_signer(event, 0, self.head["tick"])
        self.part, self.event = "entry", event.digest
        cancel = self.take_entry(self.found["entry"], "Cancel")
        named = (cancel.message["order_id"], cancel.message["account"])
        same = named == (event.digest, event.message["program"])
        self.require(same, "event", "the cancellation of another event, or of another programme")
        self.prove_entry(cancel)
        tick = _number(self.found["set"]["entry"]["message"]["tick"])
        self.require(tick <= event.message["first_slot"], "event", "cancelled after it had begun")

    def prove_entry(self, entry: _Signed) -> None:
        """A signed entry of a set or of the log, with its receipt and what people read of it."""
        kind, last = SET_OF.get(TYPES[entry.name].code), self.head["tick"]
        self.part = "set"
        if kind is None:
            self.require(self.found["set"] is None, "path in set", "an entry of the log itself")
            self.part = "log"
            self.require_logged(entry.leaf, self.found["log"])
            first = entry.message.get("slot", entry.message.get("tick", 0))
        else:
            sealed = self.take_set(entry.leaf, self.found["set"], kind)
            first = last = sealed["tick"]
        self.part = "entry"
        self.require_signer(entry, first, last)
        self.prove_receipt(entry)
        self.prove_display(entry)

    def prove_transfer(self, found: dict[str, Any]) -> None:
        """A transfer, which its Settlement covers."""
        message, hashed = typed("Transfer", found["message"])
        self.require(found["signatures"] == [], "signature", "a transfer has none of its own")
        digest = keccak256(self.trust.prefix + hashed)
        leaf = leaf_hash(b"\x01\x08" + _raw(found["salt"], 32) + digest)
        self.part = "set"
        part = _keys(self.found["set"], ("entry", "index", "size", "path"))
        entry = self.take_entry(part["entry"], "Settlement")
        self.require_operator(entry, entry.message["slot"], self.head["tick"])
        size = _number(part["size"])
        self.require(size == entry.message["transfers"], "path in set", f"size {size}")
        root = root_by_path(leaf, _number(part["index"]), size, _hashes(part["path"]))
        same = root == entry.message["transfers_root"]
        self.require(same, "path in set", "does not lead to the root")
        fits = all(message[name] == entry.message[name] for name in ("slot", "version"))
        self.require(fits, "path in set", "a transfer of another settlement")
        self.part = "log"
        self.require_logged(entry.leaf, self.found["log"])
        self.part = "receipt"
        self.require(self.found["receipt"] is None, "receipt", "a transfer has none")
        self.prove_display(_Signed("Transfer", message, digest, [], leaf))

    def require_signer(self, entry: _Signed, first: int, last: int) -> None:
        """Whoever signed held the role, at the slot that the entry names where it names one."""
        name, message, ring = entry.name, entry.message, self.ring
        if name == "AutoOrder":
            return  # signed by the instruction that it names
        operator, signer = self.trust.operator, entry.signers[0]
        if name in OPERATOR_ROLES:
            self.require_operator(entry, first, last)
            return
        if name.startswith("Key"):
            known = entry.digest in self.key_entries
            self.require(known, "key history", f"{name}: not in the history of its account")
            return
        if name == "Contract":
            pairs = zip((message["seller"], message["buyer"]), entry.signers, strict=True)
            begin = message["first_slot"]
            # A key that was taken away after the contract's tick leaves it where it is.
            good = all(ring.holds(a, k, CONTRACT, min(first, begin), begin) for a, k in pairs)
        elif name == "Reading" and message["quality"] == 2:
            good = ring.holds(operator, signer, SETTLE, first, last)
        elif name == "Reading":
            slot = message["slot"]
            owners = (operator, message["account"])
            good = any(ring.holds(one, signer, METER, slot, slot) for one in owners)
        elif name == "DrEvent" or (name == "Cancel" and message["order_id"] == self.event):
            program = message["program" if name == "DrEvent" else "account"]
            good = ring.holds(program, signer, TRADE, first, last)
            good = good or ring.holds(operator, signer, MARKET, first, last)
        elif name == "DrCommit" and message["account"] == operator:
            good = ring.holds(operator, signer, MARKET, first, last)
        else:
            # A key taken away after this tick leaves the message where it is.
            slot = message.get("slot", last)
            if name == "StandingInstruction":
                slot = message["first_slot"]
            good = ring.holds(message["account"], signer, TRADE, min(first, slot), slot)
            # Whoever may sign contracts may end one.
            account = message["account"]
            good = good or (
                name == "Cancel" and ring.holds(account, signer, CONTRACT, min(first, slot), slot)
            )
        self.require(good, "key role", f"{name}: 0x{signer.hex()} has no valid role")

    def take_receipt(self, found: object) -> dict[str, Any]:
        """The operator's promise, well signed."""
        entry = self.take_entry({**_keys(found, _UNSALTED), "salt": _ZERO_TEXT}, "Receipt")
        tick = entry.message["sealed_by"]
        good = self.ring.holds(self.trust.operator, entry.signers[0], MARKET, 0, tick)
        self.require(good, "key role", "Receipt: not by a MARKET key of the operator")
        return entry.message

    def prove_receipt(self, entry: _Signed) -> None:
        """The receipt, where there is one, is of this entry and was kept."""
        self.part = "receipt"
        found = self.found["receipt"]
        if found is None:
            return
        message = self.take_receipt(found)
        self.require(message["entry"] == entry.digest, "receipt", "of another entry")
        sealed = self.found["set"]
        tick = _number(sealed["entry"]["message"]["tick"]) if sealed else message["sealed_by"]
        self.require(tick <= message["sealed_by"], "receipt", "sealed later than promised")

    def prove_display(self, entry: _Signed) -> None:
        """What is repeated for people is what was signed."""
        self.part = "display"
        shown = _keys(self.found["display"], display_of(entry.name, entry.message))
        self.require(
            shown == display_of(entry.name, entry.message), "display", "other than the message"
        )

    def prove_consistency(self) -> None:
        """The log of the checkpoint begins with that of the old one."""
        self.part = "old"
        old, _ = self.take_note(self.found["old"])
        self.part = "proof"
        proof = _hashes(self.found["proof"])
        before, after = ((one["size"], one["root"]) for one in (old, self.head))
        self.require(is_consistent(before, after, proof), "consistency", "is not shown")
        risen = old["tick"] < self.head["tick"] or old == self.head
        self.require(risen, "consistency", "ticks do not rise")

    def prove_account(self) -> None:
        """Everything that names the account, nothing left out, and its balances from it."""
        found = self.found
        self.part = "from"
        account = _raw(found["account"], 32)
        seq, head, keys_head, balances = self.take_from(found["from"])
        sums = list(balances)
        for n, row in enumerate(_list(found["history"])):
            self.part = f"history[{n}]"
            _keys(row, ("type", "words"))
            name = row["type"]
            if _type_code(name) in (0, TYPES["Clearing"].code):
                raise Unusable(f"{self.part}: type {name!r} names no account")
            width = WORD * len(TYPES[name].fields)
            raw = _packed(row["words"], width)
            words = [raw[at : at + width] for at in range(0, len(raw), width)]
            self.require(bool(words), "account history", "no entries of this type")
            for one in words:
                self.require_named(name, one, account)
            if name == "Transfer":
                _move(sums, words, account)
            hashed = keccak_many([TYPES[name].hash + one for one in words])
            digests = keccak_many([self.trust.prefix + one for one in hashed])
            self.named += [(name, *pair) for pair in zip(words, digests, strict=True)]
            for digest in digests:
                self.history.add(digest)
                head = hashlib.sha256(b"\x02" + head + digest).digest()
                if TYPES[name].code >= TYPES["KeyRegister"].code:
                    keys_head = hashlib.sha256(b"\x02" + keys_head + digest).digest()
            seq += len(words)
        self.part = "state"
        state = _keys(found["state"], ("blind", "seq", "balances", "path"))
        self.require(_number(state["seq"]) == seq, "account history", f"{seq} entries")
        shown = _amounts(state["balances"])
        self.require(shown == tuple(sums), "balances follow", f"transfers add up to {sums}")
        leaf = _state_leaf(state, head, keys_head)
        good = _climb(leaf, state["path"]) == self.head["accounts_root"]
        self.require(good, "account history", "does not lead to the accounts tree")

    def take_from(self, found: object) -> tuple[int, bytes, bytes, tuple[int, ...]]:
        """The state from which the history goes on: that of an older checkpoint, or nought."""
        if found is None:
            return _NO_STATE
        state = _keys(found, _STATE_KEYS)
        old, _ = self.take_note(state["note"])
        head, keys_head = _raw(state["head"], 32), _raw(state["keys_head"], 32)
        good = _climb(_state_leaf(state, head, keys_head), state["path"]) == old["accounts_root"]
        self.require(good, "account history", "the old state is not in its accounts tree")
        self.require(old["tick"] < self.head["tick"], "account history", "from a later tick")
        return _number(state["seq"]), head, keys_head, _amounts(state["balances"])

    def require_named(self, name: str, words: bytes, account: bytes) -> None:
        """The entry names the account."""
        fields = TYPES[name].fields
        named = [
            words[WORD * n : WORD * n + WORD]
            for n, (field_name, _) in enumerate(fields)
            if field_name in _NAMES_ACCOUNT
        ]
        self.require(account in named, "account history", f"a {name} of another account")

    def prove_slot(self) -> None:
        """Every settlement of the slot: its transfers, and that they close."""
        self.part = "slot"
        slot, money = _number(self.found["slot"]), _Money(_Ledger(self))
        clearing, previous, certificate = ZERO32, ZERO32, None
        if self.found["clearing"] is not None:
            self.part = "clearing"
            part = _keys(self.found["clearing"], ("entry", "log"))
            entry = self.take_entry(part["entry"], "Clearing")
            self.require_operator(entry, slot, slot)
            of_energy = (entry.message["slot"], entry.message["label"]) == (slot, 0)
            self.require(of_energy, "slot", "a clearing of another slot, or of a label")
            self.require_logged(entry.leaf, part["log"])
            clearing, certificate = entry.digest, entry.message
            money.take_prices(certificate)
        rows = _list(self.found["settlements"])
        self.require(bool(rows), "slot", "no settlement")
        last = -1
        for n, row in enumerate(rows):
            self.part = f"settlements[{n}]"
            part = _keys(row, ("entry", "log", "rows", "originals", "readings"))
            entry = self.take_entry(part["entry"], "Settlement")
            message = entry.message
            self.require_operator(entry, slot, self.head["tick"])
            good = (message["scope"], message["slot"], message["previous"]) == (1, slot, previous)
            # Without a market nothing is reserved, so that version 1 comes first.
            good = good and (
                message["version"] == last + 1 or (last < 0 and message["version"] == 1)
            )
            self.require(good, "settlement version", f"version {message['version']} after {last}")
            named = message["clearing"] in (ZERO32, clearing)
            self.require(named, "settlement version", "another clearing")
            self.require_logged(entry.leaf, part["log"])
            raw = _packed(part["rows"], ROW.size)
            before = money.moved_by(slot, raw)
            money.post(message, raw, part)
            previous, last = entry.digest, message["version"]
            metered = self.take_readings(message, part["readings"])
            if last >= 1:
                money.require_closed(slot)
                money.require_metered(metered)
                if last == 1:
                    money.require_all_read(slot, metered)
                else:
                    money.require_unmoved(slot, before, metered)
        if certificate is not None:
            self.require_fees(money, certificate)

    def take_readings(
        self, settlement: dict[str, Any], text: object
    ) -> list[tuple[bytes, int, int]]:
        """Account, slot and import less export of the readings that a settlement used."""
        kind = ROW_TYPES["Reading"]
        rows = list(kind.row.iter_unpack(_packed(text, kind.row.size)))
        hashed = keccak_many(_packed_words("Reading", rows)) if rows else []
        digests = keccak_many([self.trust.prefix + one for one in hashed]) if rows else []
        leaves = sorted(
            leaf_hash(b"\x01\x06" + row[-1] + digest + row[-2])
            for row, digest in zip(rows, digests, strict=True)
        )
        same = set_root(leaves) == settlement["readings_root"]
        self.require(same, "readings root", f"version {settlement['version']}")
        found = recover_rows(b"".join(d + r[-2] for d, r in zip(digests, rows, strict=True)))
        by = b"".join(row[-3] for row in rows)
        self.require(found == by, "signature", "a reading not canonical or not by its signer")
        return [(row[0], row[2], row[3] - row[4]) for row in rows]

    def require_fees(self, money: "_Money", clearing: dict[str, Any]) -> None:
        """Network fees and congestion rent are reserved as the certificate has them."""
        self.part = "clearing"
        self.require(bool(clearing["links"]), "network", "a clearing without the ways of a network")
        for rule, message in _broken_links(clearing):
            raise Refuted("certificate", f"{rule}: {message}")
        slot = clearing["slot"]
        for code, cleared in zip((11, 12), _carried(clearing), strict=True):
            found = money.reserved_ukrw[slot, code]
            self.require(
                found == cleared, "fees as cleared", f"code {code}: {found}, not {cleared}"
            )

    def prove_clearing(self) -> None:
        """The auction of a slot, once more from its rows."""
        self.part = "entry"
        entry = self.take_entry(self.found["entry"], "Clearing")
        slot = entry.message["slot"]
        self.require_operator(entry, slot, slot)
        self.part = "log"
        self.require_logged(entry.leaf, self.found["log"])
        rules = self.take_content("rules", 1, entry.message["rules_version"], slot)
        label, network = entry.message["label"], None
        self.part = "network"
        # A tier of a label moves nothing on the wires: its energy was cleared before it.
        fits = (self.found["network"] is None) == bool(label)
        fits = fits and not (label and entry.message["links"])
        self.require(fits, "network", "not with the auction of energy, or with a tier of a label")
        if not label:
            network = self.take_content("network", 2, entry.message["network_version"], slot)
            for text in _broken_fees(rules, network):
                raise Refuted("network", text)
        self.part = "rows"
        rows = list(_CLEARING_ROW.iter_unpack(_packed(self.found["rows"], _CLEARING_ROW.size)))
        bounds = _LABEL_RULES if label else rules
        for rule, message in broken_rules(entry.message, bounds, rows, network, label):
            raise Refuted("certificate", f"rows: {rule}: {message}")
        self.checks["certificate"] += 1

    def take_content(self, name: str, kind: int, version: int, slot: int) -> dict[str, Any]:
        """The text of rules that a clearing names: signed, in the log, and hashed to what it is."""
        self.part = name
        part = _keys(self.found[name], ("entry", "log", "content"))
        rules = self.take_entry(part["entry"], "Rules")
        self.require_operator(rules, 0, slot)
        self.require_logged(rules.leaf, part["log"])
        content = part["content"]
        if type(content) is not str:
            raise Unusable(f"{name}: content must be the text that was hashed")
        facts = (hashlib.sha256(content.encode()).digest(), kind, version)
        signed = tuple(rules.message[field] for field in ("content", "kind", "version"))
        self.require(facts == signed, name, "not those that the clearing names")
        self.require(rules.message["from_slot"] <= slot, name, "of slots after it")
        return _read_line(content)

    def prove_anchor(self) -> None:
        """An older head of the log stands in a transaction of a block; whose, a node must say."""
        found, fact = self.found, "anchor"
        self.part = "entry"
        entry = self.take_entry(found["entry"], "Anchor")
        self.part = "log"
        self.require_logged(entry.leaf, found["log"])
        self.part = "note"
        note, digest = self.take_note(found["note"])
        self.require_operator(entry, note["tick"], self.head["tick"])
        self.require(entry.message["checkpoint"] == digest, fact, "of another checkpoint")
        self.part = "transaction"
        raw = _any_raw(found["transaction"])
        same = keccak256(raw) == entry.message["transaction"]
        self.require(same, fact, "not the one that the entry names")
        chain_id, sender, to, data = read_transaction(raw)
        self.require(chain_id == entry.message["chain_id"], fact, f"of chain {chain_id}")
        self.require(sender == to, fact, "not of an address to itself")
        head = note["origin"] + note["size"].to_bytes(8, "big") + note["root"]
        self.require(data == head, fact, "carries another head")
        self.part = "header"
        header = _any_raw(found["header"])
        fields = _read_rlp_list(header, 15)
        if any(type(one) is not bytes for one in fields):
            raise Unusable("header: a field is a list")
        self.part = "nodes"
        key = _write_rlp(_number_bytes(_number(found["index"])))
        nodes = [_any_raw(one) for one in _list(found["nodes"])]
        reached = trie_value(fields[4], key, nodes)
        self.require(reached == raw, "path in block", "does not lead to the transaction")
        self.block = int.from_bytes(fields[8], "big"), keccak256(header)

    def prove_fork(self) -> None:
        """Two signed heads that no one log can have."""
        self.part = "other"
        other, digest = self.take_note(self.found["other"])
        if self.found["leaves"] is None:
            same = other["size"] == self.head["size"] and digest != self.head_digest
            self.require(same, "fork", "not two heads of one size")
            return
        self.part = "leaves"
        pair = _list(self.found["leaves"])
        self.require(len(pair) == 2, "fork", "not two leaves")
        leaves, index = [], set()
        for head, found in zip((self.head, other), pair, strict=True):
            place = _keys(found, ("leaf", "index", "path"))
            leaf, at = _raw(place["leaf"], 32), _number(place["index"])
            root = root_by_path(leaf, at, head["size"], _hashes(place["path"]))
            self.require(root == head["root"], "path in log", "does not lead to the root")
            leaves.append(leaf)
            index.add(at)
        self.require(
            len(index) == 1 and leaves[0] != leaves[1], "fork", "not two leaves of a place"
        )

    def prove_nonce(self) -> None:
        """Two different messages of one account under one nonce, both well signed."""
        pair = []
        for part in ("entry", "other"):
            self.part = part
            found = {**_keys(self.found[part], _UNSALTED), "salt": _ZERO_TEXT}
            pair.append(self.take_entry(found, *WITH_NONCE))
            self.require_signer(pair[-1], 0, self.head["tick"])
        names = [UNIQUE[one.name][0] for one in pair]
        keys = [
            (one.message[name], one.message["nonce"]) for one, name in zip(pair, names, strict=True)
        ]
        self.require(keys[0] == keys[1], "nonce", "of two accounts, or two nonces")
        self.require(pair[0].digest != pair[1].digest, "nonce", "one message twice")

    def prove_broken_promise(self) -> None:
        """A receipt whose entry is not in the whole history of its account.

        The history does not hang on salts, which only the operator could vouch for.
        """
        self.part = "entry"
        found = {**_keys(self.found["entry"], _UNSALTED), "salt": _ZERO_TEXT}
        entry = self.take_entry(found, *_PROMISED)
        self.part = "receipt"
        promise = self.take_receipt(self.found["receipt"])
        self.require(promise["entry"] == entry.digest, "receipt", "of another entry")
        due = promise["sealed_by"] <= self.head["tick"]
        self.require(due, "receipt", "the promised tick is still to come")
        self.part = "from"
        since = self.found["from"]
        if since is not None:
            old, _ = self.take_note(_keys(since, _STATE_KEYS)["note"])
            early = old["tick"] < promise["received"] - 900
            self.require(early, "receipt", "the history begins after the promise")
        self.part = "account"
        account = _raw(self.found["account"], 32)
        named = [value for name, value in entry.message.items() if name in _NAMES_ACCOUNT]
        self.require(account in named, "receipt", "the history of another account")
        self.prove_account()
        self.part = "history"
        self.require(entry.digest not in self.history, "broken promise", "the entry is there")

    def prove_bill(self) -> None:
        """A bill once more, from all that the books had moved of its account when it was signed."""
        self.part = "entry"
        entry = self.take_entry(self.found["entry"], "Bill")
        message = entry.message
        self.part = "set"
        sealed = self.take_set(entry.leaf, self.found["set"], SET_OF[TYPES["Bill"].code])
        self.require_operator(entry, sealed["tick"], sealed["tick"])
        months = self.take_months(_list(self.found["months"]))
        self.part = "months"
        last = (months[-1].first_slot, months[-1].end_slot, months[-1].number)
        named = tuple(message[name] for name in ("first_slot", "end_slot", "tariff_version"))
        self.require(last == named, "tariff", "the last is not the month of the bill")
        self.part = "from"
        self.require(self.found["from"] is None, "account history", "begins after the books")
        self.prove_account()
        self.part = "account"
        account = _raw(self.found["account"], 32)
        self.require(account == message["account"], "bill", "of another account")
        self.part = "history"
        sums = _Moved(self, account, months, entry.digest)
        self.part = "lines"
        self.prove_lines(message, months, sums)

    def take_months(self, rows: list[Any]) -> list["_Month"]:
        """The months up to the bill's, one after the other, each as the log has its hash."""
        months: list[_Month] = []
        for n, found in enumerate(rows):
            self.part = f"months[{n}]"
            part = _keys(found, ("entry", "log", "content"))
            rules = self.take_entry(part["entry"], "Rules")
            self.require_operator(rules, 0, self.head["tick"])
            self.require_logged(rules.leaf, part["log"])
            content = part["content"]
            if type(content) is not str:
                raise Unusable(f"{self.part}: content must be the text that was hashed")
            hashed = hashlib.sha256(content.encode()).digest()
            self.require(hashed == rules.message["content"], "tariff", "not what the log has")
            month = _Month(_read_line(content))
            facts = (3, month.number, month.first_slot)
            signed = tuple(rules.message[name] for name in ("kind", "version", "from_slot"))
            self.require(facts == signed, "tariff", "of another month than its entry")
            follows = not months or months[-1].end_slot == month.first_slot
            self.require(follows, "tariff", "does not follow the month before")
            months.append(month)
        if not months:
            raise Unusable("months: none, allowed those up to the bill's")
        return months

    def prove_lines(
        self, message: dict[str, Any], months: Sequence["_Month"], sums: "_Moved"
    ) -> None:
        """The lines are those that were signed for, and those that follow; so is the total."""
        raw = _packed(self.found["lines"], _BILL_LINE.size)
        shown = [_read_bill_line(row) for row in _BILL_LINE.iter_unpack(raw)]
        leaves = [
            leaf_hash(raw[at : at + _BILL_LINE.size]) for at in range(0, len(raw), _BILL_LINE.size)
        ]
        signed = bool(leaves) and set_root(leaves) == message["lines_root"]
        self.require(signed, "bill lines root", "the lines are not those that were signed for")
        stated = {kind: quantity for kind, quantity, _, _ in shown if kind in (1, 4, 5)}
        if set(stated) != {1, 4, 5} or min(stated.values()) < 0:
            raise Refuted("bill lines", "lines: tariff, power or net metering is not stated")
        terms = _Terms(stated[1], stated[4], stated[5] == 1)
        now = _Billing(months, terms, sums.now)
        before = _Billing(months[: len(sums.before)], terms, sums.before)
        lines, total = now.lines(before)
        for n, (found, right) in enumerate(zip(shown, lines, strict=False)):
            name = _BILL_NAMES.get(right[0], f"code {(right[0] - 100) // 2}")
            self.part = f"lines[{n}]"
            self.require(found == right, f"bill {name}", f"found {found}, recomputed {right}")
        self.part = "lines"
        whole = len(shown) == len(lines)
        self.require(whole, "bill lines", f"{len(shown)} of them, recomputed {len(lines)}")
        self.part = "entry"
        broken = now.broken_rent()
        self.require(not broken, "rent shared", broken)
        good = message["total_krw"] == total
        self.require(good, "bill total", f"{message['total_krw']} won, recomputed {total}")
        rest = now.rounding_ukrw(len(months) - 1)
        self.require(message["rounding_ukrw"] == rest, "bill rounding", f"recomputed {rest}")
        self.part = "history"
        billed = -sum(now.own_krw(n) for n in range(len(months))) * _WON
        fits = sums.moved_ukrw == billed
        self.require(
            fits, "booked as billed", f"the books moved {sums.moved_ukrw}, bills say {billed}"
        )


# --- The bill of a month, once more -------------------------------------------------------------

_WON = 1_000_000  # micro-won
_BILL_LINE = struct.Struct(">Hqq16s")  # kind, quantity, price, amount
_BILL_NAMES = {
    1: "tariff",
    2: "register",
    3: "register",
    4: "power",
    5: "net metering",
    6: "neighbours",
    10: "basic charge",
    12: "energy",
    13: "climate charge",
    14: "fuel charge",
    15: "VAT",
    16: "fund",
    17: "cut",
    18: "utility part",
    88: "neighbours",
    89: "guarantee",
    90: "feed-in",
    91: "market part",
    92: "rounding",
    93: "adjustment",
    94: "comparison",
    95: "comparison",
    96: "comparison",
    97: "comparison",
    98: "comparison",
}
_BILLED_CODES = (10, 11, 12, 14, 15, 20, 21, 22, 23, 40, 41)
_AUCTION_CODES = (10, 11, 14)  # what the guarantee compares; premiums are paid because wished
_TRADE, _RENT, _GUARANTEE, _NEIGHBOUR, _REST = 10, 12, 16, 23, 30
_NOT_BILLED = (50, 60)  # points and payments settle a bill, they are not in it
_EXPORT_CODES = (10, 20, 23)
_BillLine = tuple[int, int, int, int]


def _read_bill_line(row: tuple[int, int, int, bytes]) -> _BillLine:
    return row[0], row[1], row[2], int.from_bytes(row[3], "big", signed=True)


class _Terms(NamedTuple):
    """What a bill states of its account: place of its tariff, kW, whether export is netted."""

    tariff: int
    power_kw: int
    is_netted: bool


class _Month:
    """The document of a month: its slots, tariffs, feed-in prices by hour, certificates."""

    def __init__(self, found: dict[str, Any]) -> None:
        names = ("format", "month", "first_slot", "end_slot", "tariffs", "smp_mkrw_per_kwh")
        if found.get("format") == "microgrid-tariffs/1":
            nothing = {"kept_ppm": "0", "most_krw": "0"}
            found = {"guarantee": nothing, "rent": {}} | found | {"format": "microgrid-tariffs/2"}
        _keys(found, (*names, "rec_krw_per_mwh", "rec_weight_milli", "guarantee", "rent"))
        if found["format"] != "microgrid-tariffs/2":
            raise Unusable(f"tariffs {found['format']!r}, allowed microgrid-tariffs/1 or /2")
        self.number, self.first_slot, self.end_slot = (
            _number(found[name]) for name in ("month", "first_slot", "end_slot")
        )
        self.smp = [_number(one) for one in _list(found["smp_mkrw_per_kwh"])]
        hours = (self.end_slot - self.first_slot) // 3600
        if self.first_slot >= self.end_slot or len(self.smp) != hours:
            raise Unusable(f"tariffs of {found['month']}: {len(self.smp)} hours, allowed {hours}")
        self.rec, self.weight = (
            _number(found[name]) for name in ("rec_krw_per_mwh", "rec_weight_milli")
        )
        if type(found["tariffs"]) is not dict or type(found["rent"]) is not dict:
            raise Unusable("tariffs must be figures by name, rent figures by month")
        promised = _keys(found["guarantee"], ("kept_ppm", "most_krw"))
        self.kept_ppm, self.most_krw = (_number(promised[n]) for n in ("kept_ppm", "most_krw"))
        # By month: the rent that this close has shared, and the metered import it was shared by.
        self.rent = {
            _number(month): (_number(one["rent_ukrw"]), _number(one["import_wh"]))
            for month, one in found["rent"].items()
            if _keys(one, ("rent_ukrw", "import_wh"))
        }
        self.tariffs = [_Figures(found["tariffs"][name]) for name in sorted(found["tariffs"])]


class _Figures:
    """The figures of one tariff in one month: by steps, or one price beside a charge per kW."""

    def __init__(self, found: dict[str, Any]) -> None:
        shared = ("climate_mkrw_per_kwh", "fuel_mkrw_per_kwh", "vat_ppm", "fund_ppm")
        if type(found) is not dict:
            raise Unusable("tariffs: figures must stand under names")
        by_power = "basic_krw_per_kw" in found
        more = ("basic_krw_per_kw",) if by_power else ("basic_krw", "limits_kwh")
        _keys(found, (*shared, "price_mkrw_per_kwh", *more))
        self.climate, self.fuel, self.vat, self.fund = (_number(found[name]) for name in shared)
        self.prices = [_number(one) for one in _list(found["price_mkrw_per_kwh"])]
        self.per_kw = _number(found["basic_krw_per_kw"]) if by_power else None
        self.basic, self.limits = (
            ([], []) if by_power else [[_number(x) for x in _list(found[name])] for name in more]
        )
        fits = by_power or len(self.basic) == len(self.prices) == len(self.limits) + 1
        if not fits or not self.prices:
            raise Unusable("tariffs: steps, prices and basic charges do not fit one another")

    def rows(self, kwh: int, power_kw: int) -> list[_BillLine]:
        """Basic charge, energy step by step, climate and fuel charge, exact."""
        found = []
        if self.per_kw is not None:
            found.append((10, power_kw, self.per_kw * 1000, power_kw * self.per_kw * _WON))
            steps = [(kwh, self.prices[0])]
        else:
            reached = sum(kwh > limit for limit in self.limits)
            found.append((10, 1, self.basic[reached] * 1000, self.basic[reached] * _WON))
            edges = [0, *self.limits[:reached], kwh]
            widths = [high - low for low, high in pairwise(edges)]
            steps = list(zip(widths, self.prices, strict=False))
        found += [(12, width, price, width * 1000 * price) for width, price in steps]
        found.append((13, kwh, self.climate, kwh * 1000 * self.climate))
        found.append((14, kwh, self.fuel, kwh * 1000 * self.fuel))
        return found

    def parts(self, kwh: int, power_kw: int) -> tuple[int, int, int]:
        """The sum of the components cut to whole won, its tax and its fund."""
        rows = self.rows(kwh, power_kw)
        exact = [sum(row[3] for row in rows if row[0] == kind) for kind in (10, 12, 13, 14)]
        # Towards zero: the fuel adjustment may be below it.
        subtotal = sum(abs(one) // _WON * (1 if one >= 0 else -1) for one in exact)
        vat = (subtotal * self.vat * 2 + _WON) // (2 * _WON)
        return subtotal, vat, subtotal * self.fund // _WON // 10 * 10

    def total(self, kwh: int, power_kw: int) -> int:
        """The utility's bill, cut to ten won."""
        return sum(self.parts(kwh, power_kw)) // 10 * 10


class _Sum:
    """What an account moved in a month: Wh in, Wh out, money paid, money got, by code."""

    def __init__(self) -> None:
        self.by_code: dict[int, list[int]] = {n: [0] * 4 for n in (*_BILLED_CODES, _REST)}
        self.rest_at_smp = self.out_at_smp = self.traded_at_smp = 0
        self.netted_kwh = self.netted_ukrw = 0  # from neighbours, and what was paid for it
        self.reserved = [0, 0]  # for trades, as cleared: to be paid, to be got

    def copy(self) -> "_Sum":
        """The sums as they are now."""
        found = _Sum()
        found.by_code = {code: list(sides) for code, sides in self.by_code.items()}
        found.rest_at_smp, found.out_at_smp = self.rest_at_smp, self.out_at_smp
        found.traded_at_smp, found.reserved = self.traded_at_smp, list(self.reserved)
        found.netted_kwh, found.netted_ukrw = self.netted_kwh, self.netted_ukrw
        return found

    @property
    def has_traded(self) -> bool:
        """Whether an auction has given the account anything to pay, get or move."""
        return any(self.reserved) or any(any(self.by_code[code]) for code in _AUCTION_CODES)

    @property
    def kept_ppm(self) -> int:
        """The share of what its trades were worth, sold and bought, that it delivered and took."""
        reserved, moved = sum(self.reserved), sum(self.by_code[_TRADE][2:])
        return max(0, min(moved * 1_000_000 // reserved, 1_000_000)) if reserved else 1_000_000

    def wh(self, side: int) -> int:
        """All energy in (0) or out (1)."""
        return sum(sides[side] for sides in self.by_code.values())


class _Moved:
    """An account's months when a bill was signed, and when the bill before it was."""

    def __init__(
        self, proof: "_Proof", account: bytes, months: Sequence[_Month], bill: bytes
    ) -> None:
        self.months, self.account = months, account
        self.now = [_Sum() for _ in months]
        self.before: list[_Sum] = []
        self.moved_ukrw = 0
        self.contracts: dict[bytes, int] = {}  # price by the digest of those that it buys under
        names = [name for name, _ in TYPES["Bill"].fields]
        for name, words, digest in proof.named:
            if name == "Transfer":
                self.take(proof, words)
            elif name == "Contract" and words[WORD : 2 * WORD] == account:
                self.contracts[digest] = int.from_bytes(words[7 * WORD : 8 * WORD], "big")
            elif name == "Bill":
                if digest == bill:
                    break
                at = WORD * names.index("first_slot")
                first = int.from_bytes(words[at : at + WORD], "big")
                count = len(self.before)
                good = count + 1 < len(months) and months[count].first_slot == first
                proof.require(good, "bill", "the bills before it are not one a month")
                self.before = [one.copy() for one in self.now[: count + 1]]
        else:
            raise Refuted("bill", "history: the bill is not in its account's")
        whole = len(self.before) == len(months) - 1
        proof.require(whole, "bill", f"{len(self.before)} bills before it, not one a month")

    def take(self, proof: "_Proof", words: bytes) -> None:
        """Carry one transfer into the sums."""
        number = [int.from_bytes(words[at : at + WORD], "big") for at in range(0, 7 * WORD, WORD)]
        ledger, kind, code, _, _, amount, slot = number
        if kind == 4 or ledger == 3 or slot >= self.months[-1].end_slot:
            return
        proof.require(slot >= self.months[0].first_slot, "tariff", f"none for slot {slot}")
        # A reversal takes back from the side that its original moved.
        is_debit = words[3 * WORD : 4 * WORD] == self.account
        if kind == 2:
            if (ledger, code) == (1, _TRADE):
                place = next(n for n, one in enumerate(self.months) if slot < one.end_slot)
                self.now[place].reserved[0 if is_debit else 1] += amount
            return
        gave, sign = (not is_debit, -1) if kind == 5 else (is_debit, 1)
        if ledger == 1 and code not in _NOT_BILLED:
            self.moved_ukrw += -sign * amount if gave else sign * amount
        place = next(n for n, one in enumerate(self.months) if slot < one.end_slot)
        found, month = self.now[place], self.months[place]
        if code not in found.by_code:
            return
        side = (1 if gave else 0) if ledger == 2 else (2 if gave else 3)
        found.by_code[code][side] += sign * amount
        if code == _NEIGHBOUR and side == 2:
            # What a neighbour has sold is paid at the contract's price, and not at tariff.
            price = self.contracts.get(words[9 * WORD : 10 * WORD], 0)
            if price:
                found.netted_kwh += sign * (amount // (1000 * price))
                found.netted_ukrw += sign * amount
        if side == 1:
            worth = sign * amount * month.smp[(slot - month.first_slot) // 3600]
            found.out_at_smp += worth
            found.rest_at_smp += worth if code == _REST else 0
            found.traded_at_smp += worth if code == _TRADE else 0


class _Billing:
    """The bills of an account's months as the books stood at one time."""

    def __init__(self, months: Sequence[_Month], terms: _Terms, sums: Sequence[_Sum]) -> None:
        self.months, self.terms, self.sums = months, terms, sums
        if any(terms.tariff >= len(one.tariffs) for one in months):
            raise Refuted("bill tariff", f"lines: place {terms.tariff} of a month's tariffs")

    def figures(self, n: int) -> _Figures:
        """The figures of the account's tariff in a month."""
        return self.months[n].tariffs[self.terms.tariff]

    def register(self, n: int) -> tuple[int, int]:
        """Wh at tariff since the books began, at the start and the end of a month."""
        start = sum(one.by_code[_REST][0] for one in self.sums[:n])
        return start, start + self.sums[n].by_code[_REST][0]

    def metered_kwh(self, n: int, side: int) -> int:
        """Whole kWh of the meter's own register in a month, in (0) or out (1)."""
        start = sum(one.wh(side) for one in self.sums[:n])
        return (start + self.sums[n].wh(side)) // 1000 - start // 1000

    def drawn_kwh(self, n: int, more_wh: int = 0) -> int:
        """Whole kWh at tariff less those from neighbours, had the account drawn so much more."""
        start, end = self.register(n)
        return (end + more_wh) // 1000 - start // 1000 - self.sums[n].netted_kwh

    def kwh(self, n: int) -> int:
        """Whole kWh that the utility's part bills."""
        return max(self.drawn_kwh(n), 0)

    def undrawn(self, n: int, more_wh: int = 0) -> tuple[int, int]:
        """Neighbours' kWh that were not drawn after all, and what was paid for them."""
        sums, kwh = self.sums[n], max(-self.drawn_kwh(n, more_wh), 0)
        return kwh, sums.netted_ukrw * kwh // sums.netted_kwh if kwh else 0

    def market_ukrw(self, n: int) -> int:
        """The market's part, exact."""
        return self.unguarded_ukrw(n) - self.undrawn(n)[1] - self.given_ukrw(n)

    def unguarded_ukrw(self, n: int, codes: Iterable[int] = _BILLED_CODES) -> int:
        """The same before the guarantee, or with the money of these codes alone."""
        money = (self.sums[n].by_code[code] for code in codes)
        return sum(sides[2] - sides[3] for sides in money) - self.sums[n].rest_at_smp

    def without_ukrw(self, n: int) -> int:
        """What a month would have cost without auctions: all of it at tariff and feed-in."""
        sums = self.sums[n]
        bought_wh = sums.by_code[_TRADE][0]
        other = [code for code in _BILLED_CODES if code not in _AUCTION_CODES]
        kwh = max(self.drawn_kwh(n, bought_wh), 0)
        utility = self.figures(n).total(kwh, self.terms.power_kw)
        market = self.unguarded_ukrw(n, other) - self.undrawn(n, bought_wh)[1]
        return utility * _WON + market - sums.traded_at_smp

    def given_ukrw(self, n: int) -> int:
        """What the guarantee gives back to an account that kept its trades and lost by them."""
        month, sums = self.months[n], self.sums[n]
        if not sums.has_traded or not month.kept_ppm or sums.kept_ppm < month.kept_ppm:
            return 0
        utility = self.figures(n).total(self.kwh(n), self.terms.power_kw)
        paid = utility * _WON + self.unguarded_ukrw(n) - self.undrawn(n)[1]
        lost = paid - self.without_ukrw(n)
        return max(0, min(lost, month.most_krw * _WON))

    def broken_rent(self) -> str:
        """What is wrong with the account's shares of the rent, empty where each is as it must be.

        A share is the rent times its metered import over everybody's, up or down by one micro-won.
        """
        shared: dict[int, tuple[int, int]] = {}
        for one in self.months:
            shared |= one.rent
        for month, sums in zip(self.months, self.sums, strict=True):
            rent, everybody = shared.get(month.number, (0, 0))
            _, _, paid, got = sums.by_code[_RENT]
            least = rent * sums.wh(0) // everybody if everybody else 0
            if not least <= got - paid <= least + bool(everybody):
                return f"{month.number}: {got - paid} micro-won, by its import {least}"
        return ""

    def rounding_ukrw(self, n: int) -> int:
        """What rounding the market's part down to whole won gives up."""
        return self.market_ukrw(n) % _WON

    def own_krw(self, n: int) -> int:
        """What the account pays for a month by itself."""
        return self.figures(n).total(self.kwh(n), self.terms.power_kw) + self.market_ukrw(n) // _WON

    def carried_kwh(self, n: int) -> int:
        """Surplus that netting would carry into a month."""
        carried = 0
        for m in range(n if self.terms.is_netted else 0):
            carried = max(self.metered_kwh(m, 1) + carried - self.metered_kwh(m, 0), 0)
        return carried

    def lines(self, before: "_Billing") -> tuple[list[_BillLine], int]:
        """The lines of the last month's bill in their order, and its total in won."""
        n, terms = len(self.months) - 1, self.terms
        start, end = self.register(n)
        found: list[_BillLine] = [(1, terms.tariff, 0, 0), (2, start, 0, 0), (3, end, 0, 0)]
        found += [(4, terms.power_kw, 0, 0), (5, int(terms.is_netted), 0, 0)]
        netted = self.sums[n].netted_kwh
        found += [(6, netted, 0, 0)] if netted else []
        found += self.utility_lines(n)
        for code in _BILLED_CODES:
            came, went, paid, got = self.sums[n].by_code[code]
            found += [(100 + 2 * code, came, 0, paid)] if came or paid else []
            found += [(101 + 2 * code, went, 0, -got)] if went or got else []
        fed_in = self.sums[n].by_code[_REST][1]
        found += [(90, fed_in, 0, -self.sums[n].rest_at_smp)] if fed_in else []
        undrawn, back = self.undrawn(n)
        found += [(88, undrawn, 0, -back)] if undrawn else []
        given = self.given_ukrw(n)
        found += [(89, self.sums[n].kept_ppm, 0, -given)] if given else []
        found.append((91, 0, 0, self.market_ukrw(n) // _WON * _WON))
        found.append((92, 0, 0, self.rounding_ukrw(n)))
        total = self.own_krw(n)
        for m in range(n):
            change = self.own_krw(m) - before.own_krw(m)
            found += [(93, self.months[m].number, 0, change * _WON)] if change else []
            total += change
        return found + self.comparison(n), total

    def utility_lines(self, n: int) -> list[_BillLine]:
        """The utility's part with its tax, fund and cuts."""
        figures, kwh, power_kw = self.figures(n), self.kwh(n), self.terms.power_kw
        rows = figures.rows(kwh, power_kw)
        _, vat, fund = figures.parts(kwh, power_kw)
        total = figures.total(kwh, power_kw)
        exact = sum(row[3] for row in rows)
        return [
            *rows,
            (15, 0, 0, vat * _WON),
            (16, 0, 0, fund * _WON),
            (17, 0, 0, (total - vat - fund) * _WON - exact),
            (18, kwh, 0, total * _WON),
        ]

    def comparison(self, n: int) -> list[_BillLine]:
        """What the utility alone would have cost, what SMP and certificates would have paid."""
        figures, sums, month = self.figures(n), self.sums[n], self.months[n]
        power_kw, received = self.terms.power_kw, self.metered_kwh(n, 0)
        carried, surplus = self.carried_kwh(n), self.metered_kwh(n, 1)
        if self.terms.is_netted:
            billed = max(received - surplus - carried, 0)
            carried = max(surplus + carried - received, 0)
            subtotal, _, fund = figures.parts(billed, power_kw)
            # The tax falls on what was received, before netting.
            alone = (subtotal + figures.parts(received, power_kw)[1] + fund) // 10 * 10
        else:
            billed, carried = received, 0
            alone = figures.total(received, power_kw) + -sums.out_at_smp // _WON
        found: list[_BillLine] = [(94, billed, 0, alone * _WON), (95, carried, 0, 0)]
        if sums.wh(1):
            certificates = sums.wh(1) * month.rec * month.weight // 1000
            found.append((96, sums.wh(1), 0, sums.out_at_smp + certificates))
            sold = sum(sums.by_code[c][3] for c in _EXPORT_CODES if sums.by_code[c][1])
            rest = sums.by_code[_REST][1]
            found.append((97, 0, 0, sold + (sums.rest_at_smp if rest else 0)))
        if sums.has_traded and month.kept_ppm:
            found.append((98, sums.kept_ppm, 0, self.without_ukrw(n)))
        return found


# --- Blocks of a chain --------------------------------------------------------------------------

_Rlp = Any  # bytes, or a list of such


def _any_raw(text: object) -> bytes:
    size = len(text) // 2 - 1 if type(text) is str else 0
    return _raw(text, max(size, 0))


def _number_bytes(value: int) -> bytes:
    if not 0 <= value < 2**64:
        raise Unusable(f"{value} does not fit 64 bits")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _write_rlp(value: _Rlp) -> bytes:
    """The one encoding of bytes or of a list."""
    if isinstance(value, list):
        base, body = 0xC0, b"".join(map(_write_rlp, value))
    else:
        base, body = 0x80, bytes(value)
        if len(body) == 1 and body[0] < 0x80:
            return body
    if len(body) < 56:
        return bytes([base + len(body)]) + body
    size = _number_bytes(len(body))
    return bytes([base + 55 + len(size)]) + size + body


def _read_rlp(raw: bytes, at: int, depth: int) -> tuple[_Rlp, int]:
    """The value that begins at a place, and where the next one begins."""
    if at >= len(raw) or depth > 4:
        raise Unusable("RLP: too short, or nested too deeply")
    first = raw[at]
    if first < 0x80:
        return raw[at : at + 1], at + 1
    base = 0xC0 if first >= 0xC0 else 0x80
    length, begin = first - base, at + 1
    if length > 55:
        begin += length - 55
        length = int.from_bytes(raw[at + 1 : begin], "big")
    end = begin + length
    if end > len(raw):
        raise Unusable("RLP: too short")
    if base == 0x80:
        return raw[begin:end], end
    values, at = [], begin
    while at < end:
        value, at = _read_rlp(raw, at, depth + 1)
        values.append(value)
    return values, at


def _read_rlp_list(raw: bytes, least: int) -> list[_Rlp]:
    """A list in its one encoding, of so many values at the least."""
    value, _ = _read_rlp(raw, 0, 0)
    if type(value) is not list or len(value) < least or _write_rlp(value) != raw:
        raise Unusable(f"RLP: not a list of {least} values in its one form")
    return value


def read_transaction(raw: bytes) -> tuple[int, bytes | None, bytes, bytes]:
    """Chain, sender, receiver and data of a signed transaction with a fee market (EIP-1559)."""
    if raw[:1] != b"\x02":
        raise Unusable("transaction: not of type 2")
    fields = _read_rlp_list(raw[1:], 12)
    if len(fields) != 12 or any(type(one) is not bytes for n, one in enumerate(fields) if n != 8):
        raise Unusable("transaction: not the twelve fields of type 2")
    digest = keccak256(b"\x02" + _write_rlp(fields[:9]))
    chain_id, parity, r, s = (int.from_bytes(fields[n], "big") for n in (0, 9, 10, 11))
    if parity > 1 or r >= _N or s >= _N:
        raise Unusable("transaction: no signature")
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
    return chain_id, recover(digest, signature), fields[5], fields[7]


def trie_value(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """What stands under a key of a Merkle Patricia trie, by the nodes down to it; None if not."""
    rest = [half for one in key for half in (one >> 4, one & 15)]
    wanted = root
    for n, raw in enumerate(nodes):
        if keccak256(raw) != wanted:
            return None
        node = _read_rlp_list(raw, 2)
        if any(type(one) is not bytes for one in node) or len(node) not in (2, 17):
            return None
        if len(node) == 17:
            wanted = node[rest[0]] if rest else node[16]
            is_value, rest = not rest, rest[1:]
        else:
            halves = [half for one in node[0] for half in (one >> 4, one & 15)]
            if not halves or halves[0] > 3:
                return None
            path = halves[1:] if halves[0] & 1 else halves[2:]
            if rest[: len(path)] != path:
                return None
            wanted, is_value, rest = node[1], halves[0] > 1, rest[len(path) :]
        if is_value:
            return wanted if n == len(nodes) - 1 and not rest and wanted else None
    return None


def ask_chain(url: str, block: tuple[int, bytes]) -> None:
    """Ask a node whether the block is one of its chain and final; raises Refuted or Unusable."""
    number, hashed = block
    found = _ask_node(url, "eth_getBlockByNumber", hex(number), False)
    last = _ask_node(url, "eth_getBlockByNumber", "finalized", False)
    if not isinstance(found, dict) or found.get("hash") != "0x" + hashed.hex():
        raise Refuted("block of the chain", f"block {number} of the node is another one")
    try:
        final = int(last["number"], 16) if isinstance(last, dict) else -1
    except (TypeError, KeyError, ValueError) as error:
        raise Unusable(f"the node names no final block: {error!r}") from error
    if number > final:
        raise Refuted("block is final", f"block {number} is not final yet, {final} is")


def _ask_node(url: str, method: str, *parameters: object) -> object:
    # Nothing else is ever fetched, and nothing at all unless it is asked for.
    import urllib.request

    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
    asked = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            found: object = _read_line(answer.read())["result"]
            return found
    except (OSError, ValueError, KeyError) as error:
        raise Unusable(f"the node does not answer {method}: {error}") from error


class _Ledger:
    """What a batch of transfers needs of a book, where only one slot is looked at."""

    def __init__(self, proof: _Proof) -> None:
        self.market, self.prefix = proof.trust.market, proof.trust.prefix
        self.require, self.checks = proof.require, proof.checks
        self.seen = _Seen()


_EVIDENCE = frozenset({"fork", "nonce", "broken_promise"})
_STATE_KEYS = ("note", "blind", "seq", "head", "keys_head", "balances", "path")
_UNSALTED = ("type", "message", "signatures")
_ZERO_TEXT = "0x" + "00" * 32
_SIGNATURES = {"AutoOrder": 0, "Contract": 2, "KeyRegister": 2, "KeyRotate": 2}
_NOT_LOGGED = frozenset({"Transfer", "Checkpoint", "Receipt", "Cosign", "AutoOrder"})
WITH_NONCE = (
    "Order", "Cancel", "DrEvent", "DrCommit", "Contract", "StandingInstruction", "KeyRegister",
    "KeyRotate", "KeyRevoke",
)  # fmt: skip
_PROMISED = ("Order", "Cancel", "Contract", "DrEvent", "DrCommit", "StandingInstruction")
_NAMES_ACCOUNT = frozenset({"account", "seller", "buyer", "program", "debit", "credit"})
_MOVES = (1, 3, 5)


def _list(found: object) -> list[Any]:
    if type(found) is not list:
        raise Unusable(f"{str(found)[:80]!r} is not a list")
    return found


def _hashes(found: object) -> list[bytes]:
    return [_raw(one, 32) for one in _list(found)]


def _climb(leaf: bytes, path: object) -> bytes:
    """The root above a leaf, by hashes that stand to its left or right."""
    root = leaf
    for step in _list(path):
        if type(step) is not list or len(step) != 2 or step[0] not in ("left", "right"):
            raise Unusable("a step of a path is not a side and a hash")
        beside = _raw(step[1], 32)
        pair = beside + root if step[0] == "left" else root + beside
        root = hashlib.sha256(b"\x01" + pair).digest()
    return root


def _amounts(found: object) -> tuple[int, ...]:
    amounts = tuple(_number(one) for one in _list(found))
    if len(amounts) != 3 or any(abs(one) >= 2**127 for one in amounts):
        raise Unusable("balances are not three amounts")
    return amounts


def _state_leaf(state: dict[str, Any], head: bytes, keys_head: bytes) -> bytes:
    """The leaf of an account in the accounts tree."""
    money = (
        part for amount in _amounts(state["balances"]) for part in (amount >> 64, amount & LOW)
    )
    seq = _number(state["seq"])
    if not 0 <= seq < 2**64:
        raise Unusable(f"seq {seq} does not fit")
    return leaf_hash(_ACCOUNT.pack(1, _raw(state["blind"], 32), seq, head, keys_head, *money))


def _move(sums: list[int], transfers: Sequence[bytes], account: bytes) -> None:
    """Add what transfers, as words, have moved to and from the account."""
    for words in transfers:
        ledger, kind = words[31], words[63]
        if kind not in _MOVES or not 1 <= ledger <= 3:
            continue
        amount = int.from_bytes(words[5 * WORD : 6 * WORD], "big")
        sums[ledger - 1] += amount * (words[4 * WORD : 5 * WORD] == account)
        sums[ledger - 1] -= amount * (words[3 * WORD : 4 * WORD] == account)


def display_of(name: str, message: dict[str, Any]) -> dict[str, str]:
    """The fields of a message that people read, in won and kWh."""
    shown = {}
    for field_name, value in message.items():
        if type(value) is not int:
            continue
        if field_name.endswith("_mkrw_per_kwh"):
            shown[field_name.replace("_mkrw_", "_krw_")] = _thousandths(value)
        elif field_name.endswith("_wh"):
            shown[field_name.removesuffix("_wh") + "_kwh"] = _thousandths(value)
        elif field_name.endswith("_cap_ukrw"):
            shown[field_name.removesuffix("_ukrw") + "_krw"] = _decimal(value, 6)
    if name == "Transfer":
        units = {1: ("krw", 6), 2: ("kwh", 3), 3: ("points", 6)}
        if message["ledger"] not in units:
            raise Unusable(f"ledger {message['ledger']} is unknown")
        unit, scale = units[message["ledger"]]
        shown[f"amount_{unit}"] = _decimal(message["amount"], scale)
    return shown


def _thousandths(value: int) -> str:
    return _decimal(value, 3)


def _decimal(value: int, digits: int) -> str:
    """A whole number of small units as a decimal string without zeros to spare."""
    whole, rest = divmod(abs(value), 10**digits)
    tail = f".{rest:0{digits}d}".rstrip("0").rstrip(".")
    return ("-" if value < 0 else "") + str(whole) + tail


# --- The auction, once more ---------------------------------------------------------------------

_ClearingRow = tuple[Any, ...]  # tag, node, side, price, Wh, fill


def broken_rules(
    message: dict[str, Any],
    rules: dict[str, Any],
    rows: Sequence[_ClearingRow],
    network: dict[str, Any] | None = None,
    label: int = 0,
) -> Iterator[tuple[str, str]]:
    """The rules of the auction that a Clearing breaks, as name and finding.

    One price per node lies between all that was filled and all that was left open, which proves
    that no other fills had more welfare; at the margin everybody has an equal share. `network` is
    what the links must be those of; it is not asked for where it is None.
    """
    if network is not None:
        yield from _broken_network(message, network)
    tags = [row[0] for row in rows]
    if any(a >= b for a, b in pairwise(tags)):
        yield "rows rise", "tags do not rise"
    for tag, _, side, _, e_wh, fill_wh in rows:
        if side not in (1, 2) or not 0 <= fill_wh <= e_wh or e_wh < 1:
            yield "fill within quantity", f"0x{tag.hex()}: {fill_wh} of {e_wh} Wh, side {side}"
            return
    links = message["links"]
    fees = sum(link["flow_wh"] * link["fee_mkrw_per_kwh"] for link in links)
    root = set_root(leaf_hash(_BOOK_LEAF.pack(1, *row[:5])) for row in rows)
    fills = set_root(leaf_hash(_FILL_LEAF.pack(1, row[0], row[5], 0)) for row in rows)
    by_node: dict[int, list[_ClearingRow]] = defaultdict(list)
    for row in rows:
        by_node[row[1]].append(row)
    facts = {
        "label": label,
        "orders": len(rows),
        "book_root": root,
        "fills_root": fills,
        "volume_wh": sum(row[5] for row in rows if row[2] == 1),
        "welfare_ukrw": sum(row[3] * row[5] * _SIGN_OF[row[2]] for row in rows) - fees,
    }
    for name, fact in facts.items():
        if message[name] != fact:
            yield name, f"found {message[name]!r}, allowed {fact!r}"
    nodes = {node["node"]: node for node in message["nodes"]}
    joined = {link[end] for link in links for end in ("from_node", "to_node")}
    known = sorted(joined | by_node.keys()) or [0]
    good = list(nodes) == sorted(nodes) and len(nodes) == len(message["nodes"])
    if not good or not set(known) <= nodes.keys():
        yield "nodes", f"found {list(nodes)}, allowed {known}"
        return
    forced = {number for number, node in nodes.items() if node["flags"] & 4}
    unbalanced = list(_broken_links(message))
    yield from unbalanced
    if not unbalanced:
        yield from _Zones(message, rules, by_node, root).broken()
    for number, node in nodes.items():
        if number in forced:
            yield from _broken_forced(node, by_node[number])
        elif number not in joined:
            tie = _tie_prefix(message, root)
            yield from _broken_node(tie, rules, node, by_node[number])


def _tie_prefix(message: dict[str, Any], root: bytes) -> bytes:
    """What is hashed before a tag where orders have equal remainders."""
    prefix = b"tie/label/1" if message["label"] else b"tie/1"
    return prefix + struct.pack(">Q", message["slot"]) + root


def _broken_forced(node: dict[str, int], rows: Sequence[_ClearingRow]) -> Iterator[tuple[str, str]]:
    """The grid check has taken a node out of the auction: nothing is filled there."""
    shown = dict.fromkeys(node, 0) | {"node": node["node"], "outcome": 1, "flags": 4}
    if node != shown or any(row[5] for row in rows):
        yield "forced node", f"node {node['node']}: something was traded or shown"


def _broken_links(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Joined nodes, without their orders: flows balance each, prices differ by what ways cost.

    Where something flows the price rises by the fee at least, where room is left by the fee at
    most; a node that the grid check has closed shows nothing, and nothing flows to or from it.
    """
    nodes = {node["node"]: node for node in message["nodes"]}
    forced = {number for number, node in nodes.items() if node["flags"] & 4}
    inflow: Counter[int] = Counter()
    pairs = set()
    for link in message["links"]:
        ends = (link["from_node"], link["to_node"])
        flow, room = link["flow_wh"], link["capacity_wh"]
        text = f"link {ends[0]} to {ends[1]}: {flow} of {room} Wh"
        if ends in pairs or ends[0] == ends[1] or not {*ends} <= nodes.keys():
            yield "links", f"{text}: stands twice, or ends where it begins or at no node"
            return
        pairs.add(ends)
        if flow > room or (forced & {*ends} and flow):
            yield "link within capacity", text
        inflow[ends[0]] -= flow
        inflow[ends[1]] += flow
        if forced & {*ends}:
            continue
        prices = [nodes[end]["price_mkrw_per_kwh"] for end in ends]
        gain = prices[1] - prices[0] - link["fee_mkrw_per_kwh"]
        if (flow and gain < 0) or (flow < room and gain > 0):
            yield "prices differ by the fee", f"{text}, gain {gain}"
    for number, node in nodes.items():
        more = node["bought_wh"] - node["sold_wh"]
        if more != inflow[number]:
            yield "bought = sold", f"node {number}: {more} more bought, inflow {inflow[number]}"
        if number in forced:
            yield from _broken_forced(node, ())
    if forced and message["round"] != ROUNDS_MAX:
        yield "forced node", f"closed in round {message['round']}, allowed {ROUNDS_MAX}"
    bought = sum(node["bought_wh"] for node in nodes.values())
    if message["volume_wh"] != bought:
        yield "volume_wh", f"found {message['volume_wh']}, allowed {bought}"


def _carried(message: dict[str, Any]) -> tuple[int, int]:
    """What buyers pay above what sellers get, micro-won: network fees, and congestion rent."""
    price = {node["node"]: node["price_mkrw_per_kwh"] for node in message["nodes"]}
    fee = rent = 0
    for link in message["links"]:
        spread = price[link["to_node"]] - price[link["from_node"]]
        fee += link["flow_wh"] * link["fee_mkrw_per_kwh"]
        rent += link["flow_wh"] * (spread - link["fee_mkrw_per_kwh"])
    return fee, rent


def _broken_network(message: dict[str, Any], network: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The links, fees and nodes of a Clearing are those of the network that it names.

    A slot may leave a link less room, never more; a zone is closed on both of its sides or none.
    """
    shown = [[one[name] for name in _LINK_KEYS] for one in message["links"]]
    known = [[one[name] for name in _NETWORK_KEYS] for one in network["links"]]
    if message["network_version"] != network["version"] or shown != known:
        yield "network", f"version {message['network_version']}: found {shown}, allowed {known}"
        return
    for one, rule in zip(message["links"], network["links"], strict=True):
        if one["capacity_wh"] > rule.get("capacity_wh", _UNLIMITED_WH):
            yield "network", f"link {one['from_node']} to {one['to_node']}: more than its capacity"
    sides = [{zone["sell_node"], zone["buy_node"]} for zone in network["zones"]]
    ends = {end for one in known for end in one[:2]}
    nodes = {node["node"]: node for node in message["nodes"]}
    if nodes.keys() != ends.union(*sides):
        yield "network", f"nodes {sorted(nodes)}, allowed {sorted(ends.union(*sides))}"
        return
    for one in sides:
        if len({nodes[node]["flags"] & 4 for node in one}) > 1:
            yield "forced node", f"zone at nodes {sorted(one)}: closed on one side only"


def _broken_fees(rules: dict[str, Any], network: dict[str, Any]) -> Iterator[str]:
    """Fees of a network that are not those of the market's rules, where these have any.

    The local fee stands between the two sides of a zone, the network fee on every other way of it.
    """
    zones = {one[side] for one in network["zones"] for side in ("sell_node", "buy_node")}
    for one in network["links"]:
        inside = sum(one[end] in zones for end in ("from", "to"))
        name = ("", "network_fee_mkrw_per_kwh", "local_fee_mkrw_per_kwh")[inside]
        if name in rules and one["fee_mkrw_per_kwh"] != rules[name]:
            found, ends = one["fee_mkrw_per_kwh"], f"{one['from']} to {one['to']}"
            yield f"link {ends}: fee {found}, not {rules[name]} as the rules have it"
    if rules.get("local_fee_mkrw_per_kwh") and any(
        one["sell_node"] == one["buy_node"] for one in network["zones"]
    ):
        yield "a zone whose sides are one node, where the rules have a local fee"


ROUNDS_MAX = 3
_LINK_KEYS = ("from_node", "to_node", "fee_mkrw_per_kwh")
_NETWORK_KEYS = ("from", "to", "fee_mkrw_per_kwh")
_UNLIMITED_WH = 2**63 - 1


def _broken_node(
    tie: bytes,
    rules: dict[str, Any],
    node: dict[str, int],
    rows: Sequence[_ClearingRow],
) -> Iterator[tuple[str, str]]:
    bids, offers = ([row for row in rows if row[2] == side] for side in (1, 2))
    bought, sold = (sum(row[5] for row in side) for side in (bids, offers))
    if bought != sold:
        yield "bought = sold", f"node {node['node']}: {bought} and {sold} Wh"
        return
    # A price suits all: at most what filled bids pay, at least what is asked for what was sold.
    filled_bids, filled_offers = ([row[3] for row in side if row[5]] for side in (bids, offers))
    open_bids, open_offers = ([r[3] for r in side if r[5] < r[4]] for side in (bids, offers))
    if open_bids and open_offers and max(open_bids) >= min(open_offers):
        yield "nothing left to trade", f"node {node['node']}: open orders could still meet"
        return
    low = max([*filled_offers, *open_bids], default=None)
    high = min([*filled_bids, *open_offers], default=None)
    if bought and (low is None or high is None or low > high):
        yield "price suits all", f"node {node['node']}: no price between {low} and {high}"
        return
    expected = {"node": node["node"], "bought_wh": bought, "sold_wh": sold}
    if bought and low is not None and high is not None:
        expected |= _priced(rules, (low, high), (bids, offers), (open_bids, open_offers))
    else:
        expected |= dict.fromkeys(node.keys() - expected.keys(), 0)
        expected["outcome"] = 0 if not bids or not offers else 1
    for name, fact in expected.items():
        if node[name] != fact:
            yield name, f"node {node['node']}: found {node[name]}, allowed {fact}"
    for side in (bids, offers):
        worst = [row for row in side if row[5] < row[4]]
        price = max((row[3] * _SIGN_OF[row[2]] for row in worst), default=None)
        group = [row for row in side if price is not None and row[3] * _SIGN_OF[row[2]] == price]
        yield from _broken_shares(tie, group)


_SIGN_OF = {1: 1, 2: -1}


def _priced(
    rules: dict[str, Any],
    between: tuple[int, int],
    sides: tuple[Sequence[_ClearingRow], Sequence[_ClearingRow]],
    left_open: tuple[list[int], list[int]],
) -> dict[str, int]:
    """What a node with trades shows: its price, the middle of all valid ones, and its margin."""
    (low, high), (bids, offers), (open_bids, open_offers) = between, sides, left_open
    floor, cap = rules["floor_mkrw_per_kwh"], rules["cap_mkrw_per_kwh"]
    outcome, group, margin = 2, [], 0
    for kind, side, prices, best in ((3, bids, open_bids, max), (4, offers, open_offers, min)):
        shared = [row for row in side if prices and row[3] == best(prices)]
        if any(row[5] for row in shared):
            outcome, group, margin = kind, shared, best(prices)
    scarce = not open_offers and bool(open_bids) and max(open_bids) == low
    glut = not open_bids and bool(open_offers) and min(open_offers) == high
    return {
        "outcome": outcome,
        "flags": scarce + 2 * glut,
        "low_mkrw_per_kwh": low,
        "high_mkrw_per_kwh": high,
        "price_mkrw_per_kwh": max(floor, min((low + high) // 2, cap)),
        "margin_mkrw_per_kwh": margin,
        "margin_open_wh": sum(row[4] for row in group),
        "margin_filled_wh": sum(row[5] for row in group),
    }


def _broken_shares(tie: bytes, group: Sequence[_ClearingRow]) -> Iterator[tuple[str, str]]:
    """Orders at the margin share in proportion; the Wh left over go by remainder, then by lot."""
    open_wh, filled_wh = sum(row[4] for row in group), sum(row[5] for row in group)
    if not filled_wh:
        return
    ranked = []
    for tag, *_, e_wh, fill_wh in group:
        share, rest = divmod(e_wh * filled_wh, open_wh)
        lot = hashlib.sha256(tie + tag).digest()
        ranked.append((-rest, lot, fill_wh - share, tag))
    ranked.sort()
    extra = filled_wh - sum(row[4] * filled_wh // open_wh for row in group)
    for place, (_, _, found, tag) in enumerate(ranked):
        if found != (place < extra):
            yield "equal share", f"0x{tag.hex()}: {found} Wh above its share"


# --- Nodes that links join ----------------------------------------------------------------------

_OUTSIDE = -1  # where offers come from and bids go to
_Cost = tuple[int, ...]  # compared from the left: welfare lost, volume lost, fees


class _Way(NamedTuple):
    """A change that is still possible, and what every Wh of it costs."""

    tail: int
    head: int
    cost: _Cost


def _least_costs(nodes: Iterable[int], ways: Sequence[_Way]) -> dict[int, _Cost] | None:
    """The least cost to every node from any; None where a circle of changes costs less than 0."""
    least = dict.fromkeys(nodes, (0,) * len(ways[0].cost) if ways else (0,))
    for _ in range(len(least) + 1):
        moved = False
        for tail, head, cost in ways:
            there = tuple(map(add, least[tail], cost))
            if there < least[head]:
                least[head], moved = there, True
        if not moved:
            return least
    return None


@dataclass
class _Pipe:
    """A way that carries `flow`, at least `low` and at most `high`; Wh or parts of one."""

    tail: int
    head: int
    low: Fraction | int
    flow: Fraction | int
    high: Fraction | int


class _Margin(NamedTuple):
    """Orders of one side of a node that are indifferent, and the number of their pipe."""

    rows: list[_ClearingRow]
    pipe: int

    @property
    def e_wh(self) -> int:
        """What they want in all."""
        return sum(row[4] for row in self.rows)


class _Zones:
    """What was cleared at nodes that links join, found once more from what the auction promises.

    Of all fills those of most welfare less fees, then most volume, then least fees, then equal
    shares; prices in the middle of all that suit every order and every link.
    """

    def __init__(
        self,
        message: dict[str, Any],
        rules: dict[str, Any],
        by_node: dict[int, list[_ClearingRow]],
        book_root: bytes,
    ) -> None:
        shown = {node["node"]: node for node in message["nodes"]}
        forced = {number for number, node in shown.items() if node["flags"] & 4}
        ends = ("from_node", "to_node")
        self.links = [one for one in message["links"] if not forced & {one[end] for end in ends}]
        joined = {one[end] for one in self.links for end in ends}
        self.nodes = {number: node for number, node in shown.items() if number in joined}
        self.rows = {number: by_node.get(number, []) for number in self.nodes}
        self.floor, self.cap = rules["floor_mkrw_per_kwh"], rules["cap_mkrw_per_kwh"]
        self.lot = b"tie/1" + struct.pack(">Q", message["slot"]) + book_root

    def broken(self) -> Iterator[tuple[str, str]]:
        """Name and finding of every rule that does not hold."""
        if not self.nodes:
            return
        for node, shown in self.nodes.items():
            filled = [sum(r[5] for r in self.rows[node] if r[2] == side) for side in (1, 2)]
            if filled != [shown["bought_wh"], shown["sold_wh"]]:
                yield "bought_wh", f"node {node}: not what its orders got"
                return
        best = _least_costs([*self.nodes, _OUTSIDE], self.changes())
        if best is None:
            yield "welfare, volume and fees", "orders or links could do better"
            return
        if _least_costs(self.nodes, self.link_ways(lambda fee: (fee, 1))) is None:
            yield "least flow", "the same fills need less on the links"
        yield from self.misquoted()
        yield from self.unequal(best)

    def link_ways(self, cost_of: Callable[[int], _Cost]) -> list[_Way]:
        """A Wh more on every link with room, one less on every link in use."""
        ways = []
        for one in self.links:
            tail, head, cost = one["from_node"], one["to_node"], cost_of(one["fee_mkrw_per_kwh"])
            if one["flow_wh"] < one["capacity_wh"]:
                ways.append(_Way(tail, head, cost))
            if one["flow_wh"]:
                ways.append(_Way(head, tail, tuple(-part for part in cost)))
        return ways

    def changes(self) -> list[_Way]:
        """All changes of fills and flows that could pay: a node's best open, its worst filled."""
        ways = self.link_ways(lambda fee: (fee, 0, fee))
        for node, rows in self.rows.items():
            for side, best, worst in ((1, max, min), (2, min, max)):
                left = [row[3] for row in rows if row[2] == side and row[5] < row[4]]
                filled = [row[3] for row in rows if row[2] == side and row[5]]
                tail, head = (node, _OUTSIDE) if side == 1 else (_OUTSIDE, node)
                if left:
                    ways.append(_Way(tail, head, _worth(side, best(left))))
                if filled:
                    back = tuple(-part for part in _worth(side, worst(filled)))
                    ways.append(_Way(head, tail, back))
        return ways

    def misquoted(self) -> Iterator[tuple[str, str]]:
        """Prices: at every node the middle of the least and the greatest that suit everybody."""
        low, high = {}, {}
        for node, rows in self.rows.items():
            least, most = _between(rows)
            low[node], high[node] = max([self.floor, *least]), min([self.cap, *most])
        rises = [(way.tail, way.head, way.cost[0]) for way in self.link_ways(lambda fee: (fee,))]
        for _ in self.nodes:
            for tail, head, fee in rises:
                high[head] = min(high[head], high[tail] + fee)
                low[tail] = max(low[tail], low[head] - fee)
        for node, shown in self.nodes.items():
            if low[node] > high[node]:
                yield "price suits all", f"node {node}: no price between {low[node]} and a lower"
                continue
            expected = _joined_node(self.rows[node], low[node], high[node])
            for name, fact in expected.items():
                if shown[name] != fact:
                    yield name, f"node {node}: found {shown[name]}, allowed {fact}"

    def unequal(self, best: dict[int, _Cost]) -> Iterator[tuple[str, str]]:
        """Who could as well have more or less has the fair share, rounded as the lots fall."""
        pipes, margins = self.indifferent(best)
        shares = _fair_shares(pipes, margins)
        claims = []
        for number, (margin, share) in enumerate(zip(margins, shares, strict=True)):
            least = 0
            for row in margin.rows:
                floor, rest = divmod(row[4] * share.numerator, share.denominator)
                least += floor
                if not floor <= row[5] <= floor + (rest > 0):
                    yield "fair share", f"0x{row[0].hex()}: {row[5]} Wh for a share of {floor}"
                if rest:
                    lot = hashlib.sha256(self.lot + row[0]).digest()
                    claims.append((-Fraction(rest, share.denominator), lot, number, row, floor))
            pipe = pipes[margin.pipe]
            pipe.low, pipe.high = least, least
        for claim in claims:
            pipes[margins[claim[2]].pipe].high += 1
        if any(not one.low <= one.flow <= one.high for one in pipes):
            return  # a share was named above
        closed = set()
        for _, _, number, row, floor in sorted(claims, key=lambda claim: claim[:2]):
            pipe = pipes[margins[number].pipe]
            if number not in closed and (pipe.flow > pipe.low or _pushed(pipes, pipe, 1) == 1):
                pipe.low += 1
                wins = 1
            else:
                closed.add(number)
                pipe.high, wins = pipe.low, 0
            if row[5] != floor + wins:
                yield "whole share", f"0x{row[0].hex()}: {row[5]} Wh, allowed {floor + wins}"

    def indifferent(self, best: dict[int, _Cost]) -> tuple[list[_Pipe], list[_Margin]]:
        """All flows of the node graph; what costs nothing to change may, the rest may not."""
        pipes, margins = [], []
        for one in self.links:
            tail, head, fee = one["from_node"], one["to_node"], one["fee_mkrw_per_kwh"]
            flow, free = one["flow_wh"], tuple(map(add, best[tail], (fee, 0, fee))) == best[head]
            bounds = (0, one["capacity_wh"]) if free else (flow, flow)
            pipes.append(_Pipe(tail, head, bounds[0], flow, bounds[1]))
        for node, rows in self.rows.items():
            for side in (1, 2):
                tail, head = (node, _OUTSIDE) if side == 1 else (_OUTSIDE, node)
                mine = [row for row in rows if row[2] == side]
                same = [
                    row
                    for row in mine
                    if tuple(map(add, best[tail], _worth(side, row[3]))) == best[head]
                ]
                decided = sum(row[5] for row in mine) - sum(row[5] for row in same)
                pipes.append(_Pipe(tail, head, decided, decided, decided))
                if same:
                    margins.append(_Margin(same, len(pipes)))
                    most = sum(row[4] for row in same)
                    pipes.append(_Pipe(tail, head, 0, sum(row[5] for row in same), most))
        return pipes, margins


def _worth(side: int, limit: int) -> _Cost:
    """What a Wh more for an order costs: welfare, volume, fees."""
    return (-limit, -1, 0) if side == 1 else (limit, 0, 0)


def _between(rows: Sequence[_ClearingRow]) -> tuple[list[int], list[int]]:
    """What a price must be at least, and at most, to suit these orders."""
    least = [row[3] for row in rows if (row[5] if row[2] == 2 else row[5] < row[4])]
    most = [row[3] for row in rows if (row[5] if row[2] == 1 else row[5] < row[4])]
    return least, most


def _joined_node(rows: Sequence[_ClearingRow], low: int, high: int) -> dict[str, int]:
    """What a joined node shows, from its orders and the least and greatest price."""
    filled = [sum(row[5] for row in rows if row[2] == side) for side in (1, 2)]
    both = {row[2] for row in rows} == {1, 2}
    left, worst = {}, {}
    for side, (best, last) in {1: (max, min), 2: (min, max)}.items():
        left[side] = best((r[3] for r in rows if r[2] == side and r[5] < r[4]), default=None)
        worst[side] = last((r[3] for r in rows if r[2] == side and r[5]), default=None)
    shared: list[_ClearingRow] = []
    outcome, flags = (2 if any(filled) else 1 if both else 0), 0
    for side, kind in ((1, 3), (2, 4)):
        if worst[side] is not None and worst[side] == left[side]:
            outcome = kind
            shared = [row for row in rows if row[2] == side and row[3] == worst[side]]
    if any(filled):
        flags = (left[2] is None and left[1] == low) + 2 * (left[1] is None and left[2] == high)
    return {
        "outcome": outcome,
        "flags": flags,
        "low_mkrw_per_kwh": low,
        "high_mkrw_per_kwh": high,
        "price_mkrw_per_kwh": (low + high) // 2,
        "bought_wh": filled[0],
        "sold_wh": filled[1],
        "margin_mkrw_per_kwh": shared[0][3] if shared else 0,
        "margin_open_wh": sum(row[4] for row in shared),
        "margin_filled_wh": sum(row[5] for row in shared),
    }


def _fair_shares(pipes: Sequence[_Pipe], margins: Sequence[_Margin]) -> list[Fraction]:
    """The fraction of each group's quantity that is fair; the pipes are left as they are.

    The lowest fraction of all is as high as any flow allows; whoever cannot have more keeps it, and
    the same is asked of the others.
    """
    now = [_Pipe(p.tail, p.head, p.low, p.flow, p.high) for p in pipes]
    shares: dict[int, Fraction] = {}
    while len(shares) < len(margins):
        free = {n: margin for n, margin in enumerate(margins) if n not in shares}
        level = Fraction(1)
        while (cut := _lifted(now, free, level)) is not None:
            level = _most_of(now, free, cut)
        for margin in free.values():
            now[margin.pipe].low = level * margin.e_wh
        for n, margin in free.items():
            pipe = now[margin.pipe]
            if pipe.flow == pipe.low and (pipe.flow == pipe.high or not _path(now, pipe)[0]):
                shares[n] = level
                pipe.high = pipe.low
    return [shares[n] for n in range(len(margins))]


def _lifted(pipes: Sequence[_Pipe], free: dict[int, _Margin], level: Fraction) -> set[int] | None:
    """Lift the groups' flows to a level; None, or the nodes that cannot get rid of more."""
    before = {n: pipes[margin.pipe].low for n, margin in free.items()}
    cut = None
    for margin in free.values():
        pipe, aim = pipes[margin.pipe], level * margin.e_wh
        while cut is None and pipe.flow < aim:
            if not _pushed(pipes, pipe, aim - pipe.flow):
                cut = _path(pipes, pipe)[1]
        pipe.low = min(aim, pipe.flow)
    for n, margin in free.items():
        pipes[margin.pipe].low = before[n]
    return cut


def _most_of(pipes: Sequence[_Pipe], free: dict[int, _Margin], cut: set[int]) -> Fraction:
    """The level at which what must come into the nodes of a cut is what can leave them."""
    rising = {margin.pipe: margin.e_wh for margin in free.values()}
    room, slope = Fraction(0), 0
    for number, pipe in enumerate(pipes):
        if pipe.tail in cut and pipe.head not in cut:
            room += pipe.high
        elif pipe.head in cut and pipe.tail not in cut and number in rising:
            slope += rising[number]
        elif pipe.head in cut and pipe.tail not in cut:
            room -= pipe.low
    return room / slope


def _pushed(pipes: Sequence[_Pipe], pipe: _Pipe, most: Fraction | int) -> Fraction | int:
    """Raise a pipe's flow by up to `most` around one circle; how much that was."""
    path, _ = _path(pipes, pipe)
    if not path:
        return 0
    room = [one.high - one.flow if way > 0 else one.flow - one.low for one, way in path]
    step = min([most, pipe.high - pipe.flow, *room])
    for one, way in [*path, (pipe, 1)]:
        one.flow += way * step
    return step


def _path(pipes: Sequence[_Pipe], pipe: _Pipe) -> tuple[list[tuple[_Pipe, int]], set[int]]:
    """How more could go from the pipe's head round to its tail, and the nodes that it reaches."""
    came: dict[int, tuple[_Pipe, int] | None] = {pipe.head: None}
    waiting = [pipe.head]
    for node in waiting:
        for one in pipes:
            for here, there, way in ((one.tail, one.head, 1), (one.head, one.tail, -1)):
                room = one.flow < one.high if way > 0 else one.flow > one.low
                if here == node and room and there not in came and one is not pipe:
                    came[there] = (one, way)
                    waiting.append(there)
    path, at = [], pipe.tail
    while (step := came.get(at)) is not None:
        path.append(step)
        at = step[0].tail if step[1] > 0 else step[0].head
    return path, set(came)


# --- A log of checkpoints -----------------------------------------------------------------------


class _Log:
    """The log alone: every checkpoint and the leaves that it has added, without what they say."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self.proof = _Proof(trust, {})
        self.peaks: list[tuple[int, bytes]] = []
        self.size, self.tick, self.previous = 0, -1, ZERO32

    def take(self, found: dict[str, Any]) -> None:
        """One tick: its operator's key entries, its leaves, its note."""
        _keys(found, ("keys", "leaves", "note"))
        proof, raw = self.proof, _packed(found["leaves"], 32)
        leaves = [raw[n : n + 32] for n in range(0, len(raw), 32)]
        message, _ = read_note(found["note"])
        for number, one in enumerate(_list(found["keys"])):
            entry = proof.take_entry(one, "KeyRegister", "KeyRotate", "KeyRevoke")
            tick, first = message["tick"], self.size == 0 and number == 0
            mine = entry.message["account"] == self.trust.operator and entry.leaf in leaves
            good = mine and proof.ring.may_change(
                entry.name, entry.message, entry.signers, tick, first=first
            )
            proof.require(good, "key role", f"{entry.name} of tick {tick}")
            proof.ring.take(entry.name, entry.message)
        for leaf in leaves:
            _grow(self.peaks, leaf)
        self.size += len(leaves)
        message, digest = proof.take_note(found["note"])
        facts = {"size": self.size, "root": _peaks_root(self.peaks), "previous": self.previous}
        for name, fact in facts.items():
            proof.require(message[name] == fact, f"checkpoint {name}", f"tick {message['tick']}")
        proof.require(message["tick"] > self.tick, "ticks rise", f"tick {message['tick']}")
        if self.tick < 0:
            first = message == self.trust.first
            proof.require(first, "first checkpoint", "is not the published one")
        self.tick, self.previous = message["tick"], digest


def verify_log(trust: str | bytes, lines: Iterable[str | bytes]) -> Report:
    """Check every checkpoint of a log: signatures, roots from the leaves, one after the other."""
    number, log = 0, None
    try:
        log = _Log(Trust(trust))
        for number, line in enumerate(lines, 1):
            found = _read_line(line)
            if number == 1:
                if _keys(found, ("line", "log"))["log"] != "microgrid-log/1":
                    raise Unusable("the first line is not that of a log")
                continue
            log.proof.part = f"line {number}"
            log.take(found)
        if log.tick < 0:
            raise Unusable("no checkpoint")
    except (Unusable, Refuted) as error:
        return _failed(error, log.proof.checks if log else Counter(), number)
    return Report(True, True, dict(log.proof.checks), None)


def verify_bundle(trust: str | bytes, bundle: str | bytes) -> Report:
    """Check one proof bundle against the trust root; the report names the first broken rule."""
    proof = None
    try:
        known, found = Trust(trust), _read_line(bundle)
        raw = bundle.encode() if isinstance(bundle, str) else bundle
        if canonical(found) != raw:
            raise Unusable("the bundle is not canonical: sorted keys, no spaces, nothing after it")
        proof = _Proof(known, found)
        proof.run()
    except (Unusable, Refuted) as error:
        return _failed(error, proof.checks if proof else Counter(), 1, proof.part if proof else "")
    return Report(True, True, dict(proof.checks), None, proof.block)


def verify_online(report: Report, url: str) -> Report:
    """The report of an anchor, the block compared with what a node of the chain says."""
    if report.block is None:
        return report
    checks = Counter(report.checks)
    try:
        ask_chain(url, report.block)
    except (Unusable, Refuted) as error:
        return _failed(error, checks, 1)
    checks.update(["block of the chain", "block is final"])
    return Report(True, True, dict(checks), None, report.block)


def canonical(found: object) -> bytes:
    """The one way to write a JSON value."""
    text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _failed(error: Unusable | Refuted, checks: Counter[str], line: int, part: str = "") -> Report:
    if isinstance(error, Unusable):
        words = str(error) if not part or str(error).startswith(part) else f"{part}: {error}"
        return Report(False, False, dict(checks), Failure(line, "readable", words))
    check, message, *_ = error.args
    return Report(False, True, dict(checks), Failure(line, check, message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the file named on the command line and print each check; the exit code."""
    parser = argparse.ArgumentParser(description="Check a ledger export or a proof offline.")
    parser.add_argument("files", type=Path, nargs="*", help="export, or trust root and proof")
    parser.add_argument("--registrar", help="address of the first key, as published (0x…)")
    parser.add_argument("--online", metavar="URL", help="node of the chain that an anchor is on")
    parser.add_argument("--helpers", type=int, default=0, help="more processes for signatures")
    parser.add_argument("--recover", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.recover:
        return help_out()
    if len(options.files) not in (1, 2):
        parser.error("one file (an export) or two (trust root and proof) are needed")
    try:
        if len(options.files) == 2:
            report = verify_files(*options.files)
            return tell(verify_online(report, options.online) if options.online else report)
        with options.files[0].open("rb") as lines:
            report = verify_export(lines, options.helpers)
            lines.seek(0)
            trusted = not report.usable or _trusts(lines.readline(), options.registrar)
    except OSError as error:
        sys.stdout.write(f"unusable: {error}\n")
        return 2
    if report.ok and not trusted:
        failure = Failure(1, "registrar", f"is not {options.registrar}")
        report = Report(False, True, report.checks, failure)
    return tell(report)


def verify_files(trust: Path, proof: Path) -> Report:
    """Check a bundle, or a log of checkpoints, that stands in a file."""
    with proof.open("rb") as lines:
        if lines.read(64).startswith(b'{"line":"log"'):
            lines.seek(0)
            return verify_log(trust.read_bytes(), lines)
    return verify_bundle(trust.read_bytes(), proof.read_bytes())


def tell(report: Report) -> int:
    """Print every check and the verdict; the exit code."""
    for check, count in sorted(report.checks.items()):
        sys.stdout.write(f"ok  {count:>10}  {check}\n")
    failure = report.first_failure
    if failure is None and report.block is not None and "block is final" not in report.checks:
        number, hashed = report.block
        sys.stdout.write(f"proven, if block {number} of the chain is 0x{hashed.hex()}\n")
        return 0
    if failure is None:
        sys.stdout.write("proven\n")
        return 0
    word = "refuted" if report.usable else "unusable"
    sys.stdout.write(f"{word}: line {failure.line}: {failure.check}: {failure.message}\n")
    return 1 if report.usable else 2


def _trusts(header: bytes, registrar: str | None) -> bool:
    # Without the published address an export only proves that it is consistent with itself.
    return registrar is None or json.loads(header)["registrar"] == registrar


if __name__ == "__main__":
    sys.exit(main())
