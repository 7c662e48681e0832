"""Inputs that are missing, old, frozen, absurd or from the future, for a slot or for a day.

Between the simulated devices, the weather service and the loop stands a liar. Whatever it says of
meters, devices, cars, heat, air or weather, every slot gets its row, set-points stay within the
plates, and the reason stands beside what was measured.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energy.steps.freshness
import energy.steps.measure
from energy.config import build_settings
from energy.cycle import run_quarter_hour
from energy.forecast import WeatherForecast
from energy.plant import PlantStep, SetPoints, Telemetry
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.freshness import FRESH_SLOTS_MAX, FROZEN_SLOTS
from energy.store.alarms import open_alarms
from energy.store.measured import load_summaries
from energy.store.setpoints import load_setpoints
from energy.timegrid import parse_instant
from energy.units import SLOT_S

DISTRICT = "sejong-5-1@0.005"
START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
TOLERANCE_KW = 1e-6
FEEDS = {
    "area meters": ("area_meters",),
    "devices": ("batteries", "units"),
    "heat and air": ("heat_and_air",),
    "cars": ("cars",),
    "weather": (),
}
QUANTITIES = {
    "area meters": ("p_load_kw", "p_pv_kw"),
    "devices": ("e_battery_kwh", "unit_p_kw", "e_fuel_kwh"),
    "heat and air": ("heat_kw", "e_heat_kwh", "temperature_c"),
    "cars": ("cars",),
}
KINDS = ("missing", "stale", "frozen", "absurd", "future")
ABSURD = (1e9, -500.0, np.inf)
DURATIONS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 60, 72, 84, 95, 96)
AHEAD_SLOTS = 4


@dataclass
class Lie:
    """What a feed says in place of the truth; `told` counts the slots that it has lied about."""

    feed: str
    kind: str
    number: float = np.nan
    told: int = 0
    _held: dict[str, Any] = field(default_factory=dict)

    def telemetry(self, seen: Telemetry) -> Telemetry:
        """The telemetry as this feed has it."""
        self.told += 1
        if self.feed == "weather":
            return seen
        if self.kind in ("missing", "absurd"):
            for name in QUANTITIES[self.feed]:
                seen = changed(seen, name, self.number)
            return seen
        shift = {"stale": -self.told, "frozen": 0, "future": AHEAD_SLOTS}[self.kind]
        if self.kind != "future":
            seen = replace(
                seen,
                **{n: self._held.setdefault(n, getattr(seen, n)) for n in QUANTITIES[self.feed]},
            )
        stamp = seen.slot + shift * SLOT_S
        return replace(seen, stamps=replace(seen.stamps, **dict.fromkeys(FEEDS[self.feed], stamp)))

    def weather(self, slot: int, truth: Callable[[int], WeatherForecast | None]) -> Any:
        """The weather forecast that is shown at the start of a slot."""
        found = truth(slot)
        if self.feed != "weather" or found is None or self.kind == "missing":
            return None if self.feed == "weather" else found
        if self.kind == "absurd":
            return replace(found, temperature_c=np.full_like(found.temperature_c, self.number))
        if self.kind == "future":
            return replace(found, issue_slot=slot + AHEAD_SLOTS * SLOT_S)
        if self.kind == "stale":
            return truth(slot - (FROZEN_SLOTS + AHEAD_SLOTS) * SLOT_S)
        return self._held.setdefault("issue", found)

    def must_be_named(self) -> bool:
        """Whether the loop can know by now that it is lied to, whatever the devices were told."""
        if self.feed == "weather":
            return self.kind != "frozen"
        if self.kind == "stale":
            return self.told > FRESH_SLOTS_MAX
        moves_always = self.feed in ("area meters", "heat and air")
        return self.kind != "frozen" or (moves_always and self.told >= FROZEN_SLOTS)


def changed(seen: Telemetry, name: str, number: float) -> Telemetry:
    """The telemetry with one of its quantities all this number."""
    if name == "cars":
        cars = replace(seen.cars, e_now_kwh=np.full_like(seen.cars.e_now_kwh, number))
        return replace(seen, cars=cars)
    before = getattr(seen, name)
    return replace(seen, **{name: np.full_like(before, number) if np.ndim(before) else number})


@dataclass
class Liar:
    """The plant, with what it shows changed on the way."""

    plant: Any
    lie: Lie | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plant, name)

    def step(self, *arguments: Any) -> PlantStep:
        step: PlantStep = self.plant.step(*arguments)
        told = self.lie.telemetry(step.telemetry) if self.lie else step.telemetry
        return replace(step, telemetry=told)


@dataclass
class Loop:
    """A loop whose plant may lie, and the slot that it is to decide next."""

    microgrid: Microgrid
    slot: int = START
    tiers: dict[str, int] = field(default_factory=dict)
    cars: int = 0

    def run(self, lie: Lie | None) -> tuple[str, tuple[str, ...]]:
        """Run a slot: its tier and what was named and kept; set-points are within the plates."""
        self.microgrid.plant.lie = lie  # type: ignore[attr-defined]
        slot, self.slot = self.slot, self.slot + SLOT_S
        result = run_quarter_hour(self.microgrid, slot, lambda: slot - 300.0)
        require_within_plates(self.microgrid, slot)
        store, named = self.microgrid.store, result.measured.named
        past, self.cars = result.measured.telemetry.slot, len(result.measured.telemetry.cars.car)
        kept = store.read(lambda c: load_summaries(c, past, past + 1))[past]["named"]
        assert tuple(kept) == named, "the reason is not kept"
        causes = [one.alarm.cause for one in store.read(open_alarms)]
        assert ("slot/meters" in causes) == bool(named), causes
        tier = str(result.plan.tier) if result.plan else "T4"
        self.tiers[tier] = self.tiers.get(tier, 0) + 1
        return tier, named


def require_within_plates(microgrid: Microgrid, slot: int) -> None:
    """What was sent for a slot, against the plates as the district's data have them."""
    found = microgrid.store.read(lambda connection: load_setpoints(connection, slot))
    if found is None:
        return
    told, district = SetPoints.from_bytes(found.body), microgrid.district
    most = np.array([unit.count * unit.p_kw_max for unit in district.units])
    heat_kw = district.heat.heat_pump_kw_max if district.heat else 0.0
    # A point that can take from cars as well is a stronger one.
    point_kw = np.maximum(district.chargers.p_kw, district.chargers.p_v2g_kw)
    for powers, limit in (
        (told.battery_charge_kw, district.batteries.p_kw_max),
        (told.battery_discharge_kw, district.batteries.p_kw_max),
        (told.unit_p_kw, most),
        (np.array([told.heat_pump_kw]), np.array([heat_kw])),
        (told.car_charge_kw, point_kw.max()),
        (told.car_discharge_kw, district.chargers.p_v2g_kw.max()),
    ):
        assert np.isfinite(powers).all() and (powers >= -TOLERANCE_KW).all(), slot
        assert (powers <= limit + TOLERANCE_KW).all(), slot
    assert (told.unit_on <= [unit.count for unit in district.units]).all()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    settings = build_settings(
        district=DISTRICT, database_url=f"sqlite:///{tmp_path}/loop.db", bots=False, horizon_slots=4
    )
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        liar, truth = Liar(microgrid.plant), microgrid.weather_at

        def weather_at(slot: int) -> WeatherForecast | None:
            return liar.lie.weather(slot, truth) if liar.lie else truth(slot)

        found = Loop(replace(microgrid, plant=liar, weather_at=weather_at))  # type: ignore[arg-type]
        try:
            found.run(None)
            yield found
        finally:
            microgrid.close()


