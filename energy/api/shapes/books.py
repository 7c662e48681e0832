"""Signed messages, their receipts, checkpoints and proofs: what a verifier takes in hand."""

from typing import Annotated, Any, Literal

from pydantic import Field

from energy.api.shapes.market import SigningDomain
from energy.api.shapes.words import (
    Address,
    Count,
    Digest,
    Id,
    Krw,
    Name,
    Shape,
    Side,
    Signature,
    SignedBy,
    Utc,
    Wh,
    WholeText,
)
from market.orders import OrderStatus


class SignatureOf(Shape):
    """Who has signed."""

    signer: Address
    signature: Signature


class ReceiptMessage(Shape):
    """What a receipt says: which entry came when, and when the books have it at the latest."""

    entry: Id
    received: WholeText
    sealed_by: WholeText


class Receipt(Shape):
    """The operator's signed receipt, and its times for people."""

    type: Literal["Receipt"]
    message: ReceiptMessage
    signatures: Annotated[list[SignatureOf], Field(min_length=1, max_length=1)]
    received_utc: Utc
    sealed_by_utc: Utc


class AcceptedOrder(Shape):
    """An order that was accepted, its status, and its receipt."""

    order_id: Id
    status: OrderStatus
    receipt: Receipt


class AcceptedMessage(Shape):
    """A signed message that was accepted, and its receipt."""

    id: Id
    status: Literal["ACCEPTED"]
    receipt: Receipt


class AcceptedAnswer(AcceptedMessage):
    """An answer to a DR event, with one's own baseline (null without enough days)."""

    answer: Literal["COMMITTED", "DECLINED"]
    committed_wh_per_slot: Wh
    baseline_wh: list[Wh] | None


class OrderState(AcceptedOrder):
    """An order's terms and what it got; null before its slot is cleared."""

    slot_utc: Utc
    instruction: Id | None
    signed_by: SignedBy
    side: Side
    energy_wh: Wh
    price_krw_per_kwh: Krw
    filled_wh: Wh | None
    clearing_price_krw_per_kwh: Krw | None
    label: Literal["green", "local"] | None
    premium_krw_per_kwh: Krw | None
    labelled_wh: Wh | None
    label_price_krw_per_kwh: Krw | None


class OwnOrderState(OrderState):
    """An order of one's own, with what it cost or brought and its gate."""

    amount_krw: Krw | None
    gate_utc: Utc


class OrderPage(Shape):
    """Orders, newest slot first; `next` is null on the last page."""

    items: list[OwnOrderState]
    next: str | None = Field(examples=["1784106000-0x" + "3f" * 32])


class Checkpoint(Shape):
    """The signed head of the log after a tick; `note` is the text that is published."""

    tick_utc: Utc
    size: Count
    root: Digest
    accounts_root: Digest
    previous: Digest
    signer: Address
    signature: Signature
    note: Annotated[str, Field(examples=["sejong-5-1/sim/3.microgrid/ledger\n33\n…"])]


class SignedHead(Shape):
    """The signed head of the log after a tick, and the witnesses that have signed it as well."""

    tick_utc: Utc
    size: Count
    root: Digest
    signer: Address
    cosigned_by: list[Address]


class CheckpointPage(Shape):
    """Signed heads, the newest first; `next` is null on the last page."""

    items: list[SignedHead]
    next: str | None = Field(examples=["/v1/checkpoints?before=2026-07-15T09:00:00Z&limit=96"])


class OperatorKey(Shape):
    """A key of the operator: what it may sign, from which slot, until which; null: still."""

    address: Address
    roles: list[Literal["registrar", "log", "trading", "settle", "gateway"]]
    from_utc: Utc
    end_utc: Utc | None
    entry: Id


class OperatorKeyList(Shape):
    """Every key that has signed for the operator, the oldest first."""

    account: Id
    items: list[OperatorKey]


class BooksAudit(Shape):
    """The books read and added up anew at a signed head; `findings` says what is wrong."""

    tick_utc: Utc
    size: Count
    root: Digest
    checkpoints: Count
    transfers: Count
    audit_records: Count
    moved_krw: Krw
    moved_wh: WholeText
    moved_points: Krw
    holds: bool
    findings: list[str]


class TrustRoot(Shape):
    """What a verifier must know from elsewhere: first key, first checkpoint, witnesses."""

    trust: Literal["microgrid-trust/1"]
    market: Name
    domain: SigningDomain
    origin: Name
    registrar: Address
    operator: Id
    first: Annotated[str, Field(examples=["sejong-5-1/sim/3.microgrid/ledger\n33\n…"])]
    witnesses: list[Address]
    quorum: WholeText


class SignedEntry(Shape):
    """A signed message; its members are those of its type."""

    type: Name
    message: Annotated[dict[str, Any], Field(examples=[{"nonce": "7"}])]
    signatures: list[SignatureOf]


class SaltedEntry(SignedEntry):
    """A signed message with the salt of its leaf."""

    salt: Id


class LogPlace(Shape):
    """The way of a leaf to the root of a tree."""

    index: WholeText
    size: WholeText
    path: list[Id]


class SetPlace(LogPlace):
    """The way of a leaf to the root of a set, and the signed entry over it."""

    entry: SaltedEntry


Climb = list[list[str]]
"""The way up the accounts tree, as sides and hashes."""


class AccountState(Shape):
    """What stands in the accounts tree."""

    blind: Id
    seq: WholeText
    balances: list[WholeText]
    path: Annotated[Climb, Field(examples=[[["l", "0x" + "3f" * 32]]])]


class KeyState(AccountState):
    """What stands in the accounts tree, with the head of the account's history."""

    head: Id


class KeyHistory(Shape):
    """The key entries of an account."""

    account: Id
    entries: list[SignedEntry]
    state: KeyState


class ProofFrame(Shape):
    """What every proof bundle has: market, domain, checkpoint and keys."""

    bundle: Literal["microgrid-proof/1"]
    market: Name
    domain: SigningDomain
    checkpoint: Annotated[str, Field(examples=["sejong-5-1/sim/3.microgrid/ledger\n33\n…"])]
    cosignatures: list[SignedEntry]
    keys: list[KeyHistory]


class InclusionProof(ProofFrame):
    """That a signed message is in the books; `set` is null for one that the log itself has."""

    claim: Literal["inclusion"]
    entry: SaltedEntry
    set: SetPlace | None
    log: LogPlace
    receipt: SignedEntry | None
    display: dict[str, Krw]


class AutomaticProof(ProofFrame):
    """That an automatic order is in the books, and within what its account has signed."""

    claim: Literal["automatic"]
    entry: SaltedEntry
    set: SetPlace | None
    log: LogPlace
    receipt: SignedEntry | None
    display: dict[str, Krw]
    instruction: SignedEntry


class CancelledEventProof(ProofFrame):
    """That an event of demand response was cancelled before it began, by whoever may."""

    claim: Literal["cancelled_event"]
    entry: SaltedEntry
    set: SetPlace | None
    log: LogPlace
    receipt: SignedEntry | None
    display: dict[str, Krw]
    event: SignedEntry
