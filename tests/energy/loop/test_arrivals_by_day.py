"""What is known of arrivals follows the cars: the model is of the days before, whenever asked."""

import numpy as np
import pytest

from energy.district import load_district
from energy.plant import Plant
from energy.steps.arrivals import Arrivals
from energy.steps.basis import build_basis
from energy.timegrid import local_day_start, parse_instant
from energy.units import SLOT_S

DAY_S = 86_400


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant(load_district("sejong-5-1@0.01"), 1)


def learning(plant: Plant) -> Arrivals:
    return Arrivals(plant, build_basis(plant.district).chargers, days=7)


def test_the_model_of_arrivals_is_learned_anew_on_every_local_day(plant: Plant) -> None:
    zone = plant.district.time_zone
    midnight = local_day_start(parse_instant("2026-07-15T12:00", zone), zone)
    arrivals = learning(plant)
    evening = arrivals.at(midnight - SLOT_S)
    assert arrivals.at(midnight - DAY_S) is evening
    morning = arrivals.at(midnight)
    assert not np.array_equal(morning.rate_per_h, evening.rate_per_h)
    # Seven days later nothing is left of the days that were learned from.
    later = arrivals.at(midnight + 7 * DAY_S)
    assert not np.array_equal(later.e_kwh, morning.e_kwh)


def test_a_loop_that_was_started_again_knows_of_arrivals_what_the_old_one_did(plant: Plant) -> None:
    noon = parse_instant("2026-07-15T12:00", plant.district.time_zone)
    running, again = learning(plant), learning(plant)
    for day in range(3):
        running.at(noon + (day - 2) * DAY_S)
    np.testing.assert_array_equal(running.at(noon).rate_per_h, again.at(noon).rate_per_h)
