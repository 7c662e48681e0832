// The alarms screen: what needs me, in which order, and how much was it these days?
import { makeAlarms } from "./alarms.js";
import { makeEnded } from "./alarm/ended.js";
import { makeRates, totalOf } from "./alarm/rates.js";
import { block } from "./block.js";

const HOUR_MS = 3_600_000;

export const alarmsScreen = {
  answer: alarmsAnswer,
  next: alarmsNext,
  blocks: alarmsBlocks,
  jumps: [["open", "jump.open_alarms"], ["rates", "jump.rates"], ["ended", "jump.ended"]],
  paths: ["/v1/alarms", "/v1/alarms/ended", "/v1/alarms/days"],
  catalogues: ["records"],
  documents: { ended: { path: "/v1/alarms/ended?limit=20", always: true }, days: { path: "/v1/alarms/days", always: true } },
};

const known = (found) => { if (found instanceof Error) throw found; return found ?? null; };

function alarmsBlocks(ctx) {
  const empty = () => ctx.words("empty.starting");
  return [
    block({ ctx, id: "open", span: 7, title: "alarms.open", pick: (all) => all.alarms ?? [], empty, make: makeAlarms(ctx, { withNote: true }) }),
    block({ ctx, id: "rates", span: 5, title: "rates.title", pick: (all) => known(all.days), empty, make: makeRates(ctx) }),
    block({ ctx, id: "ended", span: 12, title: "ended.title", pick: (all) => known(all.ended), empty, make: makeEnded(ctx) }),
  ];
}

function alarmsAnswer(all, words, format) {
  const open = all.alarms ?? [], unseen = open.filter((one) => !one.seen).length;
  if (!open.length) return words("alarms.none");
  const count = (severity) => open.filter((one) => one.severity === severity).length;
  const parts = ["alarm", "warning"].filter(count).map((one) => words.count(`header.${one}`, count(one), format.count(count(one))));
  return words(unseen ? "alarms.answer.unseen" : "alarms.answer.seen", { open: parts.join(" · "), unseen: format.count(unseen) });
}

function alarmsNext(all, words, format) {
  const open = all.alarms ?? [], nowMs = Date.parse(all.clock.now_utc);
  const sentences = [];
  if (open.length) {
    const oldest = Math.min(...open.map((one) => Date.parse(one.since_utc)));
    const young = open.filter((one) => nowMs - Date.parse(one.since_utc) < HOUR_MS).length;
    sentences.push(words("alarms.next", { time: format.dateTime(oldest), n: format.count(young) }));
  }
  if (all.days && !(all.days instanceof Error)) sentences.push(words("alarms.today", { n: format.count(totalOf(all.days.days.at(-1))) }));
  return sentences.join(" ");
}
