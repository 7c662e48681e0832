// One element: what it is, how full it is now and at worst, and what hangs on it.
import { h } from "../../../dom.js";
import { definitions } from "../block.js";
import { chosenOf, shareOf } from "./shares.js";
import { nameOf, signedFigure, whereOf } from "./words.js";

const BELOW = 5;

export function makeElementCard(ctx) {
  const { words, state } = ctx;
  return (body) => {
    let model = null;
    function show() {
      if (!model) return;
      const element = chosenOf(model, state), id = state.get("element");
      body.replaceChildren(...(element ? facts(element, model, ctx) : [h("p", { class: "calm" }, id === null ? words("element.none") : words("element.unknown", { id }))]));
    }
    state.on("element", show);
    return (next) => { model = next; show(); };
  };
}

function facts(element, model, ctx) {
  const { words, format, state } = ctx;
  const busId = (row) => model.net.network.buses.id[row];
  const pick = (one) => h("button", { type: "button", class: "pick", onclick: () => state.set("element", one.id) }, one.id);
  return [
    h("p", { class: "what" }, nameOf(element, words)),
    definitions([
      [words("element.where"), whereOf(element)],
      [format.slot(model.slotMs), signedFigure(element, model.now, ctx)],
      [words("element.worst", { slot: format.slot(model.worstMs) }), signedFigure(element, model.worst, ctx)],
      element.kind === "transformer" ? [words("element.rating"), `${format.number(element.kva)}\u00a0kVA`] : null,
      ...limits(element, model, ctx),
      element.kind === "line" ? [words("element.ends"), `${busId(element.from)} – ${busId(element.to)}`] : null,
      element.kind === "line" && !element.closed ? [words("element.state"), words("element.open")] : null,
    ]),
    ...below(element, model, ctx, pick),
  ];
}

// Voltages at a bus, or where a transformer feeds its street.
function limits(element, model, { words, format }) {
  if (element.kind === "line") return [];
  const { buses } = model.net.network, row = element.to;
  const voltage = (shares) => (format.known(shares.v[row]) ? format.voltage(shares.v[row]) : "–");
  const own = element.kind === "bus" ? [] : [[words("element.voltage"), `${voltage(model.now)} · ${voltage(model.worst)}`]];
  return [...own, [words("element.allowed"), words("element.range", { low: format.voltage(buses.v_min_pu[row]), high: format.voltage(buses.v_max_pu[row]) })]];
}

function below(element, model, ctx, pick) {
  if (element.kind !== "transformer" || !element.area) return [];
  const reach = (one) => Math.max(shareOf(model.now, one) ?? -1, shareOf(model.worst, one) ?? -1);
  const cables = model.net.elements.line.filter((one) => one.area === element.area).sort((a, b) => reach(b) - reach(a)).slice(0, BELOW);
  const buses = model.net.elements.bus.filter((one) => one.area === element.area && one.row !== element.to && one.row !== element.from).sort((a, b) => reach(b) - reach(a)).slice(0, 1);
  const list = [...cables, ...buses];
  return list.length ? [h("h3", null, ctx.words("element.below")),
    h("ul", { class: "picks" }, list.map((one) => h("li", null, pick(one), signedFigure(one, model.worst, ctx))))] : [];
}
