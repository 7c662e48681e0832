"""A small district at work in a process of its own: orders come, quarter hours are decided, sealed.

Run with the database's URL and a file: every promise that was given is written there at once, the
orders that were accepted and each sealed tick.
"""

import hashlib
import math
import os
import sys
from collections.abc import Callable

from sqlalchemy import select

from energy.config import Settings
from energy.crowd import build_crowd
from energy.cycle import finish_ticks, next_slot, run_quarter_hour
from energy.simulate import place_orders
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.store.checkpoints import find_checkpoint
from energy.store.schema import market_order
from energy.timegrid import parse_instant
from energy.units import SLOT_S

START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
SLOTS = 3
DISTRICT = "sejong-5-1@0.005"


def settings_of(url: str) -> Settings:
    """The settings of the district on a database."""
    return Settings(district=DISTRICT, database_url=url, bots=False)


def orders_of(microgrid: Microgrid, slot: int) -> list[bytes]:
    """The ids of the orders that the store holds for a slot, sorted."""
    query = select(market_order.c.id).where(market_order.c.slot == slot)
    return sorted(
        row[0] for row in microgrid.store.read(lambda connection: connection.execute(query).all())
    )


def standing_at(instant_s: int) -> Callable[[], float]:
    """A clock that stands still."""
    return lambda: float(instant_s)


def promise_of(microgrid: Microgrid, kind: str, slot: int) -> str:
    """What was promised of a slot: a hash over its orders, or the root of its tick."""
    if kind == "orders":
        return hashlib.sha256(b"".join(orders_of(microgrid, slot))).hexdigest()
    row = microgrid.store.read(lambda connection: find_checkpoint(connection, slot))
    return row.root.hex() if row else "no checkpoint"


def work(url: str, promised: list[tuple[str, int, str]], told: int) -> None:
    """Keep what was promised, then run the slots that are left, telling each new promise."""
    settings = settings_of(url)
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            for kind, slot, what in promised:
                found = promise_of(microgrid, kind, slot)
                assert found == what, f"{kind} of slot {slot}: promised {what}, found {found}"
            crowd = build_crowd(microgrid.district, settings.seed)
            finish_ticks(microgrid, standing_at(START), math.inf)
            while (slot := next_slot(microgrid)) < START + SLOTS * SLOT_S:
                place_orders(installation, crowd, slot)
                _tell(told, microgrid, "orders", slot)
                run_quarter_hour(microgrid, slot, standing_at(slot - settings.gate_lead_s))
                _tell(told, microgrid, "sealed", slot)
        finally:
            microgrid.close()


def _tell(told: int, microgrid: Microgrid, kind: str, slot: int) -> None:
    os.write(told, f"{kind} {slot} {promise_of(microgrid, kind, slot)}\n".encode())


if __name__ == "__main__":
    work(sys.argv[1], [], os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
