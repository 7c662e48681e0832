// Draws one chart over slots: stacks up and down, bands, step lines, levels. Pure: model in, SVG out.
import { s } from "../dom.js";
import { stackPaths, stackTop } from "./bars.js";
import { linear, maxOf, minOf, niceTicks, tickText } from "./scale.js";
import { stepBand, stepLine } from "./steps.js";
import { timeTicks } from "./time.js";

export const MARGIN = { left: 42, right: 10, top: 20, bottom: 22 };
// Under this width a planned slot is drawn as part of its hour.
const PLAN_PX_MIN = 3;
const HOUR_SLOTS = 4;
let drawn = 0;

export function timeChart(model, { width, height, format, words, label }) {
  const { count, nowIndex, up = [], down = [] } = model;
  const divide = model.scale ?? 1;
  const plot = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const axis = verticalAxis(model, divide, height);
  const x = linear(0, count, plot.left, plot.right);
  const y = linear(axis.low, axis.high, plot.bottom, plot.top);
  const svg = s("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  const hatch = `hatch-${(drawn += 1)}`;
  svg.append(hatchPattern(hatch));
  drawGrid(svg, { plot, axis, y, format, unit: model.unit });
  drawTimes(svg, { plot, x, model, width, format });
  const units = (value) => y(value / divide);
  for (const side of [up, down]) {
    const toY = side === up ? units : (value) => units(-value);
    const stacks = stackPaths(side, { x, y: toY, nowIndex, count, quality: model.quality, every: !model.slotwise && x(1) - x(0) < PLAN_PX_MIN ? HOUR_SLOTS : 1 });
    for (const stack of stacks) {
      for (const kind of ["measured", "plan"]) {
        if (stack.paths[kind]) svg.append(s("path", { class: `fill-${stack.name} ${kind}`, d: stack.paths[kind] }));
      }
    }
    if (stacks.length) svg.append(...estimates(model.quality, stacks.at(-1).top, x, toY, hatch));
  }
  for (const band of model.bands ?? []) {
    svg.append(s("path", { class: `band band-${band.name}`, d: stepBand(band.low, band.high, x, units) }));
    for (const edge of [band.low, band.high]) svg.append(s("path", { class: `edge line-${band.name}`, d: stepLine(edge, x, units) }));
  }
  for (const line of model.lines ?? []) {
    svg.append(s("path", { class: `line line-${line.name} ${line.kind ?? ""}`, d: stepLine(line.values, x, units) }));
  }
  drawLevels(svg, { levels: model.levels ?? [], axis, divide, plot, y });
  if ((up.length && down.length) || (axis.signed && !model.range)) svg.append(s("path", { class: "zero", d: `M${plot.left} ${y(0)}H${plot.right}` }));
  const now = makeNow({ x, plot, count, words });
  const cursor = s("rect", { class: "cursor", y: plot.top, height: plot.bottom - plot.top, width: Math.max(2, x(1) - x(0)), x: -99 });
  svg.append(now.line, cursor);
  return {
    svg,
    moveNow: now.move,
    moveCursor: (index) => cursor.setAttribute("x", index === null ? -99 : x(index)),
    indexAt: (px) => Math.min(count - 1, Math.max(0, Math.floor(((px - plot.left) / (plot.right - plot.left)) * count))),
  };
}

function verticalAxis(model, divide, height) {
  if (model.range) {
    const [low, high] = model.range.map((value) => value / divide);
    const steps = niceTicks(high - low, 3), step = steps[1] - steps[0];
    return { low, high, step, signed: true, ticks: steps.map((_, at) => (Math.ceil(low / step - 1e-9) + at) * step).filter((value) => value <= high + 1e-9) };
  }
  const { count, up = [], down = [], lines = [], bands = [], levels = [] } = model;
  const data = Math.max(stackTop(up, count), maxOf(...lines.map((line) => line.values), ...bands.map((band) => band.high))) / divide;
  // Prices may lie below nought, if the market's rules let them.
  const dip = -minOf(...lines.map((line) => line.values), ...bands.map((band) => band.low)) / divide;
  const dips = dip > data / 200, below = Math.max(stackTop(down, count) / divide, dip), isSplit = down.length > 0 || dips;
  // A limit far above the data would press them flat; its label then says that it lies above.
  const near = levels.map(({ value }) => value / divide).filter((value) => value <= 1.6 * data);
  const fixed = model.max === undefined ? 0 : model.max / divide;
  const top = Math.max(data, fixed, ...near);
  const ticks = niceTicks(Math.max(top, below), isSplit ? 3 : height < 150 ? 3 : 4);
  const step = ticks[1] - ticks[0];
  const room = (value) => Math.max(step, value * 1.04);
  const upTo = fixed && fixed >= data ? fixed : room(top);
  const downTo = isSplit ? room(below) : 0;
  return { low: -downTo, high: upTo, step, signed: dips && !down.length, ticks: [...ticks.slice(1).map((tick) => -tick), ...ticks] };
}

function hatchPattern(id) {
  return s("defs", null, s("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("rect", { class: "hatch", width: 2, height: 5 })));
}

function estimates(quality, top, x, y, hatch) {
  return (quality ?? []).flatMap((kind, i) => kind === "estimated" && top[i] > 0
    ? [s("rect", { class: "estimate", fill: `url(#${hatch})`, x: x(i), width: x(i + 1) - x(i), y: Math.min(y(0), y(top[i])), height: Math.abs(y(top[i]) - y(0)) })]
    : []);
}

// An axis with a range of its own, or whose lines go below nought, has a sign; stacks show what goes down as it is.
function drawGrid(svg, { plot, axis, y, format, unit }) {
  for (const value of axis.ticks) {
    if (value > axis.high + 1e-9 || value < axis.low - 1e-9) continue;
    const at = Math.round(y(value)) + 0.5;
    svg.append(s("path", { class: "gridline", d: `M${plot.left} ${at}H${plot.right}` }));
    svg.append(s("text", { class: "tick", x: plot.left - 6, y: at + 4, "text-anchor": "end" }, tickText(format, axis.signed ? value : Math.abs(value), axis.step)));
  }
  svg.append(s("text", { class: "tick unit", x: 2, y: 11 }, unit));
}

function drawTimes(svg, { plot, x, model, width, format }) {
  for (const tick of timeTicks(model, plot.right - plot.left, format)) {
    const at = x(tick.index);
    const anchor = at < plot.left + 16 ? "start" : at > width - MARGIN.right - 22 ? "end" : "middle";
    svg.append(s("path", { class: tick.day ? "daymark" : "tickmark", d: `M${Math.round(at) + 0.5} ${plot.bottom}v4` }));
    svg.append(s("text", { class: tick.day ? "tick day" : "tick", x: at, y: plot.bottom + 17, "text-anchor": anchor }, tick.text));
  }
}

function drawLevels(svg, { levels, axis, divide, plot, y }) {
  let above = 0;
  for (const level of levels) {
    const value = level.value / divide;
    const inside = value <= axis.high;
    const at = inside ? y(value) : plot.top;
    if (inside) svg.append(s("path", { class: `level ${level.name}`, d: `M${plot.left} ${at}H${plot.right}` }));
    // Under its line where there is no room above it, for there stand the levels beyond the chart.
    const row = inside ? (at - 5 < plot.top + 8 ? at + 14 : at - 5) : 11 + 14 * above;
    if (!inside) above += 1;
    svg.append(s("text", { class: "tick level-label", x: plot.right, y: row, "text-anchor": "end" }, inside ? level.label : level.labelAbove));
  }
}

// The line stands at the very time and not at a slot's border; up to a slot early, at the left edge.
function makeNow({ x, plot, count, words }) {
  const stroke = s("path", { class: "now" });
  const label = s("text", { class: "tick", y: plot.top - 3 }, words("chart.now"));
  const line = s("g", { class: "now-line" }, stroke, label);
  const move = (slots) => {
    const shown = slots !== null && slots >= -1 && slots <= count;
    line.classList.toggle("away", !shown);
    if (!shown) return;
    const at = Math.round(x(Math.max(0, slots))) + 0.5;
    const right = at < plot.right - 40;
    stroke.setAttribute("d", `M${at} ${plot.top - 8}V${plot.bottom}`);
    label.setAttribute("x", right ? at + 4 : at - 4);
    label.setAttribute("text-anchor", right ? "start" : "end");
  };
  move(null);
  return { line, move };
}
