"""`microgrid order submit`: one order by hand, its receipt, each wrong flag in one sentence."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from energy.cli import run
from energy.crowd import Crowd
from market.signing import address_of, derive_key, encrypt_key

BASE = ["order", "submit", "--district", "sejong-5-1@0.02"]


def flags(stub: Any, **changed: str) -> list[str]:
    wanted = {
        "side": "offer",
        "energy-wh": "500",
        "price": "142.5",
        "meter": "7",
        "url": stub.address,
    } | {name.replace("_", "-"): text for name, text in changed.items()}
    return BASE + [part for name, text in wanted.items() for part in (f"--{name}", text)]


def test_an_order_by_hand_is_signed_posted_and_said_in_one_sentence(
    stub: Any, crowd: Crowd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(flags(stub)) == 0
    [envelope] = stub.envelopes()
    message = envelope.message
    assert message["account"] == crowd.district.meters.account[7]
    assert (message["side"], message["e_wh"], message["price_mkrw_per_kwh"]) == (2, 500, 142_500)
    assert (message["slot"], message["expires"]) == (stub.slot, stub.slot - 300)
    text = capsys.readouterr().out
    assert (
        "Sell up to 0.5 kWh, 2026-07-15 12:00–12:15, for at least 142.5 won/kWh: 71.25 won" in text
    )
    assert "status   ACCEPTED" in text
    market_key = address_of(derive_key("stub market")).hex()
    assert "receipt  received 2026-07-15T02:45:00Z, sealed by tick 2026-07-15T03:00:00Z" in text
    assert f"signed by 0x{market_key}" in text


def test_json_carries_the_order_and_the_answer(
    stub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*flags(stub, side="bid", slot="2026-07-15T18:15"), "--json"]) == 0
    document = orjson.loads(capsys.readouterr().out)
    assert document["order"]["side"] == "1"
    assert document["order"]["slot"] == "1784106900"  # 18:15 in Sejong
    assert document["status"] == "ACCEPTED"
    assert len(document["order_id"]) == 66


@pytest.mark.parametrize("form", ["hex", "0x", "keystore"])
def test_a_key_of_ones_own_is_taken_from_a_file(
    stub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    key, file = derive_key("a person"), tmp_path / "key"
    text = {"hex": key.hex(), "0x": f"0x{key.hex()}\n", "keystore": ""}[form]
    file.write_text(text or encrypt_key(key, "open", iterations=2))
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "open")
    assert run(flags(stub, key=str(file))) == 0
    assert stub.envelopes()[0].signers == (address_of(key),)


def test_a_receipt_for_another_order_or_by_another_key_is_not_believed(
    stub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.receipt_entry = bytes(32)
    assert run(flags(stub)) == 2
    assert "receipt: found one for 0x0000" in capsys.readouterr().err
    stub.receipt_entry, stub.receipt_signer = None, bytes(20)
    assert run(flags(stub)) == 2
    assert "by its declared signer 0x0000" in capsys.readouterr().err


def test_a_refusal_is_one_sentence_with_the_code(
    stub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.refuse = (409, "GATE_CLOSED")
    assert run(flags(stub)) == 2
    said = capsys.readouterr()
    assert said.err == "microgrid: order refused: GATE_CLOSED: slot: found 1, allowed 2\n"
    assert said.out == ""


def test_a_server_that_is_not_there_is_a_failure_and_not_wrong_use(
    stub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(flags(stub, url="http://127.0.0.1:9")) == 1
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err


WRONG = {
    "side": ("sell", "side: found 'sell', allowed bid or offer"),
    "energy_wh": ("0", "energy-wh: found 0, allowed 1 to 100000000 Wh"),
    "price": ("much", "price: found 'much', allowed won such as 142.5"),
    "meter": ("99999", "meter: found 99999, allowed 0 to"),
    "slot": ("2026-07-15T18:07", "slot: found 2026-07-15T09:07:00Z, allowed a start on the"),
    "key": ("/no/such/file", "key /no/such/file: cannot be read"),
    "district": ("sejong-5-1@0.03", "district: found sejong-5-1@0.03, allowed sejong-5-1@0.02"),
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_flag_is_one_sentence_that_names_it(
    stub: Any, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    value, sentence = WRONG[field]
    words = flags(stub, **{field: value})
    if field == "district":
        words = [word for word in words if word != "sejong-5-1@0.02"]
        words.remove("--district")
    assert run(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"microgrid: {sentence}")
    assert said.err.count("\n") == 1
    assert stub.posted == []


def test_a_file_without_a_key_is_refused(
    stub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    for text in ("hello", "00" * 32, "ff" * 32):
        file.write_text(text)
        assert run(flags(stub, key=str(file))) == 2
        assert "allowed 64 hex digits or a keystore" in capsys.readouterr().err
