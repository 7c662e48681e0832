"""How often somebody may ask: a bucket of tokens for each address and each session.

A bucket holds `burst` requests and is refilled by `per_s` each second. It is looked at before a
request is read. Each process counts for itself.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

from energy.api.problems import ProblemError

BUCKETS_MAX = 20_000
COSTLY_PER_S, COSTLY_BURST = 0.5, 20
"""Answers of an address that are worked out over a year of rows or a whole account."""


class Rates:
    """Counts requests of addresses and of what they bring to be known by."""

    def __init__(
        self, per_s: float, burst: int, count_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._count_s = per_s, float(burst), count_s
        # What is left, and when that was so; the longest unused first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def require(self, scope: Scope, headers: Headers) -> None:
        """Count a request; raises ProblemError 429 where its address or session has none left."""
        self.require_of(address_of(scope))
        known_by = headers.get("authorization") or headers.get("cookie")
        if known_by is not None:
            self.require_of(f"#{hash(known_by):x}")

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"{self._burst:.0f} at once and {self._per_s:g} a second"

    def wait_s(self, subject: str) -> int:
        """Seconds until the subject has one left, 0 where it has; nothing is taken."""
        left, _ = self._left(subject)
        return 0 if left >= 1 else max(1, round((1 - left) / self._per_s + 0.5))

    def take(self, subject: str) -> bool:
        """Take one; False where none is left."""
        left, now_s = self._left(subject)
        self._buckets[subject] = (left - 1 if left >= 1 else left, now_s)
        self._buckets.move_to_end(subject)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return left >= 1

    def require_of(self, subject: str) -> None:
        """Count a request of a subject; raises ProblemError 429 where it has none left."""
        if not self.take(subject):
            raise ProblemError(
                429, "TOO_MANY_REQUESTS", f"requests: allowed {self.allowed}", "requests", None,
                self.allowed, headers={"Retry-After": str(self.wait_s(subject))},
            )  # fmt: skip

    def _left(self, subject: str) -> tuple[float, float]:
        """What is left of a subject's bucket now, and the count of now."""
        now_s = self._count_s()
        left, at_s = self._buckets.get(subject, (self._burst, now_s))
        return min(self._burst, left + (now_s - at_s) * self._per_s), now_s


def require_costly(request: Request) -> None:
    """Count an answer that costs much; raises ProblemError 429 where its address has had many."""
    state = request.app.state
    if not hasattr(state, "costly"):
        state.costly = Rates(COSTLY_PER_S, COSTLY_BURST)
    found: Rates = state.costly
    found.require_of(address_of(request.scope))


class Refusals:
    """Counts what addresses send without being able to prove whose it is.

    To find that out costs more than all else about a request; whoever sends such things again and
    again is refused before they are read.
    """

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

    def require(self, scope: Scope) -> None:
        """Raise ProblemError 429 where too much of the address was refused."""
        wait_s = self._rates.wait_s(address_of(scope))
        if wait_s:
            allowed = self._rates.allowed
            raise ProblemError(
                429, "TOO_MANY_REFUSED", f"refused: allowed {allowed}", "refused", None, allowed,
                headers={"Retry-After": str(wait_s)},
            )  # fmt: skip

    def count(self, scope: Scope) -> None:
        """The answer to a request was: not proven."""
        self._rates.take(address_of(scope))


def address_of(scope: Scope) -> str:
    """The address by which a request is counted."""
    client = scope.get("client")
    return network_of(str(client[0])) if client else "unknown"


def network_of(origin: str) -> str:
    """The address by which an origin is counted: of IPv6 the half that one customer is given."""
    try:
        address = ipaddress.ip_address(origin)
    except ValueError:
        return origin
    if address.version == 4:
        return origin
    if address.ipv4_mapped is not None:  # or all of IPv4 would be one customer
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
