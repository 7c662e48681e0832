"""Signed contracts and what follows from them: which run in a slot, what they came to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, insert, select

from energy.store.accounts import MessageRow
from energy.store.book_tables import account_message, settlement
from energy.store.contract_tables import contract, contract_delivery, contract_end
from market.agreements import supply_contract
from market.contracts import SupplyContract


@dataclass(frozen=True)
class ContractRow:
    """A contract as it was signed; `ended_slot` is where both parties have ended it early."""

    no: int
    id: bytes
    seller: bytes
    buyer: bytes
    kind: int
    first_slot: int
    end_slot: int
    cap_wh: int
    share_ppm: int
    price_mkrw_per_kwh: int
    rank: int
    terms: bytes
    signed_utc: int
    ended_slot: int | None = None

    @property
    def last_end(self) -> int:
        """The slot from which on it no longer holds."""
        return self.end_slot if self.ended_slot is None else min(self.end_slot, self.ended_slot)

    def runs_in(self, slot: int) -> bool:
        """Whether it holds in a slot."""
        return self.first_slot <= slot < self.last_end

    @property
    def supply(self) -> SupplyContract:
        """The contract as the settlement of a slot sees it."""
        return supply_contract(self.id, vars(self))


class DeliveryRow(NamedTuple):
    """What a contract came to in a slot, Wh; `produced_wh` is what its seller's meter exported.

    Of neighbour trade `e_wh` is what waits for the month, written for the seller's first contract.
    """

    contract: int
    slot: int
    version: int
    e_wh: int
    taken_wh: int
    surplus_wh: int
    stranded_wh: int
    produced_wh: int
    index_mkrw_per_kwh: int | None


class LateDelivery(NamedTuple):
    """What a contract came to in a slot, Wh: by what was known at some tick, and by now."""

    contract: int
    slot: int
    was_wh: int
    now_wh: int


class EndRow(NamedTuple):
    """A party's wish that a contract should end with a slot; `digest` of its signed Cancel."""

    contract: int
    account: bytes
    slot: int
    digest: bytes


def save_contract(connection: Connection, row: ContractRow) -> None:
    """Write a contract that both parties have signed."""
    values = {name: one for name, one in vars(row).items() if name != "ended_slot"}
    connection.execute(insert(contract).values(**values))


def save_contract_end(connection: Connection, row: EndRow) -> None:
    """Write that a party has ended a contract."""
    connection.execute(insert(contract_end).values(**row._asdict()))


def next_contract(connection: Connection) -> int:
    """The number of the next contract."""
    last: int | None = connection.scalar(select(func.max(contract.c.no)))
    return 0 if last is None else last + 1


def find_contract(connection: Connection, id_: bytes) -> ContractRow | None:
    """The contract with this id, or None."""
    found = _rows(connection, contract.c.id == id_)
    return found[0] if found else None


def list_contracts(connection: Connection) -> list[ContractRow]:
    """All contracts in the order in which they were signed."""
    return _rows(connection, contract.c.no >= 0)


def contracts_in(connection: Connection, first: int, end: int) -> list[ContractRow]:
    """The contracts that hold in some slot of [first, end)."""
    here = (contract.c.first_slot < end) & (contract.c.end_slot > first)
    return [one for one in _rows(connection, here) if one.last_end > max(first, one.first_slot)]


def contracts_of(connection: Connection, accounts: Collection[bytes]) -> list[ContractRow]:
    """The contracts in which these accounts sell."""
    asked = {"accounts": list(accounts)}
    return _contracts(connection.execute(_SOLD_BY, asked)) if accounts else []


def contract_numbers(connection: Connection) -> dict[bytes, int]:
    """The numbers of all contracts by their ids."""
    return {id_: no for id_, no in connection.execute(select(contract.c.id, contract.c.no))}


def bought_by(connection: Connection, account: bytes) -> list[MessageRow]:
    """The signed contracts in which an account buys; they stand among the seller's messages."""
    mine = select(contract.c.id).where(contract.c.buyer == account)
    query = select(account_message).where(account_message.c.digest.in_(mine))
    rows = connection.execute(query.order_by(account_message.c.no))
    return [MessageRow(**row._mapping) for row in rows]


def ends_of(connection: Connection, no: int) -> list[EndRow]:
    """Which parties of a contract have ended it."""
    columns = [contract_end.c[name] for name in EndRow._fields]
    query = select(*columns).where(contract_end.c.contract == no)
    return [EndRow(*row) for row in connection.execute(query.order_by(contract_end.c.account))]


def save_deliveries(connection: Connection, rows: Sequence[DeliveryRow]) -> None:
    """Write what contracts came to in a slot."""
    if rows:
        connection.execute(insert(contract_delivery), [one._asdict() for one in rows])


