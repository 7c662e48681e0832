"""Alarms of the daemons on one store: which are told anew, and which are over.

On PostgreSQL several daemons have the same causes, each by its own clock and disk. One that leads
speaks for the loop: an alarm of another, which may be about that one's machine or left by a process
that has died, is not its own, so it tells its own in place of it. Who stands by repeats nothing
that is open already, and ends only what it raised itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from energy.store.alarms import Alarm, RaisedAlarm, end_alarm, open_alarms, raise_alarm
from energy.store.engine import Store
from energy.store.events import add_event

OWN_CAUSES = "daemon/"
SAID_AGAIN_LOOKS, SILENT_LOOKS = 6, 18
"""A daemon says every so many looks that its alarms still hold; where nobody has said so for so
many, whoever raised them has died."""


@dataclass(frozen=True)
class Changes:
    """Causes to be told as new alarms, to be said again of the same ones, and to be ended."""

    new: frozenset[str]
    again: frozenset[str]
    ending: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.new or self.again or self.ending)


class OwnAlarms:
    """What one daemon has raised, and how long it has heard nothing of what others have."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own: dict[str, int] = {}  # numbers by cause
        self._heard: dict[int, tuple[int, int]] = {}  # count of an alarm, looks since it was so
        self._looks = 0
        self._swept: int | None = None  # the term in which alarms of dead processes were ended

    def tell(self, found: dict[str, Alarm], now_s: int, term: int | None) -> None:
        """Write what has changed; `term` is that of the lead which this process holds."""
        self._looks += 1
        rows = self._store.read(_daemons_alarms)
        self._listen(rows)
        if self._changes(rows, found, term):

            def write(connection: Connection) -> dict[str, int]:
                # Another daemon may have written since the look.
                changes = self._changes(_daemons_alarms(connection), found, term)
                return _write(connection, changes, found, now_s)

            self._own |= self._store.write(write)
        self._own = {cause: number for cause, number in self._own.items() if cause in found}
        self._swept = term if term is not None else self._swept

    def _listen(self, rows: Iterable[RaisedAlarm]) -> None:
        """Count the looks at which nobody had said an alarm again."""
        heard = self._heard
        self._heard = {}
        for one in rows:
            count, looks = heard.get(one.id, (0, 0))
            self._heard[one.id] = (one.count, looks + 1 if count == one.count else 0)

    def _changes(
        self, rows: list[RaisedAlarm], found: dict[str, Alarm], term: int | None
    ) -> Changes:
        # A file has one process: whatever is open is its own, from this life or an earlier one.
        alone = self._store.is_sqlite
        is_open = {one.alarm.cause for one in rows}
        own = {one.alarm.cause for one in rows if alone or self._own.get(one.alarm.cause) == one.id}
        silent = {one.alarm.cause for one in rows if self._is_silent(one.id)} - own
        # The first look of a lead ends what dead processes left; the living raise theirs again.
        sweeps = term is not None and term != self._swept
        told = own if term is not None else is_open - silent
        says_again = not alone and self._looks % SAID_AGAIN_LOOKS == 0
        return Changes(
            new=frozenset(found.keys() - told),
            again=frozenset(own & found.keys()) if says_again else frozenset(),
            ending=frozenset((is_open if sweeps else own | silent) - found.keys()),
        )

    def _is_silent(self, number: int) -> bool:
        return self._heard.get(number, (0, 0))[1] >= SILENT_LOOKS


def _daemons_alarms(connection: Connection) -> list[RaisedAlarm]:
    return [one for one in open_alarms(connection) if one.alarm.cause.startswith(OWN_CAUSES)]


def _write(
    connection: Connection, changes: Changes, found: dict[str, Alarm], now_s: int
) -> dict[str, int]:
    """Numbers of the new alarms by cause."""
    # One that is open by somebody else ends, so that the new one is told like any other.
    for cause in sorted(changes.ending | changes.new):
        end_alarm(connection, cause, now_s)
    for cause in sorted(changes.again):
        raise_alarm(connection, found[cause], now_s)
    new = {cause: raise_alarm(connection, found[cause], now_s) for cause in sorted(changes.new)}
    if changes.new or changes.ending:
        add_event(connection, "alarm", None, {"open": sorted(found)})
    return new
