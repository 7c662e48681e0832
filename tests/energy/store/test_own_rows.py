"""Rows of one account alone come out of its tables, on both databases, without what is secret."""

import numpy as np
import pytest
from sqlalchemy import Connection, insert

from energy.store import own_rows
from energy.store.engine import Store
from energy.store.homes import save_home_day
from energy.store.instructions import automatic_slots, forget_automatic, save_automatic_slot
from energy.store.people_tables import invitation, kept_key, person, sign_in_guess
from energy.store.request_keys import KeptAnswer, keep_answer
from energy.store.schema import order_conflict

ME, OTHER = b"\xaa" * 32, b"\xbb" * 32
SLOT = 1_785_504_600


def fill(connection: Connection) -> None:
    for number, who in enumerate((ME, OTHER), start=1):
        name = f"person-{number}"
        row = {"name": name, "role": "prosumer", "password": "p", "code_seed": b"s", "code_step": 0}
        connection.execute(insert(person).values(**row, created_s=1, account=who))
        row = {
            "hash": bytes([number]) * 32,
            "name": name,
            "made_by": "lee",
            "made_s": 1,
            "ends_s": 2,
        }
        connection.execute(insert(invitation).values(**row, account=who))
        row = {"address": bytes([number]) * 20, "made_s": 1, "seal": "s", "body": "b"}
        connection.execute(insert(kept_key).values(**row, account=who))
        row = {"id": bytes([number]) * 32, "nonce": 2**64 - 1, "envelope": b"{}"}
        connection.execute(insert(order_conflict).values(**row, account=who, received_utc=1))
        for subject in (f"code {name}", f"name {name}", f"name {name} from 203.0.113.7"):
            guess = {"subject": subject, "left_over": 1.0, "at_s": 1.0}
            connection.execute(insert(sign_in_guess).values(**guess))
        for caller in (f"account 0x{who.hex()}", f"person {name}"):
            keep_answer(connection, KeptAnswer(caller, "POST /x", "key-1234", bytes(32), b"[1]", 1))
    columns = {
        "account": np.frombuffer(ME + OTHER, dtype=np.uint8).reshape(-1, 32),
        "e_wh": np.array([5, 7]),
    }
    for slot in (SLOT, SLOT + 900):
        save_automatic_slot(connection, slot, SLOT, columns)
    means = {"mean_kw": np.array([1.0, 2.0]), "off_p80": np.array([3.0, np.nan])}
    save_home_day(connection, SLOT, SLOT + 900, means)


@pytest.fixture
def filled(store: Store) -> Store:
    store.write(fill)
    return store


def test_tables_that_name_an_account_give_its_rows_without_secrets(filled: Store) -> None:
    for section in ("people", "invitations", "kept_keys", "conflicts"):
        (row,) = filled.read(lambda c, section=section: own_rows.named_rows(c, section, ME))
        assert row["account"] == ME
        assert not row.keys() & {"password", "code_seed", "hash", "seal", "body"}
    for section in own_rows.NAMED.keys() - {"people", "invitations", "kept_keys", "conflicts"}:
        assert filled.read(lambda c, section=section: own_rows.named_rows(c, section, ME)) == []
    assert len(filled.read(lambda c: own_rows.answers_of(c, ME))) == 2
    assert [one["subject"] for one in filled.read(lambda c: own_rows.guesses_of(c, ME))] == [
        "code person-1",
        "name person-1",
        "name person-1 from 203.0.113.7",
    ]


def test_packed_columns_give_the_rows_of_the_account_with_their_slots(filled: Store) -> None:
    found = filled.read(lambda c: list(own_rows.automatic_of(c, ME)))
    assert found == [{"slot": slot, "day": SLOT, "e_wh": 5} for slot in (SLOT, SLOT + 900)]
    (day,) = filled.read(lambda c: own_rows.days_of_meter(c, 0))
    assert day == {"first_slot": SLOT, "last_slot": SLOT + 900, "mean_kw": 1.0, "off_p80": 3.0}
    for read in (own_rows.baselines_of, own_rows.results_of):
        assert filled.read(lambda c, read=read: list(read(c, ME))) == []


def test_what_an_account_has_not_is_nothing(filled: Store) -> None:
    assert filled.read(lambda c: own_rows.number_of(c, ME)) is None
    assert filled.read(lambda c: own_rows.transfers_of(c, 1, (-1, -1))) == []
    assert filled.read(lambda c: own_rows.deliveries_of(c, ME)) == []
    assert filled.read(lambda c: own_rows.erasures_of(c, 1)) == []
    ticks = filled.read(own_rows.ticks_with_readings)
    assert filled.read(lambda c: list(own_rows.signed_of(c, 1, ticks))) == []


def test_forgetting_takes_the_account_out_of_the_slots_before_a_moment_alone(filled: Store) -> None:
    filled.write(lambda c: forget_automatic(c, ME, SLOT + 900))
    filled.write(lambda c: own_rows.forget_invitations(c, ME))
    left = [one.columns["e_wh"].tolist() for one in filled.read(lambda c: list(automatic_slots(c)))]
    assert left == [[7], [5, 7]]
    assert filled.read(lambda c: own_rows.named_rows(c, "invitations", ME)) == []
    assert len(filled.read(lambda c: own_rows.named_rows(c, "invitations", OTHER))) == 1