def deliveries_between(
    connection: Connection, first: int, end: int, kinds: Collection[int] | None = None
) -> list[DeliveryRow]:
    """What contracts came to in the slots of [first, end) by what is known now, oldest first."""
    columns = contract_delivery.c
    query = select(*[columns[name] for name in DeliveryRow._fields])
    query = query.where(columns.slot >= first, columns.slot < end)
    if kinds is not None:
        query = query.join(contract, contract.c.no == columns.contract)
        query = query.where(contract.c.kind.in_(kinds))
    query = query.order_by(columns.slot, columns.contract, columns.version)
    newest = {(row.contract, row.slot): DeliveryRow(*row) for row in connection.execute(query)}
    return list(newest.values())


def outputs_from(connection: Connection, first: int) -> list[tuple[bytes, int, int, int]]:
    """What plants under contract produced and what of it was sold as surplus, by seller and slot
    from `first` on, by what is known now, oldest first: seller, slot, Wh, Wh.
    """
    columns, of = contract_delivery.c, contract.c
    newest = select(columns.contract, columns.slot, func.max(columns.version).label("version"))
    newest = newest.where(columns.slot >= first).group_by(columns.contract, columns.slot)
    now = newest.subquery()
    joined = contract_delivery.join(
        now,
        (columns.contract == now.c.contract)
        & (columns.slot == now.c.slot)
        & (columns.version == now.c.version),
    ).join(contract, of.no == columns.contract)
    # Each contract of a plant has seen the same output.
    sums = (func.max(columns.produced_wh), func.sum(columns.surplus_wh))
    query = select(of.seller, columns.slot, *sums).select_from(joined)
    rows = connection.execute(query.group_by(of.seller, columns.slot).order_by(columns.slot))
    return [(row[0], row[1], int(row[2]), int(row[3])) for row in rows]


def late_deliveries(
    connection: Connection, kind: int, before: int, after: int, slots: Collection[int] = ()
) -> list[LateDelivery]:
    """Of slots before one that were settled anew in ticks after one, and of these `slots`: what
    contracts of a kind came to in them by the ticks up to that one, and by what is known now.
    """
    columns, of = contract_delivery.c, settlement.c
    again = select(of.slot).where(of.scope == 1, of.version > 1, of.tick > after, of.slot < before)
    earlier = [slot for slot in slots if slot < before]
    joined = contract_delivery.join(contract, contract.c.no == columns.contract).join(
        settlement,
        (of.scope == 1) & (of.slot == columns.slot) & (of.version == columns.version),
    )
    query = select(columns.contract, columns.slot, columns.e_wh, of.tick).select_from(joined)
    query = query.where(columns.slot.in_(again) | columns.slot.in_(earlier))
    query = query.where(contract.c.kind == kind)
    query = query.order_by(columns.slot, columns.contract, columns.version)
    found: dict[tuple[int, int], LateDelivery] = {}
    for no, slot, e_wh, tick in connection.execute(query):
        was_wh = e_wh if tick <= after else found[no, slot].was_wh if (no, slot) in found else 0
        found[no, slot] = LateDelivery(no, slot, was_wh, e_wh)
    return list(found.values())


PARTIES = 2


_TERMS = [name for name in ContractRow.__dataclass_fields__ if name != "ended_slot"]


def _rows(connection: Connection, where: ColumnElement[bool]) -> list[ContractRow]:
    """The contracts that fulfil a condition."""
    return _contracts(connection.execute(_query(where)))


def _query(where: ColumnElement[bool]) -> Select[Any]:
    """Contracts with where they were ended: by both parties, at the later of their slots."""
    ends = (
        select(
            contract_end.c.contract,
            func.count().label("parties"),
            func.max(contract_end.c.slot).label("slot"),
        )
        .group_by(contract_end.c.contract)
        .subquery()
    )
    joined = contract.outerjoin(ends, ends.c.contract == contract.c.no)
    columns = [contract.c[name] for name in _TERMS]
    query = select(*columns, ends.c.parties, ends.c.slot).select_from(joined)
    return query.where(where).order_by(contract.c.no)


# Asked for every batch of orders: a statement that stands is compiled once.
_SOLD_BY = _query(contract.c.seller.in_(bindparam("accounts", expanding=True)))


def _contracts(rows: Iterable[Any]) -> list[ContractRow]:
    found = []
    for *values, parties, slot in rows:
        row = dict(zip(_TERMS, values, strict=True))
        found.append(ContractRow(**row, ended_slot=slot if parties == PARTIES else None))
    return found
