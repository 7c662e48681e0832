"""A cable that is nearly full parts the prices; its rent is booked, and the wires hold."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.steps.context import build_admission
from energy.steps.grid import CheckedPlan
from energy.steps.market_check import MarketCheck
from energy.steps.market_day import audit_market
from energy.steps.market_network import HUB_NODE, SPC_NODE, network_of_slot
from energy.steps.market_views import market_view, round_views, told_to_members
from energy.steps.proving import export_lines
from energy.steps.public import DistrictTime, prices_document
from energy.steps.receipts import Prover, Witnesses
from energy.store.books import load_settlements
from energy.store.orders import load_book, load_clearing, load_fills
from energy.units import SLOT_S, krw_text_from_mkrw
from grid_models import BatchFlow, zone_ways
from market.certificate import check_clearing
from market.clearing import Clearing
from market.labels import Label
from market.network import MarketNetwork
from market.orders import Side
from market.reclearing import Overload, Round, clear_within_grid
from market.result import Flag
from market.settlement import Carriage
from market.transfers import LedgerId
from market.verifier import canonical, verify_bundle, verify_export

KRW = int(LedgerId.KRW)
TOLERANCE = 2.5e-5


def plan_of(tight: Any) -> CheckedPlan:
    checked = tight.traded.plan
    assert checked is not None and checked.room is not None
    return checked


def view_of(tight: Any) -> dict[str, Any]:
    return market_view(tight.run.microgrid.district, tight.traded.cleared)


def full_way(tight: Any) -> dict[str, Any]:
    """The way to or from the third zone that the nearly full cable leaves."""
    ends = ("busbar", "Z3") if tight.name == "evening" else ("Z3", "busbar")
    return next(one for one in view_of(tight)["links"] if (one["from"], one["to"]) == ends)


def test_of_a_zone_of_few_accounts_members_are_told_prices_alone(tight: Any) -> None:
    """No energies, and no ways: what flows on the full one is its room. Others see nothing less."""
    view = view_of(tight)
    assert view["hidden_zones"] == []
    told = told_to_members({**view, "hidden_zones": ["Z3"]})
    shown = {one["zone"]: one for one in told["zones"]}
    for one in view["zones"]:
        less = (
            dict.fromkeys(("volume_kwh", "bought_kwh", "sold_kwh")) if one["zone"] == "Z3" else {}
        )
        assert shown[one["zone"]] == {**one, **less}
    assert told["links"] == [one for one in view["links"] if "Z3" not in (one["from"], one["to"])]
    assert told["links"] and (told["fees_krw"], told["rent_krw"]) == (None, None)
    assert told["price_krw_per_kwh"] == view["price_krw_per_kwh"]
    narrow = [one["limiting"] for one in told["transfers"] if one["limiting"]]
    assert not any("Z3" in (one["from"], one["to"]) for one in narrow)
    # Two prices, their mean and the whole volume would tell two energies.
    assert told_to_members({**view, "hidden_zones": ["Z2", "Z3"]})["price_krw_per_kwh"] is None
    # Of what was kept before it said so nothing is told by zone.
    old = {name: value for name, value in view.items() if name != "hidden_zones"}
    told = told_to_members(old)
    assert {one["bought_kwh"] for one in told["zones"]} == {None}
    assert all({one["from"], one["to"]} == {"connection", "busbar"} for one in told["links"])


def test_the_volume_of_a_label_is_told_from_ten_accounts_on(tight: Any) -> None:
    view = view_of(tight)
    labels = [
        {"label": "green", "zone": None, "volume_kwh": 1.2, "hidden": True},
        {"label": "local", "zone": "Z1", "volume_kwh": 9.5, "hidden": False},
        {"label": "local", "zone": "Z2", "volume_kwh": 0.4},
    ]
    told = told_to_members({**view, "labels": labels})["labels"]
    assert [one["volume_kwh"] for one in told] == [None, 9.5, None]


def test_zones_of_few_accounts_are_named_and_the_public_prices_follow(tight: Any) -> None:
    traded = tight.traded.cleared
    zone = next(iter({one.zone for one in traded.orders}))
    kept = [one for one in traded.orders if one.zone != zone]
    few = [one for one in traded.orders if one.zone == zone][:2]
    names = tight.run.microgrid.district.network.zones
    view = market_view(
        tight.run.microgrid.district, replace(traded, orders=(*kept, *few), labels={})
    )
    assert names[zone] in view["hidden_zones"]


def test_prices_part_where_the_cable_is_full(tight: Any) -> None:
    """In the evening it is dearer behind it, at midday the sun behind it is worth less."""
    price = {one["zone"]: one["price_krw_per_kwh"] for one in view_of(tight)["zones"]}
    here, there = float(price["Z3"]), float(price["Z2"])
    assert here > there + 4 if tight.name == "evening" else here < there - 4
    full, (zone,) = full_way(tight), plan_of(tight).room.headroom.draw[2:]
    if tight.name == "midday":
        (zone,) = plan_of(tight).room.headroom.feed[2:]
    assert (zone.kind, zone.element) == ("line_loading", "F3-01")
    assert full["flow_kwh"] == full["capacity_kwh"] == int(zone.step_kw * 250) / 1000 > 0
    assert full["fee_krw_per_kwh"] == "2" and float(full["rent_krw"]) > 0


def test_labels_follow_the_last_round_and_view_and_fills_tell_the_same(tight: Any) -> None:
    cleared, clearing = tight.traded.cleared, tight.clearing
    assert cleared.labels, "nobody in this district wants a label"
    told = {one.order_id: one for one in cleared.fills()}
    for label, tier in cleared.labels.items():
        assert (tier.round, tier.network_version) == (clearing.round, clearing.network_version)
        mine = [row for row in cleared.orders if row.label == label]
        for side in Side:
            wh = sum(told[row.id].label_wh for row in mine if row.side == side)
            assert wh == tier.volume_wh
        assert all(told[row.id].label_wh <= told[row.id].e_wh for row in mine)
        shown = [
            one for one in view_of(tight)["labels"] if one["label"] == Label(label).name.lower()
        ]
        assert sum(one["volume_kwh"] for one in shown) == pytest.approx(tier.volume_wh / 1000)
    assert {one["zone"] for one in view_of(tight)["labels"] if one["label"] == "green"} <= {None}


def test_nobody_trades_against_its_limit_and_the_budget_is_nought(tight: Any) -> None:
    clearing, price = tight.clearing, tight.clearing.prices()
    book, paid, received = clearing.book, 0, 0
    for row in range(len(book)):
        fill_wh, limit = int(clearing.fill_wh[row]), int(book.price_mkrw_per_kwh[row])
        here = price[int(book.node[row])]
        if not fill_wh:
            continue
        if book.side[row] == Side.BID:
            assert here <= limit
            paid += here * fill_wh
        else:
            assert here >= limit
            received += here * fill_wh
    fees, rent = clearing.carriage_ukrw()
    assert fees > 0 and rent > 0
    assert paid - received - fees - rent == 0


def test_fees_and_rent_stand_on_their_accounts_and_every_slot_is_closed(tight: Any) -> None:
    microgrid = tight.run.microgrid
    fees, rent = tight.clearing.carriage_ukrw()
    balances, system = microgrid.books.head.balances, microgrid.books.system
    assert balances[KRW, system.netfee] == fees and balances[KRW, system.rent] == rent
    assert balances.get((KRW, system.pool), 0) == 0
    day = audit_market(microgrid.store, microgrid.district)
    assert day.is_closed
    first = day.slots[0]
    assert (first.fee_ukrw, first.rent_ukrw, first.open_ukrw, first.open_wh) == (fees, rent, 0, 0)
    assert first.price_low_mkrw_per_kwh < first.price_high_mkrw_per_kwh


def test_a_late_reading_settles_again_at_the_zones_price_and_leaves_fees_and_rent(
    tight: Any,
) -> None:
    microgrid, start = tight.run.microgrid, tight.run.start
    versions = microgrid.store.read(lambda connection: load_settlements(connection, start))
    assert [one.version for one in versions] == [0, 1, 2]
    now, system = microgrid.books.head.balances, microgrid.books.system
    for account in (system.netfee, system.rent):
        assert now[KRW, account] == tight.before[KRW, account]
    customer = microgrid.books.customers[tight.late]
    assert now[KRW, customer] != tight.before[KRW, customer]


def test_what_was_cleared_passes_an_ac_flow_of_another_engine(tight: Any) -> None:
    """The plan with the zones' trades on top, by power-grid-model, breaks nothing anew."""
    microgrid, checked = tight.run.microgrid, plan_of(tight)
    network, share = microgrid.district.network, microgrid.district.shares["load"]
    check = MarketCheck(microgrid, checked, tight.traded.cleared.network)
    net_kw = check.net_kw(tight.clearing)
    assert net_kw[2] > 0 if tight.name == "evening" else net_kw[2] < 0
    drawn = checked.drawn.p_kw
    p_kw = np.array([drawn, drawn + net_kw @ np.array(zone_ways(network, share))])
    flows = BatchFlow(network).run(p_kw, np.array([checked.drawn.q_kvar] * 2))
    buses = network.buses
    over = [
        flows.line_loading_frac - 1,
        flows.transformer_loading_frac - 1,
        buses.v_min_pu - flows.v_pu,
        flows.v_pu - buses.v_max_pu,
    ]
    before, after = np.concatenate(over, axis=1)
    assert flows.converged.all()
    assert (after <= np.maximum(before, 0.0) + TOLERANCE).all()
    assert check.overloads(tight.clearing) == []


