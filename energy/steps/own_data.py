"""Everything that is kept about one account, section by section; and forgetting what may go.

The books are kept as the law asks. What no duty holds goes at once: who the account is, the means
of its days, what it wanted of its car, its sessions and its devices' tokens.
"""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

import data
from energy.district import District
from energy.steps.contract_views import contract_document
from energy.steps.own_car import own_car
from energy.steps.own_views import billed_months
from energy.steps.personal import TABLES, Goes
from energy.steps.statements import ErasedBill, statement_document
from energy.store.accounts import load_keys, messages_of
from energy.store.audit import Entry
from energy.store.car_tables import car_wish
from energy.store.cars import wishes_of
from energy.store.contracts import contracts_of
from energy.store.engine import Store
from energy.store.erasures import erasing
from energy.store.identities import erase_identity, find_identity
from energy.store.instructions import halt_instructions, instructions_of
from energy.store.meter_feeds import waiting_for
from energy.store.own_data import (
    late_readings_of_meter,
    readings_of_meter,
    records_about,
    shut_out,
    sign_ins_of,
    slots_read,
)
from energy.store.own_rows import (
    NAMED,
    answers_of,
    automatic_of,
    baselines_of,
    callers_of,
    days_of_meter,
    deliveries_of,
    erasures_of,
    forget_invitations,
    guesses_of,
    named_rows,
    number_of,
    results_of,
    signed_of,
    ticks_with_readings,
    transfers_of,
)
from energy.store.request_keys import forget_answers
from energy.store.slots import last_claimed
from energy.timegrid import iso_of
from energy.units import SLOT_S, SLOTS_PER_DAY

FAR = 2**62
RECORDS_A_READ = 1_000

Row = dict[str, Any]
Rows = Callable[[Connection], list[Row]]
Section = Callable[[], Iterator[Row]]


@dataclass(frozen=True)
class Forgotten:
    """What was destroyed: identity where one was kept, wishes, sessions ended, tokens disabled;
    and how many instructions no orders are made of any more.
    """

    identity: bool
    wishes: int
    sessions: int
    tokens: int
    instructions: int


def sections_of(
    store: Store, district: District, account: bytes, now_s: float
) -> dict[str, Section]:
    """By name how the rows of a section are read; orders with their trades are told elsewhere.

    Instants are seconds since 1970 UTC where a name does not say otherwise.
    """
    row = district.meters.account.index(account) if account in district.meters.account else None
    number = store.read(lambda connection: number_of(connection, account))
    of_account: dict[str, Rows] = {
        **{name: lambda c, name=name: named_rows(c, name, account) for name in NAMED},  # type: ignore[misc]
        "identity": lambda c: _identity(c, account),
        "keys": lambda c: [vars(one) for one in load_keys(c, account)],
        "messages": lambda c: [vars(one) for one in messages_of(c, account)],
        "instructions": lambda c: [vars(one) for one in instructions_of(c, account)],
        "contracts": lambda c: [
            contract_document(c, one, now_s) for one in contracts_of(c, [account])
        ],
        "statements": lambda c: _statements(c, account),
        "contract_deliveries": lambda c: deliveries_of(c, account),
        "event_baselines": lambda c: list(baselines_of(c, account)),
        "event_results": lambda c: list(results_of(c, account)),
        "automatic_trading": lambda c: list(automatic_of(c, account)),
        "car_wishes": lambda c: [vars(one) for one in wishes_of(c, account)],
        "car_now": lambda c: _car(c, district, account),
        "answers": lambda c: answers_of(c, account),
        "guesses": lambda c: guesses_of(c, account),
        "sign_ins": lambda c: sign_ins_of(c, account),
    }
    of_meter: dict[str, Callable[[Connection, int], list[Row]]] = {
        "means_of_days": days_of_meter,
        "waiting_readings": lambda c, place: [
            {"slot": one.slot, **one.told._asdict()} for one in waiting_for(c, place)
        ],
        "late_readings": lambda c, place: [dict(one) for one in late_readings_of_meter(c, place)],
    }

    def whole(read: Rows) -> Section:
        return lambda: iter(store.read(read))

    found = {name: whole(read) for name, read in of_account.items()}
    if row is not None:
        for name, read in of_meter.items():
            found[name] = whole(lambda c, read=read: read(c, row))  # type: ignore[misc]
        found["readings"] = lambda: _readings(store, row)
    if number is not None:
        found["erasures"] = whole(lambda c: erasures_of(c, number))
        found["transfers"] = lambda: _transfers(store, number)
        found["signed_readings"] = lambda: _signed_readings(store, number)
    found["audit_log"] = lambda: _records(store, account)
    found["what_is_kept"] = _what_is_kept
    return found


