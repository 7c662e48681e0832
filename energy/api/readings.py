"""The door for readings: a device brings what its meters have counted, a batch at a time.

A batch is kept as a whole or not at all, before it is answered. The loop takes it at the next gate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy import Connection

from energy.api.callers import READINGS, Caller, caller_of, may
from energy.api.context import context_of
from energy.api.documents import parse_slot
from energy.api.fields import JsonBody
from energy.api.once import PARAMETER, REFUSED, answer_once
from energy.api.problems import ProblemError
from energy.api.shapes.readings import ReadingsTaken
from energy.api.words import SlotText
from energy.district import District
from energy.steps.door_readings import oldest_corrected
from energy.steps.metering import plate_wh
from energy.store.meter_feeds import KnownSlot, MeterFeeds, Told, load_feeds, put_in, waiting_of
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import SLOT_S

READINGS_PATH = "/v1/readings"
READINGS_MAX = 1_000
"""Nine batches carry a quarter hour of 9,000 meters."""

SLOTS_MAX = 96
"""For each of a batch's quarter hours what stands of it is looked up, and nobody else writes."""

WH_MAX = 2**53 - 1
CORRECTIONS_MAX = 8
"""Each correction settles its slot anew: a device that cannot make up its mind is broken."""

router = APIRouter(tags=["readings"])


class MeterReading(JsonBody):
    """What one meter has counted in a quarter hour; Wh, counters at its end."""

    model_config = ConfigDict(strict=True)

    account: str = Field(pattern="^0x[0-9a-f]{64}$", examples=["0x" + "3f" * 32])
    slot_utc: SlotText
    import_wh: int = Field(ge=0, le=WH_MAX, examples=[140])
    export_wh: int = Field(ge=0, le=WH_MAX, examples=[0])
    import_register_wh: int = Field(ge=0, le=WH_MAX, examples=[8_412_907])
    export_register_wh: int = Field(ge=0, le=WH_MAX, examples=[0])

    def told(self) -> Told:
        """The numbers without where and when."""
        return Told(*(getattr(self, name) for name in Told._fields))


class ReadingBatch(JsonBody):
    """Readings of any meters in up to 96 different quarter hours, each of them once."""

    model_config = ConfigDict(strict=True)

    readings: list[MeterReading] = Field(min_length=1, max_length=READINGS_MAX)


@dataclass(frozen=True)
class _Row:
    """A reading of the batch: its place there, and that of its meter in the district."""

    at: int
    slot: int
    meter: int
    account: bytes
    told: Told


