"""The books for those who answer for them: heads, the operator's keys, any entry, an audit."""

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import AUDIT, PUBLIC, caller_of, may
from energy.api.context import context_of
from energy.api.documents import json_answer, parse_slot
from energy.api.doorman import note_access
from energy.api.orders import parse_order_id
from energy.api.problems import ProblemError, answering, answers
from energy.api.proofs import PROOF_TYPE, LogCache
from energy.api.shapes.books import (
    AutomaticProof,
    BooksAudit,
    CancelledEventProof,
    CheckpointPage,
    InclusionProof,
    OperatorKeyList,
)
from energy.api.words import IdText, SlotName
from energy.steps.chain_audit import ChainAudit, audit_chain
from energy.steps.keystore import OPERATOR_ROLES
from energy.store.accounts import KeyRow, load_keys
from energy.store.checkpoints import (
    CheckpointRow,
    cosigners_between,
    last_checkpoint,
    list_checkpoints,
)
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import krw_text_from_ukrw
from market.transfers import LedgerId, system_account

PAGE_MAX = 500

router = APIRouter(tags=["ledger"])


@router.get(
    "/v1/checkpoints",
    summary="Signed heads, newest first",
    response_model=CheckpointPage,
    responses=answers(422),
)
@may(PUBLIC)
def get_checkpoints(
    request: Request, before: SlotName | None = None, limit: int = Query(96, ge=1, le=PAGE_MAX)
) -> Response:
    """Size and root of the log after each tick, and which witnesses have signed it as well."""
    start = None if before is None else parse_slot(before, "before")

    def read(connection: Connection) -> list[Document]:
        rows = list_checkpoints(connection, before=start, limit=limit)
        signers = cosigners_between(connection, rows[-1].tick, rows[0].tick) if rows else {}
        return [_head_json(one, signers.get(one.digest, [])) for one in rows]

    items = context_of(request).store.read(read)
    more = None
    if len(items) == limit:
        more = f"/v1/checkpoints?before={items[-1]['tick_utc']}&limit={limit}"
    return json_answer(request, {"items": items, "next": more})


@router.get(
    "/v1/ledger/keys", summary="The operator's keys by role", response_model=OperatorKeyList
)
@may(PUBLIC)
def get_operator_keys(request: Request) -> Response:
    """Every address that has signed for the operator: as what, from which slot, until which."""
    context = context_of(request)
    operator = system_account(context.admission.domain.market_id, "SPC")
    found = context.store.read(lambda connection: load_keys(connection, operator))
    document = {"account": f"0x{operator.hex()}", "items": [_key_json(one) for one in found]}
    return json_answer(request, document)


@router.get(
    "/v1/ledger/entries/{entry_id}",
    summary="Any entry of the books, with its proof",
    response_model=InclusionProof | AutomaticProof | CancelledEventProof,
    responses={
        200: {"description": "a proof bundle, for the offline verifier and the trust root"},
        **answers(401, 403, 404, 422),
    },
)
@may(AUDIT)
def get_entry(request: Request, entry_id: IdText, slot: SlotName | None = None) -> Response:
    """The signed entry, its path to the newest signed head, its receipt, the keys that signed.

    A reading or a transfer is found by its id and its slot, for it has no row of its own.
    """
    id_ = parse_order_id(entry_id, "entry_id")
    start = None if slot is None else parse_slot(slot, "slot")
    cache: LogCache = request.app.state.log_cache
    note_access(request, caller_of(request), "ledger", f"read entry {entry_id}")
    with answering(404, "NOT_FOUND", "entry_id", entry_id):
        bundle = context_of(request).store.read(
            lambda connection: cache.bundle(connection, id_, start)
        )
    return Response(bundle, 200, {"Cache-Control": "no-store"}, PROOF_TYPE)


@router.get(
    "/v1/ledger/audit",
    summary="The books added up anew",
    response_model=BooksAudit,
    responses=answers(401, 403, 404),
)
@may(AUDIT)
def get_books_audit(request: Request) -> Response:
    """Chain of heads, log, all sums and the audit log, read anew once for each signed head.

    It may take some seconds. Every signature is checked by the offline verifier alone.
    """
    store = context_of(request).store
    head = store.read(last_checkpoint)
    state = "" if head is None else head.digest.hex()
    found: ChainAudit | None = request.app.state.cache.get(
        "audit", state, lambda: store.read(audit_chain)
    )
    if found is None:
        raise ProblemError(404, "NOT_FOUND", "checkpoint: found none yet")
    return json_answer(request, _audit_json(found))


def _head_json(row: CheckpointRow, signers: list[bytes]) -> Document:
    return {
        "tick_utc": iso_of(row.tick),
        "size": row.size,
        "root": row.root.hex(),
        "signer": f"0x{row.signer.hex()}",
        "cosigned_by": [f"0x{one.hex()}" for one in signers],
    }


def _key_json(key: KeyRow) -> Document:
    return {
        "address": f"0x{key.address.hex()}",
        "roles": [name for name, bit in OPERATOR_ROLES.items() if key.roles & bit],
        "from_utc": iso_of(key.from_slot),
        "end_utc": None if key.end_slot is None else iso_of(key.end_slot),
        "entry": f"0x{key.entry.hex()}",
    }


def _audit_json(found: ChainAudit) -> Document:
    moved = {LedgerId(ledger).name: amount for ledger, amount in found.turnover.items()}
    return {
        "tick_utc": iso_of(found.head.tick),
        "size": found.head.size,
        "root": found.head.root.hex(),
        "checkpoints": found.checkpoints,
        "transfers": found.transfers,
        "audit_records": found.audit_records,
        "moved_krw": krw_text_from_ukrw(moved.get("KRW", 0)),
        "moved_wh": str(moved.get("ENERGY", 0)),
        "moved_points": krw_text_from_ukrw(moved.get("POINTS", 0)),
        "holds": not found.findings,
        "findings": list(found.findings),
    }
