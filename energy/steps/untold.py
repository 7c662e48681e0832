"""What is to rest in a slot for which no plan says what devices do.

Nothing may be commanded then, and devices keep to their own defaults, under which units go on and a
district without the utility draws on its batteries. Where the slot has set-points already, they
hold on, with what is to rest at rest; where it has none, a person is told.
"""

from sqlalchemy import Connection

from energy.district import District
from energy.forecast import no_cars
from energy.plant import SetPoints
from energy.steps.retiring import neutral, retired_from
from energy.store.alarms import Alarm
from energy.store.holds import resting_between
from energy.store.setpoints import load_setpoints
from energy.timegrid import iso_of
from energy.units import SLOT_S


def still_told(connection: Connection, district: District, slot: int) -> SetPoints | None:
    """A slot's set-points as they are, but for what is to rest in it by now.

    None where nothing is to rest or the slot has none.
    """
    resting = resting_between(connection, slot, slot + SLOT_S)
    found = load_setpoints(connection, slot)
    if not resting or found is None:
        return None
    # Points that go out of use are switched off whole, so no car needs to be told.
    retired = retired_from(district, resting, slot, 1)
    return neutral(district, SetPoints.from_bytes(found.body), retired, no_cars())


def untold_rest(connection: Connection, slot: int) -> list[Alarm]:
    """The alarm of a slot without set-points in which something is to rest; empty where nothing."""
    resting = sorted({one.asset for one in resting_between(connection, slot, slot + SLOT_S)})
    if not resting:
        return []
    names = ", ".join(resting)
    return [
        Alarm(
            cause="slot/rest",
            severity="alarm",
            what=f"{names}: to rest in {iso_of(slot)}, and cannot be told for want of a plan",
            where="plan",
            todo="Secure it on site: devices keep to their defaults until a slot is planned again.",
        )
    ]
