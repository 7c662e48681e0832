// The list of events, each a way into the cards above.
import { h } from "../../../dom.js";
import { badge, inLanguage } from "../block.js";
import { chosenEvent, GROUPS, paid, stateBadge, totals, windowOf } from "./words.js";

export function makeEvents(ctx) {
  const { words, format, state } = ctx;
  return (body) => {
    const table = h("table", { class: "events" });
    let last = null;
    body.append(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("dr.events") }, table), h("p", { class: "small" }, words("dr.events.note")));
    const mark = () => {
      const id = last && chosenEvent(last, state.get("event"))?.id;
      for (const row of table.querySelectorAll("tbody tr")) row.classList.toggle("chosen", row.dataset.event === id);
    };
    state.on("event", mark);
    return (data) => {
      last = data;
      const focused = document.activeElement?.closest?.("tr")?.dataset.event;
      const head = ["window", "programme", "state", "committed", "reduced", "share", "paid"];
      table.replaceChildren(
        h("caption", { class: "silent" }, words("dr.events")),
        h("thead", null, h("tr", null, head.map((name, at) => h("th", { scope: "col", class: at > 2 ? "n" : null }, words(`dr.column.${name}`))))),
        h("tbody", null, data.items.map((event) => rowOf(event, ctx))));
      mark();
      if (focused) table.querySelector(`tr[data-event="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
    };
  };
}

function rowOf(event, { words, format, state }) {
  const { committed, reduced } = totals(event), { kind, sign } = stateBadge(event);
  const won = GROUPS.map((name) => paid({ reward_krw: "0", penalty_krw: "0", ...event.groups[name] })).reduce((sum, text) => sum + Number(text), 0);
  return h("tr", { "data-event": event.id },
    h("th", { scope: "row" }, h("button", { type: "button", class: "pick", onclick: () => state.set("event", event.id) }, windowOf(event, format))),
    h("td", null, inLanguage(event.title, words.language)), h("td", null, badge(kind, sign, words(`dr.state.${event.state}`))),
    h("td", { class: "n" }, format.energy(committed)), h("td", { class: "n" }, reduced === null ? "–" : format.energy(reduced)),
    h("td", { class: "n" }, reduced === null || !committed ? "–" : format.percent(reduced / committed)),
    h("td", { class: "n" }, reduced === null ? "–" : format.won(String(Math.round(won)))));
}
