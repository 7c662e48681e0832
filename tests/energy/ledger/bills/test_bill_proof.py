"""The proof of a bill: made once more by the verifier; whatever is changed in it is refuted."""

import base64
import copy
import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

import market.bill
from energy.steps import month_close
from energy.steps.receipts import Prover, Witnesses
from market import month_bill
from market.verifier import Report, canonical, verify_bundle

HOUSE, SHOP, LAST = 23, 0, 202608
Begin = Callable[..., Any]
LINE = struct.Struct(">Hqq16s")


@dataclass(frozen=True)
class Proven:
    """The trust root and bundles by account and month."""

    trust: bytes
    bundles: dict[tuple[int, int], bytes]

    def bundle(self, meter: int = HOUSE, month: int = LAST) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.bundles[meter, month])
        return found

    def verify(self, bundle: dict[str, Any]) -> Report:
        return verify_bundle(self.trust, canonical(bundle))


MADE: list[Proven] = []


@pytest.fixture
def proven(request: pytest.FixtureRequest) -> Proven:
    """Made once: bundles are bytes."""
    if not MADE:
        MADE.append(prove_two_months(request.getfixturevalue("begin_year")))
    return MADE[0]


def prove_two_months(begin_year: Begin) -> Proven:
    year = begin_year()
    year.month(quiet=30)
    year.correct(5, 4_321, year.end + 4 * 900)
    year.here.settle(year.end + 4 * 900)
    year.end += 5 * 900
    year.month(quiet=80)
    accounts = year.here.district.meters.account

    def prove(connection: Any) -> Proven:
        prover = Prover(connection)
        bundles = {
            (meter, month): prover.bill(accounts[meter], month)
            for meter, month in ((HOUSE, 202607), (HOUSE, LAST), (SHOP, LAST))
        }
        return Proven(prover.trust(Witnesses()), bundles)

    proven: Proven = year.here.store.read(prove)
    return proven


def rule(report: Report) -> str:
    assert report.first_failure is not None and report.usable
    return report.first_failure.check


def lines(bundle: dict[str, Any]) -> list[list[Any]]:
    return [list(one) for one in LINE.iter_unpack(base64.b64decode(bundle["lines"]))]


def put_lines(bundle: dict[str, Any], found: list[list[Any]]) -> None:
    bundle["lines"] = base64.b64encode(b"".join(LINE.pack(*one) for one in found)).decode()


def test_the_bills_of_a_house_and_of_a_shop_are_proven(proven: Proven) -> None:
    for meter, month in proven.bundles:
        report = proven.verify(proven.bundle(meter, month))
        assert report.first_failure is None, report.first_failure
        for check in ("bill energy", "bill VAT", "bill comparison", "booked as billed", "tariff"):
            assert report.checks[check] > 0


def test_a_corrected_reading_of_a_billed_month_is_a_line_of_the_next(proven: Proven) -> None:
    kinds = [one[0] for one in lines(proven.bundle())]
    assert month_bill.Kind.ADJUSTMENT in kinds
    assert month_bill.Kind.ADJUSTMENT not in [one[0] for one in lines(proven.bundle(month=202607))]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_changed_line_is_refuted(proven: Proven, place: int) -> None:
    for n in range(len(lines(proven.bundle()))):
        bundle = proven.bundle()
        found = lines(bundle)
        found[n][place] += 1
        put_lines(bundle, found)
        assert rule(proven.verify(bundle)) == "bill lines root"


def test_lines_left_out_added_or_swapped_are_refuted(proven: Proven) -> None:
    whole = lines(proven.bundle())
    for damaged in (whole[:-1], [*whole, whole[-1]], [whole[1], whole[0], *whole[2:]]):
        bundle = proven.bundle()
        put_lines(bundle, damaged)
        assert rule(proven.verify(bundle)) == "bill lines root"


