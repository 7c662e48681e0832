"""What the market tells of a slot: curves of the book, energy by model, and what was saved."""

import gzip
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.api import ApiContext, create_app
from energy.api.market import HistoryRows, totals_of
from energy.config import Settings
from energy.crowd.household import MONTH_SHAPE
from energy.district import load_district
from energy.steps.book_rows import clearing_columns
from energy.steps.credentials import hash_secret, new_secret
from energy.steps.curves import (
    ACCOUNTS_MIN,
    STEPS_MAX,
    AuctionRows,
    curves_document,
    hidden_zones,
    load_auction,
    merged_steps,
    told_to_members,
)
from energy.steps.metering import usual_of
from energy.steps.open_data import (
    NOT_PUBLISHED,
    group_of_meter,
    groups_of,
    may_be_told,
    publishable,
    rest_may_be_told,
)
from energy.steps.slot_settlement import tariff_rows, terms_of, trades_of_slot
from energy.steps.trading import MONEY, OF_DEVIATION, PRIVATE, _without_single
from energy.store.books import load_slot_book
from energy.store.orders import load_book, save_clearing
from energy.store.people import ServiceToken, add_token
from energy.store.readings import LateRow, load_readings
from energy.store.slots import SlotOutcome, claim_slot, publish_slot
from energy.store.views import find_view
from energy.timegrid import iso_of, local_month_start
from energy.units import SLOT_S, krw_text_from_mkrw, krw_text_from_ukrw
from market.book import BookRow, book_of
from market.clearing import clear_slot, clearing_message
from market.network import MarketLink, MarketNetwork
from market.rules import MarketRules
from market.tariff import charges_ukrw, price_mkrw_per_kwh

FIRST = 1_784_084_400  # 2026-07-15 12:00 in Sejong
Begin = Callable[..., Any]


def auction_of(
    rows: list[BookRow], network: MarketNetwork | None = None, operator: int = 0
) -> AuctionRows:
    """An auction of these rows, each of an account of its own but for the last `operator` ones."""
    clearing = clear_slot(book_of(FIRST, rows), MarketRules(), network)
    message = clearing_message(clearing, round=1, network_version=1, plan=bytes(32))
    ours = rows[: len(rows) - operator]
    accounts = {row.tag: row.tag for row in ours}
    return AuctionRows(FIRST, clearing_columns(clearing), message, b"\1" * 32, accounts)


def crowd_rows(nodes: int, each: int, seed: int = 1) -> list[BookRow]:
    """Bids and offers at random prices, `each` a side at every node."""
    rng = np.random.default_rng(seed)
    return [
        BookRow(
            rng.bytes(32), node, side, int(rng.integers(0, 10_000)) * 100,
            int(rng.integers(1, 3000)), node,
        )
        for node in range(nodes)
        for side in (1, 2)
        for _ in range(each)
    ]  # fmt: skip


# Curves


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_is_what_the_book_asks_and_offers_at_each_price(seed: int) -> None:
    rows = crowd_rows(1, 60, seed)
    found = curves_document(auction_of(rows), ["Z1"])
    node = found["district"]
    assert found["zones"] == []
    for name, side in (("demand", 1), ("supply", 2)):
        curve = node[name]
        assert curve["prices"] == len({row.price_mkrw_per_kwh for row in rows if row.side == side})
        for text, until_kwh in zip(curve["price_krw_per_kwh"], curve["until_kwh"], strict=True):
            limit = round(float(text) * 1000)
            reached = [
                row.e_wh
                for row in rows
                if row.side == side
                and (
                    row.price_mkrw_per_kwh >= limit
                    if side == 1
                    else row.price_mkrw_per_kwh <= limit
                )
            ]
            assert until_kwh == sum(reached) / 1000
    assert node["accounts"] == 120 and not node["hidden"]
    bids_wh = sum(row.e_wh for row in rows if row.side == 1)
    assert node["ordered_kwh"]["demand"] == bids_wh / 1000 == node["demand"]["until_kwh"][-1]


