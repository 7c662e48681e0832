"""Many power flows of one network at once, by power-grid-model: years, outages, random cases.

The network is translated once. Every scenario is proved like a single flow: what leaves each bus,
summed in volts and amperes, must meet what was put in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from grid_models.balance import Balance
from grid_models.branches import BASE_MVA, ComplexArray, build_branches
from grid_models.district import BoolArray, FloatArray, GridError, IntArray, Network
from grid_models.findings import require_calculable
from grid_models.limits import TOLERANCE
from grid_models.power_flow import MISMATCH_KW_MAX
from grid_models.topology import supplied_buses

if TYPE_CHECKING:
    from power_grid_model import PowerGridModel

CURRENT_TOLERANCE_PU = 1e-10
ITERATIONS_MAX = 50
# Short-circuit power of the source in VA: so stiff that the slack bus keeps its voltage.
STIFF_VA = 1e25
OUTPUT: Any = {
    "node": ["u_pu", "u_angle"],
    "line": ["loading"],
    "transformer": ["i_from", "i_to"],
}
Structured = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class BatchResult:
    """Flows of S scenarios; the numbers of a scenario are NaN unless `converged` (S,).

    v_pu (S, N); line_loading_frac (S, L) and transformer_loading_frac (S, K) are current over
    rated current; p_slack_kw and p_loss_kw (S,).
    """

    converged: BoolArray
    v_pu: FloatArray
    line_loading_frac: FloatArray
    transformer_loading_frac: FloatArray
    p_slack_kw: FloatArray
    p_loss_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Envelope:
    """The extremes of every element over many scenarios, and in how many it broke its limit.

    `*_worst` is the number of the scenario of the extreme, counted over all chunks; `failed` the
    scenarios without a flow.
    """

    scenarios: int
    failed: IntArray
    line_loading_frac: FloatArray
    line_worst: IntArray
    line_over: IntArray
    transformer_loading_frac: FloatArray
    transformer_worst: IntArray
    transformer_over: IntArray
    v_min_pu: FloatArray
    v_min_worst: IntArray
    v_max_pu: FloatArray
    v_max_worst: IntArray
    v_outside: IntArray
    p_loss_kw_mean: float


class BatchFlow:
    """Power flows of one network, many at a time on all cores."""

    def __init__(self, network: Network) -> None:
        require_calculable(network)
        dark = np.flatnonzero(~supplied_buses(network))
        if len(dark):
            first = network.buses.id[dark[0]]
            raise GridError(f"batch: {len(dark)} buses without supply, the first is {first}")
        self.network = network
        self._balance = Balance(network)
        branches = build_branches(network)
        transformers = slice(branches.lines, None)
        self._a_per_pu = BASE_MVA * 1000 / (np.sqrt(3) * network.buses.vn_kv)
        self._rated_high_a = self._amperes(branches.rating_from, branches.from_bus)[transformers]
        self._rated_low_a = self._amperes(branches.rating_to, branches.to_bus)[transformers]
        self._model = _build_model(network)

    def _amperes(self, rating_pu: FloatArray, bus: IntArray) -> FloatArray:
        rated: FloatArray = rating_pu * self._a_per_pu[bus]
        return rated

    def run(self, p_kw: FloatArray, q_kvar: FloatArray) -> BatchResult:
        """The flows for what each bus draws in each scenario, (S, N) kW and kvar.

        Scenarios with NaN, without convergence or with an open balance are not `converged`.
        """
        shape = (len(p_kw), len(self.network.buses.id))
        if p_kw.shape != shape or q_kvar.shape != shape:
            raise GridError(
                f"batch: injections have shapes {p_kw.shape} and {q_kvar.shape}, allowed is {shape}"
            )
        usable = np.atleast_1d((np.isfinite(p_kw) & np.isfinite(q_kvar)).all(axis=1))
        kept = usable[:, np.newaxis]
        given = np.where(kept, p_kw, 0.0) + 1j * np.where(kept, q_kvar, 0.0)
        found, usable = self._solve(given, usable)
        v: ComplexArray = found["node"]["u_pu"] * np.exp(1j * found["node"]["u_angle"])
        leaving_kva = np.array([self._balance.leaving_kva(row) for row in v])
        open_kva = leaving_kva + given
        slack_kva = open_kva[:, self.network.slack_bus].copy()
        open_kva[:, self.network.slack_bus] = 0.0
        gap_kw = np.maximum(np.abs(open_kva.real), np.abs(open_kva.imag)).max(axis=1)
        good = usable & (gap_kw <= MISMATCH_KW_MAX)
        high, low = found["transformer"]["i_from"], found["transformer"]["i_to"]
        transformer_frac = np.maximum(high / self._rated_high_a, low / self._rated_low_a)
        return BatchResult(
            converged=good,
            v_pu=_blank(np.abs(v), good),
            line_loading_frac=_blank(found["line"]["loading"], good),
            transformer_loading_frac=_blank(transformer_frac, good),
            p_slack_kw=_blank(slack_kva.real, good),
            p_loss_kw=_blank(leaving_kva.real.sum(axis=1), good),
        )

    def envelope(self, chunks: Iterable[tuple[FloatArray, FloatArray]]) -> Envelope:
        """The extremes over many scenarios, given in chunks of (S, N) kW and kvar.

        Chunks of about a hundred keep the memory small whatever the number of scenarios.
        """
        gathered = _Gathered(self.network)
        for p_kw, q_kvar in chunks:
            gathered.add(self.run(p_kw, q_kvar))
        return gathered.envelope()

    def _solve(
        self, given_kva: ComplexArray, usable: BoolArray
    ) -> tuple[Mapping[Any, Any], BoolArray]:
        """The engine's structured arrays (S, elements), and which scenarios it solved."""
        from power_grid_model import initialize_array

        scenarios, buses = given_kva.shape
        update = initialize_array("update", "sym_load", (scenarios, buses))
        update["id"] = _first_load(self.network) + np.arange(buses)
        update["p_specified"] = given_kva.real * 1000
        update["q_specified"] = given_kva.imag * 1000
        found = self._model.calculate_power_flow(
            update_data={"sym_load": update},
            calculation_method="iterative_current",
            error_tolerance=CURRENT_TOLERANCE_PU,
            max_iterations=ITERATIONS_MAX,
            threading=0,
            output_component_types=OUTPUT,
            continue_on_batch_error=True,
        )
        solved = usable.copy()
        if self._model.batch_error is not None:
            solved[self._model.batch_error.failed_scenarios] = False
        return found, solved


