// A card with its four states: loading, empty, stale, error; one card's failure stays its own.
import { ApiError } from "../../api.js";
import { chartFigure } from "../../charts/figure.js";
import { h, setText } from "../../dom.js";
import { problemNodes, textAround } from "../../problem.js";

// `pick(snapshot)` gives the card's data or null; `make(body)` builds once and returns an update;
// `asOf(data)` gives until when its newest values are, where the card has a time of its own.
export function block({ ctx, id, title, plainTitle, span, pick, empty, make, asOf }) {
  const { words, format } = ctx;
  const heading = title ? h("h2", { id: `${id}-title` }, words(title)) : null;
  // Cards whose heading is a finding have none to state until there are figures.
  const plain = plainTitle ? h("h2", null, words(plainTitle)) : null;
  const age = h("p", { class: "age", hidden: true });
  const note = h("p", { class: "note" });
  const bars = h("div", { class: "loading", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  const body = h("div", { class: "body", hidden: true });
  const section = h("section", { class: `block span-${span}`, id, "aria-busy": "true", "aria-labelledby": `${id}-title` }, [heading, plain, age].filter(Boolean), note, bars, body);
  if (!title) section.removeAttribute("aria-labelledby");
  const apply = make(body);
  let sinceMs = null;

  // `said` is a sentence or the nodes of one.
  function show(name, said) {
    section.dataset.state = name;
    section.removeAttribute("aria-busy");
    bars.hidden = true;
    body.hidden = name !== "ready" && name !== "stale";
    if (plain) plain.hidden = !body.hidden;
    note.hidden = !said;
    note.replaceChildren(...[said ?? ""].flat());
  }

  return {
    section,
    update(snapshot) {
      try {
        const found = pick(snapshot);
        if (found === null || found === undefined) { show("empty", empty(snapshot)); return; }
        body.hidden = false;
        sinceMs = asOf ? asOf(found) : null;
        apply(found, snapshot);
        show("ready");
      } catch (error) {
        if (error instanceof ApiError) { show("error", textAround(words, "block.no_answer", "what", ...problemNodes(error, words))); return; }
        // The page says which card failed and the console why; the others are right.
        reportError(error);
        show("error", words("block.broken", { what: error.message }));
      }
    },
    fail(error) {
      if (section.dataset.state === undefined) show("error", words("block.no_answer", { what: error }));
    },
    since: () => sinceMs,
    // Late counts from when the next value was due, one slot after the last.
    grow_old(ageS, stepS, sinceMs) {
      const late = (ageS - stepS) / stepS;
      if (!["ready", "stale"].includes(section.dataset.state)) { age.hidden = true; return; }
      const level = late <= 0 ? "fresh" : late <= 1 ? "late" : late <= 2 ? "old" : "missing";
      section.dataset.age = level;
      section.dataset.state = level === "missing" ? "stale" : "ready";
      age.hidden = level === "fresh";
      setText(age, level === "missing" ? words("age.missing", { time: format.time(sinceMs) })
        : level === "old" ? `◷ ${format.age(ageS)}` : format.age(ageS));
    },
  };
}

// A card around one figure; what stands below the chart is renewed with it.
export function chartBlock(ctx, { id, span, heights, model, pick, empty, after, asOf }) {
  return block({ ctx, id, span, plainTitle: `${id}.plain`, pick, empty, asOf, make: (body) => {
    const chart = chartFigure({ id: `${id}-chart`, heights, ...ctx });
    const below = h("div", { class: "below" });
    body.append(chart.figure, below);
    return (data, snapshot) => {
      const next = model(data, snapshot, ctx);
      chart.update(next);
      if (after) below.replaceChildren(...after(data, next, ctx));
    };
  } });
}

// Texts of the API may come in both languages or in one.
export const inLanguage = (text, language) => (text && typeof text === "object" ? text[language] ?? text.en : text);

export const definitions = (pairs) => h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value, extra]) =>
  h("div", null, h("dt", null, name), h("dd", null, value, extra ? h("span", { class: "muted" }, " ", extra) : null))));

export const badge = (kind, symbol, text, title) =>
  h("span", { class: `badge ${kind}`, title }, h("span", { "aria-hidden": "true" }, symbol), ` ${text}`);