def test_the_price_lies_in_its_interval_and_the_budget_is_nought_with_fees_and_rent() -> None:
    links = tuple(
        MarketLink(one, other, 2_000, 8_000) for one, other in ((0, 1), (1, 0), (1, 2), (2, 1))
    )
    auction = auction_of(crowd_rows(3, 20), MarketNetwork(links, version=1))
    found = curves_document(auction, ["A", "B", "C"])
    assert [one["zone"] for one in found["zones"]] == ["A", "B", "C"]
    prices = []
    for place in (*found["zones"], found["district"]):
        low, price, high = (
            float(place[f"{name}_krw_per_kwh"]) for name in ("low", "price", "high")
        )
        assert low <= price <= high
        prices.append(price)
    assert len(set(prices[:3])) > 1 and found["district"]["interval"] == "zones"
    assert min(prices[:3]) <= prices[3] <= max(prices[:3])
    assert {one["interval"] for one in found["zones"]} == {"valid"}
    flows_wh = [link["flow_wh"] for link in auction.message["links"]]
    budget = found["budget"]
    assert budget["open_krw"] == "0" and any(flows_wh)
    assert budget["fees_krw"] == krw_text_from_ukrw(sum(flows_wh) * 8_000)
    paid = sum(
        int(fill) * {n["node"]: n["price_mkrw_per_kwh"] for n in auction.message["nodes"]}[node]
        for fill, node, side in zip(
            auction.columns["fill_wh"], auction.columns["node"].tolist(), auction.columns["side"],
            strict=True,
        )
        if side == 1
    )  # fmt: skip
    assert budget["paid_krw"] == krw_text_from_ukrw(paid)
    assert found["district"]["bought_kwh"] == found["volume_kwh"] == found["district"]["sold_kwh"]


def test_that_one_zone_has_no_offers_left_is_not_told_of_the_district() -> None:
    bids = [BookRow(bytes([n]) * 32, n % 2, 1, (300 - n) * 1000, 500, n % 2) for n in range(20)]
    offers = [BookRow(bytes([n + 200]) * 32, n, 2, 100_000, 700 + n * 90_000, n) for n in (0, 1)]
    apart = curves_document(auction_of([*bids, *offers]), ["A", "B"])
    assert [one["flags"] for one in apart["zones"]] == [["scarce"], ["glut"]]
    assert apart["district"]["flags"] == []
    alone = [row._replace(node=0, zone=0) for row in (*bids, offers[0])]
    assert curves_document(auction_of(alone), ["A"])["district"]["flags"] == ["scarce"]


def test_nine_accounts_show_a_price_and_no_curve() -> None:
    rows = [
        BookRow(bytes([n]) * 32, 0, 1 + n % 2, (200 if n % 2 == 0 else 100) * 1000, 50, 0)
        for n in range(ACCOUNTS_MIN)
    ]
    whole = auction_of(rows)
    place = curves_document(whole, ["Z1"])["district"]
    assert not place["hidden"] and place["demand"] is not None
    fewer = replace(whole, account_of_tag=dict(list(whole.account_of_tag.items())[1:]))
    place = curves_document(fewer, ["Z1"])["district"]
    assert place["hidden"] and place["demand"] is None and place["supply"] is None
    assert place["accounts"] is None and place["price_krw_per_kwh"] == "150"


def test_what_a_place_of_few_accounts_traded_is_told_to_who_runs_the_district_alone() -> None:
    auction = auction_of(crowd_rows(3, 20))
    whole = curves_document(auction, ["A", "B", "C"])
    assert told_to_members(whole) == whole
    hidden = {**whole["zones"][0], "hidden": True}
    less = told_to_members({**whole, "zones": [hidden, *whole["zones"][1:]]})
    assert less["zones"][0] == {**hidden, "bought_kwh": None, "sold_kwh": None, "margin": None}
    assert less["zones"][1:] == whole["zones"][1:] and less["district"] == whole["district"]


