"""A pandapower net as district tables: buses, lines, transformers, and areas found in the wires.

Closed bus-bus switches make their buses one. A line that is open at one end hangs there on a bus of
its own, an open metre of cable away from the bus it would meet, so that it keeps its charging
current and can be closed as a tie. A transformer that is switched off is left out. Vector groups
turn all angles below a transformer alike, so they are not carried. Where a net states no voltage
limits, the ten per cent of EN 50160 hold.
"""

import json
from dataclasses import dataclass, fields, replace
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from grid_models.areas import LOW_KV, FoundAreas, Graph, find_areas
from grid_models.district import (
    NO_AREA,
    BoolArray,
    Buses,
    Connections,
    FloatArray,
    GridError,
    IntArray,
    Lines,
    Network,
    Transformers,
)
from grid_models.topology import components

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

UNDERSTOOD = ("bus", "line", "trafo", "load", "sgen", "storage", "switch", "ext_grid")
NO_ELEMENTS = ("controller",)
"""Tables that know `in_service` as elements do, but carry no power."""
HIGH_KV = 60.0
V_BAND_PU = (0.9, 1.1)
M_PER_DEGREE = 111_320.0


@dataclass(frozen=True, eq=False)
class Translated:
    """A translated net: the network without connections, and where the net's buses are in it.

    `place` holds the position of each bus number of the net, -1 for buses out of service.
    """

    network: Network
    place: IntArray


@dataclass(frozen=True, eq=False)
class BusPlaces:
    """Which of the net's buses are one: `first` are the net's rows that stand for ours, (N,)."""

    first: IntArray
    place: IntArray


def network_of_net(net: "pandapowerNet", name: str, *, degrees: bool = False) -> Translated:
    """The tables of a pandapower net; `degrees` says that its coordinates are longitude, latitude.

    Raises GridError for elements that the tables cannot hold.
    """
    _require_understood(net, name)
    places = _places(net)
    lines, transformers = _lines(net, places), _transformers(net, places)
    slack = net.ext_grid[net.ext_grid.in_service].iloc[0]
    slack_bus = int(places.place[int(slack.bus)])
    vn_kv = _column(net.bus, "vn_kv")[places.first]
    found = find_areas(
        Graph(
            vn_kv=vn_kv,
            line_from=lines.from_bus[lines.closed],
            line_to=lines.to_bus[lines.closed],
            hv_bus=transformers.hv_bus,
            lv_bus=transformers.lv_bus,
            carrying=_carrying(net, places),
            slack_bus=slack_bus,
        )
    )
    network = Network(
        name=name,
        buses=_buses(net.bus.iloc[places.first], found, transformers, degrees=degrees),
        lines=lines,
        transformers=_with_areas(transformers, found),
        areas=found.areas,
        zones=("Z1",),
        connections=no_connections(),
        slack_bus=slack_bus,
        slack_v_pu=float(slack.vm_pu),
        f_hz=float(net.f_hz),
    )
    for line, bus in _half_open(net, lines, places):
        network = _hung(network, line, bus)
    return Translated(network, places.place)


def no_connections() -> Connections:
    """A table of connections without rows."""
    whole, number = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Connections(whole, (), whole, number, whole, number, ())


def _require_understood(net: "pandapowerNet", name: str) -> None:
    """Refuse elements that the tables have no place for, and ratings that they would lose."""
    for kind in _element_tables(net):
        if len(net[kind]) and kind not in UNDERSTOOD:
            allowed = ", ".join(UNDERSTOOD)
            raise GridError(f"net {name}: found {len(net[kind])} of {kind}, allowed: {allowed}")
    sources = int(net.ext_grid.in_service.sum())
    if sources != 1:
        raise GridError(f"net {name}: found {sources} external grids in service, allowed is 1")
    if len(net.line) and (_column(net.line, "g_us_per_km", 0.0) != 0).any():
        raise GridError(f"net {name}: lines have g_us_per_km, allowed is 0")
    if (_column(net.trafo, "tap_step_degree", 0.0) != 0).any():
        raise GridError(f"net {name}: transformers have tap_step_degree, allowed is 0")
    for number, df in zip(net.trafo.index, _column(net.trafo, "df", 1.0), strict=True):
        if df != 1:
            raise GridError(
                f"net {name}: transformer {number}: found df {df:g}, allowed is 1: "
                "one rating stands for its impedance and its limit"
            )


def _element_tables(net: "pandapowerNet") -> list[str]:
    """Names of all tables whose rows can be switched on, which every kind of element's can.

    Asked of the net, as new kinds come with new releases; costs, measurements and groups cannot.
    """
    return [
        name
        for name, table in net.items()
        if "in_service" in getattr(table, "columns", ())
        and name not in NO_ELEMENTS
        and not name.startswith(("_", "res_"))
    ]


def _column(table: "DataFrame", name: str, missing: float = float("nan")) -> FloatArray:
    """A column as numbers; `missing` where the net has none."""
    if name not in table.columns:
        return np.full(len(table), missing)
    column = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    values: FloatArray = np.where(np.isnan(column), missing, column)
    return values


