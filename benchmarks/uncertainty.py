"""What a forecast's error costs, and what helps: a month in closed loop, plan by plan.

    python benchmarks/uncertainty.py [METHOD ...] [--days N] [--seed N] [--state FILE] [--json]

A small made-up district of one area is planned anew every quarter hour for the eight hours to
come, the first slot is carried out against what truly comes, and the bill is added up: 60 homes'
load, solar power under clouds, a battery, cars over night, two fuel cells, a connection of 200 kW
and a demand charge on the highest import. Load and clouds are autoregressive, and the forecast
knows their law: its quantiles are calibrated, its paths have the right joint spread. So what is
compared is only what a plan makes of the uncertainty:

    plain        the expected course, nothing else
    margin       imports count as their nine-in-ten value in the peak (`peak_margin_kw`)
    reserve      that, and as much power at hand below the connection's limit (`Reserve`)
    two-stage    6 joint paths: first slot and starts decided for all of them (`Scenarios`)
    both         two-stage with the margin of `margin`
    foresight    the expected course is what comes: nobody can do better

All methods meet the same month. With --state a run goes on where the file's last run ended.

The month of seed 1: plain 5,267,000 won with a peak of 199 kW, two-stage 5,067,000 and 181 kW,
margin 4,867,000 and 151 kW, at 65, 256 and 72 ms a plan; none crossed the connection's limit, shed
load or broke a promise. The margin wins, and so it is what the district's plans are made with: the
paths let a peak rise as soon as it pays in the mean of one day, though it is paid for all month,
and know the future from the second slot on.
"""

# ruff: noqa: E402
import argparse
import json
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic, perf_counter

sys.path[:0] = [str(Path(__file__).parents[1])]

import numpy as np

from optimizer import (
    Batteries,
    Connection,
    Fleets,
    Plan,
    PlanProblem,
    Reserve,
    Scenarios,
    UnitGroup,
    check_plan,
)
from optimizer.check import PROMISES
from optimizer.engine import Engine
from optimizer.messages import Effort

METHODS = ("plain", "margin", "reserve", "two-stage", "both", "foresight")
DT_H, SLOTS_DAY, HORIZON, PATHS = 0.25, 96, 32, 6
MEMORY, LOAD_SD, CLOUD_SD = 0.95, 0.12, 0.35  # of a quarter hour; parts of load and of clear sky
P90_SD, GAP = 1.2816, 5e-3
IMPORT_KW_MAX, EXPORT_KW_MAX = 200.0, 150.0
DEMAND_KRW_PER_KW, INCURRED_KW = 8320.0, 110.0
SHED_KRW_PER_KWH, RESERVE_KRW_PER_KWH = 5000.0, 1000.0
E_KWH_MAX, P_KW_MAX, ETA, WEAR = 200.0, 80.0, 0.95, 12.0
CAR_KWH_DUE, CAR_KW_MAX, CAR_ETA = 120.0, 70.0, 0.9
CAR_FROM, CAR_TO = 72, 128  # slots of the day in which cars stay: 18:00 to 08:00
START_KRW, STORED_KRW_PER_KWH = 3000.0, 101.3


@dataclass
class State:
    """Where a run stands: the district's state, and the bill so far."""

    slot: int = 0
    e_battery_kwh: float = 100.0
    e_cars_kwh: float = 0.0
    on: int = 0
    p_units_kw: float = 0.0
    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    peak_kw: float = INCURRED_KW
    cost_krw: float = 0.0
    shed_kwh: float = 0.0
    over_limit_slots: int = 0
    new_peaks: int = 0
    promises_broken: int = 0
    seconds: float = 0.0
    worst_gap: float = 0.0

    @property
    def total_krw(self) -> float:
        """The bill with the demand charge, less what is stored."""
        peak = DEMAND_KRW_PER_KW * (self.peak_kw - INCURRED_KW)
        return self.cost_krw + peak - STORED_KRW_PER_KWH * ETA * self.e_battery_kwh


@dataclass(frozen=True)
class Truth:
    """What comes: standard normal states of load and clouds by slot, and their law."""

    load: np.ndarray
    cloud: np.ndarray

    @staticmethod
    def drawn(slots: int, seed: int) -> "Truth":
        """A stationary path."""
        noise = np.random.default_rng(seed).normal(size=(2, slots))
        state = noise.copy()
        for at in range(1, slots):
            state[:, at] = MEMORY * state[:, at - 1] + np.sqrt(1 - MEMORY**2) * noise[:, at]
        return Truth(state[0], state[1])


