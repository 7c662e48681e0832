"""Open data: sums of groups that tell nobody's own use, as JSON or CSV."""

import csv
import io
from typing import Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import PUBLIC, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import (
    KNOWN,
    RecentAnswers,
    etag_of,
    is_known,
    json_answer,
    not_found,
    not_modified,
    parse_slot,
)
from energy.api.problems import ProblemError, answers
from energy.api.rates import require_costly
from energy.api.shapes.curves import OpenEnergy
from energy.api.words import SlotName
from energy.steps.open_data import (
    MEMBERS_MIN,
    SHARE_MAX_PPM,
    OpenRow,
    Step,
    Use,
    groups_of,
    open_rows,
)
from energy.store.open_data import count_open_sums, open_range
from energy.timegrid import iso_of, local_day_start
from energy.units import SLOT_S, SLOTS_PER_DAY

RECENT = 16
"""Answers that are kept to be given again."""
DAYS_MAX = {Step.QUARTER_HOUR: 7, Step.HOUR: 31, Step.DAY: 366, Step.MONTH: 366}
COLUMNS = (
    "start_utc", "zone", "use", "quarter_hours", "import_wh", "import_quarter_hours",
    "export_wh", "export_quarter_hours",
)  # fmt: skip

router = APIRouter(tags=["open data"])


@router.get(
    "/v1/open/energy",
    summary="What groups of customers drew and fed in",
    response_model=OpenEnergy,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **KNOWN,
        **answers(404, 422),
    },
)
@may(PUBLIC)
def get_open_energy(
    request: Request,
    start: SlotName | None = Query(None, description="first quarter hour; else the newest day's"),
    end: SlotName | None = Query(None, description="quarter hour after the last; else the newest"),
    step: Step = Query(Step.HOUR, description="the times that are added up"),
    zone: str | None = Query(None, description="one zone's groups; else all"),
    use: Use | None = Query(None, description="one use; else both"),
    form: Literal["json", "csv"] = Query("json", alias="format", description="form of the answer"),
) -> Response:
    """Energy in Wh by market zone and use. A quarter hour counts where 15 customers or more took
    part and none had more than 15 % of the sum: the columns say how many of the time's quarter
    hours did. Figures are those of the first settlement and are not changed afterwards.
    """
    context = context_of(request)
    places = _places(context, zone, use)
    first, stop = _times(context, start, end, step)
    # A slot that is settled late is published late, and what is published is never changed.
    known = context.store.read(lambda connection: count_open_sums(connection, first, stop))
    etag = etag_of("open", f"{first} {stop} {known} {step} {zone} {use} {form}")
    if is_known(request, etag):
        return not_modified(etag)

    def read(connection: Connection) -> list[OpenRow]:
        return list(open_rows(connection, context.district, first, stop, step, places))

    def build() -> bytes:
        require_costly(request)
        rows = [_document(row) for row in context.store.read(read)]
        if form == "csv":
            return _csv(rows).encode()
        document = {
            "start_utc": iso_of(first),
            "end_utc": iso_of(stop),
            "step": step.value,
            "time_zone": context.district.time_zone,
            "members_min": MEMBERS_MIN,
            "share_max_frac": SHARE_MAX_PPM / 1_000_000,
            "rows": rows,
        }
        return orjson.dumps(document)

    body = _recent(request).get(etag, build)
    if form == "csv":
        return Response(body, 200, {"ETag": etag}, "text/csv; charset=utf-8")
    return json_answer(request, orjson.Fragment(body), etag)


def _recent(request: Request) -> RecentAnswers:
    state = request.app.state
    if not hasattr(state, "open_answers"):
        state.open_answers = RecentAnswers(RECENT)
    found: RecentAnswers = state.open_answers
    return found


def _places(context: ApiContext, zone: str | None, use: Use | None) -> list[int]:
    """The places of the groups that are asked for."""
    groups, zones = groups_of(context.district), context.district.network.zones
    if zone is not None and zone not in zones:
        raise not_found("zone", zone[:60], ", ".join(zones))
    chosen = ((zone is None or one.zone == zone, use in (None, one.use)) for one in groups)
    return [place for place, fits in enumerate(chosen) if all(fits)]


def _times(context: ApiContext, start: str | None, end: str | None, step: Step) -> tuple[int, int]:
    """First slot and the slot after the last; raises ProblemError for times that cannot be."""
    known = context.store.read(open_range)
    if known is None:
        raise not_found("start", "none", "a district whose first slots are settled")
    stop = min(known[1] + SLOT_S if end is None else parse_slot(end, "end"), known[1] + SLOT_S)
    newest = local_day_start(stop - SLOT_S, context.district.time_zone)
    first = max(newest if start is None else parse_slot(start, "start"), known[0])
    most = DAYS_MAX[step] * SLOTS_PER_DAY * SLOT_S
    if not 0 < stop - first <= most:
        found = f"{iso_of(first)} to {iso_of(stop)}"
        allowed = f"at most {DAYS_MAX[step]} days, of {iso_of(known[0])} and later"
        detail = f"start: found {found}, allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "start", found, allowed)
    return first, stop


def _document(row: OpenRow) -> dict[str, Any]:
    values = (
        iso_of(row.start), row.group.zone, row.group.use, row.slots, row.import_wh,
        row.import_cells, row.export_wh, row.export_cells,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
