// A participant's statement from a file: read in this browser and sent nowhere.
import { h, setText } from "../../dom.js";
import { makeFormat } from "../../format.js";

const FORMAT = "microgrid-statement/1";
const MOST_BYTES = 5_000_000;
const DECIMAL = /^-?\d+(\.\d+)?$/;

class Unusable extends Error {}

const isText = (value) => typeof value === "string";
const isDecimal = (value) => isText(value) && DECIMAL.test(value);

// What the page shows must be there and be what it is called; the first that is not is named.
function readStatement(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Unusable("JSON");
  }
  const need = (good, name) => { if (!good) throw new Unusable(name); };
  need(found?.statement === FORMAT, "statement");
  need(isText(found.account) && /^0x[0-9a-f]{64}$/.test(found.account), "account");
  need(isText(found.market), "market");
  need(Array.isArray(found.months) && found.months.length > 0, "months");
  for (const month of found.months) {
    need(/^\d{4}-\d{2}$/.test(month?.month), "month");
    for (const name of ["billed_kwh", "received_kwh", "given_kwh", "register_start_kwh", "register_end_kwh", "utility_krw", "market_krw", "adjustments_krw", "total_krw"]) need(isDecimal(month[name]), name);
    for (const name of ["kepco_alone_krw", "saved_krw", "smp_rec_krw", "sold_krw", "sold_better_krw", "carried_kwh"]) need(isDecimal(month.comparison?.[name]), name);
    for (const name of ["bill", "checkpoint_size", "checkpoint_root", "tick_utc"]) need(isText(month.proof?.[name]), name);
    for (const name of ["issued", "paid"]) need(isDecimal(month.points?.[name]), "points");
    // Months without auctions have none, and those billed before there was a guarantee.
    for (const name of month.auctions ? ["gain_krw", "guarantee_krw", "gain_after_krw", "kept_pct", "least_kept_pct", "most_krw"] : []) need(isDecimal(month.auctions[name]), "auctions");
    need(isText(month.tariff) && Array.isArray(month.lines), "lines");
    for (const line of month.lines) need(isText(line?.kind) && isText(line.part) && isDecimal(line.amount_krw) && (line.quantity === undefined || isDecimal(line.quantity)), "lines");
  }
  for (const name of ["total_krw", "kepco_alone_krw", "saved_krw"]) need(isDecimal(found.sums?.[name]), name);
  return found;
}

const isBelow = (text) => text.startsWith("-") && /[1-9]/.test(text);
const without = (text) => text.replace(/^-/, "");

function chooser(words, take) {
  const input = h("input", { type: "file", accept: ".json,application/json", onchange: () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  } });
  return h("label", { class: "chooser" }, input, h("b", null, words("statement.choose")), h("br"), h("span", { class: "muted" }, words("statement.drop")));
}

export function openStatement(words) {
  const format = makeFormat(words.language, "Asia/Seoul");
  const told = h("p", { class: "told", id: "told" });
  const result = h("div", { id: "result", class: "statement" });

  async function takeFile(file) {
    try {
      if (file.size > MOST_BYTES) throw new Unusable(`${file.size} B`);
      const found = readStatement(await file.text());
      result.replaceChildren(...paper(found, words, format));
      setText(told, file.name);
      setText(document.getElementById("announce"), words("statement.shown", { n: String(found.months.length) }));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      result.replaceChildren();
      setText(told, words("statement.unusable", { name: file.name, what: error.message }));
    }
  }

  const print = h("button", { type: "button", onclick: () => window.print() }, words("statement.print"));
  const tools = h("section", { class: "block span-12 tools", "aria-label": words("statement.file") }, chooser(words, takeFile), h("p", { class: "print" }, print), told);
  document.getElementById("grid").append(tools);
  document.getElementById("main").append(result);
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) takeFile(event.dataTransfer.files[0]);
  });
}

function paper(found, words, format) {
  const head = h("section", { class: "block", "aria-labelledby": "who" }, h("h2", { id: "who" }, words("statement.account")), h("p", { class: "why" }, found.account), h("p", { class: "why" }, found.market));
  const months = found.months.map((month) => monthSheet(month, words, format));
  return found.months.length > 1 ? [head, yearSheet(found, words, format), ...months] : [head, ...months];
}

function difference(text, words, format) {
  if (!/[1-9]/.test(text)) return h("p", { class: "sentence" }, words("statement.same"));
  const key = isBelow(text) ? "statement.dearer" : "statement.cheaper";
  return h("p", { class: isBelow(text) ? "sentence dearer" : "sentence cheaper" }, words(key, { won: format.won(without(text)) }));
}

