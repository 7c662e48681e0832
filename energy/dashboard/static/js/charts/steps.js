// Step lines and bands: a slot is a mean, so it is a level; null is a gap and never bridged.
const r = (value) => Math.round(value * 10) / 10;

export function stepLine(values, x, y, from = 0, to = values.length) {
  let path = "", open = false;
  for (let i = from; i < to; i += 1) {
    const value = values[i];
    if (value === null || value === undefined) { open = false; continue; }
    path += `${open ? "V" : `M${r(x(i))} `}${r(y(value))}H${r(x(i + 1))}`;
    open = true;
  }
  return path;
}

export function stepBand(low, high, x, y) {
  let path = "";
  for (const [start, end] of runs(low, high)) {
    path += `M${r(x(start))} ${r(y(high[start]))}`;
    for (let i = start; i < end; i += 1) path += `V${r(y(high[i]))}H${r(x(i + 1))}`;
    for (let i = end - 1; i >= start; i -= 1) path += `V${r(y(low[i]))}H${r(x(i))}`;
    path += "Z";
  }
  return path;
}

function runs(low, high) {
  const found = [];
  let start = null;
  const count = Math.min(low.length, high.length);
  for (let i = 0; i <= count; i += 1) {
    const here = i < count && low[i] !== null && high[i] !== null;
    if (here && start === null) start = i;
    if (!here && start !== null) { found.push([start, i]); start = null; }
  }
  return found;
}
