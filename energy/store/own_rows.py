"""Rows of one account, table by table, as the file of its own data tells them.

Secrets that only the company may hold are left out: stretched passwords, seeds, hashes that open a
door, sealed keys, the secret that an account's salts are made from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Column, Connection, delete, or_, select, tuple_

from energy.store.book_tables import account, signed_readings, transfer
from energy.store.contract_tables import contract, contract_delivery, contract_end
from energy.store.dr_tables import dr_answer, dr_baseline, dr_result
from energy.store.erasure_tables import erased_account
from energy.store.homes import OF_METERS, home_day
from energy.store.instructions import automatic_slots
from energy.store.meter_tables import meter_feed
from energy.store.office_tables import request_key
from energy.store.packing import unpack_arrays
from energy.store.people_tables import invitation, kept_key, person, sign_in_guess
from energy.store.schema import order_conflict

Row = dict[str, Any]
TRANSFERS_A_READ = 2_000

# Tables with a column that names the account, by the section that tells them, and what is secret.
NAMED: dict[str, tuple[Column[bytes], tuple[str, ...]]] = {
    "book_account": (account.c.account, ("secret",)),
    "conflicts": (order_conflict.c.account, ()),
    "event_answers": (dr_answer.c.account, ()),
    "contract_ends": (contract_end.c.account, ()),
    "people": (person.c.account, ("password", "code_seed", "code_step")),
    "invitations": (invitation.c.account, ("hash",)),
    "kept_keys": (kept_key.c.account, ("seal", "body")),
    "meter_feeds": (meter_feed.c.account, ()),
}


def named_rows(connection: Connection, section: str, who: bytes) -> list[Row]:
    """The rows of a section of NAMED, without what is secret."""
    column, secret = NAMED[section]
    table = column.table
    shown = [one for one in table.columns if one.name not in secret]
    found = connection.execute(select(*shown).where(column == who).order_by(*table.primary_key))
    return [plain(row) for row in found]


def days_of_meter(connection: Connection, place: int) -> list[Row]:
    """The means of a meter's days, each with the first slot and the last one that it is made of."""
    found = []
    for row in connection.execute(select(home_day).order_by(home_day.c.first_slot)):
        body = unpack_arrays(row.body)
        means = {name: float(body[name][place]) for name in OF_METERS}
        found.append({"first_slot": row.first_slot, "last_slot": row.last_slot, **means})
    return found


def automatic_of(connection: Connection, who: bytes) -> Iterator[Row]:
    """What the kept slots of automatic trading say of an account; `why` as its number."""
    for one in automatic_slots(connection):
        for row in _mine(one.columns, who):
            yield {"slot": one.slot, "day": one.day, **row}


def baselines_of(connection: Connection, who: bytes) -> Iterator[Row]:
    """What an account was expected to use in each event, Wh net by slot."""
    for event in connection.execute(select(dr_baseline).order_by(dr_baseline.c.made_utc)).all():
        for row in _mine(unpack_arrays(event.body), who):
            yield {"event": event.event, "made_utc": event.made_utc, **row}


def results_of(connection: Connection, who: bytes) -> Iterator[Row]:
    """What each event came to for an account, version by version."""
    order = (dr_result.c.tick, dr_result.c.event, dr_result.c.version)
    for event in connection.execute(select(dr_result).order_by(*order)).all():
        for row in _mine(unpack_arrays(event.body), who):
            yield {"event": event.event, "version": event.version, "tick": event.tick, **row}


def callers_of(connection: Connection, who: bytes) -> list[str]:
    """The names under which requests of an account come, and of people of its household."""
    names = connection.scalars(select(person.c.name).where(person.c.account == who))
    return [f"account 0x{who.hex()}", *(f"person {one}" for one in names)]


