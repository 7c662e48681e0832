"""A home's own forecast over HTTP: for its account alone, and the same as from the store."""

from typing import Any

import numpy as np
import pytest

from energy.forecast import BANDS
from energy.steps.homes import own_forecast
from energy.store.forecasts import StoredIssue, save_issue
from energy.timegrid import parse_instant
from energy.units import SLOT_S

FIRST = parse_instant("2026-07-15T09:00", "Asia/Seoul")


@pytest.fixture(scope="module")
def issued(doors: Any) -> Any:
    """A district with one forecast of load and sun."""
    rows = np.repeat(np.array([30.0, 35, 45, 50, 55, 65, 70])[:, None], 96, axis=1)
    issue = StoredIssue(
        first_slot=FIRST,
        issue_slot=FIRST - SLOT_S,
        weather_issue=None,
        issued_utc=FIRST - 300,
        quantiles=dict.fromkeys(BANDS, rows),
        log_stretch=dict.fromkeys(BANDS, np.zeros((5, 7))),
        tiers={"load": ["F0", ""], "pv": ["F3", "no weather forecast"]},
    )
    doors.served.store.write(lambda connection: save_issue(connection, issue))
    return doors


def test_an_owner_reads_its_own_home_and_no_neighbours(issued: Any) -> None:
    own, other = (issued.desk.crowd.account[member].hex() for member in (0, 1))
    headers = issued.as_member(0)
    answer = issued.served.ask("/v1/me/forecast", headers=headers)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    named = issued.served.ask(f"/v1/me/forecast?account=0x{own}", headers=headers)
    assert named.json == answer.json
    foreign = issued.served.ask(f"/v1/me/forecast?account=0x{other}", headers=headers)
    assert foreign.status == 404
    assert issued.served.ask("/v1/me/forecast").status == 401
    owner = issued.as_person("network_owner")
    assert issued.served.ask(f"/v1/me/forecast?account=0x{own}", headers=owner).status == 403


def test_what_is_read_is_what_the_store_tells(issued: Any) -> None:
    account, district = issued.desk.crowd.account[0], issued.served.app.state.context.district
    found = issued.served.ask("/v1/me/forecast", headers=issued.as_member(0)).json
    assert found == issued.served.store.read(lambda c: own_forecast(c, district, account))
    load = np.array(found["load_kw"])
    assert load.shape == (7, 96) and (np.diff(load, axis=0) >= 0).all()
    assert (
        found["tiers"]["load"]["tier"] == "F4"
        and "class default" in found["tiers"]["load"]["reason"]
    )
    meter = district.meters.account.index(account)
    assert (found["pv_kw"] is None) == (district.meters.pv_kwp[meter] == 0)
    assert found["ev_kw"] is None and "no charging point" in found["tiers"]["ev"]["reason"]


def test_an_account_that_is_no_customer_has_no_forecast(issued: Any) -> None:
    headers = issued.as_person("auditor")
    found = issued.served.ask(f"/v1/me/forecast?account=0x{'ab' * 32}", headers=headers)
    assert found.status == 404
    assert issued.served.ask("/v1/me/forecast", headers=headers).status == 422
