"""Contracts within the settlement of a slot: what comes before its trades, and what then is left.

A settlement hands in what the meters of contract partners counted and gets back, by account, the
Wh that contracts have taken and the lines that follow. All other accounts stay out of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from market.contracts import (
    PPM,
    ContractAccounts,
    ContractKind,
    ContractTerms,
    MeterWh,
    SlotSplit,
    SupplyContract,
    contract_transfers,
    split_readings,
)
from market.transfers import Code, LedgerId, Transfer, TransferKind

CONTRACT_CODES = frozenset({Code.PPA, Code.CFD, Code.PPA_CHARGE, Code.NEIGHBOUR})
"""Lines of these codes follow from contracts; each names its own as the cause."""

NO_SPLIT = SlotSplit((), ())


@dataclass(frozen=True)
class SlotContracts:
    """The contracts of a slot and the prices that they point to."""

    contracts: tuple[SupplyContract, ...]
    terms: ContractTerms

    @property
    def accounts(self) -> tuple[bytes, ...]:
        """The accounts that have one, each once, in a fixed order."""
        return tuple(sorted({end for one in self.contracts for end in (one.seller, one.buyer)}))


NO_CONTRACTS = SlotContracts((), ContractTerms(0, {}))


@dataclass(frozen=True)
class ContractsFirst:
    """What contracts take of each account's reading in Wh, and the lines that follow.

    `export_wh` includes what is set aside for neighbours.
    """

    import_wh: Mapping[bytes, int] = field(default_factory=dict)
    export_wh: Mapping[bytes, int] = field(default_factory=dict)
    transfers: tuple[Transfer, ...] = ()
    split: SlotSplit = NO_SPLIT


NOTHING_FIRST = ContractsFirst()


def contracts_first(
    given: SlotContracts,
    meters: Sequence[MeterWh],
    accounts: ContractAccounts,
    slot: int,
    version: int,
) -> ContractsFirst:
    """Steps 1a and 1b of the slot; `meters` has a row for every account with a contract.

    Raises MarketError where one has none, or where shares of a rank exceed the whole.
    """
    if not given.contracts:
        return NOTHING_FIRST
    split = split_readings(meters, given.contracts, (), given.terms)
    lines = contract_transfers(split.deliveries, given.terms, accounts, slot, version)
    earmarked = list(_earmarked(given.contracts, split, accounts.grid, slot, version))
    return ContractsFirst(
        import_wh={one.account: one.contract_import_wh for one in split.readings},
        export_wh={
            one.account: one.contract_export_wh + one.earmarked_wh for one in split.readings
        },
        transfers=(*lines, *earmarked),
        split=split,
    )


def _earmarked(
    contracts: Sequence[SupplyContract], split: SlotSplit, grid: bytes, slot: int, version: int
) -> Iterable[Transfer]:
    """Energy that waits for the neighbours' month: into the grid, under the seller's first one."""
    first = first_neighbours(contracts)
    for one in split.readings:
        if one.earmarked_wh:
            yield Transfer(
                int(LedgerId.ENERGY), int(TransferKind.PLAIN), int(Code.NEIGHBOUR), one.account,
                grid, one.earmarked_wh, slot, version, cause=first[one.account].id,
            )  # fmt: skip


def first_neighbours(contracts: Iterable[SupplyContract]) -> dict[bytes, SupplyContract]:
    """Of each seller of neighbour trade the contract that its earmarked energy names."""
    found: dict[bytes, SupplyContract] = {}
    for one in sorted(contracts, key=lambda one: (one.rank, one.id)):
        if one.kind == ContractKind.NEIGHBOUR:
            found.setdefault(one.seller, one)
    return found


def partners_of(
    accounts: Iterable[bytes], contracts: Iterable[SupplyContract]
) -> tuple[tuple[bytes, ...], tuple[SupplyContract, ...]]:
    """All accounts whose slot may change with these readings, and the contracts among them.

    Through contracts a reading moves what its partners have left, and theirs what others have.
    """
    of: defaultdict[bytes, list[SupplyContract]] = defaultdict(list)
    for one in contracts:
        of[one.seller].append(one)
        of[one.buyer].append(one)
    found = dict.fromkeys(accounts)
    waiting = list(found)
    while waiting:
        for one in of.get(waiting.pop(), ()):
            for end in (one.seller, one.buyer):
                if end not in found:
                    found[end] = None
                    waiting.append(end)
    among = {one.id: one for account in found for one in of.get(account, ())}
    return tuple(found), tuple(sorted(among.values(), key=lambda one: (one.rank, one.id)))


def offer_limit_wh(export_wh: int, contracts: Iterable[SupplyContract]) -> int:
    """What a seller may offer in the auction: its export capacity less what contracts expect.

    At full output each contract takes its share, at most its cap; what is set aside for
    neighbours is a share of what is left.
    """
    mine = list(contracts)
    kinds = (ContractKind.NEIGHBOUR, ContractKind.CFD)
    left = export_wh - sum(
        min(export_wh * one.share_ppm // PPM, one.cap_wh) for one in mine if one.kind not in kinds
    )
    aside = sum(one.share_ppm for one in mine if one.kind == ContractKind.NEIGHBOUR)
    return max(left, 0) * (PPM - min(aside, PPM)) // PPM
