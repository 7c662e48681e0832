// The entry of a resident's own page.
import { choiceButtons } from "./choices.js";
import { loadWords } from "./i18n.js";
import { openHome } from "./views/home/page.js";

const { dataset, lang } = document.documentElement;
const words = await loadWords(dataset.assets, lang, "home");
document.getElementById("controls").append(...choiceButtons(words));
await openHome(words);
