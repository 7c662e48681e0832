// The district alone: whether the connection is open, until when and why; those who may act order an
// island, report one, reconnect and let what is planned already be planned anew.
import { postOnce } from "../../../api.js";
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { mayOperate } from "../office/acts.js";
import { makeEnding } from "../office/ending.js";

const STATE = { running: ["alarm", "■"], planned: ["warning", "▲"] };

export function makeAlone(ctx) {
  const { words } = ctx;
  return (body) => {
    const none = h("p", { class: "calm" }, words("alone.none")), list = h("ul", { class: "ordered" });
    const told = h("p", { class: "small", id: "alone-told" });
    const receipt = h("div", { class: "receipt", role: "status", tabindex: -1 });
    const tell = (...what) => { receipt.replaceChildren(...what); receipt.focus({ preventScroll: true }); };
    const orders = mayOperate() ? ["planned", "unplanned", "replan"].map((kind) => order(kind, ctx, tell)) : [h("p", { class: "small" }, words("alone.readers"))];
    body.append(none, list, told, receipt, ...orders);
    let shown = null;
    return (all) => {
      const open = all.islands.items.filter((one) => one.state !== "ended");
      none.hidden = open.length > 0;
      // What somebody is typing into stays while nothing has changed.
      if (JSON.stringify(open) !== shown) list.replaceChildren(...open.map((one) => row(one, ctx, tell)));
      shown = JSON.stringify(open);
      told.replaceChildren(toldAnew(all.replans.items[0], ctx));
    };
  };
}

// A form comes when somebody opens it, anew each time; who only reads never loads it.
export function order(kind, ctx, tell) {
  const { words } = ctx, box = h("div");
  const element = h("details", { class: "form", id: `alone-${kind}`, ontoggle: toggle }, h("summary", null, words(`alone.${kind}.new`)), box);
  async function toggle() {
    box.replaceChildren();
    if (!element.open) return;
    const code = await import("./alone_form.js").catch((error) => { reportError(error); return null; });
    const done = (made) => { element.open = false; tell(...receiptOf(kind, made, ctx, tell)); };
    box.replaceChildren(code ? code.openForm(kind, ctx, done) : h("p", { class: "refused", role: "alert" }, words("error.network")));
  }
  return element;
}

const facts = (one, { words, format }) => ({
  from: format.dateTime(Date.parse(one.from_utc)),
  until: one.until_utc ? format.dateTime(Date.parse(one.until_utc)) : words("alone.until_reconnected"),
});

function row(one, ctx, tell) {
  const { words } = ctx;
  return h("li", { "data-island": one.id },
    h("p", { class: "what" }, `${words(`alone.${one.kind}`)} `, badge(...STATE[one.state], words(`alone.state.${one.state}`))),
    h("p", null, words("alone.when", facts(one, ctx))),
    h("p", { class: "muted" }, words("limits.why", { who: one.by, why: one.reason })),
    mayOperate() ? reconnectForm(one, ctx, tell) : null);
}

const ending = (ctx, tell) => makeEnding(ctx, tell, {
  end: (one, reason, key) => postOnce(`/v1/steering/islands/${one.id}/reconnect`, { reason }, key),
  ended: (one) => ctx.words("alone.ended", facts(one, ctx)),
});

function reconnectForm(one, ctx, tell) {
  const { words } = ctx, name = one.state === "running" ? "alone.reconnect" : "alone.call_off";
  return ending(ctx, tell).form(one, {
    id: `alone-end-${one.id}`, open: words(`${name}.open`), name: words(name), honest: words("alone.reconnect.honest"),
  });
}

// What was ordered, and the way back; a new plan has none.
function receiptOf(kind, made, ctx, tell) {
  const { words } = ctx;
  if (kind === "replan") return [h("p", null, words("alone.replan.receipt"))];
  return [h("p", null, words(`alone.${kind}.receipt`, facts(made, ctx))), ...ending(ctx, tell).wayBack(made)];
}

export function toldAnew(last, { words, format }) {
  if (!last) return "";
  if (!last.answers.length) return words("alone.told.waiting", { who: last.by, why: last.reason });
  const { answers } = last, slowest = Math.max(...answers.map((one) => one.after_s ?? 0));
  const slots = answers.map((one) => `${format.slot(Date.parse(one.slot_utc))} (${one.tier})`).join(", ");
  return words("alone.told", { slots, after: format.seconds(slowest), who: last.by, why: last.reason });
}
