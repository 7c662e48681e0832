"""Open data tell nobody's own use, however many answers are laid beside one another."""

import csv
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.cycle import run_quarter_hour
from energy.district import District, load_district
from energy.steps import open_data
from energy.steps.context import (
    Installation,
    build_admission,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.steps.open_data import (
    DIRECTIONS,
    NOT_PUBLISHED,
    Step,
    group_of_meter,
    groups_of,
    open_rows,
    publishable,
)
from energy.store.engine import Store, open_store
from energy.store.open_data import load_open_sums, save_open_sums
from energy.units import SLOT_S

FIRST = 1_784_084_400  # 15 July 2026, 12:00 in Korea
SLOTS = 96
LONGEST = 12  # quarter hours of a question
QUERIES = 10_000
MEMBERS, SHARE = 15, 0.15  # of the rule, written out


def allowed(values: np.ndarray) -> bool:
    """Whether a sum of these members' energies may be told, by the words of the rule."""
    active = values[values > 0]
    return len(active) >= MEMBERS and active.max() <= SHARE * active.sum()


@pytest.fixture(scope="module")
def district() -> District:
    """A tenth of the district, so that its groups are of all sizes about the least."""
    return load_district("sejong-5-1@0.1")


@pytest.fixture(scope="module")
def readings(district: District) -> np.ndarray:
    """A day of made-up readings (slot, direction, meter), Wh, with some very large ones."""
    rng = np.random.default_rng(5)
    meters = len(district.meters.account)
    wh = rng.gamma(0.7, 120.0, (SLOTS, 2, meters)).astype(np.int64)
    wh[rng.random(wh.shape) < 0.3] = 0
    wh[rng.random(wh.shape) < 0.002] *= 400
    return wh


@pytest.fixture(scope="module")
def published(
    district: District, readings: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """The store of that day."""
    group, groups = group_of_meter(district), len(groups_of(district))
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('open')}/open.db") as store:

        def write(connection: Any) -> None:
            for number, row in enumerate(readings):
                cells = [publishable(group, groups, one) for one in row]
                columns = dict(zip(DIRECTIONS, cells, strict=True))
                save_open_sums(connection, FIRST + number * SLOT_S, columns)

        store.write(write)
        yield store


def ask(rng: np.random.Generator, groups: int) -> tuple[int, int, Step, list[int]]:
    """A random question: times, step and groups."""
    first = int(rng.integers(SLOTS))
    last = min(first + int(rng.integers(LONGEST)), SLOTS - 1)
    wanted = sorted(rng.choice(groups, rng.integers(1, groups + 1), replace=False).tolist())
    steps = list(Step)
    return first, last + 1, steps[rng.integers(len(steps))], wanted


def cells_behind(cells: np.ndarray, first: int, end: int, place: int) -> np.ndarray:
    """The published cells (slot, group) that an answer adds up, as a mask."""
    mask = np.zeros(cells.shape, dtype=bool)
    mask[first:end, place] = cells[first:end, place] != NOT_PUBLISHED
    return mask


@pytest.mark.check(24)
def test_ten_thousand_answers_and_their_differences_tell_of_no_one(
    district: District, readings: np.ndarray, published: Store
) -> None:
    """Every answer, and what is left between it and the one before, obeys the rule by the raw
    readings: at least 15 took part and none has more than 15 %.
    """
    rng = np.random.default_rng(11)
    group, groups = group_of_meter(district), len(groups_of(district))
    stored = published.read(lambda c: load_open_sums(c, FIRST, FIRST + SLOTS * SLOT_S))
    cells = {name: np.array([stored[slot][name] for slot in sorted(stored)]) for name in DIRECTIONS}
    may_be_told = np.array(
        [[[allowed(one[group == n]) for n in range(groups)] for one in row] for row in readings]
    )
    before: dict[str, np.ndarray] = {}
    checked = 0
    while checked < QUERIES:
        first, end, step, wanted = ask(rng, groups)
        rows = published.read(
            lambda c, one=(first, end, step, wanted): list(
                open_rows(c, district, FIRST + one[0] * SLOT_S, FIRST + one[1] * SLOT_S, *one[2:])
            )
        )
        row = rows[rng.integers(len(rows))]
        place = groups_of(district).index(row.group)
        begin = max((row.start - FIRST) // SLOT_S, first)
        for name, told in zip(DIRECTIONS, (row.import_wh, row.export_wh), strict=True):
            mask = cells_behind(cells[name], begin, begin + row.slots, place)
            direction, members = DIRECTIONS.index(name), group == place
            if told is None:
                assert not mask.any()
                continue
            inside = readings[:, direction][mask.any(axis=1)][:, members]
            assert told == inside.sum()
            assert allowed(inside.sum(axis=0))
            if name in before:
                # The newest that a reader can learn by taking two answers from one another.
                assert may_be_told[:, direction][mask ^ before[name]].all()
            before[name] = mask
            checked += 1


@pytest.mark.check(24, canary=True)
def test_a_rule_that_lets_one_household_stand_alone_is_found_out(
    district: District, readings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_data, "MEMBERS_MIN", 1)
    monkeypatch.setattr(open_data, "SHARE_MAX_PPM", 1_000_000)
    group, groups = group_of_meter(district), len(groups_of(district))
    told = publishable(group, groups, readings[0, 0])
    broken = [
        place
        for place in range(groups)
        if told[place] != NOT_PUBLISHED and not allowed(readings[0, 0][group == place])
    ]
    assert broken


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2_000), max_size=40), min_size=1, max_size=4))
def test_a_cell_is_told_exactly_where_the_rule_allows_it(members: list[list[int]]) -> None:
    group = np.array([n for n, one in enumerate(members) for _ in one], dtype=np.int64)
    values = np.array([wh for one in members for wh in one], dtype=np.int64)
    found = publishable(group, len(members), values)
    for place, one in enumerate(members):
        wh = np.array(one, dtype=np.int64)
        assert found[place] == (wh.sum() if allowed(wh) else NOT_PUBLISHED)


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        ([100] * 15, True),
        ([100] * 14, False),
        ([100] * 14 + [0], False),
        ([85] * 20 + [300], True),
        ([85] * 20 + [301], False),
        ([0] * 30, False),
    ],
    ids=["15", "14", "14 and one at rest", "15 %", "above 15 %", "nobody"],
)
def test_the_rule_holds_at_its_edges(values: list[int], is_told: bool) -> None:
    wh = np.array(values, dtype=np.int64)
    (found,) = publishable(np.zeros(len(wh), dtype=np.int64), 1, wh)
    assert found == (wh.sum() if is_told else NOT_PUBLISHED)