def _names(table: "DataFrame", prefix: str) -> tuple[str, ...]:
    """The rows' own names where all have one of their own, else prefix and number."""
    names = [str(name) for name in table["name"]]
    if len(set(names)) == len(names) and not {"None", "nan", ""} & set(names):
        return tuple(names)
    return tuple(f"{prefix}-{number}" for number in table.index)


def _places(net: "pandapowerNet") -> BusPlaces:
    """Buses in service, those that closed bus-bus switches join made one."""
    numbers = net.bus.index.to_numpy(dtype=np.int64)
    row_of = np.full(int(numbers.max()) + 1, -1, dtype=np.int64)
    row_of[numbers] = np.arange(len(numbers))
    joined = net.switch[(net.switch.et == "b") & net.switch.closed]
    near = row_of[joined.bus.to_numpy(dtype=np.int64)]
    far = row_of[joined.element.to_numpy(dtype=np.int64)]
    label = components(len(numbers), near, far)
    alive = net.bus.in_service.to_numpy(dtype=bool)
    _, first, inverse = np.unique(label[alive], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    place = np.full(len(row_of), -1, dtype=np.int64)
    place[numbers[alive]] = rank[inverse]
    return BusPlaces(first=np.flatnonzero(alive)[first[order]], place=place)


def _switched_off(net: "pandapowerNet", kind: str, table: "DataFrame") -> BoolArray:
    """Which rows of a table are out of service or have an open switch, (rows,)."""
    opened = net.switch[(net.switch.et == kind) & ~net.switch.closed].element
    off: BoolArray = ~table.in_service.to_numpy(dtype=bool) | table.index.isin(opened)
    return off


def _half_open(net: "pandapowerNet", lines: Lines, places: BusPlaces) -> list[tuple[int, int]]:
    """Row of each line in service that is open at one end only, and the bus of that end."""
    names = dict(zip(_names(net.line, "line"), net.line.index, strict=True))
    opened = net.switch[(net.switch.et == "l") & ~net.switch.closed]
    found = []
    for row, name in enumerate(lines.id):
        number = names.get(name)
        if number is None or lines.closed[row] or not net.line.in_service[number]:
            continue
        ends = places.place[opened.bus[opened.element == number].to_numpy(dtype=np.int64)]
        if len(ends) == 1 and int(ends[0]) in (lines.from_bus[row], lines.to_bus[row]):
            found.append((row, int(ends[0])))
    return found


def _hung(network: Network, line: int, bus: int) -> Network:
    """The network with a line closed onto a bus of its own, an open metre away from `bus`."""
    buses, lines, new = network.buses, network.lines, len(network.buses.id)
    at_from = int(lines.from_bus[line]) == bus
    other = int(lines.to_bus[line] if at_from else lines.from_bus[line])
    like = {field.name: getattr(buses, field.name) for field in fields(Buses)}
    end = {name: column[bus] for name, column in like.items()}
    end |= {"id": f"{lines.id[line]} end", "area": buses.area[other]}
    metre = {field.name: getattr(lines, field.name)[line] for field in fields(Lines)}
    metre |= {"id": f"{lines.id[line]} switch", "length_km": 0.001}
    metre |= {"from_bus": new, "to_bus": bus, "closed": False}
    from_bus, to_bus, closed = lines.from_bus.copy(), lines.to_bus.copy(), lines.closed.copy()
    (from_bus if at_from else to_bus)[line], closed[line] = new, True
    moved = replace(lines, from_bus=from_bus, to_bus=to_bus, closed=closed)
    return replace(
        network,
        buses=Buses(**{name: _appended(column, end[name]) for name, column in like.items()}),
        lines=Lines(
            **{
                field.name: _appended(getattr(moved, field.name), metre[field.name])
                for field in fields(Lines)
            }
        ),
    )


def _appended(column: Any, cell: Any) -> Any:  # noqa: ANN401 - a column of any table
    """A column with one more cell, of the same kind and type."""
    if isinstance(column, tuple):
        return (*column, cell)
    return np.append(column, np.array([cell], dtype=column.dtype))


def _lines(net: "pandapowerNet", places: BusPlaces) -> Lines:
    table = net.line
    near = places.place[table.from_bus.to_numpy(dtype=np.int64)]
    far = places.place[table.to_bus.to_numpy(dtype=np.int64)]
    closed = ~_switched_off(net, "l", table)
    kept = (near >= 0) & (far >= 0) & (near != far)
    rows = table[kept]
    return Lines(
        id=tuple(compress(_names(table, "line"), kept)),
        from_bus=near[kept],
        to_bus=far[kept],
        length_km=_column(rows, "length_km"),
        r_ohm_per_km=_column(rows, "r_ohm_per_km"),
        x_ohm_per_km=_column(rows, "x_ohm_per_km"),
        c_nf_per_km=_column(rows, "c_nf_per_km"),
        i_a_max=_column(rows, "max_i_ka") * 1000 * _column(rows, "df", 1.0),
        parallel=_column(rows, "parallel", 1.0).astype(np.int64),
        closed=closed[kept],
    )


def _transformers(net: "pandapowerNet", places: BusPlaces) -> Transformers:
    """Transformers in service; several in parallel are one with the sum of their ratings.

    A tap on the low side is carried by the rated low voltage, as the tables know none there.
    """
    table = net.trafo
    high = places.place[table.hv_bus.to_numpy(dtype=np.int64)]
    low = places.place[table.lv_bus.to_numpy(dtype=np.int64)]
    kept = ~_switched_off(net, "t", table) & (high >= 0) & (low >= 0)
    rows = table[kept]
    parallel = _column(rows, "parallel", 1.0)
    neutral = _column(rows, "tap_neutral", 0.0)
    steps = _column(rows, "tap_pos", 0.0) - neutral
    step_frac = _column(rows, "tap_step_percent", 0.0) / 100
    at_high = np.array([side != "lv" for side in rows.tap_side], dtype=np.bool_)
    return Transformers(
        id=tuple(compress(_names(table, "transformer"), kept)),
        hv_bus=high[kept],
        lv_bus=low[kept],
        s_kva=_column(rows, "sn_mva") * 1000 * parallel,
        vn_hv_kv=_column(rows, "vn_hv_kv"),
        vn_lv_kv=_column(rows, "vn_lv_kv") * np.where(at_high, 1.0, 1 + steps * step_frac),
        vk_frac=_column(rows, "vk_percent") / 100,
        vkr_frac=_column(rows, "vkr_percent") / 100,
        pfe_kw=_column(rows, "pfe_kw") * parallel,
        i0_frac=_column(rows, "i0_percent") / 100,
        tap_pos=np.where(at_high, steps, 0.0).astype(np.int64),
        tap_min=np.where(at_high, _column(rows, "tap_min", 0.0) - neutral, 0.0).astype(np.int64),
        tap_max=np.where(at_high, _column(rows, "tap_max", 0.0) - neutral, 0.0).astype(np.int64),
        tap_step_frac=np.where(at_high, step_frac, 0.0),
        area=np.full(int(kept.sum()), NO_AREA, dtype=np.int64),
    )


def _with_areas(table: Transformers, found: FoundAreas) -> Transformers:
    """The transformers with the areas that they feed alone."""
    area = table.area.copy()
    fed = np.flatnonzero(found.areas.transformer >= 0)
    area[found.areas.transformer[fed]] = fed
    return replace(table, area=area)


def _carrying(net: "pandapowerNet", places: BusPlaces) -> BoolArray:
    """Which buses have loads, generators or stores, (N,)."""
    carrying = np.zeros(len(places.first), dtype=np.bool_)
    for kind in ("load", "sgen", "storage"):
        used = places.place[net[kind].bus.to_numpy(dtype=np.int64)]
        carrying[used[used >= 0]] = True
    return carrying


def _buses(
    rows: "DataFrame", found: FoundAreas, transformers: Transformers, *, degrees: bool
) -> Buses:
    vn_kv = _column(rows, "vn_kv")
    busbar = np.zeros(len(rows), dtype=np.bool_)
    busbar[transformers.lv_bus] = True
    x_m, y_m = _positions(rows, degrees=degrees)
    kinds = [_kind(float(vn_kv[row]), busbar=bool(busbar[row])) for row in range(len(rows))]
    return Buses(
        id=_names(rows, "bus"),
        vn_kv=vn_kv,
        x_m=x_m,
        y_m=y_m,
        area=found.area_of_bus,
        kind=tuple(kinds),
        v_min_pu=_column(rows, "min_vm_pu", V_BAND_PU[0]),
        v_max_pu=_column(rows, "max_vm_pu", V_BAND_PU[1]),
    )


def _kind(vn_kv: float, *, busbar: bool) -> str:
    if vn_kv >= LOW_KV:
        return "hv" if vn_kv >= HIGH_KV else "mv"
    return "lv_busbar" if busbar else "lv"


def _positions(rows: "DataFrame", *, degrees: bool) -> tuple[FloatArray, FloatArray]:
    """Metres east and north of the south-western corner; nought where a bus is drawn nowhere."""
    texts = rows["geo"] if "geo" in rows.columns else [None] * len(rows)
    place = np.array([_point(text) for text in texts], dtype=np.float64)
    if np.isnan(place).any():
        return np.zeros(len(rows)), np.zeros(len(rows))
    north = np.deg2rad(place[:, 1].mean())
    scale = M_PER_DEGREE * np.array([np.cos(north), 1.0]) if degrees else np.ones(2)
    metres = (place - place.min(axis=0)) * scale
    return metres[:, 0], metres[:, 1]


def _point(text: object) -> tuple[float, float]:
    """The coordinates of a GeoJSON point; NaN for anything else."""
    if not isinstance(text, str) or '"Point"' not in text:
        return float("nan"), float("nan")
    x, y = json.loads(text)["coordinates"][:2]
    return float(x), float(y)
