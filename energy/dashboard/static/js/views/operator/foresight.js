// The forecast screen: what is expected, how sure is it, and did the last ones come true?
import { block, chartBlock } from "./block.js";
import { tierRows } from "./forecast_tiers.js";
import { courseModel, QUANTITIES, shareOf } from "./foresight/course.js";
import { makeGauges } from "./foresight/gauges.js";

export const forecastScreen = {
  answer: forecastAnswer,
  next: forecastNext,
  blocks: forecastBlocks,
  jumps: [["course-load", "jump.course_load"], ["course-pv", "jump.course_pv"], ["course-heat", "jump.course_heat"], ["course-price", "jump.course_price"], ["held", "jump.held"], ["tiers", "jump.tiers"]],
  paths: ["/v1/forecasts", "/v1/forecasts/course", "/v1/forecasts/verification?days=1", "/v1/forecasts/verification?days=7"],
  documents: {
    course: { path: "/v1/forecasts/course" },
    day: { path: "/v1/forecasts/verification?days=1" },
    week: { path: "/v1/forecasts/verification?days=7" },
    basis: { path: "/v1/forecasts" },
  },
};

const SPANS = [12, 6, 6, 12];

const read = (document) => { if (document instanceof Error) throw document; return document ?? null; };

function forecastBlocks(ctx) {
  const { words } = ctx;
  const empty = () => words("empty.starting");
  return [
    ...QUANTITIES.map(([name], at) => chartBlock(ctx, {
      id: `course-${name}`, span: SPANS[at], heights: [SPANS[at] < 12 ? 200 : 240], empty,
      pick: (all) => (read(all.course)?.quantities[name] ? all.course : null),
      model: (data) => courseModel(data, name, ctx),
    })),
    block({ ctx, id: "held", span: 8, title: "held.title", empty, make: makeGauges(ctx),
      pick: (all) => (read(all.day) && read(all.week) ? { day: all.day, week: all.week } : null) }),
    block({ ctx, id: "tiers", span: 4, title: "tiers.title", empty, pick: (all) => read(all.basis),
      make: (body) => (data, all) => body.replaceChildren(...tierRows(data, all, ctx)) }),
  ];
}

function forecastAnswer(all, words, format) {
  const week = all.week instanceof Error ? null : all.week;
  const share = week ? shareOf(week, "load") : null;
  if (share === null) return words(all.course && !(all.course instanceof Error) ? "foresight.answer.new" : "answer.starting");
  return words(share < 0.65 ? "foresight.answer.drifted" : "foresight.answer.holds", { share: format.percent(share) });
}

function forecastNext(all, words, format) {
  const course = all.course instanceof Error ? null : all.course;
  if (!course) return words("foresight.next.none");
  return words("foresight.next", { hours: format.count(course.lead_back_h) });
}
