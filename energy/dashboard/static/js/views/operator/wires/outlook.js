// What is known of a limit without a new plan: bounds of what the present plan lets pass.
import { shareOf } from "./shares.js";

// What an element passes at its rated current and voltage with a power factor of one, kW.
export function ratedKw(element, { network }) {
  const { buses, lines } = network;
  return element.kind === "transformer" ? element.kva : Math.sqrt(3) * buses.vn_kv[element.from] * lines.i_a_max[element.row];
}

// Slots of the plan that a limit covers; without `fromMs` those after the first one, which is told to
// the devices already: how many there are, in how many more than `mostKw` passes, by how much at most, and for how many the plan
// does not tell. It tells of feeders slot by slot; of others where they are the fullest, for no
// element carries a larger share than that one.
export function outlookOf(model, element, mostKw, { fromMs, untilMs }) {
  const { strip } = model.wires, startMs = Date.parse(strip.start_utc), stepMs = 1000 * strip.step_s;
  const found = { covered: 0, above: 0, untold: 0, overKw: 0 };
  const overOf = (share, at) => boundKw(share, strip.v_max_pu[at], element, model) - mostKw;
  strip.loading_frac.forEach((fullest, at) => {
    const slotMs = startMs + at * stepMs;
    if (slotMs < (fromMs ?? model.slotMs + stepMs) || slotMs >= untilMs) return;
    found.covered += 1;
    const atWorst = slotMs === model.worstMs ? shareOf(model.worst, element) : null;
    const own = strip.feeder_loading_frac?.[element.id]?.[at] ?? atWorst ?? (strip.loading_element[at] === element.id ? fullest : null);
    if (own === null) { found.untold += fullest === null || overOf(fullest, at) > 0 ? 1 : 0; return; }
    if (overOf(own, at) <= 0) return;
    found.above += 1;
    found.overKw = Math.max(found.overKw, overOf(own, at));
  });
  return found;
}

// At most what the two slots that are kept whole let pass; null where there is no state.
export function passingKw(model, element) {
  const of = (shares) => {
    const share = shareOf(shares, element), known = shares.v.filter((v) => v !== null);
    return share === null || !known.length ? null : boundKw(share, Math.max(...known), element, model);
  };
  return { now: of(model.now), worst: of(model.worst) };
}

// The loading is a share of the rated current, so that power grows with the voltage too.
const boundKw = (share, vMax, element, model) => share * Math.max(1, vMax ?? 1) * ratedKw(element, model.net);
