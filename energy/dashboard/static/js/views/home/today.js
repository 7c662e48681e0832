// The answer, the figures and the chart of the day: what the meter counted and what trading brought.
import { h } from "../../dom.js";
import { block, chartBlock } from "../operator/block.js";
import { powerScale } from "../operator/series.js";
import { bare, isBelow, isNought } from "./amounts.js";
import { messageOf, orderSentence } from "./sentences.js";

const HOURS_OF_WH = 4 / 1000; // Wh of a quarter hour as mean kW

const homeOf = ({ home }) => home;
const isToday = (ms, { format, state }) => format.date(ms) === format.date(state.get("nowMs"));
const until = (period, { format }) => format.time(Date.parse(period.to_utc));

export function homeAnswer({ home }, ctx) {
  const { words, format } = ctx;
  if (!home.meter) return words("home.answer.no_meter");
  if (!home.sums) return words("home.answer.none_yet");
  if (!home.sums.day) return words("home.answer.counting", { done: format.count(home.sums.counted.done), all: format.count(home.sums.counted.all) });
  const { day } = home.sums, kind = isNought(day.saved_krw) ? "same" : isBelow(day.saved_krw) ? "dearer" : "cheaper";
  const values = { won: format.won(bare(day.saved_krw)), time: until(day, ctx) };
  return words(`${isToday(Date.parse(day.from_utc), ctx) ? "home.answer" : "home.answer.yesterday"}.${kind}`, values);
}

export function homeNext({ home, orders, prices }, ctx) {
  const { words, format, state } = ctx;
  if (!home.meter) return "";
  const live = Array.isArray(orders.items) ? orders.items.filter((row) => row.status === "ACCEPTED") : [];
  if (live.length) {
    const next = live.reduce((best, row) => (row.slot_utc < best.slot_utc ? row : best));
    return words("home.next.order", { order: orderSentence(messageOf(next), ctx, state.get("nowMs")), time: format.time(Date.parse(next.gate_utc)) });
  }
  if (!prices.open) return "";
  const slot = Date.parse(prices.open.first_slot_utc);
  return words("home.next.none", { slot: format.slot(slot), time: format.time(slot - prices.open.gate_lead_s * 1000) });
}

export function figuresBlock(ctx) {
  const { words } = ctx;
  return block({ ctx, id: "figures", span: 12, pick: (all) => (homeOf(all).day ? homeOf(all) : null), empty: () => words("home.none_yet"), make: makeTiles(ctx), asOf: ({ day }) => Date.parse(day.end_utc) });
}

function makeTiles(ctx) {
  return (body) => {
    const row = h("div", { class: "tiles" });
    body.append(row);
    return (home) => row.replaceChildren(...tilesOf(home, ctx).map(([name, value, note, tone, label]) => tile(name, value, note, tone, ctx, label)));
  };
}

function tile(name, value, note, tone, { words }, label = `home.figure.${name}`) {
  const how = words.has(`home.figure.${name}.how`) ? h("details", { class: "how" }, h("summary", null, words("figure.how")), h("p", null, words(`home.figure.${name}.how`))) : null;
  return h("div", { class: "tile", "data-figure": name }, h("p", { class: "label" }, words(label)), h("p", { class: `big ${tone ?? ""}` }, value), h("p", { class: "muted" }, note), how);
}