def free(tight: Any) -> MarketNetwork:
    """The slot's network as if no zone's room were known."""
    return replace(tight.run.microgrid.books.network)


def test_without_the_zones_room_the_check_finds_the_cable_and_the_book_is_cleared_again(
    tight: Any,
) -> None:
    microgrid, checked, network = tight.run.microgrid, plan_of(tight), free(tight)
    book, rules = tight.clearing.book, microgrid.books.rules.first
    check = MarketCheck(microgrid, checked, network)
    rounds = clear_within_grid(book, rules, network, check.overloads)
    assert 2 <= len(rounds) <= 3
    assert "line F3-01" in rounds[0].overloads[0].reason
    zone = network.zones[2]
    ends = (HUB_NODE, zone.buy_node) if tight.name == "evening" else (zone.sell_node, HUB_NODE)
    assert rounds[0].cut is not None
    assert (rounds[0].cut.from_node, rounds[0].cut.to_node) == ends
    last = rounds[-1]
    assert last.forced == () and check.overloads(last.clearing) == []
    assert last.clearing.round == len(rounds)
    assert check_clearing(book, rules, last.clearing, last.network) == []
    welfare = [one.clearing.welfare_ukrw for one in rounds]
    assert welfare == sorted(welfare, reverse=True)
    # No more is cut than the excess: what is left is the cable's room but for the margin of a cut.
    flow = {(one.from_node, one.to_node): one.flow_wh for one in last.clearing.links}
    assert flow[ends] > 0.6 * 1000 * full_way(tight)["flow_kwh"]


