"""Of which slot a feed is, and whether it moves: what is too old or stands still is missing."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from energy.district import District
from energy.plant import Plant, PlantStep, SetPoints, Telemetry
from energy.steps.freshness import (
    FEEDS,
    FROZEN_SLOTS,
    Fresh,
    Standstill,
    fresh_readings,
    fresh_telemetry,
    fresh_weather,
)
from energy.units import SLOT_S

FIRST = 1_784_084_400


@dataclass
class Watch:
    """A district whose telemetry is looked at slot by slot."""

    district: District
    step: PlantStep
    still: Standstill | None = None

    @property
    def seen(self) -> Telemetry:
        return self.step.telemetry

    def look(self, seen: Telemetry, told: SetPoints | None = None) -> Fresh:
        found = fresh_telemetry(self.district, seen, told, self.still)
        self.still = found.still
        return found

    def told(self, charge_kw: float) -> SetPoints:
        """Every battery is to charge with this power."""
        none = np.zeros(len(self.district.batteries.id))
        units = np.zeros(len(self.district.units))
        return SetPoints(
            slot=self.seen.slot, expires_s=self.seen.slot + SLOT_S, fence=0,
            battery_charge_kw=none + charge_kw, battery_discharge_kw=none,
            unit_on=self.seen.unit_on, unit_p_kw=self.seen.unit_p_kw, heat_pump_kw=0.0,
            boiler_kw=None, pv_curtail_kw=np.zeros(self.district.areas), car=units[:0].astype(int),
            car_charge_kw=units[:0], car_discharge_kw=units[:0],
        )  # fmt: skip


@pytest.fixture
def watch(small_district: District) -> Watch:
    plant = Plant(small_district, 1)
    return Watch(small_district, plant.step(plant.begin(FIRST), FIRST, None))


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize(("slots", "is_fresh"), [(0, True), (-2, True), (-3, False), (1, False)])
def test_a_feed_counts_up_to_two_slots_after_its_stamp_and_never_before_it(
    watch: Watch, feed: str, slots: int, is_fresh: bool
) -> None:
    stamps = replace(watch.seen.stamps, **{feed: FIRST + slots * SLOT_S})
    found = watch.look(replace(watch.seen, stamps=stamps))
    assert (feed in found.came) == is_fresh
    assert bool(found.named) != is_fresh
    assert is_fresh or FEEDS[feed] in found.named[0]
    assert set(FEEDS) - {feed} <= found.came


def test_an_area_value_of_another_slot_is_used_and_not_learnt_from(watch: Watch) -> None:
    stamps = replace(watch.seen.stamps, area_meters=FIRST - SLOT_S)
    found = watch.look(replace(watch.seen, stamps=stamps))
    assert not found.of_the_slot.any() and np.isfinite(found.telemetry.p_load_kw).all()


def test_meters_that_show_the_same_for_a_day_are_missing_and_count_again_when_they_move(
    watch: Watch,
) -> None:
    people = np.bincount(watch.district.meters.area, minlength=watch.district.areas) > 0
    for _ in range(FROZEN_SLOTS - 1):
        found = watch.look(watch.seen)
        assert not found.named
    found = watch.look(watch.seen)
    assert np.array_equal(np.isnan(found.telemetry.p_load_kw), people)
    assert np.isnan(found.telemetry.temperature_c)
    assert any("area meters" in one and "24 h" in one for one in found.named)
    moved = replace(watch.seen, p_load_kw=watch.seen.p_load_kw + 0.1, temperature_c=1.0)
    found = watch.look(replace(moved, heat_kw=watch.seen.heat_kw + 1))
    assert np.isfinite(found.telemetry.p_load_kw).all() and found.of_the_slot.all()


def test_what_stood_still_is_known_after_a_restart(watch: Watch) -> None:
    for _ in range(FROZEN_SLOTS - 1):
        watch.look(watch.seen)
    assert watch.still is not None
    watch.still = Standstill.of_columns(watch.still.columns())
    assert watch.look(watch.seen).named
    assert Standstill.of_columns({"load_kw": np.zeros(1)}) is None


def test_a_battery_that_rests_is_believed_and_one_that_was_told_to_charge_is_not(
    watch: Watch,
) -> None:
    def batteries_named(told: SetPoints | None) -> bool:
        watch.still = None
        for _ in range(FROZEN_SLOTS):
            found = watch.look(watch.seen, told)
        return any(one.startswith("batteries") for one in found.named)

    assert not batteries_named(None)
    assert not batteries_named(watch.told(0.0))
    assert batteries_named(watch.told(float(watch.district.batteries.p_kw_max.max())))


@pytest.mark.parametrize(("then_kw", "is_named"), [(0.0, False), (1000.0, True)])
def test_a_battery_that_moved_as_told_is_believed_while_it_rests_as_told(
    watch: Watch, then_kw: float, is_named: bool
) -> None:
    """What it was told in the slot in which it moved does not count for the slots that follow."""
    watch.look(replace(watch.seen, e_battery_kwh=watch.seen.e_battery_kwh - 1.0))
    found = watch.look(watch.seen, watch.told(1000.0))
    assert not found.named
    for _ in range(FROZEN_SLOTS):
        found = watch.look(watch.seen, watch.told(then_kw))
    assert any(one.startswith("batteries") for one in found.named) == is_named


def test_readings_of_a_slot_to_come_are_not_taken(watch: Watch) -> None:
    readings = watch.step.readings
    assert fresh_readings(readings, FIRST) == (readings, ())
    found, named = fresh_readings(readings, FIRST - SLOT_S)
    assert (found.quality == 0).all() and found.slot == FIRST - SLOT_S and len(named) == 1
    one = np.ones(1, dtype=np.int64)
    late = replace(
        readings.late,
        **dict.fromkeys(readings.late.__dataclass_fields__, one),  # type: ignore[arg-type]
    )
    for slot, taken in ((FIRST, 0), (FIRST - SLOT_S, 1)):
        of_it = replace(readings, late=replace(late, slot=one * slot))
        found, named = fresh_readings(of_it, FIRST)
        assert len(found.late) == taken and bool(named) != bool(taken)


@pytest.mark.parametrize(
    ("slots", "changes", "is_taken", "is_named"),
    [
        (0, {}, True, False),
        (95, {}, True, False),
        (FROZEN_SLOTS, {}, False, True),
        (-1, {}, False, True),
        (0, {"temperature_c": 500.0}, False, True),
        (0, {"cloud_frac": np.nan}, False, True),
    ],
)
def test_a_weather_forecast_is_taken_if_it_is_out_not_a_day_old_and_can_be(
    watch: Watch, slots: int, changes: dict[str, Any], is_taken: bool, is_named: bool
) -> None:
    weather = Plant(watch.district, 1).weather_forecast(FIRST)
    weather = replace(
        weather,
        issue_slot=FIRST - slots * SLOT_S,
        **{name: np.full(len(weather.slot), number) for name, number in changes.items()},
    )
    found, named = fresh_weather(weather, FIRST)
    assert (found is not None) == is_taken and bool(named) == is_named


def test_a_weather_forecast_keeps_its_good_slots(watch: Watch) -> None:
    weather = Plant(watch.district, 1).weather_forecast(FIRST)
    spoiled = weather.temperature_c.copy()
    spoiled[3] = 1e9
    found, named = fresh_weather(replace(weather, temperature_c=spoiled), FIRST)
    assert found is not None and "1 slots" in named[0]
    assert np.flatnonzero(np.isnan(found.temperature_c)).tolist() == [3]
