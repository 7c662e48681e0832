// Slots, places and savings of the market in the reader's words.
import { isZero } from "../answer.js";

export const slotText = (ms, format) => format.slot(ms);

// The newest slot that has had its auction; the history ends with it.
export function newestOf(history) {
  const at = history.state.findLastIndex((state) => state !== null);
  return at < 0 ? history.slots - 1 : at;
}

export const slotState = (history, at) => history.state[at] ?? "missing";

export const isLess = (text) => String(text).startsWith("-") && /[1-9]/.test(text);

// Less than nothing is told as readily as a saving; without contracts nothing is said of them.
export function savedSentence(sums, words, format) {
  if (!sums.settled) return words("auction.next_unsettled");
  const part = (model) => { const krw = sums[`saved_${model}_krw`], lost = isLess(krw); return words(`auction.${model}_${lost ? "lost" : "saved"}`, { amount: format.won(lost ? krw.slice(1) : krw) }); };
  const both = sums.bought_kwh.contracts > 0 || !isZero(sums.saved_contracts_krw);
  return words(both ? "auction.next_both" : "auction.next", { p2p: part("p2p"), contracts: part("contracts"), time: format.time(Date.parse(sums.to_utc)), slots: words.count("auction.settled", sums.settled, format.count(sums.settled)) });
}

// Nodes that are no zone have a word; a zone has its name.
export const placeName = (place, words) => (words.has(`places.${place}`) ? words(`places.${place}`) : place);

// How it ended in a sentence: who had to share, or why nothing was traded.
export function outcomeText(place, words, format) {
  const { margin, flags } = place, flag = flags.find((one) => words.has(`auction.flag.${one}`));
  const told = margin ? words(`auction.margin.${margin.side}`, { price: format.price(margin.price_krw_per_kwh), filled: format.energy(margin.filled_kwh), open: format.energy(margin.open_kwh) })
    : place.price_krw_per_kwh === null ? words("auction.untraded") : "";
  const out = place.sold_kwh - place.bought_kwh, energy = format.energy(Math.abs(out));
  const flow = Math.abs(out) < 0.0005 ? "" : words(out > 0 ? "auction.flow_out" : "auction.flow_in", { energy });
  return [told, flow, flag && words(`auction.flag.${flag}`)].filter(Boolean).join(" ");
}
