// One quantity about now: measured and what had been foreseen behind, the fan ahead. Powers in kW, prices in won.
import { peakOf, powerScale, startOf, stepOf } from "../series.js";

export const QUANTITIES = [["load", "use-text"], ["pv", "solar"], ["heat", "foreseen-heat"], ["price", "market"]];
const LOW_90 = 0, LOW_50 = 2, MEDIAN = 3, HIGH_50 = 4, HIGH_90 = 6;

// The share of the truth that an 80 % band held; null where nothing has been compared yet.
export const shareOf = (verification, name) => verification.quantities[name]?.all?.inside_80_frac ?? null;

export function courseModel(data, name, { words, format }) {
  const unitName = name === "price" ? "krw_per_kwh" : "kw";
  const rows = data.quantities[name][`quantiles_${unitName}`], measured = data.quantities[name][`measured_${unitName}`];
  const color = QUANTITIES.find(([key]) => key === name)[1];
  const count = measured.length, startMs = startOf(data), stepMs = stepOf(data);
  const { unit, scale, column, show } = name === "price" ? priceScale(words, format) : { ...powerScale(format, rows[HIGH_90], measured), show: format.power };
  const top = peakOf(rows[MEDIAN], data.now_index);
  const quantity = words(`quantity.${name}`);
  return {
    startMs, stepMs, count, unit, scale, nowIndex: data.now_index, panels: [{}],
    quality: measured.map((value) => (value === null ? "plan" : "measured")),
    finding: top === null ? words("foresight.plain", { quantity }) : words("foresight.finding", {
      quantity, time: format.dateTime(startMs + top * stepMs), power: show(rows[MEDIAN][top]),
      low: show(rows[1][top]), high: show(rows[5][top]),
    }),
    about: words("foresight.about", { hours: format.count(data.lead_back_h) }),
    bands: [{ name: color, low: rows[LOW_90], high: rows[HIGH_90] }, { name: color, low: rows[LOW_50], high: rows[HIGH_50] }],
    lines: [{ name: color, values: rows[MEDIAN], kind: "median" }, { name: color, values: measured, kind: "measured" }],
    key: [{ name: color, shape: "line", label: words("foresight.measured") }, { name: color, shape: "band", label: words("foresight.band") }],
    columns: [column(`measured_${unitName}`, words("quality.measured"), measured),
      column(`q50_${unitName}`, words("forecast.median"), rows[MEDIAN]),
      ...[[LOW_90, "q05", "5 %"], [1, "q10", "10 %"], [LOW_50, "q25", "25 %"], [HIGH_50, "q75", "75 %"], [5, "q90", "90 %"], [HIGH_90, "q95", "95 %"]]
        .map(([row, key, label]) => column(`${key}_${unitName}`, label, rows[row]))],
  };
}

function priceScale(words, format) {
  const unit = words("unit.krw_per_kwh"), show = (krw) => format.price(String(krw));
  return { unit, scale: 1, show, column: (key, label, values) => ({ key, label, unit, values, show, plain: (krw) => format.number(krw, 1) }) };
}
