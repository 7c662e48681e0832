"""The market screen in a real browser, against documents of real auctions of invented books."""

import copy
import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import Response
from playwright.sync_api import Page, expect

from energy.api.market import HistoryRows, Period, build_history
from energy.steps.book_rows import clearing_columns
from energy.steps.curves import AuctionRows, curves_document
from energy.timegrid import iso_of, parse_instant
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.book import BookRow, book_of
from market.clearing import clear_slot, clearing_message
from market.network import MarketLink, MarketNetwork
from market.result import Clearing
from market.rules import MarketRules

pytestmark = pytest.mark.browser

NB = "\u00a0"
WIDTHS = [(1366, 768), (390, 844), (320, 700)]
CASES = Path(__file__).parents[1] / "cases" / "overview"
OVERVIEW: dict[str, Any] = json.loads((CASES / "full.json").read_text())
NEWEST = parse_instant("2026-11-22T05:15:00Z")  # 14:15 in the district
DAY = parse_instant("2026-11-21T15:00:00Z")
PROBLEM = {"title": "The store is busy", "status": 503, "detail": "A migration is running."}
ZONES = ["F1", "F2", "F3"]
LINKS = tuple(MarketLink(one, other, 200, 8_000) for one, other in ((0, 1), (1, 0), (1, 2), (2, 1)))


