"""Market rules from a date: two persons, a day ahead, one place that says what holds in a slot."""

import itertools
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from energy.store.audit import list_records
from energy.store.market_rules import load_rule_book
from energy.timegrid import iso_of
from market.rules import MarketRules, RuleBook, RulesFrom

Doors = Any
NOW_S = 1_784_105_000
EARLIEST = 1_784_106_000 + 97 * 900
KEYS = (f"rules-test-{n}" for n in itertools.count())
CAP = {"price_cap_krw_per_kwh": "900", "note": "less than the tariff's third step"}
PATH = "/v1/rules/proposals"


def post(doors: Doors, path: str, body: Any, who: dict[str, str], key: str = "") -> Any:
    return doors.post(path, body, **{"Idempotency-Key": key or next(KEYS)}, **who)


def propose(doors: Doors, who: dict[str, str], slot: int = EARLIEST, **changes: Any) -> Any:
    return post(doors, PATH, {**CAP, "from_slot_utc": iso_of(slot), **changes}, who)


def test_a_change_takes_two_persons_and_holds_from_its_slot_on(own_doors: Doors) -> None:
    kim, lee = (own_doors.cookie(person=own_doors.person(name=one).name) for one in ("kim", "lee"))
    made = propose(own_doors, kim)
    assert made.status == 201, made.body
    assert made.json["state"] == "open" and made.json["version"] == 2
    assert made.json["changes"] == [{"name": "price_cap_krw_per_kwh", "old": "1000", "new": "900"}]
    path = f"{PATH}/{made.json['id']}/confirm"
    own = post(own_doors, path, {}, kim)
    assert (own.status, own.json["code"]) == (409, "RULES") and "second person" in own.json[
        "detail"
    ]
    store = own_doors.served.store
    assert store.read(load_rule_book) == RuleBook()
    done = post(own_doors, path, {}, lee)
    assert (done.status, done.json["state"]) == (200, "confirmed")
    assert done.json["confirmed"]["by"] == "person lee"
    book = store.read(load_rule_book)
    assert book.at(EARLIEST - 900) == MarketRules()
    assert book.at(EARLIEST) == MarketRules(version=2, cap_mkrw_per_kwh=900_000)
    told = [one.record for one in store.read(list_records)]
    assert [(one.account, one.task) for one in reversed(told)] == [
        ("person kim", "propose rules version 2 of proposal 1"),
        ("person lee", "confirm rules version 2 of proposal 1"),
    ]
    prices = own_doors.served.ask("/v1/prices").json
    assert prices["rules"]["version"] == 1
    assert [(one["version"], one["from_slot_utc"]) for one in prices["rules_to_come"]] == [
        (2, iso_of(EARLIEST))
    ]
    assert post(own_doors, path, {}, lee).json["detail"].endswith("found confirmed, allowed open")


def test_an_order_names_the_version_that_holds_in_its_slot(own_doors: Doors) -> None:
    kim, lee = own_doors.as_person("operator"), own_doors.as_person("operator")
    made = propose(own_doors, kim)
    post(own_doors, f"{PATH}/{made.json['id']}/confirm", {}, lee)
    own_doors.served.clock.at_s = EARLIEST - 86_400
    own_doors.wallet(0)
    asked = [(EARLIEST - 900, 1), (EARLIEST, 1), (EARLIEST - 900, 2), (EARLIEST, 2)]
    found = []
    for nonce, (slot, version) in enumerate(asked, 500):
        order = own_doors.desk.order(
            0, slot=slot, expires=slot - 300, rules_version=version, nonce=nonce
        )
        answer = own_doors.served.post(order)
        found.append(answer.json.get("code") or answer.json["status"])
        if answer.status != 201:
            assert answer.json["allowed"] == str(3 - version)
    assert found == ["ACCEPTED", "STALE_RULES", "STALE_RULES", "ACCEPTED"]
    above = own_doors.desk.order(
        0,
        slot=EARLIEST,
        expires=EARLIEST - 300,
        rules_version=2,
        nonce=9,
        price_mkrw_per_kwh=950_000,
    )
    assert own_doors.served.post(above).json["code"] == "PRICE_BAND"


