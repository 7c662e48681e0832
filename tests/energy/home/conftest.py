"""A small district on the last evening of July, its loop run by hand, its real pages served.

One member of the crowd is left out of the crowd's program: it is the resident who trades by hand,
and its key is in the test.
"""

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from fastapi import FastAPI
from playwright.sync_api import Page

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.crowd import Crowd, Promises, build_crowd, sign_message
from energy.cycle import run_quarter_hour
from energy.dashboard import install
from energy.simulate import place_orders
from energy.steps.context import Microgrid, build_admission, open_installation, start_microgrid
from energy.steps.dr_calls import DrCall, event_message
from energy.steps.kept_keys import KeyKeeper
from energy.steps.key_safe import KeySafe
from energy.units import SLOT_S
from market.signing import address_of, checksum_address, personal_digest, sign

DISTRICT = "sejong-5-1@0.005"
FIRST = 1_785_488_400  # 2026-07-31 18:00 in Sejong, a Friday
WALL_S = 1_785_500_000.0
EVENT = FIRST + 12 * SLOT_S  # 21:00


PROVIDER = """
const provider = { request: async ({ method, params }) => {
  const { error, result } = JSON.parse(await walletRequest(method, JSON.stringify(params ?? [])));
  if (error) throw Object.assign(new Error(error.message), { code: error.code });
  return result;
} };
const info = { uuid: "test", name: "Test Wallet", rdns: "test.wallet", icon: "" };
const detail = Object.freeze({ info, provider });
const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
addEventListener("eip6963:requestProvider", announce);
"""
AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.map((one) => [one.id, one.nodes.map((each) => each.html)]);
}"""


@dataclass
class StillClock:
    """A clock that the test moves."""

    at_s: float
    mode: str = "demo"
    slot_seconds_real: float = 60.0

    def now_s(self) -> float:
        return self.at_s


@dataclass(frozen=True)
class Heard:
    """An answer over HTTP."""

    status: int
    document: Any
    cookies: dict[str, str]


@dataclass
class Neighbourhood:
    """The district, its doors, the crowd without the resident, and the next slot."""

    microgrid: Microgrid
    clock: StillClock
    address: str
    everybody: Crowd
    resident: int
    keeper: KeyKeeper
    wall: StillClock = field(default_factory=lambda: StillClock(WALL_S))
    slot: int = FIRST
    promises: Promises = field(default_factory=Promises)

    @property
    def crowd(self) -> Crowd:
        """Everybody but the resident."""
        rest = [row for row in range(len(self.everybody)) if row != self.resident]
        columns = {
            name: getattr(self.everybody, name)[rest]
            for name in ("meter", "zone", "sun_trust", "thrift")
        }
        names = {
            name: tuple(getattr(self.everybody, name)[row] for row in rest)
            for name in ("account", "private_key", "address")
        }
        return replace(self.everybody, **columns, **names)

    @property
    def account(self) -> bytes:
        return self.everybody.account[self.resident]

    @property
    def private_key(self) -> bytes:
        return self.everybody.private_key[self.resident]

    def run(self, slots: int = 1) -> None:
        """So many quarter hours at their gates, with the crowd's orders before each."""
        for _ in range(slots):
            place_orders(self.microgrid.installation, self.crowd, self.slot, self.promises)
            self.clock.at_s = self.slot - 300
            run_quarter_hour(self.microgrid, self.slot, self.clock.now_s)
            self.slot += SLOT_S
            self.clock.at_s = self.slot - 600

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        cookies: dict[str, str] | None = None,
        more: dict[str, str] | None = None,
    ) -> Heard:
        """One request as our own page would send it, with more headers."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        headers = {"Origin": self.address, "Content-Type": "application/json", **(more or {})}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        text, given = answer.read(), dict(cookies or {})
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                pair = value.split(";")[0].partition("=")
                given[pair[0]] = pair[2]
        connection.close()
        return Heard(answer.status, json.loads(text) if text else None, given)

    def sign_in(self, member: int) -> dict[str, str]:
        """The cookies of a member who has signed in by wallet."""
        key = self.everybody.private_key[member]
        wanted = {"address": checksum_address(address_of(key))}
        asked = self.ask("/v1/session/nonce", json.dumps(wanted).encode())
        assert asked.status == 200, asked
        message = asked.document["message"]
        signature = sign(key, personal_digest(message.encode()))
        proof = {"message": message, "signature": f"0x{signature.hex()}"}
        heard = self.ask("/v1/session/wallet", json.dumps(proof).encode(), asked.cookies)
        assert heard.status == 200, heard
        return heard.cookies

    def order(self, member: int, **changes: int | bytes) -> Heard:
        """What a member hears of an order for the next slot that is open."""
        message = {
            "account": self.everybody.account[member],
            "zone": int(self.everybody.zone[member]),
            "slot": self.slot,
            "side": 1,
            "e_wh": 100,
            "price_mkrw_per_kwh": 400_000,
            "label": 0,
            "premium_mkrw_per_kwh": 0,
            "expires": self.slot - 300,
            "replaces": bytes(32),
            "rules_version": 1,
            "nonce": self.slot * 1000,
            **changes,
        }
        key = self.everybody.private_key[member]
        domain = self.microgrid.books.domain
        envelope = sign_message(domain, "Order", message, key, address=address_of(key))
        return self.ask("/v1/orders", envelope)

    def instruct(self, member: int, **changes: int | bytes) -> str:
        """The id of the instruction for automatic trading that a member signs."""
        message = {
            "account": self.everybody.account[member], "sides": 3,
            "sell_from_mkrw_per_kwh": 10_000, "buy_up_to_mkrw_per_kwh": 400_000,
            "day_cap_wh": 20_000, "day_cap_ukrw": 3_000_000_000, "first_slot": self.slot,
            "end_slot": self.slot + 96 * SLOT_S, "rules_version": 1, "replaces": bytes(32),
            "nonce": self.slot * 1000 + 1, **changes,
        }  # fmt: skip
        key, domain = self.everybody.private_key[member], self.microgrid.books.domain
        name = "StandingInstruction"
        envelope = sign_message(domain, name, message, key, address=address_of(key))
        heard = self.ask("/v1/instructions", envelope)
        assert heard.status == 201, heard
        return str(heard.document["id"])

    def call_event(self) -> None:
        """The operator asks everybody to use less from 21:00 to 22:00."""
        key, domain = self.microgrid.books.keys.trading, self.microgrid.books.domain
        call = DrCall("district", EVENT, 1, answer_by=EVENT - 4 * SLOT_S)
        message = event_message(domain, self.microgrid.district, call, nonce=1)
        envelope = sign_message(domain, "DrEvent", message, key, address=address_of(key))
        heard = self.ask("/v1/dr/events", envelope)
        assert heard.status == 201, heard


@dataclass
class Wallet:
    """Signs for one key; `refuses` names methods that its owner declines."""

    key: bytes
    refuses: set[str] = field(default_factory=set)
    signed: list[dict[str, Any]] = field(default_factory=list)

    def request(self, method: str, params: str) -> str:
        """What the page's provider answers."""
        if method in self.refuses:
            return json.dumps({"error": {"code": 4001, "message": "User rejected"}})
        return json.dumps({"result": self._answer(method, json.loads(params))})

    def _answer(self, method: str, params: list[Any]) -> Any:
        account = Account.from_key(self.key)
        if method == "eth_requestAccounts":
            return [account.address]
        if method == "eth_chainId":
            return "0x1"
        if method == "personal_sign":
            text = encode_defunct(bytes.fromhex(params[0][2:]))
            return "0x" + account.sign_message(text).signature.hex().removeprefix("0x")
        assert method == "eth_signTypedData_v4" and params[0] == account.address.lower()
        data = json.loads(params[1])
        self.signed.append(data)
        signature = account.sign_message(encode_typed_data(full_message=data)).signature
        return "0x" + signature.hex().removeprefix("0x")


