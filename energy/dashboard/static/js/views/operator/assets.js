// The assets screen: what have we, and does it obey?
import { block } from "./block.js";
import { makeAssetCard } from "./office/asset_card.js";
import { counted, makeAssets } from "./office/asset_list.js";
import { makeRetired, retirementsOf } from "./office/retired.js";

export const assetsScreen = {
  answer: assetsAnswer,
  next: assetsNext,
  blocks: assetsBlocks,
  jumps: [["assets", "jump.assets"], ["retired", "jump.retired"], ["asset", "jump.asset"]],
  paths: ["/v1/assets", "/v1/assets/retirements"],
  catalogues: ["office"],
  documents: { assets: { path: "/v1/assets" }, retirements: { path: "/v1/assets/retirements", always: true } },
};

function assetsBlocks(ctx) {
  const { words } = ctx;
  const pick = (all) => { if (all.assets instanceof Error) throw all.assets; return all.assets?.assets?.length ? all.assets : null; };
  const empty = () => words("empty.starting");
  return [
    block({ ctx, id: "assets", span: 12, title: "assets.title", pick, empty, make: makeAssets(ctx) }),
    block({ ctx, id: "retired", span: 6, title: "retired.title", pick: retirementsOf, empty, make: makeRetired(ctx) }),
    block({ ctx, id: "asset", span: 6, title: "asset.title", pick: retirementsOf, empty, make: makeAssetCard(ctx) }),
  ];
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
