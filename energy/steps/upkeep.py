"""What an installation needs to run for years: old rows thinned out, room on the disk, books that
keep pace and explain everything.
"""

from decimal import Decimal

from sqlalchemy import Connection

from energy.config import Settings
from energy.steps.faults import BACKLOG
from energy.store.alarms import open_alarms
from energy.store.engine import Store
from energy.store.retention import has_old, thin_out
from energy.store.slots import unsettled_slots
from energy.store.space import file_of, free_gib
from energy.store.views import find_view, last_view_slot
from energy.units import SLOT_S, SLOTS_PER_DAY

DAY_S = SLOTS_PER_DAY * SLOT_S
HISTORY_MARGIN_DAYS = 8
"""Days beyond the forecasts' history that the loop's columns stay, for their verification."""

UNITS_AT_ONCE = 4

BACKLOG_SLOTS_MAX = 8
"""Published slots that may wait for their settlement; two always do."""


def kept_days(settings: Settings) -> dict[str, int]:
    """Days that each kind of row is kept; the books are of no kind, for they stay."""
    return {
        "readings": settings.keep_readings_days,
        # The loop learns from them at every start.
        "columns": max(settings.keep_readings_days, settings.history_days + HISTORY_MARGIN_DAYS),
        "documents": settings.keep_documents_days,
        "forecasts": settings.keep_forecasts_days,
    }


def thin_store(store: Store, settings: Settings, slot: int) -> int:
    """Delete some of what is older at `slot` than it is kept, in short units; how many rows went.

    Only whole UTC days go: the guards against deletion are lifted a few times a day and not in
    every slot. Raises StoreBusyError where the store takes nothing now; the next slot tries again.
    """
    today = slot // DAY_S * DAY_S
    before = {kind: today - days * DAY_S for kind, days in kept_days(settings).items()}
    gone = 0
    for _ in range(UNITS_AT_ONCE):
        if not store.read(lambda connection: has_old(connection, before)):
            break
        gone += store.write(lambda connection: thin_out(connection, before))
    return gone


def disk_trouble(settings: Settings) -> str | None:
    """That the store's disk is nearly full, None where it is not or is a database server's."""
    path = file_of(settings.database_url)
    if path is None:
        return None
    free = free_gib(path.parent)
    if free >= settings.disk_free_gib_min:
        return None
    return f"{free:.2f} GiB are free for the store, allowed {settings.disk_free_gib_min:g}"


def books_trouble(connection: Connection) -> str | None:
    """That slots cannot be settled or wait for it, or that the last tick left energy or money
    unexplained.
    """
    stuck = [one for one in open_alarms(connection) if one.alarm.cause == BACKLOG.cause]
    if stuck:
        return stuck[0].alarm.what
    waiting = len(unsettled_slots(connection, before=2**62))
    if waiting > BACKLOG_SLOTS_MAX:
        return f"{waiting} slots wait to be settled, allowed {BACKLOG_SLOTS_MAX}"
    tick = last_view_slot(connection, "ledger")
    head = None if tick is None else find_view(connection, "ledger", tick)
    if head is None:
        return None
    wh, krw = int(head["unexplained_wh"]), Decimal(head["unexplained_krw"])
    if not wh and not krw and head.get("debits_equal_credits", True):
        return None
    return f"the last tick left {wh} Wh and {krw} won unexplained, allowed 0"