@pytest.fixture
def announce_wallet() -> Callable[[Page, bytes], Wallet]:
    """Puts a wallet with a key into every page of a browser, announced as wallets are."""

    def announce(page: Page, key: bytes) -> Wallet:
        found = Wallet(key)
        page.expose_function("walletRequest", lambda *given: found.request(*given))
        page.add_init_script(PROVIDER)
        return found

    return announce


@pytest.fixture
def wallet(
    neighbourhood: Neighbourhood,
    chromium_page: Page,
    announce_wallet: Callable[[Page, bytes], Wallet],
) -> Wallet:
    """The resident's, announced to every page of the browser."""
    return announce_wallet(chromium_page, neighbourhood.private_key)


@pytest.fixture
def axe_findings(node_modules: Path) -> Callable[[Page], Any]:
    """What axe finds on a page against WCAG 2.2, A and AA."""
    axe = (node_modules / "axe-core" / "axe.min.js").read_text()

    def findings(page: Page) -> Any:
        page.evaluate(axe)
        return page.evaluate(AXE)

    return findings


@pytest.fixture(scope="module")
def neighbourhood(
    tmp_path_factory: pytest.TempPathFactory, serve_app: Callable[[FastAPI], str]
) -> Iterator[Neighbourhood]:
    """The district before its first quarter hour, served with its pages."""
    folder: Path = tmp_path_factory.mktemp("home")
    settings = Settings(
        district=DISTRICT,
        database_url=f"sqlite:///{folder}/district.db",
        seed=3,
        horizon_slots=24,
        plan_deadline_s=5.0,
        sign_in="required",
    )
    with open_installation(settings, lambda _: FIRST) as installation:
        microgrid = start_microgrid(installation)
        clock, wall = StillClock(FIRST - 600), StillClock(WALL_S)
        keeper = KeyKeeper(KeySafe(folder / "kept.secret"), installation.books.keys.registrar)
        app = create_app(
            ApiContext(
                store=installation.store,
                district=installation.district,
                settings=settings,
                clock=clock,
                admission=build_admission(installation),
                wall_s=wall.now_s,
                keeper=keeper,
            )
        )
        install(app)
        everybody = build_crowd(installation.district, settings.seed)
        solar = installation.district.meters.pv_kwp[everybody.meter]
        resident = int(np.argmax(solar))
        try:
            yield Neighbourhood(microgrid, clock, serve_app(app), everybody, resident, keeper, wall)
        finally:
            microgrid.close()
