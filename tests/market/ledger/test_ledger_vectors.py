"""Published vectors, and our own ones as other libraries see them."""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from market.entries import ENTRY_TYPES, EntryType, Field, keccak256
from market.messages import message_as_json
from market.signing import Domain, address_of, derive_key, digest, recover, sign
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


def told_by_ethers(node: str, modules: Path, path: Path) -> tuple[int, str]:
    """Exit code and words of the witness in JavaScript about the vectors of a file."""
    told = subprocess.run(
        [node, str(CASE / "verify.cjs"), str(path)],
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode, told.stdout + told.stderr


def test_a_javascript_library_finds_the_published_mail(
    node_command: str, node_modules: Path
) -> None:
    found = told_by_ethers(node_command, node_modules, CASE / "mail.json")
    assert found == (0, "1 of 1 agree\n")


def test_a_javascript_library_names_the_signers(node_command: str, node_modules: Path) -> None:
    count = len(VECTORS["vectors"])
    found = told_by_ethers(node_command, node_modules, CASE / "vectors.json")
    assert found == (0, f"{count} of {count} agree\n")


def random_value(rng: random.Random, field: Field) -> Any:
    """Any value of the field: near its ends, near nought or anywhere."""
    if field.is_array:
        child = ENTRY_TYPES[field.type.removesuffix("[]")]
        return [random_message(rng, child) for _ in range(rng.randrange(4))]
    if not field.is_integer:
        return rng.randbytes(20 if field.type == "address" else 32)
    low, high = field.bounds()
    near = (low, low + 1, high - 1, high, max(low, -1), 0, 1)
    return rng.choice((*near, rng.randint(low, high), rng.randint(low, high)))


def random_message(rng: random.Random, kind: EntryType) -> dict[str, Any]:
    return {field.name: random_value(rng, field) for field in kind.fields}


def test_a_javascript_library_signs_random_messages_of_every_type_to_our_bytes(
    node_command: str, node_modules: Path, tmp_path: Path
) -> None:
    rng, rows = random.Random(712), []
    for name, kind in ENTRY_TYPES.items():
        for number in range(0 if name in ("NodeResult", "LinkResult") else 12):
            message, key = random_message(rng, kind), derive_key(f"{name} {number}")
            id_ = digest(DOMAIN, name, message)
            row = {"digest": id_, "signer": address_of(key), "signature": sign(key, id_)}
            texts = {field: "0x" + value.hex() for field, value in {**row, "key": key}.items()}
            rows.append({"type": name, "message": message_as_json(name, message), **texts})
    path = tmp_path / "random.json"
    path.write_text(json.dumps({**VECTORS, "vectors": rows}))
    assert len(rows) == 12 * (len(ENTRY_TYPES) - 2) >= 240
    found = told_by_ethers(node_command, node_modules, path)
    assert found == (0, f"{len(rows)} of {len(rows)} agree\n")
    # The witness is not one that agrees with everything.
    rows[0]["signature"] = rows[1]["signature"]
    path.write_text(json.dumps({**VECTORS, "vectors": rows}))
    code, words = told_by_ethers(node_command, node_modules, path)
    assert code == 1 and f"{len(rows) - 1} of {len(rows)} agree" in words


def test_the_lock_of_the_witnesses_has_hashes_and_no_addresses() -> None:
    lock = json.loads((CASE.parents[1] / "node" / "package-lock.json").read_text())
    packages = [one for name, one in lock["packages"].items() if name]
    assert len(packages) >= 9
    for one in packages:
        assert one["integrity"].startswith("sha512-") and "resolved" not in one
