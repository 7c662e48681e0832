// Order an island, report one, or plan anew: until when, why; and what it would do, solved beforehand.
// An island is ordered by the district's name, and a planned one only after it was looked at; that the
// connection is open is a fact, which waits for no solver.
import { ApiError, postJson, postOnce } from "../../../api.js";
import { field, h, setText } from "../../../dom.js";
import { inLanguage, problemText } from "../block.js";
import { act, isReason } from "../office/acts.js";
import { hoursAhead } from "../times.js";

// `done(made)` takes what was ordered. The key is made with the form, that is at each opening.
export function openForm(kind, ctx, done) {
  const { words, format, state } = ctx;
  const until = h("select", { id: `alone-${kind}-until` }, hoursAhead(state.get("nowMs")).map((ms) => h("option", { value: ms }, format.dateTime(ms))));
  const reason = h("input", { type: "text", id: `alone-${kind}-reason`, maxlength: 300, autocomplete: "off" });
  const typed = kind === "replan" ? null : h("input", { type: "text", id: `alone-${kind}-name`, autocomplete: "off" });
  const name = inLanguage(state.get("snapshot").district.name, words.language);
  const known = h("output", { class: "known", id: `alone-${kind}-known` }), told = h("p", { class: "refused", role: "alert" });
  const send = h("button", { type: "submit", class: "main", disabled: true }, words(`alone.${kind}.confirm`));
  const wish = () => (kind === "planned" ? { kind, until_utc: new Date(Number(until.value)).toISOString().replace(".000", "") } : { kind });
  const order = () => (kind === "replan" ? { reason: reason.value.trim() } : { ...wish(), reason: reason.value.trim() });
  const run = act({ ctx, told, needsFresh: kind === "planned", run: (key) => postOnce(kind === "replan" ? "/v1/steering/replans" : "/v1/steering/islands", order(), key) });
  const look = kind === "replan" ? null : h("button", { type: "button", onclick: preview }, words("alone.preview"));
  let looked = null;

  function say() {
    const isNamed = !typed || typed.value.trim() === name, isKnown = kind !== "planned" || looked === until.value;
    send.disabled = !isReason(reason.value) || !isNamed || !isKnown;
  }

  async function preview() {
    const asked = until.value;
    look.disabled = true;
    setText(told, "");
    known.replaceChildren(h("span", null, words("alone.preview.solving")));
    try {
      const found = await postJson("/v1/steering/islands/preview", wish());
      if (asked !== until.value) return;
      looked = asked;
      known.replaceChildren(...consequences(found, ctx).map((line) => h("span", null, line)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      known.replaceChildren();
      setText(told, problemText(error, words));
    } finally {
      look.disabled = false;
      say();
    }
  }

  for (const one of [reason, typed]) one?.addEventListener("input", say);
  // What was told holds for the hour that it was asked for.
  until.addEventListener("input", () => { looked = null; known.replaceChildren(); say(); });
  return h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (made) done(made);
  } },
  kind === "planned" ? field(until, words("limits.until")) : null, field(reason, words("limits.reason")),
  known, h("p", { class: "small" }, words(`alone.${kind}.honest`)), typed ? field(typed, words("alone.type", { name })) : null, h("div", { class: "acts" }, look, send), told);
}

function consequences(found, { words, format }) {
  const { without, ordered } = found;
  const values = {
    n: format.count(found.open_slots), until: format.dateTime(Date.parse(found.until_utc)), more: format.won(found.more_krw),
    cost: format.won(ordered.cost_krw), before: format.won(without.cost_krw),
    own: format.percent(ordered.self_supply_frac), own_before: format.percent(without.self_supply_frac),
    shed: format.kwh(ordered.shed_kwh), curtailed: format.kwh(ordered.curtailed_kwh),
  };
  return [
    words(found.open_slots ? "alone.preview.cost" : "alone.preview.uncovered", values),
    words("alone.preview.own", values),
    ordered.shed_kwh > 0 ? words("alone.preview.shed", { ...values, ranks: found.shed.map((one) => words("alone.preview.rank", { rank: one.rank, e: format.kwh(one.e_kwh) })).join(", ") }) : words("alone.preview.served"),
    ordered.curtailed_kwh > without.curtailed_kwh ? words("alone.preview.curtailed", values) : null,
    ...found.blocked.map((why) => words("alone.preview.blocked", { why })),
  ].filter(Boolean);
}
