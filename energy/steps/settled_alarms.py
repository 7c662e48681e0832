"""What a person must know of slots that are settled: meters that are not believed, or anew, and
losses that cannot be.
"""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.plant.metering import asset_ids
from energy.steps.metering import AGREEING_SLOTS, MEASURED
from energy.steps.slot_settlement import SettledSlot
from energy.store.alarms import Alarm, end_alarm, end_seen, raise_alarm
from energy.store.audit import Record, append_record
from energy.timegrid import iso_of

SHOWN_MAX = 3
LOSS, BOUNDARY, ASSETS, ANEW = "books/loss", "books/boundary", "books/assets", "books/counters"


def tell_settled(
    connection: Connection, district: District, settled: Sequence[SettledSlot], now_s: int
) -> None:
    """Raise and end the alarms of the slots that a tick has settled."""
    for one in settled:
        _record_anew(connection, district, one, now_s)
        told = (_loss(one), _boundary(one), _assets(district, one), _anew(one))
        found = {alarm.cause: alarm for alarm in told if alarm is not None}
        for alarm in found.values():
            raise_alarm(connection, alarm, now_s)
        for cause in {LOSS, ANEW} - found.keys():
            # It has happened and will not undo itself: it stays until somebody has seen it.
            end_seen(connection, cause, now_s)
        for cause in {BOUNDARY, ASSETS} - found.keys():
            end_alarm(connection, cause, now_s)


def _loss(one: SettledSlot) -> Alarm | None:
    beyond_wh = one.boundary.unexplained_wh
    if not beyond_wh:
        return None
    said = "more" if beyond_wh > 0 else "less"
    return Alarm(
        cause=LOSS,
        severity="alarm",
        what=f"In the slot of {iso_of(one.slot)} the loss is {abs(beyond_wh)} Wh {said} than wires "
        f"and meters can have",
        where="meters",
        todo="Look for meters that stand still, are left out or are tapped, and at the utility's.",
    )


def _boundary(one: SettledSlot) -> Alarm | None:
    if not one.boundary.doubt:
        return None
    return Alarm(
        cause=BOUNDARY,
        severity="alarm",
        what=f"The meter at the utility is not believed: {one.boundary.doubt}",
        where="connection",
        todo="Look at the meter; what passed it in these slots is not booked.",
    )


def _assets(district: District, one: SettledSlot) -> Alarm | None:
    doubted = np.flatnonzero(one.facts.assets.quality != MEASURED).tolist()
    if not doubted:
        return None
    ids = asset_ids(district)
    names = ", ".join(ids[row] for row in doubted[:SHOWN_MAX])
    more = f" and {len(doubted) - SHOWN_MAX} more" if len(doubted) > SHOWN_MAX else ""
    return Alarm(
        cause=ASSETS,
        severity="warning",
        what="Meters of the operator are not believed, their counters or an estimate stand in: "
        f"{names}{more}",
        where="meters",
        todo="Look at these meters and their counters.",
    )


def _anew(one: SettledSlot) -> Alarm | None:
    count = len(one.facts.anew)
    if not count:
        return None
    return Alarm(
        cause=ANEW,
        severity="warning",
        what=f"Counters of {count} meters have begun anew and are believed after "
        f"{AGREEING_SLOTS} slots that agree",
        where="meters",
        todo="Ask the meter service for the exchange; the audit log has the accounts.",
    )


def _record_anew(connection: Connection, district: District, one: SettledSlot, now_s: int) -> None:
    """Write into the audit log whose counters are believed anew, and from what they show."""
    for row in one.facts.anew.tolist():
        whose = f"account 0x{district.meters.account[row].hex()}"
        shown = int(one.facts.columns["import_register_wh"][row])
        task = f"believe the counter anew from {iso_of(one.slot)}, import {shown} Wh"
        append_record(connection, Record(now_s * 10**6, "loop", "this machine", whose, task))