def answers_of(connection: Connection, who: bytes) -> list[Row]:
    """What requests with effect were answered: of the account, and of people of its household."""
    query = select(request_key).where(request_key.c.caller.in_(callers_of(connection, who)))
    return [
        {**plain(row), "body": orjson.loads(row.body)}
        for row in connection.execute(query.order_by(request_key.c.at_s, request_key.c.key))
    ]


def guesses_of(connection: Connection, who: bytes) -> list[Row]:
    """Guesses that are left to people of the account's household."""
    names = connection.scalars(select(person.c.name).where(person.c.account == who)).all()
    subject = sign_in_guess.c.subject
    whole = subject.in_([f"{kind} {one}" for kind in ("name", "code") for one in names])
    begun = [subject.startswith(f"name {one} from ", autoescape=True) for one in names]
    query = select(sign_in_guess).where(or_(whole, *begun))
    return [plain(row) for row in connection.execute(query.order_by(sign_in_guess.c.subject))]


def deliveries_of(connection: Connection, who: bytes) -> list[Row]:
    """What the account's contracts came to, slot by slot."""
    table = contract_delivery
    mine = or_(contract.c.seller == who, contract.c.buyer == who)
    query = select(contract.c.id, table).join(contract, contract.c.no == table.c.contract)
    query = query.where(mine).order_by(table.c.slot, table.c.contract, table.c.version)
    return [plain(row) for row in connection.execute(query)]


def number_of(connection: Connection, who: bytes) -> int | None:
    """The number under which the books keep an account."""
    return connection.scalar(select(account.c.no).where(account.c.account == who))


def transfers_of(connection: Connection, number: int, after: tuple[int, int]) -> list[Row]:
    """Transfers with an account after a place (settlement, position), TRANSFERS_A_READ at most."""
    columns = transfer.c
    place = tuple_(columns.settlement, columns.position)
    mine = or_(columns.debit == number, columns.credit == number)
    query = select(transfer).where(mine, place > after).order_by(*place.clauses)
    return [plain(row) for row in connection.execute(query.limit(TRANSFERS_A_READ))]


def ticks_with_readings(connection: Connection) -> list[int]:
    """All ticks in which readings were signed, oldest first."""
    return list(connection.scalars(select(signed_readings.c.tick).order_by(signed_readings.c.tick)))


def signed_of(connection: Connection, number: int, ticks: list[int]) -> Iterator[Row]:
    """The readings of an account as they were signed in some ticks, each with its signature."""
    query = select(signed_readings).where(signed_readings.c.tick.in_(ticks))
    for row in connection.execute(query.order_by(signed_readings.c.tick)).all():
        columns = unpack_arrays(row.body)
        signers = columns.pop("signers").tobytes()
        for n in np.flatnonzero(columns["account"] == number).tolist():
            told = {name: values[n].item() for name, values in columns.items() if name != "account"}
            at, signed = 20 * told["signer"], row.signatures[65 * n : 65 * n + 65]
            yield {"tick": row.tick, **told, "signer": signers[at : at + 20], "signature": signed}


def erasures_of(connection: Connection, number: int) -> list[Row]:
    """What stands for the erased months of an account."""
    query = select(erased_account).where(erased_account.c.account == number)
    return [plain(row) for row in connection.execute(query)]


def forget_invitations(connection: Connection, who: bytes) -> None:
    """Delete the invitations to a household: they name a person."""
    connection.execute(delete(invitation).where(invitation.c.account == who))


def plain(row: Any) -> Row:  # noqa: ANN401 - a row of a table
    """The values by plain names; a driver's own names are no keys of JSON."""
    return {str(name): value for name, value in row._mapping.items()}


def _mine(columns: Mapping[str, Any], who: bytes) -> Iterator[Row]:
    """The rows of packed columns whose `account` (N, 32) is this one."""
    name = np.frombuffer(who, dtype=np.uint8)
    for n in np.flatnonzero((columns["account"] == name).all(axis=1)).tolist():
        yield {key: values[n].tolist() for key, values in columns.items() if key != "account"}
