"""SimBench grids with their measured year: profiles of loads, solar and stores on public grids.

A code such as `1-LV-urban6--2-sw` names voltage level, grid, scenario (0 today, 1 and 2 with more
solar, stores, heat pumps and cars) and whether switches are modelled. The profiles are quarter
hours of 2016 in German local time, beginning at the labelled instant: the labels leave out an hour
in March and repeat one in October, so in UTC their rows follow one another without a gap.

Source: Meinecke et al., "SimBench - A Benchmark Dataset of Electric Power Systems to Compare
Innovative Solutions Based on Power Flow Analysis", Energies 13(12), 2020; ODbL. The data come with
the package `simbench` (our extra of that name); nothing is fetched.
"""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from grid_models.district import Connections, FloatArray, GridError, IntArray, Network
from grid_models.from_pandapower import network_of_net
from grid_models.network import quiet

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame, Series

SLOT_S = 900
PROFILE_ZONE = "Europe/Berlin"
PROFILE_LABEL = "%d.%m.%Y %H:%M"
# First letters of a load's profile and what it is: households, trades (G1 offices, G3 all day,
# G4 shops, the rest weekends and evenings), farms, charging at home and at kerbs, heat pumps.
USE_OF_PROFILE = {
    "H": "apartment",
    "G1": "office",
    "G3": "public",
    "G4": "retail",
    "G": "public",
    "L": "public",
    "HLS": "standard_charging",
    "APLS": "standard_charging",
    "Air": "heat_pump",
    "Soil": "heat_pump",
}
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class MeasuredRows:
    """Loads or solar plants, R of them: where, how large, and what was measured, (T, R) kW."""

    id: tuple[str, ...]
    bus: IntArray
    profile: tuple[str, ...]
    p_kw_rated: FloatArray
    p_kw: Float32Array


@dataclass(frozen=True, eq=False)
class Stores:
    """Batteries of a grid, S of them; the schedule that SimBench gives them is left out."""

    id: tuple[str, ...]
    bus: IntArray
    p_kw_max: FloatArray
    e_kwh_max: FloatArray
    eta: FloatArray


@dataclass(frozen=True, eq=False)
class SimbenchGrid:
    """A grid and its measured year; row r of a profile is the slot `first_slot + 900 r` (UTC)."""

    network: Network
    first_slot: int
    loads: MeasuredRows
    solar: MeasuredRows
    stores: Stores
    latitude_deg: float
    longitude_deg: float


def read_simbench(code: str) -> SimbenchGrid:
    """The grid of a SimBench code with its measured profiles.

    Raises GridError when the package is missing, the code is unknown, or the grid holds plants
    without a solar profile (wind, water, biomass: the grids above low voltage do).
    """
    net = _fetch(code)
    name = f"simbench:{code}"
    first_slot = _first_slot(net.profiles["load"]["time"], name)
    translated = network_of_net(net, name, degrees=True)
    _require_solar(net, name)
    loads = _measured(net, "load", translated.place)
    longitude_deg, latitude_deg = _middle(net.bus["geo"])
    return SimbenchGrid(
        network=replace(translated.network, connections=_connections(loads)),
        first_slot=first_slot,
        loads=loads,
        solar=_measured(net, "sgen", translated.place),
        stores=_stores(net.storage[net.storage.in_service], translated.place),
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
    )


def use_of_profile(profile: str) -> str:
    """What a load with a SimBench profile is, one of USES; the longest known beginning counts."""
    known = [start for start in USE_OF_PROFILE if profile.startswith(start)]
    if not known:
        allowed = ", ".join(USE_OF_PROFILE)
        raise GridError(f"load profile {profile!r}: unknown, allowed are those of {allowed}")
    return USE_OF_PROFILE[max(known, key=len)]


