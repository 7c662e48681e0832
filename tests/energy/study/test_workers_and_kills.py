"""Who runs a chunk is no matter, and a study that was killed goes on where it was."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from distributed import Client

import data
from energy.study import Study, StudyError, base_scenario, runs_of
from energy.study.chunk import Chunk
from energy.study.collected import Part
from energy.study.run import part_path, read_part, run_chunks

DAYS = (("2026-01-13", 0), ("2026-07-15", 1))
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def chunks(make_chunk: Callable[..., Chunk]) -> list[Chunk]:
    """A winter's day, and the second of the days of July with the first before it, uncounted."""
    return [make_chunk(day, warm_up_days=before) for day, before in DAYS]


@pytest.fixture(scope="module")
def whole(
    july: Chunk, chunks: list[Chunk], client: Client, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a study that was never interrupted, by two workers."""
    folder = tmp_path_factory.mktemp("whole")
    run_chunks([july, *chunks], folder, client)
    return folder


def test_two_workers_give_byte_for_byte_what_one_process_gives(
    july: Chunk, part: Part, whole: Path
) -> None:
    assert part_path(whole, july).read_bytes() == orjson.dumps(part)


def test_a_chain_cut_in_two_comes_to_nearly_the_same(
    part: Part, chunks: list[Chunk], whole: Path
) -> None:
    day = "2026-07-15"
    unbroken = part["days"][day]
    cut = read_part(part_path(whole, chunks[1]))["days"][day]
    # People and sun are the same whatever is planned; imports differ by what stores hold.
    assert cut["from_solar_kwh"] == unbroken["from_solar_kwh"]
    assert cut["to_homes_buildings_kwh"] == unbroken["to_homes_buildings_kwh"]
    assert cut["from_kepco_kwh"] == pytest.approx(unbroken["from_kepco_kwh"], rel=0.03)


def test_a_killed_study_goes_on_and_ends_like_one_that_was_not(
    chunks: list[Chunk], whole: Path, client: Client, tmp_path: Path
) -> None:
    kept = _killed_after_the_first_part(tmp_path)
    assert 1 <= kept < len(chunks)
    days: list[None] = []
    run_chunks(chunks, tmp_path, client, lambda: days.append(None))
    assert len(days) == len(chunks) - kept
    for chunk in chunks:
        assert part_path(tmp_path, chunk).read_bytes() == part_path(whole, chunk).read_bytes()


def _killed_after_the_first_part(folder: Path) -> int:
    """Start the program, kill it with all its workers once a part is kept, count the parts."""
    words = [
        sys.executable,
        "killed_study.py",
        str(folder),
        *(f"{day}/{before}" for day, before in DAYS),
    ]
    with subprocess.Popen(words, cwd=HERE, start_new_session=True) as program:
        until = time.monotonic() + 120
        while not list(folder.glob("*.json")) and time.monotonic() < until:
            assert program.poll() is None
            time.sleep(0.1)
        os.killpg(program.pid, signal.SIGKILL)
    return len(list(folder.glob("*.json")))


def test_a_part_that_is_none_is_named(chunks: list[Chunk], client: Client, tmp_path: Path) -> None:
    path = part_path(tmp_path, chunks[0])
    path.write_text('{"half": ')
    with pytest.raises(StudyError, match="no part of a study") as found:
        run_chunks(chunks[:1], tmp_path, client)
    assert str(path) in str(found.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"year": 20260}, "year: found 20260, allowed 1971..2099"),
        ({"months": (0, 3)}, "first month: found 0, allowed 1..12"),
        ({"months": (5, 3)}, "last month: found 3, allowed 5..12"),
        ({"draws": 0}, "draws: found 0, allowed 1..1000"),
        ({"districts": ("a", "a")}, "district: found a, a, allowed each once"),
    ],
)
def test_what_cannot_be_studied_is_told_in_one_sentence(
    wrong: dict[str, object], sentence: str
) -> None:
    given = {"districts": ("sejong-5-1@0.01",), "scenarios": (base_scenario(),), "year": 2026}
    with pytest.raises(StudyError, match=f"^{sentence}$"):
        runs_of(Study(**(given | wrong)))  # type: ignore[arg-type]


def test_chunks_are_whole_local_months_and_draws_have_seeds_of_their_own() -> None:
    study = Study(("sejong-5-1@0.01",), (base_scenario(),), 2026, seed=4, draws=2, chunk_months=5)
    first, second = runs_of(study)
    assert (first.seed, second.seed) == (4, 5)
    assert first.days == 365
    assert [(one.end_slot - one.first_slot) // 86400 for one in first.chunks] == [151, 153, 61]
    assert len({one.digest for run in (first, second) for one in run.chunks}) == 6


def test_parts_of_other_data_are_not_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(data.path("districts", "sejong-5-1"), folder)
    study = Study((f"{folder}@0.01",), (base_scenario(),), 2026, months=(7, 7))
    (before,) = runs_of(study)
    path = folder / "district.toml"
    path.write_text(path.read_text().replace("homes = 600 ", "homes = 601 "))
    (after,) = runs_of(study)
    assert before.chunks[0].digest != after.chunks[0].digest
