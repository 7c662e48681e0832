// Who may sign in; those who may act let somebody do so no more, by typing the name.
import { postJson } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { badge } from "../block.js";
import { act, mayOperate } from "../office/acts.js";

export function makePeople(ctx) {
  const { words, format } = ctx;
  return (body) => {
    const search = h("input", { type: "search", id: "people-search", autocomplete: "off", "data-search": true, oninput: () => fill() });
    const said = h("p", { class: "small", role: "status" }), list = h("ul", { class: "people" }), none = h("p", { class: "calm" }, words("people.none"));
    body.append(field(search, words("people.search")), said, none, list);
    const rows = new Map(); // by person and state: what somebody is typing stays while the list is renewed
    let people = [];
    function fill() {
      const part = search.value.trim().toLowerCase(), shown = people.filter((one) => `${one.name} ${one.account ?? ""}`.toLowerCase().includes(part));
      said.textContent = words("people.shown", { shown: format.count(shown.length), total: format.count(people.length) });
      none.hidden = people.length > 0;
      const wanted = shown.map((one) => { const key = `${one.name} ${one.disabled_utc ?? ""}`; if (!rows.has(key)) rows.set(key, row(one, ctx)); return rows.get(key); });
      if (wanted.length !== list.children.length || wanted.some((one, at) => one !== list.children[at])) list.replaceChildren(...wanted);
    }
    return ({ items }) => { people = items; fill(); };
  };
}

function row(one, ctx) {
  const { words, format } = ctx, when = (utc) => format.dateTime(Date.parse(utc));
  return h("li", { "data-person": one.name, "data-row": true },
    h("p", { class: "what" }, one.name, " ", one.disabled_utc ? badge("stale", "○", words("people.disabled", { time: when(one.disabled_utc) })) : badge("ok", "●", words(`people.role.${one.role}`))),
    h("p", { class: "muted" }, words("people.since", { time: when(one.created_utc) }), one.account ? [" · ", h("code", { title: one.account }, `${one.account.slice(0, 10)}…`)] : ""),
    mayOperate() && !one.disabled_utc ? disableForm(one, ctx) : null);
}

function disableForm(one, ctx) {
  const { words } = ctx, told = h("p", { class: "refused", role: "alert" });
  const input = h("input", { type: "text", id: `disable-${one.name}`, autocomplete: "off", oninput: () => { send.disabled = input.value.trim() !== one.name; } });
  const send = h("button", { type: "submit", class: "main", disabled: true }, words("people.disable", { name: one.name }));
  const run = act({ ctx, told, needsFresh: false, run: () => postJson(`/v1/people/${encodeURIComponent(one.name)}/disable`, {}) });
  return h("details", { class: "form" }, h("summary", null, words("people.disabling", { name: one.name })),
    h("form", { class: "office", onsubmit: (event) => { event.preventDefault(); run(send); } },
      h("p", { class: "small" }, words("people.effect")), field(input, words("people.type", { name: one.name })), h("div", { class: "acts" }, send), told));
}
