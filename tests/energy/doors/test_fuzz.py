"""Requests made from the API's document, right and wrong ones, and every answer held to it.

All checks of schemathesis are on. A request is made up once and sent for every role, each of which
asks with a token or session of its own: making one up costs several times what answering it does.
The stream of events is left out, for it never ends; `test_api_events.py` proves it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.cookiejar import DefaultCookiePolicy
from itertools import count
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import AcceptedNegativeData, RejectedPositiveData

from energy.api import documents

ROLES = ("operator", "anonymous", "auditor", "network_owner", "prosumer", "device")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
ENDLESS = "/v1/events"
ENDING = ("/v1/session/end", "/v1/session/end-all")
SOAK = 20_000
ROUND = 40
"""So many requests of a kind are made up before the next kind's turn."""
PATIENT_S = 120
"""A busy machine may take long to stretch a password; how fast answers come is not asked here."""
SLOT_JSON = documents.slot_json
SIGNED = "what a message says is proven by its signature, which cannot be drawn at random"
SUBJECT = "an operator or auditor must name an account, which a household need not"
MAY_REFUSE = {
    "/v1/readings": "a meter must be this device's, and its quarter hour over",
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


class Asker:
    """Asks for one role over a connection of its own, and counts what came back."""

    def __init__(self, town: Any, role: str) -> None:
        self._town, self.role = town, role
        self._session = requests.Session()
        # What signs in or out sets a cookie, and the next request is to be this role's again.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._headers: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        self.findings: Counter[str] = Counter()
        self.sign_in()

    def sign_in(self) -> None:
        """Bring what the role is known by."""
        if self.role == "prosumer":
            self._headers = self._town.as_member(0)
        elif self.role != "anonymous":
            self._headers = {"Authorization": f"Bearer {self._town.token(self.role)}"}

    def ask(self, case: Any) -> None:
        """Send a request and hold the answer to the document."""
        answer = case.call(headers=self._headers, session=self._session, timeout=PATIENT_S)
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, headers=self._headers)
        except BaseExceptionGroup as error:
            for one in sifted(case.operation, answer.status_code, error):
                self.findings[f"{self.role}, {case.operation.label}: {one}"] += 1
        if case.operation.path in ENDING:
            self.sign_in()

    @property
    def told(self) -> str:
        """How many answers there were, by status."""
        by_status = ", ".join(f"{n} x {status}" for status, n in sorted(self.statuses.items()))
        return f"{self.role} {self.statuses.total()} ({by_status})"


def operations(town: Any) -> list[Any]:
    schema = schemathesis.openapi.from_dict(town.app.openapi())
    schema.config.update(base_url=town.url)
    return [one.ok() for one in schema.get_all_operations() if one.ok().path != ENDLESS]


