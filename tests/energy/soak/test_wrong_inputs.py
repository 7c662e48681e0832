"""Inputs that are missing, frozen or absurd, for a slot or for a day: no set-point breaks a limit.

Between the simulated devices and the loop stands a liar. Whatever it says of meters, devices,
cars, heat or air, every slot gets its row and its reason, and set-points stay within the plates.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energy.steps.measure
from energy.config import build_settings
from energy.cycle import run_quarter_hour
from energy.plant import PlantStep, SetPoints, Telemetry
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.store.setpoints import load_setpoints
from energy.timegrid import parse_instant
from energy.units import SLOT_S

DISTRICT = "sejong-5-1@0.005"
START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
TOLERANCE_KW = 1e-6
Lie = Callable[[Telemetry], Telemetry]
FEEDS = {
    "area meters": ("p_load_kw", "p_pv_kw"),
    "batteries": ("e_battery_kwh",),
    "units": ("unit_p_kw", "e_fuel_kwh"),
    "heat and air": ("heat_kw", "e_heat_kwh", "temperature_c"),
    "cars": ("cars",),
}
ABSURD = {"missing": np.nan, "huge": 1e9, "negative": -500.0, "infinite": np.inf}
KINDS = (*ABSURD, "frozen")


def changed(seen: Telemetry, name: str, number: float) -> Telemetry:
    """The telemetry with one of its quantities all this number."""
    if name == "cars":
        cars = replace(seen.cars, e_now_kwh=np.full_like(seen.cars.e_now_kwh, number))
        return replace(seen, cars=cars)
    before = getattr(seen, name)
    return replace(seen, **{name: np.full_like(before, number) if np.ndim(before) else number})


def lie_of(feed: str, kind: str) -> Lie:
    held: dict[str, Any] = {}

    def lie(seen: Telemetry) -> Telemetry:
        for name in FEEDS[feed]:
            if kind == "frozen":
                same = held.setdefault(name, getattr(seen, name))
                seen = replace(seen, **{name: same})
            else:
                seen = changed(seen, name, ABSURD[kind])
        return seen

    return lie


@dataclass
class Liar:
    """The plant, with what it shows changed on the way."""

    plant: Any
    lie: Lie | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plant, name)

    def step(self, *arguments: Any) -> PlantStep:
        step: PlantStep = self.plant.step(*arguments)
        return replace(step, telemetry=self.lie(step.telemetry)) if self.lie else step


@dataclass
class Loop:
    """A loop whose plant may lie, and the slot that it is to decide next."""

    microgrid: Microgrid
    slot: int = START
    tiers: dict[str, int] = field(default_factory=dict)

    def run(self, lie: Lie | None) -> tuple[str, tuple[str, ...]]:
        """Run a slot: its tier and what was named; its set-points are within the plates."""
        self.microgrid.plant.lie = lie  # type: ignore[attr-defined]
        slot, self.slot = self.slot, self.slot + SLOT_S
        result = run_quarter_hour(self.microgrid, slot, lambda: slot - 300.0)
        require_within_plates(self.microgrid, slot)
        tier = str(result.plan.tier) if result.plan else "T4"
        self.tiers[tier] = self.tiers.get(tier, 0) + 1
        return tier, result.measured.named


def require_within_plates(microgrid: Microgrid, slot: int) -> None:
    """What was sent for a slot, against the plates as the district's data have them."""
    found = microgrid.store.read(lambda connection: load_setpoints(connection, slot))
    if found is None:
        return
    told, district = SetPoints.from_bytes(found.body), microgrid.district
    most = np.array([unit.count * unit.p_kw_max for unit in district.units])
    heat_kw = district.heat.heat_pump_kw_max if district.heat else 0.0
    for powers, limit in (
        (told.battery_charge_kw, district.batteries.p_kw_max),
        (told.battery_discharge_kw, district.batteries.p_kw_max),
        (told.unit_p_kw, most),
        (np.array([told.heat_pump_kw]), np.array([heat_kw])),
        (told.car_charge_kw, district.chargers.p_kw.max()),
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
        found = Loop(replace(microgrid, plant=Liar(microgrid.plant)))  # type: ignore[arg-type]
        try:
            found.run(None)
            yield found
        finally:
            microgrid.close()


def drawn(rng: random.Random, cases: int) -> Iterator[tuple[str, str, int]]:
    """Feed, kind and slots of each case, the short ones more often; few cases are short alone."""
    # Cars that come and go are never frozen together.
    pairs = [pair for pair in product(FEEDS, KINDS) if pair != ("cars", "frozen")]
    for number in range(cases):
        longest = 96 if cases > len(pairs) and number % 20 == 0 else 6 if cases > len(pairs) else 1
        yield *pairs[number % len(pairs)], rng.randint(1, longest)


@pytest.mark.check(12)
def test_whatever_a_feed_says_set_points_stay_within_plates_and_the_reason_is_told(
    loop: Loop, check: Any
) -> None:
    cases = check.trials(500, 24)
    for feed, kind, slots in drawn(check.rng, cases):
        lie = lie_of(feed, kind)
        for _ in range(slots):
            _, named = loop.run(lie)
            assert named or kind == "frozen" or feed == "cars", (feed, kind)
        tier, _ = loop.run(None)
        assert tier in ("T0", "T1"), f"after {feed} {kind}: {tier}"
    check.state(f"{cases} cases, {sum(loop.tiers.values())} slots, each with a row: {loop.tiers}")


@pytest.mark.check(12, canary=True)
def test_devices_that_are_believed_whatever_they_say_are_found_out(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy.steps.measure, "believable_devices", lambda _d, seen, _l: (seen, ()))
    named: tuple[str, ...] = ("nothing asked yet",)
    with pytest.raises(AssertionError):
        for feed in ("batteries", "heat and air"):
            _, named = loop.run(lie_of(feed, "missing"))
            assert named
    assert named == (), "the loop itself went on: it is the missing word that was found"
