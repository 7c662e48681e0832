"""The market's rules: price band and tick, orders per account, the operator's spread and steps;
what trades pay for the wires; and what is promised to accounts at a month's end.

Rules are versioned and named by every order and clearing; their content is the SHA-256 that the
ledger's `Rules` entry carries.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import NamedTuple

from market.errors import MarketError

PRICE_BOUND_MKRW_PER_KWH = 1_000_000
SLOT_S = 900
WH_PER_SLOT_OF_KW = 250


@dataclass(frozen=True)
class MarketRules:
    """What an order must keep to and what the SPC does in the book; prices in milli-won per kWh.

    `tick` binds orders only, the engine takes any integer; `maker_spread` stands on both sides of
    the plan's marginal value, and `maker_steps` is how finely the SPC's own flexibility is cut.

    The rest is None as long as nobody has changed it: then the district's own data have it. Fees
    are what a kWh pays on each way (`NetworkFees`), `premium_max` the highest premium of a label.
    Those of MONTHLY are looked up once a month, at its first slot: the guarantee's least share kept
    and most won, points issued and taken in part per million, rent to the accounts (1) or to the
    network (0).
    """

    version: int = 1
    floor_mkrw_per_kwh: int = 0
    cap_mkrw_per_kwh: int = PRICE_BOUND_MKRW_PER_KWH
    tick_mkrw_per_kwh: int = 100
    orders_max: int = 20
    maker_spread_mkrw_per_kwh: int = 1_000
    maker_steps: int = 4
    network_fee_mkrw_per_kwh: int | None = None
    local_fee_mkrw_per_kwh: int | None = None
    premium_max_mkrw_per_kwh: int | None = None
    guarantee_kept_ppm: int | None = None
    guarantee_most_krw: int | None = None
    points_issue_ppm: int | None = None
    points_pay_ppm: int | None = None
    rent_to_accounts: int | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            low, high = _ALL_BOUNDS[one.name]
            found = getattr(self, one.name)
            if found is None and one.name in _CHANGED_BOUNDS:
                continue
            if type(found) is not int or not low <= found <= high:
                raise MarketError(
                    f"rules: {one.name} is {found!r}, allowed a whole number {low}..{high}"
                )
        if self.floor_mkrw_per_kwh > self.cap_mkrw_per_kwh:
            raise MarketError(
                f"rules: floor_mkrw_per_kwh {self.floor_mkrw_per_kwh} is above "
                f"cap_mkrw_per_kwh {self.cap_mkrw_per_kwh}, allowed floor at most cap"
            )

    @property
    def text(self) -> str:
        """The rules as canonical JSON; what nobody has changed is not in it."""
        found = {name: one for name, one in asdict(self).items() if one is not None}
        return json.dumps(found, sort_keys=True, separators=(",", ":"))

    @property
    def premium_bound_mkrw_per_kwh(self) -> int:
        """The highest premium that an order may name for a label."""
        most = self.premium_max_mkrw_per_kwh
        return PRICE_BOUND_MKRW_PER_KWH if most is None else most

    @property
    def content(self) -> bytes:
        """SHA-256 of the rules as canonical JSON, 32 bytes."""
        return hashlib.sha256(self.text.encode()).digest()


class RulesFrom(NamedTuple):
    """Rules and the first slot that they hold in."""

    from_slot: int
    rules: MarketRules


@dataclass(frozen=True)
class RuleBook:
    """Which rules hold in which slot; `first` until the first of `changes`, oldest first.

    Raises MarketError where versions do not count up one by one or slots do not rise.
    """

    first: MarketRules = field(default_factory=MarketRules)
    changes: tuple[RulesFrom, ...] = ()

    def __post_init__(self) -> None:
        for before, after in pairwise(self.versions):
            if after.rules.version != before.rules.version + 1:
                raise MarketError(
                    f"rules: version {after.rules.version} follows {before.rules.version}, "
                    f"allowed {before.rules.version + 1}"
                )
            if after.from_slot <= before.from_slot or after.from_slot % SLOT_S:
                raise MarketError(
                    f"rules: version {after.rules.version} from slot {after.from_slot}, allowed "
                    f"a slot after {before.from_slot}"
                )

    @property
    def versions(self) -> tuple[RulesFrom, ...]:
        """All versions with the slot that they hold from, oldest first; the first from 0."""
        return (RulesFrom(0, self.first), *self.changes)

    def at(self, slot: int) -> MarketRules:
        """The rules that hold in a slot."""
        found = bisect_right(self.changes, slot, key=lambda one: one.from_slot)
        return self.changes[found - 1].rules if found else self.first

    def after(self, slot: int) -> tuple[RulesFrom, ...]:
        """The changes that come after a slot, oldest first."""
        return tuple(one for one in self.changes if one.from_slot > slot)

    @property
    def last(self) -> MarketRules:
        """The rules of the newest version, whether they hold yet or not."""
        return self.changes[-1].rules if self.changes else self.first


_BOUNDS = {
    "version": (1, 2**32 - 1),
    "floor_mkrw_per_kwh": (-PRICE_BOUND_MKRW_PER_KWH, PRICE_BOUND_MKRW_PER_KWH),
    "cap_mkrw_per_kwh": (-PRICE_BOUND_MKRW_PER_KWH, PRICE_BOUND_MKRW_PER_KWH),
    "tick_mkrw_per_kwh": (1, PRICE_BOUND_MKRW_PER_KWH),
    "orders_max": (1, 1_000),
    # At a spread of zero the SPC could trade with itself at one price.
    "maker_spread_mkrw_per_kwh": (1, PRICE_BOUND_MKRW_PER_KWH),
    "maker_steps": (1, 100),
}
_PPM = 1_000_000
_CHANGED_BOUNDS = {
    "network_fee_mkrw_per_kwh": (0, PRICE_BOUND_MKRW_PER_KWH),
    "local_fee_mkrw_per_kwh": (0, PRICE_BOUND_MKRW_PER_KWH),
    "premium_max_mkrw_per_kwh": (0, PRICE_BOUND_MKRW_PER_KWH),
    "guarantee_kept_ppm": (0, _PPM),
    "guarantee_most_krw": (0, 1_000_000),
    "points_issue_ppm": (0, _PPM),
    "points_pay_ppm": (0, _PPM),
    "rent_to_accounts": (0, 1),
}
_ALL_BOUNDS = _BOUNDS | _CHANGED_BOUNDS
MONTHLY = (
    "guarantee_kept_ppm",
    "guarantee_most_krw",
    "points_issue_ppm",
    "points_pay_ppm",
    "rent_to_accounts",
)
"""Rules of whole months: they change with the first slot of a local one."""


def build_rules(found: Mapping[str, object]) -> MarketRules:
    """The rules of a file's keys; raises MarketError in one sentence.

    Keys are the auction's fields of MarketRules, all with defaults, and `allow_negative = true`,
    which moves the floor to its lowest value.
    """
    values = dict(found)
    allow_negative = values.pop("allow_negative", False)
    if type(allow_negative) is not bool:
        raise MarketError(f"rules: allow_negative is {allow_negative!r}, allowed true or false")
    if allow_negative and "floor_mkrw_per_kwh" in values:
        raise MarketError("rules: allow_negative and floor_mkrw_per_kwh both given, allowed one")
    if allow_negative:
        values["floor_mkrw_per_kwh"] = -PRICE_BOUND_MKRW_PER_KWH
    unknown = sorted(values.keys() - _BOUNDS.keys())
    if unknown:
        known = ", ".join([*_BOUNDS, "allow_negative"])
        raise MarketError(f"rules: unknown key {unknown[0]!r}, allowed: {known}")
    return MarketRules(**values)  # type: ignore[arg-type]
