"""Where power enters and leaves the wires, and what they lose: one AC power flow a slot."""

import copy
from dataclasses import dataclass

import numpy as np

from energy.district import District
from energy.plant.draws import FloatArray
from energy.plant.interface import PlantError
from grid_models import GridError, PowerFlow

Q_PER_P_LOAD = float(np.tan(np.arccos(0.95)))
"""Buildings' reactive power per active power; inverters, chargers and plants keep cos phi 1."""
LOSS_ESTIMATE_FRAC = 0.03
"""Loss per power moved where the flow has no solution: what Korean networks lose (D)."""


@dataclass(frozen=True, eq=False)
class Injected:
    """What enters or leaves in a slot, net draw in kW: meters' loads and solar (M,), the rest.

    spc_solar_kw (A,) is fed in; batteries (B,) and chargers (G,) draw, units (F,) feed in.
    """

    load_kw: FloatArray
    own_solar_kw: FloatArray
    spc_solar_kw: FloatArray
    batteries_kw: FloatArray
    chargers_kw: FloatArray
    units_kw: FloatArray
    heat_pump_kw: float

    @property
    def total_kw(self) -> float:
        """What the district draws but for the losses."""
        drawn = self.load_kw.sum() + self.batteries_kw.sum() + self.chargers_kw.sum()
        fed_in = self.own_solar_kw.sum() + self.spc_solar_kw.sum() + self.units_kw.sum()
        return float(drawn + self.heat_pump_kw - fed_in)


@dataclass(frozen=True, eq=False)
class AtBuses:
    """What each bus draws, (N,) kW and kvar, as the power flow takes it."""

    p_kw: FloatArray
    q_kvar: FloatArray


@dataclass(frozen=True)
class Exchange:
    """The utility's side of a slot: its net delivery and the wires' loss, kW."""

    p_net_kw: float
    loss_kw: float
    converged: bool


class Wires:
    """The district's network with the place of everything that hangs on it."""

    def __init__(self, district: District) -> None:
        self._district = district
        self._buses = len(district.network.buses.id)
        try:
            self._flow = PowerFlow(district.network)
        except GridError as error:
            raise PlantError(str(error)) from error
        share = district.shares["load"]
        lonely = np.setdiff1d(np.arange(district.areas), share.area)
        # The operator's solar stands where the consumers stand, at the busbar if there are none.
        self._spc_bus = np.concatenate([share.bus, district.network.areas.bus[lonely]])
        self._spc_area = np.concatenate([share.area, lonely])
        self._spc_share = np.concatenate([share.share, np.ones(len(lonely))])

    def exchange(self, injected: Injected) -> Exchange:
        """What the utility delivers, from the power flow; bit for bit the same for the same."""
        drawn = self.at_buses(injected)
        # A power flow starts from its last solution; a copy of the unused one forgets it.
        flow = copy.copy(self._flow).run(drawn.p_kw, drawn.q_kvar)
        estimate_kw = LOSS_ESTIMATE_FRAC * float(np.abs(drawn.p_kw).sum())
        loss_kw = max(flow.p_loss_kw, 0.0) if flow.converged else estimate_kw
        return Exchange(injected.total_kw + loss_kw, loss_kw, flow.converged)

    def at_buses(self, injected: Injected) -> AtBuses:
        """The slot's powers at their buses."""
        district, meters = self._district, self._district.meters
        load_kw = np.bincount(meters.bus, injected.load_kw, self._buses).astype(np.float64)
        p_kw: FloatArray = load_kw - np.bincount(meters.bus, injected.own_solar_kw, self._buses)
        spc_kw = self._spc_share * injected.spc_solar_kw[self._spc_area]
        p_kw -= np.bincount(self._spc_bus, spc_kw, self._buses)
        np.add.at(p_kw, district.batteries.bus, injected.batteries_kw)
        np.add.at(p_kw, district.chargers.bus, injected.chargers_kw)
        for unit, power_kw in zip(district.units, injected.units_kw, strict=True):
            p_kw[unit.bus] -= power_kw
        if district.heat is not None:
            p_kw[district.heat.heat_pump_bus] += injected.heat_pump_kw
        return AtBuses(p_kw, Q_PER_P_LOAD * load_kw)
