// The month's sums in one list, and the way to other months.
import { h } from "../../../dom.js";
import { definitions } from "../block.js";

export function makeMonth({ words, format }) {
  return (body) => {
    const choice = h("nav", { class: "months", "aria-label": words("month.choose") }), lists = h("div", { class: "sums" }), notes = h("div", { id: "not-kept" });
    body.append(choice, lists, notes);
    return (report) => {
      choice.replaceChildren(...neighbours(report).map(([name, key]) => h("a", { href: `/reports?month=${name}` }, words(key, { month: name }))));
      lists.replaceChildren(...groups(report, words, format).map(([key, pairs]) => h("section", null, h("h3", null, words(key)), definitions(pairs.map(([name, text]) => [words(name), text])))));
      notes.replaceChildren(...report.not_kept.map((one) => h("p", { class: "small" }, words("month.not_kept", {
        figures: one.figures.map((name) => words(`report.${name}`)).join(", "), days: format.count(one.kept_days), since: format.dateTime(Date.parse(one.kept_from_utc)),
      }))));
    };
  };
}

function neighbours({ month, oldest, newest }) {
  const step = (by) => { const [year, at] = month.split("-").map(Number); const all = year * 12 + at - 1 + by; return `${Math.floor(all / 12)}-${String((all % 12) + 1).padStart(2, "0")}`; };
  return [...(month > oldest ? [[step(-1), "month.before"]] : []), ...(month < newest ? [[step(1), "month.after"]] : [])];
}

function groups({ totals, demand_response: dr, bills, not_kept: lost }, words, format) {
  const gone = new Set(lost.flatMap((one) => one.figures));
  const show = (name, text, none = "–") => [`report.${name}`, format.known(totals[name]) ? text(totals[name]) : gone.has(name) ? words("report.not_kept") : none];
  const all = (text, ...names) => names.map((name) => show(name, text));
  const tiers = Object.entries(totals.tiers).map(([tier, count]) => `${tier} ${format.count(count)}`).join(" · ") || "–";
  return [
    ["month.energy", [
      ...all((kwh) => format.energy(kwh), "import_kwh", "export_kwh", "generation_kwh", "load_kwh", "cars_kwh"),
      ...all(format.percent, "self_sufficiency_frac", "self_consumption_frac"), show("peak_kw", (kw) => format.power(kw)),
    ]],
    ["month.money", [
      ...all((won) => format.won(won), "cost_krw", "demand_charge_krw", "baseline_cost_krw", "baseline_demand_charge_krw", "saved_krw"), ...all(format.tonnes, "co2_t", "baseline_co2_t"),
      ...(bills ? [["report.bills", format.count(bills.bills)], ["report.bills_sum", format.won(bills.total_krw)], ["report.bills_alone", format.won(bills.alone_krw)]] : [["report.bills", words("report.not_closed")]]),
    ]],
    ["month.market", [
      show("volume_kwh", (kwh) => format.energy(kwh)), show("price_krw_per_kwh", format.price, words("market.no_trade")),
      ...all((won) => format.won(won), "welfare_krw", "market_saved_krw"),
      ["report.dr_events", format.count(dr.events)], ["report.dr_reduced", format.energy(dr.reduced_kwh)],
      ["report.dr_reward", format.won(dr.reward_krw)], ["report.dr_penalty", format.won(dr.penalty_krw)],
    ]],
    ["month.loop", [show("measured_slots", format.count), ["report.tiers", tiers], ["report.missed", format.count(totals.missed)]]],
  ];
}
