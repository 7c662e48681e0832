// Call an event: which programme, when, at what prices, why; and what it would ask and cost.
import { postOnce } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { inLanguage } from "../block.js";
import { act, isReason } from "../office/acts.js";
import { makePreview } from "../office/preview.js";
import { hoursAhead } from "../times.js";
import { windowOf } from "./words.js";

// Answers are due an hour before, and the baselines are there a quarter hour after the call.
const SOONEST_MS = 5_400_000;

// `done(made)` takes the event that was called. The key is made with the form, at each opening.
export function openForm(programmes, ctx, done) {
  const { words, format, state } = ctx;
  const price = (id) => h("input", { type: "text", id, inputmode: "decimal", autocomplete: "off" });
  const inputs = {
    programme: h("select", { id: "call-programme" }, programmes.map((one) => h("option", { value: one.name }, inLanguage(one.title, words.language)))),
    from: h("select", { id: "call-from" }), hours: h("select", { id: "call-hours" }),
    reward: price("call-reward"), penalty: price("call-penalty"),
  };
  const reason = h("input", { type: "text", id: "call-reason", maxlength: 300, autocomplete: "off" });
  const usual = h("p", { class: "small" }), told = h("p", { class: "refused", role: "alert" });
  const send = h("button", { type: "submit", class: "main", disabled: true }, words("call.confirm"));
  const run = act({ ctx, told, run: (key) => postOnce("/v1/steering/dr/events", { ...wish(), reason: reason.value.trim() }, key) });
  const preview = makePreview({
    ctx, id: "call-known", path: "/v1/steering/dr/events/preview", wish, lines: (found) => consequences(found, inputs, ctx),
    solving: "call.preview.asking", told, changed: say,
  });

  function wish() {
    const { programme, from, hours, reward, penalty } = inputs;
    const given = (name, input) => (input.value.trim() ? { [name]: input.value.trim() } : {});
    return {
      programme: programme.value, first_slot_utc: from.value, hours: Number(hours.value),
      ...given("reward_krw_per_kwh", reward), ...given("penalty_krw_per_kwh", penalty),
    };
  }

  function say() { send.disabled = !preview.isKnown() || !isReason(reason.value); }

  // The hours in which the programme may ask, and for how many.
  function fill() {
    const one = programmes.find(({ name }) => name === inputs.programme.value), [least, most] = one.hours_of_event, nowMs = state.get("nowMs");
    const fits = (ms) => { const hour = Number(format.time(ms).slice(0, 2)); return one.hours.some(([first, end]) => first <= hour && hour + least <= end); };
    const utc = (ms) => new Date(ms).toISOString().replace(".000", "");
    inputs.from.replaceChildren(...hoursAhead(nowMs).filter((ms) => ms >= nowMs + SOONEST_MS && fits(ms)).map((ms) => h("option", { value: utc(ms) }, format.dateTime(ms))));
    inputs.hours.replaceChildren(...Array.from({ length: most - least + 1 }, (_, at) => h("option", { value: least + at }, words.count("call.hours", least + at))));
    const priced = (text, key) => (text === null ? words(key) : format.price(text));
    usual.replaceChildren(words("call.usual", { reward: priced(one.reward_krw_per_kwh, "call.usual.market"), penalty: priced(one.penalty_krw_per_kwh, "call.usual.reward") }));
  }

  inputs.programme.addEventListener("input", fill);
  for (const one of Object.values(inputs)) one.addEventListener("input", () => { preview.forget(); say(); });
  reason.addEventListener("input", say);
  fill();
  return h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (made) done(made);
  } },
  field(inputs.programme, words("dr.column.programme")),
  h("div", { class: "pair" }, field(inputs.from, words("limits.from")), field(inputs.hours, words("call.length"))),
  h("div", { class: "pair" }, field(inputs.reward, words("call.reward")), field(inputs.penalty, words("call.penalty"))), usual,
  field(reason, words("limits.reason")), preview.known, h("p", { class: "small" }, words("call.honest")), h("div", { class: "acts" }, preview.button, send), told);
}

function consequences(found, { programme }, { words, format }) {
  const values = {
    title: programme.selectedOptions[0].textContent, window: windowOf(found, format), asked: format.count(found.asked),
    until: format.dateTime(Date.parse(found.answer_by_utc)), reward: format.price(found.reward_krw_per_kwh), penalty: format.price(found.penalty_krw_per_kwh),
    least: format.energy(found.least_kwh_per_hour),
  };
  return [
    words("call.preview.terms", values), words("call.preview.prices", values),
    found.demand_kwh === null ? words("call.preview.unknown") : words("call.preview.most", { demand: format.energy(found.demand_kwh), committed: format.energy(found.committed_kwh_max), won: format.won(found.reward_krw_max) }),
    found.least_kwh_per_hour >= 1 ? words("call.preview.least", values) : null,
  ].filter(Boolean);
}
