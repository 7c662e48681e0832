// Stacks of slots: measured slots touch, planned slots stand apart, missing ones are absent.
const r = (value) => Math.round(value * 10) / 10;

// One path per series keeps the page small: 12 series of 112 slots are 24 elements.
export function stackPaths(layers, { x, y, nowIndex, count, quality }) {
  const base = new Array(count).fill(0);
  return layers.map(({ name, values, ...rest }) => {
    const paths = { measured: "", plan: "" };
    for (let i = 0; i < count; i += 1) {
      const value = values[i];
      if (!(value > 0) || quality?.[i] === "missing") continue;
      const planned = quality ? quality[i] === "plan" : i >= nowIndex;
      const low = y(base[i]);
      base[i] += value;
      const high = y(base[i]);
      // A pixel of card colour between layers; thin layers keep what they have.
      const trim = Math.abs(low - high) > 2.5 ? Math.sign(high - low) : 0;
      const inset = planned ? Math.min(1, (x(i + 1) - x(i)) * 0.15) : 0;
      paths[planned ? "plan" : "measured"] +=
        `M${r(x(i) + inset)} ${r(low)}H${r(x(i + 1) - inset)}V${r(high - trim)}H${r(x(i) + inset)}Z`;
    }
    return { name, ...rest, paths, top: base.slice() };
  });
}

export const stackTop = (layers, count) => {
  let top = 0;
  for (let i = 0; i < count; i += 1) {
    top = Math.max(top, layers.reduce((sum, { values }) => sum + (values[i] ?? 0), 0));
  }
  return top;
};
