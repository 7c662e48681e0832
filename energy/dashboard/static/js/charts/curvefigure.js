// The curves with all that belongs to them: finding, key, picture, cursor over energy, values, table, CSV.
import { h, setText } from "../dom.js";
import { curveChart, priceAt } from "./curves.js";
import { saveLines } from "./figure.js";
import { MARGIN } from "./timechart.js";

const STEPS = 200;
const KEY_STEPS = { PageUp: -20, PageDown: 20 };

export function curveFigure({ id, words, format, height }) {
  const finding = h("h2", { class: "finding", id: `${id}-title` });
  const about = h("p", { class: "about" });
  const key = h("ul", { class: "key" });
  const picture = h("div", { class: "picture" });
  const output = h("output", { class: "values", id: `${id}-values`, for: `${id}-cursor`, "aria-live": "off" });
  const range = h("input", { type: "range", id: `${id}-cursor`, class: "time-cursor", min: 0, max: STEPS, step: 1, "aria-label": words("auction.cursor"), "aria-describedby": `${id}-values` });
  const table = h("table");
  const details = h("details", { class: "table", ontoggle: () => fillTable() },
    h("summary", null, words("chart.table")),
    h("button", { type: "button", class: "csv", onclick: () => saveLines(id, csvLines()) }, words("chart.csv")),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("chart.table") }, table));
  const figure = h("figure", { class: "figure", "aria-labelledby": `${id}-title` },
    finding, about, key, picture, range, h("div", { class: "reading" }, output), details);
  let model = null, chart = null, width = 0;

  range.style.setProperty("--from", `${MARGIN.left}px`);
  range.style.setProperty("--to", `${MARGIN.right}px`);
  range.addEventListener("input", () => show());
  range.addEventListener("keydown", (event) => {
    const step = KEY_STEPS[event.key];
    if (step) range.value = Number(range.value) + step;
    else if (event.key === "t" || event.key === "T") details.open = !details.open;
    else return;
    event.preventDefault();
    show();
  });
  const point = (event) => {
    if (!chart) return;
    range.value = Math.round((chart.kwhAt(event.clientX - picture.getBoundingClientRect().left) / model.xMax) * STEPS);
    show();
  };
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("pointermove", (event) => { if (event.buttons === 1) point(event); });
  new ResizeObserver(([entry]) => {
    const next = Math.floor(entry.contentRect.width);
    if (next > 0 && next !== width) { width = next; draw(); }
  }).observe(picture);

  function draw() {
    if (!model || !width) return;
    chart = curveChart(model, { width, height, format, words, label: `${model.finding}. ${model.about}` });
    picture.replaceChildren(chart.svg);
    show();
  }

  function show() {
    if (!model) return;
    const kwh = (Number(range.value) / STEPS) * model.xMax;
    chart?.moveCursor(kwh);
    const price = (side) => { const found = priceAt(model.curves[side], kwh); return found === null ? words("auction.side_ended") : format.price(String(found)); };
    const read = [[words("auction.demand"), price("demand")], [words("auction.supply"), price("supply")]];
    range.setAttribute("aria-valuetext", `${format.energy(kwh)}. ${read.map(([name, text]) => `${name} ${text}`).join(", ")}`);
    output.replaceChildren(h("span", { class: "slot" }, words("auction.at", { energy: format.energy(kwh) })),
      ...read.map(([name, text]) => h("span", { class: "value" }, h("span", { class: "muted" }, name), " ", h("b", null, text))));
  }

  const rows = () => ["demand", "supply"].flatMap((side) => model.curves[side].map(({ price, until }) => ({ side, price, until })));

  function fillTable() {
    if (!details.open || !model) { table.replaceChildren(); return; }
    const head = h("thead", null, h("tr", null, [words("auction.side"), `${words("market.price")} (${model.priceUnit})`, `${words("auction.until")} (kWh)`].map((text, at) => h("th", { scope: "col", class: at ? "n" : null }, text))));
    table.replaceChildren(h("caption", null, model.finding), head, h("tbody", null, rows().map(({ side, price, until }) =>
      h("tr", null, h("th", { scope: "row" }, words(`auction.${side}`)), h("td", { class: "n" }, format.number(price, 1)), h("td", { class: "n" }, format.number(until, 3))))));
  }

  const csvLines = () => ["side,price_krw_per_kwh,until_kwh", ...rows().map(({ side, price, until }) => `${side},${price},${until}`)];

  return {
    figure,
    update(next) {
      const other = model?.id !== next.id;
      model = next;
      setText(finding, next.finding);
      setText(about, next.about);
      key.replaceChildren(...next.key.map(({ name, label }) => h("li", null, h("span", { class: `swatch line sw-${name}`, "aria-hidden": "true" }), label)));
      if (other) range.value = Math.round((Math.max(next.meet?.bought ?? 0, next.meet?.sold ?? 0) / next.xMax) * STEPS);
      draw();
      fillTable();
    },
  };
}
