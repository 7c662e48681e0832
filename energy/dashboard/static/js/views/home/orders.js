// My orders: each in its sentence with what became of it; live ones can be cancelled.
import { h, setText } from "../../dom.js";
import { block } from "../operator/block.js";
import { endSentence, labelSentence, messageOf, orderSentence } from "./sentences.js";
import { signedMark, signOnce } from "./signer.js";
import { newNonce, troubleNodes } from "./signing.js";

const SIGNS = { ACCEPTED: ["ok", "◷"], LOCKED: ["ok", "◷"], FILLED: ["ok", "●"], PARTIAL: ["ok", "◐"] };

export function ordersBlock(ctx) {
  const { words } = ctx;
  const pick = ({ orders }) => { if (orders instanceof Error) throw orders; return orders.items.length ? orders : null; };
  return block({ ctx, id: "orders", span: 7, title: "home.orders", pick, empty: () => words("home.orders.none"), make: makeList(ctx) });
}

function makeList(ctx) {
  return (body) => {
    const list = h("ul", { class: "orders" }), told = h("p", { class: "told", role: "status" });
    body.append(list, told);
    return ({ items }, { prices }) => list.replaceChildren(...items.map((row) => item(row, prices, told, ctx)));
  };
}

function item(row, prices, told, ctx) {
  const label = labelSentence(row, ctx);
  const { words, state } = ctx;
  const [kind, sign] = SIGNS[row.status] ?? ["stale", "○"];
  const live = row.status === "ACCEPTED" && prices.domain;
  return h("li", { "data-order": row.order_id, "data-status": row.status },
    h("span", { class: `sign ${kind}`, "aria-hidden": "true" }, sign),
    h("div", null, h("p", { class: "what" }, orderSentence(messageOf(row), ctx, state.get("nowMs"))), h("p", null, endSentence(row, ctx)), label ? h("p", { class: "small" }, label) : null,
      row.instruction ? h("p", { class: "small automatic" }, words("home.auto.mark")) : null, signedMark(row.signed_by, words),
      h("p", { class: "links" }, h("a", { href: `/verify?order=${row.order_id}` }, words("home.receipt")),
        live ? h("button", { type: "button", class: "small-button", onclick: (event) => cancel(event.currentTarget, row, prices.domain, told, ctx) }, words("home.cancel")) : null)));
}

async function cancel(button, row, domain, told, ctx) {
  const { words, refresh, account } = ctx;
  button.disabled = true;
  try {
    const message = { account, slot: String(Date.parse(row.slot_utc) / 1000), order_id: row.order_id, nonce: newNonce() };
    if (!await signOnce(ctx, told, { type: "Cancel", path: "/v1/orders/cancel", message, domain })) return;
    setText(told, words("home.cancelled"));
    await refresh();
  } catch (error) {
    told.replaceChildren(...troubleNodes(error, words));
  } finally {
    button.disabled = false;
  }
}
