// The row of figures: each with its unit, its period and what it is compared with.
import { h, setText } from "../../dom.js";
import { subtractDecimals } from "../../format.js";

export function makeFigures({ words, format }) {
  return (body) => {
    const tiles = {};
    const row = h("div", { class: "tiles" });
    for (const name of ["sufficiency", "consumption", "saved", "co2", "peak", "market"]) {
      const tile = { value: h("p", { class: "big" }), label: h("p", { class: "label" }), note: h("p", { class: "muted" }) };
      const how = words.has(`figure.${name}.how`) ? h("details", { class: "how" }, h("summary", null, words("figure.how")), h("p", null, words(`figure.${name}.how`))) : null;
      row.append(h("div", { class: "tile", "data-figure": name }, tile.label, tile.value, tile.note, how));
      tiles[name] = tile;
    }
    body.append(row);
    return ({ kpi, market, limitKw }) => {
      for (const [name, read] of Object.entries({ ...kpiFigures(kpi, limitKw, words, format), market: marketFigure(market, words, format) })) {
        setText(tiles[name].label, read.label);
        setText(tiles[name].value, read.value);
        setText(tiles[name].note, read.note ?? "");
      }
    };
  };
}

function kpiFigures(kpi, limitKw, words, format) {
  const names = ["sufficiency", "consumption", "saved", "co2", "peak"];
  if (!kpi) return Object.fromEntries(names.map((name) => [name, { label: words(`figure.${name}`), value: "–", note: words("figure.none_yet") }]));
  const period = periodOf(kpi, words, format);
  const share = (value) => (format.known(value) ? format.percent(value) : "–");
  const co2 = format.known(kpi.co2_t) ? format.tonnes(kpi.co2_t) : "–";
  return {
    sufficiency: { label: words("figure.sufficiency"), value: share(kpi.self_sufficiency_frac), note: [words("figure.sufficiency.note"), without(kpi.retired ?? [], words), period].filter(Boolean).join(" · ") },
    consumption: { label: words("figure.consumption"), value: share(kpi.self_consumption_frac), note: `${words("figure.consumption.note")} · ${period}` },
    saved: savedFigure(kpi, period, words, format),
    co2: { label: words("figure.co2"), value: co2, note: `${format.known(kpi.baseline_co2_t) ? words("figure.co2.note", { amount: format.tonnes(kpi.baseline_co2_t) }) : ""} · ${period}` },
    peak: { label: words("figure.peak"), value: format.known(kpi.peak_kw) ? format.power(kpi.peak_kw) : "–", note: `${format.known(limitKw) ? `${words("figure.peak.note", { limit: format.power(limitKw) })} · ` : ""}${period}` },
  };
}

// Assets that are out of use can supply nothing, so the share stands beside how many they are.
const without = (retired, words) => (retired.length ? words.count("figure.sufficiency.without", retired.length) : "");

// Less than nothing is shown as large and as readily as a saving.
function savedFigure(kpi, period, words, format) {
  if (!format.known(kpi.cost_krw) && !format.known(kpi.saved_krw)) return { label: words("figure.saved"), value: "–", note: words("figure.none_yet") };
  const saved = kpi.saved_krw ?? subtractDecimals(kpi.baseline_cost_krw, kpi.cost_krw);
  const less = String(saved).startsWith("-") && /[1-9]/.test(saved);
  const costs = format.known(kpi.cost_krw) && format.known(kpi.baseline_cost_krw)
    ? words("figure.saved.note", { cost: format.won(kpi.cost_krw), baseline: format.won(kpi.baseline_cost_krw) }) : "";
  return { label: words(less ? "figure.lost" : "figure.saved"), value: format.won(less ? saved.slice(1) : saved), note: `${costs} · ${period}` };
}

function marketFigure(market, words, format) {
  const label = words("figure.market");
  if (!market) return { label, value: "–", note: words("figure.none_yet") };
  const slot = format.slot(Date.parse(market.slot_utc));
  if (!format.known(market.price_krw_per_kwh)) return { label, value: words("market.no_trade"), note: slot };
  return { label, value: format.price(market.price_krw_per_kwh), note: `${format.kwh(market.volume_kwh)} · ${slot}` };
}

function periodOf(kpi, words, format) {
  const from = Date.parse(kpi.from_utc), to = Date.parse(kpi.to_utc);
  const sameDay = format.date(from) === format.date(to - 1);
  return sameDay && format.time(from) === "00:00" ? words("period.today", { time: format.time(to) })
    : words("period.between", { from: sameDay ? format.time(from) : format.dateTime(from), to: sameDay ? format.time(to) : format.dateTime(to) });
}
