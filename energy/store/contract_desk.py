"""The desk of contracts: what seller and buyer have both signed is entered, or refused by a value.

Judged like every message: form and signatures, keys with the role CONTRACT at the first slot,
nonce of the seller, then the rules: nothing is promised twice, nothing begins in the past. A
contract ends early once both parties have signed a Cancel of it, at the later of their slots.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from energy.store.accounts import MessageRow, load_keys
from energy.store.admission import Admission, Answer
from energy.store.contracts import (
    ContractRow,
    EndRow,
    contracts_of,
    ends_of,
    find_contract,
    next_contract,
    save_contract,
    save_contract_end,
)
from energy.store.mailbox import PreparedMessage, holds_role, judge, refuse_nonce
from energy.store.slots import last_claimed
from energy.timegrid import iso_of
from market.agreements import contract_fault, promised_ppm
from market.contracts import PPM, ContractKind
from market.entries import Message
from market.orders import OrderRefusal, RefusalCode

CONTRACT_TYPES = ("Contract", "Cancel")
CONTRACT_ROLE = 2
MODEL_OF = {
    ContractKind.NEIGHBOUR: "neighbour",
    ContractKind.PPA_AS_CONSUMED: "ppa",
    ContractKind.PPA_AS_PRODUCED: "ppa",
    ContractKind.CFD: "ppa",
    ContractKind.PARTNER: "p2p",
}


@dataclass(frozen=True)
class ContractDesk:
    """Who may sign what: the rules of admission, the meters, and what the regime lets be billed.

    `by_month` are the accounts whose tariff has blocks by the month's use. `models` are those
    that may bill; a rehearsal allows all.
    """

    admission: Admission
    customers: Collection[bytes]
    plants: Collection[bytes]
    by_month: Collection[bytes]
    models: Collection[str]


def admit_contract(connection: Connection, desk: ContractDesk, one: PreparedMessage) -> Answer:
    """The answer to a prepared Contract, or Cancel of one; what is accepted has taken effect."""
    kind = _Signed if one.type == "Contract" else _End
    return judge(connection, desk.admission, one, lambda: kind(connection, desk, one))


class _Case:
    """A message about a contract, and what the store knows of it."""

    def __init__(self, connection: Connection, desk: ContractDesk, one: PreparedMessage) -> None:
        assert one.message is not None, "only messages that could be read come here"
        self._connection, self._desk, self._one = connection, desk, one
        self._message: Message = one.message
        self._first_open = desk.admission.first_open(one.received_us, last_claimed(connection))

    def _may_sign(self, account: bytes, signer: bytes, slot: int) -> bool:
        return holds_role(load_keys(self._connection, account), signer, CONTRACT_ROLE, slot)

    def _refuse_past(self, field: str) -> OrderRefusal | None:
        slot = self._message[field]
        if slot >= self._first_open:
            return None
        allowed = f"{iso_of(self._first_open)} or later"
        return OrderRefusal(RefusalCode.BACK_DATED, field, iso_of(slot), allowed)


class _Signed(_Case):
    """A contract that both parties have signed, the seller first."""

    @property
    def account(self) -> bytes:
        """Whose nonce it uses: the seller's."""
        account: bytes = self._message["seller"]
        return account

    def refusal(self) -> OrderRefusal | None:
        """The first rule that it breaks, or None."""
        return (
            self._refuse_parties()
            or refuse_nonce(self._connection, self._one, self.account)
            or self._refuse_terms()
            or self._refuse_past("first_slot")
            or self._refuse_model()
            or self._refuse_promises()
        )

    def take_effect(self, row: MessageRow) -> None:
        """Write the contract."""
        names = ("seller", "buyer", "kind", "first_slot", "end_slot", "cap_wh", "share_ppm",
                 "price_mkrw_per_kwh", "rank", "terms")  # fmt: skip
        contract = ContractRow(
            no=next_contract(self._connection),
            id=self._one.id,
            signed_utc=row.received_utc,
            **{name: self._message[name] for name in names},
        )
        save_contract(self._connection, contract)

    def _refuse_parties(self) -> OrderRefusal | None:
        desk, message, slot = self._desk, self._message, self._message["first_slot"]
        meters = {"seller": (*desk.customers, *desk.plants), "buyer": desk.customers}
        for field, signer in zip(("seller", "buyer"), self._one.signers, strict=True):
            account = message[field]
            if account not in meters[field]:
                allowed = "a metered account" if field == "seller" else "a customer's account"
                return OrderRefusal(RefusalCode.UNKNOWN_KEY, field, _hex(account), allowed)
            if not self._may_sign(account, signer, slot):
                allowed = f"a key that may sign contracts for the {field} at {iso_of(slot)}"
                return OrderRefusal(RefusalCode.UNKNOWN_KEY, "signatures", _hex(signer), allowed)
        return None

    def _refuse_terms(self) -> OrderRefusal | None:
        fault = contract_fault(self._message)
        return None if fault is None else OrderRefusal(RefusalCode.CONTRACT_RULES, *fault)

    def _refuse_model(self) -> OrderRefusal | None:
        """The kind must be one that the regime lets be billed, between meters that it fits."""
        kind, desk = ContractKind(self._message["kind"]), self._desk
        if MODEL_OF[kind] not in desk.models:
            allowed = ", ".join(desk.models) or "no contracts"
            return OrderRefusal(RefusalCode.CONTRACT_RULES, "kind", kind.name, f"{allowed} here")
        if kind == ContractKind.NEIGHBOUR:
            for field in ("seller", "buyer"):
                if self._message[field] not in desk.by_month:
                    allowed = "a customer whose tariff has blocks by the month's use"
                    found = _hex(self._message[field])
                    return OrderRefusal(RefusalCode.CONTRACT_RULES, field, found, allowed)
        return None

    def _refuse_promises(self) -> OrderRefusal | None:
        standing = [
            (ContractKind(one.kind), one.rank, one.share_ppm, one.first_slot, one.last_end)
            for one in contracts_of(self._connection, [self.account])
        ]
        promised, share = promised_ppm(self._message, standing), self._message["share_ppm"]
        if promised + share <= PPM:
            return None
        found, allowed = f"{share} beside {promised} promised", f"{PPM} in all of the same rank"
        return OrderRefusal(RefusalCode.OVER_PROMISED, "share_ppm", found, allowed)


