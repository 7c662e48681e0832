"""What an account has moved in a month: the sums from which its bill is made, column by column."""

from collections.abc import Sequence
from typing import NamedTuple

from market.guarantee import Kept
from market.transfers import Code

MARKET_CODES = (
    Code.TRADE,
    Code.NETWORK_FEE,
    Code.CONGESTION_RENT,
    Code.DEVIATION,
    Code.LABEL,
    Code.PPA,
    Code.CFD,
    Code.PPA_CHARGE,
    Code.NEIGHBOUR,
    Code.DR_REWARD,
    Code.DR_PENALTY,
)
"""Codes whose money is a line of the bill's market part, in the order of the lines."""
AUCTION_CODES = (Code.TRADE, Code.NETWORK_FEE, Code.DEVIATION)
"""Codes whose money the guarantee compares: a premium for a label is paid because it was wished."""
SUMMED_CODES = (*MARKET_CODES, Code.REMAINDER)
SIDES = ("in_wh", "out_wh", "paid_ukrw", "got_ukrw")
SMP_REST, SMP_ALL = len(SUMMED_CODES) * len(SIDES), len(SUMMED_CODES) * len(SIDES) + 1
SMP_TRADE, RESERVED_PAY, RESERVED_GET = SMP_ALL + 1, SMP_ALL + 2, SMP_ALL + 3
OPENING_REST, OPENING_IN, OPENING_OUT, OPENING_CARRIED = range(RESERVED_GET + 1, RESERVED_GET + 5)
COLUMNS = OPENING_CARRIED + 1
"""Columns of a month's sums: four sides for each code, then what the feed-in price of their hours
makes of the energy fed in: of the rest of readings alone, of all, and of what auctions sold; then
what clearings have reserved for trades, to be paid and to be got; then, where the months before are
erased, what they leave: Wh at tariff, Wh in and out, and the kWh that netting carries on."""

_AT = {
    (code, side): place * len(SIDES) + at
    for place, code in enumerate(SUMMED_CODES)
    for at, side in enumerate(SIDES)
}


class Sums(NamedTuple):
    """What an account has moved in the slots of a month; columns as `COLUMNS` tells."""

    columns: tuple[int, ...]

    def side(self, code: Code, side: str) -> int:
        """One side of a code."""
        return self.columns[_AT[code, side]]

    def wh(self, side: str) -> int:
        """All energy that came in or went out."""
        return sum(self.columns[SIDES.index(side) : SMP_REST : len(SIDES)])

    @property
    def feed_in_ukrw(self) -> int:
        """What the rest that was fed in has earned."""
        return self.columns[SMP_REST]

    @property
    def charge_ukrw(self) -> int:
        """What the rest that was drawn has been charged per slot.

        A charge that a correction has turned negative stands among what was got.
        """
        net = self.side(Code.REMAINDER, "paid_ukrw") - self.side(Code.REMAINDER, "got_ukrw")
        return net + self.feed_in_ukrw

    @property
    def kept(self) -> Kept:
        """What clearings reserved for trades, and what meters made of it."""
        reserved = (self.columns[RESERVED_PAY], self.columns[RESERVED_GET])
        moved = (self.side(Code.TRADE, "paid_ukrw"), self.side(Code.TRADE, "got_ukrw"))
        return Kept(*reserved, *moved)

    @property
    def has_traded(self) -> bool:
        """Whether an auction of the month has given the account anything to pay, get or move."""
        sides = [self.side(code, side) for code in AUCTION_CODES for side in SIDES]
        return any(sides) or any(self.columns[RESERVED_PAY:OPENING_REST])

    @property
    def auctions_ukrw(self) -> int:
        """What auctions have cost, below 0 what they brought; without what they saved at tariff."""
        return sum(
            self.side(code, "paid_ukrw") - self.side(code, "got_ukrw") for code in AUCTION_CODES
        )


def opening_of(months: Sequence[Sums]) -> dict[int, int]:
    """What months that are erased leave to the next, by column; the oldest month first."""
    rest_wh = in_wh = out_wh = carried_kwh = 0
    for one in months:
        rest_wh += one.columns[OPENING_REST] + one.side(Code.REMAINDER, "in_wh")
        carried_kwh += one.columns[OPENING_CARRIED]
        starts = (in_wh + one.columns[OPENING_IN], out_wh + one.columns[OPENING_OUT])
        in_wh, out_wh = starts[0] + one.wh("in_wh"), starts[1] + one.wh("out_wh")
        received, given = in_wh // 1000 - starts[0] // 1000, out_wh // 1000 - starts[1] // 1000
        carried_kwh = max(given + carried_kwh - received, 0)
    found = (rest_wh, in_wh, out_wh, carried_kwh)
    return dict(zip(range(OPENING_REST, COLUMNS), found, strict=True))


NOTHING = Sums((0,) * COLUMNS)
