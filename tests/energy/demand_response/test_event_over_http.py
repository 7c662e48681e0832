"""A two-hour event over real HTTP: call, baselines, answers, dispatch, readings, money, proof."""

import time
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pytest

from energy.steps.credentials import hash_secret, new_secret
from energy.steps.dr_baselines import metered_at, operator_meters
from energy.steps.proving import audit_books, export_lines
from energy.store.demand_response import load_answers, load_baselines, pledges
from energy.store.people import ServiceToken, add_token
from energy.units import SLOT_S
from market.transfers import LedgerId
from market.verifier import verify_export

EVENT = 1_784_091_600  # 2026-07-15 14:00 in Sejong
END = EVENT + 8 * SLOT_S


def event_id(scene: Any) -> bytes:
    return bytes.fromhex(scene.event["id"][2:])


def test_an_event_goes_from_offered_to_settled(evented: Any) -> None:
    order = list(dict.fromkeys(state for _, state in evented.states))
    assert order == ["OFFERED", "CALLED", "RUNNING", "SETTLED"]
    assert evented.event["state"] == "SETTLED" and evented.event["version"] == 1
    answers = evented.event["answers"]
    assert answers["committed"] >= 4 and answers["declined"] == 1
    assert answers["asked"] == len(evented.crowd) + 1


def test_every_reward_and_penalty_follows_from_the_readings(evented: Any) -> None:
    """Done again by hand: per clock hour, from signed readings and the baselines."""
    store, books = evented.microgrid.store, evented.microgrid.books
    answers = [one for one in store.read(partial(load_answers, event=event_id(evented)))]
    table = store.read(partial(load_baselines, event=event_id(evented)))
    own = operator_meters(books, evented.microgrid.district)
    reward = penalty = committed = reduced = 0
    for answer in answers:
        baseline = table.net_wh[table.account.index(answer.account)]
        meters = own.told if answer.account == own.account else (answer.account,)
        numbers = [books.book.number[one] for one in meters]
        for hour in range(2):
            slots = range(EVENT + hour * 3600, EVENT + (hour + 1) * 3600, SLOT_S)
            net = sum(
                int(store.read(partial(metered_at, books=books, slot=slot)).net_wh[numbers].sum())
                for slot in slots
            )
            wanted = 4 * answer.e_wh_per_slot
            got = max(0, int(baseline[4 * hour : 4 * hour + 4].sum()) - net)
            committed += wanted
            reduced += got if wanted else 0
            reward += min(got, wanted) * 1_300_000
            penalty += max(wanted - got, 0) * 130_000
    groups = evented.event["groups"].values()
    assert reward > 0 and penalty > 0
    assert sum(Decimal(one["reward_krw"]) for one in groups) == Decimal(reward) / 10**6
    assert sum(Decimal(one["penalty_krw"]) for one in groups) == Decimal(penalty) / 10**6
    assert sum(one["committed_kwh"] for one in groups) == pytest.approx(committed / 1000)
    assert sum(one["reduced_kwh"] for one in groups) == pytest.approx(reduced / 1000)
    account = _program(evented)
    balance = books.head.balances[int(LedgerId.KRW), account]
    assert balance == penalty - reward


def test_the_ledger_is_proven_offline_and_every_hour_is_held_to_its_commitments(
    evented: Any,
) -> None:
    report = verify_export(export_lines(evented.microgrid.store))
    assert report.ok, report.first_failure
    assert report.checks["event paid"] > 0 and report.checks["commitment"] >= 5
    audit = audit_books(evented.microgrid.store, evented.microgrid.books)
    assert audit.verified and audit.debits_equal_credits and audit.finding == ""


def test_households_draw_less_because_they_have_promised(evented: Any) -> None:
    """The same slots of the same plant, once with and once without what was promised."""
    plant, district = evented.microgrid.plant, evented.microgrid.district
    promised = evented.microgrid.store.read(
        partial(pledges, slots=[EVENT + 4 * SLOT_S], now_s=EVENT)
    )
    rows = [
        district.meters.account.index(account)
        for _, account in promised
        if account in district.meters.account
    ]
    assert len(rows) >= 4
    state = plant.begin(EVENT + 4 * SLOT_S)
    kw = np.zeros(len(district.meters.account))
    kw[rows] = 0.2
    usual = plant.step(state, state.slot, None).readings
    less = plant.step(state, state.slot, None, kw).readings
    change = (usual.import_wh - usual.export_wh) - (less.import_wh - less.export_wh)
    assert (change[rows] >= 0).all() and change[rows].sum() > 0
    assert not np.delete(change, rows).any()


