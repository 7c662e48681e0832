// My car: how it stands and what is promised; a wish, what it would do, and then the wish itself.
import { newKey, postJson, postOnce } from "../../api.js";
import { field, h, setText } from "../../dom.js";
import { block, definitions } from "../operator/block.js";
import { isNought } from "./amounts.js";
import { slotText } from "./sentences.js";
import { FieldError, marksOf } from "./signed_form.js";
import { troubleNodes } from "./signing.js";

const QUARTER_MS = 900_000;
const LEVEL_MIN = 10, LEVEL_MAX = 100;

export function carBlock(ctx) {
  const { words } = ctx;
  const pick = ({ car }) => { if (car instanceof Error) throw car; return car.car ? car : null; };
  const empty = ({ car }) => words(car.point ? "home.car.none" : "home.car.no_point");
  return block({ ctx, id: "car", span: 12, title: "home.car", pick, empty, make: (body) => makeCar(body, ctx), asOf: ({ car }) => Date.parse(car.as_of_utc) });
}

function makeCar(body, ctx) {
  const { words, format, state } = ctx;
  let data = null, asked = null, key = null;
  const stands = h("div"), told = h("p", { class: "told", id: "car-told", role: "status" });
  const leaves = h("select", { id: "car-leaves", onchange: changed });
  const level = (id) => h("input", { id, type: "number", inputmode: "numeric", min: LEVEL_MIN, max: LEVEL_MAX, step: 1, required: true, oninput: changed });
  const target = level("car-target"), floor = level("car-floor");
  const gives = h("input", { id: "car-gives", type: "checkbox", onchange: changed }), now = h("input", { id: "car-now", type: "checkbox", onchange: changed });
  const tick = (input, key_) => h("label", { class: "radio" }, input, " ", words(key_));
  const lowest = h("div", { class: "lowest" }, tick(gives, "home.car.gives"), field(floor, words("home.car.floor")));
  const outcome = h("output", { class: "sentence", id: "car-outcome" });
  const { mark, unmark } = marksOf([target, floor], outcome);
  const check = h("button", { type: "submit", id: "car-check" }, words("home.car.check"));
  const confirm = h("button", { type: "button", class: "main", id: "car-confirm", hidden: true, onclick: () => act(set) }, words("home.car.do"));
  const form = h("form", { class: "trade", novalidate: true, onsubmit: (event) => { event.preventDefault(); act(ask); } },
    field(leaves, words("home.car.leaves")), field(target, words("home.car.target")), lowest, tick(now, "home.car.now"), outcome, h("p", { class: "answers" }, check, " ", confirm), told);
  body.append(h("div", { class: "halves" }, stands, form));

  const when = (utc) => slotText(Date.parse(utc), format, state.get("nowMs")).replace(/–[\d:]+$/, "");
  function levelOf(input, most, key_) {
    const text = input.value.trim(), value = Number(text);
    if (!/^\d+$/.test(text) || value < LEVEL_MIN || value > most) throw new FieldError(words(key_, { low: String(LEVEL_MIN), high: String(most) }), input);
    return value;
  }

  // What would be asked; throws the sentence that says what is wrong with a level.
  function read() {
    const target_pct = levelOf(target, LEVEL_MAX, "home.car.bad_target");
    return {
      stay: data.car.stay, departure_utc: new Date(Number(leaves.value)).toISOString().replace(".000", ""), target_pct,
      floor_pct: gives.checked && data.car.can_discharge ? levelOf(floor, target_pct, "home.car.bad_floor") : null, charge_now: now.checked,
    };
  }

  // What was worked out is for other values: it goes, and with it the button that confirms it.
  function changed() {
    asked = null;
    confirm.hidden = true;
    setText(outcome, "");
    floor.disabled = !gives.checked;
    unmark();
    try {
      read();
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      mark(error);
    }
  }

  async function ask() {
    const wish = read();
    const found = await postJson("/v1/me/car/outcome", wish);
    const values = { time: when(wish.departure_utc), target: `${wish.target_pct}\u00a0%`, reach: `${found.reach_pct}\u00a0%`, earliest: when(found.earliest_departure_utc) };
    if (!found.kept) { setText(outcome, words("home.car.cannot", values)); return; }
    asked = wish;
    key = newKey();
    setText(outcome, wish.charge_now
      ? words(isNought(found.extra_krw) ? "home.car.outcome_same" : "home.car.outcome_now", { ...values, full: when(found.full_utc), kwh: format.energy(found.drawn_kwh, "kWh"), won: format.won(found.extra_krw) })
      : words("home.car.outcome", { ...values, kwh: format.energy(found.drawn_kwh, "kWh") }));
    setText(confirm, words(wish.charge_now ? "home.car.confirm_now" : "home.car.confirm", values));
    confirm.hidden = false;
  }

  async function set() {
    const found = await postOnce("/v1/me/car", asked, key);
    changed();
    setText(told, words("home.car.set", { time: format.time(Date.parse(found.wish.from_utc)) }));
    await ctx.refresh();
  }

  async function act(step) {
    check.disabled = confirm.disabled = true;
    setText(told, "");
    try {
      await step();
    } catch (error) {
      if (error instanceof FieldError) { mark(error); error.input.focus(); }
      else told.replaceChildren(...troubleNodes(error, words));
    } finally {
      check.disabled = confirm.disabled = false;
    }
  }

  function fill({ car, wish }) {
    const first = Date.parse(data.first_slot_utc) + QUARTER_MS, last = Date.parse(data.latest_departure_utc);
    const kept = leaves.value, times = Array.from({ length: (last - first) / QUARTER_MS + 1 }, (_, i) => first + i * QUARTER_MS);
    leaves.replaceChildren(...times.map((ms) => h("option", { value: ms }, when(new Date(ms).toISOString()))));
    const isNew = form.dataset.stay !== car.stay, isPast = Number(kept) < first;
    leaves.value = isNew || isPast ? String(Math.max(first, Date.parse(car.departure_utc))) : kept;
    lowest.hidden = !car.can_discharge;
    if (!isNew) {
      if (isPast) changed();
      return;
    }
    form.dataset.stay = car.stay;
    target.value = car.target_pct;
    gives.checked = car.floor_pct !== null;
    floor.value = car.floor_pct ?? 30;
    now.checked = wish?.charge_now ?? false;
    changed();
  }

  function show({ car, wish }) {
    const power = car.power_kw === null ? null : words(car.power_kw > 0.05 ? "home.car.charges" : car.power_kw < -0.05 ? "home.car.gives_now" : "home.car.waits", { kw: format.power(Math.abs(car.power_kw), "kW") });
    stands.replaceChildren(
      h("p", { class: "sentence" }, words(car.kept ? "home.car.kept" : "home.car.short", { content: `${car.content_pct}\u00a0%`, time: when(car.departure_utc), target: `${car.target_pct}\u00a0%` })),
      definitions([
        [words("home.car.content"), `${car.content_pct}\u00a0%`, `${format.energy(car.content_kwh, "kWh")} / ${format.kwh(car.capacity_kwh)}`],
        power ? [words("home.car.power"), power, format.time(Date.parse(car.as_of_utc))] : null,
        [words("home.car.lowest"), car.floor_pct === null ? words("home.car.never") : `${car.floor_pct}\u00a0%`],
        [words("home.car.said"), words(wish ? "home.car.by_you" : "home.car.by_charger"), wish ? format.dateTime(Date.parse(wish.from_utc)) : null],
      ]),
      h("p", { class: "small" }, words("home.car.about")));
  }

  return (found) => {
    data = found;
    fill(found);
    show(found);
  };
}
