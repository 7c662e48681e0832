"""Contracts over HTTP and from the command line: entered, shown, ended, refused in one sentence."""

from typing import Any

import orjson
import pytest

from energy.cli import run
from energy.crowd import demo_key, sign_message
from energy.steps.contracting import sign_contract
from energy.store.accounts import KeyRow, save_keys
from market.signing import address_of, digest

FIRST_OPEN = 1_784_106_000
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def parties(served: Any, desk: Any) -> tuple[int, int]:
    """Two meters whose keys may sign contracts in the served store."""
    crowd = desk.crowd
    rows = [
        KeyRow(account, address, 0, None, 3, bytes(32))
        for account, address in zip(crowd.account, crowd.address, strict=True)
    ]
    served.store.write(lambda connection: save_keys(connection, rows))
    meters = crowd.meter.tolist()
    return meters[0], meters[1]


def message(desk: Any, parties: tuple[int, int], **changes: Any) -> dict[str, Any]:
    account = desk.crowd.district.meters.account
    return {
        "seller": account[parties[0]],
        "buyer": account[parties[1]],
        "kind": 5,
        "first_slot": FIRST_OPEN,
        "end_slot": FIRST_OPEN + 96 * 900,
        "cap_wh": 1_000,
        "share_ppm": 500_000,
        "price_mkrw_per_kwh": 128_000,
        "rank": 0,
        "terms": bytes(32),
        "nonce": 1,
        **changes,
    }


def envelope(desk: Any, parties: tuple[int, int], **changes: Any) -> bytes:
    keys = [demo_key("sejong-5-1@0.02", 1, meter) for meter in parties]
    return sign_contract(desk.admission.domain, message(desk, parties, **changes), *keys)


def test_a_contract_is_entered_shown_and_ended(
    served: Any, desk: Any, parties: tuple[int, int]
) -> None:
    text = envelope(desk, parties)
    first, again = (served.ask("/v1/contracts", text, JSON) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert first.json["receipt"] == again.json["receipt"]
    id_ = first.json["id"]
    assert id_ == "0x" + digest(desk.admission.domain, "Contract", message(desk, parties)).hex()
    listed = served.ask("/v1/contracts").json
    assert listed["regime"]["name"] == "sandbox" and listed["regime"]["bills"] == []
    (one,) = listed["contracts"]
    assert (one["kind"], one["state"], one["price_krw_per_kwh"]) == ("partner", "WAITING", "128")
    # Who the parties are is nobody's business but theirs.
    shown = served.ask(f"/v1/contracts/{id_}").body
    for meter in parties:
        assert desk.crowd.district.meters.account[meter].hex().encode() not in shown
    for number, meter in enumerate(parties):
        key = demo_key("sejong-5-1@0.02", 1, meter)
        body = {
            "account": desk.crowd.district.meters.account[meter],
            "slot": FIRST_OPEN + 900,
            "order_id": bytes.fromhex(id_[2:]),
            "nonce": 10 + number,
        }
        signed = sign_message(desk.admission.domain, "Cancel", body, key, address=address_of(key))
        assert served.ask("/v1/contracts/end", signed, JSON).status == 201
    ended = served.ask(f"/v1/contracts/{id_}").json
    assert ended["end_slot_utc"] == "2026-07-15T09:15:00Z" and len(ended["ends_signed"]) == 2


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"first_slot": FIRST_OPEN - 900}, 422, "BACK_DATED"),
        ({"share_ppm": 0}, 422, "CONTRACT_RULES"),
        ({"buyer": b"?" * 32}, 401, "UNKNOWN_KEY"),
    ],
)
def test_a_refusal_is_a_problem_with_field_found_and_allowed(
    served: Any, desk: Any, parties: tuple[int, int], changes: Any, status: int, code: str
) -> None:
    answer = served.ask("/v1/contracts", envelope(desk, parties, **changes), JSON)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json["field"] and answer.json["found"] and answer.json["allowed"]
    assert served.ask("/v1/contracts").json["contracts"] == []


def test_the_same_nonce_conflicts_and_rubbish_is_refused(
    served: Any, desk: Any, parties: tuple[int, int]
) -> None:
    assert served.ask("/v1/contracts", envelope(desk, parties), JSON).status == 201
    other = envelope(desk, parties, price_mkrw_per_kwh=1)
    assert served.ask("/v1/contracts", other, JSON).status == 409
    assert served.ask("/v1/contracts", b"{", JSON).status == 400
    assert served.ask("/v1/contracts", envelope(desk, parties)[:-2] + b"]}x", JSON).status == 400
    assert served.ask(f"/v1/contracts/0x{'0' * 64}").status == 404
    assert served.ask("/v1/contracts/7").status == 422


def test_the_command_line_signs_lists_and_ends(
    served: Any, parties: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    url = ["--url", f"http://127.0.0.1:{served.port}"]
    place = ["--district", "sejong-5-1@0.02", *url]
    seller, buyer = map(str, parties)
    both = ["--seller", seller, "--buyer", buyer]
    terms = ["--price", "128", "--cap-kwh", "1.5", "--share", "0.5", "--days", "30"]
    assert run(["contract", "add", "--kind", "partner", *both, *terms, *place, "--json"]) == 0
    (made,) = orjson.loads(capsys.readouterr().out)
    assert (made["cap_wh"], made["share_ppm"]) == ("1500", 500_000)
    assert run(["contract", "list", *url]) == 0
    assert made["id"] in capsys.readouterr().out
    assert run(["contract", "end", made["id"], *both, *place, "--json"]) == 0
    (ended,) = orjson.loads(capsys.readouterr().out)
    assert len(ended["ends_signed"]) == 2
    assert run(["contract", "end", made["id"], *both, *place]) == 2
    assert "refused: UNKNOWN_CONTRACT" in capsys.readouterr().err


def test_wrong_flags_are_one_sentence(
    served: Any, parties: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    url = ["--url", f"http://127.0.0.1:{served.port}", "--district", "sejong-5-1@0.02"]
    base = ["--price", "128", "--cap-kwh", "1", *url]
    for flags, said in (
        (["--kind", "gift", "--seller", "0", "--buyer", "1"], "allowed neighbour"),
        (["--kind", "cfd", "--seller", "99999", "--buyer", "1"], "party: found '99999'"),
        (["--kind", "cfd", "--seller", "wind-1", "--buyer", "1"], "or a plant such as solar-"),
    ):
        assert run(["contract", "add", *flags, *base]) == 2
        assert said in capsys.readouterr().err
    good = ["--kind", "cfd", "--seller", "0", "--buyer", "1", *base]
    for flags in (["--cap-kwh", "nan"], ["--cap-kwh", "inf"], ["--share", "nan"]):
        assert run(["contract", "add", *good, *flags]) == 2
        assert f"Invalid value for '{flags[0]}'" in capsys.readouterr().err
    assert run(["contract", "end", "0x" + "z" * 64, "--seller", "0", "--buyer", "1", *url]) == 2
    assert "64 hex digits" in capsys.readouterr().err
