"""Kept keys lie encrypted in the store; without the secret's file nobody opens them."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PosixPath
from threading import Barrier

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from energy.steps.key_safe import KeySafe, SafeError
from energy.store.backup import restore_backup, write_backup
from energy.store.engine import Store, open_store
from energy.store.kept_keys import (
    KeptKey,
    add_kept_key,
    destroy_key,
    kept_addresses,
    kept_keys_of,
    live_key_of,
)
from market.signing import address_of

KIM, LEE = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
def safe(tmp_path: Path) -> KeySafe:
    return KeySafe(tmp_path / "keys" / "kept.secret")


def lock_up(store: Store, safe: KeySafe, account: bytes) -> tuple[KeptKey, bytes]:
    def unit(connection: Connection) -> tuple[KeptKey, bytes]:
        row, key = safe.lock_up(connection, account, 7)
        add_kept_key(connection, row)
        return row, key

    return store.write(unit)


def live(store: Store, account: bytes) -> KeptKey:
    found = store.read(lambda c: live_key_of(c, account))
    assert found is not None
    return found


def test_a_key_is_opened_again_and_stands_nowhere_in_clear(
    store_url: str, safe: KeySafe, tmp_path: Path
) -> None:
    with open_store(store_url) as store:
        row, key = lock_up(store, safe, KIM)
        found = live(store, KIM)
        assert found == row and safe.open(found) == key and address_of(key) == row.address
        assert key.hex() not in repr(row) + repr(safe) and safe.path.stat().st_mode & 0o777 == 0o600
        write_backup(store_url, tmp_path / "one.backup")
    files = [each for each in tmp_path.rglob("*") if each.is_file() and each != safe.path]
    for each in files:
        content = each.read_bytes()
        assert key not in content and key.hex().encode() not in content, each


def test_a_backup_without_the_secret_opens_nothing(
    store_url: str, safe: KeySafe, tmp_path: Path
) -> None:
    with open_store(store_url) as store:
        _, key = lock_up(store, safe, KIM)
        write_backup(store_url, tmp_path / "one.backup")
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    restore_backup(tmp_path / "one.backup", elsewhere)
    thief = KeySafe(tmp_path / "thief" / "kept.secret")
    with open_store(elsewhere) as store:
        row = live(store, KIM)
        with pytest.raises(SafeError, match="found no file, allowed the secret"):
            thief.open(row)
        with pytest.raises(SafeError, match="found no file"):
            store.write(lambda c: thief.lock_up(c, LEE, 8))
        assert not thief.path.exists(), "a store with keys must not get another secret"
        thief.path.parent.mkdir()
        thief.path.write_text("ab" * 32)
        thief.path.chmod(0o600)
        with pytest.raises(SafeError, match=r"found secret [0-9a-f]{16}, allowed the secret"):
            thief.open(row)
        # The canary: with the secret beside it, the backup is worth something.
        assert safe.open(row) == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, safe: KeySafe, mode: int) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        row, key = lock_up(store, safe, KIM)
        safe.path.chmod(mode)
        with pytest.raises(SafeError, match=f"found mode {mode:03o} of user .* allowed mode 600"):
            safe.open(row)
        safe.path.chmod(0o600)
        assert safe.open(row) == key
        os.truncate(safe.path, 10)
        with pytest.raises(SafeError, match="found no secret, allowed 64 hex digits"):
            safe.open(row)


def test_of_first_keys_that_come_at_once_none_overwrites_the_secret_of_another(
    tmp_path: Path,
) -> None:
    accounts, start = [bytes([n]) * 32 for n in range(4)], Barrier(4)

    class Together(PosixPath):
        """A path whose secret all have missed before the first of them writes it."""

        def exists(self) -> bool:
            found = super().exists()
            if not found and self.name == "kept.secret":
                start.wait(60)
            return found

    with open_store(f"sqlite:///{tmp_path}/store.db") as store, ThreadPoolExecutor(4) as pool:
        for n in range(5):
            safe = KeySafe(Together(tmp_path / str(n) / "kept.secret"))

            def first_key(account: bytes, safe: KeySafe = safe) -> tuple[KeptKey, bytes]:
                return store.read(lambda c: safe.lock_up(c, account, 7))

            made = list(pool.map(first_key, accounts))
            assert [safe.open(row) for row, _ in made] == [key for _, key in made]
            assert [*safe.path.parent.iterdir()] == [safe.path], "nothing is left beside it"


def test_no_row_stands_in_for_another(tmp_path: Path, safe: KeySafe) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        kim, _ = lock_up(store, safe, KIM)
        lee, _ = lock_up(store, safe, LEE)
        for forged in (lee._replace(body=kim.body), kim._replace(account=LEE)):
            with pytest.raises(SafeError, match="MAC mismatch"):
                safe.open(forged)


def test_an_account_has_one_key_that_lives_and_its_addresses_are_known_for_ever(
    store_url: str, safe: KeySafe
) -> None:
    with open_store(store_url) as store:
        first, _ = lock_up(store, safe, KIM)
        with pytest.raises(IntegrityError):
            lock_up(store, safe, KIM)
        store.write(lambda c: destroy_key(c, first.address, 9))
        gone = store.read(lambda c: kept_keys_of(c, KIM))[0]
        assert (gone.body, gone.seal, gone.destroyed_s) == (None, None, 9)
        with pytest.raises(SafeError, match="destroyed"):
            safe.open(gone)
        second, _ = lock_up(store, safe, KIM)
        known = store.read(lambda c: kept_addresses(c, KIM))
        assert known == {first.address, second.address}


def test_a_new_secret_opens_what_the_old_one_did_wherever_the_change_is_cut_off(
    store_url: str, safe: KeySafe
) -> None:
    with open_store(store_url) as store:
        keys = [lock_up(store, safe, account)[1] for account in (KIM, LEE)]

        def opened() -> list[bytes]:
            return [safe.open(live(store, account)) for account in (KIM, LEE)]

        old = safe.path.read_text()

        def cut_off(connection: Connection) -> None:
            safe.change_secret(connection)
            raise RuntimeError("before the commit")

        with pytest.raises(RuntimeError):
            store.write(cut_off)
        assert opened() == keys and safe.path.read_text() == old
        # Committed, and cut off before the files changed places; then once more.
        for _ in range(2):
            assert store.write(safe.change_secret) == 2
            assert opened() == keys
        safe.finish_change()
        assert opened() == keys and safe.path.read_text() != old
        row = live(store, KIM)
        safe.path.write_text(old)
        with pytest.raises(SafeError, match="allowed the secret"):
            safe.open(row)
