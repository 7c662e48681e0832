// What the home will use and its roof give: the forecast that is made for this account alone.
import { chartBlock } from "../operator/block.js";
import { peakOf, powerScale } from "../operator/series.js";

const BAND = [0.1, 0.5, 0.9];
const DAY_SLOTS = 96;
const LEAST_SUN_KWH = 0.05;

export function aheadBlock(ctx) {
  const { words } = ctx;
  const pick = ({ forecast }) => { if (forecast instanceof Error) throw forecast; return forecast; };
  return chartBlock(ctx, { id: "ahead", span: 12, heights: [200], model: aheadModel, pick, empty: () => words("home.ahead.none"), asOf: (found) => Date.parse(found.first_slot_utc) });
}

// A slot's band is no band of a day: amounts over a day are said without one.
const kwhOf = (kw, stepS) => kw.reduce((sum, value) => sum + (value * stepS) / 3600, 0);

function aheadModel(found, all, { words, format }) {
  const stepMs = found.step_s * 1000, startMs = Date.parse(found.first_slot_utc), count = Math.min(DAY_SLOTS, found.expected_load_kw.length);
  const [low, middle, high] = BAND.map((share) => found.probabilities.findIndex((one) => Math.abs(one - share) < 1e-9));
  const rows = (table) => [low, middle, high].map((at) => table[at].slice(0, count));
  const use = rows(found.load_kw), sun = found.pv_kw ? rows(found.pv_kw) : null;
  const power = powerScale(format, use[2], sun?.[2]);
  const until = startMs + count * stepMs, peak = sun ? peakOf(sun[1], 0) : null;
  const values = {
    time: format.dateTime(until), use: format.energy(kwhOf(found.expected_load_kw.slice(0, count), found.step_s), "kWh"),
    sun: sun ? format.energy(kwhOf(sun[1], found.step_s), "kWh") : "", peak: peak === null ? "" : format.time(startMs + peak * stepMs),
  };
  const shines = sun && kwhOf(sun[1], found.step_s) >= LEAST_SUN_KWH;
  const series = [["use", "use-text", use], ...(sun ? [["sun", "solar", sun]] : [])];
  return {
    startMs, stepMs, count, nowIndex: 0, quality: new Array(count).fill("forecast"), unit: power.unit, scale: power.scale, panels: [{}], slotwise: true,
    finding: words(shines ? "home.ahead.finding_sun" : "home.ahead.finding", values),
    about: words(`home.ahead.${found.tiers.load.tier === "F0" ? "own" : "class"}`),
    bands: series.map(([, name, [from, , to]]) => ({ name, low: from, high: to })),
    lines: series.map(([, name, [, values_kw]]) => ({ name, values: values_kw, kind: "plan" })),
    key: [...series.map(([key, name]) => ({ name, shape: "line", label: words(`home.ahead.${key}`) })), { name: "use-text", shape: "band", label: words("home.ahead.band") }],
    columns: series.flatMap(([key, , levels]) => levels.map((kw, at) => power.column(`${key}_q${BAND[at] * 100}_kw`, at === 1 ? words(`home.ahead.${key}`) : `${words(`home.ahead.${key}`)} ${BAND[at] * 100}\u00a0%`, kw))),
  };
}
