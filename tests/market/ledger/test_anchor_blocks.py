"""Encodings of a chain against published examples; proofs of transactions in blocks of any size."""

import hashlib
import random
from typing import Any

import pytest

from market.anchor import (
    EMPTY_TRIE_ROOT,
    AnchorError,
    Fees,
    anchor_data,
    header_of,
    prove_transaction,
    rlp,
    rlp_number,
    sign_transaction,
)
from market.entries import keccak256
from market.signing import address_of, derive_key
from market.verifier import Unusable, read_transaction, trie_value

KEY = derive_key("payer")
LOREM = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"

# The examples of the Ethereum wiki's page on RLP.
PUBLISHED: list[tuple[Any, str]] = [
    (b"dog", "83646f67"),
    ([b"cat", b"dog"], "c88363617483646f67"),
    (b"", "80"),
    ([], "c0"),
    (b"\x00", "00"),
    (rlp_number(0), "80"),
    (rlp_number(15), "0f"),
    (rlp_number(1024), "820400"),
    ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
    (LOREM, "b838" + LOREM.hex()),
]

# The first block of Ethereum's main chain, whose hash is known everywhere.
GENESIS = {
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
}


@pytest.mark.parametrize(("value", "encoded"), PUBLISHED)
def test_the_published_encodings_come_out(value: Any, encoded: str) -> None:
    assert rlp(value).hex() == encoded


def test_the_first_block_of_the_main_chain_has_its_published_hash() -> None:
    header = header_of(GENESIS)
    assert "0x" + keccak256(header).hex() == GENESIS["hash"]
    assert "0x" + EMPTY_TRIE_ROOT.hex() == GENESIS["transactionsRoot"]
    for name in ("gasLimit", "stateRoot", "nonce"):
        other = {**GENESIS, name: GENESIS[name][:-1] + "9"}
        with pytest.raises(AnchorError, match="has not the hash"):
            header_of(other)
    with pytest.raises(AnchorError, match="a field is missing"):
        header_of({"number": "0x0"})
    with pytest.raises(AnchorError, match="no gaps"):
        header_of({**GENESIS, "blobGasUsed": "0x0"})


def test_a_transaction_says_who_sent_what_to_whom() -> None:
    data = anchor_data(bytes(32), 210_246, b"\x11" * 32)
    raw = sign_transaction(KEY, address_of(KEY), 1, 7, Fees(30_000, 10**10, 10**9), data)
    assert read_transaction(raw) == (1, address_of(KEY), address_of(KEY), data)
    assert len(data) == 72 and raw == sign_transaction(
        KEY, address_of(KEY), 1, 7, Fees(30_000, 10**10, 10**9), data
    )
    for wrong in (raw[1:], b"\x01" + raw[1:], raw[:-1], raw + b"\0", b"", b"\x02\xc0"):
        with pytest.raises(Unusable):
            read_transaction(wrong)


def root_of(raws: list[bytes]) -> bytes:
    """The root that proofs of these transactions must have: of the first one's topmost node."""
    try:
        prove_transaction(b"", bytes(32), raws, 0)
    except AnchorError as error:
        return bytes.fromhex(str(error).split("root ")[1][:64])
    raise AssertionError("no transactions have the root of zeros")


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 127, 128, 129, 300])
def test_every_transaction_of_a_block_is_proven_and_nothing_else(count: int) -> None:
    rng = random.Random(count)
    raws = [rng.randbytes(rng.randrange(60, 300)) for _ in range(count)]
    root, refused = root_of(raws), 0
    for index in sorted({*range(min(count, 20)), count // 2, count - 1}):
        proof = prove_transaction(b"header", root, raws, index)
        key = rlp(rlp_number(index))
        assert trie_value(root, key, proof.nodes) == raws[index]
        lies = [proof.nodes[:-1], proof.nodes[1:], (*proof.nodes, proof.nodes[-1])]
        lies += [proof.nodes[::-1]] if len(proof.nodes) > 1 else []
        for nodes in lies:
            assert trie_value(root, key, nodes) is None
        for other in range(count):
            if other != index:
                assert trie_value(root, rlp(rlp_number(other)), proof.nodes) != raws[index]
                refused += 1
        assert trie_value(hashlib.sha256(root).digest(), key, proof.nodes) is None
    assert refused >= count - 1
