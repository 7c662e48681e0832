"""Dealing out keeps every car's promise, on a thousand random fleets at once, and what it gives up.

Cars are drawn with arrival, departure, energy due and power; promises are tested against these, not
against the envelopes made from them. What the planner takes as a fleet is the sum of such cars.
Slot by slot, with bounds made anew, charging loses no flexibility: any energy that the sums allow
is dealt out, and nothing that the cars could do lies outside. Over many slots ahead the sums allow
more than unlike cars can do; alike ones can do all of it. With V2G the bounds are inner ones: no
car is charged beyond what is due, though its battery would hold more.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from optimizer import Fleets, Planner, check_plan
from optimizer.corridor import Corridor, fleet_corridor
from optimizer.merge import sums_by
from optimizer.split import StorePaths, deal_out, paths

FLEETS, CARS, SLOTS = 1000, 9, 32
DT_H, ETA = 0.25, 0.92
KWH = 1e-6  # deal_out bisects to a millionth of a kWh and better


@dataclass(frozen=True)
class Cars:
    """Stays of cars, (N,): slots of arrival and departure, energies from the arrival's, powers.

    Energies count from what a car brings: due_kwh on leaving, floor_kwh <= 0 that V2G goes down to.
    """

    fleet: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    due_kwh: np.ndarray
    room_kwh: np.ndarray
    floor_kwh: np.ndarray
    charge_kw: np.ndarray
    discharge_kw: np.ndarray

    @property
    def here(self) -> np.ndarray:
        """Whether a car stands at its point in a slot, (H, N)."""
        at = np.arange(SLOTS)[:, None]
        return (at >= self.begin) & (at < self.end)

    def envelopes(self, toys: Any) -> Fleets:
        """Each car as the planner is told it: between as late and as early as it can."""
        used = np.clip(np.arange(1, SLOTS + 1)[:, None] - self.begin, 0, self.end - self.begin)
        left = self.end - self.begin - used
        up, down = self.charge_kw * ETA * DT_H, self.discharge_kw / ETA * DT_H
        lowest = np.maximum(-down * used, self.floor_kwh)
        upper = np.minimum(up * used, self.due_kwh)
        return toys.fleets(
            len(self.begin),
            SLOTS,
            e_min_kwh=np.minimum(np.maximum(self.due_kwh - up * left, lowest), upper).T,
            e_max_kwh=upper.T,
            p_charge_kw_max=(self.here * self.charge_kw).T,
            p_discharge_kw_max=(self.here * self.discharge_kw).T,
            eta=ETA,
        )

    def broken(self, ways: StorePaths) -> list[str]:
        """Promises and limits of the stays that these paths break."""
        last = ways.e_kwh[np.minimum(self.end, SLOTS) - 1, np.arange(len(self.end))]
        found = {
            "due on leaving": self.due_kwh - last,
            "charging power": ways.charge_kw - self.here * self.charge_kw,
            "discharging power": ways.discharge_kw - self.here * self.discharge_kw,
            "capacity": ways.e_kwh - self.room_kwh,
            "minimum": self.floor_kwh - ways.e_kwh,
        }
        return [name for name, beyond in found.items() if beyond.max() > 10 * KWH / DT_H]


def random_cars(seed: int, *, v2g: bool) -> Cars:
    """A thousand fleets of unlike cars, some at their points from the start; all can be kept."""
    rng = np.random.default_rng(seed)
    count = FLEETS * CARS
    begin = np.maximum(rng.integers(-8, SLOTS - 4, count), 0)
    end = np.minimum(begin + rng.integers(1, 20, count), SLOTS)
    power = rng.choice([3.5, 7.0, 11.0, 50.0], count)
    reach = power * ETA * DT_H * (end - begin)
    due = np.minimum(rng.uniform(0, 1, count) * reach, 60.0)
    back = rng.random(count) < 0.6 if v2g else np.zeros(count, dtype=bool)
    return Cars(
        fleet=np.repeat(np.arange(FLEETS), CARS),
        begin=begin,
        end=end,
        due_kwh=due,
        room_kwh=due + rng.uniform(0, 30, count),
        floor_kwh=np.where(back, -rng.uniform(0, 20, count), 0.0),
        charge_kw=power,
        discharge_kw=np.where(back, rng.choice([5.0, 10.0], count), 0.0),
    )


def at_slot(corridor: Corridor, at: int, now_kwh: np.ndarray) -> Corridor:
    """What cars that stand at now_kwh can reach in one slot and still keep to the end."""
    rows = slice(at, at + 1)
    lower = np.maximum(corridor.lower_kwh[rows], now_kwh - corridor.down_kwh[rows])
    upper = np.minimum(corridor.upper_kwh[rows], now_kwh + corridor.up_kwh[rows])
    return Corridor(now_kwh, lower, upper, corridor.up_kwh[rows], corridor.down_kwh[rows])


def rolled(cars: Cars, corridor: Corridor, rng: np.random.Generator) -> tuple[StorePaths, float]:
    """Each fleet's energy drawn anew in every slot, the extremes as often as what lies between.

    Gives the cars' paths, and how far the worst fleet was from its energy at any time.
    """
    now, taken, worst = np.zeros(len(cars.fleet)), [], 0.0
    for at in range(SLOTS):
        ahead = at_slot(corridor, at, now)
        low, high = (
            sums_by(bound[0], cars.fleet, FLEETS) for bound in (ahead.lower_kwh, ahead.upper_kwh)
        )
        share = rng.choice([0.0, 1.0, 0.5, rng.random()], FLEETS)
        wish = low + share * (high - low)
        now = deal_out(ahead, cars.fleet, wish[None, :])[0]
        worst = max(worst, float(np.abs(sums_by(now, cars.fleet, FLEETS) - wish).max()))
        taken.append(now)
    eta = np.full(len(cars.fleet), ETA)
    return paths(np.array(taken), np.zeros(len(cars.fleet)), (eta, eta)), worst


@pytest.mark.parametrize("v2g", [False, True], ids=["charging only", "V2G"])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_fleet_is_told_slot_by_slot_every_car_leaves_as_promised(
    toys: Any, seed: int, v2g: bool
) -> None:
    cars = random_cars(seed, v2g=v2g)
    ways, off_kwh = rolled(
        cars, fleet_corridor(cars.envelopes(toys)), np.random.default_rng(seed + 100)
    )
    assert cars.broken(ways) == []
    assert off_kwh <= CARS * KWH  # and the fleet took what it was told
    assert v2g == bool(ways.discharge_kw.max() > 1.0)


@pytest.mark.parametrize("v2g", [False, True], ids=["charging only", "V2G"])
def test_promises_hold_against_any_wish_for_all_slots_ahead(toys: Any, v2g: bool) -> None:
    cars = random_cars(7, v2g=v2g)
    wish = np.cumsum(np.random.default_rng(8).normal(10, 60, (SLOTS, FLEETS)), axis=0)
    energy = deal_out(fleet_corridor(cars.envelopes(toys)), cars.fleet, wish)
    eta = np.full(len(cars.fleet), ETA)
    assert cars.broken(paths(energy, np.zeros(len(eta)), (eta, eta))) == []


def test_nothing_that_charging_cars_could_do_lies_outside_their_sums(toys: Any) -> None:
    """Cars that do as they like, if only they leave as promised, stay within the fleet's bounds."""
    cars = random_cars(3, v2g=False)
    table, rng = cars.envelopes(toys), np.random.default_rng(4)
    now, step = np.zeros(len(cars.fleet)), cars.charge_kw * ETA * DT_H
    for at in range(SLOTS):
        left = np.where(cars.here[at], cars.end - at - 1, 0)
        must = np.where(cars.here[at], np.maximum(cars.due_kwh - step * left - now, 0.0), 0.0)
        can = np.where(cars.here[at], np.minimum(step, cars.due_kwh - now), 0.0)
        now = now + must + rng.choice([0, 0.3, 1], len(now)) * np.maximum(can - must, 0.0)
        drawn = sums_by(now, cars.fleet, FLEETS)
        low, high = (
            sums_by(bound[:, at], cars.fleet, FLEETS)
            for bound in (table.e_min_kwh, table.e_max_kwh)
        )
        assert ((low - KWH <= drawn) & (drawn <= high + KWH)).all()