def _blank(values: FloatArray, good: BoolArray) -> FloatArray:
    """The rows of good scenarios; NaN in the others."""
    mask = good if values.ndim == 1 else good[:, None]
    kept: FloatArray = np.where(mask, values, np.nan)
    return kept


class _Extreme:
    """Highest value of each element so far, where it was, and how often it passed its limit."""

    def __init__(self, limit: FloatArray) -> None:
        self.limit = limit
        self.highest = np.full(len(limit), -np.inf)
        self.worst = np.full(len(limit), -1, dtype=np.int64)
        self.over = np.zeros(len(limit), dtype=np.int64)

    def add(self, values: FloatArray, number: IntArray) -> None:
        """Take in rows of good scenarios with their numbers."""
        if not len(values) or not len(self.limit):
            return
        row = values.argmax(axis=0)
        found = values[row, np.arange(len(self.limit))]
        higher = found > self.highest
        self.highest = np.where(higher, found, self.highest)
        self.worst = np.where(higher, number[row], self.worst)
        self.over += (values > self.limit + TOLERANCE).sum(axis=0)


class _Gathered:
    """Extremes of all elements while chunks come in."""

    def __init__(self, network: Network) -> None:
        buses = network.buses
        self.line = _Extreme(np.ones(len(network.lines.id)))
        self.transformer = _Extreme(np.ones(len(network.transformers.id)))
        self.high = _Extreme(buses.v_max_pu)
        self.low = _Extreme(-buses.v_min_pu)
        self.scenarios, self.loss_kw = 0, 0.0
        self.failed: list[int] = []

    def add(self, result: BatchResult) -> None:
        """Take in one chunk."""
        good = result.converged
        number = self.scenarios + np.arange(len(good))
        self.failed += number[~good].tolist()
        self.scenarios += len(good)
        self.loss_kw += float(result.p_loss_kw[good].sum())
        self.line.add(result.line_loading_frac[good], number[good])
        self.transformer.add(result.transformer_loading_frac[good], number[good])
        self.high.add(result.v_pu[good], number[good])
        self.low.add(-result.v_pu[good], number[good])

    def envelope(self) -> Envelope:
        """What was gathered."""
        solved = self.scenarios - len(self.failed)
        return Envelope(
            scenarios=self.scenarios,
            failed=np.array(self.failed, dtype=np.int64),
            line_loading_frac=self.line.highest,
            line_worst=self.line.worst,
            line_over=self.line.over,
            transformer_loading_frac=self.transformer.highest,
            transformer_worst=self.transformer.worst,
            transformer_over=self.transformer.over,
            v_min_pu=-self.low.highest,
            v_min_worst=self.low.worst,
            v_max_pu=self.high.highest,
            v_max_worst=self.high.worst,
            v_outside=self.low.over + self.high.over,
            p_loss_kw_mean=self.loss_kw / solved if solved else float("nan"),
        )


