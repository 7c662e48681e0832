// The reports screen: what was the month, in sums and by day?
import { block } from "./block.js";
import { makeDays } from "./office/days.js";
import { makeMonth } from "./office/month.js";

const MONTH = /^20[2-9]\d-(0[1-9]|1[0-2])$/;
const asked = new URLSearchParams(location.search).get("month");
const month = MONTH.test(asked ?? "") ? asked : null;

export const reportsScreen = {
  answer: reportsAnswer,
  next: reportsNext,
  blocks: reportsBlocks,
  jumps: [["month", "jump.month"], ["days", "jump.days"]],
  paths: [`/v1/reports/${month ?? "latest"}`],
  catalogues: ["office"],
  documents: { report: { path: `/v1/reports/${month ?? "latest"}`, always: true } },
};

const known = (found) => { if (found instanceof Error) throw found; return found ?? null; };

function reportsBlocks(ctx) {
  const empty = (all) => ctx.words(all.cycle ? "reports.none" : "empty.starting");
  const pick = (all) => known(all.report);
  return [
    block({ ctx, id: "month", span: 12, title: "month.title", pick, empty, make: makeMonth(ctx) }),
    block({ ctx, id: "days", span: 12, title: "days.title", pick, empty, make: makeDays(ctx) }),
  ];
}

function reportsAnswer(all, words, format) {
  if (all.report instanceof Error || !all.report) return words("reports.answer.none");
  const { month: name, totals, not_kept: lost } = all.report;
  if (lost.length && !(format.known(totals.saved_krw) && format.known(totals.self_sufficiency_frac))) return words("reports.answer.not_kept", { month: name });
  const less = String(totals.saved_krw).startsWith("-");
  return words(less ? "reports.answer.lost" : "reports.answer", { month: name, share: format.known(totals.self_sufficiency_frac) ? format.percent(totals.self_sufficiency_frac) : "–", saved: format.won(String(totals.saved_krw).replace("-", "")) });
}

function reportsNext(all, words, format) {
  if (all.report instanceof Error || !all.report) return "";
  const { totals, bills } = all.report;
  if (!format.known(totals.measured_slots)) return words(bills ? "reports.next.not_kept.billed" : "reports.next.not_kept");
  return words(totals.is_complete ? (bills ? "reports.next.billed" : "reports.next.complete") : "reports.next.part", { slots: format.count(totals.measured_slots) });
}
