"""Every asset of the district in a slot: what it was told and did, what it could, and whether it
obeys. Powers are never negative: what an asset supplies and what it draws stand apart.
"""

from collections.abc import Iterator

import numpy as np

from energy.district import District
from energy.plant import SetPoints
from energy.steps.measure import Measured
from energy.store.views import Document

TOLERANCE_FRAC, TOLERANCE_KW = 0.02, 1.0
"""A device that keeps to its set-point within this share of its limit, or this power, obeys."""
WORST_FIRST = ("trip", "silent", "deviates", "ok", "off", "retired")


def assets_view(
    district: District,
    measured: Measured,
    told: SetPoints | None,
    retired: frozenset[str] = frozenset(),
) -> Document:
    """All assets in the measured slot, the worst state first; `told` are the set-points that held.

    What is `retired` has that state, as long as it rests; of an area's sun residents' roofs go on.
    `set_*` is null of what is told nothing, or was told nothing in this slot. Of cars only the
    chargers' sums are told apart, and their set-points belong to cars.
    """
    rows = [
        *_units(district, measured, told),
        *_batteries(district, measured, told),
        *_chargers(district, measured),
        *_solar(district, measured),
        *_heat(district, measured, told),
        _connection(district, measured),
    ]
    for row in rows:
        if row["id"] in retired and (row["kind"] == "solar" or _rests(row)):
            row["state"] = "retired"
    rows.sort(key=lambda one: WORST_FIRST.index(one["state"]))
    return {"assets": rows, "told": told is not None}


def asset_kinds(district: District) -> dict[str, tuple[str, str | None]]:
    """Kind and area of every asset of the view by its id."""
    areas = district.network.areas.id
    found: dict[str, tuple[str, str | None]] = {
        unit.id: (unit.kind, areas[unit.area] if unit.area >= 0 else None)
        for unit in district.units
    }
    for table, name in ((district.batteries, "battery"), (district.chargers, "charger")):
        for id_, kind, area in zip(table.id, table.kind, table.area.tolist(), strict=True):
            found[id_] = (f"{name}_{kind}", areas[area])
    for area in np.flatnonzero(district.pv.kwp.sum(axis=1) > 0).tolist():
        found[f"solar-{areas[area]}"] = ("solar", areas[area])
    if district.heat is not None:
        for kind in ("heat_pump", "boiler", "heat_store"):
            found[kind.replace("_", "-")] = (kind, None)
    return found | {"kepco": ("connection", None)}


def _row(kind: str, id_: str, area: str | None, **figures: float | int | str | None) -> Document:
    found = {
        "id": id_, "kind": kind, "area": area, "state": "", "count": 1, "available": 1,
        "supplies_kw": 0.0, "draws_kw": 0.0, "set_supplies_kw": None, "set_draws_kw": None,
        "limit_supplies_kw": 0.0, "limit_draws_kw": 0.0, "held_kw": 0.0,
        "energy_kwh": None, "energy_kwh_max": None,
    } | figures  # fmt: skip
    return {
        name: round(float(one), 3) if isinstance(one, float) else one for name, one in found.items()
    } | {"state": found["state"] or _state(found)}


def _rests(row: Document) -> bool:
    """Whether an asset moves no power, or one that is none at its size."""
    return all(
        row[f"{side}_kw"] <= max(TOLERANCE_FRAC * row[f"limit_{side}_kw"], TOLERANCE_KW)
        for side in ("supplies", "draws")
    )


def _state(row: Document) -> str:
    """`trip` where not all can run, `deviates` from its set-point, `off` at rest, else `ok`."""
    if row["available"] < row["count"]:
        return "trip"
    for side in ("supplies", "draws"):
        told, allowed = row[f"set_{side}_kw"], TOLERANCE_FRAC * row[f"limit_{side}_kw"]
        if told is not None and abs(row[f"{side}_kw"] - told) > max(allowed, TOLERANCE_KW):
            return "deviates"
    return "ok" if row["supplies_kw"] or row["draws_kw"] else "off"


