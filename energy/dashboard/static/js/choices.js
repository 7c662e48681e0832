// The two choices of the reader, language and theme; cookies keep them, so that nothing flashes.
import { h } from "./dom.js";

const YEAR_S = 31_536_000;
const THEMES = ["auto", "light", "dark"];
const THEME_SIGNS = { auto: "◐", light: "○", dark: "●" };

const remember = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=strict`; };

export const choiceButtons = (words) => [...languageButtons(words), themeButton(words)];

function languageButtons(words) {
  return [["ko", "한국어"], ["en", "English"]].map(([language, label]) => h("button", {
    type: "button", lang: language, class: "choice", "aria-pressed": String(words.language === language),
    onclick: () => { remember("language", language); if (words.language !== language) location.reload(); },
  }, label));
}

function themeButton(words) {
  const root = document.documentElement;
  const button = h("button", { type: "button", class: "choice theme", onclick: () => {
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    remember("theme", root.dataset.theme);
    show();
  } });
  const show = () => button.replaceChildren(h("span", { "aria-hidden": "true" }, `${THEME_SIGNS[root.dataset.theme]} `), words(`theme.${root.dataset.theme}`));
  show();
  return button;
}
