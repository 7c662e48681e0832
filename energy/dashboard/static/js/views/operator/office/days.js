// The month by day: bars of one quantity, and everything in a table that can be taken along.
import { csvLine, saveLines } from "../../../charts/figure.js";
import { linear, maxOf, niceTicks, tickText } from "../../../charts/scale.js";
import { h, s, setText } from "../../../dom.js";

const BARS = ["import_kwh", "export_kwh", "generation_kwh", "load_kwh", "self_sufficiency_frac", "cost_krw", "saved_krw", "co2_t", "peak_kw", "volume_kwh", "welfare_krw", "missed"];
const COLUMNS = ["measured_slots", "import_kwh", "export_kwh", "generation_kwh", "load_kwh", "cars_kwh", "self_sufficiency_frac", "self_consumption_frac", "cost_krw", "baseline_cost_krw", "saved_krw", "co2_t", "baseline_co2_t", "peak_kw", "volume_kwh", "price_krw_per_kwh", "welfare_krw", "market_saved_krw", "missed"];
const UNITS = [["_kwh", "kWh"], ["_frac", "%"], ["_krw", "₩"], ["_t", "t"], ["_kw", "kW"]];
const SIZE = { width: 720, height: 220, left: 64, right: 8, top: 26, bottom: 26 };

export function makeDays({ words, format }) {
  return (body) => {
    const choice = h("select", { id: "report-quantity", onchange: () => draw() }, BARS.map((name) => h("option", { value: name }, words(`report.${name}`))));
    const finding = h("h3", { class: "finding", id: "days-finding" }), picture = h("div", { class: "picture" }), table = h("table", { class: "days" });
    const csv = h("button", { type: "button", class: "csv", onclick: () => save() }, words("chart.csv"));
    const print = h("button", { type: "button", class: "csv", onclick: () => window.print() }, words("days.print"));
    body.append(h("div", { class: "field tools" }, h("label", { for: "report-quantity" }, words("days.quantity")), choice),
      h("figure", { class: "figure", "aria-labelledby": "days-finding" }, finding, picture),
      h("p", { class: "acts" }, csv, print), h("div", { class: "scroll wide", tabindex: 0, role: "region", "aria-label": words("days.table") }, table),
      h("p", { class: "small" }, words("days.note")));
    let report = null;
    function draw() {
      if (!report) return;
      const name = choice.value, values = report.days.map((one) => numberOf(one[name]));
      const top = report.days[values.indexOf(Math.max(...values.map((value) => value ?? -Infinity)))];
      const some = values.some((value) => value !== null);
      setText(finding, some ? words("days.finding", { quantity: words(`report.${name}`), date: dayText(top, format), value: show(name, top[name], format) }) : words(report.days.some((one) => isLost(one, name)) ? "days.not_kept" : "days.nothing"));
      picture.replaceChildren(bars(report.days, values, name, `${finding.textContent} ${words("days.about")}`, format));
    }
    function save() {
      const tiers = [...new Set(report.days.flatMap((one) => Object.keys(one.tiers)))].sort();
      saveLines(`report-${report.month}`, [csvLine(["date", ...COLUMNS, ...tiers]), ...report.days.map((one) => csvLine([one.date, ...COLUMNS.map((name) => one[name]), ...tiers.map((tier) => one.tiers[tier] ?? 0)]))]);
    }
    return (found) => {
      report = found;
      draw();
      table.replaceChildren(h("caption", { class: "silent" }, words("days.table")),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, words("days.day")), COLUMNS.map((name) => h("th", { scope: "col", class: "n" }, words(`report.${name}`))), h("th", { scope: "col" }, words("report.tiers")))),
        h("tbody", null, report.days.map((one) => h("tr", { "data-day": one.date }, h("th", { scope: "row" }, dayText(one, format)), COLUMNS.map((name) => h("td", { class: "n" }, isLost(one, name) ? words("report.not_kept") : show(name, one[name], format))),
          h("td", null, Object.entries(one.tiers).map(([tier, count]) => `${tier} ${format.count(count)}`).join(" · ") || "–")))));
    };
  };
}

const dayText = (one, format) => format.date(Date.parse(one.first_slot_utc));
const isLost = (one, name) => Object.values(one.not_kept).some((names) => names.includes(name));
const numberOf = (value) => (value === null || value === undefined ? null : Number(value));

function show(name, value, format) {
  if (value === null || value === undefined) return "–";
  if (name === "price_krw_per_kwh") return format.price(value);
  if (name.endsWith("_krw")) return format.won(value);
  if (name.endsWith("_frac")) return format.percent(value);
  if (name.endsWith("_kwh")) return format.energy(value);
  if (name.endsWith("_kw")) return format.power(value);
  if (name.endsWith("_t")) return format.tonnes(value);
  return format.count(value);
}

// A bar a day from nought, down where it is below; a day without a figure has none.
function bars(days, values, name, label, format) {
  const { width, height, left, right, top, bottom } = SIZE, percent = name.endsWith("_frac") ? 100 : 1;
  const scaled = values.map((value) => (value === null ? null : value * percent));
  const low = Math.min(0, ...scaled.map((value) => value ?? 0)), ticks = niceTicks(Math.max(maxOf(scaled), -low, 1e-9)), step = ticks[1] - ticks[0];
  const end = ticks.at(-1), y = linear(low < 0 ? -end : 0, end, height - bottom, top), x = linear(0, days.length, left, width - right);
  const svg = s("svg", { class: "chart day-bars", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const tick of low < 0 ? [...ticks.slice(1).map((one) => -one), ...ticks] : ticks) {
    svg.append(s("line", { class: "grid-line", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }), s("text", { class: "tick", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickText(format, tick, step)));
  }
  const unit = UNITS.find(([end]) => name.endsWith(end));
  if (unit) svg.append(s("text", { class: "tick", x: left - 6, y: 14, "text-anchor": "end" }, unit[1]));
  scaled.forEach((value, at) => {
    if (value !== null) svg.append(s("rect", { class: "day-bar", x: x(at) + 1.5, width: Math.max(x(1) - x(0) - 3, 1), y: Math.min(y(value), y(0)), height: Math.max(Math.abs(y(value) - y(0)), 0.5) }));
    if (at % 5 === 0) svg.append(s("text", { class: "tick", x: (x(at) + x(at + 1)) / 2, y: height - 8, "text-anchor": "middle" }, String(at + 1)));
  });
  return svg;
}
