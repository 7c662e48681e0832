"""The page that checks receipts, in a real browser, held against the offline verifier."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from fastapi import FastAPI, Response
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Connection

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.crowd import sign_orders
from energy.dashboard import install
from energy.dashboard.assets import STATIC
from energy.steps.dr_calls import DrCall, event_message, sign_as_operator
from energy.steps.dr_programmes import programmes_by_account
from energy.steps.receipts import Prover, Witnesses
from energy.store.admission import admit_orders
from energy.store.books import load_entries, load_settlements
from energy.store.checkpoints import (
    CosignRow,
    checkpoint_ticks,
    find_checkpoint,
    last_checkpoint,
    save_cosignature,
)
from energy.store.dr_desk import DrDesk, admit_dr
from energy.store.mailbox import admit_message, prepare_message
from energy.store.orders import load_book
from energy.units import SLOT_S
from market import verifier
from market.books import make_entry
from market.checkpoint import checkpoint_note, origin_of, parse_note
from market.messages import message_as_json
from market.proofs import fork_bundle
from market.signing import address_of, derive_key, digest, high_s_twin, sign
from market.verifier import canonical, verify_bundle

pytestmark = pytest.mark.browser

FIRST = 1_784_084_400
TICKS = 4
WITNESSES = [derive_key(f"witness {n}") for n in range(3)]
Begin = Callable[..., Any]


@dataclass
class Stage:
    """The page, served beside the trust root and the proof of one order of real books."""

    trust: bytes
    bundles: dict[str, bytes]
    address: str = ""
    trust_is_there: bool = True

    def answer(self, path: str) -> Response:
        if path == "/v1/ledger/trust" and self.trust_is_there:
            return Response(self.trust, 200, media_type="application/json")
        if path.endswith("/proof") and path != f"/v1/orders/0x{'00' * 32}/proof":
            return Response(self.bundles["order"], 200, media_type="application/json")
        problem = {"title": "Not found", "status": 404, "detail": "found none"}
        return Response(json.dumps(problem), 404, media_type="application/problem+json")


MADE: list[Stage] = []


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    serve_app: Callable[[FastAPI], str],
    stage_app: Callable[[Any, Any], FastAPI],
) -> Iterator[Stage]:
    """Made once: receipts are bytes, and nothing that a test does can change them."""
    if not MADE:
        MADE.append(make_stage(request.getfixturevalue("begin_books")()))
        MADE[0].address = serve_app(stage_app(MADE[0].answer, list))
    MADE[0].trust_is_there = True
    yield MADE[0]


def make_stage(here: Any) -> Stage:
    """Four ticks with a conflict, a key that is replaced, and two of three witnesses."""
    here.run(2)
    refused = place_conflict(here)
    key_entry = rotate_key(here)
    ended = cancel_event(here)
    here.place_orders = lambda slot: None
    here.run(TICKS - 2, begin=2)
    here.store.write(lambda c: cosign(c, here))
    trusted = Witnesses(tuple(map(address_of, WITNESSES)), 2)
    return here.store.read(
        lambda c: Stage(
            Prover(c).trust(trusted),
            {
                **make_bundles(c, here, refused, key_entry),
                "cancelled event": Prover(c).entry(ended),
            },
        )
    )


def place_conflict(here: Any) -> bytes:
    """Two orders under one nonce; the digest of the refused one."""
    slot = FIRST + 8 * SLOT_S
    pair = [here.order(0, slot, 1, price) for price in (100_000, 100_100)]
    texts = sign_orders(here.crowd, here.books.domain, pair)
    now_s = FIRST + SLOT_S - 100
    answers = here.store.write(lambda c: admit_orders(c, here.admission, texts, now_s))
    assert [one.refusal and one.refusal.code for one in answers] == [None, "NONCE_CONFLICT"]
    return digest(here.books.domain, "Order", pair[1])


def rotate_key(here: Any) -> bytes:
    """A KeyRotate of the first member, accepted; its digest."""
    old, new = bytes(here.crowd.private_key[0]), derive_key("new")
    message = {
        "account": here.crowd.account[0], "old_key": address_of(old), "new_key": address_of(new),
        "from_slot": FIRST + 4 * SLOT_S, "nonce": 77,
    }  # fmt: skip
    id_ = digest(here.books.domain, "KeyRotate", message)
    rows = [
        {"signer": "0x" + address_of(key).hex(), "signature": "0x" + sign(key, id_).hex()}
        for key in (old, new)
    ]
    wire = message_as_json("KeyRotate", message)
    text = orjson.dumps({"type": "KeyRotate", "message": wire, "signatures": rows})
    one = prepare_message(here.admission, text, int((FIRST + SLOT_S - 100) * 1e6))
    answer = here.store.write(lambda c: admit_message(c, here.admission, one))
    assert answer.refusal is None, answer
    return id_


def cancel_event(here: Any) -> bytes:
    """The Cancel of an event that the operator has called in a programme's name."""
    domain, admission, zone = here.books.domain, here.admission, here.district.time_zone
    desk = DrDesk(admission, programmes_by_account(domain), zone)
    call = DrCall("district", FIRST + 8 * SLOT_S, 1)

    def take(kind: str, message: dict[str, Any]) -> bytes:
        one = sign_as_operator(admission, kind, message, int((FIRST + SLOT_S - 100) * 1e6))
        answer = here.store.write(lambda c: admit_dr(c, desk, one))
        assert answer.refusal is None, answer
        return one.id

    called = event_message(domain, here.district, call, nonce=5)
    id_ = take("DrEvent", called)
    end = {"account": called["program"], "slot": called["first_slot"], "order_id": id_, "nonce": 6}
    return take("Cancel", end)


