// The operators' overview: is all well, and what is next?
import { chartFigure } from "../../charts/figure.js";
import { h } from "../../dom.js";
import { makeFormat } from "../../format.js";
import { makeAlarms } from "./alarms.js";
import { buildAnswer, buildBanner } from "./answer.js";
import { block, definitions } from "./block.js";
import { makeFigures } from "./figures.js";
import { tierRows } from "./forecast_tiers.js";
import { makeFlows } from "./flows.js";
import { buildHeader } from "./header.js";
import { marketFacts, marketModel, zoneTable } from "./market.js";
import { balanceModel, forecastModel, importModel } from "./power_charts.js";
import { heatModel, storesModel } from "./store_charts.js";
import { makeCycle, makeGrid, makeLedger } from "./trust.js";

const STEP_S = 900;
const JUMPS = ["balance", "import", "forecast", "stores", "heat", "market", "grid", "ledger", "cycle"];

export function buildOverview({ state, words, refresh }) {
  const answer = buildAnswer({ words }), header = buildHeader({ words, state });
  const banner = buildBanner({ words, refresh });
  let view = null, lostSince = null;

  function show(snapshot) {
    const zone = snapshot.district.time_zone;
    // Blocks format by the district's zone, so they are made when the first answer names it.
    if (!view) view = makeView({ state, words, format: makeFormat(words.language, zone) });
    header.update(snapshot, view.format);
    answer.update(snapshot, view.format);
    for (const one of view.blocks) one.update(snapshot);
    document.getElementById("main").dataset.slot = snapshot.cycle?.slot_utc ?? "";
    age();
  }

  function age() {
    const snapshot = state.get("snapshot");
    if (!snapshot || !view) return;
    header.update(snapshot, view.format);
    const asOfMs = Date.parse(snapshot.as_of_utc ?? snapshot.clock.now_utc);
    for (const one of view.blocks) one.grow_old((state.get("nowMs") - asOfMs) / 1000, STEP_S, asOfMs);
  }

  function warn() {
    const error = state.get("error"), snapshot = state.get("snapshot");
    const since = snapshot && view ? view.format.time(Date.parse(snapshot.as_of_utc ?? snapshot.clock.now_utc)) : null;
    banner.show({ error, lostSince, keeps: since ? words("error.keeps", { time: since }) : words("error.nothing") });
    if (error && !snapshot) answer.fail(words("answer.no_answer"));
  }

  state.on("snapshot", show);
  state.on("nowMs", age);
  state.on("error", warn);
  state.on("live", (live) => {
    const ms = state.get("nowMs");
    lostSince = live === "lost" && view && ms ? view.format.time(ms) : null;
    warn();
    age();
  });
  if (state.get("snapshot")) show(state.get("snapshot"));
  else if (state.get("error")) warn();
  else document.getElementById("grid").append(h("div", { class: "loading span-12", id: "first" }, h("i"), h("i"), h("i")));
}

function makeView({ state, words, format }) {
  const ctx = { state, words, format };
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
    block({ ctx, id: "ledger", span: 4, title: "ledger.title", pick: (all) => all.ledger, empty: () => words("empty.ledger"), make: makeLedger(ctx) }),
    block({ ctx, id: "cycle", span: 4, title: "cycle.title", pick: (all) => all.cycle, empty: starting, make: makeCycle(ctx) }),
  ];
  blocks[0].section.setAttribute("aria-labelledby", "flows-title");
  document.getElementById("grid").replaceChildren(...blocks.map((one) => one.section));
  document.getElementById("jump").replaceChildren(...JUMPS.map((name) => h("a", { href: `#${name === "grid" ? "grid-state" : name}` }, words(`jump.${name}`))));
  document.getElementById("foot").replaceChildren(h("p", null, words("foot.keys")), h("p", null, words("foot.api"), " ", h("a", { href: "/v1/overview" }, "/v1/overview")));
  return { blocks, format };
}

// A card around one figure; what stands below the chart is renewed with it.
function chartBlock(ctx, { id, span, heights, model, pick, empty, after }) {
  return block({ ctx, id, span, plainTitle: `${id}.plain`, pick, empty, make: (body) => {
    const chart = chartFigure({ id: `${id}-chart`, heights, ...ctx });
    const below = h("div", { class: "below" });
    body.append(chart.figure, below);
    return (data, snapshot) => {
      const next = model(data, snapshot, ctx);
      chart.update(next);
      if (after) below.replaceChildren(...after(data, next, ctx));
    };
  } });
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
