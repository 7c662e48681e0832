"""A day of a small district in one process, with a clock in the test's hands and troubles planted.

The daemon, its cycle, the desks, the books and the store are those of operation. After every slot
all that must always hold is looked at, at the end of the day the books are given to the stand-alone
verifier, and `digest_of` names everything that stands in the store.
"""

import hashlib
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from energy.config import build_settings
from energy.daemon import Daemon, RealClock
from energy.plant import SetPoints
from energy.steps.context import Installation, open_installation
from energy.steps.proving import add_up, export_lines, find_oversold
from energy.store.alarms import open_alarms
from energy.store.books import load_settlements
from energy.store.errors import StoreError
from energy.store.orders import load_fills
from energy.store.schema import METADATA, market_order
from energy.store.setpoints import load_setpoints
from energy.store.slots import SlotRow, slots_between
from energy.timegrid import parse_instant
from energy.units import SLOT_S
from market.verifier import verify_export

DISTRICT = "sejong-5-1@0.005"
YEAR = parse_instant("2026-01-01", "Asia/Seoul")
SLOTS_OF_YEAR = 35_040
RETRY_S, TRIES = 5, 12
NORMAL_WITHIN = 2
HOUR_S = 3_600
TOLERANCE_KW = 1e-6
FINAL = ("FILLED", "PARTIAL", "NOT_CLEARED", "VOID", "CANCELLED", "EXPIRED")
NOT_OF_THE_SEED = {
    "slot": {"seconds", "owner"},  # the machine's time, the process's name
    "leader": {"owner"},
    "lease": {"until_s"},
}
"""Columns that tell of the machine and the process and not of the district; so does `seconds`, how
long the solver took, in the documents.
"""


