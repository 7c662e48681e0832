"""The desk of standing instructions: what an account signs is entered, or refused by a value.

Judged like every message: form and signature, a key that may trade at its first slot, nonce, then
the rules. An account's instructions never run at once; a new one may take the place of an older
one from its first slot on. A signed Cancel stops one from a slot that is still to come.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from sqlalchemy import Connection

from energy.store.accounts import TRADE_ROLE, MessageRow, load_keys
from energy.store.admission import Admission, Answer
from energy.store.instructions import (
    EndRow,
    InstructionRow,
    find_instruction,
    instructions_of,
    next_instruction,
    save_instruction,
    save_instruction_end,
)
from energy.store.mailbox import PreparedMessage, holds_role, judge, refuse_nonce
from energy.store.slots import last_claimed
from energy.timegrid import iso_of
from market.entries import Message
from market.instructions import check_instruction
from market.orders import OrderRefusal, RefusalCode
from market.transfers import ZERO32


def admit_instruction(connection: Connection, admission: Admission, one: PreparedMessage) -> Answer:
    """The answer to a prepared StandingInstruction, or Cancel of one; what is accepted holds."""
    kind = _Signed if one.type == "StandingInstruction" else _Stop
    return judge(connection, admission, one, lambda: kind(connection, admission, one))


class _Case(ABC):
    """A message about an instruction, and what the store knows of its account."""

    slot_field = "slot"

    def __init__(self, connection: Connection, admission: Admission, one: PreparedMessage) -> None:
        assert one.message is not None, "only messages that could be read come here"
        self._connection, self._admission, self._one = connection, admission, one
        self._message: Message = one.message
        self.account: bytes = one.message["account"]
        self._first_open = admission.first_open(one.received_us, last_claimed(connection))

    def refusal(self) -> OrderRefusal | None:
        """The first rule that the message breaks, or None."""
        rules: tuple[Callable[[], OrderRefusal | None], ...] = (
            self._refuse_signer,
            lambda: refuse_nonce(self._connection, self._one, self.account),
            self._refuse_rules,
        )
        return next((found for rule in rules if (found := rule()) is not None), None)

    @abstractmethod
    def take_effect(self, row: MessageRow) -> None:
        """Write what the message does."""

    @abstractmethod
    def _refuse_rules(self) -> OrderRefusal | None:
        """The first rule of its type that the message breaks, or None."""

    def _refuse_signer(self) -> OrderRefusal | None:
        signer, slot = self._one.signers[0], self._message[self.slot_field]
        keys = load_keys(self._connection, self.account)
        known = self.account in self._admission.traders
        if known and holds_role(keys, signer, TRADE_ROLE, slot):
            return None
        allowed = f"a key that may trade for the account at {iso_of(slot)}"
        return OrderRefusal(RefusalCode.UNKNOWN_KEY, "signatures", _hex(signer), allowed)


class _Signed(_Case):
    """An instruction."""

    slot_field = "first_slot"

    def _refuse_rules(self) -> OrderRefusal | None:
        message = self._message
        rules = self._admission.rules(self._connection).at(message["first_slot"])
        return (
            check_instruction(message, rules, self._first_open)
            or self._refuse_replaced()
            or self._refuse_overlap()
        )

    def _refuse_replaced(self) -> OrderRefusal | None:
        replaced, first = self._message["replaces"], self._message["first_slot"]
        if replaced == ZERO32:
            return None
        found = find_instruction(self._connection, replaced)
        if found is not None and found.account == self.account and found.last_end > first:
            return None
        allowed = f"an instruction of the account that holds after {iso_of(first)}"
        return OrderRefusal(RefusalCode.UNKNOWN_REPLACED, "replaces", _hex(replaced), allowed)

    def _refuse_overlap(self) -> OrderRefusal | None:
        message = self._message
        for one in instructions_of(self._connection, self.account):
            replaced = one.id == message["replaces"]
            if not replaced and one.meets(message["first_slot"], message["end_slot"]):
                allowed = f"one at a time: {_hex(one.id)} runs until {iso_of(one.last_end)}"
                shown = iso_of(message["first_slot"])
                return OrderRefusal(RefusalCode.INSTRUCTION_OVERLAP, "first_slot", shown, allowed)
        return None

    def take_effect(self, row: MessageRow) -> None:
        """Write the instruction, and the end of the one that it replaces."""
        connection, message = self._connection, self._message
        unused = ("rules_version", "replaces", "nonce")
        terms = {name: value for name, value in message.items() if name not in unused}
        instruction = InstructionRow(
            no=next_instruction(connection),
            id=self._one.id,
            signer=self._one.signers[0],
            signed_utc=row.received_utc,
            **terms,
        )
        save_instruction(connection, instruction)
        replaced = find_instruction(connection, message["replaces"])
        if replaced is not None:
            end = EndRow(self._one.id, replaced.no, message["first_slot"])
            save_instruction_end(connection, end)


class _Stop(_Case):
    """A Cancel whose `order_id` is the instruction; `slot` is the first without it."""

    def _refuse_rules(self) -> OrderRefusal | None:
        message = self._message
        slot, id_ = message["slot"], message["order_id"]
        if slot < self._first_open:
            allowed = f"{iso_of(self._first_open)} or later, whose gate is still to come"
            return OrderRefusal(RefusalCode.GATE_CLOSED, "slot", iso_of(slot), allowed)
        found = find_instruction(self._connection, id_)
        if found is None or found.account != self.account:
            allowed = "an instruction of the account"
            return OrderRefusal(RefusalCode.UNKNOWN_INSTRUCTION, "order_id", _hex(id_), allowed)
        if slot >= found.last_end:
            allowed = f"before {iso_of(found.last_end)}, its end"
            return OrderRefusal(RefusalCode.UNKNOWN_INSTRUCTION, "slot", iso_of(slot), allowed)
        return None

    def take_effect(self, row: MessageRow) -> None:
        """Write the end."""
        found = find_instruction(self._connection, self._message["order_id"])
        assert found is not None, "an unknown instruction is refused before"
        end = EndRow(self._one.id, found.no, self._message["slot"])
        save_instruction_end(self._connection, end)


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
