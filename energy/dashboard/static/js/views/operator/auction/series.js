// The market over time: prices between tariff and feed-in, and where energy was bought and sold.
import { padded } from "../series.js";
import { isLess } from "./words.js";

const SLOTS_MIN = 24;

// What lies before a young district's first auction is left out.
function frameOf(history) {
  const first = history.state.findIndex((state) => state !== null);
  const skipped = first < 0 ? 0 : Math.max(0, Math.min(first, history.slots - SLOTS_MIN));
  const count = history.slots - skipped, stepMs = history.step_s * 1000;
  const cut = (values) => padded(values?.slice(skipped), count);
  return {
    cut, prices: (values) => cut(values).map((text) => (text === null ? null : Number(text))),
    base: { startMs: Date.parse(history.start_utc) + skipped * stepMs, stepMs, count, nowIndex: count, showNow: false, scale: 1, slotwise: true,
      quality: cut(history.state).map((state) => state ?? "missing") },
  };
}

export function pricesModel(history, snapshot, { words, format }) {
  const { base, cut, prices } = frameOf(history), unit = words.language === "ko" ? "원/kWh" : "₩/kWh";
  const price = prices(history.price_krw_per_kwh), low = prices(history.price_low_krw_per_kwh), high = prices(history.price_high_krw_per_kwh);
  const tariff = prices(history.tariff_krw_per_kwh), feedIn = prices(history.feed_in_krw_per_kwh);
  const volumes = cut(history.volume_kwh).map((kwh, at) => (low[at] === null ? null : kwh));
  const zonal = low.some((value, at) => value !== high[at]);
  const column = (key, values) => ({ key: `${key}_krw_per_kwh`, label: words(`prices.${key}`), unit, values, show: (krw) => format.price(String(krw)), plain: (krw) => format.number(krw, 1) });
  const line = (name, values) => ({ name, values, kind: "measured" });
  const { totals } = history;
  return {
    ...base, unit, absent: words("market.no_trade"),
    finding: totals.traded ? words("prices.finding", { low: format.price(totals.price_low_krw_per_kwh), high: format.price(totals.price_high_krw_per_kwh), n: format.count(totals.traded) }) : words("prices.finding_none"),
    about: words(zonal ? "prices.about_zones" : "prices.about"),
    panels: [
      { about: words("prices.about"), bands: zonal ? [{ name: "market", low, high }] : [], lines: [line("market", zonal ? price : low), line("tariff", tariff), line("feed-in", feedIn)] },
      { unit: "kWh", about: words("market.about_volume"), up: [{ key: "volume", name: "market", values: volumes }] },
    ],
    key: [{ name: "market", shape: "line", label: words("prices.price") }, ...(zonal ? [{ name: "market", shape: "band", label: words("prices.band") }] : []),
      { name: "tariff", shape: "line", label: words("prices.tariff") }, { name: "feed-in", shape: "line", label: words("prices.feed_in") }, { name: "market", label: words("market.volume") }],
    columns: [
      ...(zonal ? [column("price_low", low), column("price_high", high)] : [column("price", low)]), column("tariff", tariff), column("feed_in", feedIn),
      { key: "volume_kwh", label: words("market.volume"), unit: "kWh", values: volumes, show: (kwh) => format.kwh(kwh), plain: (kwh) => format.number(kwh, 3) },
    ],
  };
}

const UP = ["contracts", "p2p", "tariff"], DOWN = ["contracts", "p2p", "feed_in"];
const REST = ["tariff", "feed_in"];
const LAYER = { contracts: "contracts", p2p: "market", tariff: "tariff", feed_in: "feed-in" };

export function volumesModel(history, snapshot, { words, format }) {
  const { base, cut } = frameOf(history);
  const layers = (side, names) => names.map((name) => ({ key: name, name: LAYER[name], values: cut(history[side][name]) }));
  const up = layers("bought_kwh", UP), down = layers("sold_kwh", DOWN);
  const among = (all, rest) => all.filter(({ key }) => REST.includes(key) === rest);
  const { totals } = history, met = totals.bought_kwh.contracts + totals.bought_kwh.p2p, drawn = met + totals.bought_kwh.tariff;
  const column = (side) => ({ key, values }) => ({ key: `${side}_${key}_kwh`, label: words(`volumes.${side}.${key}`), unit: "kWh", values, show: (kwh) => format.kwh(kwh), plain: (kwh) => format.number(kwh, 3) });
  return {
    ...base, unit: "kWh", absent: words("volumes.unsettled"),
    quality: base.quality.map((state, at) => (up[0].values[at] === null ? (state === "missing" ? "missing" : "unsettled") : "settled")),
    finding: drawn > 0 ? words("volumes.finding", { share: format.percent(met / drawn), drawn: format.energy(drawn), slots: words.count("auction.settled", totals.settled, format.count(totals.settled)) }) : words("volumes.none"),
    about: words("volumes.about"),
    panels: [
      { about: words("volumes.about_market"), up: among(up, false), down: among(down, false) },
      { about: words("volumes.about_rest"), up: among(up, true), down: among(down, true) },
    ],
    key: Object.entries(LAYER).map(([key, name]) => ({ name, label: words(`volumes.${key}`) })),
    columns: [...up.map(column("bought")), ...down.map(column("sold")),
      { key: "saved_krw", label: words("gains.saved"), unit: words.language === "ko" ? "원" : "₩", values: cut(history.saved_krw), show: (krw) => format.won(krw, 1), plain: (krw) => `${isLess(krw) ? "\u2212" : ""}${format.number(String(krw).replace("-", ""), 1)}` }],
  };
}
