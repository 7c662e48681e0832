"""One program for many scenarios: shared columns once, everything else once for each scenario.

Shared are the units' starts and stops in all slots, and what every asset does in the first slot:
the decisions that must be taken before it is known what comes. Rows that hold shared columns alone
stand there once.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array, csc_array

from optimizer.problem import FloatArray, IntArray, PlanProblem
from optimizer.standard_form import Layout, Numbers, StandardForm

ALWAYS = ("unit_on", "unit_start", "unit_stop")
FIRST_SET_POINTS = (
    "battery_charge",
    "battery_discharge",
    "fleet_charge",
    "fleet_discharge",
    "unit_extra",
    "heat_pump",
)
FIRST = (
    *FIRST_SET_POINTS,
    *("e_battery", "e_fleet", "e_fuel", "e_heat"),
    *("boiler", "heat_dump", "heat_short", "p_into_store"),
)


@dataclass(frozen=True, eq=False)
class Stack:
    """A stacked program, and the place in it of each scenario's columns (S, N) and rows (S, M)."""

    form: StandardForm
    column: IntArray
    row: IntArray


def futures(problem: PlanProblem) -> list[PlanProblem]:
    """The problem in each of its scenarios: more load, or more sun."""
    scenarios = problem.scenarios
    if scenarios is None:
        return []
    return [
        replace(
            problem,
            load_kw=problem.load_kw + np.maximum(deviation, 0.0),
            pv_kw=problem.pv_kw + np.maximum(-deviation, 0.0),
            scenarios=None,
        )
        for deviation in scenarios.net_load_kw
    ]


def first_set_points(layout: Layout) -> dict[str, IntArray]:
    """Columns of what assets are told in the first slot, by block; -1 where there is none."""
    return _first_columns(layout, FIRST_SET_POINTS)


def _first_columns(layout: Layout, names: tuple[str, ...]) -> dict[str, IntArray]:
    return {name: layout.columns[name][:1].ravel() for name in names if name in layout.columns}


def stack_form(form: StandardForm, count: int) -> Stack:
    """The program of `count` scenarios of a form; its numbers are the form's own in each."""
    rows, columns = form.matrix.shape
    shared = np.zeros(columns, dtype=np.bool_)
    always = [form.layout.columns[name].ravel() for name in ALWAYS]
    for places in (*_first_columns(form.layout, FIRST).values(), *always):
        shared[places[places >= 0]] = True
    entries = form.matrix.tocoo()
    once = np.ones(rows, dtype=np.bool_)
    once[entries.row[~shared[entries.col]]] = False
    column, row = _places(shared, count), _places(once, count)
    stacked = StandardForm(
        fingerprint=f"{form.fingerprint} x {count}",
        elastic=form.elastic,
        matrix=_stacked_matrix(form.matrix, once, (column, row)),
        numbers=form.numbers,
        layout=_stacked_layout(form.layout, column, row),
    )
    stack = Stack(stacked, column, row)
    even = np.full(count, 1 / count)
    return replace(
        stack,
        form=replace(stacked, numbers=stack_numbers(stack, [form.numbers] * count, even)),
    )


def _places(shared: np.ndarray, count: int) -> IntArray:
    """Positions (S, N): the shared ones first, then the others scenario by scenario."""
    own = int((~shared).sum())
    places = np.zeros((count, len(shared)), dtype=np.int64)
    places[:, shared] = np.arange(len(shared) - own)
    places[:, ~shared] = (
        len(shared) - own + own * np.arange(count)[:, None] + np.arange(own)[None, :]
    )
    return places


def _stacked_matrix(
    matrix: csc_array, once: np.ndarray, places: tuple[IntArray, IntArray]
) -> csc_array:
    column, row = places
    entries = matrix.tocoo()
    parts = []
    for scenario in range(len(column)):
        kept = ~once[entries.row] if scenario else np.ones(len(entries.row), dtype=np.bool_)
        parts.append(
            (
                row[scenario][entries.row[kept]],
                column[scenario][entries.col[kept]],
                entries.data[kept],
            )
        )
    rows, columns, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    shape = (int(row.max(initial=-1)) + 1, int(column.max(initial=-1)) + 1)
    return csc_array(coo_array((values, (rows, columns)), shape=shape))


def _stacked_layout(layout: Layout, column: IntArray, row: IntArray) -> Layout:
    """Blocks with scenarios first, (S, ...); shared ones stand in each scenario's part."""

    def moved(blocks: dict[str, IntArray], places: IntArray) -> dict[str, IntArray]:
        return {
            name: np.stack([np.where(block >= 0, own[block], -1) for own in places])
            for name, block in blocks.items()
        }

    whole = np.zeros(int(column.max(initial=-1)) + 1, dtype=np.bool_)
    whole[column[:, layout.whole].ravel()] = True
    return Layout(
        columns=moved(layout.columns, column),
        rows=moved(layout.rows, row),
        whole=whole,
        loose_rows=row[:, layout.loose_rows].ravel(),
        loose_columns=column[:, layout.loose_columns].ravel(),
    )


def stack_numbers(stack: Stack, numbers: list[Numbers], probability: FloatArray) -> Numbers:
    """Numbers of a stacked program from those of each scenario; costs are means."""
    size, rows = stack.column.max(initial=-1) + 1, stack.row.max(initial=-1) + 1
    cost, lower, upper = np.zeros(size), np.zeros(size), np.zeros(size)
    row_lower, row_upper = np.zeros(rows), np.zeros(rows)
    for each, column, row, weight in zip(
        numbers, stack.column, stack.row, probability, strict=True
    ):
        cost[column] += weight * each.cost
        lower[column], upper[column] = each.lower, each.upper
        row_lower[row], row_upper[row] = each.row_lower, each.row_upper
    offsets = np.array([each.cost_offset for each in numbers])
    return Numbers(
        cost=cost,
        cost_offset=float(probability @ offsets),
        lower=lower,
        upper=upper,
        row_lower=row_lower,
        row_upper=row_upper,
        loose=np.concatenate([each.loose for each in numbers]),
    )
