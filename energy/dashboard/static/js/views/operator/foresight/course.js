// One quantity about now: measured and what had been foreseen behind, the fan ahead.
import { peakOf, powerScale, startOf, stepOf } from "../series.js";

export const QUANTITIES = [["load", "use-text"], ["pv", "solar"], ["heat", "foreseen-heat"]];
const LOW_90 = 0, LOW_50 = 2, MEDIAN = 3, HIGH_50 = 4, HIGH_90 = 6;

// The share of the truth that an 80 % band held; null where nothing has been compared yet.
export const shareOf = (verification, name) => verification.quantities[name]?.all?.inside_80_frac ?? null;

export function courseModel(data, name, { words, format }) {
  const { quantiles_kw: rows, measured_kw: measured } = data.quantities[name];
  const color = QUANTITIES.find(([key]) => key === name)[1];
  const count = measured.length, startMs = startOf(data), stepMs = stepOf(data);
  const { unit, scale, column } = powerScale(format, rows[HIGH_90], measured);
  const top = peakOf(rows[MEDIAN], data.now_index);
  const quantity = words(`quantity.${name}`);
  return {
    startMs, stepMs, count, unit, scale, nowIndex: data.now_index, panels: [{}],
    quality: measured.map((value) => (value === null ? "plan" : "measured")),
    finding: top === null ? words("foresight.plain", { quantity }) : words("foresight.finding", {
      quantity, time: format.dateTime(startMs + top * stepMs), power: format.power(rows[MEDIAN][top]),
      low: format.power(rows[1][top]), high: format.power(rows[5][top]),
    }),
    about: words("foresight.about", { hours: format.count(data.lead_back_h) }),
    bands: [{ name: color, low: rows[LOW_90], high: rows[HIGH_90] }, { name: color, low: rows[LOW_50], high: rows[HIGH_50] }],
    lines: [{ name: color, values: rows[MEDIAN], kind: "median" }, { name: color, values: measured, kind: "measured" }],
    key: [{ name: color, shape: "line", label: words("foresight.measured") }, { name: color, shape: "band", label: words("foresight.band") }],
    columns: [column("measured_kw", words("quality.measured"), measured),
      column("q50_kw", words("forecast.median"), rows[MEDIAN]),
      ...[[LOW_90, "q05_kw", "5 %"], [1, "q10_kw", "10 %"], [LOW_50, "q25_kw", "25 %"], [HIGH_50, "q75_kw", "75 %"], [5, "q90_kw", "90 %"], [HIGH_90, "q95_kw", "95 %"]]
        .map(([row, key, label]) => column(key, label, rows[row]))],
  };
}
