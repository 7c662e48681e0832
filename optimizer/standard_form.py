"""The program as arrays: a matrix, its bounds and costs, and which named block stands where.

The Pyomo model is compiled once for a structure; afterwards `optimizer.refresh` writes the numbers
of the next problem into the same places.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from optimizer.algebra import LinearStandardFormCompiler, pyo
from optimizer.constraints import shed_weight
from optimizer.curves import ramp_binds, unit_curve
from optimizer.model import build_model
from optimizer.problem import BoolArray, FloatArray, IntArray, PlanProblem, UnitGroup


@dataclass(frozen=True, eq=False)
class Numbers:
    """All that may change while the matrix stays; cost (N,), bounds (N,), row bounds (M,).

    `loose` are the few entries of the matrix that change too, at `Layout.loose_rows` and
    `loose_columns`: the connection's limits as factors, the heat pump's yield.
    """

    cost: FloatArray
    cost_offset: float
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    loose: FloatArray


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of each named block: columns of a variable, rows of a law, shaped as its sets."""

    columns: dict[str, IntArray]
    rows: dict[str, IntArray]
    whole: BoolArray
    loose_rows: IntArray
    loose_columns: IntArray


@dataclass(frozen=True, eq=False)
class StandardForm:
    """A compiled program: minimise cost x, row_lower <= matrix x <= row_upper, lower <= x <= upper.

    `elastic` programs let promises fall short; `fingerprint` names the structure.
    """

    fingerprint: str
    elastic: bool
    matrix: csc_array
    numbers: Numbers
    layout: Layout


def compile_form(problem: PlanProblem, *, elastic: bool = False) -> StandardForm:
    """The program of a problem, built afresh from the model."""
    model = build_model(problem, elastic=elastic)
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    right = np.asarray(form.rhs, dtype=np.float64)
    sense = np.array([row.bound_type for row in form.rows], dtype=np.int64)
    matrix = csc_array(form.A)
    layout = _layout(model, form)
    loose = matrix[layout.loose_rows, layout.loose_columns]
    return StandardForm(
        fingerprint=structure_of(problem, elastic=elastic),
        elastic=elastic,
        matrix=matrix,
        numbers=Numbers(
            cost=np.asarray(form.c.todense(), dtype=np.float64).ravel(),
            cost_offset=float(form.c_offset[0]),
            lower=_bounds([column.lb for column in form.columns], -np.inf),
            upper=_bounds([column.ub for column in form.columns], np.inf),
            row_lower=np.where(sense == 1, -np.inf, right),
            row_upper=np.where(sense == -1, np.inf, right),
            loose=np.asarray(loose, dtype=np.float64),
        ),
        layout=layout,
    )


def structure_of(problem: PlanProblem, *, elastic: bool = False) -> str:
    """Digest of everything that stands in the matrix, and of the sizes."""
    parts = (
        elastic,
        (problem.slots, problem.areas, len(problem.fleets.id), problem.fleets.eta),
        problem.batteries.eta_charge.tolist(),
        problem.batteries.eta_discharge.tolist(),
        [_unit_structure(unit) for unit in problem.units],
        problem.heat and problem.heat.loss_frac_per_slot,
        [_cut_structure(problem, row) for row in range(len(problem.cuts))],
        problem.near is not None,
        (len(problem.ranks), len(problem.dr_events)),
        problem.reserve and problem.reserve.sustain_h,
        problem.one_way and _way_structure(problem),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _way_structure(problem: PlanProblem) -> tuple[Any, ...]:
    """Powers of stores, which stand in the matrix where their direction is a whole number."""
    tables = (problem.batteries, problem.fleets)
    return tuple((t.p_charge_kw_max.tolist(), t.p_discharge_kw_max.tolist()) for t in tables)


def _unit_structure(unit: UnitGroup) -> tuple[Any, ...]:
    curve = unit_curve(unit)
    return (
        unit.p_kw_min,
        curve.fuel_kw_least,
        curve.heat_kw_least,
        curve.width_kw.tolist(),
        curve.fuel_slope.tolist(),
        curve.heat_slope.tolist(),
        (unit.min_up_slots, unit.min_down_slots),
        (unit.ramp_kw_per_slot, unit.p_kw_max) if ramp_binds(unit) else None,
        bool(np.isfinite(unit.fuel_kwh_start)),
    )


def _cut_structure(problem: PlanProblem, row: int) -> tuple[Any, ...]:
    cut, heat = problem.cuts[row], problem.heat
    stands = (
        problem.batteries.area.tolist(),
        problem.fleets.area.tolist(),
        [unit.area for unit in problem.units],
        heat.heat_pump_area if heat else None,
    )
    return (cut.slot_index, cut.coefficient.tolist(), shed_weight(problem, row).tolist(), stands)


def _bounds(found: list[float | None], open_end: float) -> FloatArray:
    return np.array([open_end if bound is None else bound for bound in found], dtype=np.float64)


def _layout(model: pyo.ConcreteModel, form: Any) -> Layout:  # noqa: ANN401 - Pyomo has no types
    slots = len(model.T)
    place = {id(column): row for row, column in enumerate(form.columns)}
    columns = {
        block.local_name: _shaped(
            {index: place.get(id(block[index]), -1) for index in block}, slots
        )
        for block in model.component_objects(pyo.Var)
    }
    found: dict[str, dict[Any, int]] = {}
    for row, entry in enumerate(form.rows):
        law = entry.constraint
        found.setdefault(law.parent_component().local_name, {})[law.index()] = row
    rows = {name: _shaped(places, slots) for name, places in found.items()}
    whole = np.array([column.is_integer() for column in form.columns], dtype=np.bool_)
    places = [
        (rows[law], columns[variable])
        for law, variable in (
            ("import_while_importing", "importing"),
            ("export_while_not", "importing"),
            ("heat_balance", "heat_pump"),
        )
        if law in rows
    ]
    loose_rows, loose_columns = (np.concatenate(each) for each in zip(*places, strict=True))
    return Layout(columns, rows, whole, loose_rows, loose_columns)


def _shaped(places: dict[Any, int], slots: int) -> IntArray:
    """Positions by index, (slots, ...); what an index set leaves out is -1."""
    if not places:
        return np.full((slots, 0), -1, dtype=np.int64)
    keys = np.array([index if isinstance(index, tuple) else (index,) for index in places])
    if keys[0, 0] is None:
        return np.array(list(places.values()), dtype=np.int64)
    shaped = np.full(keys.astype(np.int64).max(axis=0) + 1, -1, dtype=np.int64)
    shaped[tuple(keys.astype(np.int64).T)] = list(places.values())
    return shaped