@router.post(
    READINGS_PATH,
    summary="Bring readings of meters",
    response_model=ReadingsTaken,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(READINGS)
def post_readings(request: Request, body: ReadingBatch) -> Response:
    """A batch from a device's token, all of it or nothing; kept durably when it is answered.

    A quarter hour is taken from its end until 28 days later. Up to its gate, five minutes before
    the next but one begins, the last reading of it counts; another one later is a correction, which
    the next gate settles. The same key again, or the same reading, has no second effect.
    """
    context, device = context_of(request), device_of(caller_of(request))
    rows = _rows(context.district, body, context.clock.now_s())

    def unit(connection: Connection) -> Document:
        feeds = load_feeds(connection, {one.account for one in rows})
        for one in rows:
            _require_own(feeds, device, one)
        changed = _changed(connection, rows)
        put_in(connection, [(one.slot, one.meter, one.told) for one in changed])
        return {"readings": len(rows), "changed": len(changed)}

    return answer_once(request, body.model_dump(), unit)


def device_of(caller: Caller) -> str:
    """The name of a device's token, by which meters are given to it."""
    return caller.name.removeprefix("token ")


def _rows(district: District, body: ReadingBatch, now_s: float) -> list[_Row]:
    """The readings by slot and meter, each for itself possible; raises ProblemError."""
    place = {account: row for row, account in enumerate(district.meters.account)}
    most_wh, seen = plate_wh(district).tolist(), set[tuple[int, int]]()
    rows = []
    for at, one in enumerate(body.readings):
        account = bytes.fromhex(one.account.removeprefix("0x"))
        if account not in place:
            raise _unknown(at, account)
        row = _Row(at, parse_slot(one.slot_utc, _field(at, "slot_utc")), place[account], account,
                   one.told())  # fmt: skip
        _require_time(row, now_s)
        _require_possible(row, most_wh[row.meter])
        if (row.slot, row.meter) in seen:
            field, allowed = _field(at, "slot_utc"), "each meter and quarter hour once in a batch"
            detail = f"{field}: found {iso_of(row.slot)} again, allowed {allowed}"
            raise ProblemError(422, "MALFORMED", detail, field, iso_of(row.slot), allowed)
        seen.add((row.slot, row.meter))
        rows.append(row)
    _require_few_slots(rows)
    return rows


def _require_few_slots(rows: list[_Row]) -> None:
    """Raise ProblemError for a batch of more different quarter hours than one may have."""
    found = len({row.slot for row in rows})
    if found > SLOTS_MAX:
        allowed = f"readings of at most {SLOTS_MAX} different quarter hours"
        detail = f"readings: found {found} different quarter hours, allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "readings", str(found), allowed)


def _field(at: int, name: str) -> str:
    return f"readings[{at}].{name}"


def _unknown(at: int, account: bytes) -> ProblemError:
    """No such meter, or not this device's: which of the two is nobody's affair."""
    field, found = _field(at, "account"), f"0x{account.hex()}"
    allowed = "an account whose meter this device reads in that quarter hour"
    return ProblemError(
        422, "UNKNOWN_METER", f"{field}: found {found}, allowed {allowed}", field, found, allowed
    )


def _require_own(feeds: MeterFeeds, device: str, row: _Row) -> None:
    if feeds.device_at(row.account, row.slot) != device:
        raise _unknown(row.at, row.account)


def _require_time(row: _Row, now_s: float) -> None:
    """Raise ProblemError for a quarter hour that is not over, or over for too long."""
    field, found = _field(row.at, "slot_utc"), iso_of(row.slot)
    newest = int(now_s) // SLOT_S * SLOT_S - SLOT_S
    if row.slot > newest:
        allowed = f"quarter hours that are over, up to {iso_of(newest)}"
        detail = f"{field}: found {found}, allowed {allowed}"
        raise ProblemError(422, "SLOT_NOT_OVER", detail, field, found, allowed)
    oldest = oldest_corrected(now_s)
    if row.slot < oldest:
        allowed = f"the last 28 days, from {iso_of(oldest)}"
        detail = f"{field}: found {found}, allowed {allowed}"
        raise ProblemError(422, "TOO_LATE", detail, field, found, allowed)


def _require_possible(row: _Row, most_wh: int) -> None:
    """Raise ProblemError for more than the connection carries, or than the counter has counted."""
    for way in ("import", "export"):
        wh, counter = getattr(row.told, f"{way}_wh"), getattr(row.told, f"{way}_register_wh")
        field, found = _field(row.at, f"{way}_wh"), str(wh)
        if wh > most_wh:
            allowed = f"0 to {most_wh}, what the connection carries in a quarter hour"
            detail = f"{field}: found {found}, allowed {allowed}"
            raise ProblemError(422, "ABSURD_READING", detail, field, found, allowed)
        if wh > counter:
            allowed = f"at most what the counter shows at its end, {counter}"
            detail = f"{field}: found {found}, allowed {allowed}"
            raise ProblemError(422, "ABSURD_READING", detail, field, found, allowed)


def _changed(connection: Connection, rows: list[_Row]) -> list[_Row]:
    """The readings that say something new; raises ProblemError where one is corrected too often."""
    changed: list[_Row] = []
    too_often: list[_Row] = []
    order = sorted(rows, key=lambda row: row.slot)
    for slot, here in groupby(order, lambda row: row.slot):
        for row, corrections in _news_of_slot(connection, slot, list(here)):
            (too_often if corrections >= CORRECTIONS_MAX else changed).append(row)
    if too_often:
        row = min(too_often, key=lambda row: row.at)
        field, allowed = _field(row.at, "slot_utc"), f"{CORRECTIONS_MAX} corrections"
        detail = f"{field}: found more for {iso_of(row.slot)}, allowed {allowed}"
        raise ProblemError(409, "TOO_MANY_CORRECTIONS", detail, field, "more", allowed)
    return changed


def _news_of_slot(
    connection: Connection, slot: int, rows: list[_Row]
) -> Iterator[tuple[_Row, int]]:
    """The readings of a slot that say something new, with how many of the meter came before."""
    known, waiting = KnownSlot(connection, slot), dict[int, list[Told]]()
    for one in waiting_of(connection, slot, {row.meter for row in rows}):
        waiting.setdefault(one.meter, []).append(one.told)
    for row in rows:
        heard = waiting.get(row.meter, [])
        if row.told != (heard[-1] if heard else known.stands(row.meter)):
            yield row, len(heard) + len(known.late(row.meter))
