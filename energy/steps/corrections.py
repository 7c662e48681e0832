"""Readings that come late or mend a wrong one: what their slot had been settled with is reversed
and posted anew, for the accounts concerned and for what all share (pool, balancing, losses).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import BatchReader, Place
from energy.steps.books import Books
from energy.steps.labels import label_cause, load_labels
from energy.steps.metering import ESTIMATED, MEASURED
from energy.steps.settled_meters import is_read_at_first
from energy.steps.slot_contracts import (
    NO_LIMIT,
    RunningContracts,
    delivery_rows,
    settled_readings,
    slot_contracts,
)
from energy.steps.slot_settlement import clearing_of, tariff_rows, terms_of, trades_of_slot
from energy.steps.tick_book import Named, TickBook, Version
from energy.store.books import (
    TransferRow,
    ended_by,
    load_settlements,
    load_transfers_between,
    load_transfers_coded,
    load_transfers_of,
)
from energy.store.erasures import erased_accounts
from energy.store.readings import LateRow, late_readings_of_slot
from energy.timegrid import iso_of, local_month_start
from market.contracts import SupplyContract, SurplusLimit
from market.errors import MarketError
from market.label_lines import (
    NO_LABELS,
    Delivered,
    SlotLabels,
    delivered_of,
    resettle_labels,
)
from market.merkle import root_of, sorted_set
from market.readings import Reading, meter_id
from market.settlement import (
    NO_TARIFF,
    MeterReadings,
    SettlementInput,
    SlotSettlement,
    SystemAccounts,
    Trade,
    raise_estimates,
    resettle_slot,
    resume_readings,
)
from market.transfers import ZERO32, Code, LedgerId, Transfer, TransferKind
from market.waterfall import partners_of

IntArray = npt.NDArray[np.int64]
Key = tuple[int, int, bytes, bytes]  # ledger, code, debit, credit

CORRECTIONS_PER_TICK = 10_000
_NEVER = -1  # the first month that stays of an account that was never erased


class Reason(IntEnum):
    """Why a slot is settled anew; numbers as in the signed Correction."""

    LATE = 1
    METER_FAULT = 2


@dataclass(frozen=True, eq=False)
class LabelFacts:
    """The labels of a settled slot, whoever is corrected: one who delivers less leaves others less.

    `delivered` is what all who have a label have drawn and given of their trades so far, `paid` are
    the label lines in force by id, `places` where these stand.
    """

    labels: SlotLabels = NO_LABELS
    delivered: Mapping[bytes, Delivered] = field(default_factory=dict)
    paid: Mapping[bytes, Transfer] = field(default_factory=dict)
    places: Mapping[bytes, Place] = field(default_factory=dict)


NO_LABEL_FACTS = LabelFacts()


@dataclass(frozen=True, eq=False)
class CorrectionFacts:
    """What the store knows of a settled slot to which readings have come.

    `meter` (L,) are places in the district's customers, `readings` what is to be signed for them.
    `own` are the transfers in force that touch these customers, `shared` those between the
    market's own accounts, by id; `has_losses` where the utility's meter was believed.

    Contracts carry a correction on: `partners` are the accounts whose slot may change with it and
    `contracts` those among all of them; `settled` are import, export and quality of all
    these accounts as they are settled now, empty where there is no contract.
    """

    version: Version
    meter: IntArray
    readings: list[Reading]
    trades: tuple[Trade, ...]
    own: Mapping[bytes, Transfer]
    shared: Mapping[bytes, Transfer]
    places: Mapping[bytes, Place]
    has_losses: bool
    partners: tuple[bytes, ...] = ()
    contracts: tuple[SupplyContract, ...] = ()
    limit: SurplusLimit = NO_LIMIT
    settled: Mapping[bytes, tuple[int, int, int]] = field(default_factory=dict)
    labels: LabelFacts = field(default_factory=lambda: NO_LABEL_FACTS)


def gather_corrections(
    connection: Connection,
    books: Books,
    contracts: RunningContracts,
    rows: Sequence[LateRow],
    most_wh: IntArray,
) -> list[CorrectionFacts]:
    """The slots that these readings correct, oldest first, with what they are settled with now.

    A reading of a slot that is not settled by these books, or one that no connection can carry,
    corrects nothing; nor does one that would have to post anything of an account whose month is
    erased, for there is no key left to enter it under.
    """
    found = []
    for slot in sorted({row.slot for row in rows}):
        versions = load_settlements(connection, slot)
        here = [row for row in rows if row.slot == slot and is_carried(row, most_wh)]
        good = _untouched_by_erasure(connection, books, contracts, here)
        if good and versions and versions[-1].version:
            latest = {row.meter: row for row in good}
            newest = [latest[one] for one in sorted(latest)]
            found.append(_facts(connection, books, contracts, newest))
    return found


def is_carried(row: LateRow, most_wh: IntArray) -> bool:
    """Whether the connection can carry what a late reading says."""
    most = int(most_wh[row.meter])
    return 0 <= row.import_wh <= most and 0 <= row.export_wh <= most


def unerased(connection: Connection, books: Books, rows: Sequence[LateRow]) -> list[LateRow]:
    """The readings of accounts whose month is not erased."""
    first = _first_months(connection, books)
    month = books.book.month
    return [row for row in rows if month(row.slot) >= first.get(books.customers[row.meter], _NEVER)]


def _first_months(connection: Connection, books: Books) -> dict[bytes, int]:
    """The first month that stays of each account that was erased; read anew from the store, since
    books that are open do not hear of an erasure.
    """
    return {books.book.accounts[one.account]: one.month for one in erased_accounts(connection)}


def _untouched_by_erasure(
    connection: Connection, books: Books, contracts: RunningContracts, rows: Sequence[LateRow]
) -> list[LateRow]:
    """Of readings of one slot those that reach no account whose month is erased: neither by a
    contract nor, among all who have one, by a label.
    """
    first = _first_months(connection, books)
    if not rows or not first:
        return list(rows)
    month = books.book.month(rows[0].slot)
    erased = {account for account, one in first.items() if month < one}
    supply = [one.supply for one in contracts.supply(rows[0].slot)]
    labels = load_labels(connection, rows[0].slot).accounts

    def reached(row: LateRow) -> set[bytes]:
        found = set(partners_of([books.customers[row.meter]], supply)[0])
        return found | labels if found & labels else found

    return [row for row in rows if not erased & reached(row)]


def _facts(
    connection: Connection, books: Books, running_at: RunningContracts, rows: Sequence[LateRow]
) -> CorrectionFacts:
    slot = rows[0].slot
    versions = load_settlements(connection, slot)
    meter = np.array([row.meter for row in rows], dtype=np.int64)
    accounts = [books.customers[one] for one in meter.tolist()]
    settled = [one.no for one in versions if one.version]
    undone, reader = ended_by(connection, settled), BatchReader(connection, books)
    running = running_at.at(slot)
    members, contracts = partners_of(accounts, running.supply)
    numbers = [books.book.number[one] for one in members]
    rows_of_own = load_transfers_of(connection, settled, numbers)
    own = in_force([one for one in rows_of_own if one.code != Code.LABEL], undone, reader)
    system = [books.book.number[one] for one in books.system_names]
    shared = in_force(load_transfers_between(connection, settled, system), undone, reader)
    affected = frozenset(members)
    trades = trades_of_slot(connection, books, slot)
    last = versions[-1]
    return CorrectionFacts(
        version=Version(slot, last.version + 1, last.entry, clearing_of(connection, slot)),
        meter=meter,
        readings=_readings(accounts, rows, _revisions(connection, slot, rows[0].tick)),
        trades=tuple(one for one in trades if one.account in affected),
        own={id_: one for id_, one in own.values()},
        shared={id_: one for id_, one in shared.values()},
        places={id_: place for place, (id_, _) in [*own.items(), *shared.items()]},
        has_losses=is_read_at_first(connection, books, slot, books.system.grid),
        partners=members[len(accounts) :],
        contracts=contracts,
        limit=running.limit,
        settled=settled_readings(connection, books, slot, members) if contracts else {},
        labels=_label_facts(connection, books, _Settled(slot, settled, undone), affected),
    )


class _Settled(NamedTuple):
    """The settlements of a slot after its clearing, and what of theirs was undone."""

    slot: int
    numbers: Sequence[int]
    undone: set[Place]


def _label_facts(
    connection: Connection, books: Books, settled: _Settled, affected: frozenset[bytes]
) -> LabelFacts:
    """The labels of a slot as they are settled; nothing where none of these accounts has one."""
    labels = load_labels(connection, settled.slot)
    if not affected & labels.accounts:
        return NO_LABEL_FACTS
    rows = load_transfers_coded(connection, settled.numbers, (Code.TRADE, Code.LABEL))
    lines = [one for one in rows if one.code == Code.LABEL]
    paid = in_force(lines, settled.undone, BatchReader(connection, books))
    name = books.book.accounts
    moved = (
        Transfer(
            one.ledger, one.kind, one.code, name[one.debit], name[one.credit], one.amount,
            settled.slot, 0,
        )
        for one in rows
    )  # fmt: skip
    return LabelFacts(
        labels=labels,
        delivered=delivered_of(labels, moved, books.system.pool),
        paid=dict(paid.values()),
        places={id_: place for place, (id_, _) in paid.items()},
    )


def in_force(
    rows: Iterable[TransferRow], undone: set[Place], reader: BatchReader
) -> dict[Place, tuple[bytes, Transfer]]:
    """The transfers that have moved something and that nothing has undone, by place."""
    moving = (TransferKind.PLAIN, TransferKind.POST)
    places = [
        (row.settlement, row.position)
        for row in rows
        if row.kind in moving and (row.settlement, row.position) not in undone
    ]
    return reader.at(places)


def _revisions(connection: Connection, slot: int, tick: int) -> Counter[int]:
    """How many readings of each meter have come for the slot in earlier ticks, after the first."""
    earlier = late_readings_of_slot(connection, slot)
    return Counter(row.meter for row in earlier if row.tick < tick)


def _readings(
    accounts: Sequence[bytes], rows: Sequence[LateRow], before: Counter[int]
) -> list[Reading]:
    return [
        Reading(
            account=account,
            meter=meter_id(account),
            slot=row.slot,
            import_wh=row.import_wh,
            export_wh=row.export_wh,
            import_register_wh=0 if row.quality == ESTIMATED else row.import_register_wh,
            export_register_wh=0 if row.quality == ESTIMATED else row.export_register_wh,
            quality=row.quality,
            revision=1 + before[row.meter],
        )
        for account, row in zip(accounts, rows, strict=True)
    ]


def settle_again(book: TickBook, district: District, facts: CorrectionFacts, number: int) -> bool:
    """Sign the readings and settle their slot anew; False where they change nothing.

    `number` counts the corrections of the tick.
    """
    books, slot = book.books, facts.version.slot
    month = local_month_start(slot, district.time_zone)
    month_wh = book.months.of(month)
    new = _meter_readings(books, district, facts, month_wh)
    signed = book.sign(_raised(facts.readings, new))
    partners = _partner_meters(books, facts)
    new = _with_partners(new, district, facts, partners, month_wh)
    terms = terms_of(district, slot)
    inputs = SettlementInput(
        slot=slot,
        version=facts.version.version,
        system=books.system,
        trades=facts.trades,
        pendings={},
        readings=resume_readings(new, facts.own, books.system, terms.feed_in_mkrw_per_kwh),
        boundary=None,
        terms=terms,
        cause=facts.version.clearing,
        contracts=slot_contracts(facts.contracts, facts.limit, terms),
    )
    settled = resettle_slot(inputs, facts.own)
    before = _as_settled(inputs, facts)
    was = resettle_slot(before, {})
    touched = frozenset(new.account)
    own = [one for one in settled.transfers if touched & {one.debit, one.credit}]
    change = _change(settled.transfers, was.transfers, touched)
    if facts.has_losses:
        _add_losses(change, before.readings, inputs.readings, books.system)
    transfers = [*own, *_shared_anew(facts, change, books.system)]
    transfers = sorted([*transfers, *_labels_anew(facts, own, books.system)])
    if not transfers:
        return False
    late = all(one.quality == MEASURED for one in facts.readings)
    message: dict[str, int | bytes] = {
        "slot": slot,
        "from_version": facts.version.version - 1,
        "to_version": facts.version.version,
        "reason": int(Reason.LATE if late else Reason.METER_FAULT),
        "evidence": root_of(sorted_set(signed.leaves())),
        "nonce": book.tick * CORRECTIONS_PER_TICK + number,
    }
    book.enter("Correction", message, books.keys.settle)
    named = Named(
        originals={**facts.own, **facts.shared, **facts.labels.paid},
        places={**facts.places, **facts.labels.places},
    )
    book.settle(facts.version, transfers, signed.leaves(), named)
    customers = np.concatenate([facts.meter, partners])
    book.months = book.months.plus(month, _grown_wh(inputs, settled, customers, len(month_wh)))
    book.deliveries += delivery_rows(books, inputs, settled)
    return True


def _grown_wh(
    inputs: SettlementInput, settled: SlotSettlement, customers: IntArray, meters: int
) -> IntArray:
    """How much more each meter has drawn of the utility than was settled before, (M,); `customers`
    are the meters of the readings, below nought where one is none.
    """
    before_wh = inputs.readings.settled_import_wh
    assert before_wh is not None
    grown = np.zeros(meters, dtype=np.int64)
    grown_wh = settled.rest_import_wh - before_wh
    grown[customers[customers >= 0]] = grown_wh[customers >= 0]
    return grown


def _meter_readings(
    books: Books, district: District, facts: CorrectionFacts, month_wh: IntArray
) -> MeterReadings:
    """The new readings as the market takes them, estimates raised to what was traded."""
    columns = {
        name: np.array([getattr(one, name) for one in facts.readings], dtype=np.int64)
        for name in ("import_wh", "export_wh", "quality")
    }
    readings = MeterReadings(
        account=[one.account for one in facts.readings],
        tariff=tariff_rows(district)[facts.meter],
        month_import_wh=month_wh[facts.meter],
        **columns,
    )
    return raise_estimates(readings, facts.trades)


def _partner_meters(books: Books, facts: CorrectionFacts) -> IntArray:
    """Places of the partners among the district's customers; -1 for a plant of the operator."""
    if not facts.partners:
        return np.zeros(0, dtype=np.int64)
    place = {account: row for row, account in enumerate(books.customers)}
    return np.array([place.get(one, -1) for one in facts.partners], dtype=np.int64)


