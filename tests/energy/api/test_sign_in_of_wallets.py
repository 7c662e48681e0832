"""A wallet signs in with a message that says what we asked for, once, by a key that holds."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.api.siwe import Expected, SignInError, make_message, read_message
from energy.store.accounts import end_keys
from energy.store.audit import list_records
from energy.store.sessions import NONCE_S
from energy.units import SLOT_S
from market.signing import checksum_address, derive_key, high_s_twin, personal_digest, sign

Doors = Any
NOW_S = 1_800_000_000.0
EXPECTED = Expected("http", "127.0.0.1:8642", "http://127.0.0.1:8642", 1, NOW_S)
ADDRESS = bytes(range(20))


def personal_sign(doors: Doors, member: int, text: str) -> str:
    """What a member's wallet answers to `personal_sign`."""
    key = doors.desk.crowd.private_key[member]
    return "0x" + sign(key, personal_digest(text.encode())).hex()


def ask_nonce(doors: Doors, member: int) -> tuple[str, dict[str, str]]:
    """The message to sign, and the browser's cookie."""
    address = checksum_address(doors.wallet(member)["address"])
    answer = doors.post("/v1/session/nonce", {"address": address})
    assert answer.status == 200, answer.body
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    return answer.json["message"], {"Cookie": cookie.partition(";")[0]}


def sign_in(doors: Doors, message: str, signature: str, browser: dict[str, str]) -> Any:
    return doors.post("/v1/session/wallet", {"message": message, "signature": signature}, **browser)


def session_of(doors: Doors, answer: Any) -> dict[str, str]:
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0], "Origin": doors.served.url}


def test_addresses_have_the_checksum_of_erc_55() -> None:
    # Examples of the standard.
    for text in (
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    ):
        assert checksum_address(bytes.fromhex(text[2:])) == text


def test_the_digest_is_the_one_that_wallets_sign() -> None:
    from eth_account.messages import _hash_eip191_message, encode_defunct

    for text in ("", "hello", "안녕하세요", "x" * 1000):
        known = _hash_eip191_message(encode_defunct(text=text))
        assert personal_digest(text.encode()) == bytes(known)


def test_a_household_signs_in_and_is_its_account_and_nothing_more(own_doors: Doors) -> None:
    message, browser = ask_nonce(own_doors, 0)
    answer = sign_in(own_doors, message, personal_sign(own_doors, 0, message), browser)
    assert answer.status == 200 and answer.json["role"] == "prosumer"
    headers = session_of(own_doors, answer)
    told = own_doors.served.ask("/v1/session", headers=headers).json
    account = "0x" + own_doors.desk.crowd.account[0].hex()
    assert (told["role"], told["account"]) == ("prosumer", account)
    assert own_doors.served.ask("/v1/overview", headers=headers).status == 403
    record = own_doors.served.store.read(list_records)[0].record
    assert (record.account, record.task) == (f"account {account}", "sign in")


