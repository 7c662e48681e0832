"""The assets of the district, for those who look after them."""

from fastapi import APIRouter, Request, Response

from energy.api.callers import STEERING, may
from energy.api.documents import KNOWN, view_answer
from energy.api.problems import answers
from energy.api.shapes.plan import Assets
from energy.api.words import SlotName

router = APIRouter(tags=["documents"])


@router.get(
    "/v1/assets",
    summary="Every asset in a slot",
    response_model=Assets,
    responses={**KNOWN, **answers(401, 403, 404, 422)},
)
@may(STEERING)
def get_assets(request: Request, slot: SlotName | None = None) -> Response:
    """State, availability, set-point, measured power, limits and content of every asset in the
    newest measured slot, or in `slot`; the worst state first.
    """
    return view_answer(request, "assets", slot)
