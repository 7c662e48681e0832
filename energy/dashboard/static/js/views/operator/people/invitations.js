// Residents without a wallet are invited; the link with the secret is shown once, for them alone.
import { postJson } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { badge } from "../block.js";
import { act, mayOperate } from "../office/acts.js";

const DAYS = [1, 7, 14, 30], ACCOUNT = /^0x[0-9a-f]{64}$/;

export function makeInvitations(ctx) {
  const { words, format } = ctx;
  return (body) => {
    const receipt = h("div", { class: "receipt", role: "status", tabindex: -1 }), list = h("ul", { class: "people" }), none = h("p", { class: "calm" }, words("invitations.none"));
    const done = (made) => { receipt.replaceChildren(...receiptOf(made, ctx)); receipt.focus({ preventScroll: true }); };
    body.append(mayOperate() ? inviteForm(ctx, done) : h("p", { class: "small" }, words("invitations.readers")), receipt, none, list);
    return ({ items, now_utc: now }) => {
      none.hidden = items.length > 0;
      list.replaceChildren(...items.map((one) => h("li", { "data-invited": one.name, "data-row": true },
        h("p", { class: "what" }, one.name, " ", stateOf(one, now, words)),
        h("p", { class: "muted" }, words("invitations.by", { who: one.made_by, made: format.dateTime(Date.parse(one.made_utc)), ends: format.dateTime(Date.parse(one.ends_utc)) }), " · ", h("code", { title: one.account }, `${one.account.slice(0, 10)}…`)))));
    };
  };
}

function stateOf(one, now, words) {
  if (one.taken_utc) return badge("ok", "●", words("invitations.taken"));
  return one.ends_utc > now ? badge("warning", "◷", words("invitations.waits")) : badge("stale", "○", words("invitations.over"));
}

function inviteForm(ctx, done) {
  const { words, format } = ctx, told = h("p", { class: "refused", role: "alert" });
  const say = () => { send.disabled = !name.value.trim() || !ACCOUNT.test(account.value.trim()); };
  const text = (id) => h("input", { type: "text", id, autocomplete: "off", spellcheck: "false", maxlength: 80, oninput: say });
  const name = text("invite-name"), account = text("invite-account"), days = h("select", { id: "invite-days" }, DAYS.map((n) => h("option", { value: n, selected: n === 7 }, words.count("invitations.days", n, format.count(n)))));
  const send = h("button", { type: "submit", class: "main", disabled: true }, words("invitations.invite"));
  const run = act({ ctx, told, needsFresh: false, run: () => postJson("/v1/people/invitations", { name: name.value.trim(), account: account.value.trim(), days: Number(days.value) }) });
  return h("details", { class: "form" }, h("summary", null, words("invitations.new")),
    h("form", { class: "office", onsubmit: async (event) => {
      event.preventDefault();
      const made = await run(send);
      if (!made) return;
      name.value = account.value = "";
      say();
      done(made);
    } }, field(name, words("invitations.name")), field(account, words("invitations.account")), field(days, words("invitations.good")),
    h("p", { class: "small" }, words("invitations.effect")), h("div", { class: "acts" }, send), told));
}

function receiptOf(made, { words, format }) {
  const link = h("input", { type: "text", id: "invite-link", readonly: true, value: `${location.origin}${made.path}`, onfocus: () => link.select() });
  return [h("p", null, words("invitations.made", { name: made.name, time: format.dateTime(Date.parse(made.ends_utc)) })), field(link, words("invitations.link")), h("p", { class: "small" }, words("invitations.once"))];
}
