// The settings screen: which rules and settings hold, from when, and who has changed what?
import { block } from "./block.js";
import { makeProposals } from "./office/proposals.js";
import { makeRules } from "./office/rules.js";

export const settingsScreen = {
  answer: settingsAnswer,
  next: settingsNext,
  blocks: settingsBlocks,
  jumps: [["rules", "jump.rules"], ["proposals", "jump.proposals"]],
  paths: ["/v1/rules", "/v1/rules/proposals"],
  catalogues: ["office"],
  documents: {
    rules: { path: "/v1/rules", always: true },
    proposals: { path: "/v1/rules/proposals", always: true },
  },
};

const known = (found) => { if (found instanceof Error) throw found; return found ?? null; };
const bothOf = (all) => (known(all.rules) && known(all.proposals) ? { rules: all.rules, proposals: all.proposals } : null);

function settingsBlocks(ctx) {
  const { words } = ctx;
  const empty = () => words("empty.starting");
  return [
    block({ ctx, id: "rules", span: 6, title: "rules.title", pick: (all) => known(all.rules), empty, make: makeRules(ctx) }),
    block({ ctx, id: "proposals", span: 6, title: "proposals.title", pick: bothOf, empty, make: makeProposals(ctx) }),
  ];
}

function settingsAnswer(all, words, format) {
  if (all.rules instanceof Error || !all.rules) return words("settings.answer.unknown");
  const coming = all.rules.versions.filter((one) => one.version > all.rules.now).at(-1);
  if (!coming) return words("settings.answer", { version: format.count(all.rules.now) });
  return words("settings.answer.coming", { version: format.count(all.rules.now), next: format.count(coming.version), time: format.dateTime(Date.parse(coming.from_slot_utc)) });
}

function settingsNext(all, words) {
  if (all.proposals instanceof Error || !all.proposals) return "";
  const open = all.proposals.items.find((one) => one.state === "open");
  return open ? words("settings.next.open", { who: open.proposed.by }) : words("settings.next.none");
}
