"""The doctor looks and touches nothing; what must be done is said, and is the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run
from energy.store.alarms import Alarm, raise_alarm
from energy.store.engine import open_store

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
