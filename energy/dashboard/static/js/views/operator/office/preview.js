// What an order would do, asked of the service before it may be given.
import { ApiError, postJson } from "../../../api.js";
import { h, setText } from "../../../dom.js";
import { problemNodes } from "../../../problem.js";

// `wish()` is asked for at `path` and `lines(found)` says what was found; it holds for exactly what
// was asked. `changed()` hears when there is something new to know.
export function makePreview({ ctx, id, path, wish, lines, solving, told, changed }) {
  const { words } = ctx;
  const known = h("output", { class: "known", id }), button = h("button", { type: "button", onclick: look }, words("alone.preview"));
  const now = () => JSON.stringify(wish());
  let looked = null;

  async function look() {
    const asked = now();
    button.disabled = true;
    setText(told, "");
    known.replaceChildren(h("span", null, words(solving)));
    try {
      const found = await postJson(path, JSON.parse(asked));
      looked = asked === now() ? asked : null;
      known.replaceChildren(...(looked ? lines(found) : []).map((line) => h("span", null, line)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      known.replaceChildren();
      told.replaceChildren(...problemNodes(error, words));
    } finally {
      button.disabled = false;
      changed();
    }
  }

  return {
    known, button,
    isKnown: () => looked === now(),
    forget() { looked = null; known.replaceChildren(); },
  };
}

// The figures of a plan with an order and of one without it.
export function planFigures(found, { format }) {
  const { without, ordered } = found;
  return {
    n: format.count(found.open_slots), until: format.dateTime(Date.parse(found.until_utc)), more: format.won(found.more_krw),
    cost: format.won(ordered.cost_krw), before: format.won(without.cost_krw),
    own: format.percent(ordered.self_supply_frac), own_before: format.percent(without.self_supply_frac),
    shed: format.kwh(ordered.shed_kwh), curtailed: format.kwh(ordered.curtailed_kwh),
  };
}

// Who would not be served, and what sun would be held back.
export function servedLines(found, { words, format }) {
  const { without, ordered } = found, values = planFigures(found, { format });
  return [
    ordered.shed_kwh > 0 ? words("alone.preview.shed", { ...values, ranks: found.shed.map((one) => words("alone.preview.rank", { rank: one.rank, e: format.kwh(one.e_kwh) })).join(", ") }) : words("alone.preview.served"),
    ordered.curtailed_kwh > without.curtailed_kwh ? words("alone.preview.curtailed", values) : null,
  ].filter(Boolean);
}
