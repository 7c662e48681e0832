"""An asset of every kind goes out of use in a running district, and comes back; the books go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy.config import Settings
from energy.cycle import run_quarter_hour
from energy.district import District
from energy.forecast import CarSessions, EvForecast
from energy.plant import SetPoints
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.retiring import (
    Retired,
    RetiringError,
    charging_in_use,
    leaving,
    require_retirable,
    retired_from,
)
from energy.store.readings import load_readings
from energy.store.retirements import Retirement, retire_asset, return_asset
from energy.store.setpoints import load_setpoints
from energy.store.steering import Act
from energy.store.views import find_view
from energy.timegrid import parse_instant
from energy.units import SLOT_S

# Noon in Sejong: the sun shines, cars stand at their points, fuel cells run.
START = int(parse_instant("2026-07-15T12:00+09:00", "Asia/Seoul"))
OUT = ("battery-1", "standard-A002", "fuel-cell-1", "heat-pump", "solar-A001")
ACT = Act("kim", "inspection", START)


@contextmanager
def running(folder: Path) -> Iterator[Microgrid]:
    settings = Settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/loop.db", horizon_slots=16,
        history_days=7, demo_start="2026-07-15T12:00+09:00",
    )  # fmt: skip
    with open_installation(settings, lambda _: START) as opened:
        microgrid = start_microgrid(opened)
        try:
            yield microgrid
        finally:
            microgrid.close()


def run(microgrid: Microgrid, slot: int) -> Any:
    return run_quarter_hour(microgrid, slot, lambda: float(slot - 300))


def told_in(microgrid: Microgrid, slot: int) -> SetPoints:
    found = microgrid.store.read(lambda connection: load_setpoints(connection, slot))
    assert found is not None
    return SetPoints.from_bytes(found.body)


def view(microgrid: Microgrid, name: str, slot: int) -> Any:
    found = microgrid.store.read(lambda connection: find_view(connection, name, slot))
    assert found is not None, (name, slot)
    return found


def out_of_use(microgrid: Microgrid, result: Any, row: int) -> list[float]:
    """Power in a slot of a plan of everything that is out of use; all of it nought."""
    plan, problem, district = result.plan.plan, result.plan.problem, microgrid.district
    ours = district.pv.spc_kwp[0].sum() / district.pv.kwp[0].sum()
    assert 0 < ours < 1
    return [
        plan.battery_charge_kw[row, 0] + plan.battery_discharge_kw[row, 0],
        plan.fleet_charge_kw[row, 0] + plan.fleet_discharge_kw[row, 0],
        float(plan.unit_on[row, 0]),
        plan.unit_p_kw[row, 0],
        plan.heat_pump_kw[row],
        float(problem.fleets.p_charge_kw_max[0, row]),
    ]


def test_assets_out_of_use_take_no_part_and_come_back(tmp_path: Path) -> None:
    begins, returns = START + 2 * SLOT_S, START + 5 * SLOT_S
    with running(tmp_path) as microgrid:
        store, district = microgrid.store, microgrid.district
        whole = run(microgrid, START)
        store.write(lambda c: [retire_asset(c, asset, begins, ACT) for asset in OUT])
        before = run(microgrid, START + SLOT_S)
        # The plan sees the retirement ahead: used before it, not after it.
        assert out_of_use(microgrid, before, 1) == pytest.approx([0.0] * 6, abs=1e-4)
        assert before.plan.problem.units[0].available[0] == 1
        solar = [result.plan.problem.pv_kw[:, 0] for result in (whole, before)]
        assert 0.3 < solar[1][1] / solar[0][2] < 0.6  # residents' roofs alone: 29 of 64 kWp
        assert solar[1][0] == pytest.approx(solar[0][1], rel=0.2)
        store.write(lambda c: [return_asset(c, asset, returns, ACT) for asset in OUT])
        for slot in range(begins, START + 8 * SLOT_S, SLOT_S):
            result = run(microgrid, slot)
            assert result.plan.tier in ("T0", "T1"), result.plan.reason
            told = told_in(microgrid, slot)
            assert told.expires_s == slot + SLOT_S
            if slot >= returns:
                assert told.points_off is None and told.pv_curtail_kw[0] < 1e-3
                continue
            assert out_of_use(microgrid, result, 0) == pytest.approx([0.0] * 6, abs=1e-4)
            assert told.battery_charge_kw[0] == told.battery_discharge_kw[0] == 0.0
            assert (told.unit_on[0], told.unit_p_kw[0], told.heat_pump_kw) == (0, 0.0, 0.0)
            assert told.points_off is not None and told.points_off.tolist() == [True]
            assert told.car_charge_kw.sum() == told.car_discharge_kw.sum() == 0.0
            assert told.pv_curtail_kw[0] == pytest.approx(district.pv.spc_kwp[0].sum())
        # The last measured slot is two behind: the one in which everything returned.
        resting = view(microgrid, "assets", returns - SLOT_S)
        state = {one["id"]: one["state"] for one in resting["assets"]}
        assert {asset: state[asset] for asset in OUT} == dict.fromkeys(OUT, "retired")
        assert view(microgrid, "measured", returns - SLOT_S)["kpi"]["retired"] == sorted(OUT)
        assert view(microgrid, "measured", returns)["kpi"]["retired"] == []
        assert_still(microgrid, range(begins, returns, SLOT_S))
        assert result.settled.tick == START + 7 * SLOT_S


def assert_still(microgrid: Microgrid, slots: range) -> None:
    """The plant's own meters of what is out of use counted nothing; their readings are kept."""
    assets = microgrid.plant.asset_ids
    rows = [assets.index(asset) for asset in OUT]
    for slot in slots:
        columns = microgrid.store.read(lambda c, slot=slot: load_readings(c, slot))
        assert columns is not None
        moved = columns["asset_import_wh"][rows] + columns["asset_export_wh"][rows]
        # A fuel cell that had run for less than its least time may go on; this one had not.
        assert moved.tolist() == [0] * len(rows), (slot, moved)