def cases(rng: Any, count: int) -> Iterator[tuple[Lie, int]]:
    """Lies with their durations in slots; few lies are as short as shows them."""
    pairs = list(product(FEEDS, KINDS))
    for number in range(count):
        feed, kind = pairs[number % len(pairs)]
        slots = DURATIONS[number // len(pairs) % len(DURATIONS)]
        if count <= len(pairs):
            slots = FRESH_SLOTS_MAX + 1 if kind == "stale" and feed != "weather" else 1
        yield Lie(feed, kind, rng.choice(ABSURD) if kind == "absurd" else np.nan), slots


def live_through(loop: Loop, lie: Lie, slots: int) -> None:
    """A lie for so many slots: named as soon as it can be known, and forgotten a slot later."""
    for _ in range(slots):
        _, named = loop.run(lie)
        # Where no car stands no value of one can be wrong.
        is_empty = lie.feed == "cars" and lie.kind in ("missing", "absurd") and not loop.cars
        assert named or is_empty or not lie.must_be_named(), (lie.feed, lie.kind, lie.told)
    tier, _ = loop.run(None)
    assert tier in ("T0", "T1"), f"after {lie.feed} {lie.kind}: {tier}"


@pytest.mark.check(12)
def test_whatever_a_feed_says_set_points_stay_within_plates_and_the_reason_is_told(
    loop: Loop, check: Any
) -> None:
    count = check.trials(500, 25)
    for lie, slots in cases(check.rng, count):
        live_through(loop, lie, slots)
    check.state(f"{count} cases, {sum(loop.tiers.values())} slots, each with a row: {loop.tiers}")


@pytest.mark.check(12, canary=True)
def test_devices_that_are_believed_whatever_they_say_are_found_out(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy.steps.measure, "believable_devices", lambda _d, seen, _l: (seen, ()))
    with pytest.raises((AssertionError, ValueError), match=r"devices|NaN"):
        live_through(loop, Lie("devices", "missing"), 1)


@pytest.mark.check(12, canary=True)
@pytest.mark.parametrize("feed", [name for name in FEEDS if name != "weather"])
def test_values_that_are_believed_however_old_are_found_out(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, feed: str
) -> None:
    monkeypatch.setattr(energy.steps.freshness, "FRESH_SLOTS_MAX", 10**6)
    with pytest.raises(AssertionError, match=f"'{feed}', 'stale', 3"):
        live_through(loop, Lie(feed, "stale"), 3)