@pytest.mark.parametrize(
    ("values", "may"),
    [
        ([], True),
        ([0] * 20, True),
        ([5] * 14 + [0], False),
        ([5] * 15, True),
        ([-5] * 8 + [5] * 8, True),
        ([5] * 20 + [18], False),
        ([5] * 20 + [17], True),
    ],
)
def test_a_sum_is_told_where_fifteen_have_part_in_it_and_none_over_fifteen_per_cent(
    values: list[int], may: bool
) -> None:
    assert may_be_told(np.array(values, dtype=np.int64)) is may


@pytest.mark.parametrize(
    ("largest_wh", "may"),
    [(100, True), (100_000, False)],
    ids=["all alike", "a data centre"],
)
def test_what_all_drew_is_told_where_it_leaves_nobody_alone_beside_the_open_cells(
    largest_wh: int, may: bool
) -> None:
    """The cells of homes and businesses: with a data centre, that of the businesses is withheld."""
    district = load_district("sejong-5-1@0.05")
    group = group_of_meter(district)
    values_wh = np.full(len(group), 100)
    values_wh[np.flatnonzero(group)[0]] = largest_wh
    cells_wh = publishable(group, len(groups_of(district)), values_wh)
    assert cells_wh[0] == 100 * np.sum(group == 0) and bool(cells_wh[1] != NOT_PUBLISHED) is may
    assert rest_may_be_told(district, values_wh, cells_wh) is may


@given(st.dictionaries(st.integers(0, 30), st.integers(1, 40), max_size=12))
def test_no_small_zone_can_be_told_from_the_district_less_the_shown_ones(
    accounts: dict[int, int],
) -> None:
    hidden = hidden_zones(accounts)
    assert hidden >= {zone for zone, count in accounts.items() if count < ACCOUNTS_MIN}
    total = sum(accounts[zone] for zone in hidden)
    assert not hidden or total >= ACCOUNTS_MIN or hidden == set(accounts)
    if hidden and not any(accounts[zone] < ACCOUNTS_MIN for zone in hidden):
        raise AssertionError(f"nothing to hide: {accounts}")


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=60, unique=True),
    st.integers(4, 30),
    st.data(),
)
def test_merging_keeps_energy_order_and_the_steps_where_the_curves_meet(
    prices: list[int], steps: int, data: Any
) -> None:
    rising = np.array(sorted(prices), dtype=np.int64)
    e_wh = np.array(data.draw(st.lists(st.integers(1, 5000), min_size=len(rising),
                                       max_size=len(rising))), dtype=np.int64)  # fmt: skip
    at = data.draw(st.integers(0, len(rising)))
    shown, part_wh = merged_steps(rising, e_wh, at, steps)
    assert len(shown) == len(part_wh) <= max(steps, 1)
    assert part_wh.sum() == e_wh.sum()
    assert (np.diff(shown) >= 0).all()
    if at < len(rising):
        where = np.searchsorted(shown, rising[at])
        assert shown[where] == rising[at] and part_wh[where] == e_wh[at]


def test_a_district_of_twelve_zones_and_ten_thousand_orders_fits_in_200_kb() -> None:
    links = tuple(MarketLink(0, n, 10**7) for n in range(1, 12))
    auction = auction_of(crowd_rows(12, 420), MarketNetwork(links, version=1))
    begun = perf_counter()
    found = curves_document(auction, [f"Z{n}" for n in range(12)])
    body = orjson.dumps(found)
    assert perf_counter() - begun < 1.0
    assert len(body) < 200_000
    alone = curves_document(auction_of(crowd_rows(1, 5_000)), ["Z0"])
    assert len(alone["district"]["demand"]["until_kwh"]) <= STEPS_MAX
    assert len(orjson.dumps(alone)) < 200_000