@pytest.mark.parametrize(
    ("slot", "changes", "status", "words"),
    [
        (EARLIEST - 900, {}, 409, f"from {iso_of(EARLIEST)} on"),
        (EARLIEST + 1, {}, 422, "quarter hour"),
        (EARLIEST, {"price_cap_krw_per_kwh": "1000"}, 422, "differs from the last"),
        (EARLIEST, {"price_cap_krw_per_kwh": "1001"}, 422, "cap_mkrw_per_kwh"),
        (EARLIEST, {"price_cap_krw_per_kwh": "900.05"}, 422, "multiple of price_tick"),
        (EARLIEST, {"price_cap_krw_per_kwh": "nine"}, 422, "won such as"),
        (EARLIEST, {"price_floor_krw_per_kwh": "950"}, 422, "allowed floor at most cap"),
        (EARLIEST, {"fee": "1"}, 422, "fee"),
        (EARLIEST, {"note": ""}, 422, "note"),
    ],
)
def test_what_cannot_hold_is_refused_in_a_sentence(
    doors: Doors, slot: int, changes: dict[str, Any], status: int, words: str
) -> None:
    answer = propose(doors, doors.as_person("operator"), slot, **changes)
    assert answer.status == status and words in answer.json["detail"], answer.body


MONTH = 1_785_510_000  # 2026-08-01 00:00 in Sejong


def test_fees_and_promises_change_by_the_same_two_persons(own_doors: Doors) -> None:
    kim, lee = own_doors.as_person("operator"), own_doors.as_person("operator")
    body = {
        "from_slot_utc": iso_of(MONTH), "note": "new cables", "network_fee_krw_per_kwh": "3",
        "premium_max_krw_per_kwh": "50", "guarantee_most_krw": 4000, "rent_to_accounts": 0,
    }  # fmt: skip
    made = post(own_doors, PATH, body, kim)
    assert made.status == 201, made.body
    assert made.json["changes"] == [
        {"name": "network_fee_krw_per_kwh", "old": "2", "new": "3"},
        {"name": "premium_max_krw_per_kwh", "old": "1000", "new": "50"},
        {"name": "guarantee_most_krw", "old": "5000", "new": "4000"},
        {"name": "rent_to_accounts", "old": "1", "new": "0"},
    ]
    assert post(own_doors, f"{PATH}/{made.json['id']}/confirm", {}, lee).status == 200
    book = own_doors.served.store.read(load_rule_book)
    assert book.at(MONTH - 900) == MarketRules()
    assert book.at(MONTH) == MarketRules(
        version=2, network_fee_mkrw_per_kwh=3_000, premium_max_mkrw_per_kwh=50_000,
        guarantee_most_krw=4_000, rent_to_accounts=0,
    )  # fmt: skip
    versions = own_doors.served.ask("/v1/rules", headers=lee).json["versions"]
    fees = [one["rules"]["network_fee_krw_per_kwh"] for one in versions]
    kept = [one["rules"]["guarantee_kept_ppm"] for one in versions]
    assert (fees, kept) == (["3", "2"], ["600000", "600000"])
    prices = own_doors.served.ask("/v1/prices").json
    (coming,) = prices["rules_to_come"]
    told = ("network_fee_krw_per_kwh", "premium_max_krw_per_kwh")
    assert [[one[name] for name in told] for one in (prices["rules"], coming)] == [
        ["2", "1000"], ["3", "50"],
    ]  # fmt: skip


