// The list of all keys, over the page; Esc closes it and the focus goes back to where it was.
import { h } from "./dom.js";
import { loadWords } from "./i18n.js";
import { keysButton, SCREENS } from "./keys.js";

const ACTS = [
  ["j", "J", "K"], ["enter", "Enter"], ["a", "A"], ["search", "/"], ["slot", "←", "→"], ["hour", "PgUp", "PgDn"], ["ends", "Home", "End"],
  ["n", "N"], ["t", "T"], ["list", "?"], ["esc", "Esc"],
];
let open = false, style = null;

export async function showHelp() {
  if (open) return;
  open = true;
  const { dataset, lang } = document.documentElement;
  const [words] = await Promise.all([loadWords(dataset.assets, lang, "help"), style ??= loadStyle(`${dataset.assets}/css/help.css`)]);
  const keys = (names) => names.map((name) => [h("kbd", null, name), " "]);
  const line = (names, text) => h("div", null, h("dt", null, keys(names)), h("dd", null, text));
  const close = h("button", { type: "button", class: "main", onclick: () => dialog.close() }, words("help.close"));
  const dialog = h("dialog", { class: "help", "aria-labelledby": "help-title", onclose: () => { open = false; dialog.remove(); } },
    h("h2", { id: "help-title" }, words("help.title")),
    h("dl", { class: "facts" }, ACTS.map(([name, ...names]) => line(names, words(`help.${name}`)))),
    h("h3", null, words("help.screens")),
    h("dl", { class: "facts" }, Object.entries(SCREENS).map(([key, screen]) => line(["G", key.toUpperCase()], document.querySelector(`.screens [data-screen="${screen}"]`)?.textContent ?? screen))),
    h("p", { class: "small" }, words("help.off"), " ", keysButton(words)), h("div", { class: "acts" }, close));
  document.body.append(dialog);
  dialog.showModal();
}

function loadStyle(href) {
  return new Promise((done) => { document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror: done })); });
}
