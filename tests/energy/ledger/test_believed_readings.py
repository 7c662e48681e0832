"""Which readings are believed, what the counter says instead, and what stands in for the rest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.district import District
from energy.plant.faults import Fault
from energy.plant.metering import TrueWh, read_meters
from energy.steps.metering import (
    ESTIMATED,
    MEASURED,
    MISSING,
    Months,
    Registers,
    Usual,
    believe,
    fill_missing,
    no_registers,
    plate_wh,
    usual_of,
)

SLOT = 1_784_084_400
MOST = np.array([6_250])

# One meter; counters before it stand at 1000 (import) and 50 (export), read in the slot before.
READINGS = """
what                    came  import export counter  -> quality import export over
as it should be           1     300      0  1300 50        1      300      0     0
nothing drawn             1       0      0  1000 50        1        0      0     0
fed in                    1       0    200  1000 250       1        0    200     0
never came                0       0      0     0 0         0        0      0     0
negative                  1    -300      0  1300 50        3      300      0     0
a thousandfold            1  300000      0  1300 50        3      300      0     0
a small thousandfold      1    3000      0  1003 50        3        3      0     0
counter turned back       1     300      0   900 50        0        0      0     0
counter jumped absurdly   1     300      0 91300 50        0        0      0     0
more than was counted     1     400      0  1300 50        3      300      0     0
less than was counted     1     300      0  1500 50        1      300      0   200
"""


def columns_of(came: int, import_wh: int, export_wh: int, counters: list[int]) -> dict[str, Any]:
    found = {
        "quality": came, "import_wh": import_wh, "export_wh": export_wh,
        "import_register_wh": counters[0], "export_register_wh": counters[1],
    }  # fmt: skip
    return {name: np.array([value]) for name, value in found.items()}


def before(slots: int = 1) -> Registers:
    return Registers(np.array([1000]), np.array([50]), np.array([SLOT - slots * 900]))


@pytest.mark.parametrize(
    "line", READINGS.strip().splitlines()[1:], ids=lambda line: line[:24].strip()
)
def test_a_reading_is_believed_as_far_as_the_counter_bears_it_out(line: str) -> None:
    came, import_wh, export_wh, *rest = (int(word) for word in line[24:].split())
    columns = columns_of(came, import_wh, export_wh, rest[:2])
    found = believe(SLOT, columns, before(), MOST)
    quality, wanted_in, wanted_out, over = rest[2:]
    assert (found.quality[0], found.import_wh[0], found.export_wh[0]) == (
        quality,
        wanted_in,
        wanted_out,
    )
    assert found.frozen[0] == (over > 0)
    assert not over or found.over_import_wh[0] == over
    trusted = quality != MISSING
    assert found.registers.slot[0] == (SLOT if trusted else SLOT - 900)
    assert found.registers.import_wh[0] == (rest[0] if trusted else 1000)


def test_without_a_counter_only_the_connection_limits_what_is_believed() -> None:
    for import_wh, quality in ((6_250, MEASURED), (6_251, MISSING), (-1, MISSING)):
        found = believe(SLOT, columns_of(1, import_wh, 0, [10**6, 0]), no_registers(1), MOST)
        assert found.quality[0] == quality


def test_after_a_gap_a_reading_may_be_part_of_what_was_counted() -> None:
    found = believe(SLOT, columns_of(1, 300, 0, [2_000, 50]), before(3), MOST)
    assert (found.quality[0], found.import_wh[0], found.frozen[0]) == (MEASURED, 300, False)
    found = believe(SLOT, columns_of(1, -300, 0, [2_000, 50]), before(3), MOST)
    assert found.quality[0] == MISSING, "the counter does not say which slot it was"
    assert found.registers.slot[0] == SLOT, "but it is the counter to go on from"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(list(Fault)), min_size=4, max_size=40))
def test_no_fault_of_the_simulated_meters_is_taken_for_true(seed: int, faults: list[Fault]) -> None:
    rng = np.random.default_rng(seed)
    count = len(faults)
    import_wh = rng.integers(0, 1_500, count)
    export_wh = np.where(import_wh > 700, 0, rng.integers(0, 900, count))
    import_wh = np.where(export_wh > 0, 0, import_wh)
    truth = TrueWh(import_wh, export_wh, *(np.zeros(0, dtype=np.int64),) * 2, 5)
    counters = rng.integers(10**5, 10**7, (2, count))
    state: Any = _PlantCounters(SLOT, counters[0], counters[1])
    columns = vars(read_meters(state, truth, (), np.array([int(one) for one in faults])))
    last = Registers(counters[0], counters[1], np.full(count, SLOT - 900))
    found = believe(SLOT, columns, last, np.full(count, 6_250))
    known = found.quality != MISSING
    frozen = np.array([one == Fault.FROZEN for one in faults])
    # A meter that stands still shows only in the next slot; nothing else gets through.
    assert np.all(found.import_wh[known & ~frozen] == import_wh[known & ~frozen])
    assert np.all(found.export_wh[known & ~frozen] == export_wh[known & ~frozen])
    lost = np.array([one in (Fault.LOST, Fault.LATE) for one in faults])
    assert np.all(known == ~lost)


class _PlantCounters:
    """As much of a plant's state as its meters look at."""

    def __init__(self, slot: int, import_wh: Any, export_wh: Any) -> None:
        from energy.plant.metering import no_pending

        none = np.zeros(0, dtype=np.int64)
        self.slot, self.pending = slot, no_pending()
        self.import_register_wh, self.export_register_wh = import_wh, export_wh
        self.asset_import_register_wh = self.asset_export_register_wh = none


