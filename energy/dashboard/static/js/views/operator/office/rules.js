// The market's rules by version, the newest first; the one that holds now is marked.
import { h } from "../../../dom.js";
import { badge } from "../block.js";

// Rules of whole months: they change with the first slot of a local one.
export const MONTHLY = ["guarantee_kept_ppm", "guarantee_most_krw", "points_issue_ppm", "points_pay_ppm", "rent_to_accounts"];
export const RULES = ["price_floor_krw_per_kwh", "price_cap_krw_per_kwh", "price_tick_krw_per_kwh", "maker_spread_krw_per_kwh", "maker_steps", "orders_max",
  "network_fee_krw_per_kwh", "local_fee_krw_per_kwh", "premium_max_krw_per_kwh", ...MONTHLY];

export function ruleText(name, value, { words, format }) {
  if (name.endsWith("_krw_per_kwh")) return `${format.won(value, 3)}/kWh`;
  if (name.endsWith("_krw")) return format.won(value);
  if (name.endsWith("_ppm")) return format.percent(Number(value) / 1e6);
  return name === "rent_to_accounts" ? words(`rule.rent.${value}`) : format.count(value);
}

export function makeRules({ words, format }) {
  return (body) => {
    const table = h("table", { class: "rules" });
    body.append(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("rules.title") }, table), h("p", { class: "small" }, words("rules.note")), h("p", { class: "small" }, words("rules.monthly")));
    return ({ now, versions }) => {
      const holds = (one) => (one.version === now ? badge("ok", "●", words("rules.now")) : one.version > now ? badge("stale", "◷", words("rules.coming")) : "");
      table.replaceChildren(
        h("caption", { class: "silent" }, words("rules.title")),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, words("rules.rule")), versions.map((one) => h("th", { scope: "col", class: "n" }, words("rules.version", { n: format.count(one.version) }), " ", holds(one))))),
        h("tbody", null,
          h("tr", null, h("th", { scope: "row" }, words("rules.from")), versions.map((one) => h("td", { class: "n" }, one.from_slot_utc ? format.dateTime(Date.parse(one.from_slot_utc)) : words("rules.beginning")))),
          RULES.map((name) => h("tr", null, h("th", { scope: "row" }, words(`rule.${name}`)), versions.map((one) => h("td", { class: "n" }, ruleText(name, one.rules[name], { words, format })))))));
    };
  };
}
