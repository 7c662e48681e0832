"""Baselines: what accounts would have drawn in the slots of an event, from their earlier days.

Days since the books began are read as they were settled; of those before them the utility's
readings are taken (customers) and the devices' defaults (the operator's own meters, of which
nobody kept any). A day counts once all its slots are settled. The operator's account stands for
all of its meters that can be told something: batteries, cars, units, heat pump.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.books import Registry, asset_accounts
from energy.steps.context import Microgrid
from energy.steps.metering import ESTIMATED
from energy.steps.settled_meters import UNKNOWN, settled_meters
from energy.store.accounts import trade_keys
from energy.store.demand_response import (
    BaselineTable,
    EventRow,
    events_between,
    has_baselines,
    load_answers,
    save_baselines,
    takes_place,
)
from energy.store.events import add_event
from energy.timegrid import DayType, local_calendar, local_day_start, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY
from market.dr import LOOK_BACK_DAYS, History, HistoryDay, build_baseline
from market.transfers import system_account

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DAY_S = SLOTS_PER_DAY * SLOT_S


@dataclass(frozen=True, eq=False)
class MeteredSlot:
    """Import less export of every account of the books in a slot, (A,) Wh, by its number.

    `quality` is that of the newest reading that was settled, 0 where there is none.
    """

    net_wh: IntArray
    quality: IntArray


@dataclass(frozen=True)
class OperatorMeters:
    """The operator's account, and the accounts of its meters that it stands for in an event."""

    account: bytes
    told: tuple[bytes, ...]


def work_out_baselines(microgrid: Microgrid, slot: int) -> None:
    """Write the baselines of every event that was called and has none yet, at the gate of `slot`.

    From then on it can be answered.
    """

    def waiting(connection: Connection) -> list[EventRow]:
        coming = events_between(connection, slot, slot + LOOK_BACK_DAYS * DAY_S)
        return [one for one in coming if not has_baselines(connection, one.id)]

    for event in microgrid.store.read(waiting):
        table = microgrid.store.read(partial(_table, microgrid=microgrid, event=event, slot=slot))
        microgrid.store.write(partial(_keep, event=event, table=table, slot=slot))


def _keep(connection: Connection, *, event: EventRow, table: BaselineTable, slot: int) -> None:
    save_baselines(connection, event.id, table, slot)
    add_event(connection, "dr", event.first_slot, {"event": event.id.hex()})


def metered_at(connection: Connection, books: Registry, slot: int) -> MeteredSlot:
    """What the meters of a slot show by the newest readings that were settled."""
    found = settled_meters(connection, books, slot)
    return MeteredSlot(found.import_wh - found.export_wh, found.quality)


def operator_meters(books: Registry, district: District) -> OperatorMeters:
    """The operator's account and the meters that set-points reach: all of its own but the sun's."""
    assets = asset_accounts(district)
    account = system_account(books.domain.market_id, "SPC")
    return OperatorMeters(account, assets[: len(assets) - district.areas])


def of_accounts(
    metered: MeteredSlot, books: Registry, operator: OperatorMeters, accounts: Sequence[bytes]
) -> tuple[IntArray, IntArray]:
    """Net import and quality of accounts, the operator's being the sum of what it can tell and the
    worst that one of its meters has.
    """
    number = books.book.number
    rows = np.array([number[one] for one in accounts], dtype=np.int64)
    net_wh, quality = metered.net_wh[rows], metered.quality[rows]
    if operator.account in accounts:
        own = np.array([number[one] for one in operator.told], dtype=np.int64)
        at = accounts.index(operator.account)
        net_wh[at] = metered.net_wh[own].sum()
        quality[at] = _worst(metered.quality[own])
    return net_wh, quality


def _worst(quality: IntArray) -> int:
    """Unknown before estimated before all else; without any meter it is unknown."""
    for bad in (UNKNOWN, ESTIMATED):
        if bad in quality:
            return bad
    return int(quality.min()) if len(quality) else UNKNOWN


