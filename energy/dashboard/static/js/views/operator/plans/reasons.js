// Why each asset does what it does in the next slots: a table whose cells tell on hover and focus.
import { h } from "../../../dom.js";
import { actionName, assetName, sentenceOf } from "./words.js";

const ROWS_MAX = 40;
const NAMES_MAX = 2;
const ARROWS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

export function makeReasons(ctx) {
  const { words, format, state } = ctx;
  return (body) => {
    const output = h("output", { class: "because", id: "why-values", "aria-live": "off" });
    const table = h("table", { class: "reasons" }), rest = h("p", { class: "small" });
    let rows = [], slots = [], place = [0, 0];
    const cellAt = ([row, column]) => table.querySelector(`[data-row="${row}"][data-column="${column}"]`);

    function tell([row, column]) {
      const reason = rows[row]?.cells.get(slots[column]);
      if (!reason) return;
      place = [row, column];
      for (const cell of table.querySelectorAll("button")) cell.tabIndex = cell === cellAt(place) ? 0 : -1;
      const ms = Date.parse(reason.slot_utc), sentence = sentenceOf(reason, words, format);
      output.replaceChildren(
        h("span", { class: "slot", title: format.utc(ms) }, format.slot(ms)), " ", h("b", null, nameOf(rows[row], words)), " ",
        sentence === null ? h("span", { lang: "en" }, reason.text) : h("span", null, sentence));
    }
    const placeOf = (event) => { const cell = event.target.closest?.("button[data-row]"); return cell ? [Number(cell.dataset.row), Number(cell.dataset.column)] : null; };
    for (const sign of ["pointerover", "focusin"]) table.addEventListener(sign, (event) => { const at = placeOf(event); if (at) tell(at); });
    table.addEventListener("click", (event) => { const at = placeOf(event); if (at) state.set("cursor", Date.parse(slots[at[1]])); });
    table.addEventListener("keydown", (event) => {
      const at = placeOf(event), step = ARROWS[event.key];
      if (!at || !step) return;
      event.preventDefault();
      cellAt([at[0] + step[0], at[1] + step[1]])?.focus();
    });
    const mark = () => {
      const chosen = state.get("cursor");
      for (const cell of table.querySelectorAll("[data-column]")) cell.classList.toggle("chosen", chosen !== null && Date.parse(slots[cell.dataset.column]) === chosen);
    };
    state.on("cursor", mark);
    body.append(h("p", { class: "about" }, words("why.about")), h("p", { class: "reading" }, output),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("why.title") }, table), rest);

    return (plan) => {
      const focused = table.contains(document.activeElement);
      const all = alike(plan.reasons);
      slots = [...new Set(plan.reasons.map((reason) => reason.slot_utc))].sort();
      rows = all.slice(0, ROWS_MAX);
      const cell = (row, column) => {
        const reason = rows[row].cells.get(slots[column]);
        return h("td", null, reason ? h("button", { type: "button", class: `act act-${reason.action}`, tabindex: -1, "data-row": row, "data-column": column, "aria-describedby": "why-values" }, actionName(reason.action, words)) : "");
      };
      table.replaceChildren(
        h("caption", { class: "silent" }, words("why.title")),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, words("why.asset")), slots.map((slot) => h("th", { scope: "col" }, format.time(Date.parse(slot)))))),
        h("tbody", null, rows.map((row, at) => h("tr", null, h("th", { scope: "row", title: row.assets.length > NAMES_MAX ? row.assets.join(", ") : null }, nameOf(row, words)), slots.map((_, column) => cell(at, column))))));
      rest.textContent = all.length > rows.length ? words("why.more", { n: format.count(all.length - rows.length) }) : "";
      tell(cellAt(place) ? place : firstPlace(rows, slots));
      mark();
      // Whoever reads a cell stays in it when the figures are renewed.
      if (focused) cellAt(place)?.focus({ preventScroll: true });
    };
  };
}

const firstPlace = (rows, slots) => [0, Math.max(0, slots.findIndex((slot) => rows[0].cells.has(slot)))];

function nameOf({ assets }, words) {
  const names = assets.slice(0, NAMES_MAX).map((asset) => assetName(asset, words)).join(", ");
  return assets.length > NAMES_MAX ? words("why.names", { names, n: assets.length - NAMES_MAX }) : names;
}

// Assets that do the same for the same reason in every slot share a row.
function alike(reasons) {
  const byAsset = new Map();
  for (const reason of reasons) byAsset.set(reason.asset, (byAsset.get(reason.asset) ?? []).concat([reason]));
  const rows = new Map();
  for (const [asset, own] of byAsset) {
    const key = JSON.stringify(own.map(({ slot_utc: slot, text }) => [slot, text]));
    const row = rows.get(key) ?? { assets: [], cells: new Map(own.map((reason) => [reason.slot_utc, reason])) };
    row.assets.push(asset);
    rows.set(key, row);
  }
  return [...rows.values()];
}
