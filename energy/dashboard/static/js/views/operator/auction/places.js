// Prices by zone, what labels cost on top, the ways between zones with flow, room, fee and rent, and what the wires had cut.
import { h } from "../../../dom.js";
import { badge } from "../block.js";
import { placeName } from "./words.js";

export function makePlaces({ words, format }) {
  const cell = (text) => h("td", { class: "n" }, text);
  const head = (...keys) => h("thead", null, h("tr", null, keys.map((key, at) => h("th", { scope: "col", class: at ? "n" : null }, words(`places.${key}`)))));
  const table = (title, top, rows) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, h("table", null, h("caption", null, title), top, h("tbody", null, rows)));
  const labelHead = () => h("thead", null, h("tr", null, ["label", "zone", "volume", "premium"].map((key, at) => h("th", { scope: "col", class: at > 1 ? "n" : null }, words(`labels.${key}`)))));
  const price = (text) => (format.known(text) ? format.price(text) : words("market.no_trade"));
  const way = ({ from, to }) => words("places.way", { from: placeName(from, words), to: placeName(to, words) });
  const full = (link) => link.capacity_kwh !== null && link.flow_kwh > 0 && link.flow_kwh >= link.capacity_kwh;
  const room = (kwh) => (kwh === null ? words("places.unlimited") : format.energy(kwh));

  function verdict({ zones, links }) {
    const closed = zones.filter((zone) => zone.forced).length, fullOnes = links.filter(full).length;
    if (closed) return badge("warning", "▲", words.count("places.closed", closed, format.count(closed)));
    if (fullOnes) return badge("warning", "▲", words.count("places.full", fullOnes, format.count(fullOnes)));
    return badge("ok", "●", words(links.length ? "places.free" : "places.single"));
  }

  const zoneRows = (zones) => zones.map((zone) => h("tr", { "data-zone": zone.zone }, h("th", { scope: "row" }, zone.zone), cell(price(zone.price_krw_per_kwh)),
    cell(format.known(zone.bought_kwh) ? format.energy(zone.bought_kwh) : format.energy(zone.volume_kwh)), cell(format.known(zone.sold_kwh) ? format.energy(zone.sold_kwh) : format.energy(zone.volume_kwh)),
    h("td", { class: "told", lang: zone.forced ? "en" : null }, zone.forced ? zone.reason : "")));
  const linkRows = (links) => links.map((link) => h("tr", { class: full(link) ? "full" : null }, h("th", { scope: "row" }, way(link)), cell(format.energy(link.flow_kwh)),
    cell([full(link) ? h("span", { role: "img", "aria-label": words("places.is_full") }, "▲ ") : "", room(link.capacity_kwh)]), cell(format.price(link.fee_krw_per_kwh)), cell(format.won(link.rent_krw, 1))));

  const labelRows = (labels) => labels.map((one) => h("tr", { "data-label": one.label }, h("th", { scope: "row" }, words(`labels.${one.label}`)), h("td", null, one.zone ?? words("labels.district")),
    cell(format.energy(one.volume_kwh)), cell(price(one.price_krw_per_kwh))));

  function roundItem(round) {
    const parts = [words("places.round_volume", { round: format.count(round.round), volume: format.energy(round.volume_kwh) })];
    if (round.broken.length) parts.push(words.count("places.broken", round.broken.length, format.count(round.broken.length)));
    if (round.cut) parts.push(words("places.cut", { way: way(round.cut), from: room(round.cut.from_kwh), to: room(round.cut.to_kwh) }));
    if (round.no_trade.length) parts.push(words("places.no_trade", { zones: round.no_trade.map((one) => placeName(one, words)).join(", ") }));
    return h("li", null, parts.join(" "), round.broken.length ? h("span", { lang: "en", class: "muted" }, ` ${round.broken[0]}`) : "");
  }

  return (body) => ({ market }) => {
    const { zones = [], links = [], rounds = [], labels = [] } = market;
    const used = links.filter((link) => link.flow_kwh > 0);
    body.replaceChildren(
      h("p", { class: "verdict" }, verdict({ zones, links })),
      zones.length ? table(words("market.zones"), head("zone", "price", "bought", "sold", "closed_why"), zoneRows(zones)) : "",
      labels.length ? table(words("labels.title"), labelHead(), labelRows(labels)) : "",
      used.length ? table(words("places.links"), head("link", "flow", "capacity", "fee", "rent"), linkRows(used)) : "",
      links.length ? h("p", { class: "small" }, words("places.idle", { used: format.count(used.length), all: format.count(links.length) })) : "",
      rounds.length ? h("h3", null, words("places.rounds")) : "", rounds.length ? h("ol", { class: "rounds" }, rounds.map(roundItem)) : "");
  };
}
