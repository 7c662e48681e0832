"""The district's own promise: who keeps to its trades ends no month worse off by the auctions.

Limits let nobody lose at the gate; the meter and the month's step may still make a trade a loss.
At the month's end the same bill is made twice from the same readings, with the auctions and with
every Wh of them at tariff and feed-in instead. What the first costs more is given back, to the
micro-won, to an account that kept its trades, up to a most that bounds what two can arrange.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from market.bill import UKRW_PER_KRW

PPM = 1_000_000


class Outside(StrEnum):
    """Why a loss is not given back, or not all of it."""

    NOT_KEPT = "kept too little of its trades"
    ABOVE_MOST = "lost more than the most that is given back"


@dataclass(frozen=True)
class GuaranteeRule:
    """The rule of a month: the least share of its trades that an account must have kept, by what
    they were worth, parts per million (0: no guarantee is in force), and the most that it gets.

    A rule in force asks for 1 ppm at least.
    """

    kept_ppm: int = 0
    most_krw: int = 0


NO_GUARANTEE = GuaranteeRule()


class Kept(NamedTuple):
    """An account's trades of a month in micro-won: what clearings reserved, and what meters moved,
    each to be paid and to be got.
    """

    pay_ukrw: int = 0
    get_ukrw: int = 0
    paid_ukrw: int = 0
    got_ukrw: int = 0

    @property
    def ppm(self) -> int:
        """The share of what was sold and bought that was delivered and taken; all without trades.

        Both sides count together, by what they are worth, so that a few Wh of a roof that was
        clouded over weigh no more than they cost.
        """
        reserved, moved = self.pay_ukrw + self.get_ukrw, self.paid_ukrw + self.got_ukrw
        return max(0, min(moved * PPM // reserved, PPM)) if reserved else PPM


class GuaranteeMonth(NamedTuple):
    """An account's month with its auctions and without, micro-won, and what it is given back.

    `outside` says why a loss is not given back in full, None where there is none or where it is.
    """

    kept_ppm: int
    with_ukrw: int
    without_ukrw: int
    given_ukrw: int
    outside: Outside | None

    @property
    def gain_ukrw(self) -> int:
        """What the auctions brought before the guarantee, below 0 where they cost."""
        return self.without_ukrw - self.with_ukrw

    @property
    def after_ukrw(self) -> int:
        """What they brought with it; below 0 only where `outside` says why."""
        return self.gain_ukrw + self.given_ukrw


def guarantee_month(
    rule: GuaranteeRule, kept: Kept, *, with_ukrw: int, without_ukrw: int
) -> GuaranteeMonth:
    """What an account is given back for a month that cost so much with and without its auctions."""
    lost, most = max(with_ukrw - without_ukrw, 0), rule.most_krw * UKRW_PER_KRW
    given, outside = min(lost, most), Outside.ABOVE_MOST if lost > most else None
    if lost and kept.ppm < rule.kept_ppm:
        given, outside = 0, Outside.NOT_KEPT
    return GuaranteeMonth(kept.ppm, with_ukrw, without_ukrw, given, outside)
