"""Random days near the limits of the wires: what the loop publishes, checked by another engine.

    python benchmarks/grid_limits.py [--days 200] [--district sejong-5-1@0.05] [--out days.jsonl]
                                     [--minutes 5]

Each day has its own number: season, load, sun, cars, a cheap window and how weak the wires are are
drawn from it. The wires just carry what buildings alone draw, so most plans made without them break
some limit. Every day is planned by
the loop's own step, without limits and with them, and every slot of the published plan is run by
power-grid-model. A violation that is found there and not named in the published plan is unlabelled:
there must be none. Days that are in the file already are not run again, and after the minutes the
run ends with what there is; branch and cut gets a fifth of a second a plan, so gaps may stay open
(tier T1).
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import numpy.typing as npt

from energy.config import build_settings
from energy.district import District
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.grid import CheckedPlan, check_on_grid, plan_within_grid
from energy.steps.injections import Q_PER_P_LOAD, planned_injections
from energy.steps.measure import measure
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.timegrid import parse_instant
from grid_models import BatchFlow, FlowResult, Network, PowerFlow
from grid_models.limits import LINE_LOADING, TOLERANCE, TRANSFORMER_LOADING, V_MAX, V_MIN
from optimizer import Planner, PlannerSettings, PlanProblem

DISTRICT = "sejong-5-1@0.05"
SEASONS = ("2026-01-20", "2026-03-28", "2026-05-10", "2026-07-15", "2026-08-12", "2026-10-24")
PEAK_SLOTS, CABLE_MOST, V_ROOM_PU = 8, 20.0, 0.004
ENGINES_PU = 1e-6  # two engines may differ by this much
BRANCH_S = 0.2
PLANTS = ("fuel_cell", "biogas", "battery", "heat_pump", "data_centre")

FloatArray = npt.NDArray[np.float64]
Limit = tuple[int, str, str]


@dataclass(frozen=True)
class Drawn:
    """How a day differs from the season's: factors on power, the cheap window, the wires."""

    season: int
    load: float
    sun: float
    cars: float
    cheap_from_h: float
    cheap_h: float
    cheap_krw: float
    cable_room: float
    transformer_room: float


@dataclass(frozen=True)
class Day:
    """What a day came to: limits broken without and with the wires' word, and what that cost.

    `labelled` are the broken limits that the published plan names, `unlabelled` those that only
    the other engine finds, and `own_broken` those of the plan's own slot, which make it a fallback.
    Costs are without the price of last resort; `gross_krw` is what the plan without limits pays
    before revenues.
    """

    number: int
    free_broken: int
    labelled: int
    unlabelled: int
    kinds: tuple[str, ...]
    rounds: int
    tier: str
    own_broken: int
    extra_krw: float
    gross_krw: float
    seconds: float


def drawn_day(number: int) -> Drawn:
    """The day of a number: always the same."""
    rng = np.random.default_rng([number, 2026])
    return Drawn(
        season=int(rng.integers(len(SEASONS))),
        load=float(rng.uniform(0.8, 1.2)),
        sun=float(rng.uniform(1.0, 4.0)),
        cars=float(rng.uniform(0.8, 2.2)),
        cheap_from_h=float(rng.integers(0, 96)) / 4,
        cheap_h=float(rng.integers(4, 17)) / 4,
        cheap_krw=float(rng.uniform(20.0, 80.0)),
        cable_room=float(rng.uniform(0.3, 0.95)),
        transformer_room=float(rng.uniform(1.05, 1.4)),
    )


def weaker(district: District, problem: PlanProblem, drawn: Drawn) -> Network:
    """Wires that just carry what nobody can move, so that the rest decides whether limits hold.

    Distribution transformers are `transformer_room` times what the day's buildings alone need, and
    customers' cables `cable_room` of the way to the length at which these alone would drop too low.
    """
    network = district.network
    buses = len(network.buses.id)
    peaks = np.argsort(-problem.load_kw.sum(axis=1))[:PEAK_SLOTS]
    fixed = [district.shares["load"].at_buses(problem.load_kw[row], buses) for row in peaks]
    loading = [
        flow.transformer_loading_frac.max(where=network.transformers.area >= 0, initial=0.0)
        for flow in flows_of(network, fixed)
    ]
    smaller = with_transformers(network, drawn.transformer_room * max(loading))
    low, high = 1.0, CABLE_MOST
    for _ in range(8):
        middle = (low + high) / 2
        if stays_up(with_cables(smaller, middle), fixed):
            low = middle
        else:
            high = middle
    return with_cables(smaller, 1.0 + drawn.cable_room * (low - 1.0))


def flows_of(network: Network, fixed_kw: list[FloatArray]) -> list[FlowResult]:
    """Flows of what buildings alone draw."""
    power_flow = PowerFlow(network)
    return [power_flow.run(p_kw, Q_PER_P_LOAD * p_kw) for p_kw in fixed_kw]


