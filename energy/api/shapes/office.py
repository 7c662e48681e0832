"""What those read who run or audit the district: people, audit, rules, settings, reports."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.callers import Role
from energy.api.shapes.words import (
    Address,
    Address4Or6,
    Count,
    Date,
    Digest,
    Id,
    Krw,
    Kwh,
    KwPositive,
    Month,
    Name,
    Number,
    Shape,
    Share,
    Text,
    Tier,
    TimeZone,
    Tonnes,
    Utc,
)


class Healthy(Shape):
    """The process answers."""

    status: Literal["ok"]


class Ready(Shape):
    """The loop is at work and on time; causes of open alarms."""

    status: Literal["ready"]
    now_utc: Utc
    open_alarms: list[Annotated[str, Field(examples=["weather/silent"])]]


class KeptKey(Shape):
    """The key with which the company signs for a household in the household's own session."""

    address: Address
    since_utc: Utc


class Session(Shape):
    """Who you are here."""

    role: Role
    name: str
    account: Id | None
    person: Name | None
    is_demo: bool
    asks_sign_in: bool
    kept_key: KeptKey | None


class SignedIn(Shape):
    """Who has signed in; the cookie is the session."""

    role: Role
    name: Name


class SignedOut(Shape):
    """Nothing is left of the session."""


class SignInNonce(Shape):
    """A message for a wallet to sign, good once and until then."""

    nonce: Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["8e" * 16])]
    message: Text
    expires_utc: Utc


class PersonRow(Shape):
    """Who may sign in."""

    name: Name
    role: Role
    account: Id | None
    created_utc: Utc
    disabled_utc: Utc | None


class People(Shape):
    """Who may sign in; nothing secret."""

    items: list[PersonRow]


class Disabled(Shape):
    """A person who signs in no more."""

    name: Name
    disabled: Literal[True]


class InvitationRow(Shape):
    """A resident who is or was invited; `taken_utc` is null until they have chosen a password."""

    name: Name
    account: Id
    made_by: Name
    made_utc: Utc
    ends_utc: Utc
    taken_utc: Utc | None


class Invitations(Shape):
    """Invitations, the newest first; those of a time before `now_utc` are good no more."""

    now_utc: Utc
    items: list[InvitationRow]


class AuditRecord(Shape):
    """Who did what with whose data, when and from where; `hash` has the record before in it."""

    no: Count
    at_utc: Utc
    account: Name
    origin: Address4Or6
    whose: Name
    task: Text
    hash: Digest


class AuditPage(Shape):
    """Records of the audit log, newest first; `next` is null on the last page."""

    items: list[AuditRecord]
    next: str | None = Field(examples=["/v1/audit?before=17&limit=100"])


class RuleValues(Shape):
    """The market's rules as texts, prices in won; what nobody has changed is the district's own."""

    price_floor_krw_per_kwh: Krw
    price_cap_krw_per_kwh: Krw
    price_tick_krw_per_kwh: Krw
    maker_spread_krw_per_kwh: Krw
    maker_steps: Krw
    orders_max: Krw
    network_fee_krw_per_kwh: Krw
    local_fee_krw_per_kwh: Krw
    premium_max_krw_per_kwh: Krw
    guarantee_kept_ppm: Krw
    guarantee_most_krw: Krw
    points_issue_ppm: Krw
    points_pay_ppm: Krw
    rent_to_accounts: Krw


class RulesVersion(Shape):
    """Rules and the slot that they hold from; null of what the books began with."""

    version: Number
    from_slot_utc: Utc | None
    rules: RuleValues
    content_sha256: Digest


class RulesBook(Shape):
    """Every version of the rules, the newest first, and which holds now."""

    now: Number
    versions: list[RulesVersion]


class RuleChange(Shape):
    """A rule that is to be another."""

    name: Name
    old: Krw
    new: Krw


class Said(Shape):
    """Who and when."""

    by: Name
    at_utc: Utc


class ProposalState(Shape):
    """A proposed change of the rules, and what became of it."""

    id: Number
    state: Literal["open", "confirmed", "withdrawn"]
    version: Number
    from_slot_utc: Utc
    changes: list[RuleChange]
    note: Text
    proposed: Said
    confirmed: Said | None
    withdrawn: Said | None
    entry: Id | None