def _first_load(network: Network) -> int:
    """The engine's number of the load at our first bus; all components are numbered in a row."""
    return len(network.buses.id) + len(network.lines.id) + len(network.transformers.id)


def _build_model(network: Network) -> "PowerGridModel":
    """The network in the engine, checked by the engine's own rules."""
    from power_grid_model import PowerGridModel, initialize_array
    from power_grid_model.validation import assert_valid_input_data

    buses, first_load = len(network.buses.id), _first_load(network)
    node = initialize_array("input", "node", buses)
    node["id"] = np.arange(buses)
    node["u_rated"] = network.buses.vn_kv * 1000
    load = initialize_array("input", "sym_load", buses)
    load["id"], load["node"] = first_load + np.arange(buses), np.arange(buses)
    load["status"], load["type"] = 1, 0
    load["p_specified"] = load["q_specified"] = 0.0
    source = initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"] = first_load + buses, network.slack_bus, 1
    source["u_ref"], source["sk"] = network.slack_v_pu, STIFF_VA
    tables = {
        "node": node,
        "line": _lines(network),
        "transformer": _transformers(network),
        "sym_load": load,
        "source": source,
    }
    assert_valid_input_data(tables)
    return PowerGridModel(tables, system_frequency=network.f_hz)


def _lines(network: Network) -> Structured:
    from power_grid_model import initialize_array

    lines = network.lines
    rows = initialize_array("input", "line", len(lines.id))
    rows["id"] = len(network.buses.id) + np.arange(len(lines.id))
    rows["from_node"], rows["to_node"] = lines.from_bus, lines.to_bus
    rows["from_status"] = rows["to_status"] = lines.closed
    rows["r1"] = lines.r_ohm_per_km * lines.length_km / lines.parallel
    rows["x1"] = lines.x_ohm_per_km * lines.length_km / lines.parallel
    rows["c1"] = lines.c_nf_per_km * 1e-9 * lines.length_km * lines.parallel
    rows["tan1"] = 0.0
    rows["i_n"] = lines.i_a_max * lines.parallel
    return rows


def _transformers(network: Network) -> Structured:
    from power_grid_model import BranchSide, WindingType, initialize_array

    table = network.transformers
    rows = initialize_array("input", "transformer", len(table.id))
    rows["id"] = _first_load(network) - len(table.id) + np.arange(len(table.id))
    rows["from_node"], rows["to_node"] = table.hv_bus, table.lv_bus
    rows["from_status"] = rows["to_status"] = 1
    rows["u1"], rows["u2"] = table.vn_hv_kv * 1000, table.vn_lv_kv * 1000
    rows["sn"], rows["uk"] = table.s_kva * 1000, table.vk_frac
    rows["pk"] = table.vkr_frac * table.s_kva * 1000
    rows["i0"], rows["p0"] = table.i0_frac, table.pfe_kw * 1000
    # One vector group for all: it turns angles, not sizes.
    rows["winding_from"] = rows["winding_to"] = WindingType.wye_n
    rows["clock"] = 0
    rows["tap_side"] = BranchSide.from_side
    rows["tap_pos"], rows["tap_nom"] = table.tap_pos, 0
    rows["tap_min"], rows["tap_max"] = table.tap_min, table.tap_max
    rows["tap_size"] = table.tap_step_frac * table.vn_hv_kv * 1000
    return rows
