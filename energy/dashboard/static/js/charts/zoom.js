// One group moved by one transform: drag, wheel, buttons; the picture can never be lost from sight.
const STEP = 1.6;
const TIMES_MAX = 40;
const DRAG_PX = 4;

export function makeZoom({ svg, group, extent, margin, onMove }) {
  const view = { k: 1, x: 0, y: 0, fit: 1 };
  let size = { width: 1, height: 1 };

  function apply() {
    const wide = extent.width * view.k, high = extent.height * view.k;
    view.x = bounded(view.x, size.width, wide);
    view.y = bounded(view.y, size.height, high);
    group.setAttribute("transform", `translate(${view.x.toFixed(2)} ${view.y.toFixed(2)}) scale(${view.k.toFixed(5)})`);
    svg.style.setProperty("--k", view.k.toFixed(5));
    onMove(view);
  }
  function bounded(at, room, length) {
    if (length <= room - 2 * margin) return (room - length) / 2;
    return Math.min(room / 2, Math.max(room / 2 - length, at));
  }
  function fit() {
    view.fit = Math.max(1e-6, Math.min((size.width - 2 * margin) / extent.width, (size.height - 2 * margin) / extent.height));
    view.k = view.fit;
    view.x = (size.width - extent.width * view.k) / 2;
    view.y = (size.height - extent.height * view.k) / 2;
    apply();
  }
  function zoomAt(times, px, py) {
    const k = Math.min(view.fit * TIMES_MAX, Math.max(view.fit, view.k * times));
    view.x = px - ((px - view.x) / view.k) * k;
    view.y = py - ((py - view.y) / view.k) * k;
    view.k = k;
    apply();
  }
  // So near that the element's surroundings are seen, and no nearer than it is already.
  function centre(x, y, times) {
    view.k = Math.max(view.k, view.fit * times);
    view.x = size.width / 2 - x * view.k;
    view.y = size.height / 2 - y * view.k;
    apply();
  }

  let from = null, moved = false;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = { px: event.clientX, py: event.clientY, x: view.x, y: view.y };
    moved = false;
  });
  svg.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) { from = null; return; }
    const dx = event.clientX - from.px, dy = event.clientY - from.py;
    if (!moved && Math.hypot(dx, dy) < DRAG_PX) return;
    if (!moved) { moved = true; svg.setPointerCapture(event.pointerId); }
    view.x = from.x + dx;
    view.y = from.y + dy;
    apply();
  });
  svg.addEventListener("pointerup", () => { from = null; });
  svg.addEventListener("pointercancel", () => { from = null; });
  // The wheel scrolls the page unless the reader is at the map.
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !svg.contains(document.activeElement)) return;
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoomAt(STEP ** (-event.deltaY / 240), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  return {
    view, fit, centre,
    wasDragged: () => moved,
    zoomBy: (steps) => zoomAt(STEP ** steps, size.width / 2, size.height / 2),
    toPlace: (px, py) => ({ x: (px - view.x) / view.k, y: (py - view.y) / view.k }),
    resize(width, height) { size = { width, height }; fit(); },
  };
}
