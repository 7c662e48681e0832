// A bar whose parts add up to its length; equal totals make equal bars.
import { s } from "../dom.js";

export function sharesBar(parts, total, width, height = 26) {
  const svg = s("svg", { class: "shares", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true", height });
  let x = 0;
  for (const { name, value } of parts) {
    if (!(value > 0) || !(total > 0)) continue;
    const wide = (value / total) * width;
    svg.append(s("rect", { class: `fill-${name}`, x: x.toFixed(2), y: 0, width: Math.max(0.5, wide - 1).toFixed(2), height }));
    x += wide;
  }
  return svg;
}
