// The entry of the page that shows a participant's statement.
import { choiceButtons } from "./choices.js";
import { loadWords } from "./i18n.js";
import { openStatement } from "./views/public/statement.js";

const { dataset, lang } = document.documentElement;
const words = await loadWords(dataset.assets, lang);
document.getElementById("controls").append(...choiceButtons(words));
openStatement(words);
