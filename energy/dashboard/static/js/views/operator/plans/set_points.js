// Set-points of the horizon by class of assets, and what one more kWh would cost in each slot.
import { SOURCES, USES } from "../flows.js";
import { frame, padded, peakOf, powerScale, startOf, stepOf, sum } from "../series.js";

// Sun, homes and losses come as they are: nobody sets them.
const UNSET = ["solar", "homes_buildings", "losses"];

export function setPointsModel(plan, snapshot, { words, format }) {
  const base = { ...frame(plan, snapshot, [...Object.values(plan.sources), ...Object.values(plan.uses)]), nowIndex: 0 };
  const layers = (columns, order) => order.filter(([key]) => columns[key] && !UNSET.includes(key)).map(([key, name]) => ({ key, name, values: padded(columns[key], base.count) }));
  const up = layers(plan.sources, SOURCES), down = layers(plan.uses, USES);
  const total = (side, all) => Array.from({ length: base.count }, (_, i) => sum(side.filter(({ key }) => all || key !== "kepco").map((layer) => layer.values[i])));
  const power = powerScale(format, total(up, true), total(down, true));
  const worth = padded(plan.marginal_krw_per_kwh, base.count);
  const unit = words.language === "ko" ? "원/kWh" : "₩/kWh";
  return {
    ...base, unit: power.unit, scale: power.scale, quality: new Array(base.count).fill("plan"),
    finding: findingOf(plan, total(up, false), total(down, false), words, format),
    about: words("setpoints.about"),
    panels: [
      { about: words("setpoints.about_power"), up, down },
      { unit, scale: 1, about: words("setpoints.about_worth"), lines: [{ name: "market", values: worth, kind: "plan" }] },
    ],
    key: [...keyOf(up, down, words), { name: "market", shape: "line", label: words("setpoints.worth") }],
    columns: [
      ...up.map((layer) => ({ ...power.column(`${layer.key}_source_kw`, words(`source.${layer.key}`), layer.values), quiet: true })),
      ...down.map((layer) => ({ ...power.column(`${layer.key}_use_kw`, words(`use.${layer.key}`), layer.values), quiet: true })),
      { key: "marginal_krw_per_kwh", label: words("setpoints.worth"), unit, values: worth, show: (krw) => format.price(String(krw)), plain: (krw) => format.number(krw, 1) },
    ],
  };
}

function findingOf(plan, given, taken, words, format) {
  const top = (values) => { const at = peakOf(values, 0); return at === null || values[at] < 0.05 ? null : { power: format.power(values[at]), time: format.time(startOf(plan) + at * stepOf(plan)) }; };
  const most = { given: top(given), taken: top(taken) };
  if (!most.given && !most.taken) return words("setpoints.still");
  const told = Object.entries(most).filter(([, found]) => found).map(([side, found]) => words(`setpoints.${side}`, found));
  return told.join(words("setpoints.and"));
}

function keyOf(up, down, words) {
  const seen = new Set();
  return [...up, ...down].filter(({ key, values }) => !seen.has(key) && values.some((value) => value > 0) && seen.add(key))
    .map(({ key, name }) => ({ name, label: words(`short.${key}`) }));
}
