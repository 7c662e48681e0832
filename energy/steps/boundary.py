"""The meter at the utility, and what is lost between it and all the others.

What the meters leave open of the connection's reading is entered as loss. So the books close
whatever the meters say, and only a band tells whether what they say can be: wires lose a few
percent and never give. The meter at the utility is believed within its plate or what the others
show, while it moves, and not where it shows nothing while the others show a flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.units import DT_H
from market.settlement import MeterReadings

IntArray = npt.NDArray[np.int64]

LOSS_FRAC_MAX = 0.10
"""Wires and transformers of a district lose 2 to 6 % of what passes them; more is no loss (D)."""
METERING_FRAC = 0.01
"""Meters of class 1: so much of what passes may be their error, either way."""
PLATE_FRAC = 1.5
"""Times its larger limit that a connection can carry for a quarter hour, either way: the limits are
a contract's and may be small one way, the cable is the same."""
FROZEN_SLOTS = 4
"""Slots in a row with the same figures, but 0, after which the meter stands still."""
ESTIMATED = 2


@dataclass(frozen=True)
class Passed:
    """What passed the meters in a slot, Wh: fed in, drawn, and how much of both is estimated."""

    fed_in_wh: int
    drawn_wh: int
    estimated_wh: int
    meters: int

    @property
    def net_wh(self) -> int:
        """What the meters drew more than they fed in."""
        return self.drawn_wh - self.fed_in_wh


@dataclass(frozen=True, eq=False)
class Boundary:
    """The connection's reading, (2,) import and export, nought where `doubt` says why it is not
    believed; `unexplained_wh` is what of the loss cannot be one, above the band or below it.
    """

    wh: IntArray
    doubt: str = ""
    unexplained_wh: int = 0


def passed_of(readings: MeterReadings) -> Passed:
    """What passed the meters by their readings."""
    guessed = readings.quality == ESTIMATED
    import_wh, export_wh = readings.import_wh, readings.export_wh
    return Passed(
        fed_in_wh=int(export_wh.sum()),
        drawn_wh=int(import_wh.sum()),
        estimated_wh=int(import_wh[guessed].sum() + export_wh[guessed].sum()),
        meters=len(import_wh),
    )


def believe_boundary(
    district: District, wh: IntArray, before: Sequence[IntArray], passed: Passed
) -> Boundary:
    """The connection's reading as far as it is believed; `before` are those of the last slots."""
    doubt = _doubt(district, wh, before, passed)
    if doubt:
        return Boundary(np.zeros(2, dtype=np.int64), doubt)
    return Boundary(wh, "", beyond_band(wh, passed))


def beyond_band(wh: IntArray, passed: Passed) -> int:
    """Wh of the loss that lie above what wires can lose, or (negative) below what meters can err.

    What is estimated may be wrong by all of it, and each meter rounds to whole Wh.
    """
    loss_wh = int(wh[0] - wh[1]) - passed.net_wh
    through_wh = int(wh[0]) + passed.fed_in_wh
    unsure_wh = passed.estimated_wh + passed.meters + METERING_FRAC * through_wh
    most_wh, least_wh = int(LOSS_FRAC_MAX * through_wh + unsure_wh), -int(unsure_wh)
    return loss_wh - min(max(loss_wh, least_wh), most_wh)


def _doubt(district: District, wh: IntArray, before: Sequence[IntArray], passed: Passed) -> str:
    """Why the reading cannot be, empty where it can."""
    import_wh, export_wh = wh.tolist()
    limit_wh = _larger_limit_wh(district)
    for way, found, shown_wh in (
        ("import", import_wh, passed.drawn_wh),
        ("export", export_wh, passed.fed_in_wh),
    ):
        # Nobody holds a few houses within a contract: what they show themselves can be as well.
        most_wh = int(np.ceil(PLATE_FRAC * max(limit_wh, shown_wh)))
        if not 0 <= found <= most_wh:
            return f"{way} {found} Wh, allowed 0 to {most_wh} in a slot"
    if not import_wh and not export_wh:
        if beyond_band(wh, passed):
            return f"nothing, while the other meters draw {passed.net_wh} Wh in sum"
        return ""
    if len(before) == FROZEN_SLOTS - 1 and all(np.array_equal(wh, one) for one in before):
        return f"the same {import_wh} Wh in and {export_wh} Wh out in {FROZEN_SLOTS} slots"
    return ""


def _larger_limit_wh(district: District) -> float:
    """What the connection's larger limit lets pass in a slot, Wh."""
    connection = district.connection
    return max(connection.p_import_kw_max, connection.p_export_kw_max) * 1000 * DT_H
