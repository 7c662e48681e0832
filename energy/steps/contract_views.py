"""Contracts as documents: what was signed, where each stands, what its last day came to.

Without the parties: those know what they have signed, and nobody else needs to. Money is decimal
strings of won.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from energy.district import District
from energy.store.contracts import (
    ContractRow,
    DeliveryRow,
    deliveries_between,
    ends_of,
    list_contracts,
)
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import SLOT_S, SLOTS_PER_DAY, krw_text_from_mkrw, krw_text_from_ukrw
from market.agreements import side_terms
from market.contracts import ContractKind

DAY_S = SLOTS_PER_DAY * SLOT_S
KIND_NAMES = {
    ContractKind.NEIGHBOUR: "neighbour",
    ContractKind.PPA_AS_CONSUMED: "ppa-as-consumed",
    ContractKind.PPA_AS_PRODUCED: "ppa-as-produced",
    ContractKind.CFD: "cfd",
    ContractKind.PARTNER: "partner",
}


def contracts_document(connection: Connection, district: District, now_s: float) -> Document:
    """All contracts with the sums of the last day, and the regime that they stand under."""
    regime, first = district.agreements.regime, int(now_s) - DAY_S
    done = deliveries_between(connection, first, int(now_s))
    by_contract: dict[int, list[DeliveryRow]] = {}
    for one in done:
        by_contract.setdefault(one.contract, []).append(one)
    return {
        "regime": {
            "name": regime.name,
            "bills": list(regime.bills),
            "surplus_limit_ppm": regime.surplus_limit_ppm,
            "supply_ratio_ppm": regime.supply_ratio_ppm,
            "surplus_limit_in_force": regime.surplus_limit is not None,
        },
        "contracts": [
            {
                **terms_document(row, now_s),
                "last_day": sums_document(row, by_contract.get(row.no, [])),
            }
            for row in list_contracts(connection)
        ],
    }


def contract_document(connection: Connection, row: ContractRow, now_s: float) -> Document:
    """One contract: who has ended it, and slot by slot what the last day came to."""
    done = deliveries_between(connection, int(now_s) - DAY_S, int(now_s), (row.kind,))
    mine = [one for one in done if one.contract == row.no]
    return {
        **terms_document(row, now_s),
        "ends_signed": [iso_of(one.slot) for one in ends_of(connection, row.no)],
        "last_day": sums_document(row, mine),
        "slots": [
            {
                "slot_utc": iso_of(one.slot),
                "version": one.version,
                "energy_wh": str(one.e_wh),
                "taken_wh": str(one.taken_wh),
                "surplus_wh": str(one.surplus_wh),
                "stranded_wh": str(one.stranded_wh),
                "index_krw_per_kwh": (
                    None
                    if one.index_mkrw_per_kwh is None
                    else krw_text_from_mkrw(one.index_mkrw_per_kwh)
                ),
                "buyer_pays_krw": krw_text_from_ukrw(paid_ukrw(row, one)),
            }
            for one in mine
        ],
    }


def terms_document(row: ContractRow, now_s: float) -> Document:
    """What was signed, and whether it runs."""
    terms = side_terms(row.terms)
    state = "WAITING" if now_s < row.first_slot else "RUNNING"
    return {
        "id": f"0x{row.id.hex()}",
        "kind": KIND_NAMES[ContractKind(row.kind)],
        "state": "ENDED" if now_s >= row.last_end else state,
        "first_slot_utc": iso_of(row.first_slot),
        "end_slot_utc": iso_of(row.last_end),
        "cap_wh": str(row.cap_wh),
        "cap_period": "month" if row.kind == ContractKind.NEIGHBOUR else "slot",
        "share_ppm": row.share_ppm,
        "rank": row.rank,
        "price_krw_per_kwh": krw_text_from_mkrw(row.price_mkrw_per_kwh),
        "charge_krw_per_kwh": krw_text_from_mkrw(terms.charge_mkrw_per_kwh),
        "none_below_zero": terms.none_below_zero,
        "even_at_a_loss": terms.even_at_a_loss,
    }


def sums_document(row: ContractRow, done: Sequence[DeliveryRow]) -> Document:
    """Energy of some slots, and what the buyer pays the seller for it; below 0 it is paid."""
    return {
        "slots": len(done),
        "energy_wh": str(sum(one.e_wh for one in done)),
        "taken_wh": str(sum(one.taken_wh for one in done)),
        "surplus_wh": str(sum(one.surplus_wh for one in done)),
        "stranded_wh": str(sum(one.stranded_wh for one in done)),
        "buyer_pays_krw": krw_text_from_ukrw(sum(paid_ukrw(row, one) for one in done)),
    }


def paid_ukrw(row: ContractRow, done: DeliveryRow) -> int:
    """What the buyer pays the seller in a slot; neighbours pay by the month."""
    if row.kind == ContractKind.NEIGHBOUR:
        return 0
    index = done.index_mkrw_per_kwh or 0
    return done.e_wh * (row.price_mkrw_per_kwh - index)