def _units(district: District, measured: Measured, told: SetPoints | None) -> Iterator[Document]:
    seen, areas = measured.telemetry, district.network.areas.id
    for row, unit in enumerate(district.units):
        yield _row(
            unit.kind,
            unit.id,
            areas[unit.area],
            count=unit.count,
            available=int(seen.units_up[row]),
            supplies_kw=float(seen.unit_p_kw[row]),
            set_supplies_kw=None if told is None else float(told.unit_p_kw[row]),
            limit_supplies_kw=unit.count * unit.p_kw_max,
        )


def _batteries(
    district: District, measured: Measured, told: SetPoints | None
) -> Iterator[Document]:
    seen, table, areas = measured.telemetry, district.batteries, district.network.areas.id
    for row, id_ in enumerate(table.id):
        count = int(table.count[row])
        yield _row(
            f"battery_{table.kind[row]}",
            id_,
            areas[int(table.area[row])],
            count=count,
            available=count,
            supplies_kw=float(seen.battery_discharge_kw[row]),
            draws_kw=float(seen.battery_charge_kw[row]),
            set_supplies_kw=None if told is None else float(told.battery_discharge_kw[row]),
            set_draws_kw=None if told is None else float(told.battery_charge_kw[row]),
            limit_supplies_kw=float(table.p_kw_max[row]),
            limit_draws_kw=float(table.p_kw_max[row]),
            energy_kwh=float(seen.e_battery_kwh[row]),
            energy_kwh_max=float(table.e_kwh_max[row]),
        )


def _chargers(district: District, measured: Measured) -> Iterator[Document]:
    seen, table, areas = measured.telemetry, district.chargers, district.network.areas.id
    for row, id_ in enumerate(table.id):
        count = int(table.count[row])
        limit_kw = count * float(table.p_kw[row])
        yield _row(
            f"charger_{table.kind[row]}",
            id_,
            areas[int(table.area[row])],
            count=count,
            available=count,
            supplies_kw=float(seen.cars_discharge_kw[row]),
            draws_kw=float(seen.cars_charge_kw[row]),
            limit_supplies_kw=limit_kw,
            limit_draws_kw=limit_kw,
        )


def _solar(district: District, measured: Measured) -> Iterator[Document]:
    """Solar by area; what is held back is the operator's own. Of a silent meter the last value."""
    seen, areas = measured.telemetry, district.network.areas.id
    kwp = district.pv.kwp.sum(axis=1)
    for area in np.flatnonzero(kwp > 0).tolist():
        yield _row(
            "solar",
            f"solar-{areas[area]}",
            areas[area],
            state="" if measured.known[area] else "silent",
            supplies_kw=float(seen.p_pv_kw[area] - seen.pv_curtailed_kw[area]),
            held_kw=float(seen.pv_curtailed_kw[area]),
            limit_supplies_kw=float(kwp[area]) * district.pv.inverter_frac,
        )


def _heat(district: District, measured: Measured, told: SetPoints | None) -> Iterator[Document]:
    seen, table = measured.telemetry, district.heat
    if table is None:
        return
    boiler_kw = None if told is None else told.boiler_kw
    yield _row(
        "heat_pump",
        "heat-pump",
        None,
        draws_kw=float(seen.heat_pump_kw),
        set_draws_kw=None if told is None else float(told.heat_pump_kw),
        limit_draws_kw=table.heat_pump_kw_max,
    )
    yield _row(
        "boiler",
        "boiler",
        None,
        supplies_kw=float(seen.boiler_kw),
        set_supplies_kw=boiler_kw,
        limit_supplies_kw=table.boiler_kw_max,
    )
    yield _row(
        "heat_store",
        "heat-store",
        None,
        limit_supplies_kw=table.store_kw_max,
        limit_draws_kw=table.store_kw_max,
        energy_kwh=float(seen.e_heat_kwh),
        energy_kwh_max=table.store_kwh_max,
    )


def _connection(district: District, measured: Measured) -> Document:
    seen, table = measured.telemetry, district.connection
    return _row(
        "connection",
        "kepco",
        None,
        supplies_kw=float(seen.p_import_kw),
        draws_kw=float(seen.p_export_kw),
        limit_supplies_kw=table.p_import_kw_max,
        limit_draws_kw=table.p_export_kw_max,
    )
