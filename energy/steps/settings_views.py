"""Settings as they hold, and what has changed in them from start to start."""

import getpass
import socket
from collections.abc import Iterator
from itertools import pairwise

from sqlalchemy import Connection

from energy.config import SECRETS, Settings, shown_settings, shown_value
from energy.store.starts import ServiceStart, list_starts, save_start
from energy.store.views import Document
from energy.timegrid import iso_of


def keep_start(connection: Connection, settings: Settings, wall_s: float) -> None:
    """Keep with which settings the service starts now, and who starts it on which machine."""
    shown = {name: (one.value, one.source) for name, one in shown_settings(settings).items()}
    save_start(connection, int(wall_s), _starter(), shown)


def _starter() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"unknown@{socket.gethostname()}"


def settings_document(connection: Connection, settings: Settings) -> Document:
    """Every setting with value, source and default; since when; and the changes, newest first.

    `source` and `since_utc` are null where the service has not kept its start.
    """
    starts = list_starts(connection)
    last = starts[0] if starts else None
    return {
        "started_utc": None if last is None else iso_of(last.at_s),
        "started_by": None if last is None else last.started_by,
        "items": list(_items(settings, last)),
        "history": list(_changes(starts)),
    }


def _items(settings: Settings, last: ServiceStart | None) -> Iterator[Document]:
    for name, field in Settings.model_fields.items():
        kept = None if last is None else last.settings.get(name)
        yield {
            "name": name,
            "value": shown_value(settings, name) if kept is None else kept[0],
            "source": None if kept is None else kept[1],
            "default": str(field.default),
            "description": field.description,
            "is_secret": name in SECRETS,
        }


def _changes(starts: list[ServiceStart]) -> Iterator[Document]:
    """What differs between one start and the one before it; a setting that is new has no old."""
    for after, before in pairwise(starts):
        for name in sorted(after.settings.keys() | before.settings.keys()):
            old, new = before.settings.get(name), after.settings.get(name)
            if (old and old[0]) != (new and new[0]):
                yield {
                    "at_utc": iso_of(after.at_s),
                    "by": after.started_by,
                    "name": name,
                    "old": old and old[0],
                    "new": new and new[0],
                    "source": new and new[1],
                }
