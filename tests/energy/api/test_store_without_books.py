"""A store that the loop has not begun yet has no books: households are answered all the same."""

from typing import Any

import pytest


def named(desk: Any, path: str) -> str:
    return f"{path}?account=0x{desk.crowd.account[0].hex()}"


def test_no_month_is_billed(served: Any, desk: Any) -> None:
    answer = served.ask(named(desk, "/v1/me/statements"))
    assert (answer.status, answer.json) == (200, {"items": []})


@pytest.mark.parametrize("path", ["/v1/me/statements/2026-07", "/v1/me/statements/2026-07/proof"])
def test_a_statement_is_not_found_by_a_problem(served: Any, desk: Any, path: str) -> None:
    answer = served.ask(named(desk, path))
    assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")
    assert "books: found none in this store" in answer.json["detail"]
