"""What a simulated run came to: figures for programs and series for charts."""

import math
import resource
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from energy.config import Settings
from energy.cycle import CycleResult
from energy.steps.accounting import (
    CONSTANT_FRAC,
    Stock,
    Tally,
    cheapest_without,
)
from energy.steps.context import Microgrid
from energy.steps.dr_calls import DrCall
from energy.steps.dr_views import DrScene, events_document
from energy.steps.market_day import audit_market
from energy.steps.market_totals import market_totals
from energy.steps.measure import Measured
from energy.steps.prices import connection_prices, run_terms
from energy.steps.proving import Audit, audit_books
from energy.steps.views import measured_sources, measured_uses
from energy.store.slots import SlotRow, slots_between
from energy.timegrid import iso_of, slots_from
from energy.units import DT_H, SLOT_S

Series = dict[str, list[float | None]]


@dataclass(frozen=True)
class Run:
    """What to simulate: `start` is the first slot of `slots`; `calls` are events on the way."""

    settings: Settings
    start: int
    slots: int
    calls: tuple[DrCall, ...] = ()

    @property
    def end(self) -> int:
        """The slot after the last one."""
        return self.start + self.slots * SLOT_S


@dataclass
class Collected:
    """What the slots of a run have come to, in their order; one row a slot in each list."""

    tally: Tally
    results: list[dict[str, Any]] = field(default_factory=list)
    measured: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[dict[str, float]] = field(default_factory=list)

    def decided(self, result: CycleResult, order_seconds: float) -> None:
        """One more slot that was published, with a plan or without one."""
        checked, cleared = result.plan, result.cleared
        clearing, price = cleared.clearing, cleared.price_mkrw_per_kwh
        self.seconds.append(result.seconds | {"orders": order_seconds})
        self.results.append(
            {
                "slot": result.slot,
                "violations": [str(one.violation) for one in checked.violations if one.row == 0]
                if checked
                else [],
                "rounds": checked.rounds if checked else 0,
                "gap_frac": checked.plan.certificate.gap_frac if checked else math.nan,
                "orders": len(cleared.orders),
                "traded_kwh": clearing.volume_wh / 1000 if clearing else 0.0,
                "welfare_krw": clearing.welfare_ukrw / 1e6 if clearing else 0.0,
                "price_krw_per_kwh": None if price is None else price / 1000,
            }
        )

    def seen(self, microgrid: Microgrid, measured: Measured, run: Run) -> None:
        """What a slot's meters have shown; before the run only what it leaves in stock counts."""
        seen, district = measured.telemetry, microgrid.district
        if seen.slot < run.start:
            self.tally = replace(self.tally, begin=Stock.after(seen))
        if not run.start <= seen.slot < run.end:
            return
        prices = connection_prices(district, np.array([seen.slot], dtype=np.int64))
        self.tally = self.tally.plus(district, seen, prices.at(0))
        self.measured.append(
            {
                "slot": seen.slot,
                "sources": measured_sources(district, seen),
                "uses": measured_uses(seen),
                "departures": len(seen.departures),
                "broken": int((~seen.departures.kept).sum()),
                "battery_kwh": float(seen.e_battery_kwh.sum()),
                "heat_store_kwh": seen.e_heat_kwh,
                "heat_missing_kw": seen.heat_missing_kw,
                "boiler_kw": seen.boiler_kw,
                "flow_converged": seen.flow_converged,
                "named": list(measured.named),
            }
        )


@dataclass(frozen=True)
class Outcome:
    """A run's report: `summary` for programs, `series` with one column a quantity for charts."""

    summary: dict[str, Any]
    series: Series
    time_zone: str

    @property
    def is_sound(self) -> bool:
        """Whether every slot has its row and tier and the books hold."""
        found = self.summary
        return bool(
            found["slots_with_row"] == found["slots"] == sum(found["tiers"].values())
            and found["ledger_verified"]
            and found["debits_equal_credits"]
            and found["sold_at_most_metered"]
        )


def build_outcome(microgrid: Microgrid, run: Run, collected: Collected) -> Outcome:
    """The report of a run that has ended; the books are verified here from their own export."""
    rows = microgrid.store.read(lambda connection: slots_between(connection, run.start, run.end))
    audit = audit_books(microgrid.store, microgrid.books)
    summary = {
        **_frame(microgrid, run, rows),
        **money_of(microgrid, run, collected),
        **_energy(collected),
        **_market(collected),
        "market": market_totals(
            audit_market(microgrid.store, microgrid.district, run.start, run.end)
        ),
        **_books(audit),
        **_speed(collected),
        "dr_events": _events(microgrid, run),
    }
    return Outcome(summary, _series(collected), microgrid.district.time_zone)


def _events(microgrid: Microgrid, run: Run) -> list[dict[str, Any]]:
    """What the demand response events of the run have come to."""
    after_s = float(run.end + SLOT_S)
    scene = DrScene(microgrid.books.domain, microgrid.district, after_s)
    found = microgrid.store.read(lambda connection: events_document(connection, scene))
    events: list[dict[str, Any]] = found["items"]
    return events


def _frame(microgrid: Microgrid, run: Run, rows: list[SlotRow]) -> dict[str, Any]:
    final = [row for row in rows if row.state != "running"]
    return {
        "district": microgrid.district.id,
        "start": iso_of(run.start),
        "seed": run.settings.seed,
        "slots": run.slots,
        "slots_with_row": len(final),
        "slots_settled": sum(row.state == "settled" for row in final),
        "tiers": dict(sorted(Counter(row.tier for row in final if row.tier).items())),
    }


