"""A store that is busy is never told as a thing that is not there."""

import pytest

from energy.api.problems import ProblemError, answering
from energy.store.errors import StoreBusyError, StoreError


def test_what_the_store_does_not_have_gets_the_routes_own_answer() -> None:
    with pytest.raises(ProblemError) as told, answering(404, "NOT_FOUND", "month", "2026-07"):
        raise StoreError("month 2026-07: found none")
    assert (told.value.status, told.value.code, told.value.field) == (404, "NOT_FOUND", "month")


def test_a_store_that_is_busy_stays_busy() -> None:
    with pytest.raises(StoreBusyError), answering(404, "NOT_FOUND"):
        raise StoreBusyError("the database is locked")
