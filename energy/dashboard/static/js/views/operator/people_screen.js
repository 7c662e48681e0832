// The people screen: who may sign in, who is invited, and who has done what?
import { block } from "./block.js";
import { makeInvitations } from "./people/invitations.js";
import { makePeople } from "./people/list.js";
import { makeRecords } from "./people/records.js";

export const peopleScreen = {
  answer: peopleAnswer,
  next: peopleNext,
  blocks: peopleBlocks,
  jumps: [["people", "jump.people"], ["invitations", "jump.invitations"], ["records", "jump.records"]],
  paths: ["/v1/people", "/v1/people/invitations", "/v1/audit"],
  catalogues: ["records"],
  documents: { people: { path: "/v1/people", always: true }, invitations: { path: "/v1/people/invitations", always: true } },
};

const known = (found) => { if (found instanceof Error) throw found; return found ?? null; };
export const waiting = ({ items, now_utc: now }) => items.filter((one) => !one.taken_utc && one.ends_utc > now);

function peopleBlocks(ctx) {
  const empty = () => ctx.words("empty.starting");
  return [
    block({ ctx, id: "people", span: 6, title: "people.title", pick: (all) => known(all.people), empty, make: makePeople(ctx) }),
    block({ ctx, id: "invitations", span: 6, title: "invitations.title", pick: (all) => known(all.invitations), empty, make: makeInvitations(ctx) }),
    block({ ctx, id: "records", span: 12, title: "records.title", pick: (all) => all, empty, make: makeRecords(ctx) }),
  ];
}

function peopleAnswer(all, words, format) {
  if (!all.people || all.people instanceof Error) return words("people.answer.unknown");
  const able = all.people.items.filter((one) => !one.disabled_utc);
  return words("people.answer", { n: format.count(able.length), staff: format.count(able.filter((one) => one.role !== "prosumer").length) });
}

function peopleNext(all, words, format) {
  if (!all.invitations || all.invitations instanceof Error) return "";
  return words("people.next", { n: format.count(waiting(all.invitations).length) });
}
