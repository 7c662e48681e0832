"""What the store knows of demand response, and what follows from it for a slot or an account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import BigInteger, Connection, bindparam, func, insert, select

from energy.store.dr_tables import dr_answer, dr_baseline, dr_cancel, dr_event, dr_result
from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.units import SLOT_S
from market.dr import Baseline, BaselineMethod, DrEvent, EventState, bid_limit_wh

IntArray = npt.NDArray[np.int64]
NO_BASELINE = -1


@dataclass(frozen=True)
class EventRow:
    """An event as it was called; `cancelled_utc` is None where nobody has cancelled it."""

    id: bytes
    programme: str
    program: bytes
    first_slot: int
    slots: int
    baseline: int
    reward_mkrw_per_kwh: int
    penalty_mkrw_per_kwh: int
    answer_by: int
    least_wh_per_hour: int
    pay_cap_ppm: int
    controllable_ppm: int
    called_utc: int
    cancelled_utc: int | None = None

    @property
    def end_slot(self) -> int:
        """The slot after the last one."""
        return self.first_slot + self.slots * SLOT_S

    @property
    def terms(self) -> DrEvent:
        """The event in the market's words."""
        return DrEvent(
            self.program,
            self.first_slot,
            self.slots,
            BaselineMethod(self.baseline),
            self.reward_mkrw_per_kwh,
            self.penalty_mkrw_per_kwh,
            self.answer_by,
        )


class AnswerRow(NamedTuple):
    """What an account has answered: Wh in every slot, 0 declines; `digest` of its message."""

    event: bytes
    account: bytes
    digest: bytes
    e_wh_per_slot: int
    answered_utc: int


@dataclass(frozen=True, eq=False)
class BaselineTable:
    """Baselines of accounts: net import by slot (A, S) Wh, and whether there is one, (A,).

    `days` says how many earlier days each was made from, 0 where there were too few.
    """

    account: tuple[bytes, ...]
    net_wh: IntArray
    days: IntArray

    def of(self, account: bytes) -> Baseline | None:
        """The baseline of an account, None where the account is not in the table."""
        try:
            row = self.account.index(account)
        except ValueError:
            return None
        return self.at(row)

    def at(self, row: int) -> Baseline:
        """The baseline in a row."""
        if not self.days[row]:
            return Baseline(None, reason="too few earlier days that count")
        return Baseline(tuple(self.net_wh[row].tolist()))


class Pledge(NamedTuple):
    """What an account must give up in a slot, and the most that it may bid for, in Wh."""

    e_wh: int
    bid_wh_max: int


def save_event(connection: Connection, row: EventRow) -> None:
    """Write an event that was called."""
    values = {name: one for name, one in vars(row).items() if name != "cancelled_utc"}
    connection.execute(insert(dr_event).values(**values))


def save_cancel(connection: Connection, event: bytes, digest: bytes, now_s: int) -> None:
    """Write that an event does not take place."""
    row = {"event": event, "digest": digest, "cancelled_utc": now_s}
    connection.execute(insert(dr_cancel).values(**row))


def save_answer(connection: Connection, row: AnswerRow) -> None:
    """Write what an account has answered."""
    connection.execute(insert(dr_answer).values(**row._asdict()))


def find_event(connection: Connection, id_: bytes) -> EventRow | None:
    """The event with this id, or None."""
    found = _events(connection, dr_event.c.id == id_)
    return found[0] if found else None


def list_events(connection: Connection, limit: int = 50) -> list[EventRow]:
    """The events, the latest to begin first."""
    query = _query().order_by(dr_event.c.first_slot.desc(), dr_event.c.called_utc.desc())
    return [EventRow(**row._mapping) for row in connection.execute(query.limit(limit))]


def events_between(connection: Connection, first: int, end: int) -> list[EventRow]:
    """Events that nobody has cancelled with a slot in [first, end), in the order of their start."""
    rows = connection.execute(_BETWEEN, {"first": first, "end": end})
    return [EventRow(**row._mapping) for row in rows]


def _events(connection: Connection, where: Any) -> list[EventRow]:  # noqa: ANN401 - an SQL clause
    query = _query().where(where).order_by(dr_event.c.first_slot)
    return [EventRow(**row._mapping) for row in connection.execute(query)]


def _query() -> Any:  # noqa: ANN401 - a statement
    joined = dr_event.outerjoin(dr_cancel, dr_cancel.c.event == dr_event.c.id)
    return select(dr_event, dr_cancel.c.cancelled_utc).select_from(joined)


# Asked for every batch of orders: a statement that stands is compiled once.
_BETWEEN = (
    _query()
    .where(
        dr_event.c.first_slot < bindparam("end", type_=BigInteger),
        dr_event.c.first_slot + dr_event.c.slots * SLOT_S > bindparam("first", type_=BigInteger),
        dr_cancel.c.event.is_(None),
    )
    .order_by(dr_event.c.first_slot)
)


def load_answers(connection: Connection, event: bytes) -> list[AnswerRow]:
    """The answers to an event, in the order of the accounts."""
    columns = [dr_answer.c[name] for name in AnswerRow._fields]
    query = select(*columns).where(dr_answer.c.event == event).order_by(dr_answer.c.account)
    return [AnswerRow(*row) for row in connection.execute(query)]