def cosign(connection: Connection, here: Any) -> None:
    """Two of the witnesses sign the newest head."""
    head = last_checkpoint(connection)
    assert head is not None
    for n, key in enumerate(WITNESSES[:2]):
        message = {"checkpoint": head.digest, "time": FIRST + n}
        signed = make_entry(here.books.domain, "Cosign", message, key)
        row = CosignRow(head.digest, signed.signers[0], FIRST + n, signed.signatures[0])
        save_cosignature(connection, row)


def make_bundles(
    connection: Connection, here: Any, refused: bytes, key_entry: bytes
) -> dict[str, bytes]:
    """A bundle of everything that the page checks."""
    prover, slot, domain = Prover(connection), FIRST, here.books.domain
    account = load_book(connection, slot)[0].account
    mine = dict(prover.entries_of(account, slot))
    logged = {one.type: one.digest for one in load_entries(connection, FIRST + SLOT_S)}
    first = find_checkpoint(connection, checkpoint_ticks(connection)[1])
    assert first is not None
    head = parse_note(prover.last.note).message
    other = make_entry(domain, "Checkpoint", {**head, "root": bytes(32)}, here.books.keys.log)
    name = origin_of(domain.market_id)
    forked = checkpoint_note(name, other.message, other.signers[0], other.signatures[0])
    message = {**here.order(0, FIRST + 2 * SLOT_S, 1, 100_000), "nonce": 99}
    lost = make_entry(domain, "Order", message, here.crowd.private_key[0])
    promise = {"entry": lost.digest, "received": FIRST, "sealed_by": FIRST + SLOT_S}
    receipt = make_entry(domain, "Receipt", promise, here.books.keys.trading)
    return {
        "order": prover.entry(load_book(connection, slot)[0].id),
        "reading": prover.entry(mine["Reading"], slot),
        "transfer": prover.entry(mine["Transfer"], slot),
        "settlement": prover.entry(load_settlements(connection, slot)[-1].entry),
        "clearing entry": prover.entry(logged["Clearing"]),
        "sealed set": prover.entry(logged["SealedSet"]),
        "key": prover.entry(key_entry),
        "consistency": prover.consistency(first.size),
        "account": prover.account(account),
        "rotated account": prover.account(here.crowd.account[0]),
        "fork": fork_bundle(prover.frame(()), forked),
        "nonce": prover.conflict(refused),
        "broken promise": prover.broken_promise(lost, receipt),
        "slot": prover.slot(slot),
        "clearing": prover.clearing(slot),
    }


