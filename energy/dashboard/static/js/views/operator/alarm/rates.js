// How many alarms and warnings began a day, beside what one person can follow.
import { sharesBar } from "../../../charts/shares.js";
import { h } from "../../../dom.js";

const SEVERITIES = ["alarm", "warning"];
const WIDTH = 120, HEIGHT = 12;

export const totalOf = (day) => day.alarm + day.warning;

export function makeRates({ words, format }) {
  return (body) => {
    const said = h("p", { class: "sentence" }), table = h("table", { class: "rates" });
    const key = h("ul", { class: "key" }, SEVERITIES.map((one) => h("li", null, h("span", { class: `swatch sw-${one}`, "aria-hidden": "true" }), words(`rates.${one}`))));
    body.append(said, key, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("rates.title") }, table), h("p", { class: "small" }, words("rates.note")));
    return ({ days }) => {
      const whole = days.slice(0, -1), mean = whole.reduce((sum, one) => sum + totalOf(one), 0) / Math.max(whole.length, 1);
      said.textContent = words("rates.mean", { mean: format.number(mean, 0, 1), days: format.count(whole.length) });
      const most = Math.max(...days.map(totalOf));
      table.replaceChildren(h("caption", { class: "silent" }, words("rates.title")),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, words("rates.day")), SEVERITIES.map((one) => h("th", { scope: "col", class: "n" }, words(`rates.${one}`))), h("td", null))),
        h("tbody", null, days.toReversed().map((day) => h("tr", { "data-day": day.date },
          h("th", { scope: "row" }, format.date(Date.parse(day.first_slot_utc))), SEVERITIES.map((one) => h("td", { class: "n" }, format.count(day[one]))),
          h("td", { class: "bar" }, sharesBar(SEVERITIES.map((one) => ({ name: one, value: day[one] })), most, WIDTH, HEIGHT))))));
    };
  };
}
