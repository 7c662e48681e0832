"""Contracts over HTTP: enter one that both parties have signed, end one, see what they come to."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from energy.api.callers import BY_SIGNATURE, STEERING, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found
from energy.api.examples import signed_body
from energy.api.messages import SIGNED, admit_signed
from energy.api.orders import parse_order_id
from energy.api.problems import answers
from energy.api.shapes.books import AcceptedMessage
from energy.api.shapes.desk import ContractDocument, Contracts
from energy.api.words import IdText
from energy.steps.contract_views import contract_document, contracts_document
from energy.steps.contracting import contract_desk
from energy.store.admission import Answer
from energy.store.contract_desk import ContractDesk, admit_contract
from energy.store.contracts import find_contract
from energy.store.mailbox import PreparedMessage
from energy.store.views import Document

router = APIRouter(tags=["contracts"])


@router.post(
    "/v1/contracts",
    summary="Enter a contract",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("Contract"),
)
@may(BY_SIGNATURE)
async def enter_contract(request: Request) -> Response:
    """A `Contract` in an envelope like an order's, signed by the seller and then by the buyer."""
    return await _admit(request, "Contract")


@router.post(
    "/v1/contracts/end",
    summary="End a contract",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("Cancel"),
)
@may(BY_SIGNATURE)
async def end_contract(request: Request) -> Response:
    """A party's `Cancel` whose `order_id` is the contract; it ends when both have sent theirs."""
    return await _admit(request, "Cancel")


@router.get(
    "/v1/contracts", summary="Contracts and what they came to lately", response_model=Contracts
)
@may(STEERING)
def get_contracts(request: Request) -> Response:
    """Terms, state, and energy and money of the last day that is settled; and the regime."""
    context = context_of(request)
    now_s, district = context.clock.now_s(), context.district
    found = context.store.read(lambda connection: contracts_document(connection, district, now_s))
    return json_answer(request, found)


@router.get(
    "/v1/contracts/{contract_id}",
    summary="A contract",
    response_model=ContractDocument,
    responses=answers(404, 422),
)
@may(STEERING)
def get_contract(request: Request, contract_id: IdText) -> Response:
    """Its terms, the ends that parties have signed, and what each slot of the last day came to."""
    context, id_ = context_of(request), parse_order_id(contract_id, "contract_id")
    now_s = context.clock.now_s()

    def find(connection: Connection) -> Document | None:
        row = find_contract(connection, id_)
        return None if row is None else contract_document(connection, row, now_s)

    found = context.store.read(find)
    if found is None:
        raise not_found("contract_id", contract_id, "a contract that was signed")
    return json_answer(request, found)


def desk_of(context: ApiContext) -> ContractDesk:
    """Who may sign contracts."""
    is_rehearsal = context.settings.clock != "real"
    return contract_desk(context.admission, context.district, is_rehearsal=is_rehearsal)


async def _admit(request: Request, type_name: str) -> Response:
    context = context_of(request)

    def admit(connection: Connection, one: PreparedMessage) -> tuple[Answer, Document]:
        return admit_contract(connection, desk_of(context), one), {}

    return await admit_signed(request, (type_name,), admit)
