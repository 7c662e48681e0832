"""Every measured quarter hour through the wires at once, a day in a batch of AC power flows."""

from dataclasses import dataclass, field

import numpy as np

from energy.district import District
from energy.forecast.inputs import FloatArray
from energy.plant import Telemetry
from energy.steps.injections import seen_injections
from grid_models.batch import BatchFlow, BatchResult
from grid_models.limits import TOLERANCE


@dataclass
class WiresSums:
    """How the wires fared: slots, those with a broken limit or without a flow, those without, the
    extremes.

    `line_over`, `transformer_over`, `voltage_over` count the slots in which any element of the
    kind broke its limit; the worst elements stand by name.
    """

    slots: int = 0
    broken: int = 0
    failed: int = 0
    line_over: int = 0
    transformer_over: int = 0
    voltage_over: int = 0
    loading_frac_worst: float = 0.0
    worst_element: str = ""
    v_min_pu: float = 9.0
    v_max_pu: float = 0.0


@dataclass(eq=False)
class WiresCheck:
    """Gathers a day's injections and runs them together; inverters keep their power factor."""

    district: District
    sums: WiresSums = field(default_factory=WiresSums)

    def __post_init__(self) -> None:
        self._flow = BatchFlow(self.district.network)
        self._p_kw: list[FloatArray] = []
        self._q_kvar: list[FloatArray] = []

    def add(self, seen: Telemetry) -> None:
        """Take up a measured slot."""
        drawn = seen_injections(self.district, seen)
        self._p_kw.append(drawn.p_kw)
        self._q_kvar.append(drawn.q_kvar)

    def run(self) -> None:
        """Run all that was gathered and add it to the sums."""
        if not self._p_kw:
            return
        found = self._flow.run(np.array(self._p_kw), np.array(self._q_kvar))
        self._p_kw, self._q_kvar = [], []
        self._count(found)

    def _count(self, found: BatchResult) -> None:
        network, sums, good = self.district.network, self.sums, found.converged
        line = found.line_loading_frac[good]
        transformer = found.transformer_loading_frac[good]
        v_pu = found.v_pu[good]
        over_line = (line > 1 + TOLERANCE).any(axis=1)
        over_transformer = (transformer > 1 + TOLERANCE).any(axis=1)
        low = v_pu < network.buses.v_min_pu - TOLERANCE
        outside = (low | (v_pu > network.buses.v_max_pu + TOLERANCE)).any(axis=1)
        sums.slots += len(good)
        sums.failed += int((~good).sum())
        sums.line_over += int(over_line.sum())
        sums.transformer_over += int(over_transformer.sum())
        sums.voltage_over += int(outside.sum())
        # Where no flow is found nobody can say that the wires bear it.
        sums.broken += int((over_line | over_transformer | outside).sum()) + int((~good).sum())
        if not good.any():
            return
        both = np.concatenate([line, transformer], axis=1)
        worst = int(both.max(axis=0).argmax()) if both.size else 0
        if both.size and both[:, worst].max() > sums.loading_frac_worst:
            sums.loading_frac_worst = float(both[:, worst].max())
            sums.worst_element = (*network.lines.id, *network.transformers.id)[worst]
        sums.v_min_pu = min(sums.v_min_pu, float(v_pu.min()))
        sums.v_max_pu = max(sums.v_max_pu, float(v_pu.max()))
