// How long after its end each quarter hour was settled; those still open are as old as they are now.
const SLOT_MS = 900_000, MINUTE_MS = 60_000;

// Slots that are over and not settled, the newest first.
export const openOf = (slots, nowMs) => slots.filter((one) => one.state !== "settled" && Date.parse(one.slot_utc) + SLOT_MS <= nowMs);

export function agesModel({ items }, snapshot, { words, format }) {
  const nowMs = Date.parse(snapshot.clock.now_utc), startMs = Date.parse(items.at(-1).slot_utc);
  const count = Math.round((Date.parse(items[0].slot_utc) - startMs) / SLOT_MS) + 1;
  const empty = () => Array.from({ length: count }, () => null);
  const settled = empty(), open = empty();
  for (const one of items) {
    const begins = Date.parse(one.slot_utc), at = Math.round((begins - startMs) / SLOT_MS);
    const age = (ms) => Math.max(0, (ms - begins - SLOT_MS) / MINUTE_MS);
    if (one.settled_utc) settled[at] = age(Date.parse(one.settled_utc));
    else if (begins + SLOT_MS <= nowMs) open[at] = age(nowMs);
  }
  const done = settled.filter((value) => value !== null).sort((a, b) => a - b);
  const minutes = (value) => `${format.number(value, 0, 1)}\u00a0min`;
  const column = (key, values) => ({ key: `${key}_min`, label: words(`ages.${key}`), unit: "min", values, show: minutes, plain: (value) => format.number(value, 0, 1) });
  return {
    startMs, stepMs: SLOT_MS, count, nowIndex: count, showNow: false, slotwise: true, unit: "min", scale: 1, absent: words("ages.absent"),
    quality: settled.map((value, at) => (value !== null ? "settled" : open[at] !== null ? "unsettled" : "missing")),
    finding: done.length ? words("ages.finding", { median: minutes(done[Math.floor(done.length / 2)]), most: minutes(done.at(-1)) }) : words("ages.plain"),
    about: words("ages.about"),
    panels: [{ about: words("ages.about"), up: [{ key: "settled", name: "settled", values: settled }, { key: "open", name: "unsettled", values: open }] }],
    key: [{ name: "settled", label: words("ages.settled") }, { name: "unsettled", label: words("ages.open") }],
    columns: [column("settled", settled), column("open", open)],
  };
}
