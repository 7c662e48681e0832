// The chosen event's terms, and by group: committed, reduced, reward, penalty.
import { h } from "../../../dom.js";
import { badge, definitions, inLanguage } from "../block.js";
import { chosenEvent, GROUPS, paid, stateBadge, windowOf } from "./words.js";

export function makePayments(ctx) {
  const { words, format, state } = ctx;
  return (body) => {
    const terms = h("div"), table = h("table", { class: "payments" });
    body.append(terms, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": words("dr.payments") }, table), h("p", { class: "small" }, words("dr.payments.note")));
    let last = null;
    const draw = () => {
      if (!last) return;
      const event = chosenEvent(last, state.get("event")), { kind, sign } = stateBadge(event);
      terms.replaceChildren(
        h("p", null, badge(kind, sign, words(`dr.state.${event.state}`)), " ", inLanguage(event.title, words.language)),
        definitions([
          [words("dr.window"), windowOf(event, format)],
          [words("dr.prices"), `${format.price(event.reward_krw_per_kwh)} / ${format.price(event.penalty_krw_per_kwh)}`],
          [words("dr.baseline"), words(`dr.baseline.${event.baseline}`)],
        ]));
      const known = event.version > 0;
      const figures = [
        ["accounts", (one) => format.count(one.accounts)], ["committed", (one) => format.energy(one.committed_kwh)],
        ["reduced", (one) => (known ? format.energy(one.reduced_kwh) : "–")],
        ["reward", (one) => (known ? format.won(one.reward_krw) : "–")], ["penalty", (one) => (known ? format.won(one.penalty_krw) : "–")],
        ["paid", (one) => (known ? format.won(paid(one)) : "–")],
      ];
      table.replaceChildren(
        h("caption", { class: "silent" }, words("dr.payments")),
        h("thead", null, h("tr", null, h("td"), GROUPS.map((name) => h("th", { scope: "col", class: "n" }, words(`dr.group.${name}`))))),
        h("tbody", null, figures.map(([name, show]) => h("tr", null, h("th", { scope: "row" }, words(`dr.row.${name}`)), GROUPS.map((group) => h("td", { class: "n" }, show(event.groups[group])))))));
    };
    state.on("event", draw);
    return (data) => { last = data; draw(); };
  };
}
