"""Published vectors, and our own ones as other libraries see them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from market.entries import keccak256
from market.messages import message_as_json
from market.signing import Domain, address_of, digest, recover, sign
from market.verifier import keccak_plain, recover_plain, typed

CASE = Path(__file__).parents[2] / "cases" / "typed_data"
VECTORS: dict[str, Any] = json.loads((CASE / "vectors.json").read_text())
DOMAIN = Domain("sejong-5-1/sim/vectors")

# The example of EIP-712: the mail from Cow to Bob.
MAIL_TYPE = b"Mail(Person from,Person to,string contents)Person(string name,address wallet)"
DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
COW = "cd2a3d9f938e13cd947ec05abc7fe734df8dd826"
BOB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
PUBLISHED = {
    "type hash": "a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2",
    "domain": "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f",
    "struct": "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e",
    "digest": "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2",
}
PUBLISHED_SIGNATURE = (
    "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562" + "1c"
)


@pytest.mark.parametrize("keccak", [keccak256, lambda data: keccak_plain([data])[0]])
def test_the_mail_of_eip_712_comes_out(keccak: Any) -> None:
    def person(name: bytes, wallet: str) -> bytes:
        kind = keccak(b"Person(string name,address wallet)")
        return bytes(keccak(kind + keccak(name) + bytes(12) + bytes.fromhex(wallet)))

    contract = bytes(12) + bytes.fromhex("cc" * 20)
    texts = b"".join(keccak(one) for one in (DOMAIN_TYPE, b"Ether Mail", b"1"))
    domain = keccak(texts + (1).to_bytes(32, "big") + contract)
    struct = keccak(
        keccak(MAIL_TYPE) + person(b"Cow", COW) + person(b"Bob", BOB) + keccak(b"Hello, Bob!")
    )
    found = {
        "type hash": keccak(MAIL_TYPE),
        "domain": domain,
        "struct": struct,
        "digest": keccak(b"\x19\x01" + domain + struct),
    }
    assert {name: value.hex() for name, value in found.items()} == PUBLISHED


def test_the_mail_is_signed_to_the_published_bytes() -> None:
    key, id_ = keccak256(b"cow"), bytes.fromhex(PUBLISHED["digest"])
    assert address_of(key).hex() == COW
    assert sign(key, id_).hex() == PUBLISHED_SIGNATURE
    signature = bytes.fromhex(PUBLISHED_SIGNATURE)
    assert recover(id_, signature).hex() == COW
    found = recover_plain(id_, signature)
    assert found is not None and found.hex() == COW


def test_the_kept_vectors_are_ours_and_the_verifiers() -> None:
    assert VECTORS["domain"] == DOMAIN.as_json()
    prefix = b"\x19\x01" + DOMAIN.separator
    for row in VECTORS["vectors"]:
        message, hashed = typed(row["type"], row["message"])
        assert message_as_json(row["type"], message) == row["message"]
        id_ = keccak256(prefix + hashed)
        assert "0x" + id_.hex() == row["digest"]
        assert id_ == digest(DOMAIN, row["type"], message)
        signature = bytes.fromhex(row["signature"][2:])
        assert "0x" + recover(id_, signature).hex() == row["signer"]


@pytest.mark.parametrize("row", VECTORS["vectors"], ids=lambda row: row["type"])
def test_plain_eth_account_names_the_signer(row: dict[str, Any]) -> None:
    inner = ["NodeResult", "LinkResult"] if row["type"] == "Clearing" else []
    types = {name: VECTORS["types"][name] for name in (row["type"], *inner)}
    kinds = {"name": "string", "version": "string", "chainId": "uint256", "salt": "bytes32"}
    types["EIP712Domain"] = [{"name": name, "type": kind} for name, kind in kinds.items()]
    full = {
        "types": types, "primaryType": row["type"], "message": row["message"],
        "domain": {**VECTORS["domain"], "chainId": 1},
    }  # fmt: skip
    signable = encode_typed_data(full_message=full)
    assert Account.recover_message(signable, signature=row["signature"]).lower() == row["signer"]


def test_a_javascript_library_names_the_signers() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js is installed")
    there = subprocess.run(
        [node, "-e", "require.resolve('ethers')"], capture_output=True, check=False
    )
    if there.returncode:
        pytest.skip("the npm package ethers cannot be found; set NODE_PATH to its folder")
    command = [node, str(CASE / "verify.cjs"), str(CASE / "vectors.json")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    count = len(VECTORS["vectors"])
    assert (told.returncode, told.stdout) == (0, f"{count} of {count} agree\n")