def test_alike_cars_follow_any_profile_within_their_sums_over_all_slots(toys: Any) -> None:
    """A thousand fleets, each of cars of one stay and one shape but of any size."""
    rng = np.random.default_rng(5)
    one = random_cars(6, v2g=True)
    first, size = np.arange(0, FLEETS * CARS, CARS), rng.uniform(0.2, 5, FLEETS * CARS)
    kwh = ("due_kwh", "room_kwh", "floor_kwh", "charge_kw", "discharge_kw")
    alike = {name: np.repeat(getattr(one, name)[first], CARS) * size for name in kwh}
    stays = {name: np.repeat(getattr(one, name)[first], CARS) for name in ("begin", "end")}
    cars = Cars(fleet=one.fleet, **stays, **alike)
    table = cars.envelopes(toys)
    corridor = fleet_corridor(table)
    sums = Corridor(
        np.zeros(FLEETS),
        *(
            sums_by(getattr(corridor, name).T, cars.fleet, FLEETS).T
            for name in ("lower_kwh", "upper_kwh", "up_kwh", "down_kwh")
        ),
    )
    now, profile = np.zeros(FLEETS), []
    for at in range(SLOTS):
        ahead = at_slot(sums, at, now)
        now = ahead.lower_kwh[0] + rng.random(FLEETS) * (ahead.upper_kwh - ahead.lower_kwh)[0]
        profile.append(now)
    energy = deal_out(corridor, cars.fleet, np.array(profile))
    eta = np.full(len(cars.fleet), ETA)
    assert cars.broken(paths(energy, np.zeros(len(eta)), (eta, eta))) == []
    dealt = sums_by(energy.T, cars.fleet, FLEETS).T
    assert np.abs(dealt - np.array(profile)).max() <= CARS * KWH


