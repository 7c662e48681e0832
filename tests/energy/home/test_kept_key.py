"""A resident without a wallet: the company signs, in the resident's own session and never else."""

import base64
import itertools
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from energy.cli import run
from energy.steps.credentials import code_at, hash_secret, new_secret, new_seed
from energy.steps.kept_keys import OWN_ROLES
from energy.steps.keystore import KEPT, TRADE
from energy.steps.proving import verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.accounts import load_keys
from energy.store.audit import list_records
from energy.store.kept_keys import kept_keys_of, live_key_of
from energy.store.people import (
    Person,
    ServiceToken,
    add_person,
    add_token,
    disable_person,
    find_person,
)
from energy.store.sessions import NewSession, begin_session
from energy.units import SLOT_S
from market.messages import message_as_json, sign_message
from market.signing import address_of, derive_key, digest, sign
from market.verifier import verify_bundle

PASSWORD = "correct horse battery staple"
NUMBERS = itertools.count(1)
OWN = derive_key("a wallet of the resident's own")
Cookies = dict[str, str]


@dataclass
class Resident:
    """Somebody of a household of which nobody has a wallet."""

    here: Any
    meter: int
    name: str
    seed: bytes = b""
    cookies: Cookies = field(default_factory=dict)

    @property
    def account(self) -> bytes:
        found: bytes = self.here.microgrid.district.meters.account[self.meter]
        return found

    @property
    def zone(self) -> int:
        return int(self.here.microgrid.district.zone_of_meter[self.meter])

    def code(self) -> str:
        return code_at(self.seed, int(self.here.wall.at_s) // 30)

    def post(self, path: str, document: Any, cookies: Cookies | None = None) -> Any:
        body = json.dumps(document).encode()
        return self.here.ask(path, body, self.cookies if cookies is None else cookies)

    def sign_in(self) -> None:
        self.here.wall.at_s += 30
        fields = {"name": self.name, "password": PASSWORD, "code": self.code()}
        heard = self.post("/v1/session/password", fields, {})
        assert (heard.status, heard.document["role"]) == (200, "prosumer"), heard
        self.cookies = heard.cookies

    def act(self, path: str, cookies: Cookies | None = None, **message: Any) -> Any:
        """What is heard of a message for the company to sign; integers as decimal texts."""
        plain = {"account": self.account, "nonce": next(NUMBERS), **message}
        wire = {k: f"0x{v.hex()}" if isinstance(v, bytes) else str(v) for k, v in plain.items()}
        return self.post(f"/v1/me/signed/{path}", wire, cookies)

    def order(self, cookies: Cookies | None = None, **changes: Any) -> Any:
        slot = self.here.slot
        message = {
            "zone": self.zone, "slot": slot, "side": 1, "e_wh": 100,
            "price_mkrw_per_kwh": 400_000, "label": 0, "premium_mkrw_per_kwh": 0,
            "expires": slot - 300, "replaces": bytes(32), "rules_version": 1, **changes,
        }  # fmt: skip
        return self.act("orders", cookies, **message)

    def instruct(self) -> Any:
        slot = self.here.slot
        return self.act(
            "instructions", sides=1, sell_from_mkrw_per_kwh=0, buy_up_to_mkrw_per_kwh=200_000,
            day_cap_wh=5_000, day_cap_ukrw=10**9, first_slot=slot, end_slot=slot + 96 * SLOT_S,
            rules_version=1, replaces=bytes(32),
        )  # fmt: skip

    def hand_over(self, key: bytes = OWN, by: bytes = OWN, **changes: Any) -> Any:
        message = {
            "account": self.account, "key": address_of(key), "roles": OWN_ROLES,
            "from_slot": self.here.slot, "nonce": next(NUMBERS), **changes,
        }  # fmt: skip
        signed = sign(by, digest(self.here.microgrid.books.domain, "KeyRegister", message))
        wire = message_as_json("KeyRegister", message)
        body = {"message": wire, "signature": f"0x{signed.hex()}"}
        return self.post("/v1/me/key/hand-over", body)

    def tasks(self) -> list[str]:
        """What the audit log says of this household, newest first."""
        named = f"account 0x{self.account.hex()}"
        records = self.here.microgrid.store.read(lambda c: list_records(c, limit=10_000))
        return [one.record.task for one in records if one.record.whose == named]


def staff(here: Any, role: str) -> Cookies:
    """The cookies of somebody of the staff."""
    who = Person(f"{role[:3]}-{next(NUMBERS)}", role, "", new_seed(), 0, 0)
    secret = new_secret()

    def unit(connection: Any) -> None:
        add_person(connection, who)
        new = NewSession(hash_secret(secret), int(here.wall.at_s), "127.0.0.1", who.name)
        begin_session(connection, new)

    here.microgrid.store.write(unit)
    return {"microgrid": secret}


def token(here: Any, role: str, account: bytes | None = None) -> dict[str, str]:
    """The header of a token with every scope there is."""
    secret, now_s = new_secret(), int(here.wall.at_s)
    scopes = ("household:read", "household:act", "operate", "market:read")
    name = f"token-{next(NUMBERS)}"
    made = ServiceToken(name, hash_secret(secret), role, scopes, account, now_s, now_s + 3600)
    here.microgrid.store.write(lambda c: add_token(c, made))
    return {"Authorization": f"Bearer {secret}"}


def invite(here: Any, who: Resident, cookies: Cookies | None = None, **more: Any) -> Any:
    body = {"name": who.name, "account": f"0x{who.account.hex()}", **more}
    by = staff(here, "operator") if cookies is None else cookies
    return who.post("/v1/people/invitations", body, by)


def take_up(who: Resident, invitation: str) -> Any:
    fields = {"invitation": invitation, "password": PASSWORD}
    return who.post("/v1/session/invitation", fields, {})


def stranger(here: Any, name: str) -> Resident:
    """Somebody of a household for which nobody acts yet."""
    meters = here.microgrid.district.meters
    taken, store = {one.meter for one in RESIDENTS}, here.microgrid.store
    # Who does not trade may have a key of their own for contracts.
    row = next(
        row
        for row, account in enumerate(meters.account)
        if row not in taken and not store.read(lambda c, of=account: load_keys(c, of))
    )
    who = Resident(here, row, f"{name}-{next(NUMBERS)}")
    RESIDENTS.append(who)
    return who


def new_resident(here: Any) -> Resident:
    """A resident of a household without a wallet, invited, taken up and signed in."""
    who = stranger(here, "kim")
    found = take_up(who, invite(here, who).document["invitation"])
    begin(who, found)
    return who


def begin(who: Resident, found: Any) -> None:
    """Sign in as the one who has just taken up an invitation."""
    assert found.status == 200, found
    secret = parse_qs(urlsplit(found.document["otpauth"]).query)["secret"][0]
    who.seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    who.sign_in()


RESIDENTS: list[Resident] = []


@pytest.fixture
def kim(neighbourhood: Any) -> Resident:
    return new_resident(neighbourhood)


def verified(here: Any) -> dict[str, int]:
    """How often each check of the books has passed."""
    report = verify_store(here.microgrid.store, 0)
    assert report.ok, report.first_failure
    found: dict[str, int] = report.checks
    return found


def test_an_order_is_signed_for_the_resident_cleared_and_proven_and_says_by_whom(
    kim: Resident, neighbourhood: Any
) -> None:
    here, store = neighbourhood, neighbourhood.microgrid.store
    session = here.ask("/v1/session", cookies=kim.cookies).document
    row = store.read(lambda c: live_key_of(c, kim.account))
    assert session["kept_key"]["address"] == f"0x{row.address.hex()}"
    assert session["account"] == f"0x{kim.account.hex()}"
    keys = store.read(lambda c: load_keys(c, kim.account))
    assert [one.roles for one in keys if one.address == row.address] == [TRADE | KEPT]
    first = kim.order(nonce=77)
    assert (first.status, first.document["signed_by"]) == (201, "kept_key"), first
    again = kim.order(nonce=77)
    assert (again.status, again.document) == (200, first.document), "the same is no second one"
    id_ = first.document["order_id"]
    assert kim.tasks().count(f"sign Order {id_} on behalf of {kim.name} with the kept key") == 2
    here.run(3)
    order = here.ask(f"/v1/orders/{id_}", cookies=kim.cookies).document
    assert order["signed_by"] == "kept_key" and order["status"] in ("FILLED", "PARTIAL")
    own = here.ask("/v1/me/orders", cookies=kim.cookies).document["items"]
    assert [one["signed_by"] for one in own] == ["kept_key"]
    assert verified(here)["signed with a kept key"] == 1
    trust, bundle = store.read(
        lambda c: (Prover(c).trust(Witnesses()), Prover(c).entry(bytes.fromhex(id_[2:])))
    )
    assert verify_bundle(trust, bundle).ok
    # A neighbour with a wallet signs alone, and the same door says so.
    assert here.order(here.resident, nonce=8_000_000 + next(NUMBERS)).status == 201
    other = here.ask("/v1/me/orders", cookies=here.sign_in(here.resident)).document["items"]
    assert other[0]["signed_by"] == "own_key"


def test_an_order_is_cancelled_and_automatic_trading_stopped_by_the_kept_key(
    kim: Resident, neighbourhood: Any
) -> None:
    id_ = bytes.fromhex(kim.order().document["order_id"][2:])
    heard = kim.act("orders/cancel", slot=neighbourhood.slot, order_id=id_)
    assert (heard.status, heard.document["signed_by"]) == (201, "kept_key")
    instruction = kim.instruct()
    assert instruction.status == 201, instruction
    running = neighbourhood.ask("/v1/me/instructions", cookies=kim.cookies).document["items"]
    assert [one["signed_by"] for one in running] == ["kept_key"]
    neighbourhood.run(2)
    last = neighbourhood.ask("/v1/me/instructions", cookies=kim.cookies).document["last"]
    assert last["why"] != "KEY_ENDED"
    id_ = bytes.fromhex(instruction.document["id"][2:])
    assert kim.act("instructions/stop", slot=neighbourhood.slot, order_id=id_).status == 201
    neighbourhood.run()
    verified(neighbourhood)


def test_nobody_else_may_use_the_key(kim: Resident, neighbourhood: Any) -> None:
    here = neighbourhood
    lee = new_resident(here)
    named = f"?account=0x{kim.account.hex()}"
    disabled = new_resident(here)
    here.microgrid.store.write(lambda c: disable_person(c, disabled.name, 1))
    # The household's own wallet is another session: it signs for itself.
    member = Resident(here, int(here.everybody.meter[here.resident]), "member")
    callers: dict[str, tuple[Cookies, dict[str, str], int]] = {
        "anonymous": ({}, {}, 401),
        "operator": (staff(here, "operator"), {}, 403),
        "auditor": (staff(here, "auditor"), {}, 403),
        "network owner": (staff(here, "network_owner"), {}, 403),
        "service": ({}, token(here, "operator"), 403),
        "own device": ({}, token(here, "device", kim.account), 403),
        "neighbour with a kept key": (lee.cookies, {}, 404),
        "neighbour with a wallet": (here.sign_in(here.resident), {}, 404),
        "disabled": (disabled.cookies, {}, 401),
        "cookie from another site": (kim.cookies, {"Origin": "https://evil.example"}, 403),
    }
    slot = here.slot
    bodies = {
        "/v1/me/signed/orders": {"slot": slot}, "/v1/me/signed/orders/cancel": {"slot": slot},
        "/v1/me/signed/instructions": {}, "/v1/me/signed/instructions/stop": {},
        "/v1/me/signed/dr/commits": {}, "/v1/session/code": {"code": kim.code()},
        "/v1/me/key/renew": {},
        "/v1/me/key/hand-over": {"message": {}, "signature": f"0x{'0' * 130}"},
    }  # fmt: skip
    before = (kim.tasks(), here.microgrid.store.read(lambda c: live_key_of(c, kim.account)))
    for path, fields in bodies.items():
        body = json.dumps({"account": f"0x{kim.account.hex()}", **fields}).encode()
        for who, (cookies, headers, status) in callers.items():
            heard = here.ask(path + named, body, cookies, headers)
            assert heard.status == status, (path, who, heard)
    # Somebody else's account in the message, in one's own session.
    for who in (lee, kim):
        theirs = kim if who is lee else lee
        assert who.order(account=theirs.account).status == 404
    own = here.ask("/v1/me/signed/orders", b"{}", here.sign_in(here.resident))
    assert (own.status, own.document["code"]) == (409, "NO_KEPT_KEY"), member
    after = (kim.tasks(), here.microgrid.store.read(lambda c: live_key_of(c, kim.account)))
    assert after == before
    # The canary: the same order by the resident is signed.
    assert kim.order().status == 201


def test_what_lasts_wants_a_fresh_code_that_was_not_used(kim: Resident, neighbourhood: Any) -> None:
    here = neighbourhood
    assert kim.post("/v1/session/code", {"code": kim.code()}).status == 401, "it has signed in"
    here.wall.at_s += 301
    refused = kim.instruct()
    assert (refused.status, refused.document["code"]) == (403, "CODE_NEEDED")
    for path in ("/v1/me/key/renew",):
        assert kim.post(path, {}).document["code"] == "CODE_NEEDED"
    assert kim.hand_over().document["code"] == "CODE_NEEDED"
    assert kim.order().status == 201, "an order of the moment wants none"
    wrong = f"{(int(kim.code()) + 1) % 10**6:06}"
    assert kim.post("/v1/session/code", {"code": wrong}).status == 401
    shown = kim.post("/v1/session/code", {"code": kim.code()})
    assert shown.status == 200, shown
    assert kim.post("/v1/session/code", {"code": kim.code()}).status == 401
    assert kim.instruct().status == 201
    assert kim.tasks().count(f"code of {kim.name} refused") == 3
    statuses = [kim.post("/v1/session/code", {"code": wrong}).status for _ in range(20)]
    assert statuses.index(429) < 12 and set(statuses[statuses.index(429) :]) == {429}


def test_a_wallet_takes_the_key_s_place_from_the_next_slot_on(
    kim: Resident, neighbourhood: Any
) -> None:
    here, store = neighbourhood, neighbourhood.microgrid.store
    old = store.read(lambda c: live_key_of(c, kim.account))
    assert kim.hand_over(by=derive_key("a stranger")).document["code"] == "BAD_SIGNATURE"
    assert kim.hand_over(roles=64).document["field"] == "roles"
    assert kim.hand_over(from_slot=here.slot - SLOT_S).document["code"] == "BACK_DATED"
    assert store.read(lambda c: live_key_of(c, kim.account)) == old, "a refusal changes nothing"
    assert kim.hand_over().document["code"] == "KEY_CHANGE_WAITS", "it is but of this tick"
    here.run()
    heard = kim.hand_over()
    assert heard.status == 200, heard
    assert heard.document["address"] == f"0x{address_of(OWN).hex()}"
    (gone,) = store.read(lambda c: kept_keys_of(c, kim.account))
    assert (gone.address, gone.body) == (old.address, None)
    keys = {one.address: one for one in store.read(lambda c: load_keys(c, kim.account))}
    assert keys[old.address].end_slot == keys[address_of(OWN)].from_slot == here.slot
    assert keys[address_of(OWN)].roles == OWN_ROLES, "nobody says of it that it is kept"
    assert kim.order().document["code"] == "NO_KEPT_KEY"
    assert here.ask("/v1/session", cookies=kim.cookies).document["kept_key"] is None
    told = f"hand over kept key 0x{old.address.hex()} to 0x{address_of(OWN).hex()}; it is destroyed"
    assert told in kim.tasks()
    by_wallet = {**order_of(kim), "account": kim.account}
    assert post_signed(here, by_wallet).status == 201
    here.run(2)
    verified(here)


def order_of(who: Resident) -> dict[str, Any]:
    slot = who.here.slot
    return {
        "zone": who.zone, "slot": slot, "side": 1, "e_wh": 100, "price_mkrw_per_kwh": 400_000,
        "label": 0, "premium_mkrw_per_kwh": 0, "expires": slot - 300, "replaces": bytes(32),
        "rules_version": 1, "nonce": next(NUMBERS),
    }  # fmt: skip


def post_signed(here: Any, message: dict[str, Any]) -> Any:
    return here.ask("/v1/orders", sign_message(here.microgrid.books.domain, "Order", message, OWN))


def test_a_renewed_key_signs_and_the_one_before_is_gone(kim: Resident, neighbourhood: Any) -> None:
    here, store = neighbourhood, neighbourhood.microgrid.store
    here.run()
    assert kim.post("/v1/me/key/renew", {}).status == 200
    first, second = store.read(lambda c: kept_keys_of(c, kim.account))
    assert {first.body is None, second.body is None} == {True, False}
    assert kim.order().status == 201
    keys = store.read(lambda c: load_keys(c, kim.account))
    roles = {one.roles for one in keys if one.address in (first.address, second.address)}
    assert roles == {TRADE | KEPT}, "the log says of the new one too that it is kept"
    here.run(2)
    verified(here)


def test_a_key_is_not_renewed_in_the_tick_of_what_it_has_signed(neighbourhood: Any) -> None:
    here = neighbourhood
    kim = new_resident(here)
    here.run()
    assert kim.instruct().status == 201
    waits = kim.post("/v1/me/key/renew", {})
    assert (waits.status, waits.document["code"]) == (409, "KEY_CHANGE_WAITS")
    here.run()
    assert kim.post("/v1/me/key/renew", {}).status == 200
    here.run()
    assert verified(here)["key role"]


def test_no_answer_and_no_log_line_has_the_key(
    neighbourhood: Any, caplog: pytest.LogCaptureFixture
) -> None:
    here = neighbourhood
    with caplog.at_level(logging.DEBUG):
        kim = new_resident(here)
        here.run()
        heard = [kim.order(), kim.instruct()]
        here.run()
        heard.append(kim.post("/v1/me/key/renew", {}))
        row = here.microgrid.store.read(lambda c: live_key_of(c, kim.account))
        heard += [kim.order(), kim.order(e_wh=10**12)]
        paths = here.ask("/openapi.json", cookies=kim.cookies).document["paths"]
        own = [path for path in paths if path.startswith("/v1/me/") and "{" not in path]
        read = [one for one in own if "get" in paths[one] and not one.endswith("/table")]
        for path in ("/v1/session", *read):
            heard.append(here.ask(path, cookies=kim.cookies))
        here.keeper.safe.path.chmod(0o644)
        closed = kim.order()
        here.keeper.safe.path.chmod(0o600)
    assert (closed.status, closed.document["code"]) == (503, "KEYS_CLOSED")
    assert "allowed mode 600" in caplog.text and "mode" not in closed.document["detail"]
    key, cipher = here.keeper.safe.open(row), json.loads(row.body)["crypto"]["ciphertext"]
    told = caplog.text + "".join(json.dumps(one.document) for one in [*heard, closed])
    assert len(own) > 8 and row.address.hex() in told, "the address is no secret"
    for secret in (key.hex(), cipher, here.keeper.safe.path.read_text().strip()):
        assert secret not in told


def test_the_command_invites_with_an_operators_token_and_prints_the_link_once(
    invited: Resident,
    neighbourhood: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here, name = neighbourhood, f"park-{next(NUMBERS)}"
    words = ["people", "invite", name, "--account", f"0x{invited.account.hex()}"]
    assert run([*words, "--url", here.address]) != 0, "without a token it is refused"
    secret = token(here, "operator")["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("MICROGRID_TOKEN", secret)
    capsys.readouterr()
    assert run([*words, "--url", here.address]) == 0
    link = capsys.readouterr().out.strip()
    assert link.startswith(f"{here.address}/sign-in#invitation=")
    invited.name = name
    assert take_up(invited, link.partition("=")[2]).status == 200


@pytest.fixture
def invited(neighbourhood: Any) -> Resident:
    return stranger(neighbourhood, "lee")


def test_an_invitation_is_an_operators_good_once_and_in_time(
    invited: Resident, neighbourhood: Any
) -> None:
    here = neighbourhood
    for role in ("auditor", "network_owner"):
        assert invite(here, invited, staff(here, role)).status == 403
    assert invite(here, invited, here.sign_in(here.resident)).status == 403
    assert invite(here, invited, name="Not A Name").status == 422
    nobody = {"account": "0x" + "00" * 32}
    assert invite(here, invited, **nobody).status == 404
    first = invite(here, invited).document["invitation"]
    second = invite(here, invited).document["invitation"]
    assert take_up(invited, first).status == 401, "made again, the one before is good no more"
    assert take_up(invited, new_secret()).status == 401
    short = invited.post("/v1/session/invitation", {"invitation": second, "password": "short"}, {})
    assert (short.status, short.document["code"]) == (422, "PASSWORD")
    here.wall.at_s += 8 * 86_400
    assert take_up(invited, second).status == 401
    last = invite(here, invited, days=1).document["invitation"]
    here.wall.at_s += 3600
    with ThreadPoolExecutor(5) as pool:
        found = [one.status for one in pool.map(lambda _: take_up(invited, last), range(5))]
    assert sorted(found) == [200, 401, 401, 401, 401]
    elsewhere = {"account": f"0x{stranger(here, 'park').account.hex()}"}
    assert invite(here, invited, **elsewhere).document["code"] == "NAME_TAKEN"
    here.microgrid.store.write(lambda c: disable_person(c, invited.name, 1))
    assert invite(here, invited).document["code"] == "NAME_TAKEN"
    assert len(here.microgrid.store.read(lambda c: kept_keys_of(c, invited.account))) == 1


def test_a_resident_with_a_lost_phone_is_invited_again_and_the_old_password_and_codes_end(
    kim: Resident, neighbourhood: Any
) -> None:
    here, store = neighbourhood, neighbourhood.microgrid.store
    key, old_seed = store.read(lambda c: live_key_of(c, kim.account)), kim.seed
    old_cookies = dict(kim.cookies)
    letter = invite(here, kim).document["invitation"]
    assert here.ask("/v1/me/home", None, old_cookies).status == 200, "until it is taken up"
    fields = {"invitation": letter, "password": "another long sentence"}
    found = kim.post("/v1/session/invitation", fields, {})
    assert (found.status, found.document["name"]) == (200, kim.name)
    assert here.ask("/v1/me/home", None, old_cookies).status == 401
    here.wall.at_s += 60
    lost = code_at(old_seed, int(here.wall.at_s) // 30)
    old = {"name": kim.name, "password": PASSWORD, "code": lost}
    assert kim.post("/v1/session/password", old, {}).status == 401
    secret = parse_qs(urlsplit(found.document["otpauth"]).query)["secret"][0]
    kim.seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    new = {"name": kim.name, "password": "another long sentence", "code": kim.code()}
    heard = kim.post("/v1/session/password", new, {})
    assert (heard.status, heard.document["role"]) == (200, "prosumer")
    kim.cookies = heard.cookies
    assert store.read(lambda c: live_key_of(c, kim.account)) == key, "with the key that was kept"
    here.run()
    assert kim.order().status == 201
    taken = next(one for one in kim.tasks() if one.startswith("take up invitation"))
    assert taken.startswith(
        f"take up invitation as {kim.name} again: another password, other codes"
    )
    assert f"invite {kim.name}" in kim.tasks()


def other_of(who: Resident) -> Resident:
    """An invented resident of somebody's household."""
    return Resident(who.here, who.meter, f"spy-{next(NUMBERS)}")


def test_nobody_is_invited_to_a_household_for_which_somebody_acts(
    kim: Resident, neighbourhood: Any
) -> None:
    here, store = neighbourhood, neighbourhood.microgrid.store
    spy = other_of(kim)
    body = json.dumps({"name": spy.name, "account": f"0x{kim.account.hex()}"}).encode()
    by_token = here.ask("/v1/people/invitations", body, None, token(here, "operator"))
    with_wallet = Resident(here, int(here.everybody.meter[here.resident]), spy.name)
    for heard in (by_token, invite(here, spy), invite(here, with_wallet)):
        assert (heard.status, heard.document["code"]) == (409, "HOUSEHOLD_TAKEN")
        assert "disable its people, or revoke its key" in heard.document["allowed"]
    # A new person takes an old one's place, with the key that is kept already.
    before = store.read(lambda c: live_key_of(c, kim.account))
    store.write(lambda c: disable_person(c, kim.name, 1))
    begin(spy, take_up(spy, invite(here, spy).document["invitation"]))
    assert store.read(lambda c: live_key_of(c, kim.account)) == before
    here.run()
    assert spy.hand_over().status == 200
    store.write(lambda c: disable_person(c, spy.name, 1))
    heard = invite(here, other_of(kim))
    assert (heard.document["code"], heard.document["found"]) == (
        "HOUSEHOLD_TAKEN", "a household with a key of its own",
    )  # fmt: skip


def test_of_two_invitations_to_a_household_one_is_taken_up(
    invited: Resident, neighbourhood: Any
) -> None:
    spy = other_of(invited)
    letters = [invite(neighbourhood, who).document["invitation"] for who in (invited, spy)]
    assert take_up(invited, letters[0]).status == 200
    heard = take_up(spy, letters[1])
    assert (heard.status, heard.document["code"]) == (401, "SIGN_IN_REFUSED")
    store = neighbourhood.microgrid.store
    # Nor does the other one open anything once the first resident is there no more.
    store.write(lambda c: disable_person(c, invited.name, 0))
    assert take_up(spy, letters[1]).status == 401
    assert store.read(lambda c: find_person(c, spy.name)) is None


def test_a_kept_key_that_was_revoked_is_replaced_by_the_next_invitation(
    kim: Resident, neighbourhood: Any
) -> None:
    here, store = neighbourhood, neighbourhood.microgrid.store
    here.run()
    old = store.read(lambda c: live_key_of(c, kim.account))
    end = {
        "account": kim.account, "key": old.address, "from_slot": here.slot + SLOT_S, "reason": 1,
        "nonce": next(NUMBERS),
    }  # fmt: skip
    text = sign_message(here.microgrid.books.domain, "KeyRevoke", end, here.keeper.registrar)
    assert here.ask("/v1/keys", text).status == 201
    # Before the slot from which on it ends: it may sign still, and has nothing left to rotate.
    refused = kim.post("/v1/me/key/renew", {})
    assert refused.document["code"] == "UNKNOWN_KEY", refused
    assert store.read(lambda c: live_key_of(c, kim.account)) == old, "it destroys nothing"
    here.run(2)
    store.write(lambda c: disable_person(c, kim.name, 1))
    lee = other_of(kim)
    begin(lee, take_up(lee, invite(here, lee).document["invitation"]))
    gone, new = sorted(
        store.read(lambda c: kept_keys_of(c, kim.account)), key=lambda one: one.body is not None
    )
    assert (gone.address, gone.body) == (old.address, None) and new.address != old.address
    assert lee.order().status == 201
