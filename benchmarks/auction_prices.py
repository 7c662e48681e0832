"""How well the auction's price is foreseen: a season of auctions of the simulated crowd, replayed.

    python benchmarks/auction_prices.py [--district sejong-5-1@0.02] [--days 100] [--csv FILE]

Every quarter hour the crowd's programs bid as they do in operation, seeing the last prices and the
weather as it was issued; the SPC stands in the book at the connection's prices and the engine of
the loop clears it, all zones as one. No plan is made: the SPC's value of energy is taken as what
the connection costs, so the prices are close to the loop's and not the same. Each issue then calls
what the loop calls, and the regression of `microgrid backtest --kind price` stands beside it.
"""

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from energy.backtest import Replay, ReplayPlan, replay_node, score_table
from energy.backtest.page import HEADS, cells_of, facts
from energy.crowd.bidding import RECENT_SLOTS, build_orders
from energy.crowd.members import build_crowd
from energy.crowd.public import PublicPrices, TariffBlock
from energy.district import District, load_district
from energy.forecast import Site, WeatherForecast, cloudless_frac
from energy.forecast.axis import build_axis
from energy.forecast.calibration import Issue, Tracker, uncalibrated
from energy.forecast.inputs import FloatArray, IntArray
from energy.forecast.lookback import slot_quantiles
from energy.forecast.node import NodeRecord, NodeSpec
from energy.forecast.prices import Coming, PriceFrame, PriceRecord, forecast_price
from energy.plant import Plant
from energy.steps.auctions import frame_of, rules_of
from energy.steps.prices import beyond_tariff_krw_per_kwh, connection_prices
from energy.steps.public import tariff_blocks
from energy.timegrid import iso_of, parse_instant
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY, mkrw_from_krw
from market.book import BookRow, book_of
from market.clearing import clear_slot
from market.maker import MakerQuote, maker_rows
from market.rules import MarketRules, RuleBook


def auctions(district: District, seed: int, first: int, count: int) -> Iterator[float]:
    """Price of each auction in won per kWh, NaN without trade, of `count` slots from `first` on."""
    crowd, plant, rules = build_crowd(district, seed), Plant(district, seed), MarketRules()
    recent: list[int | None] = []
    tariffs: dict[str, tuple[TariffBlock, ...]] = {}
    for slot in range(first, first + count * SLOT_S, SLOT_S):
        if not tariffs or slot % (SLOTS_PER_DAY * SLOT_S) == 0:
            tariffs = tariffs_of(district, slot)
        prices = connection_prices(district, np.array([slot], dtype=np.int64))
        public = PublicPrices(
            feed_in_mkrw_per_kwh=mkrw_from_krw(float(prices.sell_krw_per_kwh[0])),
            tariffs=tariffs,
            recent_mkrw_per_kwh=tuple(recent[-RECENT_SLOTS:]),
            sun_frac=sun_frac(plant.weather_forecast(slot - SLOT_S), slot),
        )
        rows = [
            BookRow(tag_of(one["account"], slot), 0, one["side"], one["price_mkrw_per_kwh"],
                    one["e_wh"])
            for one in build_orders(crowd, slot, public)
        ]  # fmt: skip
        quote = quote_of(district, slot, float(prices.buy_krw_per_kwh[0]), public)
        cleared = clear_slot(book_of(slot, [*rows, *maker_rows(quote, rules)]), rules)
        price = cleared.nodes[0].price_mkrw_per_kwh if cleared.volume_wh else None
        recent.append(price)
        yield np.nan if price is None else price / 1000


def tariffs_of(district: District, slot: int) -> dict[str, tuple[TariffBlock, ...]]:
    """The tariffs as `GET /v1/prices` tells them."""
    return {
        name: tuple(
            TariffBlock(row["up_to_kwh"], round(1000 * float(row["krw_per_kwh"]))) for row in rows
        )
        for name, rows in tariff_blocks(district, slot).items()
    }


def sun_frac(weather: WeatherForecast, slot: int) -> float:
    """What a forecast says of the sun in a slot."""
    return float(sun_ahead(weather, np.array([slot]))[0])


def sun_ahead(weather: WeatherForecast, slots: IntArray) -> FloatArray:
    """What a forecast says of the sun in slots."""
    return np.interp(slots, weather.slot, cloudless_frac(weather.cloud_frac))


def tag_of(account: bytes, slot: int) -> bytes:
    """Stands for the leaf hash of an order."""
    return hashlib.sha256(account + slot.to_bytes(8, "big")).digest()


