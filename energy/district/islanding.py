"""The district alone: which loads would be shed first, and what could feed the rest."""

from dataclasses import dataclass

import numpy as np

from energy.district.model import BoolArray, District, FloatArray
from energy.district.sums import NOON_PV_KW_PER_KWP, load_cases
from grid_models import IslandCase, ShedBlock, base_case

# Who is shed first stands first (D): what can wait, then work and trade, then homes, then what
# nobody should lose. A district's own order takes its place when there is one.
SHED_RANK = (
    ("charging", ("standard_charging", "quick_charging", "super_fast_charging")),
    ("large heat pump", ("heat_pump",)),
    ("shops", ("retail",)),
    ("offices", ("office",)),
    ("schools", ("school",)),
    ("homes", ("apartment", "detached")),
    ("street lighting", ("street_lighting",)),
    ("public and health", ("public",)),
    ("data centre", ("data_centre",)),
)
OTHER_USES = "other loads"  # what no rank names is shed with the first buildings
RESERVE_FRAC = 0.1
V_FORMING_PU = (1.0, 1.01, 1.02, 1.03, 0.99)
UNIT_AVAILABLE_FRAC = 0.85


@dataclass(frozen=True, eq=False)
class LoadRank:
    """Buildings that are shed together: their part of each area's load (A,), which meters (M,)."""

    name: str
    share: FloatArray
    meters: BoolArray


def load_ranks(district: District) -> tuple[LoadRank, ...]:
    """The buildings of a district by the rank in which they are shed, the first one first.

    Charging and the heat pump go before all of them. A year's energy stands for the load.
    """
    meters, use = district.meters, np.array(district.meters.use)
    named = {each for _, uses in SHED_RANK for each in uses}
    other = tuple(sorted(set(district.meters.use) - named))
    order = ((OTHER_USES, other), *SHED_RANK)
    whole = np.bincount(meters.area, meters.annual_kwh, district.areas)
    found = []
    for name, uses in order:
        own = np.isin(use, uses)
        if own.any():
            part = np.bincount(meters.area, meters.annual_kwh * own, district.areas)
            share = np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
            found.append(LoadRank(name, share, own))
    return tuple(found)


def island_cases(district: District, reserve_frac: float = RESERVE_FRAC) -> dict[str, IslandCase]:
    """The island in the evening peak, without sun, and on a sunny noon, by name."""
    sun = np.minimum(NOON_PV_KW_PER_KWP, district.pv.inverter_frac) * district.pv.kwp.sum(axis=1)
    buses = len(district.network.buses.id)
    noon_kw = district.shares["pv"].at_buses(sun, buses)
    evening, noon = _blocks(district, 1.0), _noon_blocks(district)
    return {
        "evening peak": _case(district, evening, np.zeros(buses), reserve_frac),
        "sunny noon": _case(district, noon, noon_kw, reserve_frac),
    }


def _case(
    district: District, blocks: list[ShedBlock], solar_kw: FloatArray, reserve_frac: float
) -> IslandCase:
    buses = len(district.network.buses.id)
    batteries, low, high = district.batteries, np.zeros(buses), np.zeros(buses)
    share = district.shares["batteries"]
    high += share.at_buses(batteries.p_kw_max, buses)
    low -= share.at_buses(batteries.p_kw_max, buses)
    for unit in district.units:
        able_kw = unit.count * UNIT_AVAILABLE_FRAC
        high[unit.bus] += able_kw * unit.p_kw_max
        low[unit.bus] += able_kw * unit.p_kw_min
    return IslandCase(
        forming_bus=forming_bus(district),
        v_forming_pu=V_FORMING_PU,
        p_source_kw_min=low,
        p_source_kw_max=high,
        p_solar_kw=solar_kw,
        blocks=blocks,
        reserve_frac=reserve_frac,
    )


def forming_bus(district: District) -> int:
    """The bus of the strongest battery, whose inverter holds the voltage; without one, of the
    largest group of units; -1 where nothing could hold it.
    """
    if len(district.batteries.id):
        return int(district.batteries.bus[np.argmax(district.batteries.p_kw_max)])
    groups = sorted(district.units, key=lambda unit: unit.count * unit.p_kw_max)
    return groups[-1].bus if groups else -1


def _blocks(district: District, scale: float) -> list[ShedBlock]:
    """The evening peak by rank."""
    blocks = []
    for name, uses in SHED_RANK:
        p_kw, q_kvar = base_case(district.network, uses)
        blocks.append(ShedBlock(name, scale * p_kw, scale * q_kvar))
    return blocks


def _noon_blocks(district: District) -> list[ShedBlock]:
    """The noon's load with the evening's mix of uses."""
    buses = len(district.network.buses.id)
    sun = np.minimum(NOON_PV_KW_PER_KWP, district.pv.inverter_frac) * district.pv.kwp.sum(axis=1)
    noon = load_cases(district)[1].p_kw + district.shares["pv"].at_buses(sun, buses)
    whole = sum(float(block.p_kw.sum()) for block in _blocks(district, 1.0))
    return _blocks(district, float(noon.sum()) / whole)
