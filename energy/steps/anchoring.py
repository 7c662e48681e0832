"""Anchors: once a day the head of the log goes to an EVM chain, as calldata to oneself.

An extra that is off unless a node and a key are named. A try is kept before it is sent; what is
repeated or paid better has the same nonce, so that one of all tries is mined at the most. A
checkpoint counts as ANCHORED when its block is final, and the next tick of the log tells of it.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from energy.steps.beside import Beside
from energy.steps.tick_book import TickBook
from energy.store.anchors import (
    AnchoredRow,
    AnchorTry,
    find_anchored,
    last_tries,
    next_try,
    save_anchored,
    save_try,
    tick_of,
)
from energy.store.checkpoints import CheckpointRow, find_checkpoint, last_checkpoint
from energy.store.engine import Store
from energy.store.errors import StoreError
from market.anchor import (
    AnchorError,
    Fees,
    anchor_data,
    header_of,
    prove_transaction,
    sign_transaction,
)
from market.checkpoint import parse_note
from market.entries import keccak256
from market.signing import address_of

log = logging.getLogger(__name__)

DAY_S = 86_400
ROUND_EVERY_S = 60.0
ANSWER_S = 20.0
GWEI = 10**9
MOST_GWEI = 100
ROOM_FOR_GAS = 1.25  # above the node's estimate
RAISE_BY = 1.25  # a node takes another transaction of one nonce from a tenth more on


class AnchorStatus(StrEnum):
    """How far the day's checkpoint has come."""

    NOTHING_DUE = "NOTHING_DUE"
    SENT = "SENT"
    MINED = "MINED"
    ANCHORED = "ANCHORED"


class ChainNode:
    """A node of the chain, asked by JSON-RPC; its address may hold a secret and is never told."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise AnchorError("node of the chain: allowed http://HOST:PORT or https://HOST")
        self._url = url

    def ask(self, method: str, *parameters: object) -> Any:  # noqa: ANN401
        """The result of a call; raises AnchorError in one sentence."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        asked = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
                found = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise AnchorError(f"node of the chain: {method}: HTTP {error.code}") from error
        except (OSError, ValueError) as error:
            raise AnchorError(f"node of the chain: {method}: {type(error).__name__}") from error
        if not isinstance(found, dict) or "result" not in found:
            said = found.get("error") if isinstance(found, dict) else found
            raise AnchorError(f"node of the chain: {method}: {said}")
        return found["result"]

    def number(self, method: str, *parameters: object) -> int:
        """The result of a call that answers with a number."""
        found = self.ask(method, *parameters)
        try:
            return int(found, 16)
        except (TypeError, ValueError) as error:
            raise AnchorError(f"node of the chain: {method}: found {found!r}") from error

    def block(self, which: str) -> dict[str, Any]:
        """A block by its number or a word for it."""
        found = self.ask("eth_getBlockByNumber", which, False)
        if not isinstance(found, dict):
            raise AnchorError(f"node of the chain: block {which}: found none")
        return found

    def send(self, raw: bytes) -> None:
        """Hand in a transaction; one that the node knows already is as good."""
        try:
            self.ask("eth_sendRawTransaction", "0x" + raw.hex())
        except AnchorError:
            if self.ask("eth_getTransactionByHash", "0x" + keccak256(raw).hex()) is None:
                raise


