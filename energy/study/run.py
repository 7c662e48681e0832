"""Many chunks on many workers: what is kept already is not run again, and who runs it is no matter.

Parts are kept one by one in a folder under the digest of their chunk, each written whole or not at
all: a study that was killed goes on where it was, and one whose scenario was changed runs anew what
the change touches.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from distributed import Client, LocalCluster, as_completed, get_worker

from energy.study.chunk import Chunk, Told, run_chunk
from energy.study.collected import Part
from energy.study.errors import StudyError

DAYS = "microgrid-study-days"
JOIN_S, START_S = 30, 600
"""Seconds to reach a cluster, and to start a process on a machine that has much else to do."""


def run_chunks(
    chunks: Sequence[Chunk], folder: Path, client: Client, day_done: Told = lambda: None
) -> list[Part]:
    """The parts of all chunks in their order; `day_done` hears of every day that is run.

    Raises what a chunk raised; parts that were finished by then are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {chunk.digest: chunk for chunk in chunks}
    todo = [chunk for chunk in named.values() if not part_path(folder, chunk).exists()]
    topic = f"{DAYS}-{client.id}"
    client.subscribe_topic(topic, lambda _: day_done())  # type: ignore[no-untyped-call]
    try:
        # The first chunks first, so that runs are finished one after the other.
        futures = {
            client.submit(run_on_worker, one, topic, key=one.digest, priority=-n): one
            for n, one in enumerate(todo)
        }
        finished = as_completed(list(futures), loop=client.loop)  # type: ignore[no-untyped-call]
        for future in finished:
            keep_part(part_path(folder, futures[future]), future.result())
            future.release()
    finally:
        client.unsubscribe_topic(topic)  # type: ignore[no-untyped-call]
    return [read_part(part_path(folder, chunk)) for chunk in chunks]


def run_on_worker(chunk: Chunk, topic: str) -> Part:
    """A chunk on a worker, which tells whoever listens to the topic of every day."""
    worker = get_worker()
    with quiet_stdout():
        return run_chunk(chunk, lambda: worker.log_event(topic, 1))


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Nothing reaches standard output meanwhile: the solver's library writes its banner there.

    A local worker shares it with the command, whose output may be JSON.
    """
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def open_client(workers: int, cluster: str = "") -> Iterator[Client]:
    """A cluster of so many processes on this machine, or the one at an address.

    Every process computes with one thread, so that sums are made in one order everywhere. Raises
    StudyError where nobody answers at the address.
    """
    if cluster:
        try:
            client = Client(  # type: ignore[no-untyped-call]
                cluster, timeout=JOIN_S, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise StudyError(f"cluster {cluster!r}: nobody answers there ({error})") from error
        with client:
            yield client
        return
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=40,
            death_timeout=START_S,
        ) as local,
        Client(local, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


def part_path(folder: Path, chunk: Chunk) -> Path:
    """Where the part of a chunk is kept."""
    return folder / f"{chunk.digest}.json"


def keep_part(path: Path, part: Part) -> None:
    """Write a part whole or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(orjson.dumps(part))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_part(path: Path) -> Part:
    """A part that was kept; raises StudyError where the file is none."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise StudyError(
            f"{path}: no part of a study ({error}); delete it, and it is made again"
        ) from error
    if not isinstance(found, dict) or "tallies" not in found:
        raise StudyError(f"{path}: found no part of a study, allowed what a study has kept")
    return found