CHECK = """async ([trust, bundles]) => {
  const { assets } = document.documentElement.dataset;
  const { verifyBundle } = await import(`${assets}/js/receipt/verify.js`);
  return bundles.map((bundle) => {
    const { failure, checks, ...report } = verifyBundle(trust, bundle);
    const { ok, usable, elsewhere, ms } = report;
    return {
      ok, usable, elsewhere, ms, check: failure?.check, message: failure?.message,
      checks: Object.fromEntries(checks),
    };
  });
}"""


def in_browser(page: Page, stage: Stage, bundles: list[bytes]) -> list[dict[str, Any]]:
    """What the page's own module says of these bundles."""
    found: list[dict[str, Any]] = page.evaluate(
        CHECK, [stage.trust.decode(), [one.decode() for one in bundles]]
    )
    return found


@pytest.fixture
def open_page(chromium_page: Page, stage: Stage, complaints: list[str]) -> Page:
    chromium_page.goto(f"{stage.address}/verify")
    expect(chromium_page.locator("#trust-body")).to_contain_text("0x")
    return chromium_page


ELSEWHERE = ("slot", "clearing")


def test_every_true_receipt_is_proven_by_both_with_the_same_checks(
    open_page: Page, stage: Stage
) -> None:
    names = [name for name in stage.bundles if name not in ELSEWHERE]
    told = in_browser(open_page, stage, [stage.bundles[name] for name in names])
    for name, one in zip(names, told, strict=True):
        report = verify_bundle(stage.trust, stage.bundles[name])
        assert report.ok, (name, report.first_failure)
        assert one["ok"], (name, one)
        assert one["checks"] == report.checks, name
        # Both witnesses: for this checkpoint, known and once.
        assert one["checks"]["witness"] == 4
    for one in in_browser(open_page, stage, [stage.bundles[name] for name in ELSEWHERE]):
        assert one["elsewhere"] and not one["ok"]