def _with_partners(
    new: MeterReadings,
    district: District,
    facts: CorrectionFacts,
    meters: IntArray,
    month_wh: IntArray,
) -> MeterReadings:
    """The new readings, and those of contract partners, which stay as they are settled."""
    if not facts.partners:
        return new
    settled = np.array([facts.settled[one] for one in facts.partners], dtype=np.int64)
    is_plant = meters < 0
    return MeterReadings(
        account=[*new.account, *facts.partners],
        tariff=np.concatenate(
            [new.tariff, np.where(is_plant, NO_TARIFF, tariff_rows(district)[meters])]
        ),
        import_wh=np.concatenate([new.import_wh, settled[:, 0]]),
        export_wh=np.concatenate([new.export_wh, settled[:, 1]]),
        quality=np.concatenate([new.quality, settled[:, 2]]),
        month_import_wh=np.concatenate(
            [new.month_import_wh, np.where(is_plant, 0, month_wh[meters])]
        ),
    )


def _raised(readings: Sequence[Reading], raised: MeterReadings) -> list[Reading]:
    pairs = zip(readings, raised.import_wh.tolist(), raised.export_wh.tolist(), strict=True)
    return [
        one._replace(import_wh=import_wh, export_wh=export_wh)
        for one, import_wh, export_wh in pairs
    ]


