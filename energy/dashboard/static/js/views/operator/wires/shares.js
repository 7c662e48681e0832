// How much of its limit each element uses: 1 is the limit, for currents and for voltages alike.
import { indexNetwork } from "./network.js";

export const STEPS = [0.5, 0.8, 1];
const COUNT = 10;

// 0 calm, 1 in use, 2 tight, 3 over its limit; null where there is no value.
export const stepOf = (share) => (share === null ? null : share > STEPS[2] ? 3 : share > STEPS[1] ? 2 : share > STEPS[0] ? 1 : 0);

// The way from the nominal voltage to the limit on that side.
export const voltageShare = (v, low, high) => (v === null ? null : v >= 1 ? (v - 1) / (high - 1) : (1 - v) / (1 - low));

let last = { wires: null, network: null, net: null, model: null };

// What all cards of the screen work with; made once per answer.
export function wiresModel({ wires, network }) {
  for (const found of [wires, network]) if (found instanceof Error) throw found;
  if (!wires || !network) return null;
  if (last.wires === wires && last.network === network) return last.model;
  const net = last.network === network ? last.net : indexNetwork(network);
  const now = sharesOf(network, wires.now), worst = sharesOf(network, wires.worst);
  const model = {
    net, wires, now, worst, slotMs: Date.parse(wires.slot_utc), worstMs: Date.parse(wires.worst.slot_utc),
    topNow: topOf(net, now), topWorst: topOf(net, worst), tightest: tightestOf(net, now, worst),
  };
  last = { wires, network, net, model };
  return model;
}

function sharesOf({ buses }, state) {
  return {
    line: state.line_loading_frac,
    transformer: state.transformer_loading_frac,
    bus: state.v_pu.map((v, row) => voltageShare(v, buses.v_min_pu[row], buses.v_max_pu[row])),
    v: state.v_pu,
  };
}

export const shareOf = (shares, element) => shares[element.kind][element.row] ?? null;

// The tightest single element under these shares; null where nothing has a value.
function topOf(net, shares) {
  let best = null, most = -1;
  for (const kind of ["transformer", "line", "bus"]) {
    const row = shares[kind].reduce((at, share, here) => (share !== null && share > most ? (most = share, here) : at), -1);
    if (row >= 0) best = net.elements[kind][row];
  }
  return best;
}

// The element that the reader chose, else the tightest one, for that is what they come for.
export function chosenOf(model, state) {
  const id = state.get("element");
  return id === null ? model.tightest[0] ?? null : model.net.byId.get(id) ?? null;
}

// The fullest lines and transformers and each area's worst voltage, tightest first.
function tightestOf(net, now, worst) {
  const candidates = [];
  for (const kind of ["line", "transformer", "bus"]) {
    net.elements[kind].forEach((element, row) => candidates.push({ element, share: Math.max(now[kind][row] ?? -1, worst[kind][row] ?? -1) }));
  }
  // Sorting thousands for ten would be the slowest thing on the screen.
  const floor = candidates.map(({ share }) => share).sort((a, b) => b - a)[Math.min(candidates.length, COUNT * 30) - 1] ?? 0;
  const near = candidates.filter(({ share }) => share >= 0 && share >= floor).sort((a, b) => b.share - a.share || (a.element.id < b.element.id ? -1 : 1));
  const found = [];
  const seen = new Set();
  for (const { element } of near) {
    if (found.length === COUNT) break;
    // A street's buses sink together: the worst one speaks for them.
    const street = element.kind === "bus" ? `bus ${element.area ?? element.feeder ?? ""}` : element.id;
    if (seen.has(street)) continue;
    seen.add(street);
    found.push(element);
  }
  return found;
}