def places_in(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in a JSON value."""
    if path:
        yield path
    if isinstance(found, (dict, list)):
        for step, value in found.items() if isinstance(found, dict) else enumerate(found):
            yield from places_in(value, (*path, step))


def damage_text(rng: random.Random, text: str) -> Any:
    """Another text, another form of it, or something that is no text."""
    at = rng.randrange(2 if text.startswith("0x") else 0, max(len(text), 3))
    kinds = ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    kind = next((kind for kind in kinds if text[at : at + 1] in kind), "xyz")
    other = text[:at] + rng.choice(kind.replace(text[at : at + 1], "") or "x") + text[at + 1 :]
    forms: list[Any] = [other] * 30
    forms += [text + "0", text[:-1], text.upper(), " " + text, text + "\n", "0" + text, "-" + text]
    forms += [None, True, [text], {"": text}, int(text) if text.isdecimal() else 1.5, "", "é"]
    return rng.choice(forms)


def damage(rng: random.Random, found: Any, path: tuple[Any, ...], donor: Any) -> None:
    """Change what stands at a place: its value, its neighbours, its name."""
    inner, last = found, path[-1]
    for step in path[:-1]:
        inner = inner[step]
    value = inner[last]
    if isinstance(inner, list) and rng.random() < 0.5:
        change = rng.randrange(3)
        if change == 0:
            del inner[last]
        elif change == 1:
            inner.insert(last, json.loads(json.dumps(value)))
        else:
            inner.reverse()
    elif isinstance(inner, dict) and rng.random() < 0.1:
        inner[last + "x" if rng.random() < 0.5 else "x"] = inner.pop(last)
    elif isinstance(value, str):
        inner[last] = damage_text(rng, value)
    elif isinstance(value, dict) and rng.random() < 0.5:
        inner[last] = {**value, "more": "0"}
    else:
        inner[last] = donor if rng.random() < 0.5 else rng.choice(["0", [], {}, None, 1, False])


def says_less(bundle: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a bundle is without its receipt, or evidence without a witness: both are as true."""
    if bundle.get("receipt", "") is None:
        return True
    rest, left = {**whole, "cosignatures": []}, bundle["cosignatures"]
    is_fewer = isinstance(left, list) and all(one in whole["cosignatures"] for one in left)
    same = {**bundle, "cosignatures": []} == rest
    return bool(whole["claim"] in verifier._EVIDENCE and is_fewer and same)


def damaged(rng: random.Random, stage: Stage, name: str, count: int) -> list[bytes]:
    """Bundles with one change each, of which none is the true one."""
    good, found = stage.bundles[name], list[bytes]()
    places = list(places_in(json.loads(good)))
    # Short parts as often as the long histories; of which market it is needs few tries.
    tops = sorted({path[0] for path in places} - {"bundle", "claim", "market"})
    while len(found) < count:
        bundle, donor = json.loads(good), json.loads(rng.choice(list(stage.bundles.values())))
        top = rng.choice(tops)
        path = rng.choice([one for one in places if one[0] == top])
        damage(rng, bundle, path, donor.get(top))
        text = canonical(bundle)
        if text != good and not says_less(bundle, json.loads(good)):
            found.append(text)
    # A list of one text is no text, though many a language takes it for one.
    for path in [one for one in places if one[-1] in ("type", "claim", "bundle")]:
        bundle = json.loads(good)
        inner = bundle
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = [inner[path[-1]]]
        found.append(canonical(bundle))
    # True key histories that the proof has no use for.
    for row in (json.loads(good)["keys"], json.loads(stage.bundles["key"])["keys"][1:]):
        bundle = json.loads(good)
        bundle["keys"] += row
        found.append(canonical(bundle))
    at = rng.randrange(len(good))
    found += [
        good + b"\n",
        b" " + good,
        good[:-1],
        good[:at] + good[at + 1 :],
        good * 2,
        b"[]",
        b"",
    ]
    halves = {"\\ud800": json.loads(good)["market"], "\\\\ud800": "market"}
    found += [good.replace(old.encode(), new.encode(), 1) for new, old in halves.items()]
    found += [json.dumps(json.loads(good)).encode(), b"{" + b'"claim":"inclusion",' + good[1:]]
    return found


def test_damaged_receipts_are_refused_by_both_for_the_same_rule(
    open_page: Page, stage: Stage
) -> None:
    rng, refused = random.Random(18), Counter[str]()
    for name in stage.bundles:
        if name in ELSEWHERE:
            continue
        lies = damaged(rng, stage, name, 60)
        told = in_browser(open_page, stage, lies)
        for lie, one in zip(lies, told, strict=True):
            failure = verify_bundle(stage.trust, lie).first_failure
            assert failure is not None and not one["ok"] and not one["elsewhere"], (name, lie)
            assert one["check"] == failure.check, (name, failure, one, lie[:3000])
            refused[failure.check] += 1
    assert refused.total() > 13 * 70 and len(refused) > 12, refused


def test_no_twin_of_a_signature_is_proven_in_the_browser(open_page: Page, stage: Stage) -> None:
    good = json.loads(stage.bundles["order"])
    raw = bytes.fromhex(good["entry"]["signatures"][0]["signature"][2:])
    twin = high_s_twin(raw)
    forms = [raw[:64] + bytes([v]) for v in range(256) if v != raw[64]]
    forms += [twin, twin[:64] + raw[64:], raw[:64], raw + b"\0", bytes(32) + raw[32:]]
    forms += [raw[:32] + bytes(32) + raw[64:], raw[32:64] + raw[:32] + raw[64:]]
    lies = []
    for form in forms:
        good["entry"]["signatures"][0]["signature"] = "0x" + form.hex()
        lies.append(canonical(good))
    told = in_browser(open_page, stage, lies)
    assert len(told) == 262 and not any(one["ok"] for one in told)
    assert {one["check"] for one in told} == {"signature", "readable"}


TRUSTS = {
    "first key": {"registrar": "0x" + "11" * 20},
    "operator": {"operator": "0x" + "11" * 32},
    "quorum": {"quorum": "3"},
    "witnesses": {"witnesses": ["0x" + "11" * 20] * 3},
    "origin": {"origin": "elsewhere.microgrid/ledger"},
    "market": {"market": "elsewhere"},
    "form": {"quorum": "03"},
    "more": {"note": "x"},
}


@pytest.mark.parametrize("what", TRUSTS)
def test_another_trust_root_refuses_a_true_receipt_in_both(
    open_page: Page, stage: Stage, what: str
) -> None:
    trust = canonical({**json.loads(stage.trust), **TRUSTS[what]})
    failure = verify_bundle(trust, stage.bundles["order"]).first_failure
    assert failure is not None
    other = Stage(trust, {}, stage.address)
    (told,) = in_browser(open_page, other, [stage.bundles["order"]])
    assert (told["ok"], told["check"]) == (False, failure.check)


def choose(page: Page, name: str, content: bytes) -> None:
    files = {"name": name, "mimeType": "application/json", "buffer": content}
    page.locator("#receipt input[type=file]").set_input_files(files)  # type: ignore[arg-type]


def test_a_chosen_receipt_is_explained_check_by_check(open_page: Page, stage: Stage) -> None:
    choose(open_page, "my.proof.json", stage.bundles["order"])
    verdict = open_page.locator("#verdict")
    expect(verdict).to_have_attribute("data-verdict", "proven")
    expect(open_page.locator("#announce")).to_have_text("Proven")
    order = json.loads(stage.bundles["order"])
    facts = open_page.locator("#result .facts")
    expect(facts).to_contain_text("2026-07-15 03:00Z")
    expect(facts).to_contain_text(order["display"]["e_kwh"] + "\u00a0kWh")
    expect(facts).to_contain_text(order["display"]["price_krw_per_kwh"] + "\u00a0₩/kWh")
    expect(open_page.locator(".checks li")).to_have_count(14)
    expect(open_page.locator(".checks li[data-state=ok]")).to_have_count(14)


def test_the_broken_rule_is_named_and_what_was_not_reached_is_said(
    open_page: Page, stage: Stage
) -> None:
    lie = json.loads(stage.bundles["order"])
    lie["log"]["path"].pop()
    choose(open_page, "lie.proof.json", canonical(lie))
    expect(open_page.locator("#verdict")).to_have_attribute("data-verdict", "refuted")
    expect(open_page.locator(".rule")).to_contain_text("leads to the checkpoint")
    expect(open_page.locator(".why")).to_contain_text("path in log: log: does not lead")
    states = {
        check: open_page.locator(f".checks li[data-check='{check}']").get_attribute("data-state")
        for check in ("path in set", "path in log", "display")
    }
    assert states == {"path in set": "ok", "path in log": "failed", "display": "unreached"}


def test_what_is_no_receipt_is_told_in_one_sentence(open_page: Page, stage: Stage) -> None:
    choose(open_page, "photo.json", b"\xff\xfe")
    expect(open_page.locator("#told")).to_have_text("photo.json is not text in UTF-8.")
    choose(open_page, "list.json", b"[]")
    expect(open_page.locator("#verdict")).to_have_attribute("data-verdict", "unreadable")
    choose(open_page, "slot.proof.json", stage.bundles["slot"])
    expect(open_page.locator("#verdict")).to_have_attribute("data-verdict", "elsewhere")


def test_an_orders_receipt_is_fetched_by_its_id(open_page: Page, stage: Stage) -> None:
    open_page.locator("#order").fill("0x" + "ab" * 32)
    open_page.get_by_role("button", name="Fetch its receipt").click()
    expect(open_page.locator("#verdict")).to_have_attribute("data-verdict", "proven")


@dataclass
class StillClock:
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return FIRST + 2 * SLOT_S - 100.0


def test_page_and_api_prove_an_order_together_and_say_who_vouches(
    chromium_page: Page, begin_books: Begin, serve_app: Callable[[FastAPI], str]
) -> None:
    here = begin_books()
    here.run(2)
    app = create_app(
        ApiContext(here.store, here.district, Settings(), StillClock(), here.admission)
    )
    install(app)
    chromium_page.goto(f"{serve_app(app)}/verify")
    expect(chromium_page.locator("#trust-body")).to_contain_text("None is named")
    id_ = here.store.read(lambda c: load_book(c, FIRST)[0].id)
    chromium_page.locator("#order").fill(f"0x{id_.hex()}")
    chromium_page.get_by_role("button", name="Fetch its receipt").click()
    expect(chromium_page.locator("#verdict")).to_have_attribute("data-verdict", "proven")
    expect(chromium_page.locator(".caution")).to_contain_text("only the operator vouches")
    chromium_page.locator("#order").fill("0x" + "00" * 32)
    chromium_page.get_by_role("button", name="Fetch its receipt").click()
    expect(chromium_page.locator("#told")).to_contain_text("order: found none with id")


def test_a_trust_root_of_ones_own_takes_the_place_of_the_servers(
    chromium_page: Page, stage: Stage
) -> None:
    stage.trust_is_there = False
    chromium_page.goto(f"{stage.address}/verify")
    expect(chromium_page.locator("#trust-body")).to_contain_text("There is none yet")
    choose(chromium_page, "my.proof.json", stage.bundles["order"])
    expect(chromium_page.locator("#result-body")).to_contain_text("Choose a receipt first")
    choose(chromium_page, "trust.json", stage.trust)
    expect(chromium_page.locator("#verdict")).to_have_attribute("data-verdict", "proven")
    expect(chromium_page.locator("#trust-body")).to_contain_text("From your file trust.json.")
    lie = {**json.loads(stage.trust), "registrar": "0x" + "11" * 20}
    choose(chromium_page, "other.json", canonical(lie))
    expect(chromium_page.locator("#verdict")).to_have_attribute("data-verdict", "refuted")


DROP = """async ([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: "application/json" }));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true }));
  }
}"""


def test_a_dropped_receipt_is_checked_in_korean_on_a_phone(chromium: Browser, stage: Stage) -> None:
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, locale="ko-KR", color_scheme="dark"
    )
    page = context.new_page()
    page.goto(f"{stage.address}/verify")
    expect(page.locator("#trust-body")).to_contain_text("0x")
    page.evaluate(DROP, ["내 영수증.proof.json", stage.bundles["account"].decode()])
    expect(page.locator("#verdict")).to_contain_text("증명됨")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_nothing_of_a_chosen_receipt_is_sent(open_page: Page, stage: Stage) -> None:
    asked: list[str] = []
    open_page.on("request", lambda request: asked.append(request.url))
    choose(open_page, "my.proof.json", stage.bundles["account"])
    expect(open_page.locator("#verdict")).to_have_attribute("data-verdict", "proven")
    assert asked == []