def history(values: dict[int, dict[str, Any]]) -> Any:
    return lambda slot: values.get((SLOT - slot) // 86_400)


def test_an_estimate_is_the_mean_of_the_same_quarter_hour_on_days_before() -> None:
    unknown = believe(SLOT, columns_of(0, 0, 0, [0, 0]), before(), MOST)
    usual = Usual(np.array([77]), MOST, MOST)
    days = {
        1: columns_of(1, 100, 0, [0, 0]),
        2: columns_of(0, 0, 0, [0, 0]),  # not read on that day
        3: columns_of(1, 205, 10, [0, 0]),
        4: columns_of(1, 300_000, 0, [0, 0]),  # absurd
        27: columns_of(1, 100, 0, [0, 0]),
        29: columns_of(1, 9_999, 0, [0, 0]),  # too long ago
    }
    found = fill_missing(SLOT, unknown, history(days), usual)
    assert (found.quality[0], found.import_wh[0], found.export_wh[0]) == (ESTIMATED, 135, 3)
    found = fill_missing(SLOT, unknown, history({}), usual)
    assert (found.quality[0], found.import_wh[0], found.export_wh[0]) == (ESTIMATED, 77, 0)


def test_what_is_known_is_never_estimated() -> None:
    known = believe(SLOT, columns_of(1, 300, 0, [1_300, 50]), before(), MOST)

    def never(_: int) -> Any:
        raise AssertionError("no history is needed")

    assert fill_missing(SLOT, known, never, Usual(np.array([77]), MOST, MOST)) is known


def test_plates_leave_room_for_every_household(small_district: District) -> None:
    usual = usual_of(small_district)
    assert np.array_equal(usual.most_wh, plate_wh(small_district))
    assert usual.most_wh.min() >= 6_250
    assert np.all(usual.most_wh > 20 * usual.mean_wh)
    sunny = replace(
        small_district,
        meters=replace(small_district.meters, pv_kwp=np.full(len(usual.mean_wh), 50.0)),
    )
    assert plate_wh(sunny).min() == 25_000


def test_months_roll_over_and_corrections_find_the_month_before() -> None:
    june, july, august = (n * 31 * 86_400 for n in (10, 11, 12))
    first = Months(june, np.array([5, 0]), np.array([0, 0])).plus(june, np.array([1, 2]))
    assert first.of(june).tolist() == [6, 2] and first.of(july).tolist() == [0, 0]
    second = first.plus(july, np.array([4, 4])).plus(june, np.array([-1, 0]))
    assert (second.start, second.of(july).tolist(), second.of(june).tolist()) == (
        july,
        [4, 4],
        [5, 2],
    )
    third = second.plus(august, np.array([9, 9]))
    assert (third.of(august).tolist(), third.of(july).tolist()) == ([9, 9], [4, 4])
    # News of June, which is not kept any more, is none of July.
    assert third.of(june).tolist() == [0, 0]
    assert third.plus(june, np.array([100, 100])).of(july).tolist() == [4, 4]
