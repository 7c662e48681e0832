"""What an account sees of its automatic trading: what it signed, today so far, the last slot."""

from typing import NamedTuple

from sqlalchemy import Connection

from energy.steps.automatic import WHYS, accounts_of, spent_of_day
from energy.store.instructions import (
    AutomaticSlot,
    InstructionRow,
    instructions_of,
    last_automatic_slot,
)
from energy.store.kept_keys import kept_addresses, signed_by
from energy.store.views import Document
from energy.timegrid import iso_of, local_day_start
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw
from market.instructions import Spent, Why
from market.orders import Side


class Moment(NamedTuple):
    """The first slot whose orders are not made yet, and the district's time zone."""

    first_open: int
    time_zone: str


def instructions_document(connection: Connection, account: bytes, at: Moment) -> Document:
    """The account's instructions, the newest first, and what the one that runs has done today.

    `today` and `last` are null where none runs, or none has come to its turn.
    """
    rows, kept = instructions_of(connection, account), kept_addresses(connection, account)
    running = next((one for one in rows if one.acts_in(at.first_open)), None)
    last = last_automatic_slot(connection)
    return {
        "next_slot_utc": iso_of(at.first_open),
        "items": [
            {**_item(one, at.first_open), "signed_by": signed_by(one.signer, kept)}
            for one in reversed(rows)
        ],
        "today": None if running is None else _today(connection, running, at),
        "last": None if last is None else _last(last, account),
    }


def _item(row: InstructionRow, first_open: int) -> Document:
    terms = row.terms
    return {
        "id": f"0x{row.id.hex()}",
        "state": _state(row, first_open),
        "sell_from_krw_per_kwh": _limit(row, Side.OFFER),
        "buy_up_to_krw_per_kwh": _limit(row, Side.BID),
        "day_cap_wh": terms.day_cap_wh,
        "day_cap_krw": krw_text_from_ukrw(terms.day_cap_ukrw),
        "first_slot_utc": iso_of(row.first_slot),
        "end_utc": iso_of(row.end_slot),
        "last_end_utc": iso_of(row.last_end),
        "signed_utc": iso_of(row.signed_utc),
    }


def _state(row: InstructionRow, first_open: int) -> str:
    if row.last_end <= first_open:
        return "ENDED" if row.last_end == row.end_slot else "STOPPED"
    if row.halted_slot is not None:
        return "HALTED"
    return "RUNS" if row.first_slot <= first_open else "WAITS"


def _limit(row: InstructionRow, side: Side) -> str | None:
    terms = row.terms
    return krw_text_from_mkrw(terms.limit_mkrw_per_kwh(side)) if terms.wants(side) else None


def _today(connection: Connection, row: InstructionRow, at: Moment) -> Document:
    day = local_day_start(at.first_open, at.time_zone)
    sums = spent_of_day(connection, day, at.first_open, [row.account])
    spent = sums.get(row.account, Spent())
    return {
        "day_utc": iso_of(day),
        "traded_wh": spent.e_wh,
        "paid_krw": krw_text_from_ukrw(spent.amount_ukrw),
        "left_wh": max(row.day_cap_wh - spent.e_wh, 0),
        "left_krw": krw_text_from_ukrw(max(row.day_cap_ukrw - spent.amount_ukrw, 0)),
    }


def _last(last: AutomaticSlot, account: bytes) -> Document | None:
    names = accounts_of(last)
    if account not in names:
        return None
    at = names.index(account)
    why = WHYS[int(last.columns["why"][at])]
    e_wh = int(last.columns["e_wh"][at])
    return {
        "slot_utc": iso_of(last.slot),
        "why": why.value,
        "side": None if why != Why.ORDERED else "bid" if e_wh > 0 else "offer",
        "energy_wh": abs(e_wh),
    }