def test_a_slot_that_nobody_ordered_for_has_no_price_and_nothing_to_show() -> None:
    found = curves_document(auction_of([]), ["Z1"])
    place = found["district"]
    assert place["price_krw_per_kwh"] is None and place["hidden"] and found["zones"] == []
    assert found["volume_kwh"] == 0 and found["budget"]["open_krw"] == "0"


# What a settled slot came to


def gains_ukrw(here: Any, slot: int) -> list[int]:
    """What the slot brought each customer, one after the other, from its readings and trades."""

    def rows(connection: Any) -> Any:
        return load_readings(connection, slot), trades_of_slot(connection, here.books, slot)

    readings, trades = here.store.read(rows)
    terms, district, books = terms_of(here.district, slot), here.district, here.books
    month = local_month_start(slot, district.time_zone)
    end = local_month_start(slot, district.time_zone, months_on=1)
    unknown = (end - month) // SLOT_S - (slot + SLOT_S - max(month, books.genesis)) // SLOT_S
    july = MONTH_SHAPE[6] / (sum(MONTH_SHAPE) / 12)
    usual = np.rint(usual_of(district).mean_wh * july * unknown).astype(np.int64)
    ends = books.head.months.of(month) + usual
    buy = price_mkrw_per_kwh(terms.connection, terms.calendar)
    traded = {one.account: one for one in trades}
    found = []
    for row, account in enumerate(books.customers):
        trade = traded.get(account)
        if trade is None:
            found.append(0)
            continue
        drawn = min(trade.bought_wh, int(readings["import_wh"][row]))
        given = min(trade.sold_wh, int(readings["export_wh"][row]))
        price = trade.price_mkrw_per_kwh
        tariff = terms.tariffs[int(tariff_rows(district)[row])]
        height = ends[row : row + 1]
        avoided = charges_ukrw(tariff, terms.calendar, from_wh=height, to_wh=height + drawn)
        short = (max(price, buy) - price) * (trade.sold_wh - given)
        unused = (price - min(price, terms.export_mkrw_per_kwh)) * (trade.bought_wh - drawn)
        found.append(
            int(avoided[0]) - drawn * price
            + given * (price - terms.feed_in_mkrw_per_kwh) - short - unused
        )  # fmt: skip
    return found


def told(here: Any, slot: int) -> dict[str, Any]:
    found = here.store.read(lambda connection: find_view(connection, "trading", slot))
    assert found is not None
    return dict(found)


def test_a_settled_slot_tells_energy_by_model_and_what_each_customer_gained(
    begin_books: Begin,
) -> None:
    here = begin_books()
    here.run(3)
    readings = here.store.read(lambda connection: load_readings(connection, FIRST))
    found = told(here, FIRST)
    assert sum(found["bought_kwh"].values()) == pytest.approx(readings["import_wh"].sum() / 1000)
    assert sum(found["sold_kwh"].values()) == pytest.approx(readings["export_wh"].sum() / 1000)
    assert found["bought_kwh"]["p2p"] > 0
    gains = gains_ukrw(here, FIRST)
    assert found["saved_krw"] == krw_text_from_ukrw(sum(gains))
    assert found["saved_p2p_krw"] == found["saved_krw"] and found["saved_contracts_krw"] == "0"
    assert found["worse_off"] == sum(one < 0 for one in gains)
    assert found["traders"] >= sum(one != 0 for one in gains) > 0
    terms = terms_of(here.district, FIRST)
    assert found["feed_in_krw_per_kwh"] == krw_text_from_mkrw(terms.feed_in_mkrw_per_kwh)
    assert 80 < float(found["tariff_krw_per_kwh"]) < 400


