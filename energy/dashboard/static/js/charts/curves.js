// Draws the two curves of an auction: what bidders pay and what sellers ask, by the energy before.
// Pure: model in, SVG out.
import { s } from "../dom.js";
import { linear, niceTicks, tickText } from "./scale.js";
import { MARGIN } from "./timechart.js";

const r = (value) => Math.round(value * 10) / 10;

// `model`: {curves: {demand, supply: [{price, until}]}, xMax, range: [low, high], divide, unit, priceUnit, meet: {bought, sold, price, low, high} | null, margin: {price, from, to} | null}
export function curveChart(model, { width, height, format, words, label }) {
  const plot = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - 36 };
  const x = linear(0, model.xMax, plot.left, plot.right), y = linear(...model.range, plot.bottom, plot.top);
  const svg = s("svg", { class: "chart curves", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  drawAxes(svg, { plot, x, y, model, format });
  const { meet, margin } = model;
  if (meet) {
    const top = Math.min(y(meet.high), y(meet.low) - 2);
    svg.append(s("rect", { class: "interval", x: plot.left, width: plot.right - plot.left, y: r(top), height: r(y(meet.low) - top) }));
  }
  for (const side of ["demand", "supply"]) {
    const curve = model.curves[side], until = (side === "demand" ? meet?.bought : meet?.sold) ?? 0;
    svg.append(s("path", { class: `curve ${side}`, d: stair(curve, x, y, model.xMax) }));
    if (until > 0) svg.append(s("path", { class: `curve ${side} traded`, d: stair(curve, x, y, until) }));
  }
  if (margin) svg.append(s("path", { class: "margin-step", d: `M${r(x(margin.from))} ${r(y(margin.price))}H${r(x(Math.min(margin.to, model.xMax)))}` }));
  if (meet) drawMeeting(svg, { meet, plot, x, y, format, words });
  const cursor = s("path", { class: "curve-cursor", d: "" });
  svg.append(cursor);
  return {
    svg,
    moveCursor: (kwh) => cursor.setAttribute("d", kwh === null ? "" : `M${r(x(kwh))} ${plot.top}V${plot.bottom}`),
    kwhAt: (px) => Math.min(model.xMax, Math.max(0, ((px - plot.left) / (plot.right - plot.left)) * model.xMax)),
  };
}

// The price of a side for the next Wh after `kwh`; null where the side has ended.
export function priceAt(curve, kwh) {
  const step = curve.find(({ until }) => until > kwh);
  return step ? step.price : null;
}

function stair(curve, x, y, end) {
  let path = "", from = 0;
  for (const { price, until } of curve) {
    if (from >= end) break;
    const to = Math.min(until, end);
    path += `${path ? "V" : `M${r(x(from))} `}${r(y(price))}H${r(x(to))}`;
    from = to;
  }
  return path;
}

function drawAxes(svg, { plot, x, y, model, format }) {
  const [low, high] = model.range, prices = niceTicks(high - low, 4), step = prices[1] - prices[0];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + 1e-9; tick += step) {
    const at = Math.round(y(tick)) + 0.5;
    svg.append(s("path", { class: "gridline", d: `M${plot.left} ${at}H${plot.right}` }),
      s("text", { class: "tick", x: plot.left - 6, y: at + 4, "text-anchor": "end" }, tickText(format, tick, step)));
  }
  const ticks = niceTicks(model.xMax / model.divide, Math.max(2, Math.floor((plot.right - plot.left) / 90)));
  for (const tick of ticks) {
    const at = x(tick * model.divide);
    if (at > plot.right + 0.5) break;
    svg.append(s("path", { class: "tickmark", d: `M${r(at)} ${plot.bottom}v4` }),
      s("text", { class: "tick", x: r(at), y: plot.bottom + 17, "text-anchor": at > plot.right - 16 ? "end" : "middle" }, tickText(format, tick, ticks[1] - ticks[0])));
  }
  svg.append(s("path", { class: "zero", d: `M${plot.left} ${plot.bottom}H${plot.right}` }),
    s("text", { class: "tick unit", x: 2, y: 11 }, model.priceUnit),
    s("text", { class: "tick unit", x: plot.right, y: plot.bottom + 32, "text-anchor": "end" }, model.unit));
}

function drawMeeting(svg, { meet, plot, x, y, format, words }) {
  const kwh = Math.max(meet.bought, meet.sold), at = { x: x(kwh), y: y(meet.price) }, right = at.x < plot.right - 150;
  svg.append(
    s("path", { class: "meeting", d: `M${plot.left} ${r(at.y)}H${r(at.x)}V${plot.bottom}` }),
    s("circle", { class: "meeting-point", cx: r(at.x), cy: r(at.y), r: 5 }),
    s("text", { class: "tick level-label", x: r(at.x + (right ? 9 : -9)), y: r(Math.max(plot.top + 10, at.y - 9)), "text-anchor": right ? "start" : "end" },
      words("auction.meet", { price: format.price(String(meet.price)), volume: format.energy(kwh) })));
}
