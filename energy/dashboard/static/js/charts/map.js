// The district from above: pure, an index of the network in, an SVG out that is painted by shares.
// What is many (streets) is one path per step of loading; what is few (feeders, transformers) can be
// reached by keyboard, one element each.
import { s } from "../dom.js";
import { makeZoom } from "./zoom.js";

const MARGIN = 26;
const NEAR_PX = 24;
const MARK_SHARE = 0.4; // of it, about the half of a mark
const NEAR_TIMES = 3; // from here on streets and buses can be told apart
const SINGLE_MAX = 400;
const NAME_MAX = 6; // longer names of feeders would lie over one another from afar
const STEPS = ["none", "0", "1", "2", "3"];
const POINT = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const r = (value) => Math.round(value * 10) / 10;
const named = (step) => (step === null ? "none" : String(step));

export function districtMap({ net, nameOf, label, stepOf, onChoose, onPoint }) {
  const places = placesOf(net);
  const { extent, ends, middle } = places;
  const single = (element) => element.kind === "transformer" || (element.kind === "line" && (element.backbone || net.elements.line.length <= SINGLE_MAX));
  const path = (element) => (element.kind === "line" ? `M${ends(element).join("L")}` : `M${middle(element)}h0`);
  const many = { line: manyPaths("street"), bus: manyPaths("bus") };
  const halos = s("g", { class: "halos" });
  const chosenHalo = s("path", { class: "halo chosen" });
  const focusable = [...net.elements.line, ...net.elements.transformer].filter(single);
  const marks = new Map(focusable.map((element) => [element, s("path", { d: path(element), class: element.kind, tabindex: -1, role: "button", "aria-label": nameOf(element) })]));
  const labels = s("g", { class: "labels", "aria-hidden": "true" },
    net.feeders.map(({ name, bus }) => s("text", { class: name.length <= NAME_MAX ? "feeder" : "area", x: r(places.x[bus]), y: r(places.y[bus]), dy: "-0.8em" }, name)),
    net.elements.transformer.filter((one) => one.area).map((one) => s("text", { class: "area", x: r(places.x[one.to]), y: r(places.y[one.to]), dy: "-0.9em" }, one.area)));
  const group = s("g", null, halos, chosenHalo, many.line.group, [...marks].filter(([one]) => one.kind === "line").map(([, mark]) => mark), many.bus.group,
    [...marks].filter(([one]) => one.kind === "transformer").map(([, mark]) => mark), labels);
  const svg = s("svg", { class: "map", role: "group", "aria-label": label }, group);
  const zoom = makeZoom({ svg, group, extent, margin: MARGIN, onMove: ({ k, fit }) => svg.classList.toggle("near", k >= NEAR_TIMES * fit) });
  const lonely = { line: net.elements.line.filter((one) => !single(one)), bus: net.elements.bus };
  const drawn = { line: lonely.line.map(path), bus: lonely.bus.map(path) };
  let rover = null, chosen = null;

  function rove(element) {
    if (rover) marks.get(rover).setAttribute("tabindex", -1);
    rover = element;
    if (rover) marks.get(rover).setAttribute("tabindex", 0);
  }
  rove(focusable.find((one) => one.kind === "transformer") ?? focusable[0] ?? null);

  const elementOf = new Map([...marks].map(([element, mark]) => [mark, element]));
  svg.addEventListener("focusin", (event) => { const element = elementOf.get(event.target); if (element) { rove(element); onPoint(element); } });
  svg.addEventListener("focusout", () => onPoint(null));
  svg.addEventListener("keydown", (event) => {
    const element = elementOf.get(event.target);
    if (POINT[event.key] && element) marks.get(neighbour(focusable, middle, element, POINT[event.key]) ?? element).focus();
    else if ((event.key === "Enter" || event.key === " ") && element) onChoose(element);
    else if (event.key === "+" || event.key === "=") zoom.zoomBy(1);
    else if (event.key === "-") zoom.zoomBy(-1);
    else if (event.key === "0") zoom.fit();
    else return;
    event.preventDefault();
  });
  const at = (event) => { const box = svg.getBoundingClientRect(); return zoom.toPlace(event.clientX - box.left, event.clientY - box.top); };
  const nearest = (event) => nearestTo(at(event), NEAR_PX / zoom.view.k, svg.classList.contains("near") ? net.elements : { line: focusable.filter((one) => one.kind === "line"), transformer: net.elements.transformer, bus: [] }, places);
  svg.addEventListener("pointermove", (event) => { if (!event.buttons) onPoint(nearest(event)); });
  svg.addEventListener("pointerleave", () => onPoint(null));
  svg.addEventListener("click", (event) => {
    if (zoom.wasDragged()) return;
    const found = nearest(event);
    if (found) { if (marks.has(found)) marks.get(found).focus({ preventScroll: true }); onChoose(found); }
  });

  return {
    svg, zoom, tallness: extent.height / extent.width,
    paint(shares) {
      for (const [element, mark] of marks) setClass(mark, `${element.kind} ${element.closed === false ? "open" : `load-${named(stepOf(shares[element.kind][element.row] ?? null))}`}${element.backbone === false ? " street" : ""}`);
      for (const kind of ["line", "bus"]) many[kind].draw(lonely[kind], drawn[kind], (row) => named(stepOf(shares[kind][row] ?? null)));
    },
    choose(element) {
      chosen = element;
      chosenHalo.setAttribute("d", chosen ? path(chosen) : "");
      if (chosen && marks.has(chosen)) rove(chosen);
    },
    show(element, times = NEAR_TIMES) { const [x, y] = middle(element); zoom.centre(x, y, times); },
    // `groups`: {class: elements}
    surround(groups) {
      halos.replaceChildren(...Object.entries(groups).map(([name, elements]) => s("path", { class: `halo ${name}`, d: elements.map(path).join("") })));
    },
  };
}

