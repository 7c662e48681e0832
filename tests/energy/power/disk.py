"""A disk played back from the log of what a process did to it: what a power cut leaves behind.

Written data stays in the machine's memory until its file is synced; a new name and a removed one
until its file or the folder is. At a cut, what was not synced is gone, or part of it has reached
the disk: which writes, chance says.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct("<cIqQ")


@dataclass(frozen=True)
class Deed:
    """One thing done to a file: O made, W written, T cut, S synced, U removed, R renamed, D."""

    what: str
    path: str
    offset: int
    data: bytes


def read_deeds(log: Path) -> Iterator[Deed]:
    """The deeds of a log, in their order."""
    raw, at = log.read_bytes(), 0
    while at < len(raw):
        what, path_length, offset, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        path = raw[at : at + path_length].decode()
        at += path_length
        yield Deed(what.decode(), path, offset, raw[at : at + length])
        at += length


def _written(content: bytearray, deed: Deed) -> None:
    """Do a write or a cut to a file's content."""
    end = deed.offset + len(deed.data) if deed.what == "W" else deed.offset
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if deed.what == "W":
        content[deed.offset : end] = deed.data
    else:
        del content[end:]


@dataclass
class File:
    """What of a file is on the disk, and what has been done to it since."""

    durable: bytearray | None = None  # None: its name is not on the disk yet
    since: list[Deed] = field(default_factory=list)
    is_removed: bool = False

    def sync(self) -> None:
        """Everything done so far is on the disk."""
        content = self.durable if self.durable is not None else bytearray()
        for deed in self.since:
            _written(content, deed)
        self.durable, self.since = content, []

    def left(self, chance: random.Random | None) -> bytes | None:
        """What the disk holds after a cut: without chance nothing that was not synced."""
        if self.durable is None and (chance is None or chance.random() < 0.5):
            return None
        if self.is_removed and chance is not None and chance.random() < 0.5:
            return None
        content = bytearray(self.durable or b"")
        for deed in self.since:
            if chance is not None and chance.random() < 0.5:
                _written(content, deed)
        return bytes(content)


class Disk:
    """The files of one folder; `told` is the file in which promises stand, which is no part."""

    def __init__(self, folder: Path, told: Path) -> None:
        self._folder, self._told_path = folder, str(told)
        self._files: dict[str, File] = {}
        self._told = bytearray()

    def do(self, deed: Deed) -> None:
        """Take over one deed."""
        if deed.path == self._told_path:
            if deed.what == "W":
                _written(self._told, deed)
            return
        if deed.what == "D":
            self._files = {path: one for path, one in self._files.items() if not one.is_removed}
            return
        file = self._files.setdefault(deed.path, File())
        if deed.what in "WT":
            file.since.append(deed)
        elif deed.what == "S":
            file.sync()
        elif deed.what == "O":
            self._files[deed.path] = File(durable=None)
        elif deed.what == "U":
            file.is_removed = True
        else:
            raise AssertionError(f"{deed.what} of {deed.path}: a store renames nothing")

    def promises(self) -> list[tuple[str, int, str]]:
        """What had been promised to the world until now."""
        lines = [line.split() for line in self._told.decode().splitlines()]
        return [(kind, int(slot), what) for kind, slot, what in lines]

    def cut(self, target: Path, chance: random.Random | None = None) -> Path:
        """The folder as the disk has it when the power fails now."""
        target.mkdir(parents=True)
        for path, file in self._files.items():
            content = file.left(chance)
            if content is not None:
                place = target / Path(path).relative_to(self._folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        return target
