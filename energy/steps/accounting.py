"""What a quarter hour cost as it was run, and what it would have cost without any optimisation.

Both follow from the same telemetry and prices. Without optimisation means: every car charges at
once until its promise is met, stores and heat pump stand still, the biogas unit burns its daily
gas evenly, boilers cover what heat is missing, and the fuel cells run at one constant share of
what is able to run; `CONSTANT_FRAC` names the shares, and the cheapest over the time counts.

A plan moves energy through time, so at the end of a run stores and cars may hold more or less than
they would without one: that is credited at what it will cost to draw it (`Terms`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from energy.district import District, UnitType
from energy.plant import Telemetry
from energy.units import DT_H, SLOT_S

CONSTANT_FRAC = (0.0, 0.5, 1.0)
ENERGIES = ("import_kwh", "export_kwh", "generation_kwh", "load_kwh", "cars_kwh")
"""Sums of a run that are energies, as run."""


@dataclass(frozen=True)
class SlotPrices:
    """Prices of one slot at the connection, won per kWh, and whether its import counts as peak."""

    buy_krw_per_kwh: float
    sell_krw_per_kwh: float
    peak_counts: bool


@dataclass(frozen=True)
class SlotCost:
    """Cost of one slot in won by kind, without the demand charge; and what that depends on."""

    import_kw: float
    export_kw: float
    energy_krw: float
    fuel_krw: float
    heat_krw: float
    wear_krw: float
    co2_t: float

    @property
    def total_krw(self) -> float:
        """All kinds together."""
        return self.energy_krw + self.fuel_krw + self.heat_krw + self.wear_krw


def cost_as_run(district: District, seen: Telemetry, prices: SlotPrices) -> SlotCost:
    """What the slot cost with everything as it was run."""
    units = district.units
    fuel_krw = sum(
        unit.fuel_price_krw_per_kwh * float(seen.unit_fuel_kw[row]) * DT_H
        + unit.start_cost_krw * float(seen.unit_starts[row])
        for row, unit in enumerate(units)
    )
    wear_krw = sum(
        unit.wear_krw_per_h * float(seen.unit_on[row]) * DT_H for row, unit in enumerate(units)
    )
    wear_krw += float(district.batteries.wear_krw_per_kwh @ seen.battery_discharge_kw) * DT_H
    wear_krw += district.chargers.wear_krw_per_kwh * float(seen.cars_discharge_kw.sum()) * DT_H
    unit_co2_t = sum(
        unit.fuel_co2_t_per_mwh * float(seen.unit_fuel_kw[row]) * DT_H / 1000
        for row, unit in enumerate(units)
    )
    heat_krw, heat_co2_t = _boiler(district, seen.boiler_kw)
    return SlotCost(
        import_kw=seen.p_import_kw,
        export_kw=seen.p_export_kw,
        energy_krw=_exchange_krw(seen.p_import_kw, seen.p_export_kw, prices),
        fuel_krw=fuel_krw,
        heat_krw=heat_krw,
        wear_krw=wear_krw,
        co2_t=_grid_co2_t(district, seen.p_import_kw) + unit_co2_t + heat_co2_t,
    )


def cost_without(
    district: District, seen: Telemetry, prices: SlotPrices, constant_frac: float
) -> SlotCost:
    """What the same slot would have cost, fuel cells at `constant_frac` of what is able to run."""
    power_kw, heat_kw, fuel_krw, wear_krw, unit_co2_t = 0.0, 0.0, 0.0, 0.0, 0.0
    for row, unit in enumerate(district.units):
        each_kw = _constant_kw(unit, constant_frac)
        if each_kw <= 0:
            continue
        running = float(seen.units_up[row])
        burnt_kw = running * _curve(unit.fuel, each_kw)
        power_kw += running * each_kw
        heat_kw += running * _curve(unit.heat, each_kw)
        fuel_krw += burnt_kw * unit.fuel_price_krw_per_kwh * DT_H
        wear_krw += running * unit.wear_krw_per_h * DT_H
        unit_co2_t += burnt_kw * unit.fuel_co2_t_per_mwh * DT_H / 1000
    net_kw = (
        float(seen.p_load_kw.sum() - seen.p_pv_kw.sum() + seen.cars_uncontrolled_kw.sum())
        + seen.loss_kw
        - power_kw
    )
    missing_heat_kw = max(seen.heat_kw - heat_kw, 0.0) if district.heat else 0.0
    heat_krw, heat_co2_t = _boiler(district, missing_heat_kw)
    import_kw, export_kw = max(net_kw, 0.0), max(-net_kw, 0.0)
    return SlotCost(
        import_kw=import_kw,
        export_kw=export_kw,
        energy_krw=_exchange_krw(import_kw, export_kw, prices),
        fuel_krw=fuel_krw,
        heat_krw=heat_krw,
        wear_krw=wear_krw,
        co2_t=_grid_co2_t(district, import_kw) + unit_co2_t + heat_co2_t,
    )


def _constant_kw(unit: UnitType, constant_frac: float) -> float:
    """Constant output of one unit; a unit on daily gas burns it evenly, in every variant."""
    if np.isfinite(unit.daily_fuel_kwh):
        mean_fuel_kw = unit.daily_fuel_kwh / 24
        return _inverse(unit.fuel, mean_fuel_kw)
    wanted_kw = constant_frac * unit.p_kw_max
    return wanted_kw if wanted_kw >= unit.p_kw_min else 0.0


def _curve(points: tuple[tuple[float, float], ...], power_kw: float) -> float:
    return float(np.interp(power_kw, [x for x, _ in points], [y for _, y in points]))


def _inverse(points: tuple[tuple[float, float], ...], burnt_kw: float) -> float:
    return float(np.interp(burnt_kw, [y for _, y in points], [x for x, _ in points]))


def _boiler(district: District, heat_kw: float) -> tuple[float, float]:
    """Cost in won and emissions in tonnes of a slot's boiler heat."""
    if district.heat is None:
        return 0.0, 0.0
    burnt_kwh = heat_kw / district.heat.boiler_eta * DT_H
    return (
        burnt_kwh * district.heat.fuel_price_krw_per_kwh,
        burnt_kwh / 1000 * district.heat.fuel_co2_t_per_mwh,
    )


