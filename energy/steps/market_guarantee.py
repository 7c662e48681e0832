"""Who pays for the market's guarantee: the network fees that trades have brought, then the SPC."""

from collections.abc import Mapping

from energy.steps.tick_book import TickBook
from market.transfers import Code, LedgerId, Transfer, TransferKind

KRW = int(LedgerId.KRW)


def guarantee_transfers(
    book: TickBook, first_slot: int, due_ukrw: Mapping[bytes, int], advanced_ukrw: int
) -> tuple[list[Transfer], int]:
    """What accounts get, below 0 give back, and how much more the SPC has advanced by it.

    NETFEE pays as long as it has something, then the SPC. What corrections take back goes to the
    SPC as far as it has advanced anything (`advanced_ukrw`, over all months), then to NETFEE.
    """
    system = book.books.system
    purse = book.balances.get((KRW, system.netfee), 0)
    advanced, transfers = advanced_ukrw, []
    for account, amount in sorted(due_ukrw.items(), key=lambda one: one[1] > 0):
        # Both are at least nought: the fees are never overdrawn, the SPC gets back what it gave.
        of_spc = -min(advanced, -amount) if amount < 0 else max(amount - purse, 0)
        of_fees = amount - of_spc
        purse, advanced = purse - of_fees, advanced + of_spc
        for payer, part in ((system.netfee, of_fees), (system.spc, of_spc)):
            if part:
                pair = (payer, account) if part > 0 else (account, payer)
                plain, code = TransferKind.PLAIN, Code.GUARANTEE
                transfers.append(Transfer(KRW, plain, code, *pair, abs(part), first_slot, 1))
    return transfers, advanced - advanced_ukrw