@dataclass
class Day:
    """A district through a day; `faults` plants its troubles, `residents` write their letters."""

    seed: int
    folder: Path
    faults: Any
    make_residents: Callable[[Installation, int], Any]
    slots: int = 96
    tiers: dict[str, int] = field(default_factory=dict)
    reopened: int = 0

    def __post_init__(self) -> None:
        self.start = YEAR + random.Random(self.seed).randrange(SLOTS_OF_YEAR) * SLOT_S
        self._settings = build_settings(
            district=DISTRICT,
            database_url=f"sqlite:///{self.folder}/day.db",
            bots=False,
            horizon_slots=4,
            history_days=7,
        )
        self._wall_s = float(self.start - self._settings.gate_lead_s - SLOT_S // 2)
        self._count_s = 0.0
        self._seen: list[SlotRow] = []
        self._calm = 0
        self._stack = ExitStack()
        self._open()
        self.residents = self.make_residents(self.installation, self.seed)

    def run(self) -> None:
        """All slots, one after the other; AssertionError names what does not hold."""
        try:
            number = 0
            while len(self._seen) < self.slots:
                self._run_slot(number)
                number += 1
            self.look_at_the_end()
        finally:
            self._leave()
            self._stack.close()

    # The process: it is opened, may die, and is opened again.

    def _open(self) -> None:
        opened = open_installation(self._settings, lambda _: self.start)
        self.installation = self._stack.enter_context(opened)
        clock = RealClock(lambda: self._wall_s, lambda: self._count_s)
        self.daemon = Daemon(self.installation, clock)

    def _leave(self) -> None:
        """The thread that renews the lease ends without a word, as it does in a killed process."""
        leadership = self.daemon._leadership
        leadership._ending.set()
        if leadership._keeper is not None:
            leadership._keeper.join()

    def _survive(self, act: Callable[[], Any]) -> Any:
        """What the act gives; where the process dies in it, a new one is there and None given."""
        try:
            return act()
        except self.faults.crash:
            self.reopened += 1
            self._leave()
            self._stack.close()
            while True:
                try:
                    self._open()
                except self.faults.crash:
                    self._stack.close()
                except StoreError:
                    self._stack.close()
                else:
                    return None

    # A slot.

    def _run_slot(self, number: int) -> None:
        slot = self.installation.next_slot()
        steps_s = self.faults.begin(number)
        self._calm = 0 if number in self.faults.schedule else self._calm + 1
        self._pass_until(slot - self._settings.gate_lead_s - 60)
        for step_s in steps_s:
            self._step_clock(step_s)
        self._deliver(slot)
        self._pass_until(slot - self._settings.gate_lead_s)
        for _ in range(TRIES):
            deaths = self.reopened
            self._survive(self.daemon._wake)
            # After a step on and one back the slot is done, and the time stands still for long.
            known = (None, self.daemon._clock.standing_still())
            is_well = self.reopened == deaths and self.daemon.trouble() in known
            if is_well and self.installation.next_slot() > slot:
                break
            self._pass(RETRY_S)
        else:
            raise AssertionError(f"slot {number} ({slot}) is not done: {self.daemon.trouble()}")
        self._survive(self.daemon.watch)
        self.look(number)

    def _pass(self, seconds: float) -> None:
        self._wall_s += seconds
        self._count_s += seconds

    def _pass_until(self, instant_s: float) -> None:
        # A clock that has been set back stands still until it is made up for.
        while (left_s := instant_s - self.daemon._clock.now_s()) > 0:
            self._pass(max(left_s, 1.0))

    def _step_clock(self, step_s: int) -> None:
        """Step the wall clock; where it is not believed nothing runs until it is set right."""
        self.faults.count("clock steps")
        self._wall_s += step_s
        if abs(step_s) <= HOUR_S:
            self.daemon._clock.now_s()  # it is read all the time; two steps are not one
            return
        before = self.installation.next_slot()
        for _ in range(3):
            self._survive(self.daemon._wake)
            assert "the wall clock has stepped" in str(self.daemon.trouble()), step_s
            self._pass(SLOT_S / 2)
        assert self.installation.next_slot() == before, "a slot was run by a clock that is wrong"
        self._wall_s -= step_s

    def _deliver(self, slot: int) -> None:
        """Post the letters; one that gets no answer is posted again."""
        for letter in self.residents.letters(slot):
            for _ in range(TRIES):
                answer = self._survive(lambda: self._post(letter))  # noqa: B023
                if answer is not None:
                    self.residents.hear(letter, answer)
                    break
            else:
                raise AssertionError("a letter is never answered")

    def _post(self, letter: Any) -> Any:
        try:
            return self.residents.post(self.installation, letter, self.daemon._clock.now_s())
        except StoreError:
            return None

    # What must hold.

    def look(self, number: int) -> None:
        """What must hold after every slot; raises AssertionError."""
        store, known = self.installation.store, len(self._seen)
        rows = store.read(lambda c: slots_between(c, self.start, 2**40))
        starts = [row.start for row in rows]
        assert starts == [self.start + n * SLOT_S for n in range(len(rows))], "slots not in order"
        for row in rows[known:]:
            self.tiers[str(row.tier)] = self.tiers.get(str(row.tier), 0) + 1
            assert row.state != "running" and row.outcome and row.tier, f"{row}: not final"
            assert row.reason or row.tier == "T0", f"{row}: no reason"
            assert row.sealed_utc == row.start, f"{row}: not under its checkpoint"
            self._look_at_setpoints(row)
            self._look_at_orders(row)
        if self._calm >= NORMAL_WITHIN:
            assert rows[-1].outcome == "ok", f"slot {number}, calm for {self._calm}: {rows[-1]}"
        self._seen = rows
        store.read(self._look_at_books)

    def _look_at_setpoints(self, row: SlotRow) -> None:
        found = self.installation.store.read(lambda c: load_setpoints(c, row.start))
        assert (found is None) == (row.tier == "T4"), f"{row}: set-points {found}"
        if found is not None:
            told = SetPoints.from_bytes(found.body)
            assert told.slot == row.start and told.expires_s == row.start + SLOT_S, row
            require_within_plates(self.installation.district, told)

    def _look_at_orders(self, row: SlotRow) -> None:
        """Every order that was accepted for the slot is there with its end; what traded fits it."""
        store, promised = self.installation.store, self.residents
        query = select(market_order).where(market_order.c.slot == row.start)
        orders = {one.id: one for one in store.read(lambda c: c.execute(query).all())}
        mine = {id_ for id_, one in promised.accepted.items() if one["slot"] == row.start}
        assert mine <= set(orders), "an accepted order is lost"
        for id_, one in orders.items():
            assert one.status in FINAL, f"order {id_.hex()}: {one.status} after its slot"
            assert id_ not in promised.cancelled or one.status == "CANCELLED", id_.hex()
            assert id_ in mine or one.instruction is not None, "an order that nobody was told of"
        for fill in store.read(lambda c: load_fills(c, row.start)):
            one = orders[fill.order_id]
            sign = 1 if one.side == 1 else -1
            assert 0 < fill.e_wh <= one.e_wh and one.status in ("FILLED", "PARTIAL")
            assert sign * (one.price_mkrw_per_kwh - fill.price_mkrw_per_kwh) >= 0, "a worse price"

    def _look_at_books(self, connection: Connection) -> None:
        """Debits are credits, and each slot's settlements follow one another without a gap."""
        assert add_up(connection).ok, add_up(connection).findings
        for row in self._seen[-12:-2]:
            versions = [one.version for one in load_settlements(connection, row.start)]
            first = 0 if 0 in versions else 1
            assert versions == list(range(first, first + len(versions))), f"{row}: {versions}"
            assert max(versions, default=0) >= 1 and row.state == "settled", f"{row}: not settled"

    def look_at_the_end(self) -> None:
        """What must hold at the end of the day; the books prove themselves to a stranger."""
        store = self.installation.store
        report = verify_export(list(export_lines(store)))
        assert report.ok, report.first_failure
        books = self.installation.books
        assert store.read(lambda c: find_oversold(c, books)) == []
        alarms = [one.alarm.cause for one in store.read(open_alarms)]
        assert not [one for one in alarms if one.startswith("daemon/")], alarms
        self.digest = store.read(digest_of)


def require_within_plates(district: Any, told: SetPoints) -> None:
    """What was sent, against the plates as the district's data have them."""
    most = np.array([unit.count * unit.p_kw_max for unit in district.units])
    heat_kw = district.heat.heat_pump_kw_max if district.heat else 0.0
    # A point that can take from cars as well is a stronger one.
    point_kw = np.maximum(district.chargers.p_kw, district.chargers.p_v2g_kw)
    for what, powers, limit in (
        ("battery charge", told.battery_charge_kw, district.batteries.p_kw_max),
        ("battery discharge", told.battery_discharge_kw, district.batteries.p_kw_max),
        ("units", told.unit_p_kw, most),
        ("heat pump", np.array([told.heat_pump_kw]), np.array([heat_kw])),
        ("car charge", told.car_charge_kw, point_kw.max()),
        ("car discharge", told.car_discharge_kw, district.chargers.p_v2g_kw.max()),
    ):
        message = f"{what} at {told.slot}: {powers.tolist()} kW, plates {np.asarray(limit)}"
        assert np.isfinite(powers).all() and (powers >= -TOLERANCE_KW).all(), message
        assert (powers <= limit + TOLERANCE_KW).all(), message
    assert (told.unit_on <= [unit.count for unit in district.units]).all(), told.slot


def digest_of(connection: Connection) -> dict[str, str]:
    """A digest of each table's rows, but for what is the machine's and not the district's."""
    found = {}
    for table in sorted(METADATA.tables.values(), key=lambda one: one.name):
        out = NOT_OF_THE_SEED.get(table.name, set())
        columns = [column for column in table.columns if column.name not in out]
        rows = sorted(
            repr([without_seconds(part) for part in row])
            for row in connection.execute(select(*columns))
        )
        found[table.name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


SECONDS = frozenset({"seconds", "seconds_allowed"})
"""What the solver took, and what was left of the common deadline when it began."""


def without_seconds(part: Any) -> Any:
    """A column's content without the keys that hold the solver's time."""
    if isinstance(part, dict):
        return {key: without_seconds(one) for key, one in part.items() if key not in SECONDS}
    return [without_seconds(one) for one in part] if isinstance(part, list) else part
