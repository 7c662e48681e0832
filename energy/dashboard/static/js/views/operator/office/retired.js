// Assets out of use: which, since when, who ordered it; those who may act retire one and let it return.
import { fetchJson, postOnce } from "../../../api.js";
import { field, h, setText } from "../../../dom.js";
import { english, problemNodes } from "../../../problem.js";
import { badge } from "../block.js";
import { act, mayOperate } from "./acts.js";

const STATE = { running: ["warning", "▲"], planned: ["stale", "◷"] };
const QUARTER_MS = 900_000, HOURLY = 24, THEN_H = 6, DAYS = 7;
const FIXED = ["connection", "boiler", "heat_store"];

export const retirementsOf = (all) => {
  for (const one of [all.retirements, all.assets]) if (one instanceof Error) throw one;
  return all.retirements && all.assets ? all : null;
};

export function makeRetired(ctx) {
  const { words } = ctx;
  return (body) => {
    const none = h("p", { class: "calm" }, words("retired.none")), list = h("ul", { class: "retired" });
    const receipt = h("div", { class: "receipt", role: "status", tabindex: -1 });
    const tell = (...what) => { receipt.replaceChildren(...what); receipt.focus({ preventScroll: true }); };
    const form = mayOperate() ? newRetirement(ctx, (made) => tell(...retireReceipt(made, ctx, tell))) : null;
    body.append(none, list, receipt, form ? form.element : h("p", { class: "small" }, words("retired.readers")));
    let shown = null;
    return (all) => {
      const open = all.retirements.items.filter((one) => one.state !== "ended");
      none.hidden = open.length > 0;
      // What somebody is typing into stays while nothing has changed.
      if (JSON.stringify(open) !== shown) list.replaceChildren(...open.map((one) => row(one, ctx, tell)));
      shown = JSON.stringify(open);
      form?.update(all);
    };
  };
}

const facts = (one, format) => ({
  asset: one.asset, from: format.dateTime(Date.parse(one.from_utc)),
  until: one.until_utc ? format.dateTime(Date.parse(one.until_utc)) : "–", who: one.retired.by, why: one.retired.reason,
});

const order = (from, reason) => ({ reason: reason.value.trim(), ...(from.value ? { from_utc: new Date(Number(from.value)).toISOString().replace(".000", "") } : {}) });

// The next slot that is not planned yet, every full hour of a day ahead, then every sixth for a week.
function fromChoices(select, nowMs, { words, format }) {
  const first = Math.ceil((nowMs + 2 * QUARTER_MS) / (4 * QUARTER_MS)) * 4 * QUARTER_MS, hour = 4 * QUARTER_MS;
  const found = Array.from({ length: HOURLY }, (_, at) => first + at * hour);
  for (let ms = found.at(-1) + THEN_H * hour; ms <= nowMs + DAYS * 24 * hour; ms += THEN_H * hour) found.push(ms);
  select.replaceChildren(h("option", { value: "" }, words("retired.soonest")), ...found.map((ms) => h("option", { value: ms }, format.dateTime(ms))));
}

function row(one, ctx, tell) {
  const { words, format } = ctx, said = facts(one, format);
  return h("li", { "data-retired": one.asset },
    h("p", { class: "what" }, h("strong", null, one.asset), " ", badge(...STATE[one.state], words(`retired.state.${one.state}`))),
    h("p", null, words(one.until_utc ? "retired.until" : "retired.from", said)),
    h("p", { class: "muted" }, words("retired.why", said)),
    mayOperate() && !one.until_utc ? returnForm(one, ctx, tell) : null);
}

const returner = (one, ctx, told, body) => act({ ctx, told, run: (key) => postOnce(`/v1/assets/${one.asset}/return`, body(), key) });

const returnReceipt = (ended, { words, format }) =>
  h("p", null, words(ended.until_utc === ended.from_utc ? "retired.never" : "retired.returns", facts(ended, format)));

