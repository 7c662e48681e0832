"""A month of the district in figures, for those who run or audit it."""

import re

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from energy.api.callers import STEERING, may
from energy.api.context import context_of
from energy.api.documents import KNOWN, etag_of, is_known, json_answer, not_found, not_modified
from energy.api.overview import overview_state
from energy.api.problems import ProblemError, answers
from energy.api.shapes.office import MonthReport
from energy.api.words import ReportText
from energy.steps.measure import SLOTS_BEHIND
from energy.steps.month_report import Keeping, month_report, report_month
from energy.steps.upkeep import kept_days
from energy.store.bills import last_billed
from energy.store.measured import last_measured
from energy.store.retention import kept_from
from energy.timegrid import local_label
from energy.units import SLOT_S

LATEST = "latest"
RAN = "a month that the district has run in"
MONTH = re.compile(r"20[2-9]\d-(?:0[1-9]|1[0-2])")

router = APIRouter(tags=["reports"])


@router.get(
    "/v1/reports/{month}",
    summary="A month in figures, by day",
    response_model=MonthReport,
    responses={**KNOWN, **answers(401, 403, 404, 422)},
)
@may(STEERING)
def get_report(request: Request, month: ReportText) -> Response:
    """Energy, self-sufficiency, cost and saving, emissions, peak, market, tiers, missed slots by
    local day; their sums; demand response; the sum of the bills once the month is closed. Figures
    whose rows are no longer kept are null, and `not_kept` says which and since when rows are kept.
    """
    context = context_of(request)
    zone = context.district.time_zone
    if not MONTH.fullmatch(month) and month != LATEST:
        allowed = f"a month such as 2026-07, or {LATEST}"
        detail = f"month: found {month[:20]!r}, allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "month", month[:20], allowed)

    def state_of(connection: Connection) -> tuple[str, int | None]:
        kept = [kept_from(connection, kind) for kind in ("columns", "documents")]
        state = f"{overview_state(connection)} {last_billed(connection)} {kept}"
        return state, last_measured(connection)

    state, newest = context.store.read(state_of)
    if newest is None:
        raise not_found("month", month, RAN)
    newest_month = local_label(newest, zone)[:7]
    wanted = report_month(newest_month if month == LATEST else month, zone)
    if wanted.first > newest or wanted.end <= context.admission.first_slot:
        raise not_found("month", month, RAN)
    etag = etag_of("report", wanted.text, state)
    if is_known(request, etag):
        return not_modified(etag)
    began = context.admission.first_slot - SLOTS_BEHIND * SLOT_S
    keeping = Keeping(began, kept_days(context.settings))
    document = request.app.state.cache.get(
        f"report {wanted.text}",
        state,
        lambda: context.store.read(
            lambda connection: month_report(connection, context.district, wanted, keeping)
        ),
    )
    months = {"oldest": local_label(context.admission.first_slot, zone)[:7], "newest": newest_month}
    return json_answer(request, {**document, **months}, etag)