def test_the_operators_assets_follow_the_plan_for_the_event(evented: Any) -> None:
    """Its commitment came from the plan, and it is promised with a margin."""
    operator = evented.event["groups"]["operator"]
    assert operator["accounts"] == 1 and operator["committed_kwh"] > 0
    assert operator["reduced_kwh"] > 0


def test_the_series_show_baseline_target_and_meter_of_each_slot(evented: Any) -> None:
    for name in ("households", "operator"):
        series = evented.event["series"][name]
        assert len(series["metered_kw"]) == 8 and None not in series["metered_kw"]
        gap = np.array(series["baseline_kw"]) - np.array(series["target_kw"])
        committed = evented.event["groups"][name]["committed_kwh"]
        assert gap.sum() / 4 == pytest.approx(committed, abs=0.01)


def test_what_few_households_did_is_told_to_those_who_run_the_district_alone(
    evented: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, now_s = new_secret(), int(time.time())
    of = ("wires", hash_secret(secret), "network_owner", ("market:read",), None, now_s)
    token = ServiceToken(*of, ends_s=now_s + 3600)
    evented.microgrid.store.write(lambda connection: add_token(connection, token))
    path, whole = f"/v1/dr/events/{evented.event['id']}", evented.event
    bearer = {"Authorization": f"Bearer {secret}"}
    accounts = whole["groups"]["households"]["accounts"]
    assert 0 < accounts < 15
    less = evented.ask(path, headers=bearer)[1]
    few = less["groups"].pop("households")
    assert few.pop("accounts") == accounts and set(few.values()) == {None}
    assert less["groups"]["operator"] == whole["groups"]["operator"]
    # Nor does the whole, less what the company's own meters did, tell of them.
    sums = ("committed_kwh", "reduced_kwh", "reward_krw", "penalty_krw")
    assert {hour[name] for hour in less["hours"] for name in sums} == {None}
    assert less["series"]["households"] is None
    assert less["series"]["operator"] == whole["series"]["operator"]
    (listed,) = evented.ask("/v1/dr/events", headers=bearer)[1]["items"]
    assert listed["series"] == less["series"]
    monkeypatch.setattr("energy.steps.dr_views.may_be_told", lambda values: True)
    assert evented.ask(path, headers=bearer)[1] == evented.ask(path)[1]


def test_an_answer_is_given_once_and_heard_again(evented: Any) -> None:
    given = {member: one for member, (status, one) in evented.answers.items() if status == 201}
    member, heard = next((n, one) for n, one in given.items() if one["answer"] == "COMMITTED")
    assert len(heard["baseline_wh"]) == 8 and heard["receipt"]["type"] == "Receipt"
    # The same message again, after everything: its first answer.
    again, same = evented.commit(member)
    assert again == 200 and same["receipt"] == heard["receipt"]
    assert [one["answer"] for one in given.values()].count("DECLINED") == 1


def test_refused_answers_say_what_is_allowed(evented: Any) -> None:
    refused = [one for status, one in evented.answers.values() if status >= 400]
    for one in refused:
        assert one["code"] in ("COMMITMENT", "ALREADY_ANSWERED", "OVER_CAPACITY"), one
        assert one["found"] and one["allowed"]
    status, signed_by_another = evented.commit(6, account=evented.crowd.account[7], nonce=1)
    assert (status, signed_by_another["code"]) == (401, "UNKNOWN_KEY")


def test_late_and_unknown_answers_are_refused_in_one_sentence(evented: Any) -> None:
    member = 5
    status, refused = evented.commit(member, nonce=9_999)
    assert status == 409 and refused["code"] in ("ANSWERS_CLOSED", "ALREADY_ANSWERED")
    status, refused = evented.commit(member, nonce=9_998, event_id=bytes(32))
    assert (status, refused["code"]) == (422, "UNKNOWN_EVENT")
    status, found = evented.ask("/v1/dr/events/0x" + "00" * 32)
    assert (status, found["code"]) == (404, "NOT_FOUND")
    status, found = evented.ask("/v1/dr/commits", b'{"type": "DrCommit"}')
    assert status == 422 and found["code"] == "MALFORMED"


def _program(scene: Any) -> bytes:
    _, found = scene.ask("/v1/dr/events")
    account = next(one["account"] for one in found["programmes"] if one["name"] == "district")
    return bytes.fromhex(account[2:])
