// Limit an element: what, how much, from when until when, why; and what is known of it beforehand.
import { postOnce } from "../../../api.js";
import { field, h, setText } from "../../../dom.js";
import { act } from "../office/acts.js";
import { AT_ONCE, timeInputs, timesOf, windowOf } from "../times.js";
import { outlookOf, passingKw, ratedKw } from "./outlook.js";
import { wiresModel } from "./shares.js";
import { kilowatts } from "./words.js";

// `latest()` gives the newest answers, `done(made)` takes the limit that was set. Its key is made
// with the form, that is at each opening.
export function openForm(ctx, latest, done) {
  const { words, format, state } = ctx;
  const inputs = {
    element: h("select", { id: "limit-element" }, elementGroups(latest(), words)),
    most: h("input", { type: "text", id: "limit-most", inputmode: "decimal", autocomplete: "off" }),
    unit: h("select", { id: "limit-unit" }, h("option", { value: "kw" }, "kW"), h("option", { value: "frac" }, words("limits.of_rating"))),
    ...timeInputs("limit", ctx),
    reason: h("input", { type: "text", id: "limit-reason", maxlength: 300, autocomplete: "off" }),
  };
  const honest = h("p", { class: "small" });
  const known = h("output", { class: "known", id: "limit-known" }), told = h("p", { class: "refused", role: "alert" });
  const send = h("button", { type: "submit", class: "main" });
  const run = act({ ctx, told, run: (key) => postOnce("/v1/steering/limits", orderOf(inputs), key) });

  function say() {
    const most = amountOf(inputs), name = inputs.element.value;
    setText(send, words("limits.confirm", { element: name }));
    send.disabled = most === null || !name || !inputs.reason.value.trim();
    setText(honest, `${words("limits.honest")} ${words(inputs.from.value === AT_ONCE ? "limits.honest.at_once" : "limits.honest.later")}`);
    const lines = most === null ? [words("limits.ask")] : consequences(latest(), name, most, windowOf(inputs, state.get("nowMs")), ctx);
    // Read aloud when it says something else, not at every renewal.
    if (lines.join("\n") !== known.dataset.said) known.replaceChildren(...lines.map((line) => h("span", null, line)));
    known.dataset.said = lines.join("\n");
  }

  function choose(id) {
    const name = limitable(latest(), id);
    if (!name) return;
    if (![...inputs.element.options].some((one) => one.value === name)) inputs.element.append(h("option", { value: name }, name));
    inputs.element.value = name;
    say();
  }

  for (const one of Object.values(inputs)) one.addEventListener("input", say);
  const element = h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (made) done(made);
  } },
  field(inputs.element, words("limits.element")),
  h("div", { class: "pair" }, field(inputs.most, words("limits.at_most")), field(inputs.unit, words("limits.unit"))),
  field(inputs.from, words("limits.from")), field(inputs.until, words("limits.until")), field(inputs.reason, words("limits.reason")),
  known, honest, h("div", { class: "acts" }, send), told);
  choose(state.get("element"));
  say();
  return { element, choose, say };
}

// Without a state of the wires there are still feeders to limit, and nothing is known of them.
const modelOf = (all) => (all.wires instanceof Error || all.network instanceof Error ? null : wiresModel(all));

function elementGroups(all, words) {
  const group = (label, names) => (names.length ? h("optgroup", { label }, names.map((name) => h("option", { value: name }, name))) : null);
  const transformers = modelOf(all)?.net.elements.transformer.filter((one) => one.area !== null) ?? [];
  return [group(words("limits.feeders"), all.steering.feeders), group(words("limits.transformers"), transformers.map((one) => one.id))];
}

// The name under which what was chosen on the map is limited; null for what has no power through it.
function limitable(all, id) {
  const net = modelOf(all)?.net, found = net?.byId.get(id);
  if (!found || found.kind === "bus" || (found.kind === "line" && !found.closed)) return null;
  const feeder = net.feeders.find((one) => one.line === id);
  return feeder && all.steering.feeders.includes(feeder.name) ? feeder.name : id;
}

// {kw} or {frac}; null while there is no number that may be ordered.
function amountOf({ most, unit }) {
  const text = most.value.trim();
  if (!/^\d+(\.\d+)?$/.test(text)) return null;
  const value = Number(text);
  if (unit.value === "kw") return { kw: value };
  return value <= 100 ? { frac: value / 100 } : null;
}

function orderOf(inputs) {
  const { kw, frac } = amountOf(inputs);
  return {
    element: inputs.element.value, ...timesOf(inputs),
    reason: inputs.reason.value.trim(), ...(kw === undefined ? { p_frac_max: frac } : { p_kw_max: kw }),
  };
}

function consequences(all, name, { kw, frac }, covers, { words, format }) {
  const model = modelOf(all), net = model?.net;
  const element = net?.byId.get(net.feeders.find((one) => one.name === name)?.line ?? name);
  if (!element) return [words("limits.no_plan")];
  const rated = ratedKw(element, net), mostKw = kw ?? frac * rated, power = (value) => (value === null ? "–" : kilowatts(value, format));
  const { covered, above, untold, overKw } = outlookOf(model, element, mostKw, covers);
  const values = { element: name, most: power(mostKw), n: format.count(covered), above: format.count(above), over: power(overKw), untold: format.count(untold) };
  const { now, worst } = passingKw(model, element);
  return [
    words(covered === 0 ? "limits.uncovered" : above ? "limits.above" : untold ? "limits.unclear" : "limits.within", values),
    untold ? words("limits.untold", values) : null,
    words("limits.passing", { element: name, rated: power(rated), slot: format.slot(model.slotMs), now: power(now) }),
    model.worstMs === model.slotMs ? null : words("limits.passing_worst", { slot: format.slot(model.worstMs), worst: power(worst) }),
  ].filter(Boolean);
}