def cleared(
    slot: int, zones: int = 1, each: int = 30, gap: int = 0
) -> tuple[Clearing, AuctionRows]:
    """An auction of random orders, joined by narrow links; a `gap` in won keeps sides apart."""
    rng = np.random.default_rng(slot // SLOT_S)
    rows = [
        BookRow(
            rng.bytes(32), node, side, int(rng.integers(1000, 2000)) * 100 + node * 20_000
            + (gap * 1000 if side == 2 else 0), int(rng.integers(100, 900)), node,
        )
        for node in range(zones)
        for side in (1, 2)
        for _ in range(each)
    ]  # fmt: skip
    network = MarketNetwork(LINKS, version=1) if zones > 1 else None
    clearing = clear_slot(book_of(slot, rows), MarketRules(), network)
    message = clearing_message(clearing, round=1, network_version=1, plan=bytes(32))
    accounts = {row.tag: row.tag for row in rows}
    return clearing, AuctionRows(slot, clearing_columns(clearing), message, b"\1" * 32, accounts)


def market_of(clearing: Clearing, names: list[str]) -> dict[str, Any]:
    """What the slot publishes of its market."""
    price = clearing.prices()
    mean = sum(node.price_mkrw_per_kwh * node.bought_wh for node in clearing.nodes)
    volume_wh = clearing.volume_wh

    def shown(node: Any) -> str | None:
        traded = node.bought_wh + node.sold_wh
        return krw_text_from_mkrw(node.price_mkrw_per_kwh) if traded else None

    return {
        "slot_utc": iso_of(clearing.slot),
        "price_krw_per_kwh": krw_text_from_mkrw(mean // volume_wh) if volume_wh else None,
        "volume_kwh": volume_wh / 1000,
        "orders": len(clearing.book),
        "welfare_krw": krw_text_from_ukrw(clearing.welfare_ukrw),
        "reason": "",
        "zones": [
            {
                "zone": names[node.node],
                "price_krw_per_kwh": shown(node),
                "volume_kwh": max(node.bought_wh, node.sold_wh) / 1000,
                "bought_kwh": node.bought_wh / 1000,
                "sold_kwh": node.sold_wh / 1000,
                "forced": False,
                "reason": "",
            }
            for node in clearing.nodes
        ],
        "links": [
            {
                "from": names[link.from_node],
                "to": names[link.to_node],
                "flow_kwh": link.flow_wh / 1000,
                "capacity_kwh": link.capacity_wh / 1000,
                "fee_krw_per_kwh": "8",
                "rent_krw": krw_text_from_ukrw(
                    (price[link.to_node] - price[link.from_node] - 8_000) * link.flow_wh
                ),
            }
            for link in clearing.links
        ],
        "rounds": [
            {
                "round": 1,
                "volume_kwh": volume_wh / 1000,
                "broken": [],
                "cut": None,
                "no_trade": [],
            }
        ],
    }


def trading(slot: int, saved: str = "12.5") -> dict[str, Any]:
    return {
        "slot_utc": iso_of(slot),
        "version": 1,
        "bought_kwh": {"contracts": 2.0, "p2p": 3.5, "tariff": 94.5},
        "sold_kwh": {"contracts": 2.0, "p2p": 2.5, "feed_in": 1.25},
        "tariff_krw_per_kwh": "182.25",
        "feed_in_krw_per_kwh": "104.5",
        "traders": 40,
        "worse_off": 3,
        "avoided_krw": "900.5",
        "forgone_krw": "260.5",
        "outside_krw": str(float(saved) - 640.0 - 7.5),
        "deviation_krw": "14.125",
        "saved_p2p_krw": saved,
        "saved_contracts_krw": "-7.5",
        "saved_krw": str(float(saved) - 7.5),
    }


@dataclass
class Stage:
    """What the served API answers, changed by the test while the page looks."""

    zones: int = 1
    overview: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(OVERVIEW))
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def reset(self, zones: int = 1) -> None:
        """24 slots up to the newest: a void one, one without trade, the last two not settled."""
        self.overview, self.events, self.asked = copy.deepcopy(OVERVIEW), [], []
        self.answers, told, names = {}, dict[int, dict[str, Any]](), ZONES[:zones]
        first = NEWEST - 23 * SLOT_S
        for slot in range(first, NEWEST + 1, SLOT_S):
            number = (slot - first) // SLOT_S
            clearing, auction = cleared(slot, zones, gap=200 if number == 5 else 0)
            market = market_of(clearing, names)
            curves: dict[str, Any] = {**curves_document(auction, names), "reason": None}
            if number == 4:
                market |= {"price_krw_per_kwh": None, "volume_kwh": 0.0, "reason": "no valid plan"}
                market |= {"zones": [], "links": [], "rounds": []}
                curves = {"slot_utc": iso_of(slot), "orders": 9, "reason": "no valid plan"}
                curves |= {"district": None, "zones": []}
            told[slot] = market
            self.answers[f"/v1/market/{iso_of(slot)}"] = market
            self.answers[f"/v1/market/{iso_of(slot)}/curves"] = curves
        settled = {slot: trading(slot) for slot in list(told)[:-2]}
        del settled[first + 4 * SLOT_S]
        self.keep_history(told, settled)

    def keep_history(
        self, told: dict[int, dict[str, Any]], settled: dict[int, dict[str, Any]]
    ) -> None:
        period = Period(NEWEST - 95 * SLOT_S, NEWEST + SLOT_S, NEWEST + SLOT_S)
        history = build_history(period, HistoryRows(told, settled), DAY)
        self.answers["/v1/market/history"] = json.loads(json.dumps(history))

    @property
    def history(self) -> dict[str, Any]:
        found = self.answers["/v1/market/history"]
        assert found is not None
        return found

    def curves(self, slot: int = NEWEST) -> dict[str, Any]:
        found = self.answers[f"/v1/market/{iso_of(slot)}/curves"]
        assert found is not None
        return found

    def answer(self, path: str) -> Response:
        self.asked.append(path)
        found = self.overview if path == "/v1/overview" else self.answers.get(path)
        if found is None:
            return Response('{"title":"There is nothing here","status":404}', 404)
        kind = "application/problem+json" if found is PROBLEM else "application/json"
        return Response(json.dumps(found), 503 if found is PROBLEM else 200, media_type=kind)


@pytest.fixture
def stage(served: Stage) -> Stage:
    served.reset()
    return served


def open_market(page: Page, stage: Stage, query: str = "", language: str = "en") -> None:
    page.context.add_cookies([{"name": "language", "value": language, "url": stage.address}])
    page.goto(f"{stage.address}/market{query}")
    expect(page.locator("#main[data-slot]")).to_have_count(1)
    expect(page.locator("#proof .verdict, #proof .note:visible")).not_to_have_count(0)


def price(text: str) -> str:
    return f"{float(text):,.1f}".removesuffix(".0")


def won(text: str) -> str:
    value = float(text)
    shown = f"{abs(value):,.1f}".removesuffix(".0")
    return f"{'−' if value < 0 else ''}₩{shown}"


def row(page: Page, name: str) -> list[str]:
    return page.locator(f'.gains [data-row="{name}"] td').all_inner_texts()


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_the_figures_are_the_apis_at_every_width_in_both_languages(
    chromium_page: Page, stage: Stage, complaints: list[str], size: tuple[int, int], language: str
) -> None:
    stage.reset(zones=3)
    page = chromium_page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_market(page, stage, language=language)
    place, budget = stage.curves()["district"], stage.curves()["budget"]
    volume = f"{place['bought_kwh']:.2f}" if place["bought_kwh"] < 10 else (
        f"{place['bought_kwh']:.1f}"
    )  # fmt: skip
    expect(page.locator("#curves-chart-title")).to_contain_text(price(place["price_krw_per_kwh"]))
    expect(page.locator("#curves-chart-title")).to_contain_text(f"{volume}{NB}kWh")
    expect(page.locator("#answer")).to_contain_text(f"{volume}{NB}kWh")
    totals = stage.history["totals"]
    expect(page.locator("#prices-chart-title")).to_contain_text(
        price(totals["price_low_krw_per_kwh"])
    )
    expect(page.locator("#prices-chart-title")).to_contain_text("22")
    expect(page.locator("#volumes-chart-title")).to_contain_text(f"5.5{NB}%")
    proof = page.locator("#proof")
    for name in ("paid", "received", "fees", "rent"):
        whole = budget[f"{name}_krw"].split(".")[0]
        expect(proof).to_contain_text(f"{int(whole):,}")
    zones = page.locator("#places [data-zone]")
    expect(zones).to_have_count(3)
    market = stage.answers[f"/v1/market/{iso_of(NEWEST)}"]
    assert market is not None
    for at, zone in enumerate(market["zones"]):
        expect(zones.nth(at)).to_contain_text(price(zone["price_krw_per_kwh"]))
    assert len({zone["price_krw_per_kwh"] for zone in market["zones"]}) > 1
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width == 0
    if language == "ko":
        text = page.locator("main").inner_text()
        english = {one for one in re.findall(r"[A-Za-z]{4,}", text) if set(one) - set("abcdef")}
        assert english <= {"microgrid", "ledger", "verify"}


def test_savings_stand_for_the_slot_and_for_today_and_losses_are_told_as_readily(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_market(page, stage, "?slot=2026-11-22T04%3A30Z")
    today = stage.history["today"]
    for name in ("avoided", "forgone", "outside", "saved_p2p", "saved_contracts", "saved"):
        mine = trading(NEWEST)[f"{name}_krw"]
        assert row(page, name) == [won(mine), won(today[f"{name}_krw"])]
    assert row(page, "worse_off")[0] == "3 of 40"
    assert today["settled"] == 21
    expect(page.locator("#next")).to_contain_text(
        "neighbours have saved ₩263, contracts have cost ₩158 more (21 settled quarter hours)"
    )
    expect(page.locator("#gains .verdict")).to_contain_text("₩105 saved")
    settled = {slot: trading(slot, "-2.25") for slot in (NEWEST - 3 * SLOT_S,)}
    told = {NEWEST: stage.answers[f"/v1/market/{iso_of(NEWEST)}"] or {}}
    stage.keep_history(told, settled)
    stage.events.append(("ledger", {}))
    expect(page.locator("#gains .verdict")).to_contain_text("▲ ₩10 more than at tariff")
    expect(page.locator("#next")).to_contain_text("neighbours have paid ₩2 more")


def test_a_slot_is_gone_back_to_and_its_curves_price_and_proof_are_its_own(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_market(page, stage)
    expect(page.get_by_role("button", name="Later")).to_be_disabled()
    expect(page.get_by_role("button", name="Newest")).to_be_hidden()
    page.get_by_role("button", name="Earlier").click()
    earlier = stage.curves(NEWEST - SLOT_S)
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:00–14:15")
    expect(page.locator("#curves-chart-title")).to_contain_text(
        price(earlier["district"]["price_krw_per_kwh"])
    )
    expect(page.locator("#proof")).to_contain_text(
        f"{int(earlier['budget']['paid_krw'].split('.')[0]):,}"
    )
    assert "slot=2026-11-22T05%3A00Z" in page.url
    expect(page.locator("#prices-chart-values")).to_contain_text("14:00–14:15")
    page.get_by_role("button", name="Newest").click()
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:15–14:30")
    assert "slot=" not in page.url


def test_void_untraded_and_unheld_auctions_each_have_their_words(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    note = page.locator("#curves .note:visible")
    open_market(page, stage, "?slot=2026-11-22T00%3A30Z")  # the fifth: 09:30
    expect(note).to_contain_text("09:30–09:45 has no market")
    expect(note).to_contain_text("no valid plan")
    expect(page.locator("#proof")).to_have_attribute("data-state", "empty")
    page.get_by_role("button", name="Later").click()
    expect(page.locator("#curves-chart-title")).to_have_text("No bid reaches an offer")
    expect(page.locator("#curves .outcome")).to_contain_text("Nobody traded")
    expect(page.locator("#prices-chart-values")).to_contain_text("no trade")
    open_market(page, stage, "?slot=2026-11-21T20%3A00Z")
    expect(note).to_have_text("There was no auction for 05:00–05:15.")
    assert not [path for path in stage.asked if "2026-11-21T20:00:00Z" in path]


def test_a_newest_slot_without_trade_or_market_is_said_first(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    stage.history["state"][-1] = "void"
    open_market(page, stage)
    expect(page.locator("#answer")).to_have_text(
        "14:15–14:30 has no market: its orders are void, its energy goes at tariff."
    )
    stage.history["state"][-1] = "no_trade"
    page.reload()
    expect(page.locator("#answer")).to_have_text(
        "14:15–14:30: nobody traded, for no bid reaches an offer."
    )


def test_a_zone_is_chosen_by_name_and_one_of_few_accounts_shows_its_price_alone(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    stage.reset(zones=3)
    one, hidden = stage.curves()["zones"][1], stage.curves()["zones"][2]
    hidden |= {"hidden": True, "demand": None, "supply": None, "accounts": None}
    open_market(page, stage)
    page.get_by_label("Zone", exact=True).select_option("F2")
    expect(page.locator("#curves-chart-title")).to_contain_text(price(one["price_krw_per_kwh"]))
    assert "zone=F2" in page.url
    page.reload()
    expect(page.get_by_label("Zone", exact=True)).to_have_value("F2")
    page.get_by_label("Zone", exact=True).select_option("F1")
    edge = stage.curves()["zones"][0]
    beyond = edge["sold_kwh"] - edge["bought_kwh"]
    assert abs(beyond) > 0.1
    way = "sold goes to" if beyond > 0 else "bought comes from"
    expect(page.locator("#curves .outcome")).to_contain_text(
        f"{abs(beyond):.2f}{NB}kWh of what is {way} other zones or the connection."
    )
    page.get_by_label("Zone", exact=True).select_option("F3")
    note = page.locator("#curves .note:visible")
    expect(note).to_contain_text(price(hidden["price_krw_per_kwh"]))
    expect(note).to_contain_text("hidden for privacy")
    expect(page.locator("#curves svg")).to_be_hidden()


def test_what_labels_cost_on_top_stands_beside_the_zones(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    stage.reset(zones=3)
    market = stage.answers[f"/v1/market/{iso_of(NEWEST)}"]
    assert market is not None
    market["labels"] = [
        {"label": "green", "zone": None, "price_krw_per_kwh": "3.2", "volume_kwh": 4.5},
        {"label": "local", "zone": "F2", "price_krw_per_kwh": None, "volume_kwh": 0.0},
    ]
    open_market(page, stage)
    rows = page.locator("#places [data-label]")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Green")
    expect(rows.nth(0)).to_contain_text(f"4.50{NB}kWh")
    expect(rows.nth(0)).to_contain_text(price("3.2"))
    expect(rows.nth(1)).to_contain_text("F2")
    expect(rows.nth(1)).to_contain_text("No trade")
    market["labels"] = []
    page.reload()
    expect(page.locator("#places [data-zone]")).to_have_count(3)
    expect(rows).to_have_count(0)


def test_full_ways_closed_zones_and_rounds_are_told(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    stage.reset(zones=3)
    market = stage.answers[f"/v1/market/{iso_of(NEWEST)}"]
    assert market is not None
    full = [one for one in market["links"] if one["flow_kwh"] == one["capacity_kwh"]]
    assert full
    open_market(page, stage)
    expect(page.locator("#places .full")).to_have_count(len(full))
    expect(page.locator("#places .verdict")).to_contain_text("full, so prices differ")
    rent = sum(float(one["rent_krw"]) for one in market["links"])
    assert float(stage.curves()["budget"]["rent_krw"]) == pytest.approx(rent)
    market["rounds"] = [
        {
            "round": 1, "volume_kwh": 9.5, "broken": ["line F1-01"], "no_trade": [],
            "cut": {"from": "busbar", "to": "F1", "from_kwh": 6.0, "to_kwh": 4.5, "reason": "x"},
        },
        {"round": 2, "volume_kwh": 8.0, "broken": [], "no_trade": ["F3"], "cut": None},
    ]  # fmt: skip
    market["zones"][2] |= {"forced": True, "reason": "line F3-01", "price_krw_per_kwh": None}
    page.reload()
    rounds = page.locator("#places .rounds li")
    expect(rounds.nth(0)).to_have_text(
        f"Round 1: 9.50{NB}kWh. 1 limit would break. Busbar → F1 is cut from 6.00{NB}kWh to "
        f"4.50{NB}kWh. line F1-01"
    )
    expect(rounds.nth(1)).to_contain_text("No trade in F3.")
    expect(page.locator("#places .verdict")).to_contain_text("1 zone closed by the grid check")


def test_the_cursor_reads_both_curves_by_key_pointer_and_table(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_market(page, stage)
    place = stage.curves()["district"]
    output = page.locator("#curves-chart-values")
    # A key pressed before the chart is drawn moves nothing.
    expect(output).to_contain_text("After")
    page.locator("#curves-chart-cursor").press("Home")
    expect(output).to_contain_text(f"After 0.00{NB}kWh")
    expect(output).to_contain_text(f"Bids ₩{price(place['demand']['price_krw_per_kwh'][0])}/kWh")
    expect(output).to_contain_text(f"Offers ₩{price(place['supply']['price_krw_per_kwh'][0])}/kWh")
    label = page.locator("#curves-chart-cursor").get_attribute("aria-valuetext")
    assert label is not None and "Bids" in label and "Offers" in label
    before = output.inner_text()
    page.locator("#curves .picture").click(position={"x": 500, "y": 100})
    expect(output).not_to_have_text(before)
    page.locator("#curves-chart-cursor").focus()
    page.keyboard.press("t")
    rows = page.locator("#curves table tbody tr")
    count = sum(len(place[side]["until_kwh"]) for side in ("demand", "supply"))
    expect(rows).to_have_count(count)
    with page.expect_download() as saved:
        page.locator("#curves .csv").click()
    lines = Path(saved.value.path()).read_text().strip().split("\n")
    assert lines[0].strip() == "side,price_krw_per_kwh,until_kwh" and len(lines) == count + 1


def test_a_new_auction_comes_by_itself_but_never_under_a_reader_who_looks_back(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    last = copy.deepcopy(stage.answers)
    stage.history["state"][-1] = None
    open_market(page, stage)
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:00–14:15")
    stage.answers = copy.deepcopy(last)
    stage.events.append(("cycle", {}))
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:15–14:30")
    page.get_by_role("button", name="Earlier").click()
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:00–14:15")
    stage.events.append(("cycle", {}))
    stage.history["today"]["saved_p2p_krw"] = "777"
    stage.events.append(("ledger", {}))
    expect(page.locator("#next")).to_contain_text("₩777")
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:00–14:15")


def test_before_the_first_auction_every_card_says_when_it_comes(
    chromium_page: Page, stage: Stage
) -> None:
    stage.overview = json.loads((CASES / "empty.json").read_text())
    stage.answers = {}
    page = chromium_page
    page.goto(f"{stage.address}/market")
    expect(page.locator('.block[data-state="empty"]')).to_have_count(6)
    expect(page.locator("#curves > .note")).to_contain_text("No trades yet. The next market closes")
    expect(page.locator("#answer")).to_have_text("There has been no auction yet.")


def test_a_failing_service_is_named_and_comes_back(chromium_page: Page, stage: Stage) -> None:
    page = chromium_page
    history, curves = stage.answers["/v1/market/history"], f"/v1/market/{iso_of(NEWEST)}/curves"
    stage.answers["/v1/market/history"] = PROBLEM
    page.goto(f"{stage.address}/market")
    expect(page.locator("#answer")).to_contain_text("The market cannot be had")
    expect(page.locator("#prices .note")).to_contain_text("The store is busy")
    good = stage.answers[curves]
    stage.answers |= {"/v1/market/history": history, curves: PROBLEM}
    stage.events.append(("cycle", {}))
    expect(page.locator("#prices")).to_have_attribute("data-state", "ready")
    expect(page.locator("#proof .note")).to_contain_text("The store is busy")
    expect(page.locator("#curves .body .note")).to_contain_text("A migration is running")
    stage.answers[curves] = good
    stage.events.append(("cycle", {}))
    expect(page.locator("#proof")).to_have_attribute("data-state", "ready")


def test_money_that_is_not_explained_is_an_alarm(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    stage.curves()["budget"]["open_krw"] = "0.001"
    open_market(chromium_page, stage)
    expect(chromium_page.locator("#proof .badge.alarm")).to_have_text("■ ₩0.001 are not explained")


def test_everything_has_a_name_and_headings_go_down_by_one(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    stage.reset(zones=3)
    open_market(page, stage)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button,input,a,summary,select,svg[role],[role=region]')]"
        ".filter(one => !(one.getAttribute('aria-label') || one.textContent.trim()"
        " || one.labels?.length)).map(one => one.outerHTML)"
    )
    assert unnamed == []
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].filter(one => one.checkVisibility())"
        ".map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    label = page.locator("#curves svg.curves").get_attribute("aria-label")
    assert label is not None and "traded parts are thick" in label


def test_the_screen_stays_small_and_is_drawn_at_once(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    _, auction = cleared(NEWEST, each=5_000)
    stage.answers[f"/v1/market/{iso_of(NEWEST)}/curves"] = {
        **curves_document(auction, ["F1"]), "reason": None,
    }  # fmt: skip
    open_market(page, stage)
    expect(page.locator("#curves svg .curve")).to_have_count(4)
    assert page.evaluate("document.querySelectorAll('*').length") <= 1500


def test_g_then_m_opens_the_market_with_the_chosen_slot(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    page.goto(f"{stage.address}/?slot=2026-11-22T05%3A00Z")
    expect(page.locator("#main[data-slot]")).to_have_count(1)
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/market?slot=2026-11-22T05%3A00Z")
    expect(page.locator(".chosen-slot")).to_have_text("Sun 22 Nov 14:00–14:15")
