"""The doctor looks and touches nothing; what must be done is said, and is the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run
from energy.config import Settings
from energy.district import load_district
from energy.steps.books import market_id_of, open_books
from energy.steps.keystore import KEYSTORE_NAME
from energy.store.alarms import Alarm, raise_alarm
from energy.store.engine import open_store
from energy.store.meta import require_fact
from energy.store.signed_head import HeadFile, SignedHead
from market.signing import derive_key, encrypt_key

SMALL = ["--district", "sejong-5-1@0.005"]


def looked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["doctor", *SMALL, *words, "--json"])
    return code, {each["what"]: each for each in json.loads(capsys.readouterr().out)}


def test_a_new_installation_is_fit_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = looked(capsys, "--database-url", f"sqlite:///{tmp_path}/never/made.db")
    assert code == 0
    assert "made at the first start" in found["store"]["found"]
    assert "44 households, 37 buses" in found["district"]["found"]
    assert found["signatures"]["state"] == "good"
    assert list(tmp_path.iterdir()) == []


def test_open_alarms_are_told_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    hot = Alarm("slot/grid", "alarm", "loading is 104 %", "T7", "Limit the feeder.")
    with open_store(url) as store:
        store.write(lambda connection: raise_alarm(connection, hot, 0))
    code, found = looked(capsys, "--database-url", url)
    assert code == 1
    assert found["alarm at T7"]["todo"] == "Limit the feeder."


def test_a_real_market_without_a_passphrase_is_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRID_CLOCK", "real")
    code, found = looked(capsys, "--database-url", f"sqlite:///{tmp_path}/real.db")
    assert code == 1
    assert "MICROGRID_OPERATOR_PASSPHRASE" in found["keystore"]["todo"]


@pytest.mark.parametrize("broken", ["store", "district"])
def test_what_cannot_be_read_is_said_and_the_rest_still_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (tmp_path / "broken.db").write_bytes(b"not a database, but long enough to be looked at" * 99)
    file = "broken.db" if broken == "store" else "none.db"
    name = "atlantis" if broken == "district" else "sejong-5-1@0.005"
    words = ["doctor", "--district", name, "--database-url", f"sqlite:///{tmp_path}/{file}"]
    assert run([*words, "--json"]) == 1
    found = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
    assert found[broken]["state"] == "bad"
    assert {"Python", "memory", "disk", "store", "district"} <= set(found)


def test_for_people_each_line_has_its_sign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", *SMALL, "--database-url", f"sqlite:///{tmp_path}/new.db"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line[0] in "●▲" for line in lines if not line.startswith(" "))


@pytest.mark.parametrize(
    ("name", "found_value", "what", "told"),
    [
        ("WEATHER_FILE", "none.csv", "weather file", "none.csv: cannot be read"),
        ("ALARM_WEBHOOK_SECRET", "short", "webhooks", "found 5 characters"),
        ("WITNESSES", "http://w=0x12", "witnesses", "allowed http://HOST:PORT"),
        ("SIGN_IN", "demo", "sign-in", "set MICROGRID_SIGN_IN=required"),
    ],
)
def test_a_setting_that_no_service_starts_with_is_not_fit(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    found_value: str,
    what: str,
    told: str,
) -> None:
    monkeypatch.setenv("MICROGRID_ALARM_WEBHOOKS", "https://example.org/hook")
    monkeypatch.setenv("MICROGRID_ALARM_WEBHOOK_SECRET", "sixteen characters and more")
    monkeypatch.setenv("MICROGRID_HOST", "0.0.0.0" if name == "SIGN_IN" else "127.0.0.1")
    monkeypatch.setenv(f"MICROGRID_{name}", found_value)
    code, found = looked(capsys, "--database-url", f"sqlite:///{tmp_path}/new.db")
    assert code == 1
    assert found[what]["state"] == "bad" and told in found[what]["found"]


@pytest.mark.parametrize("fact", ["district", "seed", "market"])
def test_a_store_of_something_else_is_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fact: str
) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    with open_store(url) as store:
        store.write(lambda connection: require_fact(connection, fact, "another"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, found = looked(capsys, "--database-url", url)
    assert code == 1
    assert f"begun with {fact} another" in found["start"]["found"]
    assert before.items() <= {path.name: path.read_bytes() for path in tmp_path.iterdir()}.items()


@pytest.mark.parametrize("store_there", [True, False])
def test_an_older_copy_than_what_is_signed_is_not_fit(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    store_there: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICROGRID_CLOCK", "real")
    url = f"sqlite:///{tmp_path}/older.db"
    market = market_id_of(load_district(SMALL[1]), Settings(clock="real"))  # type: ignore[call-arg]
    HeadFile(Path("var"), market).keep(SignedHead(1_784_084_400, 9, "00", 1))
    if store_there:
        open_store(url).close()
    code, found = looked(capsys, "--database-url", url)
    assert code == 1
    told = found["start" if store_there else "store"]
    assert told["state"] == "bad" and "2026-07-15T03:00" in told["found"]


def test_a_wrong_passphrase_for_the_keystore_is_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("var").mkdir()
    Path("var", KEYSTORE_NAME).write_text(encrypt_key(derive_key("any"), "open sesame"))
    monkeypatch.setenv("MICROGRID_OPERATOR_PASSPHRASE", "open barley")
    code, found = looked(capsys, "--database-url", f"sqlite:///{tmp_path}/new.db")
    assert code == 1
    assert "cannot be opened" in found["keystore"]["found"]


def test_books_that_were_begun_are_fit_and_with_other_keys_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/books.db"
    with open_store(url) as store:
        open_books(store, load_district(SMALL[1]), Settings(), 1_784_084_400)  # type: ignore[call-arg]
    code, found = looked(capsys, "--database-url", url)
    assert (code, found["start"]["state"]) == (0, "good")
    Path("var").mkdir()
    Path("var", KEYSTORE_NAME).write_text(encrypt_key(derive_key("any"), "open sesame"))
    monkeypatch.setenv("MICROGRID_OPERATOR_PASSPHRASE", "open sesame")
    code, found = looked(capsys, "--database-url", url)
    assert code == 1
    assert "checkpoints are signed by" in found["start"]["found"]