class Proposals(Shape):
    """Proposed changes, newest first, and the first slot that another one may name."""

    earliest_slot_utc: Utc
    items: list[ProposalState]


class Setting(Shape):
    """A setting as it holds; `source` is null where the service has not kept its start."""

    name: Name
    value: str
    source: str | None
    default: str
    description: Text
    is_secret: bool


class SettingChange(Shape):
    """What a start has changed."""

    at_utc: Utc
    by: Name
    name: Name
    old: str | None
    new: str | None
    source: str | None


class SettingsShown(Shape):
    """Every setting, since when, and the changes, newest first."""

    started_utc: Utc | None
    started_by: str | None
    items: list[Setting]
    history: list[SettingChange]


KeptKind = Literal["columns", "documents"]


class NotKept(Shape):
    """Figures that are null because rows of a kind are gone, and since when these are kept."""

    kind: KeptKind
    kept_days: Count
    kept_from_utc: Utc
    figures: list[str]


class MonthTotals(Shape):
    """The sums of a month; null where rows of some day are not kept. Costs are those of the days
    and the demand charge, which is asked once for the month's highest import.
    """

    measured_slots: Count | None
    is_complete: bool | None
    import_kwh: Kwh | None
    export_kwh: Kwh | None
    generation_kwh: Kwh | None
    load_kwh: Kwh | None
    cars_kwh: Kwh | None
    self_sufficiency_frac: Share | None
    self_consumption_frac: Share | None
    cost_krw: Krw | None
    baseline_cost_krw: Krw | None
    saved_krw: Krw | None
    demand_charge_krw: Krw | None
    baseline_demand_charge_krw: Krw | None
    co2_t: Tonnes | None
    baseline_co2_t: Tonnes | None
    peak_kw: KwPositive | None
    auctions: Count | None
    traded_slots: Count | None
    settled_slots: Count | None
    volume_kwh: Kwh | None
    price_krw_per_kwh: Krw | None
    welfare_krw: Krw | None
    market_saved_krw: Krw | None
    tiers: dict[Tier, Count]
    missed: Count


class ReportDay(Shape):
    """A local day; what was not measured is null, and what is not kept, by kind of its rows. Costs
    are without the demand charge.
    """

    date: Date
    first_slot_utc: Utc
    measured_slots: Count | None
    import_kwh: Kwh | None
    export_kwh: Kwh | None
    generation_kwh: Kwh | None
    load_kwh: Kwh | None
    cars_kwh: Kwh | None
    self_sufficiency_frac: Share | None
    self_consumption_frac: Share | None
    cost_krw: Krw | None
    baseline_cost_krw: Krw | None
    saved_krw: Krw | None
    co2_t: Tonnes | None
    baseline_co2_t: Tonnes | None
    peak_kw: KwPositive | None
    tiers: dict[Tier, Count]
    missed: Count
    auctions: Count | None
    traded_slots: Count | None
    volume_kwh: Kwh | None
    price_krw_per_kwh: Krw | None
    welfare_krw: Krw | None
    market_saved_krw: Krw | None
    settled_slots: Count | None
    not_kept: dict[KeptKind, list[str]]


class MonthDemandResponse(Shape):
    """DR events that began in the month."""

    events: Count
    verified: Count
    committed_kwh: Kwh
    reduced_kwh: Kwh
    reward_krw: Krw
    penalty_krw: Krw


class MonthBills(Shape):
    """Sums over the bills of a month."""

    bills: Krw
    unbilled: Krw
    total_krw: Krw
    utility_krw: Krw
    market_krw: Krw
    alone_krw: Krw


class MonthReport(Shape):
    """A month in figures, by day; bills are null before it is closed."""

    month: Month
    from_utc: Utc
    to_utc: Utc
    time_zone: TimeZone
    totals: MonthTotals
    not_kept: list[NotKept]
    demand_response: MonthDemandResponse
    bills: MonthBills | None
    days: list[ReportDay]
    oldest: Month
    newest: Month
