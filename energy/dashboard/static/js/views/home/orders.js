// My orders, all or those that got something: each in its sentence with what became of it; live ones
// can be cancelled.
import { h, setText } from "../../dom.js";
import { block } from "../operator/block.js";
import { pagesOf } from "./pages.js";
import { endSentence, labelSentence, messageOf, orderSentence } from "./sentences.js";
import { signedMark, signOnce } from "./signer.js";
import { newNonce, troubleNodes } from "./signing.js";

export const ORDERS = "/v1/me/orders?limit=40";
const TRADES = "/v1/me/trades?limit=40";
const TABLE = "/v1/me/trades/table";
const SIGNS = { ACCEPTED: ["ok", "◷"], LOCKED: ["ok", "◷"], FILLED: ["ok", "●"], PARTIAL: ["ok", "◐"] };

export function ordersBlock(ctx) {
  const { words } = ctx;
  const pick = ({ orders }) => { if (orders instanceof Error) throw orders; return orders.items.length ? orders : null; };
  return block({ ctx, id: "orders", span: 7, title: "home.orders", pick, empty: () => words("home.orders.none"), make: makeList(ctx) });
}

function makeList(ctx) {
  const { words } = ctx, idOf = (row) => row.order_id;
  const pages = { all: pagesOf(ORDERS, idOf), traded: pagesOf(TRADES, idOf) };
  return (body) => {
    let shown = "all", prices = null;
    const list = h("ul", { class: "orders" }), told = h("p", { class: "told", role: "status" });
    const none = h("p", { class: "small" }, words("home.orders.no_trades"));
    const older = h("button", { type: "button", class: "small-button", id: "orders-older", onclick: () => read(() => pages[shown].readOlder()) }, words("home.older"));
    const choice = (name) => h("label", { class: "radio" }, h("input", { type: "radio", name: "orders-shown", value: name, checked: name === shown, onchange: () => choose(name) }), " ", words(`home.orders.${name}`));
    body.append(h("fieldset", { class: "shown" }, h("legend", { class: "silent" }, words("home.orders.shown")), choice("all"), choice("traded")), none, list,
      h("p", { class: "links" }, older, h("a", { id: "trades-table", href: TABLE, download: "" }, words("home.orders.table"))), told);

    function draw() {
      const rows = pages[shown].rows();
      list.replaceChildren(...rows.map((row) => item(row, prices, told, ctx)));
      none.hidden = shown !== "traded" || rows.length > 0;
      older.hidden = !pages[shown].hasOlder();
    }

    async function read(page) {
      older.disabled = true;
      try {
        await page();
        draw();
      } catch (error) {
        told.replaceChildren(...troubleNodes(error, words));
      } finally {
        older.disabled = false;
      }
    }

    function choose(name) {
      shown = name;
      draw();
      if (name === "traded") read(() => pages.traded.readFirst());
    }

    return (found, all) => {
      prices = all.prices;
      pages.all.renew(found);
      choose(shown);
    };
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