def test_every_round_is_kept_and_shown(tight: Any) -> None:
    microgrid, checked, network = tight.run.microgrid, plan_of(tight), free(tight)
    check = MarketCheck(microgrid, checked, network)
    rounds = clear_within_grid(
        tight.clearing.book, microgrid.books.rules.first, network, check.overloads
    )
    cleared = replace(tight.traded.cleared, clearing=rounds[-1].clearing, rounds=tuple(rounds))
    *earlier, last = round_views(microgrid.district, cleared)
    assert len(earlier) == len(rounds) - 1 >= 1
    assert all(one["superseded"] for one in earlier)
    assert [one["round"] for one in last["rounds"]] == list(range(1, len(rounds) + 1))
    cut = last["rounds"][0]["cut"]
    assert "Z3" in (cut["from"], cut["to"]) and "F3-01" in cut["reason"]
    assert last["rounds"][-1]["broken"] == []


def test_a_zone_that_fails_three_times_is_closed_with_the_reason_and_no_other(tight: Any) -> None:
    """The check is told that any trade of the third zone breaks a cable: only that zone ends."""
    microgrid, network = tight.run.microgrid, tight.traded.cleared.network
    zone = network.zones[2]

    def never(clearing: Clearing) -> Sequence[Overload]:
        node = {one.node: one for one in clearing.nodes}[zone.buy_node]
        if not node.bought_wh + node.sold_wh:
            return []
        return [Overload(HUB_NODE, zone.buy_node, 1, 1_000_000, 1_100_000, "line X is full")]

    rounds = clear_within_grid(tight.clearing.book, microgrid.books.rules.first, network, never)
    last = rounds[-1]
    assert last.forced == (zone.buy_node,) and last.clearing.round == 3
    assert last.clearing.volume_wh > 0
    view = market_view(
        microgrid.district,
        replace(tight.traded.cleared, clearing=last.clearing, rounds=tuple(rounds)),
    )
    closed = view["zones"][2]
    assert closed["forced"] and closed["reason"] == "line X is full"
    assert closed["outcome"] == "no_trade" and closed["price_krw_per_kwh"] is None
    assert not any(one["forced"] for one in view["zones"][:2])
    assert view["rounds"][-1]["no_trade"] == ["Z3"]
    forced = [one.node for one in last.clearing.nodes if one.flags & Flag.FORCED]
    assert forced == [zone.buy_node]


