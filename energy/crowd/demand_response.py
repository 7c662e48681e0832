"""How the crowd answers demand response: some commit a part of what they expect to draw.

A pure, seeded function of the public list of events, as `GET /v1/dr/events` answers it. Whoever has
committed then bids for no more than the market lets him in the slots of the event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from energy.crowd.bidding import BID, E_WH_MIN
from energy.crowd.errors import CrowdError
from energy.crowd.household import expected_net_kw
from energy.crowd.members import Crowd
from energy.timegrid import TimeGridError, parse_instant
from energy.units import DT_H, SLOT_S, wh_from_kwh

# Assumptions (D): who takes part at all, and the part of what is expected that is promised.
WILLING_FRAC = 0.35
PROMISED_FRAC = (0.1, 0.35)
NONCE_BASE = 2**63
"""Nonces of answers lie above those of orders, which count from the slot."""


@dataclass(frozen=True)
class Offer:
    """An event that can be answered: its id, its slots."""

    id: bytes
    first_slot: int
    slots: int

    @property
    def all_slots(self) -> range:
        """The starts of its slots."""
        return range(self.first_slot, self.first_slot + self.slots * SLOT_S, SLOT_S)


@dataclass
class Promises:
    """What members have committed: which events are answered, and Wh they may bid by slot.

    `is_refused`: the market does not tell its events to this program.
    """

    answered: set[bytes] = field(default_factory=set)
    bid_wh_max: dict[tuple[bytes, int], int] = field(default_factory=dict)
    is_refused: bool = False

    def keep(self, offer: Offer, account: bytes, answer: Mapping[str, Any]) -> None:
        """Take up the market's answer to a commitment: baseline and Wh given up in each slot."""
        baseline = answer.get("baseline_wh")
        if not isinstance(baseline, list) or len(baseline) != offer.slots:
            return
        for slot, usual_wh in zip(offer.all_slots, baseline, strict=True):
            left_wh = max(int(usual_wh) - int(answer["committed_wh_per_slot"]), 0)
            self.bid_wh_max[account, slot] = left_wh

    def forget_before(self, slot: int) -> None:
        """Let go of what was promised for slots that are over; a program may run for years."""
        self.bid_wh_max = {key: wh for key, wh in self.bid_wh_max.items() if key[1] >= slot}


def parse_offers(document: Mapping[str, Any]) -> list[Offer]:
    """The events of a document of `GET /v1/dr/events` that can be answered; raises CrowdError."""
    try:
        return [
            Offer(
                bytes.fromhex(str(one["id"]).removeprefix("0x")),
                parse_instant(one["first_slot_utc"]),
                int(one["slots"]),
            )
            for one in document["items"]
            if one["answers_open"]
        ]
    except (KeyError, TypeError, ValueError, TimeGridError) as error:
        raise CrowdError(f"events: found a list that cannot be read: {error!r}") from error


def build_commits(crowd: Crowd, offer: Offer) -> list[dict[str, Any]]:
    """One DrCommit message of each member who takes part, in order of the meters."""
    rng = np.random.default_rng([crowd.district.seed, crowd.seed, 19, offer.first_slot // SLOT_S])
    willing = rng.random(len(crowd)) < WILLING_FRAC
    part = rng.uniform(*PROMISED_FRAC, len(crowd))
    needs_kw = [np.maximum(-expected_net_kw(crowd, one, None), 0.0) for one in offer.all_slots]
    e_wh = wh_from_kwh(part * np.min(needs_kw, axis=0) * DT_H)
    nonce = NONCE_BASE + int.from_bytes(offer.id[:7], "big")
    return [
        {
            "account": crowd.account[row],
            "event_id": offer.id,
            "e_wh_per_slot": int(e_wh[row]),
            "nonce": nonce,
        }
        for row in np.flatnonzero(willing & (e_wh >= E_WH_MIN)).tolist()
    ]


def within_promises(orders: Iterable[dict[str, Any]], promises: Promises) -> list[dict[str, Any]]:
    """The orders, bids cut to what their accounts may still draw; what is too small is left out."""
    found = []
    for order in orders:
        most_wh = promises.bid_wh_max.get((order["account"], order["slot"]))
        if order["side"] == BID and most_wh is not None and order["e_wh"] > most_wh:
            if most_wh >= E_WH_MIN:
                found.append({**order, "e_wh": most_wh})
        else:
            found.append(order)
    return found