def _as_settled(inputs: SettlementInput, facts: CorrectionFacts) -> SettlementInput:
    """The inputs that lead to what is in force: the readings as the energy lines have them."""
    grid, pool = inputs.system.grid, inputs.system.pool
    drawn: Counter[bytes] = Counter()
    given: Counter[bytes] = Counter()
    for one in facts.own.values():
        if one.ledger == LedgerId.ENERGY and one.debit in (grid, pool):
            drawn[one.credit] += one.amount
        elif one.ledger == LedgerId.ENERGY:
            given[one.debit] += one.amount
    was = {one: (drawn[one], given[one], MEASURED) for one in inputs.readings.account}
    # With contracts an estimate divides otherwise than a reading does, so it must be known as one.
    columns = np.array(list((was | dict(facts.settled)).values()), dtype=np.int64)
    readings = replace(
        inputs.readings, import_wh=columns[:, 0], export_wh=columns[:, 1], quality=columns[:, 2]
    )
    return replace(inputs, readings=readings)


def _change(
    now: Iterable[Transfer], was: Iterable[Transfer], touched: frozenset[bytes]
) -> Counter[Key]:
    """By how much the lines grow that the market's own accounts share."""
    change: Counter[Key] = Counter()
    for sign, transfers in ((1, now), (-1, was)):
        for one in transfers:
            if not touched & {one.debit, one.credit}:
                change[one.ledger, one.code, one.debit, one.credit] += sign * one.amount
    return change


