"""What labels come to in the ledger: reserved when cleared, paid for what was delivered.

Buyers pay POOL and POOL pays sellers, to the micro-won the same. All tiers of a slot count
together: an account has one line for what it buys and one for what it sells.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from market.errors import MarketError
from market.labels import settle_label
from market.orders import Side
from market.result import Clearing
from market.transfers import ZERO32, Code, LedgerId, Transfer, TransferKind

LABEL_LINE = (int(LedgerId.KRW), int(Code.LABEL))
_MOVES = (TransferKind.PLAIN, TransferKind.POST, TransferKind.REVERSE)


@dataclass(frozen=True, eq=False)
class SlotLabels:
    """The premium tiers of a slot in order of label, and whose the orders in them are."""

    tiers: tuple[Clearing, ...] = ()
    account_of_tag: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def accounts(self) -> frozenset[bytes]:
        """Whoever has an order in one of the tiers."""
        return frozenset(self.account_of_tag.values())


NO_LABELS = SlotLabels()


class Delivered(NamedTuple):
    """What an account has drawn and given of what it traded in a slot's auction, Wh."""

    drawn_wh: int = 0
    given_wh: int = 0


class LabelCause(NamedTuple):
    """Of which settlement a line is: slot, version, digest of the energy's Clearing; and POOL."""

    slot: int
    version: int
    clearing: bytes
    pool: bytes


def reserve_labels(labels: SlotLabels, of: LabelCause) -> list[Transfer]:
    """Version 0: a PENDING for what each account pays at most, or gets, for its labelled fills."""
    full = {tag: wh for tier in labels.tiers for tag, wh in tier.fill_by_tag().items()}
    amounts = _amounts(labels, full, of.pool)
    return [_line(of, TransferKind.PENDING, pair, ukrw) for pair, ukrw in amounts.items()]


def settle_labels(
    labels: SlotLabels,
    delivered: Mapping[bytes, Delivered],
    pendings: Mapping[bytes, Transfer],
    of: LabelCause,
) -> list[Transfer]:
    """Version 1: each reservation is posted as far as its label was delivered, or void.

    `pendings` are the open ones of the labels, by id. Raises MarketError where one is missing or
    too small: nothing may be paid for a label that was not cleared.
    """
    wanted, found = label_amounts(labels, delivered, of.pool), []
    for id_, old in pendings.items():
        ukrw = wanted.pop((old.debit, old.credit), 0)
        if ukrw > old.amount:
            raise MarketError(
                f"slot {of.slot}: {old.debit.hex()} owes {old.credit.hex()} {ukrw} micro-won for a "
                f"label, found {old.amount} reserved"
            )
        kind = TransferKind.POST if ukrw else TransferKind.VOID
        found.append(
            old._replace(kind=int(kind), amount=ukrw or old.amount, version=of.version, pending=id_)
        )
    if wanted:
        debit, credit = min(wanted)
        raise MarketError(
            f"slot {of.slot}: {debit.hex()} owes {credit.hex()} for a label, found no pending"
        )
    return found


def resettle_labels(
    labels: SlotLabels,
    delivered: Mapping[bytes, Delivered],
    in_force: Mapping[bytes, Transfer],
    of: LabelCause,
) -> list[Transfer]:
    """Version 2 and later: lines that have changed are reversed and posted anew, the rest stands.

    `in_force` are the slot's label lines that have moved money and were not undone, by id.
    """
    wanted, found = label_amounts(labels, delivered, of.pool), []
    for id_, old in in_force.items():
        if wanted.get((old.debit, old.credit)) == old.amount:
            del wanted[old.debit, old.credit]
            continue
        found.append(
            old._replace(
                kind=int(TransferKind.REVERSE),
                debit=old.credit,
                credit=old.debit,
                version=of.version,
                pending=id_,
            )
        )
    return found + [_line(of, TransferKind.PLAIN, pair, ukrw) for pair, ukrw in wanted.items()]


def label_amounts(
    labels: SlotLabels, delivered: Mapping[bytes, Delivered], pool: bytes
) -> dict[tuple[bytes, bytes], int]:
    """What each account pays and gets for labels, micro-won, by debit and credit; none of 0.

    What buyers pay is what sellers get, exactly.
    """
    return _amounts(labels, delivered_by_order(labels, delivered), pool)


def delivered_by_order(
    labels: SlotLabels, delivered: Mapping[bytes, Delivered]
) -> dict[bytes, int]:
    """Delivered Wh of every order in the tiers, by tag.

    What an account delivers of its trades serves its labelled orders first, those of the first
    tier before those of the next and each tier's in order of tag. An account that `delivered`
    does not name has delivered nothing.
    """
    left: dict[tuple[bytes, int], int] = {}
    for account, (drawn_wh, given_wh) in delivered.items():
        left[account, Side.BID], left[account, Side.OFFER] = drawn_wh, given_wh
    found = {}
    for tier in labels.tiers:
        book = tier.book
        rows = zip(book.tags(), book.side.tolist(), tier.fill_wh.tolist(), strict=True)
        for tag, side, fill_wh in rows:
            key = (labels.account_of_tag[tag], side)
            found[tag] = min(fill_wh, left.get(key, 0))
            left[key] = left.get(key, 0) - found[tag]
    return found


def delivered_of(
    labels: SlotLabels,
    transfers: Iterable[Transfer],
    pool: bytes,
    before: Mapping[bytes, Delivered] | None = None,
) -> dict[bytes, Delivered]:
    """What the accounts of the tiers have drawn and given of their trades, by the lines' energy.

    On top of what they had `before`; a reversal takes back from its own way.
    """
    of = labels.accounts
    found = {account: list((before or {}).get(account, Delivered())) for account in of}
    for one in transfers:
        if (one.ledger, one.code) != (LedgerId.ENERGY, Code.TRADE) or one.kind not in _MOVES:
            continue
        undone = one.kind == TransferKind.REVERSE
        giver, taker = (one.credit, one.debit) if undone else (one.debit, one.credit)
        account, way = (taker, 0) if giver == pool else (giver, 1)
        if account in of:
            found[account][way] += -one.amount if undone else one.amount
    return {account: Delivered(*wh) for account, wh in found.items()}


def _amounts(
    labels: SlotLabels, wh_of_tag: Mapping[bytes, int], pool: bytes
) -> dict[tuple[bytes, bytes], int]:
    paid: defaultdict[tuple[bytes, bytes], int] = defaultdict(int)
    for tier in labels.tiers:
        for part in settle_label(tier, wh_of_tag):
            account = labels.account_of_tag[part.tag]
            pair = (account, pool) if part.amount_ukrw > 0 else (pool, account)
            paid[pair] += abs(part.amount_ukrw)
    return {pair: ukrw for pair, ukrw in paid.items() if ukrw}


def _line(of: LabelCause, kind: TransferKind, pair: tuple[bytes, bytes], ukrw: int) -> Transfer:
    ledger, code = LABEL_LINE
    return Transfer(ledger, int(kind), code, *pair, ukrw, of.slot, of.version, ZERO32, of.clearing)
