// Automatic trading: what runs, what today's caps leave, and the form that one signature answers.
import { field, h, setText } from "../../dom.js";
import { block } from "../operator/block.js";
import { decimalOf } from "./amounts.js";
import { instructionMessageOf, instructionSentence, lastMoment } from "./automatic_sentences.js";
import { amountOf, FieldError, limitOf, marksOf, signedSender } from "./signed_form.js";
import { signedMark, signerNote, signOnce } from "./signer.js";
import { newNonce, NO_ORDER, troubleNodes } from "./signing.js";

const BUY = 1, SELL = 2;
const DAYS_AHEAD = 30;
const DAY_MS = 86_400_000;

export function automaticBlock(ctx) {
  const { words } = ctx;
  const pick = ({ home, prices, instructions }) => {
    for (const one of [prices, instructions]) if (one instanceof Error) throw one;
    return home.meter ? { home, prices, instructions } : null;
  };
  return block({ ctx, id: "automatic", span: 7, title: "home.auto", pick, empty: () => words("home.trade.no_meter"), make: (body) => makeBody(body, ctx) });
}

function makeBody(body, ctx) {
  const state = h("div", { class: "auto-state", id: "auto-state" });
  const form = makeForm(ctx);
  body.append(state, form.element);
  return (data) => { showState(state, data, ctx); form.update(data); };
}

// A halted one is signed all the same: it can be stopped, and a new one takes its place.
const runningOf = ({ items }) => items.find((one) => ["RUNS", "WAITS", "HALTED"].includes(one.state));

function showState(place, { prices, instructions }, ctx) {
  const { words, format, state } = ctx;
  const running = runningOf(instructions), { today, last } = instructions;
  place.dataset.state = running ? running.state : "OFF";
  if (!running) { place.replaceChildren(h("p", null, `○ ${words("home.auto.off")}`)); return; }
  const told = h("p", { class: "told", role: "status" });
  const rows = [h("p", { class: "what" }, `${running.state === "HALTED" ? `○ ${words("home.auto.halted")}` : `● ${words("home.auto.on")}`} ${instructionSentence(instructionMessageOf(running), ctx, state.get("nowMs"))}`)];
  if (today) rows.push(h("p", { id: "auto-left" }, words("home.auto.left", { energy: kwh(today.left_wh, format), won: format.won(today.left_krw, 1) })));
  if (last) rows.push(h("p", { class: "small", id: "auto-last" }, `${format.time(Date.parse(last.slot_utc))} · ${words(`home.auto.why.${last.why}`, { energy: kwh(last.energy_wh, format) })}`));
  const by = signedMark(running.signed_by, words);
  if (by) rows.push(by);
  const stop = h("button", { type: "button", class: "small-button", id: "auto-stop", onclick: (event) => stopIt(event.currentTarget, { running, prices, instructions, told }, ctx) }, words("home.auto.stop"));
  place.replaceChildren(...rows, h("p", { class: "links" }, stop, h("a", { href: `/verify?order=${running.id}` }, words("home.receipt"))), told);
}

const kwh = (wh, format) => `${format.number(decimalOf(BigInt(wh), 3), 0, 3)}\u00a0kWh`;

async function stopIt(button, { running, prices, instructions, told }, ctx) {
  const { words, account } = ctx;
  button.disabled = true;
  try {
    const slot = String(Date.parse(instructions.next_slot_utc) / 1000);
    const message = { account, slot, order_id: running.id, nonce: newNonce() };
    if (await signOnce(ctx, told, { type: "Cancel", path: "/v1/instructions/stop", message, domain: prices.domain })) await ctx.refresh();
  } catch (error) {
    told.replaceChildren(...troubleNodes(error, words));
  } finally {
    button.disabled = false;
  }
}

