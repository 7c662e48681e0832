// The entry of the page that checks receipts.
import { choiceButtons } from "./choices.js";
import { loadWords } from "./i18n.js";
import { openVerify } from "./views/public/verify.js";

const { dataset, lang } = document.documentElement;
const words = await loadWords(dataset.assets, lang, "verify");
document.getElementById("controls").append(...choiceButtons(words));
await openVerify(words);
