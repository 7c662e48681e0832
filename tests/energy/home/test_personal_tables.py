"""Whatever the store holds of a person is told in their file, and goes with an erasure or says why.

Every table has a verdict (`energy/steps/personal.py`). Here it meets the rows of a district that
has run: no table that is said to hold nothing of a person may name one, and where one is named the
file must have the section that is said to tell it.
"""

import json
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, insert, select

from energy.steps.own_data import sections_of
from energy.steps.personal import TABLES, Goes
from energy.store.cars import CarWish, add_wish
from energy.store.contract_tables import contract, contract_delivery, contract_end
from energy.store.errors import StoreError
from energy.store.homes import save_home_day
from energy.store.identities import Identity, set_identity
from energy.store.meter_feeds import Told, put_in
from energy.store.meter_tables import meter_feed
from energy.store.packing import unpack_arrays
from energy.store.people_tables import invitation, kept_key, person, service_token, session
from energy.store.request_keys import KeptAnswer, keep_answer
from energy.store.schema import METADATA, late_reading, order_conflict
from energy.units import SLOT_S

KIM = Identity("Kim Haneul", "12 Hannuri-daero, Sejong", "+82 44 000 1234", "METER-7730012")
LOGIN = "haneul.kim"
ELSEWHERE = {"orders"}
"""Sections that the route adds to those of the step."""


def test_every_table_has_a_verdict_and_every_verdict_a_table_and_a_section(full: Any) -> None:
    assert set(TABLES) == set(METADATA.tables)
    store, district = full.microgrid.store, full.microgrid.district
    sections = {*sections_of(store, district, full.account, 0.0), *ELSEWHERE, "what_is_kept"}
    told = {one.told for one in TABLES.values() if one.told}
    assert told <= sections and sections - told == {"what_is_kept"}
    assert all(one.why for one in TABLES.values())
    for name, one in TABLES.items():
        assert not (one.told and one.goes == Goes.NOTHING), name


