// The API's columns as chart models: starts, counts and the place of now.
export function startOf(data) {
  const ms = Date.parse(data.start_utc);
  // Drawing happens later, outside the card that could name the fault.
  if (Number.isNaN(ms)) throw new Error(`start_utc: ${data.start_utc}`);
  return ms;
}
export const stepOf = (data) => data.step_s * 1000;

export function nowOf(snapshot) {
  const { balance, cycle, clock } = snapshot;
  if (balance) return startOf(balance) + balance.now_index * stepOf(balance);
  return Date.parse(cycle?.slot_utc ?? clock.slot_utc);
}

// Common fields of a chart over `data`, whose longest array gives the number of slots.
export function frame(data, snapshot, arrays) {
  const startMs = startOf(data), stepMs = stepOf(data);
  const count = Math.max(1, ...arrays.map((array) => array?.length ?? 0));
  const nowIndex = Math.round((nowOf(snapshot) - startMs) / stepMs);
  return { startMs, stepMs, count, nowIndex: Math.min(count, Math.max(0, nowIndex)) };
}

export const padded = (values, count) => Array.from({ length: count }, (_, i) => values?.[i] ?? null);

// A power unit that fits the largest value of a chart, with its divisor and readers.
export function powerScale(format, ...arrays) {
  let top = 0;
  for (const array of arrays) for (const value of array ?? []) if (value !== null) top = Math.max(top, Math.abs(value));
  const unit = format.unitOf(top);
  return {
    unit,
    scale: unit === "MW" ? 1000 : 1,
    column: (key, label, values) => ({
      key, label, unit, values,
      show: (kw) => format.power(kw, unit),
      plain: (kw) => format.number(format.inUnit(kw, unit), unit === "MW" ? 2 : 1),
    }),
  };
}

export function peakOf(values, from, to = values.length) {
  let at = null;
  for (let i = Math.max(0, from); i < to; i += 1) if (values[i] !== null && values[i] !== undefined && (at === null || values[i] > values[at])) at = i;
  return at;
}

export const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
