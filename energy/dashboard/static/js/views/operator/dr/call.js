// Calling an event and cancelling one that has not begun, in the company's name.
import { postOnce } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { inLanguage } from "../block.js";
import { act, mayOperate } from "../office/acts.js";
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

const canceller = (one, ctx, told, reason) =>
  act({ ctx, told, run: (key) => postOnce(`/v1/steering/dr/events/${one.id}/cancel`, { reason: reason() }, key) });

const cancelledReceipt = (one, { words, format }) => h("p", null, words("call.cancelled", { window: windowOf(one, format) }));

function row(one, ctx, tell) {
  const { words, format } = ctx;
  return h("li", { "data-call": one.id },
    h("p", { class: "what" }, `${inLanguage(one.title, words.language) ?? one.programme} · ${windowOf(one, format)}`),
    h("p", { class: "muted" }, words("call.until", { time: format.dateTime(Date.parse(one.answer_by_utc)) })),
    mayOperate() ? cancelForm(one, ctx, tell) : null);
}

function cancelForm(one, ctx, tell) {
  const { words, format } = ctx;
  const reason = h("input", { type: "text", id: `call-end-${one.id}`, maxlength: 300, autocomplete: "off" });
  const told = h("p", { class: "refused", role: "alert" });
  const button = h("button", { type: "submit", class: "main", disabled: true }, words("call.cancel", { window: windowOf(one, format) }));
  reason.addEventListener("input", () => { button.disabled = !reason.value.trim(); });
  let run = null;
  const details = h("details", { class: "form", ontoggle: () => { if (details.open) run = canceller(one, ctx, told, () => reason.value.trim()); } },
    h("summary", null, words("call.cancelling")),
    h("form", { class: "limit", onsubmit: async (event) => {
      event.preventDefault();
      const ended = await run(button);
      if (ended) tell(cancelledReceipt(ended, ctx));
    } }, h("p", { class: "small" }, words("call.cancel.honest")), field(reason, words("limits.reason")), h("div", { class: "acts" }, button), told));
  return details;
}

// What was called, and the way back.
function calledReceipt(made, ctx, tell) {
  const { words, format } = ctx;
  const told = h("p", { class: "refused", role: "alert" });
  const run = canceller(made, ctx, told, () => words("call.undone"));
  const undo = h("button", { type: "button", onclick: async () => {
    const ended = await run(undo);
    if (ended) tell(cancelledReceipt(ended, ctx));
  } }, words("limits.undo"));
  return [h("p", null, words("call.receipt", { window: windowOf(made, format), time: format.dateTime(Date.parse(made.answer_by_utc)) })), h("div", { class: "acts" }, undo), told];
}
