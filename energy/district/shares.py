"""How sums of areas and of groups spread over buses, for the power flow."""

import numpy as np

from energy.district.devices import charging_rows
from energy.district.meters import HOMES
from energy.district.model import Batteries, Chargers, FloatArray, IntArray, Meters, PvFleet
from grid_models import BusShare, Network


def bus_shares(
    network: Network, meters: Meters, pv: PvFleet, batteries: Batteries, chargers: Chargers
) -> dict[str, BusShare]:
    """Spread of the areas' `load` and `pv`, and of the groups of `batteries` and `chargers`.

    For the last two the "area" of a share is the row of the group in its table.
    """
    buses = len(network.buses.id)
    load = np.bincount(meters.bus, meters.annual_kwh, buses).astype(np.float64)
    solar = _solar_weight(network, meters, pv, load)
    return {
        "load": _area_share(network, load),
        "pv": _area_share(network, solar),
        "batteries": _battery_share(network, meters, batteries),
        "chargers": _charger_share(network, chargers),
    }


def _solar_weight(network: Network, meters: Meters, pv: PvFleet, load: FloatArray) -> FloatArray:
    """Solar at each bus, kWp: customers' at their meters, the operator's spread like the load."""
    areas, area_of_bus = len(network.areas.id), network.buses.area
    solar = np.bincount(meters.bus, meters.pv_kwp, len(load)).astype(np.float64)
    operators = pv.spc_kwp.sum(axis=1)
    by_area = np.bincount(meters.area, meters.annual_kwh, areas)
    per_load = np.divide(operators, by_area, out=np.zeros(areas), where=by_area > 0)
    known = area_of_bus >= 0
    solar[known] += load[known] * per_load[area_of_bus[known]]
    # Where nobody consumes, the modules stand at the busbar.
    lonely = np.flatnonzero((by_area <= 0) & (operators > 0))
    solar[network.areas.bus[lonely]] += operators[lonely]
    return solar


def _area_share(network: Network, weight: FloatArray) -> BusShare:
    bus = np.flatnonzero(weight > 0)
    return _share(bus, network.buses.area[bus], weight[bus])


def _battery_share(network: Network, meters: Meters, batteries: Batteries) -> BusShare:
    """Single batteries at their bus; home batteries of an area over its homes with solar."""
    owner = np.flatnonzero(np.isin(meters.use, HOMES) & (meters.pv_kwp > 0))
    buses: list[IntArray] = []
    for row in range(len(batteries.id)):
        own = owner[meters.area[owner] == batteries.area[row]]
        spread = batteries.count[row] > 1 and len(own) > 0
        buses.append(meters.bus[own] if spread else batteries.bus[[row]])
    return _grouped(buses, [np.ones(len(bus)) for bus in buses])


def _charger_share(network: Network, chargers: Chargers) -> BusShare:
    """Every group over the buses of its charging points, by their number."""
    rows = charging_rows(network)
    keys = zip(chargers.area.tolist(), chargers.kind, strict=True)
    points = [rows.get(key, [(int(chargers.bus[g]), 1, 0.0)]) for g, key in enumerate(keys)]
    return _grouped(
        [np.array([bus for bus, _, _ in group], dtype=np.int64) for group in points],
        [np.array([float(count) for _, count, _ in group]) for group in points],
    )


def _grouped(buses: list[IntArray], weights: list[FloatArray]) -> BusShare:
    """One share per group and bus from lists with one entry per group."""
    if not buses:
        none = np.zeros(0, dtype=np.int64)
        return BusShare(none, none, np.zeros(0))
    group = np.repeat(np.arange(len(buses)), [len(bus) for bus in buses])
    return _share(np.concatenate(buses), group, np.concatenate(weights))


def _share(bus: IntArray, group: IntArray, weight: FloatArray) -> BusShare:
    total = np.bincount(group, weight)
    return BusShare(bus=bus, area=group, share=weight / total[group])