function makeForm(ctx) {
  const { words, format } = ctx;
  let data = null;
  const text = (id) => h("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", oninput: changed });
  const tick = (id, key) => h("label", { class: "radio" }, h("input", { type: "checkbox", id, checked: true, onchange: changed }), " ", words(key));
  const inputs = { sell: text("auto-sell"), buy: text("auto-buy"), energy: text("auto-energy"), won: text("auto-won") };
  const until = h("input", { id: "auto-until", type: "date", required: true, onchange: changed });
  const sentence = h("output", { class: "sentence", id: "auto-sentence", for: "auto-sell auto-buy auto-energy auto-won auto-until" });
  const told = h("p", { class: "told", id: "auto-told", role: "status" });
  const sign = h("button", { type: "submit", class: "main", id: "auto-sign" }, ctx.signer.label);
  const element = h("form", { class: "trade", novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(); } },
    h("p", { class: "small" }, words("home.auto.how")),
    h("fieldset", null, h("legend", null, words("home.auto.ways")), tick("auto-sells", "home.auto.sells"), tick("auto-buys", "home.auto.buys")),
    field(inputs.sell, words("home.auto.sell")), field(inputs.buy, words("home.auto.buy")), field(inputs.energy, words("home.auto.energy")),
    field(inputs.won, words("home.auto.won")), field(until, words("home.auto.until")), sentence, signerNote(ctx), sign, told);
  const { mark, unmark } = marksOf([...Object.values(inputs), until], sentence);
  const wants = (id) => element.querySelector(`#${id}`).checked;

  const number = (input, key) => amountOf(input, words(key));
  const limit = (input) => String(limitOf(input, data.prices.rules, words));

  // What would be signed; throws the sentence that says what is wrong with a field.
  function read() {
    const sells = wants("auto-sells"), buys = wants("auto-buys");
    if (!sells && !buys) throw new FieldError(words("home.auto.no_way"), element.querySelector("#auto-sells"));
    const sell = sells ? limit(inputs.sell) : "0", buy = buys ? limit(inputs.buy) : "0";
    const wh = number(inputs.energy, "home.trade.bad_energy");
    if (wh < 1n || wh > 1_000_000_000n) throw new FieldError(words("home.trade.bad_energy"), inputs.energy);
    const won = buys ? number(inputs.won, "home.auto.bad_won") : 0n;
    if (buys && won < 1n) throw new FieldError(words("home.auto.bad_won"), inputs.won);
    const first = Date.parse(data.instructions.next_slot_utc) / 1000, end = until.value ? lastMoment(until.value, format.zone) / 1000 : 0;
    if (end <= first || end > first + 366 * 86_400) throw new FieldError(words("home.auto.bad_until"), until);
    return {
      account: data.home.account, sides: String((sells ? SELL : 0) + (buys ? BUY : 0)), sell_from_mkrw_per_kwh: sell,
      buy_up_to_mkrw_per_kwh: buy, day_cap_wh: String(wh), day_cap_ukrw: String(won * 1000n), first_slot: String(first),
      end_slot: String(end), rules_version: String(data.prices.rules.version),
      replaces: runningOf(data.instructions)?.id ?? NO_ORDER, nonce: newNonce(),
    };
  }

  const sender = signedSender({
    type: "StandingInstruction", path: "/v1/instructions", again: "home.auto.again",
    sign, told, words, read, mark, domain: () => data.prices.domain, signer: ctx.signer,
  });

  // Another instruction is wanted than the one that may be waiting for its answer.
  function changed() {
    sender.forget();
    show();
  }

  function show() {
    if (!data) return;
    inputs.sell.disabled = !wants("auto-sells");
    for (const one of [inputs.buy, inputs.won]) one.disabled = !wants("auto-buys");
    unmark();
    if (Object.values(inputs).some((one) => !one.disabled && !one.value)) { setText(sentence, ""); return; }
    try {
      setText(sentence, instructionSentence(read(), ctx, ctx.state.get("nowMs")));
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      mark(error);
    }
  }

  async function submit() {
    const answer = await sender.send();
    if (!answer) return;
    setText(told, words("home.auto.accepted", { time: format.time(Date.parse(answer.receipt.sealed_by_utc)) }));
    element.dataset.instruction = answer.id;
    for (const one of Object.values(inputs)) one.value = "";
    show();
    await ctx.refresh();
  }

  return {
    element,
    update(found) {
      const isFirst = !data;
      data = found;
      if (!isFirst) return;
      const ms = ctx.state.get("nowMs") + DAYS_AHEAD * DAY_MS;
      until.value = new Intl.DateTimeFormat("en-CA", { timeZone: format.zone }).format(ms);
      show();
    },
  };
}