def stays_up(network: Network, fixed_kw: list[FloatArray]) -> bool:
    """Whether every bus keeps a margin to its lowest voltage."""
    least_pu = network.buses.v_min_pu + V_ROOM_PU
    return all(
        flow.converged and bool((flow.v_pu >= least_pu).all())
        for flow in flows_of(network, fixed_kw)
    )


def with_transformers(network: Network, factor: float) -> Network:
    """The network with distribution transformers of another size."""
    table = network.transformers
    size = np.where(table.area >= 0, factor, 1.0)
    return replace(
        network,
        transformers=replace(table, s_kva=size * table.s_kva, pfe_kw=size * table.pfe_kw),
    )


def with_cables(network: Network, factor: float) -> Network:
    """The network with longer or shorter customers' cables; those of plants stay."""
    lines, connections = network.lines, network.connections
    plants = [
        bus for bus, use in zip(connections.bus, connections.use, strict=True) if use in PLANTS
    ]
    longer = (network.buses.area[lines.to_bus] >= 0) & ~np.isin(lines.to_bus, plants)
    length_km = lines.length_km * np.where(longer, factor, 1.0)
    return replace(network, lines=replace(lines, length_km=length_km))


def day_problem(season: PlanProblem, drawn: Drawn) -> PlanProblem:
    """The season's problem with the day's load, sun, cars and prices."""
    hours = np.arange(season.slots) / 4
    cheap = (hours - drawn.cheap_from_h) % 24 < drawn.cheap_h
    connection, fleets = season.connection, season.fleets
    return replace(
        season,
        load_kw=drawn.load * season.load_kw,
        pv_kw=drawn.sun * season.pv_kw,
        loss_kw=drawn.load * season.loss_kw,
        fleets=replace(
            fleets,
            e_min_kwh=drawn.cars * fleets.e_min_kwh,
            e_max_kwh=drawn.cars * fleets.e_max_kwh,
            p_charge_kw_max=drawn.cars * fleets.p_charge_kw_max,
            p_discharge_kw_max=drawn.cars * fleets.p_discharge_kw_max,
        ),
        connection=replace(
            connection,
            price_buy_krw_per_kwh=np.where(
                cheap, drawn.cheap_krw, connection.price_buy_krw_per_kwh
            ),
            demand_charge_krw_per_kw=0.0,
        ),
    )


@contextmanager
def seasons_of(district: str) -> Iterator["Seasons"]:
    """The machinery of each season, begun when its first day comes."""
    with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
        planner = Planner(PlannerSettings(branch_s_max=BRANCH_S))
        try:
            yield Seasons(district, Path(folder), planner)
        finally:
            planner.close()


class Seasons:
    """Microgrids and problems by season; all share one planner."""

    def __init__(self, district: str, folder: Path, planner: Planner) -> None:
        self._district, self._folder, self._planner = district, folder, planner
        self._made: dict[int, tuple[Microgrid, PlanProblem]] = {}

    def of(self, season: int) -> tuple[Microgrid, PlanProblem]:
        """The loop's machinery at a season's morning, and what it would plan."""
        if season not in self._made:
            self._made[season] = self._make(season)
        return self._made[season]

    def _make(self, season: int) -> tuple[Microgrid, PlanProblem]:
        url = f"sqlite:///{self._folder}/{season}.db"
        settings = build_settings(district=self._district, database_url=url)
        with open_installation(
            settings, lambda own: parse_instant(f"{SEASONS[season]}T06:00", own.time_zone)
        ) as installation:
            microgrid = start_microgrid(installation)
            microgrid.close()
            microgrid = replace(microgrid, planner=self._planner)
            measured = measure(
                microgrid.plant,
                microgrid.store,
                installation.first_slot,
                state=microgrid.memory.plant_state,
                last_good=None,
            )
            microgrid.memory.record.append(measured.telemetry, measured.known)
            forecast = forecast_slot(microgrid, measured)
            return microgrid, build_problem(microgrid, measured, forecast)


def on_wires(microgrid: Microgrid, network: Network, rounds_max: int) -> Microgrid:
    """The same machinery on other wires."""
    installation = microgrid.installation
    return replace(
        microgrid,
        installation=replace(
            installation,
            district=replace(installation.district, network=network),
            settings=installation.settings.model_copy(update={"grid_rounds_max": rounds_max}),
        ),
        power_flow=PowerFlow(network),
    )