class _End(_Case):
    """A party's Cancel of a contract: `order_id` names it, `slot` is the first without it."""

    @property
    def account(self) -> bytes:
        """The party that ends it."""
        account: bytes = self._message["account"]
        return account

    def refusal(self) -> OrderRefusal | None:
        """The first rule that it breaks, or None."""
        message, signer = self._message, self._one.signers[0]
        if not self._may_sign(self.account, signer, self._first_open):
            allowed = "a key that may sign contracts for the account now"
            return OrderRefusal(RefusalCode.UNKNOWN_KEY, "signatures", _hex(signer), allowed)
        nonce = refuse_nonce(self._connection, self._one, self.account)
        if nonce is not None:
            return nonce
        found = find_contract(self._connection, message["order_id"])
        if found is None or self.account not in (found.seller, found.buyer):
            allowed = "a contract of the account"
            shown = _hex(message["order_id"])
            return OrderRefusal(RefusalCode.UNKNOWN_CONTRACT, "order_id", shown, allowed)
        if any(one.account == self.account for one in ends_of(self._connection, found.no)):
            allowed = "one end for each party"
            return OrderRefusal(RefusalCode.UNKNOWN_CONTRACT, "order_id", "ended before", allowed)
        if message["slot"] >= found.last_end:
            allowed = f"before {iso_of(found.last_end)}, its end"
            shown = iso_of(message["slot"])
            return OrderRefusal(RefusalCode.UNKNOWN_CONTRACT, "slot", shown, allowed)
        return self._refuse_past("slot")

    def take_effect(self, row: MessageRow) -> None:
        """Write the party's end."""
        found = find_contract(self._connection, self._message["order_id"])
        assert found is not None, "an unknown contract is refused before"
        end = EndRow(found.no, self.account, self._message["slot"], self._one.id)
        save_contract_end(self._connection, end)


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
