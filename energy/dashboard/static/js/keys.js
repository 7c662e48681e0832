// Single keys: G and a letter opens a screen, J K go through rows, A / N T ← → ? act on this one.
// They can be switched off (WCAG 2.1.4), and what somebody writes is never taken for one.
import { h } from "./dom.js";

export const SCREENS = {
  o: "overview", p: "plan", g: "grid", m: "market", l: "ledger", f: "forecasts", a: "assets", d: "dr", n: "alarms", r: "reports", s: "settings", e: "people",
};
const ROWS = "main [data-row], main tbody tr";
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

export const showHelp = async () => (await import("./help.js")).showHelp();

export function followKeys(state) {
  let openUntil = 0;
  const acts = {
    j: () => goToRow(1), k: () => goToRow(-1), a: pressSeen, "/": search, "?": () => { showHelp(); return true; },
    n: () => { state.set("cursor", null); return true; }, t: turnTable, arrowleft: () => step(-1), arrowright: () => step(1), enter: openRow,
  };
  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!on || !plain || event.defaultPrevented || isTaken(event)) return;
    const key = event.key.toLowerCase(), waits = performance.now() < openUntil;
    openUntil = key === "g" && !waits && !event.repeat ? performance.now() + WAIT_MS : 0;
    if (waits && SCREENS[key]) openScreen(pathOf(SCREENS[key]));
    else if (acts[key]?.() !== undefined) event.preventDefault();
  });
}

export const pathOf = (screen) => (screen === "overview" ? "/" : `/${screen}`);

// The chosen slot goes along; what belongs to one screen stays there.
export function openScreen(path) {
  const slot = new URLSearchParams(location.search).get("slot");
  location.assign(slot ? `${path}?slot=${encodeURIComponent(slot)}` : path);
}

// Keys that an element needs for itself: what is written, chosen, slid or scrolled, and all of a dialog.
function isTaken({ target, key }) {
  if (!(target instanceof Element)) return false;
  if (target.closest("dialog, textarea, select, input:not([type=range]), [contenteditable]")) return true;
  if (target.matches("input[type=range]")) return key.startsWith("Arrow") || "nNtT".includes(key);
  return key.startsWith("Arrow") && target.closest(".scroll, svg, summary, pre") !== null;
}

const isSeen = (element) => element.checkVisibility();
const rowInFocus = () => document.activeElement?.closest(ROWS) ?? null;

// What each key does gives true where it did something; else the browser keeps the key.
function goToRow(by) {
  const rows = [...document.querySelectorAll(ROWS)].filter(isSeen);
  const at = rows.indexOf(rowInFocus());
  const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  if (!row) return undefined;
  row.tabIndex = -1;
  row.focus();
  return true;
}

function openRow() {
  const row = rowInFocus();
  if (!row || document.activeElement !== row) return undefined;
  const way = row.querySelector("summary, a[href], button:not([data-see])");
  way?.click();
  return way ? true : undefined;
}

function pressSeen() {
  const button = rowInFocus()?.querySelector("[data-see]");
  button?.click();
  return button ? true : undefined;
}

function search() {
  const field = [...document.querySelectorAll("main [data-search]")].find(isSeen);
  field?.focus();
  return field ? true : undefined;
}

// The chart in which the focus is, else the first that can be seen on the page as it is scrolled.
function chartInView() {
  const near = document.activeElement?.closest("figure");
  if (near?.querySelector(".time-cursor")) return near;
  const inView = (figure) => { const { top, bottom } = figure.getBoundingClientRect(); return bottom > 0 && top < innerHeight; };
  return [...document.querySelectorAll("main figure")].filter((one) => one.querySelector(".time-cursor") && isSeen(one)).find(inView) ?? null;
}

function turnTable() {
  const details = chartInView()?.querySelector("details.table");
  if (!details) return undefined;
  details.open = !details.open;
  return true;
}

function step(by) {
  const slider = chartInView()?.querySelector(".time-cursor");
  if (!slider) return undefined;
  slider.stepUp(by);
  slider.dispatchEvent(new Event("input"));
  return true;
}
