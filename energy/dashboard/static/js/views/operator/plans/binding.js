// The limits that the plan rests on, and what a kWh more of each would save.
import { h } from "../../../dom.js";
import { dearestLimits, limitName } from "./words.js";

const ROWS_MAX = 12;

export function makeBinding({ words, format }) {
  return (body) => (plan) => {
    const all = dearestLimits(plan.certificate);
    const name = ({ limit }) => { const { text, element } = limitName(limit, words); return element ? h("a", { href: `/grid?element=${encodeURIComponent(element)}` }, text) : text; };
    const head = ["limit", "price", "when", "slots"].map((key) => h("th", { scope: "col", class: key === "price" || key === "slots" ? "n" : null }, words(`binding.${key}`)));
    const rows = all.slice(0, ROWS_MAX).map((row) => h("tr", { "data-limit": row.limit }, h("th", { scope: "row" }, name(row)),
      h("td", { class: "n" }, format.price(String(row.most))), h("td", null, h("span", { title: format.utc(row.ms) }, format.slot(row.ms))), h("td", { class: "n" }, format.count(row.slots))));
    body.replaceChildren(
      h("p", { class: "about" }, words("binding.about")),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("binding.title") },
        h("table", { class: "limits" }, h("caption", { class: "silent" }, words("binding.title")), h("thead", null, h("tr", null, head)), h("tbody", null, rows))),
      all.length > ROWS_MAX ? h("p", { class: "small" }, words("binding.more", { n: format.count(all.length - ROWS_MAX) })) : "");
  };
}
