"""Which home has which charging point.

Assumed, for the plans of Sejong 5-1 name points by area only: the standard points of an area are
allotted to its homes, one each, homes that trade first, then in order of their meters. Points have
meters of their own, so what a car takes is in no home's reading.
"""

import numpy as np

from energy.district.meters import HOMES
from energy.district.model import District, IntArray

HOME_KIND = "standard"


def home_points(district: District) -> IntArray:
    """The charging point of each customer, (M,), counted group after group; -1 where none."""
    chargers, meters = district.chargers, district.meters
    first = np.cumsum(chargers.count) - chargers.count
    homes, trades = np.isin(meters.use, HOMES), np.asarray(meters.trades)
    found = np.full(len(meters.use), -1, dtype=np.int64)
    for group, kind in enumerate(chargers.kind):
        if kind != HOME_KIND:
            continue
        near = np.flatnonzero(homes & (meters.area == chargers.area[group]) & (found < 0))
        chosen = near[np.argsort(~trades[near], kind="stable")][: int(chargers.count[group])]
        found[chosen] = first[group] + np.arange(len(chosen))
    return found
