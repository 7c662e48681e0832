"""A public grid as a district: the measurements are its meters, and nothing is made up."""

from datetime import UTC, datetime

import numpy as np
import pytest

from energy.district import District, DistrictError, load_district
from energy.district.sums import base_year, load_cases
from grid_models import PowerFlow, check_flow

pytest.importorskip("simbench", reason="the extra simbench is not installed")

CODE = "1-LV-urban6--2-sw"


@pytest.fixture(scope="module")
def urban() -> District:
    return load_district(f"simbench:{CODE}")


def test_every_load_is_a_meter_with_its_measured_year(urban: District) -> None:
    measured = urban.measured
    assert measured is not None
    assert measured.first_slot == int(datetime(2015, 12, 31, 23, tzinfo=UTC).timestamp())
    assert measured.load_kw.shape == measured.pv_kw.shape == (366 * 96, len(urban.meters.use))
    assert measured.load_kw.dtype == np.float32
    kwh = measured.load_kw.sum(axis=0, dtype=np.float64) / 4
    assert urban.meters.annual_kwh == pytest.approx(kwh, rel=1e-4)
    assert urban.households == 102


def test_the_run_of_june_the_first_lies_inside_the_measured_year(urban: District) -> None:
    assert urban.measured is not None
    start = int(datetime(2016, 5, 31, 22, tzinfo=UTC).timestamp())  # midnight in Berlin
    row, part = divmod(start - urban.measured.first_slot, 900)
    assert part == 0 and 0 < row < len(urban.measured.load_kw) - 96
    day = urban.measured.pv_kw[row : row + 96].sum(axis=1)
    assert day[:12].max() == 0 and day.argmax() / 4 > 9


def test_solar_stands_behind_a_meter_of_its_bus(urban: District) -> None:
    assert urban.measured is not None
    kwh = urban.measured.pv_kw.sum(axis=0, dtype=np.float64) / 4
    owners = np.flatnonzero(urban.meters.pv_kwp)
    assert (np.flatnonzero(kwh) == owners).all()
    assert urban.meters.pv_kwp.sum() == pytest.approx(urban.pv.kwp.sum())
    assert urban.pv.spc_kwp.sum() == 0
    assert urban.meters.trades[owners].all()
    assert (kwh[owners] / urban.meters.pv_kwp[owners] > 400).all()


def test_it_has_several_areas_batteries_and_no_made_up_assets(urban: District) -> None:
    assert urban.areas > 1 and len(urban.network.zones) == 1
    assert (urban.meters.area >= 0).all() and (urban.batteries.area >= 0).all()
    assert len(urban.batteries.id) == 7
    assert urban.batteries.e_kwh_max / urban.batteries.p_kw_max == pytest.approx(2, rel=0.1)
    assert len(urban.chargers.id) == 0 and urban.units == () and urban.heat is None
    assert urban.connection.p_import_kw_max == 630.0
    assert urban.time_zone == "Europe/Berlin"


def test_its_wires_carry_its_measured_extremes(urban: District) -> None:
    power_flow = PowerFlow(urban.network)
    peak, sun = (power_flow.run(case.p_kw, case.q_kvar) for case in load_cases(urban))
    assert check_flow(urban.network, peak) == [] == check_flow(urban.network, sun)
    assert peak.p_slack_kw > 150 and sun.p_slack_kw < 0
    year = base_year(urban)
    assert 0.1 < year.self_sufficiency_frac < 0.3


def test_an_unknown_code_is_one_sentence() -> None:
    with pytest.raises(DistrictError, match="simbench:no: found no grid of this code"):
        load_district("simbench:no")
