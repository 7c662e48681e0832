"""What a local day's meters tell is kept at its end, from what had come by then, for five weeks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from energy.config import Settings
from energy.cycle import run_quarter_hour
from energy.district import District, load_district
from energy.forecast.features import cells_of
from energy.forecast.homes import forecast_home
from energy.forecast.inputs import MEDIAN, FloatArray
from energy.plant.truth import SimulatedTruth
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.homes import classes_of, home_days, keep_home_day, own_forecast, use_of
from energy.store.engine import Store, open_store
from energy.store.forecasts import last_issue
from energy.store.homes import KEEP_DAYS, load_home_days, save_home_day
from energy.store.measured import save_measured
from energy.store.readings import save_readings
from energy.timegrid import parse_instant, slots_from
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY

MIDNIGHT = parse_instant("2026-05-11T00:00", "Asia/Seoul")
DAY = slots_from(MIDNIGHT - SLOTS_PER_DAY * SLOT_S, SLOTS_PER_DAY)


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1@0.005")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/homes.db") as opened:
        yield opened


def fill(store: Store, district: District, slots: np.ndarray) -> FloatArray:
    """Readings of these slots as perfect meters give them; what homes really used, (S, M)."""
    truth, used = SimulatedTruth(district, 1), []

    def write(connection: Connection) -> None:
        for slot in slots.tolist():
            now = truth.at(slot)
            net_wh = np.rint((now.load_kw - now.solar.own_kw) * 1000 * DT_H).astype(np.int64)
            columns = {
                "import_wh": np.maximum(net_wh, 0),
                "export_wh": np.maximum(-net_wh, 0),
                "quality": np.ones(len(net_wh), dtype=np.int64),
            }
            save_readings(connection, slot, columns)
            save_measured(connection, slot, {"pv_kw": now.solar.area_kw}, {})
            used.append(now.load_kw)

    store.write(write)
    return np.stack(used)


def test_a_homes_use_is_told_from_its_net_meter_and_the_sun_of_its_area(
    store: Store, district: District
) -> None:
    used = fill(store, district, DAY)
    found = store.read(lambda connection: use_of(connection, district, DAY))
    dark = district.meters.pv_kwp == 0
    np.testing.assert_allclose(found[:, dark], used[:, dark], atol=0.003)
    roofs = ~dark
    assert roofs.any()
    error = np.abs(found[:, roofs] - used[:, roofs]).sum() / used[:, roofs].sum()
    assert error < 0.15


def test_a_day_is_kept_when_its_last_slot_is_there_and_not_before(
    store: Store, district: District
) -> None:
    fill(store, district, DAY)

    def keep(last: int) -> int:
        store.write(lambda connection: keep_home_day(connection, district, last))
        return len(store.read(lambda connection: load_home_days(connection, 2**40)))

    assert keep(int(DAY[-2])) == 0
    assert keep(int(DAY[-1])) == 1
    assert keep(int(DAY[-1])) == 1, "the same day again replaces it"
    before = store.read(lambda connection: home_days(connection, int(DAY[-1])))
    after = store.read(lambda connection: home_days(connection, MIDNIGHT))
    assert (len(before), len(after)) == (0, 1)
    assert np.nansum(after[0].mean_kw) > 0


def test_faulty_readings_and_silent_meters_are_left_out(store: Store, district: District) -> None:
    fill(store, district, DAY[:-1])
    meters = len(district.meters.account)
    broken = {
        "import_wh": np.full(meters, 10**9, dtype=np.int64),
        "export_wh": np.zeros(meters, dtype=np.int64),
        "quality": np.ones(meters, dtype=np.int64),
    }
    last = int(DAY[-1])
    store.write(lambda connection: save_readings(connection, last, broken))
    slots = slots_from(int(DAY[0]) - SLOT_S, SLOTS_PER_DAY + 1)
    found = store.read(lambda connection: use_of(connection, district, slots))
    assert np.isnan(found[0]).all() and np.isnan(found[-1]).all()
    assert np.isfinite(found[1:-1]).all()


def test_a_sun_that_no_roof_could_give_is_no_use_of_a_home(
    store: Store, district: District
) -> None:
    fill(store, district, DAY[:40])
    noon = int(DAY[40])
    fill(store, district, DAY[40:41])
    wild = {"pv_kw": np.full(district.areas, 1e4)}
    store.write(lambda connection: save_measured(connection, noon, wild, {}))
    found = store.read(lambda connection: use_of(connection, district, DAY[:41]))
    roofs = district.meters.pv_kwp > 0
    assert np.isnan(found[40, roofs]).all() and np.isfinite(found[40, ~roofs]).all()


def test_a_day_that_nobody_half_knows_is_not_kept(store: Store, district: District) -> None:
    fill(store, district, DAY[-20:])
    store.write(lambda connection: keep_home_day(connection, district, int(DAY[-1])))
    assert store.read(lambda connection: load_home_days(connection, 2**40)) == []


def test_days_are_forgotten_after_five_weeks(store: Store) -> None:
    def write(connection: Connection) -> None:
        for number in range(KEEP_DAYS + 5):
            first = number * SLOTS_PER_DAY * SLOT_S
            arrays = {"kind": np.array([0])}
            save_home_day(connection, first, first + 95 * SLOT_S, arrays)

    store.write(write)
    assert len(store.read(lambda connection: load_home_days(connection, 2**40))) == KEEP_DAYS


def test_the_loop_keeps_the_day_and_answers_from_what_it_knew(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/loop.db"
    settings = Settings(district="sejong-5-1@0.005", database_url=url, bots=False)
    with open_installation(settings, lambda _: MIDNIGHT) as installation:
        microgrid = start_microgrid(installation)
        fill(installation.store, installation.district, DAY[:-2])
        try:
            answers = [answer_after(microgrid, number) for number in range(2)]
        finally:
            microgrid.close()
    assert [one["tiers"]["load"]["tier"] for one in answers] == ["F4", "F3"]
    assert answers[1]["tiers"]["load"]["reason"].startswith("1 days of its own known")


def answer_after(microgrid: Microgrid, number: int) -> dict[str, Any]:
    """The first customer's forecast after one more slot, made again from the days of its issue."""
    slot = MIDNIGHT + number * SLOT_S
    result = run_quarter_hour(microgrid, slot, lambda: slot - 300.0)
    district, store = microgrid.district, microgrid.store
    account = district.meters.account[0]
    found = store.read(lambda connection: own_forecast(connection, district, account))
    assert found is not None and result.plan is not None
    issue = store.read(last_issue)
    assert issue is not None and issue.first_slot == slot
    days = store.read(lambda connection: home_days(connection, issue.issue_slot))
    assert len(days) == number
    cells = cells_of(slots_from(slot, 96), district.time_zone)
    again = forecast_home(classes_of(district), days, 0, cells, issue.quantiles["load"][MEDIAN])
    np.testing.assert_allclose(found["load_kw"], again.load_kw, atol=1e-4)
    return found