def sifted(operation: Any, status: int, error: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The findings, without the refusals that have a reason in `MAY_REFUSE`, and without bad
    requests that are refused for their length alone, which is not looked for.
    """
    let_go: list[type[Exception]] = [AcceptedNegativeData] if status == 413 else []
    if operation.path.startswith(tuple(MAY_REFUSE)):
        let_go.append(RejectedPositiveData)
    return [one for one in error.exceptions if not isinstance(one, tuple(let_go))]


def make_up(strategy: Any, most: int, seed: int, send: Callable[[Any], None]) -> None:
    """Draw at most so many requests and send each; fewer where there are not so many."""
    rules = hypothesis.settings(
        max_examples=most, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    # A function of its own each time, for a seed is set on it.
    test: Callable[[], None] = hypothesis.seed(seed)(
        rules(hypothesis.given(case=strategy)(lambda case: send(case)))
    )
    try:
        test()
    except hypothesis.errors.Unsatisfiable:
        # A route without any parameter cannot be asked wrongly.
        return


def ask_all(
    town: Any, roles: Sequence[str], least: int, most: int, seed: int, path: str | None = None
) -> list[Asker]:
    """Ask for all roles until each has asked so often, `most` of a kind in a row, at one path alone
    where it is named.
    """
    every = [one for one in operations(town) if path in (None, one.path)]
    kinds = [one.as_strategy(generation_mode=mode) for one in every for mode in MODES]
    askers = [Asker(town, role) for role in roles]

    def send(case: Any) -> None:
        for asker in askers:
            asker.ask(case)

    for number in seeds(seed):
        for kind in kinds:
            make_up(kind, most, number, send)
        if askers[0].statuses.total() >= least:
            return askers
    raise AssertionError("there is no last seed")


def seeds(first: int) -> Iterator[int]:
    """A seed for each round."""
    return count(first * 1_000)


def findings_of(askers: Sequence[Asker]) -> list[tuple[str, int]]:
    """What was found, the most frequent first."""
    return sum((one.findings for one in askers), Counter[str]()).most_common(20)


@pytest.mark.check(19)
def test_every_answer_is_as_the_document_says(town: Any, check: Any) -> None:
    askers = ask_all(town, ROLES, 1, 1, check.seed)
    assert not findings_of(askers)
    assert all(one.statuses.total() > 100 and one.statuses[200] for one in askers)


def test_a_number_that_no_row_can_have_is_refused(town: Any) -> None:
    """Found by these requests: a database takes no larger number, and the server failed."""
    headers = {"Authorization": f"Bearer {town.token('operator')}"}
    account = f"0x{town.crowd.account[0].hex()}"
    for path in ("/v1/audit?limit=1", f"/v1/me/reads?limit=1&account={account}"):
        for before, status in ((2**63 - 1, 200), (2**63, 422)):
            answer = requests.get(f"{town.url}{path}&before={before}", headers=headers, timeout=20)
            assert answer.status_code == status, (path, before)


def test_a_word_that_stands_twice_in_an_address_is_refused(town: Any) -> None:
    """Found by these requests: the last was taken, and what came before it overlooked."""
    headers = {"Authorization": f"Bearer {town.token('operator')}"}
    for words, status in (("before=9", 200), ("before=9&before=9", 422), ("x=1&x=2", 200)):
        answer = requests.get(f"{town.url}/v1/audit?{words}", headers=headers, timeout=20)
        assert answer.status_code == status, words
    refused = requests.get(
        f"{town.url}/v1/audit?before=null&before=0.0", headers=headers, timeout=20
    ).json()
    assert refused["detail"] == "before: found 2 times, allowed once"
    assert (refused["code"], refused["field"]) == ("MALFORMED", "before")


@pytest.mark.soak
@pytest.mark.check(19)
# The role that may do most goes first and alone, so that a run that is cut off has asked for it.
@pytest.mark.parametrize("roles", (ROLES[:1], ROLES[1:]), ids=("operator", "others"))
def test_twenty_thousand_answers_are_as_the_document_says(
    town: Any, roles: Sequence[str], check: Any
) -> None:
    least = check.trials(SOAK, 60)
    askers = ask_all(town, roles, least, ROUND, check.seed)
    told = "; ".join(one.told for one in askers)
    check.state(f"{told}: {sum(n for _, n in findings_of(askers))} findings")
    assert not findings_of(askers)
    assert all(one.statuses.total() >= least and not one.statuses[500] for one in askers)


def say_too_much(row: Any) -> dict[str, Any]:
    return {**SLOT_JSON(row), "owner": row.owner}


def fail(row: Any) -> dict[str, Any]:
    raise ZeroDivisionError


@pytest.mark.check(19, canary=True)
@pytest.mark.parametrize("wrong", (say_too_much, fail))
def test_a_route_that_says_too_much_or_fails_is_found(
    town: Any,
    documented_answers: Any,
    monkeypatch: pytest.MonkeyPatch,
    check: Any,
    wrong: Callable[[Any], dict[str, Any]],
) -> None:
    monkeypatch.setattr(documents, "slot_json", wrong)
    askers = ask_all(town, ("operator", "anonymous"), 1, 1, check.seed, path="/v1/slots")
    found = [text for text, _ in findings_of(askers)]
    assert found and all(text.startswith("operator, GET /v1/slots") for text in found)
    # Those who look at the answers of all other tests see it as well.
    assert documented_answers.take(invented=False)
