// Balance, import and forecast as chart models.
import { SOURCES, USES } from "./flows.js";
import { frame, padded, peakOf, powerScale, startOf, stepOf, sum } from "./series.js";

export function balanceModel(data, snapshot, { words, format }) {
  const arrays = [...Object.values(data.sources), ...Object.values(data.uses)];
  const base = { ...frame(data, snapshot, arrays), nowIndex: data.now_index };
  const totals = (columns, order) => order.filter(([key]) => columns[key]).map(([key, name]) => ({ key, name, values: padded(columns[key], base.count) }));
  const up = totals(data.sources, SOURCES), down = totals(data.uses, USES);
  const height = [up, down].map((side) => Array.from({ length: base.count }, (_, i) => sum(side.map((layer) => layer.values[i]))));
  const power = powerScale(format, ...height);
  const largest = largestSource(up, base.nowIndex);
  return {
    ...base, quality: data.quality, up, down, unit: power.unit, scale: power.scale, panels: [{}],
    finding: largest ? words("balance.finding", { source: words(`short.${largest.key}`), share: format.percent(largest.share) }) : words("balance.plain"),
    about: words("balance.about"),
    key: keyOf(up, down, words, data.quality),
    columns: quietly([...up.map((layer) => power.column(`${layer.key}_source_kw`, words(`source.${layer.key}`), layer.values)),
      ...down.map((layer) => power.column(`${layer.key}_use_kw`, words(`use.${layer.key}`), layer.values))]),
  };
}

// Carriers that give or take nothing are left out of the sentence, not of the table.
const quietly = (columns) => columns.map((column) => ({ ...column, quiet: true }));

function largestSource(up, from) {
  const amounts = up.map((layer) => ({ key: layer.key, amount: sum(layer.values.slice(from)) })).sort((a, b) => b.amount - a.amount);
  const all = sum(amounts.map((source) => source.amount));
  return all > 0 ? { key: amounts[0].key, share: amounts[0].amount / all } : null;
}

function keyOf(up, down, words, quality) {
  const seen = new Set();
  const key = [];
  for (const layer of [...up, ...down]) {
    if (seen.has(layer.key) || !layer.values.some((value) => value > 0)) continue;
    seen.add(layer.key);
    key.push({ name: layer.name, label: words(`short.${layer.key}`) });
  }
  if (quality?.includes("estimated")) key.push({ name: "estimate", shape: "hatched", label: words("quality.estimated") });
  return key;
}

export function importModel(data, snapshot, { words, format }) {
  const base = frame(data, snapshot, [data.measured_kw, data.plan_kw, data.q90_kw]);
  const fit = (values) => padded(values, base.count);
  const measured = fit(data.measured_kw), plan = fit(data.plan_kw), low = fit(data.q10_kw), middle = fit(data.q50_kw), high = fit(data.q90_kw);
  const power = powerScale(format, measured, plan, high);
  const at = peakOf(plan, base.nowIndex);
  const time = (i) => format.time(startOf(data) + i * stepOf(data));
  const level = (name, kw) => (format.known(kw) ? [{ name, value: kw, label: words(`import.${name}`, { power: format.power(kw) }), labelAbove: words(`import.${name}_above`, { power: format.power(kw) }) }] : []);
  return {
    ...base, unit: power.unit, scale: power.scale, panels: [{}],
    finding: at === null ? words("import.plain") : plan[at] < 0.05 ? words("import.finding_none") : words("import.finding", { time: time(at), power: format.power(plan[at]) }),
    about: words("import.about"),
    bands: [{ name: "kepco", low, high }],
    lines: [{ name: "kepco", values: middle, kind: "median" }, { name: "kepco", values: measured, kind: "measured" }, { name: "kepco", values: plan.map((value, i) => (i < base.nowIndex ? null : value)), kind: "plan" }],
    levels: [...level("peak", data.peak_so_far_kw), ...level("limit", data.limit_kw)],
    key: [{ name: "kepco", shape: "line", label: words("import.key_line") }, { name: "kepco", shape: "band", label: words("import.key_band") }],
    columns: [power.column("measured_kw", words("quality.measured"), measured), power.column("plan_kw", words("quality.plan"), plan),
      power.column("q10_kw", "10 %", low), power.column("q50_kw", words("forecast.median"), middle), power.column("q90_kw", "90 %", high)],
  };
}

export function forecastModel(data, snapshot, { words, format }) {
  const load = data.load_kw, solar = data.solar_kw;
  const base = frame(data, snapshot, [load?.q50, solar?.q50]);
  const fit = (values) => padded(values, base.count);
  const power = powerScale(format, load?.q90, solar?.q90);
  const series = [["load", "use-text", load], ["solar", "solar", solar]].filter(([, , q]) => q);
  const peak = (q) => { const at = peakOf(q?.q50 ?? [], 0); return at === null ? null : { time: format.time(startOf(data) + at * stepOf(data)), power: format.power(q.q50[at]) }; };
  const tops = { load: peak(load), solar: peak(solar) };
  return {
    ...base, nowIndex: base.nowIndex, unit: power.unit, scale: power.scale, panels: [{}],
    finding: tops.load && tops.solar ? words("forecast.finding", { loadTime: tops.load.time, load: tops.load.power, solarTime: tops.solar.time, solar: tops.solar.power }) : words("forecast.plain"),
    about: words("forecast.about"),
    bands: series.map(([, name, q]) => ({ name, low: fit(q.q10), high: fit(q.q90) })),
    lines: series.map(([, name, q]) => ({ name, values: fit(q.q50), kind: "plan" })),
    key: series.flatMap(([key, name]) => [{ name, shape: "line", label: words(`forecast.${key}`) }]).concat([{ name: "use-text", shape: "band", label: words("forecast.band") }]),
    columns: series.flatMap(([key, , q]) => [["q50", "forecast.median"], ["q10", null], ["q90", null]].map(([field, label]) =>
      power.column(`${key}_${field}_kw`, `${words(`forecast.${key}`)} ${label ? words(label) : `${field.slice(1)} %`}`, fit(q[field])))),
    tiers: data.tier,
  };
}
