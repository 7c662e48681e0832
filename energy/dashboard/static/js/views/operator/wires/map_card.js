// The district from above, for now or for the tightest slot of the plan.
import { districtMap } from "../../../charts/map.js";
import { h, setText } from "../../../dom.js";
import { chosenOf, shareOf, stepOf } from "./shares.js";
import { figureOf, nameOf, whereOf } from "./words.js";

const HEIGHT = { min: 280, max: 640 };
const STREET_TIMES = 4;

export function makeMapCard(ctx) {
  const { words, format, state } = ctx;
  return (body) => {
    const finding = h("h2", { class: "finding", id: "map-title" });
    const now = choice(null), worst = choice("worst");
    const box = h("div", { class: "map-box" });
    const output = h("output", { class: "values", id: "map-values", "aria-live": "polite" });
    let model = null, map = null, pointed = null;
    const tool = (label, sign, act) => h("button", { type: "button", "aria-label": words(label), onclick: () => map && act(map.zoom) }, sign);
    body.append(finding,
      h("div", { class: "tools" },
        h("div", { class: "choices", role: "group", "aria-label": words("map.moment") }, now, worst),
        h("div", { class: "choices", role: "group", "aria-label": words("map.zoom") },
          tool("map.nearer", "+", (zoom) => zoom.zoomBy(1)), tool("map.farther", "−", (zoom) => zoom.zoomBy(-1)), tool("map.all", "□", (zoom) => zoom.fit()))),
      key(words), box, h("div", { class: "reading" }, output), h("p", { class: "small" }, words("map.help")));

    function choice(value) {
      return h("button", { type: "button", class: "choice", onclick: () => state.set("moment", value) });
    }
    const shares = () => (state.get("moment") === "worst" ? model.worst : model.now);
    const chosen = () => chosenOf(model, state);

    function read() {
      if (!model) return;
      const element = pointed ?? chosen();
      output.replaceChildren(...(element ? readings(element, model, ctx) : [h("span", { class: "muted" }, words("map.none"))]));
    }

    // The planned slot begins some minutes after its plan: until then it is the next one.
    function label() {
      if (!model) return;
      const atWorst = state.get("moment") === "worst";
      for (const [button, on, text] of [[now, !atWorst, words(state.get("nowMs") < model.slotMs ? "map.next" : "map.now", { slot: format.slot(model.slotMs) })], [worst, atWorst, words("map.worst", { slot: format.slot(model.worstMs) })]]) {
        setText(button, text);
        button.setAttribute("aria-pressed", String(on));
      }
    }

    function paint() {
      if (!model) return;
      label();
      const atWorst = state.get("moment") === "worst";
      const first = atWorst ? model.topWorst : model.topNow;
      setText(finding, first ? words("map.finding", { name: nameOf(first, words), figure: figureOf(first, shares(), ctx), slot: format.slot(atWorst ? model.worstMs : model.slotMs) }) : words("map.plain"));
      map.paint(shares());
      map.choose(chosen());
      read();
    }

    // Streets are too small to be seen from afar; the backbone is not.
    function look() {
      const element = chosen();
      map.choose(element);
      if (element && state.get("element") !== null && element.kind !== "transformer" && !element.backbone) map.show(element, STREET_TIMES);
      read();
    }

    function rebuild() {
      map = districtMap({
        net: model.net, label: words("map.label"), stepOf, nameOf: (element) => nameOf(element, words),
        onChoose: (element) => state.set("element", element.id),
        onPoint: (element) => { pointed = element; read(); },
      });
      box.replaceChildren(map.svg);
      resize(box.clientWidth);
      look();
    }

    function resize(width) {
      if (!map || !width) return;
      const height = Math.round(Math.min(HEIGHT.max, Math.max(HEIGHT.min, width * map.tallness)));
      for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) map.svg.setAttribute(name, value);
      map.zoom.resize(width, height);
    }

    let width = 0;
    new ResizeObserver(([entry]) => {
      const next = Math.floor(entry.contentRect.width);
      if (next > 0 && next !== width) { width = next; resize(next); if (map) look(); }
    }).observe(box);
    state.on("moment", paint);
    state.on("nowMs", label);
    state.on("element", () => { if (map) look(); });
    state.on("switching", (found) => { if (map) map.surround(groupsOf(found, model.net)); });

    return (next) => {
      const built = model?.net === next.net;
      model = next;
      if (!built) rebuild();
      map.surround(groupsOf(state.get("switching"), model.net));
      paint();
    };
  };
}

function readings(element, model, { words, format }) {
  const ctx = { words, format };
  const pair = (label, shares) => h("span", { class: "value" }, h("span", { class: "muted" }, label), " ", h("b", null, figureOf(element, shares, ctx)));
  return [h("span", { class: "slot" }, nameOf(element, words)), h("span", { class: "muted" }, whereOf(element)),
    ...(shareOf(model.now, element) === null ? [h("span", { class: "muted" }, words("wires.no_value"))]
      : [pair(format.slot(model.slotMs), model.now), pair(format.slot(model.worstMs), model.worst)])];
}

// What an outage leaves dark, and what is switched to mend it.
function groupsOf(found, net) {
  if (!found) return {};
  const at = (ids) => ids.map((id) => net.byId.get(id)).filter(Boolean);
  const unsupplied = new Set(found.unsupplied_areas ?? []);
  const transformersOf = (areas) => net.elements.transformer.filter((one) => areas.has(one.area));
  return {
    back: transformersOf(new Set((found.dark_areas ?? []).filter((area) => !unsupplied.has(area)))),
    dark: transformersOf(unsupplied), failed: at([found.element]), closed: at(found.closed ?? []), opened: at(found.opened ?? []),
  };
}

function key(words) {
  const entry = (name, text) => h("li", null, h("span", { class: `swatch wire ${name}`, "aria-hidden": "true" }), text);
  return h("ul", { class: "key" }, [0, 1, 2, 3].map((step) => entry(`load-${step}`, words(`wires.key.${step}`))),
    entry("open", words("wires.key.tie")), entry("load-none", words("wires.key.none")));
}
