"""What the market's guarantee would pay if a month ended with a period, or went on like it.

The bill's own code says what the period's slots would cost as a month with auctions and without:
steps, basic charge, VAT, fund and every cut included. Alone they stand in the lowest steps; carried
on to whole months, where the months will end if they go on like this. A month that the period has
whole is told as its close has it, but for the fraction of a kWh that its registers began with.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.billing import content_of_month, customer_terms
from energy.steps.tally import Tally, smp_mkrw_per_kwh
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market.guarantee import GuaranteeMonth
from market.month_bill import guarantee_of
from market.month_sums import Sums
from market.month_tariffs import month_of_content
from market.rules import RuleBook

IntArray = npt.NDArray[np.int64]


class GuaranteeSums:
    """Adds up slots as the month's close does; account numbers stand for `accounts` of them."""

    def __init__(self, district: District, accounts: int, rules: RuleBook) -> None:
        self._district, self._rules = district, rules
        self._tally = Tally(accounts)
        self._counted: defaultdict[int, int] = defaultdict(int)

    def add(self, slot: int, rows: IntArray) -> None:
        """Count a slot: what it has moved and reserved, as in `Tally`."""
        month = local_month_start(slot, self._district.time_zone)
        self._tally.add(month, rows, smp_mkrw_per_kwh(self._district, slot))
        self._counted[month] += 1

    def outlook(
        self, numbers: Sequence[int], *, carried_on: bool
    ) -> dict[int, list[GuaranteeMonth]]:
        """What the guarantee would make of each month, by place among the customers.

        `numbers` are the customers' accounts. Who has not traded is not among them, nor who gets
        no bill. `carried_on` has the months go on like the slots that were counted.
        """
        found: dict[int, list[GuaranteeMonth]] = {}
        place = {no: row for row, no in enumerate(numbers)}
        for first, counted in sorted(self._counted.items()):
            month = month_of_content(content_of_month(self._district, first, self._rules))
            slots = (month.end_slot - month.first_slot) // SLOT_S if carried_on else counted
            terms, sums = customer_terms(self._district, month, numbers), self._tally.month(first)
            for row, no in enumerate(terms.no.tolist()):
                whole = tuple(one * slots // counted for one in sums[no].tolist())
                told = guarantee_of(month, terms.of(row, month), Sums(whole))
                if told is not None:
                    found.setdefault(place[no], []).append(told)
        return found