function manyPaths(kind) {
  const paths = Object.fromEntries(STEPS.map((step) => [step, s("path", { class: `${kind} many load-${step}` })]));
  return {
    group: s("g", { class: `${kind}s`, "aria-hidden": "true" }, Object.values(paths)),
    draw(elements, drawn, stepAt) {
      const parts = Object.fromEntries(STEPS.map((step) => [step, []]));
      elements.forEach(({ row }, at) => parts[stepAt(row)].push(drawn[at]));
      for (const step of STEPS) { const d = parts[step].join(""); if (paths[step].getAttribute("d") !== d) paths[step].setAttribute("d", d); }
    },
  };
}

function placesOf({ network: { buses } }) {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  buses.x_m.forEach((x, row) => {
    [x, buses.y_m[row]].forEach((value, axis) => { low[axis] = Math.min(low[axis], value); high[axis] = Math.max(high[axis], value); });
  });
  const x = buses.x_m.map((value) => value - low[0]), y = buses.y_m.map((value) => high[1] - value); // north is up
  const point = (bus) => `${r(x[bus])} ${r(y[bus])}`;
  return {
    x, y, extent: { width: Math.max(1, high[0] - low[0]), height: Math.max(1, high[1] - low[1]) },
    ends: ({ from, to }) => [point(from), point(to)],
    // Transformers and buses stand at their low side.
    middle: ({ kind, from, to }) => (kind === "line" ? [r((x[from] + x[to]) / 2), r((y[from] + y[to]) / 2)] : [r(x[to]), r(y[to])]),
  };
}

function nearestTo(place, within, elements, { x, y }) {
  let best = null, distance = within;
  const take = (list, away) => { for (const element of list) { const far = away(element); if (far < distance) { best = element; distance = far; } } };
  const toPoint = ({ to }) => Math.hypot(x[to] - place.x, y[to] - place.y);
  take(elements.transformer, toPoint);
  // Lines end at marks and are drawn beneath: what lies on the mark is the mark.
  if (best && distance < within * MARK_SHARE) return best;
  take(elements.bus, toPoint);
  take(elements.line, ({ from, to }) => toSegment(place, x[from], y[from], x[to], y[to]));
  return best;
}

function toSegment({ x, y }, x1, y1, x2, y2) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = length ? Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) : 0;
  return Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1));
}

// The next element in a direction: little way along, twice as dear aside.
function neighbour(all, middle, from, [dx, dy]) {
  const [x0, y0] = middle(from);
  let best = null, price = Infinity;
  for (const element of all) {
    const [x, y] = middle(element), along = (x - x0) * dx + (y - y0) * dy, aside = Math.abs((x - x0) * dy) + Math.abs((y - y0) * dx);
    const cost = along + 2 * aside;
    if (element !== from && along > 0 && cost < price) { best = element; price = cost; }
  }
  return best;
}

const setClass = (element, name) => { if (element.getAttribute("class") !== name) element.setAttribute("class", name); };