def run_day(seasons: Seasons, number: int) -> Day:
    """Plan a day without limits and with them; hold what is published to another engine."""
    drawn = drawn_day(number)
    microgrid, season = seasons.of(drawn.season)
    problem = day_problem(season, drawn)
    network = weaker(microgrid.district, problem, drawn)
    begun = time.perf_counter()
    free_plan = microgrid.planner.plan(problem, microgrid.memory.previous)
    free = check_on_grid(on_wires(microgrid, network, 0), problem, free_plan, 0)
    held = free
    if free.violations:
        rounds_max = microgrid.settings.grid_rounds_max
        held = plan_within_grid(on_wires(microgrid, network, rounds_max), problem, _silent)
    seconds = time.perf_counter() - begun
    labelled = {(each.row, each.violation.kind, each.violation.element) for each in held.violations}
    cost = free.plan.cost_krw
    money = (cost.energy_import, cost.unit_fuel, cost.unit_wear, cost.unit_starts, cost.boiler_fuel)
    return Day(
        number=number,
        free_broken=len(free.violations),
        labelled=len(labelled),
        unlabelled=len(broken_apart(microgrid, network, held) - labelled),
        kinds=tuple(sorted({each.violation.kind for each in free.violations})),
        rounds=held.rounds,
        tier=str(held.tier),
        own_broken=len(held.own_slot),
        extra_krw=_without_last_resort(held) - _without_last_resort(free),
        gross_krw=sum(money),
        seconds=seconds,
    )


def broken_apart(microgrid: Microgrid, network: Network, checked: CheckedPlan) -> set[Limit]:
    """Slot, kind and element of every limit that power-grid-model sees broken in a plan."""
    plan, problem = checked.plan, checked.problem
    drawn = [
        planned_injections(microgrid.district, problem, plan, row) for row in range(plan.slots)
    ]
    flows = BatchFlow(network).run(
        np.array([each.p_kw for each in drawn]), np.array([each.q_kvar for each in drawn])
    )
    if not flows.converged.all():
        rows = np.flatnonzero(~flows.converged).tolist()
        return {(row, "not_converged", network.name) for row in rows}
    buses, least = network.buses, TOLERANCE + ENGINES_PU
    tables = (
        (LINE_LOADING, network.lines.id, flows.line_loading_frac - 1),
        (TRANSFORMER_LOADING, network.transformers.id, flows.transformer_loading_frac - 1),
        (V_MIN, buses.id, buses.v_min_pu - flows.v_pu),
        (V_MAX, buses.id, flows.v_pu - buses.v_max_pu),
    )
    return {
        (int(row), kind, ids[place])
        for kind, ids, excess in tables
        for row, place in _where(excess > least)
    }


def _where(broken: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    rows, places = np.nonzero(broken)
    return list(zip(rows.tolist(), places.tolist(), strict=True))


def _without_last_resort(checked: CheckedPlan) -> float:
    return checked.plan.cost_krw.total - checked.plan.cost_krw.last_resort


def _silent(_step: str) -> None:
    """The loop's stopwatch, not looked at."""


def report(days: list[Day]) -> str:
    """The figures of all days."""
    broke = [day for day in days if day.free_broken]
    kept = [day for day in broke if not day.labelled]
    extra = [100 * day.extra_krw / day.gross_krw for day in kept]
    rounds = [day.rounds for day in broke]
    seconds = [day.seconds for day in days]
    kinds = {kind: sum(kind in day.kinds for day in days) for day in days for kind in day.kinds}
    return "\n".join(
        (
            f"days                                       {len(days)}",
            f"days that break a limit without the wires  {len(broke)}",
            f"of which                                   {dict(sorted(kinds.items()))}",
            f"published violations without a label       {sum(day.unlabelled for day in days)}",
            f"days published with a labelled violation   {sum(day.labelled > 0 for day in days)}",
            f"labelled violations (element and slot)     {sum(day.labelled for day in days)}",
            f"rounds of the days that need any           {_mean_most(rounds)}",
            f"extra cost of days kept whole, won         {_mean_most([d.extra_krw for d in kept])}",
            f"extra cost in % of what is paid            {_mean_most(extra)}",
            f"seconds a day, both ways of planning       {_mean_most(seconds)}",
        )
    )


def _mean_most(values: list[float] | list[int]) -> str:
    return f"mean {np.mean(values):.2f}, max {np.max(values):.2f}" if values else "none"


def main() -> int:
    """Run what is missing of the days, then tell all; exit code 1 for an unlabelled violation."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--district", default=DISTRICT)
    parser.add_argument("--out", type=Path, default=Path("grid_limits.jsonl"))
    parser.add_argument("--minutes", type=float, default=5.0)
    asked = parser.parse_args()
    lines = asked.out.read_text().splitlines() if asked.out.exists() else []
    days = [Day(**json.loads(line)) for line in lines]
    missing = sorted(set(range(asked.days)) - {day.number for day in days})
    until = time.monotonic() + 60 * asked.minutes
    with seasons_of(asked.district) as seasons, asked.out.open("a") as out:
        for number in missing:
            if time.monotonic() > until:
                break
            days.append(run_day(seasons, number))
            out.write(json.dumps(asdict(days[-1])) + "\n")
            out.flush()
    print(report(days))
    return int(any(day.unlabelled for day in days))


if __name__ == "__main__":
    sys.exit(main())
