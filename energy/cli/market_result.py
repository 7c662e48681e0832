"""The result of `market clear --json`, read back for the proof: strictly, or one sentence."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market.errors import MarketError
from market.messages import parse_message


@dataclass(frozen=True)
class ClearedFile:
    """The certificate as the typed `Clearing` message, and Wh accepted by the order's name."""

    message: dict[str, Any]
    accepted_wh: dict[str, int]


def read_result(path: Path) -> ClearedFile:
    """The result in a file; raises MarketError with the file, the field, found and allowed."""
    document = _read_json(path)
    for key, kind in (("certificate", dict), ("orders", list)):
        if not isinstance(document.get(key), kind):
            found = type(document[key]).__name__ if key in document else "nothing"
            name = {dict: "an object", list: "a list"}[kind]
            raise MarketError(f"{path}: {key}: found {found}, allowed {name}")
    try:
        message = parse_message("Clearing", _as_wire(document["certificate"]))
    except MarketError as error:
        raise MarketError(f"{path}: certificate: {error}") from error
    return ClearedFile(message, _accepted(path, document["orders"]))


def _accepted(path: Path, rows: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, row in enumerate(rows):
        name = row.get("order") if isinstance(row, dict) else None
        e_wh = row.get("accepted_wh") if isinstance(row, dict) else None
        if type(name) is not str or type(e_wh) is not int or name in found:
            shown = repr(row)
            raise MarketError(
                f"{path}: orders[{place}]: found {shown[:80]}, allowed an object with order, a "
                "name that stands once, and accepted_wh, a whole number"
            )
        found[name] = e_wh
    return found


def _as_wire(found: object) -> object:
    """Whole numbers as decimal strings, hex under 0x: the strict form of signed messages."""
    if isinstance(found, dict):
        return {name: _as_wire(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_as_wire(value) for value in found]
    if type(found) is int:
        return str(found)
    # A text of digits is no number here, and what is no text stays what it is and is refused.
    return f"0x{found}" if type(found) is str else found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MarketError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise MarketError(f"{path}: found {type(found).__name__}, allowed a JSON object")
    return found