def test_a_rule_of_months_changes_with_a_month_and_the_answer_names_the_next(doors: Doors) -> None:
    body = {"from_slot_utc": iso_of(MONTH - 900), "note": "less", "guarantee_kept_ppm": 500_000}
    answer = post(doors, PATH, body, doors.as_person("operator"))
    assert (answer.status, answer.json["code"]) == (409, "RULES")
    assert iso_of(MONTH) in answer.json["allowed"] and "guarantee_kept_ppm" in answer.json["detail"]
    same = {**body, "from_slot_utc": iso_of(MONTH), "guarantee_kept_ppm": 600_000}
    assert (
        "differs from the last"
        in post(doors, PATH, same, doors.as_person("operator")).json["detail"]
    )


def test_one_proposal_is_open_at_a_time_and_may_be_withdrawn(own_doors: Doors) -> None:
    kim, lee = own_doors.as_person("operator"), own_doors.as_person("operator")
    first = propose(own_doors, kim)
    assert "proposal 1 is open" in propose(own_doors, lee).json["detail"]
    withdrawn = post(own_doors, f"{PATH}/1/withdraw", {}, kim)
    assert withdrawn.json["state"] == "withdrawn"
    assert post(own_doors, f"{PATH}/1/confirm", {}, lee).status == 409
    assert own_doors.served.store.read(load_rule_book) == RuleBook()
    assert propose(own_doors, lee).json["id"] == first.json["id"] + 1
    listed = own_doors.served.ask(PATH, headers=kim).json
    assert [one["state"] for one in listed["items"]] == ["open", "withdrawn"]
    assert listed["earliest_slot_utc"] == iso_of(EARLIEST)


def test_a_proposal_that_has_come_too_near_is_not_confirmed(own_doors: Doors) -> None:
    kim, lee = own_doors.as_person("operator"), own_doors.as_person("operator")
    propose(own_doors, kim)
    own_doors.served.clock.at_s += 900
    late = post(own_doors, f"{PATH}/1/confirm", {}, lee)
    assert late.status == 409 and "from_slot" in late.json["detail"]


def test_a_request_sent_again_has_no_second_effect(own_doors: Doors) -> None:
    kim = own_doors.as_person("operator")
    body = {**CAP, "from_slot_utc": iso_of(EARLIEST)}
    first, again = (post(own_doors, PATH, body, kim, "once-and-no-more") for _ in range(2))
    assert (again.status, again.body) == (201, first.body)
    other = post(own_doors, PATH, {**body, "note": "other"}, kim, "once-and-no-more")
    assert (other.status, other.json["code"]) == (422, "KEY_USED")
    assert own_doors.post(PATH, body, **kim).json["code"] == "NO_KEY"
    # Another person's key means nothing: this one meets the proposal that is open.
    lee = own_doors.as_person("operator")
    assert post(own_doors, PATH, body, lee, "once-and-no-more").json["code"] == "RULES"


def test_a_token_is_no_person(doors: Doors) -> None:
    token = doors.token("operator", "operate")
    assert propose(doors, token).json["code"] == "NO_PERSON"


def test_the_database_itself_refuses_a_second_hand_of_the_same_person(own_doors: Doors) -> None:
    propose(own_doors, own_doors.cookie(person=own_doors.person(name="kim").name))
    alone = text("UPDATE rules_proposal SET confirmed_by = 'person kim'")
    with pytest.raises(IntegrityError):
        own_doors.served.store.write(lambda connection: connection.execute(alone))


def test_versions_count_up_and_slots_rise() -> None:
    two = RulesFrom(1800, MarketRules(version=2))
    for odd in (
        (RulesFrom(1800, MarketRules(version=3)),),
        (two, RulesFrom(900, MarketRules(version=3))),
        (RulesFrom(1801, MarketRules(version=2)),),
    ):
        with pytest.raises(Exception, match="rules: version"):
            RuleBook(changes=odd)
    book = RuleBook(changes=(two,))
    assert [book.at(slot).version for slot in (0, 1799, 1800, 10**9)] == [1, 1, 2, 2]
    assert book.after(1799) == (two,) and book.after(1800) == ()
