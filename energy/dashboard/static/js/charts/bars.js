// Stacks of slots: measured slots touch, planned slots stand apart, missing ones are absent.
const r = (value) => Math.round(value * 10) / 10;

// One path per series keeps the page small: 12 series of 112 slots are 24 elements.
// `every` > 1 draws that many planned slots as one bar of their mean, where a slot is too narrow.
export function stackPaths(layers, { x, y, nowIndex, count, quality, every = 1 }) {
  const spans = spansOf({ nowIndex, count, quality, every });
  const base = new Array(count).fill(0);
  return layers.map(({ name, values, ...rest }) => {
    const paths = { measured: "", plan: "" };
    for (const { from, to, planned } of spans) {
      const value = meanOf(values, from, to);
      if (!(value > 0)) continue;
      const low = y(base[from]);
      for (let i = from; i < to; i += 1) base[i] += value;
      const high = y(base[from]);
      // A pixel of card colour between layers; thin layers keep what they have.
      const trim = Math.abs(low - high) > 2.5 ? Math.sign(low - high) : 0;
      const inset = planned ? Math.min(1, (x(to) - x(from)) * 0.15) : 0;
      paths[planned ? "plan" : "measured"] +=
        `M${r(x(from) + inset)} ${r(low)}H${r(x(to) - inset)}V${r(high + trim)}H${r(x(from) + inset)}Z`;
    }
    return { name, ...rest, paths, top: base.slice() };
  });
}

function spansOf({ nowIndex, count, quality, every }) {
  const spans = [];
  const plannedAt = (i) => (quality ? quality[i] === "plan" : i >= nowIndex);
  for (let from = 0; from < count;) {
    const planned = plannedAt(from);
    let to = from + 1;
    while (planned && to < count && to < from + every && plannedAt(to)) to += 1;
    if (quality?.[from] !== "missing") spans.push({ from, to, planned });
    from = to;
  }
  return spans;
}

function meanOf(values, from, to) {
  let total = 0, known = 0;
  for (let i = from; i < to; i += 1) if (values[i] !== null && values[i] !== undefined) { total += values[i]; known += 1; }
  return known ? total / known : null;
}

export const stackTop = (layers, count) => {
  let top = 0;
  for (let i = 0; i < count; i += 1) {
    top = Math.max(top, layers.reduce((sum, { values }) => sum + (values[i] ?? 0), 0));
  }
  return top;
};
