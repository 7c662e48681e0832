"""Small districts with their plants, and set-points that say nothing in particular."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from energy.district import District, load_district
from energy.plant import Plant, PlantState, PlantStep, SetPoints
from energy.timegrid import parse_instant
from energy.units import SLOT_S

SEED = 7


@pytest.fixture(scope="session")
def noon() -> int:
    """A slot at noon of the demonstration's day."""
    return parse_instant("2026-07-15T12:00", "Asia/Seoul")


@pytest.fixture(scope="session")
def village() -> District:
    """Some 500 meters with every kind of charging point."""
    return load_district("sejong-5-1@0.05")


@pytest.fixture(scope="session")
def plant(village: District) -> Plant:
    return Plant(village, SEED)


@pytest.fixture(scope="session")
def idle(village: District) -> SetPoints:
    """Batteries, heat pump and units at rest, no car named; valid in no slot yet."""
    batteries, units = np.zeros(len(village.batteries.id)), len(village.units)
    return SetPoints(
        slot=0,
        expires_s=0,
        fence=1,
        battery_charge_kw=batteries,
        battery_discharge_kw=batteries,
        unit_on=np.zeros(units, dtype=np.int64),
        unit_p_kw=np.zeros(units),
        heat_pump_kw=0.0,
        boiler_kw=None,
        pv_curtail_kw=np.zeros(village.areas),
        car=np.zeros(0, dtype=np.int64),
        car_charge_kw=np.zeros(0),
        car_discharge_kw=np.zeros(0),
    )


@pytest.fixture(scope="session")
def told(idle: SetPoints) -> Callable[..., SetPoints]:
    """Set-points of a slot, valid for it alone, with chosen fields."""

    def make(slot: int, **fields: object) -> SetPoints:
        return replace(idle, slot=slot, expires_s=slot + SLOT_S, **fields)

    return make


Rule = Callable[[PlantState], SetPoints | None]


@pytest.fixture(scope="session")
def run() -> Callable[..., list[PlantStep]]:
    """Steps of a plant from a slot on, under a rule that says what it is told."""

    def steps(plant: Plant, first: int, count: int, rule: Rule | None = None) -> list[PlantStep]:
        state, done = plant.begin(first), []
        for _ in range(count):
            setpoints = rule(state) if rule else None
            done.append(plant.step(state, state.slot, setpoints))
            state = done[-1].state_after
        return done

    return steps
