"""Versions below which a known fault of a package breaks what the product promises.

SQLite has no floor here: below its own a rollback journal is used (`store/engine.py`). Coincurve is
asked for by its function as well (`require_native_backend`), for a package can be there and unused.
"""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from energy.store.errors import StoreError

FLOORS: Mapping[str, tuple[str, str]] = {
    "starlette": ("1.3.1", "hosts and forms are not checked (CVE-2026-48710)"),
    "apscheduler": ("3.11.2", "clock steps make it loop"),
    "eth-account": ("0.13", "typed data are hashed otherwise"),
    "coincurve": ("21", "signatures take fifty times as long"),
}
BELOW = {"apscheduler": "4"}
"""Versions from which a package is another one."""


def below_floors() -> list[str]:
    """One sentence for each package of a version that is not allowed."""
    return [told for name in FLOORS if (told := _finding(name)) is not None]


def require_floors() -> None:
    """Raise StoreError where a package is too old for the product's promises."""
    found = below_floors()
    if found:
        raise StoreError("; ".join(found))


def _finding(name: str) -> str | None:
    floor, why = FLOORS[name]
    end = BELOW.get(name)
    allowed = f"{floor} or newer" + (f", below {end}" if end else "")
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"package {name}: found none, allowed {allowed}"
    known = _parts(found)
    if known >= _parts(floor) and (end is None or known < _parts(end)):
        return None
    return f"package {name}: found {found}, allowed {allowed}: below it {why}"


def _parts(text: str) -> list[int]:
    """The numbers of a version; a final release has no others."""
    return [int(each) for each in re.findall(r"\d+", text)]
