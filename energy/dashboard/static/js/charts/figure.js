// A chart with all that belongs to it: finding, key, picture, cursor, values, table and CSV.
import { h, setText } from "../dom.js";
import { MARGIN, timeChart } from "./timechart.js";

const KEY_STEPS = { PageUp: -4, PageDown: 4 };

// A spreadsheet takes a text that begins so for a formula; numbers stay numbers.
const FORMULA = /^[=+\-@\t\r]/, NUMBER = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i;

// One line of a CSV file; a value that is not known is an empty cell.
export const csvLine = (values) => values.map((value) => {
  const found = String(value ?? ""), text = FORMULA.test(found) && !NUMBER.test(found) ? `'${found}` : found;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}).join(",");

// Hands the reader a CSV file.
export function saveLines(name, lines) {
  const url = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
  h("a", { href: url, download: `${name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// `read(data)` -> {finding, about, panels: [model], columns, startMs, stepMs, count, nowIndex, quality}
export function chartFigure({ id, words, format, state, heights }) {
  const finding = h("h2", { class: "finding", id: `${id}-title` });
  const about = h("p", { class: "about" });
  const key = h("ul", { class: "key" });
  const pictures = heights.map(() => h("div", { class: "picture" }));
  const output = h("output", { class: "values", id: `${id}-values`, for: `${id}-cursor`, "aria-live": "off" });
  const range = h("input", { type: "range", id: `${id}-cursor`, class: "time-cursor", min: 0, step: 1, "aria-label": words("chart.cursor"), "aria-describedby": `${id}-values` });
  const nowButton = h("button", { type: "button", class: "to-now", onclick: () => state.set("cursor", null) }, words("chart.to_now"));
  const table = h("table");
  const details = h("details", { class: "table", ontoggle: () => fillTable() },
    h("summary", null, words("chart.table")),
    h("button", { type: "button", class: "csv", onclick: () => saveCsv() }, words("chart.csv")),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("chart.table") }, table));
  const figure = h("figure", { class: "figure", "aria-labelledby": `${id}-title` },
    finding, about, key, pictures, range, h("div", { class: "reading" }, output, nowButton), details);
  let model = null, charts = [], width = 0;

  range.style.setProperty("--from", `${MARGIN.left}px`);
  range.style.setProperty("--to", `${MARGIN.right}px`);
  range.addEventListener("input", () => choose(Number(range.value)));
  range.addEventListener("keydown", (event) => {
    const step = KEY_STEPS[event.key];
    if (step) choose(index() + step);
    else if (event.key === "n" || event.key === "N") state.set("cursor", null);
    else if (event.key === "t" || event.key === "T") details.open = !details.open;
    else return;
    event.preventDefault();
  });
  pictures.forEach((picture, at) => {
    const point = (event) => choose(charts[at].indexAt(event.clientX - picture.getBoundingClientRect().left));
    picture.addEventListener("pointerdown", point);
    picture.addEventListener("pointermove", (event) => { if (event.buttons === 1) point(event); });
  });
  new ResizeObserver(([entry]) => {
    const next = Math.floor(entry.contentRect.width);
    if (next > 0 && next !== width) { width = next; draw(); }
  }).observe(pictures[0]);
  state.on("cursor", () => { if (model) showCursor(); });
  state.on("nowMs", () => { if (model) showCursor(); });

  const msOf = (i) => model.startMs + i * model.stepMs;
  // Where the district's clock stands on this axis, in slots; null where the axis only looks back.
  function nowAt() {
    if (model.showNow === false) return null;
    return ((state.get("nowMs") ?? msOf(model.nowIndex)) - model.startMs) / model.stepMs;
  }
  function index() {
    const chosen = state.get("cursor");
    const at = chosen === null ? Math.floor(nowAt() ?? model.nowIndex) : Math.round((chosen - model.startMs) / model.stepMs);
    return Math.min(model.count - 1, Math.max(0, at));
  }
  function choose(i) {
    if (model) state.set("cursor", msOf(Math.min(model.count - 1, Math.max(0, i))));
  }

  function draw() {
    if (!model || !width) return;
    charts = model.panels.map((panel, at) => timeChart({ ...model, ...panel }, { width, height: heights[at], format, words, label: `${model.finding}. ${panel.about ?? model.about}` }));
    charts.forEach((chart, at) => pictures[at].replaceChildren(chart.svg));
    showCursor();
  }

  function showCursor() {
    const i = index();
    const quality = model.quality?.[i] ?? (i < model.nowIndex ? "measured" : "plan");
    const slot = format.slot(msOf(i), model.stepMs);
    for (const chart of charts) {
      chart.moveCursor(state.get("cursor") === null ? null : i);
      chart.moveNow(nowAt());
    }
    range.max = model.count - 1;
    range.value = i;
    const read = model.columns.filter((column) => format.known(column.values[i]) && !(column.quiet && column.values[i] === 0)).map((column) => [column.label, column.show(column.values[i])]);
    range.setAttribute("aria-valuetext", `${slot}, ${words(`quality.${quality}`)}. ${read.map(([name, text]) => `${name} ${text}`).join(", ")}`);
    nowButton.hidden = state.get("cursor") === null;
    output.replaceChildren(
      h("span", { class: "slot", title: format.utc(msOf(i)) }, slot, " ", h("span", { class: "muted" }, words(`quality.${quality}`))),
      ...(read.length ? read.map(([name, text]) => h("span", { class: "value" }, h("span", { class: "muted" }, name), " ", h("b", null, text)))
        : [h("span", { class: "muted" }, model.absent ?? words("chart.no_value"))]));
  }

  function fillTable() {
    if (!details.open || !model) { table.replaceChildren(); return; }
    const head = h("thead", null, h("tr", null, [words("table.slot"), words("table.utc"), words("table.quality"), ...model.columns.map((c) => (c.unit ? `${c.label} (${c.unit})` : c.label))].map((text) => h("th", { scope: "col" }, text))));
    const rows = Array.from({ length: model.count }, (_, i) => h("tr", null,
      h("th", { scope: "row" }, format.slot(msOf(i), model.stepMs)), h("td", null, format.utc(msOf(i))),
      h("td", null, words(`quality.${model.quality?.[i] ?? (i < model.nowIndex ? "measured" : "plan")}`)),
      model.columns.map((c) => h("td", { class: c.unit ? "n" : null }, format.known(c.values[i]) ? c.plain(c.values[i]) : "–"))));
    table.replaceChildren(h("caption", null, model.finding), head, h("tbody", null, rows));
  }

  function saveCsv() {
    const lines = [csvLine(["start_utc", "quality", ...model.columns.map((c) => c.key)])];
    for (let i = 0; i < model.count; i += 1) {
      const quality = model.quality?.[i] ?? (i < model.nowIndex ? "measured" : "plan");
      lines.push(csvLine([new Date(msOf(i)).toISOString().replace(".000", ""), quality, ...model.columns.map((c) => c.values[i])]));
    }
    saveLines(id, lines);
  }

  return {
    figure,
    update(next) {
      model = next;
      setText(finding, next.finding);
      setText(about, next.about);
      key.replaceChildren(...next.key.map(({ name, shape, label }) => h("li", null, h("span", { class: `swatch ${shape ?? "fill"} sw-${name}`, "aria-hidden": "true" }), label)));
      draw();
      fillTable();
    },
  };
}
