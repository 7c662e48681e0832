"""Requests made from the API's document, right and wrong ones, and every answer held to it.

All checks of schemathesis are on. Each role asks with a token or session of its own. The stream of
events is left out, for it never ends; `test_api_events.py` proves it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import RejectedPositiveData

ROLES = ("anonymous", "operator", "auditor", "network_owner", "prosumer", "device")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
ENDLESS = "/v1/events"
SOAK = 20_000
SIGNED = "what a message says is proven by its signature, which cannot be drawn at random"
SUBJECT = "an operator or auditor must name an account, which a household need not"
MAY_REFUSE = {
    "/v1/orders": SIGNED,
    "/v1/keys": SIGNED,
    "/v1/instructions": SIGNED,
    "/v1/dr/": SIGNED,
    "/v1/contracts": SIGNED,
    "/v1/me/": SUBJECT,
    "/v1/session/": "an address, a code and a message are read by their own grammars",
    "/v1/market/history": "`to` must come after `from`",
    "/v1/open/energy": "the times must have been settled, and be few enough",
    "/v1/steering/": "an element, a time and a value must be of this district",
    "/v1/rules/": "a rule must be another than now and begin in time",
    "/v1/alarms/": "the key of one acknowledgement is not that of another",
}
"""Where a request of the right form may still be refused by 400 or 422, and why."""


def headers_of(town: Any, role: str) -> dict[str, str]:
    """What a role brings to be known by."""
    if role == "prosumer":
        found: dict[str, str] = town.as_member(0)
        return found
    return {} if role == "anonymous" else {"Authorization": f"Bearer {town.token(role)}"}


def operations(town: Any) -> list[Any]:
    schema = schemathesis.openapi.from_dict(town.app.openapi())
    schema.config.update(base_url=town.url)
    return [one.ok() for one in schema.get_all_operations() if one.ok().path != ENDLESS]


def sifted(operation: Any, error: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The findings, without the refusals that have a reason in `MAY_REFUSE`."""
    may_refuse = operation.path.startswith(tuple(MAY_REFUSE))
    return [
        one
        for one in error.exceptions
        if not (may_refuse and isinstance(one, RejectedPositiveData))
    ]


def ask(operation: Any, mode: GenerationMode, most: int, headers: dict[str, str]) -> Iterator[str]:
    """Ask so often; one entry a request, empty where all was as it should be."""
    told: list[str] = []

    def send(case: Any) -> None:
        try:
            case.call_and_validate(headers=headers)
        except BaseExceptionGroup as error:
            told.append(
                "\n".join(f"{operation.label}: {each}" for each in sifted(operation, error))
            )
        else:
            told.append("")

    rules = hypothesis.settings(
        max_examples=most, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    asked: Callable[[], None] = rules(
        hypothesis.given(case=operation.as_strategy(generation_mode=mode))(send)
    )
    try:
        asked()
    except hypothesis.errors.Unsatisfiable:
        # A route without any parameter cannot be asked wrongly.
        assert mode == GenerationMode.NEGATIVE, operation.label
    yield from told


def ask_all(town: Any, role: str, least: int) -> tuple[int, Counter[str]]:
    """How many requests were made, at least so many, and what was found."""
    every, headers = operations(town), headers_of(town, role)
    most = -(-least // len(every))
    told = [one for each in every for mode in MODES for one in ask(each, mode, most, headers)]
    return len(told), Counter(one for one in told if one)


@pytest.mark.parametrize("role", ("operator", "prosumer"))
def test_every_answer_is_as_the_document_says(town: Any, role: str) -> None:
    count, found = ask_all(town, role, 1)
    assert not found, found.most_common(20)
    assert count > 60


@pytest.mark.soak
@pytest.mark.check(19)
@pytest.mark.parametrize("role", ROLES)
def test_twenty_thousand_answers_are_as_the_document_says(town: Any, role: str, check: Any) -> None:
    least = check.trials(SOAK, 60)
    count, found = ask_all(town, role, least)
    check.state(f"{role}: {count} requests, {sum(found.values())} findings", trials=count)
    assert not found, found.most_common(20)
    assert count >= least
