"""Room on the disk under a store's file."""

import shutil
from pathlib import Path

from energy.store.engine import parse_url


def file_of(url: str) -> Path | None:
    """The file of a store, None where a database server keeps it on a disk of its own."""
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def free_gib(place: Path) -> float:
    """GiB that are free for files at a place, which need not be there yet."""
    found = place.resolve()
    while not found.exists():
        found = found.parent
    return shutil.disk_usage(found).free / 2**30
