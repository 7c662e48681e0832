"""What happens to an event in the books afterwards: corrections, and an operator that cheats."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from energy.crowd import build_crowd
from energy.steps import dr_settlement
from energy.steps.context import open_installation, start_microgrid
from energy.steps.dr_baselines import metered_at
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover, Witnesses
from energy.store.books import load_settlements, load_signed_columns
from energy.store.demand_response import last_result, list_events, load_answers
from energy.store.erasures import erasing
from energy.store.readings import LateRow, save_late_readings
from energy.units import SLOT_S
from market.transfers import Code
from market.verifier import Failure, verify_bundle, verify_export

FIRST = 1_784_088_000
EVENT = FIRST + 4 * SLOT_S
END = EVENT + 8 * SLOT_S


@pytest.fixture
def before_payment(evented: Any, tmp_path: Path) -> Iterator[Any]:
    """The scene as it stood before its event was verified, in a store of its own."""
    with again(evented, tmp_path) as scene:
        yield scene


@contextmanager
def again(evented: Any, folder: Path) -> Iterator[Any]:
    for path in evented.unverified.iterdir():
        shutil.copy(path, folder / path.name)
    settings = evented.microgrid.settings.model_copy(
        update={"database_url": f"sqlite:///{folder}/district.db"}
    )
    with open_installation(settings, lambda _: FIRST) as installation:
        microgrid = start_microgrid(installation)
        crowd = build_crowd(installation.district, settings.seed)
        scene = type(evented)(microgrid, evented.clock, "", crowd, settings.database_url)
        try:
            yield scene
        finally:
            microgrid.close()


def result_of(scene: Any) -> tuple[int, dict[str, Any]]:
    store = scene.microgrid.store
    (event,) = store.read(list_events)
    found = store.read(partial(last_result, event=event.id))
    assert found is not None
    return found[0], found[1]


def first_failure(scene: Any) -> Failure | None:
    return verify_export(export_lines(scene.microgrid.store)).first_failure


def test_a_corrected_reading_verifies_the_event_again_and_back(before_payment: Any) -> None:
    scene = before_payment
    store, books = scene.microgrid.store, scene.microgrid.books
    scene.tick(END + SLOT_S)
    version, first = result_of(scene)
    assert version == 1
    (event,) = store.read(list_events)
    committed = [
        one for one in store.read(partial(load_answers, event=event.id)) if one.e_wh_per_slot
    ]
    customer = next(one for one in committed if one.account in books.customers)
    meter, slot = books.customers.index(customer.account), EVENT + SLOT_S
    column = [books.book.number[one.account] for one in committed].index(
        books.book.number[customer.account]
    )
    was_wh = int(
        store.read(partial(metered_at, books=books, slot=slot)).net_wh[
            books.book.number[customer.account]
        ]
    )
    drawn_wh, fed_wh = max(was_wh, 0), max(-was_wh, 0)
    for revision, import_wh in ((3, drawn_wh + 5_000), (4, drawn_wh)):
        tick = END + (revision - 1) * SLOT_S
        row = LateRow(slot, meter, revision, tick, import_wh, fed_wh, 0, 0, 1)
        store.write(lambda connection, row=row: save_late_readings(connection, [row]))
        scene.tick(tick)
        version, now = result_of(scene)
        assert version == revision - 1
        if revision == 3:
            # So much drawn that nothing is left of the hour's reduction.
            assert now["reduced_wh"][0, column] == 0 and now["reward_ukrw"][0, column] == 0
            assert now["penalty_ukrw"][0, column] == 4 * customer.e_wh_per_slot * 130_000
    for name in ("reward_ukrw", "penalty_ukrw", "net_wh"):
        assert (now[name] == first[name]).all()
    hours = store.read(partial(load_settlements, slot=EVENT, scope=3))
    assert [one.version for one in hours] == [1, 2, 3]
    assert len(store.read(partial(load_settlements, slot=EVENT + 3600, scope=3))) == 1
    program = event.program
    moved = int(first["penalty_ukrw"].sum()) - int(first["reward_ukrw"].sum())
    assert books.head.balances[1, program] == moved
    assert first_failure(scene) is None


def test_who_is_erased_keeps_nobody_elses_event_from_being_verified_again(
    before_payment: Any,
) -> None:
    scene = before_payment
    store, books = scene.microgrid.store, scene.microgrid.books
    scene.tick(END + SLOT_S)
    _, first = result_of(scene)
    number = books.book.number
    moved = {
        no: reward - penalty
        for no, reward, penalty in zip(
            first["account"].tolist(),
            first["reward_ukrw"].sum(axis=0).tolist(),
            first["penalty_ukrw"].sum(axis=0).tolist(),
            strict=True,
        )
    }
    gone, other = [one for one in books.customers if moved.get(number[one])][:2]
    balance = books.head.balances[1, gone]

    def erase(connection: Connection) -> None:
        with erasing(connection) as eraser:
            eraser.baselines(gone, END)
            for slot in range(EVENT, END, SLOT_S):
                tick = slot + 2 * SLOT_S
                columns = load_signed_columns(connection, tick)
                assert columns is not None
                eraser.signed_readings(tick, columns["account"] != number[gone])

    store.write(erase)
    slot, tick = EVENT + SLOT_S, END + 2 * SLOT_S
    row = LateRow(slot, books.customers.index(other), 3, tick, 5_000, 0, 0, 0, 1)
    store.write(lambda connection: save_late_readings(connection, [row]))
    scene.tick(tick)
    version, now = result_of(scene)
    assert version == 2 and number[gone] not in now["account"]
    column = now["account"].tolist().index(number[other])
    assert now["reduced_wh"][0, column] == 0, "so much drawn that nothing is left of the reduction"
    assert now["net_wh"][1, column] == 5_000
    assert books.head.balances[1, gone] == balance, "what was paid stands"


def one_wh_more(real: Callable[..., Any]) -> Callable[..., Any]:
    def cheat(*given: Any) -> Any:
        rows = real(*given)
        return [
            one._replace(amount=one.amount + 1_300_000) if one.code == Code.DR_REWARD else one
            for one in rows
        ]

    return cheat


def never_a_penalty(real: Callable[..., Any]) -> Callable[..., Any]:
    def cheat(*given: Any) -> Any:
        return [one for one in real(*given) if one.code != Code.DR_PENALTY]

    return cheat


def nothing_for_one(real: Callable[..., Any]) -> Callable[..., Any]:
    left_out: list[bytes] = []

    def cheat(account: bytes, *rest: Any) -> Any:
        left_out.append(account)
        return [] if account == left_out[0] else real(account, *rest)

    return cheat


def one_to_another(real: Callable[..., Any]) -> Callable[..., Any]:
    robbed: list[bytes] = []

    def cheat(account: bytes, *rest: Any) -> Any:
        robbed.append(account)
        return real(FRIENDS[0] if account == robbed[0] else account, *rest)

    return cheat


FRIENDS: list[bytes] = []


@pytest.mark.parametrize("cheat", [one_wh_more, never_a_penalty, nothing_for_one, one_to_another])
def test_an_operator_that_pays_otherwise_is_found_by_the_verifier(
    before_payment: Any, monkeypatch: pytest.MonkeyPatch, cheat: Callable[..., Any]
) -> None:
    """All signatures, roots and balances are good: the operator itself has signed for it."""
    FRIENDS[:] = before_payment.microgrid.books.customers[-1:]
    monkeypatch.setattr(dr_settlement, "dr_transfers", cheat(dr_settlement.dr_transfers))
    before_payment.tick(END + SLOT_S)
    failure = first_failure(before_payment)
    assert failure is not None and failure.check == "event paid", failure


@pytest.mark.parametrize(
    ("name", "field", "more"),
    [
        ("DrEvent", "reward_mkrw_per_kwh", 1),
        ("DrEvent", "penalty_mkrw_per_kwh", -1),
        ("DrEvent", "first_slot", 3600),
        ("DrCommit", "e_wh_per_slot", 1),
    ],
)
def test_a_changed_event_or_commitment_is_found(
    evented: Any, name: str, field: str, more: int
) -> None:
    lines = [str(one) for one in export_lines(evented.microgrid.store)]
    at = next(n for n, one in enumerate(lines) if f'"type":"{name}"' in one)
    found = json.loads(lines[at])
    found["message"][field] = str(int(found["message"][field]) + more)
    lines[at] = json.dumps(found, sort_keys=True, separators=(",", ":"))
    failure = verify_export(lines).first_failure
    assert failure is not None and (failure.line, failure.check) == (at + 1, "signature")


@pytest.mark.parametrize("name", ["DrEvent", "DrCommit"])
def test_an_event_or_commitment_that_is_left_out_is_missed(evented: Any, name: str) -> None:
    lines = [str(one) for one in export_lines(evented.microgrid.store)]
    at = next(n for n, one in enumerate(lines) if f'"type":"{name}"' in one)
    failure = verify_export(lines[:at] + lines[at + 1 :]).first_failure
    assert failure is not None and failure.check in ("set root", "commitment")


def test_event_commitments_and_payments_are_proven_one_by_one(evented: Any) -> None:
    """The event, a household's answer, the operator's, and all that names a household."""
    store, books = evented.microgrid.store, evented.microgrid.books
    (event,) = store.read(list_events)
    answers = store.read(partial(load_answers, event=event.id))
    theirs = next(one for one in answers if one.account in books.customers and one.e_wh_per_slot)
    own = next(one for one in answers if one.account == books.system.spc)

    def make(connection: Any) -> tuple[bytes, dict[str, bytes]]:
        prover = Prover(connection)
        bundles = {
            "event": prover.entry(event.id),
            "answer": prover.entry(theirs.digest),
            "operator": prover.entry(own.digest),
            "account": prover.account(theirs.account),
        }
        return prover.trust(Witnesses()), bundles

    trust, bundles = store.read(make)
    for name, bundle in bundles.items():
        report = verify_bundle(trust, bundle)
        assert report.ok, (name, report.first_failure)
