// The signed heads of the log, newest first: size, root, who has witnessed them; and ways to take them along.
import { csvLine, saveLines } from "../../../charts/figure.js";
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { makePages } from "../pages.js";
import { shorten } from "../trust.js";

const COLUMNS = ["tick_utc", "size", "root", "signer"];

export function makeHeads(ctx) {
  const { words, format } = ctx;
  return (body) => {
    const table = h("table", { class: "heads" });
    let trust = null;
    const witnessed = ({ cosigned_by: by }) => {
      const seen = by.filter((one) => trust.witnesses.includes(one)).length;
      const enough = seen >= Number(trust.quorum);
      return badge(enough ? "ok" : "warning", enough ? "●" : "▲", words("heads.witnessed", { seen: format.count(seen), all: format.count(trust.witnesses.length) }));
    };
    const row = (one) => h("tr", { "data-tick": one.tick_utc, "data-row": true },
      h("th", { scope: "row" }, h("a", { href: `/v1/checkpoints/${one.tick_utc}` }, format.dateTime(Date.parse(one.tick_utc)))),
      h("td", { class: "n" }, format.count(one.size)), h("td", null, h("code", { title: one.root }, shorten(one.root))),
      h("td", null, trust?.witnesses.length ? witnessed(one) : words("heads.no_witness")));
    const pages = makePages(ctx, (items) => table.replaceChildren(h("caption", { class: "silent" }, words("heads.title")),
      h("thead", null, h("tr", null, ["tick", "size", "root", "witnesses"].map((name) => h("th", { scope: "col", class: name === "size" ? "n" : null }, words(`heads.${name}`))))),
      h("tbody", null, items.map(row))));
    const csv = h("button", { type: "button", class: "csv", onclick: () => saveLines("checkpoints", [csvLine([...COLUMNS, "cosigned_by"]),
      ...pages.items().map((one) => csvLine([...COLUMNS.map((name) => one[name]), one.cosigned_by.join(" ")]))]) }, words("chart.csv"));
    body.append(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("heads.title") }, table), h("div", { class: "acts" }, pages.button, csv), pages.told,
      h("p", null, words("heads.export"), " ", h("a", { href: "/v1/ledger/checkpoint", download: "checkpoint.txt" }, words("heads.note")), " · ", h("a", { href: "/v1/ledger/trust", download: "trust.json" }, words("heads.trust"))),
      h("p", { class: "small" }, words("heads.whole"), " ", h("code", null, "microgrid ledger export books.jsonl")));
    return (all) => {
      trust = all.trust;
      pages.renew(all.heads, (one) => one.tick_utc);
    };
  };
}
