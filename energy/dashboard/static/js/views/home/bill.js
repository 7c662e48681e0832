// The statement of a billed month, line by line, with the proof of its bill.
import { ApiError, fetchJson } from "../../api.js";
import { h, setText } from "../../dom.js";
import { problemNodes } from "../../problem.js";
import { block } from "../operator/block.js";
import { monthSheet } from "../public/statement.js";

export function billBlock(ctx) {
  const { words } = ctx;
  const pick = ({ months }) => { if (months instanceof Error) throw months; return months.items.length ? months.items : null; };
  return block({ ctx, id: "bill", span: 12, title: "home.bill", pick, empty: () => words("home.bill.none"), make: (body) => makeBill(body, ctx) });
}

function makeBill(body, { words, format }) {
  let known = "", shown = null;
  const choice = h("select", { id: "bill-month", onchange: () => read(choice.value) });
  const told = h("p", { class: "told", role: "status" }), sheet = h("div", { class: "statement" });
  const proof = h("a", null, words("home.bill.proof"));
  const print = h("button", { type: "button", onclick: () => window.print() }, words("statement.print"));
  body.append(h("p", { class: "month-choice tools" }, h("label", { for: "bill-month" }, words("statement.month")), " ", choice, " ", print, " ", proof), told, sheet);

  async function read(month) {
    shown = month;
    proof.setAttribute("href", `/verify?bill=${month}`);
    try {
      const found = await fetchJson(`/v1/me/statements/${month}`);
      if (shown !== month) return;
      sheet.replaceChildren(monthSheet(found.months[0], words, format));
      setText(told, "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      sheet.replaceChildren();
      told.replaceChildren(...problemNodes(error, words));
    }
  }

  return (items) => {
    if (items.join() === known) return;
    known = items.join();
    choice.replaceChildren(...items.map((month) => h("option", { value: month }, month)));
    read(items[0]);
  };
}
