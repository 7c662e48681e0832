"""What may be shown of settings: no password of a database, no value of a misspelt secret."""

from collections.abc import Callable
from pathlib import Path

import pytest

from energy.cli import run
from energy.config import Settings, shown_url, shown_value
from energy.service import announce
from energy.store.engine import Store, parse_url
from energy.store.errors import StoreError

SHOWN = {
    "postgresql://kim:word@h/n": "postgresql://kim:•••@h/n",
    "postgresql://kim:wo/rd@h/n": "postgresql://kim:•••@h/n",
    "postgresql://kim:wo@rd@h/n": "postgresql://kim:•••@h/n",
    "postgresql://h/n?user=kim&password=word": "postgresql://h/n?password=•••&user=kim",
    "postgresql://h/n?sslpassword=word&password=a&password=b": (
        "postgresql://h/n?password=•••&sslpassword=•••"
    ),
    "postgresql://kim:word@h:port/n": "•••",
    "host=h password=word": "•••",
    "postgresql://kim@h/n?passfile=/run/pass": "postgresql://kim@h/n?passfile=/run/pass",
    "sqlite:///var/kim@home.db": "sqlite:///var/kim@home.db",
    "atlantis": "atlantis",
}


@pytest.mark.parametrize("url", SHOWN)
def test_a_database_is_shown_without_its_passwords(url: str) -> None:
    assert shown_url(url) == SHOWN[url]
    assert shown_value(Settings(database_url=url), "database_url") == SHOWN[url]  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "url",
    ["postgresql://kim:wo@rd@h/n", "postgresql://kim:word@h:rd/n", "host=h password=word"],
)
def test_an_address_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        parse_url(url)
    assert "rd" not in str(refused.value).replace("PASSWORD", "").replace("password", "")


def test_a_start_tells_where_its_state_is_and_no_password(
    sqlite_store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://kim:wo/rd@h/n"
    announce(Settings(database_url=url), "http://127.0.0.1:1", sqlite_store)  # type: ignore[call-arg]
    told = capsys.readouterr().out
    assert "state in postgresql://kim:•••@h/n" in told
    assert "wo/rd" not in told


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[bytes], str]:
    """What a command that is refused for the settings' file with this content says."""

    def ask(content: bytes) -> str:
        monkeypatch.chdir(tmp_path)
        Path("microgrid.toml").write_bytes(content)
        assert run(["doctor"]) == 2
        return capsys.readouterr().err

    return ask


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("operator_pasphrase = 'hush hush'", "no such setting, allowed: operator_passphrase"),
        ("xyz = 'hush hush'", "setting xyz: no such setting, allowed: those of README.md"),
        ("operator_passphrase = ['hush hush']", "setting operator_passphrase: found •••"),
        ("port = 70000", "setting port: found 70000, allowed: Input should be less"),
    ],
)
def test_a_wrong_setting_is_refused_without_what_may_be_a_secret(
    refused: Callable[[bytes], str], line: str, told: str
) -> None:
    sentence = refused(line.encode())
    assert told in sentence
    assert "hush" not in sentence


@pytest.mark.parametrize("content", [b"port 8642", b"token = '\xff'"])
def test_a_settings_file_that_cannot_be_read_is_one_sentence(
    refused: Callable[[bytes], str], content: bytes
) -> None:
    sentence = refused(content)
    assert "settings microgrid.toml: no valid TOML, " in sentence and sentence.count("\n") == 1
