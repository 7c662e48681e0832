// The network's tables with what the screen has to know of each element: name, place, feeder, area.
export function indexNetwork(network) {
  const { buses, lines, transformers, areas } = network;
  const { feeders, feederOf } = walkFeeders(network);
  const areaName = (area) => (area >= 0 ? areas.id[area] : null);
  const elements = { line: [], transformer: [], bus: [] };
  const areaOfBus = Array.from(buses.area);
  transformers.id.forEach((id, row) => {
    const hv = transformers.hv[row], lv = transformers.lv[row], area = transformers.area[row];
    if (area >= 0 && areaOfBus[hv] < 0) areaOfBus[hv] = area;
    elements.transformer.push({ kind: "transformer", row, id, from: hv, to: lv, area: areaName(area), feeder: feederOf[lv], kva: transformers.s_kva[row] });
  });
  lines.id.forEach((id, row) => {
    const from = lines.from[row], to = lines.to[row];
    const backbone = buses.kind[from] !== "lv" && buses.kind[to] !== "lv" && buses.kind[from] === buses.kind[to];
    elements.line.push({ kind: "line", row, id, from, to, closed: lines.closed[row], backbone,
      area: backbone ? null : areaName(areaOfBus[to]), feeder: lines.closed[row] ? feederOf[to] ?? feederOf[from] : null });
  });
  buses.id.forEach((id, row) => elements.bus.push({ kind: "bus", row, id, from: row, to: row, area: areaName(areaOfBus[row]), feeder: feederOf[row] }));
  const byId = new Map();
  // A bus may be named like a line; the line is what people ask for.
  for (const kind of ["bus", "line", "transformer"]) for (const element of elements[kind]) byId.set(element.id, element);
  return { network, elements, byId, feeders };
}

// A feeder is what hangs on one closed line from a busbar of the substation, named by that line.
function walkFeeders({ buses, lines, transformers }) {
  const bars = new Set(transformers.lv.filter((_, row) => transformers.area[row] < 0));
  const beside = buses.id.map(() => []);
  const join = (one, other) => { beside[one].push(other); beside[other].push(one); };
  lines.id.forEach((_, row) => { if (lines.closed[row]) join(lines.from[row], lines.to[row]); });
  transformers.id.forEach((_, row) => { if (transformers.area[row] >= 0) join(transformers.hv[row], transformers.lv[row]); });
  const feederOf = buses.id.map(() => null);
  const feeders = [];
  lines.id.forEach((id, row) => {
    const [from, to] = [lines.from[row], lines.to[row]];
    if (!lines.closed[row] || bars.has(from) === bars.has(to)) return;
    const name = id.replace(/-0*1$/, ""), start = bars.has(from) ? to : from;
    feeders.push({ name, line: id, bus: start });
    const waiting = [start];
    while (waiting.length) {
      const bus = waiting.pop();
      if (feederOf[bus] !== null || bars.has(bus)) continue;
      feederOf[bus] = name;
      waiting.push(...beside[bus]);
    }
  });
  return { feeders, feederOf };
}
