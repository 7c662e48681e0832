"""The routes of the API. Made by `make client` from its document: do not edit."""

from collections.abc import Iterator
from typing import Literal, NotRequired, TypedDict
from urllib.parse import quote

import orjson

from energy.client.base import BaseClient, Document, Event, new_key


class AssetOrder(TypedDict):
    """From when and why; without `from_utc` from the first slot on that is not planned yet."""

    from_utc: NotRequired[str | None]
    reason: str


class CancelOrder(TypedDict):
    """Why an order shall hold no more."""

    reason: str


class DrOrder(TypedDict):
    """An event that the company calls, and why."""

    programme: str
    first_slot_utc: str
    hours: int
    reward_krw_per_kwh: NotRequired[str | None]
    penalty_krw_per_kwh: NotRequired[str | None]
    answer_by_utc: NotRequired[str | None]
    reason: str


class DrWish(TypedDict):
    """Which programme asks from which full hour on, for how many hours; prices in won per kWh.
    Prices that are left out are the programme's usual ones; answers are due an hour
    before.
    """

    programme: str
    first_slot_utc: str
    hours: int
    reward_krw_per_kwh: NotRequired[str | None]
    penalty_krw_per_kwh: NotRequired[str | None]
    answer_by_utc: NotRequired[str | None]


class EndOrder(TypedDict):
    """Why an order shall hold no more: from the first slot on that is not planned yet, or at
    once. With `at_once` the set-points of the running slot are made anew without it
    within a minute.
    """

    reason: str
    at_once: NotRequired[bool]


class EraseBody(TypedDict):
    """The beginning of one's account, typed by hand."""

    confirm: str


class HoldOrder(TypedDict):
    """An asset that shall rest, and why."""

    asset: str
    from_utc: NotRequired[str | None]
    until_utc: str
    at_once: NotRequired[bool]
    reason: str


class HoldWish(TypedDict):
    """Which asset rests from when until when: a battery, a group of units, or the heat pump.
    Without `from_utc` from the first slot on that is not planned yet; with `at_once` from
    the running one on, whose set-points are made anew within a minute.
    """

    asset: str
    from_utc: NotRequired[str | None]
    until_utc: str
    at_once: NotRequired[bool]


class InvitationBody(TypedDict):
    """Who is invited, by the name under which they will sign in, of which household."""

    name: str
    account: str
    days: NotRequired[int]


class IslandOrder(TypedDict):
    """An island that is ordered or reported, and why."""

    kind: Literal["planned", "unplanned"]
    from_utc: NotRequired[str | None]
    until_utc: NotRequired[str | None]
    reason: str


class IslandWish(TypedDict):
    """From when until when the district shall stand alone, or that it does. `planned` has an
    end, and begins with the first slot that is not planned yet where no `from_utc` is
    given. `unplanned` says that the connection is open now; it has no times of its own.
    """

    kind: Literal["planned", "unplanned"]
    from_utc: NotRequired[str | None]
    until_utc: NotRequired[str | None]


class LimitOrder(TypedDict):
    """At most so much active power through an element, either way: in kW or as part of its
    rating. Without `from_utc` it holds from the first slot on that is not planned yet;
    with `at_once` from the running one on, whose set-points are made anew within a
    minute.
    """

    element: str
    p_kw_max: NotRequired[float | None]
    p_frac_max: NotRequired[float | None]
    from_utc: NotRequired[str | None]
    until_utc: str
    at_once: NotRequired[bool]
    reason: str


class MeterReading(TypedDict):
    """What one meter has counted in a quarter hour; Wh, counters at its end."""

    account: str
    slot_utc: str
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int


class NoteText(TypedDict):
    """What is to be known of an asset."""

    text: str


class OwnWallet(TypedDict):
    """A `KeyRegister` of one's own wallet's key, roles 3, and the wallet's signature over it."""

    message: dict[str, str]
    signature: str


class ReadingBatch(TypedDict):
    """Readings of any meters in up to 96 different quarter hours, each of them once."""

    readings: list[MeterReading]


class ReplanOrder(TypedDict):
    """Why what has set-points already shall be planned once more."""

    reason: str


class RulesChange(TypedDict):
    """What is to be different from a slot on; what is left out stays as it is. Prices in won."""

    from_slot_utc: str
    price_floor_krw_per_kwh: NotRequired[str | None]
    price_cap_krw_per_kwh: NotRequired[str | None]
    price_tick_krw_per_kwh: NotRequired[str | None]
    maker_spread_krw_per_kwh: NotRequired[str | None]
    maker_steps: NotRequired[int | None]
    orders_max: NotRequired[int | None]
    network_fee_krw_per_kwh: NotRequired[str | None]
    local_fee_krw_per_kwh: NotRequired[str | None]
    premium_max_krw_per_kwh: NotRequired[str | None]
    guarantee_kept_ppm: NotRequired[int | None]
    guarantee_most_krw: NotRequired[int | None]
    points_issue_ppm: NotRequired[int | None]
    points_pay_ppm: NotRequired[int | None]
    rent_to_accounts: NotRequired[int | None]
    note: str


class SeenBody(TypedDict):
    """What somebody says of an alarm that they have seen."""

    note: NotRequired[str]


Step = Literal["quarter_hour", "hour", "day", "month"]

Use = Literal["homes", "businesses"]


class WishBody(TypedDict):
    """What is wanted of a car for the stay that it is in."""

    stay: str
    departure_utc: str
    target_pct: int
    floor_pct: int | None
    charge_now: bool


