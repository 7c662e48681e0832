"""What is shown of demand response: events with their states, sums of who has committed, money.

Customers stand together as `households`, the company's own meters as `operator`. Where they are so
few that their sum would tell of one, it is told to those who run the district alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.books import load_registry
from energy.steps.dr_baselines import metered_at, of_accounts, operator_meters
from energy.steps.dr_programmes import METHODS, dr_programmes
from energy.steps.open_data import may_be_told
from energy.steps.settled_meters import UNKNOWN
from energy.store.books import settled_bounds
from energy.store.demand_response import (
    AnswerRow,
    BaselineTable,
    EventRow,
    last_result,
    list_events,
    load_answers,
    load_baselines,
    state_of,
)
from energy.store.mailbox import PreparedMessage
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import DT_H, SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.dr import AnswerState, EventState
from market.signing import Domain
from market.transfers import system_account

IntArray = npt.NDArray[np.int64]
SHOWN_EVENTS = 20
GROUPS = ("households", "operator")
METHOD_NAMES = {method: name for name, method in METHODS.items()}
LIVE = (EventState.RUNNING, EventState.METERED)


@dataclass(frozen=True)
class DrScene:
    """Whose events are shown, what time it is, and whether so few that they tell of one household
    are shown as well.
    """

    domain: Domain
    district: District
    now_s: float
    sees_each: bool = True

    @property
    def operator(self) -> bytes:
        """The operator's account."""
        return system_account(self.domain.market_id, "SPC")


def events_document(connection: Connection, scene: DrScene) -> Document:
    """The newest events, the latest to begin first; programmes that may be called."""
    return {
        "items": [
            event_document(connection, scene, one) for one in list_events(connection, SHOWN_EVENTS)
        ],
        "programmes": [
            {
                "name": name,
                "title": dict(one.title),
                "account": f"0x{one.account(scene.domain).hex()}",
                "baseline": METHOD_NAMES[one.method],
                "hours": [list(hours) for hours in one.terms.hours],
                "hours_of_event": [one.terms.least_hours, one.terms.most_hours],
                "least_kwh_per_hour": one.terms.least_wh_per_hour / 1000,
                "reward_krw_per_kwh": _krw(one.reward_mkrw_per_kwh),
                "penalty_krw_per_kwh": _krw(one.penalty_mkrw_per_kwh),
            }
            for name, one in dr_programmes().items()
        ],
    }


def _krw(usual_mkrw: int | None) -> str | None:
    """A usual price of a programme; None where it follows the market's or the reward."""
    return None if usual_mkrw is None else krw_text_from_mkrw(usual_mkrw)


def answer_document(connection: Connection, *, one: PreparedMessage) -> Document:
    """What an account hears of its accepted DrCommit: nobody else learns its baseline."""
    assert one.message is not None, "only what was accepted comes here"
    table = load_baselines(connection, one.message["event_id"])
    baseline = None if table is None else table.of(one.message["account"])
    e_wh = one.message["e_wh_per_slot"]
    known = None if baseline is None or baseline.net_wh is None else list(baseline.net_wh)
    return {
        "answer": str(AnswerState.COMMITTED if e_wh else AnswerState.DECLINED),
        "committed_wh_per_slot": e_wh,
        "baseline_wh": known,
    }


def event_document(connection: Connection, scene: DrScene, event: EventRow) -> Document:
    """One event: terms, state, answers, sums by group, hours and series of its slots."""
    bounds = settled_bounds(connection)
    state = state_of(connection, event, scene.now_s, None if bounds is None else bounds[1])
    answers = load_answers(connection, event.id)
    table = load_baselines(connection, event.id)
    result = last_result(connection, event.id)
    committed = [one for one in answers if one.e_wh_per_slot]
    title = dr_programmes()[event.programme].title if event.programme in dr_programmes() else {}
    metered = _metered(connection, scene, event, committed, result, state in LIVE)
    document = {
        **_terms(event),
        "title": dict(title),
        "state": str(state),
        "answers_open": state == EventState.OFFERED and table is not None,
        "answers": {
            "asked": 0 if table is None else len(table.account),
            "without_baseline": 0 if table is None else int((table.days == 0).sum()),
            "committed": len(committed),
            "declined": len(answers) - len(committed),
        },
        "version": 0 if result is None else result[0],
        "groups": _groups(scene, event, committed, None if result is None else result[1]),
        "hours": [] if result is None else _hours(result[1]),
        "series": _series(scene, event, committed, table, metered),
    }
    if scene.sees_each or table is None:
        return document
    # Beside the first sums, those after a correction would tell of the meter that was corrected.
    if document["version"] <= 1 and _may_be_told(scene, committed, table, metered):
        return document
    return _without_households(document)


def _may_be_told(
    scene: DrScene,
    committed: list[AnswerRow],
    table: BaselineTable,
    metered: list[IntArray | None],
) -> bool:
    """Whether what households have committed, usually draw and have drawn tells of none of them."""
    theirs = _of_households(scene, committed)
    promised = np.array([one.e_wh_per_slot for one in committed], dtype=np.int64)
    known = [promised, *_usual(committed, table), *(row for row in metered if row is not None)]
    return all(may_be_told(row[theirs]) for row in known)


