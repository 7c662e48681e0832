// One order by hand: what is wanted, the same in one sentence, what KEPCO would cost, the signature.
import { field, h, setText } from "../../dom.js";
import { block } from "../operator/block.js";
import { decimalOf, milliWon } from "./amounts.js";
import { orderSentence, slotText } from "./sentences.js";
import { amountOf, FieldError, limitOf, marksOf, signedSender } from "./signed_form.js";
import { signerNote } from "./signer.js";
import { newNonce, NO_ORDER } from "./signing.js";

const SHOWN_SLOTS = 96;
const QUARTER_S = 900;

export function orderFormBlock(ctx) {
  const { words } = ctx;
  const pick = ({ home, prices }) => { if (prices instanceof Error) throw prices; return home.meter ? { home, prices } : null; };
  return block({ ctx, id: "trade", span: 5, title: "home.trade", pick, empty: () => words("home.trade.no_meter"), make: (body) => makeForm(body, ctx) });
}

function makeForm(body, ctx) {
  const { words } = ctx;
  let data = null;
  const side = (value, checked) => h("label", { class: "radio" }, h("input", { type: "radio", name: "side", value, checked, onchange: changed }), " ", words(`home.trade.${value === "1" ? "buy" : "sell"}`));
  const slot = h("select", { id: "order-slot", onchange: changed });
  const energy = h("input", { id: "order-energy", type: "text", inputmode: "decimal", autocomplete: "off", required: true, oninput: changed });
  const price = h("input", { id: "order-price", type: "text", inputmode: "decimal", autocomplete: "off", required: true, oninput: changed });
  const sentence = h("output", { class: "sentence", for: "order-slot order-energy order-price", id: "order-sentence" });
  const caution = h("p", { class: "caution", id: "order-caution" }), told = h("p", { class: "told", id: "order-told", role: "status" });
  const sign = h("button", { type: "submit", class: "main", id: "order-sign" }, ctx.signer.label);
  const sides = h("fieldset", null, h("legend", null, words("home.trade.side")), side("1", true), side("2", false));
  const form = h("form", { class: "trade", novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(); } },
    sides, field(slot, words("home.trade.slot")), field(energy, words("home.trade.energy")), field(price, words("home.trade.price")),
    h("p", { class: "small", id: "order-guide" }), sentence, caution, signerNote(ctx), sign, told);
  body.append(form);

  const { mark, unmark } = marksOf([energy, price], sentence);
  const chosen = () => form.querySelector("input[name=side]:checked").value;

  // What would be signed; throws the sentence that says what is wrong with a field.
  function read() {
    const { home, prices } = data, bid = chosen() === "1";
    const wh = amountOf(energy, words("home.trade.bad_energy")), most = BigInt((bid ? home.meter.bid_wh_max : home.meter.offer_wh_max) ?? 0);
    if (wh < 1n || wh > most) throw new FieldError(words(most ? "home.trade.most" : "home.trade.no_sun", { most: `${decimalOf(most, 3)}\u00a0kWh` }), energy);
    const rules = rulesAt(prices, Number(slot.value));
    const mkrw = limitOf(price, rules, words);
    return {
      account: home.account, zone: String(home.meter.zone), slot: slot.value, side: chosen(), e_wh: String(wh),
      price_mkrw_per_kwh: String(mkrw), label: "0", premium_mkrw_per_kwh: "0",
      expires: String(Number(slot.value) - prices.open.gate_lead_s), replaces: NO_ORDER,
      rules_version: String(rules.version), nonce: newNonce(),
    };
  }

  const sender = signedSender({
    type: "Order", path: "/v1/orders", again: "home.trade.again",
    sign, told, words, read, mark, domain: () => data.prices.domain, signer: ctx.signer,
  });

  // Another order is wanted than the one that may be waiting for its answer.
  function changed() {
    sender.forget();
    show();
  }

  function show() {
    if (!data) return;
    sign.textContent = ctx.signer.label;
    setText(caution, "");
    const guide = elsewhere(chosen() === "1"), name = chosen() === "1" ? "guide_buy" : "guide_sell";
    setText(form.querySelector("#order-guide"), guide === null ? "" : words(`home.trade.${name}`, { price: ctx.format.price(guide) }));
    if (!energy.value || !price.value) { setText(sentence, ""); return; }
    try {
      const message = read();
      unmark();
      setText(sentence, orderSentence(message, ctx, ctx.state.get("nowMs")));
      warn(message);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      mark(error);
    }
  }

  // What a kWh costs or brings without the market; null where no slot of the home is settled yet.
  const elsewhere = (bid) => (bid ? data.home.marginal?.krw_per_kwh ?? null : data.prices.feed_in_krw_per_kwh);

  // A limit that is worse than the tariff is questioned before anything is signed.
  function warn(message) {
    const mkrw = BigInt(message.price_mkrw_per_kwh), bid = message.side === "1", price = elsewhere(bid);
    if (price === null || (bid ? mkrw <= milliWon(price) : mkrw >= milliWon(price))) return;
    setText(caution, words(bid ? "home.trade.dearer" : "home.trade.cheaper", { price: ctx.format.price(price) }));
    sign.textContent = words(bid ? "home.trade.sign_anyway_buy" : "home.trade.sign_anyway_sell", { price: ctx.format.price(decimalOf(mkrw, 3)) });
  }

  async function submit() {
    const answer = await sender.send();
    if (!answer) return;
    told.replaceChildren(words("home.trade.accepted", { time: ctx.format.time(Date.parse(answer.receipt.sealed_by_utc)) }), " ",
      h("a", { href: `/verify?order=${answer.order_id}` }, words("home.receipt")));
    form.dataset.order = answer.order_id;
    energy.value = "";
    show();
    await ctx.refresh();
  }

  function fillSlots() {
    const first = Date.parse(data.prices.open.first_slot_utc) / 1000, nowMs = ctx.state.get("nowMs");
    const kept = Number(slot.value), count = Math.min(SHOWN_SLOTS, data.prices.open.slots);
    if (Number(slot.options[0]?.value) === first) return;
    slot.replaceChildren(...Array.from({ length: count }, (_, i) => h("option", { value: first + i * QUARTER_S }, slotText((first + i * QUARTER_S) * 1000, ctx.format, nowMs))));
    if (kept >= first && kept < first + count * QUARTER_S) slot.value = String(kept);
    else sender.forget();
    show();
  }

  return (found) => {
    const isFirst = !data;
    data = found;
    fillSlots();
    if (isFirst) show();
  };
}

// Rules may change from a slot on; an order names those of its own.
function rulesAt(prices, slotS) {
  const due = (prices.rules_to_come ?? []).filter((one) => Date.parse(one.from_slot_utc) / 1000 <= slotS);
  return due.at(-1) ?? prices.rules;
}
