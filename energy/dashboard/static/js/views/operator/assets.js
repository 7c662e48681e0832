// The assets screen: what have we, and does it obey?
import { block } from "./block.js";
import { counted, makeAssets } from "./office/asset_list.js";

export const assetsScreen = {
  answer: assetsAnswer,
  next: assetsNext,
  blocks: assetsBlocks,
  jumps: [["assets", "jump.assets"]],
  paths: ["/v1/assets"],
  catalogues: ["office"],
  documents: { assets: { path: "/v1/assets" } },
};

function assetsBlocks(ctx) {
  const { words } = ctx;
  const pick = (all) => { if (all.assets instanceof Error) throw all.assets; return all.assets?.assets?.length ? all.assets : null; };
  return [block({ ctx, id: "assets", span: 12, title: "assets.title", pick, empty: () => words("empty.starting"), make: makeAssets(ctx) })];
}

function assetsAnswer(all, words, format) {
  if (all.assets instanceof Error || !all.assets) return words("assets.answer.unknown");
  const odd = ["trip", "silent", "deviates"].map((state) => counted(all.assets.assets, state));
  const total = all.assets.assets.length;
  if (!odd.some(Boolean)) return words("assets.answer.well", { total: format.count(total) });
  return words("assets.answer.odd", { total: format.count(total), trip: format.count(odd[0]), silent: format.count(odd[1]), deviates: format.count(odd[2]) });
}

function assetsNext(all, words, format) {
  if (all.assets instanceof Error || !all.assets) return "";
  return words(all.assets.told ? "assets.next" : "assets.next.untold", { slot: format.slot(Date.parse(all.assets.slot_utc)) });
}
