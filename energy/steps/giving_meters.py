"""Which device reads which meter from when on: an act of the operator."""

from collections.abc import Sequence

from sqlalchemy import Connection

from energy.steps.measure import SLOTS_BEHIND
from energy.store.errors import StoreError
from energy.store.measured import last_measured
from energy.store.meta import find_fact
from energy.store.meter_feeds import MeterFeed, add_feeds, load_feeds
from energy.store.people import DEVICE, ServiceToken, list_tokens
from energy.units import SLOT_S

AHEAD_SLOTS = 3
"""A meter changes hands so many slots after the last measured one: the next may be under way."""


def give_meters(connection: Connection, device: str, accounts: Sequence[bytes], now_s: int) -> int:
    """Let a device read these meters; the first slot of it, behind what the loop may measure now.

    Raises StoreError for a store that is not begun, and for a name that no device's token has or
    one that opens nothing any more.
    """
    token = _token_of_device(connection, device)
    if token.disabled_s is not None or token.ends_s <= now_s:
        how = "one that is over" if token.disabled_s is None else "a disabled one"
        raise StoreError(f"token {device}: found {how}, allowed one that is good; renew it")
    first = _next_change(connection)
    add_feeds(connection, [MeterFeed(one, device, first) for one in accounts])
    return first


def give_free_meters(
    connection: Connection, device: str, accounts: Sequence[bytes], now_s: int
) -> tuple[int, int]:
    """Let a device read those of these meters that the district's plant reads; from when, how many.

    What another device reads stays with it. Raises StoreError as `give_meters` does, and where the
    plant reads none of them.
    """
    first, feeds = _next_change(connection), load_feeds(connection)
    free = [one for one in accounts if feeds.device_at(one, first) is None]
    if not free:
        raise StoreError(f"meters: devices read all {len(accounts)}, allowed one of the plant")
    return give_meters(connection, device, free, now_s), len(free)


def take_meters_back(
    connection: Connection, device: str, accounts: Sequence[bytes] | None
) -> tuple[int, int]:
    """Let the district's plant read these meters of a device again, None all; from when, how many.

    The token may be over or disabled. Raises StoreError for a store that is not begun, a name that
    no device's token has, and a meter that the device does not read.
    """
    _token_of_device(connection, device)
    first, feeds = _next_change(connection), load_feeds(connection, accounts)
    own = [one for one in feeds.of if feeds.device_at(one, first) == device]
    for one in accounts or ():
        if one not in own:
            raise StoreError(f"meter 0x{one.hex()}: allowed one that {device} reads")
    if not own:
        raise StoreError(f"token {device}: reads no meter, allowed one that does")
    add_feeds(connection, [MeterFeed(one, None, first) for one in own])
    return first, len(own)


def _token_of_device(connection: Connection, name: str) -> ServiceToken:
    for one in list_tokens(connection):
        if (one.name, one.role) == (name, DEVICE):
            return one
    raise StoreError(f"token {name}: found none of a device, allowed one that is")


def _next_change(connection: Connection) -> int:
    """The first slot in which a meter may change hands; raises StoreError where nothing has run."""
    begun, last = find_fact(connection, "first_slot"), last_measured(connection)
    if begun is None:
        raise StoreError("store: not begun, allowed one that has run")
    return int(begun) - SLOTS_BEHIND * SLOT_S if last is None else last + AHEAD_SLOTS * SLOT_S
