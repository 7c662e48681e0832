"""When each feed of the loop last gave something."""

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select, update

from energy.store.office_tables import feed


def note_feeds(connection: Connection, last_utc: Mapping[str, int]) -> dict[str, int]:
    """Keep when feeds last gave something, never an earlier instant; the kept ones of all."""
    rows = connection.execute(select(feed.c.name, feed.c.last_utc))
    kept: dict[str, int] = {name: last for name, last in rows}
    for name, last in last_utc.items():
        if name not in kept:
            connection.execute(insert(feed).values(name=name, last_utc=last))
        elif last > kept[name]:
            connection.execute(update(feed).where(feed.c.name == name).values(last_utc=last))
        kept[name] = max(last, kept.get(name, last))
    return kept
