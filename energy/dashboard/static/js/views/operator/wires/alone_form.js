// Order an island, report one, or plan anew: until when, why; and what it would do, solved beforehand.
// An island is ordered by the district's name, and a planned one only after it was looked at; that the
// connection is open is a fact, which waits for no solver.
import { postOnce } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { english, textAround } from "../../../problem.js";
import { inLanguage } from "../block.js";
import { act, isReason } from "../office/acts.js";
import { makePreview, planFigures, servedLines } from "../office/preview.js";
import { hoursAhead } from "../times.js";

// `done(made)` takes what was ordered. The key is made with the form, that is at each opening.
export function openForm(kind, ctx, done) {
  const { words, format, state } = ctx;
  const until = h("select", { id: `alone-${kind}-until` }, hoursAhead(state.get("nowMs")).map((ms) => h("option", { value: ms }, format.dateTime(ms))));
  const reason = h("input", { type: "text", id: `alone-${kind}-reason`, maxlength: 300, autocomplete: "off" });
  const typed = kind === "replan" ? null : h("input", { type: "text", id: `alone-${kind}-name`, autocomplete: "off" });
  const name = inLanguage(state.get("snapshot").district.name, words.language);
  const told = h("p", { class: "refused", role: "alert" });
  const send = h("button", { type: "submit", class: "main", disabled: true }, words(`alone.${kind}.confirm`));
  const wish = () => (kind === "planned" ? { kind, until_utc: new Date(Number(until.value)).toISOString().replace(".000", "") } : { kind });
  const order = () => (kind === "replan" ? { reason: reason.value.trim() } : { ...wish(), reason: reason.value.trim() });
  const run = act({ ctx, told, needsFresh: kind === "planned", run: (key) => postOnce(kind === "replan" ? "/v1/steering/replans" : "/v1/steering/islands", order(), key) });
  const preview = kind === "replan" ? null : makePreview({
    ctx, id: `alone-${kind}-known`, path: "/v1/steering/islands/preview", wish, lines: (found) => consequences(found, ctx),
    solving: "alone.preview.solving", told, changed: say,
  });

  function say() {
    const isNamed = !typed || typed.value.trim() === name, isKnown = kind !== "planned" || preview.isKnown();
    send.disabled = !isReason(reason.value) || !isNamed || !isKnown;
  }

  for (const one of [reason, typed]) one?.addEventListener("input", say);
  until.addEventListener("input", () => { preview.forget(); say(); });
  return h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (made) done(made);
  } },
  kind === "planned" ? field(until, words("limits.until")) : null, field(reason, words("limits.reason")),
  preview?.known, h("p", { class: "small" }, words(`alone.${kind}.honest`)), typed ? field(typed, words("alone.type", { name })) : null, h("div", { class: "acts" }, preview?.button, send), told);
}

function consequences(found, ctx) {
  const { words } = ctx, values = planFigures(found, ctx);
  return [
    words(found.open_slots ? "alone.preview.cost" : "alone.preview.uncovered", values),
    words("alone.preview.own", values), ...servedLines(found, ctx),
    ...found.blocked.map((why) => textAround(words, "alone.preview.blocked", "why", english(why))),
  ];
}
