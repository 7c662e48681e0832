// What operators have ordered of the plan: assets held at rest, who ordered it and why; those who may
// act hold one, let one go, and let what is planned already be planned anew.
import { postOnce } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { badge } from "../block.js";
import { act, hasBegun, mayOperate } from "../office/acts.js";
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
const releaser = (one, ctx, told, reason) =>
  act({ ctx, told, run: (key) => postOnce(`/v1/steering/holds/${one.id}/release`, { reason: reason(), at_once: hasBegun(one, ctx) }, key) });

const endReceipt = (ended, { words, format }) => h("p", null, words("hold.ended", facts(ended, format)));

function row(one, ctx, tell) {
  const { words, format } = ctx, said = facts(one, format);
  return h("li", { "data-hold": one.id },
    h("p", { class: "what" }, h("strong", null, one.asset), " ", badge(...STATE[one.state], words(`hold.state.${one.state}`))),
    h("p", null, words("limits.when", said)),
    h("p", { class: "muted" }, words("limits.why", { who: one.by, why: one.reason })),
    mayOperate() ? releaseForm(one, ctx, tell) : null);
}

function releaseForm(one, ctx, tell) {
  const { words } = ctx;
  const reason = h("input", { type: "text", id: `hold-end-${one.id}`, maxlength: 300, autocomplete: "off" });
  const told = h("p", { class: "refused", role: "alert" });
  const button = h("button", { type: "submit", class: "main", disabled: true }, words("hold.release", { asset: one.asset }));
  reason.addEventListener("input", () => { button.disabled = !reason.value.trim(); });
  let run = null;
  const details = h("details", { class: "form", ontoggle: () => { if (details.open) run = releaser(one, ctx, told, () => reason.value.trim()); } },
    h("summary", null, words("hold.releasing")),
    h("form", { class: "limit", onsubmit: async (event) => {
      event.preventDefault();
      const ended = await run(button);
      if (ended) tell(endReceipt(ended, ctx));
    } }, field(reason, words("limits.reason")), h("p", { class: "small" }, words("hold.release.honest")), h("div", { class: "acts" }, button), told));
  return details;
}

// What was ordered, until when, and the way back.
function heldReceipt(made, ctx, tell) {
  const { words, format } = ctx;
  const told = h("p", { class: "refused", role: "alert" });
  const run = releaser(made, ctx, told, () => words("limits.undone"));
  const undo = h("button", { type: "button", onclick: async () => {
    const ended = await run(undo);
    if (ended) tell(endReceipt(ended, ctx));
  } }, words("limits.undo"));
  return [h("p", null, words("hold.receipt", facts(made, format))), h("div", { class: "acts" }, undo), told];
}
