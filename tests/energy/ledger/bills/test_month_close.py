"""At a month's end every customer has a signed bill, and the books have moved just that."""

from collections.abc import Callable
from typing import Any

from energy.steps.proving import add_up, verify_store
from energy.store.bills import load_billed_months

Begin = Callable[..., Any]


def test_the_offline_verifier_and_the_audit_accept_books_with_bills(begin_year: Begin) -> None:
    year = begin_year()
    year.month(quiet=40)
    year.month(quiet=40)
    store = year.here.store
    assert verify_store(store).first_failure is None
    assert store.read(add_up).findings == ()
    months = store.read(load_billed_months)
    assert [one.summary["bills"] for one in months] == ["25", "25"]
