// The market screen: what was traded, at what price, and was it right?
import { block, chartBlock } from "./block.js";
import { makeCurvesCard } from "./auction/curves_card.js";
import { makeFollower } from "./auction/follow.js";
import { makeGains } from "./auction/gains.js";
import { makePlaces } from "./auction/places.js";
import { makeProof } from "./auction/proof.js";
import { pricesModel, volumesModel } from "./auction/series.js";
import { newestOf, savedSentence, slotState, slotText } from "./auction/words.js";

export const marketScreen = {
  answer: marketAnswer,
  next: marketNext,
  blocks: marketBlocks,
  jumps: [["curves", "jump.curves"], ["prices", "jump.prices"], ["volumes", "jump.volumes"], ["gains", "jump.gains"], ["places", "jump.places"], ["proof", "jump.proof"]],
  paths: ["/v1/market/history", "/v1/prices"],
  documents: { history: { path: "/v1/market/history" } },
};

const historyOf = (all) => { if (all.history instanceof Error) throw all.history; return all.history; };

const settledOf = (all) => (historyOf(all)?.totals.settled ? all.history : null);

function marketBlocks(ctx) {
  const { words, format, state } = ctx;
  const none = (all) => words("empty.market", { time: format.time(Date.parse(all.clock.gate_utc)) });
  const follower = makeFollower(state);
  const auction = (all) => { historyOf(all); const found = state.get("auction"); if (found?.error) throw found.error; return found?.document ? found : null; };
  const waiting = (all) => (state.get("auction")?.absent ? words("auction.absent", { slot: slotText(state.get("auction").ms, format) }) : all.history ? words("auction.loading") : none(all));
  const cleared = (all) => { const found = auction(all); return found?.document.district ? found : null; };
  const uncleared = (all) => { const found = auction(all); return found ? words("auction.void", { slot: slotText(found.ms, format) }) : waiting(all); };
  const ofSlot = [
    block({ ctx, id: "places", span: 7, title: "places.title", pick: cleared, empty: uncleared, make: makePlaces(ctx) }),
    block({ ctx, id: "proof", span: 5, title: "proof.title", pick: cleared, empty: uncleared, make: makeProof(ctx) }),
  ];
  const curves = block({ ctx, id: "curves", span: 12, plainTitle: "curves.plain", pick: historyOf, empty: none, make: makeCurvesCard(ctx, follower) });
  const gains = block({ ctx, id: "gains", span: 5, title: "gains.title", pick: historyOf, empty: none, make: makeGains(ctx) });
  const redraw = () => { const all = { ...state.get("snapshot"), ...state.get("documents") }; for (const one of [curves, gains, ...ofSlot]) one.update(all); };
  state.on("auction", redraw);
  follower.follow();
  return [
    curves,
    chartBlock(ctx, { id: "prices", span: 12, heights: [190, 110], model: pricesModel, pick: historyOf, empty: none }),
    chartBlock(ctx, { id: "volumes", span: 7, heights: [150, 150], model: volumesModel, pick: settledOf, empty: (all) => (all.history ? words("volumes.none") : none(all)) }),
    gains, ...ofSlot,
  ];
}

function marketAnswer(all, words, format) {
  const { history } = all;
  if (history instanceof Error) return words("auction.answer.unknown");
  if (!history) return words("auction.answer.none");
  const at = newestOf(history), slot = slotText(Date.parse(history.start_utc) + at * history.step_s * 1000, format);
  const kind = slotState(history, at);
  if (kind === "void" || kind === "no_trade") return words(`auction.answer.${kind}`, { slot });
  const low = history.price_low_krw_per_kwh[at], high = history.price_high_krw_per_kwh[at];
  const price = low === high ? format.price(low) : words("auction.span", { low: format.price(low), high: format.price(high) });
  return words("auction.answer.traded", { slot, price, volume: format.energy(history.volume_kwh[at]) });
}

function marketNext(all, words, format) {
  if (!all.history || all.history instanceof Error) return "";
  return savedSentence(all.history.today, words, format);
}
