"""How often somebody may ask: a bucket of tokens for each address and each session.

A bucket holds `burst` requests and is refilled by `per_s` each second. It is looked at before a
request is read. Each process counts for itself.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import Scope

from energy.api.problems import ProblemError

BUCKETS_MAX = 20_000


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
        client = scope.get("client")
        self._take(client[0] if client else "unknown")
        known_by = headers.get("authorization") or headers.get("cookie")
        if known_by is not None:
            self._take(f"#{hash(known_by):x}")

    def _take(self, subject: str) -> None:
        now_s = self._count_s()
        left, at_s = self._buckets.pop(subject, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        if left < 1:
            self._buckets[subject] = (left, now_s)
            wait_s = (1 - left) / self._per_s
            allowed = f"{self._burst:.0f} at once and {self._per_s:g} a second"
            raise ProblemError(
                429, "TOO_MANY_REQUESTS", f"requests: allowed {allowed}", "requests", None,
                allowed, headers={"Retry-After": str(max(1, round(wait_s + 0.5)))},
            )  # fmt: skip
        self._buckets[subject] = (left - 1, now_s)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
