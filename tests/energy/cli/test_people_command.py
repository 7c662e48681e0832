"""`microgrid people`: people and tokens are made, named and disabled; secrets are shown once."""

import io
import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Connection

from energy.cli import run
from energy.district import load_district
from energy.steps.credentials import hash_secret, is_password
from energy.steps.key_safe import KeySafe, SafeError
from energy.store.audit import first_broken, list_records
from energy.store.engine import open_reader, open_store
from energy.store.kept_keys import add_kept_key, live_key_of
from energy.store.meta import settle_fact
from energy.store.meter_feeds import load_feeds
from energy.store.people import ServiceToken, add_token, find_person, token_of
from energy.store.people_tables import audit_row
from energy.store.schema import suspended

PASSWORD = "correct horse battery staple"


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'people.db'}"
    with open_store(found):
        pass
    return found


def people(url: str, *words: str) -> int:
    return run(["people", *words, "--database-url", url])


def add_kim(url: str, monkeypatch: pytest.MonkeyPatch, password: str = PASSWORD) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\nnot this line\n"))
    return people(url, "add", "kim")


def test_a_person_is_added_and_the_seed_is_told_once(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add_kim(url, monkeypatch) == 0
    told = capsys.readouterr().out
    assert told.startswith("otpauth://totp/") and PASSWORD not in told
    secret = parse_qs(urlsplit(told.strip()).query)["secret"][0]
    with open_reader(url) as store:
        who = store.read(lambda c: find_person(c, "kim"))
    assert who is not None and is_password(PASSWORD, who.password) and len(who.code_seed) == 20
    assert people(url, "list") == 0
    shown = capsys.readouterr().out
    assert "kim" in shown and secret not in shown and "scrypt" not in shown
    assert add_kim(url, monkeypatch) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("password", "sentence"), [("short", "found 5 characters"), ("", "found none")]
)
def test_a_password_that_is_no_password_adds_nobody(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    password: str,
    sentence: str,
) -> None:
    assert add_kim(url, monkeypatch, password) == 2
    assert sentence in capsys.readouterr().err
    with open_reader(url) as store:
        assert store.read(lambda c: find_person(c, "kim")) is None
        assert store.read(list_records) == []


