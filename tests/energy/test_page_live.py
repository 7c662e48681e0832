"""The page of a real `microgrid up`: its figures are the API's, and it renews itself."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

NB = "\u00a0"
WAIT_S = 120.0  # a busy machine still makes it; an idle one needs 10 s
SLOTS_FIRST = 3
VISIBLE = """() => {
  const text = (one) => one.textContent.trim();
  const all = (query, read = text) => [...document.querySelectorAll(query)].map(read);
  const pairs = (id) => Object.fromEntries([...document.querySelectorAll(`#${id} .facts > div`)]
    .map((row) => [text(row.querySelector("dt")), text(row.querySelector("dd"))]));
  return {
    slot: document.getElementById("main").dataset.slot,
    figures: Object.fromEntries(all(".tile", (one) =>
      [one.dataset.figure, text(one.querySelector(".big"))])),
    tier: all("#badges .badge")[0] ?? "",
    market: pairs("market"), stores: pairs("stores"), grid: pairs("grid-state"),
    ledger: pairs("ledger"), cycle: pairs("cycle"),
    balance: all("#balance tbody tr", (row) => [...row.children].map(text)),
    marketTitle: all("#market-chart-title")[0] ?? "",
  };
}"""
GRID_VISIBLE = """() => {
  const text = (one) => one.textContent.trim();
  return {
    slot: document.getElementById("main").dataset.slot,
    strip: [...document.querySelectorAll("#strip tbody tr")]
      .map((row) => [...row.children].map(text).slice(3)),
    marks: Object.fromEntries([...document.querySelectorAll("svg.map .transformer")]
      .map((mark) => [mark.getAttribute("aria-label"), mark.getAttribute("class")])),
    now: [...document.querySelectorAll(".ranking tbody td:nth-child(2)")].map(text).join(" "),
  };
}"""
PLANT_VIOLATION_EAR = """() => {
  window.violations = [];
  document.addEventListener("securitypolicyviolation",
    (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(address: str, path: str) -> tuple[dict[str, Any], str]:
    """A document and its ETag."""
    with urllib.request.urlopen(f"{address}{path}", timeout=10) as answer:
        return json.load(answer), str(answer.headers["etag"])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A district at work, a quarter hour every 2 s; three slots are published."""
    folder, port = tmp_path_factory.mktemp("up"), free_port()
    command = [
        sys.executable, "-m", "energy", "up", "--district", "sejong-5-1@0.005", "--port", str(port),
        "--database-url", f"sqlite:///{folder}/up.db", "--demo-slot-s", "2", "--seed", "4",
        "--demo-start", "2026-07-15T03:00:00Z",
    ]  # fmt: skip
    with (folder / "told.txt").open("wb") as told:
        process = subprocess.Popen(command, cwd=folder, stdout=told, stderr=subprocess.STDOUT)
    here = f"http://127.0.0.1:{port}"
    try:
        wait_for_slots(here, folder / "told.txt")
        yield here
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_slots(here: str, told: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if len(ask(here, "/v1/slots?limit=8")[0]["items"]) >= SLOTS_FIRST:
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"no {SLOTS_FIRST} slots within {WAIT_S} s; it said: {told.read_text()[-2000:]}")


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """A page that ends without a console line, a report of the policy or a foreign request."""
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, locale="en-GB", timezone_id="America/New_York"
    )
    context.set_default_timeout(20_000)
    page = context.new_page()
    found: list[str] = []
    page.add_init_script(f"({PLANT_VIOLATION_EAR})()")
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(address) else found.append(request.url),
    )
    yield page
    found += page.evaluate("window.violations")
    context.close()
    assert found == []


def power(kw: float) -> str:
    return f"{kw / 1000:,.1f}{NB}MW" if abs(kw) >= 1000 else f"{kw:,.1f}{NB}kW"


def energy(kwh: float) -> str:
    amount, unit = (kwh / 1000, "MWh") if abs(kwh) >= 1000 else (kwh, "kWh")
    return f"{amount:,.{2 if amount < 10 else 1}f}{NB}{unit}"


def percent(share: float) -> str:
    return f"{share * 100:,.1f}{NB}%"


def won(text: str, digits: int = 0) -> str:
    shown = f"{abs(float(text)):,.{digits}f}"
    shown = re.sub(r"\.?0+$", "", shown) if "." in shown else shown
    return f"{'−' if float(text) < 0 and shown != '0' else ''}₩{shown}"


def expected_figures(data: dict[str, Any]) -> dict[str, str]:
    kpi, market = data["kpi"], data["market"]
    price = market["price_krw_per_kwh"]
    return {
        "sufficiency": percent(kpi["self_sufficiency_frac"]),
        "consumption": percent(kpi["self_consumption_frac"]),
        "saved": won(kpi["saved_krw"].lstrip("-")),
        "co2": f"{kpi['co2_t']:,.1f}{NB}t",
        "peak": power(kpi["peak_kw"]),
        "market": "No trade" if price is None else f"{won(price, 1)}/kWh",
    }


def expected(data: dict[str, Any]) -> dict[str, Any]:
    """What the page has to show for an answer of `GET /v1/overview`."""
    grid, ledger, stores = data["grid"], data["ledger"], data["stores"]
    battery, heat = stores["battery"], stores["heat"]
    line, transformer = grid["worst_line"], grid["worst_transformer"]
    return {
        "slot": data["cycle"]["slot_utc"],
        "figures": expected_figures(data),
        "grid": {
            "Fullest line": f"● {percent(line['loading_frac'])} {line['id']}",
            "Fullest transformer": f"● {percent(transformer['loading_frac'])} {transformer['id']}",
            "Lowest voltage": f"{grid['v_min']['v_pu']:.3f}{NB}pu {grid['v_min']['id']}",
            "Highest voltage": f"{grid['v_max']['v_pu']:.3f}{NB}pu {grid['v_max']['id']}",
            "Losses": power(grid["loss_kw"]),
        },
        "entries": f"{ledger['size']:,}",
        "transfers": f"{ledger['transfers']:,}",
        "unexplained": f"0{NB}Wh · ₩0",
        "batteries": f"{energy(battery['now_kwh'])} of {energy(battery['kwh_max'])}",
        "heat": f"{energy(heat['now_kwh'])} of {energy(heat['kwh_max'])}",
        "orders": f"{data['market']['orders']:,}",
        "took": f"{data['cycle']['seconds']['total']:.2f}{NB}s",
        "balance": expected_balance(data["balance"]),
    }


def expected_balance(balance: dict[str, Any]) -> list[list[str]]:
    """The rows of the balance's table without their times: kind, then sources, then uses."""
    columns = [*balance["sources"].values(), *balance["uses"].values()]
    totals = [
        sum(values[i] or 0 for values in side.values())
        for side in (balance["sources"], balance["uses"])
        for i in range(len(balance["quality"]))
    ]
    scale, digits = (1000, 2) if max(totals) >= 1000 else (1, 1)
    return [
        [quality, *("–" if c[i] is None else as_shown(c[i] / scale, digits) for c in columns)]
        for i, quality in enumerate(balance["quality"])
    ]


def as_shown(number: float, digits: int) -> str:
    """A number as browsers write it: half of the last digit, as the number is written, goes up."""
    place = Decimal(1).scaleb(-digits)
    return f"{Decimal(repr(number)).quantize(place, ROUND_HALF_UP):,}"


def shown(page: Page) -> dict[str, Any]:
    """The same figures as they stand on the page, all read in one moment."""
    read = page.evaluate(VISIBLE)
    return {
        "slot": read["slot"],
        "figures": read["figures"],
        "grid": read["grid"],
        "entries": read["ledger"].get("Entries"),
        "transfers": read["ledger"].get("Transfers"),
        "unexplained": read["ledger"].get("Unexplained"),
        "batteries": read["stores"].get("Batteries"),
        "heat": read["stores"].get("Heat store"),
        "orders": read["market"].get("Orders"),
        "took": read["cycle"].get("Took", "").split(" for ")[0],
        "balance": [row[2:] for row in read["balance"]],
    }


def is_settled(data: dict[str, Any]) -> bool:
    return bool(data["cycle"] and data["cycle"]["seconds"].get("total") and data["kpi"])


def compare_when_both_stand_still(page: Page, address: str) -> dict[str, Any]:
    """Page and API between two changes of the district; the last difference fails the test."""
    here: dict[str, Any] = {}
    there: dict[str, Any] = {"never": "compared"}
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        data, etag = ask(address, "/v1/overview")
        if not is_settled(data):
            continue
        time.sleep(0.3)
        here = shown(page)
        if ask(address, "/v1/overview")[1] == etag:
            there = expected(data)
            if here == there:
                return data
    assert here == there
    return {}


def test_the_figures_of_a_running_district_are_those_of_its_api(page: Page, address: str) -> None:
    page.goto(address)
    page.locator("#balance summary").click()
    expect(page.locator("#balance tbody tr")).to_have_count(112)
    data = compare_when_both_stand_still(page, address)
    assert data["cycle"]["tier"] in ("T0", "T1", "T2", "T3")
    expect(page.locator(".block[data-state=error]")).to_have_count(0)
    expect(page.locator("#ledger")).to_contain_text("The books hold")


def test_the_next_slot_comes_by_itself(page: Page, address: str) -> None:
    page.goto(address)
    page.mouse.move(5, 5)
    main = page.locator("#main[data-slot]")
    expect(main).to_have_count(1)
    page.evaluate("window.neverReloaded = true")
    seen = {main.get_attribute("data-slot")}
    deadline = time.monotonic() + WAIT_S
    while len(seen) < 3 and time.monotonic() < deadline:
        seen.add(main.get_attribute("data-slot"))
        page.wait_for_timeout(100)
    assert len(seen) >= 3
    assert page.evaluate("window.neverReloaded") is True
    tier = ask(address, "/v1/overview")[0]["cycle"]["tier"]
    expect(page.locator("#badges")).to_contain_text(f"Plan {tier}")


def grid_expected(wires: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    """What the grid screen has to show for an answer of `GET /v1/grid`."""
    strip = wires["strip"]
    rows = [
        [f"{share * 100:,.1f}", element, f"{low:.4f}", f"{high:.4f}"]
        for share, element, low, high in zip(
            strip["loading_frac"],
            strip["loading_element"],
            strip["v_min_pu"],
            strip["v_max_pu"],
            strict=True,
        )
    ]
    loading = wires["now"]["transformer_loading_frac"]
    steps = [sum(share > limit for limit in (0.5, 0.8, 1.0)) for share in loading]
    ids = network["transformers"]["id"]
    return {
        "strip": rows,
        "marks": {
            f"Transformer {name}": f"transformer load-{step}"
            for name, step in zip(ids, steps, strict=True)
        },
        "now": max(map(percent, loading), key=lambda text: float(text[:-2])),
    }


def same_wires(here: dict[str, Any], there: dict[str, Any]) -> bool:
    """Equal but for the last digit shown, where a half may be rounded either way."""
    if here.keys() != there.keys() or len(here["strip"]) != len(there["strip"]):
        return False
    others = all(here[key] == there[key] for key in here if key != "strip")
    return others and all(
        ours[1] == theirs[1]
        and abs(float(ours[0]) - float(theirs[0])) < 0.11
        and all(
            abs(float(a) - float(b)) < 1.1e-4 for a, b in zip(ours[2:], theirs[2:], strict=True)
        )
        for ours, theirs in zip(here["strip"], there["strip"], strict=True)
    )


def test_the_grid_screen_of_a_running_district_shows_what_its_api_says(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/grid")
    page.mouse.move(5, 5)
    page.locator("#strip summary").click()
    expect(page.locator("#strip tbody tr")).to_have_count(96)
    network, _ = ask(address, "/v1/grid/network")
    here: dict[str, Any] = {}
    there: dict[str, Any] = {"never": "compared"}
    deadline = time.monotonic() + WAIT_S
    while not same_wires(here, there) and time.monotonic() < deadline:
        wires, etag = ask(address, "/v1/grid")
        time.sleep(0.3)
        read = page.evaluate(GRID_VISIBLE)
        if ask(address, "/v1/grid")[1] == etag and read["slot"] == wires["slot_utc"]:
            there = grid_expected(wires, network)
            here = {**read, "now": there["now"] if there["now"] in read["now"] else read["now"]}
            here.pop("slot")
    assert same_wires(here, there), (here, there)
    page.get_by_role("button", name="Work it out").click()
    expect(page.locator("#outage .verdict .badge")).to_contain_text("F1")
    seen = page.locator("#main").get_attribute("data-slot")
    expect(page.locator("#main")).not_to_have_attribute("data-slot", seen or "", timeout=60_000)
    expect(page.locator(".block[data-state=error]")).to_have_count(0)