def quote_of(district: District, slot: int, buy_krw: float, public: PublicPrices) -> MakerQuote:
    """The SPC at the connection's prices, carbon in them, with all that the connection carries."""
    connection = district.connection
    # One zone has no ways, so what a buyer pays for them is in the offer.
    fee_krw = district.fees.network_krw_per_kwh
    import_mkrw = mkrw_from_krw(buy_krw + beyond_tariff_krw_per_kwh(district) + fee_krw)
    return MakerQuote(
        slot=slot,
        plan=bytes(32),
        value_mkrw_per_kwh=import_mkrw,
        import_mkrw_per_kwh=import_mkrw,
        import_wh=int(connection.p_import_kw_max * DT_H * 1000),
        export_mkrw_per_kwh=public.feed_in_mkrw_per_kwh,
        export_wh=int(connection.p_export_kw_max * DT_H * 1000),
    )


WARM_UP_DAYS, EVERY_SLOTS, HORIZON = 42, 44, 2 * SLOTS_PER_DAY


def replayed(district: District, seed: int, slot: IntArray, price: FloatArray) -> Replay:
    """Every issue of the loop's forecaster on the series, with the weather as it was issued."""
    plant, zone = Plant(district, seed), district.time_zone
    past = plant.archive(int(slot[-1]) + SLOT_S, len(slot) // SLOTS_PER_DAY)
    frame = frame_of(district, RuleBook(), slot)
    record = PriceRecord(slot, price, frame, cloudless_frac(past.cloud_frac))
    axis, rules = build_axis(slot, zone), rules_of(RuleBook(), slot, zone)
    tracker, rows, tiers = (
        Tracker(uncalibrated(), EVERY_SLOTS / SLOTS_PER_DAY),
        [],
        dict[str, int](),
    )
    positions = range(WARM_UP_DAYS * SLOTS_PER_DAY, len(slot) - HORIZON, EVERY_SLOTS)
    for at in positions:
        issue, target = int(slot[at]), np.arange(at, at + HORIZON)
        tracker.learn(issue, slot, price)
        sun = sun_ahead(plant.weather_forecast(issue), slot[target])
        coming = Coming(issue, PriceFrame(frame.low[target], frame.high[target]), sun)
        found = forecast_price(rules, record, coming, tracker.calibration)
        tracker.issued(Issue(issue, found.krw_per_kwh))
        tiers[found.tier] = tiers.get(found.tier, 0) + 1
        table, newest = slot_quantiles(price[:, None], axis, at, target)
        rows.append((found.krw_per_kwh, price[target], newest[:, 0], table[:, :, 0]))
    own, truth, newest, climate = (np.stack(column) for column in zip(*rows, strict=True))
    low, high = np.nanquantile(price, [0.01, 0.99])
    return Replay(
        name="auctions, as the loop foresees them",
        issue=slot[list(positions)],
        step_slots=1,
        quantiles=own,
        truth=truth,
        persistence=newest,
        climatology=climate,
        norm_kw=float(np.nanmean(price)),
        range_kw=float(high - low),
        time_zone=zone,
        tiers=tiers,
        fit_s=np.zeros(0),
        predict_s=np.zeros(1),
        unit="won/kWh",
    )


def main() -> None:
    """Make the series, write it where it is asked for, replay and score it both ways."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--district", default="sejong-5-1@0.02")
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", default="2026-04-10T00:00")
    parser.add_argument("--csv", type=Path, help="keep the series here")
    asked = parser.parse_args()
    district, count = load_district(asked.district), asked.days * SLOTS_PER_DAY
    first = parse_instant(asked.start, district.time_zone)
    made = auctions(district, asked.seed, first, count)
    price = np.array(list(track(made, "auctions", count, console=Console(stderr=True))))
    slot = first + SLOT_S * np.arange(count, dtype=np.int64)
    if asked.csv is not None:
        keep(asked.csv, slot, price)
    place = (district.latitude_deg, district.longitude_deg, district.altitude_m)
    spec = NodeSpec("price", Site(*place, district.time_zone), 1000.0, 1, 0.0)
    record, plan = NodeRecord(slot, price, {}), ReplayPlan(WARM_UP_DAYS, every_h=11)
    regression = replay_node("regression", spec, record, plan, lambda _done, _all: None)
    print(f"{np.isfinite(price).mean():.0%} of slots with trade")
    for replay in (replayed(district, asked.seed, slot, price), regression):
        print(f"{replay.name}: {facts(replay)}")
        for row in [HEADS, *(cells_of(score) for score in score_table(replay))]:
            print(" | ".join(row))


def keep(path: Path, slot: IntArray, price: FloatArray) -> None:
    """The series as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("time", "price_krw_per_kwh"))
        for at, krw in zip(slot.tolist(), price.tolist(), strict=True):
            writer.writerow((iso_of(at), "" if np.isnan(krw) else krw))


if __name__ == "__main__":
    main()
