// How much of what came lay inside the bands: of each quantity, for a day and a week, and by lead.
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { QUANTITIES } from "./course.js";

const WIDTHS = [50, 80, 90];
const LEADS = ["0-1", "1-4", "4-12", "12-24", "24-48"];
const NEAR = 0.05, FAR = 0.15;

export function makeGauges(ctx) {
  const { words } = ctx;
  return (body) => {
    const bands = h("table", { class: "held" }), leads = h("table", { class: "held leads" });
    const framed = (table, key) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words(key) }, table);
    body.append(framed(bands, "held.title"), framed(leads, "held.leads"), h("p", { class: "small" }, words("held.note")));
    return ({ day, week }) => {
      const known = QUANTITIES.map(([name]) => name).filter((name) => week.quantities[name]?.all);
      bands.replaceChildren(...bandRows(known, day, week, ctx));
      leads.replaceChildren(...leadRows(known, week, ctx));
    };
  };
}

function bandRows(names, day, week, { words, format }) {
  const heads = WIDTHS.flatMap((width) => [words("held.day", { width }), words("held.week", { width })]);
  return [
    h("caption", { class: "silent" }, words("held.title")),
    h("thead", null, h("tr", null, h("td"), heads.map((text) => h("th", { scope: "col", class: "n" }, text)))),
    h("tbody", null, names.map((name) => h("tr", { "data-quantity": name },
      h("th", { scope: "row" }, words(`quantity.${name}`)),
      WIDTHS.flatMap((width) => [day, week].map((one) => h("td", { class: "n" }, gauge(one.quantities[name]?.all?.[`inside_${width}_frac`], width / 100, words, format))))))),
  ];
}

function leadRows(names, week, { words, format }) {
  return [
    h("caption", null, words("held.leads")),
    h("thead", null, h("tr", null, h("td"), LEADS.map((lead) => h("th", { scope: "col", class: "n" }, words("held.lead", { lead: lead.replace("-", "–") }))))),
    h("tbody", null, names.map((name) => h("tr", null,
      h("th", { scope: "row" }, words(`quantity.${name}`)),
      LEADS.map((lead) => h("td", { class: "n" }, gauge(week.quantities[name]?.[lead]?.inside_80_frac, 0.8, words, format)))))),
  ];
}

// A sign beside the number, for colour alone must not say it.
function gauge(share, promised, words, format) {
  if (share === undefined || share === null) return "–";
  const off = Math.abs(share - promised);
  const [kind, sign, word] = off <= NEAR ? ["ok", "●", "held.ok"] : off <= FAR ? ["stale", "◔", "held.off"] : ["warning", "▲", "held.far"];
  return [badge(kind, sign, format.percent(share)), h("span", { class: "silent" }, words(word))];
}
