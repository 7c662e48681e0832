"""What accounts sign beside orders: cancellations, and changes of their keys.

A message is judged like an order: form, digest, every signature, nonce, then its own rule, all in
one transaction with what it does. Its receipt promises the tick that will seal it. Keys change
forwards only: `from_slot` lies in the promised tick or later, and of an account each key changes
once a tick, so that it does not matter in which order the log has the changes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection, select

from energy.store.accounts import (
    TRADE_ROLE,
    KeyRow,
    MessageRow,
    end_keys,
    find_message,
    load_keys,
    messages_of,
    next_message,
    save_keys,
    save_message,
    used_nonces,
)
from energy.store.admission import Admission, Answer, Receipt
from energy.store.orders import OrderRow, find_order, keep_conflict, set_status
from energy.store.schema import market_order
from energy.store.slots import last_claimed
from market.entries import Message
from market.messages import MessageError, message_as_json, parse_envelope
from market.orders import OrderRefusal, OrderStatus, RefusalCode, has_expired
from market.signing import SignatureError, digest, recover, sign
from market.transfers import system_account
from market.verifier import KEY_ENDS_WITHIN_S

KEY_TYPES = ("KeyRegister", "KeyRotate", "KeyRevoke")
MESSAGE_TYPES = ("Cancel", *KEY_TYPES)
KEY_FIELDS = ("key", "old_key", "new_key")
REGISTRAR_ROLE = 64
ANY_ROLE = 0


@dataclass(frozen=True)
class PreparedMessage:
    """A message after everything that needs no database; `refusal` is what spoke against it."""

    text: bytes
    received_us: int
    type: str = ""
    message: Message | None = None
    id: bytes = b""
    signers: tuple[bytes, ...] = ()
    signatures: tuple[bytes, ...] = ()
    refusal: OrderRefusal | None = None


def prepare_message(
    admission: Admission, text: bytes, received_us: int, allowed: tuple[str, ...] = MESSAGE_TYPES
) -> PreparedMessage:
    """The message of an envelope, its form checked and every signature recovered."""
    try:
        envelope = parse_envelope(text, allowed)
    except MessageError as error:
        malformed = OrderRefusal(RefusalCode.MALFORMED, error.field, error.found, error.allowed)
        return PreparedMessage(text, received_us, refusal=malformed)
    id_ = digest(admission.domain, envelope.type, envelope.message)
    prepared = PreparedMessage(
        text,
        received_us,
        envelope.type,
        envelope.message,
        id_,
        envelope.signers,
        envelope.signatures,
    )
    for n, (signer, signature) in enumerate(
        zip(envelope.signers, envelope.signatures, strict=True)
    ):
        found = _recovered(id_, signature)
        if found != signer:
            shown = "no key" if found is None else f"0x{found.hex()}"
            refusal = OrderRefusal(
                RefusalCode.BAD_SIGNATURE,
                f"signatures[{n}]",
                f"one that {shown} would have made over this message",
                f"one of the signer 0x{signer.hex()}",
            )
            return replace(prepared, refusal=refusal)
    return prepared


def admit_message(connection: Connection, admission: Admission, one: PreparedMessage) -> Answer:
    """The answer to a prepared message; what is accepted has taken effect in this transaction."""
    return judge(connection, admission, one, lambda: _Case(connection, admission, one))


class Case(Protocol):
    """What a desk makes of a message: whose nonce it uses, what speaks against it, what it does."""

    @property
    def account(self) -> bytes:
        """Whose message it is."""

    def refusal(self) -> OrderRefusal | None:
        """The first rule that it breaks, or None."""

    def take_effect(self, row: MessageRow) -> None:
        """Write what it does; it is kept as `row`."""


def judge(
    connection: Connection, admission: Admission, one: PreparedMessage, case_of: Callable[[], Case]
) -> Answer:
    """The answer to a prepared message of any desk; what is accepted is kept and has taken effect.

    The same message again gets the same answer; a form or signature that is wrong is refused before
    its case is made.
    """
    known = find_message(connection, one.id) if one.message is not None else None
    if known is not None and (one.refusal is None or known.signatures == b"".join(one.signatures)):
        return message_answer(known)
    if one.refusal is not None:
        return Answer(refusal=one.refusal)
    case = case_of()
    refusal = case.refusal()
    if refusal is not None:
        return Answer(refusal=refusal)
    row = row_of(connection, admission, one, case.account)
    save_message(connection, row)
    case.take_effect(row)
    return replace(message_answer(row), is_new=True)


class _Case:
    """One message, and what the store knows of its account."""

    def __init__(self, connection: Connection, admission: Admission, one: PreparedMessage) -> None:
        assert one.message is not None, "only messages that could be read come here"
        self._connection, self._admission, self._one = connection, admission, one
        self._message: Message = one.message
        self.account: bytes = one.message["account"]
        self._sealed_by = admission.first_open(one.received_us, last_claimed(connection))
        self._keys = load_keys(connection, self.account)

    def refusal(self) -> OrderRefusal | None:
        """The first rule that the message breaks, or None."""
        rules: dict[str, Callable[[], OrderRefusal | None]] = {
            "Cancel": self._refuse_cancel,
            "KeyRegister": self._refuse_register,
            "KeyRotate": self._refuse_rotate,
            "KeyRevoke": self._refuse_revoke,
        }
        if self.account not in self._admission.traders:
            return _refusal(
                RefusalCode.UNKNOWN_KEY, "account", self.account, "an account of the market"
            )
        signed_wrong = self._refuse_signers()
        return signed_wrong or self._refuse_nonce() or rules[self._one.type]()

    def take_effect(self, row: MessageRow) -> None:
        """Cancel the order, or change the keys."""
        message, connection = self._message, self._connection
        if self._one.type == "Cancel":
            set_status(connection, [message["order_id"]], OrderStatus.CANCELLED)
            return
        slot = message["from_slot"]
        if self._one.type == "KeyRegister":
            self._add_key(message["key"], message["roles"])
            return
        address = message["old_key"] if self._one.type == "KeyRotate" else message["key"]
        for ended in end_keys(connection, self.account, address, slot):
            if self._one.type == "KeyRotate":
                self._add_key(message["new_key"], ended.roles)

    def _add_key(self, address: bytes, roles: int) -> None:
        slot, entry = self._message["from_slot"], self._one.id
        save_keys(self._connection, [KeyRow(self.account, address, slot, None, roles, entry)])

    def _refuse_signers(self) -> OrderRefusal | None:
        """Whoever signed may do so: judged at the slot of a Cancel, else at the promised tick."""
        one, message, tick = self._one, self._message, self._sealed_by
        first, last = one.signers[0], one.signers[-1]
        if one.type == "Cancel":
            good = holds_role(self._keys, first, TRADE_ROLE, message["slot"])
        elif one.type == "KeyRegister":
            good = first == message["key"] and self._is_registrar(last)
        elif one.type == "KeyRotate":
            good = one.signers == (message["old_key"], message["new_key"])
            good = good and holds_role(self._keys, first, ANY_ROLE, tick)
        else:
            good = holds_role(self._keys, first, ANY_ROLE, tick) or self._is_registrar(first)
        if good:
            return None
        allowed = "keys that may do this for the account, valid at that time"
        return _refusal(RefusalCode.UNKNOWN_KEY, "signatures", b"".join(one.signers), allowed)

    def _is_registrar(self, address: bytes) -> bool:
        operator = system_account(self._admission.domain.market_id, "SPC")
        keys = load_keys(self._connection, operator)
        return holds_role(keys, address, REGISTRAR_ROLE, self._sealed_by)

    def _refuse_nonce(self) -> OrderRefusal | None:
        return refuse_nonce(self._connection, self._one, self.account)

    def _refuse_cancel(self) -> OrderRefusal | None:
        message = self._message
        if message["slot"] < self._sealed_by:
            return OrderRefusal(
                RefusalCode.GATE_CLOSED,
                "slot",
                str(message["slot"]),
                f"{self._sealed_by} or later, whose gate is still to come",
            )
        order = find_order(self._connection, message["order_id"])
        if (
            order is None
            or (order.account, order.slot) != (self.account, message["slot"])
            or order.status != OrderStatus.ACCEPTED
            or self._has_expired(order)
        ):
            allowed = "a live order of the account for the slot"
            return _refusal(RefusalCode.UNKNOWN_ORDER, "order_id", message["order_id"], allowed)
        return None

    def _has_expired(self, order: OrderRow) -> bool:
        """Whether the order has left the book by itself: its row hears of it when the book is
        locked.
        """
        now_s, gate_s = self._one.received_us // 1_000_000, order.slot - self._admission.gate_lead_s
        return has_expired(order.expires, now_s=now_s, gate_s=gate_s)

    def _refuse_register(self) -> OrderRefusal | None:
        return self._refuse_time() or self._refuse_live(self._message["key"])

    def _refuse_rotate(self) -> OrderRefusal | None:
        # A key that is ending is valid still, and has nothing left that the new one could have.
        return (
            self._refuse_ended("old_key")
            or self._refuse_time()
            or self._refuse_live(self._message["new_key"])
        )

    def _refuse_revoke(self) -> OrderRefusal | None:
        return self._refuse_ended("key") or self._refuse_time()

    def _refuse_far_end(self) -> OrderRefusal | None:
        """An end cannot be brought forward: whoever has stolen a key could put it off for ever."""
        slot, last = self._message["from_slot"], self._sealed_by + KEY_ENDS_WITHIN_S
        if self._one.type == "KeyRegister" or slot <= last:
            return None
        return OrderRefusal(
            RefusalCode.SLOT_NOT_OPEN, "from_slot", str(slot), f"{last} or earlier for a key's end"
        )

    def _refuse_ended(self, field: str) -> OrderRefusal | None:
        address = self._message[field]
        if any(key.address == address and key.end_slot is None for key in self._keys):
            return None
        return _refusal(RefusalCode.UNKNOWN_KEY, field, address, "a live key of the account")

    def _refuse_live(self, address: bytes) -> OrderRefusal | None:
        if all(key.address != address or key.end_slot is not None for key in self._keys):
            return None
        return _refusal(RefusalCode.KEY_IN_USE, "key", address, "a key that is not live already")

    def _refuse_time(self) -> OrderRefusal | None:
        """Nothing becomes valid or invalid backwards, and once a tick is enough for a key."""
        slot = self._message["from_slot"]
        if slot < self._sealed_by:
            return OrderRefusal(
                RefusalCode.BACK_DATED, "from_slot", str(slot), f"{self._sealed_by} or later"
            )
        if (too_far := self._refuse_far_end()) is not None:
            return too_far
        waiting = [
            one
            for one in messages_of(self._connection, self.account)
            if one.sealed_by == self._sealed_by
        ]
        named = _keys_in(message_as_json(self._one.type, self._message), self._one.signers)
        if any(
            named & _keys_in(one.message, _signers_of(one))
            for one in waiting
            if one.type in KEY_TYPES
        ):
            return self._key_waits("a change of the same key", "one a tick")
        # Keys come first in a tick: what this one has signed would be sealed after its end.
        ended = self._message.get("key" if self._one.type == "KeyRevoke" else "old_key")
        if any(
            ended in _signers_of(one) and _slot_of(one) >= slot
            for one in waiting
            if one.type not in KEY_TYPES
        ):
            return self._key_waits("a message signed with this key", "a change in the tick after")
        return None

    def _key_waits(self, what: str, allowed: str) -> OrderRefusal:
        found = f"{what} that waits for tick {self._sealed_by}"
        return OrderRefusal(RefusalCode.KEY_CHANGE_WAITS, "account", found, allowed)


def _keys_in(message: Mapping[str, Any], signers: Iterable[bytes]) -> set[str]:
    """The keys that an entry, in its wire form, changes, and those that sign it."""
    return {message[name] for name in KEY_FIELDS if name in message} | {
        f"0x{one.hex()}" for one in signers
    }


def _signers_of(row: MessageRow) -> list[bytes]:
    return [row.signers[at : at + 20] for at in range(0, len(row.signers), 20)]


def _slot_of(row: MessageRow) -> int:
    """The slot in which the key of a message must hold: its own, its first or its tick's."""
    found = row.message.get("slot", row.message.get("first_slot", row.sealed_by))
    return int(found)


