"""Doors for those who watch: alive, ready, and figures in Prometheus' text form."""

import time
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, PUBLIC, may
from energy.api.context import ApiContext, context_of
from energy.api.problems import ProblemError, answers
from energy.api.shapes.office import Healthy, Ready
from energy.steps.upkeep import books_trouble
from energy.store.alarm_outbox import count_messages
from energy.store.alarms import open_alarms
from energy.store.slots import SlotRow, count_tiers, find_slot, last_published, unsettled_slots
from energy.store.views import Document, find_view, last_view_slot
from energy.timegrid import iso_of
from energy.units import SLOT_S

# The newest final row may be this much older than the running slot before somebody must look.
LATE_S = 60
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["watching"])


@router.get("/healthz", summary="The process answers", response_model=Healthy)
@may(PUBLIC)
def healthz() -> Response:
    """Always ok while requests are served at all."""
    return Response(b'{"status":"ok"}', 200, {"Cache-Control": "no-store"}, "application/json")


@router.get(
    "/readyz", summary="The loop runs and is on time", response_model=Ready, responses=answers(503)
)
@may(PUBLIC)
def readyz(request: Request) -> Response:
    """Ready when the loop is at work, on time, settles, and explains every Wh and won.

    What is worse than it should be and does not keep the loop from its work (a feed that is silent,
    a disk that is nearly full) stands in `open_alarms`.
    """
    context = context_of(request)
    reason = not_ready_because(context)
    if reason is not None:
        raise ProblemError(503, "NOT_READY", reason)
    now_s = int(context.clock.now_s())
    causes = sorted({one.alarm.cause for one in context.store.read(open_alarms)})
    body = orjson.dumps({"status": "ready", "now_utc": iso_of(now_s), "open_alarms": causes})
    return Response(body, 200, {"Cache-Control": "no-store"}, "application/json")


def not_ready_because(context: ApiContext) -> str | None:
    """Why the installation is not ready, or None where it is."""
    if (trouble := context.trouble()) is not None:
        return trouble
    last = context.store.read(last_published)
    now_s = context.clock.now_s()
    if last is not None and now_s > last + SLOT_S + LATE_S:
        return f"no slot is published after {iso_of(last)}, and it is {iso_of(int(now_s))}"
    return context.store.read(books_trouble)


@router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
@may(DISTRICT)
def metrics(request: Request) -> Response:
    """Counters and gauges, one family each, named microgrid_*."""
    state = request.app.state
    context = context_of(request)
    lines: list[str] = []
    for name, kind, help_text, samples in _families(context, state):
        lines += [f"# HELP microgrid_{name} {help_text}", f"# TYPE microgrid_{name} {kind}"]
        lines += [f"microgrid_{name}{labels} {value:.15g}" for labels, value in samples]
    text = "\n".join(lines) + "\n"
    return Response(text, 200, {"Cache-Control": "no-store"}, METRICS_TYPE)


Samples = list[tuple[str, float]]


def _families(context: ApiContext, state: Any) -> list[tuple[str, str, str, Samples]]:  # noqa: ANN401
    row, tiers, unsettled, alarms, ledger = context.store.read(_figures)
    messages = context.store.read(count_messages)
    now_s = context.clock.now_s()
    last = [] if row is None else [("", float(row.start))]
    seconds = (row.seconds or {}) if row is not None else {}
    counts = sorted(state.counts.items())
    return [
        ("up_seconds", "gauge", "Seconds since the process began", [("", _up_s(state))]),
        ("district_time_seconds", "gauge", "The district's time", [("", now_s)]),
        ("ready", "gauge", "1 while ready", [("", float(not_ready_because(context) is None))]),
        ("last_slot_seconds", "gauge", "Start of the newest published slot", last),
        (
            "slots_total", "counter", "Final rows by tier",
            [(f'{{tier="{tier}"}}', float(count)) for tier, count in tiers.items()],
        ),
        (
            "cycle_seconds", "gauge", "Seconds of each step of the newest slot",
            [(f'{{step="{step}"}}', spent) for step, spent in seconds.items()],
        ),
        ("unsettled_slots", "gauge", "Slots to be settled", [("", float(unsettled))]),
        ("open_alarms", "gauge", "Open alarms", [("", float(alarms))]),
        (
            "alarm_messages", "gauge", "Messages to webhooks, kept for a month, by what became",
            [(f'{{state="{state}"}}', float(count)) for state, count in messages.items()],
        ),
        (
            "orders_total", "counter", "Messages by what was answered",
            [(f'{{answer="{answer}"}}', float(count)) for answer, count in counts],
        ),
        ("orders_waiting", "gauge", "Messages that wait for a commit", [("", state.desk.waiting)]),
        ("order_batches_total", "counter", "Transactions of orders", [("", state.desk.batches)]),
        ("event_streams", "gauge", "Open event streams", [("", float(state.hub.listeners))]),
        ("ledger_size", "gauge", "Leaves of the log", _sample(ledger, "size")),
        ("unexplained_wh", "gauge", "Wh without explanation", _sample(ledger, "unexplained_wh")),
        ("unexplained_krw", "gauge", "Won without explanation", _sample(ledger, "unexplained_krw")),
    ]  # fmt: skip


def _figures(
    connection: Connection,
) -> tuple[SlotRow | None, dict[str, int], int, int, Document | None]:
    last, tick = last_published(connection), last_view_slot(connection, "ledger")
    return (
        None if last is None else find_slot(connection, last),
        count_tiers(connection),
        len(unsettled_slots(connection, before=2**62)),
        len(open_alarms(connection)),
        None if tick is None else find_view(connection, "ledger", tick),
    )


def _sample(document: Document | None, key: str) -> Samples:
    found = None if document is None else document.get(key)
    return [] if found is None else [("", float(found))]


def _up_s(state: Any) -> float:  # noqa: ANN401 - the application's own state
    return time.monotonic() - float(state.begun)
