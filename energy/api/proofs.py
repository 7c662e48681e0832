"""Proofs over HTTP: an order's receipt as a bundle, the trust root, the newest signed head.

An account has the proofs of its own orders, as with the orders themselves; what needs to know whose
an account is (its whole history) is handed out by the operator's command.
"""

import threading

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Connection

from energy.api.callers import HOUSEHOLD, PUBLIC, caller_of, may
from energy.api.context import context_of
from energy.api.doorman import note_access
from energy.api.orders import parse_order_id
from energy.api.problems import ProblemError, answering, answers
from energy.api.shapes.books import AutomaticProof, InclusionProof, TrustRoot
from energy.api.words import IdText
from energy.steps.receipts import LogTree, Prover
from energy.steps.witnessing import trusted_witnesses
from energy.store.checkpoints import last_checkpoint
from energy.store.instructions import find_instruction
from energy.store.orders import find_order

PROOF_TYPE = "application/json"

router = APIRouter(tags=["ledger"])


class LogCache:
    """The log's tree, grown by one proof at a time."""

    def __init__(self) -> None:
        self._turn, self._log = threading.Lock(), LogTree()

    def bundle(self, connection: Connection, id_: bytes, slot: int | None = None) -> bytes:
        """The bundle of an entry; raises StoreError where it is not sealed yet.

        A reading or a transfer is found by its slot.
        """
        with self._turn:
            return Prover(connection, self._log).entry(id_, slot)


@router.get(
    "/v1/orders/{order_id}/proof",
    summary="That an order is in the books",
    response_model=InclusionProof | AutomaticProof,
    responses={
        200: {"description": "a proof bundle, for the offline verifier and the trust root"},
        **answers(404, 409, 422),
    },
)
@may(HOUSEHOLD)
def order_proof(request: Request, order_id: IdText) -> Response:
    """The signed order, its path to a signed checkpoint, its receipt, the keys that signed.

    Of an automatic order also the instruction that it is within; an instruction has one of its own.
    """
    context, id_ = context_of(request), parse_order_id(order_id)
    cache: LogCache = request.app.state.log_cache
    caller = caller_of(request)
    row = context.store.read(
        lambda connection: (
            find_order(connection, id_, caller.owner)
            or find_instruction(connection, id_, caller.owner)
        )
    )
    if row is None:
        detail = f"order: found none with id {order_id}"
        raise ProblemError(404, "NOT_FOUND", detail, "order_id", order_id)
    note_access(request, caller, row.account, f"read proof of order {order_id}")
    with answering(409, "NOT_SEALED", "order_id", order_id):
        bundle = context.store.read(lambda connection: cache.bundle(connection, id_))
    return Response(bundle, 200, {"Cache-Control": "no-store"}, PROOF_TYPE)


@router.get(
    "/v1/ledger/trust",
    summary="The trust root",
    response_model=TrustRoot,
    responses={200: {"description": "first key, first checkpoint, witnesses"}, **answers(404)},
)
@may(PUBLIC)
def trust_root(request: Request) -> Response:
    """What verifiers need beside a proof; compare it with what is published elsewhere."""
    context = context_of(request)
    who = trusted_witnesses(context.settings)
    with answering(404, "NOT_FOUND"):
        found = context.store.read(lambda connection: Prover(connection).trust(who))
    return Response(found, 200, {"Cache-Control": "no-store"}, PROOF_TYPE)


@router.get(
    "/v1/ledger/checkpoint",
    summary="The newest signed head of the log",
    response_class=PlainTextResponse,
    responses={
        200: {"description": "a signed note"},
        **answers(404),
    },
)
@may(PUBLIC)
def checkpoint(request: Request) -> Response:
    """The note that witnesses sign for."""
    found = context_of(request).store.read(last_checkpoint)
    if found is None:
        raise ProblemError(404, "NOT_FOUND", "checkpoint: found none yet")
    return Response(found.note, 200, {"Cache-Control": "no-store"}, "text/plain; charset=utf-8")
