// The ten tightest elements, each a way into the map.
import { h } from "../../../dom.js";
import { chosenOf } from "./shares.js";
import { signedFigure, whereOf } from "./words.js";

export function makeRanking(ctx) {
  const { words, format, state } = ctx;
  return (body) => {
    const table = h("table", { class: "ranking" });
    let last = null;
    body.append(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("ranking.title") }, table), h("p", { class: "small" }, words("ranking.note")));
    const mark = () => {
      const id = last && chosenOf(last, state)?.id;
      for (const row of table.querySelectorAll("tbody tr")) row.classList.toggle("chosen", row.dataset.element === id);
    };
    state.on("element", mark);
    return (model) => {
      last = model;
      const head = (name) => h("th", { scope: "col" }, words(`ranking.${name}`));
      const figures = [format.slot(model.slotMs), words("ranking.worst", { slot: format.slot(model.worstMs) })].map((text) => h("th", { scope: "col", class: "n" }, text));
      const focused = document.activeElement?.closest?.("tr")?.dataset.element;
      table.replaceChildren(
        h("caption", { class: "silent" }, words("ranking.title")),
        h("thead", null, h("tr", null, head("element"), figures, head("kind"), head("where"))),
        h("tbody", null, model.tightest.map((element) => h("tr", { "data-element": element.id },
          h("th", { scope: "row" }, h("button", { type: "button", class: "pick", onclick: () => state.set("element", element.id) }, element.id)),
          h("td", { class: "n" }, signedFigure(element, model.now, ctx)), h("td", { class: "n" }, signedFigure(element, model.worst, ctx)),
          h("td", null, words(`wires.kind.${element.kind}`)), h("td", null, whereOf(element))))));
      mark();
      // The row that had the focus keeps it when the figures are renewed.
      if (focused) table.querySelector(`tr[data-element="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
    };
  };
}
