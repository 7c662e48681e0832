"""The ledger over HTTP: cancel, change keys, take a proof; and what proofs must not tell."""

import base64
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.steps.chain_audit import audit_chain
from energy.steps.keystore import OPERATOR_ROLES
from energy.steps.ledger_files import checkpoint_lines
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover
from energy.store.audit import list_records
from energy.store.orders import orders_of
from energy.store.sqlite import sqlite3
from energy.timegrid import iso_of
from energy.units import SLOT_S
from market.messages import message_as_json
from market.signing import address_of, derive_key, digest, sign
from market.verifier import read_note, verify_bundle

FIRST = 1_784_084_400
NONCES = itertools.count(5_000)
KINDS = ("Order", "Transfer")
Begin = Callable[..., Any]


class Clock:
    mode, slot_seconds_real, at_s = "demo", 15.0, FIRST + SLOT_S - 100.0

    def now_s(self) -> float:
        return self.at_s


@pytest.fixture
def here(begin_books: Begin) -> Any:
    found = begin_books()
    found.run(3)
    return found


@dataclass
class Told:
    status: int
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Client:
    address: str

    def ask(self, path: str, content: bytes | None = None) -> Told:
        try:
            with urllib.request.urlopen(self.address + path, content) as answer:
                return Told(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Told(error.code, error.read())


@pytest.fixture
def client(here: Any, serve_app: Any) -> Client:
    context = ApiContext(
        store=here.store,
        district=here.district,
        settings=Settings(),
        clock=Clock(),
        admission=here.admission,
    )
    return Client(serve_app(create_app(context)))


def envelope(here: Any, name: str, *keys: bytes, **fields: Any) -> bytes:
    message = {"account": here.crowd.account[0], "nonce": next(NONCES), **fields}
    id_ = digest(here.books.domain, name, message)
    signed = [
        {"signer": f"0x{address_of(key).hex()}", "signature": f"0x{sign(key, id_).hex()}"}
        for key in keys
    ]
    body = {"type": name, "message": message_as_json(name, message), "signatures": signed}
    return orjson.dumps(body)


def test_an_order_is_cancelled_once(here: Any, client: Client) -> None:
    slot, key = FIRST + 5 * SLOT_S, bytes(here.crowd.private_key[0])
    order = {**here.order(0, slot, 1, 100_000), "nonce": next(NONCES)}
    posted = client.ask("/v1/orders", envelope(here, "Order", key, **order))
    assert posted.status == 201, posted
    id_ = bytes.fromhex(posted.json["order_id"][2:])
    cancel = envelope(here, "Cancel", key, slot=slot, order_id=id_)
    first, again = (client.ask("/v1/orders/cancel", cancel) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert first.json["receipt"] == again.json["receipt"]
    assert client.ask(f"/v1/orders/0x{id_.hex()}").json["status"] == "CANCELLED"
    other = client.ask("/v1/orders/cancel", envelope(here, "Cancel", key, slot=slot, order_id=id_))
    assert (other.status, other.json["code"]) == (422, "UNKNOWN_ORDER")


def test_keys_change_at_their_own_door_only(here: Any, client: Client) -> None:
    old, new = bytes(here.crowd.private_key[0]), derive_key("new")
    pair = {"old_key": address_of(old), "new_key": address_of(new), "from_slot": FIRST + 5 * SLOT_S}
    text = envelope(here, "KeyRotate", old, new, **pair)
    assert client.ask("/v1/orders/cancel", text).status == 422
    assert client.ask("/v1/keys", b"{}").status == 422
    assert client.ask("/v1/keys", text).status == 201
    late = envelope(here, "KeyRotate", new, old, **pair)
    assert client.ask("/v1/keys", late).status == 401


def test_a_proof_over_http_is_proven_with_the_trust_root(here: Any, client: Client) -> None:
    rows = here.store.read(lambda c: orders_of(c, here.crowd.account[0]))
    id_ = f"0x{rows[0].id.hex()}"
    trust = client.ask("/v1/ledger/trust").content
    proof = client.ask(f"/v1/orders/{id_}/proof")
    report = verify_bundle(trust, proof.content)
    assert report.ok, report.first_failure
    note = client.ask("/v1/ledger/checkpoint").content.decode()
    assert read_note(note)[0]["size"] == here.books.head.state.frontier.size
    assert client.ask(f"/v1/orders/0x{'00' * 32}/proof").status == 404
    assert client.ask("/v1/orders/xyz/proof").status == 422
    key = bytes(here.crowd.private_key[0])
    order = {**here.order(0, FIRST + 5 * SLOT_S, 1, 100_000), "nonce": next(NONCES)}
    fresh = client.ask("/v1/orders", envelope(here, "Order", key, **order)).json
    waiting = client.ask(f"/v1/orders/{fresh['order_id']}/proof")
    assert (waiting.status, waiting.json["code"]) == (409, "NOT_SEALED")


def test_a_proof_names_no_account_but_the_holders_and_the_markets(here: Any) -> None:
    holder = here.crowd.account[0]
    others = {one.hex() for one in here.books.customers if one != holder}

    def proofs(connection: Any) -> list[bytes]:
        prover = Prover(connection)
        found = prover.entries_of(holder, FIRST)
        slots = {"Order": None}
        return [
            prover.account(holder),
            *(prover.entry(id_, slots.get(name, FIRST)) for name, id_ in found),
        ]

    for proof in here.store.read(proofs):
        text = proof.decode()
        assert not any(one in text for one in others)
        # Packed words are looked through as well.
        packed = json.loads(text).get("history", [])
        raw = b"".join(base64.b64decode(one["words"]) for one in packed).hex()
        assert not any(one in raw for one in others)


def test_what_is_published_tells_no_name_place_meter_or_series(here: Any) -> None:
    names = _names_of(here.district)
    published = "\n".join(checkpoint_lines(here.store))
    everything = "\n".join(export_lines(here.store))
    assert len(names) > 20
    for name in names:
        assert f'"{name}"' not in published and f'"{name}"' not in everything
    # The log that everybody sees has hashes alone: no account, no reading, no amount.
    for account in here.books.customers:
        assert account.hex() not in published
    lines = [json.loads(line) for line in published.splitlines()[1:]]
    assert {name for line in lines for name in line} == {"keys", "leaves", "note"}


def _names_of(district: Any) -> set[str]:
    """Every text that the district's data have for a place, a device or a person."""
    found: set[str] = set()

    def look(value: Any, depth: int) -> None:
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, dict):
            for one in value.values():
                look(one, depth)
        elif isinstance(value, (list, tuple)):
            for one in value:
                look(one, depth)
        elif depth and hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                look(getattr(value, name), depth - 1)

    look(district, 3)
    return {one for one in found if len(one) >= 4 and one != district.id}


def test_any_entry_is_found_by_its_id_and_its_proof_holds(here: Any, client: Client) -> None:
    trust = client.ask("/v1/ledger/trust").content
    holder = here.crowd.account[0]
    named = here.store.read(lambda c: Prover(c).entries_of(holder, FIRST))
    order, transfer = (next(id_ for name, id_ in named if name == one) for one in KINDS)
    found = client.ask(f"/v1/ledger/entries/0x{order.hex()}")
    assert verify_bundle(trust, found.content).ok
    alone = client.ask(f"/v1/ledger/entries/0x{transfer.hex()}")
    assert (alone.status, alone.json["code"]) == (404, "NOT_FOUND")
    with_slot = client.ask(f"/v1/ledger/entries/0x{transfer.hex()}?slot={FIRST}")
    assert with_slot.json["entry"]["type"] == "Transfer"
    assert verify_bundle(trust, with_slot.content).ok
    record = here.store.read(list_records)[0].record
    assert (record.whose, record.task) == ("ledger", f"read entry 0x{transfer.hex()}")


def test_signed_heads_come_newest_first_with_the_operators_keys(here: Any, client: Client) -> None:
    page = client.ask("/v1/checkpoints?limit=2").json
    assert [one["tick_utc"] for one in page["items"]] == [
        iso_of(FIRST + n * SLOT_S) for n in (2, 1)
    ]
    rest = client.ask(page["next"]).json
    assert rest["items"][0]["tick_utc"] == iso_of(FIRST)
    keys = client.ask("/v1/ledger/keys").json["items"]
    assert {role for one in keys for role in one["roles"]} == set(OPERATOR_ROLES)
    assert page["items"][0]["signer"] in {one["address"] for one in keys if "log" in one["roles"]}


def test_an_audit_finds_a_changed_transfer_and_a_changed_head(here: Any, client: Client) -> None:
    whole = client.ask("/v1/ledger/audit").json
    assert whole["holds"] and whole["findings"] == [] and whole["transfers"] > 0
    with sqlite3.connect(here.store.url.removeprefix("sqlite:///")) as store:
        for trigger in ("transfer_no_update", "checkpoint_no_update"):
            store.execute(f"DROP TRIGGER {trigger}")
        store.execute(
            "UPDATE transfer SET amount = amount + 1 WHERE (settlement, position) ="
            " (SELECT settlement, position FROM transfer WHERE kind = 1 LIMIT 1)"
        )
        changed = "UPDATE checkpoint SET previous = ? WHERE tick = ?"
        store.execute(changed, (b"\x11" * 32, FIRST + SLOT_S))
    found = here.store.read(audit_chain)
    told = " ".join(found.findings)
    assert "its transfers add up to" in told and "follows 1111" in told
