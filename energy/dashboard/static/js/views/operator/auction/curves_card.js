// The auction of one slot: which one, which zone, and its two curves; or why there are none.
import { curveFigure } from "../../../charts/curvefigure.js";
import { h, setText } from "../../../dom.js";
import { problemNodes, textAround } from "../../../problem.js";
import { outcomeText, slotText } from "./words.js";

// The operator's standing rows reach far beyond what is traded: the chart ends at twice the meeting,
// or with what participants have ordered where nothing meets.
const BEYOND = 2;

export function makeCurvesCard(ctx, follower) {
  const { words, format, state } = ctx;
  return (body) => {
    const earlier = h("button", { type: "button", onclick: () => follower.go(-1) }, words("auction.earlier"));
    const later = h("button", { type: "button", onclick: () => follower.go(1) }, words("auction.later"));
    const newest = h("button", { type: "button", onclick: () => follower.newest() }, words("auction.newest"));
    const slot = h("b", { class: "chosen-slot" });
    const select = h("select", { id: "auction-zone", onchange: () => state.set("zone", select.value || null) });
    const chooser = h("p", { class: "zone-choice" }, h("label", { for: "auction-zone" }, words("market.zone")), " ", select);
    const note = h("p", { class: "note", role: "status" });
    const chart = curveFigure({ id: "curves-chart", words, format, height: 280 });
    const outcome = h("p", { class: "outcome" });
    body.append(h("div", { class: "tools", role: "group", "aria-label": words("auction.slots") }, h("p", { class: "choices" }, earlier, slot, later, newest), chooser), note, chart.figure, outcome);

    let listed = null;
    function fillZones(zones, chosen) {
      chooser.hidden = !zones.length;
      const names = zones.map(({ zone }) => zone);
      // A list that is open must not be replaced under the reader.
      if (names.join() !== listed) select.replaceChildren(...["", ...names].map((name) => h("option", { value: name }, name || words("auction.whole"))));
      listed = names.join();
      select.value = chosen.zone ?? "";
    }

    function say(said) {
      chart.figure.hidden = outcome.hidden = chooser.hidden = true;
      note.hidden = false;
      note.replaceChildren(...[said].flat());
    }

    function show() {
      const found = state.get("auction");
      later.disabled = newest.hidden = follower.isNewest();
      if (!found) { say(words("auction.loading")); return; }
      const when = slotText(found.ms, format);
      setText(slot, `${format.date(found.ms)} ${when}`);
      if (found.error) { say(textAround(words, "block.no_answer", "what", ...problemNodes(found.error, words))); return; }
      if (found.absent) { say(words("auction.absent", { slot: when })); return; }
      const { district, zones, reason } = found.document;
      if (!district) { say([words("auction.void", { slot: when }), reason].filter(Boolean).join(" ")); return; }
      const place = zones.find(({ zone }) => zone === state.get("zone")) ?? district;
      fillZones(zones, place);
      outcome.hidden = false;
      outcome.replaceChildren(outcomeText(place, words, format), ...(reason ? [" ", h("span", { lang: "en" }, reason)] : []));
      const model = place.hidden ? null : curvesModel(found, place, ctx);
      chart.figure.hidden = !model;
      note.hidden = Boolean(model);
      if (model) chart.update(model);
      else setText(note, found.document.orders ? hiddenText(place, words, format) : words("auction.no_orders"));
    }
    state.on("zone", show);
    return show;
  };
}

// The price is public where the curves are not.
function hiddenText(place, words, format) {
  if (!place.hidden) return words("auction.no_orders");
  const traded = place.price_krw_per_kwh === null ? "" : words("curves.finding", { price: format.price(place.price_krw_per_kwh), volume: format.energy(Math.max(place.bought_kwh, place.sold_kwh)) });
  return [traded && `${traded}.`, words("auction.hidden")].filter(Boolean).join(" ");
}

const stepsOf = (side) => side.price_krw_per_kwh.map((price, at) => ({ price: Number(price), until: side.until_kwh[at] }));

function curvesModel(found, place, { words, format }) {
  const curves = { demand: stepsOf(place.demand), supply: stepsOf(place.supply) };
  const ends = Object.values(curves).filter((side) => side.length).map((side) => side.at(-1).until);
  if (!ends.length) return null;
  const traded = Math.max(place.bought_kwh, place.sold_kwh);
  const ordered = Math.max(...Object.values(place.ordered_kwh)), margin = marginOf(place, curves);
  const xMax = Math.min(Math.max(...ends), (traded > 0 ? Math.max(BEYOND * traded, Math.min(1.1 * (margin?.to ?? 0), 2 * BEYOND * traded)) : ordered) || Infinity);
  const shown = Object.values(curves).flatMap((side) => side.filter(({ until }, at) => at === 0 || side[at - 1].until < xMax));
  const prices = shown.map(({ price }) => price), low = Math.min(...prices), high = Math.max(...prices), room = Math.max(5, (high - low) * 0.06);
  const price = place.price_krw_per_kwh === null ? null : Number(place.price_krw_per_kwh);
  const divide = xMax >= 1000 ? 1000 : 1;
  return {
    id: `${found.ms}/${place.zone}`, curves, xMax, range: [low - room, high + room], divide, unit: divide > 1 ? "MWh" : "kWh", priceUnit: words.language === "ko" ? "원/kWh" : "₩/kWh",
    // What a zone gets from elsewhere parts the two sides: each is drawn as far as it was served.
    meet: price === null ? null : { bought: place.bought_kwh, sold: place.sold_kwh, price, low: Number(place.low_krw_per_kwh), high: Number(place.high_krw_per_kwh) },
    margin,
    finding: price === null ? words("curves.none") : words("curves.finding", { price: format.price(place.price_krw_per_kwh), volume: format.energy(traded) }),
    about: aboutOf(place, curves, xMax, { words, format }),
    key: [["demand", "demand"], ["supply", "supply"], ...(price === null || place.low_krw_per_kwh === place.high_krw_per_kwh ? [] : [["interval", place.interval]]), ...(place.margin ? [["margin-step", "margin"]] : [])].map(([name, word]) => ({ name, label: words(`auction.${word}_key`) })),
  };
}

function aboutOf(place, curves, xMax, { words, format }) {
  const parts = [words("curves.about")];
  if (place.price_krw_per_kwh !== null) parts.push(words(`curves.interval_${place.low_krw_per_kwh === place.high_krw_per_kwh ? "point" : place.interval}`, { low: format.price(place.low_krw_per_kwh), high: format.price(place.high_krw_per_kwh) }));
  if (Object.values(curves).some((side) => side.length && side.at(-1).until > xMax)) parts.push(words("curves.cut", { energy: format.energy(xMax) }));
  return parts.join(" ");
}

function marginOf(place, curves) {
  if (!place.margin) return null;
  const side = curves[place.margin.side === "bid" ? "demand" : "supply"], price = Number(place.margin.price_krw_per_kwh);
  const at = side.findIndex((step) => step.price === price);
  return at < 0 ? null : { price, from: at ? side[at - 1].until : 0, to: side[at].until };
}