@pytest.mark.check(20)
def test_one_nonce_used_fifty_times_at_once_signs_in_exactly_once(own_doors: Doors) -> None:
    message, browser = ask_nonce(own_doors, 0)
    signature = personal_sign(own_doors, 0, message)
    start, statuses = threading.Barrier(50), list[int]()

    def attempt() -> None:
        start.wait()
        statuses.append(sign_in(own_doors, message, signature, browser).status)

    threads = [threading.Thread(target=attempt) for _ in range(50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(statuses) == 50 and statuses.count(200) == 1
    # On PostgreSQL a loser of many races may be told to come back.
    assert set(statuses) <= {200, 401, 503}


@pytest.mark.check(20, canary=True)
def test_a_nonce_that_is_only_looked_at_is_the_canary(
    own_doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.wallets.use_nonce", lambda *_: True)
    message, browser = ask_nonce(own_doors, 0)
    signature = personal_sign(own_doors, 0, message)
    twice = [sign_in(own_doors, message, signature, browser).status for _ in range(2)]
    assert twice == [200, 200]


def test_a_nonce_is_for_the_browser_that_asked_and_for_five_minutes(own_doors: Doors) -> None:
    message, browser = ask_nonce(own_doors, 0)
    signature = personal_sign(own_doors, 0, message)
    _, other = ask_nonce(own_doors, 1)
    assert sign_in(own_doors, message, signature, other).status == 401
    assert sign_in(own_doors, message, signature, {}).status == 401
    own_doors.served.wall.at_s += NONCE_S
    assert sign_in(own_doors, message, signature, browser).status == 401


def test_a_stranger_cannot_burn_a_nonce(own_doors: Doors) -> None:
    message, browser = ask_nonce(own_doors, 0)
    assert sign_in(own_doors, message, personal_sign(own_doors, 1, message), browser).status == 401
    assert sign_in(own_doors, message, personal_sign(own_doors, 0, message), browser).status == 200


def test_a_key_that_is_taken_away_ends_the_session_at_the_next_request(own_doors: Doors) -> None:
    message, browser = ask_nonce(own_doors, 0)
    signature = personal_sign(own_doors, 0, message)
    headers = session_of(own_doors, sign_in(own_doors, message, signature, browser))
    ask = own_doors.served.ask
    assert ask("/v1/session", headers=headers).json["role"] == "prosumer"
    crowd = own_doors.desk.crowd
    slot = int(own_doors.served.clock.at_s) // SLOT_S * SLOT_S + SLOT_S
    own_doors.served.store.write(lambda c: end_keys(c, crowd.account[0], crowd.address[0], slot))
    assert ask("/v1/session", headers=headers).json["role"] == "prosumer"  # holds in this slot
    own_doors.served.clock.at_s = float(slot)
    assert ask("/v1/session", headers=headers).json["role"] == "anonymous"
    message, browser = ask_nonce(own_doors, 0)
    answer = sign_in(own_doors, message, personal_sign(own_doors, 0, message), browser)
    assert (answer.status, answer.json["code"]) == (401, "SIGN_IN_REFUSED")


def test_a_key_that_nobody_registered_signs_nobody_in(doors: Doors) -> None:
    key = derive_key("a stranger")
    from market.signing import address_of

    answer = doors.post("/v1/session/nonce", {"address": "0x" + address_of(key).hex()})
    message = answer.json["message"]
    browser = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    signature = "0x" + sign(key, personal_digest(message.encode())).hex()
    refused = sign_in(doors, message, signature, browser)
    assert refused.status == 401 and "address" in refused.json["detail"]


def test_only_the_canonical_form_of_a_signature_is_taken(doors: Doors) -> None:
    message, browser = ask_nonce(doors, 0)
    good = bytes.fromhex(personal_sign(doors, 0, message)[2:])
    for odd in (high_s_twin(good), good[:64] + bytes([good[64] - 27]), good[:64], bytes(65)):
        assert sign_in(doors, message, "0x" + odd.hex(), browser).status == 401
    assert sign_in(doors, message, good.hex(), browser).status == 401
    assert sign_in(doors, message, "0x" + good.hex(), browser).status == 200


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


ISSUED = "Issued At: 2027-01-15T08:00:00Z"
EXPIRES = "Expiration Time: 2027-01-15T08:10:00Z"
BROKEN = {
    "another domain": swap("//127.0.0.1:8642 wants", "//evil.example wants"),
    "another scheme": swap("http://127.0.0.1:8642 wants", "https://127.0.0.1:8642 wants"),
    "another address of the site": swap("URI: http://127.0.0.1:8642", "URI: http://evil.example"),
    "another version": swap("Version: 1", "Version: 2"),
    "another chain": swap("Chain ID: 1", "Chain ID: 5"),
    "chain with a zero before it": swap("Chain ID: 1", "Chain ID: 01"),
    "nonce too short": swap("Nonce: " + "a" * 32, "Nonce: aaaaaaa"),
    "nonce with a dash": swap("Nonce: aaaa", "Nonce: aa-a"),
    "no nonce": swap("Nonce: " + "a" * 32 + "\n", ""),
    "address without checksum": lambda text: text.replace(
        checksum_address(ADDRESS), "0x" + ADDRESS.hex().upper()
    ),
    "address too short": swap("0x0001", "0x01"),
    "issued long ago": swap(ISSUED, "Issued At: 2027-01-15T07:49:59Z"),
    "issued in the future": swap(ISSUED, "Issued At: 2027-01-15T08:01:01Z"),
    "over": swap(EXPIRES, "Expiration Time: 2027-01-15T08:00:00Z"),
    "good for too long": swap(EXPIRES, "Expiration Time: 2027-01-15T08:11:01Z"),
    "not good yet": lambda text: text + "\nNot Before: 2027-01-15T08:00:01Z",
    "a day that there is not": swap(ISSUED, "Issued At: 2027-02-30T08:00:00Z"),
    "two spaces": swap("Version: 1", "Version:  1"),
    "lines that end as on Windows": lambda text: text.replace("\n", "\r\n"),
    "a line more": lambda text: text + "\n",
    "resources": lambda text: text + "\nResources:\n- https://evil.example",
    "request id": lambda text: text + "\nRequest ID: 7",
    "fields in another order": swap("Version: 1\nChain ID: 1", "Chain ID: 1\nVersion: 1"),
    "a statement of two lines": swap("microgrid.", "microgrid.\nAnd more."),
    "digits of another script": swap("Version: 1", "Version: １"),
    "far too long": lambda text: text.replace("Sign in", "Sign in" + " please" * 400),
}


def good_message() -> str:
    return make_message(EXPECTED, ADDRESS, "a" * 32, "Sign in to the microgrid.")


def test_the_message_that_we_make_is_one_that_we_take() -> None:
    found = read_message(good_message(), EXPECTED)
    assert (found.address, found.nonce) == (ADDRESS, "a" * 32)
    without = good_message().replace("\nSign in to the microgrid.\n\n", "\n\n")
    assert read_message(without, EXPECTED) == found
    assert datetime.fromtimestamp(NOW_S, UTC).isoformat() == "2027-01-15T08:00:00+00:00"


@pytest.mark.parametrize("how", BROKEN, ids=str)
def test_a_message_that_is_broken_signs_nobody_in(how: str) -> None:
    text = BROKEN[how](good_message())
    assert text != good_message()
    with pytest.raises(SignInError):
        read_message(text, EXPECTED)


def test_there_are_twenty_broken_messages_and_more() -> None:
    assert len(BROKEN) >= 20


@given(at=st.integers(0, 400), odd=st.characters(codec="utf-8"))
def test_no_character_can_be_put_in_that_changes_who_signs(at: int, odd: str) -> None:
    text = good_message()
    try:
        found = read_message(text[:at] + odd + text[at:], EXPECTED)
    except SignInError:
        return
    nonce = range(text.index("Nonce: ") + 7, text.index("\nIssued") + 1)
    assert found.address == ADDRESS
    assert found.nonce == "a" * 32 or at in nonce


def test_the_server_asks_for_a_message_of_its_own_pages_alone(doors: Doors) -> None:
    address = checksum_address(doors.wallet(0)["address"])
    answer = doors.post("/v1/session/nonce", {"address": address}, Origin="http://evil.example")
    assert (answer.status, answer.json["code"]) == (403, "OTHER_ORIGIN")
    answer = doors.post("/v1/session/nonce", {"address": "0x12"})
    assert (answer.status, answer.json["field"]) == (422, "address")
