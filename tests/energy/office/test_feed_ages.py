"""A feed that gives nothing for too long is an alarm until it gives something."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.district import District
from energy.plant import Plant
from energy.steps.feed_ages import FEEDS, watch_feeds
from energy.steps.measure import Measured, measure
from energy.store.alarms import open_alarms
from energy.store.engine import Store
from energy.units import SLOT_S

FIRST = 1_784_106_000


@pytest.fixture(scope="module")
def measured(small_district: District, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    from energy.store.engine import open_store

    plant = Plant(small_district, 1)
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('feeds')}/feeds.db") as store:
        state = plant.begin(FIRST - 2 * SLOT_S)
        return measure(plant, store, FIRST, state=state, last_good=None)


def dead(measured: Measured, name: str) -> Measured:
    """The same without what a feed brings."""
    if name == "weather":
        return replace(measured, weather=None)
    if name == "area_meters":
        return replace(measured, known=np.zeros_like(measured.known))
    if name != "household_meters":
        return replace(measured, came=measured.came - {name})
    quality = np.zeros_like(measured.readings.quality)
    return replace(measured, readings=replace(measured.readings, quality=quality))


def causes(store: Store, measured: Measured, now_s: int) -> list[str]:
    def unit(connection: Any) -> list[str]:
        watch_feeds(connection, measured, now_s)
        return [one.alarm.cause for one in open_alarms(connection)]

    return store.write(unit)


@pytest.mark.parametrize("name", FEEDS)
def test_a_dead_feed_is_an_alarm_that_names_it_alone(
    store: Store, measured: Measured, name: str
) -> None:
    assert causes(store, measured, FIRST) == []
    last = measured.telemetry.slot + SLOT_S
    if name == "weather":
        assert measured.weather is not None
        last = measured.weather.issue_slot
    silent, limit = dead(measured, name), last + 60 * FEEDS[name].minutes
    others = replace(silent, telemetry=replace(silent.telemetry, slot=limit - SLOT_S))
    if name != "weather":
        others = replace(others, weather=replace(measured.weather, issue_slot=limit))  # type: ignore[type-var]
    assert causes(store, others, limit + 59) == []
    assert causes(store, others, limit + 60) == [f"feed/{name}"]
    fresh = replace(measured, telemetry=replace(measured.telemetry, slot=limit))
    fresh = replace(fresh, weather=replace(measured.weather, issue_slot=limit))  # type: ignore[type-var]
    assert causes(store, fresh, limit + SLOT_S) == []


def test_a_feed_that_never_came_is_as_old_as_the_first_look(
    store: Store, measured: Measured
) -> None:
    silent = dead(measured, "household_meters")
    minutes = FEEDS["household_meters"].minutes
    assert causes(store, silent, FIRST) == []
    later = replace(silent, telemetry=replace(silent.telemetry, slot=FIRST + 60 * minutes))
    assert "feed/household_meters" in causes(store, later, FIRST + 60 * (minutes + 1))