def test_the_page_knows_every_type_and_every_role_that_the_verifier_knows() -> None:
    receipt = STATIC / "js" / "receipt"
    told = re.findall(r"^(\d+) (\w+)\(([^)]*)\)", (receipt / "typed.js").read_text(), re.MULTILINE)
    fields = {
        name: (int(code), tuple(tuple(one.split()[::-1]) for one in inside.split(",")))
        for code, name, inside in told
    }
    assert fields == {name: (kind.code, kind.fields) for name, kind in verifier.TYPES.items()}
    roles = re.findall(r"(\w+): ROLE\.(\w+)", (receipt / "keys.js").read_text())
    assert {name: getattr(verifier, role) for name, role in roles} == verifier.OPERATOR_ROLES


def test_the_page_knows_every_claim_or_sends_it_elsewhere() -> None:
    receipt = STATIC / "js" / "receipt"
    own = re.findall(r"^  (\w+): \[", (receipt / "claims.js").read_text(), re.MULTILINE)
    (rest,) = re.findall(r"ELSEWHERE = \[(.*)\]", (receipt / "verify.js").read_text())
    elsewhere = re.findall(r"\w+", rest)
    assert sorted([*own, *elsewhere]) == sorted(verifier._CLAIM_KEYS)
    for claim in own:
        (keys,) = re.findall(rf"^  {claim}: \[(.*)\]", (receipt / "claims.js").read_text(), re.M)
        assert set(re.findall(r"\w+", keys)) == verifier._CLAIM_KEYS[claim]