def _table(
    connection: Connection, *, microgrid: Microgrid, event: EventRow, slot: int
) -> BaselineTable:
    """The baselines of everybody who may answer: customers with a key, and the operator."""
    books, district = microgrid.books, microgrid.district
    keyed = trade_keys(connection, books.customers)
    accounts = (*(one for one in books.customers if one in keyed), books.system.spc)
    days = _days(connection, microgrid, event, slot, accounts)
    busy = _event_days(connection, event, accounts, district.time_zone)
    found = [
        build_baseline(
            History(
                tuple(
                    HistoryDay(
                        ago,
                        tuple(net_wh[:, row].tolist()),
                        event=(ago, row) in busy,
                        estimated=bool(estimated[row]),
                    )
                    for ago, net_wh, estimated in days
                )
            ),
            event.terms,
        )
        for row in range(len(accounts))
    ]
    nothing = (0,) * event.slots
    net = [one.net_wh or nothing for one in found]
    counts = [len(one.kept) if one.net_wh is not None else 0 for one in found]
    return BaselineTable(
        accounts,
        np.array(net, dtype=np.int64).reshape(len(accounts), event.slots),
        np.array(counts, dtype=np.int64),
    )


def _days(
    connection: Connection,
    microgrid: Microgrid,
    event: EventRow,
    slot: int,
    accounts: tuple[bytes, ...],
) -> list[tuple[int, IntArray, BoolArray]]:
    """Earlier working days: days ago, net import by slot and account, and what was estimated."""
    found = []
    for ago in range(1, LOOK_BACK_DAYS + 1):
        slots = slots_from(event.first_slot - ago * DAY_S, event.slots)
        wall = local_calendar(slots[:1], microgrid.district.time_zone)
        if wall.day_type[0] != DayType.WEEKDAY or int(slots[-1]) >= slot:
            continue
        rows = _rows_of_day(connection, microgrid, slots, accounts)
        if rows is not None:
            found.append((ago, *rows))
    return found


def _rows_of_day(
    connection: Connection, microgrid: Microgrid, slots: IntArray, accounts: tuple[bytes, ...]
) -> tuple[IntArray, BoolArray] | None:
    """Net import (S, A) of earlier slots and who has an estimate in them; None where unknown."""
    books, plant = microgrid.books, microgrid.plant
    operator = operator_meters(books, microgrid.district)
    own_wh = None
    place = {account: row for row, account in enumerate(books.customers)}
    customers = [place.get(one, -1) for one in accounts]
    is_customer = np.array(customers) >= 0
    net_wh = np.zeros((len(slots), len(accounts)), dtype=np.int64)
    estimated = np.zeros(len(accounts), dtype=np.bool_)
    for row, slot in enumerate(slots.tolist()):
        if slot >= microgrid.installation.first_slot:
            metered = metered_at(connection, books, slot)
            net_wh[row], quality = of_accounts(metered, books, operator, accounts)
            if (quality == UNKNOWN).any():
                return None
            estimated |= quality == ESTIMATED
            continue
        seen_wh = plant.customers_wh(slot)
        if seen_wh is None:
            return None
        if own_wh is None:
            own_wh = plant.assets_by_default_wh(slots)
        told_wh = own_wh[row, : len(operator.told)].sum()
        net_wh[row] = np.where(is_customer, seen_wh[customers], told_wh)
    return net_wh, estimated


def _event_days(
    connection: Connection, event: EventRow, accounts: Sequence[bytes], time_zone: str
) -> frozenset[tuple[int, int]]:
    """Days ago on which an account had committed to an event, with the account's row."""
    row_of = {account: row for row, account in enumerate(accounts)}
    busy = set()
    first = event.first_slot - LOOK_BACK_DAYS * DAY_S
    today = local_day_start(event.first_slot, time_zone)
    for earlier in events_between(connection, first, event.first_slot):
        if not takes_place(connection, earlier, event.first_slot):
            continue
        ago = round((today - local_day_start(earlier.first_slot, time_zone)) / DAY_S)
        for answer in load_answers(connection, earlier.id):
            if answer.e_wh_per_slot and answer.account in row_of:
                busy.add((ago, row_of[answer.account]))
    return frozenset(busy)
