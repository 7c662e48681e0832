// The grid screen: where is it tight, now and at worst?
import { block, chartBlock } from "./block.js";
import { later } from "./later.js";
import { makeElementCard } from "./wires/element_card.js";
import { makeMapCard } from "./wires/map_card.js";
import { makeOutage } from "./wires/outage.js";
import { makeRanking } from "./wires/ranking.js";
import { wiresModel } from "./wires/shares.js";
import { stripModel } from "./wires/strip.js";
import { figureOf, nameOf } from "./wires/words.js";

export const gridScreen = {
  answer: gridAnswer,
  next: gridNext,
  blocks: gridBlocks,
  jumps: [["strip", "jump.strip"], ["map", "jump.map"], ["ranking", "jump.ranking"], ["outage", "jump.outage"], ["alone", "jump.alone"], ["limits", "jump.limits"]],
  catalogues: ["limits"],
  paths: ["/v1/grid", "/v1/grid/network", "/v1/steering"],
  documents: { network: { path: "/v1/grid/network", once: true }, wires: { path: "/v1/grid" }, steering: { path: "/v1/steering", always: true }, islands: { path: "/v1/steering/islands", always: true }, replans: { path: "/v1/steering/replans", always: true } },
};

const solved = (all) => { const model = wiresModel(all); return model && all.wires.converged ? model : null; };

// The answers when all of these are there; the first that failed is thrown.
const known = (...names) => (all) => {
  for (const name of names) if (all[name] instanceof Error) throw all[name];
  return names.every((name) => all[name]) ? all : null;
};

function gridBlocks(ctx) {
  const { words, format } = ctx;
  const empty = (all) => (all.wires && !all.wires.converged ? words("wires.no_state", { slot: format.slot(Date.parse(all.wires.slot_utc)), reason: all.wires.reason || "–" }) : words("empty.starting"));
  const wiresOnly = (all) => { if (all.wires instanceof Error) throw all.wires; return all.wires; };
  return [
    chartBlock(ctx, { id: "strip", span: 12, heights: [150, 120], model: stripModel, pick: wiresOnly, empty: () => words("empty.starting") }),
    block({ ctx, id: "map", span: 8, plainTitle: "map.plain", pick: solved, empty, make: makeMapCard(ctx) }),
    block({ ctx, id: "element", span: 4, title: "element.title", pick: solved, empty, make: makeElementCard(ctx) }),
    block({ ctx, id: "ranking", span: 8, title: "ranking.title", pick: solved, empty, make: makeRanking(ctx) }),
    block({ ctx, id: "outage", span: 4, title: "outage.title", pick: wiresModel, empty: () => words("empty.starting"), make: makeOutage(ctx) }),
    block({ ctx, id: "alone", span: 12, title: "alone.title", pick: known("islands", "replans"), empty: () => words("empty.starting"), make: later(ctx, async () => (await import("./wires/alone.js")).makeAlone(ctx)) }),
    block({ ctx, id: "limits", span: 12, title: "limits.title", pick: known("steering"), empty: () => words("empty.starting"), make: later(ctx, async () => (await import("./wires/limits.js")).makeLimits(ctx)) }),
  ];
}

function gridAnswer(all, words, format) {
  const { wires } = all;
  if (wires instanceof Error) return words("wires.answer.unknown");
  if (!all.cycle || !wires) return words("answer.starting");
  const slotMs = Date.parse(wires.slot_utc);
  if (!wires.converged) return words("wires.answer.no_state", { time: format.time(slotMs) });
  const found = wires.violations ?? [];
  const now = found.filter((item) => !item.slot_utc || Date.parse(item.slot_utc) <= slotMs);
  if (now.length) return words.count("answer.violations", now.length);
  if (found.length) return words("answer.violations_ahead", { time: format.time(Math.min(...found.map((item) => Date.parse(item.slot_utc)))) });
  return words("wires.answer.within");
}

function gridNext(all, words, format) {
  if (all.network instanceof Error || all.wires instanceof Error) return "";
  const model = solved(all);
  if (!model) return "";
  const { topNow, topWorst } = model;
  if (!topNow || !topWorst) return "";
  const figure = (element, shares) => figureOf(element, shares, { words, format });
  return words("wires.next", {
    first: format.slot(model.slotMs), now: nameOf(topNow, words), nowFigure: figure(topNow, model.now),
    worst: nameOf(topWorst, words), worstFigure: figure(topWorst, model.worst), slot: format.slot(model.worstMs),
  });
}