def _what_is_kept() -> Iterator[Row]:
    """Which tables hold something of a person, where the file tells it, and when it goes."""
    for table, held in TABLES.items():
        if held.goes != Goes.NOTHING:
            told = {"told_in": held.told or None, "erased": held.goes.value, "what": held.why}
            yield {"table": table, **told}


def _identity(connection: Connection, account: bytes) -> list[Row]:
    found = find_identity(connection, account)
    return [] if found is None else [found._asdict()]


def _statements(connection: Connection, account: bytes) -> list[Row]:
    months = [int(month.replace("-", "")) for month in billed_months(connection, account)]
    found = []
    for month in months:
        # Of what is erased there is nothing to hand out.
        with suppress(ErasedBill):
            found.append(statement_document(connection, account, last=month))
    return found


def _car(connection: Connection, district: District, account: bytes) -> list[Row]:
    found = own_car(connection, district, account)
    return [] if found is None else [vars(found)]


def _transfers(store: Store, number: int) -> Iterator[Row]:
    after = (-1, -1)
    while rows := store.read(lambda c: transfers_of(c, number, after)):  # noqa: B023
        yield from rows
        after = (rows[-1]["settlement"], rows[-1]["position"])


def _signed_readings(store: Store, number: int) -> Iterator[Row]:
    ticks = store.read(ticks_with_readings)
    for at in range(0, len(ticks), SLOTS_PER_DAY):
        part = ticks[at : at + SLOTS_PER_DAY]
        yield from store.read(lambda c: list(signed_of(c, number, part)))  # noqa: B023


def _readings(store: Store, place: int) -> Iterator[Row]:
    slots = store.read(slots_read)
    for at in range(0, len(slots), SLOTS_PER_DAY):
        part = slots[at : at + SLOTS_PER_DAY]
        yield from store.read(lambda c: list(readings_of_meter(c, place, part)))  # noqa: B023


def _records(store: Store, account: bytes) -> Iterator[Row]:
    before: int | None = None
    while True:

        def read(connection: Connection) -> list[Entry]:
            return records_about(
                connection,
                account,
                by_others=False,
                before=before,  # noqa: B023
                limit=RECORDS_A_READ,
            )

        found = store.read(read)
        for one in found:
            yield {"no": one.no, **vars(one.record)}
        if len(found) < RECORDS_A_READ:
            return
        before = found[-1].no


def remains(district: District, now_s: float) -> list[Row]:
    """What an erasure leaves and until when: `code` names it and why, `laws` are the duties."""
    duties = tomllib.loads(data.path("retention.toml").read_text(encoding="utf-8"))["duty"]
    year = datetime.fromtimestamp(now_s, ZoneInfo(district.time_zone)).year
    until = year + max(int(one["years"]) for one in duties)
    laws = sorted({str(one["law"]) for one in duties})
    return [
        {"code": "books", "until_year": until, "laws": laws},
        *({"code": code, "until_year": None, "laws": []} for code in ("log", "meter", "backups")),
    ]


def forget_account(
    connection: Connection, district: District, account: bytes, now_s: int
) -> Forgotten:
    """Destroy what no law asks to keep of an account; `now_s` is wall time. Cannot be undone.

    From the first slot that is not claimed yet nothing is ordered for it of what it once signed:
    whoever wants nothing to be known of them has nothing guessed of their needs either.
    """
    wishes = len(wishes_of(connection, account))
    # Of what this changes, the wishes alone are append-only.
    with erasing(connection, (car_wish,)) as eraser:
        eraser.car_wishes(account, FAR)
        eraser.automatic(account, FAR)
        if account in district.meters.account:
            eraser.home_days(district.meters.account.index(account), FAR)
    identity = erase_identity(connection, account)
    for caller in callers_of(connection, account):
        forget_answers(connection, caller)
    forget_invitations(connection, account)
    claimed = last_claimed(connection)
    halted = halt_instructions(connection, account, 0 if claimed is None else claimed + SLOT_S)
    return Forgotten(identity, wishes, *shut_out(connection, account, now_s), halted)


def look_document(entry: Entry) -> Row:
    """Who has looked at one's data: when, who, from where, what for."""
    record = entry.record
    return {
        "no": entry.no,
        "at_utc": iso_of(record.at_us // 1_000_000),
        "who": record.account,
        "origin": record.origin,
        "task": record.task,
    }
