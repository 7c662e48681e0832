// The settings screen: which rules and settings hold, from when, and who has changed what?
import { block } from "./block.js";
import { makeProposals } from "./office/proposals.js";
import { makeRules } from "./office/rules.js";
import { makeHistory, makeSettings } from "./office/settings_tables.js";

export const settingsScreen = {
  answer: settingsAnswer,
  next: settingsNext,
  blocks: settingsBlocks,
  jumps: [["rules", "jump.rules"], ["proposals", "jump.proposals"], ["settings", "jump.settings"], ["history", "jump.history"]],
  paths: ["/v1/rules", "/v1/rules/proposals", "/v1/settings"],
  catalogues: ["office"],
  documents: {
    rules: { path: "/v1/rules", always: true },
    proposals: { path: "/v1/rules/proposals", always: true },
    settings: { path: "/v1/settings", always: true },
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
    block({ ctx, id: "settings", span: 8, title: "settings.title", pick: (all) => known(all.settings), empty, make: makeSettings(ctx) }),
    block({ ctx, id: "history", span: 4, title: "history.title", pick: (all) => known(all.settings), empty, make: makeHistory(ctx) }),
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
