"""How the crowd answers events: a part of them, a part of what they draw, and bids that fit."""

from typing import Any

import pytest

from energy.crowd import Crowd, CrowdError, Promises, build_commits, parse_offers, within_promises
from energy.crowd.demand_response import WILLING_FRAC, Offer

SLOT = 1_784_091_600  # 2026-07-15 14:00 in Sejong
OFFER = Offer(bytes(31) + b"\x01", SLOT, 8)


def document(**changes: Any) -> dict[str, Any]:
    event = {
        "id": f"0x{OFFER.id.hex()}",
        "first_slot_utc": "2026-07-15T05:00:00Z",
        "slots": 8,
        "answers_open": True,
    }
    return {"items": [{**event, **changes}]}


def test_only_events_that_are_open_are_answered() -> None:
    assert parse_offers(document()) == [OFFER]
    assert parse_offers(document(answers_open=False)) == []
    with pytest.raises(CrowdError, match="cannot be read"):
        parse_offers({"items": [{"id": "0x00"}]})


def test_some_members_commit_a_small_part_the_same_each_time(crowd: Crowd) -> None:
    found = build_commits(crowd, OFFER)
    assert found == build_commits(crowd, OFFER)
    assert 0 < len(found) <= len(crowd) * (WILLING_FRAC + 0.2)
    assert all(one["e_wh_per_slot"] >= 10 and one["event_id"] == OFFER.id for one in found)
    assert len({one["account"] for one in found}) == len(found)


def test_bids_are_cut_to_what_is_left_to_be_drawn(crowd: Crowd) -> None:
    account = crowd.account[0]
    promises = Promises()
    promises.keep(OFFER, account, {"baseline_wh": [500] * 8, "committed_wh_per_slot": 200})
    order = {"account": account, "slot": SLOT, "side": 1, "e_wh": 400}
    offer = {**order, "side": 2}
    later = {**order, "slot": SLOT + 8 * 900}
    assert within_promises([order, offer, later], promises) == [
        {**order, "e_wh": 300},
        offer,
        later,
    ]
    promises.keep(OFFER, account, {"baseline_wh": [205] * 8, "committed_wh_per_slot": 200})
    assert within_promises([order], promises) == []


def test_what_was_promised_for_slots_that_are_over_is_forgotten(crowd: Crowd) -> None:
    account = crowd.account[0]
    promises = Promises()
    promises.keep(OFFER, account, {"baseline_wh": [500] * 8, "committed_wh_per_slot": 200})
    promises.forget_before(SLOT + 900)
    assert sorted(slot for _, slot in promises.bid_wh_max) == [SLOT + n * 900 for n in range(1, 8)]
    promises.forget_before(SLOT + 8 * 900)
    assert promises.bid_wh_max == {}