function figures(rows) {
  return h("dl", { class: "figures" }, rows.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

function yearSheet({ months, sums }, words, format) {
  const body = months.map((month) => h("tr", null, h("th", { scope: "row" }, month.month), [month.billed_kwh, month.given_kwh].map((kwh) => h("td", null, format.kwh(kwh))), [month.total_krw, month.comparison.kepco_alone_krw, month.comparison.saved_krw].map((won) => h("td", null, format.won(won)))));
  return h("section", { class: "block", "aria-labelledby": "year" },
    h("h2", { id: "year" }, words("statement.months", { n: String(months.length) })),
    figures([[words("statement.total"), format.won(sums.total_krw)], [words("statement.alone"), format.won(sums.kepco_alone_krw)]]),
    difference(sums.saved_krw, words, format),
    scroll(words("statement.months", { n: String(months.length) }), h("table", null, h("thead", null, h("tr", null, ["month", "billed", "given", "total", "alone", "saved"].map((name) => h("th", { scope: "col" }, words(`statement.${name}`))))), h("tbody", null, body))));
}

const scroll = (label, table) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);

// A month as on paper; also on the page of whoever has signed in.
export function monthSheet(month, words, format) {
  const id = `month-${month.month}`, { comparison, proof } = month;
  const rows = [
    [words("statement.total"), format.won(month.total_krw)],
    [words("statement.utility"), format.won(month.utility_krw)],
    [words("statement.market"), format.won(month.market_krw)],
    isBelow(month.adjustments_krw) || /[1-9]/.test(month.adjustments_krw) ? [words("statement.adjustments"), format.won(month.adjustments_krw)] : null,
    [words("statement.alone"), format.won(comparison.kepco_alone_krw)],
  ].filter(Boolean);
  return h("section", { class: "block month", "aria-labelledby": id },
    h("h2", { id }, month.month),
    h("p", { class: "why" }, words("statement.register", { tariff: month.tariff, start: format.kwh(month.register_start_kwh), end: format.kwh(month.register_end_kwh), billed: format.kwh(month.billed_kwh) })),
    figures(rows),
    difference(comparison.saved_krw, words, format),
    comparison.net_metering ? h("p", { class: "why" }, words("statement.netted", { carried: format.kwh(comparison.carried_kwh) })) : null,
    lines(month, words, format),
    month.auctions ? auctions(month.auctions, words, format) : null,
    /[1-9]/.test(month.points.issued + month.points.paid) ? h("p", null, words("statement.points", { paid: format.number(month.points.paid), issued: format.number(month.points.issued) })) : null,
    isBelow(comparison.smp_rec_krw) || /[1-9]/.test(comparison.smp_rec_krw) ? h("p", { class: isBelow(comparison.sold_better_krw) ? "dearer" : "cheaper" }, words(isBelow(comparison.sold_better_krw) ? "statement.sold_worse" : "statement.sold_better", { sold: format.won(comparison.sold_krw), grid: format.won(comparison.smp_rec_krw), won: format.won(without(comparison.sold_better_krw)) })) : null,
    h("p", { class: "why proof" }, words("statement.proof", { bill: proof.bill, size: proof.checkpoint_size, root: proof.checkpoint_root, tick: proof.tick_utc })));
}

// What the auctions brought, what the guarantee gave back of a loss, and why not all of it.
function auctions(found, words, format) {
  const lost = isBelow(found.gain_krw);
  const told = [words(lost ? "statement.auctions_worse" : "statement.auctions_better", { won: format.won(without(found.gain_krw)) })];
  if (/[1-9]/.test(found.guarantee_krw)) told.push(words("statement.auctions_back", { won: format.won(found.guarantee_krw) }));
  if (words.has(`statement.auctions_${found.outside}`)) told.push(words(`statement.auctions_${found.outside}`, { won: format.won(without(found.gain_after_krw)), kept: format.number(found.kept_pct, 0, 4), least: format.number(found.least_kept_pct, 0, 4), most: format.won(found.most_krw) }));
  return h("p", { class: isBelow(found.gain_after_krw) ? "dearer" : lost ? null : "cheaper" }, told.join(" "));
}

function lines(month, words, format) {
  const row = (line) => {
    const key = `statement.line.${line.kind}`;
    const quantity = line.unit === "kWh" ? format.kwh(line.quantity) : line.kind === "guarantee" ? words("statement.kept", { share: format.number(line.quantity, 0, 4) }) : line.unit ? format.number(line.quantity) : line.month ?? "";
    return h("tr", { class: ["utility", "market"].includes(line.kind) ? "sum" : null },
      h("th", { scope: "row" }, words.has(key) ? words(key) : line.text ?? line.kind),
      h("td", null, quantity), h("td", null, line.price_krw ? format.won(line.price_krw, 1) : ""), h("td", null, format.won(line.amount_krw, 2)));
  };
  const total = h("tr", { class: "sum total" }, h("th", { scope: "row" }, words("statement.total")), h("td"), h("td"), h("td", null, format.won(month.total_krw)));
  const head = ["line", "quantity", "price", "amount"].map((name) => h("th", { scope: "col" }, words(`statement.column.${name}`)));
  return scroll(words("statement.lines"), h("table", { class: "bill" }, h("caption", null, words("statement.sign")), h("thead", null, h("tr", null, head)), h("tbody", null, month.lines.map(row), total)));
}
