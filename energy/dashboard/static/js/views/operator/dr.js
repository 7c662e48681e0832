// The demand response screen: what is offered, committed, delivered, paid?
import { block } from "./block.js";
import { makeCourse } from "./dr/course.js";
import { makeEvents } from "./dr/events.js";
import { makePayments } from "./dr/payments.js";
import { chosenEvent, totals, windowOf } from "./dr/words.js";
import { later } from "./later.js";

export const drScreen = {
  answer: drAnswer,
  next: drNext,
  blocks: drBlocks,
  jumps: [["course", "jump.course"], ["payments", "jump.payments"], ["events", "jump.events"], ["call", "jump.call"]],
  catalogues: ["limits"],
  paths: ["/v1/dr/events"],
  documents: { dr: { path: "/v1/dr/events" } },
};

const eventsOf = (all) => { if (all.dr instanceof Error) throw all.dr; return all.dr?.items?.length ? all.dr : null; };
const programmesOf = (all) => { if (all.dr instanceof Error) throw all.dr; return all.dr; };

function drBlocks(ctx) {
  const { words } = ctx;
  const empty = (all) => words(all.dr ? "dr.none" : "empty.starting");
  return [
    block({ ctx, id: "course", span: 8, plainTitle: "dr.course", pick: eventsOf, empty, make: makeCourse(ctx) }),
    block({ ctx, id: "payments", span: 4, title: "dr.payments", pick: eventsOf, empty, make: makePayments(ctx) }),
    block({ ctx, id: "events", span: 12, title: "dr.events", pick: eventsOf, empty, make: makeEvents(ctx) }),
    block({ ctx, id: "call", span: 12, title: "call.title", pick: programmesOf, empty, make: later(ctx, async () => (await import("./dr/call.js")).makeCall(ctx)) }),
  ];
}

function drAnswer(all, words, format) {
  if (all.dr instanceof Error) return words("dr.answer.unknown");
  if (!all.dr) return words("answer.starting");
  const event = chosenEvent(all.dr, null);
  if (!event) return words("dr.answer.none");
  const { committed, reduced } = totals(event);
  const values = { window: windowOf(event, format), committed: format.energy(committed), reduced: format.energy(reduced ?? 0), share: committed ? format.percent((reduced ?? 0) / committed) : "–" };
  return words(`dr.answer.${event.state}`, values);
}

function drNext(all, words, format) {
  const event = all.dr instanceof Error || !all.dr ? null : chosenEvent(all.dr, null);
  if (!event) return words("dr.next.none");
  const { committed, declined, asked, without_baseline: without } = event.answers;
  return words("dr.next", { committed: format.count(committed), declined: format.count(declined), asked: format.count(asked), without: format.count(without), time: format.dateTime(Date.parse(event.answer_by_utc)) });
}
