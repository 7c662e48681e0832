// Changing the rules takes two persons: the form of the first, the confirmation of the second, and
// all that was ever proposed.
import { postOnce } from "../../../api.js";
import { field, h, setText } from "../../../dom.js";
import { badge } from "../block.js";
import { act, mayOperate } from "./acts.js";
import { RULES, ruleText } from "./rules.js";

const STATE = { open: ["warning", "◷"], confirmed: ["ok", "✓"], withdrawn: ["stale", "×"] };
const QUARTER_MS = 900_000, SHOWN_DAYS = 14, SHOWN_MONTHS = 3;
const PATH = "/v1/rules/proposals";

export function makeProposals(ctx) {
  return (body) => {
    const list = h("ul", { class: "proposals" }), form = proposalForm(ctx), pending = h("div");
    const none = h("p", { class: "calm" }, ctx.words("proposals.none"));
    body.append(none, form.element, pending, list);
    let shown = null;
    return ({ rules, proposals }) => {
      const open = proposals.items.find((one) => one.state === "open");
      none.hidden = proposals.items.length > 0;
      form.element.hidden = !mayOperate() || Boolean(open);
      form.update(rules.versions[0].rules, proposals.earliest_slot_utc);
      // What somebody is typing into stays while nothing about it has changed.
      if (open?.id !== shown) pending.replaceChildren(...(open ? [pendingCard(open, ctx)] : []));
      shown = open?.id;
      list.replaceChildren(...proposals.items.filter((one) => one !== open).map((one) => row(one, ctx)));
    };
  };
}

function changesOf(one, { words, format }) {
  return one.changes.map(({ name, old, new: next }) => words("proposals.change", { rule: words(`rule.${name}`), old: ruleText(name, old, { words, format }), next: ruleText(name, next, { words, format }) })).join(" · ");
}

function facts(one, { words, format }) {
  const said = (key) => one[key] && h("p", { class: "muted" }, words(`proposals.${key}`, { who: one[key].by, time: format.dateTime(Date.parse(one[key].at_utc)) }));
  return [
    h("p", { class: "what" }, words("proposals.what", { version: format.count(one.version), time: format.dateTime(Date.parse(one.from_slot_utc)) }), " ", badge(...STATE[one.state], words(`proposals.state.${one.state}`))),
    h("p", null, changesOf(one, { words, format })), h("p", { class: "muted" }, one.note), said("proposed"), said("confirmed"), said("withdrawn"),
  ].filter(Boolean);
}

const row = (one, ctx) => h("li", { "data-proposal": one.id }, facts(one, ctx));

function pendingCard(one, ctx) {
  const { words } = ctx;
  const card = h("div", { class: "pending", "data-proposal": one.id }, facts(one, ctx));
  if (!mayOperate()) return card;
  const typed = words("proposals.typed", { version: one.version });
  const told = h("p", { class: "refused", role: "alert" });
  const input = h("input", { type: "text", id: "confirm-name", autocomplete: "off" });
  const ending = (verb) => act({ ctx, told, run: (key) => postOnce(`${PATH}/${one.id}/${verb}`, {}, key) });
  // One act each: pressed again after a broken line it sends the same request.
  const confirmIt = ending("confirm"), withdrawIt = ending("withdraw");
  const confirm = h("button", { type: "submit", class: "main", disabled: true }, words("proposals.confirm", { version: one.version }));
  input.addEventListener("input", () => { confirm.disabled = input.value.trim() !== typed; });
  const form = h("form", { class: "office", onsubmit: (event) => { event.preventDefault(); confirmIt(confirm); } },
    field(input, words("proposals.type", { typed })), h("div", { class: "acts" }, confirm, withdrawButton(withdrawIt, words)), told);
  card.append(h("p", { class: "small" }, words("proposals.second")), form);
  return card;
}

function withdrawButton(withdrawIt, words) {
  const button = h("button", { type: "button", onclick: () => withdrawIt(button) }, words("proposals.withdraw"));
  return button;
}

function proposalForm(ctx) {
  const { words, format } = ctx;
  const slot = h("select", { id: "rules-from" }), note = h("input", { type: "text", id: "rules-note", maxlength: 300, autocomplete: "off" });
  const inputs = Object.fromEntries(RULES.map((name) => [name, h("input", { type: "text", id: `rule-${name}`, inputmode: "decimal", autocomplete: "off", oninput: say })]));
  const told = h("p", { class: "refused", role: "alert" }), sentence = h("output", { class: "sentence", id: "rules-sentence" });
  const send = h("button", { type: "submit", class: "main" }, words("proposals.propose"));
  let last = null, first = null;
  const changed = () => RULES.filter((name) => last && inputs[name].value.trim() !== last[name]);
  const document = () => ({
    from_slot_utc: slot.value, note: note.value.trim(),
    // As it was typed: what is no number is refused and not taken as left out.
    ...Object.fromEntries(changed().map((name) => [name, inputs[name].value.trim()])),
  });
  function say() {
    const names = changed();
    send.disabled = !names.length || !note.value.trim();
    setText(sentence, names.length ? words("proposals.sentence", { time: format.dateTime(Date.parse(slot.value)), changes: names.map((name) => `${words(`rule.${name}`)} ${last[name]} → ${inputs[name].value.trim()}`).join(", ") }) : "");
  }
  slot.addEventListener("change", say);
  note.addEventListener("input", say);
  const run = act({ ctx, told, run: (key) => postOnce(PATH, document(), key) });
  const element = h("details", { class: "form" }, h("summary", null, words("proposals.new")),
    h("form", { class: "office", onsubmit: (event) => { event.preventDefault(); run(send); } },
      field(slot, words("proposals.from")), RULES.map((name) => field(inputs[name], words(`rule.${name}`))), field(note, words("proposals.why")),
      sentence, h("p", { class: "small" }, words("proposals.first")), h("div", { class: "acts" }, send), told));
  return {
    element,
    update(rules, earliest) {
      if (JSON.stringify(rules) !== JSON.stringify(last)) { last = rules; for (const name of RULES) inputs[name].value = rules[name]; }
      if (earliest !== first) { first = earliest; fillDays(slot, Date.parse(earliest), format); }
      say();
    },
  };
}

// The midnights at which the next months begin, after one that is the last shown.
function monthsAfter(lastMs, format) {
  const found = [], day = 96 * QUARTER_MS, names = new Intl.DateTimeFormat("en", { timeZone: format.zone, month: "numeric" });
  const month = (ms) => names.format(ms);
  for (let ms = lastMs + day; found.length < SHOWN_MONTHS; ms += day) if (month(ms) !== month(ms - day)) found.push(ms);
  return found;
}

// The earliest quarter hour, then the midnights that follow it in the district's own days.
function fillDays(select, earliestMs, format) {
  const kept = select.value, found = [earliestMs];
  for (let ms = earliestMs + QUARTER_MS; ms < earliestMs + SHOWN_DAYS * 96 * QUARTER_MS; ms += QUARTER_MS) if (format.time(ms) === "00:00") found.push(ms);
  const utc = (ms) => new Date(ms).toISOString().replace(".000", "");
  found.push(...monthsAfter(found.at(-1), format));
  select.replaceChildren(...found.map((ms) => h("option", { value: utc(ms) }, format.dateTime(ms))));
  if (found.map(utc).includes(kept)) select.value = kept;
}
