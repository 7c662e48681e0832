// The month's sums in one list, and the way to other months.
import { h } from "../../../dom.js";
import { definitions } from "../block.js";

export function makeMonth({ words, format }) {
  return (body) => {
    const choice = h("nav", { class: "months", "aria-label": words("month.choose") }), lists = h("div", { class: "sums" });
    body.append(choice, lists);
    return (report) => {
      choice.replaceChildren(...neighbours(report).map(([name, key]) => h("a", { href: `/reports?month=${name}` }, words(key, { month: name }))));
      lists.replaceChildren(...groups(report, words, format).map(([key, pairs]) => h("section", null, h("h3", null, words(key)), definitions(pairs.map(([name, text]) => [words(name), text])))));
    };
  };
}

function neighbours({ month, oldest, newest }) {
  const step = (by) => { const [year, at] = month.split("-").map(Number); const all = year * 12 + at - 1 + by; return `${Math.floor(all / 12)}-${String((all % 12) + 1).padStart(2, "0")}`; };
  return [...(month > oldest ? [[step(-1), "month.before"]] : []), ...(month < newest ? [[step(1), "month.after"]] : [])];
}

function groups({ totals, demand_response: dr, bills }, words, format) {
  const share = (value) => (format.known(value) ? format.percent(value) : "–");
  const price = format.known(totals.price_krw_per_kwh) ? format.price(totals.price_krw_per_kwh) : words("market.no_trade");
  const tiers = Object.entries(totals.tiers).map(([tier, count]) => `${tier} ${format.count(count)}`).join(" · ") || "–";
  return [
    ["month.energy", [
      ...["import_kwh", "export_kwh", "generation_kwh", "load_kwh", "cars_kwh"].map((name) => [`report.${name}`, format.energy(totals[name])]),
      ["report.self_sufficiency_frac", share(totals.self_sufficiency_frac)], ["report.self_consumption_frac", share(totals.self_consumption_frac)],
      ["report.peak_kw", format.known(totals.peak_kw) ? format.power(totals.peak_kw) : "–"],
    ]],
    ["month.money", [
      ...["cost_krw", "baseline_cost_krw", "saved_krw"].map((name) => [`report.${name}`, format.won(totals[name])]),
      ["report.co2_t", format.tonnes(totals.co2_t)], ["report.baseline_co2_t", format.tonnes(totals.baseline_co2_t)],
      ...(bills ? [["report.bills", format.count(bills.bills)], ["report.bills_sum", format.won(bills.total_krw)], ["report.bills_alone", format.won(bills.alone_krw)]] : [["report.bills", words("report.not_closed")]]),
    ]],
    ["month.market", [
      ["report.volume_kwh", format.energy(totals.volume_kwh)], ["report.price_krw_per_kwh", price],
      ["report.welfare_krw", format.won(totals.welfare_krw)], ["report.market_saved_krw", format.won(totals.market_saved_krw)],
      ["report.dr_events", format.count(dr.events)], ["report.dr_reduced", format.energy(dr.reduced_kwh)],
      ["report.dr_reward", format.won(dr.reward_krw)], ["report.dr_penalty", format.won(dr.penalty_krw)],
    ]],
    ["month.loop", [
      ["report.measured_slots", format.count(totals.measured_slots)], ["report.tiers", tiers], ["report.missed", format.count(totals.missed)],
    ]],
  ];
}
