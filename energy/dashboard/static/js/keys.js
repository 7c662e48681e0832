// G, then a letter, opens a screen; single keys can be switched off (WCAG 2.1.4).
import { h } from "./dom.js";

const SCREENS = { o: "/", p: "/plan", g: "/grid", m: "/market", f: "/forecasts", d: "/dr", a: "/assets", r: "/reports", s: "/settings" };
const WAIT_MS = 1500;
const YEAR_S = 31_536_000;
let on = !/(?:^|; )keys=off/.test(document.cookie);

export const singleKeysAreOn = () => on;

export function keysButton(words) {
  const button = h("button", { type: "button", class: "keys", onclick: () => {
    on = !on;
    document.cookie = `keys=${on ? "on" : "off"}; path=/; max-age=${YEAR_S}; samesite=strict`;
    show();
  } });
  const show = () => {
    button.setAttribute("aria-pressed", String(on));
    button.textContent = words(on ? "keys.on" : "keys.off");
  };
  show();
  return button;
}

export function followKeys() {
  let openUntil = 0;
  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
    if (!on || !plain || isWritten(event.target)) return;
    const key = event.key.toLowerCase();
    if (performance.now() < openUntil && SCREENS[key]) openScreen(SCREENS[key]);
    else openUntil = key === "g" ? performance.now() + WAIT_MS : 0;
  });
}

// The chosen slot goes along; what belongs to one screen stays there.
export function openScreen(path) {
  const slot = new URLSearchParams(location.search).get("slot");
  location.assign(slot ? `${path}?slot=${encodeURIComponent(slot)}` : path);
}

const isWritten = (element) => element instanceof HTMLElement
  && (element.isContentEditable || element.matches("textarea, select, input:not([type=range])"));
