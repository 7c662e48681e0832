// The operators' limits: which hold, who set them and why; those who may act set and cancel.
import { postOnce } from "../../../api.js";
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { hasBegun, mayOperate } from "../office/acts.js";
import { makeEnding } from "../office/ending.js";
import { kilowatts } from "./words.js";

const STATE = { running: ["warning", "▲"], planned: ["stale", "◷"] };

export function makeLimits(ctx) {
  const { words } = ctx;
  return (body) => {
    const none = h("p", { class: "calm" }, words("limits.none")), list = h("ul", { class: "ordered" });
    const receipt = h("div", { class: "receipt", role: "status", tabindex: -1 });
    const tell = (...what) => { receipt.replaceChildren(...what); receipt.focus({ preventScroll: true }); };
    const form = mayOperate() ? newLimit(ctx, (made) => tell(...setReceipt(made, ctx, tell))) : null;
    body.append(none, list, receipt, form ? form.element : h("p", { class: "small" }, words("limits.readers")));
    let shown = null;
    return (all) => {
      const open = all.steering.items.filter((one) => one.state !== "ended");
      none.hidden = open.length > 0;
      // What somebody is typing into stays while nothing has changed.
      if (JSON.stringify(open) !== shown) list.replaceChildren(...open.map((one) => row(one, ctx, tell)));
      shown = JSON.stringify(open);
      form?.update(all);
    };
  };
}

// The form comes when somebody opens it, anew each time; who only reads never loads it.
function newLimit(ctx, tell) {
  const { words, state } = ctx;
  const box = h("div");
  let last = null, form = null;
  const element = h("details", { class: "form", id: "limit-new", ontoggle: toggle }, h("summary", null, words("limits.new")), box);
  async function toggle() {
    form = null;
    box.replaceChildren();
    if (!element.open) return;
    const code = await import("./limit_form.js").catch((error) => { reportError(error); return null; });
    form = code?.openForm(ctx, () => last, (made) => { element.open = false; tell(made); }) ?? null;
    box.replaceChildren(form ? form.element : h("p", { class: "refused", role: "alert" }, words("error.network")));
  }
  state.on("element", (id) => form?.choose(id));
  return { element, update: (all) => { last = all; form?.say(); } };
}

const facts = (one, format) => ({
  element: one.element, most: kilowatts(one.p_kw_max, format),
  from: format.dateTime(Date.parse(one.from_utc)), until: format.dateTime(Date.parse(one.until_utc)),
});

function row(one, ctx, tell) {
  const { words, format, state } = ctx, said = facts(one, format);
  return h("li", { "data-limit": one.id },
    h("p", { class: "what" }, h("button", { type: "button", class: "pick", onclick: () => state.set("element", one.element) }, one.element), ` ${words("limits.most", said)} `, badge(...STATE[one.state], words(`limits.state.${one.state}`))),
    h("p", null, words("limits.when", said)),
    h("p", { class: "muted" }, words("limits.why", { who: one.by, why: one.reason })),
    mayOperate() ? cancelForm(one, ctx, tell) : null);
}

// Ended at once where it holds by then, or else the running slot would keep it.
const ending = (ctx, tell) => makeEnding(ctx, tell, {
  end: (one, reason, key) => postOnce(`/v1/steering/limits/${one.id}/cancel`, { reason, at_once: hasBegun(one, ctx) }, key),
  ended: (one) => ctx.words("limits.ended", facts(one, ctx.format)),
});

const cancelForm = (one, ctx, tell) => ending(ctx, tell).form(one, {
  id: `limit-end-${one.id}`, open: ctx.words("limits.cancelling"),
  name: ctx.words("limits.cancel", { element: one.element }), honest: ctx.words("limits.cancel.honest"),
});

// What was ordered, until when, and the way back.
const setReceipt = (made, ctx, tell) => [h("p", null, ctx.words("limits.receipt", facts(made, ctx.format))), ...ending(ctx, tell).wayBack(made)];
