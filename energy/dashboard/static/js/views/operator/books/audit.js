// The books added up anew when somebody asks, and what was found.
import { ApiError, fetchJson } from "../../../api.js";
import { h } from "../../../dom.js";
import { english, problemNodes } from "../../../problem.js";
import { badge, definitions } from "../block.js";

export function makeBooksAudit({ words, format }) {
  return (body) => {
    const result = h("div", { id: "audit-result", role: "status" });
    const button = h("button", { type: "button", class: "main", onclick: () => run() }, words("books.audit.run"));
    body.append(h("p", null, words("books.audit.about")), h("div", { class: "acts" }, button), result,
      h("p", { class: "small" }, words("books.audit.offline"), " ", h("code", null, "microgrid ledger verify")));

    async function run() {
      button.disabled = true;
      result.replaceChildren(h("p", { class: "note" }, words("books.audit.running")));
      try {
        result.replaceChildren(...verdict(await fetchJson("/v1/ledger/audit")));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        result.replaceChildren(h("p", { class: "refused" }, problemNodes(error, words)));
      } finally {
        button.disabled = false;
      }
    }

    const verdict = (found) => [
      h("p", { class: "verdict" }, found.holds ? badge("ok", "●", words("books.audit.holds")) : badge("alarm", "■", words.count("books.audit.wrong", found.findings.length))),
      found.findings.length ? h("ul", { class: "violations" }, found.findings.map((one) => h("li", null, english(one)))) : "",
      definitions([
        [words("books.audit.tick"), format.dateTime(Date.parse(found.tick_utc))],
        [words("books.audit.checkpoints"), format.count(found.checkpoints)], [words("ledger.entries"), format.count(found.size)],
        [words("ledger.transfers"), format.count(found.transfers)], [words("books.audit.moved"), `${format.won(found.moved_krw)} · ${format.energy(Number(found.moved_wh) / 1000)}`],
        [words("books.audit.records"), format.count(found.audit_records)],
      ]),
    ];
    return () => {};
  };
}
