"""DR events as one account sees them: its own baseline, answer and result, and nobody else's."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from energy.steps.books import load_registry
from energy.steps.dr_programmes import dr_programmes
from energy.steps.dr_views import DrScene
from energy.store.accounts import find_message
from energy.store.books import settled_bounds
from energy.store.demand_response import (
    EventRow,
    find_answer,
    last_result,
    list_events,
    load_baselines,
    state_of,
)
from energy.store.kept_keys import kept_addresses, signed_by
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw
from market.dr import EventState

SHOWN_EVENTS = 10
PPM = 1_000_000


def own_events(connection: Connection, scene: DrScene, account: bytes) -> list[Document]:
    """The newest DR events with this account's own baseline, answer and result alone."""
    bounds = settled_bounds(connection)
    settled = None if bounds is None else bounds[1]
    events = list_events(connection, SHOWN_EVENTS)
    return [_own_event(connection, scene, one, account, settled) for one in events]


def _own_event(
    connection: Connection, scene: DrScene, event: EventRow, account: bytes, settled: int | None
) -> Document:
    state = state_of(connection, event, scene.now_s, settled)
    table = load_baselines(connection, event.id)
    baseline = None if table is None else table.of(account)
    usual = None if baseline is None or baseline.net_wh is None else list(baseline.net_wh)
    answer = find_answer(connection, event.id, account)
    signed = None if answer is None else find_message(connection, answer.digest)
    kept = kept_addresses(connection, account)
    programme = dr_programmes().get(event.programme)
    is_open = state == EventState.OFFERED and usual is not None and answer is None
    return {
        "id": f"0x{event.id.hex()}",
        "title": {} if programme is None else dict(programme.title),
        "state": str(state),
        "first_slot_utc": iso_of(event.first_slot),
        "end_utc": iso_of(event.end_slot),
        "slots": event.slots,
        "answer_by_utc": iso_of(event.answer_by),
        "reward_krw_per_kwh": krw_text_from_mkrw(event.reward_mkrw_per_kwh),
        "penalty_krw_per_kwh": krw_text_from_mkrw(event.penalty_mkrw_per_kwh),
        "baseline_wh": usual,
        "wh_per_slot_max": None if usual is None else _most_wh(event, usual),
        "is_open": is_open,
        "answer_wh_per_slot": None if answer is None else answer.e_wh_per_slot,
        "answer_signed_by": None if signed is None else signed_by(signed.signers[:20], kept),
        "result": _own_result(connection, event, account),
    }


def _most_wh(event: EventRow, usual: Sequence[int]) -> int:
    """The most that admission lets this account commit in every slot: a share of its least use."""
    least = max(min(usual), 0)
    return min(least, least * event.controllable_ppm // PPM)


def _own_result(connection: Connection, event: EventRow, account: bytes) -> Document | None:
    """What the account reduced and gets, None before it is verified or without commitment."""
    result = last_result(connection, event.id)
    number = load_registry(connection).book.number.get(account)
    if result is None or number is None:
        return None
    columns = result[1]
    at = np.flatnonzero(columns["account"] == number)
    if not len(at):
        return None
    total = {
        name: int(columns[name][:, at[0]].sum())
        for name in ("reduced_wh", "reward_ukrw", "penalty_ukrw")
    }
    return {
        "reduced_kwh": total["reduced_wh"] / 1000,
        "reward_krw": krw_text_from_ukrw(total["reward_ukrw"]),
        "penalty_krw": krw_text_from_ukrw(total["penalty_ukrw"]),
    }
