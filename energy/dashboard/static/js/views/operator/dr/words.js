// What the cards of an event share: which one is chosen, its window, its sums.
import { subtractDecimals } from "../../../format.js";

export const GROUPS = ["households", "operator"];
const SIGN = { OFFERED: "◷", CALLED: "◷", RUNNING: "▶", METERED: "◷", SETTLED: "✓", CANCELLED: "×" };
const KIND = { RUNNING: "warning", SETTLED: "ok" };

// The chosen event, else the latest to begin that somebody has not cancelled.
export function chosenEvent({ items }, id) {
  return items.find((one) => one.id === id) ?? items.find((one) => one.state !== "CANCELLED") ?? items[0] ?? null;
}

export function windowOf(event, format) {
  const [from, to] = [event.first_slot_utc, event.end_utc].map(Date.parse);
  return `${format.date(from)} ${format.time(from)}–${format.time(to)}`;
}

export function totals(event) {
  const groups = GROUPS.map((name) => event.groups[name]);
  const all = (key) => groups.reduce((sum, one) => sum + (one[key] ?? 0), 0);
  return { committed: all("committed_kwh"), reduced: event.version ? all("reduced_kwh") : null };
}

// Reward less penalty, exact.
export const paid = (group) => subtractDecimals(group.reward_krw, group.penalty_krw);

export const stateBadge = (event) => ({ kind: KIND[event.state] ?? "", sign: SIGN[event.state] ?? "" });