// What this home has not, such as sun, is left out and not nought.
function tilesOf({ day, sums, meter, marginal }, ctx) {
  const { words, format } = ctx;
  const period = words("home.until", { time: format.time(Date.parse(day.end_utc)) });
  const saved = (found) => (found ? [format.won(bare(found.saved_krw)), words(`home.figure.${isBelow(found.saved_krw) ? "dearer" : "cheaper"}`), isBelow(found.saved_krw) ? "dearer" : "cheaper"]
    : ["–", sums ? words("home.counting", { done: format.count(sums.counted.done), all: format.count(sums.counted.all) }) : "", ""]);
  const [today, todayNote, todayTone] = saved(sums?.day), [month, monthNote, monthTone] = saved(sums?.month);
  const total = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0) / 1000;
  const feeds = meter?.has_solar || day.export_kwh > 0;
  return [
    ["saved", today, `${todayNote} · ${period}`, todayTone, isToday(Date.parse(day.start_utc), ctx) ? undefined : "home.figure.saved_yesterday"],
    ["month", month, sums?.month ? `${monthNote} · ${words("home.since", { date: format.date(Date.parse(sums.month.from_utc)) })}` : monthNote, monthTone],
    ["drawn", format.energy(day.import_kwh, "kWh"), words("home.figure.drawn.note", { part: format.energy(total(day.bought_wh), "kWh"), period })],
    feeds ? ["given", format.energy(day.export_kwh, "kWh"), words("home.figure.given.note", { part: format.energy(total(day.sold_wh), "kWh"), period })] : null,
    marginal ? ["marginal", format.price(marginal.krw_per_kwh), words("home.figure.marginal.note", { kwh: format.kwh(marginal.month_kwh) })] : null,
  ].filter(Boolean);
}

export function chartOfDay(ctx) {
  const { words } = ctx;
  return chartBlock(ctx, { id: "day", span: 12, heights: [220], model: dayModel, pick: (all) => homeOf(all).day, empty: () => words("home.none_yet"), asOf: (day) => Date.parse(day.end_utc) });
}

function dayModel(day, all, { words, format, state }) {
  const startMs = Date.parse(day.start_utc), stepMs = day.step_s * 1000, known = day.import_wh.length;
  const count = Math.max(known, 24 * 4);
  const kw = (values) => Array.from({ length: count }, (_, i) => (i < known && values[i] !== null ? values[i] * HOURS_OF_WH : null));
  const rest = (whole, part) => whole.map((wh, i) => (wh === null ? null : Math.max(0, wh - (part[i] ?? 0))));
  const bought = kw(day.bought_wh), kepco = kw(rest(day.import_wh, day.bought_wh)), sold = kw(day.sold_wh), fed = kw(rest(day.export_wh, day.sold_wh));
  const power = powerScale(format, kw(day.import_wh), kw(day.export_wh));
  const price = Array.from({ length: count }, (_, i) => day.price_krw_per_kwh[i] ?? null);
  const values = { import: format.energy(day.import_kwh, "kWh"), export: format.energy(day.export_kwh, "kWh") };
  return {
    startMs, stepMs, count, nowIndex: Math.min(count, Math.max(0, Math.floor((state.get("nowMs") - startMs) / stepMs))),
    quality: Array.from({ length: count }, (_, i) => (i < known && day.import_wh[i] !== null ? "measured" : "missing")),
    unit: power.unit, scale: power.scale, panels: [{}], slotwise: true,
    finding: words(day.export_kwh > 0 ? "home.day.finding" : "home.day.finding_import", values),
    about: words("home.day.about"),
    up: [{ name: "market", values: bought }, { name: "kepco", values: kepco }],
    down: day.export_kwh > 0 ? [{ name: "market", values: sold }, { name: "solar", values: fed }] : [],
    key: [["market", "neighbours"], ["kepco", "kepco"], ...(day.export_kwh > 0 ? [["solar", "fed"]] : [])].map(([name, word]) => ({ name, label: words(`home.day.${word}`) })),
    columns: [
      power.column("bought_kw", words("home.day.bought"), bought), power.column("kepco_kw", words("home.day.kepco"), kepco),
      power.column("sold_kw", words("home.day.sold"), sold), power.column("fed_kw", words("home.day.fed"), fed),
      { key: "price_krw_per_kwh", label: words("home.day.price"), unit: "₩/kWh", values: price, show: (text) => format.price(text), plain: (text) => text },
    ].map((column) => ({ ...column, quiet: true })),
    absent: words("home.day.absent"),
  };
}