def test_a_correction_renews_what_its_slot_came_to(begin_books: Begin, tmp_path: Path) -> None:
    timely = begin_books()
    timely.run(4)
    expected = told(timely, FIRST)
    late = begin_books(f"sqlite:///{tmp_path / 'late' / 'books.db'}")
    meter = int(np.argmax(timely.readings[2].import_wh))
    truth = next(one for one in late.readings if one.slot == FIRST)

    def without(readings: Any) -> Any:
        if readings.slot != FIRST:
            return readings
        there = np.ones(len(readings.quality), dtype=np.int64)
        there[meter] = 0
        names = ("import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh")
        return replace(readings, **{name: getattr(readings, name) * there for name in names})

    late.edit = without
    names = ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
    numbers = {name: int(getattr(truth, name)[meter]) for name in names}
    late.late = [LateRow(FIRST, meter, 0, FIRST + 3 * SLOT_S, **numbers, quality=1)]
    late.run(3)
    estimated = told(late, FIRST)
    assert estimated["version"] == 1 and estimated["bought_kwh"] != expected["bought_kwh"]
    late.run(1, begin=3)
    corrected = told(late, FIRST)
    assert corrected["version"] == 2
    for name in ("bought_kwh", "sold_kwh", "outside_krw", "deviation_krw", "tariff_krw_per_kwh"):
        assert corrected[name] == expected[name], name


# Over HTTP