def test_a_zone_without_room_closes_its_own_way_and_not_the_market(tight: Any) -> None:
    checked = plan_of(tight)
    room = checked.room
    assert room is not None
    none = replace(room.headroom.draw[2], step_kw=0.0)
    headroom = replace(room.headroom, draw=(*room.headroom.draw[:2], none))
    network = network_of_slot(tight.run.microgrid.books.network, replace(room, headroom=headroom))
    room_wh = {(one.from_node, one.to_node): one.capacity_wh for one in network.links}
    closed = [ends for ends, wh in room_wh.items() if wh == 0]
    assert closed == [(HUB_NODE, network.zones[2].buy_node)]
    assert room_wh[SPC_NODE, HUB_NODE] > 0


def test_every_order_is_told_the_price_of_its_own_zone(tight: Any) -> None:
    store, start = tight.run.microgrid.store, tight.run.start
    fills = store.read(lambda connection: load_fills(connection, start))
    orders = {one.id: one for one in store.read(lambda c: load_book(c, start))}
    price, network = tight.clearing.prices(), tight.traded.cleared.network
    assert len({one.price_mkrw_per_kwh for one in fills}) > 1
    for one in fills:
        order = orders[one.order_id]
        assert one.price_mkrw_per_kwh == price[network.node_of(order.zone, order.side)]


def test_the_document_adds_up(tight: Any) -> None:
    view = view_of(tight)
    clearing = tight.clearing
    assert view["network_version"] == 1 and [one["round"] for one in view["rounds"]] == [1]
    carriage = Carriage(*clearing.carriage_ukrw())
    assert float(view["fees_krw"]) * 10**6 == pytest.approx(carriage.fee_ukrw)
    assert sum(float(one["rent_krw"]) for one in view["links"]) == pytest.approx(
        carriage.rent_ukrw / 10**6
    )
    between = {(one["from"], one["to"]): one for one in view["transfers"]}
    assert between["Z1", "Z1"]["fee_krw_per_kwh"] == "0"
    assert between["Z1", "Z2"]["fee_krw_per_kwh"] == "4"
    stored = tight.run.microgrid.store.read(lambda c: load_clearing(c, tight.run.start))
    assert stored == json.loads(json.dumps(view))
    mean = sum(n.price_mkrw_per_kwh * n.bought_wh for n in clearing.nodes) // clearing.volume_wh
    assert view["price_krw_per_kwh"] == krw_text_from_mkrw(mean)


