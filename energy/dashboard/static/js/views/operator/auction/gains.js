// What the market has won: the auction's welfare, and what traders saved against tariff and feed-in.
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { isLess, slotText } from "./words.js";

const ROWS = ["avoided", "forgone", "outside", "saved_p2p", "saved_contracts", "saved"];

export function makeGains({ words, format, state }) {
  const won = (text) => (text === null || text === undefined ? "–" : format.won(text, 1));
  return (body) => (history) => {
    const { today } = history, found = state.get("auction");
    const at = found ? Math.round((found.ms - Date.parse(history.start_utc)) / (history.step_s * 1000)) : -1;
    const slot = (name) => history[name]?.[at] ?? null;
    const lost = isLess(today.saved_krw), amount = format.won(lost ? today.saved_krw.slice(1) : today.saved_krw);
    const time = format.time(Date.parse(today.to_utc));
    const verdict = !today.settled ? badge("stale", "◷", words("gains.waiting"))
      : badge(lost ? "warning" : "ok", lost ? "▲" : "●", words(lost ? "gains.lost" : "gains.won", { amount }));
    const row = (name, mine, all) => h("tr", { "data-row": name, class: name === "saved" ? "sum" : null }, h("th", { scope: "row" }, words(`gains.${name}`)), h("td", { class: "n" }, mine), h("td", { class: "n" }, all));
    const head = [words("gains.what"), found ? slotText(found.ms, format) : words("market.slot"), words("period.today", { time })];
    body.replaceChildren(
      h("p", { class: "verdict" }, verdict),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("gains.title") },
        h("table", { class: "gains" }, h("caption", { class: "silent" }, words("gains.title")),
          h("thead", null, h("tr", null, head.map((text, column) => h("th", { scope: "col", class: column ? "n" : null }, text)))),
          h("tbody", null,
            row("welfare", won(slot("welfare_krw")), won(today.welfare_krw)),
            ROWS.map((name) => row(name, won(slot(`${name}_krw`)), today.settled ? won(today[`${name}_krw`]) : "–")),
            row("deviation", won(slot("deviation_krw")), today.settled ? won(today.deviation_krw) : "–"),
            row("worse_off", slot("worse_off") === null ? "–" : words("gains.of", { n: format.count(slot("worse_off")), all: format.count(slot("traders")) }), "–")))),
      slot("saved_krw") === null ? h("p", { class: "small" }, words("gains.unsettled")) : "",
      h("details", { class: "how" }, h("summary", null, words("figure.how")), h("p", null, words("gains.how"))));
  };
}