def test_sums_once_published_stay_as_they_are(published: Store) -> None:
    with pytest.raises(DBAPIError):
        published.write(lambda c: save_open_sums(c, FIRST, {"import_wh": np.zeros(2)}))
    with pytest.raises(DBAPIError, match="append-only"):
        published.write(lambda c: c.exec_driver_sql("UPDATE open_sums SET body = NULL"))


@dataclass(frozen=True)
class Door:
    """The served API, and the installation behind it."""

    address: str
    installation: Installation

    def ask(self, headers: dict[str, str] | None = None, **question: str) -> tuple[int, Any, bytes]:
        """Status, headers and bytes of an answer."""
        url = f"{self.address}/v1/open/energy?{urllib.parse.urlencode(question)}"
        request = urllib.request.Request(url, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


@dataclass(frozen=True)
class StandingClock:
    """A clock that stands."""

    at_s: float
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return self.at_s


@pytest.fixture(scope="module")
def door(
    serve_app: Callable[[FastAPI], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """The API of a district that has run and settled some quarter hours."""
    url = f"sqlite:///{tmp_path_factory.mktemp('loop')}/loop.db"
    chosen = Settings(district="sejong-5-1@0.02", database_url=url, bots=False)
    with open_installation(chosen, demo_beginning(chosen)) as installation:
        microgrid = start_microgrid(installation)
        try:
            for _ in range(5):
                slot = installation.next_slot()
                run_quarter_hour(microgrid, slot, lambda slot=slot: float(slot - 300))
        finally:
            microgrid.close()
        context = ApiContext(
            store=installation.store,
            district=installation.district,
            settings=chosen,
            clock=StandingClock(float(slot)),
            admission=build_admission(installation),
        )
        yield Door(serve_app(create_app(context)), installation)


def test_the_loop_publishes_what_it_settles_and_the_api_gives_it(door: Door) -> None:
    status, headers, body = door.ask(step="quarter_hour")
    assert status == 200
    rows = json.loads(body)["rows"]
    told = [row for row in rows if row["import_wh"] is not None]
    assert told and all(row["import_quarter_hours"] == 1 for row in told)
    assert {row["zone"] for row in rows} == set(door.installation.district.network.zones)
    assert door.ask({"If-None-Match": headers["etag"]}, step="quarter_hour")[0] == 304


def test_the_same_rows_come_as_csv(door: Door) -> None:
    rows = json.loads(door.ask(step="day")[2])["rows"]
    _, headers, body = door.ask(step="day", format="csv")
    assert headers["content-type"].startswith("text/csv")
    found = list(csv.DictReader(io.StringIO(body.decode())))
    assert found == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]


@pytest.mark.parametrize(
    ("question", "status", "sentence"),
    [
        ({"zone": "nowhere"}, 404, "zone: found nowhere, allowed"),
        ({"start": "yesterday"}, 422, "start: found 'yesterday'"),
        ({"start": "2026-07-16T00:00:00Z"}, 422, "at most 31 days, of"),
        ({"step": "year"}, 422, "step"),
        ({"use": "people"}, 422, "use"),
    ],
)
def test_questions_that_cannot_be_answered_get_one_sentence(
    door: Door, question: dict[str, str], status: int, sentence: str
) -> None:
    found, _, body = door.ask(**question)
    assert found == status
    assert sentence in json.loads(body)["detail"]


def test_before_anything_is_settled_there_is_nothing(tmp_path: Path, district: District) -> None:
    with open_store(f"sqlite:///{tmp_path}/new.db") as store:
        assert not store.read(lambda c: list(open_rows(c, district, 0, FIRST, Step.DAY, [0])))


def test_what_costs_much_is_worked_out_once_and_of_an_address_not_too_often(
    serve: Any, small_district: District, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.rates.COSTLY_BURST", 2)
    monkeypatch.setattr("energy.api.rates.COSTLY_PER_S", 0.1)
    sums = {name: np.full(len(groups_of(small_district)), 7) for name in DIRECTIONS}
    path = f"/v1/open/energy?step=quarter_hour&start={FIRST}&end={FIRST + 3 * SLOT_S}"

    def publish(slot: int) -> None:
        served.store.write(lambda connection: save_open_sums(connection, slot, sums))

    with serve(tmp_path) as served:
        publish(FIRST)
        publish(FIRST + 2 * SLOT_S)
        first = served.ask(path)
        assert all(served.ask(path).body == first.body for _ in range(5))
        # A slot between that is settled late is told as soon as it is.
        publish(FIRST + SLOT_S)
        again = served.ask(path)
        assert len(again.json["rows"]) == 3 * len(first.json["rows"]) / 2
        assert again.headers["etag"] != first.headers["etag"]
        refused = served.ask(f"{path}&format=csv")
        assert (refused.status, refused.json["code"]) == (429, "TOO_MANY_REQUESTS")
        assert int(refused.headers["retry-after"]) >= 1
        assert served.ask(path).status == 200