def cars_at(group: int, departure: int) -> CarSessions:
    """One car that stands at a group's point until its departure."""
    whole, power = np.array([1]), np.array([11.0])
    return CarSessions(
        car=whole, group=np.array([group]), arrival_slot=np.array([START]),
        departure_slot=np.array([departure]), e_now_kwh=power, e_due_kwh=2 * power,
        e_capacity_kwh=4 * power, p_kw_max=power, v2g=np.array([False]), e_v2g_min_kwh=0 * power,
    )  # fmt: skip


def out_between(district: District, asset: str, first: int, end: int) -> Retired:
    """An asset that is out of use in slots number first to end of eight from START on."""
    row = Retirement(1, asset, START + first * SLOT_S, ACT, START + end * SLOT_S, ACT)
    return retired_from(district, [row], START, 8)


def test_cars_count_as_leaving_when_their_points_go_out(small_district: District) -> None:
    departure, asset = START + 7 * SLOT_S, small_district.chargers.id[0]
    retired = out_between(small_district, asset, 3, 6)
    assert leaving(cars_at(0, departure), retired).departure_slot.tolist() == [START + 3 * SLOT_S]
    assert leaving(cars_at(1, departure), retired).departure_slot.tolist() == [departure]
    # Points that are out already give nothing: when the car leaves makes no difference.
    gone = out_between(small_district, asset, 0, 6)
    assert leaving(cars_at(0, departure), gone).departure_slot.tolist() == [departure]


def test_the_cars_envelope_stands_still_while_their_points_are_out(
    small_district: District,
) -> None:
    groups = len(small_district.chargers.id)
    least, most = np.zeros((groups, 8)), np.zeros((groups, 8))
    least[0], most[0] = np.arange(8.0), 2 * np.arange(8.0) + 1
    ev = EvForecast(
        least, most, least + 5, least + 1, least + 2, least + 3, np.zeros(0, dtype=np.int64),
        np.zeros(0),
    )  # fmt: skip
    out = out_between(small_district, small_district.chargers.id[0], 2, 5).chargers.T
    found = charging_in_use(ev, out)
    assert found.e_min_kwh[0].tolist() == [0, 1, 1, 1, 1, 2, 3, 4]
    assert found.e_max_kwh[0].tolist() == [1, 3, 3, 3, 3, 5, 7, 9]
    assert found.p_charge_kw_max[0].tolist() == [5, 6, 0, 0, 0, 10, 11, 12]
    assert found.p_discharge_kw_max[0, 2:5].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found.e_max_kwh[1:], most[1:])
    # A promise that the whole envelope asked for at once is never above what is left of it.
    late = charging_in_use(replace(ev, e_min_kwh=np.where(least >= 5, most, 0.0)), out)
    assert (late.e_min_kwh <= late.e_max_kwh).all()


@pytest.mark.parametrize(
    ("asset", "words"),
    [
        ("kepco", "connection to the utility"),
        ("boiler", "when set-points lapse"),
        ("heat-store", "balances heat"),
    ],
)
def test_what_nothing_else_replaces_stays_in_use(
    small_district: District, asset: str, words: str
) -> None:
    with pytest.raises(RetiringError, match=words):
        require_retirable(small_district, asset, ())


def test_the_last_source_that_the_peak_of_heat_needs_stays(small_district: District) -> None:
    heat = small_district.heat
    assert heat is not None
    pump_kw = heat.heat_pump_kw_max * min(heat.cop)
    cells = [one for one in small_district.units if one.heat[-1][1] > 0]
    cell_kw = cells[0].count * cells[0].heat[-1][1]
    # Without the pump the others just give the peak; without a cell as well they do not.
    others = sum(one.count * one.heat[-1][1] for one in cells)
    tight = replace(small_district, heat=replace(heat, boiler_kw_max=heat.peak_kw - others))
    require_retirable(tight, "heat-pump", ())
    if pump_kw >= cell_kw:
        require_retirable(tight, cells[0].id, ())
    with pytest.raises(RetiringError, match=r"found .* kW of heat without it, allowed at least"):
        require_retirable(tight, cells[0].id, ("heat-pump",))
    with pytest.raises(RetiringError, match="another source of heat return first"):
        require_retirable(tight, "heat-pump", (cells[0].id,))


def test_an_area_of_residents_roofs_has_nothing_to_retire(small_district: District) -> None:
    pv = replace(small_district.pv, spc_kwp=np.zeros_like(small_district.pv.spc_kwp))
    area = small_district.network.areas.id[0]
    require_retirable(small_district, f"solar-{area}", ())
    with pytest.raises(RetiringError, match="roofs of residents alone"):
        require_retirable(replace(small_district, pv=pv), f"solar-{area}", ())
