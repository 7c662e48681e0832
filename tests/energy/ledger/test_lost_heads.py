"""A store that was put back from an older copy signs nothing until a person has accepted it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run
from energy.steps.losses import untold_losses
from energy.steps.proving import verify_store
from energy.store.audit import list_records
from energy.store.books import entries_of_type
from energy.store.checkpoints import last_checkpoint, load_checkpoints
from energy.store.errors import LostHeadError, StoreError
from energy.store.meta import find_fact
from energy.store.signed_head import HeadFile, SignedHead
from energy.store.slots import last_fence

Begin = Callable[..., Any]
FIRST = 1_784_084_400
LOSS_KIND = 5


@pytest.fixture
def in_earnest(begin_books: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Opens the books of a market in earnest, whose folder is the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda url="": begin_books(url or f"sqlite:///{tmp_path}/books.db", clock="real")


def kept_head(folder: Path) -> dict[str, Any]:
    (file,) = (folder / "var").glob("signed-head-*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def older_copy(in_earnest: Begin, folder: Path) -> Any:
    """Books of three ticks whose store is then put back as it was after two."""
    here = in_earnest()
    here.run(2)
    here.store.close()
    copy = shutil.copy(folder / "books.db", folder / "older.db")
    here = in_earnest()
    here.run(1, begin=2)
    here.store.close()
    shutil.copy(copy, folder / "books.db")
    return here


def test_the_last_signed_head_stands_outside_the_store_with_the_highest_fence(
    in_earnest: Begin, tmp_path: Path
) -> None:
    here = in_earnest()
    here.run(2)
    last = here.store.read(last_checkpoint)
    found = kept_head(tmp_path)
    assert (found["tick"], found["size"], found["root"]) == (last.tick, last.size, last.root.hex())
    assert found["fence"] == here.store.read(last_fence) > 0


def test_an_older_copy_is_refused_until_its_loss_is_accepted_and_the_log_tells_of_it(
    in_earnest: Begin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older_copy(in_earnest, tmp_path)
    lost = kept_head(tmp_path)
    with pytest.raises(LostHeadError, match=r"older copy.*though the head of .* accept-loss"):
        in_earnest()
    url = f"sqlite:///{tmp_path}/books.db"
    asked = ["store", "accept-loss", "--database-url", url, "--reason"]
    assert run([*asked, " "]) == 2
    assert run([*asked, "the disk died"]) == 0
    assert "the log goes on from" in capsys.readouterr().out
    here = in_earnest()
    assert here.store.read(last_fence) > lost["fence"]
    record = here.store.read(list_records)[0].record
    assert "accept the loss of signed heads" in record.task and "the disk died" in record.task
    assert here.store.read(untold_losses).keys() == {1}
    here.run(2, begin=2)
    (entry,) = [
        one
        for one in here.store.read(lambda connection: entries_of_type(connection, "Rules"))
        if int(one.message["kind"]) == LOSS_KIND
    ]
    content = here.store.read(lambda connection: find_fact(connection, "loss/1"))
    assert entry.message["content"] == "0x" + hashlib.sha256(content.encode()).hexdigest()
    assert json.loads(content)["lost"]["root"] == lost["root"]
    assert verify_store(here.store, 0).ok
    assert kept_head(tmp_path)["tick"] == here.books.head.state.tick
    here.store.close()
    assert run([*asked, "again"]) == 2
    assert "lacks no signed head" in capsys.readouterr().err


def test_a_new_log_of_a_market_that_has_signed_heads_is_refused(
    in_earnest: Begin, tmp_path: Path
) -> None:
    in_earnest().run(1)
    with pytest.raises(LostHeadError, match="found no books"):
        in_earnest(f"sqlite:///{tmp_path}/other.db")


def test_another_branch_of_the_same_ticks_is_refused(in_earnest: Begin, tmp_path: Path) -> None:
    here = in_earnest()
    here.run(1)
    found = kept_head(tmp_path)
    file = here.books.heads
    file.keep(SignedHead(found["tick"], found["size"], "00" * 32, found["fence"]))
    with pytest.raises(LostHeadError, match="found another head of that tick"):
        in_earnest()


def test_what_the_head_cannot_be_kept_for_is_not_signed(
    in_earnest: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = in_earnest()
    here.run(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("energy.store.signed_head.os.fsync", full)
        with pytest.raises(StoreError, match=r"cannot be written .*No space left"):
            here.run(1, begin=1)
        assert len(here.store.read(load_checkpoints)) == 3
        here.publish(FIRST + 2 * 900)
        with pytest.raises(StoreError, match="nothing more is signed"):
            here.settle(FIRST + 2 * 900)
        assert len(here.store.read(load_checkpoints)) == 3
    here.settle(FIRST + 2 * 900)
    assert kept_head(tmp_path)["tick"] == FIRST + 2 * 900


def test_a_head_that_cannot_be_read_or_is_another_market_s_stops_the_start(tmp_path: Path) -> None:
    file = HeadFile(tmp_path, "here")
    file.keep(SignedHead(900, 3, "00" * 32, 1))
    file.keep(SignedHead(0, 1, "00" * 32, 1))
    assert file.read() == SignedHead(900, 3, "00" * 32, 1)
    file.path.write_text('{"market": "there", "tick": 900}')
    with pytest.raises(StoreError, match="cannot be read"):
        file.read()
    file.path.write_text("[]")
    with pytest.raises(StoreError, match="cannot be read"):
        file.read()