MAY_SIGN = """async (cases) => {
  const { assets } = document.documentElement.dataset;
  const { requireSigner } = await import(`${assets}/js/receipt/entries.js`);
  const { makeKeyRing } = await import(`${assets}/js/receipt/keys.js`);
  return cases.map(({ name, message, signers, keys, first, last }) => {
    const ring = makeKeyRing("registrar", "operator");
    for (const { account, address, roles, from, end } of keys) {
      ring.give(account, address, BigInt(roles), BigInt(from));
      if (end !== null) ring.take("KeyRevoke", { account, key: address, from_slot: BigInt(end) });
    }
    const numbers = Object.fromEntries(Object.entries(message).map(([field, value]) =>
      [field, typeof value === "number" ? BigInt(value) : value]));
    let good = true;
    const proof = {
      ring, trust: { operator: "operator" }, keyEntries: new Set(), event: "one",
      require: (fact) => { good &&= fact; },
      requireOperator: (entry) => { good &&= entry === null; },
    };
    const entry = { name, message: numbers, signers, digest: "0x" };
    requireSigner(proof, entry, BigInt(first), BigInt(last));
    return good;
  });
}"""
SIGNED_BY_ACCOUNTS = ("Order", "Cancel", "DrEvent", "DrCommit", "Contract", "Reading")


