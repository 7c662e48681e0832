"""Contracts at the doors: who may sign what in a district, and what a simulation begins with."""

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from energy.crowd import demo_key
from energy.district import District, FirstContract
from energy.steps.books import Books, plant_accounts
from energy.store.admission import Admission
from energy.store.contract_desk import MODEL_OF, ContractDesk, admit_contract
from energy.store.contracts import list_contracts
from energy.store.engine import Store
from energy.store.mailbox import prepare_message
from energy.tariffs import load_tariff
from energy.units import SLOT_S
from market.entries import Message
from market.errors import MarketError
from market.messages import sign_message
from market.signing import Domain
from market.tariff import ProgressiveTable

FIRST_YEARS_S = 10 * 365 * 86_400
SIGNED_AHEAD_S = 60


def contract_desk(admission: Admission, district: District, *, is_rehearsal: bool) -> ContractDesk:
    """Who may sign contracts; in earnest only models that the district's regime lets be billed."""
    models = set(MODEL_OF.values()) if is_rehearsal else set(district.agreements.regime.bills)
    day = datetime.fromtimestamp(max(admission.first_slot, 0), ZoneInfo(district.time_zone)).date()
    names = {
        name
        for name in set(district.meters.tariff)
        if isinstance(load_tariff(name, day, or_first=True).table, ProgressiveTable)
    }
    pairs = zip(district.meters.account, district.meters.tariff, strict=True)
    return ContractDesk(
        admission=admission,
        customers=frozenset(district.meters.account),
        plants=frozenset(plant_accounts(district).values()),
        by_month=frozenset(account for account, tariff in pairs if tariff in names),
        models=tuple(sorted(models)),
    )


def sign_contract(domain: Domain, message: Message, *keys: bytes) -> bytes:
    """The envelope of a contract, signed by the seller's key and by the buyer's."""
    return sign_message(domain, "Contract", message, *keys)


def enter_first_contracts(
    store: Store, books: Books, district: District, admission: Admission, seed: int
) -> int:
    """Sign and enter what a simulated district begins with, once; the number of its contracts.

    Raises MarketError where one is refused: the file of the district is then not right.
    """
    if not books.is_rehearsal or books.head.state.tick != books.genesis:
        return 0
    if store.read(list_contracts):
        return 0
    desk = contract_desk(admission, district, is_rehearsal=True)
    first = admission.first_slot
    received_us = (first - admission.gate_lead_s - SIGNED_AHEAD_S) * 1_000_000
    plants = plant_accounts(district)
    for number, one in enumerate(district.agreements.first):
        message = _message(one, district, plants, first, received_us // 1000 + number)
        keys = (_key(end, books, district, seed) for end in (one.seller, one.buyer))
        text = sign_contract(admission.domain, message, *keys)
        prepared = prepare_message(admission, text, received_us, ("Contract",))
        answer = store.write(partial(admit_contract, desk=desk, one=prepared))
        if answer.refusal is not None:
            no = answer.refusal
            raise MarketError(
                f"contract {number} of {district.id}: {no.field}: found {no.found}, "
                f"allowed {no.allowed}"
            )
    return len(district.agreements.first)


def _message(
    one: FirstContract, district: District, plants: dict[str, bytes], first: int, nonce: int
) -> Message:
    """The typed message of a first contract."""

    def account(end: int | str) -> bytes:
        return plants[end] if isinstance(end, str) else district.meters.account[end]

    return {
        "seller": account(one.seller),
        "buyer": account(one.buyer),
        "kind": int(one.kind),
        "first_slot": first,
        "end_slot": first + FIRST_YEARS_S // SLOT_S * SLOT_S,
        "cap_wh": one.cap_wh,
        "share_ppm": one.share_ppm,
        "price_mkrw_per_kwh": one.price_mkrw_per_kwh,
        "rank": one.rank,
        "terms": one.terms,
        "nonce": nonce,
    }


def _key(end: int | str, books: Books, district: District, seed: int) -> bytes:
    return books.keys.trading if isinstance(end, str) else demo_key(district.id, seed, end)
