"""A standing instruction through the real loop: orders within it, cleared, settled, proven."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy import cycle
from energy.config import Settings
from energy.crowd import build_crowd, sign_message
from energy.cycle import run_quarter_hour
from energy.steps import automatic
from energy.steps.automatic import expected_need_wh, spent_of_day
from energy.steps.automatic_views import Moment, instructions_document
from energy.steps.context import (
    Installation,
    Microgrid,
    build_admission,
    open_installation,
    start_microgrid,
)
from energy.steps.own_data import Forgotten, forget_account
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover, Witnesses
from energy.store.admission import Answer, admit_orders
from energy.store.contracts import list_contracts
from energy.store.instruction_desk import admit_instruction
from energy.store.instructions import (
    automatic_slots,
    instructions_of,
    last_automatic_slot,
    save_automatic_slot,
)
from energy.store.mailbox import admit_message, prepare_message
from energy.store.orders import OrderRow, find_order, load_fills, orders_of, save_orders
from energy.timegrid import local_day_start
from energy.units import SLOT_S
from market import verifier
from market.instructions import Why
from market.signing import address_of

FIRST = 1_785_504_600  # 2026-07-31 22:30 in Sejong
DAY_END = FIRST + 6 * SLOT_S


class Town:
    """A small district with a member of the crowd who has no contract, and the loop by hand."""

    def __init__(self, installation: Installation, microgrid: Microgrid | None = None) -> None:
        self.installation, self._microgrid, self.slot = installation, microgrid, FIRST
        self.crowd = build_crowd(installation.district, installation.settings.seed)
        self.nonce, self.store = 10_000, installation.store
        contracts = self.store.read(list_contracts)
        bound = {one.seller for one in contracts} | {one.buyer for one in contracts}
        self.free = [n for n, account in enumerate(self.crowd.account) if account not in bound]
        self.admission = build_admission(installation)

    @property
    def microgrid(self) -> Microgrid:
        assert self._microgrid is not None
        return self._microgrid

    def run(self, slots: int = 1) -> None:
        for _ in range(slots):
            run_quarter_hour(self.microgrid, self.slot, lambda: self.slot - 300.0)
            self.slot += SLOT_S

    def signed(self, name: str, member: int, **message: Any) -> bytes:
        self.nonce += 1
        key, account = self.crowd.private_key[member], self.crowd.account[member]
        whole = {"account": account, "nonce": self.nonce, **message}
        return sign_message(
            self.installation.books.domain, name, whole, key, address=address_of(key)
        )

    def admit(self, text: bytes) -> Answer:
        at_us = (self.slot - 600) * 1_000_000
        one = prepare_message(self.admission, text, at_us, ("StandingInstruction", "Cancel"))
        return self.store.write(lambda c: admit_instruction(c, self.admission, one))

    def instruct(self, member: int, **changes: Any) -> bytes:
        message = {
            "sides": 3, "sell_from_mkrw_per_kwh": 10_000, "buy_up_to_mkrw_per_kwh": 400_000,
            "day_cap_wh": 20_000, "day_cap_ukrw": 3_000_000_000, "first_slot": self.slot,
            "end_slot": self.slot + 40 * SLOT_S, "rules_version": 1, "replaces": bytes(32),
            **changes,
        }  # fmt: skip
        answer = self.admit(self.signed("StandingInstruction", member, **message))
        assert answer.id is not None and answer.receipt is not None, answer
        return answer.id

    def order(self, member: int) -> bytes:
        """Order by hand for the next slot."""
        message = {
            "zone": int(self.crowd.zone[member]), "slot": self.slot, "side": 1, "e_wh": 100,
            "price_mkrw_per_kwh": 400_000, "label": 0, "premium_mkrw_per_kwh": 0,
            "expires": self.slot - 300, "replaces": bytes(32), "rules_version": 1,
        }  # fmt: skip
        text = self.signed("Order", member, **message)
        (answer,) = self.store.write(
            lambda c: admit_orders(c, self.admission, [text], self.slot - 600)
        )
        assert answer.id is not None and answer.is_new, answer
        return answer.id

    def cancel(self, member: int, order: bytes) -> None:
        text = self.signed("Cancel", member, order_id=order, slot=self.slot)
        one = prepare_message(self.admission, text, (self.slot - 600) * 1_000_000)
        answer = self.store.write(lambda c: admit_message(c, self.admission, one))
        assert answer.refusal is None, answer

    def stop(self, member: int, id_: bytes, slot: int) -> Answer:
        return self.admit(self.signed("Cancel", member, order_id=id_, slot=slot))

    def orders(self, member: int) -> list[OrderRow]:
        found = self.store.read(lambda c: orders_of(c, self.crowd.account[member]))
        return sorted(found, key=lambda row: row.slot)

    def why(self, member: int) -> Why | None:
        last = self.store.read(last_automatic_slot)
        if last is None:
            return None
        names = [bytes(row) for row in last.columns["account"]]
        account = self.crowd.account[member]
        if last.slot != self.slot - SLOT_S or account not in names:
            return None
        return tuple(Why)[int(last.columns["why"][names.index(account)])]

    def report(self) -> verifier.Report:
        return verifier.verify_export(list(export_lines(self.store)))


def settings_of(database_url: str) -> Settings:
    return Settings(
        district="sejong-5-1@0.005", database_url=database_url, seed=3, horizon_slots=24,
        plan_deadline_s=5.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    with open_installation(settings_of(f"sqlite:///{folder}/a.db"), lambda _: FIRST) as place:
        microgrid = start_microgrid(place)
        try:
            yield Town(place, microgrid)
        finally:
            microgrid.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def hall(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """A town whose loop does not run, on each database."""
    url = f"sqlite:///{tmp_path}/a.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgresql")()
    with open_installation(settings_of(url), lambda _: FIRST) as place:
        yield Town(place)


def test_an_instruction_orders_what_the_home_needs_until_its_caps_and_all_is_proven(
    town: Town,
) -> None:
    buyer, capped, hand, stopped = town.free[:4]
    ids = {n: town.instruct(n) for n in (buyer, hand, stopped)}
    town.run()
    assert town.orders(buyer) == [] and town.why(buyer) == Why.NO_FORECAST
    meter = np.array([town.crowd.meter[buyer]])
    need = town.store.read(lambda c: expected_need_wh(c, town.microgrid.district, town.slot, meter))
    ids[capped] = town.instruct(capped, day_cap_wh=120)
    town.order(hand)
    assert town.stop(stopped, ids[stopped], town.slot).refusal is None
    town.run()
    (made,) = town.orders(buyer)
    assert need is not None and made.e_wh == need[0] > 0
    assert (made.instruction, made.price_mkrw_per_kwh) == (ids[buyer], 400_000)
    assert made.status in ("FILLED", "PARTIAL") and made.sealed_by == made.slot
    assert [row.instruction for row in town.orders(hand)] == [None]
    assert town.why(hand) == Why.OWN_ORDER and town.orders(stopped) == []
    # The cap of 120 Wh is used up within the day, and a new local day begins with it anew.
    town.run(DAY_END // SLOT_S - town.slot // SLOT_S)
    assert_within(town, capped, 120)
    assert town.why(capped) == Why.DAY_CAP_WH
    town.run()
    assert town.orders(capped)[-1].day == DAY_END == town.orders(capped)[-1].slot
    town.run(3)
    assert town.orders(buyer)[0].slot in settled(town)
    report = town.report()
    assert report.ok, report.first_failure
    assert report.checks["automatic order"] > 20
    assert_proof(town, made)


def assert_within(town: Town, member: int, cap_wh: int) -> None:
    rows = town.orders(member)
    fills = {
        one.order_id: one.e_wh
        for row in rows
        for one in town.store.read(lambda c, slot=row.slot: load_fills(c, slot))
    }
    assert sum(fills.get(row.id, 0) for row in rows) == cap_wh
    zone = town.microgrid.district.time_zone
    day = local_day_start(town.slot - SLOT_S, zone)
    spent = town.store.read(lambda c: spent_of_day(c, day, town.slot, []))
    assert spent[town.crowd.account[member]].e_wh == cap_wh


def settled(town: Town) -> set[int]:
    lines = [json.loads(line) for line in export_lines(town.store)]
    rows = [one["message"] for one in lines if one.get("type") == "Settlement"]
    return {int(one["slot"]) for one in rows if one["version"] == "1"}


def assert_proof(town: Town, made: OrderRow) -> None:
    """One order's bundle stands alone; with another instruction's limits it falls."""

    def unit(connection: Any) -> tuple[bytes, bytes]:
        prover = Prover(connection)
        return prover.trust(Witnesses()), prover.entry(made.id)

    trust, bundle = town.store.read(unit)
    report = verifier.verify_bundle(trust, bundle)
    assert report.ok, report.first_failure
    assert json.loads(bundle)["claim"] == "automatic"
    damaged = bundle.replace(b'"claim":"automatic"', b'"claim":"inclusion"')
    assert not verifier.verify_bundle(trust, damaged).ok


def test_a_crash_between_claim_and_publishing_gives_the_same_orders(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = town.free[4]
    town.instruct(buyer)

    def die(*_: Any) -> None:
        raise OSError("power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(cycle, "publish", die)
        with pytest.raises(OSError, match="power is gone"):
            town.run()
    before = [(row.id, row.tag, row.receipt_signature) for row in town.orders(buyer)]
    assert len(before) == 1 and town.orders(buyer)[0].status == "LOCKED"
    town.run()
    after = [(row.id, row.tag, row.receipt_signature) for row in town.orders(buyer)]
    assert after == before and town.orders(buyer)[0].status in ("FILLED", "PARTIAL", "NOT_CLEARED")
    town.run(2)
    report = town.report()
    assert report.ok, report.first_failure


def test_an_order_cancelled_by_hand_leaves_the_slot_to_the_instruction_and_all_is_proven(
    town: Town,
) -> None:
    member = town.free[5]
    signed = town.instruct(member)
    town.run()
    town.cancel(member, town.order(member))
    town.run()
    rows = {
        row.instruction: row.status for row in town.orders(member) if row.slot == town.slot - SLOT_S
    }
    assert rows[None] == "CANCELLED" and rows[signed] != "ACCEPTED"
    report = town.report()
    assert report.ok, report.first_failure


def test_an_automatic_order_that_the_operator_makes_beside_one_by_hand_is_refuted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    with open_installation(settings_of(url), lambda _: FIRST) as place:
        microgrid = start_microgrid(place)
        try:
            here = Town(place, microgrid)
            member = here.free[0]
            here.instruct(member)
            here.run()
            here.order(member)
            monkeypatch.setattr(automatic, "live_orderers", lambda *_: frozenset())
            here.run()
            assert len(here.orders(member)) == 2
        finally:
            microgrid.close()
        found = here.report().first_failure
        assert found is not None and "beside an order by hand" in found.message, found


def test_after_an_erasure_nothing_is_ordered_of_what_was_signed_and_all_is_proven(
    town: Town,
) -> None:
    member, other = town.free[6:8]
    signed, _ = town.instruct(member), town.instruct(other)
    town.run(2)
    account, district = town.crowd.account[member], town.microgrid.district
    before = town.orders(member)
    assert before and before[-1].slot == town.slot - SLOT_S
    found = town.store.write(lambda c: forget_account(c, district, account, int(town.slot)))
    assert found.instructions == 1
    assert again(town, member).instructions == 0, "an instruction is halted once"
    for one in town.store.read(lambda c: list(automatic_slots(c))):
        assert account not in one.columns["account"].tobytes()
    town.run(2)
    assert town.orders(member) == before and town.orders(other)[-1].slot == town.slot - SLOT_S
    (row,) = town.store.read(lambda c: instructions_of(c, account))
    assert row.halted_slot == town.slot - 2 * SLOT_S and row.ended_slot is None
    document = town.store.read(
        lambda c: instructions_document(c, account, Moment(town.slot, district.time_zone))
    )
    assert (document["items"][0]["state"], document["today"], document["last"]) == (
        "HALTED", None, None,
    )  # fmt: skip
    # What a household signs anew holds; the day's caps count what the books have of it.
    used = used_today(town, member)
    assert used > 0
    town.instruct(member, replaces=signed, day_cap_wh=used)
    town.run()
    assert town.why(member) == Why.DAY_CAP_WH and town.orders(member) == before
    town.run(2)
    report = town.report()
    assert report.ok, report.first_failure


def again(town: Town, member: int) -> Forgotten:
    account, district = town.crowd.account[member], town.microgrid.district
    return town.store.write(lambda c: forget_account(c, district, account, int(town.slot)))


def used_today(town: Town, member: int) -> int:
    zone, found = town.microgrid.district.time_zone, 0
    for row in town.orders(member):
        if local_day_start(row.slot, zone) == local_day_start(town.slot, zone):
            fills = town.store.read(lambda c, slot=row.slot: load_fills(c, slot))
            found += sum(one.e_wh for one in fills if one.order_id == row.id)
    return found


def test_what_slots_did_is_forgotten_a_day_later_also_where_nothing_runs_any_more(
    hall: Town,
) -> None:
    columns = {"account": np.zeros((1, 32), dtype=np.uint8), "spent_wh": np.ones(1)}
    slots = [hall.slot + n * SLOT_S for n in range(3)]
    books, district = hall.installation.books, hall.installation.district

    def unit(connection: Any) -> list[int]:
        for slot in slots:
            save_automatic_slot(connection, slot, slots[0], columns)
        gate = slots[1] + 96 * SLOT_S
        rules = books.rules.at(gate)
        automatic.make_automatic_orders(
            connection, district, books, automatic.Gate(gate, gate - 300, gate - 300.0, rules)
        )
        return [one.slot for one in automatic_slots(connection)]

    assert hall.store.write(unit) == slots[2:]


Change = Callable[[Town, int], dict[str, Any]]
REFUSED: list[tuple[str, Change, str]] = [
    ("a past slot", lambda town, _: {"first_slot": town.slot - SLOT_S}, "BACK_DATED"),
    ("a second one", lambda town, _: {"first_slot": town.slot + SLOT_S}, "INSTRUCTION_OVERLAP"),
    ("unknown place", lambda town, _: {"replaces": b"\x01" * 32}, "UNKNOWN_REPLACED"),
    ("other rules", lambda town, _: {"rules_version": 9}, "STALE_RULES"),
    ("off the tick", lambda town, _: {"sell_from_mkrw_per_kwh": 10_050}, "PRICE_TICK"),
]


def test_a_desk_answers_again_refuses_by_name_and_lets_one_take_anothers_place(
    hall: Town,
) -> None:
    member, other = hall.free[:2]
    base: dict[str, Any] = {
        "sides": 1, "sell_from_mkrw_per_kwh": 0, "buy_up_to_mkrw_per_kwh": 200_000,
        "day_cap_wh": 1_000, "day_cap_ukrw": 10**9, "first_slot": hall.slot,
        "end_slot": hall.slot + 8 * SLOT_S, "rules_version": 1, "replaces": bytes(32),
    }  # fmt: skip
    text = hall.signed("StandingInstruction", member, **base)
    first, again = hall.admit(text), hall.admit(text)
    assert first.is_new and not again.is_new and first.receipt == again.receipt
    for name, change, code in REFUSED:
        changes = base | {"sides": 3, "sell_from_mkrw_per_kwh": 10_000} | change(hall, member)
        answer = hall.admit(hall.signed("StandingInstruction", member, **changes))
        assert answer.refusal is not None and answer.refusal.code == code, name
    hall.nonce -= len(REFUSED) + 1
    twice = hall.admit(hall.signed("StandingInstruction", member, **base | {"day_cap_wh": 7}))
    assert twice.refusal is not None and twice.refusal.code == "NONCE_CONFLICT"
    hall.nonce += len(REFUSED)
    assert first.id is not None
    stranger = hall.stop(other, first.id, hall.slot)
    assert stranger.refusal is not None and stranger.refusal.code == "UNKNOWN_INSTRUCTION"
    later = {"first_slot": hall.slot + 4 * SLOT_S, "replaces": first.id}
    assert hall.admit(hall.signed("StandingInstruction", member, **base | later)).is_new
    gone = hall.stop(member, first.id, hall.slot + 4 * SLOT_S)
    assert gone.refusal is not None and gone.refusal.code == "UNKNOWN_INSTRUCTION"


def test_orders_written_at_once_are_read_back_as_they_were(hall: Town) -> None:
    high = 2**64 - 1
    row = OrderRow(
        id=b"\x01" * 32, account=b"\x02" * 32, zone=1, slot=hall.slot, side=2, e_wh=5,
        price_mkrw_per_kwh=-7, label=0, premium_mkrw_per_kwh=0, expires=hall.slot,
        replaces=bytes(32), rules_version=1, nonce=high, signer=b"\x03" * 20, signature=b"",
        salt=b"\x04" * 32, tag=b"\x05" * 32, received_utc=1, sealed_by=hall.slot,
        receipt_signature=b"\x06" * 65, status="ACCEPTED", instruction=b"\x07" * 32, day=hall.slot,
    )  # fmt: skip
    other = replace(row, id=b"\x08" * 32, account=b"\x09" * 32, nonce=3)
    hall.store.write(lambda c: save_orders(c, [row, other]))
    assert hall.store.read(lambda c: find_order(c, row.id)) == row
    assert hall.store.read(lambda c: find_order(c, other.id)) == other
