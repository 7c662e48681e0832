// The settings that the service was started with, and what has changed from start to start.
import { h } from "../../../dom.js";

const shown = (value, words) => (value === null ? words("history.none") : value === "" ? "–" : value);

export function makeSettings({ words, format }) {
  return (body) => {
    const told = h("p", { class: "small" }), table = h("table", { class: "settings" });
    body.append(told, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("settings.title") }, table));
    return ({ items, started_utc: started, started_by: by }) => {
      told.textContent = started ? words("settings.since", { time: format.dateTime(Date.parse(started)), who: by }) : words("settings.not_kept");
      const head = ["name", "value", "source", "default"].map((key) => h("th", { scope: "col" }, words(`settings.${key}`)));
      table.replaceChildren(
        h("caption", { class: "silent" }, words("settings.title")), h("thead", null, h("tr", null, head)),
        h("tbody", null, items.map((one) => h("tr", { "data-setting": one.name },
          h("th", { scope: "row" }, h("code", null, one.name), h("span", { class: "muted", lang: "en" }, ` ${one.description}`)),
          h("td", null, h("code", null, one.is_secret && one.value ? words("settings.hidden") : shown(one.value, words))),
          h("td", null, one.source ? words(`settings.source.${one.source}`) : "–"),
          h("td", null, one.is_secret ? "–" : h("code", null, shown(one.default, words)))))));
    };
  };
}

export function makeHistory({ words, format }) {
  return (body) => {
    const list = h("ul", { class: "changes" });
    body.append(list);
    return ({ history }) => {
      list.replaceChildren(...(history.length ? history.map((one) => h("li", null,
        h("p", null, h("code", null, one.name), " ", words("history.change", { old: shown(one.old, words), next: shown(one.new, words) })),
        h("p", { class: "muted" }, words("history.by", { who: one.by, time: format.dateTime(Date.parse(one.at_utc)) }))))
        : [h("li", null, words("history.nothing"))]));
    };
  };
}