def _exchange_krw(import_kw: float, export_kw: float, prices: SlotPrices) -> float:
    bought, sold = import_kw * prices.buy_krw_per_kwh, export_kw * prices.sell_krw_per_kwh
    return (bought - sold) * DT_H


def _grid_co2_t(district: District, import_kw: float) -> float:
    return import_kw * DT_H / 1000 * district.economics.grid_co2_t_per_mwh


@dataclass(frozen=True)
class Variant:
    """What a run of slots has cost in one way of running it, without the demand charge."""

    cost_krw: float = 0.0
    co2_t: float = 0.0
    peak_kw: float = 0.0
    """Highest import of the slots that count."""

    def plus(self, cost: SlotCost, prices: SlotPrices) -> "Variant":
        """The run with one more slot."""
        peak_kw = max(self.peak_kw, cost.import_kw if prices.peak_counts else 0.0)
        return Variant(self.cost_krw + cost.total_krw, self.co2_t + cost.co2_t, peak_kw)

    def then(self, later: "Variant") -> "Variant":
        """The run and a later one as one."""
        return Variant(
            cost_krw=self.cost_krw + later.cost_krw,
            co2_t=self.co2_t + later.co2_t,
            peak_kw=max(self.peak_kw, later.peak_kw),
        )


@dataclass(frozen=True)
class Stock:
    """Energy that stands in the district's stores at an instant, kWh."""

    battery_kwh: float
    heat_kwh: float

    @classmethod
    def after(cls, seen: Telemetry) -> "Stock":
        """What stands in them at the end of a slot."""
        return cls(float(seen.e_battery_kwh.sum()), float(seen.e_heat_kwh))


