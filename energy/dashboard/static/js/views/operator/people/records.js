// The audit log, newest first, when somebody asks: every look into it is a record in it as well.
import { ApiError, fetchJson } from "../../../api.js";
import { csvLine, saveLines } from "../../../charts/figure.js";
import { h } from "../../../dom.js";
import { english, problemNodes } from "../../../problem.js";
import { makePages } from "../pages.js";

const FIRST = "/v1/audit?limit=50", COLUMNS = ["no", "at_utc", "account", "origin", "whose", "task", "hash"], SHOWN = ["at", "who", "from", "whose", "task"];

export function makeRecords(ctx) {
  const { words, format } = ctx;
  return (body) => {
    const table = h("table", { class: "records" }), told = h("p", { class: "refused", role: "alert" });
    const scroll = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("records.title"), hidden: true }, table);
    const row = (one) => h("tr", { "data-record": one.no, "data-row": true }, h("th", { scope: "row" }, format.dateTime(Date.parse(one.at_utc))),
      h("td", null, one.account), h("td", null, one.origin), h("td", { class: "wide" }, one.whose), h("td", { class: "wide" }, english(one.task)));
    const pages = makePages(ctx, (items) => table.replaceChildren(h("caption", { class: "silent" }, words("records.title")),
      h("thead", null, h("tr", null, SHOWN.map((name) => h("th", { scope: "col" }, words(`records.${name}`))))), h("tbody", null, items.map(row))));
    const csv = h("button", { type: "button", class: "csv", onclick: () => saveLines("audit", [csvLine(COLUMNS), ...pages.items().map((one) => csvLine(COLUMNS.map((name) => one[name])))]) }, words("chart.csv"));
    const show = h("button", { type: "button", onclick: () => read() }, words("records.show"));
    csv.hidden = true;
    body.append(h("p", { class: "small" }, words("records.about")), h("div", { class: "acts" }, show, csv), told, scroll, h("div", { class: "acts" }, pages.button), pages.told);

    async function read() {
      show.disabled = true;
      told.replaceChildren();
      try {
        pages.renew(await fetchJson(FIRST), (one) => one.no);
        scroll.hidden = csv.hidden = false;
        show.textContent = words("records.again");
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        told.replaceChildren(...problemNodes(error, words));
      } finally {
        show.disabled = false;
      }
    }
    return () => {};
  };
}
