"""Every forecast stands in the store as it went out, and can be made again from what was known.

In operation, in a replay from the store, and after a restart: the same bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from energy.config import Settings
from energy.cycle import run_quarter_hour
from energy.forecast import (
    BANDS,
    Calibration,
    DistrictForecast,
    History,
    Observed,
    Tracker,
    forecast_district,
    no_cars,
)
from energy.forecast.prices import PriceForecast
from energy.steps.auctions import PRICE, no_auctions
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.issuing import EVERY_SLOTS, load_weather
from energy.steps.measure import SLOTS_BEHIND
from energy.steps.record import Record
from energy.store.engine import open_reader
from energy.store.errors import StoreError
from energy.store.forecasts import StoredIssue, forecast_issue, load_issues
from energy.store.measured import load_measured
from energy.store.orders import prices_between
from energy.timegrid import parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY

START = parse_instant("2026-05-10T09:00", "Asia/Seoul")


@contextmanager
def begun(folder: Path) -> Iterator[Microgrid]:
    """The loop on the store of a folder."""
    url = f"sqlite:///{folder}/test.db"
    settings = Settings(district="sejong-5-1@0.005", database_url=url, bots=False)
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            yield microgrid
        finally:
            microgrid.close()


def run(microgrid: Microgrid, first: int, slots: int) -> None:
    """So many quarter hours from that number on."""
    for number in range(first, first + slots):
        slot = START + number * SLOT_S
        run_quarter_hour(microgrid, slot, lambda slot=slot: slot - 300.0)  # type: ignore[misc]


def issues_of(folder: Path) -> list[StoredIssue]:
    """All forecasts in the store of a folder."""
    with open_reader(f"sqlite:///{folder}/test.db") as store:
        return store.read(lambda connection: load_issues(connection, 0, 2**40))


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("issued")
    with begun(folder) as microgrid:
        run(microgrid, 0, 7)
    return folder


def record_as_of(microgrid: Microgrid, issue: StoredIssue) -> History:
    """The record of what had been stored by an issue, from the store and the archive alone."""
    past = START - SLOTS_BEHIND * SLOT_S
    record = Record(microgrid.plant.archive(past, microgrid.settings.history_days))
    rows = microgrid.store.read(
        lambda connection: load_measured(connection, past, issue.issue_slot)
    )
    record.extend(rows)
    return record.history


def prices_again(
    microgrid: Microgrid, issue: StoredIssue, history: History, told: DistrictForecast
) -> PriceForecast:
    """The prices of an issue made from the auctions that had been held by then."""
    days = EVERY_SLOTS / SLOTS_PER_DAY
    tracker = Tracker(Calibration(np.array(issue.log_stretch[PRICE])), days)
    found = no_auctions(microgrid.district, microgrid.books, tracker)
    found.extend(microgrid.store.read(lambda c: prices_between(c, 0, issue.first_slot)))
    return found.forecast(issue.first_slot, issue.issue_slot, history, told)


def test_a_forecast_is_made_again_from_the_store_bit_by_bit(operated: Path) -> None:
    issues = issues_of(operated)
    assert [one.first_slot for one in issues] == [START + n * SLOT_S for n in range(7)]
    with begun(operated) as microgrid:
        for issue in issues:
            observed = Observed(
                issue_slot=issue.issue_slot,
                history=record_as_of(microgrid, issue),
                weather=microgrid.store.read(
                    lambda connection, issue=issue: load_weather(connection, issue.weather_issue)
                ),
                cars=no_cars(),
                calibration={
                    name: Calibration(np.array(rows)) for name, rows in issue.log_stretch.items()
                },
            )
            again = forecast_district(microgrid.basis, observed, issue.first_slot, 96)
            for name, attribute in BANDS.items():
                assert getattr(again, attribute).tobytes() == issue.quantiles[name].tobytes()
                assert [again.tier[name], again.reason[name]] == issue.tiers[name]
            prices = prices_again(microgrid, issue, observed.history, again)
            assert prices.krw_per_kwh.tobytes() == issue.quantiles[PRICE].tobytes()
            assert [prices.tier, prices.reason] == issue.tiers[PRICE]


def test_a_restart_changes_no_bit_of_what_is_issued_after_it(
    operated: Path, tmp_path: Path
) -> None:
    with begun(tmp_path) as microgrid:
        run(microgrid, 0, 4)
    with begun(tmp_path) as microgrid:
        run(microgrid, 4, 3)
    for one, other in zip(issues_of(operated), issues_of(tmp_path), strict=True):
        for name in (*BANDS, PRICE):
            assert one.quantiles[name].tobytes() == other.quantiles[name].tobytes()
            assert one.log_stretch[name].tobytes() == other.log_stretch[name].tobytes()


def test_what_has_come_teaches_the_next_issue(operated: Path) -> None:
    """After an hour the first bucket of the first issue is over, and its misses are learnt."""
    issues = issues_of(operated)
    first, last = issues[0].log_stretch["load"], issues[-1].log_stretch["load"]
    assert not np.array_equal(first[0], last[0])
    assert first.any(), "two weeks of the record have taught before the first issue"


def test_rows_of_the_issue_and_later_are_never_read(operated: Path) -> None:
    with begun(operated) as microgrid:
        issue = issues_of(operated)[3]
        history = microgrid.memory.record.history
        late = history.slot >= issue.issue_slot
        assert late.any()
        poisoned = replace(
            history,
            **{
                one.name: np.where(
                    late.reshape(-1, *(1,) * (getattr(history, one.name).ndim - 1)),
                    1e9,
                    getattr(history, one.name),
                )
                for one in fields(history)
                if one.name != "slot"
            },
        )
        found = []
        for each in (history, poisoned):
            observed = Observed(issue.issue_slot, each, None, no_cars())
            found.append(forecast_district(microgrid.basis, observed, issue.first_slot, 96))
        for attribute in BANDS.values():
            assert getattr(found[0], attribute).tobytes() == getattr(found[1], attribute).tobytes()


def test_what_was_issued_cannot_be_changed(operated: Path) -> None:
    with begun(operated) as microgrid:
        for change in (forecast_issue.delete(), forecast_issue.update().values(issued_utc=1)):
            with pytest.raises((StoreError, Exception), match="append-only"):
                microgrid.store.write(lambda connection, change=change: connection.execute(change))


def test_a_year_of_issues_fits_on_a_small_disk(operated: Path) -> None:
    with open_reader(f"sqlite:///{operated}/test.db") as store:
        sizes = store.read(
            lambda connection: [
                len(row.body) for row in connection.execute(forecast_issue.select())
            ]
        )
    assert max(sizes) * SLOTS_PER_DAY * 365 < 1e9