def usual(slots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Usual load, sun of a clear sky, and price, by slot."""
    hour = slots % SLOTS_DAY / 4
    load = 70 + 50 * np.exp(-(((hour - 19.5) / 2.5) ** 2)) + 20 * np.exp(-(((hour - 8) / 2) ** 2))
    clear = 160 * np.clip(np.sin((hour - 5.5) / 14 * np.pi), 0, None)
    dear, night = (hour >= 15) & (hour < 21), (hour < 8) | (hour >= 22)
    return load, clear, np.where(dear, 236.3, np.where(night, 101.3, 154.2))


def load_of(usual_kw: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Load of a state: larger when the state is positive."""
    return usual_kw * np.exp(LOAD_SD * state)


def sun_of(clear_kw: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Sun of a state: less when the state, the clouds, is positive."""
    return clear_kw * np.clip(0.75 - CLOUD_SD * state, 0.05, 1.0)


def problem_of(method: str, truth: Truth, state: State) -> PlanProblem:
    """The problem of a slot, from what is known at its start."""
    at = np.arange(state.slot, state.slot + HORIZON)
    usual_kw, clear_kw, price = usual(at)
    ahead = np.arange(1, HORIZON + 1)
    now = (truth.load[state.slot - 1], truth.cloud[state.slot - 1]) if state.slot else (0.0, 0.0)
    mean = [each * MEMORY**ahead for each in now]
    spread = np.sqrt(1 - MEMORY ** (2 * ahead))
    if method == "foresight":
        mean = [truth.load[at], truth.cloud[at]]
    load, sun = load_of(usual_kw, mean[0]), sun_of(clear_kw, mean[1])
    wider = P90_SD * spread
    margin = load_of(usual_kw, mean[0] + wider) - load + sun - sun_of(clear_kw, mean[1] + wider)
    problem = PlanProblem(
        first_slot=900 * state.slot,
        area_ids=("district",),
        load_kw=load[:, None],
        pv_kw=sun[:, None],
        loss_kw=np.zeros(HORIZON),
        batteries=battery(state),
        fleets=cars(at, state),
        units=(units(state),),
        heat=None,
        connection=Connection(
            p_import_kw_max=np.full(HORIZON, IMPORT_KW_MAX),
            p_export_kw_max=np.full(HORIZON, EXPORT_KW_MAX),
            price_buy_krw_per_kwh=price,
            price_sell_krw_per_kwh=np.minimum(price, 112.7) - 10,
            demand_charge_krw_per_kw=DEMAND_KRW_PER_KW,
            p_peak_incurred_kw=state.peak_kw,
            peak_counts=np.ones(HORIZON, dtype=np.bool_),
            peak_margin_kw=margin if method in ("margin", "reserve", "both") else None,
        ),
        shed_krw_per_kwh=SHED_KRW_PER_KWH,
        curtail_krw_per_kwh=0.0,
    )
    if method == "reserve":
        return replace(problem, reserve=Reserve(margin, 0.5, RESERVE_KRW_PER_KWH))
    if method in ("two-stage", "both"):
        return replace(problem, scenarios=paths(now, (usual_kw, clear_kw), (load, sun), state.slot))
    return problem


def paths(
    now: tuple[float, float],
    shape: tuple[np.ndarray, np.ndarray],
    expected: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> Scenarios:
    """Joint paths from the state of now, in pairs that mirror each other."""
    noise = np.random.default_rng(seed).normal(size=(PATHS // 2, 2, HORIZON))
    noise = np.concatenate([noise, -noise]) * np.sqrt(1 - MEMORY**2)
    state = np.array(now)[None, :].repeat(PATHS, axis=0)
    deviation = np.zeros((PATHS, HORIZON))
    for at in range(HORIZON):
        state = MEMORY * state + noise[:, :, at]
        load, sun = load_of(shape[0][at], state[:, 0]), sun_of(shape[1][at], state[:, 1])
        deviation[:, at] = load - expected[0][at] - sun + expected[1][at]
    return Scenarios(np.full(PATHS, 1 / PATHS), deviation[:, :, None])


def battery(state: State) -> Batteries:
    """One battery as it stands."""
    one = np.ones(1)
    return Batteries(
        id=("battery",),
        area=np.zeros(1, dtype=np.int64),
        e_kwh_min=0.05 * E_KWH_MAX * one,
        e_kwh_max=E_KWH_MAX * one,
        e_start_kwh=state.e_battery_kwh * one,
        p_charge_kw_max=P_KW_MAX * one,
        p_discharge_kw_max=P_KW_MAX * one,
        eta_charge=ETA * one,
        eta_discharge=ETA * one,
        wear_krw_per_kwh=WEAR * one,
        end_value_krw_per_kwh=STORED_KRW_PER_KWH * ETA * one,
    )


def here(slots: np.ndarray) -> np.ndarray:
    """Whether cars stay in a slot."""
    at = slots % SLOTS_DAY
    return (at >= CAR_FROM) | (at < CAR_TO - SLOTS_DAY)


def cars(at: np.ndarray, state: State) -> Fleets:
    """Cars that come in the evening and are due in the morning; tonight's have had their part."""
    present = here(at)
    night = (at + SLOTS_DAY - CAR_FROM) // SLOTS_DAY
    tonight = (state.slot + SLOTS_DAY - CAR_FROM) // SLOTS_DAY
    # Energy since now: what tonight's still need, and all of each later night's.
    full = CAR_KWH_DUE * (night - tonight + 1) - state.e_cars_kwh
    before = np.where(present, full - CAR_KWH_DUE, full)
    left = np.array([np.argmin(np.append(present[k:], False)) for k in range(len(at))])
    reach = np.where(present, full - CAR_ETA * DT_H * CAR_KW_MAX * (left - 1), full)
    lower = np.maximum(np.minimum(before, full), reach)
    lower = np.maximum.accumulate(np.maximum(lower, 0.0))
    return Fleets(
        id=("cars",),
        area=np.zeros(1, dtype=np.int64),
        e_min_kwh=lower[None, :],
        e_max_kwh=np.maximum(full, lower)[None, :],
        p_charge_kw_max=CAR_KW_MAX * present[None, :],
        p_discharge_kw_max=np.zeros((1, len(at))),
        eta=CAR_ETA,
        wear_krw_per_kwh=0.0,
        end_value_krw_per_kwh=0.0,
    )


def units(state: State) -> UnitGroup:
    """Two fuel cells as they stand: 178 won for a kWh at full load."""
    return UnitGroup(
        id="fuel cells",
        area=0,
        available=np.full(HORIZON, 2),
        p_kw_min=10.0,
        p_kw_max=30.0,
        fuel=((10.0, 28.0), (30.0, 75.0)),
        heat=((10.0, 0.0), (30.0, 0.0)),
        ramp_kw_per_slot=30.0,
        min_up_slots=12,
        min_down_slots=12,
        start_cost_krw=START_KRW,
        wear_krw_per_h=200.0,
        fuel_krw_per_kwh=68.5,
        on_now=state.on,
        p_now_kw=state.p_units_kw,
        recent_starts=tuple(state.starts),
        recent_stops=tuple(state.stops),
        fuel_kwh_start=np.inf,
        fuel_kwh_max=np.inf,
        fuel_inflow_kw=np.zeros(HORIZON),
        count=2,
    )


def carry_out(truth: Truth, state: State, plan: Plan) -> State:
    """The state after a slot: set-points as planned, the connection takes what differs.

    Beyond the connection's limit the battery gives what it can, and then load is shed.
    """
    at = np.array([state.slot])
    usual_kw, clear_kw, price = (float(each[0]) for each in usual(at))
    load = float(load_of(np.array(usual_kw), truth.load[state.slot]))
    sun = float(sun_of(np.array(clear_kw), truth.cloud[state.slot]))
    given = float(plan.battery_discharge_kw[0, 0] - plan.battery_charge_kw[0, 0])
    charged = float(plan.fleet_charge_kw[0, 0])
    on, made = int(plan.unit_on[0, 0]), float(plan.unit_p_kw[0, 0])
    net = load - sun + charged - made - given
    over = max(net - IMPORT_KW_MAX, 0.0)
    able = (state.e_battery_kwh - 0.05 * E_KWH_MAX) * ETA / DT_H
    helped = min(over, max(min(P_KW_MAX, able) - given, 0.0))
    shed, given = over - helped, given + helped
    imported, exported = np.clip([net - over, -net], 0.0, [IMPORT_KW_MAX, EXPORT_KW_MAX])
    stored = -given * ETA if given < 0 else -given / ETA
    started = max(on - state.on, 0)
    won = DT_H * (imported * price - exported * (min(price, 112.7) - 10) + WEAR * max(given, 0.0))
    won += DT_H * (68.5 * float(plan.unit_fuel_kw[0, 0]) + 200.0 * on) + START_KRW * started
    cars_kwh = state.e_cars_kwh + DT_H * CAR_ETA * charged
    leave = (state.slot + 1) % SLOTS_DAY == CAR_TO - SLOTS_DAY and state.slot > SLOTS_DAY
    missed = leave and cars_kwh < CAR_KWH_DUE - 0.1
    arrive = (state.slot + 1) % SLOTS_DAY == CAR_FROM
    return replace(
        state,
        slot=state.slot + 1,
        e_battery_kwh=float(np.clip(state.e_battery_kwh + DT_H * stored, 0.0, E_KWH_MAX)),
        e_cars_kwh=0.0 if arrive else cars_kwh,
        on=on,
        p_units_kw=made,
        starts=[started, *state.starts][:16],
        stops=[max(state.on - on, 0), *state.stops][:16],
        peak_kw=max(state.peak_kw, float(imported)),
        cost_krw=state.cost_krw + float(won) + SHED_KRW_PER_KWH * DT_H * shed,
        shed_kwh=state.shed_kwh + DT_H * shed,
        over_limit_slots=state.over_limit_slots + int(over > 0.01),
        new_peaks=state.new_peaks + int(imported > state.peak_kw + 0.01),
        promises_broken=state.promises_broken + int(missed),
    )


def run(method: str, truth: Truth, state: State, slots: int) -> State:
    """The state after a number of slots under a method."""
    engine, begun = Engine(Effort(gap_frac=GAP, branch_s_max=1.0)), perf_counter()
    for _ in range(slots):
        problem = problem_of(method, truth, state)
        found = engine.plan(problem, monotonic() + 60)
        assert found.plan is not None, found.outcome
        broken = [f for f in check_plan(problem, found.plan) if f.law not in PROMISES]
        assert broken == [], broken
        state = carry_out(truth, state, found.plan)
        state.worst_gap = max(state.worst_gap, found.gap_frac)
    return replace(state, seconds=state.seconds + perf_counter() - begun)


def main() -> None:
    """Run and print; with --state, go on and keep what there is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("methods", nargs="*", default=METHODS, metavar="METHOD")
    parser.add_argument("--days", type=int, default=30, help="how many more days")
    parser.add_argument("--seed", type=int, default=1, help="which month")
    parser.add_argument("--state", type=Path, help="file to go on from and to write to")
    parser.add_argument("--json", action="store_true", help="states as JSON")
    asked = parser.parse_args()
    kept = json.loads(asked.state.read_text()) if asked.state and asked.state.exists() else {}
    states = {name: State(**kept.get(name, {})) for name in asked.methods}
    last = max(state.slot for state in states.values()) + asked.days * SLOTS_DAY + HORIZON
    truth = Truth.drawn(max(last, 60 * SLOTS_DAY), asked.seed)
    for name, before in states.items():
        state = states[name] = run(name, truth, before, asked.days * SLOTS_DAY)
        if asked.state:
            asked.state.write_text(json.dumps(kept | {n: asdict(s) for n, s in states.items()}))
        if not asked.json:
            print(
                f"{name:10s} {state.slot // SLOTS_DAY:3d} days {state.total_krw / 1e3:9.1f} k won, "
                f"peak {state.peak_kw:6.1f} kW in {state.new_peaks} steps, "
                f"{state.over_limit_slots} slots over the limit, {state.shed_kwh:.1f} kWh shed, "
                f"{state.promises_broken} promises broken, worst gap {state.worst_gap:.1e}, "
                f"{state.seconds / max(state.slot, 1) * 1e3:.0f} ms a plan",
                flush=True,
            )
    if asked.json:
        print(json.dumps({name: asdict(state) for name, state in states.items()}, indent=1))


if __name__ == "__main__":
    main()
