// Calling an event and cancelling one that has not begun, in the company's name.
import { postOnce } from "../../../api.js";
import { h } from "../../../dom.js";
import { inLanguage } from "../block.js";
import { mayOperate } from "../office/acts.js";
import { makeEnding } from "../office/ending.js";
import { windowOf } from "./words.js";

const OPEN = ["OFFERED", "CALLED"];

export function makeCall(ctx) {
  const { words } = ctx;
  return (body) => {
    const none = h("p", { class: "calm" }, words("call.none")), list = h("ul", { class: "ordered" });
    const receipt = h("div", { class: "receipt", role: "status", tabindex: -1 });
    const tell = (...what) => { receipt.replaceChildren(...what); receipt.focus({ preventScroll: true }); };
    const form = mayOperate() ? newEvent(ctx, tell) : null;
    body.append(none, list, receipt, form ? form.element : h("p", { class: "small" }, words("call.readers")));
    let shown = null;
    return (dr) => {
      const open = dr.items.filter((one) => OPEN.includes(one.state)), ids = open.map((one) => one.id).join();
      none.hidden = open.length > 0;
      form?.update(dr.programmes);
      // What somebody is typing into stays while the same events are open.
      if (ids !== shown) list.replaceChildren(...open.map((one) => row(one, ctx, tell)));
      shown = ids;
    };
  };
}

// The form comes when somebody opens it, anew each time; who only reads never loads it.
function newEvent(ctx, tell) {
  const { words } = ctx, box = h("div");
  let programmes = [];
  const element = h("details", { class: "form", id: "call-new", ontoggle: toggle }, h("summary", null, words("call.new")), box);
  async function toggle() {
    box.replaceChildren();
    if (!element.open) return;
    const code = await import("./call_form.js").catch((error) => { reportError(error); return null; });
    const done = (made) => { element.open = false; tell(...calledReceipt(made, ctx, tell)); };
    box.replaceChildren(code ? code.openForm(programmes, ctx, done) : h("p", { class: "refused", role: "alert" }, words("error.network")));
  }
  return { element, update: (next) => { programmes = next; } };
}

const ending = (ctx, tell) => makeEnding(ctx, tell, {
  end: (one, reason, key) => postOnce(`/v1/steering/dr/events/${one.id}/cancel`, { reason }, key),
  ended: (one) => ctx.words("call.cancelled", { window: windowOf(one, ctx.format) }),
  undone: "call.undone",
});

function row(one, ctx, tell) {
  const { words, format } = ctx;
  return h("li", { "data-call": one.id },
    h("p", { class: "what" }, `${inLanguage(one.title, words.language) ?? one.programme} · ${windowOf(one, format)}`),
    h("p", { class: "muted" }, words("call.until", { time: format.dateTime(Date.parse(one.answer_by_utc)) })),
    mayOperate() ? cancelForm(one, ctx, tell) : null);
}

const cancelForm = (one, ctx, tell) => ending(ctx, tell).form(one, {
  id: `call-end-${one.id}`, open: ctx.words("call.cancelling"),
  name: ctx.words("call.cancel", { window: windowOf(one, ctx.format) }), honest: ctx.words("call.cancel.honest"),
});

// What was called, and the way back.
function calledReceipt(made, ctx, tell) {
  const { words, format } = ctx;
  const said = { window: windowOf(made, format), time: format.dateTime(Date.parse(made.answer_by_utc)) };
  return [h("p", null, words("call.receipt", said)), ...ending(ctx, tell).wayBack(made)];
}