def money_of(microgrid: Microgrid, run: Run, collected: Collected) -> dict[str, Any]:
    """Cost as run and without a plan, with demand charge, less what is left in stock."""
    tally = collected.tally
    terms = run_terms(microgrid.district, slots_from(run.start, run.slots))
    baseline = cheapest_without(tally, terms)
    cost_krw, baseline_krw = terms.run_krw(tally), terms.without_krw(baseline)
    return {
        "cost_krw": round(cost_krw, 2),
        "baseline_cost_krw": round(baseline_krw, 2),
        "saved_frac": round(1 - cost_krw / baseline_krw, 5) if baseline_krw > 0 else None,
        "baseline_units_frac": CONSTANT_FRAC[tally.without.index(baseline)],
        "stock_change_krw": round(terms.stock_krw(tally), 2),
        "demand_charge_krw": round(terms.demand_krw(tally.run), 2),
        "baseline_demand_charge_krw": round(terms.demand_krw(baseline), 2),
        "peak_kw": round(tally.run.peak_kw, 3),
        "baseline_peak_kw": round(baseline.peak_kw, 3),
        "co2_t": round(tally.run.co2_t, 3),
        "baseline_co2_t": round(baseline.co2_t, 3),
    }


def _energy(collected: Collected) -> dict[str, Any]:
    tally, rows = collected.tally, collected.measured
    return {
        "self_sufficiency_frac": tally.self_sufficiency_frac,
        "self_consumption_frac": tally.self_consumption_frac,
        "import_kwh": round(tally.import_kwh, 3),
        "export_kwh": round(tally.export_kwh, 3),
        "sources_kwh": _sums_kwh(rows, "sources"),
        "uses_kwh": _sums_kwh(rows, "uses"),
        "cars_at_once_kwh": round(tally.cars_uncontrolled_kwh, 3),
        "departures": sum(row["departures"] for row in rows),
        "broken_departures": sum(row["broken"] for row in rows),
        "violations": sum(len(row["violations"]) for row in collected.results),
        "flows_not_converged": sum(not row["flow_converged"] for row in rows),
        "heat_missing_kwh": round(sum(row["heat_missing_kw"] for row in rows) * DT_H, 3),
        "inputs_replaced": sum(len(row["named"]) for row in rows),
    }


def _sums_kwh(rows: list[dict[str, Any]], side: str) -> dict[str, float]:
    names = rows[0][side] if rows else {}
    return {name: round(sum(row[side][name] for row in rows) * DT_H, 3) for name in names}


def _market(collected: Collected) -> dict[str, Any]:
    rows = collected.results
    return {
        "orders": sum(row["orders"] for row in rows),
        "traded_kwh": round(sum(row["traded_kwh"] for row in rows), 3),
        "slots_with_trade": sum(row["price_krw_per_kwh"] is not None for row in rows),
        "welfare_krw": round(sum(row["welfare_krw"] for row in rows), 2),
        "grid_rounds": sum(row["rounds"] for row in rows),
        "gap_frac_worst": max(
            filter(math.isfinite, (row["gap_frac"] for row in rows)), default=None
        ),
    }


def _books(audit: Audit) -> dict[str, Any]:
    return {
        "ledger_verified": audit.verified,
        "ledger_finding": audit.finding,
        "debits_equal_credits": audit.debits_equal_credits,
        "sold_at_most_metered": audit.sold_at_most_metered,
        "ledger_root": audit.root,
        "ledger_size": audit.size,
        "transfers": audit.transfers,
    }


def _speed(collected: Collected) -> dict[str, Any]:
    totals = [row["total"] for row in collected.seconds]
    steps = sorted({step for row in collected.seconds for step in row} - {"total"})
    return {
        "seconds_per_slot": {"median": round(median(totals), 3), "worst": round(max(totals), 3)},
        "seconds_per_step": {
            step: round(median(row.get(step, 0.0) for row in collected.seconds), 4)
            for step in steps
        },
        "seconds_per_step_worst": {
            step: round(max(row.get(step, 0.0) for row in collected.seconds), 4) for step in steps
        },
        "peak_memory_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
            1,
        ),
    }


def _series(collected: Collected) -> Series:
    measured, results = collected.measured, collected.results
    columns: Series = {"slot": [row["slot"] for row in measured]}
    for name, side, key in (
        ("fuel_cell_kw", "sources", "fuel_cell"),
        ("biogas_kw", "sources", "biogas"),
        ("solar_kw", "sources", "solar"),
        ("battery_out_kw", "sources", "battery"),
        ("cars_out_kw", "sources", "cars"),
        ("import_kw", "sources", "kepco"),
        ("load_kw", "uses", "homes_buildings"),
        ("cars_in_kw", "uses", "cars"),
        ("battery_in_kw", "uses", "battery"),
        ("heat_pump_kw", "uses", "heat_pump"),
        ("losses_kw", "uses", "losses"),
        ("export_kw", "uses", "kepco"),
    ):
        columns[name] = [row[side][key] for row in measured]
    for name in ("battery_kwh", "heat_store_kwh"):
        columns[name] = [row[name] for row in measured]
    for name in ("price_krw_per_kwh", "traded_kwh"):
        columns[name] = [row[name] for row in results]
    return columns
