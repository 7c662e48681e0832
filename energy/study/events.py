"""Demand response in a study: on which slots customers draw less, by how much, and for how much.

The crowd commits as it does in operation; what it then gives up is the plant's affair. Customers
are paid for what they have committed.
"""

from dataclasses import dataclass

import numpy as np

from energy.crowd import build_commits
from energy.crowd.demand_response import Offer
from energy.crowd.members import Crowd
from energy.forecast.inputs import FloatArray, IntArray
from energy.study.scenario import DemandResponse
from energy.timegrid import DayType, local_calendar, slots_from
from energy.units import DT_H, SLOT_S, SLOTS_PER_HOUR


@dataclass(frozen=True, eq=False)
class Events:
    """What each customer has promised by slot, kW (M,), and the events themselves."""

    offers: tuple[Offer, ...]
    promised: dict[int, FloatArray]
    reward_krw_per_kwh: float

    def promised_kw(self, slot: int) -> FloatArray | None:
        """What customers promised to draw less in a slot, (M,); None without an event."""
        return self.promised.get(slot)

    def by_area_kw(self, slots: IntArray, area: IntArray, areas: int) -> FloatArray | None:
        """The same by area over a run of slots, (H, A); None where no event touches them."""
        if not any(slot in self.promised for slot in slots.tolist()):
            return None
        none = np.zeros(len(area))
        rows = [self.promised.get(slot, none) for slot in slots.tolist()]
        return np.array([np.bincount(area, row, areas) for row in rows])

    @property
    def committed_kwh(self) -> float:
        """All that is committed."""
        return sum(float(row.sum()) for row in self.promised.values()) * DT_H


NO_EVENTS = Events((), {}, 0.0)


def build_events(crowd: Crowd, asked: DemandResponse | None, slots: IntArray) -> Events:
    """The events of a run of whole days that a scenario asks for, with the crowd's commitments."""
    if asked is None:
        return NO_EVENTS
    promised: dict[int, FloatArray] = {}
    offers = tuple(_offers(asked, slots, crowd.district.time_zone))
    row = {account: n for n, account in enumerate(crowd.district.meters.account)}
    for offer in offers:
        kw = np.zeros(len(row))
        for one in build_commits(crowd, offer):
            kw[row[one["account"]]] = one["e_wh_per_slot"] / 1000 / DT_H
        promised |= dict.fromkeys(offer.all_slots, kw)
    return Events(offers, promised, asked.reward_krw_per_kwh)


def _offers(asked: DemandResponse, slots: IntArray, time_zone: str) -> list[Offer]:
    """The first weekdays of the asked months, each event named by its first slot."""
    local = local_calendar(slots, time_zone)
    found: list[Offer] = []
    days: dict[tuple[int, int], int] = {}
    for n, slot in enumerate(slots.tolist()):
        day, kind = local.local_date[n], local.day_type[n]
        begins = local.slot_of_day[n] == asked.first_hour * SLOTS_PER_HOUR
        if not begins or day.month not in asked.months or kind is not DayType.WEEKDAY:
            continue
        number = days.get((day.year, day.month), 0)
        if number < asked.days_per_month:
            days[day.year, day.month] = number + 1
            found.append(Offer(slot.to_bytes(32, "big"), slot, asked.hours * SLOTS_PER_HOUR))
    return found


def month_slots(first_slot: int, end_slot: int) -> IntArray:
    """All slots of a run."""
    return slots_from(first_slot, (end_slot - first_slot) // SLOT_S)
