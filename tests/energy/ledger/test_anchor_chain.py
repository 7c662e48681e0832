"""Anchors on a real node of a chain: sent once, one nonce, final, in the log, proven."""

import contextlib
import json
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from energy.cli import run
from energy.steps.anchoring import Anchorer, AnchorStatus, ChainNode
from energy.steps.proving import verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.anchor_tables import anchor_try
from energy.store.anchors import last_tries
from energy.store.errors import StoreError
from market.anchor import AnchorError, Fees, anchor_data, rlp, sign_transaction
from market.signing import address_of, derive_key
from market.verifier import canonical, read_note, read_transaction, verify_bundle, verify_online

FIRST = 1_784_084_400
KEY = derive_key("the key that pays for anchors")
Begin = Callable[..., Any]


@contextlib.contextmanager
def running_chain(node_modules: Path) -> Iterator[str]:
    """A node whose blocks the test makes; two blocks later a block is final."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = next(node_modules.glob("@foundry-rs/anvil-*/bin/anvil"))
    words = [str(program), "--port", str(port), "--no-mining", "--slots-in-an-epoch", "1"]
    process = subprocess.Popen([*words, "--silent"])
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                ChainNode(url).ask("eth_chainId")
                break
            except AnchorError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def chain(node_modules: Path) -> Iterator[str]:
    with running_chain(node_modules) as url:
        funds = ["0x" + address_of(KEY).hex(), hex(10**20)]
        ChainNode(url).ask("anvil_setBalance", *funds)
        yield url


def mine(url: str, blocks: int = 1) -> None:
    ChainNode(url).ask("anvil_mine", hex(blocks))


def anchorer(here: Any, url: str, **options: Any) -> Anchorer:
    return Anchorer(here.store, ChainNode(url), KEY, lambda: FIRST, **options)


def crowd_the_block(url: str, count: int) -> None:
    """Other people's transactions beside ours."""
    node = ChainNode(url)
    accounts = node.ask("eth_accounts")
    for n in range(count):
        node.ask(
            "eth_sendTransaction",
            {"from": accounts[n % 9], "to": accounts[9], "value": hex(n), "gas": hex(21_000)},
        )


def prove(here: Any) -> tuple[bytes, bytes]:
    trust, proof = here.store.read(lambda c: (Prover(c).trust(Witnesses()), Prover(c).anchor()))
    return trust, proof


def test_a_days_head_goes_to_the_chain_once_and_is_proven(
    begin_books: Begin, chain: str, node_modules: Path
) -> None:
    here = begin_books()
    here.run(2)
    work = anchorer(here, chain)
    crowd_the_block(chain, 150)
    assert work.round() == AnchorStatus.SENT
    assert work.round() == AnchorStatus.SENT  # the same bytes again
    mine(chain)
    assert work.round() == AnchorStatus.MINED
    mine(chain, 3)
    assert work.round() == AnchorStatus.ANCHORED
    assert work.round() == AnchorStatus.NOTHING_DUE
    with pytest.raises(StoreError, match="found none in the log"):
        prove(here)
    (tried,) = here.store.read(last_tries)
    here.run(2, begin=2)
    trust, proof = prove(here)
    report = verify_bundle(trust, proof)
    assert report.ok, report.first_failure
    assert report.checks["anchor"] == 5 and report.checks["path in block"] == 1
    found = json.loads(proof)
    note, _ = read_note(found["note"])
    data = anchor_data(note["origin"], note["size"], note["root"])
    sent = bytes.fromhex(found["transaction"][2:])
    assert sent == tried.raw and read_transaction(sent)[3] == data
    assert verify_store(here.store, 0).ok
    online = verify_online(report, chain)
    assert online.ok and online.checks["block is final"] == 1
    with running_chain(node_modules) as elsewhere:
        mine(elsewhere, 9)
        failure = verify_online(report, elsewhere).first_failure
        assert failure is not None and failure.check == "block of the chain"
    failure = verify_online(report, "http://127.0.0.1:9").first_failure
    assert failure is not None and failure.check == "readable"


