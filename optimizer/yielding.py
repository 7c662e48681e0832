"""One pass over the slots in which everything yields to the connection's limits and the wires'.

Where too much is drawn, stores yield first, then units give more, the heat pump stops, load is
shed; where too much is made, stores, then the sun, then units. To a limit of the wires yields what
moves it, the strongest first; no load, for no set-point sheds it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer.assemble import shed_share
from optimizer.corridor import Corridor, battery_corridor, fleet_corridor
from optimizer.problem import DT_H, Cut, FloatArray, IntArray, PlanProblem
from optimizer.run_units import LedUnits, TooMuch

SWEEPS = 4  # over the wires' limits of a slot: relieving one may burden another
KEPT_KW = 1e-4  # excess that counts as none: below the tolerance of the check
STRONG = 0.5  # of the strongest: what moves a limit so well yields before the rest


@dataclass(frozen=True, eq=False)
class Wishes:
    """What should happen if limits allow, (H, ...); energies of stores at slot ends.

    Without e_battery_kwh batteries serve own use: they take surplus and give when power is dear.
    Above p_import_kw stores yield, but nothing else does: there the demand charge would rise, or a
    commitment to draw less be missed.
    """

    e_battery_kwh: FloatArray | None
    e_fleet_kwh: FloatArray
    unit_on: FloatArray
    unit_p_kw: FloatArray
    heat_pump_kw: FloatArray
    into_store_kw: FloatArray
    p_import_kw: FloatArray
    marginal_krw_per_kwh: FloatArray


class Stores:
    """Stores that are led forward slot by slot within their corridors."""

    def __init__(
        self, corridor: Corridor, eta_charge: FloatArray, eta_discharge: FloatArray
    ) -> None:
        self.corridor = corridor
        self.e_kwh = np.zeros(corridor.lower_kwh.shape)
        self._eta = (eta_charge, eta_discharge)
        self._now = corridor.start_kwh

    def range_kw(self, slot: int) -> tuple[FloatArray, FloatArray]:
        """Least and most power at the meter in a slot; negative gives back."""
        corridor = self.corridor
        lower = np.maximum(corridor.lower_kwh[slot], self._now - corridor.down_kwh[slot])
        upper = np.minimum(corridor.upper_kwh[slot], self._now + corridor.up_kwh[slot])
        return self._power(np.minimum(lower, upper)), self._power(np.maximum(lower, upper))

    def wished_kw(self, slot: int, e_kwh: FloatArray) -> FloatArray:
        """Power that leads to the wished energy, as far as it is within range."""
        return np.clip(self._power(e_kwh), *self.range_kw(slot))

    def go(self, slot: int, p_kw: FloatArray) -> None:
        """Take or give power for a slot."""
        gain = np.where(p_kw >= 0, p_kw * self._eta[0], p_kw / self._eta[1]) * DT_H
        self._now = self._now + gain
        self.e_kwh[slot] = self._now

    def _power(self, e_kwh: FloatArray) -> FloatArray:
        change = (e_kwh - self._now) / DT_H
        power: FloatArray = np.where(change >= 0, change / self._eta[0], change * self._eta[1])
        return power


@dataclass(eq=False)
class _Lever:
    """Assets of a kind in one slot: what they draw, how little and how much they could, where.

    All (N,); what is given is drawn negatively.
    """

    kw: FloatArray
    least_kw: FloatArray
    most_kw: FloatArray
    area: IntArray

    def relieve(self, weight: FloatArray, over: float) -> float:
        """Move so that the weighted draw falls by `over`, in equal shares; what is left of it."""
        goal = np.where(weight > 0, self.least_kw, self.most_kw)
        strength = np.abs(weight)
        strong = strength >= STRONG * strength.max(initial=0.0)
        for part in (strong, ~strong):
            room = np.where(part, strength * np.abs(goal - self.kw), 0.0)
            total = float(room.sum())
            if over > 0 and total > 0:
                share = min(over / total, 1.0)
                self.kw = np.where(room > 0, self.kw + share * (goal - self.kw), self.kw)
                over -= share * total
        return over

    def weights(self, coefficient: FloatArray) -> FloatArray:
        """What a kW more of each weighs in a limit on the areas, 0 outside of them."""
        return np.where(self.area >= 0, coefficient[self.area], 0.0)


@dataclass(eq=False)
class _Levers:
    """Everything that can yield in one slot; the units' least draw is their most power."""

    cars: _Lever
    stores: _Lever
    pump: _Lever
    sun: _Lever
    units: _Lever

    @property
    def all(self) -> tuple[_Lever, ...]:
        """In the order in which they yield to the wires."""
        return (self.stores, self.cars, self.pump, self.sun, self.units)

    @property
    def drawn_kw(self) -> float:
        """What all draw together."""
        return float(sum(lever.kw.sum() for lever in self.all))


