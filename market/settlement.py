"""From trades and readings to transfers: what a metered quarter hour costs and who owes whom.

Version 0 reserves what the clearing promised. Version 1 settles the readings: delivered energy at
the price of the slot, missing energy replaced by BALANCING at the deviator's cost, the rest at
tariff or feed-in. Later versions reverse what has changed and post it anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from market.clearing import Clearing
from market.tariff import SlotCalendar, Tariff
from market.transfers import ZERO32, Transfer

IntArray = npt.NDArray[np.int64]

NO_TARIFF = -1  # the meter of an asset of the SPC: its energy is booked, nobody is charged


@dataclass(frozen=True)
class SystemAccounts:
    """The market's own accounts that a slot touches, 32 bytes each."""

    pool: bytes
    balancing: bytes
    spc: bytes
    grid: bytes
    loss: bytes
    kepco: bytes


class Trade(NamedTuple):
    """What an account bought and sold in a slot's auction, at the price of its node."""

    account: bytes
    bought_wh: int
    sold_wh: int
    price_mkrw_per_kwh: int


@dataclass(frozen=True, eq=False)
class MeterReadings:
    """The readings of a slot, one row per meter, and what the month has seen before; int64 (M,).

    `account` and `tariff` (position in the terms' tariffs, or NO_TARIFF) do not change from slot
    to slot. `quality` is 1 measured, 2 estimated, 3 corrected. `month_import_wh` is what has been
    settled at tariff in the local month of the slot so far. A correction names what this very slot
    had been settled with: `settled_import_wh` (also part of the month) and `settled_charge_ukrw`;
    both None in version 1.
    """

    account: Sequence[bytes]
    tariff: IntArray
    import_wh: IntArray
    export_wh: IntArray
    quality: IntArray
    month_import_wh: IntArray
    settled_import_wh: IntArray | None = None
    settled_charge_ukrw: IntArray | None = None


@dataclass(frozen=True)
class BoundaryReading:
    """The meter at the connection to the utility."""

    import_wh: int
    export_wh: int


@dataclass(frozen=True)
class SettlementTerms:
    """Prices of the slot: tariffs of customers and of the connection, feed-in, at local time.

    `connection` prices what the SPC draws from the utility; `feed_in_mkrw_per_kwh` is paid to
    customers for what they have left, `export_mkrw_per_kwh` by the utility to the SPC.
    """

    calendar: SlotCalendar
    tariffs: tuple[Tariff, ...]
    connection: Tariff
    feed_in_mkrw_per_kwh: int
    export_mkrw_per_kwh: int


@dataclass(frozen=True, eq=False)
class SettlementInput:
    """All that the settlement of one slot follows from.

    `pendings` are the slot's open PENDING transfers by id; `cause` the digest of the Clearing
    (32 zero bytes without one). Every account that traded, the SPC aside, needs a reading.
    `boundary` is None where the meter at the connection has not been read: then no loss and no
    purchase from the utility is booked yet.
    """

    slot: int
    version: int
    system: SystemAccounts
    trades: Sequence[Trade]
    pendings: Mapping[bytes, Transfer]
    readings: MeterReadings
    boundary: BoundaryReading | None
    terms: SettlementTerms
    cause: bytes = ZERO32


@dataclass(frozen=True, eq=False)
class SlotSettlement:
    """The transfers of a settlement in batch order, and per meter what was left for the tariff.

    `rest_import_wh` is what the month of each meter grows by (less what had been settled before);
    `charge_ukrw` what it pays for it, `feed_in_ukrw` what it gets for `rest_export_wh`.
    """

    transfers: list[Transfer]
    rest_import_wh: IntArray
    rest_export_wh: IntArray
    charge_ukrw: IntArray
    feed_in_ukrw: IntArray


def system_accounts(market_id: str) -> SystemAccounts:
    """The system accounts of a market."""
    raise NotImplementedError


def trades_of(clearing: Clearing, account_of_tag: Mapping[bytes, bytes]) -> tuple[Trade, ...]:
    """What each account bought and sold, in order of account; the SPC's rows are the SPC's."""
    raise NotImplementedError


def reserve_slot(
    slot: int, trades: Sequence[Trade], system: SystemAccounts, cause: bytes = ZERO32
) -> list[Transfer]:
    """Version 0: one PENDING per account for what it owes or is owed, buyer -> POOL -> seller."""
    raise NotImplementedError


def raise_estimates(readings: MeterReadings, trades: Sequence[Trade]) -> MeterReadings:
    """The readings with estimates raised to what was cleared: no estimate causes a deviation.

    To be called before the estimates are signed.
    """
    raise NotImplementedError


def settle_slot(inputs: SettlementInput) -> SlotSettlement:
    """Version 1: trades posted or voided, deviations, the rest at tariff; the pool closes at 0."""
    raise NotImplementedError


def resettle_slot(inputs: SettlementInput, in_force: Mapping[bytes, Transfer]) -> SlotSettlement:
    """Version 2 and later: what has changed is reversed and posted anew, the rest stands.

    `in_force` are the slot's PLAIN and POST transfers that no REVERSE has undone, by id.
    """
    raise NotImplementedError