def _fetch(code: str) -> "pandapowerNet":
    """The net of a code as the package builds it."""
    with quiet():
        try:
            import simbench
        except ImportError as error:
            raise GridError(
                f"simbench:{code} needs the package simbench, which is not installed; "
                "allowed after: pip install 'sejong-microgrid[simbench]'"
            ) from error
        if code not in simbench.collect_all_simbench_codes():
            raise GridError(
                f"simbench:{code}: found no grid of this code, allowed are those such as "
                "1-LV-urban6--2-sw (level LV, grid rural1..3, semiurb4..5, urban6, scenario 0..2)"
            )
        return simbench.get_simbench_net(code)


def _first_slot(labels: "Series[str]", name: str) -> int:
    """Start of the first quarter hour in seconds since 1970, UTC; proves every other label."""
    import pandas as pd

    walls = pd.to_datetime(labels, format=PROFILE_LABEL)
    first = walls.iloc[0].to_pydatetime().replace(tzinfo=ZoneInfo(PROFILE_ZONE))
    first_slot = int(first.timestamp())
    rows = pd.to_datetime(first_slot + SLOT_S * np.arange(len(walls)), unit="s", utc=True)
    expected = rows.tz_convert(PROFILE_ZONE).tz_localize(None)
    wrong = np.flatnonzero(walls.to_numpy() != expected.to_numpy())
    if len(wrong):
        row = int(wrong[0])
        raise GridError(
            f"{name}: row {row + 1} of the load profiles is labelled {labels.iloc[row]}, "
            f"allowed is {expected[row]:{PROFILE_LABEL}} ({PROFILE_ZONE})"
        )
    return first_slot


def _require_solar(net: "pandapowerNet", name: str) -> None:
    others = sorted({str(p) for p in net.sgen["profile"] if not str(p).startswith("PV")})
    if others:
        raise GridError(
            f"{name}: found plants with profiles {', '.join(others[:5])}, allowed are solar plants "
            "(the low-voltage grids, codes 1-LV-...)"
        )


def _measured(net: "pandapowerNet", kind: str, place: IntArray) -> MeasuredRows:
    """Rows of loads or solar plants with their profiles times their rated power."""
    table = net[kind][net[kind].in_service]
    profiles = net.profiles["load" if kind == "load" else "renewables"]
    suffix = "_pload" if kind == "load" else ""
    rated_kw = table["p_mw"].to_numpy(dtype=np.float64) * 1000
    names = tuple(str(profile) for profile in table["profile"])
    shape = profiles[[f"{profile}{suffix}" for profile in names]].to_numpy(dtype=np.float32)
    return MeasuredRows(
        id=tuple(str(one) for one in table["name"]),
        bus=place[table["bus"].to_numpy(dtype=np.int64)],
        profile=names,
        p_kw_rated=rated_kw,
        p_kw=shape * rated_kw.astype(np.float32),
    )


def _stores(table: "DataFrame", place: IntArray) -> Stores:
    return Stores(
        id=tuple(str(one) for one in table["name"]),
        bus=place[table["bus"].to_numpy(dtype=np.int64)],
        p_kw_max=table["sn_mva"].to_numpy(dtype=np.float64) * 1000,
        e_kwh_max=table["max_e_mwh"].to_numpy(dtype=np.float64) * 1000,
        # The column is named a percentage and holds a share.
        eta=table["efficiency_percent"].to_numpy(dtype=np.float64),
    )


def _connections(loads: MeasuredRows) -> Connections:
    uses = tuple(use_of_profile(profile) for profile in loads.profile)
    ones = np.ones(len(uses), dtype=np.int64)
    return Connections(
        bus=loads.bus,
        use=uses,
        homes=np.array([use == "apartment" for use in uses], dtype=np.int64),
        floor_m2=np.zeros(len(uses)),
        count=ones,
        p_kw=loads.p_kw_rated,
        building=("",) * len(uses),
    )


def _middle(geo: "Series[str]") -> tuple[float, float]:
    """Mean longitude and latitude of the buses."""
    points = np.array([json.loads(text)["coordinates"][:2] for text in geo], dtype=np.float64)
    return float(points[:, 0].mean()), float(points[:, 1].mean())
