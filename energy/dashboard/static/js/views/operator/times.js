// From when until when an order of an operator holds: the two choices, and what the service takes.
import { h } from "../../dom.js";

const HOUR_MS = 3_600_000, SOONEST_MS = 1_800_000, SLOT_MS = 900_000;
const HOURLY = 24, THEN_H = 6, DAYS = 7;
const UNPLANNED = "unplanned";
export const AT_ONCE = "at_once";

// Every full hour of a day ahead, then every sixth; the service allows seven days.
export function hoursAhead(nowMs) {
  const first = Math.ceil((nowMs + SOONEST_MS) / HOUR_MS) * HOUR_MS, last = nowMs + DAYS * 24 * HOUR_MS;
  const found = Array.from({ length: HOURLY }, (_, at) => first + at * HOUR_MS);
  for (let ms = found.at(-1) + THEN_H * HOUR_MS; ms <= last; ms += THEN_H * HOUR_MS) found.push(ms);
  return found;
}

// From when and until when an order holds: at once, where nothing else is chosen.
export function timeInputs(id, { words, format, state }) {
  const hours = hoursAhead(state.get("nowMs")), hour = (ms) => h("option", { value: ms }, format.dateTime(ms));
  const from = h("select", { id: `${id}-from` }, [AT_ONCE, UNPLANNED].map((one) => h("option", { value: one }, words(`limits.from.${one}`))), hours.slice(0, -1).map(hour));
  const until = h("select", { id: `${id}-until` }, hours.map(hour));
  // An end that would not come after the beginning cannot be chosen.
  from.addEventListener("input", () => {
    const later = hours.filter((ms) => !(ms <= Number(from.value))), kept = Number(until.value);
    until.replaceChildren(...later.map(hour));
    if (later.includes(kept)) until.value = kept;
  });
  return { from, until };
}

const utcOf = (select) => new Date(Number(select.value)).toISOString().replace(".000", "");

// The times of such an order as the service takes them.
export const timesOf = ({ from, until }) => ({
  until_utc: utcOf(until),
  ...(from.value === AT_ONCE ? { at_once: true } : from.value === UNPLANNED ? {} : { from_utc: utcOf(from) }),
});

// The slots that are covered: from null on where it begins with the first one that is not planned.
export function windowOf({ from, until }, nowMs) {
  const fromMs = from.value === AT_ONCE ? Math.floor(nowMs / SLOT_MS) * SLOT_MS : from.value === UNPLANNED ? null : Number(from.value);
  return { fromMs, untilMs: Number(until.value) };
}