def test_nothing_of_the_proof_can_be_changed(begin_books: Begin, chain: str) -> None:
    here = begin_books()
    here.run(2)
    work = anchorer(here, chain)
    crowd_the_block(chain, 20)
    work.round()
    mine(chain, 3)
    assert work.round() == AnchorStatus.ANCHORED
    here.run(1, begin=2)
    trust, proof = prove(here)
    good, rng, refused = json.loads(proof), random.Random(3), 0
    other = sign_transaction(
        KEY,
        address_of(KEY),
        1,
        0,
        Fees(30_000, 10**10, 10**9),
        anchor_data(bytes(32), 1, bytes(32)),
    )
    lies = [
        {**good, "note": good["checkpoint"]},
        {**good, "transaction": "0x" + other.hex()},
        {**good, "index": str(int(good["index"]) + 1)},
        {**good, "index": "-1"},
        {**good, "header": "0x" + rlp([[]] * 20).hex()},
        {**good, "header": "0x" + rlp([b""] * 20).hex()},
        {**good, "header": "0x"},
        {**good, "nodes": []},
        {**good, "nodes": good["nodes"][::-1]},
        {**good, "nodes": [*good["nodes"], good["nodes"][-1]]},
    ]
    for name in ("transaction", "header", "nodes", "note", "index"):
        for _ in range(30):
            text = good[name] if name != "nodes" else rng.choice(good["nodes"])
            at = rng.randrange(2 if text.startswith("0x") else 0, len(text))
            changed = (
                text[:at] + rng.choice("0123456789abcdef".replace(text[at], "")) + text[at + 1 :]
            )
            if name == "nodes":
                changed = [changed if one == text else one for one in good["nodes"]]
            lies.append({**good, name: changed})
    for lie in lies:
        report = verify_bundle(trust, canonical(lie))
        # A header's other fields are what its hash says: that block is not of the chain.
        if report.ok:
            report = verify_online(report, chain)
        assert not report.ok, lie
        refused += 1
    assert refused == 160


def test_what_was_kept_before_a_failure_is_sent_again_and_nothing_else(
    begin_books: Begin, chain: str
) -> None:
    here = begin_books()
    here.run(1)
    work = anchorer(here, chain)
    node = ChainNode(chain)
    work._node = Lost(chain)
    with pytest.raises(AnchorError, match="is lost"):
        work.round()
    (kept,) = here.store.read(last_tries)
    assert node.ask("eth_getTransactionByHash", "0x" + kept.transaction.hex()) is None
    again = anchorer(here, chain)
    assert again.round() == AnchorStatus.SENT
    assert node.ask("eth_getTransactionByHash", "0x" + kept.transaction.hex()) is not None
    mine(chain, 3)
    assert again.round() == AnchorStatus.ANCHORED
    assert len(here.store.read(last_tries)) == 1


class Odd(ChainNode):
    """A node that answers what nobody expects."""

    def ask(self, method: str, *parameters: object) -> Any:
        return {} if method == "eth_getBlockByNumber" else "0x1"


def test_a_node_that_answers_oddly_is_told_in_a_sentence(begin_books: Begin) -> None:
    here = begin_books()
    here.run(1)
    work = Anchorer(here.store, Odd("http://127.0.0.1:9"), KEY, lambda: FIRST)
    with pytest.raises(AnchorError, match="baseFeePerGas"):
        work.round()
    with pytest.raises(AnchorError, match="allowed http"):
        ChainNode("file:///etc/hosts")
    with pytest.raises(AnchorError, match="eth_chainId: URLError"):
        ChainNode("http://127.0.0.1:9").ask("eth_chainId")


class Lost(ChainNode):
    """The way to the node is lost at the moment of sending."""

    def send(self, raw: bytes) -> None:
        raise AnchorError("node of the chain: the connection is lost")


