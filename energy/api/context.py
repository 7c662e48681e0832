"""What the doors work with; the service fills it in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from fastapi import Request

from energy.config import Settings
from energy.district import District
from energy.steps.kept_keys import KeyKeeper
from energy.store.admission import Admission
from energy.store.engine import Store
from market.signing import address_of


class DistrictClock(Protocol):
    """What time it is in the district, in seconds since 1970 UTC."""

    @property
    def mode(self) -> str:
        """`demo` or `real`."""

    @property
    def slot_seconds_real(self) -> float:
        """How long a slot really lasts, at the least."""

    def now_s(self) -> float:
        """District time; never steps back."""


def no_trouble() -> str | None:
    """A loop that is always at work."""
    return None


@dataclass(frozen=True)
class ApiContext:
    """Store, district, clock and the rules of admission, shared by all routes.

    `trouble` says why the loop is not at work, None where it is; `/readyz` answers 503 with it.
    `wall_s` is real time, by which people sign in; the district's clock may run faster. `keeper`
    holds the keys of households without a wallet; None where this process keeps none.
    """

    store: Store
    district: District
    settings: Settings
    clock: DistrictClock
    admission: Admission
    trouble: Callable[[], str | None] = no_trouble
    wall_s: Callable[[], float] = time.time
    keeper: KeyKeeper | None = None

    @cached_property
    def operator(self) -> bytes:
        """The address whose key signs receipts."""
        return address_of(self.admission.market_key)


def context_of(request: Request) -> ApiContext:
    """The context of the application that serves the request."""
    found: ApiContext = request.app.state.context
    return found
