"""The last signed head of a log, kept beside the database: what tells that the database is older.

A store that was put back from an older copy agrees with itself: what it has forgotten was published
all the same, and whoever went on from it would sign other heads for the same ticks.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection

from energy.store.checkpoints import find_checkpoint, last_checkpoint
from energy.store.errors import LostHeadError, StoreError
from energy.store.slots import last_fence
from energy.timegrid import iso_of


@dataclass(frozen=True)
class SignedHead:
    """A head of the log that is signed, and the highest fence that was given by then."""

    tick: int
    size: int
    root: str
    fence: int


class HeadFile:
    """Keeps the newest signed head of a market in a small file, durably."""

    def __init__(self, folder: Path, market_id: str) -> None:
        self.path = folder / f"signed-head-{re.sub(r'[^A-Za-z0-9.@-]+', '-', market_id)}.json"
        self._market_id = market_id
        self._kept: int | None = None

    def read(self) -> SignedHead | None:
        """What is kept, None where nothing is; raises StoreError where it cannot be read."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found.pop("market") != self._market_id:
                raise ValueError("of another market")
            return SignedHead(**found)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"signed head {self.path}: cannot be read ({error}), allowed what the loop wrote; "
                f"take it from a copy of this folder"
            ) from error

    def holds(self, tick: int) -> bool:
        """Whether this process has kept the head of the tick, or a newer one."""
        return self._kept is not None and self._kept >= tick

    def keep(self, head: SignedHead, *, even_older: bool = False) -> None:
        """Keep a head; an older one than is kept only where it is accepted that others are lost.

        Raises StoreError where it cannot be written durably: then nothing more may be signed.
        """
        found = self.read()
        if even_older or found is None or found.tick <= head.tick:
            self._write(json.dumps({"market": self._market_id, **asdict(head)}))
        self._kept = head.tick

    def _write(self, text: str) -> None:
        scratch = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise StoreError(
                f"signed head {self.path}: cannot be written ({error.strerror}); nothing more is "
                f"signed until it can"
            ) from error


def sync_folder(folder: Path) -> None:
    """Make durable which names a folder has."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def newest_head(connection: Connection) -> SignedHead | None:
    """The last signed head that the store has, None where it has no books."""
    last = last_checkpoint(connection)
    if last is None:
        return None
    return SignedHead(last.tick, last.size, last.root.hex(), last_fence(connection))


def require_head(connection: Connection, file: HeadFile) -> None:
    """Raise LostHeadError where the store lacks the head that was signed last."""
    told = loss_of(connection, file)
    if told is not None:
        raise LostHeadError(
            f"{told}; what is published must not be contradicted: put the newest copy in its "
            f"place, or where there is none `microgrid store accept-loss --reason REASON`"
        )


def loss_of(connection: Connection, file: HeadFile) -> str | None:
    """What the store lacks of what was signed, in one sentence; None where it lacks nothing."""
    signed = file.read()
    if signed is None:
        return None
    found, last = find_checkpoint(connection, signed.tick), last_checkpoint(connection)
    if found is not None and (found.size, found.root.hex()) == (signed.size, signed.root):
        return None
    if last is None:
        told = "found no books"
    elif found is None:
        told = f"found its last head at {iso_of(last.tick)} with {last.size} leaves"
    else:
        told = f"found another head of that tick, with {found.size} leaves"
    return (
        f"books: the store is an older copy or another log: {told}, though the head of "
        f"{iso_of(signed.tick)} with {signed.size} leaves is signed ({file.path})"
    )
