// The plan's 96 slots: how full the fullest element is, and the lowest and highest voltage.
import { frame, padded, peakOf } from "../series.js";
import { stepOf } from "./shares.js";

const ROUND_PU = 0.02;

export function stripModel(wires, snapshot, { words, format }) {
  const data = wires.strip;
  const base = { ...frame(data, snapshot, [data.loading_frac]), nowIndex: 0 };
  const loading = padded(data.loading_frac, base.count), low = padded(data.v_min_pu, base.count), high = padded(data.v_max_pu, base.count);
  const at = peakOf(loading, 0);
  const known = [...low, ...high].filter((value) => value !== null);
  const share = (key, label, values) => ({ key, label, unit: "%", values, show: (value) => format.percent(value), plain: (value) => format.number(value * 100, 1) });
  const voltage = (key, values) => ({ key, label: words(`strip.${key}`), unit: "pu", values, show: (value) => format.voltage(value), plain: (value) => format.number(value, 4) });
  return {
    ...base, unit: "%", scale: 0.01,
    finding: at === null ? words("strip.none") : words("strip.finding", { element: data.loading_element[at], slot: format.slot(base.startMs + at * base.stepMs, base.stepMs), share: format.percent(loading[at]) }),
    about: words("strip.about"), absent: words("strip.absent"),
    quality: loading.map((value) => (value === null ? "missing" : "plan")),
    panels: [
      // Steps exclude one another slot by slot, so slots are not drawn as hours.
      { slotwise: true, about: words("strip.about_loading"), up: [0, 1, 2, 3].map((step) => ({ name: `load-${step}`, values: loading.map((value) => (stepOf(value) === step ? value : null)) })), levels: [{ name: "limit", value: 1, label: words("strip.limit"), labelAbove: words("strip.limit_above") }] },
      { unit: "pu", scale: 1, about: words("strip.about_voltage"), range: known.length ? [Math.floor(Math.min(...known) / ROUND_PU) * ROUND_PU, Math.ceil(Math.max(...known) / ROUND_PU) * ROUND_PU] : [0.9, 1.1], lines: [{ name: "v-low", values: low, kind: "plan" }, { name: "v-high", values: high, kind: "plan" }] },
    ],
    key: [...[0, 1, 2, 3].map((step) => ({ name: `load-${step}`, label: words(`wires.key.${step}`) })), { name: "v-high", shape: "line", label: words("strip.v_max_pu") }, { name: "v-low", shape: "line", label: words("strip.v_min_pu") }],
    columns: [share("loading_frac", words("strip.loading"), loading),
      { key: "loading_element", label: words("strip.element"), unit: "", values: data.loading_element.map((id) => id || null), show: (id) => id, plain: (id) => id },
      voltage("v_min_pu", low), voltage("v_max_pu", high)],
  };
}