class Anchorer(Beside):
    """Brings one checkpoint a day to the chain, one small round at a time."""

    def __init__(
        self,
        store: Store,
        node: ChainNode,
        key: bytes,
        now_s: Callable[[], float],
        most_gwei: int = MOST_GWEI,
    ) -> None:
        super().__init__("anchors")
        self._store, self._node, self._key, self._now_s = store, node, key, now_s
        self._most_wei = most_gwei * GWEI
        self.address = address_of(key)

    def _work(self) -> None:
        while not self._stopping.wait(ROUND_EVERY_S):
            try:
                self.round()
            except (AnchorError, StoreError) as error:
                log.warning("anchors: %s", error)

    def round(self) -> AnchorStatus:
        """Do what is next, and say how far it is; raises AnchorError where the node refuses."""
        try:
            return self._round()
        except (KeyError, TypeError, ValueError) as error:
            raise AnchorError(f"node of the chain: answers oddly: {error!r}") from error

    def _round(self) -> AnchorStatus:
        tries = self._store.read(_open_tries)
        if tries:
            return self._follow(tries)
        head = self._store.read(_head_due)
        if head is None:
            return AnchorStatus.NOTHING_DUE
        return self._try(head.digest, head.note, self._count("latest"), None)

    def _follow(self, tries: Sequence[AnchorTry]) -> AnchorStatus:
        for one in tries:
            receipt = self._node.ask("eth_getTransactionReceipt", "0x" + one.transaction.hex())
            if receipt is not None:
                return self._finish(one, receipt)
        last = tries[-1]
        note = self._store.read(lambda connection: _note_of(connection, last.checkpoint))
        # Where another transaction has this nonce for good, none of ours can be mined any more.
        if self._count("finalized") > last.nonce:
            return self._try(last.checkpoint, note, self._count("latest"), None)
        if int(self._node.block("latest").get("baseFeePerGas", "0x0"), 16) > last.most_wei:
            return self._try(last.checkpoint, note, last.nonce, last)
        self._node.send(last.raw)
        return AnchorStatus.SENT

    def _count(self, which: str) -> int:
        return self._node.number("eth_getTransactionCount", "0x" + self.address.hex(), which)

    def _try(self, of: bytes, note: str, nonce: int, before: AnchorTry | None) -> AnchorStatus:
        """Sign, keep, send; a try before this one is outbid."""
        chain_id = self._node.number("eth_chainId")
        message = parse_note(note).message
        data = anchor_data(message["origin"], message["size"], message["root"])
        fees = self._fees(data, before)
        raw = sign_transaction(self._key, self.address, chain_id, nonce, fees, data)

        def write(connection: Connection) -> None:
            row = AnchorTry(
                no=next_try(connection),
                transaction=keccak256(raw),
                checkpoint=of,
                chain_id=chain_id,
                nonce=nonce,
                most_wei=fees.most_wei,
                tip_wei=fees.tip_wei,
                raw=raw,
                sent_utc=int(self._now_s()),
            )
            save_try(connection, row)

        self._store.write(write)
        self._node.send(raw)
        return AnchorStatus.SENT

    def _fees(self, data: bytes, before: AnchorTry | None) -> Fees:
        own = "0x" + self.address.hex()
        call = {"from": own, "to": own, "data": "0x" + data.hex()}
        gas = int(self._node.number("eth_estimateGas", call) * ROOM_FOR_GAS)
        base = self._node.block("latest").get("baseFeePerGas")
        if base is None:
            raise AnchorError("chain: found blocks without baseFeePerGas, allowed a fee market")
        tip = self._node.number("eth_maxPriorityFeePerGas")
        most = 2 * int(base, 16) + tip
        if before is not None:
            tip = max(tip, int(before.tip_wei * RAISE_BY) + 1)
            most = max(most, int(before.most_wei * RAISE_BY) + 1)
        if most > self._most_wei:
            allowed = self._most_wei // GWEI
            raise AnchorError(f"chain: asks {most // GWEI} gwei per gas, allowed {allowed}")
        return Fees(gas, most, min(tip, most))

    def _finish(self, one: AnchorTry, receipt: dict[str, Any]) -> AnchorStatus:
        """Keep the proof of a mined transaction once its block is final."""
        number = int(receipt["blockNumber"], 16)
        if int(self._node.block("finalized")["number"], 16) < number:
            return AnchorStatus.MINED
        block = self._node.block(receipt["blockNumber"])
        raws = [
            bytes.fromhex(self._node.ask("eth_getRawTransactionByHash", hashed)[2:])
            for hashed in block["transactions"]
        ]
        proof = prove_transaction(
            header_of(block),
            bytes.fromhex(block["transactionsRoot"][2:]),
            raws,
            int(receipt["transactionIndex"], 16),
        )
        if raws[proof.index] != one.raw:
            raise AnchorError(f"block {number}: another transaction stands at {proof.index}")
        row = AnchoredRow(
            checkpoint=one.checkpoint,
            transaction=one.transaction,
            block=number,
            header=proof.header,
            place=proof.index,
            nodes=["0x" + node.hex() for node in proof.nodes],
            found_utc=int(self._now_s()),
        )
        self._store.write(lambda connection: save_anchored(connection, row))
        return AnchorStatus.ANCHORED


def enter_anchors(book: TickBook, due: Sequence[AnchorTry]) -> list[tuple[bytes, bytes]]:
    """Let the log tell of what has become final; checkpoint and entry of each."""
    rows = []
    for one in due:
        message: dict[str, int | bytes] = {
            "checkpoint": one.checkpoint,
            "chain_id": one.chain_id,
            "transaction": one.transaction,
        }
        rows.append((one.checkpoint, book.enter("Anchor", message, book.books.keys.log).digest))
    return rows


def _open_tries(connection: Connection) -> list[AnchorTry]:
    """The tries for the last checkpoint, none where one of them is final."""
    tries = last_tries(connection)
    return [] if not tries or find_anchored(connection, tries[-1].checkpoint) else tries


def _head_due(connection: Connection) -> CheckpointRow | None:
    """The newest checkpoint, where none of its day (UTC) was tried."""
    head, tries = last_checkpoint(connection), last_tries(connection)
    if head is None:
        return None
    last = tick_of(connection, tries[-1].checkpoint) if tries else -DAY_S
    return head if last // DAY_S < head.tick // DAY_S else None


def _note_of(connection: Connection, of: bytes) -> str:
    row = find_checkpoint(connection, tick_of(connection, of))
    assert row is not None, "tries name checkpoints"
    return row.note
