// The plan screen: what will each asset do, and why?
import { block, chartBlock } from "./block.js";
import { later } from "./later.js";
import { makeBinding } from "./plans/binding.js";
import { makeCertificate } from "./plans/certificate.js";
import { makeReasons } from "./plans/reasons.js";
import { setPointsModel } from "./plans/set_points.js";
import { dearestLimits, limitName } from "./plans/words.js";

export const planScreen = {
  answer: planAnswer,
  next: planNext,
  blocks: planBlocks,
  jumps: [["setpoints", "jump.setpoints"], ["why", "jump.why"], ["certificate", "jump.certificate"], ["binding", "jump.binding"], ["holds", "jump.holds"]],
  catalogues: ["limits"],
  paths: ["/v1/plan", "/v1/steering/holds"],
  documents: { plan: { path: "/v1/plan" }, holds: { path: "/v1/steering/holds", always: true }, replans: { path: "/v1/steering/replans", always: true } },
};

const planOf = (all) => { if (all.plan instanceof Error) throw all.plan; return all.plan; };

function ordersOf(all) {
  for (const one of [all.holds, all.replans]) if (one instanceof Error) throw one;
  return all.holds && all.replans ? all : null;
}

function planBlocks(ctx) {
  const { words } = ctx;
  const starting = () => words("empty.starting");
  const without = (name) => (all) => (planOf(all) ? words(`${name}.none`) : starting());
  return [
    chartBlock(ctx, { id: "setpoints", span: 12, heights: [260, 120], model: setPointsModel, pick: planOf, empty: starting }),
    block({ ctx, id: "why", span: 12, title: "why.title", pick: (all) => (planOf(all)?.reasons?.length ? all.plan : null), empty: without("why"), make: makeReasons(ctx) }),
    block({ ctx, id: "certificate", span: 6, title: "certificate.title", pick: (all) => (planOf(all)?.certificate ? all.plan : null), empty: starting, make: makeCertificate(ctx) }),
    block({ ctx, id: "binding", span: 6, title: "binding.title", pick: (all) => (planOf(all)?.certificate?.binding?.length ? all.plan : null), empty: without("binding"), make: makeBinding(ctx) }),
    block({ ctx, id: "holds", span: 12, title: "hold.title", pick: ordersOf, empty: starting, make: later(ctx, async () => (await import("./plans/holds.js")).makeHolds(ctx)) }),
  ];
}

function planAnswer(all, words, format) {
  const { plan } = all;
  if (plan instanceof Error) return words("plan.answer.unknown");
  if (!all.cycle || !plan) return words("answer.starting");
  const { tier, gap_frac: gap, broken } = plan.certificate;
  if (tier === "T4") return words("answer.hold");
  if (["T2", "T3"].includes(tier)) return words(`answer.${tier}`);
  if (broken?.length) return words.count("plan.answer.broken", broken.length);
  if (!format.known(gap)) return words("plan.answer.open");
  return words(`plan.answer.${tier}`, { gap: `${format.number(gap * 100, 0, 2)}\u00a0%` });
}

function planNext(all, words, format) {
  if (!all.plan || all.plan instanceof Error) return "";
  const [dearest] = dearestLimits(all.plan.certificate);
  if (!dearest) return words("plan.next_free");
  return words("plan.next", { limit: limitName(dearest.limit, words).text, price: format.price(String(dearest.most)), slot: format.slot(dearest.ms) });
}
