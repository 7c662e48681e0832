"""The settings of the installation, for those who run or audit it."""

from fastapi import APIRouter, Request, Response

from energy.api.callers import STEERING, may
from energy.api.context import context_of
from energy.api.documents import json_answer
from energy.api.problems import answers
from energy.api.shapes.office import SettingsShown
from energy.steps.settings_views import settings_document

router = APIRouter(tags=["settings"])


@router.get(
    "/v1/settings",
    summary="Settings as they hold",
    response_model=SettingsShown,
    responses=answers(401, 403),
)
@may(STEERING)
def get_settings(request: Request) -> Response:
    """Value, source and default of each, secrets hidden; what has changed from start to start."""
    context = context_of(request)
    found = context.store.read(lambda connection: settings_document(connection, context.settings))
    return json_answer(request, found)
