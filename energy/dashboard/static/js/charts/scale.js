// A linear scale with round ticks.
export function niceTicks(max, count = 4) {
  if (!(max > 0)) return [0, 1];
  const raw = max / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw - 1e-12) * power;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, index) => index * step);
}

export function tickText(format, value, step) {
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  return format.number(value, Number.isInteger(step * 10 ** digits) ? digits : digits + 1);
}

export const linear = (from, to, low, high) => (value) => low + ((value - from) / (to - from)) * (high - low);

export function minOf(...arrays) {
  return -maxOf(...arrays.map((array) => (array ?? []).map((value) => value === null ? null : -value)));
}

export function maxOf(...arrays) {
  let top = 0;
  for (const array of arrays) for (const value of array ?? []) if (value !== null && value > top) top = value;
  return top;
}
