// What operators have ordered of the plan: assets held at rest, who ordered it and why; those who may
// act hold one, let one go, and let what is planned already be planned anew.
import { postOnce } from "../../../api.js";
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { hasBegun, mayOperate } from "../office/acts.js";
import { makeEnding } from "../office/ending.js";
import { order, toldAnew } from "../wires/alone.js";

const STATE = { running: ["warning", "▲"], planned: ["stale", "◷"] };

export function makeHolds(ctx) {
  const { words } = ctx;
  return (body) => {
    const none = h("p", { class: "calm" }, words("hold.none")), list = h("ul", { class: "ordered" });
    const told = h("p", { class: "small", id: "hold-told" });
    const receipt = h("div", { class: "receipt", role: "status", tabindex: -1 });
    const tell = (...what) => { receipt.replaceChildren(...what); receipt.focus({ preventScroll: true }); };
    const orders = mayOperate() ? [newHold(ctx, tell), order("replan", ctx, tell)] : [h("p", { class: "small" }, words("hold.readers"))];
    body.append(none, list, told, receipt, ...orders);
    let shown = null;
    return (all) => {
      const open = all.holds.items.filter((one) => one.state !== "ended");
      none.hidden = open.length > 0;
      // What somebody is typing into stays while nothing has changed.
      if (JSON.stringify(open) !== shown) list.replaceChildren(...open.map((one) => row(one, ctx, tell)));
      shown = JSON.stringify(open);
      told.replaceChildren(toldAnew(all.replans.items[0], ctx));
    };
  };
}

// The form comes when somebody opens it, anew each time; who only reads never loads it.
function newHold(ctx, tell) {
  const { words } = ctx, box = h("div");
  const element = h("details", { class: "form", id: "hold-new", ontoggle: toggle }, h("summary", null, words("hold.new")), box);
  async function toggle() {
    box.replaceChildren();
    if (!element.open) return;
    const code = await import("./hold_form.js").catch((error) => { reportError(error); return null; });
    const done = (made) => { element.open = false; tell(...heldReceipt(made, ctx, tell)); };
    box.replaceChildren(code ? await code.openForm(ctx, done) : h("p", { class: "refused", role: "alert" }, words("error.network")));
  }
  return element;
}

const facts = (one, format) => ({
  asset: one.asset, from: format.dateTime(Date.parse(one.from_utc)), until: format.dateTime(Date.parse(one.until_utc)),
});

// Let go at once where it rests by then, or else it would rest on in the running slot.
const ending = (ctx, tell) => makeEnding(ctx, tell, {
  end: (one, reason, key) => postOnce(`/v1/steering/holds/${one.id}/release`, { reason, at_once: hasBegun(one, ctx) }, key),
  ended: (one) => ctx.words("hold.ended", facts(one, ctx.format)),
});

function row(one, ctx, tell) {
  const { words, format } = ctx, said = facts(one, format);
  return h("li", { "data-hold": one.id },
    h("p", { class: "what" }, h("strong", null, one.asset), " ", badge(...STATE[one.state], words(`hold.state.${one.state}`))),
    h("p", null, words("limits.when", said)),
    h("p", { class: "muted" }, words("limits.why", { who: one.by, why: one.reason })),
    mayOperate() ? releaseForm(one, ctx, tell) : null);
}

const releaseForm = (one, ctx, tell) => ending(ctx, tell).form(one, {
  id: `hold-end-${one.id}`, open: ctx.words("hold.releasing"),
  name: ctx.words("hold.release", { asset: one.asset }), honest: ctx.words("hold.release.honest"),
});

// What was ordered, until when, and the way back.
const heldReceipt = (made, ctx, tell) => [h("p", null, ctx.words("hold.receipt", facts(made, ctx.format))), ...ending(ctx, tell).wayBack(made)];
