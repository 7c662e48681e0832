// Two bars of equal length: where the power of a slot comes from and where it goes.
import { sharesBar } from "../../charts/shares.js";
import { h, setText } from "../../dom.js";
import { startOf, stepOf, sum } from "./series.js";

export const SOURCES = [["fuel_cell", "fuel-cell"], ["biogas", "biogas"], ["solar", "solar"], ["battery", "battery"], ["cars", "cars"], ["kepco", "kepco"]];
export const USES = [["homes_buildings", "use"], ["cars", "cars"], ["battery", "battery"], ["heat_pump", "heat"], ["losses", "losses"], ["kepco", "kepco"]];
const WIDTH = 1000;
const SHOWN_MIN = 0.05; // in the unit of the bar; less would be written as 0.0

export function makeFlows({ words, format, state }, heading) {
  return (body) => {
    const sides = ["source", "use"].map((side) => ({ side, box: h("div", { class: "flow", "data-side": side }) }));
    body.append(sides.map(({ box }) => box).reduce((all, box) => { all.append(box); return all; }, h("div", { class: "flows" })));
    let last = null;
    function show() {
      if (!last) return;
      const running = indexOf(last, state.get("nowMs") ?? startOf(last) + last.now_index * stepOf(last), Math.floor);
      const chosen = state.get("cursor");
      const i = chosen === null ? running : indexOf(last, chosen, Math.round);
      const ms = startOf(last) + i * stepOf(last);
      const at = { source: partsAt(last.sources, SOURCES, i), use: partsAt(last.uses, USES, i) };
      const totals = { source: sum(at.source.map((part) => part.value)), use: sum(at.use.map((part) => part.value)) };
      const total = Math.max(totals.source, totals.use);
      setText(heading, words(i === running ? "flows.now" : "flows.then", { slot: format.slot(ms, stepOf(last)), quality: words(`quality.${last.quality[i]}`) }));
      for (const { side, box } of sides) fillSide(box, side, at[side], totals[side], total);
    }
    function fillSide(box, side, parts, own, total) {
      const unit = format.unitOf(total);
      const open = total - own;
      const all = open > Math.max(0.05, 1e-3 * total) ? [...parts, { key: "unmeasured", name: "unmeasured", value: open }] : parts;
      box.replaceChildren(
        h("p", { class: "flow-total" }, words(`flows.${side}`), " ", h("b", null, format.power(total, unit))),
        sharesBar(all, total, WIDTH),
        h("ul", { class: "parts" }, all.filter((part) => part.value === null || format.inUnit(part.value, unit) >= SHOWN_MIN).map((part) =>
          h("li", { "data-part": part.key }, h("span", { class: `swatch fill sw-${part.name}`, "aria-hidden": "true" }), h("span", { class: "name" }, words(`${side}.${part.key}`)),
            h("b", null, part.value === null ? "–" : format.power(part.value, unit))))));
    }
    state.on("cursor", show);
    state.on("nowMs", show);
    return (balance) => { last = balance; show(); };
  };
}

const indexOf = (balance, ms, whole) => Math.min(balance.quality.length - 1, Math.max(0, whole((ms - startOf(balance)) / stepOf(balance))));

const partsAt = (columns, order, i) => order.filter(([key]) => columns[key]).map(([key, name]) => ({ key, name, value: columns[key][i] ?? null }));
