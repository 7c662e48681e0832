// Who signs for the operator, and who watches: keys by role, witnesses by address.
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { shorten } from "../trust.js";

export function makeKeys({ words, format }) {
  const when = (utc) => (Date.parse(utc) > 0 ? format.dateTime(Date.parse(utc)) : words("keys.beginning"));
  return (body) => {
    const list = h("ul", { class: "signers" }), watch = h("div");
    body.append(list, h("h3", null, words("keys.witnesses")), watch);
    return ({ keys, trust }) => {
      list.replaceChildren(...keys.items.map((one) => h("li", null,
        h("p", null, one.roles.map((role) => words(`keys.role.${role}`)).join(" · "), " ", one.end_utc ? badge("stale", "○", words("keys.ended", { time: when(one.end_utc) })) : badge("ok", "●", words("keys.live"))),
        h("p", { class: "muted" }, h("code", { title: one.address }, shorten(one.address)), " ", words("keys.from", { time: when(one.from_utc) })))));
      watch.replaceChildren(trust?.witnesses.length
        ? h("div", null, h("p", null, words("keys.quorum", { n: format.count(Number(trust.quorum)), all: format.count(trust.witnesses.length) })), h("ul", { class: "signers" }, trust.witnesses.map((one) => h("li", null, h("code", null, one)))))
        : h("p", { class: "muted" }, words("keys.no_witnesses")));
    };
  };
}
