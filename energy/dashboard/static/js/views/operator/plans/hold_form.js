// Hold an asset at rest: which, from when until when, why; and what it would cost, solved beforehand.
import { ApiError, fetchJson, postOnce } from "../../../api.js";
import { field, h, setText } from "../../../dom.js";
import { problemNodes } from "../../../problem.js";
import { act, isReason } from "../office/acts.js";
import { makePreview, planFigures, servedLines } from "../office/preview.js";
import { effectOf } from "../office/retired.js";
import { AT_ONCE, timeInputs, timesOf } from "../times.js";

const HOLDABLE = ["battery", "unit", "heat_pump"];

// `done(made)` takes the hold. The key is made with the form, that is at each opening.
export async function openForm(ctx, done) {
  const { words } = ctx;
  const told = h("p", { class: "refused", role: "alert" }), honest = h("p", { class: "small" });
  const inputs = { asset: h("select", { id: "hold-asset" }, await assetOptions(told, words)), ...timeInputs("hold", ctx) };
  const reason = h("input", { type: "text", id: "hold-reason", maxlength: 300, autocomplete: "off" });
  const send = h("button", { type: "submit", class: "main" });
  const wish = () => ({ asset: inputs.asset.value, ...timesOf(inputs) });
  const run = act({ ctx, told, run: (key) => postOnce("/v1/steering/holds", { ...wish(), reason: reason.value.trim() }, key) });
  const preview = makePreview({
    ctx, id: "hold-known", path: "/v1/steering/holds/preview", wish, lines: (found) => consequences(found, ctx),
    solving: "hold.preview.solving", told, changed: say,
  });

  function say() {
    setText(send, words("hold.confirm", { asset: inputs.asset.value }));
    setText(honest, words(inputs.from.value === AT_ONCE ? "limits.honest.at_once" : "limits.honest.later"));
    send.disabled = !preview.isKnown() || !isReason(reason.value);
  }

  for (const one of Object.values(inputs)) one.addEventListener("input", () => { preview.forget(); say(); });
  reason.addEventListener("input", say);
  say();
  return h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (made) done(made);
  } },
  field(inputs.asset, words("hold.asset")), field(inputs.from, words("limits.from")), field(inputs.until, words("limits.until")),
  field(reason, words("limits.reason")), preview.known, honest, h("p", { class: "small" }, words("hold.honest")), h("div", { class: "acts" }, preview.button, send), told);
}

// What the plan can let rest, by name; none and the reason in `told` where the list cannot be had.
async function assetOptions(told, words) {
  try {
    const { assets } = await fetchJson("/v1/assets");
    const ids = assets.filter((one) => HOLDABLE.includes(effectOf(one.kind))).map((one) => one.id);
    return ids.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })).map((id) => h("option", { value: id }, id));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    told.replaceChildren(...problemNodes(error, words));
    return [];
  }
}

function consequences(found, ctx) {
  const { words } = ctx, values = planFigures(found, ctx);
  return [words("hold.preview.cost", values), words("hold.preview.own", values), ...servedLines(found, ctx)];
}