def test_kept_keys_are_sealed_under_a_new_secret(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROGRID_KEPT_KEYS_SECRET_FILE", str(tmp_path / "kept.secret"))
    safe, account = KeySafe(tmp_path / "kept.secret"), b"\7" * 32
    # With no key that lives a backup may have some: the secret is a new one each time.
    assert people(url, "reseal") == 0
    first = safe.path.read_text()
    assert people(url, "reseal") == 0 and safe.path.read_text() != first
    assert "0 kept keys are sealed under a new secret" in capsys.readouterr().out

    def keep(connection: Connection) -> bytes:
        row, key = safe.lock_up(connection, account, 1)
        add_kept_key(connection, row)
        return key

    with open_store(url) as store:
        key = store.write(keep)
    old = safe.path.read_text()
    assert people(url, "reseal") == 0
    assert "1 kept keys are sealed under a new secret" in capsys.readouterr().out
    with open_reader(url) as store:
        row = store.read(lambda c: live_key_of(c, account))
        log = store.read(list_records)
    assert row is not None and safe.open(row) == key and safe.path.read_text() != old
    assert log[0].record.task == "seal kept keys under a new secret"
    safe.path.write_text(old)
    with pytest.raises(SafeError, match="allowed the secret"):
        safe.open(row)


def test_a_token_is_good_until_it_is_over_or_disabled(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account = "0x" + "ab" * 32
    words = ("--role", "device", "--scope", "readings:write", "--account", account, "--days", "1")
    assert people(url, "token", "meter-117", *words) == 0
    secret = capsys.readouterr().out.strip()
    hashed = hash_secret(secret)
    with open_reader(url) as store:
        (made,) = [store.read(lambda c: token_of(c, hashed, 0))]
        assert made is not None and made.account == bytes.fromhex(account[2:])
        assert store.read(lambda c: token_of(c, hashed, made.ends_s)) is None
    assert people(url, "disable", "meter-117", "--token") == 0
    with open_reader(url) as store:
        assert store.read(lambda c: token_of(c, hashed, 0)) is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--role", "boss", "--scope", "operate"), "found boss"),
        (("--role", "auditor", "--scope", "everything"), "found everything"),
        (("--role", "device", "--scope", "readings:write"), "needed there"),
        (("--role", "device", "--scope", "household:read"), "allowed for device: market:read"),
        (("--role", "auditor", "--scope", "readings:write"), "allowed for auditor"),
        (
            ("--role", "auditor", "--scope", "audit:read", "--account", "0x1"),
            "allowed for a device",
        ),
    ],
)
def test_a_token_that_means_nothing_is_refused(
    url: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert people(url, "token", "odd", *words) == 2
    assert sentence in capsys.readouterr().err


def test_whoever_is_disabled_is_listed_as_such_and_nobody_unknown_is(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_kim(url, monkeypatch)
    assert people(url, "disable", "kim") == 0
    assert people(url, "disable", "lee") == 2
    capsys.readouterr()
    assert people(url, "list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["role"]) == ("kim", "operator") and row["disabled_utc"]


def test_the_audit_command_tells_what_was_done_and_of_a_change(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_kim(url, monkeypatch)
    people(url, "disable", "kim")
    capsys.readouterr()
    assert people(url, "audit", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["task"] for row in rows] == ["add person as operator", "disable person"]
    with open_store(url) as store:

        def alter(connection: object) -> None:
            with suspended(connection, [audit_row]):  # type: ignore[arg-type]
                connection.execute(audit_row.update().values(task="nothing"))  # type: ignore[attr-defined]

        store.write(alter)
        assert store.read(first_broken) == 0
    assert people(url, "audit") == 1
    assert "record 0 was changed" in capsys.readouterr().err


def test_a_device_reads_the_meters_that_it_is_given_from_a_slot_on(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROGRID_DISTRICT", "sejong-5-1@0.005")
    account = load_district("sejong-5-1@0.005").meters.account[3]
    mine = ("--account", f"0x{account.hex()}")
    begun = 1_785_488_400
    with open_store(url) as store:
        store.write(lambda c: settle_fact(c, "first_slot", str(begun)))
    assert people(url, "meters", "meter-117", *mine) == 2
    assert "token meter-117: found none of a device" in capsys.readouterr().err
    words = ("--role", "device", "--scope", "readings:write", *mine)
    assert people(url, "token", "meter-117", *words) == 0
    assert people(url, "meters", "meter-117", "--account", "0x" + "ab" * 32) == 2
    assert "allowed one with a meter" in capsys.readouterr().err
    assert people(url, "meters", "meter-117") == 2
    assert "allowed one or more, or --all" in capsys.readouterr().err
    assert people(url, "meters", "meter-117", *mine) == 0
    assert capsys.readouterr().out.strip() == "2026-07-31T08:30:00Z"
    with open_reader(url) as store:
        feeds = store.read(load_feeds)
        log = store.read(list_records)
    assert feeds.device_at(account, begun) == "meter-117"
    assert log[0].record.task == "let it read 1 meters"
    assert people(url, "meters", "meter-117", "--all", "--back") == 0
    with open_reader(url) as store:
        assert store.read(load_feeds).device_at(account, begun) is None


def make_device(url: str, name: str, account: bytes) -> str:
    words = ("--role", "device", "--scope", "readings:write", "--account", f"0x{account.hex()}")
    assert people(url, "token", name, *words) == 0
    return name


def test_only_meters_that_the_device_reads_are_taken_from_it(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROGRID_DISTRICT", "sejong-5-1@0.005")
    kim, lee = load_district("sejong-5-1@0.005").meters.account[3:5]
    begun = 1_785_488_400
    with open_store(url) as store:
        store.write(lambda c: settle_fact(c, "first_slot", str(begun)))
    for name, account in (("meter-kim", kim), ("meter-lee", lee)):
        make_device(url, name, account)
        assert people(url, "meters", name, "--account", f"0x{account.hex()}") == 0
    capsys.readouterr()
    assert people(url, "meters", "meter-kin", "--all", "--back") == 2
    assert "token meter-kin: found none of a device" in capsys.readouterr().err
    assert people(url, "meters", "meter-kim", "--account", f"0x{lee.hex()}", "--back") == 2
    assert f"0x{lee.hex()}: allowed one that meter-kim reads" in capsys.readouterr().err
    assert people(url, "disable", "meter-kim", "--token") == 0
    assert people(url, "meters", "meter-kim", "--all", "--back") == 0, "a disabled one gives back"
    with open_reader(url) as store:
        feeds, log = store.read(load_feeds), store.read(list_records)
    assert [feeds.device_at(one, begun) for one in (kim, lee)] == [None, "meter-lee"]
    assert log[0].record.task == "take from it 1 meters"
    assert people(url, "meters", "meter-kim", "--all", "--back") == 2
    assert "token meter-kim: reads no meter" in capsys.readouterr().err


def test_all_meters_are_those_that_no_other_device_reads(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROGRID_DISTRICT", "sejong-5-1@0.005")
    known = load_district("sejong-5-1@0.005").meters.account
    kim, begun = known[3], 1_785_488_400
    with open_store(url) as store:
        store.write(lambda c: settle_fact(c, "first_slot", str(begun)))
    for name in ("meter-kim", "head-end"):
        make_device(url, name, kim)
    assert people(url, "meters", "meter-kim", "--account", f"0x{kim.hex()}") == 0
    assert people(url, "meters", "head-end", "--all") == 0
    with open_reader(url) as store:
        feeds, log = store.read(load_feeds), store.read(list_records)
    assert {one: feeds.device_at(one, begun) for one in known} == {
        one: "meter-kim" if one == kim else "head-end" for one in known
    }
    assert log[0].record.task == f"let it read {len(known) - 1} meters"
    capsys.readouterr()
    assert people(url, "meters", "meter-kim", "--all") == 2
    assert f"devices read all {len(known)}, allowed one of the plant" in capsys.readouterr().err


def test_a_token_that_opens_nothing_is_given_no_meter_until_it_is_renewed(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROGRID_DISTRICT", "sejong-5-1@0.005")
    kim = load_district("sejong-5-1@0.005").meters.account[3]
    with open_store(url) as store:
        store.write(lambda c: settle_fact(c, "first_slot", "1785488400"))
        over = ServiceToken("over", b"\1" * 32, "device", ["readings:write"], kim, 0, 1)
        store.write(lambda c: add_token(c, over))
    make_device(url, "gone", kim)
    assert people(url, "disable", "gone", "--token") == 0
    capsys.readouterr()
    for name, how in (("over", "one that is over"), ("gone", "a disabled one")):
        give = ("meters", name, "--account", f"0x{kim.hex()}")
        assert people(url, *give) == 2
        assert f"token {name}: found {how}" in capsys.readouterr().err
        assert people(url, "token", name, "--renew") == 0
        assert people(url, *give) == 0


def test_a_renewed_token_keeps_its_name_and_meters_and_the_old_one_ends_at_once(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROGRID_DISTRICT", "sejong-5-1@0.005")
    kim, begun = load_district("sejong-5-1@0.005").meters.account[3], 1_785_488_400
    with open_store(url) as store:
        store.write(lambda c: settle_fact(c, "first_slot", str(begun)))
    make_device(url, "meter-117", kim)
    old = hash_secret(capsys.readouterr().out.strip())
    assert people(url, "meters", "meter-117", "--account", f"0x{kim.hex()}") == 0
    capsys.readouterr()
    assert people(url, "token", "meter-117", "--renew", "--days", "200") == 0
    new = hash_secret(capsys.readouterr().out.strip())
    with open_reader(url) as store:
        assert store.read(lambda c: token_of(c, old, 0)) is None
        found = store.read(lambda c: token_of(c, new, 0))
        feeds, log = store.read(load_feeds), store.read(list_records)
    assert found is not None and found.ends_s == found.created_s + 200 * 86_400
    assert (found.name, found.role, found.account) == ("meter-117", "device", kim)
    assert found.scopes == ["readings:write"]
    assert feeds.of == {kim: [(begun - 2 * 900, "meter-117")]}, "its counter is not another one"
    assert log[0].record.task == "renew token for 200 days"
    assert people(url, "token", "meter-118", "--renew") == 2
    assert "token meter-118: not found" in capsys.readouterr().err
    assert people(url, "token", "meter-117", "--renew", "--role", "auditor") == 2
    assert "allowed without --role" in capsys.readouterr().err
