"""Anchors on an EVM chain: a transaction to oneself that carries a head of the log, and its proof.

Bytes and integers alone: whoever asks the chain hands in what it answers. A proof is the signed
transaction, the header of its block, and the nodes of the block's transaction trie that lead to it
(Ethereum Yellow Paper, appendices B, C and D; fee fields of EIP-1559).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from market.entries import keccak256
from market.errors import MarketError
from market.signing import sign

Rlp: TypeAlias = "bytes | list[Rlp]"
Items: TypeAlias = "list[tuple[tuple[int, ...], bytes]]"  # nibbles of a key, value

FEE_MARKET_TYPE = b"\x02"
EMPTY_TRIE_ROOT = keccak256(b"\x80")
# Fields of a header as nodes name them, in their order; the later ones came with later rules.
HEADER = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot",
    "logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData",
    "mixHash", "nonce",
)  # fmt: skip
LATER = (
    "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot",
    "requestsHash",
)  # fmt: skip
NUMBERS = frozenset({
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed",
    "excessBlobGas",
})  # fmt: skip


class AnchorError(MarketError):
    """What a node has said does not fit together."""


@dataclass(frozen=True)
class Fees:
    """What a transaction may cost: units of gas, and wei per unit (the tip is part of the most)."""

    gas: int
    most_wei: int
    tip_wei: int


@dataclass(frozen=True)
class ChainProof:
    """That a transaction stands in a block: the block's header, its place, the nodes above it."""

    header: bytes
    index: int
    nodes: tuple[bytes, ...]


def anchor_data(origin: bytes, size: int, root: bytes) -> bytes:
    """What the transaction carries, 72 bytes: name of the log, its size, its root."""
    return origin + size.to_bytes(8, "big") + root


def rlp(value: Rlp) -> bytes:
    """The one encoding of bytes or of a list (recursive length prefix)."""
    if isinstance(value, bytes):
        if len(value) == 1 and value[0] < 0x80:
            return value
        return _prefix(0x80, len(value)) + value
    body = b"".join(map(rlp, value))
    return _prefix(0xC0, len(body)) + body


def rlp_number(value: int) -> bytes:
    """A whole number as RLP has it: big endian without zeros to spare, 0 is no bytes."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _prefix(base: int, length: int) -> bytes:
    if length < 56:
        return bytes([base + length])
    size = rlp_number(length)
    return bytes([base + 55 + len(size)]) + size


def sign_transaction(
    private_key: bytes, address: bytes, chain_id: int, nonce: int, fees: Fees, data: bytes
) -> bytes:
    """A signed transaction of an address to itself that moves nothing and carries `data`."""
    numbers = (chain_id, nonce, fees.tip_wei, fees.most_wei, fees.gas)
    fields: list[Rlp] = [*map(rlp_number, numbers), address, b"", data, []]
    signature = sign(private_key, keccak256(FEE_MARKET_TYPE + rlp(fields)))
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    signed = [rlp_number(number) for number in (signature[64] - 27, r, s)]
    return FEE_MARKET_TYPE + rlp([*fields, *signed])


def header_of(block: Mapping[str, str]) -> bytes:
    """The header of a block as a node tells it; raises AnchorError where it is not of its hash."""
    later = [name for name in LATER if block.get(name) is not None]
    if later != list(LATER[: len(later)]):
        raise AnchorError(f"block: found the fields {later}, allowed no gaps between them")
    try:
        header = rlp([_field(name, block[name]) for name in (*HEADER, *later)])
        number, hashed = block["number"], block["hash"]
    except (KeyError, ValueError) as error:
        raise AnchorError(f"block: a field is missing or no hex number: {error}") from error
    if "0x" + keccak256(header).hex() != hashed:
        raise AnchorError(f"block {number}: its header has not the hash {hashed}")
    return header


def _field(name: str, text: str) -> bytes:
    return rlp_number(int(text, 16)) if name in NUMBERS else bytes.fromhex(text.removeprefix("0x"))


def prove_transaction(
    header: bytes, transactions_root: bytes, all_of: Sequence[bytes], index: int
) -> ChainProof:
    """The proof of the transaction at a place, from all of its block as they were signed.

    Raises AnchorError where they do not give the root that the header has.
    """
    items = [(_nibbles(rlp(rlp_number(n))), raw) for n, raw in enumerate(all_of)]
    root = keccak256(rlp(_node(items))) if items else EMPTY_TRIE_ROOT
    if root != transactions_root:
        raise AnchorError(
            f"block: its {len(all_of)} transactions give the root {root.hex()}, "
            f"allowed {transactions_root.hex()}"
        )
    return ChainProof(header, index, tuple(_path(items, items[index][0])))


def _nibbles(raw: bytes) -> tuple[int, ...]:
    return tuple(half for one in raw for half in (one >> 4, one & 15))


def _packed(nibbles: Sequence[int], *, is_leaf: bool) -> bytes:
    """Hex-prefix encoding: whether it is a leaf, whether the count is odd, the nibbles."""
    odd = len(nibbles) % 2
    whole = [2 * is_leaf + odd, *([] if odd else [0]), *nibbles]
    return bytes(high << 4 | low for high, low in zip(whole[::2], whole[1::2], strict=True))


def _shared(items: Items) -> int:
    """How many nibbles all keys begin with."""
    first, last = min(items)[0], max(items)[0]
    pairs = enumerate(zip(first, last, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(first), len(last)))


def _below(items: Items, nibble: int) -> Items:
    return [(key[1:], value) for key, value in items if key and key[0] == nibble]


def _node(items: Items) -> list[Rlp]:
    """The node over these items, of which there is one at least."""
    if len(items) == 1:
        key, value = items[0]
        return [_packed(key, is_leaf=True), value]
    shared = _shared(items)
    if shared:
        rest = [(key[shared:], value) for key, value in items]
        return [_packed(items[0][0][:shared], is_leaf=False), _reference(rest)]
    children = [_reference(_below(items, nibble)) for nibble in range(16)]
    return [*children, next((value for key, value in items if not key), b"")]


def _reference(items: Items) -> Rlp:
    if not items:
        return b""
    node = _node(items)
    encoded = rlp(node)
    return node if len(encoded) < 32 else keccak256(encoded)


def _path(items: Items, key: tuple[int, ...]) -> list[bytes]:
    """The nodes from the root down to the value of a key."""
    nodes = []
    while True:
        nodes.append(rlp(_node(items)))
        if len(items) == 1:
            return nodes
        shared = _shared(items)
        if shared:
            items, key = [(one[shared:], value) for one, value in items], key[shared:]
        elif not key:
            return nodes
        else:
            items, key = _below(items, key[0]), key[1:]
