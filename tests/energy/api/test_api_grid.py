"""The wires over HTTP: their tables, their state under the plan, and what an outage would do."""

from typing import Any

import numpy as np
import pytest

from energy.district import District
from energy.store import views
from energy.timegrid import parse_instant
from grid_models import base_case, check_contingencies
from grid_models.contingencies import feeder_heads

SLOT = parse_instant("2026-11-22T05:15:00Z")
STATE = {"worst": {"element": "T001", "loading_frac": 0.4}, "buses": [1.0, 0.99]}


@pytest.fixture
def planned(served: Any, small_district: District) -> Any:
    """A server whose store holds the wires of one planned slot."""
    p_kw, q_kvar = base_case(small_district.network)
    drawn = {"p_kw": p_kw.tolist(), "q_kvar": q_kvar.tolist()}
    document = {**STATE, "drawn": drawn}
    served.store.write(lambda connection: views.put_view(connection, "grid", SLOT, document))
    return served


def test_the_tables_have_the_rated_voltage_of_every_bus(
    served: Any, small_district: District
) -> None:
    answer = served.ask("/v1/grid/network")
    buses = small_district.network.buses
    assert answer.status == 200
    assert answer.json["buses"]["vn_kv"] == buses.vn_kv.tolist()
    assert set(answer.json["buses"]["vn_kv"]) == {154.0, 22.9, 0.38}
    assert all(len(column) == len(buses.id) for column in answer.json["buses"].values())
    again = served.ask("/v1/grid/network", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304 and again.body == b""


@pytest.mark.invented
def test_the_state_comes_without_the_powers_that_only_outages_need(planned: Any) -> None:
    for path in ("/v1/grid", "/v1/grid?slot=2026-11-22T05:15:00Z"):
        assert planned.ask(path).json == {"slot_utc": "2026-11-22T05:15:00Z", **STATE}


def test_an_outage_is_run_with_the_powers_of_the_planned_slot(
    planned: Any, small_district: District
) -> None:
    network = small_district.network
    (head, *_) = feeder_heads(network)
    found = planned.ask(f"/v1/grid/contingency?element={head}").json
    (expected,) = check_contingencies(network, *base_case(network), [head])
    assert found["slot_utc"] == "2026-11-22T05:15:00Z" and found["element"] == head
    assert found["dark_areas"] == list(expected.dark_areas)
    assert found["secure"] == expected.secure
    assert found["p_unsupplied_kw"] == pytest.approx(expected.p_unsupplied_kw, abs=0.1)
    assert np.isfinite(found["v_min_pu"])
    assert planned.ask("/v1/grid/contingency?element=F1").json["element"] == head


def test_an_unknown_element_and_a_slot_without_wires_are_not_found(planned: Any) -> None:
    answer = planned.ask("/v1/grid/contingency?element=F77")
    assert answer.status == 404
    assert answer.json["detail"] == (
        "element: found F77, allowed a feeder, a line or a transformer"
    )
    assert planned.ask("/v1/grid?slot=2026-11-22T05:30:00Z").status == 404
    assert planned.ask("/v1/grid?slot=yesterday").status == 422


def test_before_the_first_plan_there_is_nothing_to_fail(served: Any) -> None:
    assert served.ask("/v1/grid").status == 404
    assert served.ask("/v1/grid/contingency?element=F1").status == 404