def ring_of(case: dict[str, Any]) -> verifier.KeyRing:
    ring = verifier.KeyRing(b"registrar", b"operator")
    for key in case["keys"]:
        account, address = key["account"].encode(), key["address"].encode()
        row = verifier._Key(address, key["roles"], key["from"], key["end"])
        ring.keys[account].append(row)
    return ring


def as_bytes(case: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """Message and signers of a case as the verifier has them."""
    message = {
        field: value.encode() if isinstance(value, str) else value
        for field, value in case["message"].items()
    }
    return message, [one.encode() for one in case["signers"]]


def may_sign_in_python(case: dict[str, Any], trust: bytes) -> bool:
    proof = verifier._Proof(verifier.Trust(trust), {})
    proof.trust.operator, proof.event = b"operator", b"one"
    proof.ring, (message, signers) = ring_of(case), as_bytes(case)
    entry = verifier._Signed(case["name"], message, b"", signers, b"")
    try:
        proof.require_signer(entry, case["first"], case["last"])
    except verifier.Refuted:
        return False
    return True


def test_who_may_sign_what_and_when_is_one_rule_in_both(open_page: Page, stage: Stage) -> None:
    rng, cases = random.Random(4), []
    accounts, addresses = ("operator", "ann", "bob"), ("a", "b")
    for _ in range(4000):
        fields = dict.fromkeys(("account", "seller", "buyer", "program"), "")
        name, first = rng.choice(SIGNED_BY_ACCOUNTS), rng.randrange(4)
        message: dict[str, Any] = {field: rng.choice(accounts) for field in fields}
        message |= {"slot": rng.randrange(4), "first_slot": rng.randrange(4)}
        message |= {"quality": rng.randrange(1, 4), "order_id": rng.choice(("one", "other"))}
        if name.startswith("Dr"):
            del message["slot"]
        rows = draw_keys(rng, accounts, addresses)
        signers = [rng.choice(addresses) for _ in range(2 if name == "Contract" else 1)]
        case = {"name": name, "message": message, "signers": signers, "keys": rows}
        cases.append({**case, "first": first, "last": first + rng.randrange(3)})
    told = open_page.evaluate(MAY_SIGN, cases)
    for case, one in zip(cases, told, strict=True):
        assert one == may_sign_in_python(case, stage.trust), case
    allowed = Counter(case["name"] for case, one in zip(cases, told, strict=True) if one)
    assert set(allowed) == set(SIGNED_BY_ACCOUNTS) and allowed.total() > 300, allowed


def draw_keys(
    rng: random.Random, accounts: tuple[str, ...], addresses: tuple[str, ...], unit_s: int = 1
) -> list[dict[str, Any]]:
    """Some keys of some accounts, each address once in an account."""
    keys = {
        (rng.choice(accounts), rng.choice(addresses)): {
            "roles": rng.choice([1, 2, 3, 4, 8, 16, 32, 63, 64]),
            "from": rng.randrange(4) * unit_s,
            "end": rng.choice([None, None, rng.randrange(5) * unit_s]),
        }
        for _ in range(rng.randrange(2, 9))
    }
    return [{"account": who, "address": key, **row} for (who, key), row in keys.items()]


MAY_CHANGE = MAY_SIGN.replace(
    "requireSigner(proof, entry, BigInt(first), BigInt(last));", ""
).replace("return good;", "return ring.mayChange(name, numbers, signers, false);")


def test_who_may_change_keys_is_one_rule_in_both(open_page: Page) -> None:
    """A key that was about to end may end another: a bundle does not say in which tick it did."""
    rng, cases = random.Random(5), []
    accounts, addresses, half_day_s = ("operator", "ann", "bob"), ("a", "b"), 43_200
    for _ in range(4000):
        name = rng.choice(("KeyRegister", "KeyRotate", "KeyRevoke"))
        fields = ("key", "old_key", "new_key")
        message: dict[str, Any] = {field: rng.choice(addresses) for field in fields}
        message |= {"account": rng.choice(accounts), "roles": rng.choice([1, 64])}
        message["from_slot"] = rng.randrange(8) * half_day_s
        signers = [rng.choice(addresses) for _ in range(1 if name == "KeyRevoke" else 2)]
        rows = draw_keys(rng, accounts, addresses, half_day_s)
        case = {"name": name, "message": message, "signers": signers, "keys": rows}
        cases.append({**case, "first": 0, "last": 0})
    told = open_page.evaluate(MAY_CHANGE, cases)
    for case, one in zip(cases, told, strict=True):
        message, signers = as_bytes(case)
        here = ring_of(case).may_change(case["name"], message, signers, None, first=False)
        assert one == here, case
    allowed = Counter(case["name"] for case, one in zip(cases, told, strict=True) if one)
    assert len(allowed) == 3 and allowed.total() > 300, allowed


def test_a_key_about_to_end_ends_another_and_one_long_ended_does_not() -> None:
    ring = verifier.KeyRing(b"registrar", b"operator")
    ring.keys[b"ann"] = [verifier._Key(b"a", 1, 0, 900), verifier._Key(b"b", 1, 0, None)]
    end = {"account": b"ann", "key": b"b", "from_slot": 1800}
    assert ring.may_change("KeyRevoke", end, [b"a"], None, first=False)
    assert ring.may_change("KeyRevoke", end, [b"a"], 0, first=False)
    assert not ring.may_change("KeyRevoke", end, [b"a"], 1800, first=False)
    late = {**end, "from_slot": 900 + verifier.KEY_ENDS_WITHIN_S}
    assert not ring.may_change("KeyRevoke", late, [b"a"], None, first=False)


def test_the_overview_leads_to_the_page() -> None:
    trust = (STATIC / "js" / "views" / "operator" / "trust.js").read_text()
    assert 'href: "/verify"' in trust
