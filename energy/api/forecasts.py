"""The forecasts for those who look at them: as issued, and how they came true."""

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import PUBLIC, STEERING, may
from energy.api.context import context_of
from energy.api.documents import (
    KNOWN,
    etag_of,
    json_answer,
    not_found,
    parse_slot,
    require_kept,
    view_answer,
)
from energy.api.problems import answers
from energy.api.shapes.forecasts import ForecastCourses, IssuedForecast, PricesToCome, Verification
from energy.api.shapes.plan import SlotForecast
from energy.api.words import SlotName
from energy.forecast import BANDS, QUANTILES
from energy.forecast.inputs import FloatArray
from energy.steps.auctions import PRICE
from energy.steps.verification import COURSE_LEAD_SLOTS, UNITS, forecast_courses, verify_issues
from energy.store.forecasts import StoredIssue, last_issue, load_issues
from energy.store.measured import last_measured
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import SLOT_S

DAYS_MAX = 28

router = APIRouter(tags=["forecasts"])


@router.get(
    "/v1/forecasts",
    summary="The forecasts of a plan",
    response_model=SlotForecast,
    responses={**KNOWN, **answers(404, 422)},
)
@may(STEERING)
def get_forecasts(request: Request, slot: SlotName | None = None) -> Response:
    """Bands of load, sun and heat that the newest plan, or that of `slot`, was made from, and of
    the prices of the auctions to come, won per kWh.
    """
    return view_answer(request, "plan", slot, part="forecast")


@router.get(
    "/v1/forecasts/issued",
    summary="A forecast as it was issued",
    response_model=IssuedForecast,
    responses={**KNOWN, **answers(404, 422)},
)
@may(STEERING)
def get_issued(
    request: Request,
    slot: SlotName | None = Query(None, description="its first slot; else the newest"),
) -> Response:
    """Seven quantiles of the district's load, sun and heat in kW and of the auctions' prices in won
    per kWh, tiers, and the weather used.
    """
    start = None if slot is None else parse_slot(slot, "slot")

    def find(connection: Connection) -> StoredIssue | None:
        if start is None:
            return last_issue(connection)
        return next(iter(load_issues(connection, start, start + SLOT_S)), None)

    found = context_of(request).store.read(find)
    if found is None:
        if start is not None:
            require_kept(context_of(request), "forecasts", start)
        raise not_found("slot", (slot or "none")[:60], "a slot for which a forecast was issued")
    return json_answer(request, issued_document(found), etag_of("issued", str(found.first_slot)))


@router.get(
    "/v1/forecasts/prices",
    summary="What the coming auctions may end at",
    response_model=PricesToCome,
    responses={**KNOWN, **answers(404)},
)
@may(PUBLIC)
def get_prices_to_come(request: Request) -> Response:
    """Seven quantiles of each coming slot's price in won per kWh, of slots that trade; for
    everybody, as all prices are. Auctions before `first_slot_utc` were known when it was issued.
    """
    found = context_of(request).store.read(last_issue)
    if found is None or PRICE not in found.quantiles:
        raise not_found("slot", "none", "a district with a forecast of prices")
    return json_answer(request, prices_to_come(found), etag_of("prices", str(found.first_slot)))


@router.get(
    "/v1/forecasts/course",
    summary="A day of forecasts beside what was measured, and the horizon",
    response_model=ForecastCourses,
    responses={**KNOWN, **answers(404)},
)
@may(STEERING)
def get_course(request: Request) -> Response:
    """Seven quantiles about now, in kW or won per kWh as their names say: back as issued twelve
    hours before, ahead the newest.
    """
    found = context_of(request).store.read(forecast_courses)
    if not found:
        raise not_found("slot", "none", "a district with a forecast")
    some = next(iter(found.values()))
    document = {
        "start_utc": iso_of(some.first_slot),
        "step_s": SLOT_S,
        "now_index": some.now_index,
        "lead_back_h": COURSE_LEAD_SLOTS * SLOT_S / 3600,
        "probabilities": QUANTILES.tolist(),
        "quantities": {
            name: {
                f"quantiles_{UNITS[name]}": [_column(row) for row in one.quantiles],
                f"measured_{UNITS[name]}": _column(one.measured),
            }
            for name, one in found.items()
        },
    }
    state = f"{some.first_slot} {np.isfinite(some.measured).sum()}"
    return json_answer(request, document, etag_of("course", state))


def _column(values: FloatArray) -> list[float | None]:
    """Numbers with three decimals, None where nothing is known."""
    return [None if np.isnan(one) else round(float(one), 3) for one in values]


@router.get(
    "/v1/forecasts/verification",
    summary="How the forecasts came true",
    response_model=Verification,
    responses=answers(404, 422),
)
@may(STEERING)
def get_verification(
    request: Request, days: int = Query(1, ge=1, le=DAYS_MAX, description="days looked back")
) -> Response:
    """By quantity and hours of lead: shares inside the bands, CRPS and bias in kW, of prices in
    won per kWh.
    """
    store = context_of(request).store
    newest = store.read(last_measured)
    if newest is None:
        raise not_found("slot", "none", "a district that has been measured")
    end = newest + SLOT_S
    found = store.read(lambda connection: verify_issues(connection, end, days))
    document = {
        "to_utc": iso_of(end),
        "days": days,
        "quantities": {
            name: {leads: one.as_json() for leads, one in buckets.items()}
            for name, buckets in found.items()
        },
    }
    return json_answer(request, document)


def prices_to_come(issue: StoredIssue) -> Document:
    """The prices of a forecast for programs."""
    tier, reason = issue.tiers[PRICE]
    return {
        "first_slot_utc": iso_of(issue.first_slot),
        "step_s": SLOT_S,
        "issued_utc": iso_of(issue.issued_utc),
        "probabilities": QUANTILES.tolist(),
        "price_krw_per_kwh": _price_rows(issue),
        "tier": tier,
        "reason": reason or None,
    }


def _price_rows(issue: StoredIssue) -> list[list[float]] | None:
    """Quantiles of the price in won per kWh, None where an issue has none."""
    found = issue.quantiles.get(PRICE)
    return None if found is None else [[round(float(one), 3) for one in row] for row in found]


def issued_document(issue: StoredIssue) -> Document:
    """A forecast for programs."""
    weather = issue.weather_issue
    return {
        "first_slot_utc": iso_of(issue.first_slot),
        "step_s": SLOT_S,
        "issued_utc": iso_of(issue.issued_utc),
        "readings_before_utc": iso_of(issue.issue_slot),
        "weather_issue_utc": None if weather is None else iso_of(weather),
        "probabilities": QUANTILES.tolist(),
        "quantiles_kw": {
            name: [[round(float(one), 3) for one in row] for row in issue.quantiles[name]]
            for name in BANDS
        },
        "price_krw_per_kwh": _price_rows(issue),
        "tiers": {
            name: {"tier": tier, "reason": reason or None}
            for name, (tier, reason) in issue.tiers.items()
        },
    }
