// The ledger screen: do the books hold, how far are they, and what stands in them?
import { answerOfBooks, nextOfBooks } from "./books/answer.js";
import { agesModel } from "./books/ages.js";
import { makeBooksAudit } from "./books/audit.js";
import { makeHeads } from "./books/heads.js";
import { makeKeys } from "./books/keys.js";
import { makeLookUp } from "./books/look_up.js";
import { block, chartBlock } from "./block.js";
import { makeLedger } from "./trust.js";

export const ledgerScreen = {
  answer: answerOfBooks,
  next: nextOfBooks,
  blocks: ledgerBlocks,
  jumps: [["books", "jump.books"], ["look-up", "jump.look_up"], ["audit", "jump.audit"], ["ages", "jump.ages"], ["heads", "jump.heads"], ["keys", "jump.keys"]],
  paths: ["/v1/ledger", "/v1/checkpoints", "/v1/ledger/keys", "/v1/ledger/trust", "/v1/ledger/audit"],
  catalogues: ["records"],
  documents: {
    heads: { path: "/v1/checkpoints?limit=24", always: true }, keys: { path: "/v1/ledger/keys", always: true },
    trust: { path: "/v1/ledger/trust", once: true }, slots: { path: "/v1/slots?limit=96" },
  },
};

const known = (name) => (all) => { if (all[name] instanceof Error) throw all[name]; return all[name] ?? null; };
const bothOf = (all) => (known("heads")(all) ? { heads: all.heads, trust: known("trust")(all) } : null);

function ledgerBlocks(ctx) {
  const { words } = ctx;
  const starting = () => words("empty.ledger");
  return [
    block({ ctx, id: "books", span: 4, title: "ledger.title", pick: (all) => all.ledger, empty: starting, make: makeLedger(ctx) }),
    block({ ctx, id: "look-up", span: 8, title: "look_up.title", pick: (all) => all, empty: starting, make: makeLookUp(ctx) }),
    chartBlock(ctx, { id: "ages", span: 8, heights: [180], model: agesModel, pick: (all) => (known("slots")(all)?.items.length ? all.slots : null), empty: () => words("empty.starting") }),
    block({ ctx, id: "audit", span: 4, title: "books.audit", pick: (all) => all, empty: starting, make: makeBooksAudit(ctx) }),
    block({ ctx, id: "heads", span: 8, title: "heads.title", pick: (all) => (known("heads")(all)?.items.length ? bothOf(all) : null), empty: starting, make: makeHeads(ctx) }),
    block({ ctx, id: "keys", span: 4, title: "keys.title", pick: (all) => (known("keys")(all)?.items.length ? { keys: all.keys, trust: known("trust")(all) } : null), empty: starting, make: makeKeys(ctx) }),
  ];
}