@dataclass(frozen=True)
class Tally:
    """Sums over a run of slots from `first_slot` on, as run and in every variant without plan.

    generation is what units and sun gave (curtailed sun does not count); energies in kWh.
    `cars_kwh` is what cars drew less what they gave, `cars_stored_kwh` what they hold more by it,
    as it would be drawn: what is given back has losses on both ways. `begin` is the stock before
    the first slot; where it is not known, that after it. `end` is the newest.
    """

    first_slot: int
    slots: int = 0
    run: Variant = field(default_factory=Variant)
    without: tuple[Variant, ...] = tuple(Variant() for _ in CONSTANT_FRAC)
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    generation_kwh: float = 0.0
    load_kwh: float = 0.0
    cars_kwh: float = 0.0
    cars_stored_kwh: float = 0.0
    cars_uncontrolled_kwh: float = 0.0
    begin: Stock | None = None
    end: Stock | None = None

    def plus(self, district: District, seen: Telemetry, prices: SlotPrices) -> "Tally":
        """The sums with one more slot."""
        generation_kw = float((seen.p_pv_kw - seen.pv_curtailed_kw).sum() + seen.unit_p_kw.sum())
        variants = zip(self.without, CONSTANT_FRAC, strict=True)
        drawn_kw, given_kw = (
            float(kw.sum()) for kw in (seen.cars_charge_kw, seen.cars_discharge_kw)
        )
        end = Stock.after(seen)
        return Tally(
            first_slot=self.first_slot,
            slots=self.slots + 1,
            run=self.run.plus(cost_as_run(district, seen, prices), prices),
            without=tuple(
                before.plus(cost_without(district, seen, prices, share), prices)
                for before, share in variants
            ),
            import_kwh=self.import_kwh + seen.p_import_kw * DT_H,
            export_kwh=self.export_kwh + seen.p_export_kw * DT_H,
            generation_kwh=self.generation_kwh + generation_kw * DT_H,
            load_kwh=self.load_kwh + float(seen.p_load_kw.sum()) * DT_H,
            cars_kwh=self.cars_kwh + (drawn_kw - given_kw) * DT_H,
            cars_stored_kwh=self.cars_stored_kwh
            + (drawn_kw - given_kw / district.chargers.eta**2) * DT_H,
            cars_uncontrolled_kwh=self.cars_uncontrolled_kwh
            + float(seen.cars_uncontrolled_kw.sum()) * DT_H,
            begin=self.begin or end,
            end=end,
        )

    @property
    def end_slot(self) -> int:
        """The slot after the last one of a run without gaps."""
        return self.first_slot + self.slots * SLOT_S

    @property
    def stored(self) -> Stock:
        """What the stores hold more at the end than at the beginning."""
        if self.begin is None or self.end is None:
            return Stock(0.0, 0.0)
        return Stock(
            self.end.battery_kwh - self.begin.battery_kwh, self.end.heat_kwh - self.begin.heat_kwh
        )

    @property
    def more_in_cars_kwh(self) -> float:
        """What cars hold more than if each had charged at once, as it would be drawn."""
        return self.cars_stored_kwh - self.cars_uncontrolled_kwh

    @property
    def self_sufficiency_frac(self) -> float | None:
        """Share of what was used here that was made here, 0..1; None where nothing was used."""
        own_kwh = max(self.generation_kwh - self.export_kwh, 0.0)
        return own_kwh / (own_kwh + self.import_kwh) if own_kwh + self.import_kwh > 0 else None

    @property
    def self_consumption_frac(self) -> float | None:
        """Share of what was made here that was used here, 0..1; None where nothing was made."""
        own_kwh = max(self.generation_kwh - self.export_kwh, 0.0)
        return own_kwh / self.generation_kwh if self.generation_kwh > 0 else None

    def then(self, later: "Tally") -> "Tally":
        """The run and a later one as one; of what lies between them only the stock is in it."""
        pairs = zip(self.without, later.without, strict=True)
        energies = {
            name: getattr(self, name) + getattr(later, name)
            for name in (*ENERGIES, "cars_stored_kwh", "cars_uncontrolled_kwh")
        }
        return Tally(
            first_slot=self.first_slot,
            slots=self.slots + later.slots,
            run=self.run.then(later.run),
            without=tuple(one.then(other) for one, other in pairs),
            begin=self.begin or later.begin,
            end=later.end or self.end,
            **energies,
        )

    def as_json(self) -> dict[str, object]:
        """The sums for a row of the store."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Tally":
        """What `as_json` gave."""
        parts = dict(found)
        parts["run"] = Variant(**parts["run"])
        parts["without"] = tuple(Variant(**each) for each in parts["without"])
        parts.setdefault("cars_stored_kwh", parts["cars_kwh"])
        for name in ("begin", "end"):
            parts[name] = Stock(**parts[name]) if parts.get(name) else None
        return cls(**parts)


@dataclass(frozen=True)
class StockPrices:
    """Worth of energy that needs not be drawn any more, won per kWh: electricity in batteries and
    cars, heat in the store.
    """

    refill_krw_per_kwh: float
    heat_krw_per_kwh: float

    def worth_krw(self, stored: Stock, cars_kwh: float) -> float:
        """What so much more in the stores and in cars is worth."""
        electric_kwh = stored.battery_kwh + cars_kwh
        return electric_kwh * self.refill_krw_per_kwh + stored.heat_kwh * self.heat_krw_per_kwh


@dataclass(frozen=True)
class Terms:
    """What a run is charged and credited beside its slots.

    Its peak: won per kW and month, the run's share of the month, and the peak that is owed anyway.
    And what stores and cars hold more than they would without a plan.
    """

    charge_krw_per_kw: float
    month_share: float
    peak_incurred_kw: float
    stock: StockPrices

    def demand_krw(self, variant: Variant) -> float:
        """The demand charge of a variant."""
        billed_kw = max(variant.peak_kw, self.peak_incurred_kw)
        return billed_kw * self.charge_krw_per_kw * self.month_share

    def stock_krw(self, tally: Tally) -> float:
        """What a run has in stock beyond what it would have without a plan.

        Without one stores end as they begin, and cars have drawn what they would at once.
        """
        return self.stock.worth_krw(tally.stored, tally.more_in_cars_kwh)

    def run_krw(self, tally: Tally) -> float:
        """Cost as run, with its demand charge, less what is in stock."""
        return tally.run.cost_krw + self.demand_krw(tally.run) - self.stock_krw(tally)

    def without_krw(self, variant: Variant) -> float:
        """Cost of a variant without plan, with its demand charge."""
        return variant.cost_krw + self.demand_krw(variant)


def cheapest_without(tally: Tally, terms: Terms) -> Variant:
    """The variant without plan that would have cost least, demand charge included."""
    return min(tally.without, key=terms.without_krw)
