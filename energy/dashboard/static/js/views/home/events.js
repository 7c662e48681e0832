// Use-less offers: what is asked, what it would bring, and the signed answer.
import { h, setText } from "../../dom.js";
import { block, inLanguage } from "../operator/block.js";
import { wonOf } from "./amounts.js";
import { signedMark, signerNote, signOnce } from "./signer.js";
import { newNonce, troubleNodes } from "./signing.js";

const SHOWN = 5;

export function eventsBlock(ctx) {
  const { words } = ctx;
  const pick = ({ dr }) => { if (dr instanceof Error) throw dr; return dr.items.length ? dr.items.slice(0, SHOWN) : null; };
  return block({ ctx, id: "events", span: 5, title: "home.events", pick, empty: () => words("home.events.none"), make: makeEvents(ctx) });
}

function makeEvents(ctx) {
  return (body) => {
    const list = h("ul", { class: "offers" });
    body.append(list);
    let shown = "";
    return (items, { prices }) => {
      // An offer that somebody is answering is not built anew under their hand.
      const next = JSON.stringify(items);
      if (next !== shown) list.replaceChildren(...items.map((event) => offer(event, prices, ctx)));
      shown = next;
    };
  };
}

const windowOf = (event, format) => `${format.date(Date.parse(event.first_slot_utc))} ${format.time(Date.parse(event.first_slot_utc))}–${format.time(Date.parse(event.end_utc))}`;
const kwhOf = (event, wh, format) => format.energy((wh * event.slots) / 1000, "kWh");
const reward = (event, wh) => wonOf(wh * event.slots, Math.round(Number(event.reward_krw_per_kwh) * 1000));

function offer(event, prices, ctx) {
  const { words, format } = ctx;
  const head = h("p", { class: "what" }, words("home.events.what", { title: inLanguage(event.title, words.language) ?? "", window: windowOf(event, format) }));
  return h("li", { "data-event": event.id, "data-open": String(event.is_open) }, head, event.is_open && prices.domain ? ask(event, prices.domain, ctx) : [h("p", null, stateText(event, ctx)), signedMark(event.answer_signed_by, words)]);
}

function stateText(event, { words, format }) {
  const answer = event.answer_wh_per_slot;
  if (event.result) return words("home.events.result", { reduced: format.energy(event.result.reduced_kwh, "kWh"), reward: format.won(event.result.reward_krw), penalty: format.won(event.result.penalty_krw) });
  if (answer) return words(`home.events.promised.${event.state === "CANCELLED" ? "cancelled" : "on"}`, { kwh: kwhOf(event, answer, format), won: format.won(reward(event, answer)) });
  if (answer === 0) return words("home.events.declined");
  if (event.state === "CANCELLED") return words("home.events.cancelled");
  if (event.state !== "OFFERED") return words("home.events.closed");
  return words(event.baseline_wh ? "home.events.closed" : "home.events.no_baseline");
}

function ask(event, domain, ctx) {
  const { words, format } = ctx;
  const most = event.wh_per_slot_max, told = h("p", { class: "told", role: "status" }), worth = h("output", { class: "sentence" });
  const input = h("input", { type: "range", min: 1, max: most, step: 1, value: Math.max(1, Math.round(most / 2)), "aria-label": words("home.events.amount"), oninput: show });
  const button = (key, wh, main) => h("button", { type: "button", class: main ? "main" : null, "data-answer": key, onclick: () => answer(wh()) }, words(`home.events.${key}`));
  const buttons = [most > 0 ? button("accept", () => Number(input.value), true) : null, button("decline", () => 0, false)].filter(Boolean);
  show();

  function show() {
    const wh = Number(input.value);
    setText(worth, words("home.events.worth", { kwh: kwhOf(event, wh, format), won: format.won(reward(event, wh)), penalty: format.won(event.penalty_krw_per_kwh, 1) }));
    input.setAttribute("aria-valuetext", kwhOf(event, wh, format));
  }

  async function answer(wh) {
    for (const one of buttons) one.disabled = true;
    try {
      const message = { account: ctx.account, event_id: event.id, e_wh_per_slot: String(wh), nonce: newNonce() };
      if (await signOnce(ctx, told, { type: "DrCommit", path: "/v1/dr/commits", message, domain })) await ctx.refresh();
    } catch (error) {
      told.replaceChildren(...troubleNodes(error, words));
    } finally {
      for (const one of buttons) one.disabled = false;
    }
  }

  return h("div", null, h("p", { class: "small" }, words("home.events.until", { time: format.dateTime(Date.parse(event.answer_by_utc)) })),
    most > 0 ? [input, worth] : h("p", null, words("home.events.too_little")), signerNote(ctx), h("p", { class: "answers" }, buttons.flatMap((one) => [one, " "])), told);
}