def test_sums_over_many_slots_allow_more_than_unlike_cars_can_do(toys: Any) -> None:
    # Of three slots the one car needs a whole, at any time; the other two, at half the power.
    # Their sums would let 15 kWh be taken in the middle slot alone; 10 can be.
    fleets = toys.fleets(
        2,
        3,
        e_min_kwh=[[0.0, 0.0, 5.0], [0.0, 5.0, 10.0]],
        e_max_kwh=[[5.0, 5.0, 5.0], [5.0, 10.0, 10.0]],
        p_charge_kw_max=[[40.0] * 3, [20.0] * 3],
    )
    wish = np.array([[0.0], [15.0], [15.0]])
    assert (fleets.e_min_kwh.sum(axis=0) <= wish[:, 0]).all()
    assert (fleets.e_max_kwh.sum(axis=0) >= wish[:, 0]).all()
    assert np.diff(wish[:, 0]).max() <= 0.25 * fleets.p_charge_kw_max.sum(axis=0).max()
    energy = deal_out(fleet_corridor(fleets), np.zeros(2, dtype=np.int64), wish)
    assert energy.sum(axis=1) == pytest.approx([0.0, 10.0, 15.0], abs=KWH)  # caught up
    assert energy[-1] == pytest.approx([5.0, 10.0], abs=KWH)  # and no promise broken


@pytest.mark.parametrize("seed", range(12))
def test_plans_of_cars_that_give_back_keep_every_stay(
    toys: Any, planner: Planner, seed: int
) -> None:
    """Every car a fleet of its own: merged, planned, dealt out."""
    whole = random_cars(seed, v2g=True)
    few = slice(0, 12)
    cars = Cars(**{name: getattr(whole, name)[few] for name in Cars.__dataclass_fields__})
    rng = np.random.default_rng(seed)
    problem = toys.problem(
        SLOTS,
        load_kw=np.full(SLOTS, 40.0),
        fleets=cars.envelopes(toys),
        connection=toys.connection(SLOTS, price_buy_krw_per_kwh=rng.uniform(60, 300, SLOTS)),
    )
    plan = planner.plan(problem)
    assert check_plan(problem, plan) == []
    ways = StorePaths(plan.e_fleet_kwh, plan.fleet_charge_kw, plan.fleet_discharge_kw)
    assert cars.broken(ways) == []