def _without_households(document: Document) -> Document:
    """The document with null for what few households did, and for sums that have them in them."""
    groups, series = document["groups"], document["series"]
    few = {**dict.fromkeys(groups["households"]), "accounts": groups["households"]["accounts"]}
    whole_hours = ("committed_kwh", "reduced_kwh", "reward_krw", "penalty_krw")
    return {
        **document,
        "groups": {**groups, "households": few},
        "hours": [{**one, **dict.fromkeys(whole_hours)} for one in document["hours"]],
        "series": series and {**series, "households": None},
    }


def _of_households(scene: DrScene, committed: list[AnswerRow]) -> npt.NDArray[np.bool_]:
    return np.array([one.account != scene.operator for one in committed], dtype=np.bool_)


def _usual(committed: list[AnswerRow], table: BaselineTable) -> IntArray:
    """Baseline by slot of those who have committed, Wh."""
    row_of = {account: row for row, account in enumerate(table.account)}
    return table.net_wh[[row_of[one.account] for one in committed]].T


def _terms(event: EventRow) -> Document:
    return {
        "id": f"0x{event.id.hex()}",
        "programme": event.programme,
        "first_slot_utc": iso_of(event.first_slot),
        "end_utc": iso_of(event.end_slot),
        "slots": event.slots,
        "answer_by_utc": iso_of(event.answer_by),
        "called_utc": iso_of(event.called_utc),
        "cancelled_utc": None if event.cancelled_utc is None else iso_of(event.cancelled_utc),
        "baseline": METHOD_NAMES[event.terms.method],
        "reward_krw_per_kwh": krw_text_from_mkrw(event.reward_mkrw_per_kwh),
        "penalty_krw_per_kwh": krw_text_from_mkrw(event.penalty_mkrw_per_kwh),
        "least_kwh_per_hour": event.least_wh_per_hour / 1000,
        "controllable_ppm": event.controllable_ppm,
    }


def _groups(
    scene: DrScene,
    event: EventRow,
    committed: list[AnswerRow],
    result: Mapping[str, Any] | None,
) -> Document:
    """What each group has committed, reduced, gets and owes over the whole event."""
    theirs = _of_households(scene, committed)
    wh = np.array([one.e_wh_per_slot for one in committed], dtype=np.int64) * event.slots
    found = {}
    for name, mine in zip(GROUPS, (theirs, ~theirs), strict=True):
        sums: Document = {"accounts": int(mine.sum()), "committed_kwh": int(wh[mine].sum()) / 1000}
        if result is not None:
            for key in ("reward", "penalty"):
                total = int(result[f"{key}_ukrw"][:, mine].sum())
                sums[f"{key}_krw"] = krw_text_from_ukrw(total)
            sums["reduced_kwh"] = int(result["reduced_wh"][:, mine].sum()) / 1000
        found[name] = sums
    return found


def _hours(result: Mapping[str, Any]) -> list[Document]:
    """The clock hours of a verified event, all accounts together."""
    return [
        {
            "start_utc": iso_of(int(start)),
            "committed_kwh": int(result["committed_wh"][row].sum()) / 1000,
            "reduced_kwh": int(result["reduced_wh"][row].sum()) / 1000,
            "reward_krw": krw_text_from_ukrw(int(result["reward_ukrw"][row].sum())),
            "penalty_krw": krw_text_from_ukrw(int(result["penalty_ukrw"][row].sum())),
        }
        for row, start in enumerate(result["hour"])
    ]


def _series(
    scene: DrScene,
    event: EventRow,
    committed: list[AnswerRow],
    table: BaselineTable | None,
    metered: list[IntArray | None],
) -> Document | None:
    """Mean power by slot of those who have committed: baseline, baseline less commitment, metered.

    None while nobody has; a slot whose readings are not settled is null.
    """
    if table is None or not committed:
        return None
    usual, theirs = _usual(committed, table), _of_households(scene, committed)
    wanted = usual - np.array([one.e_wh_per_slot for one in committed], dtype=np.int64)
    found: Document = {"first_slot_utc": iso_of(event.first_slot)}
    for name, mine in zip(GROUPS, (theirs, ~theirs), strict=True):
        found[name] = {
            "baseline_kw": _kw(list(usual), mine),
            "target_kw": _kw(list(wanted), mine),
            "metered_kw": _kw(metered, mine),
        }
    return found


def _metered(
    connection: Connection,
    scene: DrScene,
    event: EventRow,
    committed: list[AnswerRow],
    result: tuple[int, Mapping[str, Any]] | None,
    is_live: bool,
) -> list[IntArray | None]:
    """Net import of those who have committed in each slot, None where it is not settled."""
    if result is not None:
        return list(result[1]["net_wh"])
    if not is_live or not committed:
        return [None] * event.slots
    registry = load_registry(connection)
    operator = operator_meters(registry, scene.district)
    accounts = [one.account for one in committed]
    found: list[IntArray | None] = []
    for slot in range(event.first_slot, event.end_slot, SLOT_S):
        metered = metered_at(connection, registry, slot)
        net_wh, quality = of_accounts(metered, registry, operator, accounts)
        found.append(None if (quality == UNKNOWN).any() else net_wh)
    return found


def _kw(rows: list[IntArray | None], mine: npt.NDArray[np.bool_]) -> list[float | None]:
    return [None if row is None else round(int(row[mine].sum()) / 1000 / DT_H, 3) for row in rows]
