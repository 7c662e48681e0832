// Whether somebody is at the page: what it asks for by itself is no use of a session.
export const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel"];
const AWAY_MS = 5 * 60_000;
let signMs = Date.now();  // who has opened the page is there
let place = null;

// A pointer that rests is told to have moved as well, when what is under it changes.
function see({ type, clientX, clientY }) {
  const there = `${clientX} ${clientY}`;
  if (type !== "pointermove" || (place !== null && place !== there)) signMs = Date.now();
  if (type === "pointermove") place = there;
}

for (const sign of SIGNS) addEventListener(sign, see, { capture: true, passive: true });

export const isAway = () => Date.now() - signMs > AWAY_MS;