def test_where_the_chain_has_become_dearer_the_same_nonce_is_paid_better(
    begin_books: Begin, chain: str
) -> None:
    here, node = begin_books(), ChainNode(chain)
    here.run(1)
    work = anchorer(here, chain, most_gwei=500)
    assert work.round() == AnchorStatus.SENT
    node.ask("anvil_setNextBlockBaseFeePerGas", hex(40 * 10**9))
    mine(chain)
    assert work.round() == AnchorStatus.SENT
    tries = here.store.read(last_tries)
    assert len(tries) == 2 and len({one.nonce for one in tries}) == 1
    assert tries[1].most_wei > 40 * 10**9 > tries[0].most_wei
    mine(chain, 3)
    assert work.round() == AnchorStatus.ANCHORED
    found = [node.ask("eth_getTransactionReceipt", "0x" + one.transaction.hex()) for one in tries]
    assert [one is not None for one in found] == [False, True]


def test_dearer_than_allowed_is_refused_and_nothing_is_kept(begin_books: Begin, chain: str) -> None:
    here = begin_books()
    here.run(1)
    with pytest.raises(AnchorError, match="asks 3 gwei per gas, allowed 1"):
        anchorer(here, chain, most_gwei=1).round()
    assert here.store.read(last_tries) == []


def test_a_nonce_that_somebody_else_has_used_for_good_is_left(
    begin_books: Begin, chain: str
) -> None:
    here, node = begin_books(), ChainNode(chain)
    here.run(1)
    work = anchorer(here, chain)
    work._node = Lost(chain)
    with pytest.raises(AnchorError):
        work.round()
    other = sign_transaction(
        KEY, address_of(KEY), 31_337, 0, Fees(30_000, 10**10, 10**9), b"something else"
    )
    node.send(other)
    mine(chain)
    work = anchorer(here, chain)
    with pytest.raises(AnchorError, match="nonce"):
        work.round()  # not final yet: the other one might still fall out
    mine(chain, 3)
    assert work.round() == AnchorStatus.SENT
    assert [one.nonce for one in here.store.read(last_tries)] == [0, 1]
    mine(chain, 3)
    assert work.round() == AnchorStatus.ANCHORED


def test_the_commands_send_wait_and_hand_out_the_proof(
    begin_books: Begin, chain: str, tmp_path: Path, capsys: Any
) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    here = begin_books(url)
    here.run(1)
    here.store.close()
    key, trust, proof = (tmp_path / name for name in ("key", "trust.json", "my.proof.json"))
    key.write_text(KEY.hex())
    where = ["--database-url", url]
    send = ["ledger", "anchor", "--anchor-rpc-url", chain, "--anchor-key", str(key), *where]
    assert run(send) == 0
    assert capsys.readouterr().out == f"SENT by 0x{address_of(KEY).hex()}\n"
    mine(chain, 3)
    assert run([*send, "--wait-s", "5"]) == 0
    assert capsys.readouterr().out.startswith("ANCHORED by ")
    assert run(["ledger", "anchor", "--out", str(proof), *where]) == 2
    again = begin_books(url)
    again.run(1, begin=1)
    assert run(["ledger", "anchor", "--out", str(proof), *where]) == 0
    assert run(["ledger", "trust", "--out", str(trust), *where]) == 0
    verify = ["ledger", "verify", str(proof), "--trust", str(trust)]
    capsys.readouterr()
    assert run(verify) == 0
    assert "proven, if block 1 of the chain is 0x" in capsys.readouterr().out
    assert run([*verify, "--online", chain]) == 0
    assert capsys.readouterr().out.endswith("proven\n")
    assert run(["ledger", "anchor", *where]) == 2


def test_what_was_sent_is_never_changed(begin_books: Begin, chain: str) -> None:
    here = begin_books()
    here.run(1)
    anchorer(here, chain).round()
    for statement in (anchor_try.update().values(nonce=9), anchor_try.delete()):
        with pytest.raises(DBAPIError, match="append-only"):
            here.store.write(lambda c, one=statement: c.execute(one))
    assert here.store.read(lambda c: c.scalar(select(anchor_try.c.nonce))) == 0