class Client(BaseClient):
    """Every route of the API as a method; sign-in and retries: `BaseClient`."""

    def post_order(self, envelope: bytes) -> Document:
        """Post a signed order.

        An order signed over EIP-712 typed data; integers are decimal strings, bytes 0x and hex.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedOrder` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/orders", body=envelope, again=True)

    def get_order(self, order_id: str) -> Document:
        """An order and what became of it.

        The order's terms, its status, its receipt, and what it got where the slot is cleared.

        For: auditor, operator, prosumer.

        `order_id`: the 32 bytes of an id.

        Gives `OrderState` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/orders/{quote(str(order_id), safe='')}", again=True)

    def cancel_order(self, envelope: bytes) -> Document:
        """Cancel a live order.

        A signed `Cancel` in an envelope like an order's; done before the gate or not at all.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/orders/cancel", body=envelope, again=True)

    def change_keys(self, envelope: bytes) -> Document:
        """Register, rotate or revoke a key.

        A signed key entry: new key and registrar; old and new key; or any key of the account.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/keys", body=envelope, again=True)

    def sign_instruction(self, envelope: bytes) -> Document:
        """Let orders be made within limits.

        A `StandingInstruction`: limits, caps of a local day, first slot, end; one runs at a
        time.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/instructions", body=envelope, again=True)

    def stop_instruction(self, envelope: bytes) -> Document:
        """Stop a standing instruction.

        A `Cancel` whose `order_id` is the instruction; `slot` is the first without its orders.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/instructions/stop", body=envelope, again=True)

    def get_events(self) -> Document:
        """DR events, the latest to begin first.

        States, answers, sums by group, payments, and the programmes that may be called.

        For: auditor, device, network_owner, operator, prosumer.

        Gives `DrEvents` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/dr/events", again=True)

    def call_event(self, envelope: bytes) -> Document:
        """Call a DR event.

        A `DrEvent` in an envelope like an order's, by the programme's or the operator's key.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/dr/events", body=envelope, again=True)

    def cancel_event(self, envelope: bytes) -> Document:
        """Cancel a DR event.

        A `Cancel` of the programme's account whose `order_id` is the event, before it begins.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/dr/events/cancel", body=envelope, again=True)

    def answer_event(self, envelope: bytes) -> Document:
        """Answer a DR event.

        A `DrCommit`: Wh to be given up in every slot, 0 declines; the answer has the baseline.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedAnswer` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/dr/commits", body=envelope, again=True)

    def get_event(self, event_id: str) -> Document:
        """A DR event.

        Terms, state, answers, hours, payments, and baseline and metered power by slot.

        For: auditor, device, network_owner, operator, prosumer.

        `event_id`: the 32 bytes of an id.

        Gives `DrEventDocument` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/dr/events/{quote(str(event_id), safe='')}", again=True)

    def call_for_company(self, body: DrOrder, *, idempotency_key: str | None = None) -> Document:
        """Call a DR event in the company's name.

        A `DrEvent` that the operator's market key signs here, judged like one that was sent.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `DrEventDocument` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/steering/dr/events",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def preview_event(self, body: DrWish) -> Document:
        """What a DR event would ask and cost.

        Its terms, whom it asks and the most it may cost; refused as its call would be now.

        For: operator.

        Gives `DrOutlook` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/steering/dr/events/preview", body=orjson.dumps(body))

    def cancel_for_company(
        self, event_id: str, body: CancelOrder, *, idempotency_key: str | None = None
    ) -> Document:
        """Cancel a DR event in the company's name.

        A `Cancel` that the operator's market key signs here; before its first gate or not at
        all.

        For: operator.

        `event_id`: the 32 bytes of an id.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `DrEventDocument` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/steering/dr/events/{quote(str(event_id), safe='')}/cancel",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def get_contracts(self) -> Document:
        """Contracts and what they came to lately.

        Terms, state, and energy and money of the last day that is settled; and the regime.

        For: auditor, operator.

        Gives `Contracts` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/contracts", again=True)

    def enter_contract(self, envelope: bytes) -> Document:
        """Enter a contract.

        A `Contract` in an envelope like an order's, signed by the seller and then by the buyer.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/contracts", body=envelope, again=True)

    def end_contract(self, envelope: bytes) -> Document:
        """End a contract.

        A party's `Cancel` whose `order_id` is the contract; it ends when both have sent theirs.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `AcceptedMessage` of `/openapi.json`.

        Raises ProblemError: 400, 401, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/contracts/end", body=envelope, again=True)

    def get_contract(self, contract_id: str) -> Document:
        """A contract.

        Its terms, the ends that parties have signed, and what each slot of the last day came
        to.

        For: auditor, operator.

        `contract_id`: the 32 bytes of an id.

        Gives `ContractDocument` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/contracts/{quote(str(contract_id), safe='')}", again=True)

    def order_proof(self, order_id: str) -> Document:
        """That an order is in the books.

        The signed order, its path to a signed checkpoint, its receipt, the keys that signed. Of
        an automatic order also the instruction that it is within; an instruction has one of its
        own.

        For: auditor, operator, prosumer.

        `order_id`: the 32 bytes of an id.

        Gives `InclusionProof` or `AutomaticProof` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 409, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/orders/{quote(str(order_id), safe='')}/proof", again=True)

    def trust_root(self) -> Document:
        """The trust root.

        What verifiers need beside a proof; compare it with what is published elsewhere.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `TrustRoot` of `/openapi.json`.

        Raises ProblemError: 404, 421, 429, 503.
        """
        return self._json("GET", "/v1/ledger/trust", again=True)

    def checkpoint(self) -> str:
        """The newest signed head of the log.

        The note that witnesses sign for.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Raises ProblemError: 404, 421, 429, 503.
        """
        return self._text("GET", "/v1/ledger/checkpoint", again=True)

    def get_checkpoints(
        self, *, before: str | int | None = None, limit: int | None = None
    ) -> Document:
        """Signed heads, newest first.

        Size and root of the log after each tick, and which witnesses have signed it as well.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `CheckpointPage` of `/openapi.json`.

        Raises ProblemError: 421, 422, 429, 503.
        """
        return self._json(
            "GET", "/v1/checkpoints", query={"before": before, "limit": limit}, again=True
        )

    def each_of_checkpoints(
        self, *, before: str | int | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_checkpoints`, asked for as they are needed."""
        return self._pages("/v1/checkpoints", {"before": before, "limit": limit})

    def get_operator_keys(self) -> Document:
        """The operator's keys by role.

        Every address that has signed for the operator: as what, from which slot, until which.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `OperatorKeyList` of `/openapi.json`.

        Raises ProblemError: 421, 429, 503.
        """
        return self._json("GET", "/v1/ledger/keys", again=True)

    def get_entry(self, entry_id: str, *, slot: str | int | None = None) -> Document:
        """Any entry of the books, with its proof.

        The signed entry, its path to the newest signed head, its receipt, the keys that signed.
        A reading or a transfer is found by its id and its slot, for it has no row of its own.

        For: auditor, operator.

        `entry_id`: the 32 bytes of an id.

        Gives `InclusionProof` or `AutomaticProof` or `CancelledEventProof` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            f"/v1/ledger/entries/{quote(str(entry_id), safe='')}",
            query={"slot": slot},
            again=True,
        )

    def get_books_audit(self) -> Document:
        """The books added up anew.

        Chain of heads, log, all sums and the audit log, read anew once for each signed head. It
        may take some seconds. Every signature is checked by the offline verifier alone.

        For: auditor, operator.

        Gives `BooksAudit` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 429, 503.
        """
        return self._json("GET", "/v1/ledger/audit", again=True)

    def get_history(
        self, *, from_: str | int | None = None, to: str | int | None = None
    ) -> Document:
        """Prices, volumes by model and savings, slot by slot.

        Columns over the slots from `from` up to `to`, at most a week; `next` asks for the rest.
        Operators and auditors see what was settled as it stands, others as it was settled
        first. Where fewer than 15 customers make up a slot's sums, or one has more than 15 % of
        them, it is null for others, and in no total. What few paid for deviations, and what ran
        at tariff or feed-in where it would tell what `/v1/open/energy` withholds, is null, and
        so is its total.

        For: auditor, device, network_owner, operator, prosumer.

        `from_`: first slot; a day before `to`.

        `to`: end; after the newest auction.

        Gives `MarketHistory` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/market/history", query={"from": from_, "to": to}, again=True)

    def get_curves(self, slot: str | int) -> Document:
        """Demand and supply of an auction, and where they met.

        Both curves by price, price interval, margin and budget of the slot's auction. A slot
        whose orders were void has no curves and says why. An auction never changes.

        For: auditor, device, network_owner, operator, prosumer.

        `slot`: start of a quarter hour, UTC, or its seconds since 1970.

        Gives `Curves` or `VoidCurves` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/market/{quote(str(slot), safe='')}/curves", again=True)

    def get_forecasts(self, *, slot: str | int | None = None) -> Document:
        """The forecasts of a plan.

        Bands of load, sun and heat that the newest plan, or that of `slot`, was made from, and
        of the prices of the auctions to come, won per kWh.

        For: auditor, operator.

        Gives `SlotForecast` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/forecasts", query={"slot": slot}, again=True)

    def get_issued(self, *, slot: str | int | None = None) -> Document:
        """A forecast as it was issued.

        Seven quantiles of the district's load, sun and heat in kW and of the auctions' prices
        in won per kWh, tiers, and the weather used.

        For: auditor, operator.

        `slot`: its first slot; else the newest.

        Gives `IssuedForecast` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/forecasts/issued", query={"slot": slot}, again=True)

    def get_prices_to_come(self) -> Document:
        """What the coming auctions may end at.

        Seven quantiles of each coming slot's price in won per kWh, of slots that trade; for
        everybody, as all prices are. Auctions before `first_slot_utc` were known when it was
        issued.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `PricesToCome` of `/openapi.json`.

        Raises ProblemError: 404, 421, 429, 503.
        """
        return self._json("GET", "/v1/forecasts/prices", again=True)

    def get_course(self) -> Document:
        """A day of forecasts beside what was measured, and the horizon.

        Seven quantiles about now, in kW or won per kWh as their names say: back as issued
        twelve hours before, ahead the newest.

        For: auditor, operator.

        Gives `ForecastCourses` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 429, 503.
        """
        return self._json("GET", "/v1/forecasts/course", again=True)

    def get_verification(self, *, days: int | None = None) -> Document:
        """How the forecasts came true.

        By quantity and hours of lead: shares inside the bands, CRPS and bias in kW, of prices
        in won per kWh.

        For: auditor, operator.

        `days`: days looked back.

        Gives `Verification` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/forecasts/verification", query={"days": days}, again=True)

    def get_overview(self) -> Document:
        """How the district is, now and for the next 24 hours.

        One document with all blocks of the overview; a block that is not known yet is null.

        For: auditor, network_owner, operator.

        Gives `Overview` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/overview", again=True)

    def get_prices(self) -> Document:
        """What a bidder may know: rules, open slots, prices.

        Domain and rules of the market, the slots that are open, tariffs and last prices.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `Prices` of `/openapi.json`.

        Raises ProblemError: 421, 429, 503.
        """
        return self._json("GET", "/v1/prices", again=True)

    def get_plan(self, *, slot: str | int | None = None) -> Document:
        """The published plan.

        Plan of the newest slot, or of `slot`: set-points, certificate, reasons, grid state.

        For: auditor, operator.

        Gives `PlanDocument` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/plan", query={"slot": slot}, again=True)

    def get_measured(self, *, slot: str | int | None = None) -> Document:
        """What a slot's meters say.

        Sources, uses and costs of the newest measured slot, or of `slot`.

        For: auditor, network_owner, operator.

        Gives `Measured` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/measured", query={"slot": slot}, again=True)

    def get_market(self, slot: str | int) -> Document:
        """The auction of a slot.

        What was traded in the slot, and the clearing with its certificate. In a zone where few
        have ordered operators and auditors alone are told how much.

        For: auditor, device, network_owner, operator, prosumer.

        `slot`: start of a quarter hour, UTC, or its seconds since 1970.

        Gives `Auction` or `AuctionOfBooks` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/market/{quote(str(slot), safe='')}", again=True)

    def get_ledger(self) -> Document:
        """The head of the books.

        Size, root and signer of the newest checkpoint, and whether everything is explained.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `SlotLedger` of `/openapi.json`.

        Raises ProblemError: 404, 421, 429, 503.
        """
        return self._json("GET", "/v1/ledger", again=True)

    def get_checkpoint(self, tick: str | int) -> Document:
        """The signed head of a tick.

        Size and root of the log after the tick, signed; `note` is the text that is published.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        `tick`: start of a quarter hour, UTC, or its seconds since 1970.

        Gives `Checkpoint` of `/openapi.json`.

        Raises ProblemError: 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/checkpoints/{quote(str(tick), safe='')}", again=True)

    def get_slots(self, *, before: str | int | None = None, limit: int | None = None) -> Document:
        """Quarter hours, newest first.

        One row a slot with tier, reason and seconds; `next` asks for the ones before.

        For: auditor, network_owner, operator.

        Gives `SlotPage` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/slots", query={"before": before, "limit": limit}, again=True)

    def each_of_slots(
        self, *, before: str | int | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_slots`, asked for as they are needed."""
        return self._pages("/v1/slots", {"before": before, "limit": limit})

    def get_alarms(self) -> Document:
        """What needs a person.

        Open alarms, the gravest first.

        For: auditor, network_owner, operator.

        Gives `Alarms` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/alarms", again=True)

    def get_network(self) -> Document:
        """Buses, lines, transformers and areas of the district.

        The tables of the network, a column each; ends of lines are positions among the buses.

        For: auditor, network_owner, operator.

        Gives `NetworkTables` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/grid/network", again=True)

    def get_grid(self, *, slot: str | int | None = None) -> Document:
        """The wires under the plan.

        State of every element in the newest planned slot, or in `slot`, and in the tightest
        one.

        For: auditor, network_owner, operator.

        Gives `Wires` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/grid", query={"slot": slot}, again=True)

    def get_contingency(self, element: str) -> Document:
        """What an outage would do now.

        The outage of a line, a transformer or a feeder (its first line) in the planned slot.

        For: auditor, network_owner, operator.

        Gives `Outage` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/grid/contingency", query={"element": element}, again=True)

    def events(self, *, after: str | None = None) -> Iterator[Event]:
        """What changes, as server-sent events.

        The stream from now on, or from the event after the one that the reader names.

        For: auditor, device, network_owner, operator, prosumer.

        Raises ProblemError: 401, 403, 421, 422, 429, 503.
        """
        return self._stream("/v1/events", {"after": after})

    def healthz(self) -> Document:
        """The process answers.

        Always ok while requests are served at all.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `Healthy` of `/openapi.json`.

        Raises ProblemError: 421, 429, 503.
        """
        return self._json("GET", "/healthz", again=True)

    def readyz(self) -> Document:
        """The loop runs and is on time.

        Ready when the loop is at work, on time, settles, and explains every Wh and won. What is
        worse than it should be and does not keep the loop from its work (a feed that is silent,
        a disk that is nearly full) stands in `open_alarms`.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `Ready` of `/openapi.json`.

        Raises ProblemError: 421, 429, 503.
        """
        return self._json("GET", "/readyz", again=True)

    def metrics(self) -> str:
        """Figures for Prometheus.

        Counters and gauges, one family each, named microgrid_*.

        For: auditor, network_owner, operator.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._text("GET", "/metrics", again=True)

    def get_open_energy(
        self,
        *,
        start: str | int | None = None,
        end: str | int | None = None,
        step: Step | None = None,
        zone: str | None = None,
        use: Use | None = None,
        format_: Literal["json", "csv"] | None = None,
    ) -> Document:
        """What groups of customers drew and fed in.

        Energy in Wh by market zone and use. A quarter hour counts where 15 customers or more
        took part and none had more than 15 % of the sum: the columns say how many of the time's
        quarter hours did. Figures are those of the first settlement and are not changed
        afterwards.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        `start`: first quarter hour; else the newest day's.

        `end`: quarter hour after the last; else the newest.

        `step`: the times that are added up.

        `zone`: one zone's groups; else all.

        `use`: one use; else both.

        `format_`: form of the answer.

        Gives `OpenEnergy` of `/openapi.json`.

        Raises ProblemError: 404, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            "/v1/open/energy",
            query={
                "start": start,
                "end": end,
                "step": step,
                "zone": zone,
                "use": use,
                "format": format_,
            },
            again=True,
        )

    def get_session(self) -> Document:
        """Who you are here.

        Role, name and account; `anonymous` before sign-in, and whether sign-in is asked for.
        `person` is who has begun the session with a password, null where a wallet has.
        `kept_key` is the key with which the company signs in it.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `Session` of `/openapi.json`.

        Raises ProblemError: 401, 421, 429, 503.
        """
        return self._json("GET", "/v1/session", again=True)

    def sign_in_with_password(self, name: str, password: str, code: str) -> Document:
        """Sign in with name, password and one-time code.

        One answer for whatever was wrong; guesses are counted by address and by name.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `SignedIn` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 413, 415, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/session/password",
            body=orjson.dumps({"name": name, "password": password, "code": code}),
        )

    def sign_in_to_demo(self) -> Document:
        """Act in the demonstration.

        An operator's session without sign-in: on the demo clock, for who sits at this machine.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `SignedIn` of `/openapi.json`.

        Raises ProblemError: 400, 403, 413, 421, 429, 503.
        """
        return self._json("POST", "/v1/session/demo")

    def sign_out(self) -> Document:
        """Sign out.

        The session is over at once, on the server; without one nothing happens.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `SignedOut` of `/openapi.json`.

        Raises ProblemError: 400, 403, 413, 421, 429, 503.
        """
        return self._json("POST", "/v1/session/end")

    def sign_out_everywhere(self) -> Document:
        """Sign out everywhere.

        Every session of the person, or of the wallet's account, is over at once, on the server.
        Of the demonstration's it is this one alone.

        For: auditor, network_owner, operator, prosumer.

        Gives `SignedOut` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 413, 421, 429, 503.
        """
        return self._json("POST", "/v1/session/end-all")

    def choose_password(self, password: str, code: str, new_password: str) -> Document:
        """Change my password.

        Wants the present password and a code that was not used yet; guesses count as at sign-
        in. All other sessions of the person end at once, and this one goes on under a new
        cookie.

        For: auditor, network_owner, operator, prosumer.

        Gives `SignedIn` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 413, 415, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/session/new-password",
            body=orjson.dumps({"password": password, "code": code, "new_password": new_password}),
        )

    def get_nonce(self, address: str) -> Document:
        """A message for a wallet to sign.

        Good once, for five minutes, and for the browser that asked alone.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `SignInNonce` of `/openapi.json`.

        Raises ProblemError: 400, 403, 413, 415, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/session/nonce", body=orjson.dumps({"address": address}))

    def sign_in_with_wallet(self, message: str, signature: str) -> Document:
        """Sign in with Ethereum.

        An ERC-4361 message signed by a key that may trade for an account now (ERC-191).

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `SignedIn` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 413, 415, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/session/wallet",
            body=orjson.dumps({"message": message, "signature": signature}),
        )

    def get_people(self) -> Document:
        """Who may sign in.

        Names, roles and when they were disabled; nothing secret.

        For: auditor, operator.

        Gives `People` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/people", again=True)

    def disable(self, name: str) -> Document:
        """Let a person sign in no more.

        All sessions of the person end at once; nothing happens where that was so before.

        For: operator.

        Gives `Disabled` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 413, 421, 422, 429, 503.
        """
        return self._json("POST", f"/v1/people/{quote(str(name), safe='')}/disable")

    def get_invitations(self) -> Document:
        """Who is invited.

        Every invitation, the newest first, and what became of it; nothing secret.

        For: auditor, operator.

        Gives `Invitations` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/people/invitations", again=True)

    def invite(self, body: InvitationBody) -> Document:
        """Invite a resident without a wallet.

        The answer's secret goes to the resident alone, who chooses a password with it, once.
        Made again for the same name and household, the one before is good no more. A household
        of which somebody else may sign in, or with a live key of its own, is taken: disable or
        revoke first. Who may sign in already gets a new password and new codes when it is taken
        up.

        For: operator.

        Gives `Invited` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/people/invitations", body=orjson.dumps(body))

    def get_audit(self, *, before: int | None = None, limit: int | None = None) -> Document:
        """The audit log, newest first.

        Who did what with whose data, when and from where; reading it is a record as well.

        For: auditor, operator.

        `before`: the number of the last row of a page.

        Gives `AuditPage` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/audit", query={"before": before, "limit": limit}, again=True)

    def each_of_audit(
        self, *, before: int | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_audit`, asked for as they are needed."""
        return self._pages("/v1/audit", {"before": before, "limit": limit})

    def acknowledge(self, alarm_id: int, body: SeenBody) -> Document:
        """Say that an alarm is seen.

        The alarm stays until its condition ends; who has seen it, and their note, stand beside
        it. Said again it changes nothing: the first who said so, and what they said, stay.

        For: operator.

        Gives `Alarm` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/alarms/{quote(str(alarm_id), safe='')}/acknowledge",
            body=orjson.dumps(body),
        )

    def get_ended_alarms(self, *, before: int | None = None, limit: int | None = None) -> Document:
        """What needed a person, newest first.

        Alarms whose condition is over, with who has seen them; `next` asks for the ones before.

        For: auditor, network_owner, operator.

        `before`: the number of the last row of a page.

        Gives `EndedAlarms` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 422, 429, 503.
        """
        return self._json(
            "GET", "/v1/alarms/ended", query={"before": before, "limit": limit}, again=True
        )

    def each_of_ended_alarms(
        self, *, before: int | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_ended_alarms`, asked for as they are needed."""
        return self._pages("/v1/alarms/ended", {"before": before, "limit": limit})

    def get_alarm_days(self) -> Document:
        """How many alarms and warnings a day.

        Counts by severity of those that began on each of the last local days, open or over.

        For: auditor, network_owner, operator.

        Gives `AlarmDays` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/alarms/days", again=True)

    def get_assets(self, *, slot: str | int | None = None) -> Document:
        """Every asset in a slot.

        State, availability, set-point, measured power, limits and content of every asset in the
        newest measured slot, or in `slot`; the worst state first.

        For: auditor, operator.

        Gives `Assets` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/assets", query={"slot": slot}, again=True)

    def get_rules(self) -> Document:
        """The market's rules by slot.

        Every version, the newest first, with the first slot that it holds in, and which holds
        now. An order names the version that holds in its slot; any other is refused with
        `STALE_RULES`.

        For: auditor, device, network_owner, operator, prosumer.

        Gives `RulesBook` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/rules", again=True)

    def get_proposals(self) -> Document:
        """Proposed changes of the rules.

        Old and new of each, from which slot, who proposed, confirmed or withdrew it and when.
        `earliest_slot_utc` is the first slot that a change may hold from.

        For: auditor, operator.

        Gives `Proposals` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/rules/proposals", again=True)

    def propose(self, body: RulesChange, *, idempotency_key: str | None = None) -> Document:
        """Propose rules from a slot on.

        Nothing changes until another person confirms; a slot at least a day ahead for which
        nobody can order yet.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `ProposalState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/rules/proposals",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def confirm(self, proposal_id: int, *, idempotency_key: str | None = None) -> Document:
        """Confirm another person's proposal.

        The rules hold from their slot on; those of earlier slots stay. Never by who proposed
        it.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `ProposalState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/rules/proposals/{quote(str(proposal_id), safe='')}/confirm",
            key=idempotency_key or new_key(),
            again=True,
        )

    def withdraw(self, proposal_id: int, *, idempotency_key: str | None = None) -> Document:
        """Withdraw a proposal that nobody has confirmed.

        By whoever runs the district; it is kept with the name.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `ProposalState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/rules/proposals/{quote(str(proposal_id), safe='')}/withdraw",
            key=idempotency_key or new_key(),
            again=True,
        )

    def get_settings(self) -> Document:
        """Settings as they hold.

        Value, source and default of each, secrets hidden; what has changed from start to start.

        For: auditor, operator.

        Gives `SettingsShown` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/settings", again=True)

    def get_report(self, month: str) -> Document:
        """A month in figures, by day.

        Energy, self-sufficiency, cost and saving, emissions, peak, market, tiers, missed slots
        by local day; their sums; demand response; the sum of the bills once the month is
        closed. Figures whose rows are no longer kept are null, and `not_kept` says which and
        since when rows are kept.

        For: auditor, operator.

        `month`: a local month, or `latest`.

        Gives `MonthReport` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/reports/{quote(str(month), safe='')}", again=True)

    def get_home(self, *, account: str | None = None) -> Document:
        """My home, today and this month.

        What the meter counted, what was traded and what it brought over KEPCO, settled slots
        only. `sums` are null before the first slot is settled, and its parts while they are
        added up.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `Home` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/home", query={"account": account}, again=True)

    def get_counted(self) -> Document:
        """How far the sums are added up.

        Settled quarter hours of the month that are added up, of how many: after a restart the
        sums of `/v1/me/home` are null until both are the same. Nobody's data, so nothing is
        written down.

        For: auditor, device, network_owner, operator, prosumer.

        Gives `Counted` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/me/home/counted", again=True)

    def get_orders(
        self, *, account: str | None = None, before: str | None = None, limit: int | None = None
    ) -> Document:
        """My orders, newest slot first.

        Each with its terms, status, receipt and what it got; `next` is null on the last page.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        `before`: the `next` of the page before.

        Gives `OrderPage` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            "/v1/me/orders",
            query={"account": account, "before": before, "limit": limit},
            again=True,
        )

    def each_of_orders(
        self, *, account: str | None = None, before: str | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_orders`, asked for as they are needed."""
        return self._pages("/v1/me/orders", {"account": account, "before": before, "limit": limit})

    def get_trades(
        self, *, account: str | None = None, before: str | None = None, limit: int | None = None
    ) -> Document:
        """What I traded.

        Orders that got something, newest slot first, with the amount, the label's price in it.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        `before`: the `next` of the page before.

        Gives `OrderPage` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            "/v1/me/trades",
            query={"account": account, "before": before, "limit": limit},
            again=True,
        )

    def each_of_trades(
        self, *, account: str | None = None, before: str | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_trades`, asked for as they are needed."""
        return self._pages("/v1/me/trades", {"account": account, "before": before, "limit": limit})

    def get_instructions(self, *, account: str | None = None) -> Document:
        """My automatic trading.

        What was signed, newest first; what today has come to and what its caps leave; the last
        slot. `last.why` says what became of it there: `ORDERED`, or why no order was made.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `Instructions` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/instructions", query={"account": account}, again=True)

    def get_own_events(self, *, account: str | None = None) -> Document:
        """DR events and my answers.

        Newest first, with one's own baseline, answer and result; `is_open` may be answered now.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `OwnEvents` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/dr", query={"account": account}, again=True)

    def get_own_forecast(self, *, account: str | None = None) -> Document:
        """My use and my roof to come.

        Seven quantiles of the home's use and of its roof's sun, kW, by quarter hour; a tier
        each. From what its meter has told of itself by then, its class, and the district's
        newest forecast.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `OwnForecast` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/forecast", query={"account": account}, again=True)

    def get_months(self, *, account: str | None = None) -> Document:
        """My billed months.

        The months of which there is a signed bill, newest first.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `BilledMonths` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/statements", query={"account": account}, again=True)

    def get_statement(self, month: str, *, account: str | None = None) -> Document:
        """My statement.

        The bill of a month with every line explained; above 0 is paid, below 0 received.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `Statement` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            f"/v1/me/statements/{quote(str(month), safe='')}",
            query={"account": account},
            again=True,
        )

    def get_bill_proof(self, month: str, *, account: str | None = None) -> Document:
        """That my bill is in the books.

        The signed bill, its path to a signed checkpoint and the keys that signed.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `InclusionProof` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 409, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            f"/v1/me/statements/{quote(str(month), safe='')}/proof",
            query={"account": account},
            again=True,
        )

    def get_trades_table(self, *, account: str | None = None) -> str:
        """What I traded as a table.

        All orders that got something as CSV, newest slot first, with the amount, the label's
        price in it.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._text("GET", "/v1/me/trades/table", query={"account": account}, again=True)

    def get_car(self, *, account: str | None = None) -> Document:
        """My car at its charging point.

        How full it is, when it leaves, what is promised; `car` is null where none is connected
        and `point` where the home has none.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `HomeCar` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/car", query={"account": account}, again=True)

    def set_car(
        self, body: WishBody, *, account: str | None = None, idempotency_key: str | None = None
    ) -> Document:
        """Say when my car leaves and how full it must be.

        The plan of the next quarter hour follows it, and the promise is counted like every
        other. Refused with 409 where it cannot be kept at the point's power; the answer says
        what can.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `CarSet` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/me/car",
            query={"account": account},
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def ask_outcome(self, body: WishBody, *, account: str | None = None) -> Document:
        """What a wish for my car would do.

        Whether it can be kept, what can, and what charging now costs more; changes nothing.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `WishOutcome` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST", "/v1/me/car/outcome", query={"account": account}, body=orjson.dumps(body)
        )

    def get_reads(
        self, *, account: str | None = None, before: int | None = None, limit: int | None = None
    ) -> Document:
        """Who has looked at my data.

        Everybody but oneself who has read or done something with them, newest first; and what
        an erasure would leave.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        `before`: the number of the last row of a page.

        Gives `Looks` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json(
            "GET",
            "/v1/me/reads",
            query={"account": account, "before": before, "limit": limit},
            again=True,
        )

    def each_of_reads(
        self, *, account: str | None = None, before: int | None = None, limit: int | None = None
    ) -> Iterator[Document]:
        """The items of all pages of `get_reads`, asked for as they are needed."""
        return self._pages("/v1/me/reads", {"account": account, "before": before, "limit": limit})

    def export(self, *, account: str | None = None) -> Document:
        """Everything that is kept about me.

        What every table of the store has of this account; streamed, a section after the other,
        the last of which says of each table where it is told and when it goes.

        For: auditor, operator, prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `OwnData` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", "/v1/me/export", query={"account": account}, again=True)

    def erase(
        self, body: EraseBody, *, account: str | None = None, idempotency_key: str | None = None
    ) -> Document:
        """Erase what may go.

        Identity, means of days, wishes, sessions and tokens; it cannot be undone. The answer
        says what remains, why, and until when. All sessions of the account end, and no orders
        are made of its instructions any more.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `Erasure` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/me/erase",
            query={"account": account},
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def order_for_me(self, body: Document, *, account: str | None = None) -> Document:
        """Order, signed for me.

        The message of an `Order`; signed with the key that the company keeps for the household.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `OrderSignedForMe` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST", "/v1/me/signed/orders", query={"account": account}, body=orjson.dumps(body)
        )

    def cancel_for_me(self, body: Document, *, account: str | None = None) -> Document:
        """Cancel an order, signed for me.

        The message of a `Cancel` of a live order.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `MessageSignedForMe` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/me/signed/orders/cancel",
            query={"account": account},
            body=orjson.dumps(body),
        )

    def instruct_for_me(self, body: Document, *, account: str | None = None) -> Document:
        """Trade automatically, signed for me.

        The message of a `StandingInstruction`; wants a code shown within five minutes.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `MessageSignedForMe` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/me/signed/instructions",
            query={"account": account},
            body=orjson.dumps(body),
        )

    def stop_for_me(self, body: Document, *, account: str | None = None) -> Document:
        """Stop automatic trading, signed for me.

        The message of a `Cancel` whose `order_id` is the instruction.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `MessageSignedForMe` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/me/signed/instructions/stop",
            query={"account": account},
            body=orjson.dumps(body),
        )

    def answer_for_me(self, body: Document, *, account: str | None = None) -> Document:
        """Answer a DR event, signed for me.

        The message of a `DrCommit`.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `AnswerSignedForMe` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST", "/v1/me/signed/dr/commits", query={"account": account}, body=orjson.dumps(body)
        )

    def show_code(self, code: str, *, account: str | None = None) -> Document:
        """Show a one-time code again.

        A code that was not used yet: what lasts beyond the moment wants a fresh one.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `CodeShown` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 415, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/session/code",
            query={"account": account},
            body=orjson.dumps({"code": code}),
        )

    def renew_key(self, *, account: str | None = None) -> Document:
        """Replace the key that is kept for me.

        The company makes another key and destroys the one before; wants a fresh code. What the
        old key has signed for later slots ends: orders, and automatic trading.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `HandedOver` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/me/key/renew", query={"account": account})

    def hand_over_key(self, body: OwnWallet, *, account: str | None = None) -> Document:
        """Let my own wallet take the kept key's place.

        From `from_slot` on the wallet acts for the household; the kept key is destroyed at
        once. Wants a fresh code. What the old key has signed for later slots ends.

        For: prosumer.

        `account`: 0x and 64 hex digits; for operators and auditors.

        Gives `HandedOver` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST", "/v1/me/key/hand-over", query={"account": account}, body=orjson.dumps(body)
        )

    def take_up(self, invitation: str, password: str) -> Document:
        """Take up an invitation.

        Choose a password; the answer's line goes into a code program, and then one signs in. A
        key is made for the household, encrypted, and registered as one that the company keeps.
        Who was invited again has a new password and new codes from now on, and all their
        sessions end.

        For: anonymous, auditor, device, network_owner, operator, prosumer.

        Gives `TakenUp` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 409, 413, 415, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/session/invitation",
            body=orjson.dumps({"invitation": invitation, "password": password}),
        )

    def get_steering(self) -> Document:
        """What operators have ordered.

        The last limits, newest first, each with who set it, why, until when and how it ended.

        For: auditor, network_owner, operator.

        Gives `Steering` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/steering", again=True)

    def set_limit(self, body: LimitOrder, *, idempotency_key: str | None = None) -> Document:
        """Limit what may pass a feeder, a line or a transformer.

        Every plan and auction from then on keeps it; it ends by itself at `until_utc`.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `WireLimitState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/steering/limits",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def cancel(
        self, limit_id: int, body: EndOrder, *, idempotency_key: str | None = None
    ) -> Document:
        """Cancel a limit.

        The next plan keeps it no more; slots that are planned already only `at_once`.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `WireLimitState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/steering/limits/{quote(str(limit_id), safe='')}/cancel",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def get_islands(self) -> Document:
        """When the district stands alone.

        The last islands, newest first, each with who ordered it, why, until when, how it ended.

        For: auditor, network_owner, operator.

        Gives `Islands` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/steering/islands", again=True)

    def order_island(self, body: IslandOrder, *, idempotency_key: str | None = None) -> Document:
        """Let the district stand alone, or say that it does.

        Plan and market pass nothing through the connection; of one that is open now the slots
        that have set-points already are planned anew within a minute.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `IslandState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/steering/islands",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def preview_island(self, body: IslandWish) -> Document:
        """What an island would cost and who would not be served.

        The newest plan's problem solved with the island and without it; nothing is changed.

        For: operator.

        Gives `Preview` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/steering/islands/preview", body=orjson.dumps(body))

    def reconnect(
        self, island_id: int, body: CancelOrder, *, idempotency_key: str | None = None
    ) -> Document:
        """Close the connection again, or call a planned island off.

        From the first slot on that is not planned yet; what is planned already stays an island.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `IslandState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/steering/islands/{quote(str(island_id), safe='')}/reconnect",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def order_replan(self, body: ReplanOrder, *, idempotency_key: str | None = None) -> Document:
        """Plan once more what has set-points already.

        The running slot and those after it that are planned get new set-points within a minute,
        under all that operators have ordered by then; trades stay as they were cleared.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `ReplanState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/steering/replans",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def get_replans(self) -> Document:
        """What was planned once more, and how fast.

        The last orders to plan anew, newest first, each with what devices were told and when.

        For: auditor, network_owner, operator.

        Gives `Replans` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/steering/replans", again=True)

    def get_holds(self) -> Document:
        """Which assets are held at rest.

        The last holds, newest first, each with who ordered it, why, until when, how it ended.

        For: auditor, network_owner, operator.

        Gives `Holds` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/steering/holds", again=True)

    def order_hold(self, body: HoldOrder, *, idempotency_key: str | None = None) -> Document:
        """Hold an asset at rest until an hour.

        Plan and set-points leave it at rest; it ends by itself at `until_utc`.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `HoldState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/steering/holds",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def preview_hold(self, body: HoldWish) -> Document:
        """What holding an asset at rest would cost.

        The newest plan's problem solved with the asset at rest and without; nothing is changed.

        For: operator.

        Gives `Preview` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json("POST", "/v1/steering/holds/preview", body=orjson.dumps(body))

    def release(
        self, hold_id: int, body: EndOrder, *, idempotency_key: str | None = None
    ) -> Document:
        """Let a held asset go.

        From the first slot on that is not planned yet, or at once, it follows the plan again.

        For: operator.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `HoldState` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/steering/holds/{quote(str(hold_id), safe='')}/release",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def get_retirements(self) -> Document:
        """Which assets are, were or will be out of use.

        The last ones, newest first, each with who ordered it and why.

        For: auditor, operator.

        Gives `AssetRetirements` of `/openapi.json`.

        Raises ProblemError: 401, 403, 421, 429, 503.
        """
        return self._json("GET", "/v1/assets/retirements", again=True)

    def get_asset(self, asset_id: str) -> Document:
        """An asset's history and notes.

        When it was out of use, who ordered it, what was written, and whether it may go out now.

        For: auditor, operator.

        `asset_id`: the id that `GET /v1/assets` gives.

        Gives `AssetHistory` of `/openapi.json`.

        Raises ProblemError: 401, 403, 404, 421, 422, 429, 503.
        """
        return self._json("GET", f"/v1/assets/{quote(str(asset_id), safe='')}", again=True)

    def retire(
        self, asset_id: str, body: AssetOrder, *, idempotency_key: str | None = None
    ) -> Document:
        """Take an asset out of use from a slot on.

        Plan, forecast and set-points are without it from then on, until it returns; its meter
        goes on. Refused with `NEEDED` where nothing else does what it does.

        For: operator.

        `asset_id`: the id that `GET /v1/assets` gives.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `AssetRetirement` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/assets/{quote(str(asset_id), safe='')}/retire",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def let_return(
        self, asset_id: str, body: AssetOrder, *, idempotency_key: str | None = None
    ) -> Document:
        """Let a retired asset be in use again from a slot on.

        The plan of that slot counts on it; before it was to go out of use, it never does.

        For: operator.

        `asset_id`: the id that `GET /v1/assets` gives.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `AssetRetirement` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/assets/{quote(str(asset_id), safe='')}/return",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def write_note(
        self, asset_id: str, body: NoteText, *, idempotency_key: str | None = None
    ) -> Document:
        """Write a note about an asset.

        It is kept with name and time, and never changed or taken back; write another one.

        For: operator.

        `asset_id`: the id that `GET /v1/assets` gives.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `AssetNote` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            f"/v1/assets/{quote(str(asset_id), safe='')}/notes",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )

    def post_readings(self, body: ReadingBatch, *, idempotency_key: str | None = None) -> Document:
        """Bring readings of meters.

        A batch from a device's token, all of it or nothing; kept durably when it is answered. A
        quarter hour is taken from its end until 28 days later. Up to its gate, five minutes
        before the next but one begins, the last reading of it counts; another one later is a
        correction, which the next gate settles. The same key again, or the same reading, has no
        second effect.

        For: device.

        `idempotency_key`: names the request; sent again within 48 h it has no second effect and
        gets the same answer.

        Gives `ReadingsTaken` of `/openapi.json`.

        Raises ProblemError: 400, 401, 403, 404, 409, 413, 421, 422, 429, 503.
        """
        return self._json(
            "POST",
            "/v1/readings",
            body=orjson.dumps(body),
            key=idempotency_key or new_key(),
            again=True,
        )
