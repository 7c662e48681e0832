"""Networks that pandapower knows: its own examples by name, and nets saved as JSON or Excel.

Loads, generators and stores count as they stand in the net (p_mw, q_mvar times scaling); a store is
a load, which gives where its power is negative.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grid_models.district import Connections, FloatArray, GridError, IntArray, Network
from grid_models.from_pandapower import Translated, network_of_net
from grid_models.network import quiet

if TYPE_CHECKING:
    from pandapower import pandapowerNet

HOME_KW_MAX = 10.0  # (D) a low-voltage load up to here is taken as one home
PUBLIC_USE, HOME_USE = "public", "detached"


@dataclass(frozen=True, eq=False)
class StaticGrid:
    """A network with its loads and generators in one static situation, kW and kvar by row.

    Loads are what is drawn, generators what is fed in.
    """

    network: Network
    load_bus: IntArray
    load_kw: FloatArray
    load_kvar: FloatArray
    generator_bus: IntArray
    generator_kw: FloatArray
    generator_kvar: FloatArray

    def drawn(self) -> tuple[FloatArray, FloatArray]:
        """What every bus draws in this situation, (N,) kW and kvar; generators are subtracted."""
        buses = len(self.network.buses.id)
        p_kw = np.bincount(self.load_bus, self.load_kw, buses)
        p_kw = p_kw - np.bincount(self.generator_bus, self.generator_kw, buses)
        q_kvar = np.bincount(self.load_bus, self.load_kvar, buses)
        q_kvar = q_kvar - np.bincount(self.generator_bus, self.generator_kvar, buses)
        return p_kw.astype(np.float64), q_kvar.astype(np.float64)


def read_pandapower(source: str) -> StaticGrid:
    """The grid of `create_cigre_network_lv` or the like, or of a .json or .xlsx file.

    Raises GridError for names that pandapower does not know and nets that the tables cannot hold.
    """
    net = _load_file(Path(source)) if Path(source).suffix else _create(source)
    name = f"pandapower:{source}"
    translated = network_of_net(net, name)
    loads = _joined(_powers(net, "load", translated), _powers(net, "storage", translated))
    generators = _powers(net, "sgen", translated)
    network = replace(translated.network, connections=_connections(translated.network, loads))
    return StaticGrid(
        network=network,
        load_bus=loads.bus,
        load_kw=loads.p_kw,
        load_kvar=loads.q_kvar,
        generator_bus=generators.bus,
        generator_kw=generators.p_kw,
        generator_kvar=generators.q_kvar,
    )


@dataclass(frozen=True, eq=False)
class _Powers:
    """Rows in service of loads, stores or generators."""

    bus: IntArray
    p_kw: FloatArray
    q_kvar: FloatArray


def _create(name: str) -> "pandapowerNet":
    with quiet():
        import pandapower.networks as networks

        known = [one for one in dir(networks) if callable(getattr(networks, one))]
        if name.startswith("_") or name not in known:
            examples = ", ".join(one for one in known if "cigre" in one or "kerber" in one.lower())
            raise GridError(f"pandapower:{name}: found no such network, allowed: {examples}, ...")
        try:
            return getattr(networks, name)()
        except TypeError as error:
            raise GridError(
                f"pandapower:{name}: needs arguments, allowed are networks without"
            ) from error


def _load_file(path: Path) -> "pandapowerNet":
    readers = {".json": "from_json", ".xlsx": "from_excel"}
    if path.suffix not in readers:
        raise GridError(f"{path}: found a {path.suffix} file, allowed: {', '.join(readers)}")
    if not path.is_file():
        raise GridError(f"{path}: found no such file")
    with quiet():
        import pandapower as pp

        try:
            net = getattr(pp, readers[path.suffix])(str(path))
        except (ValueError, KeyError, OSError, TypeError, UserWarning) as error:
            # pandapower raises a UserWarning for what is no JSON
            raise GridError(f"{path}: no pandapower net, {str(error).splitlines()[0]}") from error
    if not isinstance(net, pp.pandapowerNet):
        raise GridError(f"{path}: found {type(net).__name__}, allowed: a pandapower net")
    return net


def _powers(net: "pandapowerNet", kind: str, translated: Translated) -> _Powers:
    table = net[kind][net[kind].in_service]
    scaling = table["scaling"].to_numpy(dtype=np.float64)
    bus = translated.place[table["bus"].to_numpy(dtype=np.int64)]
    kept = bus >= 0
    return _Powers(
        bus=bus[kept],
        p_kw=(table["p_mw"].to_numpy(dtype=np.float64) * scaling * 1000)[kept],
        q_kvar=(table["q_mvar"].to_numpy(dtype=np.float64) * scaling * 1000)[kept],
    )


def _joined(first: _Powers, second: _Powers) -> _Powers:
    """The rows of both, in this order."""
    return _Powers(
        bus=np.concatenate([first.bus, second.bus]),
        p_kw=np.concatenate([first.p_kw, second.p_kw]),
        q_kvar=np.concatenate([first.q_kvar, second.q_kvar]),
    )


def _connections(network: Network, loads: _Powers) -> Connections:
    """One connection per load: small ones at low voltage are homes, the rest public buildings."""
    low = network.buses.vn_kv[loads.bus] < 1.0
    home = low & (loads.p_kw <= HOME_KW_MAX)
    rows = len(loads.bus)
    return Connections(
        bus=loads.bus,
        use=tuple(HOME_USE if one else PUBLIC_USE for one in home),
        homes=home.astype(np.int64),
        floor_m2=np.zeros(rows),
        count=np.ones(rows, dtype=np.int64),
        p_kw=np.maximum(loads.p_kw, 0.0),
        building=("",) * rows,
    )
