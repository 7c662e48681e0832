// How each forecast came about: quantities of one tier share a row, with the reason where it is not the best.
import { h } from "../../dom.js";
import { badge, inLanguage } from "./block.js";

export const FORECAST_TIERS = { F0: ["ok", "●"], F1: ["ok", "◐"], F2: ["warning", "◔"], F3: ["warning", "○"], F4: ["warning", "▲"] };

export function tierRows(data, model, { words }) {
  const rows = new Map();
  for (const [quantity, tier] of Object.entries(data.tier ?? {})) {
    const reason = inLanguage(data.reason?.[quantity], words.language) || "";
    const key = `${tier}\n${reason}`;
    if (!rows.has(key)) rows.set(key, { tier, reason, quantities: [] });
    rows.get(key).quantities.push(words.has(`quantity.${quantity}`) ? words(`quantity.${quantity}`) : quantity);
  }
  const sorted = [...rows.values()].sort((a, b) => a.tier.localeCompare(b.tier));
  return sorted.length ? [h("ul", { class: "tiers" }, sorted.map((row) => tierRow(row, words)))] : [];
}

function tierRow({ tier, reason, quantities }, words) {
  const [kind, symbol] = FORECAST_TIERS[tier] ?? ["stale", "◷"];
  const name = words.has(`forecast.tier.${tier}`) ? ` ${words(`forecast.tier.${tier}`)}` : "";
  return h("li", { "data-tier": tier }, badge(kind, symbol, `${tier}${name}`), " ", quantities.join(", "),
    reason ? h("span", { class: "muted" }, ": ", h("span", { lang: "en" }, reason)) : null);
}
