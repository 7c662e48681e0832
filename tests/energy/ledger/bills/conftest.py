"""A year of a few streets in a real store: every slot is settled and every month closed for real.

A month has some ninety quarter hours with the energy of all of it, and an auction in a few.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import Connection

from energy.steps.settling import post_clearing
from energy.store.orders import lock_book
from energy.store.readings import LateRow, save_late_readings, save_readings
from energy.store.slots import SlotOutcome, claim_slot, publish_slot
from energy.timegrid import local_month_start
from energy.units import SLOT_S

SOURCE = "sejong-5-1@0.002"
HOUSE = 23
"""A detached house with 4.4 kW of PV that trades; its car charges by night."""
FIRST = 1_784_084_400  # 2026-07-15 12:00 in Sejong
ZONE = "Asia/Seoul"
QUIET = SlotOutcome("missed", "T4", "the slot was over")
OPEN = SlotOutcome("ok", "T0", "")


def local_hour(slot: int) -> int:
    """The hour of a slot in Sejong."""
    return datetime.fromtimestamp(slot, ZoneInfo(ZONE)).hour


class Cleared(NamedTuple):
    """What the clear step hands on."""

    slot: int
    plan_digest: bytes
    clearing: Any
    orders: Any
    labels: Any


class BilledYear:
    """Publishes slots with their readings into the store of a rehearsal, and closes its months."""

    def __init__(self, here: Any) -> None:
        self.here = here
        # The data centre by one price too, so that every meter gets a bill.
        table = here.district.meters
        tariff = tuple("general-a1-lv" if "-b-" in name else name for name in table.tariff)
        here.district = replace(here.district, meters=replace(table, tariff=tariff))
        small = here.order
        here.order = lambda *given: small(*given) | {"e_wh": 700}
        here.refusals = frozenset({"SELF_CROSS", "OVER_CAPACITY"})
        self.rng = np.random.default_rng(7)
        meters = len(here.district.meters.account)
        self.meters = meters
        self.counters = {name: np.zeros(meters, dtype=np.int64) for name in ("import", "export")}
        self.slots: list[dict[str, Any]] = []
        self.end = FIRST

    def month(self, *, auctions: int = 3, quiet: int = 90, close: bool = True) -> int:
        """The rest of the running local month; its first slot."""
        start = local_month_start(self.end, ZONE)
        stop = local_month_start(self.end, ZONE, months_on=1)
        free = np.arange(max(self.end, FIRST), stop, SLOT_S)
        chosen = np.sort(self.rng.choice(free, quiet + auctions, replace=False))
        # By day, where there is something to sell.
        sunny = [slot for slot in chosen.tolist() if 9 <= local_hour(slot) < 17]
        with_market = set(self.rng.choice(sunny, min(auctions, len(sunny)), replace=False).tolist())
        for slot in chosen.tolist():
            self.publish(slot, market=slot in with_market)
            if slot in with_market:
                self.here.settle(slot)
        self.end = stop
        if close:
            self.here.settle(stop + SLOT_S)
        return start

    def publish(self, slot: int, *, market: bool) -> None:
        """A slot with its readings, and with an auction where it has one."""
        here = self.here
        if market:
            here.place_orders(slot)
        columns = self.readings(slot)

        def write(connection: Connection) -> None:
            claim = claim_slot(connection, slot, "test", slot)
            orders = tuple(lock_book(connection, slot, slot - 300))
            save_readings(connection, slot, columns)
            if market:
                clearing = here.clear(slot, orders)
                tiers = here.label_tiers(clearing, orders)
                cleared = Cleared(slot, bytes(32), clearing, orders, tiers)
                post_clearing(connection, here.books, cleared)
            publish_slot(connection, claim, OPEN if market else QUIET, slot)

        here.store.write(write)

    def readings(self, slot: int) -> dict[str, Any]:
        """What the meters show: cars by night, sun at noon."""
        hour = local_hour(slot)
        drawn = self.rng.integers(500, 5_500, self.meters)
        given = np.zeros(self.meters, dtype=np.int64)
        if hour < 5:
            drawn[HOUSE] = self.rng.integers(5_000, 6_200)
        if 9 <= hour < 17:
            sunny = self.here.district.meters.pv_kwp > 0
            given[sunny] = self.rng.integers(100, 1_000, int(sunny.sum()))
            drawn[sunny] = self.rng.integers(0, 300, int(sunny.sum()))
        self.counters["import"] = self.counters["import"] + drawn
        self.counters["export"] = self.counters["export"] + given
        self.slots.append({"slot": slot, "import": drawn, "export": given})
        none = np.zeros(len(self.here.books.assets), dtype=np.int64)
        net = int(drawn.sum() - given.sum()) + 50
        return {
            "import_wh": drawn,
            "export_wh": given,
            "quality": np.ones(self.meters, dtype=np.int64),
            "import_register_wh": self.counters["import"],
            "export_register_wh": self.counters["export"],
            **{f"asset_{name}": none for name in (
                "import_wh", "export_wh", "import_register_wh", "export_register_wh"
            )},
            "boundary_wh": np.array([max(net, 0), max(-net, 0)]),
        }  # fmt: skip

    def correct(
        self,
        place: int,
        import_wh: int,
        tick: int,
        *,
        export_wh: int | None = None,
        meter: int = HOUSE,
        revision: int = 1,
    ) -> None:
        """A reading, of the house where nothing else is said, that comes late, at a tick, and mends
        the one that was there.
        """
        one = self.slots[place]
        for name, wh in (("import", import_wh), ("export", export_wh)):
            if wh is not None:
                one[name] = one[name].copy()
                one[name][meter] = wh
        shown = (int(one["import"][meter]), int(one["export"][meter]))
        row = LateRow(one["slot"], meter, revision, tick, *shown, 0, 0, 3)
        self.here.store.write(lambda connection: save_late_readings(connection, [row]))


@pytest.fixture
def begin_year(begin_books: Callable[..., Any]) -> Callable[..., BilledYear]:
    """Begins the books of the streets on a store."""
    return lambda url="": BilledYear(begin_books(url, source=SOURCE))
