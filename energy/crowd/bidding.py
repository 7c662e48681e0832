"""What each member bids for a slot: a pure, seeded function of public information."""

from typing import Any

from energy.crowd.members import Crowd
from energy.crowd.public import PublicPrices


def build_orders(crowd: Crowd, slot: int, public: PublicPrices) -> list[dict[str, Any]]:
    """One Order message of each member who expects to need or to spare energy in the slot.

    Sellers offer the surplus that they expect, for the feed-in price at the least; buyers bid for
    the import that they expect, below what their own tariff would charge. The same crowd, slot and
    public information give the same orders.
    """
    raise NotImplementedError