def find_answer(connection: Connection, event: bytes, account: bytes) -> AnswerRow | None:
    """What an account has answered to an event, or None."""
    columns = [dr_answer.c[name] for name in AnswerRow._fields]
    mine = (dr_answer.c.event == event) & (dr_answer.c.account == account)
    row = connection.execute(select(*columns).where(mine)).first()
    return None if row is None else AnswerRow(*row)


def committed_wh_per_slot(connection: Connection, event: bytes) -> int:
    """What all answers to an event add up to, Wh in every slot."""
    query = select(func.sum(dr_answer.c.e_wh_per_slot)).where(dr_answer.c.event == event)
    return int(connection.scalar(query) or 0)


def save_baselines(connection: Connection, event: bytes, table: BaselineTable, now_s: int) -> None:
    """Write the baselines of an event, once and for all."""
    raw = np.frombuffer(b"".join(table.account), dtype=np.uint8).reshape(-1, 32)
    columns: dict[str, Any] = {"account": raw, "net_wh": table.net_wh, "days": table.days}
    row = {"event": event, "made_utc": now_s, "body": pack_arrays(columns)}
    connection.execute(insert(dr_baseline).values(**row))


def load_baselines(connection: Connection, event: bytes) -> BaselineTable | None:
    """The baselines of an event, None while they are not worked out."""
    body = connection.scalar(select(dr_baseline.c.body).where(dr_baseline.c.event == event))
    if body is None:
        return None
    columns = unpack_arrays(body)
    raw = columns["account"].tobytes()
    accounts = tuple(raw[n : n + 32] for n in range(0, len(raw), 32))
    return BaselineTable(accounts, columns["net_wh"], columns["days"])


def has_baselines(connection: Connection, event: bytes) -> bool:
    """Whether an event's baselines are worked out, so that it can be answered."""
    found = select(dr_baseline.c.made_utc).where(dr_baseline.c.event == event)
    return connection.scalar(found) is not None


def save_result(
    connection: Connection, event: bytes, version: int, tick: int, columns: Arrays
) -> None:
    """Write what an event came to by the readings that are known at a tick."""
    row = {"event": event, "version": version, "tick": tick, "body": pack_arrays(columns)}
    connection.execute(insert(dr_result).values(**row))


def last_result(connection: Connection, event: bytes) -> tuple[int, dict[str, Any]] | None:
    """Version and columns of what an event came to at last, None before it is verified."""
    columns = dr_result.c
    query = select(columns.version, columns.body).where(columns.event == event)
    row = connection.execute(query.order_by(columns.version.desc()).limit(1)).first()
    return None if row is None else (int(row.version), unpack_arrays(row.body))


def takes_place(connection: Connection, event: EventRow, now_s: float) -> bool:
    """Whether an event goes on as far as is known: not cancelled, and enough is committed."""
    if event.cancelled_utc is not None:
        return False
    if now_s < event.answer_by:
        return True
    total_wh = 4 * committed_wh_per_slot(connection, event.id)
    return total_wh >= max(event.least_wh_per_hour, 1)


def state_of(
    connection: Connection, event: EventRow, now_s: float, settled_slot: int | None
) -> EventState:
    """Where an event stands; `settled_slot` is the last one whose readings are settled.

    One that too few have answered ends as CANCELLED when the answers are due.
    """
    if not takes_place(connection, event, now_s):
        return EventState.CANCELLED
    if last_result(connection, event.id) is not None:
        return EventState.SETTLED
    if settled_slot is not None and settled_slot >= event.end_slot - SLOT_S:
        return EventState.METERED
    if now_s >= event.first_slot:
        return EventState.RUNNING
    return EventState.CALLED if now_s >= event.answer_by else EventState.OFFERED


def pledges(
    connection: Connection,
    slots: Collection[int],
    now_s: float,
    accounts: Collection[bytes] | None = None,
) -> Mapping[tuple[int, bytes], Pledge]:
    """What accounts have committed for slots, by slot and account; of all accounts if None.

    An event binds from the answer on, as long as it takes place by what is known now.
    """
    if not slots:
        return {}
    found: dict[tuple[int, bytes], Pledge] = {}
    for event in events_between(connection, min(slots), max(slots) + SLOT_S):
        if not takes_place(connection, event, now_s):
            continue
        answers = [one for one in load_answers(connection, event.id) if one.e_wh_per_slot]
        if accounts is not None:
            answers = [one for one in answers if one.account in accounts]
        table = load_baselines(connection, event.id) if answers else None
        if table is None:
            continue
        row_of = {account: row for row, account in enumerate(table.account)}
        for slot in slots:
            place = (slot - event.first_slot) // SLOT_S
            if 0 <= place < event.slots:
                for one in answers:
                    usual_wh = int(table.net_wh[row_of[one.account], place])
                    limit_wh = bid_limit_wh(usual_wh, one.e_wh_per_slot)
                    found[slot, one.account] = Pledge(one.e_wh_per_slot, limit_wh)
    return found


def pledge_arrays(
    found: Mapping[tuple[int, bytes], Pledge], slots: Sequence[int], accounts: Sequence[bytes]
) -> IntArray:
    """Wh that accounts have committed to give up, (S, A), in the order of slots and accounts."""
    place = {slot: row for row, slot in enumerate(slots)}
    column = {account: number for number, account in enumerate(accounts)}
    wh = np.zeros((len(place), len(column)), dtype=np.int64)
    for (slot, account), pledge in found.items():
        if account in column:
            wh[place[slot], column[account]] = pledge.e_wh
    return wh