def row_of(
    connection: Connection, admission: Admission, one: PreparedMessage, account: bytes
) -> MessageRow:
    """The message of an account as it is kept, with the operator's receipt."""
    assert one.message is not None, "only messages that could be read are kept"
    received = one.received_us // 1_000_000
    sealed_by = admission.first_open(one.received_us, last_claimed(connection))
    promise = {"entry": one.id, "received": received, "sealed_by": sealed_by}
    signed = sign(admission.market_key, digest(admission.domain, "Receipt", promise))
    return MessageRow(
        digest=one.id,
        no=next_message(connection),
        type=one.type,
        account=account,
        nonce=one.message["nonce"],
        message=message_as_json(one.type, one.message),
        signers=b"".join(one.signers),
        signatures=b"".join(one.signatures),
        salt=admission.salt(account, one.id, one.message.get("slot", sealed_by)),
        received_utc=received,
        sealed_by=sealed_by,
        receipt_signature=signed,
    )


def refuse_nonce(
    connection: Connection, one: PreparedMessage, account: bytes
) -> OrderRefusal | None:
    """A refusal where the account has used the nonce before; the message is kept as evidence."""
    assert one.message is not None, "only messages that could be read come here"
    nonce = one.message["nonce"]
    column = market_order.c
    same = (column.account == account) & (column.nonce == nonce)
    used = connection.scalar(select(column.id).where(same)) is not None
    if not used and not used_nonces(connection, [account], [nonce]):
        return None
    evidence = {
        "id": one.id,
        "account": account,
        "nonce": nonce,
        "envelope": one.text,
        "received_utc": one.received_us // 1_000_000,
    }
    keep_conflict(connection, evidence)
    return OrderRefusal(
        RefusalCode.NONCE_CONFLICT,
        "nonce",
        f"{nonce}, used by another message",
        "a nonce that the account has not used",
    )


def holds_role(keys: list[KeyRow], address: bytes, role: int, slot: int) -> bool:
    """Whether one of these keys has the address and the role, and is valid at the slot."""
    return any(
        key.address == address
        and key.roles & role == role
        and key.from_slot <= slot
        and (key.end_slot is None or slot < key.end_slot)
        for key in keys
    )


def _recovered(id_: bytes, signature: bytes) -> bytes | None:
    try:
        return recover(id_, signature)
    except SignatureError:
        return None


def message_answer(row: MessageRow) -> Answer:
    """The answer that an accepted message got."""
    receipt = Receipt(row.digest, row.received_utc, row.sealed_by, row.receipt_signature)
    return Answer(row.digest, "ACCEPTED", receipt)


def _refusal(code: RefusalCode, field: str, found: bytes, allowed: str) -> OrderRefusal:
    return OrderRefusal(code, field, f"0x{found.hex()}", allowed)
