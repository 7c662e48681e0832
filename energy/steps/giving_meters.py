"""Which device reads which meter from when on: an act of the operator."""

from collections.abc import Sequence

from sqlalchemy import Connection

from energy.steps.measure import SLOTS_BEHIND
from energy.store.errors import StoreError
from energy.store.measured import last_measured
from energy.store.meta import find_fact
from energy.store.meter_feeds import MeterFeed, add_feeds
from energy.store.people import DEVICE, list_tokens
from energy.units import SLOT_S

AHEAD_SLOTS = 3
"""A meter changes hands so many slots after the last measured one: the next may be under way."""


def give_meters(connection: Connection, device: str | None, accounts: Sequence[bytes]) -> int:
    """Let a device read these meters, None the district's plant again; the first slot of it.

    It lies behind what the loop may be measuring now. Raises StoreError for a store that is not
    begun, and for a name that no device's token has.
    """
    tokens = {one.name for one in list_tokens(connection) if one.role == DEVICE}
    if device is not None and device not in tokens:
        raise StoreError(f"token {device}: found none of a device, allowed one that is")
    begun, last = find_fact(connection, "first_slot"), last_measured(connection)
    if begun is None:
        raise StoreError("store: not begun, allowed one that has run")
    first = int(begun) - SLOTS_BEHIND * SLOT_S if last is None else last + AHEAD_SLOTS * SLOT_S
    add_feeds(connection, [MeterFeed(one, device, first) for one in accounts])
    return first