@dataclass
class Client:
    address: str

    def ask(self, path: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
        request = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                status, body, found = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                status, body, found = error.code, error.read(), dict(error.headers)
        names = {name.lower(): value for name, value in found.items()}
        if names.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return status, json.loads(body) if body else None, names


class Clock:
    mode, slot_seconds_real = "demo", 15.0

    def now_s(self) -> float:
        return FIRST + 5 * SLOT_S


@pytest.fixture
def here(begin_books: Begin) -> Any:
    """Five slots with auctions, three of them settled; then one whose orders were void."""
    found = begin_books()

    def keep(connection: Any, slot: int) -> None:
        auction = load_auction(connection, slot)
        assert auction is not None
        # Whoever gives and takes less than the company is at the zone's node, the last one.
        price = krw_text_from_mkrw(auction.message["nodes"][-1]["price_mkrw_per_kwh"])
        volume_kwh = auction.message["volume_wh"] / 1000
        document = {
            "price_krw_per_kwh": price, "volume_kwh": volume_kwh, "reason": "",
            "orders": len(auction.account_of_tag),
            "welfare_krw": krw_text_from_ukrw(auction.message["welfare_ukrw"]),
            "zones": [{"zone": "Z1", "price_krw_per_kwh": price, "volume_kwh": volume_kwh}],
        }  # fmt: skip
        save_clearing(connection, slot, 1, document)

    def void(connection: Any) -> None:
        slot = FIRST + 5 * SLOT_S
        claim = claim_slot(connection, slot, "test", slot)
        document = {
            "price_krw_per_kwh": None, "volume_kwh": 0.0, "orders": 4, "welfare_krw": "0",
            "reason": "no valid plan, so no market", "zones": [],
        }  # fmt: skip
        save_clearing(connection, slot, 1, document)
        publish_slot(connection, claim, SlotOutcome("fallback", "T4", "no plan"), slot)

    found.run(5)
    for number in range(5):
        found.store.write(lambda connection: keep(connection, FIRST + number * SLOT_S))  # noqa: B023
    found.store.write(void)
    return found


@pytest.fixture
def client(here: Any, serve_app: Any) -> Client:
    context = ApiContext(
        store=here.store,
        district=here.district,
        settings=Settings(),
        clock=Clock(),
        admission=here.admission,
    )
    return Client(serve_app(create_app(context)))


def test_the_curves_of_a_slot_are_those_of_its_committed_book(here: Any, client: Client) -> None:
    slot = FIRST + 2 * SLOT_S
    status, found, headers = client.ask(f"/v1/market/{iso_of(slot)}/curves")
    assert status == 200 and found["slot_utc"] == iso_of(slot)
    book = here.store.read(lambda connection: load_slot_book(connection, slot))
    orders = here.store.read(lambda connection: load_book(connection, slot))
    node = found["district"]
    assert found["orders"] == len(orders) and found["operator_rows"] == 1
    assert node["accounts"] == len({row.account for row in orders})
    assert node["demand"]["until_kwh"][-1] == book["e_wh"][book["side"] == 1].sum() / 1000
    assert node["supply"]["until_kwh"][-1] == book["e_wh"][book["side"] == 2].sum() / 1000
    offered_wh = sum(row.e_wh for row in orders if row.side == 2)
    assert node["ordered_kwh"]["supply"] == offered_wh / 1000 < node["supply"]["until_kwh"][-1]
    assert (
        node["bought_kwh"] == found["volume_kwh"] == book["fill_wh"][book["side"] == 1].sum() / 1000
    )
    assert found["budget"]["open_krw"] == "0" and found["reason"] is None
    again = client.ask(f"/v1/market/{slot}/curves", **{"If-None-Match": headers["etag"]})
    assert again[0] == 304 and again[1] is None


def test_a_void_slot_says_why_and_one_without_an_auction_is_not_found(client: Client) -> None:
    status, found, _ = client.ask(f"/v1/market/{FIRST + 5 * SLOT_S}/curves")
    assert status == 200 and found["district"] is None and found["orders"] == 4
    assert found["reason"] == "no valid plan, so no market"
    status, found, _ = client.ask(f"/v1/market/{FIRST + 6 * SLOT_S}/curves")
    assert status == 404
    assert found["detail"] == f"slot: found {FIRST + 6 * SLOT_S}, allowed a slot that is cleared"
    status, found, _ = client.ask("/v1/market/yesterday/curves")
    assert status == 422 and found["field"] == "slot"


def test_the_history_has_each_slot_as_published_and_as_settled(here: Any, client: Client) -> None:
    span = f"from={iso_of(FIRST - SLOT_S)}&to={iso_of(FIRST + 7 * SLOT_S)}"
    status, found, headers = client.ask(f"/v1/market/history?{span}")
    assert status == 200 and found["slots"] == 8 and found["next"] is None
    assert found["state"] == [None, *["settled"] * 3, "cleared", "cleared", "void", None]
    book = here.store.read(lambda connection: load_slot_book(connection, FIRST))
    volume_kwh = book["fill_wh"][book["side"] == 1].sum() / 1000
    assert found["volume_kwh"][:2] == [None, volume_kwh] and found["volume_kwh"][6] == 0
    assert found["price_krw_per_kwh"][6] is None
    assert found["price_low_krw_per_kwh"] == found["price_high_krw_per_kwh"]
    first = told(here, FIRST)
    assert found["saved_krw"][1] == first["saved_krw"] and found["saved_krw"][4] is None
    assert found["bought_kwh"]["p2p"][1] == first["bought_kwh"]["p2p"]
    totals = found["totals"]
    assert totals == {**found["today"], "from_utc": totals["from_utc"], "to_utc": totals["to_utc"]}
    assert (totals["auctions"], totals["traded"], totals["settled"]) == (6, 5, 3)
    sums = sum(round(float(told(here, FIRST + n * SLOT_S)["saved_krw"]) * 10**6) for n in range(3))
    assert totals["saved_krw"] == krw_text_from_ukrw(sums)
    again = client.ask(f"/v1/market/history?{span}", **{"If-None-Match": headers["etag"]})
    assert again[0] == 304


def sign_in_wires(here: Any) -> dict[str, str]:
    """The header of somebody who does not see single households."""
    secret = new_secret()
    now_s, hashed = int(time.time()), hash_secret(secret)
    of = ("wires", hashed, "network_owner", ("market:read",), None, now_s, now_s + 3600)
    here.store.write(lambda connection: add_token(connection, ServiceToken(*of)))
    return {"Authorization": f"Bearer {secret}"}


def test_a_slot_of_few_traders_is_told_to_those_who_run_the_district_alone(
    here: Any, client: Client
) -> None:
    bearer = sign_in_wires(here)
    span = f"/v1/market/history?from={iso_of(FIRST)}&to={iso_of(FIRST + 6 * SLOT_S)}"
    whole = client.ask(span)[1]
    assert told(here, FIRST)["to_members"]["traders"] is None and whole["traders"][0]
    less = client.ask(span, **bearer)[1]
    for name in ("bought_kwh", "sold_kwh"):
        assert {value for column in less[name].values() for value in column} == {None}
    for name in ("saved_krw", "deviation_krw", "traders", "worse_off"):
        assert set(less[name]) == {None}
    # Prices are everybody's, and a sum has nothing in it that a slot does not tell.
    for name in ("state", "price_krw_per_kwh", "volume_kwh", "tariff_krw_per_kwh"):
        assert less[name] == whole[name]
    assert (less["totals"]["settled"], less["totals"]["saved_krw"]) == (0, "0")


def test_what_few_accounts_of_a_zone_have_traded_is_told_to_those_who_run_the_district_alone(
    here: Any, client: Client
) -> None:
    slot = FIRST + 6 * SLOT_S
    zone = {
        "price_krw_per_kwh": "120", "sell_price_krw_per_kwh": "118", "volume_kwh": 3.0,
        "bought_kwh": 3.0, "sold_kwh": 1.0, "outcome": "between", "forced": False, "reason": "",
    }  # fmt: skip
    zones = [{"zone": name, **zone} for name in ("Z1", "Z2")]
    kept = {
        "slot_utc": iso_of(slot), "price_krw_per_kwh": "120", "volume_kwh": 6.0, "orders": 24,
        "welfare_krw": "9", "reason": "", "spc": None, "zones": zones, "hidden_zones": ["Z2"],
        "network_version": 1, "fees_krw": "0", "rent_krw": "0", "links": [], "rounds": [],
        "transfers": [], "labels": [],
    }  # fmt: skip
    here.store.write(lambda connection: save_clearing(connection, slot, 1, kept))
    whole = client.ask(f"/v1/market/{slot}")[1]["clearing"]
    less = client.ask(f"/v1/market/{slot}", **sign_in_wires(here))[1]["clearing"]
    assert whole["zones"] == zones and less["zones"][0] == zones[0]
    private = dict.fromkeys(("volume_kwh", "bought_kwh", "sold_kwh"))
    assert less["zones"][1] == {**zones[1], **private}


@pytest.mark.parametrize(("deviants", "may"), [(0, True), (1, False), (14, False), (20, True)])
def test_what_few_have_paid_for_deviations_is_told_to_nobody_else(deviants: int, may: bool) -> None:
    energies = {"contracts": 1.0, "p2p": 2.0}
    document = {
        "bought_kwh": {**energies, "tariff": 3.0}, "sold_kwh": {**energies, "feed_in": 3.0},
        "traders": 99, "worse_off": 0, **dict.fromkeys(MONEY, "7"), "version": 1,
    }  # fmt: skip
    paid = np.where(np.arange(99) < deviants, -500, 0)
    told = _without_single(document, [np.full(99, 10)], paid)
    for name in OF_DEVIATION:
        assert told[name] == ("7" if may else None)
    assert told["bought_kwh"]["p2p"] == told["sold_kwh"]["p2p"] == (2.0 if may else None)
    assert (told["avoided_krw"], told["bought_kwh"]["contracts"]) == ("7", 1.0)
    few = _without_single(document, [np.array([10, 0])], paid)
    assert {few[name] for name in PRIVATE} == {None} and few["version"] == 1


def test_a_total_of_which_a_part_is_not_told_is_not_told() -> None:
    """It would else be the sum of some slots under the number of all."""
    energies = {"contracts": 1.0, "p2p": 2.0}
    whole = {
        "bought_kwh": {**energies, "tariff": 3.0}, "sold_kwh": {**energies, "feed_in": 4.0},
        "traders": 99, "worse_off": 0, **dict.fromkeys(MONEY, "7"),
    }  # fmt: skip
    few = _without_single(whole, [np.full(99, 10)], np.array([-500]))
    first, second = (
        totals_of(
            HistoryRows({}, {FIRST: whole, FIRST + SLOT_S: one}), range(FIRST, FIRST + 1800, 900)
        )
        for one in (whole, few)
    )
    assert first["saved_krw"] == "14" and first["bought_kwh"]["p2p"] == 4.0
    assert second["settled"] == 2 and second["avoided_krw"] == "14"
    assert {second[name] for name in OF_DEVIATION} == {None}
    assert second["bought_kwh"] == {"contracts": 2.0, "p2p": None, "tariff": 6.0}


def test_members_see_a_slot_as_it_was_settled_first(begin_books: Begin) -> None:
    """Beside the old sums, those after a correction would tell of the meter that was corrected."""
    here = begin_books()
    truth = here.readings[2]
    numbers = {
        name: int(getattr(truth, name)[0])
        for name in ("import_wh", "export_wh", "import_register_wh", "export_register_wh")
    }
    numbers["import_wh"] += 700
    here.late = [LateRow(FIRST, 0, 1, FIRST + 3 * SLOT_S, quality=3, **numbers)]
    here.run(3)
    first = told(here, FIRST)
    assert first["version"] == 1 and first["to_members"]["version"] == 1
    here.run(2, begin=3)
    after = told(here, FIRST)
    assert after["version"] == 2 and after["bought_kwh"] != first["bought_kwh"]
    assert after["to_members"] == first["to_members"]


def test_the_history_is_bounded_and_says_where_it_goes_on(client: Client) -> None:
    status, found, _ = client.ask("/v1/market/history")
    assert status == 200 and found["slots"] == 96
    packed = client.ask("/v1/market/history", **{"Accept-Encoding": "gzip"})
    assert packed[1] == found and packed[2]["content-encoding"] == "gzip"
    assert found["start_utc"] == iso_of(FIRST - 90 * SLOT_S)
    week = 7 * 96
    span = f"from={FIRST - 1000 * SLOT_S}&to={FIRST + 6 * SLOT_S}"
    status, found, _ = client.ask(f"/v1/market/history?{span}")
    assert found["slots"] == week and len(found["price_krw_per_kwh"]) == week
    status, rest, _ = client.ask(found["next"])
    assert rest["slots"] == 1006 - week and rest["next"] is None and rest["state"][-1] == "void"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("to=2026-07-15", "to"),
        ("from=2026-07-15T03:07:00Z", "from"),
        (f"from={FIRST}&to={FIRST}", "to"),
        (f"from={FIRST + SLOT_S}&to={FIRST}", "to"),
        ("from=-900", "from"),
        ("to=99999999999999999999", "to"),
        (f"from={FIRST + 50 * SLOT_S}", "to"),
    ],
)
def test_a_period_that_cannot_be_is_refused_in_one_sentence(
    client: Client, query: str, field: str
) -> None:
    status, found, headers = client.ask(f"/v1/market/history?{query}")
    assert status == 422 and headers["content-type"] == "application/problem+json"
    assert found["field"] == field
    assert "found" in found["detail"] and "allowed" in found["detail"]


def test_both_documents_are_in_the_apis_own_document(client: Client) -> None:
    _, document, _ = client.ask("/openapi.json")
    for path in ("/v1/market/history", "/v1/market/{slot}/curves"):
        answers = document["paths"][path]["get"]["responses"]
        assert {"200", "304", "404", "422"} <= set(answers)


def test_before_the_first_auction_there_is_no_history(begin_books: Begin, serve_app: Any) -> None:
    here = begin_books()
    context = ApiContext(here.store, here.district, Settings(), Clock(), here.admission)
    status, found, _ = Client(serve_app(create_app(context))).ask("/v1/market/history")
    assert status == 404 and found["detail"] == (
        "slot: found none, allowed a district with an auction"
    )
