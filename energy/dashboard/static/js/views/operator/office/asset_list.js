// Every asset: told, did, could, holds; filtered by kind and state, the worst state first.
import { csvLine, saveLines } from "../../../charts/figure.js";
import { field, h } from "../../../dom.js";
import { badge } from "../block.js";

const STATES = { trip: ["alarm", "■"], silent: ["warning", "▲"], deviates: ["warning", "▲"], ok: ["ok", "●"], off: ["stale", "○"], retired: ["stale", "◇"] };
const COLUMNS = ["id", "kind", "area", "state", "count", "available", "supplies_kw", "draws_kw", "set_supplies_kw", "set_draws_kw", "limit_supplies_kw", "limit_draws_kw", "held_kw", "energy_kwh", "energy_kwh_max"];

export const counted = (rows, state) => rows.filter((one) => one.state === state).length;

export function makeAssets({ words, format, state: page }) {
  return (body) => {
    const kind = h("select", { id: "asset-kind", onchange: () => fill() }), state = h("select", { id: "asset-state", onchange: () => fill() });
    const said = h("p", { class: "small", role: "status" }), table = h("table", { class: "assets" });
    const csv = h("button", { type: "button", class: "csv", onclick: () => save() }, words("chart.csv"));
    body.append(h("div", { class: "filters" }, ...[[kind, "assets.kind"], [state, "assets.state"]].map(([select, key]) => field(select, words(key))), csv),
      said, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("assets.title") }, table), h("p", { class: "small" }, words("assets.note")));
    let last = null;
    const shown = () => last.assets.filter((one) => (!kind.value || one.kind === kind.value) && (!state.value || one.state === state.value));
    function fill() {
      const rows = shown();
      said.textContent = words("assets.shown", { shown: format.count(rows.length), total: format.count(last.assets.length) });
      table.replaceChildren(h("caption", { class: "silent" }, words("assets.title")),
        h("thead", null, h("tr", null, ["asset", "state", "available", "supplies", "draws", "told", "limit", "energy"].map((name, at) => h("th", { scope: "col", class: at > 1 ? "n" : null }, words(`assets.${name}`))))),
        h("tbody", null, rows.map((one) => row(one, words, format, page))));
    }
    function save() {
      saveLines("assets", [csvLine(["slot_utc", ...COLUMNS]), ...shown().map((one) => csvLine([last.slot_utc, ...COLUMNS.map((name) => one[name])]))]);
    }
    return (found) => {
      last = found;
      choices(kind, [...new Set(found.assets.map((one) => one.kind))].sort(), (name) => words(`fleet.${name}`), words);
      choices(state, Object.keys(STATES), (name) => words(`assets.state.${name}`), words);
      fill();
    };
  };
}

function choices(select, names, label, words) {
  if (select.options.length === names.length + 1) return;
  const kept = select.value;
  select.replaceChildren(h("option", { value: "" }, words("assets.all")), ...names.map((name) => h("option", { value: name }, label(name))));
  select.value = names.includes(kept) ? kept : "";
}

function row(one, words, format, page) {
  const power = (value) => (format.known(value) ? format.power(value) : "–");
  const told = [["supplies", one.set_supplies_kw], ["draws", one.set_draws_kw]].filter(([, value]) => format.known(value)).map(([side, value]) => words(`assets.set_${side}`, { power: format.power(value) }));
  const limit = one.limit_draws_kw && one.limit_supplies_kw && one.limit_draws_kw !== one.limit_supplies_kw ? `${power(one.limit_supplies_kw)} / ${power(one.limit_draws_kw)}` : power(Math.max(one.limit_supplies_kw, one.limit_draws_kw));
  return h("tr", { "data-asset": one.id },
    h("th", { scope: "row" }, words(`fleet.${one.kind}`), " ", h("button", { type: "button", class: "pick", onclick: () => page.set("asset", one.id) }, one.id)),
    h("td", null, badge(...STATES[one.state], words(`assets.state.${one.state}`))),
    h("td", { class: "n" }, words("assets.of", { available: format.count(one.available), count: format.count(one.count) })),
    h("td", { class: "n" }, power(one.supplies_kw), one.held_kw > 0 ? h("span", { class: "muted" }, ` ${words("assets.held", { power: power(one.held_kw) })}`) : null),
    h("td", { class: "n" }, power(one.draws_kw)), h("td", { class: "n" }, told.join(" · ") || "–"), h("td", { class: "n" }, limit),
    h("td", { class: "n" }, format.known(one.energy_kwh) ? `${format.energy(one.energy_kwh)} / ${format.energy(one.energy_kwh_max)}` : "–"));
}
