// The chosen event's slots: baseline, what is left after the commitment, and what the meters show.
import { chartFigure } from "../../../charts/figure.js";
import { h } from "../../../dom.js";
import { powerScale } from "../series.js";
import { chosenEvent, GROUPS, totals, windowOf } from "./words.js";

const STEP_MS = 900_000;
const LINES = [["baseline", "baseline_kw", ""], ["target", "target_kw", "plan"], ["metered", "metered_kw", ""]];

export function makeCourse(ctx) {
  const { words, state } = ctx;
  return (body) => {
    const chart = chartFigure({ id: "course-chart", heights: [190, 190], ...ctx });
    const note = h("p", { class: "note" });
    body.append(note, chart.figure);
    let last = null;
    const draw = () => {
      if (!last) return;
      const event = chosenEvent(last, state.get("event"));
      chart.figure.hidden = !event.series;
      note.hidden = Boolean(event.series);
      note.textContent = event.series ? "" : words("dr.course.nobody");
      if (event.series) chart.update(courseModel(event, ctx));
    };
    state.on("event", draw);
    return (data) => { last = data; draw(); };
  };
}

function courseModel(event, { words, format, state }) {
  const { series } = event;
  const scales = Object.fromEntries(GROUPS.map((name) => [name, powerScale(format, ...LINES.map(([, key]) => series[name][key]))]));
  const startMs = Date.parse(series.first_slot_utc), now = state.get("nowMs") ?? startMs;
  const { committed, reduced } = totals(event);
  const figures = { window: windowOf(event, format), committed: format.energy(committed), reduced: format.energy(reduced ?? 0) };
  return {
    startMs, stepMs: STEP_MS, count: event.slots,
    nowIndex: Math.min(event.slots, Math.max(0, Math.round((now - startMs) / STEP_MS))),
    quality: series.households.metered_kw.map((value) => (value === null ? "plan" : "measured")),
    finding: words(reduced === null ? "dr.course.ahead" : "dr.course.finding", figures),
    about: words("dr.course.about"), absent: words("dr.course.nobody"),
    panels: GROUPS.map((name) => ({
      unit: scales[name].unit, scale: scales[name].scale, about: words(`dr.group.${name}`), range: rangeOf(LINES.map(([, key]) => series[name][key])),
      lines: LINES.map(([line, key, kind]) => ({ name: `dr-${line}`, values: series[name][key], kind })),
    })),
    key: LINES.map(([line]) => ({ name: `dr-${line}`, shape: "line", label: words(`dr.line.${line}`) })),
    columns: GROUPS.flatMap((name) => LINES.map(([line, key]) => scales[name].column(`${name}_${key}`, `${words(`dr.group.${name}`)}: ${words(`dr.line.${line}`)}`, series[name][key]))),
  };
}

// Both ends of the axis a little beyond the lines, nought inside: what is fed in lies below it. A
// group that has committed nothing has an axis too.
function rangeOf(arrays) {
  const known = arrays.flat().filter((value) => value !== null);
  const low = Math.min(0, ...known), high = Math.max(0, ...known);
  const room = 0.08 * Math.max(high - low, 1e-3);
  return [low < 0 ? low - room : 0, high > 0 ? high + room : low < 0 ? 0 : 1];
}
