// The operators' overview: is all well, and what is next?
import { h } from "../../dom.js";
import { makeAlarms } from "./alarms.js";
import { answerOf, nextOf } from "./answer.js";
import { block, chartBlock, definitions } from "./block.js";
import { makeFigures } from "./figures.js";
import { tierRows } from "./forecast_tiers.js";
import { makeFlows } from "./flows.js";
import { marketFacts, marketModel, zoneTable } from "./market.js";
import { balanceModel, forecastModel, importModel } from "./power_charts.js";
import { heatModel, storesModel } from "./store_charts.js";
import { makeCycle, makeGrid, makeLedger } from "./trust.js";

const JUMPS = ["balance", "import", "forecast", "stores", "heat", "market", "grid", "ledger", "cycle"];

export const overviewScreen = {
  answer: answerOf,
  next: nextOf,
  blocks: overviewBlocks,
  jumps: JUMPS.map((name) => [name === "grid" ? "grid-state" : name, `jump.${name}`]),
  paths: ["/v1/overview"],
};

function overviewBlocks(ctx) {
  const { words, format } = ctx;
  const flowsHeading = h("h2", { id: "flows-title" });
  const starting = () => words("empty.starting");
  const blocks = [
    block({ ctx, id: "flows", span: 7, plainTitle: "flows.title", pick: (all) => all.balance, empty: starting, make: (body) => { body.append(flowsHeading); return makeFlows(ctx, flowsHeading)(body); } }),
    block({ ctx, id: "alarms", span: 5, title: "alarms.title", pick: (all) => all.alarms ?? [], empty: starting, make: makeAlarms(ctx) }),
    block({ ctx, id: "figures", span: 12, plainTitle: "figures.title", pick: (all) => (all.kpi || all.market ? { kpi: all.kpi, market: all.market, limitKw: all.import?.limit_kw } : null), empty: () => words("empty.figures"), make: makeFigures(ctx) }),
    chartBlock(ctx, { id: "balance", span: 12, heights: [310], model: balanceModel, pick: (all) => all.balance, empty: starting }),
    chartBlock(ctx, { id: "import", span: 6, heights: [210], model: importModel, pick: (all) => all.import, empty: starting }),
    chartBlock(ctx, { id: "forecast", span: 6, heights: [210], model: forecastModel, pick: (all) => all.forecast, empty: () => words("empty.forecast"), after: tierRows }),
    chartBlock(ctx, { id: "stores", span: 6, heights: [180], model: storesModel, pick: (all) => all.stores, empty: starting, after: (data, model) => [definitions(model.facts)] }),
    chartBlock(ctx, { id: "heat", span: 6, heights: [180], model: heatModel, pick: (all) => all.heat, empty: () => words("empty.heat") }),
    chartBlock(ctx, { id: "market", span: 12, heights: [150, 100], model: marketModel, pick: (all) => (all.market?.history ? all.market : null),
      empty: (all) => words("empty.market", { time: format.time(Date.parse(all.clock.gate_utc)) }), after: marketAfter(ctx) }),
    block({ ctx, id: "grid-state", span: 4, title: "grid.title", pick: (all) => all.grid, empty: starting, make: makeGrid(ctx) }),
    block({ ctx, id: "ledger", span: 4, title: "ledger.title", pick: (all) => all.ledger, empty: () => words("empty.ledger"), make: makeLedger(ctx), asOf: ({ tick_utc: tick }) => (tick ? Date.parse(tick) : null) }),
    block({ ctx, id: "cycle", span: 4, title: "cycle.title", pick: (all) => all.cycle, empty: starting, make: makeCycle(ctx) }),
  ];
  blocks[0].section.setAttribute("aria-labelledby", "flows-title");
  return blocks;
}

// The zones unfold beside the facts and stay unfolded when the figures are renewed.
function marketAfter(ctx) {
  const table = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": ctx.words("market.zones") });
  const details = h("details", { class: "table" }, h("summary", null, ctx.words("market.zones")), table);
  return (market) => {
    table.replaceChildren(zoneTable(market, ctx));
    return [marketFacts(market, ctx), market.zones?.length ? details : ""];
  };
}