def columns_of_persons() -> dict[str, set[str]]:
    """Columns that by their names are of an account, a household or a meter."""
    words = {"account", "seller", "buyer", "whose", "caller", "meter", "debit", "credit", "subject"}
    found = {
        name: words & {column.name for column in table.columns}
        for name, table in METADATA.tables.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def test_a_table_with_a_column_of_an_account_is_told_or_says_why_not() -> None:
    of_persons = columns_of_persons()
    assert len(of_persons) > 15
    silent = {name for name in of_persons if not TABLES[name].told}
    assert silent == {"erased_state", "erased_sum"}, "kept by number, of which nothing is read"


@pytest.fixture(scope="module")
def full(neighbourhood: Any) -> Any:
    """A resident of whom there is a row in every table that can hold one."""
    here = neighbourhood
    here.call_event()
    here.instruct(here.resident)
    for number in range(2):
        assert here.order(here.resident, nonce=number + 1).status == 201
        here.run()
    here.run(3)
    here.microgrid.store.write(lambda c: fill_up(c, here))
    return here


def fill_up(connection: Connection, here: Any) -> None:
    """Rows of the resident that a short run does not bring about."""
    who, slot = here.account, here.slot
    meters = here.microgrid.district.meters.account
    other = next(one for one in here.everybody.account if one != who)
    set_identity(connection, who, KIM)
    add_wish(connection, CarWish(who, 1, slot, slot + SLOT_S, 80, None, False, 1, "test"))
    day = {name: np.full(len(meters), 1.5) for name in ("mean_kw", "off_p80")}
    save_home_day(connection, slot, slot, day)
    callers = (f"account 0x{who.hex()}", f"person {LOGIN}")
    for caller in callers:
        kept = KeptAnswer(
            caller, "POST /v1/me/car", "leave-at-seven", b"\1" * 32, b'{"a":1}', 2**40
        )
        keep_answer(connection, kept)
    rows = [
        (order_conflict, {"id": b"\5" * 32, "nonce": 7, "envelope": b"{}", "received_utc": slot}),
        (kept_key, {"address": b"\6" * 20, "made_s": 1, "seal": "s", "body": "sealed-secret"}),
        (
            invitation,
            {"hash": b"\7" * 32, "name": LOGIN, "made_by": "lee", "made_s": 1, "ends_s": 9},
        ),
        (
            person,
            {"name": LOGIN, "role": "prosumer", "password": "stretched-secret", "code_step": 0,
             "code_seed": b"seed-of-codes", "created_s": 1},
        ),
        (
            service_token,
            {"name": "heat-pump", "hash": b"\2" * 32, "role": "device", "scopes": [],
             "created_s": 1, "ends_s": 2**40},
        ),
        (meter_feed, {"device": "meter-117", "from_slot": slot + 90 * 96 * SLOT_S}),
    ]  # fmt: skip
    for table, row in rows:
        connection.execute(insert(table).values(account=who, **row))
    guest = {"id": b"\3" * 32, "person": LOGIN, "begun_s": 1, "seen_s": 1, "ends_s": 2**40}
    connection.execute(insert(session).values(**guest, origin="10.0.0.7"))
    place = meters.index(who)
    far = slot + 90 * 96 * SLOT_S
    put_in(connection, [(far, place, Told(1, 0, 1, 0))])
    late = dict.fromkeys(("import_wh", "export_wh", "import_register_wh", "export_register_wh"), 1)
    # Long ago and far ahead, where the loop does not look.
    then, later = slot - 40 * 96 * SLOT_S, slot + 90 * 96 * SLOT_S
    late |= {"slot": then, "meter": place, "revision": 1, "tick": then, "quality": 1}
    connection.execute(insert(late_reading).values(**late))
    number = 1 + max(connection.scalars(select(contract.c.no)), default=-1)
    terms = {"no": number, "id": b"\4" * 32, "seller": who, "buyer": other, "kind": 3}
    terms |= {"first_slot": later, "end_slot": later + SLOT_S, "cap_wh": 1, "share_ppm": 1}
    terms |= {"price_mkrw_per_kwh": 1, "rank": 1, "terms": bytes(32), "signed_utc": 1}
    connection.execute(insert(contract).values(**terms))
    end = {"contract": number, "account": who, "slot": later, "digest": b"\x08" * 32}
    connection.execute(insert(contract_end).values(**end))
    names = ("e_wh", "taken_wh", "surplus_wh", "stranded_wh", "produced_wh")
    delivery = {"contract": number, "slot": later, "version": 1, **dict.fromkeys(names, 1)}
    connection.execute(insert(contract_delivery).values(**delivery))


def naming(connection: Connection, who: bytes) -> set[str]:
    """The tables with a row that has the account in it, in the open or within packed columns."""

    def has(value: Any) -> bool:
        if isinstance(value, bytes):
            if who in value or who.hex().encode() in value:
                return True
            try:
                arrays = unpack_arrays(value)
            except StoreError:
                return False
            return any(who in each.tobytes() for each in arrays.values())
        return who.hex() in json.dumps(value, default=str)

    return {
        name
        for name, table in METADATA.tables.items()
        if any(has(value) for row in connection.execute(select(table)) for value in row)
    }


NEEDS_MORE = {"erasures", "guesses", "event_answers", "event_results", "statements", "car_now"}
"""Sections that need months, a car at the point or a whole event; the others must have rows."""


def exported(here: Any) -> dict[str, Any]:
    cookies = here.sign_in(here.resident)
    found: dict[str, Any] = here.ask("/v1/me/export", cookies=cookies).document
    return found


def test_what_names_a_person_in_the_store_is_told_in_their_file(full: Any) -> None:
    tables = full.microgrid.store.read(lambda c: naming(c, full.account))
    assert {"market_order", "automatic_slot", "dr_baseline", "request_key", "kept_key"} <= tables
    silent = {name for name in tables if TABLES[name].goes == Goes.NOTHING}
    assert silent == set(), "tables that are said to hold nothing of a person"
    document = exported(full)
    empty = {name for name, rows in document.items() if not rows}
    assert empty <= NEEDS_MORE, empty
    kept = {one["table"]: one for one in document["what_is_kept"]}
    for name in tables:
        assert kept[name]["told_in"] in document, name


def test_the_file_says_when_and_never_a_secret(full: Any) -> None:
    document = exported(full)
    (day,) = document["means_of_days"]
    assert day == {
        "first_slot": full.slot, "last_slot": full.slot, "mean_kw": 1.5, "off_p80": 1.5,
    }  # fmt: skip
    assert [one["body"] for one in document["answers"]] == [{"a": 1}, {"a": 1}]
    (base,) = document["event_baselines"]
    assert set(base) == {"event", "made_utc", "net_wh", "days"} and len(base["net_wh"]) > 0
    slots = [one["slot"] for one in document["automatic_trading"]]
    assert slots == sorted(slots) and len(slots) >= 4
    assert document["people"][0]["name"] == LOGIN
    text = json.dumps(document)
    for secret in ("stretched-secret", b"seed-of-codes".hex(), "sealed-secret", (b"\7" * 32).hex()):
        assert secret not in text
    signed = {one["slot"] for one in document["signed_readings"]}
    assert signed and signed <= {one["slot"] for one in document["readings"]}
    number = document["book_account"][0]["no"]
    assert all(number in (one["debit"], one["credit"]) for one in document["transfers"])


def test_an_erasure_leaves_no_row_of_what_goes_at_once(full: Any) -> None:
    at_once = {name for name, one in TABLES.items() if one.goes == Goes.AT_ONCE}
    store, district = full.microgrid.store, full.microgrid.district
    body = json.dumps({"confirm": f"0x{full.account.hex()}"[:10]}).encode()
    key, cookies = {"Idempotency-Key": "erase-all-of-me"}, full.sign_in(full.resident)
    assert full.ask("/v1/me/erase", body, cookies, key).status == 200
    left = store.read(lambda c: naming(c, full.account)) & at_once
    # The answer to the erasure itself is kept for two days, so that asking again has one effect.
    assert left == {"request_key"}
    sections = sections_of(store, district, full.account, 0.0)
    rows = {name: list(sections[name]()) for name in ("answers", "means_of_days", "sign_ins")}
    assert [one["route"] for one in rows["answers"]] == ["POST /v1/me/erase"]
    assert [one["mean_kw"] == one["mean_kw"] for one in rows["means_of_days"]] == [False]
    assert [one["kind"] for one in rows["sign_ins"]] == ["token"]
    assert rows["sign_ins"][0]["disabled_s"] is not None
    full.run()
    assert "automatic_slot" not in store.read(lambda c: naming(c, full.account))