def _add_losses(
    change: Counter[Key], was: MeterReadings, now: MeterReadings, system: SystemAccounts
) -> None:
    """What the meters show more, the wires have lost less: the utility's meter stays as it is.

    Only where it was believed: without it no loss was booked that could become less.
    """
    net_wh = [int(one.import_wh.sum()) - int(one.export_wh.sum()) for one in (was, now)]
    change[int(LedgerId.ENERGY), int(Code.LOSS), system.grid, system.loss] += net_wh[0] - net_wh[1]


def _shared_anew(
    facts: CorrectionFacts, change: Counter[Key], system: SystemAccounts
) -> list[Transfer]:
    """The shared lines that change: reversed, and posted with their new amounts."""
    in_force = {
        (one.ledger, one.code, one.debit, one.credit): (id_, one)
        for id_, one in facts.shared.items()
    }
    amount = {key: one.amount for key, (_, one) in in_force.items()}
    there: Key = (int(LedgerId.ENERGY), int(Code.LOSS), system.grid, system.loss)
    back: Key = (*there[:2], system.loss, system.grid)
    # Losses may fall below nought while readings are missing: then they run the other way.
    lost_wh = amount.get(there, 0) - amount.get(back, 0) + change.pop(there, 0)
    wanted = {key: amount.get(key, 0) + more for key, more in change.items()}
    wanted |= {there: max(lost_wh, 0), back: max(-lost_wh, 0)}
    transfers: list[Transfer] = []
    for key, now in wanted.items():
        if now == amount.get(key, 0):
            continue
        if now < 0:
            raise MarketError(
                f"slot {iso_of(facts.version.slot)}: correction leaves {now} in line {key}, "
                "allowed 0 or more"
            )
        transfers += _replaced(facts.version, in_force.get(key), key, now)
    return transfers


def _labels_anew(
    facts: CorrectionFacts, changed: Iterable[Transfer], system: SystemAccounts
) -> list[Transfer]:
    """The label lines of the slot that change with what is delivered: reversed and posted anew."""
    found, of = facts.labels, label_cause(facts.version, system.pool)
    delivered = delivered_of(found.labels, changed, of.pool, found.delivered)
    return resettle_labels(found.labels, delivered, found.paid, of)


def _replaced(
    version: Version, old: tuple[bytes, Transfer] | None, key: Key, amount: int
) -> Iterable[Transfer]:
    ledger, code, debit, credit = key
    cause = version.clearing if code == Code.REPLACEMENT else ZERO32
    if old is not None:
        id_, was = old
        yield Transfer(
            ledger, int(TransferKind.REVERSE), code, credit, debit, was.amount, version.slot,
            version.version, id_, was.cause,
        )  # fmt: skip
    if amount:
        yield Transfer(
            ledger, int(TransferKind.PLAIN), code, debit, credit, amount, version.slot,
            version.version, ZERO32, cause,
        )  # fmt: skip
