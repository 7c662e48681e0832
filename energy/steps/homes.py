"""Each customer's own forecast: what the meters of past days have told, and the days to come.

At the end of a local day its readings are worked into one row of the store. A customer's forecast
is made when it is asked for, from the rows that were there at the newest issue and from that issue.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.forecast.axis import build_axis
from energy.forecast.features import cells_of
from energy.forecast.homes import HomeClasses, HomeDay, digest_day, forecast_home
from energy.forecast.inputs import MEDIAN, QUANTILES, FloatArray, IntArray
from energy.forecast.roofs import Roof, forecast_roof, roof_parts, spread_of_roofs
from energy.forecast.sanity import PV_FACTOR_MAX
from energy.steps.basis import build_basis
from energy.steps.metering import MEASURED, plate_wh
from energy.store.forecasts import StoredIssue, last_issue
from energy.store.homes import load_home_days, save_home_day
from energy.store.measured import load_measured
from energy.store.readings import load_readings
from energy.timegrid import iso_of, local_day_start, slots_from
from energy.units import DT_H, SLOT_S

Document = dict[str, Any]
ARRAYS = tuple(each.name for each in fields(HomeDay) if each.name != "kind")


def classes_of(district: District) -> HomeClasses:
    """The customers by use, all-electric ones apart, with their mean by registry."""
    meters = district.meters
    words = [
        f"{use}, all-electric" if electric else use
        for use, electric in zip(meters.use, meters.all_electric.tolist(), strict=True)
    ]
    names, of = np.unique(words, return_inverse=True)
    return HomeClasses(of.astype(np.int64), meters.annual_kwh / 8760, tuple(names.tolist()))


def keep_home_day(connection: Connection, district: District, last_slot: int) -> None:
    """Where `last_slot` was the last of a local day, keep what the day's readings tell."""
    first = local_day_start(last_slot, district.time_zone)
    if local_day_start(last_slot + SLOT_S, district.time_zone) == first:
        return
    slots = slots_from(first, (last_slot - first) // SLOT_S + 1)
    axis, use_kw = build_axis(slots, district.time_zone), use_of(connection, district, slots)
    before = home_days(connection, first)
    basis = build_basis(district)
    sun_kw = sun_of_areas(connection, district, slots)
    spread = spread_of_roofs(slots, basis.pv, basis.site, sun_kw)
    kind = int(axis.kind[0])
    day = digest_day(classes_of(district), before, use_kw, axis.quarter, kind, spread)
    if not np.isfinite(day.mean_kw).any():
        return
    arrays: dict[str, npt.NDArray[Any]] = {
        name: getattr(day, name).astype(np.float32) for name in ARRAYS
    }
    save_home_day(connection, first, last_slot, arrays | {"kind": np.array([day.kind])})


def home_days(connection: Connection, before: int) -> list[HomeDay]:
    """What the days that ended before a slot have told, oldest first."""
    return [
        HomeDay(int(row["kind"][0]), *(row[name].astype(np.float64) for name in ARRAYS))
        for row in load_home_days(connection, before)
    ]


def use_of(connection: Connection, district: District, slots: IntArray) -> FloatArray:
    """What each customer's home has used (S, M), kW: net of the meter and its share of the sun.

    NaN where no reading has come in time, where one cannot be, and behind a roof where the sun of
    its area is not known.
    """
    most_wh = plate_wh(district)
    rows = [_net_kw(load_readings(connection, slot), most_wh) for slot in slots.tolist()]
    net_kw = np.stack(rows)
    sun_kw = sun_of_areas(connection, district, slots)
    roofs = np.flatnonzero(district.meters.pv_kwp > 0)
    net_kw[:, roofs] += sun_of_roofs(district, slots, sun_kw, roofs)
    return np.maximum(net_kw, 0.0)


def sun_of_areas(connection: Connection, district: District, slots: IntArray) -> FloatArray:
    """Solar of the areas (S, A), kW, as measured; NaN where it is not known."""
    found = np.full((len(slots), district.areas), np.nan)
    rows = load_measured(connection, int(slots[0]), int(slots[-1]) + SLOT_S)
    for slot, row in rows.items():
        found[(slot - int(slots[0])) // SLOT_S] = row["pv_kw"]
    return found


def sun_of_roofs(
    district: District, slots: IntArray, area_kw: FloatArray, roofs: IntArray
) -> FloatArray:
    """Solar of roofs (S, R), kW, as parts of what their areas (S, A) gave.

    NaN where that is not known, or more than the roofs could give.
    """
    basis, meters = build_basis(district), district.meters
    whole = roof_parts(slots, basis.pv, basis.site, meters.pv_kwp[roofs], meters.pv_class[roofs])
    found = np.empty((len(slots), len(roofs)))
    for area in range(district.areas):
        mine = np.flatnonzero(meters.area[roofs] == area)
        if not len(mine):
            continue
        # Of the district's clear sky so much lies over the area: its part of it goes to its roofs.
        of_area = _area_part(basis.pv.kwp[area], slots, district)
        found[:, mine] = area_kw[:, [area]] * (whole[mine] / np.maximum(of_area, 1e-12)).T
    with np.errstate(invalid="ignore"):
        return np.where(found <= PV_FACTOR_MAX * meters.pv_kwp[roofs], found, np.nan)


def _area_part(kwp: FloatArray, slots: IntArray, district: District) -> FloatArray:
    """The part (S,) of the district's sun that an area with so many kWp per class (K,) has."""
    basis = build_basis(district)
    classes = np.arange(len(kwp))
    return np.asarray(roof_parts(slots, basis.pv, basis.site, kwp, classes).sum(axis=0))


def _net_kw(columns: Mapping[str, npt.NDArray[Any]] | None, most_wh: IntArray) -> FloatArray:
    """Import less export of every meter (M,), NaN where nothing credible has come."""
    if columns is None:
        return np.full(len(most_wh), np.nan)
    import_wh, export_wh = columns["import_wh"], columns["export_wh"]
    good = columns["quality"] == MEASURED
    for wh in (import_wh, export_wh):
        good = good & (wh >= 0) & (wh <= most_wh)
    return np.where(good, (import_wh - export_wh) / (1000 * DT_H), np.nan)


def own_forecast(connection: Connection, district: District, account: bytes) -> Document | None:
    """What one account's home will use and its roof give in the slots of the newest forecast.

    None where nothing has been forecast yet, or the account is no customer's.
    """
    issue = last_issue(connection)
    if issue is None or account not in district.meters.account:
        return None
    meter = district.meters.account.index(account)
    return own_document(issue, district, meter, home_days(connection, issue.issue_slot))


def own_document(
    issue: StoredIssue, district: District, meter: int, days: list[HomeDay]
) -> Document:
    """The forecast of one customer for programs; `days` were known when the issue went out."""
    basis, meters = build_basis(district), district.meters
    slots = slots_from(issue.first_slot, issue.quantiles["load"].shape[1])
    cells = cells_of(slots, district.time_zone)
    home = forecast_home(classes_of(district), days, meter, cells, issue.quantiles["load"][MEDIAN])
    roof = Roof(float(meters.pv_kwp[meter]), int(meters.pv_class[meter]))
    sun = forecast_roof(slots, basis.pv, basis.site, roof, issue.quantiles["pv"], days)
    tier, reason = issue.tiers["pv"]
    return {
        "first_slot_utc": iso_of(issue.first_slot),
        "step_s": SLOT_S,
        "issued_utc": iso_of(issue.issued_utc),
        "readings_before_utc": iso_of(issue.issue_slot),
        "probabilities": QUANTILES.tolist(),
        "load_kw": _rows(home.load_kw),
        "expected_load_kw": _rows(home.expected_kw[None])[0],
        "pv_kw": _rows(sun) if roof.kwp > 0 else None,
        "ev_kw": None,
        "tiers": {
            "load": {"tier": home.tier, "reason": home.reason or None},
            "pv": {"tier": tier, "reason": reason or None} if roof.kwp > 0 else None,
            "ev": {"tier": None, "reason": "no charging point is behind this meter"},
        },
    }


def _rows(values: FloatArray) -> list[list[float]]:
    return [[round(float(one), 4) for one in row] for row in values]