def test_export_and_bundles_prove_the_zonal_slot(tight: Any) -> None:
    store, start = tight.run.microgrid.store, tight.run.start
    report = verify_export(export_lines(store))
    assert report.ok, report.first_failure
    assert report.checks["fees as cleared"] > 0 and report.checks["network"] >= 4
    trust, clearing, slot = bundles(store, start)
    for one in (clearing, slot):
        found = verify_bundle(trust, one)
        assert found.ok, found.first_failure


def bundles(store: Any, start: int) -> tuple[bytes, bytes, bytes]:
    def read(connection: Any) -> tuple[bytes, bytes, bytes]:
        prover = Prover(connection)
        return prover.trust(Witnesses()), prover.clearing(start), prover.slot(start)

    return store.read(read)


Edit = Callable[[dict[str, Any]], None]


def fee_of_the_rules(bundle: dict[str, Any]) -> None:
    """The text of nodes and fees with another fee: no longer what the log has hashed."""
    text, fee = bundle["network"]["content"], '"fee_mkrw_per_kwh":2000'
    bundle["network"]["content"] = text.replace(fee, '"fee_mkrw_per_kwh":1', 1)


def first_fill(bundle: dict[str, Any]) -> None:
    raw = bytearray(base64.b64decode(bundle["rows"]))
    raw[-1] ^= 1
    bundle["rows"] = base64.b64encode(bytes(raw)).decode()


def no_network(bundle: dict[str, Any]) -> None:
    bundle["network"] = None


@pytest.mark.parametrize("edit", [fee_of_the_rules, first_fill, no_network])
def test_a_bundle_with_one_value_changed_is_refuted(tight: Any, edit: Edit) -> None:
    trust, clearing, _ = bundles(tight.run.microgrid.store, tight.run.start)
    found = json.loads(clearing)
    edit(found)
    assert not verify_bundle(trust, canonical(found)).ok


def test_the_rounds_of_one_slot_are_those_of_the_last_clearing(tight: Any) -> None:
    rounds: tuple[Round, ...] = tight.traded.cleared.rounds
    assert rounds[-1].clearing is tight.clearing and rounds[-1].overloads == ()


def test_bidders_are_told_the_price_of_each_zone_the_fees_and_the_narrow_way(tight: Any) -> None:
    installation = tight.run.microgrid.installation
    time = DistrictTime(float(tight.run.start + SLOT_S - 600), 900.0)
    admission = build_admission(installation)
    found = installation.store.read(
        lambda connection: prices_document(connection, installation.district, admission, time)
    )
    network, shown = found["network"], view_of(tight)
    (traded,) = [one for one in found["last"] if one["slot_utc"] == shown["slot_utc"]]
    assert traded["zones"] == {one["zone"]: one["price_krw_per_kwh"] for one in shown["zones"]}
    assert network["network_fee_krw_per_kwh"] == "2" and network["local_fee_krw_per_kwh"] == "0"
    assert network["zones"] == ["Z1", "Z2", "Z3"] and network["version"] == 1
    # Ways are those of the newest clearing; in the traded slot the narrow one leads to the third.
    newest = tight.run.start + 3 * SLOT_S
    last = installation.store.read(lambda connection: load_clearing(connection, newest))
    assert last is not None
    assert network["transfers"] == last["transfers"]
    assert network["links"] == told_to_members(last)["links"]
    ends = ("Z2", "Z3") if tight.name == "evening" else ("Z3", "Z2")
    between = {(one["from"], one["to"]): one for one in shown["transfers"]}
    assert "Z3" in (between[ends]["limiting"]["from"], between[ends]["limiting"]["to"])
