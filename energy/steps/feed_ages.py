"""An age alarm for each feed: no success for so many minutes.

The loop goes on with what it has, by rules of its own; people must still hear that a feed is dead.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from energy.steps.measure import Measured
from energy.store.alarms import Alarm, end_other_alarms, raise_alarm
from energy.store.feeds import note_feeds
from energy.timegrid import iso_of
from energy.units import SLOT_S

HALF = 0.5
"""Of the meters of a feed so many must have come for it to count as alive."""


@dataclass(frozen=True)
class Feed:
    """A feed by its name: what it brings, how old it may be, and what to do when it is dead."""

    what: str
    minutes: int
    todo: str


FEEDS = {
    # Issued every three hours, and out a while later.
    "weather": Feed("weather forecast", 360, "Ask the weather service; look at its file."),
    "area_meters": Feed("values of area meters", 60, "Look at the concentrators and their line."),
    "batteries": Feed("states of batteries", 60, "Look at their controllers and their line."),
    "units": Feed("states of units", 60, "Look at their controllers and their line."),
    "heat_and_air": Feed("values of heat and air", 60, "Look at the heat plant and its line."),
    "cars": Feed("states of charging cars", 60, "Ask the charge points' operator."),
    "household_meters": Feed("readings of households", 120, "Ask the metering service."),
}


def watch_feeds(connection: Connection, measured: Measured, now_s: int) -> None:
    """Note what has come with a slot, raise the alarm of each feed that is too old, end the others.

    A feed that never gave anything is as old as the first look at it.
    """
    kept = note_feeds(connection, _came(measured))
    first = {name: now_s for name in FEEDS if name not in kept}
    kept = note_feeds(connection, first) if first else kept
    causes = set()
    for name, feed in FEEDS.items():
        age_min = (now_s - kept[name]) // 60
        if age_min <= feed.minutes:
            continue
        causes.add(f"feed/{name}")
        found = Alarm(
            cause=f"feed/{name}",
            severity="warning",
            what=f"No {feed.what} since {iso_of(kept[name])}, allowed {feed.minutes} min",
            where=name,
            todo=feed.todo,
        )
        raise_alarm(connection, found, now_s)
    end_other_alarms(connection, "feed/", frozenset(causes), now_s)


def _came(measured: Measured) -> dict[str, int]:
    """The end of the newest quarter hour, or the issue, of each feed that has given something."""
    end = measured.telemetry.slot + SLOT_S
    found = {}
    if measured.weather is not None:
        found["weather"] = int(measured.weather.issue_slot)
    found |= dict.fromkeys(measured.came - {"area_meters"}, end)
    if np.mean(measured.known) >= HALF:
        found["area_meters"] = end
    if np.mean(measured.readings.quality > 0) >= HALF:
        found["household_meters"] = end
    return found
