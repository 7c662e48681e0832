"""Whatever meters, clocks and weather do: the loop's own steps send out a labelled forecast.

Each fault stands in the telemetry of ten days. That goes through belief, the store, the record, the
forecast, its keeping and the plan's problem; nothing is no number, nothing is out of bounds.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import energy.steps.context
from energy.config import Settings
from energy.cycle import run_quarter_hour
from energy.district import load_district
from energy.forecast import BANDS, DistrictForecast, History, WeatherForecast
from energy.forecast.solar import sky_at
from energy.plant import Telemetry
from energy.steps.auctions import PRICE
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.issuing import keep_issue
from energy.steps.measure import LastGood, Measured, believable, measure
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.steps.record import Record, stored_row
from energy.store.engine import Store, open_store
from energy.store.forecasts import StoredIssue, last_issue
from energy.store.measured import load_measured, save_measured
from energy.timegrid import parse_instant, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY
from optimizer import check_problem

START = parse_instant("2026-05-10T11:00", "Asia/Seoul")
DAYS = 10
Fault = Callable[[Telemetry, int], Telemetry | None]
"""Changes what is seen of a slot that lies so many slots before the newest; None: nothing came."""


def gap(slots: int) -> Fault:
    return lambda seen, back: None if back < slots else seen


def hole(first: int, slots: int) -> Fault:
    return lambda seen, back: None if first <= back < first + slots else seen


def frozen(slots: int) -> Fault:
    """All meters show for so long what they showed once."""

    def fault(seen: Telemetry, back: int) -> Telemetry:
        if back >= slots:
            return seen
        stuck = np.full_like(seen.p_load_kw, 7.5)
        return replace(seen, p_load_kw=stuck, p_pv_kw=stuck, heat_kw=7.5)

    return fault


def spikes(number: float, every: int = 13) -> Fault:
    def fault(seen: Telemetry, back: int) -> Telemetry:
        if back % every:
            return seen
        load, sun = seen.p_load_kw.copy(), seen.p_pv_kw.copy()
        load[0] = sun[-1] = number
        return replace(seen, p_load_kw=load, p_pv_kw=sun, heat_kw=number)

    return fault


def silent(seen: Telemetry, back: int) -> Telemetry:
    """The concentrators answer and say that nothing is known."""
    nothing = np.full_like(seen.p_load_kw, np.nan)
    quality = np.zeros_like(seen.quality_area)
    return replace(
        seen, p_load_kw=nothing, p_pv_kw=nothing, quality_area=quality, heat_kw=np.nan,
        temperature_c=np.nan, cloud_frac=np.nan,
    )  # fmt: skip


def blind(seen: Telemetry, back: int) -> Telemetry:
    """The weather station says nothing, or what cannot be."""
    number = np.nan if back % 2 else 900.0
    return replace(seen, temperature_c=number, cloud_frac=number)


@dataclass
class Bench:
    """The loop before its first slot, and what its meters have shown on the days before."""

    microgrid: Microgrid
    measured: Measured
    past: History

    def told(self, slot: int) -> Telemetry:
        """What the meters showed in a slot of the past."""
        row = int(np.searchsorted(self.past.slot, slot))
        return replace(
            self.measured.telemetry,
            slot=slot,
            p_load_kw=self.past.load_kw[row],
            p_pv_kw=self.past.pv_kw[row],
            heat_kw=float(self.past.heat_kw[row]),
            temperature_c=float(self.past.temperature_c[row]),
            cloud_frac=float(self.past.cloud_frac[row]),
        )

    @property
    def newest(self) -> int:
        """The slot that is measured last."""
        return self.measured.telemetry.slot


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    url = f"sqlite:///{tmp_path_factory.mktemp('faults')}/loop.db"
    settings = Settings(district="sejong-5-1@0.005", database_url=url, bots=False)
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        state = microgrid.memory.plant_state
        measured = measure(microgrid.plant, microgrid.store, START, state=state, last_good=None)
        past = microgrid.plant.archive(measured.telemetry.slot, settings.history_days + DAYS)
        try:
            yield Bench(microgrid, measured, past)
        finally:
            microgrid.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/rows.db") as opened:
        yield opened


def through_the_store(
    bench: Bench, store: Store, fault: Fault, order: Callable[[list[int]], list[int]] = list
) -> tuple[Microgrid, Measured]:
    """The loop after ten days with a fault: believed, written in an order, read, remembered."""
    district, slots = (
        bench.microgrid.district,
        slots_from(bench.newest - DAYS * SLOTS_PER_DAY * SLOT_S, DAYS * SLOTS_PER_DAY + 1),
    )
    last: LastGood | None = None
    rows: dict[int, dict[str, np.ndarray]] = {}
    newest: tuple[Telemetry, np.ndarray] | None = None
    for slot in slots.tolist():
        seen = bench.measured.telemetry if slot == bench.newest else bench.told(slot)
        faulty = fault(seen, (bench.newest - slot) // SLOT_S)
        if faulty is None:
            continue
        believed, known, _ = believable(district, faulty, last)
        last = LastGood(
            believed.p_load_kw, believed.p_pv_kw, believed.heat_kw, believed.temperature_c
        )
        rows[slot], newest = stored_row(believed, known), (believed, known)

    def write(connection: object) -> None:
        for slot in order(list(rows)):
            save_measured(connection, slot, rows[slot], {})  # type: ignore[arg-type]

    store.write(write)
    begun = int(slots[0])
    rest = History(*(getattr(bench.past, name)[bench.past.slot < begun] for name in FIELDS))
    record = Record(rest)
    record.extend(store.read(lambda connection: load_measured(connection, 0, 2**40)))
    memory = replace(bench.microgrid.memory, record=record)
    memory.bands = copy.deepcopy(memory.bands)
    measured = bench.measured
    if newest is not None and newest[0].slot == bench.newest:
        measured = replace(measured, telemetry=newest[0], known=newest[1])
    return replace(bench.microgrid, memory=memory), measured


FIELDS = ("slot", "load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac")


def issued(microgrid: Microgrid, measured: Measured, store: Store) -> DistrictForecast:
    """The forecast that goes out, kept and made a problem of the plan, proven sound."""
    found = forecast_slot(microgrid, measured)
    store.write(
        lambda connection: keep_issue(
            connection, found, microgrid.memory.calibrations, measured, START
        )
    )
    kept = store.read(last_issue)
    assert kept is not None
    assert_sound(microgrid, found, kept)
    assert check_problem(build_problem(microgrid, measured, found)) == []
    return found


def assert_sound(microgrid: Microgrid, found: DistrictForecast, kept: StoredIssue) -> None:
    """Labelled, rising, finite, within what the wires, roofs and rules allow; kept as it is."""
    basis = microgrid.basis
    kwp = basis.pv.kwp.sum(axis=1) * basis.pv.inverter_frac
    rules = microgrid.books.rules.first
    bounds = {
        "load_kw": np.inf, "load_district_kw": np.inf, "heat_kw": np.inf, "pv_kw": kwp,
        "pv_district_kw": kwp.sum(), "price_krw_per_kwh": rules.cap_mkrw_per_kwh / 1000,
    }  # fmt: skip
    for name, most in bounds.items():
        values = getattr(found, name)
        assert np.isfinite(values).all() and (values >= 0).all(), name
        assert (values <= most + 1e-9).all() and (np.diff(values, axis=0) >= -1e-9).all(), name
    place = (basis.site.latitude_deg, basis.site.longitude_deg, basis.site.altitude_m)
    assert not found.pv_district_kw[:, sky_at(found.slots, *place).elevation_deg <= 0].any()
    for name in (*BANDS, PRICE):
        assert found.tier[name] == "F0" or found.reason[name], name
        assert kept.tiers[name] == [found.tier[name], found.reason[name]]
    for name, attribute in BANDS.items():
        assert kept.quantiles[name].tobytes() == getattr(found, attribute).tobytes()
    assert found.load_district_kw[3].mean() > 0


FAULTS: dict[str, Fault] = {
    **{f"gap of {n} slots up to now": gap(n) for n in (1, 4, 96, 192, 672)},
    **{f"gap of {n} slots two days ago": hole(192, n) for n in (1, 96, 672)},
    "frozen for an hour": frozen(4),
    "frozen for a day": frozen(96),
    "frozen for a week": frozen(672),
    **{f"spikes of {n:g}": spikes(n) for n in (1e4, 1e9, -50.0, np.nan, np.inf, -np.inf)},
    "silent concentrators for ten days": silent,
    "a weather station that says what cannot be": blind,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_meters_ends_in_a_labelled_forecast(
    bench: Bench, store: Store, name: str
) -> None:
    microgrid, measured = through_the_store(bench, store, FAULTS[name])
    found = issued(microgrid, measured, store)
    usual = forecast_slot(*through_the_store(bench, store, lambda seen, _: seen))
    assert found.load_district_kw[3].mean() == pytest.approx(
        usual.load_district_kw[3].mean(), rel=0.6
    )


@pytest.mark.parametrize(("slots", "tier"), [(96, "F0"), (288, "F3"), (672, "F3")])
def test_a_district_that_is_silent_for_days_is_told_from_one_that_is_heard(
    bench: Bench, store: Store, slots: int, tier: str
) -> None:
    found = issued(*through_the_store(bench, store, gap(slots)), store)
    assert (found.tier["load"], found.tier["heat"]) == (tier, tier)
    if tier == "F3":
        assert f"no reading for {slots / 96:.1f} days" in found.reason["load"]


def test_rows_in_any_order_and_twice_make_the_same_forecast(bench: Bench, store: Store) -> None:
    def shuffled(slots: list[int]) -> list[int]:
        return np.random.default_rng(3).permutation([*slots, *slots[::7]]).tolist()

    mixed = issued(*through_the_store(bench, store, lambda seen, _: seen, shuffled), store)
    plain = forecast_slot(*through_the_store(bench, store, lambda seen, _: seen))
    for attribute in BANDS.values():
        assert getattr(mixed, attribute).tobytes() == getattr(plain, attribute).tobytes()


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.0])
def test_roofs_that_were_added_or_taken_down_yesterday_bound_the_sun_at_once(
    bench: Bench, store: Store, factor: float
) -> None:
    microgrid, measured = through_the_store(bench, store, lambda seen, _: seen)
    pv = replace(microgrid.basis.pv, kwp=factor * microgrid.basis.pv.kwp)
    changed = replace(microgrid, basis=replace(microgrid.basis, pv=pv))
    found = issued(changed, measured, store)
    assert bool(found.pv_district_kw.max() > 0) == (factor > 0)


def wrong(measured: Measured) -> WeatherForecast:
    """An issue whose numbers cannot be."""
    weather = measured.weather
    assert weather is not None
    bad = np.full(len(weather.slot), np.nan)
    return replace(weather, temperature_c=bad, cloud_frac=bad + 9.0)


def late(measured: Measured) -> WeatherForecast:
    """An issue that only reaches into the next hour."""
    weather = measured.weather
    assert weather is not None
    near = weather.slot < START + 4 * SLOT_S
    columns = ("slot", "temperature_c", "cloud_frac", "wind_m_per_s")
    return replace(weather, **{name: getattr(weather, name)[near] for name in columns})


@pytest.mark.parametrize("weather", [None, wrong, late], ids=["absent", "impossible", "short"])
def test_without_weather_the_tiers_say_so(
    bench: Bench, store: Store, weather: Callable[[Measured], WeatherForecast] | None
) -> None:
    microgrid, measured = through_the_store(bench, store, lambda seen, _: seen)
    told = None if weather is None else weather(measured)
    found = issued(microgrid, replace(measured, weather=told), store)
    assert found.tier["load"] == found.tier["pv"] == "F3"
    assert "weather forecast" in found.reason["load"] and "weather forecast" in found.reason["pv"]


@pytest.mark.parametrize("begin", ["2026-03-28T23:45", "2026-10-24T23:45"])
def test_days_on_which_the_clock_changes_are_planned_through(
    begin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A district whose clocks go forward, or back, in the first horizon."""
    abroad = replace(load_district("sejong-5-1@0.005"), time_zone="Europe/Amsterdam")
    monkeypatch.setattr(energy.steps.context, "load_district", lambda _: abroad)
    first = parse_instant(begin, abroad.time_zone)
    url = f"sqlite:///{tmp_path}/dst.db"
    settings = Settings(district="sejong-5-1@0.005", database_url=url, bots=False)
    with open_installation(settings, lambda _: first) as installation:
        microgrid = start_microgrid(installation)
        try:
            for number in range(2):
                slot = first + number * SLOT_S
                result = run_quarter_hour(microgrid, slot, lambda slot=slot: slot - 300.0)
                assert result.plan is not None and result.plan.tier in ("T0", "T1")
            kept = microgrid.store.read(last_issue)
            assert kept is not None and kept.tiers["load"][0] == "F0"
            found = forecast_slot(microgrid, result.measured)
            assert_sound(
                microgrid,
                found,
                replace(
                    kept,
                    quantiles={
                        name: getattr(found, attribute) for name, attribute in BANDS.items()
                    },
                    tiers={name: [found.tier[name], found.reason[name]] for name in found.tier},
                ),
            )
        finally:
            microgrid.close()