def test_a_changed_kwh_in_the_history_is_refuted(proven: Proven) -> None:
    bundle = proven.bundle()
    run = next(one for one in bundle["history"] if one["type"] == "Transfer")
    words = bytearray(base64.b64decode(run["words"]))
    words[6 * 32 - 1] ^= 1  # the amount of the first transfer
    run["words"] = base64.b64encode(bytes(words)).decode()
    assert rule(proven.verify(bundle)) in ("balances follow", "account history")


@pytest.mark.parametrize(
    ("old", "new"), [('"120000"', '"119000"'), ('"300"', '"301"'), ('"27000"', '"26000"')]
)
def test_a_changed_tariff_figure_is_refuted(proven: Proven, old: str, new: str) -> None:
    bundle = proven.bundle()
    content = bundle["months"][-1]["content"]
    assert old in content
    bundle["months"][-1]["content"] = content.replace(old, new, 1)
    assert rule(proven.verify(bundle)) == "tariff"
    message = bundle["months"][-1]["entry"]["message"]
    changed = bundle["months"][-1]["content"].encode()
    message["content"] = "0x" + hashlib.sha256(changed).hexdigest()
    assert rule(proven.verify(bundle)) == "signature"


@pytest.mark.parametrize("name", ["total_krw", "rounding_ukrw", "tariff_version", "first_slot"])
def test_a_changed_bill_is_refuted(proven: Proven, name: str) -> None:
    bundle = proven.bundle()
    message = bundle["entry"]["message"]
    message[name] = str(int(message[name]) + 900)
    assert rule(proven.verify(bundle)) == "signature"


def test_the_bill_of_another_account_or_month_is_refuted(proven: Proven) -> None:
    mine, other = proven.bundle(), proven.bundle(SHOP)
    for name in ("account", "history", "state"):
        mine[name] = copy.deepcopy(other[name])
    assert rule(proven.verify(mine)) == "bill"
    bundle = proven.bundle()
    del bundle["months"][0]
    assert rule(proven.verify(bundle)) in ("bill", "tariff")


FAULTS = {
    "bill VAT": ("vat_krw", 1),
    "bill fund": ("fund_krw", 10),
    "bill cut": ("total_krw", 10),
}


@pytest.fixture
def dishonest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], None]]:
    """Lets the operator sign bills that do not follow."""
    yield lambda name, fake: monkeypatch.setattr(month_close, name, fake)


@pytest.mark.parametrize("fault", [*FAULTS, "bill total", "bill rounding", "booked as billed"])
def test_what_an_operator_signs_and_posts_wrongly_is_refuted_by_its_rule(
    begin_year: Begin, dishonest: Callable[[str, Any], None], fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    honest = month_bill.build_month_bill
    if fault in FAULTS:
        name, more = FAULTS[fault]
        plain = market.bill.build_bill

        def build(*given: Any) -> Any:
            found = plain(*given)
            return replace(found, **{name: getattr(found, name) + more})

        monkeypatch.setattr("market.statement.build_bill", build)
    elif fault == "booked as billed":

        def post(*given: Any) -> Any:
            found = honest(*given)
            return replace(found, posts=month_bill.BillPosts())

        dishonest("build_month_bill", post)
    else:
        name = {"bill total": "total_krw", "bill rounding": "rounding_ukrw"}[fault]

        def sign(*given: Any) -> Any:
            found = honest(*given)
            return replace(found, **{name: getattr(found, name) + 1})

        dishonest("build_month_bill", sign)
    year = begin_year()
    year.month(quiet=10, auctions=1)
    made = vars(month_close)["build_month_bill"]
    monkeypatch.setattr("energy.steps.statements.build_month_bill", made)
    account = year.here.district.meters.account[HOUSE]

    def prove(connection: Any) -> Report:
        prover = Prover(connection)
        return verify_bundle(prover.trust(Witnesses()), prover.bill(account, 202607))

    assert rule(year.here.store.read(prove)) == fault
