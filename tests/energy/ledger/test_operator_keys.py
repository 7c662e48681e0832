"""The operator's keys: fixed in a rehearsal, from an encrypted file in earnest."""

import json
from pathlib import Path
from typing import Any

import pytest

from energy.steps import keystore
from energy.steps.keystore import KEYSTORE_NAME, OPERATOR_ROLES, operator_keys
from market.errors import MarketError
from market.signing import encrypt_key


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        keystore, "encrypt_key", lambda key, word: encrypt_key(key, word, iterations=2)
    )


def test_a_rehearsal_has_the_keys_of_its_market(tmp_path: Path) -> None:
    one = operator_keys("a/sim/1", tmp_path, "", may_create=True)
    assert one == operator_keys("a/sim/1", tmp_path, "", may_create=False)
    assert one != operator_keys("a/sim/2", tmp_path, "", may_create=True)
    assert not list(tmp_path.iterdir())
    addresses = {one.address(name) for name in OPERATOR_ROLES}
    assert len(addresses) == 5, "one key per role"


def test_in_earnest_the_keystore_is_made_once_and_opened_with_the_passphrase(
    tmp_path: Path,
) -> None:
    made = operator_keys("a", tmp_path / "var", "open sesame", may_create=True)
    file = tmp_path / "var" / KEYSTORE_NAME
    assert json.loads(file.read_text())["version"] == 3
    assert file.stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert made == operator_keys("a", tmp_path / "var", "open sesame", may_create=False)
    with pytest.raises(MarketError, match="keystore: cannot be opened"):
        operator_keys("a", tmp_path / "var", "open barley", may_create=True)
    other = operator_keys("a", tmp_path / "elsewhere", "open sesame", may_create=True)
    assert other != made, "the secret is random"


def test_a_store_that_has_books_gets_no_new_keystore(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="found no file, allowed the one of this store"):
        operator_keys("a", tmp_path, "open sesame", may_create=False)
    assert not list(tmp_path.iterdir())


def test_keys_do_not_show_in_messages(tmp_path: Path) -> None:
    keys: Any = operator_keys("a/sim/1", tmp_path, "", may_create=True)
    assert keys.log.hex() not in repr(keys) and repr(keys.log) not in repr(keys)
