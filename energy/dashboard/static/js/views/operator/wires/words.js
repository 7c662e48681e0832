// Elements and their figures in the reader's words.
import { h } from "../../../dom.js";
import { shareOf, stepOf } from "./shares.js";

const SIGNS = [["ok", "●"], ["ok", "●"], ["warning", "▲"], ["alarm", "■"]];

export function nameOf(element, words) {
  const kind = element.kind === "line" && !element.closed ? "tie" : element.kind;
  return words(`wires.name.${kind}`, { id: element.id });
}

export const whereOf = (element) => [element.feeder, element.area].filter(Boolean).join(" · ") || "–";

// The figure itself: share of the rating, or the voltage.
export function figureOf(element, shares, { format }) {
  if (element.kind === "line" && !element.closed) return "–";
  const value = element.kind === "bus" ? shares.v[element.row] : shareOf(shares, element);
  if (!format.known(value)) return "–";
  return element.kind === "bus" ? format.voltage(value) : format.percent(value);
}

export function signedFigure(element, shares, ctx) {
  const step = stepOf(shareOf(shares, element));
  const text = figureOf(element, shares, ctx);
  if (step === null || text === "–") return text;
  const [kind, sign] = SIGNS[step];
  return h("span", { class: `sure ${kind}-text` }, h("span", { role: "img", "aria-label": ctx.words(`wires.step.${step}`) }, sign), ` ${text}`);
}

// A limit is read to the kilowatt, whatever its size.
export const kilowatts = (kw, { number }) => `${number(kw, 0, 1)}\u00a0kW`;
