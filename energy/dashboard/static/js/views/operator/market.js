// The neighbours' market: price and volume over time, gaps where nobody traded, prices by zone.
import { h } from "../../dom.js";
import { definitions } from "./block.js";
import { padded, startOf, stepOf } from "./series.js";

const SLOTS_MIN = 24;

export function marketModel(market, snapshot, { words, format }) {
  const data = market.history;
  const skipped = slotsBeforeFirstAuction(data.volume_kwh ?? []);
  const count = Math.max(1, (data.price_krw_per_kwh?.length ?? 0) - skipped);
  const prices = padded(data.price_krw_per_kwh?.slice(skipped), count).map((price) => (price === null ? null : Number(price)));
  const volumes = padded(data.volume_kwh?.slice(skipped), count);
  const traded = format.known(market.price_krw_per_kwh);
  return {
    startMs: startOf(data) + skipped * stepOf(data), stepMs: stepOf(data), count, nowIndex: count, showNow: false, scale: 1,
    panels: [
      { unit: words.language === "ko" ? "원/kWh" : "₩/kWh", about: words("market.about_price"), lines: [{ name: "market", values: prices, kind: "measured" }] },
      { unit: "kWh", about: words("market.about_volume"), up: [{ key: "volume", name: "market", values: volumes }] },
    ],
    quality: prices.map((price) => (price === null ? "no_trade" : "measured")),
    finding: traded ? words("market.finding", { price: format.price(market.price_krw_per_kwh), volume: format.kwh(market.volume_kwh) }) : words("market.finding_none"),
    about: words("market.about"), absent: words("market.no_trade"),
    key: [{ name: "market", shape: "line", label: words("market.price") }, { name: "market", label: words("market.volume") }],
    columns: [
      { key: "price_krw_per_kwh", label: words("market.price"), unit: words.language === "ko" ? "원/kWh" : "₩/kWh", values: prices, show: (price) => format.price(String(price)), plain: (price) => format.number(price, 1) },
      { key: "volume_kwh", label: words("market.volume"), unit: "kWh", values: volumes.map((kwh, i) => (prices[i] === null ? null : kwh)), show: (kwh) => format.kwh(kwh), plain: (kwh) => format.number(kwh, 1) },
    ],
  };
}

// A new district's day would be mostly blank: what lies before its first auction is left out.
function slotsBeforeFirstAuction(volumes) {
  const first = volumes.findIndex((kwh) => kwh !== null);
  return first < 0 ? 0 : Math.max(0, Math.min(first, volumes.length - SLOTS_MIN));
}

export function marketFacts(market, { words, format }) {
  const zones = (market.zones ?? []).filter((zone) => format.known(zone.price_krw_per_kwh));
  const prices = zones.map((zone) => Number(zone.price_krw_per_kwh));
  const low = format.price(String(Math.min(...prices))), high = format.price(String(Math.max(...prices))), count = format.count(zones.length);
  const spread = zones.length < 2 ? null
    : [words("market.zones"), low === high ? words("market.zones_one", { price: low, zones: count }) : words("market.zones_span", { low, high, zones: count })];
  return definitions([
    [words("market.slot"), format.slot(Date.parse(market.slot_utc))],
    [words("market.orders"), format.known(market.orders) ? format.count(market.orders) : "–"],
    [words("market.welfare"), format.known(market.welfare_krw) ? format.won(market.welfare_krw) : "–"],
    market.reason ? [words("cycle.reason"), market.reason] : null,
    spread,
  ]);
}

export function zoneTable(market, { words, format }) {
  const zones = market.zones ?? [];
  return h("table", null, h("caption", null, words("market.zones")),
    h("thead", null, h("tr", null, ["market.zone", "market.price", "market.volume"].map((key) => h("th", { scope: "col" }, words(key))))),
    h("tbody", null, zones.map((zone) => h("tr", null, h("th", { scope: "row" }, zone.zone),
      h("td", { class: "n" }, format.known(zone.price_krw_per_kwh) ? format.price(zone.price_krw_per_kwh) : words("market.no_trade")),
      h("td", { class: "n" }, format.known(zone.volume_kwh) ? format.kwh(zone.volume_kwh) : "–")))));
}