class Yielding:
    """The slots settled one after the other, for given counts of running units.

    `too_much` is what a stop of units would have to end.
    """

    def __init__(self, problem: PlanProblem, wishes: Wishes, unit_on: IntArray) -> None:
        self._problem, self._wishes = problem, wishes
        table, fleets = problem.batteries, problem.fleets
        corridor = battery_corridor(table, problem.slots)
        self.batteries = Stores(corridor, table.eta_charge, table.eta_discharge)
        eta = np.full(len(fleets.id), fleets.eta)
        self.fleets = Stores(fleet_corridor(fleets), eta, eta)
        self.units = LedUnits(problem, unit_on)
        self.curtail_kw = np.zeros(problem.pv_kw.shape)
        self.shed_kw = np.zeros((problem.slots, len(problem.ranks)))
        self.heat_pump_kw = np.zeros(problem.slots)
        self.too_much: list[TooMuch] = []
        self._pump_most_kw = problem.heat.pump_kw_max if problem.heat else np.zeros(problem.slots)
        self._rank_load_kw = problem.rank_load_kw.sum(axis=1)
        self._cheapest_first = np.argsort([rank.price_krw_per_kwh for rank in problem.ranks])
        self._fixed_kw = problem.load_kw.sum(axis=1) + problem.loss_kw - problem.pv_kw.sum(axis=1)
        price = problem.connection.price_buy_krw_per_kwh
        self._dear = price >= np.median(price)
        self._cuts: dict[int, list[int]] = {}
        for number, cut in enumerate(problem.cuts):
            self._cuts.setdefault(cut.slot_index, []).append(number)

    def run(self) -> "Yielding":
        """Itself, all slots settled."""
        for slot in range(self._problem.slots):
            self._settle(slot)
        return self

    def _settle(self, slot: int) -> None:
        """Decide one slot: wishes first, then what limits ask for, the connection's above all."""
        levers = self._wished(slot)
        self._spare_the_peak(slot, levers)
        surplus_kw = self._within_connection(slot, levers)
        left: dict[int, float] = {}
        for _ in range(SWEEPS if slot in self._cuts else 0):
            before_kw = np.concatenate([lever.kw for lever in levers.all])
            left = self._within_cuts(slot, levers)
            if np.array_equal(before_kw, np.concatenate([lever.kw for lever in levers.all])):
                break
            surplus_kw = self._within_connection(slot, levers)
        self._note(slot, levers, surplus_kw, left)
        self.fleets.go(slot, levers.cars.kw)
        self.batteries.go(slot, levers.stores.kw)
        self.units.go(slot, -levers.units.kw)
        self.curtail_kw[slot] = levers.sun.kw
        self.heat_pump_kw[slot] = float(levers.pump.kw.sum())

    def _wished(self, slot: int) -> _Levers:
        """What is wished of a slot, within what can be."""
        problem, wishes = self._problem, self._wishes
        none = np.zeros(problem.areas)
        least_kw, most_kw = self.units.range_kw(slot)
        given_kw = np.clip(wishes.unit_p_kw[slot], least_kw, most_kw)
        # Stored fuel comes as it comes: giving more of it now would be missed later.
        most_kw = np.where(self.units.piped, most_kw, given_kw)
        pump_most_kw = self._pump_most_kw[[slot]]
        pump_kw = np.minimum(wishes.heat_pump_kw[[slot]], pump_most_kw)
        cars_kw = self.fleets.wished_kw(slot, wishes.e_fleet_kwh[slot])
        rest_kw = float(self._fixed_kw[slot] + pump_kw.sum() - given_kw.sum() + cars_kw.sum())
        heat = problem.heat
        places = {
            "pump": np.array([heat.heat_pump_area if heat else -1], dtype=np.int64),
            "units": np.array([unit.area for unit in problem.units], dtype=np.int64),
        }
        return _Levers(
            cars=_Lever(cars_kw, *self.fleets.range_kw(slot), problem.fleets.area),
            stores=_Lever(
                self._battery_wish(slot, rest_kw),
                *self.batteries.range_kw(slot),
                problem.batteries.area,
            ),
            pump=_Lever(pump_kw, np.zeros(1), pump_most_kw, places["pump"]),
            sun=_Lever(none, none, problem.pv_kw[slot], np.arange(problem.areas)),
            units=_Lever(-given_kw, -most_kw, -least_kw, places["units"]),
        )

    def _spare_the_peak(self, slot: int, levers: _Levers) -> None:
        """Stores yield where the import would be dear."""
        dear_kw = self._net_kw(slot, levers) - float(self._wishes.p_import_kw[slot])
        if dear_kw > 0:
            _yield_all((levers.cars, levers.stores), 1.0, dear_kw)

    def _within_connection(self, slot: int, levers: _Levers) -> float:
        """Keep the connection's limits; what is made beyond them all the same."""
        connection = self._problem.connection
        net_kw = self._net_kw(slot, levers)
        over_kw = net_kw - float(connection.p_import_kw_max[slot])
        under_kw = -net_kw - float(connection.p_export_kw_max[slot])
        self.shed_kw[slot] = 0.0
        if over_kw > 0:
            drawing = (levers.cars, levers.stores, levers.units, levers.pump)
            self._shed(slot, _yield_all(drawing, 1.0, over_kw))
        elif under_kw > 0:
            making = (levers.stores, levers.cars, levers.sun, levers.units)
            return _yield_all(making, -1.0, under_kw)
        return 0.0

    def _within_cuts(self, slot: int, levers: _Levers) -> dict[int, float]:
        """Keep the wires' limits of a slot, the worst first; by number what is left of each."""
        cuts, net_kw = self._problem.cuts, self._area_net_kw(slot, levers)
        excess = {number: _excess(cuts[number], net_kw) for number in self._cuts[slot]}
        left: dict[int, float] = {}
        for number in sorted(excess, key=lambda n: -excess[n]):
            coefficient = cuts[number].coefficient
            over = _excess(cuts[number], net_kw)
            if over <= KEPT_KW:
                continue
            for lever in levers.all:
                over = lever.relieve(lever.weights(coefficient), over)
            left[number] = over
            net_kw = self._area_net_kw(slot, levers)
        return left

    def _note(self, slot: int, levers: _Levers, surplus_kw: float, left: dict[int, float]) -> None:
        """Keep in mind what only a stop of units could still mend."""
        found = [(surplus_kw, np.full(len(levers.units.kw), 1.0))]
        for number, over in left.items():
            weight = levers.units.weights(self._problem.cuts[number].coefficient)
            found.append((over, np.maximum(-weight, 0.0)))
        self.too_much += [
            TooMuch(slot, over, relief) for over, relief in found if over > KEPT_KW and relief.any()
        ]

    def _net_kw(self, slot: int, levers: _Levers) -> float:
        """What the district draws at its connection if nothing is shed."""
        return float(self._fixed_kw[slot]) + levers.drawn_kw

    def _area_net_kw(self, slot: int, levers: _Levers) -> FloatArray:
        """What each area draws, (A,)."""
        problem = self._problem
        net_kw: FloatArray = problem.load_kw[slot] - problem.pv_kw[slot]
        net_kw -= self._shed_share[slot] @ self.shed_kw[slot]
        for lever in levers.all:
            inside = lever.area >= 0
            np.add.at(net_kw, lever.area[inside], lever.kw[inside])
        return net_kw

    @cached_property
    def _shed_share(self) -> FloatArray:
        return shed_share(self._problem)

    def _shed(self, slot: int, over_kw: float) -> None:
        """Shed load rank by rank, the cheapest first."""
        for rank in self._cheapest_first:
            self.shed_kw[slot, rank] = min(over_kw, float(self._rank_load_kw[slot, rank]))
            over_kw -= float(self.shed_kw[slot, rank])

    def _battery_wish(self, slot: int, net_kw: float) -> FloatArray:
        """Power of the batteries as wished, or for own use of what else is drawn."""
        wished = self._wishes.e_battery_kwh
        if wished is not None:
            return self.batteries.wished_kw(slot, wished[slot])
        least, most = self.batteries.range_kw(slot)
        idle: FloatArray = np.clip(np.zeros(len(least)), least, most)
        if net_kw > 0 and not self._dear[slot]:
            return idle
        own = _Lever(idle, least, most, self._problem.batteries.area)
        _yield_all((own,), 1.0 if net_kw > 0 else -1.0, abs(net_kw))
        return own.kw


def _yield_all(levers: tuple[_Lever, ...], weight: float, over: float) -> float:
    """All draw less (weight 1) or more (weight -1), one kind after the other; what is left."""
    for lever in levers:
        over = lever.relieve(np.full(len(lever.kw), weight), over)
    return over


def _excess(cut: Cut, net_kw: FloatArray) -> float:
    """By how much areas that draw net_kw (A,) exceed a limit of the wires."""
    return float(cut.coefficient @ net_kw) - cut.limit_kw
