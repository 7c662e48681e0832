"""How many charging points a fleet needs: Erlang's loss formula over the week's busiest moment.

Arrivals and stays are drawn as those of the simulated sessions, at so many points that hardly any
car finds one taken; their mean number, by quarter hour of the week, is the offered load of that
moment, whatever the stays' distribution. Whoever finds all points taken goes away. A point is taken
for the whole stay, also when the car is full.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from energy.district import District, load_district
from energy.forecast import CarSessions
from energy.forecast.inputs import FloatArray
from energy.plant.stays import StayBook
from energy.study.scenario import Scenario, fleet_ratio, scenario_district
from energy.units import SLOT_S, SLOTS_PER_DAY

BLOCKING_MAX = 0.01
WEEK_SLOTS = 7 * SLOTS_PER_DAY
DAY_S = SLOTS_PER_DAY * SLOT_S
UNCUT = 8
"""So many points for each that there is, lest a full one sends cars away that the load misses."""


@dataclass(frozen=True)
class Sizing:
    """Points of one class: what there is, what comes, what is needed so that 1 % find none.

    `offered` is the mean number of cars at the points in the busiest quarter hour of the week;
    `needed_pooled` would do if any car could use any point, `needed_by_area` where it cannot.
    """

    kind: str
    present: int
    sessions_per_day: float
    offered: float
    needed_pooled: int
    needed_by_area: int
    blocked_frac: float

    def as_json(self) -> dict[str, Any]:
        """The row for a report."""
        return asdict(self)


def erlang_b(offered: float, points: int) -> float:
    """Share of arrivals that find all points taken, for a mean number of cars `offered`.

    B(0) = 1, B(n) = A B(n - 1) / (n + A B(n - 1)).
    """
    blocked = 1.0
    for n in range(1, points + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked


def points_for(offered: float, blocking_max: float = BLOCKING_MAX) -> int:
    """Least number of points at which no more than `blocking_max` of arrivals find none."""
    blocked, points = 1.0, 0
    while offered > 0 and blocked > blocking_max:
        points += 1
        blocked = offered * blocked / (points + offered * blocked)
    return points


def size_chargers(source: str, scenario: Scenario, seed: int, end_slot: int) -> list[Sizing]:
    """The points that a scenario's fleet needs, by class, from the sessions of a year."""
    district = asked = scenario_district(source, scenario)
    ratio = 1.0
    if scenario.fleet is not None:
        # Sessions of a large fleet are cut where points run out: the fleet's are the base's, more.
        asked = load_district(source)
        ratio = fleet_ratio(asked, scenario)
    offered = ratio * _offered(asked, seed, end_slot)
    kinds = np.array(asked.chargers.kind)
    return [
        _sizing(
            kind,
            offered[kinds == kind],
            present=int(district.chargers.count[np.array(district.chargers.kind) == kind].sum()),
            per_day=ratio * float(asked.chargers.cars_per_day[kinds == kind].sum()),
        )
        for kind in sorted(set(asked.chargers.kind))
    ]


def _sizing(kind: str, by_group: FloatArray, *, present: int, per_day: float) -> Sizing:
    together = float(by_group.sum(axis=0).max())
    return Sizing(
        kind=kind,
        present=present,
        sessions_per_day=round(per_day, 3),
        offered=round(together, 3),
        needed_pooled=points_for(together),
        needed_by_area=sum(points_for(float(row.max())) for row in by_group),
        blocked_frac=round(erlang_b(together, present), 6),
    )


def _offered(district: District, seed: int, end_slot: int, days: int = 364) -> FloatArray:
    """Mean number of cars at the points of each group by quarter hour of the week, (G, 672)."""
    points = replace(district.chargers, count=district.chargers.count * UNCUT)
    first_slot = end_slot - days * DAY_S
    stays = StayBook(replace(district, chargers=points), seed).between(first_slot, end_slot)
    return occupancy(stays, len(points.id), first_slot, days)


def occupancy(stays: CarSessions, groups: int, first_slot: int, days: int) -> FloatArray:
    """The same of any stays in a run of whole weeks from `first_slot` on."""
    count = days * SLOTS_PER_DAY
    change = np.zeros((groups, count + 1))
    begin = np.clip((stays.arrival_slot - first_slot) // SLOT_S, 0, count)
    end = np.clip((stays.departure_slot - first_slot) // SLOT_S, 0, count)
    np.add.at(change, (stays.group, begin), 1.0)
    np.add.at(change, (stays.group, end), -1.0)
    present = np.cumsum(change, axis=1)[:, :count]
    return np.asarray(present.reshape(groups, -1, WEEK_SLOTS).mean(axis=1))
