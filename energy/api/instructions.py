"""Automatic trading over HTTP: sign a standing instruction once, and stop it."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from energy.api.callers import BY_SIGNATURE, may
from energy.api.context import context_of
from energy.api.examples import signed_body
from energy.api.messages import SIGNED, admit_signed
from energy.api.shapes.books import AcceptedMessage
from energy.store.admission import Answer
from energy.store.instruction_desk import admit_instruction
from energy.store.mailbox import PreparedMessage
from energy.store.views import Document

router = APIRouter(tags=["orders"])


@router.post(
    "/v1/instructions",
    summary="Let orders be made within limits",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("StandingInstruction"),
)
@may(BY_SIGNATURE)
async def sign_instruction(request: Request) -> Response:
    """A `StandingInstruction`: limits, caps of a local day, first slot, end; one runs at a time."""
    return await take_instruction(request, "StandingInstruction", await request.body())


@router.post(
    "/v1/instructions/stop",
    summary="Stop a standing instruction",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("Cancel"),
)
@may(BY_SIGNATURE)
async def stop_instruction(request: Request) -> Response:
    """A `Cancel` whose `order_id` is the instruction; `slot` is the first without its orders."""
    return await take_instruction(request, "Cancel", await request.body())


async def take_instruction(request: Request, type_name: str, text: bytes) -> Response:
    """The answer to the envelope of an instruction, or of a `Cancel` of one."""
    admission = context_of(request).admission

    def admit(connection: Connection, one: PreparedMessage) -> tuple[Answer, Document]:
        return admit_instruction(connection, admission, one), {}

    return await admit_signed(request, (type_name,), admit, text)