function returnForm(one, ctx, tell) {
  const { words, state } = ctx;
  const from = h("select", { id: `return-from-${one.asset}` }), reason = h("input", { type: "text", id: `return-why-${one.asset}`, maxlength: 300, autocomplete: "off" });
  const told = h("p", { class: "refused", role: "alert" });
  const button = h("button", { type: "submit", class: "main", disabled: true }, words("retired.return", { asset: one.asset }));
  reason.addEventListener("input", () => { button.disabled = !reason.value.trim(); });
  let run = null;
  const details = h("details", { class: "form", ontoggle: () => {
    if (!details.open) return;
    fromChoices(from, state.get("nowMs"), ctx);
    run = returner(one, ctx, told, () => order(from, reason));
  } },
  h("summary", null, words("retired.returning")),
  h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const ended = await run(button);
    if (ended) tell(returnReceipt(ended, ctx));
  } }, field(from, words("retired.when")), field(reason, words("retired.reason")), h("div", { class: "acts" }, button), told));
  return details;
}

// What, from when, why; and what is known of it before it is ordered.
function newRetirement(ctx, done) {
  const { words, state } = ctx;
  const asset = h("select", { id: "retire-asset", onchange: () => { ask(); say(); } }), from = h("select", { id: "retire-from" });
  const reason = h("input", { type: "text", id: "retire-reason", maxlength: 300, autocomplete: "off", oninput: () => say() });
  const known = h("output", { class: "known", id: "retire-known" }), told = h("p", { class: "refused", role: "alert" });
  const send = h("button", { type: "submit", class: "main" });
  const run = act({ ctx, told, run: (key) => postOnce(`/v1/assets/${asset.value}/retire`, order(from, reason), key) });
  let last = null, allowed = false;
  const say = () => { setText(send, words("retired.confirm", { asset: asset.value })); send.disabled = !allowed || !reason.value.trim(); };

  async function ask() {
    const name = asset.value;
    allowed = false;
    say();
    try {
      const found = await fetchJson(`/v1/assets/${name}`);
      if (name !== asset.value) return;
      allowed = found.may_retire;
      const one = last.assets.assets.find((each) => each.id === name);
      known.replaceChildren(h("span", null, allowed ? words(`retired.effect.${effectOf(one.kind)}`, { asset: name }) : [words("retired.needed", { asset: name }), " ", english(found.why_not)]));
    } catch (error) {
      known.replaceChildren(h("span", null, problemNodes(error, words)));
    }
    say();
  }

  const element = h("details", { class: "form", id: "retire-new", ontoggle: () => {
    if (!element.open) return;
    fill();
    fromChoices(from, state.get("nowMs"), ctx);
    ask();
  } }, h("summary", null, words("retired.new")),
  h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (!made) return;
    element.open = false;
    reason.value = "";
    done(made);
  } }, field(asset, words("assets.asset")), field(from, words("retired.when")), field(reason, words("retired.reason")),
  known, h("p", { class: "small" }, words("retired.honest")), h("div", { class: "acts" }, send), told));

  function fill() {
    const out = new Set(last.retirements.items.filter((one) => one.state !== "ended").map((one) => one.asset)), kept = asset.value;
    const rows = last.assets.assets.filter((one) => !out.has(one.id)).toSorted((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
    asset.replaceChildren(...rows.map((one) => h("option", { value: one.id }, `${one.id} · ${words(`fleet.${one.kind}`)}`)));
    if (rows.some((one) => one.id === kept)) asset.value = kept;
  }
  return { element, update: (all) => { last = all; } };
}

export const effectOf = (kind) => (kind.startsWith("battery") ? "battery" : kind.startsWith("charger") ? "charger" : FIXED.includes(kind) ? "other" : ["solar", "heat_pump"].includes(kind) ? kind : "unit");

// What was ordered, and the way back.
function retireReceipt(made, ctx, tell) {
  const { words, format } = ctx;
  const told = h("p", { class: "refused", role: "alert" });
  const run = returner(made, ctx, told, () => ({ reason: words("retired.undone") }));
  const undo = h("button", { type: "button", onclick: async () => {
    const ended = await run(undo);
    if (ended) tell(returnReceipt(ended, ctx));
  } }, words("retired.undo"));
  return [h("p", null, words("retired.receipt", facts(made, format))), h("div", { class: "acts" }, undo), told];
}
