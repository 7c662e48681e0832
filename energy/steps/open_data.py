"""Open data: what groups of customers draw and feed in, and no single one among them.

The unit of publication is a cell: one group, one quarter hour, one direction. A cell is published
where at least 15 customers have drawn (or fed in) something and none has more than 15 % of the sum.
Groups are fixed, do not overlap, and are the finest that are ever told apart; everything longer or
wider is a sum of published cells and of nothing else. So whatever anybody computes from any number
of answers is a combination of cells each of which may be known by itself: there is no difference to
take that would leave a household. Cells are made at a slot's first settlement and stay as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.district.meters import HOMES
from energy.steps.slot_settlement import SlotFacts
from energy.store.open_data import load_open_sums, save_open_sums
from energy.timegrid import local_day_start, local_month_start
from energy.units import SLOT_S

IntArray = npt.NDArray[np.int64]

MEMBERS_MIN = 15
SHARE_MAX_PPM = 150_000
PPM = 1_000_000
NOT_PUBLISHED = -1
DIRECTIONS = ("import_wh", "export_wh")


class Use(StrEnum):
    """What the customers of a group do there."""

    HOMES = "homes"
    BUSINESSES = "businesses"


class Step(StrEnum):
    """How long the times are that open data are summed over."""

    QUARTER_HOUR = "quarter_hour"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True)
class OpenGroup:
    """One group of customers: the homes, or the businesses, of one market zone."""

    zone: str
    use: Use


@dataclass(frozen=True)
class OpenRow:
    """A group's energy in a time, local to the district.

    `import_wh` and `export_wh` add up the cells that are published, of which there are
    `import_cells` and `export_cells`; None where there is none.
    """

    start: int
    group: OpenGroup
    slots: int
    import_wh: int | None
    import_cells: int
    export_wh: int | None
    export_cells: int


def groups_of(district: District) -> list[OpenGroup]:
    """The groups of a district, zone by zone."""
    return [OpenGroup(zone, use) for zone in district.network.zones for use in Use]


def group_of_meter(district: District) -> IntArray:
    """The place of each meter's group in `groups_of`, (M,)."""
    business = np.array([use not in HOMES for use in district.meters.use], dtype=np.int64)
    return district.zone_of_meter * len(Use) + business


def publishable(group: IntArray, groups: int, values_wh: IntArray) -> IntArray:
    """The sum of each group's values, Wh, (groups,); -1 where it would say too much of somebody."""
    total, largest = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)
    np.add.at(total, group, values_wh)
    np.maximum.at(largest, group, values_wh)
    members = np.bincount(group[values_wh > 0], minlength=groups)
    allowed = (members >= MEMBERS_MIN) & (largest * PPM <= total * SHARE_MAX_PPM)
    return np.where(allowed, total, NOT_PUBLISHED)


def may_be_told(values: IntArray) -> bool:
    """Whether a sum of what accounts have, whichever way, may be told: nothing, or as cells are."""
    sizes = np.abs(values)
    (total,) = publishable(np.zeros_like(sizes), 1, sizes).tolist()
    return total != NOT_PUBLISHED or not sizes.any()


def rest_may_be_told(district: District, values_wh: IntArray, cells_wh: IntArray) -> bool:
    """Whether the sum of all customers may be told beside the cells of a slot and direction.

    It tells the cells that are withheld, all together; `values_wh` are the customers', (M,).
    """
    return may_be_told(values_wh[(cells_wh == NOT_PUBLISHED)[group_of_meter(district)]])


def publish_open_sums(
    connection: Connection, district: District, settled: Iterable[SlotFacts]
) -> None:
    """Keep the cells of slots that are settled for the first time."""
    group, groups = group_of_meter(district), len(groups_of(district))
    for facts in settled:
        values = (facts.believed.import_wh, facts.believed.export_wh)
        cells = [publishable(group, groups, one) for one in values]
        save_open_sums(connection, facts.slot, dict(zip(DIRECTIONS, cells, strict=True)))


def open_rows(
    connection: Connection,
    district: District,
    start: int,
    end: int,
    step: Step,
    wanted: Sequence[int],
) -> Iterator[OpenRow]:
    """The rows of the slots from `start` up to `end`, of the groups at these places, in order."""
    groups, rows = groups_of(district), load_open_sums(connection, start, end)

    def begin(slot: int) -> int:
        return _start_of(slot, step, district.time_zone)

    for moment, slots in groupby(rows, begin):
        cells = [[rows[slot][name] for name in DIRECTIONS] for slot in slots]
        table = np.array(cells, dtype=np.int64)  # slot, direction, group
        known = table != NOT_PUBLISHED
        sums, counts = np.where(known, table, 0).sum(axis=0), known.sum(axis=0)
        for place in wanted:
            (import_wh, export_wh), (imports, exports) = (
                one[:, place].tolist() for one in (sums, counts)
            )
            yield OpenRow(
                start=moment,
                group=groups[place],
                slots=len(cells),
                import_wh=import_wh if imports else None,
                import_cells=imports,
                export_wh=export_wh if exports else None,
                export_cells=exports,
            )


def _start_of(slot: int, step: Step, time_zone: str) -> int:
    if step == Step.DAY:
        return local_day_start(slot, time_zone)
    if step == Step.MONTH:
        return local_month_start(slot, time_zone)
    length_s = SLOT_S if step == Step.QUARTER_HOUR else 4 * SLOT_S
    return slot // length_s * length_s
